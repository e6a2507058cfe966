"""Gate that makes near-silence no music, whatever the network says.

A network that takes decibels magnifies what nobody hears: mains hum of two 16-bit steps, dither, the residue
of a codec. The gate goes by the signal, second by second.

**Level.** The power of the loudest band of 100 Hz, given as the RMS level of noise that has as much there: of
noise of 0 to 4 kHz, re full scale. Faint music has its power in few bands, and so lies 10 dB and more above
noise of the same RMS level. An offset (DC) does not count. Bands below 180 Hz, where mains hum lies, count
12 dB less. A click shorter than a quarter of a second does not count.

**Steadiness.** The mean change of the louder bands from one second to the next, in dB. Hum, noise and most
residue change by less than 1 dB, faint music by more.

**Hysteresis.** The gate closes where steady sound is at or below the threshold, or any sound 15 dB below it.
It opens where any sound is 3 dB above the threshold, or sound that is not steady 12 dB below it. It acts
where it is closed for 5 s on end, or for the whole recording.
"""

import functools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.timing import FrameGrid

#: How far above the threshold the gate opens, in dB.
HYSTERESIS_DB = 3.0
#: How far below the threshold it closes for sound that is not steady, in dB.
UNSTEADY_DB = 15.0
#: Change from one second to the next up to which sound is steady, and from which it is not, in dB.
STEADY_DB = (1.25, 1.75)
#: For so long the gate must be closed to act, in seconds; less than the context at the end of a window,
#: which is read ahead.
LEAST_S = 5

#: Length of a spectrum in seconds, and width of a band in Hz.
_SPECTRUM_S, _BAND_HZ = 0.128, 100.0
#: Bands below this frequency count less, by so much.
_HUM_HZ, _HUM_DB = 180.0, 12.0
#: Bands count for steadiness down to so far below the loudest.
_LOUDER_DB = 15.0
#: From the loudest band of a second to noise, in dB: noise of 4000 Hz has 16 dB more than a band of 100 Hz;
#: 3 dB are for the choice of the loudest, 3 dB for noise that falls towards high frequencies.
_NOISE_DB = 10.3
#: Powers below this count as this.
_LEAST_POWER = 1e-17


