"""Confidence intervals of scores, by resampling recordings (the percentile bootstrap)."""

from collections.abc import Callable

import numpy as np


def bootstrap_interval(
    counts: np.ndarray,
    measure: Callable[[np.ndarray], np.ndarray],
    level: float = 0.9,
    n_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of a measure of summed counts, if other recordings of the same kind were drawn.

    Arguments
    ---------
    counts : numpy.ndarray
        What is summed of each recording, or each part of one, ``[recording, count]``.
    measure : callable
        Takes sums ``[..., count]`` and returns the measure ``[...]``.
    level : float
        Probability that the interval is for, between 0 and 1.
    n_resamples : int
        How many times recordings are drawn, with replacement.
    seed : int
        Seed of the draws.

    Returns
    -------
    tuple of float
        Lower and upper end. With a single recording, both are its measure.

    Raises
    ------
    ValueError
        If there is no recording, or the level is not between 0 and 1.

    Example
    -------
    >>> right_and_all = np.array([[50, 60], [60, 60], [30, 60], [55, 60]])
    >>> low, high = bootstrap_interval(right_and_all, lambda sums: sums[..., 0] / sums[..., 1])
    >>> 0.5 <= low < 195 / 240 < high <= 1.0
    True
    """
    counts = np.asarray(counts, dtype=float)
    if counts.ndim != 2 or not len(counts):
        raise ValueError("there is nothing to resample; give the counts of one recording at least")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; give a number between 0 and 1")
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=n_resamples)
    low, high = np.quantile(measure(drawn @ counts), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
