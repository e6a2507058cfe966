"""Results whose recordings are gone, have changed, or were not read to the end."""

import functools
import os
from collections.abc import Iterable
from pathlib import Path

from hrin_plugin.files import visible_files
from hrin_plugin.formats import format_of
from hrin_plugin.formats.journal import facts_of, read_journal, result_name

#: Results that a line names; of more, it gives the number.
SHOWN = 3

GONE, CHANGED, UNFINISHED = (
    "of a recording that is no longer there; remove it if it shall not count",
    "of a recording that has changed since; detect again",
    "not finished, or of other settings; detect again",
)


def stale_results(paths: Iterable[str | Path]) -> list[str]:
    """What must be said of results before they are added up.

    Arguments
    ---------
    paths : iterable of str or pathlib.Path
        Files and folders of results, as :func:`hrin_plugin.report.tables.read_results` takes them.

    Returns
    -------
    list of str
        One line for each kind. None for results without a journal, as earlier versions and other
        programs leave them.

    Example
    -------
    >>> from hrin_plugin.formats.journal import Entry, Facts, journal_path, journal_text
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.tsv").write_text("0\\t2\\tmusic\\n")
    >>> entry = Entry("a", str(folder / "a.wav"), Facts(4, 5))
    >>> _ = journal_path(folder, "tsv").write_text(journal_text(folder, [entry]))
    >>> stale_results([folder])[0].partition(" (")[0]
    'counted, though of a recording that is no longer there: 1 result'
    """
    journals = functools.cache(read_journal)
    found = {GONE: [], CHANGED: [], UNFINISHED: []}
    for path in dict.fromkeys(file for given in paths for file in _files(given)):
        format = format_of(path)
        kind = format and _kind(path.absolute(), format, journals)
        if kind:
            found[kind].append(path)
    return [_line(kind, files) for kind, files in found.items() if files]


def _files(path):
    """A file, or the visible files in a folder."""
    if os.path.isdir(path):
        return map(Path, visible_files(path))
    return [Path(path)] if os.path.isfile(path) else []


def _kind(path, format, journals):
    """What is to be said of a result; None where it is finished, or nothing is known."""
    name, journal, _ = result_name(path, format, journals)
    if journal is None:
        return None
    entry = journal.entries.get(name)
    if entry is None:
        return None if path.stat().st_mtime_ns < journal.since_ns else UNFINISHED
    if not os.path.exists(entry.path):
        return GONE
    if entry.facts is None:
        return UNFINISHED
    return CHANGED if facts_of(entry.path) != entry.facts else None


def _line(kind, files):
    """One line on the results of a kind."""
    names = ", ".join(str(path) for path in files[:SHOWN])
    more = ", ..." if len(files) > SHOWN else ""
    what, _, cure = kind.partition("; ")
    number = f"{len(files)} result{'s' * (len(files) > 1)}"
    return f"counted, though {what}: {number} ({names}{more}); {cure}"
