"""What is wrong with a recording that is read all the same, with its times, in one line."""

from typing import NamedTuple

#: Times that one line names; the others are counted.
NAMED_TIMES = 5

#: Samples beyond this, 24 dB above full scale, have another scale, or were decoded from damage.
LEAST_ODD_PEAK = 16.0

#: Peaks up to which 16-bit numbers in a wider type reach: half of the least step of 16-bit samples.
MOST_FAINT_PEAK = 2.0**-16


class Note(NamedTuple):
    """Something wrong in a recording; ``{}`` in the text stands for its times.

    Example
    -------
    >>> Note("sound is damaged at {}", 1.0, 2.5).later(10).end_s
    12.5
    """

    text: str
    start_s: float | None = None
    end_s: float | None = None  # None for a single moment
    is_fault: bool = True  # whether another copy of the file may be better

    def later(self, seconds):
        """The same, so many seconds later."""
        start_s, end_s = (None if time_s is None else time_s + seconds for time_s in self[1:3])
        return self._replace(start_s=start_s, end_s=end_s)

    def is_end(self):
        """Whether it tells that the end of a recording is missing."""
        return self.text.startswith(_MISSING)


_MISSING = "sound is missing from {} on"

#: Sound that cannot be decoded, or of which bytes are missing; silence stands for it.
DAMAGED = "sound is damaged or lost at {}, silence stands for it"

#: Sound that may be wrong, but of which nothing is missing.
DOUBTFUL = "sound is damaged at {}"

#: The header ends before the sound.
BEYOND = "sound goes on behind {}, where the header announces its end, and is read"

#: What is lost is not counted by anything, or was never there.
UNSURE = "times after {} may be off, as how much is lost there cannot be told"

#: What is lost is somewhere within.
LOST_WITHIN = "the file is damaged within; times after the damage may be off"

#: The clock of the recording has a hole.
HOLE = "no sound is stored at {}, silence stands for it"


def missing(why):
    """Text of the note that the end of a recording is missing.

    Example
    -------
    >>> missing("the last page is missing")
    'sound is missing from {} on (the last page is missing)'
    """
    return f"{_MISSING} ({why})"


def notes_of_scale(peak):
    """What the loudest sample of wide types (24 bits and more, floats) tells of a wrong scale.

    Arguments
    ---------
    peak : float
        The largest magnitude, full scale at 1.

    Returns
    -------
    list of Note
        One for samples beyond full scale by 24 dB and more, or below what 16 bits can hold.

    Example
    -------
    >>> [note.text for note in notes_of_scale(127.0)]
    ['the loudest sample is 127, where full scale is 1; levels may be wrong, divide by its full scale']
    >>> notes_of_scale(0.0), notes_of_scale(1.5)
    ([], [])
    """
    odd = f"the loudest sample is {peak:.3g}, where full scale is 1; "
    if peak > LEAST_ODD_PEAK:
        return [Note(f"{odd}levels may be wrong, divide by its full scale", is_fault=False)]
    if 0 < peak <= MOST_FAINT_PEAK:
        return [Note(f"{odd}it is taken as silence, export 16-bit numbers as 16-bit PCM", is_fault=False)]
    return []


def texts_of(notes):
    """Notes as short texts, one for each kind, in the order of their times.

    Arguments
    ---------
    notes : iterable of Note
        In any order.

    Returns
    -------
    list of str
        Without full stops.

    Example
    -------
    >>> texts_of([Note("sound is damaged at {}", 5.0, 5.2), Note("sound is damaged at {}", 1.0, 1.5)])
    ['sound is damaged at 1.000-1.500 s, 5.000-5.200 s']
    """
    by_text = {}
    for note in sorted(notes, key=lambda note: (note.is_fault, note.start_s or 0.0)):
        by_text.setdefault(note.text, []).append(note[1:3])
    return [text.format(_times(_joined(times))) for text, times in by_text.items()]


def warnings_of(notes):
    """The same with a cure at the end of the last, where there is one.

    Example
    -------
    >>> warnings_of([Note("sound is damaged at {}", 5.0)])
    ['sound is damaged at 5.000 s; copy or export it again']
    """
    texts = texts_of(notes)
    if any(note.is_fault for note in notes):
        texts[-1] += "; copy or export it again"
    return texts


def _joined(times):
    """Spans that touch each other as one; `times` are sorted by their starts."""
    joined = []
    for start_s, end_s in times:
        if joined and None not in (start_s, end_s, joined[-1][1]) and start_s <= joined[-1][1] + 0.1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        elif not joined or joined[-1] != (start_s, end_s):
            joined.append((start_s, end_s))
    return joined


def _times(times):
    """Times in words."""
    words = [
        f"{start_s:.3f} s" if end_s is None else f"{start_s:.3f}-{end_s:.3f} s"
        for start_s, end_s in times[:NAMED_TIMES]
        if start_s is not None
    ]
    more = len(times) - NAMED_TIMES
    if more > 0:
        words.append(f"and {more} more places up to {times[-1][1] or times[-1][0]:.3f} s")
    return ", ".join(words)
