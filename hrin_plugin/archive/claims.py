"""Which recordings still need a result, and which run may write results in a folder.

The folder of results has two files for each format, and for kept probabilities: a record of their settings
(:mod:`hrin_plugin.formats.records`) and a journal of their recordings
(:mod:`hrin_plugin.formats.journal`). A result is finished if its recording still has the size and
modification time that the journal gives. While a run writes, it holds a lock file. The system frees the
lock when the process ends, however it ends.
"""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from hrin_plugin.archive.collection import ArchiveFile
from hrin_plugin.archive.naming import check_case, keep_names
from hrin_plugin.archive.orders import Order
from hrin_plugin.decoding.keeping import KIND, SUFFIX
from hrin_plugin.files import remove_drafts, write_atomically
from hrin_plugin.formats import find_formats, output_paths
from hrin_plugin.formats.journal import (
    Entry,
    Facts,
    Journal,
    Made,
    facts_of,
    journal_path,
    journal_text,
    place_of,
    read_journal,
)
from hrin_plugin.formats.records import model_identity, read_record, record_path


def claim_results(
    recordings: Sequence[ArchiveFile],
    order: Order,
    overwrite: bool = False,
    until: contextlib.ExitStack | None = None,
    facts: Callable[[str], Facts | None] = facts_of,
) -> list[ArchiveFile]:
    """Make the folder for the results, and return the recordings without finished results.

    Runs of the same settings may share a folder. A recording keeps the name that its result has there.

    Arguments
    ---------
    recordings : sequence of ArchiveFile
        All of them.
    order : Order
        Settings of the detection.
    overwrite : bool
        Whether finished results are made again.
    until : contextlib.ExitStack, optional
        Until it is closed, runs of other settings are refused in this folder.
    facts : callable
        Takes the path of a recording and gives the facts that its results must have.

    Returns
    -------
    list of ArchiveFile
        Recordings to process, with the names of their results.

    Raises
    ------
    ValueError
        If another run is writing results of other settings; or if the folder holds results of other
        settings, of other recordings or files of other programs, and ``overwrite`` is not set.

    Example
    -------
    >>> order = Order(output=getfixture("tmp_path") / "results")
    >>> len(claim_results([ArchiveFile("a.mp3", "a")], order))
    1
    """
    output, kinds = Path(order.output), sorted(order.kinds)
    output.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as alone:
        for kind in kinds:
            alone.enter_context(_alone(output, kind))
        journals = {kind: read_journal(output, kind) for kind in kinds}
        known = {kind: journal or Journal({}, time.time_ns()) for kind, journal in journals.items()}
        named = _names_of_all_kinds(output, known)
        recordings = keep_names(recordings, output, named)
        check_case(output, recordings, named)
        live = [kind for kind in kinds if _live_runs(output, kind)]
        now = {each.name: Entry(each.name, place_of(each.path), facts(each.path)) for each in recordings}
        unfinished = set()
        for kind in kinds:
            pair = journals[kind], known[kind]
            unfinished |= _claim_kind(kind, recordings, order, pair, now, overwrite, kind in live)
        if until is not None:
            for kind in kinds:
                until.enter_context(_running(output, kind))
    for folder in {output, *(Path(output, each.name).parent for each in recordings)}:
        remove_drafts(folder)
    return [each for each in recordings if each.name in unfinished]


def _claim_kind(kind, recordings, order, journals, now, overwrite, live):
    """Settle the record and the journal of one kind; returns the names of what is not finished.

    The journals are the one in the file, or None, and what is known without one.
    """
    journal, known = journals
    record = read_record(record_path(order.output, kind))
    known = _settle(kind, record, recordings, order, known, overwrite, live)
    if known is not journal:
        _write_journal(order, kind, known)
    claimed_ns = record_path(order.output, kind).stat().st_mtime_ns
    now = {name: _as_made(entry, known) for name, entry in now.items()}
    to_do = {each.name for each in recordings if not _is_finished(each, order, kind, known, now, claimed_ns)}
    entries = [
        entry._replace(facts=None, made=None) if name in to_do else entry for name, entry in now.items()
    ]
    # This reserves names, and gives finished results of an earlier version their facts.
    _append(order, kind, [entry for entry in entries if entry != known.entries.get(entry.name)])
    return to_do


def note_finished(
    order: Order, recording: ArchiveFile, facts: Facts | None, made: Made | None = None
) -> None:
    """Note in the journal that the result of a recording is finished.

    Arguments
    ---------
    order : Order
        Settings of the detection.
    recording : ArchiveFile
        The recording, and the name of its results.
    facts : Facts or None
        Of the recording while it was read; None for a pipe, which is read again each time.
    made : Made or None
        How the result was made.

    Example
    -------
    >>> order, recording = Order(output=getfixture("tmp_path")), ArchiveFile("a.wav", "a")
    >>> note_finished(order, recording, None)
    >>> list(read_journal(order.output, "tsv").entries)
    ['a']
    """
    for kind in order.kinds:
        with _alone(order.output, kind):
            _append(order, kind, [Entry(recording.name, place_of(recording.path), facts, made)])


