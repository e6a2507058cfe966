"""Results of detection, read back from the formats that they are written in.

Every reader takes a path and returns a Draft, which is still to be checked.
"""

import csv
import html
import io
import json
import math
import re
from pathlib import Path
from urllib.parse import unquote

from hrin_plugin.detection import TASKS
from hrin_plugin.events import AnnotationError, Event, Fault, parse_tsv
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.records import parse_taxonomy
from hrin_plugin.formats.writing import JSON_VERSION

_CUE = re.compile(r"(?:(\d+):)?(\d\d):(\d\d)\.(\d{3})\s+-->\s+(?:(\d+):)?(\d\d):(\d\d)\.(\d{3})")
_TEXTGRID_ITEM = re.compile(r'\s*(name|xmin|xmax|text)\s*=\s*(?:"(.*)"|(\S+))\s*')


def read_tsv(path: str | Path) -> Draft:
    """Read onset, offset and label between tabs, as OpenBMAT has them.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.tsv"
    >>> _ = path.write_text("0.0\\t2.0\\tmusic\\n")
    >>> read_tsv(path).rows
    [Row(line=1, task=None, event=Event(onset_s=0.0, offset_s=2.0, label='music'))]
    """
    events = parse_tsv(path, math.nan)
    if len(events) == 1 and "\t" not in read_text(path):
        problem = f"{events[0].label!r} without times covers a recording of unknown length"
        raise AnnotationError([Fault(path, 1, problem, "write onset, offset and label between tabs")])
    return Draft([Row(line, None, event) for line, event in enumerate(events, start=1)])


def read_audacity(path: str | Path) -> Draft:
    """Read labels that Audacity exported; the lines with their frequencies, if any, are passed over.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> _ = path.write_text("0.0\\t2.0\\tmusic\\n")
    >>> len(read_audacity(path).rows)
    1
    """
    rows = []
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        if not text.strip() or text.startswith("\\"):
            continue
        columns = text.split("\t")
        if len(columns) != 3:
            raise _fault(path, line, f"{text!r} is not start, end and label between tabs")
        onset_s, offset_s = (_number(path, line, column) for column in columns[:2])
        rows.append(Row(line, None, Event(onset_s, offset_s, columns[2].strip())))
    return Draft(rows)


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
        raise _fault(path, table.line_num, f"is not CSV ({error})") from None
    wanted = ("name", "task", "onset", "offset", "label")
    if not set(wanted) <= set(header):
        raise _fault(path, 1, f"the columns {', '.join(wanted)} are not all there")
    rows, names = [], set()
    for line, row in lines:
        if None in row.values():
            raise _fault(path, line, "holds fewer columns than the first line")
        onset_s, offset_s = (_number(path, line, row[column]) for column in ("onset", "offset"))
        rows.append(Row(line, row["task"], Event(onset_s, offset_s, row["label"])))
        names.add(row["name"])
    return Draft(rows, _only_name(path, names), None, tuple({row.task for row in rows}))


def read_json(path: str | Path) -> Draft:
    """Read a JSON file of ours.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.json"
    >>> _ = path.write_text('{"format": "hrin detection", "version": 1, "name": "b", "duration": 2.0,'
    ...                     '"levels": {"md": {"events": []}}}')
    >>> read_json(path)
    Draft(rows=[], name='b', duration_s=2.0, tasks=('md',), taxonomy=None)
    """
    content = _parse_json(path)
    if not isinstance(content, dict) or content.get("format") != "hrin detection":
        raise _fault(path, 0, "is no result of music detection")
    version = content.get("version")
    if version != JSON_VERSION:
        problem = f"has version {version!r}, and only {JSON_VERSION} is known"
        raise AnnotationError([Fault(path, 0, problem, "update hrin_plugin, or detect again")])
    rows = []
    levels = _member(path, content, "levels", dict)
    for task in levels:
        for item in _member(path, _member(path, levels, task, dict), "events", list):
            onset_s, offset_s = (_number(path, 0, _member(path, item, key)) for key in ("onset", "offset"))
            rows.append(Row(0, task, Event(onset_s, offset_s, _member(path, item, "label", str))))
    duration_s = _number(path, 0, _member(path, content, "duration"))
    taxonomy = parse_taxonomy(path, content["taxonomy"]) if "taxonomy" in content else None
    return Draft(rows, _member(path, content, "name", str), duration_s, tuple(levels), taxonomy)


def read_jams(path: str | Path) -> Draft:
    """Read the open segments or tags of a JAMS file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.jams"
    >>> _ = path.write_text('{"file_metadata": {"title": "b", "duration": 2.0}, "annotations": '
    ...                     '[{"namespace": "segment_open", "sandbox": {"task": "md"}, "data": []}]}')
    >>> read_jams(path)
    Draft(rows=[], name='b', duration_s=2.0, tasks=('md',), taxonomy=None)
    """
    content = _parse_json(path)
    about = _member(path, content, "file_metadata", dict)
    rows, tasks = [], set()
    for annotation in _member(path, content, "annotations", list):
        if _member(path, annotation, "namespace", str) not in ("segment_open", "tag_open"):
            continue
        sandbox = annotation.get("sandbox")
        task = (
            _member(path, sandbox, "task", str) if isinstance(sandbox, dict) and "task" in sandbox else None
        )
        tasks |= {task} - {None}
        for item in _member(path, annotation, "data", list):
            onset_s, length_s = (_number(path, 0, _member(path, item, key)) for key in ("time", "duration"))
            # Both have at most three decimals, and so has their sum, but for the binary rest.
            offset_s = round(onset_s + length_s, 6)
            rows.append(Row(0, task, Event(onset_s, offset_s, _member(path, item, "value", str))))
    duration, name, ours = about.get("duration"), about.get("title"), content.get("sandbox")
    duration_s = None if duration is None else _number(path, 0, duration)
    told = isinstance(ours, dict) and "taxonomy" in ours
    taxonomy = parse_taxonomy(path, ours["taxonomy"]) if told else None
    return Draft(rows, name if isinstance(name, str) else None, duration_s, tuple(tasks), taxonomy)


