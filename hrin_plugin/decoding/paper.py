"""From the probabilities of frames to events (paper, section V-C).

Pure functions of arrays: no network, and nothing is loaded.
"""

import numpy as np

from hrin_plugin.events import Event


def threshold_events(probabilities, labels, grid, duration_s, threshold=0.5):
    """Events of one recording: every probability against a threshold, each class on its own.

    A class is active in a frame whose probability is the threshold or more, and a
    run of active frames is one event, from the time of its first frame to the time
    of the frame after its last. Classes may therefore overlap, or leave a time
    without any. Offsets are clipped to the recording's end, and an event that the
    clipping leaves empty (one on the frame centred on the end) is dropped.

    Arguments
    ---------
    probabilities : array-like
        ``[frame, class]``, between 0 and 1.
    labels : sequence of str
        The class of each column.
    grid : FrameGrid
        Where the frames lie.
    duration_s : float
        Length of the recording in seconds.
    threshold : float or sequence of float
        The least probability of an active class: one for all, or one a class.

    Returns
    -------
    list of Event
        In the order of the onsets, then of the classes.

    Raises
    ------
    ValueError
        If the array does not fit the labels or holds NaN, if the thresholds do not
        fit the labels, or if the duration is not a positive number.

    Example
    -------
    >>> from hrin_plugin.timing import FrameGrid
    >>> probabilities = [[0.9, 0.1], [0.9, 0.5], [0.2, 0.7]]
    >>> for event in threshold_events(probabilities, ["no-music", "music"], FrameGrid(), 0.04):
    ...     print(*event)
    0.0 0.032 no-music
    0.016 0.04 music
    """
    probabilities, threshold = _check(probabilities, labels, duration_s, threshold)
    n_frames, n_classes = probabilities.shape
    # A border of silence, so that each run has both a rise and a fall.
    active = np.zeros((n_classes, n_frames + 2), dtype=np.int8)
    active[:, 1:-1] = (probabilities >= threshold).T
    change = np.diff(active)
    class_indices, firsts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]

    duration_s = float(duration_s)
    runs = sorted(zip(firsts.tolist(), class_indices.tolist(), ends.tolist()))
    events = [
        Event(grid.time_of(first), min(grid.time_of(end), duration_s), labels[index])
        for first, index, end in runs
    ]
    return [event for event in events if event.onset_s < event.offset_s]


def argmax_events(probabilities, labels, grid, duration_s):
    """Events of one recording: in every frame the most probable class, and no other.

    Arguments
    ---------
    probabilities : array-like
        ``[frame, class]``. Of equals, the first class is taken.
    labels : sequence of str
        The class of each column.
    grid : FrameGrid
        Where the frames lie.
    duration_s : float
        Length of the recording in seconds, to which offsets are clipped.

    Returns
    -------
    list of Event
        They follow each other without gap or overlap.

    Raises
    ------
    ValueError
        As :func:`threshold_events`.

    Example
    -------
    >>> from hrin_plugin.timing import FrameGrid
    >>> probabilities = [[0.9, 0.6], [0.3, 0.2], [0.2, 0.4]]
    >>> for event in argmax_events(probabilities, ["no-music", "music"], FrameGrid(), 0.04):
    ...     print(*event)
    0.0 0.032 no-music
    0.032 0.04 music
    """
    probabilities, _ = _check(probabilities, labels, duration_s, 0.5)
    one_hot = np.eye(len(labels))[probabilities.argmax(axis=1)]
    return threshold_events(one_hot, labels, grid, duration_s)


def _check(probabilities, labels, duration_s, threshold):
    """The probabilities and the threshold as arrays of one float type, or ValueError."""
    probabilities = np.asarray(probabilities)
    if not np.issubdtype(probabilities.dtype, np.floating):
        probabilities = probabilities.astype(float)
    if probabilities.ndim != 2 or probabilities.shape[1] != len(labels):
        raise ValueError(
            f"probabilities have the shape {list(probabilities.shape)}; "
            f"{len(labels)} labels need [frame, {len(labels)}]"
        )
    faulty = np.isnan(probabilities).any(axis=1)
    if faulty.any():
        raise ValueError(f"probabilities of frame {int(faulty.argmax())} are NaN; check the network")
    # In the type of the probabilities: a float32 0.7 then meets a threshold of 0.7.
    threshold = np.asarray(threshold, dtype=probabilities.dtype)
    if threshold.shape not in [(), (len(labels),)] or np.isnan(threshold).any():
        raise ValueError(f"threshold {threshold.tolist()} must be a number, or {len(labels)}, one a label")
    if not 0 < duration_s < float("inf"):
        raise ValueError(f"duration {duration_s} must be a positive number of seconds")
    return probabilities, threshold
