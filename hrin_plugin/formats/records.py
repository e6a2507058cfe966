"""The record that lies in a folder of results, ``.hrin-<format>.json``: what they were made with.

Formats such as TSV hold events and nothing else; their record tells the classes and the levels.
"""

import hashlib
import json
from pathlib import Path

from hrin_plugin.detection import CERTAINTY_FILE
from hrin_plugin.events import AnnotationError, Fault
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.text import read_plain


def record_path(folder: str | Path, format: str) -> Path:
    """Where the record of a folder's results in a format lies.

    Example
    -------
    >>> record_path("results", "tsv").name
    '.hrin-tsv.json'
    """
    return Path(folder) / f".hrin-{format}.json"


def read_record(path: str | Path) -> dict | None:
    """The settings that the results were made with; None where there is no record, or it is damaged.

    Example
    -------
    >>> read_record(getfixture("tmp_path") / ".hrin-tsv.json") is None
    True
    """
    try:
        record = json.loads(read_plain(path))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def nearest_record(path: str | Path, format: str) -> tuple[Path, dict] | None:
    """The record that a result belongs to: that of its folder, or of the nearest one above.

    Arguments
    ---------
    path : str or pathlib.Path
        The result.
    format : str
        Its format, name of one of ``find_formats()``.

    Returns
    -------
    tuple of (pathlib.Path, dict) or None
        The record's path and what it holds; None where there is none.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = record_path(folder, "tsv").write_text('{"levels": ["md"]}')
    >>> nearest_record(folder / "monday" / "06h.tsv", "tsv")[1]
    {'levels': ['md']}
    """
    for folder in Path(path).absolute().parents:
        record = read_record(record_path(folder, format))
        if record is not None:
            return record_path(folder, format), record
    return None


def recorded_taxonomy(path: str | Path, format: str) -> Taxonomy | None:
    """The classes that a result's record tells of.

    Arguments
    ---------
    path : str or pathlib.Path
        The result.
    format : str
        Its format, name of one of ``find_formats()``.

    Returns
    -------
    Taxonomy or None
        The classes; None where there is no record, or an earlier version wrote it.

    Raises
    ------
    AnnotationError
        If the record holds no taxonomy where it should.

    Example
    -------
    >>> recorded_taxonomy(getfixture("tmp_path") / "06h.tsv", "tsv") is None
    True
    """
    file, record = nearest_record(path, format) or (path, {})
    return parse_taxonomy(file, record["taxonomy"]) if "taxonomy" in record else None


def model_identity(model: str | Path | None) -> str:
    """Identity of a model in records: the digest of the files that decide events, or its name on the Hub.

    Arguments
    ---------
    model : str, pathlib.Path or None
        A folder, or a name on the Hub; None for the model that comes with the package.

    Returns
    -------
    str
        16 hexadecimal digits, or the name.

    Example
    -------
    >>> len(model_identity(None)), model_identity("owner/model")
    (16, 'owner/model')
    """
    folder = Path(__file__).parents[1] / "pretrained" / "models" if model is None else Path(model)
    if model is not None and not folder.is_dir():
        return str(model)
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        is_of_events = path.suffix in (".json", ".safetensors") and path.name != CERTAINTY_FILE
        if is_of_events and path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def parse_taxonomy(path: str | Path, content: object) -> Taxonomy:
    """A taxonomy from what a file says of it, as ``Taxonomy.to_dict`` gave it.

    Arguments
    ---------
    path : str or pathlib.Path
        The file, for messages.
    content : object
        What it says.

    Returns
    -------
    Taxonomy
        The taxonomy.

    Raises
    ------
    AnnotationError
        If that is none, with what is wrong.

    Example
    -------
    >>> parse_taxonomy("a.json", {"levels": [["a"], ["b"]], "parents": [{"b": "a"}]}).sizes
    (1, 1)
    """
    try:
        return Taxonomy(content["levels"], content["parents"])
    except (KeyError, TypeError, ValueError) as error:
        problem = f"its taxonomy cannot be used ({error})"
        raise AnnotationError([Fault(path, 0, problem, "correct it, or write it again")]) from None