def measure(samples: np.ndarray, sample_rate: int) -> tuple[float, np.ndarray]:
    """Level and bands of a second of sound, as the top of this module defines them.

    Arguments
    ---------
    samples : numpy.ndarray
        Mono, ``[sample]``, full scale at 1.
    sample_rate : int
        Samples a second.

    Returns
    -------
    tuple of (float, numpy.ndarray)
        The level, and the level of each band ``[band]``, in dB.

    Example
    -------
    >>> noise = 1e-4 * np.random.default_rng(0).standard_normal(8000)
    >>> round(measure(noise, 8000)[0]), round(measure(noise + 0.1, 8000)[0])
    (-84, -84)
    """
    length = round(_SPECTRUM_S * sample_rate)
    n_spectra = max(1, len(samples) // length)
    frames = np.zeros(n_spectra * length, np.float32)
    frames[: len(samples)] = samples[: len(frames)]
    window = _window(length)
    spectra = np.fft.rfft(frames.reshape(n_spectra, length) * window)
    # By Parseval: the share of each bin in the mean power of the samples.
    power = 2 * (spectra.real**2 + spectra.imag**2) / (length * np.sum(window**2))
    first, width = (max(1, round(hertz * length / sample_rate)) for hertz in (_HUM_HZ, _BAND_HZ))
    n_bands = max(0, power.shape[1] - first) // width
    high = power[:, first : first + n_bands * width].reshape(n_spectra, n_bands, width).sum(axis=2)
    # The window spreads an offset over the first two bins.
    low = power[:, 2:first].sum(axis=1) * 10 ** (-_HUM_DB / 10)
    bands = np.sort(np.column_stack([low, high]), axis=0)
    # The second loudest spectrum: a click lies in two at most, and mostly in one.
    level = 10 * np.log10(max(bands[max(0, n_spectra - 2)].max(), _LEAST_POWER)) + _NOISE_DB
    return float(level), 10 * np.log10(np.maximum(bands[n_spectra // 2], _LEAST_POWER))


@functools.cache
def _window(length):
    """The window of a spectrum."""
    return np.hanning(length).astype(np.float32)


class SilenceGate:
    """Sets the probabilities of near-silence to those of no music, in a stream of any length.

    Arguments
    ---------
    threshold_db : float or None
        Level at which the gate closes, in dB re full scale; None for no gate.
    taxonomy : Taxonomy
        Its class for silence is what near-silence becomes (:attr:`Taxonomy.silence`); without one the gate
        does nothing.
    grid : FrameGrid
        Sample rate and hop of the frames.
    note : callable or None
        Takes the level and the change of each second, to be heard again by :meth:`hear`.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> gate = SilenceGate(-80.0, MUSIC_LOUDNESS, FrameGrid(hop_length=8000))
    >>> noise = np.random.default_rng(0).standard_normal((7, 8000)).astype(np.float32)
    >>> _ = list(gate.listen([*(1e-5 * noise[:5]), *(1e-2 * noise[5:])]))
    >>> md, _ = next(gate.applied([(np.full((8, 2), 0.5), np.full((8, 3), 0.5))]))
    >>> md[:, 0].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    """

    def __init__(
        self,
        threshold_db: float | None,
        taxonomy: Taxonomy,
        grid: FrameGrid,
        note: Callable[[float, float], None] | None = None,
    ):
        self._threshold_db, self._grid, self._note = threshold_db, grid, note
        self._silent = taxonomy.silence
        self._is_off = threshold_db is None or self._silent is None
        self._runs = []  # closed seconds: the first, and the first after them; None while they last
        self._is_open, self._was_open, self._bands = True, False, None
        self._n_seconds, self._n_frames = 0, 0

    def listen(
        self, blocks: Iterable[np.ndarray], take: Callable[[float, float], None] | None = None
    ) -> Iterator[np.ndarray]:
        """Pass blocks on, and measure them by the second.

        Arguments
        ---------
        blocks : iterable of numpy.ndarray
            Mono, ``[sample]``, of a second each or an equal part of one, but for the last.
        take : callable or None
            Gets what was measured, for :meth:`take`; None for that.

        Yields
        ------
        numpy.ndarray
            The blocks.
        """
        held, n_held, size = [], 0, None
        for block in blocks:
            size = size or len(block)
            held.append(block)
            n_held += len(block)
            if n_held >= self._grid.sample_rate or len(block) < size:
                self._measure(np.concatenate(held), take or self.take)
                held, n_held = [], 0
            yield block
        if n_held:
            self._measure(np.concatenate(held), take or self.take)

    def _measure(self, samples, take):
        """Measure a second."""
        if len(samples) and (self._note or not self._is_off):
            level, bands = measure(samples, self._grid.sample_rate)
            change = 0.0 if self._bands is None else float(_change(self._bands, bands))
            self._bands = bands
            take(level, change)

    def take(self, level: float, change: float) -> None:
        """Note what was measured in the next second, and :meth:`hear` it."""
        if self._note:
            self._note(level, change)
        self.hear(level, change)

    def applied(self, pieces: Iterable[tuple[np.ndarray, ...]]) -> Iterator[tuple[np.ndarray, ...]]:
        """Probabilities with near-silence set to 1 for its class and 0 for the others.

        Arguments
        ---------
        pieces : iterable of tuple of numpy.ndarray
            For each level the next frames' probabilities ``[frame, class]``. Where the signal has not been
            heard for :data:`LEAST_S` seconds after them, or to its end, the gate acts that much later.

        Yields
        ------
        tuple of numpy.ndarray
            The same frames.
        """
        for levels in pieces:
            n_frames = len(levels[0])
            silent = list(self._silent_frames(n_frames))
            if silent:
                levels = tuple(np.array(level) for level in levels)
            for frames in silent:
                for level, index in zip(levels, self._silent):
                    level[frames] = np.arange(level.shape[1]) == index
            self._n_frames += n_frames
            yield levels

    def hear(self, level: float, change: float) -> None:
        """Open or close in the next second.

        Arguments
        ---------
        level : float
            Level of the second, in dB re full scale.
        change : float
            Mean change of its louder bands from the second before, in dB; 0 for the first.
        """
        if self._is_off:
            return
        above = level - self._threshold_db
        steady, unsteady = STEADY_DB
        opens = above > HYSTERESIS_DB or (above > HYSTERESIS_DB - UNSTEADY_DB and change > unsteady)
        closes = above <= -UNSTEADY_DB or (above <= 0 and change <= steady) or not self._n_seconds
        if self._is_open and closes and not opens:
            self._runs.append((self._n_seconds, None))
            self._is_open = False
        elif opens and not self._is_open:
            self._runs[-1] = self._runs[-1][0], self._n_seconds
            self._is_open = True
        self._was_open |= self._is_open
        self._n_seconds += 1

    def _silent_frames(self, n_frames):
        """Slices of the next frames where the gate acts."""
        rate, hop = self._grid.sample_rate, self._grid.hop_length
        for first, last in self._runs:
            if (last or self._n_seconds) - first >= LEAST_S or not self._was_open:
                begin = -(-first * rate // hop) - self._n_frames
                # A run that lasts until now takes in the frame at the signal's very end.
                end = n_frames if last is None else -(-last * rate // hop) - self._n_frames
                yield slice(max(begin, 0), max(end, 0))
        done = (self._n_frames + n_frames) * hop
        self._runs = [run for run in self._runs if run[1] is None or run[1] * rate > done]


def _change(before, bands):
    """Mean change of the louder bands, in dB."""
    louder = np.maximum(before, bands)
    louder = louder >= louder.max() - _LOUDER_DB
    return np.abs(bands - before)[louder].mean()
