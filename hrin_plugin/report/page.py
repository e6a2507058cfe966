"""The report as one self-contained web page without scripts."""

import html
from collections.abc import Sequence

from hrin_plugin.detection import Detection
from hrin_plugin.report.display import (
    class_name,
    clock,
    colours_of,
    css_class,
    level_title,
    percent,
    printable,
    reading_order,
)
from hrin_plugin.report.timeline import class_heights, draw_timeline
from hrin_plugin.totals import Total, milliseconds, total_up

#: Recordings are unfolded at first if they are no more than this.
MOST_UNFOLDED = 6

#: Above this number of events, those of the timelines do not tell their times, so that the page still opens.
MOST_TITLES = 100_000

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #5b6470; --line: #d8dce2; --page: #fff;
  --band: #f5f6f8; }
body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; color: var(--ink); background: var(--page);
  font: 15px/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { margin: 0; font-size: 1.6rem; }
h2 { margin: 2rem 0 .6rem; font-size: 1.15rem; }
p { margin: .3rem 0; color: var(--dim); }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; }
.card { flex: 1 1 12rem; padding: .7rem 1rem; background: var(--band); border-top: 5px solid var(--class); }
.card b { display: block; font-size: 1.9rem; line-height: 1.25; }
.card span { color: var(--dim); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; }
th[colspan] { text-align: center; color: var(--ink); border-bottom: 3px solid var(--class); }
th[rowspan]:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere;
  min-width: 7rem; }
.s { background: linear-gradient(90deg, var(--tint) var(--s), transparent 0);
  --tint: color-mix(in srgb, var(--class) 35%, transparent); }
.all { font-weight: 700; background: var(--band); }
a { color: inherit; text-decoration-color: var(--dim); }
details { border-bottom: 1px solid var(--line); content-visibility: auto;
  contain-intrinsic-height: auto 2.4rem; }
