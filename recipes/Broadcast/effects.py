"""Short sounds that are not music though they have a pitch, a rhythm or both, made for training.

A whistle, a telephone, a dog or a drill is a tone; where such a sound comes again and again, it has
a rhythm too. Packages hold a few of each, so that a detector learns those few, and takes others for
music. Each clip is one sound of one kind (:data:`KINDS`), drawn anew.
"""

import numpy as np

from textures import RATE, bubble, burst, coloured, harmonics, hit, in_room, level, place, strewn, wander

#: How long the clips are, in seconds.
LENGTH_S = (0.15, 6.0)


def effect(number):
    """One clip; the same number gives the same clip.

    Arguments
    ---------
    number : int
        Which one; kinds take turns.

    Returns
    -------
    numpy.ndarray
        ``[sample]`` at ``textures.RATE``.

    Example
    -------
    >>> whistling = effect(1)
    >>> LENGTH_S[0] <= len(whistling) / RATE <= LENGTH_S[1]
    True
    """
    rng = np.random.default_rng((1, number))
    clip = KINDS[number % len(KINDS)](rng, int(level(rng, *LENGTH_S) * RATE))
    clip = clip / (clip.std() + 1e-9)
    if rng.random() < 0.5:
        clip = coloured(rng, clip)
    if rng.random() < 0.5:
        clip = clip + level(rng, 0.01, 0.5) * coloured(rng, rng.standard_normal(len(clip)))
    if rng.random() < 0.5:
        clip = in_room(rng, clip)
    return 0.7 * clip / np.abs(clip).max()


def _swell(rng, n_samples):
    """A rise and a fall, each of any length, ``[sample]``."""
    rise, fall = level(rng, 0.005, 0.5), level(rng, 0.01, 0.7)
    return np.interp(
        np.linspace(0, 1, n_samples), [0, rise / (rise + 1), 1 - fall / (fall + 1), 1], [0, 1, 1, 0]
    )


def bend(rng, n_samples, octaves, n_bends=4):
    """A curve of pitch in octaves around 0, drawn through a few points, ``[sample]``."""
    points = rng.uniform(-octaves, octaves, rng.integers(2, n_bends + 2))
    return np.interp(np.linspace(0, 1, n_samples), np.linspace(0, 1, len(points)), points)


def resonance(rng, signal, n_peaks=3):
    """A signal with a few narrow bands of it raised, as by a throat or a case."""
    spectrum = np.fft.rfft(signal)
    octaves = np.log2(np.fft.rfftfreq(len(signal), 1 / RATE).clip(20))
    gain_db = np.zeros(len(octaves))
    for _ in range(n_peaks):
        off = (octaves - np.log2(level(rng, 200, 4500))) / level(rng, 0.05, 0.4)
        gain_db += rng.uniform(6, 24) * np.exp(-(off**2))
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(signal))


def sweep(rng, n_samples):
    """Shots and machines that are not of this world: a tone whose pitch runs off, trembling."""
    times = np.arange(n_samples) / RATE
    pitch = np.log2(level(rng, 60, 2500)) + bend(rng, n_samples, rng.uniform(0.2, 3.0))
    pitch = pitch + rng.choice([0.0, 0.3]) * rng.uniform() * np.sin(2 * np.pi * level(rng, 3, 80) * times)
    tones = [harmonics(rng, 2.0 ** (pitch + shift).clip(4, 13), rng.uniform(0.5, 2.5)) for shift in (0, 0.02)]
    return sum(tones[: rng.integers(1, 3)]) * _swell(rng, n_samples)


def whistle(rng, n_samples):
    """Whistles, horns, brakes: one tone or some that fit no scale, held, with their breath."""
    drift = 0.02 * wander(rng, n_samples, -1, 1) - level(rng, 0.01, 0.3) * np.exp(
        -np.arange(n_samples) / 2000
    )
    breath = coloured(rng, rng.standard_normal(n_samples))
    clip = level(rng, 0.02, 1.0) * breath / breath.std()
    for _ in range(rng.integers(1, 4)):
        tone = harmonics(rng, level(rng, 90, 3500) * 2.0**drift, rng.uniform(0.3, 2.5))
        clip += rng.uniform(0.3, 1) * tone / tone.std()
    return clip * _swell(rng, n_samples)


def ringing(rng, n_samples):
    """Telephones, alarms, reversing lorries: a tone or two that switch, or go on and off."""
    times = np.arange(n_samples) / RATE
    on = (times * level(rng, 1.5, 25)) % 1.0 < rng.uniform(0.3, 0.8)
    base, octaves = level(rng, 300, 3500), rng.choice([0.0, rng.uniform(0.05, 0.6)])
    tone = harmonics(rng, base * 2 ** (octaves * on), rng.uniform(0.5, 4.0))
    if octaves == 0 or rng.random() < 0.3:
        tone = tone * on
    return (
        tone / tone.std() * np.where((times * level(rng, 0.2, 2.0)) % 1.0 < 0.7, 1.0, rng.choice([0.0, 1.0]))
    )


