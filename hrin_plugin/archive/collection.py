"""Recordings from files, folders, patterns and lists, and the names of their results.

The output repeats the input's folders below their deepest common folder. Recordings of the same
name in different folders therefore stay apart.
"""

import collections
import glob
import os
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.files import visible_files

#: What counts as a recording in a folder; a file that is named itself may have any suffix.
SUFFIXES = frozenset(
    (".3gp", ".aac", ".ac3", ".adts", ".aif", ".aifc", ".aiff", ".alac", ".amr", ".ape", ".asf")
    + (".au", ".avi", ".caf", ".dts", ".eac3", ".f4v", ".flac", ".flv", ".m2ts", ".m4a", ".m4b")
    + (".m4v", ".mka", ".mkv", ".mov", ".mp1", ".mp2", ".mp3", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf")
    + (".oga", ".ogg", ".ogv", ".opus", ".ra", ".rf64", ".rm", ".snd", ".sph", ".tta", ".ts", ".vob")
    + (".voc", ".w64", ".wav", ".wave", ".webm", ".wma", ".wmv", ".wv")
)


class ArchiveFile(NamedTuple):
    """A recording, and the name of its results.

    Example
    -------
    >>> ArchiveFile("archive/day1/a.mp3", "day1/a").name
    'day1/a'
    """

    path: str
    name: str  # below the folder of the results, with forward slashes, without the format's suffix


class Collection(NamedTuple):
    """Recordings, and one line for each unusable argument.

    Example
    -------
    >>> Collection([], ["*.mp3: no file matches"]).problems
    ['*.mp3: no file matches']
    """

    recordings: list
    problems: list


def collect(arguments, listed=()):
    """Find the recordings for the given arguments.

    A folder gives every recording in it and its subfolders, except hidden ones. A pattern
    (``*``, ``?``, ``[...]``, and ``**`` for any folders) gives its matches. A named file is
    taken with any suffix, even if it is missing; opening it later reports the problem.

    Two recordings that differ only in their suffix both keep it.

    Arguments
    ---------
    arguments : iterable of str
        Files, folders and patterns.
    listed : iterable of str
        Files and folders, taken as they stand.

    Returns
    -------
    Collection
        Each recording once, in the order given, within a folder by name.

    Raises
    ------
    ValueError
        If the arguments have no common folder, as on two drives.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("day1/a.mp3", "day2/a.mp3", "day2/b.mp3", "day2/b.WAV", "day2/.c.mp3", "day2/d.txt"):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     (folder / name).touch()
    >>> [recording.name for recording in collect([str(folder)]).recordings]
    ['day1/a', 'day2/a', 'day2/b.WAV', 'day2/b.mp3']
    """
    paths, bases, problems = {}, set(), []
    for argument, base in _expand(arguments, listed, problems):
        bases.add(base)
        for path in _walk(argument, problems) if os.path.isdir(argument) else [argument]:
            paths.setdefault(os.path.abspath(path), path)
    return Collection(_named(paths, bases), problems)


def _expand(arguments, listed, problems):
    """Each file and folder, with the base folder of its results."""
    for argument in arguments:
        if os.path.lexists(argument) or not any(sign in argument for sign in "*?["):
            yield argument, _base(argument)
            continue
        matches = sorted(glob.glob(argument, recursive=True))
        if not matches:
            problems.append(f"{argument}: no file matches; check the pattern and the folder")
        parts = Path(argument).parts
        magic = next(number for number, part in enumerate(parts) if any(sign in part for sign in "*?["))
        for match in matches:
            yield match, os.path.abspath(os.path.join("", *parts[:magic]))
    for argument in listed:
        yield argument, _base(argument)


def _base(path):
    """A folder itself, or the folder of a file."""
    path_there = os.path.abspath(path)
    return path_there if os.path.isdir(path) else os.path.dirname(path_there)


def _walk(folder, problems):
    """Every recording in a folder and its subfolders, sorted by name."""

    def note(error):
        """A folder that cannot be read is a problem, not the end."""
        problems.append(f"{error.filename}: cannot be read ({error.strerror}); check its permissions")

    n_problems, found = len(problems), 0
    for path in visible_files(folder, note):
        # A link to nothing is kept, for who opens it to report; a pipe would be waited for without end.
        if os.path.splitext(path)[1].lower() in SUFFIXES and (
            os.path.isfile(path) or not os.path.exists(path)
        ):
            found += 1
            yield path
    if not found and len(problems) == n_problems:
        problems.append(f"{folder}: holds no recording; name another folder, or the files themselves")


def _named(paths, bases):
    """Recordings with the names of their results; ``paths`` maps each absolute path to the path as given."""
    if not paths:
        return []
    try:
        base = os.path.commonpath(bases)
    except ValueError:
        raise ValueError("the recordings are on several drives; give those of one drive at a time") from None
    whole = {place: Path(os.path.relpath(place, base)).as_posix() for place in paths}
    stems = collections.Counter(os.path.splitext(name)[0] for name in whole.values())
    recordings = []
    for place, path in paths.items():
        stem = os.path.splitext(whole[place])[0]
        alone = stems[stem] == 1 and stem not in whole.values()
        recordings.append(ArchiveFile(path, stem if alone else whole[place]))
    return recordings
