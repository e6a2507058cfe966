"""Events (onset, offset, label): checking, reading, writing, and conversion to frames.

An annotation file holds one event a line, ``onset<TAB>offset<TAB>label`` in
seconds; a recording of a single class may hold that bare label and nothing else
(the layout of OpenBMAT).
"""

import math
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.files import write_atomically
from hrin_plugin.text import read_plain, shorten, shown

#: How far annotations may miss each other or the end of the file, in seconds.
TOLERANCE_S = 0.05

#: No recording is so long, in seconds: three years. A greater time is in another unit.
MOST_S = 1e8

#: Characters of a fault, without its file, that are shown.
_MOST_SHOWN = 300


class Event(NamedTuple):
    """One class, from its onset to its offset, in seconds.

    Example
    -------
    >>> Event(1.5, 4.0, "music").offset_s
    4.0
    """

    onset_s: float
    offset_s: float
    label: str


class Fault(NamedTuple):
    """A fault in a line of a file, and its cure.

    ``line`` counts from 1; 0 means the whole file.

    Example
    -------
    >>> print(Fault("a.tsv", 3, "unknown label 'jazz'", "use 'music' or 'no-music'"))
    a.tsv, line 3: unknown label 'jazz'; use 'music' or 'no-music'
    """

    path: str
    line: int
    problem: str
    cure: str

    def __str__(self):
        """The fault as one line of text."""
        place = f"{self.path}, line {self.line}" if self.line else str(self.path)
        return f"{place}: {shorten(self.problem, _MOST_SHOWN)}; {shorten(self.cure, _MOST_SHOWN)}"


class AnnotationError(ValueError):
    """Raised for invalid annotations; ``faults`` lists every fault.

    Arguments
    ---------
    faults : sequence of Fault
        At least one fault.

    Example
    -------
    >>> AnnotationError([Fault("a.tsv", 0, "is empty", "annotate it")]).faults[0].path
    'a.tsv'
    """

    def __init__(self, faults):
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = list(faults)

    def __reduce__(self):
        """Rebuild from the faults, so that the error can be sent between processes."""
        return type(self), (self.faults,)


def check_events(events, duration_s, labels, path="events", unlabelled=None):
    """Check that events tile a recording, and repair deviations within the tolerance.

    Events must have known labels, be ordered, not overlap, and cover the
    recording from 0 to its end with no gap. Deviations up to :data:`TOLERANCE_S` are repaired:
    a small gap is closed by the event before it, and the ends meet the
    recording's.

    Arguments
    ---------
    events : sequence of Event
        Events in the order of their onsets, one for each line of ``path``.
    duration_s : float
        Length of the recording in seconds.
    labels : collection of str
        The labels that are allowed.
    path : str
        Name of the annotation in messages.
    unlabelled : str or None
        Label of the time that no event covers; None refuses such time.

    Returns
    -------
    list of Event
        The events, tiling ``[0, duration_s]`` without a gap.

    Raises
    ------
    AnnotationError
        With every fault found, not just the first.

    Example
    -------
    >>> check_events([Event(0.0, 5.01, "music")], 5.0, ["music", "no-music"])
    [Event(onset_s=0.0, offset_s=5.0, label='music')]
    >>> check_events([Event(5.0, 2.0, "music")], 60.0, ["music", "no-music"])
    Traceback (most recent call last):
    ...
    AnnotationError: events, line 1: offset 2.0 is not after onset 5.0; ...
    """
    if unlabelled not in (None, *labels):
        problem = f"unlabelled time cannot be {shown(unlabelled)}"
        raise AnnotationError([Fault(path, 0, problem, f"use one of {', '.join(labels)}")])
    faults = _find_faults(events, duration_s, labels, path, unlabelled)
    if faults:
        raise AnnotationError(faults)
    events = _joined(events)
    if unlabelled is not None:
        events = _filled(events, duration_s, unlabelled)
    # Within the tolerance, an event may lie wholly behind the end; nothing of it is left.
    events = [event for event in events if event.onset_s < duration_s]
    onsets = [0.0] + [event.onset_s for event in events[1:]]
    offsets = onsets[1:] + [float(duration_s)]
    return [Event(onset, offset, event.label) for event, onset, offset in zip(events, onsets, offsets)]


def _joined(events):
    """Events of which none overlap, if those that do have one label."""
    joined = []
    for event in events:
        if joined and event.onset_s < joined[-1].offset_s - 1e-6:
            joined[-1] = joined[-1]._replace(offset_s=max(joined[-1].offset_s, event.offset_s))
        else:
            joined.append(event)
    return joined


