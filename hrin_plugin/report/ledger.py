"""Totals in the smallest parts that a report needs: each lies in one recording, hour and programme.

Every table is a sum of these parts, so that all tables agree to the millisecond. A segment counts where it
begins; one that goes on from the recording before is not counted again. A programme's end divides segments.
"""

import bisect
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from hrin_plugin.detection import Detection
from hrin_plugin.report.airtime import TOLERANCE_MS, Airtime, find_programme
from hrin_plugin.report.calendar import LocalHour, hour_starts, iso_week, local_hour
from hrin_plugin.report.certainty import doubt_between
from hrin_plugin.totals import HOUR_MS, Total, add_up, segments_of


class Cell(NamedTuple):
    """Totals of a part of a recording.

    Example
    -------
    >>> Cell(0, "a", "oe1", 0, None, None, "", {}).day
    ''
    """

    airing: int  # number of the recording in the Airtime
    name: str  # of the recording
    station: str
    hour: int  # of the recording, from 0
    start_ms: int | None  # instant; None where it is not known
    local: LocalHour | None
    programme: str  # title; empty where there is none
    totals: dict  # of level to label to Total
    doubts: Mapping[str, Mapping[str, float]] = {}  # of level to label to seconds, where known

    @property
    def day(self) -> str:
        """The local day; empty where the time is not known."""
        return self.local.day if self.local else ""

    @property
    def week(self) -> str:
        """The ISO week; empty where the time is not known."""
        return iso_week(self.local.day) if self.local else ""


class Stretch(NamedTuple):
    """An unbroken stretch of a class, in one recording or in several that follow one another.

    Example
    -------
    >>> Stretch("music", [(0, 1000, 3000), (1, 3000, 4000)]).lasting_ms
    3000
    """

    label: str
    parts: list  # of (number of the recording, onset, offset) in milliseconds as Airing.begin_ms has them

    @property
    def lasting_ms(self) -> int:
        """Its time in the recordings, without what is missing between them."""
        return sum(offset - onset for _, onset, offset in self.parts)


def find_stretches(
    airtime: Airtime,
    segments: Callable[[Detection], Mapping[str, list]],
    numbers: Iterable[int] | None = None,
) -> list[Stretch]:
    """Unbroken stretches of each class, in the order in which they begin in each recording.

    Arguments
    ---------
    airtime : Airtime
        The recordings.
    segments : callable
        Gives for a Detection the segments of each class, ``[onset, offset]`` in milliseconds.
    numbers : iterable of int or None
        Recordings that count, in order; None for all.

    Returns
    -------
    list of Stretch
        A class that lasts to the end of a recording and from the beginning of the next has one stretch, if no
        more than TOLERANCE_MS lies between. Ends of programmes divide stretches.

    Example
    -------
    >>> from hrin_plugin.report.airtime import Airing
    >>> airings = [Airing(Detection("", 3.0, {}), "", start, 0, 3000) for start in (0, 3000)]
    >>> [each.lasting_ms for each in find_stretches(Airtime(airings), lambda _: {"music": [[1000, 3000]]})]
    [2000, 2000]
    >>> [each.lasting_ms for each in find_stretches(Airtime(airings), lambda _: {"music": [[0, 3000]]})]
    [6000]
    """
    found, unended, last = [], {}, None
    for number in range(len(airtime.airings)) if numbers is None else numbers:
        airing = airtime.airings[number]
        if not airing.length_ms:
            continue
        edges = programme_edges(airtime, airing.station) if airing.start_ms is not None else []
        if not _follows(airing, last, edges):
            unended = {}
        base_ms, ended = airing.start_ms or 0, {}
        for label, spans in segments(airing.detection).items():
            for onset, offset in spans:
                onset = max(onset, airing.from_ms) + base_ms
                offset = min(offset, airing.to_ms) + base_ms
                if offset <= onset:
                    continue
                cuts = edges[bisect.bisect_right(edges, onset) : bisect.bisect_left(edges, offset)]
                for begin, end in itertools.pairwise((onset, *cuts, offset)):
                    stretch = unended.get(label) if begin == airing.begin_ms else None
                    if stretch is None:
                        stretch = Stretch(label, [])
                        found.append(stretch)
                    stretch.parts.append((number, begin, end))
                    if end == airing.end_ms:
                        ended[label] = stretch
        unended, last = ended, airing
    return found


