"""The report as one self-contained web page: its only script is that of this room, allowed by its digest."""

import base64
from collections.abc import Sequence

from hrin_plugin.detection import Detection
from hrin_plugin.report.account import Account, open_account
from hrin_plugin.report.audit_parts import render_holes, render_provenance
from hrin_plugin.report.calendar import short_time
from hrin_plugin.report.certainty import (
    NOT_KNOWN,
    NOT_MEASURED,
    PARTLY,
    confidence_level,
    note_of,
)
from hrin_plugin.report.display import class_name, clock, css_class, level_title, percent, reading_order
from hrin_plugin.report.doubt_parts import render_doubts
from hrin_plugin.report.html_parts import class_styles, escape, span_of, totals_table, whole_page
from hrin_plugin.report.rows import levels_of, rows_of, scopes_of
from hrin_plugin.report.timeline import DAY_MS, class_heights, draw_strips, lanes_of

#: Tables and timelines of more rows than this are folded at first.
MOST_UNFOLDED = 62

#: Above this number of events, those of the timelines have no tooltips, so that the page still opens. Their
#: times are read out all the same.
MOST_TITLES = 20_000

#: Recordings are unfolded at first if they are no more than this.
MOST_RECORDINGS = 6

_HEADS = {
    **{"station": "Station", "day": "Day", "week": "Week", "hour of day": "Hour of the day"},
    **{"programme": "Programme", "clock hour": "Hour", "recording": "Recording", "hour": "Hour"},
}
_BY = {scope: f"by {head.lower()}" for scope, head in _HEADS.items()} | {"clock hour": "by hour of each day"}


def render_page(recordings: Account | Sequence[Detection], csv_text: str = "") -> str:
    """Render the report: totals, tables, timelines, and where the results come from.

    Arguments
    ---------
    recordings : Account or sequence of Detection
        What is reported.
    csv_text : str
        The same as CSV, which the page offers to save; empty for none.

    Returns
    -------
    str
        An HTML page; every name in it is escaped.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> page = render_page([Detection("<a>", 3.0, {"md": [Event(0.0, 1.0, "music")]})])
    >>> "&lt;a&gt;" in page, "<a>" in page
    (True, False)
    """
    account = open_account(recordings)
    airings = account.airtime.airings
    taxonomies = list(dict.fromkeys(airing.detection.taxonomy for airing in airings))
    # The level that tells more comes first.
    levels = levels_of(account)[::-1]
    lanes, sure = lanes_of(account.airtime), f"{100 * confidence_level(account.airtime):g} %"
    body = ["<h1>Music report</h1>", *_introduction(account), _tools(csv_text)]
    body += render_doubts(account.airtime, lanes)
    for level in levels:
        (total,) = rows_of(account, level, "total")
        title = escape(level_title(level, total.totals))
        body += [f"<h2>{title}</h2>", _cards(total, sure), _explain(total.totals)]
        body += [_explain_intervals(account.airtime)] * (level == levels[0])
        for scope in scopes_of(account):
            if scope not in ("total", "hour"):
                body += _section(account, level, scope, title, total, folded=level != levels[0])
    body += ["<h2>Timelines</h2>", _legend(levels, account, taxonomies), *_timelines(account, levels, lanes)]
    body += [*render_holes(account), *render_provenance(account)]
    return whole_page("Music report", body, class_styles(taxonomies))


def _introduction(account):
    """What is reported: number and length of the recordings, and their span."""
    airtime, airings = account.airtime, account.airtime.airings
    number = f"{len(airings)} recording{'s' * (len(airings) != 1)}"
    length_ms = sum(airing.length_ms for airing in airings)
    yield f"<p>{number}, {clock(length_ms)} in all (hours:minutes:seconds)</p>"
    timed = [airing for airing in airings if airing.start_ms is not None]
    if timed:
        first, last = min(each.begin_ms for each in timed), max(each.end_ms for each in timed)
        span = " to ".join(short_time(instant_ms, airtime.zone) for instant_ms in (first, last))
        stations = ", ".join(dict.fromkeys(airing.station or "no station" for airing in timed))
        yield f"<p>{escape(stations)}: {span}, zone {escape(str(airtime.zone))}</p>"
    if timed and len(timed) < len(airings):
        yield f"<p>{len(airings) - len(timed)} recordings have no known time.</p>"
    for what, holes in (("gap", airtime.gaps), ("overlap", airtime.overlaps)):
        if holes:
            lasting = clock(sum(hole.length_ms for hole in holes))
            more = ", counted once" if what == "overlap" else ""
            number = f"{len(holes)} {what}{'s' * (len(holes) > 1)}"
            yield f'<p><a href="#{what}s">{number}</a>, {lasting}{more}</p>'


def _tools(csv_text):
    """Filter, zoom, print, and the CSV to save."""
    parts = ['<label data-script="" hidden>Filter <input type="search" id="filter"></label>']
    parts += ['<label data-script="" hidden>Zoom of the timelines ']
    parts += ['<input type="range" id="zoom" min="0" max="7" step="0.5" value="0"></label>']
    parts += ['<button type="button" id="print" data-script="" hidden>Print everything</button>']
    if csv_text:
        content = base64.b64encode(csv_text.encode("utf-8", "replace")).decode("ascii")
        parts += [
            f'<a download="totals.csv" href="data:text/csv;charset=utf-8;base64,{content}">Save as CSV</a>'
        ]
    return f'<div class="tools">{"".join(parts)}</div>'