def _filled(events, duration_s, label):
    """Events, with one of a label in each gap that is longer than the tolerance."""
    filled, end_s = [], 0.0
    for event in [*events, Event(float(duration_s), float(duration_s), None)]:
        if event.onset_s > end_s + TOLERANCE_S:
            filled.append(Event(end_s, event.onset_s, label))
        filled.append(event)
        end_s = event.offset_s
    return filled[:-1]


def _find_faults(events, duration_s, labels, path, unlabelled):
    """Every fault of a list of events, in the order of the lines."""
    if not events and unlabelled is None:
        return [Fault(path, 0, "holds no event", "annotate the recording or leave it out")]
    faults, begin_s, end_s, end_line, last = [], 0.0, 0.0, 0, None
    gap_cure = "label that time too, or say what unlabelled time is (--unlabelled no-music)"
    for line, event in enumerate(events, start=1):
        if event.label not in labels:
            allowed = ", ".join(labels)
            faults.append(Fault(path, line, f"unknown label {shown(event.label)}", f"use one of {allowed}"))
        fault = time_fault(event)
        if fault:
            faults.append(Fault(path, line, *fault))
            if not math.isfinite(event.onset_s + event.offset_s):
                continue
        if event.onset_s < end_s - 1e-6 and (event.label != last or event.onset_s < begin_s):
            problem = f"onset {event.onset_s} is before {end_s}, the end of line {end_line}"
            faults.append(Fault(path, line, problem, "order the lines by onset and let none overlap"))
        elif event.onset_s > end_s + TOLERANCE_S and unlabelled is None:
            faults.append(
                Fault(path, line, f"nothing is annotated from {end_s} to {event.onset_s}", gap_cure)
            )
        if event.offset_s > duration_s + TOLERANCE_S:
            problem = f"offset {event.offset_s} is after the end of the recording, {duration_s:.3f}"
            faults.append(Fault(path, line, problem, "check that the annotation belongs to this recording"))
        if event.offset_s > end_s:
            end_s, end_line, last = event.offset_s, line, event.label
        begin_s = event.onset_s
    if end_s < duration_s - TOLERANCE_S and unlabelled is None:
        problem = f"nothing is annotated from {end_s} to the end of the recording, {duration_s:.3f}"
        faults.append(Fault(path, len(events), problem, gap_cure))
    return faults


def time_fault(event: Event) -> tuple[str, str] | None:
    """What is wrong with the times of one event, and the cure; None if nothing is.

    Example
    -------
    >>> time_fault(Event(5.0, 2.0, "music"))
    ('offset 2.0 is not after onset 5.0', 'correct the two times')
    """
    onset_s, offset_s, _ = event
    if not (math.isfinite(onset_s) and math.isfinite(offset_s)):
        return "a time is not a finite number", "give seconds"
    if max(onset_s, offset_s) > MOST_S:
        return f"a time is {max(onset_s, offset_s):g} s, more than three years", "give seconds"
    if onset_s < 0:
        return f"onset {onset_s} is negative", "start at 0 or later"
    if offset_s <= onset_s:
        return f"offset {offset_s} is not after onset {onset_s}", "correct the two times"
    return None


