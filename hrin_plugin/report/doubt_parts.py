"""The section of a page with the doubtful minutes, each with a link to its place in the timelines."""

import bisect
from collections.abc import Iterator, Sequence

from hrin_plugin.report.airtime import Airtime
from hrin_plugin.report.calendar import short_time
from hrin_plugin.report.display import class_name, css_class, fine_clock
from hrin_plugin.report.doubts import LEAST_DOUBT_S, doubtful_minutes
from hrin_plugin.report.html_parts import escape
from hrin_plugin.report.timeline import Lanes

#: Shown at first; the others are unfolded.
SHOWN = 10


def render_doubts(airtime: Airtime, lanes: Sequence[Lanes]) -> Iterator[str]:
    """The doubtful minutes, the most doubtful first.

    Arguments
    ---------
    airtime : Airtime
        The recordings.
    lanes : sequence of Lanes
        Their timelines.

    Yields
    ------
    str
        HTML; nothing where no doubts are known.

    Example
    -------
    >>> from hrin_plugin.report.airtime import untimed
    >>> list(render_doubts(untimed([]), []))
    []
    """
    if not any(airing.detection.certainty for airing in airtime.airings):
        return
    minutes, number = doubtful_minutes(airtime)
    yield '<h2 id="doubtful">Doubtful minutes</h2>'
    if not minutes:
        yield f"<p>None has {LEAST_DOUBT_S:g} s of doubt.</p>"
        return
    which = f"the first {len(minutes)} of {number}" if number > len(minutes) else f"{number} in all"
    yield (
        f"<p>Minutes of at least {LEAST_DOUBT_S:g} s of doubt, the most doubtful first: {which}. Hear these "
        "first.</p>"
    )
    places = _places(lanes)
    names_station = any(airing.station for airing in airtime.airings)
    rows = [_row(airtime, minute, places, names_station) for minute in minutes]
    yield _table(rows[:SHOWN], names_station)
    if rows[SHOWN:]:
        table, rest = _table(rows[SHOWN:], names_station), len(rows) - SHOWN
        yield f"<details><summary>More doubtful minutes <span>{rest}</span></summary>{table}</details>"


def _table(rows, names_station):
    """Rows as a table."""
    heads = ["Begin", *["Station"] * names_station, "Recording", "Found", "Confidence", "Doubt"]
    kinds = ["key", *["text"] * names_station, "text", "text", "", ""]
    cells = "".join(
        f'<th class="{kind}" data-column="{place}">{head}</th>'
        for place, (kind, head) in enumerate(zip(kinds, heads))
    )
    body = "\n".join(rows)
    table = f"<table><thead><tr>{cells}</tr></thead><tbody>\n{body}\n</tbody></table>"
    return f'<div class="scroll doubts" tabindex="0">{table}</div>'


def _row(airtime, minute, places, names_station):
    """A minute as a row."""
    airing = airtime.airings[minute.airing]
    if airing.start_ms is None:
        begin = fine_clock(minute.begin_ms).partition(".")[0]
    else:
        begin = short_time(minute.begin_ms, airtime.zone)
    mark, at = _place(places, airing, minute)
    end = at + minute.length_ms
    link = f'<a href="#{mark}" data-from="{at}" data-to="{end}">{escape(begin)}</a>'
    sure = "" if minute.confidence is None else f"{minute.confidence:.2f}"
    cells = [f'<td class="key">{link}</td>']
    cells += [f'<td class="text">{escape(airing.station)}</td>'] * names_station
    cells += [f'<td class="text">{escape(airing.detection.name)}</td>']
    cells += [f'<td class="text {css_class(minute.label)}">{escape(class_name(minute.label))}</td>']
    return f"<tr>{''.join(cells)}<td>{sure}</td><td>{minute.doubt_s:.1f} s</td></tr>"


def _places(lanes):
    """The starts of the rows of each timeline, by the recordings in it."""
    return {
        id(airing): (each.mark, [strip.start_ms for strip in each.strips])
        for each in lanes
        for airing in each.airings
    }


def _place(places, airing, minute):
    """The name of the row in which a minute lies, and where in it, in milliseconds."""
    mark, starts = places[id(airing)]
    place = max(bisect.bisect_right(starts, minute.begin_ms) - 1, 0)
    return f"{mark}-{place}", minute.begin_ms - starts[place]
