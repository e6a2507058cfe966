"""Totals as plain text."""

from collections.abc import Sequence

from hrin_plugin.detection import Detection
from hrin_plugin.report.account import Account, open_account
from hrin_plugin.report.certainty import confidence_level
from hrin_plugin.report.display import class_name, clock, level_title, percent, printable, reading_order
from hrin_plugin.report.rows import levels_of, rows_of
from hrin_plugin.totals import Total

#: Recordings are listed up to this number of them; days, weeks and stations up to twice as many.
MOST_LISTED = 50


def format_summary(recordings: Account | Sequence[Detection], scope: str | None = None) -> str:
    """Totals as plain-text tables, one a level; about 100 columns wide for three classes.

    Below the times stand the intervals, where there are any.

    Arguments
    ---------
    recordings : Account or sequence of Detection
        What is reported.
    scope : str or None
        Whose rows are listed; None for recordings, or where times are known for days, or for weeks or
        stations if there are very many days.

    Returns
    -------
    str
        Lines; without a scope, no more than MOST_LISTED rows are listed.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> print(format_summary([Detection("a", 3.0, {"md": [Event(0.0, 1.0, "music")]})]))
    Music detection: time, share of the length, segments
         length                   Music                No music  recording
        0:00:03    0:00:01  33.3 %    1    0:00:00   0.0 %    0  a
    """
    account = open_account(recordings)
    stations = len({airing.station for airing in account.airtime.airings})
    n_recordings = len(account.airtime.airings)
    blocks, sure = [], f"{100 * confidence_level(account.airtime):g} %"
    for level in reversed(levels_of(account)):
        (total,) = rows_of(account, level, "total")
        labels = reading_order(list(total.totals))
        head = "".join(f" {class_name(label):>23}" for label in labels)
        chosen, rows = _listed(account, level, scope)
        lines = [
            f"{level_title(level, total.totals)}: time, share of the length, segments",
            f"{'length':>10}{head}  {chosen}",
        ]
        for row in rows:
            names_station = stations > 1 and chosen not in ("station", "recording")
            name = " ".join([row.what["station"] or "-"] * names_station + [row.title])
            lines += _lines(row, labels, printable(name), sure)
        if chosen == "day" and stations > 1:
            for row in rows_of(account, level, "station"):
                lines += _lines(row, labels, printable(f"{row.title}, all days"), sure)
        if len(rows) > 1 or not rows:
            lines += _lines(total, labels, f"all {n_recordings} recordings", sure)
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) or "no recordings"


def _listed(account, level, scope):
    """The rows that the summary lists, and their scope."""
    known = account.airtime.has_clock
    for choice in (scope,) if scope else ("day", "week", "station") if known else ("recording",):
        rows = list(rows_of(account, level, choice))
        if scope or len(rows) <= MOST_LISTED * (1 + known):
            return choice, rows
    return choice, []


def _lines(row, labels, name, sure):
    """The line of a row, and one with its intervals."""
    yield _line(row.totals, labels, name)
    if row.intervals:
        ends = [" to ".join(map(clock, row.intervals.get(label, ()))) for label in labels]
        cells = "".join(f"{text:>{_width(label)}}" for label, text in zip(labels, ends))
        yield f"{sure + ':':>10}{cells}"


def _line(totals, labels, name):
    """A line of the summary; the name comes last, since its width varies."""
    of_ms = next(iter(totals.values())).of_ms
    # A class that the recording was not asked for lasts no time in it.
    shown = [(label, totals.get(label, Total(0, of_ms, 0))) for label in labels]
    cells = [
        f"{clock(total.lasting_ms):>{_width(label) - 14}} {percent(total.share):>7} {total.segments:>5}"
        for label, total in shown
    ]
    return f"{clock(of_ms):>10}{''.join(cells)}  {name}"


def _width(label):
    """Width of a class's column in the summary: that of its name, at least 24."""
    return 1 + max(23, len(class_name(label)))