def result_paths(recording: ArchiveFile, order: Order, kind: str | None = None) -> list[Path]:
    """The files of a recording's results: those of a kind, or of all.

    Example
    -------
    >>> [path.name for path in result_paths(ArchiveFile("a.wav", "day1/a"), Order(output="out"))]
    ['a.tsv']
    """
    place = Path(order.output, recording.name)
    paths = []
    for each in order.kinds if kind is None else (kind,):
        if each == KIND:
            paths.append(place.parent / f"{place.name}{SUFFIX}")
        else:
            paths += output_paths(place.parent, place.name, each, order.levels)
    return paths


def _settle(kind, record, recordings, order, known, overwrite, live):
    """Write the record where it is missing or of other settings; return the journal that then holds."""
    path = record_path(order.output, kind)
    settings = {"model": model_identity(order.model), "taxonomy": order.taxonomy.to_dict()}
    if kind != KIND:  # probabilities are the same, whatever is decided
        settings |= {"levels": sorted(order.levels), "decoding": order.decoding}
    if order.track is not None:
        settings["track"] = order.track
    # What only tells how to repeat a detection makes no other settings.
    whole = settings | ({"provenance": order.about} if order.about else {})
    text = json.dumps(whole, indent=2, sort_keys=True) + "\n"
    recorded = record and {"taxonomy": settings["taxonomy"], **record}
    if recorded:
        recorded.pop("provenance", None)
    same = settings == recorded
    if live and (overwrite or not same):
        words = "would replace them" if overwrite else "has other settings"
        problem = f"another run is writing results there, and this one {words}"
        raise ValueError(f"{order.output}: {problem}; wait for its end, or give another --output")
    if same and not overwrite:
        if record != whole:  # of an earlier version; its time stays, so that its results are newer
            changed = path.stat()
            write_atomically(path, text)
            os.utime(path, ns=(changed.st_atime_ns, changed.st_mtime_ns))
        return known
    there = None if overwrite else _any_result(kind, recordings, order, known)
    if there:
        names = {**settings, **recorded} if record else ()
        changed = [name for name in names if settings.get(name) != recorded.get(name)]
        cause = (
            f"was made with another {' and '.join(changed)}" if changed else "is no result of this command"
        )
        raise ValueError(f"{there}: {cause}; give another --output, or --overwrite to replace it")
    again = {each.name for each in recordings} if same else known.entries.keys()
    known = Journal(
        {name: each._replace(facts=None) if name in again else each for name, each in known.entries.items()}
    )
    # The journal goes first: no result of other settings is ever finished under this record.
    _write_journal(order, kind, known)
    write_atomically(path, text)
    return known


def _any_result(kind, recordings, order, known):
    """A file that lies where a result goes, or a finished result of another recording; or None."""
    done = [ArchiveFile(entry.path, entry.name) for entry in known.entries.values() if entry.facts]
    for recording in (*recordings, *done):
        with contextlib.suppress(OSError):  # a name too long to exist
            for path in result_paths(recording, order, kind):
                if path.exists():
                    return path
    return None


def _names_of_all_kinds(output, known):
    """The journals of all kinds as one, since a recording has one name in all of them."""
    others = [read_journal(output, kind) for kind in (*find_formats(), KIND) if kind not in known]
    journals = [journal for journal in (*others, *known.values()) if journal]
    return Journal({name: entry for each in journals for name, entry in each.entries.items()})


def _as_made(entry, known):
    """The entry of a recording, with what is known of how a result was made from it as it is."""
    before = known.entries.get(entry.name)
    same = before is not None and before.facts == entry.facts
    return entry._replace(made=before.made) if same else entry


def _write_journal(order, kind, known):
    """Write a journal anew."""
    text = journal_text(order.output, known.entries.values(), since_ns=known.since_ns)
    write_atomically(journal_path(order.output, kind), text)


def _append(order, kind, entries):
    """Append lines to the journal."""
    with open(journal_path(order.output, kind), "ab") as file:
        file.write(journal_text(order.output, entries).encode("ascii"))


def _is_finished(recording, order, kind, known, now, claimed_ns):
    """Whether all results exist and were made from the recording as it is now."""
    entry, facts = known.entries.get(recording.name), now[recording.name].facts
    if facts is None or (entry and entry.facts != facts):
        return False
    try:
        times_ns = [path.stat().st_mtime_ns for path in result_paths(recording, order, kind)]
    except OSError:
        return False
    if entry:
        return True
    # An earlier version told by the times alone.
    return max(claimed_ns, facts.mtime_ns) <= min(times_ns) and max(times_ns) < known.since_ns


@contextlib.contextmanager
def _alone(output, format):
    """Hold the lock under which record, journal and the list of running runs change."""
    with FileLock(Path(output, f".hrin-{format}.lock")):
        yield


@contextlib.contextmanager
def _running(output, format):
    """Show other runs that this one writes here."""
    path = Path(output, f".hrin-{format}.{secrets.token_hex(6)}.run")
    lock = FileLock(path)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
        path.unlink(missing_ok=True)


def _live_runs(output, format):
    """Whether another run writes here; lock files of killed runs are removed."""
    live = False
    for path in Path(output).glob(f".hrin-{format}.*.run"):
        try:
            with FileLock(path, timeout=0):
                pass
            path.unlink(missing_ok=True)
        except Timeout:
            live = True
    return live
