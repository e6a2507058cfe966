"""What a file says of a recording, checked and made a Detection."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.detection import Certainty, Detection
from hrin_plugin.events import MOST_S, TOLERANCE_S, AnnotationError, Event, Fault, time_fault
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from hrin_plugin.text import shown


class Row(NamedTuple):
    """An event as it stands in a file.

    Example
    -------
    >>> Row(3, None, Event(0.0, 2.0, "music")).line
    3
    """

    line: int  # from 1; 0 where the format has no use for lines
    task: str | None  # None where the file does not say
    event: Event
    confidence: float | None = None  # 0 to 1; None where the file does not say


class Draft(NamedTuple):
    """What a file says of a recording, before it is checked.

    Example
    -------
    >>> Draft([]).name is None
    True
    """

    rows: list
    name: str | None = None  # None where only the file's name tells
    duration_s: float | None = None
    tasks: tuple = ()  # that the file holds, be it without events
    taxonomy: Taxonomy | None = None  # None where the file does not say
    warnings: tuple = ()  # of the recording
    certainty: Certainty | None = None  # None where the file does not say
    begun_at: str | None = None  # its begin by the clock, ISO 8601


def check_draft(
    path: str | Path,
    draft: Draft,
    name: str,
    task: str | None = None,
    taxonomy: Taxonomy = MUSIC_LOUDNESS,
    likely: Collection[str] = (),
) -> Detection:
    """Check what a file says, and tell the levels of its events.

    Where neither the rows nor ``task`` tell, the labels do; where those are of several levels, such
    as ``no-music``, the events are read on each of them, or on those that are likely.

    Arguments
    ---------
    path : str or pathlib.Path
        The file, for messages.
    draft : Draft
        What it says.
    name : str
        Name of the recording, where the file does not say.
    task : str or None
        The level of the rows that do not say.
    taxonomy : Taxonomy
        The classes, where the file does not say.
    likely : collection of str
        Levels that are taken where the labels leave several.

    Returns
    -------
    Detection
        Events of each level that the file holds, ordered by onset. Without a length in the
        file, the recording lasts until the last offset.

    Raises
    ------
    AnnotationError
        With every fault, its line and its cure.

    Example
    -------
    >>> found = check_draft("a.tsv", Draft([Row(1, None, Event(0.0, 2.0, "bg-music"))]), "a")
    >>> found.duration_s, list(found.events)
    (2.0, ['mrle'])
    """
    taxonomy = draft.taxonomy or taxonomy
    unsaid = [row for row in draft.rows if row.task is None]
    tasks = (task,) if task else _fitting_tasks(path, unsaid, taxonomy.labels)
    tasks = tuple(level for level in tasks if level in likely) or tasks
    faults = [
        fault for row in draft.rows for fault in _faults(path, row, tasks, taxonomy.labels, draft.duration_s)
    ]
    if draft.duration_s is not None and not 0 <= draft.duration_s <= MOST_S:
        problem = f"the recording's length, {draft.duration_s:g}, is no number of seconds within three years"
        faults.insert(0, Fault(path, 0, problem, "correct it, or write it again"))
    if faults:
        raise AnnotationError(faults)
    held = draft.tasks or tasks
    events = {known: [] for known in taxonomy.level_names if known in held}
    confidences = {}
    for row in sorted(draft.rows, key=lambda row: row.event.onset_s):
        for known in (row.task,) if row.task else tasks:
            events.setdefault(known, []).append(row.event)
            confidences.setdefault(known, []).append(row.confidence)
    told = {
        level: tuple(of_level)
        for level, of_level in confidences.items()
        if any(each is not None for each in of_level)
    }
    last_s = max((row.event.offset_s for row in draft.rows), default=0.0)
    duration_s = last_s if draft.duration_s is None else draft.duration_s
    known = {"taxonomy": taxonomy, "warnings": draft.warnings, "begun_at": draft.begun_at}
    known |= {"confidences": told or None, "certainty": draft.certainty}
    return Detection(draft.name or name, duration_s, events, **known)


def _fitting_tasks(path, rows, classes):
    """The levels whose labels all rows have; ``classes`` are the labels of each level."""
    met = {row.event.label for row in rows}
    tasks = tuple(task for task, labels in classes.items() if met <= set(labels))
    if tasks:
        return tasks
    known = {label for labels in classes.values() for label in labels}
    faults = [_unknown_label(path, row, known) for row in rows if row.event.label not in known]
    problem = "labels of both levels are mixed"
    raise AnnotationError(faults or [Fault(path, 0, problem, "give each level a file of its own")])


def _unknown_label(path, row, known):
    """The fault of a label that is none of those known."""
    cure = f"use one of {', '.join(sorted(known))}, or name the model that has it (--model)"
    return Fault(path, row.line, f"unknown label {shown(row.event.label)}", cure)


def _faults(path, row, tasks, classes, duration_s):
    """What is wrong with one row, in a recording whose length may be unknown (None)."""
    task = row.task or tasks[0]
    _, offset_s, label = row.event
    if task not in classes:
        return [Fault(path, row.line, f"unknown task {shown(task)}", f"use one of {', '.join(classes)}")]
    if label not in classes[task]:
        return [_unknown_label(path, row, classes[task])]
    fault = time_fault(row.event)
    if fault:
        return [Fault(path, row.line, *fault)]
    if duration_s is not None and not offset_s <= duration_s + TOLERANCE_S:
        problem = f"offset {offset_s} is after the end of the recording, {duration_s:.3f}"
        return [Fault(path, row.line, problem, "check that both belong to the same recording")]
    return []
