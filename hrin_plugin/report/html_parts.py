"""Parts that the web pages of this room share: the frame with style and script, and tables."""

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from importlib import resources

from hrin_plugin.report.certainty import Interval
from hrin_plugin.report.display import (
    class_name,
    clock,
    colours_of,
    css_class,
    percent,
    printable,
    reading_order,
)
from hrin_plugin.report.rows import Row
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.totals import Total


def whole_page(title: str, body: Sequence[str], styles: str = "") -> str:
    """A page with the style and the script of this room, which allows nothing else to be loaded or run.

    Arguments
    ---------
    title : str
        Title, as plain text.
    body : sequence of str
        HTML.
    styles : str
        Further CSS.

    Returns
    -------
    str
        The page.

    Example
    -------
    >>> whole_page("Music report", ["<h1>Music report</h1>"]).count("<script>")
    1
    """
    style, script = styles + _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src-elem {_source(style)}; "
        "style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    head = ["<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">']
    head += [f'<meta http-equiv="Content-Security-Policy" content="{policy}">']
    head += ['<meta name="viewport" content="width=device-width, initial-scale=1">']
    head += [f"<title>{html.escape(title)}</title>", f"<style>{style}</style>", "</head>", "<body>"]
    foot = ['<output aria-live="polite"></output>', f"<script>{script}</script>", "</body>", "</html>", ""]
    return "\n".join([*head, *body, *foot])


def totals_table(
    head: str,
    rows: Sequence[Row],
    whole: dict[str, Total],
    names_station: bool,
    intervals: Mapping[str, Interval] | None = None,
) -> str:
    """A table of time spans, with their sum in the last line.

    Arguments
    ---------
    head : str
        Head of the first column.
    rows : sequence of Row
        The spans.
    whole : dict of str to Total
        Their sum, with all classes.
    names_station : bool
        Whether a column names the stations.
    intervals : mapping of str to Interval, optional
        Those of the sum.

    Returns
    -------
    str
        HTML.

    Example
    -------
    >>> table = totals_table("Day", [Row("day", {"day": "2026-03-28"}, {})], {}, False)
    >>> table.count("2026-03-28")
    1
    """
    labels = reading_order(list(whole)) if whole else []
    groups = "".join(
        f'<th colspan="3" class="{css_class(label)}">{escape(class_name(label))}</th>' for label in labels
    )
    leading = [f'<th rowspan="2" class="key" data-column="0">{head}</th>']
    leading += ['<th rowspan="2" class="text" data-column="1">Station</th>'] * names_station
    first = len(leading)
    leading += [f'<th rowspan="2" data-column="{first}">Length</th>']
    columns = "".join(
        f'<th data-column="{first + 1 + 3 * place + number}">{name}</th>'
        for place in range(len(labels))
        for number, name in enumerate(("Time", "Share", "Segments"))
    )
    lines = [
        f"<tr>{_cells(row.title, row.what.get('station', ''), row, labels, names_station)}</tr>"
        for row in rows
    ]
    total = ""
    if len(rows) > 1:
        row = Row("total", {}, whole, intervals=intervals or {})
        total = f'<tfoot><tr class="all">{_cells("All", "", row, labels, names_station)}</tr></tfoot>'
    heads = f"<tr>{''.join(leading)}{groups}</tr>\n<tr>{columns}</tr>"
    body = "\n".join(lines)
    return (
        f'<div class="scroll" tabindex="0"><table><thead>\n{heads}\n</thead><tbody>\n{body}\n</tbody>'
        f"{total}</table></div>"
    )


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]], code: str = "SHA-256") -> str:
    """A table of texts; the first column stays in view.

    Arguments
    ---------
    heads : sequence of str
        Heads of the columns.
    rows : sequence of sequence of str
        Their cells.
    code : str
        Head of a column of digits, in small letters.

    Returns
    -------
    str
        HTML.

    Example
    -------
    >>> plain_table(["Name"], [["<a>"]]).count("&lt;a&gt;")
    1
    """
    kinds = ["code" if head == code else "key" if not place else "text" for place, head in enumerate(heads)]
    head = "".join(
        f'<th class="{kind}" data-column="{place}">{escape(name)}</th>'
        for place, (kind, name) in enumerate(zip(kinds, heads))
    )
    lines = [
        "".join(f'<td class="{kind}">{escape(cell)}</td>' for kind, cell in zip(kinds, row)) for row in rows
    ]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
    return f'<div class="scroll" tabindex="0">{table}</div>'


def class_styles(taxonomies: Sequence[Taxonomy]) -> str:
    """CSS of the colour of each class.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> class_styles([MUSIC_LOUDNESS]).splitlines()[1]
    '.c-music { --class: #009e73; }'
    """
    colours = colours_of(label for each in taxonomies for labels in each.levels for label in labels)
    return "".join(f".{css_class(label)} {{ --class: {colour}; }}\n" for label, colour in colours.items())


def span_of(interval: Interval | None) -> str:
    """An interval as text; empty for none.

    Example
    -------
    >>> span_of(Interval(60_000, 3_600_000)), span_of(None)
    ('0:01:00 to 1:00:00', '')
    """
    return " to ".join(map(clock, interval or ()))


def escape(name: str) -> str:
    """A name, escaped for HTML.

    Example
    -------
    >>> escape("<a>")
    '&lt;a&gt;'
    """
    return html.escape(printable(name))


def _cells(first, station, row, labels, names_station):
    """The cells of one time span; below the times stand the intervals."""
    totals = row.totals
    of_ms = next(iter(totals.values())).of_ms if totals else 0
    cells = [f'<td class="key">{escape(first)}</td>']
    cells += [f'<td class="text">{escape(station)}</td>'] * names_station
    cells += [f"<td>{clock(of_ms)}</td>"]
    for label in labels:
        total = totals.get(label, Total(0, of_ms, 0))
        span = span_of(row.intervals.get(label))
        interval = f"<small>{span}</small>" if span else ""
        cells.append(
            f'<td>{clock(total.lasting_ms)}{interval}</td><td class="s {css_class(label)}" '
            f'style="--s:{100 * total.share:.1f}%">{percent(total.share)}</td><td>{total.segments}</td>'
        )
    return "".join(cells)


def _source(text):
    """A text as a policy allows it: by its digest."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name):
    """A file of this room."""
    return resources.files("hrin_plugin.report").joinpath(name).read_text(encoding="utf-8")
