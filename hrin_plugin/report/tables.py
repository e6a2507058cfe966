"""Totals of each class per file, per hour and overall, from the results of detection.

A recording is identified by its path below the given folder. The same result in two formats
counts once. Two different results of one recording raise an error.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tqdm import tqdm

from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Fault
from hrin_plugin.files import replacing, visible_files, write_atomically
from hrin_plugin.formats import read_detection, suffixes
from hrin_plugin.formats.text import csv_row, with_replaced_bytes
from hrin_plugin.report.display import class_name, clock, level_title, percent, printable, reading_order
from hrin_plugin.report.page import render_page
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.totals import Total, milliseconds, total_up

#: The summary lists single recordings up to this number of them.
MOST_LISTED = 50

CSV_COLUMNS = ("scope", "name", "hour", "task", "label", "seconds", "share", "segments")


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
        recordings[found.name] = found._replace(
            duration_s=max(known.duration_s, found.duration_s),
            events={task: events[task] for task in found.taxonomy.level_names if task in events},
        )
    return Results(_without_assumed([recordings[name] for name in sorted(recordings)]), faults)


def write_csv(path: str | Path, detections: Sequence[Detection]) -> None:
    """Write totals as CSV, one row for each class: overall, of each recording, of each hour.

    The columns are scope (total, recording or hour), name, hour (from 0), task, label,
    seconds, share (0 to 1, of the time span) and segments (that begin in it).

    Arguments
    ---------
    path : str or pathlib.Path
        The file; it appears when it is complete.
    detections : sequence of Detection
        The results of each recording.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> path = getfixture("tmp_path") / "report.csv"
    >>> write_csv(path, [Detection("a", 3.0, {"md": [Event(0.0, 1.0, "music")]})])
    >>> path.read_text().splitlines()[:3]
    ['scope,name,hour,task,label,seconds,share,segments', 'total,,,md,no-music,0.000,0.000000,0', ...]
    """
    with replacing(path) as draft, open(draft, "w", encoding="utf-8", newline="") as file:
        file.write(csv_row(CSV_COLUMNS))
        for task, (total, recordings) in total_up(detections).items():
            file.writelines(_rows(total, "total", "", "", task))
            for name, whole, hours in recordings:
                name = name.encode("utf-8", "backslashreplace").decode("utf-8")
                file.writelines(_rows(whole, "recording", name, "", task))
                for number, hour in enumerate(hours):
                    file.writelines(_rows(hour, "hour", name, number, task))


def write_html(path: str | Path, detections: Sequence[Detection]) -> None:
    """Write a page with totals, a table of recordings, their hours and timelines.

    The page is one self-contained file without scripts.

    Arguments
    ---------
    path : str or pathlib.Path
        The file; it appears when it is complete.
    detections : sequence of Detection
        The results of each recording.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> path = getfixture("tmp_path") / "report.html"
    >>> write_html(path, [Detection("a", 3.0, {"md": [Event(0.0, 1.0, "music")]})])
    >>> "<svg" in path.read_text()
    True
    """
    write_atomically(path, render_page(detections))


def format_summary(detections: Sequence[Detection]) -> str:
    """Totals as plain-text tables, one a level; about 100 columns wide for three classes.

    Arguments
    ---------
    detections : sequence of Detection
        The results of each recording.

    Returns
    -------
    str
        Lines; single recordings are listed up to MOST_LISTED.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> print(format_summary([Detection("a", 3.0, {"md": [Event(0.0, 1.0, "music")]})]))
    Music detection: time, share of the length, segments
         length                   Music                No music  recording
        0:00:03    0:00:01  33.3 %    1    0:00:00   0.0 %    0  a
    """
    blocks = []
    for task, (total, recordings) in reversed(total_up(detections).items()):
        labels = reading_order(list(total))
        head = "".join(f" {class_name(label):>23}" for label in labels)
        lines = [
            f"{level_title(task, total)}: time, share of the length, segments",
            f"{'length':>10}{head}  recording",
        ]
        if len(recordings) <= MOST_LISTED:
            lines += [_line(recording.whole, labels, printable(recording.name)) for recording in recordings]
        if len(recordings) > 1:
            lines.append(_line(total, labels, f"all {len(recordings)} recordings"))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) or "no recordings"


def _line(totals, labels, name):
    """A line of the summary; the name comes last, since its width varies."""
    of_ms = next(iter(totals.values())).of_ms
    # A class that the recording was not asked for lasts no time in it.
    shown = [(label, totals.get(label, Total(0, of_ms, 0))) for label in labels]
    cells = [
        f"{clock(total.lasting_ms):>{_width(label) - 14}} {percent(total.share):>7} {total.segments:>5}"
        for label, total in shown
    ]
    return f"{clock(of_ms):>10}{''.join(cells)}  {name}"


def _width(label):
    """Width of a class's column in the summary: that of its name, at least 24."""
    return 1 + max(23, len(class_name(label)))


def _rows(totals, scope, name, hour, task):
    """The CSV rows of one time span."""
    for label, total in totals.items():
        times = f"{total.seconds:.3f}", f"{total.share:.6f}", total.segments
        yield csv_row((scope, name, hour, task, label, *times))


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
    """Whether a file is a report that :func:`write_csv` made."""
    if path.suffix.lower() != ".csv" or not path.is_file():  # a pipe would be waited for
        return False
    try:
        with open(path, "rb") as file:
            return file.readline(200).strip() == ",".join(CSV_COLUMNS).encode()
    except OSError:
        return False


def _exact_name(name, path):
    """A recording's name with the bytes that its file could not hold, if the file still has that name."""
    stems = path.stem, path.stem.rpartition(".")[0]
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
