"""Rendering of an excerpt from recordings: music and rest.

Levels are BS.1770 loudness. Speech is set to the excerpt's level, noise to a level below.
The music of each passage is set to its drawn level relative to the measured rest.
"""

import math
from typing import NamedTuple

import numpy as np
import soxr
from scipy.signal import lfilter

from hrin_plugin.mixing.loudness import STEP_S, gated_loudness, loudness, step_powers
from hrin_plugin.mixing.programme import gain_corners, music_runs, plateau
from hrin_plugin.mixing.store import SAMPLE_RATE
from hrin_plugin.mixing.treatment import ROOM_SHARE, add_room
from hrin_plugin.timing import to_samples

#: Loudness of an excerpt's speech, in LUFS, and levels over it, in LU.
SPEECH_LUFS = (-32.0, -18.0)
SPEECH_LU = (-3.0, 3.0)
NOISE_LU = (-18.0, 0.0)
MUSIC_ALONE_LU = (-8.0, 4.0)
ROOM_TONE_LU = (-55.0, -35.0)
#: How many excerpts have a room tone under all that sounds; the others fall silent.
ROOM_TONE_SHARE = 0.8
#: Highest sample of a mix; a louder mix is turned down as a whole.
PEAK = 0.98
#: Lengths of the joints between recordings, in seconds: crossfades, or pauses if negative.
JOINTS_S = {"music": (0.3, 1.0), "speech": (-0.8, -0.15), "noise": (0.05, 0.3)}
#: Noise shorter than this comes one by one, as steps, shots and doors do, with pauses of any length up to
#: one that is drawn for each stretch: joined end to end, it would make rhythms. In seconds.
LASTING_S, LONGEST_PAUSES_S = 3.0, (0.03, 3.0)
#: How many recordings make up one stretch of noise, so that it stays one place.
_PALETTE = 3
#: Treated noise: of how many layers it may be, how far each is turned down, in dB, and how fast it is played.
LAYERS, LAYER_DB, SPEEDS = (1, 1, 2, 4, 8), (-12.0, 0.0), (0.6, 1.6)
#: Fade at the ends of every piece that does not crossfade, against clicks.
_EDGE_S = 0.01
#: A piece of music this far below its recording (LU) is redrawn, up to so many times.
_QUIET_LU, _DRAWS = -12.0, 5


class Stems(NamedTuple):
    """The two stems of a mix, music and rest, float32, ``[sample]``.

    Example
    -------
    >>> Stems(music=np.zeros(2), rest=np.ones(2)).mix.tolist()
    [1.0, 1.0]
    """

    music: np.ndarray
    rest: np.ndarray

    @property
    def mix(self):
        """The mix, ``[sample]``."""
        return self.music + self.rest


def render_stems(passages, store, sources, rng, treated=False):
    """Render the music and the rest of one excerpt.

    Arguments
    ---------
    passages : sequence of Passage
        The passages of the excerpt.
    store : numpy.ndarray
        Samples of all recordings, int16, ``[sample]``.
    sources : mapping of str to sequence of Source
        Where in the store the usable "music", "speech" and "noise" lie.
    rng : numpy.random.Generator
        Source of randomness.
    treated : bool
        Whether some speech gets reverberation, and noise consists of several layers with
        different levels and speeds.

    Returns
    -------
    Stems
        Music and rest, together within :data:`PEAK`.

    Example
    -------
    >>> from hrin_plugin.mixing.programme import Passage
    >>> from hrin_plugin.mixing.store import Source
    >>> rng = np.random.default_rng(0)
    >>> store = (9000 * rng.standard_normal(44100)).clip(-32767, 32767).astype("int16")
    >>> source = [Source("a", 0, 44100, -8.0)]
    >>> passages = [Passage(0.0, 2.0, "bg-music", True, False, -9.0, True, 0.0)]
    >>> sources = {"music": source, "speech": source, "noise": source}
    >>> render_stems(passages, store, sources, rng).mix.shape
    (44100,)
    """
    level_lufs = rng.uniform(*SPEECH_LUFS)
    rest = _render_rest(passages, store, sources, rng, level_lufs, treated)
    music = _render_music(passages, store, sources["music"], rng, level_lufs, rest)
    peak = np.abs(music + rest).max()
    if peak > PEAK:
        music *= PEAK / peak
        rest *= PEAK / peak
    return Stems(music, rest)