def call(rng, n_samples):
    """Animals: a throat that barks, howls, squeaks or lows, once or some times."""
    n_calls = rng.integers(1, 6)
    length = n_samples // n_calls
    clip = np.zeros(n_samples)
    base, octaves, fall = level(rng, 80, 3000), level(rng, 0.05, 1.2), rng.uniform(0.2, 1.5)
    rough, pause = rng.uniform(0, 1) * rng.choice([0, 1]), rng.uniform(0.4, 1.0)
    for start in length * np.arange(n_calls):
        n_voiced = max(int(pause * length * rng.uniform(0.7, 1.0)), 16)
        throat = harmonics(rng, base * 2 ** bend(rng, n_voiced, octaves), fall)
        roughness = 1 + rough * np.sin(2 * np.pi * level(rng, 15, 90) * np.arange(n_voiced) / RATE)
        breath = rng.uniform(0, 0.7) * throat.std() * rng.standard_normal(n_voiced)
        clip[start : start + n_voiced] = (throat * roughness + breath) * _swell(rng, n_voiced)
    return resonance(rng, clip)


def scrape(rng, n_samples):
    """Doors, drawers, drags and squeaks: friction that catches and slips, and what it makes ring."""
    slips = place(
        n_samples,
        np.cumsum(1 / wander(rng, 2000, *np.sort(level(rng, 4, 400) * rng.uniform(0.3, 3, 2)))),
        [np.ones(3)],
        rng,
    )
    friction = level(rng, 0.01, 1.0) * rng.standard_normal(n_samples) * (0.2 + wander(rng, n_samples, 0, 1))
    return resonance(rng, slips / (slips.std() + 1e-9) + friction, rng.integers(2, 6)) * _swell(
        rng, n_samples
    )


def impact(rng, n_samples):
    """Blows, shots, explosions: what is struck, its thunder, and what falls down after."""
    times = np.arange(n_samples) / RATE
    thunder = (
        np.cumsum(rng.standard_normal(n_samples)) if rng.random() < 0.5 else rng.standard_normal(n_samples)
    )
    thunder = coloured(rng, thunder - thunder.mean()) * np.exp(-times / level(rng, 0.02, 1.5))
    struck = place(n_samples, [0.0], [hit(rng)], rng)
    debris = strewn(rng, n_samples, level(rng, 0.5, 20), lambda: burst(rng)) * np.exp(-times)
    weights = rng.uniform(0, 1, 3) ** 2
    return sum(w * part / (part.std() + 1e-9) for w, part in zip(weights, (thunder, struck, debris)))


def whirr(rng, n_samples):
    """Drills, saws, lifts, servos: a motor that starts, works and stops."""
    run = np.interp(
        np.linspace(0, 1, n_samples), [0, rng.uniform(0.02, 0.4), rng.uniform(0.6, 0.98), 1], [0.1, 1, 1, 0.1]
    )
    load = 1 - rng.uniform(0, 0.3) * wander(rng, n_samples, 0, 1)
    pitch = (level(rng, 25, 900) * run * load).clip(8)
    tone = harmonics(rng, pitch, rng.uniform(0.0, 1.5))
    teeth = 1 + rng.uniform(0, 1) * np.sin(np.cumsum(2 * np.pi * pitch * rng.uniform(0.1, 0.5) / RATE))
    noise = coloured(rng, rng.standard_normal(n_samples))
    return (tone / tone.std() + level(rng, 0.05, 2.0) * noise / noise.std()) * teeth * run


def beat(rng, n_samples):
    """Rotors, hooves, hearts, clocks: the same knock, strictly in time or in twos."""
    period, uneven = 1 / level(rng, 0.8, 25), rng.choice([0.0, rng.uniform(0.1, 0.4)])
    times = period * np.arange(int(n_samples / RATE / period) + 1)
    times[1::2] -= uneven * period
    knock = rng.choice([hit, burst, bubble])(rng)
    noise = coloured(rng, rng.standard_normal(n_samples))
    clip = place(n_samples, times, [knock], rng)
    return clip / (clip.std() + 1e-9) + level(rng, 0.003, 0.5) * noise / noise.std()


def spark(rng, n_samples):
    """Electricity and static: mains harmonics and noise that come and go in shreds."""
    gate = (wander(rng, n_samples, 0, 1, (0.01, 0.3)) > rng.uniform(0.2, 0.7)).astype(float)
    tone = harmonics(
        rng, np.full(n_samples, rng.choice([50.0, 100.0, level(rng, 40, 400)])), rng.uniform(0.0, 1.0)
    )
    noise = rng.standard_normal(n_samples)
    return (tone / tone.std() + level(rng, 0.1, 2.0) * noise) * (0.02 + gate)


def splash(rng, n_samples):
    """What falls into water, gurgles and steams."""
    noise = coloured(rng, rng.standard_normal(n_samples)) * _swell(rng, n_samples)
    drops = strewn(rng, n_samples, level(rng, 5, 100), lambda: bubble(rng))
    return noise / noise.std() + level(rng, 0.1, 3.0) * drops / (drops.std() + 1e-9)


KINDS = (sweep, whistle, ringing, call, scrape, impact, whirr, beat, spark, splash)
