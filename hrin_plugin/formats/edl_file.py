"""CMX 3600 edit decision lists (EDL), which video and audio editors import: an edit for each event.

Times are in whole frames of 25 a second, non-drop. A comment below each edit has the exact times, and one
alone stands for an event shorter than a frame. The reader believes a comment as long as its edit agrees.
"""

import re
from pathlib import Path

from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import format_error, parse_number, read_text, tiers_of
from hrin_plugin.text import shown
from hrin_plugin.totals import milliseconds

#: Frames a second.
RATE = 25

_CODE = r"(\d\d):(\d\d):(\d\d)[:;](\d\d)"
_EDIT = re.compile(rf"\d+\s+\S+\s+\S+\s+C\s+{_CODE}\s+{_CODE}\s+{_CODE}\s+{_CODE}\s*")
_NAME = re.compile(r"\*\s*FROM CLIP NAME:\s*(.*\S)\s*")
_TIMES = re.compile(r"\*\s*HRIN (TIMES|SHORT):\s*(\S+)\s+(\S+)(?:\s+(.*\S))?\s*")


def edl_text(detection: Detection) -> str:
    """Events of one level as cuts on an audio track; where they overlap, each label has a track of its own.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> print(edl_text(Detection("a", 90.0, {"md": [Event(0.5, 62.0, "music")]})))
    TITLE: a
    FCM: NON-DROP FRAME
    <BLANKLINE>
    001  AX       A     C        00:00:00:13 00:01:02:00 00:00:00:13 00:01:02:00
    * FROM CLIP NAME: music
    * HRIN TIMES: 0.500 62.000
    <BLANKLINE>
    """
    title = "".join(sign if sign.isprintable() else " " for sign in detection.name)
    lines, short, number = [f"TITLE: {title}", "FCM: NON-DROP FRAME", ""], [], 0
    for track, events in enumerate(tiers_of(detection).values(), start=1):
        channel = "A" if track == 1 else f"A{track}"
        for onset_s, offset_s, label in events:
            begin, end = _frame(onset_s), _frame(offset_s)
            if begin == end:
                short.append(f"* HRIN SHORT: {onset_s:.3f} {offset_s:.3f} {label}")
                continue
            number += 1
            times = f"{_timecode(begin)} {_timecode(end)}"
            lines.append(f"{number:03d}  AX       {channel:<5} C        {times} {times}")
            lines += [f"* FROM CLIP NAME: {label}", f"* HRIN TIMES: {onset_s:.3f} {offset_s:.3f}"]
    # Other readers take a comment before all edits for a damage.
    return "\n".join(lines + short) + "\n"


def read_edl(path: str | Path) -> Draft:
    """Read the cuts of an edit decision list of 25 frames a second, by their times on the timeline.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.edl"
    >>> cut = "1 AX A C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00"
    >>> _ = path.write_text(cut + "\\n* FROM CLIP NAME: music")
    >>> read_edl(path).rows[0].event
    Event(onset_s=3600.0, offset_s=3601.0, label='music')
    """
    rows = []
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        edit, name, times = _EDIT.fullmatch(text), _NAME.fullmatch(text), _TIMES.fullmatch(text)
        if edit:
            codes = [int(part) for part in edit.groups()]
            rows.append(Row(line, None, Event(_seconds(codes[8:12]), _seconds(codes[12:]), "")))
        elif name and rows:
            rows[-1] = rows[-1]._replace(event=rows[-1].event._replace(label=name[1]))
        elif times:
            exact = Event(*(parse_number(path, line, time) for time in times.groups()[1:3]), times[4] or "")
            if times[1] == "SHORT":
                rows.append(Row(line, None, exact))
            elif rows and _in_frames(exact) == _in_frames(rows[-1].event):
                rows[-1] = rows[-1]._replace(event=exact._replace(label=rows[-1].event.label))
        elif text.strip() and text[0].isdigit():
            raise format_error(path, line, f"{shown(text)} is not a cut with four times, hh:mm:ss:ff")
    return Draft(rows)


def _frame(seconds):
    """The frame nearest to a time; halves go up."""
    return (2 * milliseconds(seconds) * RATE + 1000) // 2000


def _in_frames(event):
    """Onset and offset of an event, in frames."""
    return _frame(event.onset_s), _frame(event.offset_s)


def _timecode(frame):
    """A frame as hours, minutes, seconds and frames."""
    seconds, rest = divmod(frame, RATE)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}"


def _seconds(code):
    """Seconds of a timecode's four numbers."""
    hours, minutes, seconds, frames = code
    return (((hours * 60 + minutes) * 60 + seconds) * RATE + frames) / RATE


FORMAT = Format("edl", ".edl", joint=False, write=edl_text, read=read_edl)
