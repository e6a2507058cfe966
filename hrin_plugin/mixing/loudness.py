"""Loudness after ITU-R BS.1770-4, mono, in LUFS.

pyloudnorm's K-weighting filters run once over a signal. The gated loudness of any part
then follows from the power in steps of 100 ms.
"""

import functools
import math

import numpy as np
import pyloudnorm
from scipy.signal import sosfilt

from hrin_plugin.timing import to_samples

#: Length of a step, in seconds: gating blocks of 400 ms overlap by three quarters.
STEP_S = 0.1
_STEPS_PER_BLOCK = 4
_OFFSET_LU = -0.691
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0


def step_powers(audio, sample_rate):
    """K-weighted power of a signal in steps of 100 ms.

    Arguments
    ---------
    audio : numpy.ndarray
        Samples, ``[sample]``.
    sample_rate : int
        Samples a second.

    Returns
    -------
    numpy.ndarray
        Mean squares, ``[step]``, float64; a last, incomplete step is left out.

    Example
    -------
    >>> step_powers(np.zeros(22050, dtype="float32"), 22050).shape
    (10,)
    """
    step = to_samples(STEP_S, sample_rate)
    n_steps = len(audio) // step
    weighted = sosfilt(_k_weighting(sample_rate), audio[: n_steps * step])
    return np.square(weighted).reshape(n_steps, step).mean(axis=1)


def gated_loudness(powers):
    """Loudness of a span of a signal, with the absolute and the relative gate.

    Arguments
    ---------
    powers : numpy.ndarray
        K-weighted powers from :func:`step_powers`, ``[step]``; fewer than four
        count as one block.

    Returns
    -------
    float
        Loudness in LUFS; minus infinity where nothing passes the absolute gate.

    Example
    -------
    >>> round(gated_loudness(np.full(10, 0.5)), 2)
    -3.7
    >>> gated_loudness(np.zeros(10))
    -inf
    """
    if len(powers) == 0:
        return -math.inf
    width = min(_STEPS_PER_BLOCK, len(powers))
    blocks = np.convolve(powers, np.full(width, 1 / width), mode="valid")
    blocks = blocks[blocks >= _power_of(_ABSOLUTE_GATE_LUFS)]
    if len(blocks) == 0:
        return -math.inf
    blocks = blocks[blocks > blocks.mean() * 10 ** (_RELATIVE_GATE_LU / 10)]
    return _OFFSET_LU + 10 * math.log10(blocks.mean())


def loudness(audio, sample_rate):
    """Gated loudness of a whole signal.

    Arguments
    ---------
    audio : numpy.ndarray
        Samples, ``[sample]``.
    sample_rate : int
        Samples a second.

    Returns
    -------
    float
        Loudness in LUFS; minus infinity for silence.

    Example
    -------
    >>> time_s = np.arange(48000) / 48000
    >>> round(loudness(np.sin(2 * np.pi * 997 * time_s), 48000), 1)
    -3.1
    """
    return gated_loudness(step_powers(audio, sample_rate))


def _power_of(lufs):
    """K-weighted power of a loudness."""
    return 10 ** ((lufs - _OFFSET_LU) / 10)


@functools.cache
def _k_weighting(sample_rate):
    """pyloudnorm's two K-weighting filters, as second-order sections ``[2, 6]``."""
    filters = pyloudnorm.Meter(sample_rate)._filters.values()
    return np.array([np.concatenate((section.passband_gain * section.b, section.a)) for section in filters])
