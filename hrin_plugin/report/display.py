"""How classes and times are shown to people: names, colours, clocks; the same in every picture and page."""

#: Told apart by readers with any colour vision (Okabe and Ito).
COLOURS = {"no-music": "#c9ced6", "music": "#009e73", "fg-music": "#d55e00", "bg-music": "#0072b2"}

#: What each class is called, in the order in which a reader looks for them.
CLASS_NAMES = {
    "fg-music": "Foreground music",
    "bg-music": "Background music",
    "music": "Music",
    "no-music": "No music",
}

TASK_NAMES = {"mrle": "Foreground and background music", "md": "Music detection"}


def clock(milliseconds):
    """A time in hours, minutes and seconds, rounded to the second.

    Example
    -------
    >>> clock(90_061_600)
    '25:01:02'
    """
    seconds = (milliseconds + 500) // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def fine_clock(milliseconds):
    """A time in hours, minutes, seconds and milliseconds.

    Example
    -------
    >>> fine_clock(90_061_600)
    '25:01:01.600'
    """
    return f"{clock(milliseconds // 1000 * 1000)}.{milliseconds % 1000:03d}"


def percent(share):
    """A share of 0 to 1 in per cent, to one decimal.

    Example
    -------
    >>> percent(0.1234)
    '12.3 %'
    """
    return f"{100 * share:.1f} %"


def printable(text):
    """A text whose control characters, line ends and bytes that are no text are replaced by U+FFFD.

    Example
    -------
    >>> printable("a\\x1b[31m.wav") == "a\\ufffd[31m.wav"
    True
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
