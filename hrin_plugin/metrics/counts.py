"""Segment and event counts of estimates against references.

The counts equal those of `sed_eval`. They are integers and vectorised over the files, so
that a whole fold takes milliseconds. :func:`align` checks the input. :func:`count_segments`
and :func:`count_events` only compute.

A class is active in every segment of 10 ms that one of its events touches. This is
`sed_eval`'s rule too, but it divides floats, which puts many boundaries one segment off
(``0.29 * 1 / 0.01`` is 28.99...). Here times are rounded to microseconds first, and divided as integers.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from hrin_plugin.timing import to_samples

#: Times are rounded to whole microseconds before they are compared with segments.
TICKS_PER_SECOND = 1_000_000
#: Length of a segment in microseconds: 10 ms (paper, section V-E).
SEGMENT_TICKS = 10_000


class Track(NamedTuple):
    """Events of many files as columns, each ``[event]``.

    Example
    -------
    >>> Track(*np.zeros((6, 7))).onset_s.shape
    (7,)
    """

    file: np.ndarray  # index of the file
    label: np.ndarray  # index of the class
    onset_s: np.ndarray
    offset_s: np.ndarray
    first: np.ndarray  # index, within the file, of the first segment that the event touches
    end: np.ndarray  # and of the segment after the last


class Alignment(NamedTuple):
    """References and estimates of the same files, checked and clipped; made by :func:`align`.

    Example
    -------
    >>> align([[], []], [[], []], [60.0, 0.016], ["music"]).n_segments.tolist()
    [6000, 2]
    """

    reference: Track
    estimate: Track
    n_segments: np.ndarray  # [file]; a started segment counts as a whole one
    labels: tuple


class Counts(NamedTuple):
    """Class-wise counts under `sed_eval`'s names, each ``[class]``, int64.

    ``Nref`` and ``Nsys`` count the reference's and the estimate's segments or
    events, the others true and false positives and negatives. Events have no true
    negatives: their ``Ntn`` is None.

    Example
    -------
    >>> Counts(*np.ones((5, 3), dtype=int)).Ntp.tolist()
    [1, 1, 1]
    """

    Nref: np.ndarray
    Nsys: np.ndarray
    Ntp: np.ndarray
    Nfp: np.ndarray
    Nfn: np.ndarray
    Ntn: np.ndarray = None


def align(references, estimates, durations_s, labels):
    """Check the events of references and estimates, and clip them to the recordings.

    Everything after the end of a recording is ignored.

    Arguments
    ---------
    references : sequence of sequence of Event
        The true events of each file. They may overlap and leave gaps.
    estimates : sequence of sequence of Event
        The detected events of the same files, in the same order of files.
    durations_s : sequence of float
        Length of each recording in seconds.
    labels : sequence of str
        The classes.

    Returns
    -------
    Alignment
        The events as columns, for :func:`count_segments` and :func:`count_events`.

    Raises
    ------
    ValueError
        If there is no file, if the lists differ in length, if an event is reversed,
        empty, negative, not finite or of an unknown label, or if a reference starts
        after the end of its recording. The message names the file by its index.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> align([[Event(0.0, 5.0, "music")]], [[Event(1.0, 9.0, "music")]], [5.0], ["music"]).estimate.offset_s
    array([5.])
    >>> align([[Event(5.0, 2.0, "music")]], [[]], [60.0], ["music"])
    Traceback (most recent call last):
    ...
    ValueError: reference of file 0, event 0: offset 2.0 is not after onset 5.0, ...
    """
    if not len(references) == len(estimates) == len(durations_s):
        raise ValueError(
            f"{len(references)} references, {len(estimates)} estimates and {len(durations_s)} durations; "
            "give one of each for every file, in the same order"
        )
    if len(durations_s) == 0:
        raise ValueError("there is no file to score; give at least one")
    for file, duration_s in enumerate(durations_s):
        if not 0 < duration_s < float("inf"):
            raise ValueError(f"file {file}: duration {duration_s} is not a positive number; give seconds")

    ends_s = np.array(durations_s, dtype=float)
    reference = _tabulate(references, ends_s, labels, "reference")
    estimate = _tabulate(estimates, ends_s, labels, "estimate")
    late = reference.onset_s >= ends_s[reference.file]
    if late.any():
        file, onset_s = reference.file[late][0], reference.onset_s[late][0]
        raise ValueError(
            f"reference of file {file}: onset {onset_s} is not before the end, {ends_s[file]}; "
            "check that references and durations are in the same order"
        )
    kept = estimate.onset_s < ends_s[estimate.file]
    estimate = Track(*(column[kept] for column in estimate))
    return Alignment(reference, estimate, _segment_end(ends_s), tuple(labels))


def _tabulate(files, durations_s, labels, role):
    """The events of all files as a Track, with offsets clipped to the durations."""
    file = np.repeat(np.arange(len(files)), [len(events) for events in files])
    events = [event for events in files for event in events]
    onsets_s, offsets_s, names = zip(*events) if events else ((), (), ())
    index_of = {label: index for index, label in enumerate(labels)}
    label = np.array([index_of.get(name, -1) for name in names], dtype=int)
    onset_s, offset_s = np.array(onsets_s, dtype=float), np.array(offsets_s, dtype=float)

    good = (label >= 0) & (onset_s >= 0) & (offset_s > onset_s) & (offset_s < np.inf)
    if not good.all():
        at = int(np.argmin(good))
        place = f"{role} of file {file[at]}, event {at - np.searchsorted(file, file[at])}"
        raise ValueError(f"{place}: {_fault(events[at], labels)}")
    offset_s = np.minimum(offset_s, durations_s[file])
    return Track(file, label, onset_s, offset_s, _to_ticks(onset_s) // SEGMENT_TICKS, _segment_end(offset_s))


def _fault(event, labels):
    """The fault of an event, and its cure."""
    onset_s, offset_s, label = event
    if label not in labels:
        return f"unknown label {label!r}; use one of {', '.join(labels)}"
    if not 0 <= onset_s < float("inf"):
        return f"onset {onset_s} is negative or not finite; give seconds from 0"
    return f"offset {offset_s} is not after onset {onset_s}, or not finite; correct the two times"


def _to_ticks(times_s):
    """Times in seconds as whole microseconds, ``[time]``."""
    return np.array([to_samples(time_s, TICKS_PER_SECOND) for time_s in times_s.tolist()], dtype=np.int64)


def _segment_end(times_s):
    """Index after the last segment that a span up to a time touches, ``[time]``."""
    return -(-_to_ticks(times_s) // SEGMENT_TICKS)


def count_segments(alignment):
    """Class-wise counts over all segments of 10 ms of all files.

    Arguments
    ---------
    alignment : Alignment
        From :func:`align`.

    Returns
    -------
    Counts
        In segments.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> files = [[Event(0.0, 5.0, "music")]], [[Event(1.0, 6.0, "music")]]
    >>> counts = count_segments(align(*files, [60.0], ["music"]))
    >>> [int(count[0]) for count in counts]
    [500, 500, 400, 100, 100, 5400]
    """
    # All files lie end to end on one axis.
    ends_of_files = np.cumsum(alignment.n_segments)
    starts_of_files = ends_of_files - alignment.n_segments
    reference, estimate = (
        np.stack([track.first, track.end]) + starts_of_files[track.file] for track in alignment[:2]
    )
    per_class = []
    for index in range(len(alignment.labels)):
        of_class = [track.label == index for track in alignment[:2]]
        per_class.append(_covered(reference[:, of_class[0]], estimate[:, of_class[1]]))
    n_ref, n_sys, n_tp = np.array(per_class).T
    n_tn = ends_of_files[-1] - n_ref - n_sys + n_tp
    return Counts(n_ref, n_sys, n_tp, Nfp=n_sys - n_tp, Nfn=n_ref - n_tp, Ntn=n_tn)


def _covered(reference, estimate):
    """Number of segments that reference, estimate and both cover; each is ``[first or end, event]``.

    Sweeps over the bounds in order, keeping account of how many events are open, so
    that the work grows with the events and not with the time.
    """
    bounds = np.concatenate([*reference, *estimate])
    n_ref, n_sys = reference.shape[1], estimate.shape[1]
    opened = np.zeros((2, len(bounds)), dtype=np.int64)
    opened[0, : 2 * n_ref] = np.repeat([1, -1], n_ref)
    opened[1, 2 * n_ref :] = np.repeat([1, -1], n_sys)
    order = np.argsort(bounds)
    lengths = np.diff(bounds[order])
    in_ref, in_sys = np.cumsum(opened[:, order], axis=1)[:, :-1] > 0
    return lengths[in_ref].sum(), lengths[in_sys].sum(), lengths[in_ref & in_sys].sum()


def count_events(alignment, collar_s, with_offset=False):
    """Class-wise counts of events, by maximum one-to-one matching within each file.

    A pair may match where its onsets differ by no more than the collar and, with
    offsets, its offsets by no more than the collar or half the reference event's
    length, whichever is longer. The comparisons are `sed_eval`'s, in floats.

    Arguments
    ---------
    alignment : Alignment
        From :func:`align`.
    collar_s : float
        Collar: largest difference of onsets (and offsets), in seconds.
    with_offset : bool
        Whether offsets must match too.

    Returns
    -------
    Counts
        In events; ``Ntn`` is None.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> files = [[Event(2.0, 5.0, "music")]], [[Event(2.4, 9.0, "music")]]
    >>> alignment = align(*files, [60.0], ["music"])
    >>> int(count_events(alignment, 0.5).Ntp[0]), int(count_events(alignment, 0.5, with_offset=True).Ntp[0])
    (1, 0)
    """
    reference, estimate, _, labels = alignment
    ref, est = _near_pairs(reference, estimate, len(labels), collar_s)
    hit = np.abs(reference.onset_s[ref] - estimate.onset_s[est]) <= collar_s
    if with_offset:
        allowed_s = np.maximum(collar_s, 0.5 * (reference.offset_s - reference.onset_s))
        hit &= np.abs(reference.offset_s[ref] - estimate.offset_s[est]) <= allowed_s[ref]

    n_ref = np.bincount(reference.label, minlength=len(labels))
    n_sys = np.bincount(estimate.label, minlength=len(labels))
    n_tp = np.zeros_like(n_ref)
    if hit.any():
        shape = len(reference.label), len(estimate.label)
        graph = csr_matrix((np.ones(hit.sum(), dtype=bool), (ref[hit], est[hit])), shape=shape)
        matched = maximum_bipartite_matching(graph, perm_type="column") >= 0
        n_tp = np.bincount(reference.label[matched], minlength=len(labels))
    return Counts(n_ref, n_sys, n_tp, Nfp=n_sys - n_tp, Nfn=n_ref - n_tp)


def _near_pairs(reference, estimate, n_classes, collar_s):
    """Candidate pairs of one file and class, with onsets within about a collar, ``[pair]`` each.

    Every pair within the collar is among them, and few others: each event has its
    place on a line of segments, where files and classes lie further apart than that.
    """
    reach = -(-to_samples(collar_s, TICKS_PER_SECOND) // SEGMENT_TICKS) + 1
    spacing = max(reference.first.max(initial=0), estimate.first.max(initial=0)) + reach + 1
    ref_place, est_place = (
        (track.file * n_classes + track.label) * spacing + track.first for track in (reference, estimate)
    )
    order = np.argsort(est_place)
    low = np.searchsorted(est_place[order], ref_place - reach, side="left")
    high = np.searchsorted(est_place[order], ref_place + reach, side="right")
    n_near = high - low
    ref = np.repeat(np.arange(len(ref_place)), n_near)
    nth = np.arange(len(ref)) - np.repeat(np.cumsum(n_near) - n_near, n_near)
    return ref, order[np.repeat(low, n_near) + nth]
