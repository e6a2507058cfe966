"""What a file of this room must hold to be a format: a :class:`Format` called ``FORMAT``."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.detection import Detection
from hrin_plugin.formats.drafts import Draft


class Format(NamedTuple):
    """A kind of file: its name, its suffix, and the two functions that write and read it.

    A file of :mod:`hrin_plugin.formats` that sets ``FORMAT`` to one of these is offered by
    ``hrin detect --format`` and read by every command; nothing else changes. Its functions import what is
    slow to import, since ``hrin --help`` asks for the names.

    ``write`` takes a Detection that is checked: its times are whole milliseconds, its labels hold
    printable characters only, and it has one level unless the format is joint. It returns the file's text.
    ``read`` takes the file's path and says what stands there; labels and times are checked afterwards.
    It raises AnnotationError for a file that is not of the format.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.formats.drafts import Row
    >>> def write(detection):
    ...     return "".join(f"{onset} {offset} {label}\\n" for onset, offset, label in detection.events["md"])
    >>> def read(path):
    ...     fields = [text.split() for text in path.read_text().splitlines()]
    ...     events = [Event(float(onset), float(offset), label) for onset, offset, label in fields]
    ...     return Draft([Row(line, "md", event) for line, event in enumerate(events, start=1)])
    >>> FORMAT = Format("blanks", ".blanks", joint=False, write=write, read=read)
    >>> FORMAT.write(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]}))
    '0.5 2.0 music\\n'
    """

    name: str  # as --format takes it
    suffix: str  # of its files, which no other format has
    joint: bool  # whether a file holds several levels
    write: Callable[[Detection], str]
    read: Callable[[Path], Draft]
