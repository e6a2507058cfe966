"""OpenBMAT's annotations in one JSON file for all recordings."""

import functools

from hrin_plugin.events import AnnotationError, Event, check_events
from hrin_plugin.files import change_stamp
from hrin_plugin.formats.text import format_error, member, parse_json, parse_number
from hrin_plugin.text import comparable


def read_mapping(path, annotator):
    """The rows of each recording, as one annotator has them.

    Arguments
    ---------
    path : pathlib.Path
        ``MD_mapping.json``, ``RMLE_mapping.json`` or ``MRLE_mapping.json``.
    annotator : str
        "a", "b" or "c".

    Returns
    -------
    dict of str to list
        Name to the objects with ``start``, ``end`` and ``class``, as they stand there.

    Raises
    ------
    AnnotationError
        If it has no such annotator, or another layout.

    Example
    -------
    >>> path = getfixture("tmp_path") / "MD_mapping.json"
    >>> rows = '{"0": {"start": 0.0, "end": 60.0, "class": "music"}}'
    >>> _ = path.write_text('{"annotations": {"annotator_a": {"Spain_Talk_1_2": %s}}}' % rows)
    >>> read_mapping(path, "a")
    {'Spain_Talk_1_2': [{'start': 0.0, 'end': 60.0, 'class': 'music'}]}
    """
    return _read(path, annotator, tuple(change_stamp(path)))


@functools.lru_cache(maxsize=4)
def _read(path, annotator, stamp):
    """The rows, read once from a file that does not change."""
    annotators = member(path, parse_json(path), "annotations", dict)
    if f"annotator_{annotator}" not in annotators:
        problem = f"has no annotator_{annotator}, only {', '.join(map(str, annotators)) or 'an empty list'}"
        raise format_error(path, 0, problem, "use another --annotator, or restore the file")
    found = member(path, annotators, f"annotator_{annotator}", dict)
    return {
        comparable(name): list(rows.values() if isinstance(rows, dict) else rows)
        for name, rows in found.items()
        if isinstance(rows, dict | list)
    }


def read_mapped_events(path, annotator, name, duration_s, labels, unlabelled=None):
    """The events of one recording, checked against its length.

    Arguments
    ---------
    path, annotator
        As :func:`read_mapping` takes them.
    name : str
        The recording.
    duration_s : float
        Its length in seconds.
    labels : collection of str
        The labels that are allowed.
    unlabelled : str or None
        Class of the time that no event covers; None refuses such time.

    Returns
    -------
    list of Event
        Events that tile the recording.

    Raises
    ------
    AnnotationError
        With every fault; it names the recording and counts its events from 1.

    Example
    -------
    >>> path = getfixture("tmp_path") / "MD_mapping.json"
    >>> _ = path.write_text('{"annotations": {"annotator_a": {"a": {"0": {"start": 0, "end": 9}}}}}')
    >>> read_mapped_events(path, "a", "a", 9.0, ["music", "no-music"])
    Traceback (most recent call last):
    ...
    AnnotationError: .../MD_mapping.json, a, event 1: has no 'class' where it must have one; ...
    """
    events = []
    for number, row in enumerate(read_mapping(path, annotator)[name], start=1):
        place = f"{path}, {name}, event {number}"
        start_s, end_s = (parse_number(place, 0, member(place, row, key)) for key in ("start", "end"))
        events.append(Event(start_s, end_s, member(place, row, "class", str)))
    try:
        return check_events(events, duration_s, labels, f"{path}, {name}", unlabelled)
    except AnnotationError as error:
        faults = [
            fault._replace(path=f"{fault.path}, event {fault.line}" if fault.line else fault.path, line=0)
            for fault in error.faults
        ]
        raise AnnotationError(faults) from None
