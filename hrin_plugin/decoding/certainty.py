"""How sure events and totals are: confidences of events, doubt of each minute, and a model's measured errors.

A model's errors on annotated recordings are measured once (:mod:`hrin_plugin.decoding.errors`) and lie in
``certainty.json`` beside it. The confidence of an event follows from the mean probability of its class; the
file has how often such events were right.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrin_plugin.detection import (
    CERTAINTY_FILE,
    Certainty,
    Detection,
    Spread,
    finite,
    parse_spreads,
    plain_spreads,
)
from hrin_plugin.files import write_atomically
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.timing import FrameGrid

#: Version of its layout.
VERSION = 1
#: Probabilities are taken to be no closer to 0 and 1 than this, and confidences are rounded to it.
_LEAST = 0.001
MINUTE_S = 60


class Calibration(NamedTuple):
    """A model's errors, as they were measured on annotated recordings.

    Example
    -------
    >>> calibration = Calibration({"md": {"music": (-1.0, 0.5)}}, {})
    >>> calibration.confidence("md", "music", 0.9), Calibration().confidence("md", "music", 0.9)
    (0.525, 0.9)
    """

    lines: Mapping[str, Mapping[str, tuple[float, float]]] = {}  # level to label to a line on the log-odds
    spreads: Mapping[str, Mapping[str, Spread]] = {}  # level to label
    level: float = 0.9  # confidence of the intervals
    about: Mapping[str, object] = {}  # what it was measured on, and how

    def confidence(self, level: str, label: str, mean: float) -> float:
        """Confidence of an event from its class's mean probability; that itself without measurements."""
        mean = min(max(mean, _LEAST), 1 - _LEAST)
        base, slope = self.lines.get(level, {}).get(label, (0.0, 1.0))
        return round(1 / (1 + math.exp(-base - slope * math.log(mean / (1 - mean)))), 3)

    def to_dict(self) -> dict:
        """The content of the file.

        Example
        -------
        >>> Calibration.from_dict(Calibration({"md": {"music": (0.0, 1.0)}}).to_dict()).lines
        {'md': {'music': (0.0, 1.0)}}
        """
        return {
            "format": "hrin certainty",
            "version": VERSION,
            "level": self.level,
            "confidence": {level: {k: list(v) for k, v in of.items()} for level, of in self.lines.items()},
            "spreads": plain_spreads(self.spreads),
            "about": dict(self.about),
        }

    @classmethod
    def from_dict(cls, content: Mapping) -> "Calibration":
        """The errors from the content of the file; raises ValueError where it is none."""
        try:
            if content["format"] != "hrin certainty" or content["version"] != VERSION:
                raise ValueError(f"is no certainty of version {VERSION}")
            lines = {
                level: {label: tuple(finite(*line, n=2)) for label, line in of.items()}
                for level, of in content["confidence"].items()
            }
            return cls(lines, parse_spreads(content["spreads"]), *finite(content["level"]), content["about"])
        except (AttributeError, KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"holds no certainty of a model ({type(error).__name__}: {error})") from None


def read_certainty(folder: str | Path) -> Calibration:
    """The measured errors of the model in a folder; nothing is known where it has none.

    Arguments
    ---------
    folder : str or pathlib.Path
        The model's folder.

    Returns
    -------
    Calibration
        Empty without the file.

    Raises
    ------
    ValueError
        If the file is damaged.

    Example
    -------
    >>> read_certainty("none").spreads
    {}
    """
    path = Path(folder) / CERTAINTY_FILE
    if not path.is_file():
        return Calibration()
    try:
        return Calibration.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}; measure again with hrin tune --certainty") from None


def write_certainty(path: str | Path, calibration: Calibration) -> None:
    """Write measured errors, atomically; beside a model the file is called ``certainty.json``.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> write_certainty(folder / "certainty.json", Calibration(about={"recordings": 3}))
    >>> read_certainty(folder).about
    {'recordings': 3}
    """
    write_atomically(path, json.dumps(calibration.to_dict(), indent=1) + "\n")


