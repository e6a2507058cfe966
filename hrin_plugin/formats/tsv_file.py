"""Tab-separated values, as OpenBMAT has them: onset, offset and label of one level."""

import math
from pathlib import Path

from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Fault, parse_tsv
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import read_text


def tsv_text(detection: Detection) -> str:
    """Events of one level as ``onset<TAB>offset<TAB>label`` a line, as OpenBMAT and Audacity have them.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> tsv_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]}))
    '0.500\\t2.000\\tmusic\\n'
    """
    (events,) = detection.events.values()
    return "".join(f"{e.onset_s:.3f}\t{e.offset_s:.3f}\t{e.label}\n" for e in events)


def read_tsv(path: str | Path) -> Draft:
    """Read onset, offset and label between tabs, as OpenBMAT has them.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.tsv"
    >>> _ = path.write_text("0.0\\t2.0\\tmusic\\n")
    >>> read_tsv(path).rows
    [Row(line=1, task=None, event=Event(onset_s=0.0, offset_s=2.0, label='music'), confidence=None)]
    """
    events = parse_tsv(path, math.nan)
    if len(events) == 1 and "\t" not in read_text(path):
        problem = f"{events[0].label!r} without times covers a recording of unknown length"
        raise AnnotationError([Fault(path, 1, problem, "write onset, offset and label between tabs")])
    return Draft([Row(line, None, event) for line, event in enumerate(events, start=1)])


FORMAT = Format("tsv", ".tsv", joint=False, write=tsv_text, read=read_tsv)
