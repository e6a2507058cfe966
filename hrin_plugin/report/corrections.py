"""Corrected results in place of the machine's: what a person changed in ``hrin review``, and how much."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.detection import Certainty, Detection, Spread
from hrin_plugin.formats import format_of, recording_name
from hrin_plugin.formats.corrected import correction_path, read_correction, to_segments
from hrin_plugin.totals import milliseconds

#: Recordings that a line names; of more, it gives the number.
SHOWN = 3

#: Errors of a result that a person went through.
EXACT = Spread(bias=0.0, doubt=0.0, chance=0.0, share=0.0, low=0.0, high=0.0)


class Corrected(NamedTuple):
    """How much of a recording was corrected, by whom and when.

    Example
    -------
    >>> Corrected(1500, 2, ("anna",), ("2026-03-28T06:00:00Z",), True).changed_ms
    1500
    """

    changed_ms: int  # that have another class than the machine's result
    n_changes: int
    reviewers: tuple[str, ...]
    times: tuple[str, ...]  # of the first and the last change, ISO 8601 in UTC
    reviewed: bool  # whether the whole recording was gone through


class Applied(NamedTuple):
    """Results with their corrections.

    Example
    -------
    >>> Applied([], {}, []).corrected
    {}
    """

    detections: list  # of Detection
    corrected: dict  # name to Corrected
    notes: list  # lines on corrections of other results


def apply_corrections(detections: Iterable[Detection], files: Mapping[str, Path]) -> Applied:
    """Put corrected results in the place of the machine's.

    A correction of an earlier result of the machine counts all the same, and is told. One of another length
    does not.

    Arguments
    ---------
    detections : iterable of Detection
        The machine's results.
    files : mapping of str to pathlib.Path
        A file of each, by its name.

    Returns
    -------
    Applied
        The same recordings; the levels that a result has are kept.

    Raises
    ------
    AnnotationError
        If a corrected result cannot be read.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.formats.corrected import Correction, Segment, write_correction
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> folder = getfixture("tmp_path")
    >>> found = Detection("a", 2.0, {"md": [Event(0.0, 2.0, "music")]})
    >>> changed, done = (Segment(0, 2000, "no-music"),), ("anna", "2026-03-28T06:00:00Z")
    >>> person = Correction("md", MUSIC_LOUDNESS, to_segments(found), changed, reviewed=done)
    >>> write_correction(folder / "a.corrected", person)
    >>> applied = apply_corrections([found], {"a": folder / "a.tsv"})
    >>> applied.detections[0].events["md"][0].label, applied.corrected["a"].changed_ms
    ('no-music', 2000)
    """
    kept, corrected, newer, unfit = [], {}, [], []
    for found in detections:
        path = files[found.name]
        place = correction_path(path.parent, recording_name(path, format_of(path))[0])
        correction = read_correction(place) if place.is_file() else None
        if correction is None or not correction.is_of_use:
            kept.append(found)
            continue
        machine = to_segments(found)
        end_ms = machine[-1].offset_ms if machine else 0
        if correction.duration_ms != end_ms or correction.taxonomy != found.taxonomy:
            unfit.append(str(place))
            kept.append(found)
            continue
        if correction.machine != machine:
            newer.append(str(place))
        events = correction.events(found.events)
        kept.append(_with_events(found, events, correction.reviewed is not None))
        corrected[found.name] = _summary(correction)
    notes = _line(
        newer, "of an earlier result of the machine, and counted all the same; 'hrin review' shows it"
    )
    notes += _line(unfit, "of another length or other classes than the result, and not counted; detect again")
    return Applied(kept, corrected, notes)


def _with_events(found, events, is_reviewed):
    """A result with other events, which are certain where they are a person's."""
    told = {}
    for level, of_level in events.items():
        machine = (found.confidences or {}).get(level) or ()
        of_machine = {} if is_reviewed else dict(zip(found.events.get(level, ()), machine))
        told[level] = tuple(of_machine.get(event, 1.0) for event in of_level)
    known = is_reviewed or found.confidences is not None
    certainty = _certain(found) if is_reviewed else found.certainty
    return found._replace(events=events, confidences=told if known else None, certainty=certainty)


def _certain(found):
    """The certainty of a recording that a person went through: no doubt, and no error."""
    n_minutes = -(-milliseconds(found.duration_s) // 60_000)
    labels = {level: found.taxonomy.labels[level] for level in found.events}
    return Certainty(
        {level: {label: (0.0,) * n_minutes for label in of} for level, of in labels.items()},
        {level: dict.fromkeys(of, EXACT) for level, of in labels.items()},
    )


def _summary(correction):
    """How much of a recording was corrected."""
    done = [(change.who, change.when) for change in correction.in_force]
    done += [correction.reviewed] if correction.reviewed else []
    times = sorted(when for _, when in done)
    who = tuple(dict.fromkeys(name for name, _ in done))
    span = tuple(dict.fromkeys((times[0], times[-1])))
    n_changes = len(correction.in_force)
    return Corrected(correction.changed_ms, n_changes, who, span, correction.reviewed is not None)


def _line(places, what):
    """One line on corrections of a kind."""
    if not places:
        return []
    names = ", ".join(places[:SHOWN]) + ", ..." * (len(places) > SHOWN)
    return [f"{len(places)} corrected result{'s' * (len(places) > 1)} {what} ({names})"]
