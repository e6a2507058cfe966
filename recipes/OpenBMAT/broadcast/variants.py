"""Sounds like the ones that packages hold, made from them for training.

A detector that hears a few thousand sounds again and again learns these, and takes others for music.
A variant of a recording is what it might be of a larger or a smaller thing, in another place, bent in
pitch, backwards, in the rhythm of another sound, or together with it: no music, if the recording isn't.
An arrangement of a piece of music is a part of it, faster and higher or slower and lower, with other
instruments in front.
"""

import numpy as np
import soxr

from effects import bend, resonance
from textures import RATE, coloured, in_room, level

#: How much slower or faster a variant is played, and how far its pitch is bent, in octaves.
SPEEDS, BEND_OCTAVES = (0.5, 2.0), (0.05, 0.8)
#: The shortest sound that has variants, and the longest variant, in seconds.
SHORTEST_S, LONGEST_S = 0.1, 12.0
#: How much slower or faster music is played, and the longest part of it, in seconds.
TEMPI, LONGEST_MUSIC_S = (0.75, 1.33), 45.0
#: An envelope is followed in steps of so many seconds.
_ENVELOPE_S = 0.02


def variant(rng, sound, other):
    """One variant of a sound.

    Arguments
    ---------
    rng : numpy.random.Generator
        Source of randomness.
    sound : numpy.ndarray
        The sound, ``[sample]`` at ``textures.RATE``.
    other : numpy.ndarray
        Another one, whose envelope it may take, or which may sound with it.

    Returns
    -------
    numpy.ndarray
        ``[sample]``, at most :data:`LONGEST_S` long; its peak is at 0.7 of full scale, unless it is silent.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> made = variant(rng, rng.standard_normal(RATE), rng.standard_normal(RATE))
    >>> RATE / 2 <= len(made) <= 2 * RATE, float(np.abs(made).max().round(3))
    (True, 0.7)
    """
    longest = int(LONGEST_S * RATE)
    sound = _part(rng, sound, int(longest * SPEEDS[0]))
    sound = soxr.resample(sound, RATE * level(rng, *SPEEDS), RATE)
    if rng.random() < 0.3:
        sound = sound[::-1]
    if rng.random() < 0.4:
        sound = _bent(rng, sound)
    if rng.random() < 0.5:
        sound = resonance(rng, sound)
    if rng.random() < 0.4:
        sound = coloured(rng, sound)
    if rng.random() < 0.3:
        sound = sound * _envelope(_part(rng, np.resize(other, max(len(other), len(sound))), len(sound)))
    elif rng.random() < 0.3:
        with_it = np.zeros(len(sound))
        part = _part(rng, other, len(sound))
        with_it[: len(part)] = part / (part.std() + 1e-9)
        sound = sound / (sound.std() + 1e-9) + level(rng, 0.2, 1.0) * with_it
    if rng.random() < 0.3:
        sound = in_room(rng, sound)
    return _at_peak(sound[:longest])


def arrangement(rng, music):
    """A part of a piece of music as others might play it: at another speed, with another spectrum.

    Arguments
    ---------
    rng : numpy.random.Generator
        Source of randomness.
    music : numpy.ndarray
        The piece, ``[sample]`` at ``textures.RATE``.

    Returns
    -------
    numpy.ndarray
        ``[sample]``, at most :data:`LONGEST_MUSIC_S` long; its peak is at 0.7 of full scale, or it is silent.

    Example
    -------
    >>> made = arrangement(np.random.default_rng(0), np.sin(np.arange(2 * RATE) / 20))
    >>> RATE < len(made) < 3 * RATE, float(np.abs(made).max().round(3))
    (True, 0.7)
    """
    speed = level(rng, *TEMPI)
    music = _part(rng, music, int(LONGEST_MUSIC_S * RATE * speed))
    music = soxr.resample(music, RATE * speed, RATE)[: int(LONGEST_MUSIC_S * RATE)]
    return _at_peak(coloured(rng, music))


def _at_peak(sound):
    """A sound with its peak at 0.7 of full scale; silence stays silent."""
    return 0.7 * sound / max(np.abs(sound).max(), 1e-6)


def _part(rng, sound, length):
    """A sound, or where it is longer, a part of it."""
    start = rng.integers(max(len(sound) - length, 0) + 1)
    return sound[start : start + length]


def _bent(rng, sound):
    """A sound whose pitch and speed change, ``[sample]`` as many."""
    speeds = 2.0 ** bend(rng, len(sound), level(rng, *BEND_OCTAVES))
    times = np.cumsum(speeds)
    return np.interp(times / times[-1] * (len(sound) - 1), np.arange(len(sound)), sound)


def _envelope(sound):
    """How strong a sound is over time, ``[sample]``."""
    step = int(_ENVELOPE_S * RATE)
    n_steps = -(-len(sound) // step)
    powers = np.pad(sound**2, (0, n_steps * step - len(sound))).reshape(n_steps, step).mean(axis=1)
    return np.interp(np.arange(len(sound)), (np.arange(n_steps) + 0.5) * step, np.sqrt(powers))
