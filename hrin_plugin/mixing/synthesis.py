"""Synthetic music, speech-like sound and noise in place of recordings.

Each call draws another piece, voice or scene. The three kinds overlap in level, pitch and
tonality, so that level alone does not separate them.
"""

import math

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

_TABLE_SIZE = 2048
_PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 4), (0, 0, 3, 4))
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
#: First three formants of vowels, in Hz.
_VOWELS = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (300, 870, 2240),
    (530, 1840, 2480),
    (570, 840, 2410),
    (490, 1350, 1690),
)
_BANDWIDTHS_HZ = (80.0, 100.0, 140.0)


def synthesise_music(rng, n_samples, sample_rate):
    """Draw a piece of music: a chord progression with melody, bass and drums, or some of them.

    Arguments
    ---------
    rng : numpy.random.Generator
        Source of randomness.
    n_samples : int
        Length, in samples.
    sample_rate : int
        Samples a second.

    Returns
    -------
    numpy.ndarray
        Samples, ``[sample]``, float32, of no particular level.

    Example
    -------
    >>> synthesise_music(np.random.default_rng(0), 22050, 22050).shape
    (22050,)
    """
    music = np.zeros(n_samples, dtype=np.float32)
    beat = 60.0 / rng.uniform(70, 160) * sample_rate
    scale, root = (_MAJOR, _MINOR)[rng.integers(2)], rng.integers(45, 57)
    progression = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
    parts = ["chords", *rng.permutation(["melody", "bass", "drums"])[: rng.integers(1, 4)]]
    pad, lead, low = (_draw_timbre(rng) for _ in range(3))
    kit = _draw_drums(rng, sample_rate) if "drums" in parts else None
    chord_beats = int(rng.choice([2, 4]))
    for number in range(math.ceil(n_samples / beat)):
        degree = progression[number // chord_beats % len(progression)]
        start = int(number * beat)
        if number % chord_beats == 0:
            for third in (0, 2, 4):
                _add_note(
                    music,
                    start,
                    chord_beats * beat,
                    _pitch(root, scale, degree + third),
                    0.25,
                    pad,
                    sample_rate,
                )
        if "bass" in parts:
            _add_note(music, start, beat, _pitch(root - 12, scale, degree), 0.5, low, sample_rate)
        if "melody" in parts:
            parts_of_beat = int(rng.choice([1, 1, 2]))
            for part in range(parts_of_beat):
                if rng.random() < 0.85:
                    step = degree + int(rng.choice([0, 2, 4, 5, 7])) + 7
                    length = beat / parts_of_beat
                    _add_note(
                        music,
                        start + int(part * length),
                        length,
                        _pitch(root, scale, step),
                        0.4,
                        lead,
                        sample_rate,
                    )
        if kit:
            _add(music, start, kit[number % 2])
            for half in (0.0, 0.5):
                _add(music, start + int(half * beat), kit[2])
    return music


def synthesise_speech(rng, n_samples, sample_rate):
    """Draw a speech-like voice: glottal pulses through formants, in syllables and phrases.

    Arguments
    ---------
    rng : numpy.random.Generator
        Source of randomness.
    n_samples : int
        Length, in samples.
    sample_rate : int
        Samples a second.

    Returns
    -------
    numpy.ndarray
        Samples, ``[sample]``, float32, of no particular level.

    Example
    -------
    >>> synthesise_speech(np.random.default_rng(0), 22050, 22050).shape
    (22050,)
    """
    speech = np.zeros(n_samples, dtype=np.float32)
    pitch_hz, tract = rng.uniform(85, 240), rng.uniform(0.9, 1.2)
    syllable_s, noisiness = rng.uniform(0.13, 0.22), rng.uniform(0.02, 0.15)
    hiss = butter(2, [2500, 8000], "bandpass", fs=sample_rate, output="sos")
    at = 0
    while at < n_samples:
        n_syllables = int(rng.integers(3, 12))
        for number in range(n_syllables):
            if rng.random() < 0.5:
                length = int(rng.uniform(0.04, 0.11) * sample_rate)
                burst = sosfilt(hiss, rng.standard_normal(length)) * np.hanning(length)
                _add(speech, at, rng.uniform(0.1, 0.5) * burst)
                at += int(0.8 * length)
            length = int(syllable_s * rng.uniform(0.6, 1.6) * sample_rate)
            # The pitch falls over a phrase, and moves within each syllable.
            start_hz = pitch_hz * (1.2 - 0.4 * number / n_syllables) * rng.uniform(0.9, 1.1)
            track_hz = np.linspace(start_hz, start_hz * rng.uniform(0.8, 1.15), length)
            vowel = tract * np.array(_VOWELS[rng.integers(len(_VOWELS))])
            _add(speech, at, _syllable(rng, track_hz, vowel, noisiness, sample_rate) * rng.uniform(0.5, 1.0))
            at += int(0.95 * length)
        at += int(rng.uniform(0.12, 0.5) * sample_rate)
    return speech


def synthesise_noise(rng, n_samples, sample_rate):
    """Draw a scene without music: coloured noise, hum, babble, applause, knocks or band noise.

    Arguments
    ---------
    rng : numpy.random.Generator
        Source of randomness.
    n_samples : int
        Length, in samples.
    sample_rate : int
        Samples a second.

    Returns
    -------
    numpy.ndarray
        Samples, ``[sample]``, float32, of no particular level.

    Example
    -------
    >>> synthesise_noise(np.random.default_rng(0), 22050, 22050).shape
    (22050,)
    """
    makers = (_coloured, _hum, _babble, _applause, _knocks, _band)
    return makers[rng.integers(len(makers))](rng, n_samples, sample_rate).astype(np.float32)


def _draw_timbre(rng):
    """Amplitudes of harmonics, attack and decay in seconds, vibrato's depth and rate in Hz."""
    harmonics = np.arange(1, 11) ** -rng.uniform(0.7, 2.2) * rng.uniform(0.3, 1.0, 10)
    if rng.random() < 0.3:
        harmonics[1::2] *= 0.1
    plucked = rng.random() < 0.5
    attack_s = rng.uniform(0.003, 0.01) if plucked else rng.uniform(0.02, 0.1)
    decay_s = rng.uniform(0.2, 0.8) if plucked else math.inf
    depth = 0.0 if plucked else rng.uniform(0.0, 0.006)
    return harmonics, attack_s, decay_s, depth, rng.uniform(4.5, 6.5)


def _pitch(root, scale, degree):
    """Frequency in Hz of a degree of a scale on a MIDI root."""
    return 440.0 * 2 ** ((root + scale[degree % 7] + 12 * (degree // 7) - 69) / 12)


def _add_note(music, start, length, frequency_hz, level, timbre, sample_rate):
    """Add one note to a piece, in place, from a table of one period."""
    harmonics, attack_s, decay_s, depth, rate_hz = timbre
    length = min(int(length), len(music) - start)
    if length <= 0:
        return
    below_limit = max(1, min(len(harmonics), int(0.45 * sample_rate / frequency_hz)))
    turn = 2 * np.pi * np.arange(_TABLE_SIZE) / _TABLE_SIZE
    table = (harmonics[:below_limit] @ np.sin(np.outer(np.arange(1, below_limit + 1), turn))).astype(
        np.float32
    )
    time_s = np.arange(length, dtype=np.float32) / np.float32(sample_rate)
    phase = frequency_hz * time_s
    if depth:
        phase += depth * frequency_hz / (2 * math.pi * rate_hz) * np.sin(2 * math.pi * rate_hz * time_s)
    note = table[(phase * _TABLE_SIZE).astype(np.int32) & (_TABLE_SIZE - 1)]
    envelope = np.minimum(time_s / attack_s, 1.0) * np.minimum((time_s[-1] - time_s) / 0.02, 1.0)
    if math.isfinite(decay_s):
        envelope *= np.exp(-time_s / decay_s)
    music[start : start + length] += level * envelope * note


def _draw_drums(rng, sample_rate):
    """A kick, a snare and a hi-hat, a list of ``[sample]``."""
    time_s = np.arange(int(0.25 * sample_rate)) / sample_rate
    kick = np.sin(2 * np.pi * (50 * time_s - rng.uniform(4, 8) * np.exp(-time_s / 0.03))) * np.exp(
        -time_s / 0.1
    )
    hiss = rng.standard_normal(len(time_s))
    snare = lfilter([1.0, -0.5], [1.0], hiss) * np.exp(-time_s / rng.uniform(0.04, 0.1))
    hat = np.diff(hiss, prepend=0.0) * np.exp(-time_s / rng.uniform(0.01, 0.04))
    return [rng.uniform(0.5, 1.0) * kick, rng.uniform(0.1, 0.4) * snare, rng.uniform(0.03, 0.15) * hat]


def _add(signal, start, piece):
    """Add a piece to a signal in place, cut at the signal's end."""
    piece = piece[: max(len(signal) - start, 0)]
    signal[start : start + len(piece)] += piece


def _syllable(rng, track_hz, formants_hz, noisiness, sample_rate):
    """Glottal pulses along a track of pitch, through formants, ``[sample]``."""
    phase = np.cumsum(track_hz / sample_rate)
    pulses = np.diff(np.floor(phase), prepend=0.0) + noisiness * 0.1 * rng.standard_normal(len(phase))
    voiced = lfilter([1.0], [1.0, -0.9], pulses)
    for centre_hz, width_hz in zip(formants_hz, _BANDWIDTHS_HZ):
        radius = math.exp(-math.pi * width_hz / sample_rate)
        poles = [1.0, -2 * radius * math.cos(2 * math.pi * centre_hz / sample_rate), radius**2]
        voiced = lfilter([sum(poles)], poles, voiced)
    return voiced * np.hanning(len(voiced)) ** 0.5


def _coloured(rng, n_samples, sample_rate):
    """Noise with a falling spectrum that swells slowly, as wind and traffic do."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum *= np.maximum(np.arange(len(spectrum)), 50.0) ** -rng.uniform(0.0, 1.2)
    time_s = np.arange(n_samples) / sample_rate
    swell = 1 + rng.uniform(0, 0.8) * np.sin(2 * np.pi * (rng.uniform(0.05, 0.5) * time_s + rng.random()))
    noise = np.fft.irfft(spectrum, n_samples) * swell
    return noise / np.abs(noise).max()


def _hum(rng, n_samples, sample_rate):
    """A machine: steady harmonics of one low frequency, and some noise."""
    time_s = np.arange(n_samples) / sample_rate
    base_hz = rng.choice([50.0, 60.0, 100.0])
    hum = sum(
        rng.uniform(0, 1) / k**2 * np.sin(2 * np.pi * (k * base_hz * time_s + rng.random()))
        for k in range(1, 12)
    )
    return hum + rng.uniform(0.05, 0.5) * rng.standard_normal(n_samples)


def _babble(rng, n_samples, sample_rate):
    """Many voices at once."""
    return sum(synthesise_speech(rng, n_samples, sample_rate) for _ in range(6))


def _applause(rng, n_samples, sample_rate):
    """Claps of a crowd, at a density that changes."""
    density = rng.uniform(50, 800) / sample_rate
    claps = (rng.random(n_samples) < density) * rng.uniform(0.2, 1.0, n_samples)
    length = int(0.03 * sample_rate)
    clap = rng.standard_normal(length) * np.exp(-np.arange(length) / (0.006 * sample_rate))
    band = butter(1, [600, 4000], "bandpass", fs=sample_rate, output="sos")
    return sosfilt(band, np.convolve(claps, clap)[:n_samples])


def _knocks(rng, n_samples, sample_rate):
    """Steps, doors, dishes: bursts that ring shortly, over faint noise."""
    noise = 0.01 * rng.standard_normal(n_samples)
    for _ in range(max(1, int(n_samples / sample_rate * rng.uniform(1, 6)))):
        time_s = np.arange(int(rng.uniform(0.03, 0.3) * sample_rate)) / sample_rate
        ring = np.sin(2 * np.pi * rng.uniform(150, 3000) * time_s) + rng.standard_normal(len(time_s))
        knock = ring * np.exp(-time_s / rng.uniform(0.01, 0.06))
        _add(noise, int(rng.integers(n_samples)), rng.uniform(0.2, 1.0) * knock)
    return noise


def _band(rng, n_samples, sample_rate):
    """A band of noise: air, water, a radio between stations."""
    low_hz = rng.uniform(100, 3000)
    edges_hz = [low_hz, min(low_hz * rng.uniform(1.5, 6), 0.45 * sample_rate)]
    return sosfilt(
        butter(2, edges_hz, "bandpass", fs=sample_rate, output="sos"), rng.standard_normal(n_samples)
    )
