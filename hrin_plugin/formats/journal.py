"""The journal of a folder of results, ``.hrin-<format>.jsonl``: which recording each result was made from.

Each line is a result. Its facts are the size and modification time of the recording: taken before it was
opened, and unchanged after its last block. A line without facts only reserves a name for a recording.
"""

import json
import os
import stat
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple


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
            entries[content["name"]] = Entry(content["name"], path, facts)
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
        rows.append(row | (entry.facts._asdict() if entry.facts else {}))
    return "".join(f"\n{json.dumps(row)}" for row in rows)


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
