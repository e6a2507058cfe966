"""Measures a model's errors on annotated recordings of many kinds; intervals and confidences follow.

The recordings of a kind (a station, or mixes of the same recordings and settings) have errors in common, so
intervals go by the spread between kinds. ``docs/report.md`` has the equation.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hrin_plugin.decoding.certainty import Calibration, Findings
from hrin_plugin.decoding.decoders import EventDecoder
from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.detection import Detection, Spread
from hrin_plugin.timing import FrameGrid
from hrin_plugin.totals import segments_of

#: Fewest kinds that tell a 90 % interval: in 20, one is expected below it and one above.
FEWEST_KINDS = 19


class Heard(NamedTuple):
    """An annotated recording, and what was found in it without any calibration.

    Example
    -------
    >>> Heard(Detection("a", 3.0, {}), Detection("a", 3.0, {})).found.name
    'a'
    """

    truth: Detection
    found: Detection


def heard_with(
    truth: Detection, probabilities: Sequence[np.ndarray], decoding: Decoding, grid: FrameGrid
) -> Heard:
    """A recording decided on its probabilities, ``[frame, class]`` of each level of the truth's taxonomy.

    Example
    -------
    >>> levels = [np.full((63, 2), [0.2, 0.8]), np.full((63, 3), [0.1, 0.2, 0.7])]
    >>> heard = heard_with(Detection("a", 1.0, {}), levels, Decoding("argmax"), FrameGrid())
    >>> heard.found.confidences
    {'md': (0.8,), 'mrle': (0.7,)}
    """
    decoder, findings = EventDecoder(decoding, truth.taxonomy, grid), Findings(truth.taxonomy, grid)
    findings.add(probabilities, decoder.push(probabilities), decoder.means)
    findings.add(None, decoder.finish(truth.duration_s), decoder.means)
    return Heard(truth, findings.detection(truth.name, truth.duration_s))


def kind_of(name: str) -> str:
    """Kind of a recording by its name: its first folder; without one it is a kind of its own.

    Example
    -------
    >>> kind_of("oe1/2026/06h"), kind_of("06h")
    ('oe1', '06h')
    """
    return name.partition("/")[0]


def check_kinds(kinds: Collection[str]) -> None:
    """Raise ValueError where recordings are of too few kinds.

    Example
    -------
    >>> check_kinds({"oe1"})
    Traceback (most recent call last):
    ...
    ValueError: recordings of 1 kind tell no interval; give 19 kinds or more, each in a folder of its own
    """
    if len(kinds) < FEWEST_KINDS:
        number = f"{len(kinds)} kind{'s' * (len(kinds) != 1)}"
        raise ValueError(
            f"recordings of {number} tell no interval; give {FEWEST_KINDS} kinds or more, "
            "each in a folder of its own"
        )


class Sums(NamedTuple):
    """A class's true and found time, its doubt and the length, each in seconds; numbers or arrays.

    Example
    -------
    >>> Sums(60.0, 50.0, 4.0, 600.0).error
    10.0
    """

    true: float | np.ndarray
    found: float | np.ndarray
    doubt: float | np.ndarray
    of_s: float | np.ndarray

    @property
    def error(self):
        """The true time less the found one."""
        return self.true - self.found


def measure(
    kinds: Mapping[str, Sequence[Heard]], about: Mapping[str, object], level: float = 0.9
) -> Calibration:
    """The errors of a model.

    Arguments
    ---------
    kinds : mapping of str to sequence of Heard
        Recordings of each kind, by its name.
    about : mapping
        What the recordings are; goes into the file.
    level : float
        Confidence of the intervals.

    Returns
    -------
    Calibration
        For each class of each level that all recordings have.

    Raises
    ------
    ValueError
        If there are fewer than FEWEST_KINDS kinds.

    Example
    -------
    >>> measure({"oe1": []}, {})
    Traceback (most recent call last):
    ...
    ValueError: recordings of 1 kind tell no interval; give 19 kinds or more, each in a folder of its own
    """
    check_kinds(kinds)
    taxonomy = next(each for of_kind in kinds.values() for each in of_kind).found.taxonomy
    spreads, lines = {}, {}
    for name, labels in taxonomy.labels.items():
        spreads[name] = {label: _spread(kinds, name, label, level) for label in labels}
        lines[name] = {label: _line(kinds, name, label) for label in labels}
    n_recordings = sum(map(len, kinds.values()))
    hours = sum(each.found.duration_s for of_kind in kinds.values() for each in of_kind) / 3600
    facts = {"kinds": len(kinds), "recordings": n_recordings, "hours": round(hours, 1)}
    return Calibration(lines, spreads, level, {**facts, **about})


def sums_of(heard: Heard, level: str, label: str) -> Sums:
    """The times of a class in one recording.

    Example
    -------
    >>> from hrin_plugin.detection import Certainty
    >>> from hrin_plugin.events import Event
    >>> truth = Detection("a", 3.0, {"md": [Event(0.0, 2.0, "music")]})
    >>> found = Detection("a", 3.0, {"md": []}, certainty=Certainty({"md": {"music": (0.5,)}}))
    >>> sums_of(Heard(truth, found), "md", "music")
    Sums(true=2.0, found=0.0, doubt=0.5, of_s=3.0)
    """
    times = [_seconds(each.events[level], label, heard.found.duration_s) for each in heard]
    return Sums(*times, sum(heard.found.certainty.doubts[level][label]), heard.found.duration_s)


def judged(heard: Heard, level: str, label: str) -> list[tuple[float, float, float]]:
    """Confidence, right share and seconds of each event of a class.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> truth = Detection("a", 4.0, {"md": [Event(0.0, 3.0, "music")]})
    >>> found = Detection("a", 4.0, {"md": [Event(0.0, 4.0, "music")]}, confidences={"md": (0.9,)})
    >>> judged(Heard(truth, found), "md", "music")
    [(0.9, 0.75, 4.0)]
    """
    spans = segments_of(heard.truth.events[level], heard.found.duration_s).get(label, [])
    rows = []
    for event, confidence in zip(heard.found.events[level], heard.found.confidences[level]):
        if event.label == label:
            onset, offset = 1000 * event.onset_s, 1000 * event.offset_s
            shared = sum(max(min(offset, end) - max(onset, begin), 0) for begin, end in spans)
            rows.append((confidence, shared / (offset - onset), (offset - onset) / 1000))
    return rows


def _seconds(events, label, duration_s):
    """Time of a class."""
    spans = segments_of(events, duration_s).get(label, [])
    return sum(end - begin for begin, end in spans) / 1000


def _spread(kinds, level, label, confidence):
    """The Spread of a class: chance from the recordings of each kind, the rest from the kinds as wholes."""
    from scipy.optimize import minimize

    singles = [[sums_of(each, level, label) for each in of_kind] for of_kind in kinds.values()]
    whole = Sums(*np.array([np.sum(each, axis=0) for each in singles]).T)
    chance = _chance([Sums(*np.array(each).T) for each in singles])

    def loss(parameters):
        """Twice the negative logarithm of the likelihood, but for a constant."""
        bias, (doubt, share) = parameters[0], np.exp(parameters[1:])
        variance = _variance(whole, doubt, chance, share) + 1e-6
        return np.sum(np.log(variance) + (whole.error - bias * whole.doubt) ** 2 / variance)

    best = minimize(loss, [0.0, 0.0, -4.0], method="Nelder-Mead", options={"maxiter": 8000, "maxfev": 8000})
    bias, (doubt, share) = float(best.x[0]), np.exp(best.x[1:]).tolist()
    scale = np.sqrt(_variance(whole, doubt, chance, share) + 1e-6)
    rest = np.sort((whole.error - bias * whole.doubt) / scale)
    # So many lie outside on either side, of one more than there are.
    place = max(math.floor((len(rest) + 1) * (1 - confidence) / 2), 1)
    low, high = float(rest[place - 1]), float(rest[-place])
    return Spread(*(round(each, 5) for each in (bias, doubt, chance, share, low, high)))


def _chance(singles):
    """Variance for each second of doubt of what differs between recordings of a kind, in seconds."""
    squares = freedom = 0.0
    for each in singles:
        in_all = each.doubt.sum()
        if len(each.doubt) > 1 and in_all:
            part = each.doubt / in_all
            squares += np.sum((each.error - each.error.sum() * part) ** 2)
            freedom += np.sum(each.doubt * (1 - part))
    return float(squares / freedom) if freedom else 0.0


def _variance(sums, doubt, chance, share):
    """Variance of the errors, as of Spread.interval."""
    return (doubt * sums.doubt) ** 2 + chance * sums.doubt + (share * sums.of_s) ** 2


def _line(kinds, level, label):
    """Base and slope of the log-odds of an event's right share on those of its mean probability."""
    from scipy.optimize import minimize
    from scipy.special import expit, logit

    rows = [row for of_kind in kinds.values() for each in of_kind for row in judged(each, level, label)]
    if not rows:
        return 0.0, 1.0
    mean, right, seconds = np.array(rows).T
    odds, weights = logit(np.clip(mean, 0.001, 0.999)), seconds / seconds.mean()

    def loss(line):
        """Cross-entropy of the right shares; a weak pull towards the mean probability itself."""
        sure = np.clip(expit(line[0] + line[1] * odds), 1e-6, 1 - 1e-6)
        entropy = -np.sum(weights * (right * np.log(sure) + (1 - right) * np.log(1 - sure)))
        return entropy + line[0] ** 2 + (line[1] - 1) ** 2

    best = minimize(loss, [0.0, 1.0], bounds=[(-5, 5), (0.05, 3)])
    return tuple(round(float(each), 4) for each in best.x)
