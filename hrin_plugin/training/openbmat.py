"""The files of a data set, and its identity: OpenBMAT, or own annotated recordings."""

import hashlib
import json
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.archive.collection import SUFFIXES
from hrin_plugin.archive.references import files_by_name
from hrin_plugin.events import Fault
from hrin_plugin.training.checksums import Checksums
from hrin_plugin.training.layout import find_annotations, find_root, nothing_found
from hrin_plugin.training.mapping_json import read_mapping
from hrin_plugin.training.own_recordings import find_pairs

N_FOLDS = 10
#: Identity of the synthetic set that is used without a data folder, and the folder of its results.
MINIATURE = "miniature"
#: Part of the identity of a set whose sound is synthesised, and of one of own recordings.
SYNTHETIC, OWN = "synthetic", "own"
#: Recordings of OpenBMAT, and the pattern of their names.
N_RECORDINGS, _NAME = 1647, re.compile(r".+_.+_\d+_\d+")


class Sources(NamedTuple):
    """The files of the dataset that the manifests are made from."""

    root: Path
    folders: dict  # kind ("audio", "mrle" or "md") -> folder or JSON file below the root
    files: dict  # kind -> {name: path}
    splits: Path  # may be missing; the root of own recordings, whose folds are drawn
    faults: dict  # name -> [Fault], for names that two files share
    is_own: bool = False  # recordings of any length with annotations beside them
    annotator: str = "a"
    given: Path | None = None  # the folder that was named: the root, or above it


def find_sources(data_folder, annotator, with_md):
    """List the files of OpenBMAT that one annotator's manifests are made from, or of own recordings.

    Arguments
    ---------
    data_folder : str or pathlib.Path
        The folder that holds ``audio`` and ``annotations``, or one or two above it, or one of own
        recordings with annotations beside them.
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
    ValueError
        If there are several data sets.

    Example
    -------
    >>> root = getfixture("tmp_path")
    >>> (root / "audio").mkdir()
    >>> find_sources(root, "a", with_md=False)
    Traceback (most recent call last):
    ...
    FileNotFoundError: ...: there is no folder annotations; there is audio; ...
    """
    root = find_root(data_folder)
    if root is None:
        pairs = find_pairs(data_folder)
        if pairs is None:
            raise FileNotFoundError(nothing_found(Path(data_folder)))
        place, (files, faults) = Path(data_folder), pairs
        return Sources(place, dict.fromkeys(files, ""), files, place, faults, is_own=True, given=place)

    folders = {"audio": root.audio.name}
    for kind in ("mrle", "md") if with_md else ("mrle",):
        folders[kind] = find_annotations(root, kind, annotator)
    place = root.folder
    files, faults = {}, {}
    for kind, folder in folders.items():
        if folder.endswith(".json"):
            files[kind] = dict.fromkeys(read_mapping(place / folder, annotator), place / folder)
            continue
        found = files_by_name(place / folder, {".wav"} if kind == "audio" else {".tsv"})
        if kind == "audio" and not found:
            found = files_by_name(place / folder, SUFFIXES)
        files[kind] = {}
        for path in sorted(path for paths in found.values() for path in paths if path.is_file()):
            name = canonical(path.stem)
            other = files[kind].setdefault(name, path)
            if other != path:
                fault = Fault(path, 0, f"has the same name as {other.name}", "delete one of the two")
                faults.setdefault(name, []).append(fault)
    if not files["audio"]:
        raise FileNotFoundError(f"{root.audio}: there is no recording; put the .wav files of OpenBMAT there")
    splits = place / "splits" / "splits.csv"
    return Sources(place, folders, files, splits, faults, annotator=annotator, given=Path(data_folder))


def count_folds(data_folder):
    """Folds of a data set: ten, or as many as there are own recordings if these are fewer.

    Arguments
    ---------
    data_folder : str, pathlib.Path or None
        The folder of the set; None for the miniature set.

    Returns
    -------
    int
        Number of folds.

    Raises
    ------
    ValueError
        If the folder holds several data sets.

    Example
    -------
    >>> count_folds(None)
    10
    """
    pairs = find_pairs(data_folder) if data_folder and not find_root(data_folder) else None
    return min(N_FOLDS, len(_names_of(pairs[0]))) if pairs else N_FOLDS


def folds_told(data):
    """Folds of a data set, as its identity tells them.

    Arguments
    ---------
    data : str
        What :func:`identify_data` gives.

    Returns
    -------
    int
        Number of folds.

    Example
    -------
    >>> folds_told("4 own recordings (0b0a)"), folds_told("OpenBMAT, 1647 recordings (0b0a)")
    (4, 10)
    """
    own = re.match(rf"(\d+) {OWN} ", data)
    return min(int(own.group(1)), N_FOLDS) if own else N_FOLDS


def _names_of(files):
    """Names of own recordings that have an annotation."""
    return files["audio"].keys() & files["mrle"].keys()


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
        content = {}
        if kind == "audio":
            content = dict(zip(files, map(str.encode, (checksums or Checksums()).of(files.values()))))
        elif sources.folders[kind].endswith(".json"):
            rows = read_mapping(sources.root / sources.folders[kind], annotator)
            content = {name: json.dumps(rows[name]).encode() for name in files}
        for name, path in sorted(files.items()):
            digest.update(f"{kind}/{name}\0".encode())
            digest.update(content[name] if content else path.read_bytes())
    if sources.splits.is_file():
        digest.update(sources.splits.read_bytes())
    return f"{_kind(sources)} recordings ({digest.hexdigest()[:12]})"


def _kind(sources):
    """The number of recordings and, as far as it shows, where they come from."""
    names = sources.files["audio"]
    if sources.is_own:
        return f"{len(_names_of(sources.files))} {OWN}"
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
