"""The best decoding of each method for a network, found on recordings with references.

What is maximised is :func:`hrin_plugin.decoding.scores.objective`.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from hrin_plugin.decoding.decoders import METHODS, Decoding
from hrin_plugin.decoding.scores import (
    class_objective,
    decoded_scores,
    format_table,
    objective,
    score_decoding,
)
from hrin_plugin.decoding.smoothing import median_filter

__all__ = ["Tuning", "compare", "format_table", "tune"]

#: What is tried. The first of equals wins, so the plainest come first.
THRESHOLDS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)
MINIMA_S = (0.0, 0.25, 0.5, 1.0, 2.0)
MEDIANS_S = (0.25, 0.5, 1.0, 2.0, 4.0)
SWITCHING_COSTS_S = tuple(2.0**exponent for exponent in range(-6, 6))
#: Then finer steps around the best switching cost, as factors.
REFINEMENTS = (2**-0.5, 2**0.5), (2**-0.25, 2**0.25)
#: How far an offset is moved at a time, in nats; how many moves are tried at most; and by how much the
#: objective must rise for one, so that little data do not give offsets that are worth nothing elsewhere.
OFFSET_STEPS, OFFSET_MOVES, LEAST_GAIN = (2.0, 1.0, 0.5), 8, 0.002


class Tuning(NamedTuple):
    """What :func:`tune` found.

    Example
    -------
    >>> Tuning({"argmax": Decoding("argmax")}, [{"objective": 0.5}]).best["argmax"].method
    'argmax'
    """

    best: dict  # method to Decoding, the best method first
    rows: list  # for each, the dict of score_decoding


def tune(predictions, taxonomy, grid, methods=METHODS):
    """Search the best settings of each method, with a progress bar.

    With ``threshold``, each label has its own threshold and minimum duration, and with
    ``median`` its own threshold; each is searched by the label's own scores. With
    ``argmax`` and ``viterbi``, each label has its own offset, searched by the scores of
    all, and a minimum duration is the same for all.

    Arguments
    ---------
    predictions : sequence of Prediction
        Probabilities and references of recordings that the network was not trained
        on; see :class:`hrin_plugin.training.results.Prediction`.
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Where the frames lie.
    methods : sequence of str
        Those of :data:`hrin_plugin.decoding.methods.METHODS` to be tuned.

    Returns
    -------
    Tuning
        The best Decoding of each method and its scores, the best method first.

    Raises
    ------
    ValueError
        If there is no recording, a method is unknown, or the references cannot be scored.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.training.results import Prediction
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.timing import FrameGrid
    >>> truth = [Event(0.0, 2.0, "no-music")], [Event(0.0, 2.0, "no-music")]
    >>> probabilities = np.tile([0.3, 0.2], (126, 1)), np.tile([0.3, 0.2, 0.1], (126, 1))
    >>> recordings = [Prediction("a", 2.0, truth, probabilities)]
    >>> tune(recordings, MUSIC_LOUDNESS, FrameGrid(), ["threshold"]).best["threshold"].thresholds
    {'no-music': 0.3, 'music': 0.5, 'fg-music': 0.5, 'bg-music': 0.5}
    """
    if not predictions:
        raise ValueError("there is no recording to tune on; give at least one with its reference")
    for method in methods:
        if method not in METHODS:
            raise ValueError(f"method is {method!r}; use {', '.join(METHODS)}")
    labels = list(dict.fromkeys(label for names in taxonomy.levels for label in names))
    n_steps = sum(_n_steps(method, len(labels)) for method in methods)
    with tqdm(total=n_steps, desc="decodings", unit="") as bar:
        search = _Search(predictions, taxonomy, grid, labels, bar)
        best = {method: _SEARCHES[method](search) for method in methods}
        rows = {method: score_decoding(best[method], predictions, taxonomy, grid) for method in methods}
    ranked = sorted(methods, key=lambda method: -rows[method]["objective"])
    return Tuning({method: best[method] for method in ranked}, [rows[method] for method in ranked])


def compare(best, own, predictions, taxonomy, grid):
    """Scores of tuned decodings beside those that need no tuning, on other recordings.

    Arguments
    ---------
    best : dict of str to Decoding
        What :func:`tune` found for each method.
    own : Decoding
        The model's own.
    predictions : sequence of Prediction
        Probabilities and references of recordings that nothing was tuned on.
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Where the frames lie.

    Returns
    -------
    list of dict
        One row for each decoding, ``decoder`` first, then as of
        :func:`hrin_plugin.decoding.scores.score_decoding`.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.training.results import Prediction
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.timing import FrameGrid
    >>> truth = [Event(0.0, 2.0, "no-music")], [Event(0.0, 2.0, "no-music")]
    >>> probabilities = np.tile([0.3, 0.2], (126, 1)), np.tile([0.3, 0.2, 0.1], (126, 1))
    >>> recordings = [Prediction("a", 2.0, truth, probabilities)]
    >>> best = {"threshold": Decoding("threshold", 0.25)}
    >>> rows = compare(best, Decoding("threshold"), recordings, MUSIC_LOUDNESS, FrameGrid())
    >>> for row in rows:
    ...     print(row["decoder"], row["objective"])
    threshold 0.5 (paper) 0.0
    argmax 1.0
    viterbi, default 1.0
    the model's own 0.0
    threshold, tuned 1.0
    """
    decodings = {
        "threshold 0.5 (paper)": Decoding("threshold"),
        "argmax": Decoding("argmax"),
        "viterbi, default": Decoding("viterbi"),
        "the model's own": own,
    } | {f"{method}, tuned": best[method] for method in METHODS if method in best}
    rows = []
    for name, decoding in decodings.items():
        scores = score_decoding(decoding, predictions, taxonomy, grid)
        del scores["decoding"]
        rows.append({"decoder": name} | scores)
    return rows


class _Search(NamedTuple):
    """What the searches of all methods share."""

    predictions: list
    taxonomy: object
    grid: object
    labels: list
    bar: tqdm

    def scores(self, decoding):
        """Scores of each task, and one step of the progress bar."""
        found = decoded_scores(decoding, *self[:3])
        self.bar.update()
        return found

    def best_of(self, decodings):
        """The first of the decodings with the greatest objective."""
        return max(decodings, key=lambda decoding: objective(self.scores(decoding)))


def _tune_threshold(search):
    """A threshold and a minimum duration for each label."""
    tried = [
        Decoding("threshold", thresholds=threshold, min_event_s=minimum_s)
        for minimum_s in MINIMA_S
        for threshold in THRESHOLDS
    ]
    best = _best_of_labels(search, tried)[0]
    return Decoding(
        "threshold",
        thresholds={label: decoding.thresholds for label, decoding in best.items()},
        min_event_s={label: decoding.min_event_s for label, decoding in best.items()},
    )


def _tune_median(search):
    """A width, and with it a threshold for each label."""
    found = []
    for median_s in MEDIANS_S:
        width = 2 * search.grid.frame_at(median_s / 2) + 1
        # Filtered once, for all thresholds.
        smooth = [
            prediction._replace(
                probabilities=tuple(median_filter(level, width) for level in prediction.probabilities)
            )
            for prediction in search.predictions
        ]
        tried = [Decoding("threshold", thresholds=threshold) for threshold in THRESHOLDS]
        best, value = _best_of_labels(search._replace(predictions=smooth), tried)
        thresholds = {label: decoding.thresholds for label, decoding in best.items()}
        found.append((value, Decoding("median", median_s=median_s, thresholds=thresholds)))
    return max(found, key=lambda pair: pair[0])[1]


def _tune_argmax(search):
    """A minimum duration, without which single frames would decide; offsets, and that duration again."""
    best = _with_offsets(search, _with_minimum(search, Decoding("argmax")))
    return _with_minimum(search, best)


def _tune_viterbi(search):
    """A switching cost, offsets, a finer switching cost, then a minimum duration."""
    best = search.best_of([Decoding("viterbi", switching_cost_s=cost_s) for cost_s in SWITCHING_COSTS_S])
    best = _with_offsets(search, best)
    for factors in REFINEMENTS:
        costs_s = (best.switching_cost_s, *(factor * best.switching_cost_s for factor in factors))
        best = search.best_of([replace(best, switching_cost_s=cost_s) for cost_s in costs_s])
    return _with_minimum(search, best)


def _with_minimum(search, best):
    """The decoding with the best minimum duration."""
    return search.best_of([replace(best, min_event_s=minimum_s) for minimum_s in MINIMA_S])


def _with_offsets(search, best):
    """The decoding with offsets of labels: time and again the move of one label that is best of all."""
    offsets, value = dict.fromkeys(search.labels, 0.0), objective(search.scores(best))
    steps = list(OFFSET_STEPS)
    for _ in range(OFFSET_MOVES):
        moves = [
            offsets | {label: offsets[label] + sign * step}
            for step in steps[:1]
            for label in offsets
            for sign in (1, -1)
        ]
        tried = [(objective(search.scores(replace(best, offsets=moved))), moved) for moved in moves]
        gained, moved = max(tried, key=lambda found: found[0], default=(0.0, None))
        if gained > value + LEAST_GAIN:
            value, offsets = gained, moved
        else:
            steps = steps[1:]
    return replace(best, offsets={label: offset for label, offset in offsets.items() if offset} or 0.0)


def _n_steps(method, n_labels):
    """How many decodings the search of a method tries at most."""
    n_offsets = 1 + 2 * OFFSET_MOVES * n_labels
    return {
        "threshold": len(MINIMA_S) * len(THRESHOLDS),
        "argmax": n_offsets + 2 * len(MINIMA_S),
        "median": len(MEDIANS_S) * len(THRESHOLDS),
        "viterbi": len(SWITCHING_COSTS_S) + n_offsets + 3 * len(REFINEMENTS) + len(MINIMA_S),
    }[method]


_SEARCHES = {
    "threshold": _tune_threshold,
    "argmax": _tune_argmax,
    "median": _tune_median,
    "viterbi": _tune_viterbi,
}


def _best_of_labels(search, decodings):
    """For each label the decoding with its greatest objective, mean over its tasks; and the mean of those."""
    tried = [(decoding, search.scores(decoding)) for decoding in decodings]
    best, values = {}, []
    for label in search.labels:

        def of_label(pair, label=label):
            """Mean objective of one class."""
            found = [
                class_objective(of_task, label)
                for of_task in pair[1]
                if label in of_task["segment"]["classes"]
            ]
            # Where there is no such class and none was found, nothing is wrong.
            return np.mean([1.0 if value is None else value for value in found])

        best[label] = max(tried, key=of_label)[0]
        values.append(max(map(of_label, tried)))
    return best, float(np.mean(values))
