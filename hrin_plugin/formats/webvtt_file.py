"""WebVTT: captions that a player of video in the browser shows."""

import html
import re
from pathlib import Path

from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import clock_of, format_error, read_text, seconds_of
from hrin_plugin.text import shown

_CUE = re.compile(r"(?:(\d{1,9}):)?(\d\d):(\d\d)\.(\d{3})\s+-->\s+(?:(\d{1,9}):)?(\d\d):(\d\d)\.(\d{3})")


def webvtt_text(detection: Detection) -> str:
    """Events of one level as cues of a WebVTT file, for any player of video in the browser.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> webvtt_text(Detection("a", 90000.0, {"md": [Event(0.5, 90000.0, "music")]}))
    'WEBVTT\\n\\n00:00:00.500 --> 25:00:00.000\\nmusic\\n'
    """
    (events,) = detection.events.values()
    cues = [
        f"\n{clock_of(onset_s)} --> {clock_of(offset_s)}\n{html.escape(label, quote=False)}\n"
        for onset_s, offset_s, label in events
    ]
    return "WEBVTT\n" + "".join(cues)


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
        raise format_error(path, 1, "does not begin with WEBVTT")
    rows = []
    for line, text in enumerate(lines, start=1):
        if "-->" not in text:
            continue
        cue = _CUE.match(text.strip())
        if cue is None:
            raise format_error(path, line, f"{shown(text)} is not two times, hh:mm:ss.mmm --> hh:mm:ss.mmm")
        onset_s, offset_s = seconds_of(cue.groups()[:4]), seconds_of(cue.groups()[4:])
        label = html.unescape(lines[line]).strip() if line < len(lines) else ""
        rows.append(Row(line, None, Event(onset_s, offset_s, label)))
    return Draft(rows)


FORMAT = Format("webvtt", ".vtt", joint=False, write=webvtt_text, read=read_webvtt)
