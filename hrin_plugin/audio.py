"""Reading recordings: any format, rate, channel count and bit depth that
libsndfile knows, to mono float32 at one rate; what cannot be trusted is refused.

A file is always read whole: reading an MP3 of variable bit rate block by block
through libsndfile corrupts it, and resampling chunk by chunk differs from
resampling the whole.
"""

import os
import struct
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

#: Below this share of the channels' mean power, their mean counts as cancelled out.
CANCELLED_SHARE = 0.01

#: Sizes that programs announce when they write to a pipe, where the size is not known.
_UNKNOWN_SIZES = {0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF}

#: First bytes of a chunked file: byte order and the name of the chunk with the samples.
_CHUNKED = {
    b"RIFF": ("<", b"data"),
    b"RF64": ("<", b"data"),
    b"RIFX": (">", b"data"),
    b"FORM": (">", b"SSND"),
}


class AudioError(ValueError):
    """Raised for a recording that cannot be used.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording.
    problem : str
        What is wrong with it.
    cure : str
        What to do about it.

    Example
    -------
    >>> print(AudioError("a.wav", "holds no samples", "record it again"))
    a.wav: holds no samples; record it again
    """

    def __init__(self, path, problem, cure):
        super().__init__(f"{os.fspath(path)}: {problem}; {cure}")
        self.path, self.problem, self.cure = os.fspath(path), problem, cure

    def __reduce__(self):
        """Rebuild from the three parts, so that it crosses from a loader's worker."""
        return type(self), (self.path, self.problem, self.cure)


class AudioInfo(NamedTuple):
    """Length of a recording, as its header tells.

    Example
    -------
    >>> AudioInfo(duration_s=60.0, n_samples=1323000, sample_rate=22050).duration_s
    60.0
    """

    duration_s: float
    n_samples: int  # of each channel, at the recording's own rate
    sample_rate: int


def audio_duration(path):
    """Length of a recording, from its header alone.

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
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.zeros(11025), 22050)
    >>> audio_duration(path)
    AudioInfo(duration_s=0.5, n_samples=11025, sample_rate=22050)
    """
    with _open(path) as file:
        return AudioInfo(file.frames / file.samplerate, file.frames, file.samplerate)


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
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.zeros((22050, 2)), 22050)
    >>> read_audio(path, 8000).shape
    (8000,)
    """
    with _open(path) as file:
        try:
            channels = file.read(dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, MemoryError) as error:
            raise AudioError(path, f"cannot be decoded ({_reason(error)})", _COPY) from None
        announced, source_rate = file.frames, file.samplerate
    if len(channels) < announced:
        problem = f"only {len(channels)} of {announced} samples can be read"
        raise AudioError(path, problem, _COPY)
    finite = np.isfinite(channels).all(axis=1)
    if not finite.all():
        first_s = int(np.argmin(finite)) / source_rate
        problem = f"the sample at {first_s:.3f} s is not a finite number"
        raise AudioError(path, problem, "export it again, as 16-bit PCM for instance")
    return resample(to_mono(channels), source_rate, sample_rate)


def to_mono(channels):
    """Mean of the channels, or the strongest of them where they cancel out.

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
    mono = channels.mean(axis=1)
    power = np.einsum("sc,sc->c", channels, channels, dtype=np.float64)
    if np.dot(mono, mono) < CANCELLED_SHARE * power.mean():
        return np.ascontiguousarray(channels[:, power.argmax()])
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


_COPY = "copy or export it again"


def _open(path):
    """The recording as an open ``soundfile.SoundFile`` whose header is checked."""
    if not os.path.exists(path):
        raise AudioError(path, "there is no such file", "check the name and the folder")
    if not os.path.isfile(path):
        raise AudioError(path, "is not a file", "name a recording")
    try:
        _check_chunk_size(path)
        file = soundfile.SoundFile(os.fspath(path))
    except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError: headerless, such as .raw
        cure = "check that it is a recording, and convert it to WAV or FLAC"
        raise AudioError(path, f"cannot be read as audio ({_reason(error)})", cure) from None
    if file.frames == 0:
        file.close()
        raise AudioError(path, "holds no samples", _COPY)
    return file


def _reason(error):
    """The library's or the system's own words for an error, without the path."""
    reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return reason.strip().rstrip(".") or type(error).__name__


def _check_chunk_size(path):
    """Refuse a WAV or AIFF file that ends before its samples do.

    The library silently takes the rest of such a file for the whole.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        order, samples_id = _CHUNKED.get(file.read(4), (None, None))
        file.seek(12)
        wide_size = None
        while order and len(header := file.read(8)) == 8:
            chunk_id, chunk_size = header[:4], struct.unpack(order + "I", header[4:])[0]
            if chunk_id == b"ds64" and len(sizes := file.read(16)) == 16:
                wide_size = struct.unpack("<Q", sizes[8:])[0]
                file.seek(-16, os.SEEK_CUR)
            if chunk_id == samples_id:
                if chunk_size == 0xFFFFFFFF and wide_size is not None:
                    chunk_size = wide_size
                held = size - file.tell()
                if held < chunk_size and chunk_size not in _UNKNOWN_SIZES:
                    problem = f"the header announces {chunk_size} bytes of samples, the file holds {held}"
                    raise AudioError(path, problem, _COPY)
                return
            file.seek(chunk_size + chunk_size % 2, os.SEEK_CUR)
