"""What several formats need: times in whole milliseconds, and the text, numbers and JSON of a file."""

import itertools
import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Event, Fault, read_text
from hrin_plugin.text import shown
from hrin_plugin.totals import milliseconds

#: With these, spreadsheets take a cell for a formula; the wide ones are of East Asian keyboards.
FORMULA_SIGNS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
#: The cure for a file that is not as its format says; it may be an annotation or a result.
CORRECT = "correct it, or write it again"


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
        The same, without probabilities; bytes of the name that are no text are replaced by U+FFFD.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> events = [Event(0.0, 1.0006, "music"), Event(1.0006, 2.0004, "no-music")]
    >>> found = Detection("a", 2.0004, {"md": events})
    >>> to_milliseconds(found, ["md"]).events["md"]
    [Event(onset_s=0.0, offset_s=1.001, label='music'), Event(onset_s=1.001, offset_s=2.0, label='no-music')]
    """
    events, confidences = {}, {}
    for task in tasks:
        rounded = [
            event._replace(
                onset_s=milliseconds(event.onset_s) / 1000, offset_s=milliseconds(event.offset_s) / 1000
            )
            for event in detection.events[task]
        ]
        stay = [event.onset_s < event.offset_s for event in rounded]
        events[task] = list(itertools.compress(rounded, stay))
        confidences[task] = tuple(itertools.compress((detection.confidences or {}).get(task, ()), stay))
    known = {task: of_task for task, of_task in confidences.items() if of_task}
    duration_s = milliseconds(detection.duration_s) / 1000
    name = with_replaced_bytes(detection.name)
    return detection._replace(
        name=name, duration_s=duration_s, events=events, probabilities=None, confidences=known or None
    )


def with_confidences(detection: Detection) -> Iterator[tuple[str, Event, float | None]]:
    """Each event with its level and its confidence, None where that is not known, level by level.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> event = Event(0.0, 1.0, "music")
    >>> list(with_confidences(Detection("a", 2.0, {"md": [event]}, confidences={"md": (0.9,)})))
    [('md', Event(onset_s=0.0, offset_s=1.0, label='music'), 0.9)]
    """
    for task, events in detection.events.items():
        of_task = (detection.confidences or {}).get(task) or (None,) * len(events)
        for event, confidence in zip(events, of_task, strict=True):
            yield task, event, confidence


def parse_confidence(value: Any) -> float | None:
    """A confidence of 0 to 1 from text or JSON; None for anything else, since other programs write their own.

    Example
    -------
    >>> parse_confidence("0.9"), parse_confidence("<NA>"), parse_confidence(7)
    (0.9, None, None)
    """
    try:
        confidence = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return confidence if 0 <= confidence <= 1 else None


def with_replaced_bytes(name: str) -> str:
    """A name whose bytes that are no text are replaced by U+FFFD, as files hold it.

    Example
    -------
    >>> with_replaced_bytes("caf\\udce9") == "caf\\ufffd"
    True
    """
    return re.sub("[\ud800-\udfff]", "\ufffd", name)


def clock_of(seconds: float, point: str = ".") -> str:
    """A time as hours, minutes, seconds and milliseconds, as subtitles have it.

    Example
    -------
    >>> clock_of(90_061.6), clock_of(0.5, ",")
    ('25:01:01.600', '00:00:00,500')
    """
    minutes, rest_ms = divmod(milliseconds(seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest_ms // 1000:02d}{point}{rest_ms % 1000:03d}"


def seconds_of(parts: Sequence[str | None]) -> float:
    """A time in seconds from its hours, minutes, seconds and milliseconds; what is missing counts as 0.

    Example
    -------
    >>> seconds_of(("25", "01", "01", "600")), seconds_of((None, "00", "00", "500"))
    (90061.6, 0.5)
    """
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return (((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths) / 1000


def tiers_of(detection: Detection) -> dict[str, list[Event]]:
    """Events in tiers without overlap: one for each level, called after it.

    Where events of a level overlap, each of its labels has a tier of its own, called after the level and
    the label.

    Example
    -------
    >>> events = [Event(0.0, 2.0, "fg-music"), Event(1.0, 3.0, "bg-music")]
    >>> list(tiers_of(Detection("a", 3.0, {"md": [], "mrle": events})))
    ['md', 'mrle fg-music', 'mrle bg-music']
    """
    tiers = {}
    for task, events in detection.events.items():
        if all(before.offset_s <= event.onset_s for before, event in zip(events, events[1:])):
            tiers[task] = events
            continue
        for label in dict.fromkeys(event.label for event in events):
            tiers[f"{task} {label}"] = [event for event in events if event.label == label]
    return tiers


def csv_row(cells: Sequence[object]) -> str:
    """A line of CSV. An apostrophe keeps spreadsheets from reading a text as a formula.

    Python's writer leaves a carriage return without quotes before version 3.13, which ends the line.

    Arguments
    ---------
    cells : sequence
        Texts, and numbers, which stay as they are.

    Returns
    -------
    str
        The cells between commas, with a Unix line end.

    Example
    -------
    >>> print(csv_row(["=1+1", "a, b", -0.5]), end="")
    '=1+1,"a, b",-0.5
    """
    return ",".join(_in_csv(cell) if isinstance(cell, str) else str(cell) for cell in cells) + "\n"


def _in_csv(text):
    """A text as a cell of CSV."""
    text = f"'{text}" if text.lstrip("'").startswith(FORMULA_SIGNS) else text
    return '"' + text.replace('"', '""') + '"' if re.search('[",\r\n]', text) else text


def from_cell(cell: str) -> str:
    """The text that :func:`csv_row` made a cell of.

    Example
    -------
    >>> from_cell("'=1+1"), from_cell("'news'")
    ('=1+1', "'news'")
    """
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA_SIGNS) else cell


def format_error(path: str | Path, line: int, problem: str, cure: str = CORRECT) -> AnnotationError:
    """The error of a file that is not in its format; ``line`` counts from 1, and is 0 for the whole file.

    Example
    -------
    >>> print(format_error("a.vtt", 1, "does not begin with WEBVTT"))
    a.vtt, line 1: does not begin with WEBVTT; correct it, or write it again
    """
    return AnnotationError([Fault(path, line, problem, cure)])


def parse_number(path: str | Path, line: int, text: Any) -> float:
    """A time in seconds from text or JSON; path and line are for the AnnotationError where it is none.

    Example
    -------
    >>> parse_number("a.csv", 2, "1:30")
    Traceback (most recent call last):
    ...
    AnnotationError: a.csv, line 2: '1:30' is not a time in seconds; write it with a decimal point, as in 0.5
    """
    try:
        return float(text)
    except (TypeError, ValueError, OverflowError):
        problem = f"{shown(text)} is not a time in seconds"
        raise format_error(path, line, problem, "write it with a decimal point, as in 0.5") from None


def parse_json(path: str | Path) -> Any:
    """The content of a JSON file; raises AnnotationError where it is none.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.json"
    >>> _ = path.write_text('{"name": "a"}')
    >>> parse_json(path)
    {'name': 'a'}
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise format_error(path, error.lineno, f"is not JSON ({error.msg})") from None
    except RecursionError:
        raise format_error(path, 0, "is JSON nested too deep") from None
    except ValueError:  # Python reads no number of more than 4300 digits
        raise format_error(path, 0, "holds a number of thousands of digits") from None


def member(path: str | Path, mapping: Any, key: str, kind: type = object) -> Any:
    """A member of a JSON object, of the kind that it must be; raises AnnotationError where there is none.

    Example
    -------
    >>> member("a.json", {"name": "a"}, "name", str)
    'a'
    >>> member("a.json", {"name": "a"}, "levels", dict)
    Traceback (most recent call last):
    ...
    AnnotationError: a.json: has no 'levels' where it must have one; correct it, or write it again
    """
    if not isinstance(mapping, dict) or not isinstance(mapping.get(key), kind) or key not in mapping:
        raise format_error(path, 0, f"has no {key!r} where it must have one")
    return mapping[key]


def only_name(path: str | Path, names: Collection[str]) -> str | None:
    """The recording that all rows name, or None where there are no rows; two raise AnnotationError.

    Example
    -------
    >>> only_name("a.csv", {"news at 6"})
    'news at 6'
    """
    if len(names) > 1:
        shown = ", ".join(sorted(names)[:2])
        problem = f"holds {len(names)} recordings ({shown}, ...)" if len(names) > 2 else f"holds two: {shown}"
        raise AnnotationError([Fault(path, 0, problem, "give each recording a file of its own")])
    return next(iter(names), None)
