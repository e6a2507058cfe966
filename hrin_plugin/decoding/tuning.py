"""Search for the best settings of each decoding method on annotated recordings.

It maximises :func:`hrin_plugin.decoding.scores.objective`.
"""

from typing import NamedTuple

from tqdm import tqdm

from hrin_plugin.decoding.decoders import METHODS, Decoding
from hrin_plugin.decoding.scores import score_decoding
from hrin_plugin.decoding.searches import Search, best_decoding, n_steps


class Tuning(NamedTuple):
    """Result of :func:`tune`.

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
        Sample rate and hop of the frames.
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
    >>> import numpy as np
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
    total = sum(n_steps(method, len(labels)) for method in methods)
    with tqdm(total=total, desc="decodings", unit="") as bar:
        search = Search(predictions, taxonomy, grid, labels, bar)
        best = {method: best_decoding(method, search) for method in methods}
        rows = {method: score_decoding(best[method], predictions, taxonomy, grid) for method in methods}
    ranked = sorted(methods, key=lambda method: -rows[method]["objective"])
    return Tuning({method: best[method] for method in ranked}, [rows[method] for method in ranked])


def compare(best, own, predictions, taxonomy, grid):
    """Score tuned and untuned decodings on other recordings.

    Arguments
    ---------
    best : dict of str to Decoding
        Result of :func:`tune` for each method.
    own : Decoding
        The model's own.
    predictions : sequence of Prediction
        Probabilities and references of recordings that were not used for tuning.
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Sample rate and hop of the frames.

    Returns
    -------
    list of dict
        One row for each decoding, ``decoder`` first, then as of
        :func:`hrin_plugin.decoding.scores.score_decoding`.

    Example
    -------
    >>> import numpy as np
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
