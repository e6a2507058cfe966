"""SubRip (SRT): subtitles that any player of video shows."""

import re
from pathlib import Path

from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import clock_of, format_error, read_text, seconds_of
from hrin_plugin.text import shown

_CUE = re.compile(r"(\d{1,9}):(\d\d):(\d\d)[,.](\d{3})\s*-->\s*(\d{1,9}):(\d\d):(\d\d)[,.](\d{3})")


def srt_text(detection: Detection) -> str:
    """Events of one level as numbered subtitles.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> srt_text(Detection("a", 90000.0, {"md": [Event(0.5, 90000.0, "music")]}))
    '1\\n00:00:00,500 --> 25:00:00,000\\nmusic\\n'
    """
    (events,) = detection.events.values()
    cues = [
        f"{number}\n{clock_of(onset_s, ',')} --> {clock_of(offset_s, ',')}\n{label}\n"
        for number, (onset_s, offset_s, label) in enumerate(events, start=1)
    ]
    return "\n".join(cues)


def read_srt(path: str | Path) -> Draft:
    """Read subtitles; the first line of each is its label.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.srt"
    >>> _ = path.write_text("1\\n00:00:00,500 --> 25:00:00,000\\nmusic\\n")
    >>> read_srt(path).rows[0].event
    Event(onset_s=0.5, offset_s=90000.0, label='music')
    """
    lines, rows = read_text(path).splitlines(), []
    for line, text in enumerate(lines, start=1):
        if "-->" not in text or (rows and line == rows[-1].line + 1):  # a label may look so
            continue
        cue = _CUE.match(text.strip())
        if cue is None:
            raise format_error(path, line, f"{shown(text)} is not two times, hh:mm:ss,mmm --> hh:mm:ss,mmm")
        label = lines[line].strip() if line < len(lines) else ""
        rows.append(Row(line, None, Event(seconds_of(cue.groups()[:4]), seconds_of(cue.groups()[4:]), label)))
    if not rows and any(text.strip() for text in lines):
        raise format_error(path, 1, f"{shown(lines[0])} begins no subtitle")
    return Draft(rows)


FORMAT = Format("srt", ".srt", joint=False, write=srt_text, read=read_srt)
