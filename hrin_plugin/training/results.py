"""Results on a test set: predicted events and scores (paper, V-C and V-E)."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrin_plugin.decoding import Decoding, decode_events
from hrin_plugin.detection import TASKS
from hrin_plugin.events import write_tsv
from hrin_plugin.files import write_atomically
from hrin_plugin.hierarchy.violations import violation_rates
from hrin_plugin.metrics.scores import sed_eval_scores

#: How the paper decides (section V-C): every class on its own, by a threshold of 0.5.
PAPERS = Decoding("threshold")


class Prediction(NamedTuple):
    """Predicted probabilities and reference events of one recording.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> prediction = Prediction("a", 0.016, ([Event(0.0, 0.016, "music")],), (np.array([[0.2, 0.8]]),))
    >>> prediction.probabilities[0].shape
    (1, 2)
    """

    name: str
    duration_s: float
    references: tuple  # for each level a list of Event
    probabilities: tuple  # for each level an array, [frame, class]


def decode(predictions, taxonomy, grid):
    """Events of every recording and level, by the paper's threshold of 0.5.

    Arguments
    ---------
    predictions : sequence of Prediction
        The recordings.
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Sample rate and hop of the frames.

    Returns
    -------
    list of list of list of Event
        For each level, for each recording, its events.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.timing import FrameGrid
    >>> probabilities = (np.array([[0.9, 0.1]]), np.array([[0.9, 0.1, 0.1]]))
    >>> decode([Prediction("a", 0.016, ([], []), probabilities)], MUSIC_LOUDNESS, FrameGrid())
    [[[Event(... label='no-music')]], [[Event(... label='no-music')]]]
    """
    found = [
        decode_events(PAPERS, prediction.probabilities, taxonomy, grid, prediction.duration_s)
        for prediction in predictions
    ]
    return [[events[level] for events in found] for level in range(len(taxonomy.levels))]


def score(predictions, taxonomy, grid, scorer=sed_eval_scores):
    """Scores of both tasks, and the rate of hierarchy violations.

    Arguments
    ---------
    predictions : sequence of Prediction
        The recordings.
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Sample rate and hop of the frames.
    scorer : callable
        :func:`hrin_plugin.metrics.scores.sed_eval_scores`, or its faster equal
        :func:`hrin_plugin.metrics.scores.fast_scores`.

    Returns
    -------
    dict
        ``md`` and ``mrle`` as the scorer gives them, and ``violations``.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.timing import FrameGrid
    >>> silence = [Event(0.0, 0.032, "no-music")]
    >>> probabilities = (np.array([[0.9, 0.1]] * 2), np.array([[0.9, 0.1, 0.1]] * 2))
    >>> prediction = Prediction("a", 0.032, (silence, silence), probabilities)
    >>> scores = score([prediction], MUSIC_LOUDNESS, FrameGrid())
    >>> scores["md"]["segment"]["accuracy"]
    1.0
    """
    durations_s = [prediction.duration_s for prediction in predictions]
    scores = {}
    for level, (task, estimates) in enumerate(zip(TASKS, decode(predictions, taxonomy, grid), strict=True)):
        references = [prediction.references[level] for prediction in predictions]
        scores[task] = scorer(references, estimates, durations_s, taxonomy.levels[level])
    frames = [
        np.concatenate([prediction.probabilities[level] for prediction in predictions])
        for level in range(len(taxonomy.levels))
    ]
    scores["violations"] = violation_rates(frames, taxonomy)._asdict()
    return scores


def write_predictions(folder, predictions, taxonomy, grid):
    """Write the predicted events of both tasks, ``<folder>/<task>/<name>.tsv`` for each recording.

    Names may hold folders, with forward slashes.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder, made where it is missing.
    predictions : sequence of Prediction
        The recordings.
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Sample rate and hop of the frames.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.timing import FrameGrid
    >>> folder = getfixture("tmp_path")
    >>> probabilities = (np.array([[0.9, 0.1]]), np.array([[0.9, 0.1, 0.1]]))
    >>> prediction = Prediction("a", 0.016, ([], []), probabilities)
    >>> write_predictions(folder, [prediction], MUSIC_LOUDNESS, FrameGrid())
    >>> sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.tsv"))
    ['md/a.tsv', 'mrle/a.tsv']
    """
    for task, recordings in zip(TASKS, decode(predictions, taxonomy, grid), strict=True):
        for prediction, events in zip(predictions, recordings):
            path = Path(folder, task, f"{prediction.name}.tsv")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tsv(path, events)


def write_results(path, scores, settings):
    """Write scores and their settings as JSON.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.
    scores : dict
        As :func:`score` returns them.
    settings : dict
        Identity of the run: experiment, fold, seed.

    Example
    -------
    >>> path = getfixture("tmp_path") / "results.json"
    >>> write_results(path, {"md": {}}, {"fold": 0})
    >>> json.loads(path.read_text())
    {'settings': {'fold': 0}, 'scores': {'md': {}}}
    """
    text = json.dumps({"settings": settings, "scores": scores}, indent=2, allow_nan=False)
    write_atomically(path, text + "\n")
