"""The journal of a folder of results, ``.hrin-<format>.jsonl``: which recording each result was made from.

Each line is a result. Its facts are the size and modification time of the recording: taken before it was
opened, and unchanged after its last block. A line without facts only reserves a name for a recording.
"""

import json
import os
import stat
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.formats import recording_name
from hrin_plugin.formats.contract import Format


class Facts(NamedTuple):
    """Size and modification time of a recording.

    Example
    -------
    >>> Facts(1000, 1_700_000_000_000_000_000).size
    1000
    """

    size: int  # in bytes
    mtime_ns: int  # in nanoseconds

    @classmethod
    def of(cls, status: os.stat_result) -> "Facts | None":
        """The facts of a file from its status; None for what is no file, such as a pipe."""
        return cls(status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


class Made(NamedTuple):
    """How a result was made, for who must repeat it.

    Example
    -------
    >>> Made("0.3.0", "2026-03-28T06:00:00Z", 3600.0, "12ab").duration_s
    3600.0
    """

    version: str  # of this package
    detected: str  # when, ISO 8601 in UTC
    duration_s: float  # of the recording
    sha256: str | None  # of the recording's bytes, hexadecimal; None where they could not be read again


class Entry(NamedTuple):
    """A result and its recording.

    Example
    -------
    >>> Entry("day1/a", "/archive/day1/a.mp3", None).name
    'day1/a'
    """

    name: str  # of the result, below the folder of the journal, without its ending
    path: str  # of the recording, as place_of() tells it
    facts: Facts | None  # None where the result is not finished
    made: Made | None = None  # None where an earlier version made it


class Journal(NamedTuple):
    """What a journal says.

    Example
    -------
    >>> Journal({}).since_ns
    0
    """

    entries: dict[str, Entry]  # by name
    since_ns: int = (
        0  # results older than this may be finished without an entry; an earlier version made them
    )


def journal_path(folder: str | Path, format: str) -> Path:
    """Where the journal of a folder's results in a format lies.

    Example
    -------
    >>> journal_path("results", "tsv").name
    '.hrin-tsv.jsonl'
    """
    return Path(folder) / f".hrin-{format}.jsonl"


def facts_of(path: str | Path) -> Facts | None:
    """Facts of a recording as it is now; None where it is missing or no file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> _ = path.write_bytes(b"RIFF")
    >>> facts_of(path).size, facts_of("none.wav")
    (4, None)
    """
    try:
        return Facts.of(os.stat(path))
    except (OSError, ValueError):
        return None


def place_of(path: str | Path) -> str:
    """The absolute path by which a recording is known, whatever links lead to its folder.

    Example
    -------
    >>> os.path.isabs(place_of("a.wav"))
    True
    """
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(_real_folder(folder), name)


def read_journal(folder: str | Path, format: str) -> Journal | None:
    """Read the journal of a folder's results; lines that a killed writer left incomplete are skipped.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder of the results.
    format : str
        Their format, name of one of ``find_formats()``.

    Returns
    -------
    Journal or None
        The last line of each result; None where there is no journal.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> entry = Entry("a", place_of(folder / "a.wav"), Facts(4, 5))
    >>> _ = journal_path(folder, "tsv").write_text(journal_text(folder, [entry], since_ns=0))
    >>> read_journal(folder, "tsv").entries["a"] == entry
    True
    """
    try:
        lines = journal_path(folder, format).read_bytes().split(b"\n")
    except OSError:
        return None
    base, entries, since_ns = os.path.realpath(folder), {}, 0
    for line in lines:
        try:
            content = json.loads(line)
            if "since_ns" in content:
                since_ns = int(content["since_ns"])
                continue
            facts = Facts(int(content["size"]), int(content["mtime_ns"])) if "size" in content else None
            path = os.path.normpath(os.path.join(base, content["recording"]))
            entries[content["name"]] = Entry(content["name"], path, facts, facts and _made(content))
        except (ValueError, TypeError, KeyError):
            continue
    return Journal(entries, since_ns)


def journal_text(folder: str | Path, entries: Iterable[Entry], since_ns: int | None = None) -> str:
    """Lines of a journal. Recordings are named relative to the folder, so that both may move together.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder of the results.
    entries : iterable of Entry
        The results.
    since_ns : int or None
        For the first line of a new journal, as :class:`Journal` has it.

    Returns
    -------
    str
        One line each, in ASCII. Each begins with a line end, which completes what was cut off before it.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> journal_text(folder, [Entry("a", place_of(folder / "a.wav"), Facts(4, 5))])
    '\\n{"name": "a", "recording": "a.wav", "size": 4, "mtime_ns": 5}'
    """
    base = os.path.realpath(folder)
    rows = [] if since_ns is None else [{"since_ns": since_ns}]
    for entry in entries:
        row = {"name": entry.name, "recording": _relative(entry.path, base)}
        known = [part._asdict() for part in (entry.facts, entry.made) if part]
        rows.append({key: value for part in (row, *known) for key, value in part.items()})
    return "".join(f"\n{json.dumps(row)}" for row in rows)


def result_name(
    path: Path, format: Format, journals: Callable = read_journal
) -> tuple[str, Journal | None, Path | None]:
    """The name that a result has in the journal of its folder, or of the nearest one above.

    Arguments
    ---------
    path : pathlib.Path
        The result; absolute.
    format : Format
        Its format.
    journals : callable
        Reads a journal as :func:`read_journal` does, or remembers it.

    Returns
    -------
    tuple of (str, Journal or None, pathlib.Path or None)
        Name, journal and the journal's folder; None where there is none.

    Example
    -------
    >>> from hrin_plugin.formats import find_formats
    >>> folder = getfixture("tmp_path")
    >>> _ = journal_path(folder, "tsv").write_text("")
    >>> result_name(folder / "day1" / "a.md.tsv", find_formats()["tsv"])[0]
    'day1/a'
    """
    folder = journal_folder(path, format.name)
    name = (path.parent.relative_to(folder or path.parent) / recording_name(path, format)[0]).as_posix()
    return name, folder and journals(folder, format.name), folder


def journal_folder(path: Path, kind: str) -> Path | None:
    """The nearest folder above a result that has a journal of its kind, or None.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = journal_path(folder, "tsv").write_text("")
    >>> journal_folder(folder / "day1" / "a.tsv", "tsv") == folder
    True
    """
    return next((above for above in path.parents if journal_path(above, kind).exists()), None)


def _made(content):
    """How a result was made, from its line; None where that is not told."""
    try:
        sha256 = content["sha256"]
        made = Made(str(content["version"]), str(content["detected"]), float(content["duration_s"]), sha256)
    except (KeyError, TypeError, ValueError):
        return None
    return made if isinstance(sha256, str | None) else None


def _relative(path, base):
    """A path relative to the folder of the results, or as it stands where that is on another drive."""
    try:
        return os.path.relpath(path, base)
    except ValueError:
        return path


@lru_cache(maxsize=1024)
def _real_folder(folder):
    """A folder's path without links; the folders of an archive are asked for again and again."""
    return os.path.realpath(folder)
