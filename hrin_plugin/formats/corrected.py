"""Corrected results, ``NAME.corrected`` beside the machine's: what a person made of it, who and when.

The finest level of the result is corrected; the others follow from the taxonomy. No format has this ending:
no command takes such a file for a result.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Event, Fault, relabel
from hrin_plugin.files import write_atomically
from hrin_plugin.formats.records import parse_taxonomy
from hrin_plugin.formats.text import format_error, member, parse_json
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.totals import milliseconds

#: Ending of the files.
SUFFIX = ".corrected"

#: Version of the layout of the files; a reader refuses those of a later one.
VERSION = 1

_KIND = "hrin correction"


class Segment(NamedTuple):
    """A stretch of one class; the segments of a recording fill it without overlap.

    Example
    -------
    >>> Segment(0, 2000, "music").checked
    False
    """

    onset_ms: int
    offset_ms: int
    label: str
    checked: bool = False  # whether a person decided on it


class Change(NamedTuple):
    """A change: the segments of a stretch before and after it, and who made it when.

    Example
    -------
    >>> Change("anna", "2026-03-28T06:00:00Z", "relabel", (), ()).what
    'relabel'
    """

    who: str
    when: str  # ISO 8601 in UTC
    what: str
    before: tuple[Segment, ...]
    after: tuple[Segment, ...]


class Correction(NamedTuple):
    """A corrected recording.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> machine = (Segment(0, 5000, "bg-music"), Segment(5000, 9000, "no-music"))
    >>> person = (Segment(0, 6000, "bg-music"), Segment(6000, 9000, "no-music"))
    >>> Correction("mrle", MUSIC_LOUDNESS, machine, person).changed_ms
    1000
    """

    level: str  # the one that is corrected
    taxonomy: Taxonomy
    machine: tuple[Segment, ...]  # of the machine's result that was corrected
    segments: tuple[Segment, ...]  # as they are now
    history: tuple[Change, ...] = ()
    n_done: int = 0  # changes of the history that are in force; the others were undone
    revision: int = 0  # grows with everything that is done
    reviewed: tuple[str, str] | None = None  # by whom and when the whole recording was gone through
    recording: str | None = None  # where it lies, as seen from the folder of the file

    @property
    def duration_ms(self) -> int:
        """Length of the recording."""
        return self.segments[-1].offset_ms if self.segments else 0

    @property
    def changed_ms(self) -> int:
        """How much of the recording has another class than the machine's."""
        edges = sorted({edge for s in (*self.machine, *self.segments) for edge in s[:2]})
        labels = [_labels_from(each, edges) for each in (self.machine, self.segments)]
        spans = zip(edges, edges[1:])
        return sum(end - begin for (begin, end), one, other in zip(spans, *labels) if one != other)

    @property
    def in_force(self) -> tuple[Change, ...]:
        """The changes that are not undone."""
        return self.history[: self.n_done]

    @property
    def is_of_use(self) -> bool:
        """Whether a person changed something, or went through the whole recording."""
        return bool(self.in_force or self.reviewed)

    def events(self, levels: Iterable[str] | None = None) -> dict[str, list[Event]]:
        """The events of the corrected level and those above, in the order of the taxonomy.

        Arguments
        ---------
        levels : iterable of str or None
            Which of them; None for all.

        Returns
        -------
        dict of str to list of Event
            Neighbours of one class are joined.

        Example
        -------
        >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
        >>> segments = Segment(0, 2000, "bg-music"), Segment(2000, 3000, "fg-music")
        >>> Correction("mrle", MUSIC_LOUDNESS, (), segments).events()["md"]
        [Event(onset_s=0.0, offset_s=3.0, label='music')]
        """
        names = self.taxonomy.level_names
        depth = names.index(self.level)
        events = [Event(s.onset_ms / 1000, s.offset_ms / 1000, s.label) for s in self.segments]
        found = {self.level: relabel(events, {label: label for label in self.taxonomy.levels[depth]})}
        for number in range(depth, 0, -1):
            found[names[number - 1]] = relabel(found[names[number]], self.taxonomy.parents[number - 1])
        return {name: found[name] for name in names if name in found and (levels is None or name in levels)}


def correction_path(folder: str | Path, name: str) -> Path:
    """Where the correction of a recording lies.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder of its result.
    name : str
        The recording's name, as the result's file has it.

    Returns
    -------
    pathlib.Path
        The file.

    Example
    -------
    >>> correction_path("results/monday", "06h").name
    '06h.corrected'
    """
    return Path(folder) / f"{name}{SUFFIX}"


def finest_level(detection: Detection) -> str | None:
    """The lowest level of a result, which is the one to correct; None where it has none.

    Example
    -------
    >>> finest_level(Detection("a", 2.0, {"md": [], "mrle": []}))
    'mrle'
    """
    return next((name for name in detection.taxonomy.level_names[::-1] if name in detection.events), None)


