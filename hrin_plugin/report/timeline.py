"""Timelines for a web page: a row for each day of a station, or for each hour of a recording.

In each row, levels have lanes, and classes of a level differ in height. One unit to the right is one
millisecond, so that the page's script can tell the times of each segment from the drawing.
"""

import bisect
import html
from collections.abc import Sequence
from typing import NamedTuple

from hrin_plugin.report.airtime import TOLERANCE_MS, Airing, Airtime
from hrin_plugin.report.calendar import day_start, local_hour, local_time, next_day, short_time
from hrin_plugin.report.display import class_name, css_class, fine_clock, printable
from hrin_plugin.report.ledger import level_segments
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.totals import HOUR_MS

#: Height of the top level's lane and of those below it; height of each level's first class.
TOP_LANE, LANE, FIRST = 10, 20, 3

_LANE_GAP = 3
DAY_MS = 24 * HOUR_MS


class Strip(NamedTuple):
    """A row of a timeline.

    Example
    -------
    >>> Strip("0 h", 0, 3_600_000).length_ms
    3600000
    """

    title: str
    start_ms: int  # as Airing.begin_ms has it
    length_ms: int
    shown_ms: int = 0  # what a clock shows at the start
    change: str = ""  # where the clock changes: after so many ms, by so many ms


def class_heights(taxonomy: Taxonomy) -> dict[str, dict[str, float]]:
    """Height of each class in its lane, so that classes differ in greyscale too.

    A level's first class (nothing found) is a thin line. The second fills the lane. Each further class is
    lower than the one before.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> class_heights(MUSIC_LOUDNESS)["mrle"]
    {'no-music': 3, 'fg-music': 20.0, 'bg-music': 10.0}
    """
    heights = {}
    for level, labels in taxonomy.labels.items():
        lane, others = LANE if heights else TOP_LANE, labels[1:]
        heights[level] = {labels[0]: FIRST} | {
            label: lane * (len(others) - place) / len(others) for place, label in enumerate(others)
        }
    return heights


