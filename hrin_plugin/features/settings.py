"""Settings of log-mel frames, checked once for every implementation (paper, section V-B)."""

import math
import numbers
from typing import NamedTuple

import numpy as np

from hrin_plugin.text import shown
from hrin_plugin.timing import FrameGrid

#: Highest sample rate, and longest transform; greater numbers are mistakes.
MOST_RATE, MOST_FFT = 1 << 20, 1 << 16

#: Powers below this are taken for it, so that digital silence has a logarithm.
MIN_POWER = 1e-10


class FrameSettings(NamedTuple):
    """Settings of :class:`hrin_plugin.features.LogMel`, which says what each means.

    Example
    -------
    >>> settings = FrameSettings(n_fft=400, hop_length=160)
    >>> settings.check()
    >>> settings.grid
    FrameGrid(sample_rate=8000, hop_length=160)
    """

    sample_rate: int = 8000
    n_fft: int = 512
    hop_length: int = 128
    n_mels: int = 128
    reference: float | str = "max"
    floor_db: float | None = 80.0

    @property
    def grid(self) -> FrameGrid:
        """Times of the frames."""
        return FrameGrid(self.sample_rate, self.hop_length)

    def check(self) -> None:
        """Raise ValueError for a setting that no frames can have.

        Example
        -------
        >>> FrameSettings(n_mels=0).check()
        Traceback (most recent call last):
        ...
        ValueError: n_mels must be a whole number from 1 to 65536, got 0
        """
        for name, most in (
            ("sample_rate", MOST_RATE),
            ("n_fft", MOST_FFT),
            ("hop_length", self.sample_rate),
            ("n_mels", MOST_FFT),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not 1 <= value <= most:
                raise ValueError(f"{name} must be a whole number from 1 to {most}, got {shown(value)}")
        if self.reference != "max" and not _is_above(self.reference, 0.0):
            raise ValueError(f"reference must be 'max' or a power above 0, got {shown(self.reference)}")
        if self.floor_db is not None and not _is_above(self.floor_db, -1e-9):
            raise ValueError(
                f"floor_db must be None or a number of dB, 0 or more, got {shown(self.floor_db)}"
            )

    def check_length(self, n_samples: int) -> None:
        """Raise ValueError for a recording that is too short for reflect padding.

        Example
        -------
        >>> FrameSettings().check_length(100)
        Traceback (most recent call last):
        ...
        ValueError: a recording of 100 samples is too short: frames of 512 samples need at least 257
        """
        least = self.n_fft // 2 + 1
        if n_samples < least:
            raise ValueError(
                f"a recording of {n_samples} samples is too short: "
                f"frames of {self.n_fft} samples need at least {least}"
            )

    def window(self) -> np.ndarray:
        """The periodic Hann window, ``[n_fft]``.

        Example
        -------
        >>> FrameSettings(n_fft=4).window().tolist()
        [0.0, 0.5, 1.0, 0.5]
        """
        turns = np.arange(self.n_fft) / self.n_fft
        return (0.5 - 0.5 * np.cos(2 * np.pi * turns)).astype(np.float32)

    def mel_bank(self) -> np.ndarray:
        """Slaney's mel filters with his normalisation, ``[n_fft // 2 + 1, n_mels]``.

        Example
        -------
        >>> FrameSettings().mel_bank().shape
        (257, 128)
        """
        bins = np.fft.rfftfreq(self.n_fft, 1 / self.sample_rate)
        mels = np.linspace(0, _hertz_to_mel(self.sample_rate / 2), self.n_mels + 2)
        edges = _mel_to_hertz(mels)
        slopes = edges[None, :] - bins[:, None]
        widths = np.diff(edges)
        rising, falling = -slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]
        filters = np.clip(np.minimum(rising, falling), 0, None) * (2 / (edges[2:] - edges[:-2]))
        return filters.astype(np.float32)


#: Slaney's scale is linear up to 1 kHz and logarithmic above, 27 mels for a factor of 6.4.
_HERTZ_A_MEL, _KNEE_HERTZ, _STEP = 200 / 3, 1000.0, math.log(6.4) / 27


def _hertz_to_mel(hertz):
    """Slaney's mels of one frequency."""
    if hertz < _KNEE_HERTZ:
        return hertz / _HERTZ_A_MEL
    return _KNEE_HERTZ / _HERTZ_A_MEL + math.log(hertz / _KNEE_HERTZ) / _STEP


def _mel_to_hertz(mels):
    """Frequencies of Slaney's mels."""
    knee = _KNEE_HERTZ / _HERTZ_A_MEL
    return np.where(mels < knee, mels * _HERTZ_A_MEL, _KNEE_HERTZ * np.exp(_STEP * (mels - knee)))


def _is_above(value, least):
    """Whether a value is a finite number above another."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and least < value < math.inf
