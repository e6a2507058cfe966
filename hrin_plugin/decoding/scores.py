"""Scores of a decoding on annotated recordings, as one number and as a table."""

import numpy as np

from hrin_plugin.decoding.decoders import decode_events
from hrin_plugin.metrics.scores import fast_scores

#: Tolerance of onsets in seconds, and what the scores call it.
COLLAR_S, EVENTS = 0.5, "500ms_onset"


def decoded_scores(decoding, predictions, taxonomy, grid):
    """Scores of the events of one decoding, as :func:`hrin_plugin.metrics.scores.fast_scores` gives them.

    Arguments
    ---------
    decoding : Decoding
        The decoding method and its settings.
    predictions : sequence of Prediction
        Probabilities and references; see :class:`hrin_plugin.training.results.Prediction`.
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Sample rate and hop of the frames.

    Returns
    -------
    list of dict
        One for each task.

    Example
    -------
    >>> from hrin_plugin.decoding.decoders import Decoding
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.training.results import Prediction
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.timing import FrameGrid
    >>> truth = [Event(0.0, 2.0, "music")], [Event(0.0, 2.0, "bg-music")]
    >>> probabilities = np.tile([0.1, 0.9], (126, 1)), np.tile([0.1, 0.2, 0.7], (126, 1))
    >>> recordings = [Prediction("a", 2.0, truth, probabilities)]
    >>> of_md, _ = decoded_scores(Decoding("argmax"), recordings, MUSIC_LOUDNESS, FrameGrid())
    >>> of_md["segment"]["accuracy"]
    1.0
    """
    estimates = [
        decode_events(decoding, prediction.probabilities, taxonomy, grid, prediction.duration_s)
        for prediction in predictions
    ]
    durations_s = [prediction.duration_s for prediction in predictions]
    return [
        fast_scores(
            [prediction.references[level] for prediction in predictions],
            [events[level] for events in estimates],
            durations_s,
            labels,
            (COLLAR_S,),
        )
        for level, labels in enumerate(taxonomy.levels)
    ]


def score_decoding(decoding, predictions, taxonomy, grid):
    """Scores of one decoding.

    Arguments
    ---------
    decoding : Decoding
        The decoding method and its settings.
    predictions : sequence of Prediction
        Probabilities and references.
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Sample rate and hop of the frames.

    Returns
    -------
    dict
        ``decoding`` in words; ``objective``; then for each task its accuracy, and the
        F-measures of its classes for segments (``... F``) and events (``... event
        F``), None for a class that is absent.

    Example
    -------
    >>> from hrin_plugin.decoding.decoders import Decoding
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.training.results import Prediction
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.timing import FrameGrid
    >>> truth = [Event(0.0, 2.0, "music")], [Event(0.0, 2.0, "bg-music")]
    >>> probabilities = np.tile([0.1, 0.9], (126, 1)), np.tile([0.1, 0.2, 0.7], (126, 1))
    >>> recordings = [Prediction("a", 2.0, truth, probabilities)]
    >>> score_decoding(Decoding("argmax"), recordings, MUSIC_LOUDNESS, FrameGrid())["objective"]
    1.0
    """
    scores = decoded_scores(decoding, predictions, taxonomy, grid)
    row = {"decoding": str(decoding), "objective": objective(scores)}
    for task, of_task in zip(taxonomy.level_names, scores):
        row[f"{task} accuracy"] = of_task["segment"]["accuracy"]
        for suffix, of_kind in (("F", of_task["segment"]), ("event F", of_task["event"][EVENTS])):
            classes = of_kind["classes"].items()
            row |= {f"{task} {label} {suffix}": scored["f_measure"] for label, scored in classes}
    return row


def objective(scores):
    """The mean over the tasks, over each task's classes, of the mean of segment F and event F.

    Segments are of 10 ms, events count by their onsets within 500 ms. A class that
    neither the references nor the estimates have is left out.

    Arguments
    ---------
    scores : sequence of dict
        For each task, what :func:`hrin_plugin.metrics.scores.fast_scores` returns.

    Returns
    -------
    float
        0 to 1; 0 if no class is there.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> truth, late = [[Event(0.0, 2.0, "music")]], [[Event(1.0, 2.0, "music")]]
    >>> round(objective([fast_scores(truth, late, [2.0], ["music"])]), 4)  # segments 2/3, events 0
    0.3333
    """
    tasks = []
    for of_task in scores:
        values = [class_objective(of_task, label) for label in of_task["segment"]["classes"]]
        tasks += [np.mean([value for value in values if value is not None] or [0.0])]
    return float(np.mean(tasks))


def class_objective(scores, label):
    """The mean of a class's segment F and event F.

    Arguments
    ---------
    scores : dict
        A task's.
    label : str
        The class.

    Returns
    -------
    float or None
        0 to 1; None if neither the references nor the estimates have the class.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> truth, late = [[Event(0.0, 2.0, "music")]], [[Event(1.0, 2.0, "music")]]
    >>> round(class_objective(fast_scores(truth, late, [2.0], ["music"]), "music"), 4)
    0.3333
    """
    of_class = [
        level["classes"][label]["f_measure"] for level in (scores["segment"], scores["event"][EVENTS])
    ]
    return None if None in of_class else sum(of_class) / 2


def format_table(rows):
    """Rows of scores as one table, for the terminal and for Markdown.

    Arguments
    ---------
    rows : sequence of dict
        Texts and scores by column, such as those of :func:`score_decoding`; all of
        the same columns.

    Returns
    -------
    str
        A Markdown table, its columns aligned; ``-`` stands for None.

    Example
    -------
    >>> print(format_table([{"decoding": "argmax", "music F": 0.5}, {"decoding": "median", "music F": None}]))
    | decoding | music F |
    | :------- | ------: |
    | argmax   |  0.5000 |
    | median   |       - |
    """
    header = list(rows[0])
    numeric = [not isinstance(value, str) for value in rows[0].values()]
    cells = [[_cell(row[name]) for name in header] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells)]
    rule = [
        "-" * (width - 1) + ":" if right else ":" + "-" * (width - 1) for width, right in zip(widths, numeric)
    ]
    lines = [
        [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric)
        ]
        for line in (header, rule, *cells)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value):
    """A text or a score."""
    if isinstance(value, str):
        return value
    return "-" if value is None else f"{value:.4f}"
