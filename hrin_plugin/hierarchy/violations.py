"""Rates of hierarchy violations (paper, section IV-B)."""

from typing import NamedTuple

import numpy as np


class ViolationRates(NamedTuple):
    """Fractions of frames, 0 to 1, that violate the hierarchy; see :func:`violation_rates`.

    Example
    -------
    >>> ViolationRates(score_violations=0.5, decision_violations=0.25).decision_violations
    0.25
    """

    score_violations: float
    decision_violations: float


def violation_rates(probabilities, taxonomy, threshold=0.5):
    """Rates of violations by the probabilities, and by the decisions made from them.

    A frame has a score violation (paper, section IV-B) where the score of any class
    with siblings exceeds its parent's: ``fg-music`` or ``bg-music`` above ``music``.
    An only child's score should equal its parent's, but two outputs are never exactly equal.
    It counts as a violation if the threshold separates the two.

    A frame has a decision violation where, after the threshold, a class is active
    and its parent is not, or a parent is active and none of its children is. For an
    only child, either means that the two decisions differ.

    Arguments
    ---------
    probabilities : sequence of array-like
        One array a level, the top level first, each ``[frame, class]``.
    taxonomy : Taxonomy
        The classes and their parents.
    threshold : float or None
        The least probability of an active class; None for exclusive classes,
        where the most probable class of each level is active.

    Returns
    -------
    ViolationRates
        Fractions of the frames with at least one violation on any level.

    Raises
    ------
    ValueError
        If the arrays do not fit the taxonomy or each other, hold NaN, or no frame.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> md = [[0.1, 0.9], [0.4, 0.6]]
    >>> mrle = [[0.2, 0.8, 0.3], [0.3, 0.7, 0.1]]
    >>> violation_rates([md, mrle], MUSIC_LOUDNESS)
    ViolationRates(score_violations=0.5, decision_violations=0.0)
    """
    levels = [np.asarray(level) for level in probabilities]
    shapes = [level.shape for level in levels]
    n_frames = len(levels[0]) if levels and levels[0].ndim else 0
    if n_frames == 0 or shapes != [(n_frames, size) for size in taxonomy.sizes]:
        raise ValueError(
            f"probabilities have the shapes {shapes}; the taxonomy needs [frame, class] of "
            f"{', '.join(map(str, taxonomy.sizes))} classes, the same frames, and at least one"
        )
    if any(np.isnan(level).any() for level in levels):
        raise ValueError("probabilities are NaN; check the network and its input")

    by_score, by_decision = np.zeros((2, n_frames), dtype=bool)
    for depth in range(1, len(levels)):
        parents = np.array(taxonomy.parent_indices(depth))
        only = np.array(taxonomy.only_children(depth))
        above, below = levels[depth - 1], levels[depth]
        active_above, active_below = active_classes(above, threshold), active_classes(below, threshold)
        orphaned = active_below & ~active_above[:, parents]
        childless = active_above.copy()
        for child, parent in enumerate(parents):
            childless[:, parent] &= ~active_below[:, child]
        by_decision |= orphaned.any(axis=1) | childless.any(axis=1)
        differs = active_below != active_above[:, parents]
        by_score |= np.where(only, differs, below > above[:, parents]).any(axis=1)
    return ViolationRates(float(by_score.mean()), float(by_decision.mean()))


def active_classes(probabilities, threshold=0.5):
    """Mask of the active classes of a level.

    Arguments
    ---------
    probabilities : numpy.ndarray
        ``[frame, class]``.
    threshold : float or None
        The least probability of an active class; None for the most probable class
        only, the first one of equals.

    Returns
    -------
    numpy.ndarray
        Truth values, ``[frame, class]``.

    Example
    -------
    >>> probabilities = np.array([[0.4, 0.3], [0.6, 0.7]])
    >>> active_classes(probabilities).tolist(), active_classes(probabilities, None).tolist()
    ([[False, False], [True, True]], [[True, False], [False, True]])
    """
    if threshold is not None:
        return probabilities >= threshold
    return probabilities.argmax(axis=1)[:, None] == np.arange(probabilities.shape[1])
