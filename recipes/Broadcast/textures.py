"""Sounds that last without being music, made where packages hold few of them.

A detector that knows such sounds only from games takes every engine, siren or city that it
never heard for music. Each clip is of one kind (:data:`KINDS`), drawn anew: its spectrum, its
rhythm, its pitch and how they wander. Crowds are many of the collected voices at once.
"""

import functools
import math

import numpy as np
import soundfile
import soxr
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import fftconvolve, istft, lfilter, stft

#: Rate of the clips, and how long they and those of applause are, in seconds.
RATE, LENGTH_S, APPLAUSE_S = 22050, (8.0, 25.0), (5.0, 15.0)
#: Random spectra: tilt in dB an octave, and ripple around it in dB.
TILT_DB, RIPPLE_DB = (-9.0, 0.0), 6.0
#: Window of the short-time spectra that wandering sounds are shaped in.
WINDOW = 1024


def texture(number, voices):
    """One clip; the same number gives the same clip.

    Arguments
    ---------
    number : int
        Which one; kinds take turns.
    voices : sequence of path
        Recordings of speech, for crowds.

    Returns
    -------
    numpy.ndarray
        ``[sample]`` at :data:`RATE`.

    Example
    -------
    >>> engine_running = texture(0, voices=[])
    >>> LENGTH_S[0] <= len(engine_running) / RATE <= LENGTH_S[1]
    True
    """
    rng = np.random.default_rng(number)
    n_samples = int(rng.uniform(*LENGTH_S) * RATE)
    make = KINDS[number % len(KINDS)]
    clip = make(rng, n_samples, voices) if make is crowd else make(rng, n_samples)
    if rng.random() < 0.7:
        clip = coloured(rng, clip)
    if rng.random() < 0.3:
        clip = clip + level(rng, 0.03, 0.5) * np.std(clip) * coloured(rng, rng.standard_normal(n_samples))
    if rng.random() < 0.5:
        clip = in_room(rng, clip)
    clip = clip * 10 ** (wander(rng, n_samples, -6.0, 0.0) / 20)
    return 0.7 * clip / np.abs(clip).max()


