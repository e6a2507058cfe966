"""Praat TextGrid, in the long text form: a tier for each level."""

import re
from pathlib import Path

from hrin_plugin.detection import TASKS, Detection
from hrin_plugin.events import AnnotationError, Event, Fault
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import parse_number, read_text, tiers_of

_ITEM = re.compile(r'\s*(name|xmin|xmax|text)\s*=\s*(?:"(.*)"|(\S+))\s*')


def textgrid_text(detection: Detection) -> str:
    """A Praat TextGrid in the long text form: a tier for each level, gaps as empty intervals.

    Where events of a level overlap, each of its labels has a tier of its own, called
    after the level and the label.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> print(textgrid_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})))
    File type = "ooTextFile"
    ...
            name = "md"
            xmin = 0
            xmax = 2.000
            intervals: size = 2
            intervals [1]:
                xmin = 0.000
                xmax = 0.500
                text = ""
    ...
    """
    tiers = tiers_of(detection)
    end = f"{detection.duration_s:.3f}"
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, events) in enumerate(tiers.items(), start=1):
        intervals = _tile(events, detection.duration_s)
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_in_quotes(name)}",
        ]
        lines += ["        xmin = 0", f"        xmax = {end}", f"        intervals: size = {len(intervals)}"]
        for index, (onset_s, offset_s, label) in enumerate(intervals, start=1):
            lines += [f"        intervals [{index}]:", f"            xmin = {onset_s:.3f}"]
            lines += [f"            xmax = {offset_s:.3f}", f"            text = {_in_quotes(label)}"]
    return "\n".join(lines) + "\n"


def read_textgrid(path: str | Path) -> Draft:
    """Read the tiers of a Praat TextGrid, in the long text form, whose names begin with a level's.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> path = getfixture("tmp_path") / "a.TextGrid"
    >>> _ = path.write_text(textgrid_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})))
    >>> read_textgrid(path).rows[0].event
    Event(onset_s=0.5, offset_s=2.0, label='music')
    """
    rows, tasks, times, duration_s, task = [], set(), {}, None, None
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        item = _ITEM.fullmatch(text)
        if item is None:
            continue
        key, string, number = item.groups()
        if key == "name":
            task = next((task for task in TASKS if task == (string or "").split(" ")[0]), None)
            tasks |= {task} - {None}
        elif key != "text":
            times[key] = parse_number(path, line, number or string)
            duration_s = times["xmax"] if duration_s is None and key == "xmax" else duration_s
        elif task and string:
            event = Event(times.get("xmin", 0.0), times.get("xmax", 0.0), string.replace('""', '"'))
            rows.append(Row(line, task, event))
    if not tasks:
        problem = f"has no tier called {' or '.join(TASKS)} in the long text form"
        raise AnnotationError([Fault(path, 0, problem, "save it as a text file in Praat; name the tiers so")])
    return Draft(rows, None, duration_s, tuple(tasks))


def _tile(events, duration_s):
    """Events, ordered and apart, with empty ones in the gaps; of those that overlap, one that spans both."""
    tiled, end_s = [], 0.0
    for onset_s, offset_s, label in events:
        if onset_s < end_s:
            tiled[-1] = (tiled[-1][0], max(end_s, offset_s), label)
        else:
            tiled += [(end_s, onset_s, "")] * (onset_s > end_s) + [(onset_s, offset_s, label)]
        end_s = tiled[-1][1]
    return tiled + [(end_s, duration_s, "")] * (duration_s > end_s)


def _in_quotes(text):
    """A string of Praat's: in quotation marks, those within doubled."""
    return '"' + text.replace('"', '""') + '"'


FORMAT = Format("textgrid", ".TextGrid", joint=True, write=textgrid_text, read=read_textgrid)
