"""How sure a report is: intervals of totals, and confidences of stretches.

An interval adds up the doubt of all minutes of its span. Results of several models have intervals of their
own, whose ends are added, as their errors may be in common.
"""

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.detection import Detection
from hrin_plugin.formats import format_of, recording_name
from hrin_plugin.report.airtime import Airtime
from hrin_plugin.totals import milliseconds

MINUTE_MS = 60_000

NOT_KNOWN = "no intervals: the results tell no doubts; detect with --format json or --keep-probabilities"
NOT_MEASURED = (
    "no intervals: the model's errors have not been measured; see hrin tune --certainty, and detect again"
)
PARTLY = "some totals have no interval: not all results tell doubts, or not all models have been measured"


class Interval(NamedTuple):
    """The interval of a class's time.

    Example
    -------
    >>> Interval(1000, 3000).high_ms
    3000
    """

    low_ms: int
    high_ms: int


def complete(detections: Sequence[Detection], files: Mapping[str, Path]) -> tuple[list[Detection], list[str]]:
    """Confidences and doubts from the kept probabilities beside results that have none.

    Arguments
    ---------
    detections : sequence of Detection
        The results.
    files : mapping of str to pathlib.Path
        A file of each, by its name.

    Returns
    -------
    tuple of (list of Detection, list of str)
        The results, and what is wrong with probabilities that cannot be used.

    Example
    -------
    >>> complete([Detection("a", 3.0, {})], {})
    ([Detection(name='a', ...)], [])
    """
    completed, problems = [], []
    for found in detections:
        file = files.get(found.name)
        if file is not None and (found.certainty is None or found.confidences is None):
            path = file.with_name(recording_name(file, format_of(file))[0] + ".probs")
            if path.is_file():
                try:
                    found = _judged(found, path)
                except ValueError as error:
                    problems.append(str(error))
        completed.append(found)
    return completed, problems


def _judged(found, path):
    """A result with confidences and doubts from kept probabilities."""
    from hrin_plugin.decoding.kept import read_kept

    kept = read_kept(path)
    if kept.header.taxonomy != found.taxonomy or abs(kept.duration_s - found.duration_s) > 1:
        raise ValueError(f"{path}: is not of the result beside it; detect again with --keep-probabilities")
    confidences, certainty = kept.judge(found.events)
    return found._replace(
        confidences=found.confidences or confidences, certainty=found.certainty or certainty
    )


