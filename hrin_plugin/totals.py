"""Totals: duration and number of segments of each class, per recording, per hour and overall.

Times are whole milliseconds, so that sums are exact, whatever their order.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.timing import to_samples

HOUR_MS = 3_600_000


class Total(NamedTuple):
    """Duration and number of segments of one class in a span of time.

    Example
    -------
    >>> total = Total(lasting_ms=900_000, of_ms=3_600_000, segments=4)
    >>> total.seconds, total.share
    (900.0, 0.25)
    """

    lasting_ms: int  # of the class
    of_ms: int  # length of the stretch
    segments: int  # that begin in the stretch

    @property
    def seconds(self) -> float:
        """Duration of the class, in seconds."""
        return self.lasting_ms / 1000

    @property
    def share(self) -> float:
        """Share of the span, 0 to 1; 0 for an empty span."""
        return self.lasting_ms / self.of_ms if self.of_ms else 0.0


class RecordingTotals(NamedTuple):
    """Totals of each class in one recording.

    Example
    -------
    >>> RecordingTotals("a", {"music": Total(1, 2, 1)}, [{"music": Total(1, 2, 1)}]).whole["music"].share
    0.5
    """

    name: str
    whole: dict  # of label to Total
    hours: list  # of such dicts


class TaskTotals(NamedTuple):
    """Totals of each class of one task in many recordings.

    Example
    -------
    >>> TaskTotals({"music": Total(1, 2, 1)}, []).whole["music"].segments
    1
    """

    whole: dict  # of label to Total
    recordings: list  # of RecordingTotals


def milliseconds(seconds: float) -> int:
    """The whole number of milliseconds nearest to a time in seconds.

    Example
    -------
    >>> milliseconds(0.0005), milliseconds(0.29)
    (0, 290)
    """
    return to_samples(seconds, 1000)


def hourly_totals(
    events: Iterable[Event], labels: Sequence[str], duration_s: float
) -> list[dict[str, Total]]:
    """Totals of each class in every hour of a recording.

    Events of one class that touch or overlap are one segment, and its time counts
    once. A segment counts in the hour in which it begins, its time in the hours in
    which it lies, so that the hours add up to the recording.

    Arguments
    ---------
    events : iterable of Event
        Events of one level, in any order; they may overlap or leave gaps.
    labels : sequence of str
        The level's classes, ``taxonomy.labels[level_name]``; each has a total.
    duration_s : float
        Length of the recording in seconds; later events are ignored.

    Returns
    -------
    list of dict of str to Total
        One for each hour, by label; the last hour has the length that is left.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> hours = hourly_totals([Event(3000.0, 4200.0, "music")], ["no-music", "music"], 5400.0)
    >>> [(hour["music"].seconds, hour["music"].segments) for hour in hours]
    [(600.0, 1), (600.0, 0)]
    """
    end_ms = milliseconds(duration_s)
    starts = range(0, end_ms, HOUR_MS) or [0]
    spans = _spans(events, end_ms)
    labels = dict.fromkeys((*labels, *spans))
    lasting = [dict.fromkeys(labels, 0) for _ in starts]
    segments = [dict.fromkeys(labels, 0) for _ in starts]
    for label in spans:
        for onset, offset in spans[label]:
            segments[onset // HOUR_MS][label] += 1
            for hour in range(onset // HOUR_MS, (offset - 1) // HOUR_MS + 1):
                inside = min(offset, (hour + 1) * HOUR_MS) - max(onset, hour * HOUR_MS)
                lasting[hour][label] += inside
    return [
        {label: Total(times[label], min(end_ms - start, HOUR_MS), counts[label]) for label in labels}
        for start, times, counts in zip(starts, lasting, segments)
    ]


def add_up(parts: Iterable[dict[str, Total]]) -> dict[str, Total]:
    """Sum of the totals of several spans.

    Arguments
    ---------
    parts : iterable of dict of str to Total
        Totals by label, of the hours of a recording or of several recordings.

    Returns
    -------
    dict of str to Total
        Their sums by label; a label that a part lacks lasts no time in it.

    Example
    -------
    >>> add_up([{"music": Total(500, 1000, 1)}, {"music": Total(0, 1000, 0)}])["music"].share
    0.25
    """
    parts = list(parts)
    of_ms = sum(next(iter(part.values())).of_ms for part in parts if part)
    totals = {}
    for part in parts:
        for label, (lasting_ms, _, segments) in part.items():
            before = totals.get(label, Total(0, of_ms, 0))
            totals[label] = Total(before.lasting_ms + lasting_ms, of_ms, before.segments + segments)
    return totals


def total_up(detections: Sequence[Detection]) -> dict[str, TaskTotals]:
    """Totals of each class in all recordings, in each of them, and in each of its hours.

    Arguments
    ---------
    detections : sequence of Detection
        The results of each recording, on some or all levels of its taxonomy.

    Returns
    -------
    dict of str to TaskTotals
        For each level that a recording has, the upper first, of those recordings that have it. Where
        their taxonomies differ, the sum over all has the classes of each.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> total_up([Detection("a", 4.0, {"md": [Event(0.0, 1.0, "music")]})])["md"].whole["music"].share
    0.25
    """
    by_task = {}
    for task in dict.fromkeys(task for found in detections for task in found.taxonomy.level_names):
        recordings = []
        for found in detections:
            if task in found.events:
                hours = hourly_totals(found.events[task], found.taxonomy.labels[task], found.duration_s)
                recordings.append(RecordingTotals(found.name, add_up(hours), hours))
        if recordings:
            by_task[task] = TaskTotals(add_up(recording.whole for recording in recordings), recordings)
    return by_task


def _spans(events, end_ms):
    """For each label its segments, ``[onset, offset]`` in milliseconds, ordered, apart and not empty."""
    spans = {}
    for event in sorted(events, key=lambda event: event.onset_s):
        onset, offset = milliseconds(event.onset_s), min(milliseconds(event.offset_s), end_ms)
        if offset <= onset:
            continue
        known = spans.setdefault(event.label, [])
        if known and onset <= known[-1][1]:
            known[-1][1] = max(known[-1][1], offset)
        else:
            known.append([onset, offset])
    return spans
