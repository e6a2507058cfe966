"""Reading of whole recordings in formats of libsndfile, as mono float32 at one sample rate.

Faulty recordings raise an error.

Recordings of any length go through :mod:`hrin_plugin.audio.streams`.
"""

from typing import NamedTuple

import numpy as np
import soxr

from hrin_plugin.audio.recordings import AudioError, Recording

#: Below this share of the channels' mean power, their mean counts as cancelled out.
CANCELLED_SHARE = 0.01

#: No sound is so loud, full scale at 1 (48 dB above it): it has another scale.
MOST_LEVEL = 256.0

#: The full scale of 32-bit numbers; what is beyond belongs to no scale.
MOST_SCALE = 2.0**31


class AudioInfo(NamedTuple):
    """Length of a recording.

    Example
    -------
    >>> AudioInfo(duration_s=60.0, n_samples=1323000, sample_rate=22050).duration_s
    60.0
    """

    duration_s: float
    n_samples: int  # of each channel, at the recording's own rate
    sample_rate: int


def audio_duration(path):
    """Length of a recording, from its header where that tells it.

    An MP3 without a Xing header is decoded for it: guesses from its size are wrong.

    Arguments
    ---------
    path : str or pathlib.Path
        A recording in any format that libsndfile reads.

    Returns
    -------
    AudioInfo
        Duration in seconds, number of samples, samples a second.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, or shorter than its header says.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.zeros(11025), 22050)
    >>> audio_duration(path)
    AudioInfo(duration_s=0.5, n_samples=11025, sample_rate=22050)
    """
    with Recording(path) as recording:
        n_samples, sample_rate = recording.n_samples, recording.sample_rate
        if n_samples is None:
            n_samples = sum(len(block) for block in recording)
    return AudioInfo(n_samples / sample_rate, n_samples, sample_rate)


def read_audio(path, sample_rate):
    """Read a recording as mono at a given rate.

    Mono is the mean of the channels. Where they cancel out (the mean has less than
    1 % of their mean power, as in antiphase stereo) it is the strongest channel.

    Arguments
    ---------
    path : str or pathlib.Path
        A recording in any format that libsndfile reads.
    sample_rate : int
        Samples a second of the result.

    Returns
    -------
    numpy.ndarray
        Samples, ``[sample]``, float32, full scale at 1;
        :func:`resampled_length` gives their number.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, shorter than its header says, or
        holds a sample that is not a finite number.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.zeros((22050, 2)), 22050)
    >>> read_audio(path, 8000).shape
    (8000,)
    """
    with Recording(path) as recording:
        channels, source_rate = np.concatenate(list(recording)), recording.sample_rate
    broken = first_not_finite(channels)
    if broken is not None:
        raise not_finite_error(path, broken / source_rate)
    odd = scale_problem(channels)
    if odd:
        raise AudioError(path, *odd)
    return resample(to_mono(channels), source_rate, sample_rate)


def first_not_finite(channels):
    """Index of the first sample that is not a finite number in any channel, or None.

    Arguments
    ---------
    channels : numpy.ndarray
        Samples, ``[sample, channel]``.

    Returns
    -------
    int or None
        Index of the sample.

    Example
    -------
    >>> first_not_finite(np.array([[0.0, 0.5], [0.1, np.nan]]))
    1
    """
    finite = np.isfinite(channels)
    return None if finite.all() else int(np.argmin(finite.all(axis=1)))


def not_finite_error(path, time_s):
    """The error for a recording that holds NaN or infinity.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording.
    time_s : float
        Where it stands, in seconds.

    Returns
    -------
    AudioError
        To be raised.

    Example
    -------
    >>> print(not_finite_error("a.wav", 0.5))
    a.wav: the sample at 0.500 s is not a finite number; export it again, as 16-bit PCM for instance
    """
    problem = f"the sample at {time_s:.3f} s is not a finite number"
    return AudioError(path, problem, "export it again, as 16-bit PCM for instance")


def scale_problem(channels, n_samples=None):
    """What shows that samples are not of full scale at 1, or that their axes are swapped.

    Arguments
    ---------
    channels : numpy.ndarray
        Samples, ``[sample, channel]``, finite.
    n_samples : int or None
        Samples of the whole recording; None for those given, 0 where it is not known yet.

    Returns
    -------
    tuple of (str, str) or None
        The problem and its cure; None if there is none.

    Example
    -------
    >>> scale_problem(np.array([[0.5], [-30000.0]]))
    ('a sample is -30000, where full scale is 1', 'divide its samples by 32768, or export it as 16-bit PCM')
    >>> scale_problem(np.array([[0.5], [1e30]]))[0]
    'a sample is 1e+30, where full scale is 1, as in a damaged file'
    """
    n_samples = len(channels) if n_samples is None else n_samples
    n_channels = channels.shape[1]
    if 0 < n_samples < n_channels:
        problem = f"there are {n_samples} samples of {n_channels} channels"
        return problem, "swap the axes to [sample, channel]"
    if channels.size and max(channels.max(), -channels.min()) > MOST_LEVEL:
        value = channels.flat[np.abs(channels).argmax()]
        problem = f"a sample is {value:g}, where full scale is 1"
        if abs(value) > MOST_SCALE:
            return f"{problem}, as in a damaged file", "copy or export it again, as 16-bit PCM for instance"
        return problem, "divide its samples by 32768, or export it as 16-bit PCM"
    return None