def doubt_between(detection: Detection, level: str, from_ms: int, to_ms: int) -> dict[str, float] | None:
    """Doubt of each class in a part of a recording, in seconds; None where it is not known.

    Example
    -------
    >>> from hrin_plugin.detection import Certainty
    >>> found = Detection("a", 120.0, {"md": []}, certainty=Certainty({"md": {"music": (2.0, 4.0)}}))
    >>> doubt_between(found, "md", 30_000, 90_000)
    {'music': 3.0}
    """
    if detection.certainty is None or level not in detection.certainty.doubts:
        return None
    doubts = detection.certainty.doubts[level]
    end_ms, found = milliseconds(detection.duration_s), dict.fromkeys(doubts, 0.0)
    for minute in range(from_ms // MINUTE_MS, -(-to_ms // MINUTE_MS)):
        begin, end = minute * MINUTE_MS, min((minute + 1) * MINUTE_MS, end_ms)
        share = (min(end, to_ms) - max(begin, from_ms)) / max(end - begin, 1)
        for label, of_minutes in doubts.items():
            found[label] += share * of_minutes[minute] if minute < len(of_minutes) else 0.0
    return found


def intervals_by(
    airtime: Airtime, cells: Iterable, level: str, key: Callable[[object], object]
) -> dict[object, dict[str, Interval]]:
    """The intervals of each group of cells, on one level.

    Arguments
    ---------
    airtime : Airtime
        The recordings.
    cells : iterable of Cell
        Those that have the level count.
    level : str
        Name of the level.
    key : callable
        Gives a cell's group.

    Returns
    -------
    dict
        Group to label to Interval; without the classes of which a cell has no doubt, or a model no Spread.

    Example
    -------
    >>> intervals_by(Airtime([]), [], "md", lambda cell: cell.station)
    {}
    """
    sums, unknown = defaultdict(lambda: [0, 0, 0.0]), set()
    for cell in cells:
        if level not in cell.totals:
            continue
        group, certainty = key(cell), airtime.airings[cell.airing].detection.certainty
        for label, total in cell.totals[level].items():
            spread = certainty and certainty.spreads.get(level, {}).get(label)
            if not spread or label not in cell.doubts.get(level, {}):
                unknown.add((group, label))
                continue
            each = sums[group, label, spread]
            each[0] += total.lasting_ms
            each[1] += total.of_ms
            each[2] += cell.doubts[level][label]
    found = {}
    for (group, label, spread), (lasting_ms, of_ms, doubt_s) in sums.items():
        if (group, label) not in unknown:
            ends = spread.interval(lasting_ms / 1000, of_ms / 1000, doubt_s)
            low, high = map(milliseconds, ends)
            of_group = found.setdefault(group, {})
            before = of_group.get(label, Interval(0, 0))
            of_group[label] = Interval(before.low_ms + low, before.high_ms + high)
    return found


class Confidences:
    """Mean confidences of parts of recordings.

    Arguments
    ---------
    airtime : Airtime
        The recordings.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.report.airtime import untimed
    >>> events = [Event(0.0, 1.0, "music"), Event(1.0, 4.0, "no-music")]
    >>> found = Detection("a", 4.0, {"md": events}, confidences={"md": (0.9, 0.5)})
    >>> Confidences(untimed([found])).mean([(0, "md", ["music", "no-music"], 0, 2000)])
    0.7
    """

    def __init__(self, airtime: Airtime):
        self._airtime, self._known = airtime, {}

    def mean(self, parts: Iterable[tuple[int, str, Sequence[str], int, int]]) -> float | None:
        """Mean confidence of what was found, by its length; None where it is not known.

        Arguments
        ---------
        parts : iterable of (int, str, sequence of str, int, int)
            Number of the recording, level, classes, and onset and offset in it, in milliseconds.

        Returns
        -------
        float or None
            0 to 1.
        """
        lasting = weighted = 0.0
        for number, level, labels, onset, offset in parts:
            events = self._of(number, level)
            for label in labels:
                # Events of one class do not overlap, so that their ends are in order, too.
                rows = events.get(label, [])
                first = bisect.bisect_right(rows, onset, key=lambda row: row[1])
                last = bisect.bisect_left(rows, offset, key=lambda row: row[0])
                for begin, end, confidence in rows[first:last]:
                    shared = min(end, offset) - max(begin, onset)
                    lasting += shared
                    weighted += shared * confidence
        return weighted / lasting if lasting else None

    def _of(self, number, level):
        """Onset, offset and confidence of the events of each class of a recording."""
        if (number, level) not in self._known:
            found, rows = self._airtime.airings[number].detection, defaultdict(list)
            confidences = (found.confidences or {}).get(level) or ()
            for event, confidence in zip(found.events.get(level, ()), confidences):
                if confidence is not None:
                    rows[event.label].append((1000 * event.onset_s, 1000 * event.offset_s, confidence))
            self._known[number, level] = rows
        return self._known[number, level]


def note_of(airtime: Airtime) -> str | None:
    """What must be said where totals have no intervals; None where all have one.

    Example
    -------
    >>> from hrin_plugin.report.airtime import untimed
    >>> note_of(untimed([Detection("a", 3.0, {})]))
    'no intervals: the results tell no doubts; detect with --format json or --keep-probabilities'
    """
    certainties = [airing.detection.certainty for airing in airtime.airings]
    measured = [bool(each and each.spreads) for each in certainties]
    if all(measured):
        return None
    if any(measured):
        return PARTLY
    return NOT_MEASURED if any(certainties) else NOT_KNOWN


def confidence_level(airtime: Airtime) -> float:
    """The confidence of the intervals; that of the first recording that has any.

    Example
    -------
    >>> confidence_level(Airtime([]))
    0.9
    """
    known = (airing.detection.certainty for airing in airtime.airings)
    return next((each.level for each in known if each and each.spreads), 0.9)