def read_textgrid(path: str | Path) -> Draft:
    """Read the tiers of a Praat TextGrid, in the long text form, whose names begin with a level's.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.formats.writing import textgrid_text
    >>> path = getfixture("tmp_path") / "a.TextGrid"
    >>> _ = path.write_text(textgrid_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})))
    >>> read_textgrid(path).rows[0].event
    Event(onset_s=0.5, offset_s=2.0, label='music')
    """
    rows, tasks, times, duration_s, task = [], set(), {}, None, None
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        item = _TEXTGRID_ITEM.fullmatch(text)
        if item is None:
            continue
        key, string, number = item.groups()
        if key == "name":
            task = next((task for task in TASKS if task == (string or "").split(" ")[0]), None)
            tasks |= {task} - {None}
        elif key != "text":
            times[key] = _number(path, line, number or string)
            duration_s = times["xmax"] if duration_s is None and key == "xmax" else duration_s
        elif task and string:
            event = Event(times.get("xmin", 0.0), times.get("xmax", 0.0), string.replace('""', '"'))
            rows.append(Row(line, task, event))
    if not tasks:
        problem = f"has no tier called {' or '.join(TASKS)} in the long text form"
        raise AnnotationError([Fault(path, 0, problem, "save it as a text file in Praat; name the tiers so")])
    return Draft(rows, None, duration_s, tuple(tasks))


def read_rttm(path: str | Path) -> Draft:
    """Read the SPEAKER lines of an RTTM file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.rttm"
    >>> _ = path.write_text("SPEAKER news%20at%206 1 0.5 1.5 <NA> <NA> music <NA> <NA>\\n")
    >>> read_rttm(path).name, read_rttm(path).rows[0].event
    ('news at 6', Event(onset_s=0.5, offset_s=2.0, label='music'))
    """
    rows, names = [], set()
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        fields = text.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        if len(fields) < 8:
            raise _fault(path, line, f"{text!r} holds fewer than 8 fields")
        onset_s, length_s = (_number(path, line, field) for field in fields[3:5])
        rows.append(Row(line, None, Event(onset_s, round(onset_s + length_s, 6), unquote(fields[7]))))
        names.add(unquote(fields[1]))
    return Draft(rows, _only_name(path, names))


def read_webvtt(path: str | Path) -> Draft:
    """Read the cues of a WebVTT file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.vtt"
    >>> _ = path.write_text("WEBVTT\\n\\n00:00:00.500 --> 25:00:00.000\\nmusic\\n")
    >>> read_webvtt(path).rows[0].event
    Event(onset_s=0.5, offset_s=90000.0, label='music')
    """
    lines = read_text(path).splitlines()
    if not lines or not lines[0].startswith("WEBVTT"):
        raise _fault(path, 1, "does not begin with WEBVTT")
    rows = []
    for line, text in enumerate(lines, start=1):
        if "-->" not in text:
            continue
        cue = _CUE.match(text.strip())
        if cue is None:
            raise _fault(path, line, f"{text!r} is not two times, hh:mm:ss.mmm --> hh:mm:ss.mmm")
        parts = [int(part or 0) for part in cue.groups()]
        onset_s, offset_s = (
            (((h * 60 + m) * 60 + s) * 1000 + ms) / 1000 for h, m, s, ms in (parts[:4], parts[4:])
        )
        label = html.unescape(lines[line]).strip() if line < len(lines) else ""
        rows.append(Row(line, None, Event(onset_s, offset_s, label)))
    return Draft(rows)


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, without a byte order mark.

    Raises
    ------
    AnnotationError
        If it cannot be read, or is no UTF-8.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> _ = path.write_bytes(b"\\xef\\xbb\\xbfa")
    >>> read_text(path)
    'a'
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return file.read()
    except UnicodeDecodeError:
        raise AnnotationError([Fault(path, 0, "is not UTF-8 text", "save it as UTF-8")]) from None
    except OSError as error:
        raise AnnotationError(
            [Fault(path, 0, f"cannot be read ({error.strerror})", "check the file")]
        ) from None


def _fault(path, line, problem):
    """The error of a file that is not in its format."""
    return AnnotationError([Fault(path, line, problem, "correct it, or detect again")])


def _number(path, line, text):
    """A number from text or JSON."""
    try:
        return float(text)
    except (TypeError, ValueError, OverflowError):
        raise _fault(path, line, f"{text!r} is not a time in seconds") from None


def _parse_json(path):
    """The content of a JSON file."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise _fault(path, error.lineno, f"is not JSON ({error.msg})") from None
    except RecursionError:
        raise _fault(path, 0, "is JSON nested too deep") from None


def _member(path, mapping, key, kind=object):
    """A member of a JSON object, of the kind that it must be."""
    if not isinstance(mapping, dict) or not isinstance(mapping.get(key), kind) or key not in mapping:
        raise _fault(path, 0, f"has no {key!r} where it must have one")
    return mapping[key]


def _only_name(path, names):
    """The recording that all rows name, or None where there are no rows."""
    if len(names) > 1:
        shown = ", ".join(sorted(names)[:2])
        problem = f"holds {len(names)} recordings ({shown}, ...)" if len(names) > 2 else f"holds two: {shown}"
        raise AnnotationError([Fault(path, 0, problem, "give each recording a file of its own")])
    return names.pop() if names else None
