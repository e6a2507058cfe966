"""Changes of a corrected result: relabel, move an edge, split, merge, confirm, undo and redo.

Each takes a correction and gives a new one; the segments fill the recording before and after.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from hrin_plugin.formats.corrected import Change, Correction, Segment

#: The shortest segment that a change leaves, in milliseconds.
LEAST_MS = 10


class ChangeRefused(ValueError):
    """Raised for a change that is not possible, with a plain sentence.

    Example
    -------
    >>> raise ChangeRefused("there is nothing to undo")
    Traceback (most recent call last):
    ...
    ChangeRefused: there is nothing to undo
    """


def change(correction: Correction, order: Mapping[str, object], who: str) -> Correction:
    """Carry out what a person asks for.

    Arguments
    ---------
    correction : Correction
        The recording as it is.
    order : mapping
        ``do`` names the change, the other keys what it needs, times in whole milliseconds: ``relabel`` (at,
        label), ``split`` (at), ``merge`` (at; with the next segment), ``move`` (edge, to), ``confirm`` (at),
        ``undo``, ``redo``, ``reviewed`` (value).
    who : str
        The person.

    Returns
    -------
    Correction
        With a greater revision.

    Raises
    ------
    ChangeRefused
        If it is not possible.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> segments = Segment(0, 5000, "no-music"), Segment(5000, 9000, "fg-music")
    >>> before = Correction("mrle", MUSIC_LOUDNESS, segments, segments)
    >>> after = change(before, {"do": "move", "edge": 5000, "to": 4000}, "anna")
    >>> [segment[:3] for segment in after.segments]
    [(0, 4000, 'no-music'), (4000, 9000, 'fg-music')]
    >>> change(after, {"do": "undo"}, "anna").segments == segments
    True
    """
    what = order.get("do")
    if what in _STEPS:
        changed = _STEPS[what](correction)
    elif what == "reviewed":
        changed = correction._replace(reviewed=(who, _now()) if order.get("value") else None)
    elif what in _SPLICES:
        before, after = _SPLICES[what](correction, order)
        done = Change(who, _now(), what, tuple(before), tuple(after))
        history = (*correction.in_force, done)
        changed = correction._replace(
            segments=_spliced(correction.segments, before, after), history=history, n_done=len(history)
        )
    else:
        raise ChangeRefused(f"{str(what)[:40]!r} is no change; reload the page")
    return changed._replace(revision=correction.revision + 1)


def start_anew(correction: Correction, machine: Sequence[Segment], order: Mapping, who: str) -> Correction:
    """Answer a newer result of the machine: keep the correction, or begin again from the new result.

    Arguments
    ---------
    correction : Correction
        Made of an earlier result.
    machine : sequence of Segment
        The newer result.
    order : mapping
        ``do`` is ``keep`` or ``restart``.
    who : str
        The person.

    Returns
    -------
    Correction
        That knows the newer result. A restart of the same length can be undone.

    Raises
    ------
    ChangeRefused
        If the newer result has another length, and the correction cannot be kept.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> old, new = (Segment(0, 5000, "no-music"),), (Segment(0, 5000, "bg-music"),)
    >>> start_anew(Correction("mrle", MUSIC_LOUDNESS, old, old), new, {"do": "restart"}, "anna").segments
    (Segment(onset_ms=0, offset_ms=5000, label='bg-music', checked=False),)
    """
    machine, revision = tuple(machine), correction.revision + 1
    same_length = machine and machine[-1].offset_ms == correction.duration_ms
    if order["do"] == "keep":
        if not same_length:
            raise ChangeRefused("the new result has another length; begin again from it")
        return correction._replace(machine=machine, revision=revision)
    history = ()
    if same_length:
        done = Change(who, _now(), "restart", correction.segments, machine)
        history = (*correction.in_force, done)
    return correction._replace(
        machine=machine,
        segments=machine,
        history=history,
        n_done=len(history),
        revision=revision,
        reviewed=None,
    )


def _relabel(correction, order):
    """Another class for a segment."""
    segment = _segment_at(correction, _time(order, "at"))
    label = order.get("label")
    if label not in correction.taxonomy.labels[correction.level]:
        raise ChangeRefused(f"{str(label)[:40]!r} is no class; reload the page")
    return [segment], [segment._replace(label=label, checked=True)]


def _confirm(correction, order):
    """A person says that a segment is right, or takes that back."""
    segment = _segment_at(correction, _time(order, "at"))
    return [segment], [segment._replace(checked=not segment.checked)]


def _split(correction, order):
    """Two segments of one."""
    at = _time(order, "at")
    segment = _segment_at(correction, at)
    if at - segment.onset_ms < LEAST_MS or segment.offset_ms - at < LEAST_MS:
        raise ChangeRefused("there is an edge already; put the cursor inside a segment")
    return [segment], [segment._replace(offset_ms=at), segment._replace(onset_ms=at)]


def _merge(correction, order):
    """One segment of two; the first one's class holds."""
    segment = _segment_at(correction, _time(order, "at"))
    if segment.offset_ms == correction.duration_ms:
        raise ChangeRefused("this is the recording's last segment; there is none to merge it with")
    following = _segment_at(correction, segment.offset_ms)
    return [segment, following], [segment._replace(offset_ms=following.offset_ms, checked=True)]


def _move(correction, order):
    """Another time for the edge between two segments."""
    edge, to = _time(order, "edge"), _time(order, "to")
    following = _segment_at(correction, edge)
    if following.onset_ms != edge or edge == 0:
        raise ChangeRefused("there is no edge any more; take it again")
    segment = _segment_at(correction, edge - 1)
    if to - segment.onset_ms < LEAST_MS or following.offset_ms - to < LEAST_MS:
        raise ChangeRefused("an edge stays between its neighbours; merge segments to remove one")
    return [segment, following], [segment._replace(offset_ms=to), following._replace(onset_ms=to)]


def _undo(correction):
    """The last change in force is none any more."""
    if not correction.n_done:
        raise ChangeRefused("there is nothing to undo")
    last = correction.history[correction.n_done - 1]
    segments = _spliced(correction.segments, last.after, last.before)
    return correction._replace(segments=segments, n_done=correction.n_done - 1)


def _redo(correction):
    """The change that was undone last is in force again."""
    if correction.n_done == len(correction.history):
        raise ChangeRefused("there is nothing to redo")
    following = correction.history[correction.n_done]
    segments = _spliced(correction.segments, following.before, following.after)
    return correction._replace(segments=segments, n_done=correction.n_done + 1)


_STEPS = {"undo": _undo, "redo": _redo}
_SPLICES = {"relabel": _relabel, "confirm": _confirm, "split": _split, "merge": _merge, "move": _move}


def _spliced(segments, before, after):
    """Segments with others in the place of some that follow each other."""
    first = next(number for number, segment in enumerate(segments) if segment.onset_ms == before[0].onset_ms)
    if tuple(segments[first : first + len(before)]) != tuple(before):
        raise ChangeRefused("the history does not fit the segments; the file was changed by other means")
    return (*segments[:first], *after, *segments[first + len(before) :])


def _segment_at(correction, at_ms):
    """The segment in which a time lies."""
    for segment in correction.segments:
        if segment.onset_ms <= at_ms < segment.offset_ms:
            return segment
    raise ChangeRefused(f"{at_ms} ms lies outside of the recording")


def _time(order, key):
    """A time in whole milliseconds."""
    value = order.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ChangeRefused(f"{key!r} is {str(value)[:40]!r}; give whole milliseconds")
    return value


def _now():
    """The time, ISO 8601 in UTC."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
