"""Music of kinds that packages hold little of: drones, pads, industrial beats, choirs, sequences, chants.

A detector that knows no music which lasts, hums or is layered takes it for noise. Each piece is of one kind
(:data:`KINDS`), drawn anew: its scale, chords, rhythm and sounds. It is music by what orders it: tones of
a scale, chords that change, beats on a grid; ``textures.py`` makes engines and hum that have none of these.
"""

import functools
import math

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import fftconvolve, lfilter, resample_poly

#: Rate of the pieces, and how long they are, in seconds.
RATE, LENGTH_S = 8000, (60.0, 90.0)
#: Steps of scales in semitones: church modes, minor ones, pentatonic ones, ragas and maqams.
SCALES = (
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 9, 10),
    (0, 1, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 8, 11),
    (0, 2, 4, 7, 9),
    (0, 3, 5, 7, 10),
    (0, 1, 5, 7, 8),
    (0, 1, 4, 5, 7, 8, 11),
    (0, 2, 4, 6, 7, 9, 11),
    (0, 1, 4, 5, 7, 8, 10),
)
#: Chords as degrees of a scale that follow each other.
PROGRESSIONS = (
    (0, 5, 3, 4),
    (0, 3, 4, 3),
    (0, 5, 2, 6),
    (0, 6, 5, 4),
    (0, 0, 3, 0),
    (0, 1, 0, 6),
    (0, 3),
    (0,),
)
#: Vowels as pairs of frequency and bandwidth of their formants, in Hz.
VOWELS = (
    ((730, 90), (1090, 110), (2440, 170)),
    ((530, 60), (1840, 100), (2480, 170)),
    ((270, 60), (2290, 100), (3010, 170)),
    ((570, 80), (840, 90), (2410, 170)),
    ((300, 60), (870, 90), (2240, 170)),
)


def piece(number, voices=()):
    """One piece of music; the same number and voices give the same piece.

    Arguments
    ---------
    number : int
        Which one; kinds take turns.
    voices : sequence of numpy.ndarray
        Recordings of speech, ``[sample]`` at :data:`RATE`, that singers' words are taken from. Without
        them, singers have vowels only.

    Returns
    -------
    numpy.ndarray
        ``[sample]`` at :data:`RATE`, at most 1 from zero.

    Example
    -------
    >>> evolving_pad = piece(1)
    >>> LENGTH_S[0] <= len(evolving_pad) / RATE <= LENGTH_S[1]
    True
    """
    rng = np.random.default_rng((7, number))
    n_samples = int(rng.uniform(*LENGTH_S) * RATE)
    make, _ = KINDS[number % len(KINDS)]
    if make in (song, a_cappella, voice_and_drums):
        music = make(rng, n_samples, voices)
    else:
        music = make(rng, n_samples)
    if rng.random() < 0.6:
        music = reverberant(rng, music)
    return 0.9 * music / np.abs(music).max()


def kind_of(number):
    """The kind of music that a piece is of, as ``stems.tsv`` names it."""
    return KINDS[number % len(KINDS)][1]


# --- what music is ordered by --------------------------------------------------------------------


class Key:
    """A scale on a base note.

    Arguments
    ---------
    rng : numpy.random.Generator
        Draws both.
    low, high : float
        Bounds of the base note, in Hz.
    """

    def __init__(self, rng, low=55.0, high=110.0):
        self.steps = SCALES[rng.integers(len(SCALES))]
        self.base = level(rng, low, high)

    def pitch(self, degree):
        """The pitch of a degree of the scale, which may be below or above the octave, in Hz."""
        octave, step = divmod(int(degree), len(self.steps))
        return self.base * 2 ** (octave + self.steps[step] / 12)


def chords(rng, n_samples, chord_s):
    """Degrees of a triad for each chord, with its onset and length: ``[(onset, length, degrees)]``."""
    progression = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    length, found = int(chord_s * RATE), []
    for number, onset in enumerate(range(0, n_samples, length)):
        root = progression[number % len(progression)]
        found.append((onset, min(length, n_samples - onset), (root, root + 2, root + 4)))
    return found