def read_tsv(path, duration_s, labels):
    """Read one annotation file and check it against its recording.

    Arguments
    ---------
    path : str or pathlib.Path
        A TSV file: ``onset<TAB>offset<TAB>label`` a line, or one bare label.
        A byte order mark and any line ends are accepted.
    duration_s : float
        Length of the recording in seconds.
    labels : collection of str
        The labels that are allowed.

    Returns
    -------
    list of Event
        Events that tile the recording; see :func:`check_events`.

    Raises
    ------
    AnnotationError
        With every fault of the file, each with its line and its cure.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.tsv"
    >>> write_tsv(path, [Event(0.0, 2.5, "no-music"), Event(2.5, 60.0, "music")])
    >>> [event.label for event in read_tsv(path, 60.0, ["no-music", "music"])]
    ['no-music', 'music']
    """
    return check_events(parse_tsv(path, duration_s), duration_s, labels, path)


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark, which is left out.

    Raises
    ------
    AnnotationError
        If it cannot be read, is a pipe, or is other text.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> _ = path.write_bytes(b"\\xef\\xbb\\xbfa")
    >>> read_text(path)
    'a'
    """
    try:
        return read_plain(path)
    except UnicodeError:
        raise AnnotationError([Fault(path, 0, "is not UTF-8 text", "save it as UTF-8")]) from None
    except OSError as error:
        raise AnnotationError(
            [Fault(path, 0, f"cannot be read ({error.strerror})", "check the file")]
        ) from None


def parse_tsv(path, duration_s):
    """Read events that may overlap or leave gaps, such as predictions.

    Arguments
    ---------
    path : str or pathlib.Path
        A TSV file, as for :func:`read_tsv`.
    duration_s : float
        Length of the recording in seconds, which a bare label covers.

    Returns
    -------
    list of Event
        One for each line.

    Raises
    ------
    AnnotationError
        If the file cannot be read, or a line is malformed.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.tsv"
    >>> write_tsv(path, [Event(1.0, 2.0, "music"), Event(1.5, 3.0, "music")])
    >>> len(parse_tsv(path, 60.0))
    2
    """
    lines = read_text(path).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) == 1 and len(lines[0].split("\t")) == 1:
        return [Event(0.0, float(duration_s), lines[0].strip())]

    events, faults = [], []
    for number, line in enumerate(lines, start=1):
        event = _parse_line(line)
        if event is None:
            problem = f"{shown(line)} is not onset, offset and label between tabs"
            is_header = number == 1 and "\t" in line and not any(letter.isdigit() for letter in line)
            cure = "write three columns, times in seconds as in 0.5"
            faults.append(Fault(path, number, problem, "delete this line of names" if is_header else cure))
        else:
            events.append(event)
    if faults:
        raise AnnotationError(faults)
    return events


def _parse_line(line):
    """The event of a line, or None where the line is malformed."""
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) != 3:
        return None
    try:
        return Event(float(columns[0]), float(columns[1]), columns[2])
    except ValueError:
        return None


def write_tsv(path, events):
    """Write events as an annotation file, atomically; times to the microsecond.

    Arguments
    ---------
    path : str or pathlib.Path
        The file to write; an existing one is replaced only once the new one is complete.
    events : iterable of Event
        Events in the order to be written.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.tsv"
    >>> write_tsv(path, [Event(0.0, 0.016, "music")])
    >>> path.read_text()
    '0.0\\t0.016\\tmusic\\n'
    """
    rows = [f"{round(e.onset_s, 6)}\t{round(e.offset_s, 6)}\t{e.label}\n" for e in events]
    write_atomically(path, "".join(rows))


def relabel(events, mapping):
    """Replace labels, and join neighbours that then have the same label.

    With a taxonomy's parents as mapping, this derives music detection from music
    relative loudness (paper, section V-A).

    Arguments
    ---------
    events : iterable of Event
        Events in the order of their onsets.
    mapping : mapping of str to str
        Old label to new label.

    Returns
    -------
    list of Event
        The events under their new labels.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> events = [Event(0.0, 2.0, "fg-music"), Event(2.0, 5.0, "bg-music")]
    >>> relabel(events, MUSIC_LOUDNESS.parents[0])
    [Event(onset_s=0.0, offset_s=5.0, label='music')]
    """
    joined = []
    for event in events:
        label = mapping[event.label]
        if joined and joined[-1].label == label and joined[-1].offset_s == event.onset_s:
            joined[-1] = joined[-1]._replace(offset_s=event.offset_s)
        else:
            joined.append(Event(event.onset_s, event.offset_s, label))
    return joined


def events_to_frames(events, labels, grid, n_frames):
    """Class index of every frame of a recording that events tile.

    An event from a to b labels the frames nearest to a up to, not including, the
    one nearest to b; the last event also labels the frame centred on the end.

    Arguments
    ---------
    events : sequence of Event
        Events that tile the recording.
    labels : sequence of str
        Labels in index order.
    grid : FrameGrid
        Sample rate and hop of the frames.
    n_frames : int
        Number of frames of the recording.

    Returns
    -------
    numpy.ndarray
        Class indices, ``[frame]``, int64.

    Example
    -------
    >>> from hrin_plugin.timing import FrameGrid
    >>> events = [Event(0.0, 0.032, "no-music"), Event(0.032, 0.064, "music")]
    >>> events_to_frames(events, ["no-music", "music"], FrameGrid(), 5).tolist()
    [0, 0, 1, 1, 1]
    """
    import numpy as np  # slow to import, and nothing else here needs it

    frames = np.empty(n_frames, dtype=np.int64)
    for event in events:
        frames[grid.frame_at(event.onset_s) :] = labels.index(event.label)
    return frames
