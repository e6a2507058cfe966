"""The agreement of two results as a web page and as plain text."""

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from hrin_plugin.report.agreement import Agreement
from hrin_plugin.report.calendar import short_time
from hrin_plugin.report.display import class_name, clock, fine_clock, level_title, percent, reading_order
from hrin_plugin.report.html_parts import escape, plain_table, whole_page

#: Disagreements that are listed.
MOST_LISTED = 500

#: What the time is called in which a result has no class.
NOTHING = "(nothing)"


def render_agreement(
    agreements: Sequence[Agreement],
    names: tuple[str, str],
    starts: Mapping[str, int] | None = None,
    zone: tzinfo | None = None,
) -> str:
    """Render a page: agreement by class, confusion, recordings, and the longest disagreements.

    Arguments
    ---------
    agreements : sequence of Agreement
        On each level.
    names : tuple of (str, str)
        What the two results are called.
    starts : mapping of str to int, optional
        Instants at which recordings begin, by name.
    zone : datetime.tzinfo, optional
        Zone of the clock, where there are starts.

    Returns
    -------
    str
        An HTML page; every name in it is escaped.

    Example
    -------
    >>> page = render_agreement([Agreement("md", {}, {}, [("a", 4000, 3000)], [])], ("<x>", "y"))
    >>> "&lt;x&gt;" in page, "75.0 %" in page
    (True, True)
    """
    first, second = map(escape, names)
    body = ["<h1>Agreement of two results</h1>", f"<p>First: {first}</p><p>Second: {second}</p>"]
    body += [
        '<div class="tools"><label data-script="" hidden>Filter <input type="search" id="filter"></label>'
    ]
    body += ['<button type="button" id="print" data-script="" hidden>Print everything</button></div>']
    for agreement in reversed(agreements):
        title = escape(level_title(agreement.level, agreement.classes))
        body += [f"<h2>{title}</h2>", '<div class="cards"><div class="card">The same in both']
        body += [f"<b>{percent(agreement.share)}</b><span>{clock(agreement.agreed_ms)} of "]
        body += [f"{clock(agreement.of_ms)}, {len(agreement.recordings)} recordings</span></div></div>"]
        body += ["<h3>By class</h3>", _classes(agreement), "<h3>Confusion</h3>", _confusion(agreement)]
        body += [_folded("By recording", _recordings(agreement), len(agreement.recordings))]
        body += [_folded("Longest disagreements", *_disagreements(agreement, starts or {}, zone))]
    return whole_page("Agreement of two results", body)


def format_agreement(agreements: Sequence[Agreement]) -> str:
    """Agreement by class as plain text.

    Example
    -------
    >>> print(format_agreement([Agreement("md", {}, {}, [("a", 4000, 3000)], [])]).splitlines()[0])
    Level md: the same in 75.0 % of 0:00:04, 1 recording
    """
    blocks = []
    for agreement in reversed(agreements):
        number = f"{len(agreement.recordings)} recording{'s' * (len(agreement.recordings) != 1)}"
        lines = [
            f"{level_title(agreement.level, agreement.classes)}: the same in {percent(agreement.share)} "
            f"of {clock(agreement.of_ms)}, {number}",
            f"{'both':>10}{'first only':>12}{'second only':>13}{'F':>8}  class",
        ]
        for label in _order(agreement):
            shared = agreement.classes[label]
            lines.append(
                f"{clock(shared.both_ms):>10}{clock(shared.first_ms):>12}{clock(shared.second_ms):>13}"
                f"{shared.f_measure:>8.4f}  {class_name(label)}"
            )
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _order(agreement):
    """The classes in display order."""
    return reading_order(list(agreement.classes)) if agreement.classes else []


def _classes(agreement):
    """Time of each class in both results and in one only."""
    rows = []
    for label in _order(agreement):
        shared = agreement.classes[label]
        times = [clock(ms) for ms in shared]
        rows.append((class_name(label), *times, f"{shared.f_measure:.4f}"))
    return plain_table(("Class", "In both", "First only", "Second only", "F-measure"), rows)


def _confusion(agreement):
    """A row for each class of the first result, a column for each of the second."""
    order = {label: place for place, label in enumerate(_order(agreement))}
    sides = [
        sorted(
            {pair[side] for pair in agreement.confusion},
            key=lambda labels: [order.get(each, 0) for each in labels],
        )
        for side in (0, 1)
    ]
    rows = [
        (_words(ours), *(clock(agreement.confusion.get((ours, theirs), 0)) for theirs in sides[1]))
        for ours in sides[0]
    ]
    return plain_table(("First \\ second", *map(_words, sides[1])), rows)


def _recordings(agreement):
    """The agreement on each recording, the least first."""
    rows = [
        (name, clock(of_ms), clock(of_ms - agreed_ms), percent(agreed_ms / of_ms if of_ms else 1.0))
        for name, of_ms, agreed_ms in sorted(agreement.recordings, key=lambda each: each[2] - each[1])
    ]
    return plain_table(("Recording", "Length", "Differs", "The same"), rows)


def _disagreements(agreement, starts, zone):
    """The longest disagreements, with their times, and their number in all."""
    rows = []
    for each in agreement.disagreements[:MOST_LISTED]:
        start = starts.get(each.name)
        by_clock = short_time(start + each.onset_ms, zone) if start is not None else ""
        span = fine_clock(each.onset_ms), fine_clock(each.offset_ms), fine_clock(each.length_ms)
        rows.append((each.name, by_clock, *span, _words(each.first), _words(each.second)))
    heads = ("Recording", "Clock", "From", "To", "Length", "First", "Second")
    if not any(row[1] for row in rows):
        rows, heads = [row[:1] + row[2:] for row in rows], heads[:1] + heads[2:]
    return plain_table(heads, rows), len(agreement.disagreements)


def _folded(title, table, number):
    """A table that can be folded."""
    return f"<details open><summary>{title} <span>{number}</span></summary>{table}</details>"


def _words(labels):
    """Classes at once, as text."""
    return " + ".join(class_name(label) for label in labels) or NOTHING
