"""Random programmes of broadcast-like excerpts, with exact labels.

An excerpt is a sequence of passages. The music's gain is piecewise linear in time. The
labels follow from its corners:

* music enters or leaves by a linear fade next to a passage without music, and counts
  as present while its gain is at least :data:`AUDIBLE_GAIN` times the passage's;
* between two passages with music the gain changes by a linear ramp (or one music
  crossfades into another) whose middle is the boundary of the passages.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from hrin_plugin.events import Event, relabel
from hrin_plugin.mixing.store import SAMPLE_RATE
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.timing import to_samples

#: Music is present where its gain is at least this part of its passage's gain (-20 dB).
AUDIBLE_GAIN = 0.1
#: Music at least this many LU above everything else together is in the foreground.
FOREGROUND_MARGIN_LU = 0.0
#: Lowest level of music relative to noise, in LU; below it, music is inaudible and must not be labelled.
UNDER_NOISE_LU = -15.0
#: Share of the time of each class in OpenBMAT.
SHARES = {"no-music": 0.50, "fg-music": 0.16, "bg-music": 0.34}
#: What sounds beside the music in passages of a class: (speech, noise) and how often.
MAKE_UP = {
    "no-music": {(True, False): 0.45, (True, True): 0.2, (False, True): 0.25, (False, False): 0.1},
    "fg-music": {(False, False): 0.6, (False, True): 0.2, (True, False): 0.2},
    "bg-music": {(True, False): 0.6, (True, True): 0.2, (False, True): 0.2},
}
#: How many excerpts have one class throughout.
SINGLE_CLASS_SHARE = 0.2
#: How often another music follows on music, rather than the same at another level.
NEW_MUSIC_SHARE = 0.3
#: Of the changes, how many are cuts (of 10 to 50 ms) and not fades (of 0.1 s and more).
CUT_SHARE = 0.3


class Style(NamedTuple):
    """Difficulty settings of the mixes of a set.

    ``relative_lu`` is the range from which the music's level over everything else is
    drawn, in LU, by class; with noise it begins no lower than :data:`UNDER_NOISE_LU`.
    ``treated`` adds reverberation to speech, layers to noise, and the effects of
    :mod:`hrin_plugin.mixing.treatment` to mixes. ``noise_weight`` is the weight
    of :data:`MAKE_UP` with noise against that without.

    Example
    -------
    >>> PLAIN.relative_lu["bg-music"]
    (-25.0, -5.0)
    """

    name: str
    relative_lu: dict
    shortest_s: float = 3.0
    longest_fade_s: float = 3.0
    treated: bool = False
    noise_weight: float = 1.0


PLAIN = Style(
    "plain",
    {
        "fg-music": (FOREGROUND_MARGIN_LU + 3.0, FOREGROUND_MARGIN_LU + 15.0),
        "bg-music": (FOREGROUND_MARGIN_LU - 25.0, FOREGROUND_MARGIN_LU - 5.0),
    },
)
#: What broadcasts are like: faint music, jingles of two seconds, slow fades, rooms, narrow bands, codecs.
BROADCAST = Style(
    "broadcast",
    {
        "fg-music": (FOREGROUND_MARGIN_LU + 2.0, FOREGROUND_MARGIN_LU + 20.0),
        "bg-music": (FOREGROUND_MARGIN_LU - 30.0, FOREGROUND_MARGIN_LU - 3.0),
    },
    shortest_s=2.0,
    longest_fade_s=6.0,
    treated=True,
)

NO_MUSIC = MUSIC_LOUDNESS.levels[1][0]
_LONGEST_S = 60.0
#: No ramp takes more than this part of the passages that it joins.
_RAMP_PART = 0.25


class Passage(NamedTuple):
    """A span of an excerpt with constant content.

    ``ramp_s`` is the length of the change at its start. ``relative_lu`` is the level of
    the music over everything else, None without music. ``new_music`` says that its
    music is not that of the passage before.

    Example
    -------
    >>> Passage(0.0, 5.0, "bg-music", True, False, -12.0, True, 0.0).has_music
    True
    """

    start_s: float
    end_s: float
    label: str
    speech: bool
    noise: bool
    relative_lu: float
    new_music: bool
    ramp_s: float

    @property
    def has_music(self):
        """Whether music sounds in it."""
        return self.label != NO_MUSIC


def draw_programmes(rng, n_excerpts, seconds, style=PLAIN):
    """Draw excerpts whose class shares are close to those of OpenBMAT.

    The weight of a class is the time that it still lacks, so that the shares hold for
    short sets too.

    Arguments
    ---------
    rng : numpy.random.Generator
        Source of randomness.
    n_excerpts : int
        Number of excerpts.
    seconds : float
        Length of every excerpt.
    style : Style
        Difficulty settings.

    Returns
    -------
    list of list of Passage
        One list of passages, from 0 to ``seconds``, for each excerpt.

    Example
    -------
    >>> import numpy as np
    >>> programmes = draw_programmes(np.random.default_rng(0), 100, 60.0)
    >>> len(programmes), programmes[0][0].start_s, programmes[0][-1].end_s
    (100, 0.0, 60.0)
    """
    given_s = dict.fromkeys(SHARES, 0.0)
    return [_draw_programme(rng, seconds, given_s, style) for _ in range(n_excerpts)]


def _draw_programme(rng, seconds, given_s, style):
    """Draw the passages of one excerpt; adds their lengths to ``given_s``."""
    lengths = _draw_lengths(rng, seconds, style.shortest_s)
    single = _draw_label(rng, given_s, seconds) if rng.random() < SINGLE_CLASS_SHARE else None
    passages, start_s = [], 0.0
    for number, length_s in enumerate(lengths):
        label = single or _draw_label(rng, given_s, length_s)
        given_s[label] += length_s
        last = number == len(lengths) - 1
        end_s = seconds if last else start_s + length_s
        ramp_s = (
            _draw_ramp(rng, _RAMP_PART * min(lengths[max(number - 1, 0) : number + 1]), style.longest_fade_s)
            if passages
            else 0.0
        )
        speech, noise = _draw_make_up(rng, MAKE_UP[label], style.noise_weight)
        level_lu = None if label == NO_MUSIC else _draw_level(rng, style.relative_lu[label], noise)
        follows = bool(passages) and passages[-1].has_music
        new_music = not follows or rng.random() < NEW_MUSIC_SHARE
        passages.append(Passage(start_s, end_s, label, speech, noise, level_lu, new_music, ramp_s))
        start_s = end_s
    return passages


def _draw_make_up(rng, shares, noise_weight):
    """Draw whether speech and noise sound in a passage."""
    weights = np.array([share * (noise_weight if noise else 1.0) for (_, noise), share in shares.items()])
    return list(shares)[rng.choice(len(weights), p=weights / weights.sum())]


def _draw_level(rng, range_lu, noise):
    """Draw the music's level over everything else, in LU."""
    low_lu, high_lu = range_lu
    return float(rng.uniform(max(low_lu, UNDER_NOISE_LU) if noise else low_lu, high_lu))


