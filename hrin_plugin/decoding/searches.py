"""How the settings of each decoding method are searched: the values that are tried, and in which order."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.decoding.scores import class_objective, decoded_scores, objective
from hrin_plugin.decoding.smoothing import median_filter
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.timing import FrameGrid

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


class Search(NamedTuple):
    """State that the searches of all methods share.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> Search([], MUSIC_LOUDNESS, FrameGrid(), ["no-music", "music"], tqdm(disable=True)).grid.time_of(1)
    0.016
    """

    predictions: list  # of Prediction
    taxonomy: Taxonomy
    grid: FrameGrid
    labels: list  # of all levels, each once
    bar: tqdm

    def scores(self, decoding: Decoding) -> list[dict]:
        """Scores of each task, and one step of the progress bar."""
        found = decoded_scores(decoding, *self[:3])
        self.bar.update()
        return found

    def best_of(self, decodings: Iterable[Decoding]) -> Decoding:
        """The decoding with the greatest objective; the first one of equals."""
        return max(decodings, key=lambda decoding: objective(self.scores(decoding)))


def best_decoding(method: str, search: Search) -> Decoding:
    """The best decoding of a method on the recordings of a search.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.training.results import Prediction
    >>> truth = [Event(0.0, 2.0, "no-music")], [Event(0.0, 2.0, "no-music")]
    >>> probabilities = np.tile([0.3, 0.2], (126, 1)), np.tile([0.3, 0.2, 0.1], (126, 1))
    >>> labels = ["no-music", "music", "fg-music", "bg-music"]
    >>> recordings = [Prediction("a", 2.0, truth, probabilities)]
    >>> search = Search(recordings, MUSIC_LOUDNESS, FrameGrid(), labels, tqdm(disable=True))
    >>> best_decoding("threshold", search).thresholds["no-music"]
    0.3
    """
    return _SEARCHES[method](search)


def n_steps(method: str, n_labels: int) -> int:
    """Maximum number of decodings in the search of a method.

    Example
    -------
    >>> n_steps("threshold", 4)
    45
    """
    n_offsets = 1 + 2 * OFFSET_MOVES * n_labels
    return {
        "threshold": len(MINIMA_S) * len(THRESHOLDS),
        "argmax": n_offsets + 2 * len(MINIMA_S),
        "median": len(MEDIANS_S) * len(THRESHOLDS),
        "viterbi": len(SWITCHING_COSTS_S) + n_offsets + 3 * len(REFINEMENTS) + len(MINIMA_S),
    }[method]


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
    """Tune the minimum duration, then offsets, then the minimum duration again."""
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
    """Tune offsets by greedy coordinate search: repeat the best change of one label."""
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


_SEARCHES = {
    "threshold": _tune_threshold,
    "argmax": _tune_argmax,
    "median": _tune_median,
    "viterbi": _tune_viterbi,
}
