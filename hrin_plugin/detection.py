"""Result of detection in one recording: the events of each level, and how sure they are."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from hrin_plugin.events import Event
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, TWO_LEVELS, Taxonomy

if TYPE_CHECKING:  # help needs this module, and must not wait for numpy
    import numpy as np

#: The task of each of two levels: music detection, music relative loudness estimation.
TASKS = TWO_LEVELS

#: The file of a model's measured errors, beside it; it changes no event.
CERTAINTY_FILE = "certainty.json"


class Spread(NamedTuple):
    """How far the time of a class that was found may lie from the truth; ``docs/report.md`` has the equation.

    It was measured on annotated recordings of many kinds. ``doubt`` and ``share`` are what all recordings of
    a kind have in common, and so do not shrink with time.

    Example
    -------
    >>> spread = Spread(bias=0.2, doubt=0.5, chance=4.0, share=0.01, low=-1.6, high=1.8)
    >>> [round(bound) for bound in spread.interval(seconds=600.0, of_s=3600.0, doubt_s=100.0)]
    [516, 737]
    """

    bias: float  # of the truth over what was found, for each second of doubt
    doubt: float  # standard deviation of that between kinds of recordings
    chance: float  # variance that a second of doubt adds, in seconds
    share: float  # standard deviation between kinds of recordings, of the whole time
    low: float  # bounds of the interval, in standard deviations
    high: float

    def interval(self, seconds: float, of_s: float, doubt_s: float) -> tuple[float, float]:
        """The interval of a class's time in seconds, of a span and of the doubt in it; within the span."""
        middle = seconds + self.bias * doubt_s
        scale = math.sqrt((self.doubt * doubt_s) ** 2 + self.chance * doubt_s + (self.share * of_s) ** 2)
        low, high = (min(max(middle + bound * scale, 0.0), of_s) for bound in (self.low, self.high))
        return low, high


def plain_spreads(spreads: Mapping[str, Mapping[str, Spread]]) -> dict:
    """Spreads as JSON holds them.

    Example
    -------
    >>> plain_spreads({"md": {"music": Spread(0, 1, 0, 0, -1, 1)}})["md"]["music"]["low"]
    -1
    """
    return {level: {label: each._asdict() for label, each in of.items()} for level, of in spreads.items()}


def parse_spreads(content: Mapping) -> dict[str, dict[str, Spread]]:
    """Spreads from JSON; raises ValueError, KeyError, TypeError or AttributeError for anything else.

    Example
    -------
    >>> parse_spreads(plain_spreads({"md": {"music": Spread(0, 1, 0, 0, -1, 1)}}))["md"]["music"].low
    -1.0
    """
    return {
        level: {
            label: Spread(*finite(*(each[field] for field in Spread._fields), n=len(Spread._fields)))
            for label, each in of.items()
        }
        for level, of in content.items()
    }


def finite(*values: object, n: int = 1) -> list[float]:
    """So many finite numbers; anything else is a ValueError or a TypeError.

    Example
    -------
    >>> finite(1, 2.5, n=2)
    [1.0, 2.5]
    """
    numbers = [float(value) for value in values]
    if len(numbers) != n or not all(map(math.isfinite, numbers)):
        raise ValueError(f"holds {numbers} where {n} finite numbers must be")
    return numbers


class Certainty(NamedTuple):
    """How sure a recording's totals are.

    ``doubts`` maps level names to labels to the doubt of each minute, in seconds: the sum of ``p (1 - p)``
    over its frames, times their length, with the class's probability ``p``. ``spreads`` maps level names to
    labels to a Spread, where the model has been measured; else it is empty. ``level`` is the intervals'
    confidence.

    Example
    -------
    >>> Certainty({"md": {"music": (0.5, 1.5)}}).spreads
    {}
    """

    doubts: Mapping[str, Mapping[str, tuple[float, ...]]]
    spreads: Mapping[str, Mapping[str, Spread]] = {}
    level: float = 0.9


class Detection(NamedTuple):
    """Events of one recording.

    ``events`` maps level names of ``taxonomy``, all or some, to lists of Event in the order of
    their onsets, times in seconds. ``probabilities``, where they were asked for, maps each level
    name to an array ``[frame, class]``, float32; else it is None. ``warnings`` say what is wrong with
    the recording, as where sound is missing or damaged, each in a few words with its times. ``path`` is where
    the recording lies, for formats that name it. ``confidences`` maps level names to the confidence of each
    event of ``events``, in the same order: the share of its time that is likely to be right, 0 to 1, or None
    where that is not known. ``certainty`` is what the intervals of totals are made from. ``begun_at`` is when
    the recording began, for formats with clock times.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> found = Detection("a", 2.0, {"md": [Event(0.0, 2.0, "music")], "mrle": [Event(0.0, 2.0, "bg-music")]})
    >>> found.events["md"][0].label, found.taxonomy.labels["md"]
    ('music', ('no-music', 'music'))
    """

    name: str  # of the recording, without folder and suffix
    duration_s: float
    events: Mapping[str, list[Event]]
    probabilities: "Mapping[str, np.ndarray] | None" = None
    taxonomy: Taxonomy = MUSIC_LOUDNESS  # the classes of the model
    warnings: tuple[str, ...] = ()  # of the recording
    path: str | None = None  # of the recording; None where it is not known
    confidences: Mapping[str, tuple[float | None, ...]] | None = None  # None where no level has any
    certainty: Certainty | None = None  # None where it is not known
    begun_at: str | None = None  # its begin by the clock, ISO 8601 in UTC; None where it is not known


class Heard(NamedTuple):
    """What is certain of sound that is still coming.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> Heard(3.0, [], [("md", Event(0.0, 3.0, "music"))]).decided_s
    3.0
    """

    decided_s: float  # until when nothing changes any more, in seconds from the begin of the sound
    ended: list  # (level name, Event) for each event that has ended since the last time
    going_on: list  # the same for those that have begun before and not ended, with `decided_s` as offset
    is_end: bool = False  # whether the sound has ended