def _draw_lengths(rng, seconds, shortest_s):
    """Draw lengths of passages that fill an excerpt, in whole milliseconds except the last."""
    shortest_s, median_s = min(shortest_s, seconds / 5), min(10.0, seconds / 3)
    lengths, left_s = [], seconds
    while True:
        length_s = round(min(max(rng.lognormal(math.log(median_s), 0.7), shortest_s), _LONGEST_S), 3)
        if left_s - length_s < shortest_s:
            return [*lengths, left_s]
        lengths.append(length_s)
        left_s -= length_s


def _draw_label(rng, given_s, length_s):
    """Draw a class with the weight of the time it lacks."""
    total_s = sum(given_s.values()) + length_s
    weights = [max(share * total_s - given_s[label], 0.0) for label, share in SHARES.items()]
    return list(SHARES)[rng.choice(len(weights), p=[weight / sum(weights) for weight in weights])]


def _draw_ramp(rng, longest_s, longest_fade_s):
    """Draw the length of a transition: a cut or a fade."""
    if rng.random() < CUT_SHARE:
        return min(rng.uniform(0.01, 0.05), longest_s)
    return min(math.exp(rng.uniform(math.log(0.1), math.log(longest_fade_s))), longest_s)


def exact_events(passages):
    """The labels of an excerpt, on whole samples.

    Arguments
    ---------
    passages : sequence of Passage
        The passages of one excerpt.

    Returns
    -------
    list of Event
        Events that tile the excerpt, neighbours of one class joined.

    Example
    -------
    >>> talk = Passage(0.0, 4.0, "no-music", True, False, None, True, 0.0)
    >>> exact_events([talk, Passage(4.0, 9.0, "fg-music", False, False, 9.0, True, 2.0)])[1].onset_s
    4.2
    """
    onsets_s = [0.0]
    for before, passage in itertools.pairwise(passages):
        # Fades lie inside the passage that has music; ramps lie around the boundary.
        shift_s = AUDIBLE_GAIN * passage.ramp_s * (passage.has_music - before.has_music)
        onsets_s.append(to_samples(passage.start_s + shift_s, SAMPLE_RATE) / SAMPLE_RATE)
    offsets_s = [*onsets_s[1:], passages[-1].end_s]
    events = [Event(onset, offset, p.label) for p, onset, offset in zip(passages, onsets_s, offsets_s)]
    return relabel(events, {label: label for label in SHARES})