def level(rng, low, high):
    """A value between two, drawn by its logarithm."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def wander(rng, n_samples, low, high, every_s=(0.2, 4.0)):
    """A value that goes from level to level between two bounds, ``[sample]``."""
    step = level(rng, *every_s) * RATE
    corners = np.cumsum(step * rng.uniform(0.3, 1.7, int(3 * n_samples / step) + 4))
    return np.interp(np.arange(n_samples), corners - corners[0], rng.uniform(low, high, len(corners)))


def coloured(rng, signal):
    """A signal with another, random spectrum, as loud as before."""
    length = next_fast_len(len(signal))
    spectrum = rfft(signal, length)
    octaves = np.log2(rfftfreq(length, 1 / RATE).clip(20) / 20)
    bends = np.arange(0.0, octaves[-1] + 1.0)
    gain_db = rng.uniform(*TILT_DB) * bends + RIPPLE_DB * rng.standard_normal(len(bends))
    shaped = irfft(spectrum * 10 ** (np.interp(octaves, bends, gain_db) / 20), length)[: len(signal)]
    return shaped * np.std(signal) / (np.std(shaped) + 1e-12)


def in_room(rng, signal):
    """A signal with the echoes of a room."""
    tail_s = level(rng, 0.1, 2.0)
    times = np.arange(int(tail_s * RATE)) / RATE
    tail = rng.standard_normal(len(times)) * 10 ** (-3 * times / tail_s)
    tail *= level(rng, 0.1, 1.0) / np.sqrt(np.sum(tail**2))
    tail[0] += 1
    return fftconvolve(signal, tail)[: len(signal)]


def shaped_noise(rng, n_samples, gain_db):
    """Noise whose spectrum changes: ``gain_db(frequencies [f, 1], frames) -> [f, frames]``."""
    frequencies, _, noise = stft(rng.standard_normal(n_samples), RATE, nperseg=WINDOW)
    noise *= 10 ** (gain_db(frequencies[:, None].clip(20), noise.shape[1]) / 20)
    return _fit(istft(noise, RATE, nperseg=WINDOW)[1], n_samples)


def _fit(signal, n_samples):
    """A signal cut or padded to a length."""
    return np.pad(signal[:n_samples], (0, max(n_samples - len(signal), 0)))


def _frames(values, n_frames):
    """A curve at so many frames."""
    return values[np.linspace(0, len(values) - 1, n_frames).astype(int)]


def wind(rng, n_samples):
    """Gusts: bands of noise whose pitch rises with their strength."""
    strength = wander(rng, n_samples, 0.0, 1.0)
    base, octaves, width = level(rng, 100, 900), rng.uniform(0.3, 2.0), level(rng, 0.1, 1.5)

    def gain_db(frequencies, n_frames):
        """A resonance over a tilted spectrum."""
        gust = _frames(strength, n_frames)
        off = np.log2(frequencies / (base * 2 ** (octaves * gust))) / width
        return 24 * gust - np.minimum(6 * off**2, 24) - 4 * np.log2(frequencies / 100)

    return shaped_noise(rng, n_samples, gain_db)


def water(rng, n_samples):
    """Rain, streams and waves: noise that swells, with bubbles and drops."""
    period = rng.uniform(3, 12) * RATE
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(n_samples) / period + rng.uniform(0, 6.3))
    depth = rng.choice([0.0, 0.5, 0.95])
    noise = coloured(rng, rng.standard_normal(n_samples)) * (1 - depth * swell)
    bubbles = strewn(rng, n_samples, level(rng, 2, 60), functools.partial(bubble, rng))
    return noise / noise.std() * rng.uniform(0, 1) + bubbles / (bubbles.std() + 1e-12) * rng.uniform(0, 1)


def engine(rng, n_samples):
    """Motors: a row of harmonics that follows the revolutions, unsteady, with noise."""
    base, octaves = level(rng, 15, 250), rng.choice([0.02, 0.1, 0.5, 1.2])
    pitch = base * 2 ** wander(rng, n_samples, 0.0, octaves, (0.3, 5.0))
    pitch = pitch * (1 + 0.01 * rng.standard_normal(n_samples // 200 + 1)).repeat(200)[:n_samples]
    rumble = harmonics(rng, pitch, rng.uniform(0.3, 1.8))
    uneven = 1 + rng.uniform(0, 0.8) * np.sin(np.cumsum(2 * np.pi * pitch / RATE) / rng.choice([2, 3, 4]))
    noise = coloured(rng, rng.standard_normal(n_samples)) * uneven
    return rumble * uneven / rumble.std() + level(rng, 0.05, 2.0) * noise / noise.std()


def harmonics(rng, pitch, fall):
    """A tone of many harmonics on a curve of pitches in Hz, each falling off by its number."""
    turn = np.exp(2j * np.pi * np.cumsum(pitch) / RATE)
    n_harmonics = int(min(40, 0.45 * RATE / pitch.max()))
    tone, turned = np.zeros(len(pitch)), turn.copy()
    for number in range(1, n_harmonics + 1):
        start = np.exp(1j * rng.uniform(0, 2 * np.pi))
        tone += rng.exponential() / number**fall * (start * turned).real
        turned *= turn
    return tone + 1e-9


def passing(rng, n_samples):
    """Traffic: vehicles that come near and go away, their pitch falling as they pass."""
    street = 0.02 * coloured(rng, rng.standard_normal(n_samples))
    times = np.arange(n_samples) / RATE
    for _ in range(rng.integers(1, 8)):
        middle, near_s = rng.uniform(0, times[-1]), level(rng, 0.4, 4.0)
        off = (times - middle) / near_s
        pitch = level(rng, 25, 160) * (1 - rng.uniform(0.02, 0.12) * np.tanh(off))
        noise = coloured(rng, rng.standard_normal(n_samples))
        tone = harmonics(rng, pitch, 1.0)
        street += (noise + rng.uniform(0, 1.5) * tone / tone.std()) / (1 + off**2) * level(rng, 0.2, 1.0)
    return street


def hum(rng, n_samples):
    """Mains, fans and transformers: steady harmonics and steady noise."""
    base = rng.choice([50.0, 60.0, 100.0, 120.0, level(rng, 40, 600)])
    tone = harmonics(rng, np.full(n_samples, base) * (1 + 1e-4 * wander(rng, n_samples, -1, 1)), 1.0)
    noise = coloured(rng, rng.standard_normal(n_samples))
    beat = 1 + rng.uniform(0, 0.5) * np.sin(2 * np.pi * level(rng, 0.3, 20) * np.arange(n_samples) / RATE)
    return (tone / tone.std() + level(rng, 0.1, 3.0) * noise) * beat


def machine(rng, n_samples):
    """Works: knocks that recur, nearly in time, over the hum of what drives them."""
    clip = np.zeros(n_samples)
    period = level(rng, 0.06, 2.0)
    for _ in range(rng.integers(1, 4)):
        knock = rng.choice([hit, burst])(rng)
        times = np.cumsum(period * (1 + rng.uniform(0, 0.15) * rng.standard_normal(int(30 / period) + 2)))
        clip += place(n_samples, times + rng.uniform(0, period), [knock], rng)
    driven = rng.choice([engine, hum])(rng, n_samples)
    return clip / (clip.std() + 1e-9) + level(rng, 0.05, 2.0) * driven / driven.std()


def siren(rng, n_samples):
    """Alarms, horns and sirens: a tone that sweeps, switches or repeats."""
    times = np.arange(n_samples) / RATE
    rate, base, octaves = level(rng, 0.1, 6.0), level(rng, 250, 1800), rng.uniform(0.1, 1.0)
    cycle = (times * rate) % 1.0
    shape = rng.choice(
        [cycle, 0.5 - 0.5 * np.cos(2 * np.pi * cycle), (cycle > 0.5).astype(float), 0 * cycle], axis=0
    )
    tone = harmonics(rng, base * 2 ** (octaves * shape), rng.uniform(0.5, 2.0))
    if rng.random() < 0.5:
        tone = tone * (cycle < rng.uniform(0.2, 0.9))
    street = passing(rng, n_samples)
    return tone / tone.std() + level(rng, 0.1, 2.0) * street / street.std()


def creatures(rng, n_samples):
    """Birds, insects and frogs: chirps in series, each singer with its own."""
    clip = 0.01 * coloured(rng, rng.standard_normal(n_samples))
    for _ in range(rng.integers(1, 7)):
        series = chirps(rng)
        times = np.cumsum(level(rng, 0.3, 4.0) * rng.exponential(size=60))
        clip += level(rng, 0.1, 1.0) * place(n_samples, times, [series], rng)
    return clip


def chirps(rng):
    """A short series of sweeping tones."""
    length = int(level(rng, 0.01, 0.3) * RATE)
    base, bend = level(rng, 700, 7000), rng.uniform(-0.6, 0.6)
    curve = base * 2 ** (
        bend * np.linspace(0, 1, length) + rng.uniform(0, 0.1) * np.sin(np.arange(length) / 90)
    )
    chirp = np.sin(np.cumsum(2 * np.pi * curve / RATE)) * np.hanning(length)
    pause = np.zeros(int(rng.uniform(0.2, 2.0) * length))
    return np.concatenate([np.concatenate((chirp, pause)) for _ in range(rng.integers(1, 12))])


def hit(rng):
    """Something struck: modes that ring at no simple ratios."""
    times = np.arange(int(1.5 * RATE)) / RATE
    base, ring_s = level(rng, 80, 3000), level(rng, 0.005, 0.4)
    modes = base * np.sort(rng.uniform(1, 9, rng.integers(3, 12)))
    rung = sum(
        rng.exponential() * np.sin(2 * np.pi * mode * times) * np.exp(-times / ring_s * (mode / base) ** 0.5)
        for mode in modes[modes < 0.45 * RATE]
    )
    return rung + burst(rng, 0.3, 1.5)


def burst(rng, loudness=1.0, length_s=0.5):
    """A knock, a step, a clatter: noise that dies away."""
    times = np.arange(int(length_s * RATE)) / RATE
    noise = coloured(rng, rng.standard_normal(len(times)))
    return loudness * noise * np.exp(-times / level(rng, 0.003, 0.1))


def bubble(rng):
    """A drop or bubble: a short tone that rises."""
    times = np.arange(int(0.1 * RATE)) / RATE
    base, rise, ring_s = level(rng, 300, 4000), rng.uniform(0, 8), level(rng, 0.004, 0.03)
    return np.sin(2 * np.pi * base * times * (1 + rise * times)) * np.exp(-times / ring_s)


def clatter(rng, n_samples):
    """Work, steps, dishes, shots: sounds that strike at odd times."""
    kinds = [functools.partial(rng.choice([hit, burst]), rng) for _ in range(rng.integers(1, 4))]
    return sum(
        strewn(rng, n_samples, level(rng, 0.5, 12), kind) for kind in kinds
    ) + 1e-3 * rng.standard_normal(n_samples)


def strewn(rng, n_samples, rate, make):
    """Sounds at random times, so many a second, of a dozen that are made for it."""
    n_sounds = max(rng.poisson(rate * n_samples / RATE), 1)
    return place(n_samples, rng.uniform(0, n_samples / RATE, n_sounds), [make() for _ in range(12)], rng)


def place(n_samples, times, sounds, rng):
    """Add sounds at times in seconds, each as loud as it comes."""
    clip = np.zeros(n_samples)
    for start in (np.asarray(times) * RATE).astype(int):
        if 0 <= start < n_samples:
            sound = sounds[rng.integers(len(sounds))][: n_samples - start]
            clip[start : start + len(sound)] += rng.lognormal(0.0, 0.5) * sound
    return clip


def crowd(rng, n_samples, voices):
    """Many voices at once, near and far."""
    clip = np.zeros(n_samples)
    for _ in range(rng.choice([6, 12, 25, 50])):
        path = voices[rng.integers(len(voices))]
        voice, rate = soundfile.read(path, always_2d=True)
        voice = soxr.resample(voice.mean(1), rate, RATE * rng.uniform(0.85, 1.2))
        voice = voice / (voice.std() + 1e-9) * rng.lognormal(0.0, 0.5)
        start = int(rng.uniform(-0.5, 1.0) * n_samples)
        begin = max(start, 0)
        voice = voice[begin - start :][: n_samples - begin]
        clip[begin : begin + len(voice)] += voice
    return in_room(rng, clip + 1e-3 * rng.standard_normal(n_samples))


def applause(number):
    """One clip of many hands clapping, each with its own sound, rate and distance, ``[sample]``."""
    rng = np.random.default_rng(number)
    n_samples = int(rng.uniform(*APPLAUSE_S) * RATE)
    clip = np.zeros(n_samples)
    for _ in range(rng.integers(5, 120)):
        period = rng.uniform(0.18, 0.4) * RATE
        times = np.cumsum(rng.normal(period, 0.08 * period, int(n_samples / period) + 1)).astype(int)
        times = times[(times >= 0) & (times < n_samples)]
        clap = rng.standard_normal(700) * np.exp(-np.arange(700) / rng.uniform(40, 160))
        clap = lfilter([1.0], [1.0, -2 * 0.8 * np.cos(rng.uniform(0.2, 0.9)), 0.64], clap)
        struck = np.zeros(n_samples)
        struck[times] = rng.uniform(0.5, 1.0, len(times)) * rng.lognormal(0.0, 0.8)
        clip += np.convolve(struck, clap)[:n_samples]
    swell = np.interp(np.linspace(0, 1, n_samples), [0, rng.uniform(0.05, 0.3), 0.7, 1], [0, 1, 1, 0.1])
    return clip * (0.7 * swell / np.abs(clip * swell).max())


#: Those with tones or voices come twice as often as the others, which are hardly ever taken for music.
KINDS = 2 * (engine, passing, hum, machine, siren, crowd) + (wind, water, creatures, clatter)
