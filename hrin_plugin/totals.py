"""Totals: duration and number of segments of each class, per recording, per hour and overall.

Times are whole milliseconds, so that sums are exact, whatever their order.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

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
    spans = segments_of(events, duration_s)
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


def segments_of(events: Iterable[Event], duration_s: float) -> dict[str, list[list[int]]]:
    """Segments of each class: events of one class that touch or overlap are one.

    Arguments
    ---------
    events : iterable of Event
        Events of one level, in any order; they may overlap or leave gaps.
    duration_s : float
        Length of the recording in seconds; later events are ignored.

    Returns
    -------
    dict of str to list
        Label to segments, ``[onset, offset]`` in milliseconds, ordered, apart and not empty.

    Example
    -------
    >>> segments_of([Event(0.0, 1.0, "music"), Event(1.0, 3.0, "music")], 2.0)
    {'music': [[0, 2000]]}
    """
    spans, end_ms = {}, milliseconds(duration_s)
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