def _render_rest(passages, store, sources, rng, level_lufs, treated):
    """Speech, noise and room tone, ``[sample]``."""
    n_samples = to_samples(passages[-1].end_s, SAMPLE_RATE)
    rest = np.zeros(n_samples, dtype=np.float32)
    if rng.random() < ROOM_TONE_SHARE:
        tone = rng.standard_normal(n_samples, dtype=np.float32)
        tone = lfilter([1.0], [1.0, -rng.uniform(0.5, 0.98)], tone)
        rest += _at_loudness(tone, level_lufs + rng.uniform(*ROOM_TONE_LU))
    for kind, levels_lu in (("speech", SPEECH_LU), ("noise", NOISE_LU)):
        sounding = [getattr(passage, kind) for passage in passages]
        edges = np.flatnonzero(np.diff(sounding, prepend=False, append=False))
        for first, after in edges.reshape(-1, 2):
            start, stop = _sample_at(passages[first].start_s), _sample_at(passages[after - 1].end_s)
            fill = _ambience if treated and kind == "noise" else _fill
            piece = fill(kind, stop - start, store, sources[kind], rng)
            if treated and kind == "speech" and rng.random() < ROOM_SHARE:
                piece = add_room(piece, SAMPLE_RATE, rng)
            # Noise comes and goes as the music does; speech starts and stops.
            fades_s = [passage.ramp_s if kind == "noise" else 0.0 for passage in passages]
            _fade_in(piece, _fade_length(fades_s[first], piece))
            _fade_in(piece[::-1], _fade_length(fades_s[after] if after < len(passages) else 0.0, piece))
            rest[start:stop] += _at_loudness(piece, level_lufs + rng.uniform(*levels_lu))
    return rest


def _render_music(passages, store, sources, rng, level_lufs, rest):
    """Music at its drawn levels relative to the rest, ``[sample]``."""
    music = np.zeros_like(rest)
    rest_powers = step_powers(rest, SAMPLE_RATE)
    for run in music_runs(passages):
        members = passages[slice(*run)]
        # A crossfade reaches over the boundary by half its length on either side.
        before_s = members[0].ramp_s / 2
        after_s = passages[run[1]].ramp_s / 2 if run[1] < len(passages) else 0.0
        start = max(_sample_at(members[0].start_s - before_s), 0)
        stop = min(_sample_at(members[-1].end_s + after_s), len(music))
        piece = _fill("music", stop - start, store, sources, rng)
        powers = step_powers(piece, SAMPLE_RATE)
        gains = []
        for number, passage in enumerate(members, start=run[0]):
            steady_s = plateau(passages, number)
            target_lufs = level_lufs + rng.uniform(*MUSIC_ALONE_LU)
            if passage.speech or passage.noise:
                rest_lufs = gated_loudness(rest_powers[_steps(steady_s, 0.0)])
                # Where speech pauses throughout, the rest counts as no lower than a room tone.
                target_lufs = passage.relative_lu + max(rest_lufs, level_lufs + ROOM_TONE_LU[0])
            piece_lufs = gated_loudness(powers[_steps(steady_s, start / SAMPLE_RATE)])
            gains.append(10 ** ((target_lufs - piece_lufs) / 20) if math.isfinite(piece_lufs) else 0.0)
        times_s, corners = gain_corners(passages, run, gains)
        gain = np.interp(np.arange(start, stop), np.array(times_s) * SAMPLE_RATE, corners)
        music[start:stop] += piece * gain
    return music


def _sample_at(seconds):
    """Sample of a time."""
    return to_samples(seconds, SAMPLE_RATE)


