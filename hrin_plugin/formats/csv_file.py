"""Comma-separated values: a table of the events of all levels, for spreadsheets."""

import csv
import io
from pathlib import Path

from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import csv_row, format_error, from_cell, only_name, parse_number, read_text


def csv_text(detection: Detection) -> str:
    """Events of all levels, one a row, with the recording's name and the task.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> csv_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})).splitlines()
    ['name,task,onset,offset,duration,label', 'a,md,0.500,2.000,1.500,music']
    """
    lines = [csv_row(("name", "task", "onset", "offset", "duration", "label"))]
    for task, events in detection.events.items():
        for onset, offset, label in events:
            times = [f"{seconds:.3f}" for seconds in (onset, offset, offset - onset)]
            lines.append(csv_row((detection.name, task, *times, label)))
    return "".join(lines)


def read_csv(path: str | Path) -> Draft:
    """Read the rows of a CSV file by the names of its columns, of which it may have more.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.csv"
    >>> _ = path.write_text("name,task,onset,offset,label\\na,md,0,2,music\\n")
    >>> read_csv(path).rows[0].task
    'md'
    """
    table = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        header, lines = table.fieldnames or (), [(table.line_num, row) for row in table]
    except csv.Error as error:
        raise format_error(path, table.line_num, f"is not CSV ({error})") from None
    wanted = ("name", "task", "onset", "offset", "label")
    if not set(wanted) <= set(header):
        raise format_error(path, 1, f"the columns {', '.join(wanted)} are not all there")
    rows, names = [], set()
    for line, row in lines:
        if None in row.values():
            raise format_error(path, line, "holds fewer columns than the first line")
        onset_s, offset_s = (parse_number(path, line, row[column]) for column in ("onset", "offset"))
        rows.append(Row(line, row["task"], Event(onset_s, offset_s, from_cell(row["label"]))))
        names.add(from_cell(row["name"]))
    return Draft(rows, only_name(path, names), None, tuple({row.task for row in rows}))


FORMAT = Format("csv", ".csv", joint=True, write=csv_text, read=read_csv)
