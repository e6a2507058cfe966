"""JSON of this package: events and totals of all levels, and the taxonomy."""

import json
from pathlib import Path

from hrin_plugin.detection import Certainty, Detection, finite, parse_spreads, plain_spreads
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
from hrin_plugin.totals import add_up, hourly_totals

#: Version of the layout of the JSON files; a reader refuses those of a later one.
JSON_VERSION = 1


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
            "events": [],
        }
    for task, event, confidence in with_confidences(detection):
        row = {"onset": event.onset_s, "offset": event.offset_s, "label": event.label}
        sure = {} if confidence is None else {"confidence": confidence}
        levels[task]["events"].append(row | sure)
    content = {
        "format": "hrin detection",
        "version": JSON_VERSION,
        "name": detection.name,
        "duration": detection.duration_s,
        "taxonomy": detection.taxonomy.to_dict(),
        "levels": levels,
    }
    if detection.begun_at:
        content["begin"] = detection.begun_at
    if detection.warnings:
        content["warnings"] = list(detection.warnings)
    if detection.certainty is not None:
        content["certainty"] = _plain_certainty(detection.certainty, levels)
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def read_json(path: str | Path) -> Draft:
    """Read a JSON file of ours.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.json"
    >>> _ = path.write_text('{"format": "hrin detection", "version": 1, "name": "b", "duration": 2.0,'
    ...                     '"levels": {"md": {"events": []}}}')
    >>> read_json(path)[:4]
    ([], 'b', 2.0, ('md',))
    """
    content = parse_json(path)
    if not isinstance(content, dict) or content.get("format") != "hrin detection":
        raise format_error(path, 0, "is no result of music detection")
    version = content.get("version")
    if version != JSON_VERSION:
        problem = f"has version {version!r}, and only {JSON_VERSION} is known"
        raise AnnotationError([Fault(path, 0, problem, "update hrin_plugin, or write it again")])
    rows = []
    levels = member(path, content, "levels", dict)
    for task in levels:
        for item in member(path, member(path, levels, task, dict), "events", list):
            onset_s, offset_s = (
                parse_number(path, 0, member(path, item, key)) for key in ("onset", "offset")
            )
            event = Event(onset_s, offset_s, member(path, item, "label", str))
            rows.append(Row(0, task, event, parse_confidence(item.get("confidence"))))
    duration_s = parse_number(path, 0, member(path, content, "duration"))
    taxonomy = parse_taxonomy(path, content["taxonomy"]) if "taxonomy" in content else None
    warnings = member(path, content, "warnings", list) if "warnings" in content else ()
    name = member(path, content, "name", str)
    certainty = _parse_certainty(path, content["certainty"]) if "certainty" in content else None
    begun_at = member(path, content, "begin", str) if "begin" in content else None
    told = tuple(map(str, warnings))
    return Draft(rows, name, duration_s, tuple(levels), taxonomy, told, certainty, begun_at)


def _plain_certainty(certainty, levels):
    """The certainty of the levels that the file has, as JSON holds it."""
    doubts, spreads = (
        {level: of for level, of in each.items() if level in levels}
        for each in (certainty.doubts, certainty.spreads)
    )
    doubts = {level: {label: list(row) for label, row in of.items()} for level, of in doubts.items()}
    return {"level": certainty.level, "minutes": doubts, "spreads": plain_spreads(spreads)}


def _parse_certainty(path, content):
    """The certainty from what the file says of it."""
    try:
        doubts = {
            level: {label: tuple(finite(*row, n=len(row))) for label, row in of.items()}
            for level, of in content["minutes"].items()
        }
        return Certainty(doubts, parse_spreads(content["spreads"]), *finite(content["level"]))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise format_error(path, 0, f"its certainty cannot be used ({error})") from None


FORMAT = Format("json", ".json", joint=True, write=json_text, read=read_json)