def to_mono(channels):
    """Mean of the channels, or the strongest channel if the mean cancels out.

    Arguments
    ---------
    channels : numpy.ndarray
        Samples, ``[sample, channel]``, float32.

    Returns
    -------
    numpy.ndarray
        Samples, ``[sample]``, float32.

    Example
    -------
    >>> to_mono(np.array([[0.5, -0.5], [0.25, -0.25]], dtype=np.float32)).tolist()
    [0.5, 0.25]
    """
    return mix(channels)[0]


def mix(channels):
    """Mono of channels, and which channel it is.

    Arguments
    ---------
    channels : numpy.ndarray
        Samples, ``[sample, channel]``, float32.

    Returns
    -------
    tuple of (numpy.ndarray, int or None)
        Samples, ``[sample]``, float32, a new array: the strongest channel if the channels cancel out in the
        mean, and its index; else their mean, and None.

    Example
    -------
    >>> mono, channel = mix(np.array([[0.5, -0.5], [0.25, -0.26]], dtype=np.float32))
    >>> mono.tolist(), channel
    ([-0.5, -0.25999999046325684], 1)
    """
    if channels.shape[1] == 1:
        return downmix(channels, 0), None
    mono = downmix(channels, None)
    power = np.dot(mono, mono)
    # A rough bound first, from as many samples at once as a matrix product takes.
    if power > 2 * CANCELLED_SHARE * np.vdot(channels, channels) / channels.shape[1]:
        return mono, None
    powers = np.einsum("sc,sc->c", channels, channels, dtype=np.float64)
    if not power < CANCELLED_SHARE * powers.mean():
        return mono, None
    channel = int(powers.argmax())
    return downmix(channels, channel), channel


def downmix(channels, channel):
    """One channel, or the mean of all channels.

    Arguments
    ---------
    channels : numpy.ndarray
        Samples, ``[sample, channel]``, float32.
    channel : int or None
        Index of the channel; None for the mean.

    Returns
    -------
    numpy.ndarray
        Samples, ``[sample]``, float32, a new array.

    Example
    -------
    >>> downmix(np.array([[0.5, 0.25]], dtype=np.float32), None).tolist()
    [0.375]
    """
    if channel is not None:
        return channels[:, channel].copy()
    mono = channels[:, 0].copy()
    for other in range(1, channels.shape[1]):  # ten times as fast as a mean along the short axis
        mono += channels[:, other]
    mono /= channels.shape[1]
    return mono


def resample(signal, source_rate, sample_rate):
    """Resample a whole signal (soxr, HQ) to exactly :func:`resampled_length` samples.

    Arguments
    ---------
    signal : numpy.ndarray
        Samples, ``[sample]``, float32.
    source_rate : int
        Samples a second of ``signal``.
    sample_rate : int
        Samples a second of the result.

    Returns
    -------
    numpy.ndarray
        Samples, ``[sample]``, float32.

    Example
    -------
    >>> resample(np.zeros(60 * 22050, dtype=np.float32), 22050, 8000).shape
    (480000,)
    """
    n_samples = resampled_length(len(signal), source_rate, sample_rate)
    if source_rate == sample_rate:
        return signal
    resampled = soxr.resample(signal, source_rate, sample_rate, quality="HQ")[:n_samples]
    return np.pad(resampled, (0, n_samples - len(resampled)))


def resampled_length(n_samples, source_rate, sample_rate):
    """Number of samples after resampling: ``n_samples * sample_rate / source_rate``,
    rounded to the nearest (halves up) in integers, and at least 1.

    Arguments
    ---------
    n_samples : int
        Number of samples before.
    source_rate : int
        Samples a second before.
    sample_rate : int
        Samples a second after.

    Returns
    -------
    int
        Number of samples.

    Example
    -------
    >>> resampled_length(60 * 22050, 22050, 8000), resampled_length(1, 44100, 8000)
    (480000, 1)
    """
    if sample_rate != int(sample_rate) or sample_rate < 1:
        raise ValueError(f"sample_rate is {sample_rate!r}; give whole samples a second, 1 or more")
    return max(1, (2 * n_samples * int(sample_rate) + source_rate) // (2 * source_rate))