def _cards(row, sure):
    """The totals of all recordings as cards."""
    whole = row.totals
    cards = [
        f'<div class="card {css_class(label)}">{escape(class_name(label))}'
        f"<b>{clock(whole[label].lasting_ms)}</b>"
        + f"<span>{sure}: {span_of(row.intervals.get(label))}</span><br>" * (label in row.intervals)
        + f"<span>{percent(whole[label].share)} of the time, {_segments(whole[label])}</span></div>"
        for label in reading_order(list(whole))
    ]
    return f'<div class="cards">{"".join(cards)}</div>'


def _explain(whole):
    """Explanation of the shares, which may not add up to 100 %."""
    share = sum(total.share for total in whole.values())
    text = "A segment is an unbroken stretch of one class, counted where it begins."
    if whole and abs(share - 1) > 0.0005:
        text += f" The shares add up to {percent(share)}, since classes overlap or some time has none."
    return f"<p>{text}</p>"


def _segments(total):
    """A number of segments as text."""
    return f"{total.segments} segment{'s' * (total.segments != 1)}"


def _section(account, level, scope, title, whole, folded):
    """A table, folded where it is long or of a level that tells less."""
    rows = list(rows_of(account, level, scope))
    names_station = scope not in ("station",) and len({row.what["station"] for row in rows}) > 1
    most = MOST_RECORDINGS if scope == "recording" and account.airtime.has_clock else MOST_UNFOLDED
    opened = "" if folded or len(rows) > most else " open"
    heading = f"{title}, {_BY[scope]}"
    table = totals_table(_HEADS[scope], rows, whole.totals, names_station, whole.intervals)
    yield f"<details{opened}><summary>{heading} <span>{len(rows)}</span></summary>{table}</details>"


def _explain_intervals(airtime):
    """What intervals mean, or why there are none."""
    note = note_of(airtime)
    if note in (NOT_KNOWN, NOT_MEASURED):
        return f"<p>{escape(note[0].upper() + note[1:])}.</p>"
    level = f"{100 * confidence_level(airtime):g} %"
    text = f"An interval holds the true time in {level} of the cases, on recordings like those that the "
    text += (
        "model's errors were measured on. What a station's recordings have in common does not average out."
    )
    return f"<p>{text}{f' {PARTLY.capitalize()}.' if note else ''}</p>"


def _timelines(account, levels, lanes):
    """The timeline of each station, and of each recording whose time is not known."""
    airtime = account.airtime
    events = (len(each) for airing in airtime.airings for each in airing.detection.events.values())
    titles = sum(events) <= MOST_TITLES
    alone = [number for number, airing in enumerate(airtime.airings) if airing.start_ms is None]
    stations = [each for each in lanes if each.airings[0].start_ms is not None]
    for each in stations:
        yield f"<h3>{escape(each.name or 'No station')}</h3>" * (len(stations) > 1 or each.name != "")
        yield _lanes(airtime, each, titles)
    hours = _hours(account, levels) if alone else {}
    opened = " open" * (len(alone) <= MOST_RECORDINGS)
    for number, each in zip(alone, lanes[len(stations) :], strict=True):
        airing = airtime.airings[number]
        yield f"<details{opened}><summary>{escape(airing.detection.name)}"
        yield f" <span>{clock(airing.to_ms)}</span></summary>"
        yield _lanes(airtime, each, titles)
        for level in levels:
            rows = hours[level].get(number, ())
            if len(rows) > 1:
                (total,) = (each for each in hours["whole"][level] if each.what["airing"] == number)
                yield totals_table("Hour", rows, total.totals, False)
        yield "</details>"


def _hours(account, levels):
    """The rows of each recording's hours, by level and the recording's number; and those of recordings."""
    found = {"whole": {}}
    for level in levels:
        found[level] = {}
        found["whole"][level] = list(rows_of(account, level, "recording"))
        for row in rows_of(account, level, "hour"):
            found[level].setdefault(row.what["airing"], []).append(row)
    return found


def _lanes(airtime, lanes, titles):
    """A timeline with its axis."""
    name, airings, strips, mark = lanes
    drawings = draw_strips(airtime, airings, strips, titles)
    width = max(strip.length_ms for strip in strips)
    step = 3 * 3_600_000 if width >= DAY_MS else max(width // 6, 1)
    ticks = "".join(
        f'<span style="left:{100 * at / width:.3f}%">{clock(at)}</span>' for at in range(0, width, step)
    )
    rows = [f'<div class="strip axis"><b></b><div data-length="{width}">{ticks}</div></div>']
    for place, (strip, drawing) in enumerate(zip(strips, drawings)):
        whole = escape(f"{name} {strip.title}".strip())
        head = f'<div class="strip" id="{mark}-{place}" data-name="{whole}">'
        rows.append(f"{head}<b>{escape(strip.title)}</b>{drawing}</div>")
    return f'<div class="lanes">{"".join(rows)}</div>'


def _legend(levels, account, taxonomies):
    """Legend of the colours and heights in the timelines."""
    heights = {}
    for taxonomy in taxonomies:
        for of_level in class_heights(taxonomy).values():
            heights |= of_level
    wholes = [next(rows_of(account, level, "total")).totals for level in levels]
    labels = dict.fromkeys(label for whole in wholes for label in reading_order(list(whole)))
    items = "".join(
        f'<span class="{css_class(label)}"><i style="height:{heights[label]:.3g}px"></i>'
        f"{escape(class_name(label))}</span>"
        for label in labels
        if label in heights
    )
    row = "a day" if account.airtime.has_clock else "an hour"
    words = f"One row is {row}. Where it is empty, there is no recording. To read a segment's times, point at"
    keys = "it, touch it, or reach it with Tab and the arrow keys."
    return f'<div class="legend">{items}</div><p>{words} {keys}</p>'