summary { padding: .45rem 0; cursor: pointer; font-weight: 600; overflow-wrap: anywhere; }
summary span { color: var(--dim); font-weight: 400; }
svg { display: block; width: 100%; margin: .3rem 0 1rem; }
svg g { stroke: var(--class); }
text { stroke: none; fill: var(--dim); font-size: 11px; text-anchor: middle; }
.hour { text-anchor: end; fill: var(--ink); }
.ticks { stroke: var(--line); fill: none; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: .4rem 0 .8rem; }
.legend span { display: inline-flex; align-items: center; gap: .45rem; }
.legend i { display: inline-block; width: 1.6rem; background: var(--class); }
@media print {
  body { padding: 0; max-width: none; font-size: 10px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details { content-visibility: visible; }
  details:not([open]) { display: none; }
  summary { break-after: avoid; }
  tr, .card { break-inside: avoid; }
  .scroll { overflow: visible; }
  th, td { padding: .1rem .25rem; }
  h2, .card b { font-size: 1.3em; }
  thead { display: table-header-group; }
}
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --dim: #9aa4b0; --line: #3a414a; --page: #15181c; --band: #1d2126; }
  body .c-no-music { --class: #69737f; }
}
"""


def render_page(detections: Sequence[Detection]) -> str:
    """Render the report: totals, table of recordings, and hours and timeline of each recording.

    Arguments
    ---------
    detections : sequence of Detection
        The results of each recording.

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
    by_task = total_up(detections)
    # The level that tells more comes first.
    by_task = dict(reversed(by_task.items()))
    titles = sum(len(events) for found in detections for events in found.events.values()) <= MOST_TITLES
    length_ms = sum(milliseconds(found.duration_s) for found in detections)
    number = f"{len(detections)} recording{'s' * (len(detections) != 1)}"
    parts = ["<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">']
    parts += [
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>Music report</title>",
    ]
    taxonomies = list(dict.fromkeys(found.taxonomy for found in detections))
    parts += [f"<style>{_class_styles(taxonomies)}{_STYLE}</style>", "</head>", "<body>"]
    parts += ["<h1>Music report</h1>"]
    parts += [f"<p>{number}, {clock(length_ms)} in all (hours:minutes:seconds)</p>"]
    anchors = {id(found): f"r{place}" for place, found in enumerate(detections, start=1)}
    for task, (whole, recordings) in by_task.items():
        having = [anchors[id(found)] for found in detections if task in found.events]
        title = level_title(task, whole)
        parts += [f"<h2>{title}</h2>", _cards(whole), _explain(whole)]
        rows = [
            (f'<a href="#{anchor}">{_escape(recording.name)}</a>', recording.whole)
            for anchor, recording in zip(having, recordings)
        ]
        parts += [f"<h2>{title}, by recording</h2>", _table("Recording", rows, whole)]
    parts += ["<h2>Timelines</h2>", _legend(by_task, taxonomies)]
    if not titles:
        parts.append(f"<p>There are more than {MOST_TITLES} segments: their times stand in the results.</p>")
    hours = {task: iter(recordings) for task, (_, recordings) in by_task.items()}
    unfolded = " open" * (len(detections) <= MOST_UNFOLDED)
    for found in detections:
        parts.append(f"<details{unfolded}><summary>{_escape(found.name)}")
        parts.append(f" <span>{clock(milliseconds(found.duration_s))}</span></summary>")
        parts.append(f'<div id="{anchors[id(found)]}">{draw_timeline(found, titles)}')
        for task, remaining in hours.items():
            if task in found.events:
                totals = next(remaining)
                rows = [(f"{hour} h", part) for hour, part in enumerate(totals.hours)]
                parts += [_table("Hour", rows, totals.whole)] * (len(rows) > 1)
        parts.append("</div></details>")
    return "\n".join([*parts, "</body>", "</html>", ""])


def _class_styles(taxonomies):
    """The colour of each class."""
    colours = colours_of(label for each in taxonomies for labels in each.levels for label in labels)
    return "".join(f".{css_class(label)} {{ --class: {colour}; }}\n" for label, colour in colours.items())


def _cards(whole):
    """The totals of all recordings as cards."""
    cards = [
        f'<div class="card {css_class(label)}">{_name(label)}<b>{clock(whole[label].lasting_ms)}</b>'
        f"<span>{percent(whole[label].share)} of the time, {_segments(whole[label])}</span></div>"
        for label in reading_order(list(whole))
    ]
    return f'<div class="cards">{"".join(cards)}</div>'


def _explain(whole):
    """Explanation of the shares, which may not add up to 100 %."""
    share = sum(total.share for total in whole.values())
    text = "A segment is an unbroken stretch of one class, counted in the hour in which it begins."
    if whole and abs(share - 1) > 0.0005:
        text += f" The shares add up to {percent(share)}, since classes overlap or some time has none."
    return f"<p>{text}</p>"


def _segments(total):
    """A number of segments as text."""
    return f"{total.segments} segment{'s' * (total.segments != 1)}"


def _table(head, rows, whole):
    """A table of time spans, with the total in the last line."""
    labels = reading_order(list(whole))
    groups = "".join(f'<th colspan="3" class="{css_class(label)}">{_name(label)}</th>' for label in labels)
    columns = "<th>Time</th><th>Share</th><th title='Segments that begin here'>Segments</th>" * len(labels)
    lines = [f"<tr>{_row(first, labels, totals)}</tr>" for first, totals in rows]
    if len(rows) > 1:
        lines.append(f'<tr class="all">{_row("All", labels, whole)}</tr>')
    heads = f'<tr><th rowspan="2">{head}</th><th rowspan="2">Length</th>{groups}</tr>\n<tr>{columns}</tr>'
    body = "\n".join(lines)
    return f'<div class="scroll"><table><thead>\n{heads}\n</thead><tbody>\n{body}\n</tbody></table></div>'


def _row(first, labels, totals):
    """The cells of one time span; ``first`` is HTML."""
    of_ms = next(iter(totals.values())).of_ms
    cells = [f"<td>{first}</td><td>{clock(of_ms)}</td>"]
    for label in labels:
        total = totals.get(label, Total(0, of_ms, 0))
        cells.append(
            f'<td>{clock(total.lasting_ms)}</td><td class="s {css_class(label)}" '
            f'style="--s:{100 * total.share:.1f}%">{percent(total.share)}</td><td>{total.segments}</td>'
        )
    return "".join(cells)


def _legend(by_task, taxonomies):
    """Legend of the colours and heights in the timelines."""
    heights = {}
    for taxonomy in taxonomies:
        for of_level in class_heights(taxonomy).values():
            heights |= of_level
    labels = dict.fromkeys(label for whole, _ in by_task.values() for label in reading_order(list(whole)))
    items = "".join(
        f'<span class="{css_class(label)}"><i style="height:{heights[label]:.3g}px"></i>{_name(label)}</span>'
        for label in labels
        if label in heights
    )
    return f'<div class="legend">{items}</div><p>One row an hour; point at a segment to read its times.</p>'


def _name(label):
    """Display name of a class, as HTML."""
    return html.escape(class_name(label))


def _escape(name):
    """A name, escaped for HTML."""
    return html.escape(printable(name))
