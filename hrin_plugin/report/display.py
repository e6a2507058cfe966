"""Display of classes and times in pages and pictures: names, colours, clock times."""

import re
from collections.abc import Iterable, Sequence

from hrin_plugin.taxonomy import MUSIC_LOUDNESS

#: Colours of classes that have one of their own; any other class takes one of PALETTE.
COLOURS = {"no-music": "#c9ced6", "music": "#009e73", "fg-music": "#d55e00", "bg-music": "#0072b2"}

#: Told apart by readers with any colour vision: Okabe and Ito's, then Tol's muted ones.
PALETTE = (
    *("#e69f00", "#56b4e9", "#cc79a7", "#d55e00", "#0072b2", "#009e73", "#f0e442"),
    *("#332288", "#882255", "#999933", "#44aa99", "#cc6677", "#117733", "#ddcc77", "#88ccee", "#aa4499"),
)

#: What classes are called whose label does not say it well.
CLASS_NAMES = {"fg-music": "Foreground music", "bg-music": "Background music"}

#: What the levels of music and its loudness are called.
LEVEL_TITLES = {"md": "Music detection", "mrle": "Foreground and background music"}


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each class: its own, or the next free one of PALETTE.

    Example
    -------
    >>> colours_of(["no-music", "speech", "fg-music"])
    {'no-music': '#c9ced6', 'speech': '#e69f00', 'fg-music': '#d55e00'}
    """
    labels = list(dict.fromkeys(labels))
    taken = {COLOURS[label] for label in labels if label in COLOURS}
    free = [colour for colour in PALETTE if colour not in taken] or PALETTE
    others = [label for label in labels if label not in COLOURS]
    given = {label: free[place % len(free)] for place, label in enumerate(others)}
    return {label: COLOURS.get(label) or given[label] for label in labels}


def class_name(label: str) -> str:
    """Display name of a class.

    Example
    -------
    >>> class_name("fg-music"), class_name("no-music"), class_name("dog_bark")
    ('Foreground music', 'No music', 'Dog bark')
    """
    words = re.sub(r"[-_\s]+", " ", label).strip() or label
    return printable(CLASS_NAMES.get(label) or words[0].upper() + words[1:])


def level_title(level: str, labels: Iterable[str]) -> str:
    """Title of a level, from its classes.

    Example
    -------
    >>> level_title("mrle", ["no-music", "fg-music", "bg-music"]), level_title("mrle", ["speech", "music"])
    ('Foreground and background music', 'Level mrle')
    """
    known = set(labels) == set(MUSIC_LOUDNESS.labels.get(level, ()))
    return LEVEL_TITLES[level] if known else f"Level {level}"


def reading_order(labels: Sequence[str]) -> list[str]:
    """A level's classes in display order: the first class (nothing found) comes last.

    Example
    -------
    >>> reading_order(["no-music", "fg-music", "bg-music"])
    ['fg-music', 'bg-music', 'no-music']
    """
    return [*labels[1:], *labels[:1]]


def css_class(label: str) -> str:
    """CSS class name of a class, safe for any label.

    Example
    -------
    >>> css_class("fg-music"), css_class("one speaker")
    ('c-fg-music', 'c-one_20_speaker')
    """
    return "c-" + re.sub(r"[^A-Za-z0-9-]", lambda match: f"_{ord(match[0]):x}_", label)


def clock(milliseconds: int) -> str:
    """A time in hours, minutes and seconds, rounded to the second.

    Example
    -------
    >>> clock(90_061_600)
    '25:01:02'
    """
    seconds = (milliseconds + 500) // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def fine_clock(milliseconds: int) -> str:
    """A time in hours, minutes, seconds and milliseconds.

    Example
    -------
    >>> fine_clock(90_061_600)
    '25:01:01.600'
    """
    return f"{clock(milliseconds // 1000 * 1000)}.{milliseconds % 1000:03d}"


def percent(share: float) -> str:
    """A share of 0 to 1 in per cent, with one decimal.

    Example
    -------
    >>> percent(0.1234)
    '12.3 %'
    """
    return f"{100 * share:.1f} %"


def printable(text: str) -> str:
    """Replace control characters, line ends and undecodable bytes of a text by U+FFFD.

    Example
    -------
    >>> printable("a\\x1b[31m.wav") == "a\\ufffd[31m.wav"
    True
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
