"""JAMS, the JSON of music information retrieval: an annotation of open segments for each level."""

import json
from pathlib import Path

from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
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
from hrin_plugin.text import shown

#: Namespaces of JAMS that are read: segments with any label.
NAMESPACES = ("segment_open", "tag_open")


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
    annotations, sure = [], {task: [] for task in detection.events}
    for task, (on, off, label), confidence in with_confidences(detection):
        times = {"time": on, "duration": round(off - on, 3)}
        sure[task].append({**times, "value": label, "confidence": confidence})
    for task, data in sure.items():
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


def read_jams(path: str | Path) -> Draft:
    """Read the open segments or tags of a JAMS file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.jams"
    >>> _ = path.write_text('{"file_metadata": {"title": "b", "duration": 2.0}, "annotations": '
    ...                     '[{"namespace": "segment_open", "sandbox": {"task": "md"}, "data": []}]}')
    >>> read_jams(path)[:4]
    ([], 'b', 2.0, ('md',))
    """
    content = parse_json(path)
    about = member(path, content, "file_metadata", dict)
    rows, tasks, others, n_read = [], set(), set(), 0
    for annotation in member(path, content, "annotations", list):
        namespace = member(path, annotation, "namespace", str)
        if namespace not in NAMESPACES:
            others.add(namespace)
            continue
        n_read += 1
        sandbox = annotation.get("sandbox")
        task = member(path, sandbox, "task", str) if isinstance(sandbox, dict) and "task" in sandbox else None
        tasks |= {task} - {None}
        for item in member(path, annotation, "data", list):
            onset_s, length_s = (
                parse_number(path, 0, member(path, item, key)) for key in ("time", "duration")
            )
            # Both have at most three decimals, and so has their sum, but for the binary rest.
            offset_s = round(onset_s + length_s, 6)
            event = Event(onset_s, offset_s, member(path, item, "value", str))
            rows.append(Row(0, task, event, parse_confidence(item.get("confidence"))))
    if others and not n_read:
        problem = f"has annotations of {shown(', '.join(sorted(others)))} only"
        raise format_error(path, 0, problem, f"convert them to {NAMESPACES[0]}")
    duration, name, ours = about.get("duration"), about.get("title"), content.get("sandbox")
    duration_s = None if duration is None else parse_number(path, 0, duration)
    told = isinstance(ours, dict) and "taxonomy" in ours
    taxonomy = parse_taxonomy(path, ours["taxonomy"]) if told else None
    return Draft(rows, name if isinstance(name, str) else None, duration_s, tuple(tasks), taxonomy)


FORMAT = Format("jams", ".jams", joint=True, write=jams_text, read=read_jams)
