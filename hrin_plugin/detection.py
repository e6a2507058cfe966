"""Result of detection in one recording: the events of each level."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from hrin_plugin.events import Event
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, TWO_LEVELS, Taxonomy

if TYPE_CHECKING:  # help needs this module, and must not wait for numpy
    import numpy as np

#: The task of each of two levels: music detection, music relative loudness estimation.
TASKS = TWO_LEVELS


class Detection(NamedTuple):
    """Events of one recording.

    ``events`` maps level names of ``taxonomy``, all or some, to lists of Event in the order of
    their onsets, times in seconds. ``probabilities``, where they were asked for, maps each level
    name to an array ``[frame, class]``, float32; else it is None. ``warnings`` say what is wrong with
    the recording, as where sound is missing or damaged, each in a few words with its times. ``path`` is where
    the recording lies, for formats that name it. ``begun_at`` is when it began, for formats with clock times.

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
