"""Results and kept probabilities of many recordings, from which new results are made without listening.

A new result is finished if it was made from the same recording as its source, by the journals of both
folders. A source that no journal knows counts as its own recording.
"""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.archive.collection import ArchiveFile
from hrin_plugin.archive.jobs import Outcome, finish_recording
from hrin_plugin.decoding.keeping import KIND, SUFFIX
from hrin_plugin.decoding.kept import read_kept
from hrin_plugin.detection import Detection
from hrin_plugin.files import visible_files
from hrin_plugin.formats import find_formats, format_of, read_detection, recording_name
from hrin_plugin.formats.journal import Facts, Made, facts_of, journal_folder, journal_path, read_journal
from hrin_plugin.formats.records import nearest_record
from hrin_plugin.taxonomy import Taxonomy

#: Formats that say most of a recording, the best first: those that are read where there are several.
BEST = ("json", "jams", "elan", "textgrid")

NOT_FINISHED = "is not finished, or of other settings; detect again"


class Source(NamedTuple):
    """What new results of a recording are made from.

    Example
    -------
    >>> Source(ArchiveFile("a.mp3", "a"), (Path("results/a.tsv"),), "tsv", None, {}).kind
    'tsv'
    """

    recording: ArchiveFile  # its path as the journal knows it, and the name of the new results
    files: tuple[Path, ...]  # of one kind
    kind: str  # a format, or probabilities
    facts: Facts | None  # of the recording
    record: dict  # what they were made with
    made: Made | None = None  # how the recording was detected, where that is known


def find_sources(
    paths: Iterable[str | Path], kinds: Sequence[str], spared: Sequence[str] = ()
) -> tuple[list[Source], list[str]]:
    """Find sources in files and folders: of each recording, those of the best kind.

    Arguments
    ---------
    paths : iterable of str or pathlib.Path
        Files and folders.
    kinds : sequence of str
        What counts as a source, the best first.
    spared : sequence of str
        Kinds that count only where a recording has no other.

    Returns
    -------
    tuple of (list of Source, list of str)
        The sources, and one line for each file or folder that cannot be used.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "monday").mkdir()
    >>> _ = (folder / "monday" / "06h.md.tsv").write_text("0\\t2\\tmusic\\n")
    >>> [source.recording.name for source in find_sources([folder], ["tsv"])[0]]
    ['monday/06h']
    """
    found, problems = {}, []
    for path in map(Path, paths):
        files = [path] if not path.is_dir() else map(Path, visible_files(path))
        root, n_before = path if path.is_dir() else path.parent, len(found)
        for file in files:
            kind, name = _kind_and_name(file, root)
            if kind in kinds:
                found.setdefault((root, name), {}).setdefault(kind, []).append(file)
        if len(found) == n_before and not any(key[0] == root for key in found):
            problems.append(f"{path}: {_none_there(path, kinds)}")
    sources = []
    for (_, name), by_kind in found.items():
        candidates = [_source(name, kind, files) for kind, files in by_kind.items()]
        good = [source for source in candidates if source]
        if good:
            sources.append(min(good, key=lambda each: (each.kind in spared, kinds.index(each.kind))))
        else:
            problems.append(f"{next(iter(by_kind.values()))[0]}: {NOT_FINISHED}")
    return sources, problems


def result_kinds() -> tuple[str, ...]:
    """The formats of results, the best source first.

    Example
    -------
    >>> result_kinds()[:2]
    ('json', 'jams')
    """
    return tuple(dict.fromkeys((*BEST, *find_formats())))


def decide_source(source, notify, order):
    """Decide again from kept probabilities, and write the result; runs in a worker.

    Arguments
    ---------
    source : Source
        The kept probabilities.
    notify : callable
        Called with the processed seconds and the length.
    order : Order
        Settings of the results; its decoding is what differs from the model's own.

    Returns
    -------
    Outcome
        The Detection, or the problem of the recording.

    Raises
    ------
    OSError
        If the results cannot be written.

    Example
    -------
    >>> from hrin_plugin.archive.orders import Order
    >>> source = Source(ArchiveFile("a.mp3", "a"), (Path("none.probs"),), KIND, None, {})
    >>> decide_source(source, print, Order()).problem
    'none.probs: is not there; detect again with --keep-probabilities'
    """
    try:
        kept = read_kept(source.files[0])
        if (kept.header.model or UNKNOWN, kept.header.taxonomy) != (order.model, order.taxonomy):
            problem = "is of another model than the others; decide on it alone, into another --output"
            return Outcome(source.recording, None, f"{source.files[0]}: {problem}")
        detection = kept.detect(kept.header.decoding.changed(order.decoding))
    except ValueError as error:
        return Outcome(source.recording, None, str(error))
    notify((detection.duration_s, detection.duration_s))
    return finish_recording(source.recording, detection, order, source.facts, source.made)


