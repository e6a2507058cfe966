"""What was found in a recording, as text in formats that other programs open.

Every function takes a Detection whose times are whole milliseconds (:func:`to_milliseconds`).
"""

import csv
import html
import io
import json
import re
from collections.abc import Sequence
from urllib.parse import quote

from hrin_plugin.detection import Detection
from hrin_plugin.totals import add_up, hourly_totals, milliseconds

#: Version of the layout of the JSON files; a reader refuses those of a later one.
JSON_VERSION = 1


def to_milliseconds(detection: Detection, tasks: Sequence[str]) -> Detection:
    """Round the times of a recording's events to the millisecond; the formats' only rounding.

    Events that touch still touch. What is no longer than a millisecond may vanish.

    Arguments
    ---------
    detection : Detection
        What was found.
    tasks : sequence of str
        The tasks to be kept.

    Returns
    -------
    Detection
        The same, without probabilities; bytes of the name that are not UTF-8 are replaced by U+FFFD.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> events = [Event(0.0, 1.0006, "music"), Event(1.0006, 2.0004, "no-music")]
    >>> found = Detection("a", 2.0004, {"md": events})
    >>> to_milliseconds(found, ["md"]).events["md"]
    [Event(onset_s=0.0, offset_s=1.001, label='music'), Event(onset_s=1.001, offset_s=2.0, label='no-music')]
    """
    events = {}
    for task in tasks:
        rounded = [
            event._replace(
                onset_s=milliseconds(event.onset_s) / 1000, offset_s=milliseconds(event.offset_s) / 1000
            )
            for event in detection.events[task]
        ]
        events[task] = [event for event in rounded if event.onset_s < event.offset_s]
    name = detection.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    duration_s = milliseconds(detection.duration_s) / 1000
    return detection._replace(name=name, duration_s=duration_s, events=events, probabilities=None)


def tsv_text(detection: Detection) -> str:
    """Events of one level as ``onset<TAB>offset<TAB>label`` a line, as OpenBMAT and Audacity have them.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> tsv_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]}))
    '0.500\\t2.000\\tmusic\\n'
    """
    return "".join(f"{e.onset_s:.3f}\t{e.offset_s:.3f}\t{e.label}\n" for e in _only_level(detection))


def csv_text(detection: Detection) -> str:
    """Events of all levels, one a row, with the recording's name and the task.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> csv_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})).splitlines()
    ['name,task,onset,offset,duration,label', 'a,md,0.500,2.000,1.500,music']
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "task", "onset", "offset", "duration", "label"))
    for task, events in detection.events.items():
        for onset, offset, label in events:
            times = [f"{seconds:.3f}" for seconds in (onset, offset, offset - onset)]
            writer.writerow((detection.name, task, *times, label))
    return text.getvalue()


def json_text(detection: Detection) -> str:
    """Name, length, taxonomy, events, and time, share and number of segments of each class, as strict JSON.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> content = json.loads(json_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})))
    >>> content["levels"]["md"]["totals"]["music"]
    {'seconds': 1.5, 'share': 0.75, 'segments': 1}
    """
    levels = {}
    for task, events in detection.events.items():
        labels = detection.taxonomy.labels[task]
        totals = add_up(hourly_totals(events, labels, detection.duration_s))
        levels[task] = {
            "totals": {
                label: {"seconds": t.seconds, "share": round(t.share, 6), "segments": t.segments}
                for label, t in totals.items()
            },
            "events": [{"onset": e.onset_s, "offset": e.offset_s, "label": e.label} for e in events],
        }
    content = {
        "format": "hrin detection",
        "version": JSON_VERSION,
        "name": detection.name,
        "duration": detection.duration_s,
        "taxonomy": detection.taxonomy.to_dict(),
        "levels": levels,
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


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
    tiers = {}
    for task, events in detection.events.items():
        if all(before.offset_s <= event.onset_s for before, event in zip(events, events[1:])):
            tiers[task] = events
            continue
        for label in dict.fromkeys(event.label for event in events):
            tiers[f"{task} {label}"] = [event for event in events if event.label == label]
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
    for onset_s, offset_s, label in _only_level(detection):
        times = f"{onset_s:.3f} {offset_s - onset_s:.3f}"
        lines.append(f"SPEAKER {name} 1 {times} <NA> <NA> {_without_blanks(label)} <NA> <NA>\n")
    return "".join(lines)


def webvtt_text(detection: Detection) -> str:
    """Events of one level as cues of a WebVTT file, for any player of video in the browser.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> webvtt_text(Detection("a", 90000.0, {"md": [Event(0.5, 90000.0, "music")]}))
    'WEBVTT\\n\\n00:00:00.500 --> 25:00:00.000\\nmusic\\n'
    """
    cues = [
        f"\n{_clock(onset_s)} --> {_clock(offset_s)}\n{html.escape(label, quote=False)}\n"
        for onset_s, offset_s, label in _only_level(detection)
    ]
    return "WEBVTT\n" + "".join(cues)


def jams_text(detection: Detection) -> str:
    """A JAMS file: one ``segment_open`` annotation for each level, and the taxonomy in its sandbox.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> content = json.loads(jams_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})))
    >>> content["annotations"][0]["data"]
    [{'time': 0.5, 'duration': 1.5, 'value': 'music', 'confidence': None}]
    """
    annotations = []
    for task, events in detection.events.items():
        data = [
            {"time": on, "duration": round(off - on, 3), "value": label, "confidence": None}
            for on, off, label in events
        ]
        annotations.append(
            {
                "namespace": "segment_open",
                "annotation_metadata": {"annotation_tools": "hrin_plugin", "data_source": "program"},
                "time": 0.0,
                "duration": detection.duration_s,
                "sandbox": {"task": task},
                "data": data,
            }
        )
    content = {
        "file_metadata": {
            "title": detection.name,
            "duration": detection.duration_s,
            "jams_version": "0.3.4",
        },
        "annotations": annotations,
        "sandbox": {"taxonomy": detection.taxonomy.to_dict()},
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _only_level(detection):
    """The events of the one level that a detection holds."""
    (events,) = detection.events.values()
    return events


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


def _without_blanks(text):
    """A field of RTTM: what separates or quotes fields is percent-encoded."""
    return re.sub(r'[\s%"]', lambda match: quote(match[0], safe=""), text)


def _clock(seconds):
    """A time as hours, minutes, seconds and milliseconds."""
    minutes, rest_ms = divmod(milliseconds(seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest_ms // 1000:02d}.{rest_ms % 1000:03d}"
