"""Where the parts of OpenBMAT lie in a folder, and what is said where one is missing."""

import os
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.archive.references import MAPPINGS

#: Names of the mapping of each level.
SPELLINGS = {"mrle": MAPPINGS, "md": ("MD_mapping",)}
#: How many folders deep the data set may lie.
DEPTH = 2
_GET_IT = "access on request: Zenodo, record 3381249, https://zenodo.org/record/3381249"
_WANTED = (
    f"give the folder of OpenBMAT that holds audio/ and annotations/ ({_GET_IT}), a zip file of it, "
    "or a folder of recordings with annotations beside them (docs/own_recordings.md)"
)
#: Most neighbours that one message names.
_MOST_NAMED = 6


class Root(NamedTuple):
    """The folder of OpenBMAT, and the two in it that are needed; their letters may be capitals."""

    folder: Path
    audio: Path
    annotations: Path


def find_root(folder):
    """The folder that holds ``audio`` and ``annotations``: this one, or the only one below it.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where to look, and up to :data:`DEPTH` folders below.

    Returns
    -------
    Root or None
        None where there is none.

    Raises
    ------
    ValueError
        If there are several.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("audio", "annotations"):
    ...     (folder / "OpenBMAT" / name).mkdir(parents=True)
    >>> find_root(folder).folder.name
    'OpenBMAT'
    """
    level = [Path(folder)]
    for _ in range(DEPTH + 1):
        found = [root for root in map(_root_at, level) if root]
        if len(found) > 1:
            names = " and ".join(str(root.folder) for root in found[:2])
            raise ValueError(f"{folder}: holds {len(found)} data sets, such as {names}; name one of them")
        if found:
            return found[0]
        level = [each for place in level for each in _folders(place)]
    return None


def find_annotations(root, kind, annotator):
    """The annotations of a level and an annotator, however the mapping is spelt.

    Arguments
    ---------
    root : Root
        The data set.
    kind : str
        "mrle" or "md".
    annotator : str
        "a", "b" or "c".

    Returns
    -------
    str
        A folder of TSV files, or else a JSON file, below the root.

    Raises
    ------
    FileNotFoundError
        With what is there instead.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("audio", "annotations/tsv/MRLE_mapping/annotator_a"):
    ...     (folder / name).mkdir(parents=True)
    >>> (folder / name / "Spain_Talk_1_2.tsv").touch()
    >>> find_annotations(find_root(folder), "mrle", "a")
    'annotations/tsv/MRLE_mapping/annotator_a'
    """
    base, own = root.annotations, f"annotator_{annotator}"
    places = [base / form / each for form in ("tsv", "") for each in SPELLINGS[kind]]
    files = [base / form / f"{each}.json" for form in ("json", "") for each in SPELLINGS[kind]]
    found = [place / own for place in places if _holds_tsv(place / own)]
    found += [path for path in files if path.is_file()]
    if found:
        return found[0].relative_to(root.folder).as_posix()
    wanted = f"there is no folder {(places[0] / own).relative_to(root.folder).as_posix()}"
    mapped = [place for place in places if place.is_dir()]
    if mapped and _holds_tsv(mapped[0]):
        cure = f"its .tsv files lie in {mapped[0].name} itself; move them into {own}"
    elif mapped:
        full = [path for path in _folders(mapped[0]) if _holds_tsv(path)]
        others = [path.name.removeprefix("annotator_") for path in full]
        cure = f"in {mapped[0].name} there is {_names(mapped[0], full) or 'no .tsv file'}; "
        cure += f"use --annotator={others[0]} or restore it" if others else "restore it from OpenBMAT"
    else:
        near = [path for place in (base / "tsv", base / "json", base) for path in _visible(place)]
        near = [path for path in near if path.name not in ("tsv", "json")]
        there = _names(root.folder, near)
        cure = f"there is {there}; " if there else f"{base.name} is empty; "
        cure += f"rename it or restore OpenBMAT's ({_GET_IT})"
        cure += ", or leave out --md_from=mapping" if kind == "md" else ""
    raise FileNotFoundError(f"{root.folder}: {wanted}; {cure}")


def nothing_found(folder):
    """What is missing in a folder that is no data set, what is there instead, and the cure.

    Example
    -------
    >>> nothing_found(Path("nowhere"))
    'nowhere: there is no such folder; check its name; give the folder of OpenBMAT ...'
    """
    if not folder.is_dir():
        return f"{folder}: there is no such folder; check its name; {_WANTED}"
    if _root_at(folder.absolute().parent):
        return f"{folder}: is a part of a data set; did you mean {folder.absolute().parent}?"
    missing = [name for name in ("audio", "annotations") if _child(folder, name) is None]
    there = _names(folder, _visible(folder))
    text = f"{folder}: there is no folder {' and no folder '.join(missing)}; "
    text += f"there is {there}; " if there else "it is empty; "
    packed = [path.name for path in _visible(folder) if path.suffix.lower() in (".zip", ".gz", ".7z", ".rar")]
    return text + (f"unpack {packed[0]}, or name it if it holds everything; " if packed else "") + _WANTED


def _root_at(folder):
    """The data set that is a folder itself, or None."""
    parts = [_child(folder, name) for name in ("audio", "annotations")]
    return Root(folder, *parts) if all(parts) else None


def _child(folder, name):
    """A folder in another, be its name in capitals; None where there is none."""
    found = [path for path in _folders(folder) if path.name.lower() == name]
    return next((path for path in found if path.name == name), found[0] if found else None)


def _holds_tsv(folder):
    return any(path.suffix.lower() == ".tsv" for path in _visible(folder))


def _visible(folder):
    """What lies in a folder, without what systems hide or add."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [Path(folder, name) for name in names if not name.startswith(".") and name != "__MACOSX"]


def _folders(folder):
    return [path for path in _visible(folder) if path.is_dir()]


def _names(base, paths):
    """Neighbours in words."""
    names = [path.relative_to(base).as_posix() for path in paths]
    more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return ", ".join([*names[:_MOST_NAMED], *more])