def to_segments(detection: Detection) -> tuple[Segment, ...]:
    """The finest level of a result as segments that fill the recording.

    Time without an event has the class that silence belongs to, or else the first one. Where events overlap,
    the one that began later counts.

    Example
    -------
    >>> to_segments(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]}))[0]
    Segment(onset_ms=0, offset_ms=500, label='no-music', checked=False)
    """
    level, end_ms = finest_level(detection), milliseconds(detection.duration_s)
    if level is None or not end_ms:
        return ()
    taxonomy = detection.taxonomy
    depth = taxonomy.level_names.index(level)
    silence = taxonomy.levels[depth][taxonomy.silence[depth] if taxonomy.silence else 0]
    painted = [Segment(0, end_ms, silence)]
    for onset_s, offset_s, label in sorted(detection.events[level], key=lambda event: event.onset_s):
        onset, offset = milliseconds(onset_s), min(milliseconds(offset_s), end_ms)
        if onset < offset:
            kept = []  # only the last segments can overlap with what begins no earlier than they do
            while painted and painted[-1].offset_ms > onset:
                kept.append(painted.pop())
            pieces = [s._replace(offset_ms=onset) for s in kept[-1:] if s.onset_ms < onset]
            rest = [s._replace(onset_ms=max(s.onset_ms, offset)) for s in kept[::-1] if s.offset_ms > offset]
            painted += [*pieces, Segment(onset, offset, label), *rest]
    return tuple(painted)


def read_correction(path: str | Path) -> Correction:
    """Read a correction.

    Raises
    ------
    AnnotationError
        If the file is none.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> path = correction_path(getfixture("tmp_path"), "a")
    >>> correction = Correction("md", MUSIC_LOUDNESS, (), (Segment(0, 500, "music"),), revision=3)
    >>> write_correction(path, correction)
    >>> read_correction(path) == correction
    True
    """
    content = parse_json(path)
    if not isinstance(content, dict) or content.get("format") != _KIND:
        raise format_error(path, 0, "is no corrected result")
    if content.get("version") != VERSION:
        problem = f"has version {content.get('version')!r}, and only {VERSION} is known"
        raise AnnotationError([Fault(path, 0, problem, "update hrin_plugin")])
    taxonomy = parse_taxonomy(path, member(path, content, "taxonomy"))
    try:
        correction = _parse(content, taxonomy)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise format_error(path, 0, f"is a damaged correction ({error})") from None
    _check(path, correction)
    return correction


def write_correction(path: str | Path, correction: Correction) -> None:
    """Write a correction atomically, one segment or change a line.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> path = correction_path(getfixture("tmp_path"), "a")
    >>> write_correction(path, Correction("md", MUSIC_LOUDNESS, (), (Segment(0, 500, "music"),)))
    >>> path.read_text().splitlines()[5]
    '"segments": [[0, 500, "music", false]],'
    """
    content = {"format": _KIND, "version": VERSION, **correction._asdict()}
    content["taxonomy"] = correction.taxonomy.to_dict()
    content["history"] = [change._asdict() for change in correction.history]
    lines = [f"{json.dumps(key)}: {_value(value)}" for key, value in content.items()]
    write_atomically(path, "{" + ",\n".join(lines) + "}\n")


def _value(value):
    """A value as JSON; each item of a list in a line."""
    if isinstance(value, list | tuple) and value and not isinstance(value[0], str):
        return "[" + ",\n".join(f"{json.dumps(item)}" for item in value) + "]"
    return json.dumps(value)


def _parse(content, taxonomy):
    """A correction from what its file says."""
    fields = {name: content[name] for name in Correction._fields if name in content}
    history = tuple(
        Change(c["who"], c["when"], c["what"], _segments(c["before"]), _segments(c["after"]))
        for c in content["history"]
    )
    lists = {"machine": _segments(content["machine"]), "segments": _segments(content["segments"])}
    reviewed = content.get("reviewed")
    fields |= {"taxonomy": taxonomy, "history": history, "reviewed": reviewed and tuple(map(str, reviewed))}
    return Correction(**(fields | lists))


def _segments(rows):
    """Segments from rows."""
    return tuple(Segment(int(row[0]), int(row[1]), str(row[2]), bool(row[3])) for row in rows)


def _check(path, correction):
    """Raise AnnotationError where segments do not fill the recording, or have unknown classes."""
    labels: Mapping = correction.taxonomy.labels
    if correction.level not in labels:
        raise format_error(path, 0, f"has the level {correction.level!r}, which its taxonomy lacks")
    end_ms = 0
    for segment in correction.segments:
        if segment.onset_ms != end_ms or segment.offset_ms <= end_ms:
            raise format_error(path, 0, f"has a gap or an overlap at {end_ms} ms")
        if segment.label not in labels[correction.level]:
            raise format_error(path, 0, f"has the unknown label {segment.label!r}")
        end_ms = segment.offset_ms


def _labels_from(segments, edges):
    """The label from each edge on; None where there is no segment."""
    found, number = [], 0
    for edge in edges:
        while number < len(segments) and segments[number].offset_ms <= edge:
            number += 1
        inside = number < len(segments) and segments[number].onset_ms <= edge
        found.append(segments[number].label if inside else None)
    return found
