"""Scores of events (paper, section V-E).

:func:`sed_eval_scores` uses `sed_eval`. :func:`fast_scores` gives the same numbers
some thousand times faster, for validation after each epoch. Both return plain
numbers, ready for JSON::

    {"segment": {"accuracy": 0.9, "macro_f_measure": 0.9, "classes": {"music": {...}, ...}},
     "event": {"500ms_onset": {"macro_f_measure": 0.4, "classes": {"music": {...}, ...}},
               "500ms_onset_offset": {...}, "1000ms_onset": {...}, "1000ms_onset_offset": {...}}}

where each class has ``precision``, ``recall``, ``f_measure`` and its counts under
`sed_eval`'s names: ``Nref``, ``Nsys``, ``Ntp``, ``Nfp``, ``Nfn`` and, for segments,
``Ntn``. No score is NaN: a class that neither reference nor estimate has is not
applicable, so its three scores are None and the macro mean leaves it out; a class
that only one of the two has scores 0.
"""

from collections.abc import Iterable

import numpy as np
from tqdm import tqdm

from hrin_plugin.metrics.counts import Counts, align, count_events, count_segments
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

#: Tolerances of event onsets and offsets in seconds (paper, section V-E).
COLLARS_S = (0.5, 1.0)


def fast_scores(references, estimates, durations_s, labels, collars=COLLARS_S):
    """Segment-level and event-level scores of a set of files, counted by this package.

    Arguments
    ---------
    references : sequence of sequence of Event
        The true events of each file.
    estimates : sequence of sequence of Event
        The detected events of the same files, in the same order of files. Everything
        after the end of a recording is ignored.
    durations_s : sequence of float
        Length of each recording in seconds.
    labels : sequence of str
        The classes.
    collars : sequence of float
        Tolerances of the event level in seconds.

    Returns
    -------
    dict
        See the top of this module.

    Raises
    ------
    ValueError
        If the events cannot be scored (see :func:`hrin_plugin.metrics.counts.align`), or a
        collar is not a positive number.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> reference = [Event(0.0, 2.0, "no-music"), Event(2.0, 4.0, "music")]
    >>> estimate = [Event(0.0, 2.4, "no-music"), Event(2.4, 4.0, "music")]
    >>> scores = fast_scores([reference], [estimate], [4.0], ["no-music", "music"])
    >>> scores["segment"]["accuracy"], scores["event"]["500ms_onset"]["classes"]["music"]["f_measure"]
    (0.9, 1.0)
    """
    alignment = align(references, estimates, durations_s, labels)
    event_counts = [count_events(alignment, *setting) for setting in _event_settings(collars)]
    return _scores(count_segments(alignment), event_counts, labels, collars)


def sed_eval_scores(references, estimates, durations_s, labels, collars=COLLARS_S):
    """Segment-level and event-level scores of a set of files, counted by `sed_eval`.

    Segments are passed to `sed_eval` by their number, with segments of "1 second",
    because its own conversion of seconds is inexact (see :mod:`hrin_plugin.metrics.counts`).
    Its defaults are kept: optimal matching, and an offset may be off by half the
    event's length where that is more than the collar.

    Arguments
    ---------
    references : sequence of sequence of Event
        The true events of each file.
    estimates : sequence of sequence of Event
        The detected events of the same files, in the same order of files. Everything
        after the end of a recording is ignored.
    durations_s : sequence of float
        Length of each recording in seconds.
    labels : sequence of str
        The classes.
    collars : sequence of float
        Tolerances of the event level in seconds.

    Returns
    -------
    dict
        See the top of this module.

    Raises
    ------
    ValueError
        If the events cannot be scored (see :func:`hrin_plugin.metrics.counts.align`), or a
        collar is not a positive number.
    ImportError
        If `sed_eval` cannot be imported; it needs a setuptools older than 81.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> reference = [Event(0.0, 2.0, "no-music"), Event(2.0, 4.0, "music")]
    >>> scores = sed_eval_scores([reference], [reference[:1]], [4.0], ["no-music", "music"])
    >>> scores["segment"]["accuracy"], scores["event"]["500ms_onset"]["macro_f_measure"]
    (0.75, 0.5)
    """
    try:
        from sed_eval.sound_event import EventBasedMetrics, SegmentBasedMetrics
    except ImportError as error:
        raise ImportError(
            f"sed_eval cannot be imported ({error}); install sed_eval and 'setuptools<81', "
            "or use fast_scores, which gives the same numbers"
        ) from error

    alignment = align(references, estimates, durations_s, labels)
    # Classes go by their number: sed_eval strips names, and takes "none" for no label.
    classes = [str(index) for index in range(len(labels))]
    segment = SegmentBasedMetrics(classes, time_resolution=1.0)
    event = [
        EventBasedMetrics(classes, evaluate_offset=with_offset, t_collar=collar_s)
        for collar_s, with_offset in _event_settings(collars)
    ]
    for file, n_segments in enumerate(tqdm(alignment.n_segments.tolist(), "sed_eval", unit="file", delay=3)):
        tracks = [_of_file(track, file) for track in alignment[:2]]
        by_number = [_sed_eval_events(track.label, track.first, track.end) for track in tracks]
        segment.evaluate(*by_number, evaluated_length_seconds=n_segments)
        in_seconds = [_sed_eval_events(track.label, track.onset_s, track.offset_s) for track in tracks]
        for metric in event:
            metric.evaluate(*in_seconds)

    segment_counts = _sed_eval_counts(segment, classes, Counts._fields)
    event_counts = [_sed_eval_counts(metric, classes, Counts._fields[:-1]) for metric in event]
    return _scores(segment_counts, event_counts, labels, collars)