def strips_of(airtime: Airtime, airings: Sequence[Airing]) -> list[Strip]:
    """The rows of the timeline of a station's recordings, or of a recording without a known time.

    Arguments
    ---------
    airtime : Airtime
        All recordings.
    airings : sequence of Airing
        Those to be drawn, which are of one station and have times; or a single one.

    Returns
    -------
    list of Strip
        A day each, from the first to the last, without days that have no recording; or an hour each, the last
        one as long as it is where it is the only one.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> airing = Airing(Detection("a", 4000.0, {}), to_ms=4_000_000)
    >>> [strip.title for strip in strips_of(Airtime([]), [airing])]
    ['0 h', '1 h']
    """
    first, zone = airings[0], airtime.zone
    if first.start_ms is None:
        length = min(max(first.to_ms, 1), HOUR_MS)
        return [
            Strip(f"{start // HOUR_MS} h", start, length, start)
            for start in range(0, max(first.to_ms, 1), HOUR_MS)
        ]
    days = {}
    for airing in airings:
        slack = min(TOLERANCE_MS, airing.length_ms // 2)  # what a recorder ran over the day makes no row
        ends = airing.begin_ms + slack, max(airing.end_ms - slack - 1, airing.begin_ms)
        day, last = (local_hour(instant_ms, zone).day for instant_ms in ends)
        while day <= last:
            days[day], day = None, next_day(day)
    return [_day(day, zone) for day in sorted(days)]


class Lanes(NamedTuple):
    """The timeline of a station's recordings, or of one recording without a known time.

    Example
    -------
    >>> Lanes("oe1", [], [], "t0").mark
    't0'
    """

    name: str
    airings: list
    strips: list
    mark: str  # how the names of its rows begin in the page


def lanes_of(airtime: Airtime) -> list[Lanes]:
    """The timelines of a report: each station's, then that of each recording without a known time.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> airings = [Airing(Detection(name, 3.0, {}), to_ms=3000) for name in ("a", "b")]
    >>> [(each.name, each.mark) for each in lanes_of(Airtime(airings))]
    [('a', 't0'), ('b', 't1')]
    """
    stations = {}
    for airing in airtime.airings:
        if airing.start_ms is not None:
            stations.setdefault(airing.station, []).append(airing)
    groups = [*stations.items()]
    groups += [(each.detection.name, [each]) for each in airtime.airings if each.start_ms is None]
    return [
        Lanes(name, airings, strips_of(airtime, airings), f"t{number}")
        for number, (name, airings) in enumerate(groups)
    ]


def draw_strips(
    airtime: Airtime, airings: Sequence[Airing], strips: Sequence[Strip], titles: bool = True
) -> list[str]:
    """Draw recordings in the rows of a timeline.

    The colour of each class (:func:`hrin_plugin.report.display.css_class`) is left to the page's style; each
    segment is a line as thick as its class is high.

    Arguments
    ---------
    airtime : Airtime
        All recordings.
    airings, strips : sequence
        The recordings, and the rows of :func:`strips_of`.
    titles : bool
        Whether each segment has a tooltip with its class and times, which readers without scripts need;
        without tooltips, the drawing is a fifth of the size.

    Returns
    -------
    list of str
        An ``svg`` element for each row, all of the same scale.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> airing = Airing(Detection("a", 7200.0, {"md": [Event(3000.0, 4200.0, "music")]}), to_ms=7_200_000)
    >>> drawings = draw_strips(Airtime([]), [airing], strips_of(Airtime([]), [airing]))
    >>> [drawing.partition(' d="')[2].partition('"')[0] for drawing in drawings]
    ['M3000000 5h600000', 'M0 5h600000']
    >>> "<title>Music 0:50:00.000 to 1:10:00.000</title>" in drawings[1]
    True
    """
    heights, feet, top = {}, {}, 0
    for taxonomy in dict.fromkeys(airing.detection.taxonomy for airing in airings):
        for level, of_level in class_heights(taxonomy).items():
            heights[level] = heights.get(level, {}) | of_level
    levels = [level for level in heights if any(level in airing.detection.events for airing in airings)]
    for level in levels:
        feet[level] = top + (TOP_LANE if level == next(iter(heights)) else LANE)
        top = feet[level] + _LANE_GAP
    starts, lines = [strip.start_ms for strip in strips], [{} for _ in strips]
    for airing in airings:
        for level in levels:
            for label, spans in level_segments(airing.detection, level).items():
                y = feet[level] - heights[level].get(label, FIRST) / 2
                for span in spans:
                    title = _title(airtime, airing, label, *span) if titles else ""
                    for place, line in _lines(airing, *span, y, starts, strips):
                        lines[place].setdefault((level, label), []).append((line, title))
    width, height = max(strip.length_ms for strip in strips), max(top - _LANE_GAP, TOP_LANE)
    return [
        _svg(strip, row, width, height, {level: heights[level] for level in levels})
        for strip, row in zip(strips, lines)
    ]


def _title(airtime, airing, label, onset, offset):
    """Class and times of a segment, by the clock where that is known."""
    if airing.start_ms is None:
        times = fine_clock(onset), fine_clock(offset)
    else:
        times = (short_time(airing.start_ms + instant_ms, airtime.zone) for instant_ms in (onset, offset))
    return html.escape(f"{class_name(label)} {' to '.join(times)}")


def _lines(airing, onset, offset, y, starts, strips):
    """A segment in each row in which it lies: the row's number, and a line."""
    base = airing.start_ms or 0
    onset, offset = max(onset, airing.from_ms) + base, min(offset, airing.to_ms) + base
    place = max(bisect.bisect_right(starts, onset) - 1, 0)
    while onset < offset and place < len(strips):
        strip = strips[place]
        end = min(offset, strip.start_ms + strip.length_ms)
        if onset < end:
            yield place, f"M{onset - strip.start_ms} {y:.5g}h{end - onset}"
        onset, place = max(onset, end), place + 1


def _svg(strip, row, width, height, heights):
    """A row as an ``svg`` element; the highest class is drawn first, so that what overlaps it shows."""
    order = [
        (level, label)
        for level, of_level in heights.items()
        for label in sorted(of_level, key=lambda label: -of_level[label])
    ]
    paths = []
    for level, label in order:
        if (level, label) in row:
            nothing = ' data-nothing=""' * (label == next(iter(heights[level])))
            paths.append(
                f'<g class="{css_class(label)}" data-name="{html.escape(class_name(label))}"{nothing} '
                f'stroke-width="{heights[level][label]:.3g}">{_join(row[level, label])}</g>'
            )
    change = f' data-change="{strip.change}"' * bool(strip.change)
    name = html.escape(printable(strip.title))
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" tabindex="0" role="group" '
        f'aria-label="Segments, {name}" data-shown="{strip.shown_ms}"{change}>{"".join(paths)}</svg>'
    )


def _join(lines):
    """Lines as one path, or each with its title."""
    if not lines[0][1]:
        return f'<path d="{"".join(line for line, _ in lines)}"/>'
    return "".join(f'<path d="{line}"><title>{title}</title></path>' for line, title in lines)


def _day(day, zone):
    """The row of a local day."""
    start, end = day_start(day, zone), day_start(next_day(day), zone)
    hours = f" ({(end - start) / HOUR_MS:g} h)" if end - start != DAY_MS else ""
    change = ""
    if end - start != DAY_MS:
        offset = local_time(start, zone).utcoffset()
        after = next(ms for ms in range(start, end, 900_000) if local_time(ms, zone).utcoffset() != offset)
        by_ms = DAY_MS - (end - start)
        names = [local_time(ms, zone).isoformat()[-6:] for ms in (start, end - 1)]
        change = ",".join(map(str, (after - start, by_ms, *names)))
    return Strip(f"{local_time(start, zone):%a} {day}{hours}", start, end - start, 0, change)
