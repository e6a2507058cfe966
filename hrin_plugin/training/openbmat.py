"""The layout of OpenBMAT: the files of a data set, and its identity."""

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.events import Fault
from hrin_plugin.training.checksums import Checksums

N_FOLDS = 10
#: Identity of the synthetic set that is used without a data folder, and the folder of its results.
MINIATURE = "miniature"
#: Part of the identity of a set whose sound is synthesised.
SYNTHETIC = "synthetic"
#: Recordings of OpenBMAT, and the pattern of their names.
N_RECORDINGS, _NAME = 1647, re.compile(r".+_.+_\d+_\d+")


class Sources(NamedTuple):
    """The files of the dataset that the manifests are made from."""

    root: Path
    folders: dict  # kind ("audio", "mrle" or "md") -> folder below the root
    files: dict  # kind -> {name: path}
    splits: Path  # may be missing
    faults: dict  # name -> [Fault], for names that two files share


def find_sources(data_folder, annotator, with_md):
    """List the files of OpenBMAT that one annotator's manifests are made from.

    Arguments
    ---------
    data_folder : str or pathlib.Path
        The folder that holds ``audio`` and ``annotations``.
    annotator : str
        "a", "b" or "c".
    with_md : bool
        Whether the music detection annotations are needed.

    Returns
    -------
    Sources
        Names and paths, without hidden files and other extensions.

    Raises
    ------
    FileNotFoundError
        If a folder is missing or there is no recording.

    Example
    -------
    >>> root = getfixture("tmp_path")
    >>> (root / "audio").mkdir()
    >>> find_sources(root, "a", with_md=False)
    Traceback (most recent call last):
    ...
    FileNotFoundError: ...: there is no folder annotations/tsv/RMLE_mapping/annotator_a; ...
    """
    root = Path(data_folder)
    folders = {"audio": "audio", "mrle": f"annotations/tsv/RMLE_mapping/annotator_{annotator}"}
    if with_md:
        folders["md"] = f"annotations/tsv/MD_mapping/annotator_{annotator}"
    missing = [folder for folder in folders.values() if not (root / folder).is_dir()]
    if missing:
        raise FileNotFoundError(
            f"{root}: there is no folder {' and no folder '.join(missing)}; {_advice(root)}"
        )

    files, faults = {}, {}
    for kind, folder in folders.items():
        files[kind] = {}
        extension = ".wav" if kind == "audio" else ".tsv"
        for path in sorted((root / folder).iterdir()):
            if path.name.startswith(".") or path.suffix.lower() != extension or not path.is_file():
                continue
            name = canonical(path.stem)
            other = files[kind].setdefault(name, path)
            if other != path:
                fault = Fault(path, 0, f"has the same name as {other.name}", "delete one of the two")
                faults.setdefault(name, []).append(fault)
    if not files["audio"]:
        raise FileNotFoundError(f"{root / 'audio'}: there is no .wav file; {_advice(root)}")
    return Sources(root, folders, files, root / "splits" / "splits.csv", faults)


def _advice(root):
    """Hint where the data set may be, or how to get it."""
    near = [root.parent] + (sorted(root.iterdir()) if root.is_dir() else [])
    for folder in near:
        if folder != root and (folder / "audio").is_dir() and (folder / "annotations").is_dir():
            return f"did you mean {folder}?"
    return (
        "give the folder of OpenBMAT that holds audio/ and annotations/ "
        "(access on request: Zenodo, record 3381249, https://zenodo.org/record/3381249)"
    )


def canonical(name):
    """A file's name in composed Unicode: macOS decomposes letters such as é.

    Example
    -------
    >>> len("e\\u0301"), len(canonical("e\\u0301"))
    (2, 1)
    """
    return unicodedata.normalize("NFC", name)


def identify_data(data_folder, annotator="a", md_from="mrle", checksums=None):
    """Short identity of a data set, independent of its folder.

    Arguments
    ---------
    data_folder : str, pathlib.Path or None
        The folder of the set; None for the miniature set.
    annotator : str
        The annotator.
    md_from : str
        "mrle", or "mapping" where the music detection annotations are read too.
    checksums : Checksums or None
        Remembers what was read of recordings before.

    Returns
    -------
    str
        The number of recordings, and a digest of their names and content, and of
        the text of annotations and folds.

    Raises
    ------
    FileNotFoundError
        If the folder does not hold OpenBMAT.

    Example
    -------
    >>> identify_data(None)
    'miniature'
    """
    if not data_folder:
        return MINIATURE
    sources = find_sources(data_folder, annotator, with_md=md_from == "mapping")
    digest = hashlib.sha256()
    for kind, files in sorted(sources.files.items()):
        sums = (checksums or Checksums()).of(files.values()) if kind == "audio" else ()
        content = dict(zip(files, map(str.encode, sums)))
        for name, path in sorted(files.items()):
            digest.update(f"{kind}/{name}\0".encode())
            digest.update(content[name] if kind == "audio" else path.read_bytes())
    if sources.splits.is_file():
        digest.update(sources.splits.read_bytes())
    return f"{_kind(sources)} recordings ({digest.hexdigest()[:12]})"


def _kind(sources):
    """The number of recordings and, as far as it shows, where they come from."""
    names = sources.files["audio"]
    try:
        # Written by hrin mix, and with a set that is synthesised.
        made = (sources.root / "README.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        made = ""
    if "all sound synthesised" in made:
        return f"{len(names)} {SYNTHETIC}"
    if "made by: hrin mix" in made:
        return f"{len(names)} mixed"
    is_whole = len(names) == N_RECORDINGS and all(map(_NAME.fullmatch, names))
    return f"OpenBMAT, {len(names)}" if is_whole else f"{len(names)}"