def _steps(span_s, origin_s):
    """The steps of loudness that lie in a span, counted from a time."""
    first = max(round((span_s[0] - origin_s) / STEP_S), 0)
    return slice(first, max(round((span_s[1] - origin_s) / STEP_S), first + 1))


def _at_loudness(piece, lufs):
    """A signal scaled to a loudness; silence stays silent."""
    measured = loudness(piece, SAMPLE_RATE)
    if not math.isfinite(measured):
        return np.zeros_like(piece)
    return (piece * 10 ** ((lufs - measured) / 20)).astype(np.float32)


def _fill(kind, n_samples, store, sources, rng):
    """Fill a length with pieces of recordings, joined by the rule of their kind, ``[sample]``."""
    filled = np.zeros(n_samples, dtype=np.float32)
    # Long recordings come up as often as they have material, short ones (prompts, effects) each alike.
    lengths = np.array([source.n_samples for source in sources], dtype=float)
    weights = lengths if kind == "music" else np.minimum(lengths, 10 * SAMPLE_RATE)
    weights /= weights.sum()
    if kind == "noise" and len(sources) > _PALETTE:
        chosen = rng.choice(len(sources), _PALETTE, replace=False, p=weights)
        sources, weights = [sources[i] for i in chosen], np.full(_PALETTE, 1 / _PALETTE)
    longest_pause_s = math.exp(rng.uniform(*np.log(LONGEST_PAUSES_S)))
    at, joint = 0, 0
    while at < n_samples:
        source = sources[rng.choice(len(sources), p=weights)]
        piece = _draw_piece(source, n_samples - at, store, rng)
        if kind == "music":
            for _ in range(_DRAWS - 1):
                if 20 * math.log10(np.sqrt(np.mean(piece**2)) + 1e-9) >= _QUIET_LU:
                    break
                piece = _draw_piece(source, n_samples - at, store, rng)
        edge = max(joint, _sample_at(_EDGE_S)) if at else 0
        _fade_in(piece, edge)
        stop = at + len(piece)
        if stop == n_samples:
            filled[at:] += piece
            return filled
        if kind == "noise" and len(piece) < _sample_at(LASTING_S):
            joint = -_sample_at(longest_pause_s * rng.uniform(0.05, 1.0))
        else:
            joint = min(_sample_at(rng.uniform(*JOINTS_S[kind])), len(piece) // 4)
        _fade_in(piece[::-1], max(joint, _sample_at(_EDGE_S)))
        filled[at:stop] += piece
        at = stop - joint
    return filled


def _ambience(kind, n_samples, store, sources, rng):
    """Several layers of noise, each with its own level and speed."""
    mixed = np.zeros(n_samples, dtype=np.float32)
    for _ in range(rng.choice(LAYERS)):
        speed = math.exp(rng.uniform(*np.log(SPEEDS)))
        layer = _fill(kind, math.ceil(n_samples * speed) + 1, store, sources, rng)
        layer = soxr.resample(layer, SAMPLE_RATE * speed, SAMPLE_RATE)[:n_samples]
        mixed[: len(layer)] += layer * np.float32(10 ** (rng.uniform(*LAYER_DB) / 20))
    return mixed


def _draw_piece(source, longest, store, rng):
    """A piece of a recording at 0 LUFS, ``[sample]``: all of it, or as much as fits."""
    length = min(source.n_samples, longest)
    start = source.start + int(rng.integers(source.n_samples - length + 1))
    scale = 10 ** (-source.loudness_lufs / 20) / 32767
    return store[start : start + length].astype(np.float32) * np.float32(scale)


def _fade_length(fade_s, piece):
    """Samples of a fade, long enough not to click."""
    return min(_sample_at(max(fade_s, _EDGE_S)), len(piece) // 4)


def _fade_in(piece, length):
    """Fade the start of a signal linearly, in place."""
    length = min(length, len(piece))
    if length > 0:
        piece[:length] *= np.linspace(0.0, 1.0, length, endpoint=False, dtype=np.float32)
