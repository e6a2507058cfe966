"""The minutes in which the model is in doubt, which are to be heard first."""

from collections import defaultdict
from typing import NamedTuple

from hrin_plugin.report.airtime import Airtime
from hrin_plugin.report.certainty import MINUTE_MS, Confidences

#: Doubtful minutes that are listed, and the least doubt of one of them, in seconds.
MOST_DOUBTFUL, LEAST_DOUBT_S = 40, 2.0


class DoubtfulMinute(NamedTuple):
    """A minute in which the model is in doubt.

    Example
    -------
    >>> DoubtfulMinute(0, 60_000, 120_000, "bg-music", 0.7, 8.5).length_ms
    60000
    """

    airing: int  # number of the recording in the Airtime
    begin_ms: int  # as Airing.begin_ms has it
    end_ms: int
    label: str  # of the lower level, found for most of it
    confidence: float | None  # of what was found in it
    doubt_s: float

    @property
    def length_ms(self) -> int:
        """Its length, shorter than a minute at the ends of recordings."""
        return self.end_ms - self.begin_ms


def doubtful_minutes(airtime: Airtime, most: int = MOST_DOUBTFUL) -> tuple[list[DoubtfulMinute], int]:
    """The minutes of most doubt about the classes of the lowest level, and how many there are in all.

    Arguments
    ---------
    airtime : Airtime
        The recordings.
    most : int
        So many are listed.

    Returns
    -------
    tuple of (list of DoubtfulMinute, int)
        Those of at least LEAST_DOUBT_S, the most doubtful first; and the number of such minutes.

    Example
    -------
    >>> from hrin_plugin.detection import Certainty, Detection
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.report.airtime import untimed
    >>> doubts = Certainty({"mrle": {"bg-music": (2.5, 9.0, 0.1)}})
    >>> found = Detection("a", 180.0, {"mrle": [Event(0.0, 180.0, "bg-music")]}, certainty=doubts)
    >>> minutes, number = doubtful_minutes(untimed([found]))
    >>> [(each.begin_ms, each.doubt_s) for each in minutes], number
    ([(60000, 9.0), (0, 2.5)], 2)
    """
    ranked = []
    for number, airing in enumerate(airtime.airings):
        found = airing.detection
        known = found.certainty.doubts if found.certainty else {}
        level = next((each for each in reversed(found.taxonomy.level_names) if each in known), None)
        if level is None:
            continue
        for minute, of_classes in enumerate(zip(*known[level].values())):
            begin = max(minute * MINUTE_MS, airing.from_ms)
            end = min((minute + 1) * MINUTE_MS, airing.to_ms)
            doubt_s = max(of_classes)
            if begin < end and doubt_s >= LEAST_DOUBT_S:
                ranked.append((-doubt_s, number, begin, end, level))
    ranked.sort()
    sure = Confidences(airtime)
    return [_doubtful(airtime, sure, *each) for each in ranked[:most]], len(ranked)


def _doubtful(airtime, sure, doubt, number, begin, end, level):
    """A minute with what was found in it."""
    airing = airtime.airings[number]
    found, lasting = airing.detection, defaultdict(float)
    for event in found.events.get(level, ()):
        shared = min(1000 * event.offset_s, end) - max(1000 * event.onset_s, begin)
        if shared > 0:
            lasting[event.label] += shared
    confidence = sure.mean([(number, level, list(lasting), begin, end)])
    base = airing.start_ms or 0
    label = max(lasting, key=lasting.get, default="")
    return DoubtfulMinute(number, base + begin, base + end, label, confidence, -doubt)