def _event_settings(collars):
    """Each collar without and with offsets: ``(collar_s, with_offset)``."""
    for collar_s in collars:
        if not 0 < collar_s < float("inf"):
            raise ValueError(f"collar {collar_s} is not a positive number; give seconds")
    return [(float(collar_s), with_offset) for collar_s in collars for with_offset in (False, True)]


def _of_file(track, file):
    """The events of one file, as a Track."""
    return type(track)(*(column[track.file == file] for column in track))


def _sed_eval_events(label, onset, offset):
    """Columns as the list of dicts that `sed_eval` reads."""
    return [
        {"event_label": str(index), "event_onset": float(start), "event_offset": float(end)}
        for index, start, end in zip(label, onset, offset)
    ]


def _sed_eval_counts(metric, classes, fields):
    """The counts of `sed_eval`, as Counts."""
    return Counts(*(np.array([int(metric.class_wise[name][field]) for name in classes]) for field in fields))


def _scores(segment_counts, event_counts, labels, collars):
    """The dict described at the top of this module."""
    right = segment_counts.Ntp.sum() + segment_counts.Ntn.sum()
    wrong = segment_counts.Nfp.sum() + segment_counts.Nfn.sum()
    names = [
        f"{collar_s * 1000:g}ms_onset{'_offset' * with_offset}"
        for collar_s, with_offset in _event_settings(collars)
    ]
    return {
        "segment": {"accuracy": float(right / (right + wrong)), **_level(segment_counts, labels)},
        "event": {name: _level(counts, labels) for name, counts in zip(names, event_counts)},
    }


def _level(counts, labels):
    """Scores of every class and their macro mean."""
    classes = {}
    for index, label in enumerate(labels):
        of_class = {
            name: int(count[index]) for name, count in zip(counts._fields, counts) if count is not None
        }
        classes[label] = {**_class_scores(of_class), **of_class}
    f_measures = [scores["f_measure"] for scores in classes.values() if scores["f_measure"] is not None]
    macro = float(np.mean(f_measures)) if f_measures else None
    return {"macro_f_measure": macro, "classes": classes}


def _class_scores(count):
    """Precision, recall and F-measure (eq. 25 to 27), also where a denominator is 0."""
    if not count["Nref"] and not count["Nsys"]:
        return {"precision": None, "recall": None, "f_measure": None}
    precision = count["Ntp"] / count["Nsys"] if count["Nsys"] else 0.0
    recall = count["Ntp"] / count["Nref"] if count["Nref"] else 0.0
    f_measure = 2 * precision * recall / (precision + recall) if count["Ntp"] else 0.0
    return {"precision": precision, "recall": recall, "f_measure": f_measure}


def format_scores(scores_md: dict, scores_mrle: dict) -> str:
    """Scores of both levels as text, with the columns of the paper's Tables I and II.

    Arguments
    ---------
    scores_md : dict
        Scores of the upper level, from :func:`fast_scores` or :func:`sed_eval_scores`.
    scores_mrle : dict
        Scores of the lower level.

    Returns
    -------
    str
        Two tables; ``-`` marks scores that are not applicable.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> events = [[Event(0.0, 2.0, "music")]]
    >>> scores = fast_scores(events, events, [2.0], ["no-music", "music"])
    >>> print(format_scores(scores, scores).split("\\n\\n")[0])
    Music detection
       Acc  music_F  no-music_F  music_F_500_on  no-music_F_500_on
    1.0000   1.0000           -          1.0000                  -
    """
    return "\n\n".join((format_level("md", scores_md), format_level("mrle", scores_mrle)))


def format_level(level: str, scores: dict) -> str:
    """Scores of one level as text.

    Arguments
    ---------
    level : str
        Its name: of music and its loudness, the task is the title.
    scores : dict
        From :func:`fast_scores` or :func:`sed_eval_scores`.

    Returns
    -------
    str
        A title, names and values; ``-`` marks scores that are not applicable.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> events = [[Event(0.0, 2.0, "dog")]]
    >>> print(format_level("mrle", fast_scores(events, events, [2.0], ["dog"])))
    Level mrle
       Acc   dog_F  dog_F_500_on
    1.0000  1.0000        1.0000
    """
    return f"{_title(level, scores['segment']['classes'])}\n{_table(scores)}"


def _title(level: str, labels: Iterable[str]) -> str:
    """Title of the level with these classes."""
    known = set(labels) == set(MUSIC_LOUDNESS.labels.get(level, ()))
    titles = {"md": "Music detection", "mrle": "Music relative loudness estimation"}
    return titles[level] if known else f"Level {level}"


def _table(scores):
    """Names over values, right-aligned."""
    segment = scores["segment"]["classes"]
    event = scores["event"].get("500ms_onset", {}).get("classes", {})
    first, *others = segment
    in_paper_order = [*others, first]  # no-music comes last
    columns = {"Acc": scores["segment"]["accuracy"]}
    columns |= {f"{label}_F": segment[label]["f_measure"] for label in in_paper_order}
    columns |= {f"{label}_F_500_on": event.get(label, {}).get("f_measure") for label in in_paper_order}
    texts = {name: "-" if value is None else f"{value:.4f}" for name, value in columns.items()}
    widths = {name: max(len(name), len(text)) for name, text in texts.items()}
    names = "  ".join(name.rjust(widths[name]) for name in texts)
    values = "  ".join(text.rjust(widths[name]) for name, text in texts.items())
    return f"{names}\n{values}"
