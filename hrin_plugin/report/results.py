"""Results of detection, read from files and folders, each recording once.

A recording is identified by its path below the given folder. The same result in two formats
counts once. Two different results of one recording are a fault.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tqdm import tqdm

from hrin_plugin.events import AnnotationError, Fault
from hrin_plugin.files import visible_files
from hrin_plugin.formats import format_of, read_detection, suffixes
from hrin_plugin.formats.text import with_replaced_bytes
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.totals import milliseconds

#: How the files begin that this room writes, by which they are told from results: totals and cue sheets as
#: CSV, and totals as JSON.
REPORT_BEGINNINGS = {
    ".csv": (b"scope,name,hour,task,", b"station,date,clock_in,"),
    ".json": (b'{"format": "hrin report"',),
}


class Results(NamedTuple):
    """Recordings read from files, and faults of unusable files.

    Example
    -------
    >>> Results([], []).faults
    []
    """

    detections: list  # of Detection, whose names may begin with folders; by name
    faults: list  # of Fault


def read_results(paths: Iterable[str | Path], taxonomy: Taxonomy | None = None) -> Results:
    """Read the results of detection in files and folders.

    In a folder, all files with the suffix of a format are read, at any depth. Hidden files and
    reports are skipped. A recording without known length ends at its last offset. A file whose
    labels fit both levels counts on both, unless it or the record beside it names the level. A
    level that is known only in this way is left out.

    Arguments
    ---------
    paths : iterable of str or pathlib.Path
        Files and folders.
    taxonomy : Taxonomy or None
        The classes, if neither the files nor the record beside them name them; see
        :func:`hrin_plugin.formats.read_detection`.

    Returns
    -------
    Results
        Each recording once, with the levels of all its files; a file that cannot be used
        has its faults listed, and the others count.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.md.tsv").write_text("0\\t2\\tmusic\\n")
    >>> _ = (folder / "a.mrle.tsv").write_text("0\\t2\\tbg-music\\n")
    >>> [(found.name, list(found.events)) for found in read_results([folder]).detections]
    [('a', ['md', 'mrle'])]
    """
    return read_with_files(paths, taxonomy)[0]


def read_with_files(
    paths: Iterable[str | Path], taxonomy: Taxonomy | None = None
) -> tuple[Results, dict[str, Path]]:
    """Results as :func:`read_results` gives them, and a file of each recording, by its name.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.tsv").write_text("0\\t2\\tbg-music\\n")
    >>> read_with_files([folder])[1]["a"].name
    'a.tsv'
    """
    recordings, homes = {}, {}
    files, faults = _find_files(paths)
    for path, folder in tqdm(files, "reading results", unit="file", delay=3, disable=None):
        try:
            found = read_detection(path, taxonomy)
        except AnnotationError as error:
            faults += error.faults
            continue
        found = found._replace(name=(PurePosixPath(folder) / _exact_name(found.name, path)).as_posix())
        known = recordings.get(found.name, found._replace(events={}))
        clash = [task for task in found.events if not _agree(known.events.get(task), found.events[task])]
        if known.taxonomy != found.taxonomy:
            clash = clash or [next(iter(known.events))]
        if clash:
            problem = f"differs from {homes[found.name, clash[0]]}, a result of the same recording"
            faults.append(Fault(path, 0, problem, "give one of them"))
            continue
        for task in found.events:
            homes.setdefault((found.name, task), path)
        events = found.events | known.events
        # The same events in two formats, of which one has no place for confidences.
        sure = {task: of for each in (known, found) for task, of in (each.confidences or {}).items()}
        recordings[found.name] = found._replace(
            duration_s=max(known.duration_s, found.duration_s),
            events={task: events[task] for task in found.taxonomy.level_names if task in events},
            confidences=sure or None,
            certainty=found.certainty or known.certainty,
        )
    results = Results(_without_assumed([recordings[name] for name in sorted(recordings)]), faults)
    return results, {name: path for (name, _), path in reversed(homes.items())}


def _find_files(paths):
    """Each file once, with its folder below the given one; and faults of empty folders."""
    found, faults = {}, []
    for path in map(Path, paths):
        files = list(_walk(path)) if path.is_dir() else [(path, "")]
        for file, folder in files:
            found.setdefault(file.resolve(), (file, folder))
        if not files:
            faults.append(Fault(path, 0, "holds no results", "give the folder of hrin detect"))
    return list(found.values()), faults


def _walk(path):
    """The results in a folder, each with its folder below this one."""
    endings = suffixes()
    for file in map(Path, visible_files(path)):
        if file.name.lower().endswith(endings) and not _is_report(file):
            yield file, file.parent.relative_to(path).as_posix()


def _is_report(path):
    """Whether a file is one that this room wrote."""
    beginnings = REPORT_BEGINNINGS.get(path.suffix.lower())
    if not beginnings or not path.is_file():  # a pipe would be waited for
        return False
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(100).startswith(beginnings)
    return False


def _exact_name(name, path):
    """A recording's name with the bytes that its file could not hold, if the file still has that name."""
    format = format_of(path)
    stem = path.name[: -len(format.suffix)] if format else path.stem
    stems = stem, stem.rpartition(".")[0]
    return next((stem for stem in stems if with_replaced_bytes(stem) == name), name)


def _agree(known, events):
    """Whether two lists of events are equal to the millisecond, or one is missing."""
    return known is None or _in_milliseconds(known) == _in_milliseconds(events)


def _in_milliseconds(events):
    """Events with their times in whole milliseconds, ordered."""
    return sorted((milliseconds(e.onset_s), milliseconds(e.offset_s), e.label) for e in events)


def _without_assumed(detections):
    """Drop a level that was only assumed and that other recordings lack."""
    for task in dict.fromkeys(task for found in detections for task in found.events):
        having = [found for found in detections if task in found.events]
        assumed = all(
            {event.label for event in found.events[task]}
            <= set.intersection(*map(set, found.taxonomy.levels))
            for found in having
        )
        if assumed and len(having) < len(detections) and all(len(found.events) > 1 for found in having):
            for found in having:
                del found.events[task]
    return detections