class FrameSums:
    """Sums of the probabilities of decided frames, of the last ones only, so that memory stays bounded.

    Example
    -------
    >>> sums = FrameSums()
    >>> sums.hear([np.array([[0.25, 0.75], [0.5, 0.5]])])
    >>> sums.decide(2)
    >>> [level.tolist() for level in sums.before(2)]
    [[0.75, 1.25]]
    """

    def __init__(self):
        #: Frames before those decided last whose sums may still be asked for.
        self.reach = 0
        self._waiting, self._sums, self._first = None, None, 0

    def hear(self, levels: Sequence[np.ndarray]) -> None:
        """Take the next frames' probabilities, ``[frame, class]`` of each level."""
        if self._waiting is not None:
            levels = [np.concatenate(pair) for pair in zip(self._waiting, levels)]
        self._waiting = list(levels)

    def decide(self, n_frames: int) -> None:
        """So many of the frames are decided now."""
        new = [level[:n_frames] for level in self._waiting]
        self._waiting = [level[n_frames:] for level in self._waiting]
        if self._sums is None:
            self._sums = [np.zeros((1, level.shape[1])) for level in new]
        dropped = max(len(self._sums[0]) - 1 - self.reach, 0)
        self._first += dropped
        self._sums = [
            np.concatenate([sums[dropped:], sums[-1] + np.cumsum(level, axis=0, dtype=float)])
            for sums, level in zip(self._sums, new)
        ]

    def before(self, frame: int) -> list[np.ndarray]:
        """Sums of each class before a decided frame, ``[class]`` of each level."""
        if not frame:  # a recording may have one long first event
            return [np.zeros(sums.shape[1]) for sums in self._sums]
        return [sums[frame - self._first] for sums in self._sums]


class Findings:
    """What is found in one recording, gathered as it comes and made a Detection.

    Arguments
    ---------
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Sample rate and hop of the frames.
    calibration : Calibration
        The model's measured errors.

    Example
    -------
    >>> from hrin_plugin.decoding.decoders import EventDecoder
    >>> from hrin_plugin.decoding.methods import Decoding
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> model = MUSIC_LOUDNESS, FrameGrid()
    >>> decoder, findings = EventDecoder(Decoding("argmax"), *model), Findings(*model)
    >>> levels = np.full((63, 2), [0.2, 0.8]), np.full((63, 3), [0.1, 0.2, 0.7])
    >>> findings.add(levels, decoder.push(levels), decoder.means)
    >>> findings.add(None, decoder.finish(1.0), decoder.means)
    >>> found = findings.detection("a", 1.0)
    >>> found.events["md"], found.confidences, found.certainty.doubts["md"]["music"]
    ([Event(onset_s=0.0, offset_s=1.0, label='music')], {'md': (0.8,), 'mrle': (0.7,)}, (0.161,))
    """

    def __init__(self, taxonomy: Taxonomy, grid: FrameGrid, calibration: Calibration | None = None):
        self._taxonomy, self._grid = taxonomy, grid
        self._calibration = calibration or Calibration()
        self._events = {name: [] for name in taxonomy.level_names}
        self._n_frames, self._doubts = 0, [np.zeros((0, size)) for size in taxonomy.sizes]

    def add(
        self, levels: Sequence[np.ndarray] | None, found: Sequence[tuple], means: Sequence[float]
    ) -> None:
        """Take the next frames' probabilities, or None, and what the decoder gave for them."""
        for (number, event), mean in zip(found, means, strict=True):
            level = self._taxonomy.level_names[number]
            self._events[level].append((event, self._calibration.confidence(level, event.label, mean)))
        if levels is None:
            return
        per_minute = MINUTE_S * self._grid.sample_rate
        frames = np.arange(self._n_frames, self._n_frames + len(levels[0]))
        minutes = frames * self._grid.hop_length // per_minute
        self._n_frames += len(frames)
        for place, probabilities in enumerate(levels):
            known, exact = self._doubts[place], np.asarray(probabilities, float)
            more = minutes[-1] + 1 - len(known) if len(minutes) else 0
            self._doubts[place] = np.concatenate([known, np.zeros((max(more, 0), known.shape[1]))])
            np.add.at(self._doubts[place], minutes, exact * (1 - exact) * self._grid.time_of(1))

    def detection(
        self,
        name: str,
        duration_s: float,
        probabilities: Mapping[str, np.ndarray] | None = None,
        warnings: tuple[str, ...] = (),
    ) -> Detection:
        """The Detection; events of each level in the order of their onsets, then of the classes."""
        events, confidences, doubts = {}, {}, {}
        for (level, labels), of_level in zip(self._taxonomy.labels.items(), self._doubts):
            held = sorted(
                self._events[level], key=lambda each: (each[0].onset_s, labels.index(each[0].label))
            )  # noqa: B023
            events[level] = [event for event, _ in held]
            confidences[level] = tuple(confidence for _, confidence in held)
            n_minutes = math.ceil(duration_s / MINUTE_S)
            rows = of_level[:n_minutes].T.round(3).tolist()
            doubts[level] = dict(zip(labels, map(tuple, rows)))
        certainty = Certainty(doubts, self._calibration.spreads, self._calibration.level)
        return Detection(
            *(name, duration_s, events, probabilities, self._taxonomy, warnings),
            confidences=confidences,
            certainty=certainty,
        )