def plateau(passages, number):
    """The part of a passage with constant levels, without its ramps.

    Arguments
    ---------
    passages : sequence of Passage
        The passages of one excerpt.
    number : int
        Which passage.

    Returns
    -------
    tuple of (float, float)
        Start and end, in seconds; at least half of the passage.

    Example
    -------
    >>> one = Passage(0.0, 4.0, "fg-music", False, False, 9.0, True, 0.0)
    >>> two = Passage(4.0, 9.0, "bg-music", True, False, -9.0, False, 1.0)
    >>> plateau([one, two], 0), plateau([one, two], 1)
    ((0.0, 3.0), (5.0, 9.0))
    """
    after_s = passages[number + 1].ramp_s if number + 1 < len(passages) else 0.0
    return passages[number].start_s + passages[number].ramp_s, passages[number].end_s - after_s


def music_runs(passages):
    """Runs of neighbouring passages that share one piece of music.

    Arguments
    ---------
    passages : sequence of Passage
        The passages of one excerpt.

    Returns
    -------
    list of tuple of (int, int)
        First passage and the one after the last of each run.

    Example
    -------
    >>> one = Passage(0.0, 4.0, "fg-music", False, False, 9.0, True, 0.0)
    >>> two = Passage(4.0, 9.0, "bg-music", True, False, -9.0, False, 1.0)
    >>> music_runs([one, two])
    [(0, 2)]
    """
    starts = [i for i, p in enumerate(passages) if p.has_music and p.new_music]
    runs = []
    for start in starts:
        stop = start + 1
        while stop < len(passages) and passages[stop].has_music and not passages[stop].new_music:
            stop += 1
        runs.append((start, stop))
    return runs


def gain_corners(passages, run, gains):
    """Corners of the piecewise linear gain of one run of music.

    Arguments
    ---------
    passages : sequence of Passage
        The passages of one excerpt.
    run : tuple of (int, int)
        From :func:`music_runs`.
    gains : sequence of float
        Gain of the music in each passage of the run.

    Returns
    -------
    tuple of (list of float, list of float)
        Times in seconds, never decreasing, and gains.

    Example
    -------
    >>> one = Passage(0.0, 4.0, "fg-music", False, False, 9.0, True, 0.0)
    >>> two = Passage(4.0, 9.0, "bg-music", True, False, -9.0, False, 1.0)
    >>> gain_corners([one, two], (0, 2), [1.0, 0.2])
    ([0.0, 3.5, 4.5, 9.0], [1.0, 1.0, 0.2, 0.2])
    """
    start, stop = run
    first, ramp_s = passages[start], passages[start].ramp_s
    corners = [(first.start_s, gains[0])]
    if start > 0:
        early_s = ramp_s / 2 if passages[start - 1].has_music else 0.0
        corners = [(first.start_s - early_s, 0.0), (first.start_s - early_s + ramp_s, gains[0])]
    for passage, before, after in zip(passages[start + 1 : stop], gains, gains[1:]):
        half_s = passage.ramp_s / 2
        corners += [(passage.start_s - half_s, before), (passage.start_s + half_s, after)]
    end_s = passages[stop - 1].end_s
    if stop == len(passages):
        corners.append((end_s, gains[-1]))
    else:
        ramp_s = passages[stop].ramp_s
        late_s = ramp_s / 2 if passages[stop].has_music else 0.0
        corners += [(end_s + late_s - ramp_s, gains[-1]), (end_s + late_s, 0.0)]
    times_s, values = zip(*corners)
    return list(times_s), list(values)
