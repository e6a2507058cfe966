"""The tables of a report: which sums of cells stand in each, row by row."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hrin_plugin.report.account import Account
from hrin_plugin.report.certainty import Interval, intervals_by
from hrin_plugin.report.ledger import totals_by

#: The tables that need times, in their order, and what each is by.
CLOCK_SCOPES = {
    "station": lambda cell: {"station": cell.station},
    "day": lambda cell: {"station": cell.station, "day": cell.day, "week": cell.week},
    "week": lambda cell: {"station": cell.station, "week": cell.week},
    "hour of day": lambda cell: {
        "station": cell.station,
        "hour": cell.local.hour if cell.local else "",
        "text": f"{cell.local.hour:02d}:00" if cell.local else "",
    },
    "programme": lambda cell: {"station": cell.station, "programme": cell.programme},
    "clock hour": lambda cell: {
        **{"station": cell.station, "day": cell.day, "week": cell.week},
        "hour": cell.local.hour if cell.local else "",
        "text": str(cell.local or ""),
    },
}

#: The tables that every report has; a recording's number keeps those of one name apart.
SCOPES = {
    "total": lambda cell: {},
    **CLOCK_SCOPES,
    "recording": lambda cell: {"name": cell.name, "station": cell.station, "airing": cell.airing},
    "hour": lambda cell: {
        **{"name": cell.name, "station": cell.station, "airing": cell.airing},
        **{"hour": cell.hour, "text": f"{cell.hour} h"},
    },
}

#: Tables whose times may be told from the first cell.
TIMED = ("recording", "hour")


class Row(NamedTuple):
    """The totals of a span of time.

    Example
    -------
    >>> Row("total", {}, {}).title
    'All'
    """

    scope: str
    what: dict  # station, day, week, hour, programme, name: those that the scope has
    totals: dict  # of label to Total
    start_ms: int | None = None  # instant, of a recording or of one of its hours
    intervals: Mapping[str, Interval] = {}  # of label, of classes that have one

    @property
    def title(self) -> str:
        """What the row is called in a table of its scope, without the station."""
        if self.scope == "total":
            return "All"
        if self.scope == "programme":
            return self.what["programme"] or "(no programme)"
        if self.scope == "station":
            return self.what["station"] or "(no station)"
        if self.scope == "clock hour":
            return f"{self.what['day']} {self.what['text']}"
        key = {"day": "day", "week": "week", "recording": "name"}.get(self.scope, "text")
        return self.what[key] or "(time not known)"


def scopes_of(account: Account) -> list[str]:
    """The tables that a report has: those by clock only where times are known.

    Example
    -------
    >>> from hrin_plugin.report.account import open_account
    >>> scopes_of(open_account([]))
    ['total', 'recording', 'hour']
    """
    without = set() if account.airtime.has_clock else set(CLOCK_SCOPES)
    if not account.airtime.schedule:
        without.add("programme")
    return [scope for scope in SCOPES if scope not in without]


def rows_of(account: Account, level: str, scope: str) -> Iterator[Row]:
    """The rows of a table, on one level.

    Arguments
    ---------
    account : Account
        The report.
    level : str
        Name of the level.
    scope : str
        One of SCOPES.

    Yields
    ------
    Row
        By station and time; hours of the day, programmes and weeks by station and their own order.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.report.account import open_account
    >>> [row.title for row in rows_of(open_account([Detection("a", 4000.0, {"md": []})]), "md", "hour")]
    ['0 h', '1 h']
    """
    begins, fields = {}, SCOPES[scope]

    def key(cell):
        """The group of a cell, whose first cell tells when it begins."""
        group = tuple(fields(cell).items())
        if scope == "clock hour":
            group += (("offset", cell.local.offset if cell.local else ""),)
        begins.setdefault(group, cell.start_ms if scope in TIMED else None)
        return group

    groups = totals_by(account.cells, level, key)
    intervals = intervals_by(account.airtime, account.cells, level, key)
    if scope == "hour of day":
        groups = dict(sorted(groups.items(), key=lambda item: [(str(v) == "", v) for _, v in item[0][:2]]))
    for group, totals in groups.items():
        yield Row(scope, dict(group), totals, begins[group], intervals.get(group, {}))


def levels_of(account: Account) -> list[str]:
    """The levels that a recording has, the upper first.

    Example
    -------
    >>> from hrin_plugin.report.account import open_account
    >>> levels_of(open_account([]))
    []
    """
    found = [airing.detection for airing in account.airtime.airings]
    known = dict.fromkeys(level for each in found for level in each.taxonomy.level_names)
    return [level for level in known if any(level in each.events for each in found)]
