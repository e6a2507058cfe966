"""Offsets, running median and Viterbi on frame probabilities.

Pure functions of arrays. The paper decides each frame by itself (section V-C).
"""

import math

import numpy as np

#: The least that a probability, and its complement, count for where log-odds are taken. A float32
#: sigmoid is exactly 1 from logits of 17 on, and so would forbid a state for ever; a network is not to be
#: trusted beyond odds of a million to one in any single frame.
LEAST_PROBABILITY = 1e-6


def logit(probabilities: np.ndarray) -> np.ndarray:
    """Log-odds of probabilities between 0 and 1, in nats.

    Example
    -------
    >>> logit(np.array([0.5, 0.9])).round(4).tolist()
    [0.0, 2.1972]
    """
    return np.log(probabilities) - np.log1p(-probabilities)


def expit(log_odds: np.ndarray) -> np.ndarray:
    """Probabilities of log-odds in nats, without overflow.

    Example
    -------
    >>> expit(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.exp(-np.logaddexp(0, -log_odds))


def shift_log_odds(probabilities, offsets):
    """Add an offset to the log-odds of each class.

    Arguments
    ---------
    probabilities : numpy.ndarray
        ``[frame, class]``, floats. Those that get an offset count for no less than
        :data:`LEAST_PROBABILITY`, nor does their complement.
    offsets : sequence of float
        For each class, in nats. With 0 its probabilities stay as they are.

    Returns
    -------
    numpy.ndarray
        ``[frame, class]``, of the same float type.

    Example
    -------
    >>> shift_log_odds(np.array([[0.5, 0.2]]), [0.0, np.log(4)]).round(3).tolist()
    [[0.5, 0.5]]
    """
    if not any(offsets):
        return probabilities
    shifted = probabilities.copy()
    for index, offset in enumerate(offsets):
        if offset:
            shifted[:, index] = expit(logit(_trusted(probabilities[:, index])) + offset)
    return shifted


def median_filter(probabilities, width_frames):
    """Running median of each class.

    The first and the last frame are repeated as padding.

    Arguments
    ---------
    probabilities : array-like
        ``[frame, class]``.
    width_frames : int
        Width in frames; an odd number.

    Returns
    -------
    numpy.ndarray
        ``[frame, class]``, of the same float type.

    Raises
    ------
    ValueError
        If the width is not a positive odd number.

    Example
    -------
    >>> median_filter([[0.1], [0.9], [0.2], [0.8], [0.7]], 3).ravel().tolist()
    [0.1, 0.2, 0.8, 0.7, 0.7]
    """
    if width_frames < 1 or width_frames % 2 == 0:
        raise ValueError(f"a median over {width_frames} frames has no middle; give a positive odd number")
    probabilities = np.asarray(probabilities)
    if width_frames == 1 or not len(probabilities):
        return probabilities
    return np.stack([_running_median(column, width_frames) for column in probabilities.T], axis=1)


def _running_median(column, width_frames):
    """Median around each value of one class; the work of scipy, where it is, hardly grows with the width."""
    try:
        from scipy import ndimage  # which takes longer to import than a short recording to be heard
    except ImportError:
        padded = np.pad(column, width_frames // 2, mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, width_frames)
        parts = np.array_split(views, len(views) // 4096 + 1)
        return np.concatenate([np.median(part, axis=1) for part in parts])
    return ndimage.median_filter(np.ascontiguousarray(column), size=width_frames, mode="nearest")


def leaf_log_likelihood(probabilities, taxonomy):
    """Log-likelihood of each class of the lowest level with its ancestors, for every frame.

    The network's outputs are independent sigmoids, so that a state of the hierarchy
    (one class of the lowest level active, its ancestors too, and no other class of
    any level) has the Bernoulli log-likelihood of that state's pattern over the
    outputs of all levels. The evidence of all levels counts in every decision.

    Arguments
    ---------
    probabilities : sequence of array-like
        One array a level, the top level first, each ``[frame, class]``. They count
        for no less than :data:`LEAST_PROBABILITY`, nor does their complement.
    taxonomy : Taxonomy
        The levels and their classes.

    Returns
    -------
    numpy.ndarray
        ``[frame, class of the lowest level]`` in nats, float64.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> md, mrle = [[0.1, 0.9]], [[0.1, 0.6, 0.7]]
    >>> leaf_log_likelihood([md, mrle], MUSIC_LOUDNESS).round(2).tolist()
    [[-9.03, -2.03, -1.59]]
    """
    total = 0.0
    for level, ancestors in zip(probabilities, leaf_ancestors(taxonomy)):
        level = _trusted(level)
        log_absent = np.log1p(-level)
        # All absent, but for the class that is active in the state.
        total += log_absent.sum(axis=1, keepdims=True) + (np.log(level) - log_absent)[:, ancestors]
    return total


def leaf_ancestors(taxonomy):
    """The class of each level that is active when a class of the lowest level is.

    Arguments
    ---------
    taxonomy : Taxonomy
        The levels and their classes.

    Returns
    -------
    list of numpy.ndarray
        For each level class indices, ``[class of the lowest level]``; the last are those classes themselves.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> [indices.tolist() for indices in leaf_ancestors(MUSIC_LOUDNESS)]
    [[0, 1, 1], [0, 1, 2]]
    """
    ancestors = [np.arange(taxonomy.sizes[-1])]
    for level in range(len(taxonomy.levels) - 1, 0, -1):
        ancestors.insert(0, np.array(taxonomy.parent_indices(level))[ancestors[0]])
    return ancestors


def viterbi_path(log_likelihood, switching_cost, previous=None):
    """The sequence of states with the greatest log-likelihood, less a cost for every switch.

    Staying in a state is free. Switching to any other state has the same cost: a hidden
    Markov model with one parameter.

    Arguments
    ---------
    log_likelihood : array-like
        ``[frame, state]`` in nats, finite.
    switching_cost : float
        Cost of a switch, in nats; 0 or more, finite.
    previous : int or None
        The state before the first frame, so that a switch in the first frame costs
        too; None where there is none.

    Returns
    -------
    numpy.ndarray
        State indices, ``[frame]``, int64.

    Example
    -------
    >>> log_likelihood = [[0.0, -3.0], [-2.0, 0.0], [0.0, -3.0], [-9.0, 0.0]]
    >>> viterbi_path(log_likelihood, switching_cost=1.5).tolist()
    [0, 0, 0, 1]
    """
    log_likelihood = np.asarray(log_likelihood, dtype=float)
    n_frames, n_states = log_likelihood.shape
    if not n_frames:
        return np.empty(0, dtype=np.int64)
    # Only differences within a frame matter; small numbers are added up more exactly.
    gains = log_likelihood - log_likelihood.max(axis=1, keepdims=True)
    # Blocks of frames, all at once for each state before them, and then from block to block.
    length = math.isqrt(n_frames - 1) + 1  # as many frames as blocks: the fewest steps
    gains = np.pad(gains, [(0, -n_frames % length), (0, 0)])
    reached = _block_values(gains.reshape(-1, length, n_states), switching_cost)
    before, last = _join_blocks(reached[-1], previous)
    blocks = np.arange(len(before))
    # The values of the best sequences out of the state that turned out to be before each block.
    values = reached[:, :, before, blocks].transpose(2, 0, 1).reshape(-1, n_states)
    return _trace_back(values, switching_cost, before[1:], last)[:n_frames]


def _block_values(gains, switching_cost):
    """Values of the best sequences through each block ``[frame, state, state before, block]``, from the
    gains of its frames ``[block, frame, state]``.
    """
    n_blocks, length, n_states = gains.shape
    gains = np.ascontiguousarray(gains.transpose(1, 2, 0))[:, :, None]
    reached = np.empty((length, n_states, n_states, n_blocks))
    values = np.where(np.eye(n_states, dtype=bool), 0.0, -np.inf)[:, :, None]
    for frame in range(length):
        np.maximum(values, values.max(axis=0) - switching_cost, out=reached[frame])
        reached[frame] += gains[frame]
        values = reached[frame]
    return reached


def _join_blocks(ends, previous):
    """The state before each block, and the last state, from the values of each block's end
    ``[state, state before, block]`` and the state before the first block, or None.
    """
    n_states = len(ends)
    values = [0.0 if previous in (None, state) else -math.inf for state in range(n_states)]
    pointers = []
    for block in ends.transpose(2, 0, 1).tolist():
        sums = [[value + gain for value, gain in zip(values, to_state)] for to_state in block]
        values = [max(of_state) for of_state in sums]
        pointers.append([of_state.index(value) for of_state, value in zip(sums, values)])
    last = state = values.index(max(values))
    before = [state := of_block[state] for of_block in reversed(pointers)]
    return np.array(before[::-1]), last


def _trace_back(values, switching_cost, block_ends, last):
    """The states of the best sequence, from the values of the sequences to each state ``[frame, state]``,
    the states at the ends of all blocks but the last, and the last state.
    """
    best = values.argmax(axis=1)
    switches = values < values.max(axis=1, keepdims=True) - switching_cost
    length = len(values) // (len(block_ends) + 1)
    best[length - 1 : -1 : length], switches[length - 1 : -1 : length] = block_ends, True
    # For each state, the frames after which a sequence comes to it from the state in `best`.
    entries = [np.flatnonzero(of_state) for of_state in switches[:-1].T]
    path = np.empty(len(values), dtype=np.int64)
    state, end = last, len(values)
    while end:
        count = np.searchsorted(entries[state], end - 1)
        begin = entries[state][count - 1] + 1 if count else 0
        path[begin:end] = state
        state, end = best[begin - 1], begin
    return path


def _trusted(probabilities):
    """Probabilities as float64, clipped to :data:`LEAST_PROBABILITY` from 0 and 1."""
    return np.clip(np.asarray(probabilities, dtype=float), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