def melody(rng, n_notes, low=7, high=17):
    """Degrees of a tune: steps more than leaps, and phrases that come again, ``[note]``."""
    steps = rng.choice([-2, -1, -1, 0, 1, 1, 2, 4, -3], 8)
    phrases = [
        np.cumsum(np.concatenate(([rng.integers(low, high)], steps[rng.permutation(8)[:7]])))
        for _ in range(3)
    ]
    order = [0, 1, 0, 2]
    tune = np.concatenate([phrases[order[k % 4]] for k in range(n_notes // 8 + 1)])[:n_notes]
    return np.clip(tune, low, high)


def level(rng, low, high):
    """A value between two, drawn by its logarithm."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


# --- sounds --------------------------------------------------------------------------------------


def tone(rng, pitch, n_samples, bright=1.0, detune=0.0, vibrato=0.0):
    """A tone of harmonics that fall off by ``number ** bright``: ``[sample]``, about 1 at most."""
    times = np.arange(n_samples) / RATE
    pitch = pitch * 2 ** (detune / 12)
    phase = (
        2 * np.pi * pitch * times + vibrato * np.sin(2 * np.pi * 5.3 * times + rng.uniform(0, 6)) * pitch / 60
    )
    turn, turned, total = np.exp(1j * phase), np.exp(1j * phase), np.zeros(n_samples)
    for number in range(1, max(int(min(14, 0.45 * RATE / pitch)), 1) + 1):
        total += (np.exp(1j * rng.uniform(0, 6.3)) * turned).real / number**bright
        turned *= turn
    return total


def swell(n_samples, rise_s, fall_s):
    """An envelope that rises and falls within a note, ``[sample]``."""
    rise, fall = (min(int(s * RATE), n_samples // 2) for s in (rise_s, fall_s))
    envelope = np.ones(n_samples)
    envelope[:rise] = np.linspace(0, 1, rise) ** 2 if rise else 1
    envelope[n_samples - fall :] *= np.linspace(1, 0, fall)
    return envelope


def pluck(rng, pitch, n_samples, damping=None):
    """A plucked string (Karplus and Strong), ``[sample]``."""
    period = max(int(RATE / pitch), 2)
    damping = rng.uniform(0.985, 0.999) if damping is None else damping
    noise = np.zeros(n_samples)
    noise[:period] = rng.standard_normal(min(period, n_samples))
    return lfilter([1.0], np.r_[1.0, np.zeros(period - 1), -damping / 2, -damping / 2], noise)


def moving_filter(rng, signal, low=200.0, high=3500.0, every_s=8.0):
    """A low-pass filter whose edge wanders, as a synthesiser's: ``[sample]`` to ``[sample]``."""
    frame = 1024
    padded = np.pad(signal, (frame, 2 * frame))
    n_frames = (len(padded) - frame) // (frame // 2) + 1
    corners = rng.uniform(math.log(low), math.log(high), int(len(signal) / RATE / every_s) + 3)
    edges = np.exp(np.interp(np.linspace(0, len(corners) - 1, n_frames), np.arange(len(corners)), corners))
    window = np.sin(np.pi * (np.arange(frame) + 0.5) / frame)
    starts = np.arange(n_frames) * (frame // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[starts] * window
    gain = 1 / np.sqrt(1 + (rfftfreq(frame, 1 / RATE) / edges[:, None]) ** 6)
    frames = irfft(rfft(frames, axis=1) * gain, frame, axis=1) * window
    out = np.zeros(len(padded))
    for start, one in zip(starts, frames, strict=True):
        out[start : start + frame] += one
    return out[frame : frame + len(signal)]


def reverberant(rng, signal):
    """A signal in a hall."""
    length = int(level(rng, 0.5, 4.0) * RATE)
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= level(rng, 0.1, 1.0) / np.sqrt(np.sum(tail**2))
    tail[0] += 1
    return fftconvolve(signal, tail)[: len(signal)]


def formants(rng, signal, vowel=None):
    """A signal sung on a vowel."""
    vowel = VOWELS[rng.integers(len(VOWELS))] if vowel is None else vowel
    spectrum = rfft(signal, next_fast_len(len(signal)))
    frequencies = rfftfreq(next_fast_len(len(signal)), 1 / RATE)
    gain = sum(0.6**k / np.sqrt(1 + ((frequencies - f) / (1.2 * w)) ** 2) for k, (f, w) in enumerate(vowel))
    return irfft(spectrum * (gain + 0.02), next_fast_len(len(signal)))[: len(signal)]


# --- drums ---------------------------------------------------------------------------------------


def drum_kit(rng, industrial=False):
    """Sounds of a kit, drawn anew: bass drum, snare, closed and open hat, and something else."""
    times = np.arange(int(0.5 * RATE)) / RATE

    def noise(decay_s, power=1.0):
        hiss = rng.standard_normal(len(times))
        hiss = np.diff(hiss, prepend=0) if power > 0 else hiss
        return hiss * np.exp(-times / decay_s)

    base, drop = level(rng, 40, 70), level(rng, 60, 400)
    kick = np.sin(2 * np.pi * (base * times - drop * 0.03 * np.exp(-times / 0.03))) * np.exp(
        -times / level(rng, 0.08, 0.25)
    )
    snare = 0.6 * np.sin(2 * np.pi * level(rng, 150, 260) * times) * np.exp(-times / 0.06) + noise(
        level(rng, 0.05, 0.2), 0
    )
    modes = level(rng, 200, 900) * rng.uniform(1, 6, 6)
    metal = sum(np.sin(2 * np.pi * m * times) for m in modes[modes < 3800]) * np.exp(
        -times / level(rng, 0.05, 0.4)
    )
    kit = [2 * kick, snare, 0.5 * noise(0.02), 0.5 * noise(0.15), 0.4 * metal]
    if industrial:
        kit = [np.tanh(level(rng, 2, 12) * sound) for sound in kit]
    return kit


def beat(rng, n_samples, tempo, industrial=False):
    """A groove on a grid of sixteenths, in phrases of four bars with a fill, ``[sample]``."""
    kit = drum_kit(rng, industrial)
    step = 60 / tempo / 4
    swing = rng.choice([0.0, 0.0, 0.15, 0.3])
    chances = np.array([0.25, 0.12, 0.55, 0.1, 0.2])
    pattern = rng.random((5, 16)) < chances[:, None]
    pattern[0, [0, 8] if rng.random() < 0.5 else [0, 4, 8, 12]] = True
    pattern[1, [4, 12]] = rng.random() < 0.85
    hands = np.flatnonzero(rng.random(5) < 0.85)
    out = np.zeros(n_samples + RATE)
    for number in range(int(n_samples / RATE / step)):
        bar, place = divmod(number, 16)
        fill = bar % 4 == 3 and place >= 12
        onset = int((number + (swing if place % 2 else 0)) * step * RATE)
        for hand in hands:
            if pattern[hand, place] or (fill and hand == 1):
                out[onset : onset + len(kit[hand])] += rng.uniform(0.7, 1.0) * kit[hand]
    return out[:n_samples]


# --- kinds of pieces -----------------------------------------------------------------------------


def drone(rng, n_samples):
    """Held fifths and octaves that beat against each other, with slow tones of a scale above."""
    key = Key(rng, 40, 110)
    out = np.zeros(n_samples)
    for degree in (0, len(key.steps), 4 if len(key.steps) > 5 else 3):
        for detune in rng.normal(0, 0.06, 2):
            out += rng.uniform(0.4, 1) * tone(rng, key.pitch(degree), n_samples, level(rng, 0.6, 2), detune)
    out = moving_filter(rng, out, 150, 2500, level(rng, 3, 15))
    return out / out.std() + rng.uniform(0.2, 1.2) * slow_line(rng, key, n_samples)


def slow_line(rng, key, n_samples):
    """Long tones of a key, one after the other, that overlap, ``[sample]`` of variance 1."""
    out, onset, bright = np.zeros(n_samples + 20 * RATE), 0, level(rng, 0.8, 3)
    degrees = melody(rng, 64)
    for degree in degrees:
        length = int(rng.uniform(3, 9) * RATE)
        note = tone(rng, key.pitch(degree), length, bright, vibrato=rng.choice([0.0, 0.3]))
        out[onset : onset + length] += note * swell(length, rng.uniform(0.3, 2), rng.uniform(1, 3))
        onset += int(length * rng.uniform(0.5, 1.2))
        if onset >= n_samples:
            break
    return out[:n_samples] / (out[:n_samples].std() + 1e-9)


def pad(rng, n_samples, key=None):
    """Dark ambient: chords of many detuned voices that melt into each other, a filter that wanders, air."""
    key = key or Key(rng, 45, 130)
    out = np.zeros(n_samples + 8 * RATE)
    bright = level(rng, 0.5, 1.8)
    for onset, length, degrees in chords(rng, n_samples, level(rng, 5, 16)):
        length = length + int(4 * RATE)
        envelope = swell(length, level(rng, 0.5, 4), 4)
        for degree in (*degrees, degrees[0] + 7):
            for detune in rng.normal(0, 0.08, 2):
                out[onset : onset + length] += envelope * tone(rng, key.pitch(degree), length, bright, detune)
    out = moving_filter(rng, out[:n_samples], 200, 3000, level(rng, 2, 15))
    air = moving_filter(rng, rng.standard_normal(n_samples), 100, 1500)
    return out / out.std() + rng.choice([0.0, 0.1, 0.3]) * air / air.std()


def industrial(rng, n_samples):
    """A distorted beat, a bass on one or two notes and noise that is gated in time."""
    tempo, key = rng.uniform(70, 150), Key(rng, 40, 70)
    drums = beat(rng, n_samples, tempo, industrial=True)
    step = int(60 / tempo / 4 * RATE)
    grid = (rng.random(16) < 0.5).repeat(step)
    gate = np.tile(grid, n_samples // len(grid) + 1)[:n_samples]
    noise = moving_filter(rng, rng.standard_normal(n_samples), 300, 3500, 4) * gate
    bass = sequence(rng, n_samples, key, tempo, degrees=rng.choice([0, 0, 0, 1, 3], 16), bright=0.6)
    mix = drums / drums.std() + rng.uniform(0.2, 1) * np.tanh(3 * bass / bass.std())
    mix += rng.uniform(0.1, 0.8) * noise / (noise.std() + 1e-9)
    if rng.random() < 0.5:
        mix += rng.uniform(0.2, 0.8) * pad(rng, n_samples, key)
    return mix


def sequence(rng, n_samples, key, tempo, degrees=None, bright=None):
    """A row of short notes that comes again and again and changes little by little, ``[sample]``."""
    degrees = melody(rng, 16, 0, 14) if degrees is None else np.array(degrees)
    step, bright = int(60 / tempo / 4 * RATE), level(rng, 0.6, 2) if bright is None else bright
    on = rng.random(16) < 0.75
    on[0] = True
    length, out = int(step * rng.uniform(0.6, 2.5)), np.zeros(n_samples + RATE)
    envelope = np.exp(-np.arange(length) / (length * rng.uniform(0.2, 0.8)))
    notes = {}
    for number, onset in enumerate(range(0, n_samples, step)):
        if number % 64 == 63:
            degrees[rng.integers(16)] += rng.choice([-2, -1, 1, 2])
        if on[number % 16]:
            degree = int(degrees[number % 16])
            if degree not in notes:
                notes[degree] = tone(rng, key.pitch(degree), length, bright) * envelope
            room = len(out) - onset
            out[onset : onset + length] += notes[degree][:room]
    return out[:n_samples]


def electronic(rng, n_samples):
    """A beat, a sequence through a filter, and chords."""
    tempo, key = rng.uniform(85, 170), Key(rng, 50, 100)
    lead = moving_filter(rng, sequence(rng, n_samples, key, tempo), 300, 3500, 6)
    bass = sequence(rng, n_samples, key, tempo, degrees=np.repeat(rng.choice([0, 3, 4, 5], 4), 4), bright=1.2)
    mix = lead / lead.std() + rng.uniform(0.3, 1) * bass / bass.std()
    if rng.random() < 0.8:
        drums = beat(rng, n_samples, tempo)
        mix += rng.uniform(0.4, 1.5) * drums / drums.std()
    if rng.random() < 0.5:
        mix += rng.uniform(0.3, 0.8) * pad(rng, n_samples, key)
    return mix


def tanpura(rng, n_samples):
    """Strings plucked in turn as a drone, a tune with slides over it, now and then a hand drum."""
    key = Key(rng, 90, 150)
    out, onset, pause = np.zeros(n_samples + 4 * RATE), 0, level(rng, 0.4, 1.0)
    strings = [pluck(rng, key.base * ratio, 3 * RATE, 0.9995) for ratio in (1.5, 2.0, 2.0, 1.0)]
    for number in range(int(n_samples / RATE / pause)):
        onset = int(number * pause * RATE)
        out[onset : onset + 3 * RATE] += strings[number % 4]
    out = out[:n_samples] / out.std() + rng.uniform(0.5, 1.5) * glide(rng, key, n_samples)
    if rng.random() < 0.5:
        drums = beat(rng, n_samples, rng.uniform(60, 130))
        out = out + rng.uniform(0.3, 0.8) * drums / drums.std()
    return out


def glide(rng, key, n_samples):
    """A reed or bow that slides from tone to tone of a key, with vibrato, ``[sample]`` of variance 1."""
    lengths = (level(rng, 0.25, 0.9) * RATE * rng.choice([0.5, 1, 1, 2], 400)).astype(int)
    pitch = np.array([key.pitch(degree) for degree in melody(rng, 400)]).repeat(lengths)[:n_samples]
    smooth = int(level(rng, 0.02, 0.15) * RATE)
    octaves = np.convolve(np.pad(np.log2(pitch), (smooth, smooth), "edge"), np.ones(smooth) / smooth, "same")[
        smooth:-smooth
    ]
    octaves = octaves + rng.uniform(0, 0.02) * np.sin(2 * np.pi * 5 * np.arange(len(octaves)) / RATE)
    phase = 2 * np.pi * np.cumsum(2**octaves) / RATE
    loud = np.interp(
        np.arange(n_samples), np.arange(0, n_samples, RATE), rng.uniform(0.2, 1, -(-n_samples // RATE))
    )
    fall = level(rng, 0.7, 1.8)
    voice = sum(np.sin(k * phase) / k**fall * (k * 2**octaves < 3800) for k in range(1, 9))
    return _fit(voice, n_samples) * loud / voice.std()


def _fit(signal, n_samples):
    """A signal cut or padded to a length."""
    return np.pad(signal[:n_samples], (0, max(n_samples - len(signal), 0)))


def strings_and_drum(rng, n_samples):
    """Folk: a tune and chords on plucked strings, with or without a hand drum."""
    tempo, key = rng.uniform(70, 150), Key(rng, 80, 160)
    step, out = int(60 / tempo / 2 * RATE), np.zeros(n_samples + 3 * RATE)
    tune = melody(rng, 512, 5, 16)
    damping = rng.uniform(0.98, 0.999)
    for number, onset in enumerate(range(0, n_samples, step)):
        if rng.random() < 0.75:
            out[onset : onset + RATE] += pluck(rng, key.pitch(tune[number % 512]), RATE, damping)
    for onset, _, degrees in chords(rng, n_samples, 4 * step / RATE):
        for late, degree in enumerate(degrees):
            start = onset + late * int(0.02 * RATE)
            out[start : start + RATE] += 0.5 * pluck(rng, key.pitch(degree), RATE, damping)
    out = out[:n_samples] / out.std()
    if rng.random() < 0.5:
        drums = beat(rng, n_samples, tempo)
        out = out + rng.uniform(0.2, 0.8) * drums / drums.std()
    return out


def drums_only(rng, n_samples):
    """A groove without anything else."""
    return beat(rng, n_samples, rng.uniform(60, 180), industrial=rng.random() < 0.3)


def choir(rng, n_samples):
    """Chords sung on vowels by a few voices to a part."""
    key = Key(rng, 65, 110)
    out = np.zeros(n_samples + 2 * RATE)
    for onset, length, degrees in chords(rng, n_samples, level(rng, 1.5, 6)):
        length, vowel = length + RATE // 3, VOWELS[rng.integers(len(VOWELS))]
        parts = np.zeros(length)
        for degree in (*degrees, degrees[0] + len(key.steps)):
            for detune in rng.normal(0, 0.12, 3):
                parts += tone(rng, key.pitch(degree), length, 0.8, detune, vibrato=rng.uniform(0.2, 0.6))
        out[onset : onset + length] += formants(rng, parts, vowel) * swell(length, 0.25, 0.4)
    return out[:n_samples]


def sung(rng, key, n_samples, tempo, voices, low=5, high=13):
    """A tune sung to the words of a recording of speech: its spectrum, held, on the tune's pitches.

    The envelope of the speech's spectrum shapes a tone of many harmonics, and noise where it hisses.
    """
    beat_s = 60 / tempo
    lengths = (beat_s * RATE * rng.choice([0.5, 0.5, 1, 1, 2], 600)).astype(int)
    degrees = melody(rng, 600, low, high)
    pitch = np.array([key.pitch(degree) for degree in degrees]).repeat(lengths)[:n_samples]
    smooth = int(0.04 * RATE)
    pitch = np.exp(
        np.convolve(np.pad(np.log(pitch), (smooth, smooth), "edge"), np.ones(smooth) / smooth, "same")
    )[smooth:-smooth]
    times = np.arange(n_samples) / RATE
    pitch = pitch * 2 ** (rng.uniform(0.1, 0.4) / 12 * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * times))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    source = sum(np.sin(k * phase) * (k * pitch < 3900) for k in range(1, 24))
    source = source / source.std() + rng.uniform(0.05, 0.2) * rng.standard_normal(n_samples)
    return shaped_by(rng, source, words(rng, n_samples, voices))


def words(rng, n_samples, voices):
    """Speech end to end, slowed down and with pauses between phrases, ``[sample]``."""
    if not len(voices):
        times = np.arange(n_samples)
        return formants(rng, rng.standard_normal(n_samples)) * (np.sin(times / RATE * 1.5) > -0.7)
    slow, parts, total = rng.integers(13, 22), [], 0
    speaker = rng.integers(len(voices))
    while total < n_samples:
        voice = voices[(speaker + rng.integers(4)) % len(voices)]
        voice = resample_poly(voice / (np.abs(voice).max() + 1e-9), slow, 10) if len(voice) else np.zeros(800)
        parts += [voice, np.zeros(int(rng.uniform(0.1, 1.2) * RATE))]
        total += sum(map(len, parts[-2:]))
    return np.concatenate(parts)[:n_samples]


def shaped_by(rng, source, speech):
    """A source with the smoothed short-time spectrum of speech: a vocoder, ``[sample]``."""
    frame, hop = 256, 64
    window = np.hanning(frame)
    starts = np.arange(0, len(source) - frame, hop)
    views = (np.lib.stride_tricks.sliding_window_view(signal, frame)[starts] for signal in (source, speech))
    carrier, spoken = (rfft(view * window, axis=1) for view in views)
    wide = np.hanning(9) / np.hanning(9).sum()
    envelope = np.apply_along_axis(np.convolve, 1, np.abs(spoken), wide, "same")
    flat = np.apply_along_axis(np.convolve, 1, np.abs(carrier), wide, "same")
    frames = irfft(carrier * envelope / (flat + 1e-3 * flat.max()), frame, axis=1) * window
    out = np.zeros(len(source))
    for start, one in zip(starts, frames, strict=True):
        out[start : start + frame] += one
    return out


def a_cappella(rng, n_samples, voices):
    """Singing alone: one voice, or a few in parts."""
    tempo, key = rng.uniform(60, 120), Key(rng, 70, 130)
    state = rng.integers(2**31)
    parts = [
        sung(np.random.default_rng((state, k // 2)), key, n_samples, tempo, voices, low, low + 9)
        for k, low in enumerate((5, 3, 1)[: rng.integers(1, 4)])
    ]
    return sum(parts)


def song(rng, n_samples, voices):
    """A voice with chords, strings or pads, with or without a beat."""
    tempo, key = rng.uniform(70, 130), Key(rng, 65, 120)
    voice = sung(rng, key, n_samples, tempo, voices)
    under = rng.choice([pad, functools.partial(sequence, tempo=tempo)])
    band = under(rng, n_samples, key=key)
    mix = voice / voice.std() + rng.uniform(0.2, 1) * band / band.std()
    if rng.random() < 0.5:
        drums = beat(rng, n_samples, tempo)
        mix += rng.uniform(0.3, 1) * drums / drums.std()
    return mix


def voice_and_drums(rng, n_samples, voices):
    """Singing or chanting on few notes over drums, and nothing else."""
    tempo, key = rng.uniform(70, 130), Key(rng, 70, 130)
    low = rng.integers(3, 7)
    voice = sung(rng, key, n_samples, tempo, voices, low, low + rng.integers(2, 6))
    drums = beat(rng, n_samples, tempo, industrial=rng.random() < 0.2)
    return voice / voice.std() + rng.uniform(0.4, 1.5) * drums / drums.std()


#: What makes each piece, and what kind of music it is.
KINDS = (
    (drone, "ambient"),
    (pad, "ambient"),
    (industrial, "electronic"),
    (song, "sung"),
    (electronic, "electronic"),
    (tanpura, "folk_world"),
    (voice_and_drums, "sung"),
    (strings_and_drum, "folk_world"),
    (choir, "sung"),
    (drums_only, "electronic"),
    (a_cappella, "sung"),
)
