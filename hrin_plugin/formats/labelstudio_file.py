"""Label Studio: a task whose prediction has a region for each event, and what was corrected there."""

import json
import os
from pathlib import Path

from hrin_plugin import __version__
from hrin_plugin.detection import TASKS, Detection
from hrin_plugin.events import AnnotationError, Event, Fault
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.records import parse_taxonomy
from hrin_plugin.formats.text import (
    format_error,
    member,
    parse_confidence,
    parse_json,
    parse_number,
    with_confidences,
)

#: Where Label Studio serves files of its machine, below the folder that it was told.
LOCAL_FILES = "/data/local-files/?d="


def labelstudio_text(detection: Detection) -> str:
    """A list of one task. Each level is a control named after it, for an object named ``audio``.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> (task,) = json.loads(labelstudio_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})))
    >>> task["predictions"][0]["result"][0]["value"]
    {'start': 0.5, 'end': 2.0, 'channel': 0, 'labels': ['music']}
    """
    data = {
        "audio": _address(detection),
        "name": detection.name,
        "duration": detection.duration_s,
        "levels": list(detection.events),
        "taxonomy": detection.taxonomy.to_dict(),
    }
    regions, numbers, seconds, weighted = [], {}, 0.0, 0.0
    for level, event, confidence in with_confidences(detection):
        numbers[level] = numbers.get(level, 0) + 1
        regions.append(
            {
                "id": f"{level}-{numbers[level]}",
                "from_name": level,
                "to_name": "audio",
                "type": "labels",
                "original_length": detection.duration_s,
                "value": {
                    **{"start": event.onset_s, "end": event.offset_s, "channel": 0},
                    "labels": [event.label],
                },
            }
        )
        if confidence is not None:
            regions[-1]["score"] = confidence
            seconds += event.offset_s - event.onset_s
            weighted += confidence * (event.offset_s - event.onset_s)
    prediction = {"model_version": f"hrin {__version__}", "result": regions}
    if seconds:
        # By its mean, the least sure recordings are labelled first.
        prediction["score"] = round(weighted / seconds, 3)
    return json.dumps([{"data": data, "predictions": [prediction]}], ensure_ascii=False, indent=1) + "\n"


def read_labelstudio(path: str | Path) -> Draft:
    """Read the regions of a task: those that a person annotated, or else the predicted ones.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> path = getfixture("tmp_path") / "a.labelstudio.json"
    >>> _ = path.write_text(labelstudio_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})))
    >>> read_labelstudio(path).rows[0].event
    Event(onset_s=0.5, offset_s=2.0, label='music')
    """
    content = parse_json(path)
    tasks = content if isinstance(content, list) else [content]
    if len(tasks) != 1:
        problem = f"holds {len(tasks)} tasks"
        raise AnnotationError([Fault(path, 0, problem, "give each recording a file of its own")])
    data = member(path, tasks[0], "data", dict)
    keys = [key for key in ("annotations", "predictions") if tasks[0].get(key)]
    versions = [version for key in keys for version in member(path, tasks[0], key, list)]
    if not versions:
        raise format_error(path, 0, "has neither annotations nor predictions")
    rows = []
    for region in member(path, versions[0], "result", list):
        value = member(path, region, "value", dict)
        onset_s, offset_s = (parse_number(path, 0, member(path, value, key)) for key in ("start", "end"))
        level = region.get("from_name") if region.get("from_name") in TASKS else None
        labels = member(path, value, "labels", list)
        sure = parse_confidence(region.get("score"))
        rows += [Row(0, level, Event(onset_s, offset_s, str(label)), sure) for label in labels]
    duration_s = parse_number(path, 0, data["duration"]) if "duration" in data else None
    taxonomy = parse_taxonomy(path, data["taxonomy"]) if "taxonomy" in data else None
    held = member(path, data, "levels", list) if "levels" in data else ()
    name = data.get("name") if isinstance(data.get("name"), str) else None
    return Draft(rows, name, duration_s, tuple(level for level in held if level in TASKS), taxonomy)


def _address(detection):
    """Where Label Studio finds the sound; the recording's name where no path is known."""
    if detection.path is None:
        return detection.name
    from urllib.parse import quote

    path = Path(detection.path).absolute().as_posix().lstrip("/")
    return LOCAL_FILES + quote(os.fsencode(path))  # which may hold bytes that are no text


FORMAT = Format("labelstudio", ".labelstudio.json", joint=True, write=labelstudio_text, read=read_labelstudio)
