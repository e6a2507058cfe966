"""What was found in one recording: events of both tasks, for all that write, draw or score them."""

from typing import NamedTuple

#: The task of each level: music detection, music relative loudness estimation.
TASKS = ("md", "mrle")


class Detection(NamedTuple):
    """Events of one recording.

    ``events`` maps each task of :data:`TASKS` to a list of Event in the order of their
    onsets, times in seconds. ``probabilities``, where they were asked for, maps each task
    to an array ``[frame, class]``, float32; else it is None.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> found = Detection("a", 2.0, {"md": [Event(0.0, 2.0, "music")], "mrle": [Event(0.0, 2.0, "bg-music")]})
    >>> found.events["md"][0].label
    'music'
    """

    name: str  # of the recording, without folder and suffix
    duration_s: float
    events: dict
    probabilities: dict | None = None