def cut_cells(airtime: Airtime) -> list[Cell]:
    """The totals of the smallest parts, in the order of the recordings.

    Arguments
    ---------
    airtime : Airtime
        The recordings.

    Returns
    -------
    list of Cell
        At least one of each recording.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.report.airtime import untimed
    >>> cells = cut_cells(untimed([Detection("a", 5400.0, {"md": [Event(3000.0, 4200.0, "music")]})]))
    >>> [(cell.hour, cell.totals["md"]["music"].seconds) for cell in cells]
    [(0, 600.0), (1, 600.0)]
    """
    edges = [_edges(airtime, airing) for airing in airtime.airings]
    counts = [[{} for _ in range(max(len(each) - 1, 1))] for each in edges]
    for level in dict.fromkeys(level for each in airtime.airings for level in each.detection.events):
        for stretch in find_stretches(airtime, lambda found, level=level: level_segments(found, level)):
            begins = 1
            for number, onset, offset in stretch.parts:
                place = bisect.bisect_right(edges[number], onset) - 1
                while onset < offset:
                    end = min(edges[number][place + 1], offset)
                    count = counts[number][place].setdefault((level, stretch.label), [0, 0])
                    count[0] += end - onset
                    count[1] += begins
                    onset, place, begins = end, place + 1, 0
    return [
        cell
        for number, airing in enumerate(airtime.airings)
        for cell in _cells(airtime, number, airing, edges[number], counts[number])
    ]


def totals_by(cells: Iterable[Cell], level: str, key: Callable[[Cell], object]) -> dict[object, dict]:
    """Sums of the cells of each group, on one level.

    Arguments
    ---------
    cells : iterable of Cell
        Those that have the level are added up.
    level : str
        Name of the level.
    key : callable
        Gives a cell's group.

    Returns
    -------
    dict
        Group to label to Total, in the order in which the groups begin.

    Example
    -------
    >>> cell = Cell(0, "a", "oe1", 0, None, None, "", {"md": {"music": Total(500, 1000, 1)}})
    >>> totals_by([cell, cell], "md", lambda cell: cell.station)["oe1"]["music"].lasting_ms
    1000
    """
    groups = {}
    for cell in cells:
        if level in cell.totals:
            groups.setdefault(key(cell), []).append(cell.totals[level])
    return {group: add_up(parts) for group, parts in groups.items()}


def level_segments(detection: Detection, level: str) -> dict[str, list]:
    """Segments of each class of a level, ``[onset, offset]`` in milliseconds, ordered and apart.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> level_segments(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]}), "md")
    {'music': [[500, 2000]]}
    """
    return segments_of(detection.events.get(level, ()), detection.duration_s)


def programme_edges(airtime: Airtime, station: str) -> list[int]:
    """The instants at which programmes of a station begin or end, ordered.

    Example
    -------
    >>> programme_edges(Airtime([]), "oe1")
    []
    """
    programmes = airtime.schedule.get(station, ())
    return sorted({edge for each in programmes for edge in (each.start_ms, each.end_ms)})


def _follows(airing, last, edges):
    """Whether a recording goes on where the last one ended, in the same programme."""
    if last is None or airing.start_ms is None or last.start_ms is None or airing.station != last.station:
        return False
    if airing.begin_ms - last.end_ms > TOLERANCE_MS:
        return False
    return bisect.bisect_left(edges, last.end_ms) == bisect.bisect_right(edges, airing.begin_ms)


def _edges(airtime, airing):
    """The instants at which a recording's cells begin, and its end."""
    begin, end, base = airing.begin_ms, airing.end_ms, airing.start_ms or 0
    edges = {*range(base + HOUR_MS * -(-airing.from_ms // HOUR_MS), end, HOUR_MS)}
    if airing.start_ms is not None:
        edges |= {*hour_starts(begin, end, airtime.zone)}
        # What a recorder ran over the hour stays with the rest.
        edges = {edge for edge in edges if begin + TOLERANCE_MS < edge < end - TOLERANCE_MS}
        edges |= {edge for edge in programme_edges(airtime, airing.station) if begin < edge < end}
    return sorted({begin, end, *edges})


def _cells(airtime, number, airing, edges, counts):
    """The cells of a recording from the milliseconds and segments of each class in each."""
    found = airing.detection
    labels = {level: dict.fromkeys(found.taxonomy.labels[level]) for level in found.events}
    for count in counts:
        for level, label in count:
            labels[level].setdefault(label)
    if len(edges) == 1:  # no time that counts
        edges = edges * 2
    for begin, end, count in zip(edges, edges[1:], counts):
        totals = {
            level: {label: Total(*_spread(count.get((level, label), (0, 0)), end - begin)) for label in names}
            for level, names in labels.items()
        }
        hour = (begin - (airing.start_ms or 0)) // HOUR_MS
        known = airing.start_ms is not None
        programme = find_programme(airtime, airing, begin)
        local = local_hour((begin + end) // 2, airtime.zone) if known else None
        title = programme.title if programme else ""
        base = airing.start_ms or 0
        doubts = {level: doubt_between(found, level, begin - base, end - base) for level in labels}
        yield Cell(
            *(number, found.name, airing.station, hour, begin if known else None, local, title, totals),
            {level: of_level for level, of_level in doubts.items() if of_level is not None},
        )


def _spread(count, of_ms):
    """The fields of a Total."""
    return count[0], of_ms, count[1]
