"""What many frames say together: a running median, and the best sequence of classes (Viterbi).

Pure functions of arrays. The paper decides each frame by itself (section V-C).
"""

import numpy as np
from scipy import ndimage

#: The least that a probability, and its complement, count for in :func:`leaf_log_likelihood`. A float32
#: sigmoid is exactly 1 from logits of 17 on, and so would forbid a state for ever; a network is not to be
#: trusted beyond odds of a million to one in any single frame.
LEAST_PROBABILITY = 1e-6

#: The greatest number whose exponential both ways librosa's Viterbi takes for what it is: it adds the
#: least positive float64, e to the -708, to every probability.
GREATEST_EXPONENT = 600.0


def median_filter(probabilities, width_frames):
    """The median over the frames around each frame, each class on its own.

    Before the first frame and after the last, these are repeated.

    Arguments
    ---------
    probabilities : array-like
        ``[frame, class]``.
    width_frames : int
        How many frames, the one in the middle included; an odd number.

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
    # Class by class: for a single axis scipy has a way whose work hardly grows with the width.
    columns = [
        ndimage.median_filter(np.ascontiguousarray(column), size=width_frames, mode="nearest")
        for column in probabilities.T
    ]
    return np.stack(columns, axis=1)


def leaf_log_likelihood(probabilities, taxonomy):
    """How well each class of the lowest level, with all its ancestors, explains every frame.

    The network's outputs are independent sigmoids, so that a state of the hierarchy
    (one class of the lowest level active, its ancestors too, and no other class of
    any level) has the Bernoulli log-likelihood of that state's pattern over the
    outputs of all levels. Both levels thus have a say in every decision.

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
        level = np.clip(np.asarray(level, dtype=float), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
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

    Staying in a state costs nothing, and switching to any other the same: a hidden
    Markov model with one parameter.

    Arguments
    ---------
    log_likelihood : array-like
        ``[frame, state]`` in nats, finite.
    switching_cost : float
        What a switch costs, in nats: 0 or more, finite.
    previous : int or None
        The state before the first frame, so that a switch in the first frame costs
        too; None where there is none.

    Returns
    -------
    numpy.ndarray
        State indices, ``[frame]``, int64.

    Raises
    ------
    ImportError
        If librosa, whose compiled Viterbi this is, cannot be imported.

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
    try:
        from librosa.sequence import viterbi
    except (ImportError, RuntimeError) as error:
        # numba raises RuntimeError where it may keep its compiled functions nowhere.
        raise ImportError(
            f"librosa, which Viterbi decoding needs, cannot be imported ({error}); run: pip install librosa; "
            "where neither its folder nor your home can be written, set NUMBA_CACHE_DIR to a folder that can"
        ) from error

    # Only differences within a frame matter, and all of them may be scaled alike, the cost too. So what
    # librosa wants as probabilities is their exponential, without underflow.
    log_likelihood = log_likelihood - log_likelihood.max(axis=1, keepdims=True)
    scale = min(1.0, GREATEST_EXPONENT / max(switching_cost, -log_likelihood.min(), 1.0))
    # Rows that add up to 1, in which staying is e to the cost times as likely as each switch.
    weights = np.exp(scale * switching_cost * np.eye(n_states))
    transition = weights / weights.sum(axis=1, keepdims=True)
    first = np.full(n_states, 1 / n_states) if previous is None else transition[previous]
    return viterbi(np.exp(scale * log_likelihood).T, transition, p_init=first).astype(np.int64)