def convert_source(source, notify, order):
    """Write a result in other formats; runs in a worker.

    Arguments
    ---------
    source : Source
        The result.
    notify : callable
        Called with the processed seconds and the length.
    order : Order
        Settings of the new results.

    Returns
    -------
    Outcome
        The Detection, or the problem of the recording.

    Raises
    ------
    OSError
        If the results cannot be written.

    Example
    -------
    >>> from hrin_plugin.archive.orders import Order
    >>> source = Source(ArchiveFile("a.mp3", "a"), (Path("none.tsv"),), "tsv", None, {})
    >>> convert_source(source, print, Order()).problem
    'none.tsv: cannot be read (No such file or directory); check the file'
    """
    try:
        detection = read_source(source, order.taxonomy)
    except ValueError as error:
        return Outcome(source.recording, None, str(error).partition("\n")[0])
    problem = None
    if detection.taxonomy != order.taxonomy or settings_of(source.record) != settings_of(order._asdict()):
        problem = "was made with other settings than the others; convert it alone, into another --output"
    missing = [level for level in order.levels if level not in detection.events]
    if missing:
        problem = f"has no level {missing[0]}; detect or decide with --level both"
    if problem:
        return Outcome(source.recording, None, f"{source.files[0]}: {problem}")
    notify((detection.duration_s, detection.duration_s))
    return finish_recording(source.recording, detection, order, source.facts, source.made)


def read_source(source: Source, taxonomy: Taxonomy | None = None) -> Detection:
    """Read the result of a recording from the files of its levels.

    Arguments
    ---------
    source : Source
        The result.
    taxonomy : Taxonomy or None
        The classes where neither the files nor their record tell.

    Returns
    -------
    Detection
        With the levels of all files.

    Raises
    ------
    AnnotationError
        If a file cannot be used.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.md.tsv"
    >>> _ = path.write_text("0\\t2\\tmusic\\n")
    >>> read_source(find_sources([path], ["tsv"])[0][0]).duration_s
    2.0
    """
    parts = [read_detection(file, taxonomy) for file in source.files]
    events = {level: events for part in reversed(parts) for level, events in part.events.items()}
    ordered = {level: events[level] for level in parts[0].taxonomy.level_names if level in events}
    duration_s = max(part.duration_s for part in parts)
    return parts[0]._replace(events=ordered, duration_s=duration_s)


#: The model of results that no record names.
UNKNOWN = "unknown"


def settings_of(record: dict) -> tuple:
    """Model, decisions and track of a record of results.

    Example
    -------
    >>> settings_of({"model": "0123456789abcdef", "decoding": {"method": "argmax"}})
    ('0123456789abcdef', {'method': 'argmax'}, None)
    """
    return record.get("model") or UNKNOWN, record.get("decoding") or {}, record.get("track")


def _kind_and_name(file, root):
    """Kind of a file, or None, and the name of its recording below a folder."""
    folder = file.parent.relative_to(root)
    if file.name.endswith(SUFFIX):
        return KIND, (folder / file.name.removesuffix(SUFFIX)).as_posix()
    format = format_of(file)
    if format is None:
        return None, None
    return format.name, (folder / recording_name(file, format)[0]).as_posix()


def _source(name, kind, files):
    """The source of a recording, or None where it is not finished."""
    folder = journal_folder(files[0].absolute(), kind)
    journal = folder and _journal(folder, kind, facts_of(journal_path(folder, kind)))
    known = None
    if journal:
        known = journal.entries.get(_kind_and_name(files[0].absolute(), folder)[1])
        if known is not None and known.facts is None:
            return None
    _, record = nearest_record(files[0], kind) or (None, {})
    if known is None:
        return Source(ArchiveFile(os.fspath(files[0]), name), tuple(files), kind, facts_of(files[0]), record)
    return Source(ArchiveFile(known.path, name), tuple(files), kind, known.facts, record, known.made)


@lru_cache(maxsize=64)
def _journal(folder, kind, _facts):
    """A journal as it is now, read once for all results of a folder."""
    return read_journal(folder, kind)


def _none_there(path, kinds):
    """Why a path gives no source."""
    if not path.exists():
        return "is not there; check the path"
    if KIND in kinds:
        return "holds no kept probabilities; detect again with --keep-probabilities"
    return "holds no results; give the folder of hrin detect" if path.is_dir() else "is not in a known format"
