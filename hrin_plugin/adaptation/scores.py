"""What a model is worth on parts of annotated recordings, with intervals."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from hrin_plugin.adaptation.parts import Part
from hrin_plugin.detection import Detection
from hrin_plugin.events import events_to_frames
from hrin_plugin.metrics.bootstrap import bootstrap_interval
from hrin_plugin.metrics.scores import fast_scores
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.timing import FrameGrid

#: Accuracies are counted in hundredths of a second, and resampled by minutes, which are nearly independent.
GRID, MINUTE = FrameGrid(8000, 80), 6000


class Score(NamedTuple):
    """Accuracy of a level with a 90 % interval, and the macro event F-measure at a collar of 500 ms.

    Example
    -------
    >>> Score(0.9, (0.85, 0.94), 0.5).accuracy
    0.9
    """

    accuracy: float
    interval: tuple[float, float]
    event_f: float | None


def score_parts(
    parts: Sequence[Part], detect: Callable[[str], Detection], taxonomy: Taxonomy
) -> dict[str, Score]:
    """Score a detector on parts of recordings.

    Arguments
    ---------
    parts : sequence of Part
        The parts; the detector hears the whole of each recording.
    detect : callable
        Takes the path of a recording and returns what is found.
    taxonomy : Taxonomy
        The levels.

    Returns
    -------
    dict of str to Score
        For each level. The interval is of a bootstrap over minutes.

    Example
    -------
    >>> from hrin_plugin.archive.references import Reference
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> events = {"md": [Event(0.0, 60.0, "music")], "mrle": [Event(0.0, 60.0, "fg-music")]}
    >>> truth = Detection("a", 60.0, events)
    >>> score_parts([Part(Reference("a.wav", truth), 0.0, 60.0)], lambda path: truth, MUSIC_LOUDNESS)["md"]
    Score(accuracy=1.0, interval=(1.0, 1.0), event_f=1.0)
    """
    found = [detect(part.reference.path) for part in parts]
    scores = {}
    for level, labels in taxonomy.labels.items():
        truths = [part.clip(part.reference.detection.events[level]) for part in parts]
        results = [part.clip(each.events[level]) for part, each in zip(parts, found)]
        durations_s = [part.duration_s for part in parts]
        counts = np.concatenate([_by_minute(*each, labels) for each in zip(truths, results, durations_s)])
        right, total = counts.sum(axis=0)
        of_events = fast_scores(truths, results, durations_s, labels)["event"]["500ms_onset"]
        scores[level] = Score(
            float(right / total), bootstrap_interval(counts, _accuracy), of_events["macro_f_measure"]
        )
    return scores


def _accuracy(sums):
    return sums[..., 0] / sums[..., 1]


def _by_minute(truth, result, duration_s, labels):
    """Decisions that are right, and all, of each minute, ``[minute, 2]``.

    As sed_eval counts them: each frame is a decision for each class, and a wrong one is wrong for two.
    """
    n_frames = max(GRID.frame_at(duration_s), 1)
    wrong = np.not_equal(*(events_to_frames(events, labels, GRID, n_frames) for events in (truth, result)))
    starts = np.arange(0, n_frames, MINUTE)
    n_decisions = len(labels) * np.diff([*starts, n_frames])
    return np.stack([n_decisions - 2 * np.add.reduceat(wrong, starts), n_decisions], axis=1)
