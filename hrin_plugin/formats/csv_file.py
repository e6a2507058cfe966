"""Comma-separated values: a table of the events of all levels, for spreadsheets."""

import csv
import io
from datetime import datetime, timedelta, timezone
from pathlib import Path

from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import (
    csv_row,
    format_error,
    from_cell,
    only_name,
    parse_confidence,
    parse_number,
    read_text,
    with_confidences,
)
from hrin_plugin.text import shown

#: Names of the columns that are read, in lower case.
COLUMNS = {
    "name": ("name", "file", "filename", "recording"),
    "task": ("task", "level"),
    "onset": ("onset", "start", "begin", "onset_s", "start_s", "begin_s", "start_time", "event_onset"),
    "offset": ("offset", "end", "stop", "offset_s", "end_s", "stop_s", "end_time", "event_offset"),
    "duration": ("duration", "length", "duration_s", "length_s"),
    "label": ("label", "class", "event_label", "category"),
    "confidence": ("confidence",),
}


def csv_text(detection: Detection) -> str:
    """Events of all levels, one a row, with the recording's name and the task.

    Where it is known when the recording began, two more columns tell the clock's times in UTC.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> csv_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})).splitlines()
    ['name,task,onset,offset,duration,label,confidence', 'a,md,0.500,2.000,1.500,music,']
    """
    begin = detection.begun_at and datetime.fromisoformat(detection.begun_at.replace("Z", "+00:00"))
    clock = ("clock_onset", "clock_offset") if begin else ()
    lines = [csv_row(("name", "task", "onset", "offset", "duration", "label", "confidence", *clock))]
    for task, (onset, offset, label), confidence in with_confidences(detection):
        times = [f"{seconds:.3f}" for seconds in (onset, offset, offset - onset)]
        sure = "" if confidence is None else f"{confidence:.3f}"
        clock = [_clock_time(begin, seconds) for seconds in (onset, offset)] if begin else []
        lines.append(csv_row((detection.name, task, *times, label, sure, *clock)))
    return "".join(lines)


def _clock_time(begin, seconds):
    """A time after the begin, as ISO 8601 in UTC."""
    instant = (begin + timedelta(seconds=seconds)).astimezone(timezone.utc)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_csv(path: str | Path) -> Draft:
    """Read the rows of a CSV file by the names of its columns, in any order, of which it may have more.

    Needed are onset, label, and offset or duration; :data:`COLUMNS` has the names that they may have. Columns
    are separated by commas, semicolons or tabs. Between semicolons, times may have decimal commas.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.csv"
    >>> _ = path.write_text("Label;Start;End\\nmusic;0;2,5\\n")
    >>> read_csv(path).rows[0].event
    Event(onset_s=0.0, offset_s=2.5, label='music')
    """
    text = read_text(path)
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        header, lines = table.fieldnames or (), [(table.line_num, row) for row in table]
    except csv.Error as error:
        raise format_error(path, table.line_num, f"is not CSV ({error})") from None
    column = _columns(path, header)
    rows, names = [], set()
    for line, row in lines:
        if None in row.values():
            raise format_error(path, line, "holds fewer columns than the first line")
        if None in row:
            problem = "holds more columns than the first line"
            raise format_error(path, line, problem, "put text that holds the separator in quotes")
        values = {what: row[name].strip() for what, name in column.items()}
        times = {}
        for what in column.keys() & {"onset", "offset", "duration"}:
            number = values[what].replace(",", ".") if separator == ";" else values[what]
            times[what] = parse_number(path, line, number)
        end_s = times.get("offset", times["onset"] + times.get("duration", 0.0))
        event = Event(times["onset"], round(end_s, 6), from_cell(values["label"]))
        sure = values.get("confidence", "")
        sure = parse_confidence(sure.replace(",", ".") if separator == ";" else sure)
        rows.append(Row(line, values.get("task") or None, event, sure))
        names |= {from_cell(values[what]) for what in ("name",) if what in values}
    tasks = tuple({row.task for row in rows} - {None})
    return Draft(rows, only_name(path, names), None, tasks)


def _columns(path, header):
    """The name in the file's first line of each column that is known; refuses a file without those needed."""
    found = {}
    for name in header:
        for what, names in COLUMNS.items():
            if (name or "").strip().lower() in names:
                if what in found:
                    problem = f"has two columns for the {what}, {shown(found[what])} and {shown(name)}"
                    raise format_error(path, 1, problem, "leave one out")
                found[what] = name
    missing = [what for what in ("onset", "label") if what not in found]
    missing += ["offset"] * (not found.keys() & {"offset", "duration"})
    if missing:
        problem = (
            f"its first line, {shown(','.join(map(str, header)))}, names no column for {', '.join(missing)}"
        )
        raise format_error(path, 1, problem, "begin it with a line such as onset,offset,label")
    return found


FORMAT = Format("csv", ".csv", joint=True, write=csv_text, read=read_csv)
