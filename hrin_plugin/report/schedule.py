"""Schedules: the programmes of stations, from CSV or XMLTV."""

import csv
import io
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.events import AnnotationError, Fault, read_text
from hrin_plugin.formats.text import format_error, from_cell
from hrin_plugin.report.airtime import Programme
from hrin_plugin.report.calendar import parse_clock, to_instant
from hrin_plugin.report.xmltv import read_xmltv
from hrin_plugin.text import comparable, shown

#: Names of the columns that are read, in lower case.
COLUMNS = {
    "station": ("station", "channel", "sender", "network", "service", "programme service"),
    "date": ("date", "day", "datum"),
    "start": ("start", "begin", "from", "start_time", "onset", "beginn", "von"),
    "end": ("end", "stop", "to", "until", "end_time", "offset", "ende", "bis"),
    "title": ("title", "programme", "program", "name", "show", "sendung", "titel"),
}

#: What may stand before the first sign of an XML file: marks of its encoding, and blanks.
_BEFORE_XML = b"\xef\xbb\xbf\xfe\xff \t\r\n"


class Slot(NamedTuple):
    """A programme as its file has it.

    Example
    -------
    >>> Slot(2, ("oe1",), 0, None, "News").title
    'News'
    """

    line: int
    stations: tuple  # names of the station, one of which is that of recordings; none for all
    start_ms: int
    end_ms: int | None  # None where the next programme tells
    title: str


class Schedule(NamedTuple):
    """Programmes of each station, and names in the file that no recording has.

    Example
    -------
    >>> Schedule({}, []).unused
    []
    """

    programmes: dict  # station to list of Programme, ordered and apart
    unused: list


def read_schedule(path: str | Path, stations: Collection[str], zone: tzinfo) -> Schedule:
    """Read a schedule.

    A CSV file has a line of names: station, start, end and title, and perhaps a date. Without a station, it
    holds for all. XMLTV names a channel by its id or by any of its display names. Case does not matter.
    A programme ends at the latest where the next one of its station begins; without an end, just there.

    Arguments
    ---------
    path : str or pathlib.Path
        CSV or XMLTV.
    stations : collection of str
        Those of the recordings.
    zone : datetime.tzinfo
        Zone of the times that have none of their own.

    Returns
    -------
    Schedule
        The programmes of these stations.

    Raises
    ------
    AnnotationError
        If it is neither, with the line and what is wrong; or if it has none of the stations.

    Example
    -------
    >>> from hrin_plugin.report.calendar import find_zone
    >>> path = getfixture("tmp_path") / "week.csv"
    >>> _ = path.write_text("Station;Start;Title\\nOE1;1970-01-01 06:00;News\\nOE1;1970-01-01 06:10;Jazz\\n")
    >>> schedule = read_schedule(path, ["oe1"], find_zone(None))
    >>> [(each.title, (each.end_ms - each.start_ms) // 60_000) for each in schedule.programmes["oe1"]]
    [('News', 10), ('Jazz', 1440)]
    """
    content = Path(path).read_bytes() if Path(path).is_file() else b""
    if content[:64].replace(b"\0", b"").lstrip(_BEFORE_XML).startswith(b"<"):
        slots = [Slot(line, *each) for line, *each in read_xmltv(path, content, zone)]
    else:
        slots = _read_table(path, read_text(path), zone)
    wanted = {comparable(name).casefold(): name for name in stations}
    held, unused = defaultdict(list), {}
    for slot in slots:
        known = [wanted[key] for name in slot.stations if (key := comparable(name).casefold()) in wanted]
        if slot.stations and not known:
            unused[slot.stations[0]] = None
        for station in dict.fromkeys(known) if slot.stations else stations:
            held[station].append(slot)
    if not held:
        there, ours = (", ".join(sorted(names)[:5]) for names in (unused, map(shown, stations)))
        problem = f"has programmes of {there or 'no station'}, and the recordings are of {ours}"
        raise AnnotationError([Fault(path, 0, problem, "name the stations alike, or give --station")])
    return Schedule({name: _apart(path, name, each) for name, each in held.items()}, list(unused))


def _apart(path: str | Path, station: str, slots: Iterable[Slot]) -> list[Programme]:
    """Programmes of a station, ordered, each ending where the next begins or before."""
    slots = sorted(slots, key=lambda slot: slot.start_ms)
    programmes = []
    for slot, following in zip(slots, [*slots[1:], None]):
        if following and following.start_ms == slot.start_ms:
            first, second = sorted((slot.line, following.line))
            problem = f"begins at the same time as the programme of line {first}"
            raise format_error(path, second, problem, "leave one out")
        last_ms = following.start_ms if following else slot.start_ms + 86_400_000
        end_ms = last_ms if slot.end_ms is None else min(slot.end_ms, last_ms)
        programmes.append(Programme(station, slot.start_ms, end_ms, slot.title))
    return programmes


def _read_table(path, text, zone):
    """The rows of a CSV file."""
    first = text.partition("\n")[0]
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        columns = _columns(path, table.fieldnames or ())
        return [_row(path, table.line_num, row, columns, zone) for row in table if any(row.values())]
    except csv.Error as error:
        raise format_error(path, table.line_num, f"is not CSV ({error})") from None


def _columns(path, header):
    """What each column that is known is called in the first line."""
    found = {}
    for name in header:
        for what, names in COLUMNS.items():
            if (name or "").strip().lower() in names:
                found.setdefault(what, name)
    missing = [what for what in ("start", "title") if what not in found]
    if missing:
        problem = (
            f"its first line, {shown(','.join(map(str, header)))}, names no column for {', '.join(missing)}"
        )
        raise format_error(path, 1, problem, "begin it with a line such as station,start,end,title")
    return found


def _row(path, line, row, columns, zone):
    """One row of a CSV file."""
    values = {what: from_cell((row[name] or "").strip()) for what, name in columns.items()}
    date = f"{values['date']} " if values.get("date") else ""
    start = _clock(path, line, date + values["start"])
    start_ms, end_ms = to_instant(start, zone), None
    if values.get("end"):
        end = _clock(path, line, (date if ":" in values["end"][:3] else "") + values["end"], start)
        if date and end <= start:  # past midnight
            end += timedelta(days=1)
        end_ms = to_instant(end, zone)
        if end_ms <= start_ms:  # in the hour that comes twice
            end_ms = to_instant(end.replace(fold=1), zone)
        if end_ms <= start_ms:
            problem = f"ends at {shown(values['end'])}, not after its start, {shown(values['start'])}"
            raise format_error(path, line, problem, "correct the two times")
    stations = (values["station"],) if values.get("station") else ()
    return Slot(line, stations, start_ms, end_ms, values["title"])


def _clock(path, line, text, start: datetime | None = None):
    """A time; one without a date is of the day of the start."""
    if start is not None and len(text) <= 8 and ":" in text[:3]:
        text = f"{start:%Y-%m-%d} {text}"
    try:
        return parse_clock(text)
    except ValueError as error:
        problem, _, cure = str(error).partition("; ")
        raise format_error(path, line, problem, cure) from None
