"""RTTM, NIST's Rich Transcription format, as programs for speaker diarisation read it."""

import re
from pathlib import Path
from urllib.parse import quote, unquote

from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import (
    format_error,
    only_name,
    parse_confidence,
    parse_number,
    read_text,
    with_confidences,
)
from hrin_plugin.text import shown


def rttm_text(detection: Detection) -> str:
    """Events of one level as SPEAKER lines of NIST's Rich Transcription format.

    White space, quotation marks and per cent signs of the name are percent-encoded,
    since the fields are separated by blanks.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> rttm_text(Detection("news at 6", 2.0, {"md": [Event(0.5, 2.0, "music")]}))
    'SPEAKER news%20at%206 1 0.500 1.500 <NA> <NA> music <NA> <NA>\\n'
    """
    name, lines = _without_blanks(detection.name), []
    for _, (onset_s, offset_s, label), confidence in with_confidences(detection):
        times = f"{onset_s:.3f} {offset_s - onset_s:.3f}"
        sure = "<NA>" if confidence is None else f"{confidence:.3f}"
        lines.append(f"SPEAKER {name} 1 {times} <NA> <NA> {_without_blanks(label)} {sure} <NA>\n")
    return "".join(lines)


def read_rttm(path: str | Path) -> Draft:
    """Read the SPEAKER lines of an RTTM file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.rttm"
    >>> _ = path.write_text("SPEAKER news%20at%206 1 0.5 1.5 <NA> <NA> music <NA> <NA>\\n")
    >>> read_rttm(path).name, read_rttm(path).rows[0].event
    ('news at 6', Event(onset_s=0.5, offset_s=2.0, label='music'))
    """
    rows, names, lines = [], set(), read_text(path).splitlines()
    for line, text in enumerate(lines, start=1):
        fields = text.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        if len(fields) < 8:
            raise format_error(path, line, f"{shown(text)} holds fewer than 8 fields")
        onset_s, length_s = (parse_number(path, line, field) for field in fields[3:5])
        confidence = parse_confidence(fields[8]) if len(fields) > 8 else None
        event = Event(onset_s, round(onset_s + length_s, 6), unquote(fields[7]))
        rows.append(Row(line, None, event, confidence))
        names.add(unquote(fields[1]))
    if not rows and any(line.strip() for line in lines):
        raise format_error(path, 0, "has no line that begins with SPEAKER")
    return Draft(rows, only_name(path, names))


def _without_blanks(text):
    """A field of RTTM: what separates or quotes fields is percent-encoded."""
    return re.sub(r'[\s%"]', lambda match: quote(match[0], safe=""), text)


FORMAT = Format("rttm", ".rttm", joint=False, write=rttm_text, read=read_rttm)
