"""Recordings of any length and live audio as a stream of mono blocks at one sample rate, in
constant memory.

The result does not depend on the blocks of the input, since they are first re-cut into blocks
of fixed length.
"""

import itertools
import logging
import numbers
import weakref

import numpy as np
import soxr

from hrin_plugin.audio.ffmpeg import ffmpeg_program
from hrin_plugin.audio.signals import (
    downmix,
    first_not_finite,
    mix,
    not_finite_error,
    resampled_length,
    scale_problem,
)
from hrin_plugin.audio.sound import Sound

_logger = logging.getLogger(__name__)

#: Length of the blocks that come out, in seconds.
BLOCK_S = 1

#: For so long the channels are mixed in one way, in seconds: their mean, or the strongest one.
MIX_S = 10

#: How long one way of mixing fades into the next, in seconds.
FADE_S = 0.02

#: Most values that are mixed at once (64 MiB), however many channels and samples a header announces.
MOST_VALUES = 1 << 24

#: Most channels of live sound; more are taken for a block whose axes are swapped. So are more channels than
#: samples, but for so few that a short block of live sound may have them.
MOST_CHANNELS, MOST_CHANNELS_SURE = 64, 8

#: Below this share of its type's full scale a signal of longer integers is likely to hold 16-bit ones.
LEAST_SHARE = 2.0**-15


class AudioStream:
    """Mono blocks of an open recording: an iterator, and a context manager that closes it.

    Arguments
    ---------
    sound : Sound
        The open recording.
    sample_rate : int
        Samples a second of the blocks.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.zeros(12000), 8000)
    >>> stream = AudioStream(Sound(path), 16000)
    >>> stream.duration_s, [len(block) for block in stream]
    (1.5, [16000, 8000])
    """

    def __init__(self, sound, sample_rate):
        self.sample_rate, self._sound = sample_rate, sound
        #: Length in seconds that the recording announces, or None.
        self.duration_s = sound.duration_s
        self._close_recording = weakref.finalize(self, sound.close)
        self._blocks = _cut(_of_parts(sound, sample_rate), BLOCK_S * sample_rate)

    @property
    def warnings(self):
        """What is wrong with the recording, in a few words with the times; complete after the last block."""
        return self._sound.warnings

    @property
    def faults(self):
        """The warnings that tell of damaged or missing sound; complete after the last block."""
        return self._sound.faults

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self._blocks)
        except BaseException:  # also at the end, so that no file stays open
            self.close()
            raise

    def close(self):
        """Close the recording and terminate ffmpeg if it decodes."""
        self._blocks.close()
        self._close_recording()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def open_stream(path, sample_rate, track=None):
    """Open a recording of any length and kind as a stream of mono blocks.

    libsndfile reads it, or ffmpeg for formats unknown to libsndfile and for damaged files. The
    format follows from the content, not the name. Every second of sound is read, or
    ``warnings`` says from where to where it is missing.

    The concatenated blocks equal the result of :func:`hrin_plugin.audio.signals.read_audio`,
    except for the downmix. It is chosen for each span of ``MIX_S`` seconds: the mean, or the
    strongest channel if the mean cancels out.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording.
    sample_rate : int
        Samples a second of the blocks.
    track : int or None
        Which of several tracks of sound is read, from 1 on; None for the first.

    Returns
    -------
    AudioStream
        Iterator of blocks ``[sample]``, float32, full scale at 1, of ``BLOCK_S`` seconds
        but for the last; a context manager that closes the recording.

    Raises
    ------
    AudioError
        If the recording cannot be used, here or while its blocks are read.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.flac"
    >>> soundfile.write(path, np.zeros((110250, 2)), 44100)
    >>> with open_stream(path, 8000) as stream:
    ...     stream.duration_s, [block.shape for block in stream], stream.warnings
    (2.5, [(8000,), (8000,), (4000,)], [])
    """
    _check_rate("sample_rate", sample_rate)
    if track is not None and (not isinstance(track, int) or track < 1):
        raise ValueError(f"track is {track!r}; give a whole number, 1 or more")
    return AudioStream(Sound(path, ffmpeg_program(), track), int(sample_rate))


def resample_blocks(blocks, source_rate, sample_rate, mix_s=MIX_S, block_s=BLOCK_S):
    """Resample live audio to mono blocks, like those of :func:`open_stream`.

    The delay is about two blocks for one channel. It is ``mix_s`` and a block for several channels, which
    are checked for cancellation.

    Arguments
    ---------
    blocks : iterable of (numpy.ndarray or torch.Tensor)
        Samples, ``[sample]`` or ``[sample, channel]``, of any length. Floating-point numbers
        have full scale at 1; integers are divided by their type's full scale.
    source_rate : int
        Samples a second of ``blocks``.
    sample_rate : int
        Samples a second of the result.
    mix_s : float
        For so long the channels are mixed in one way, in seconds; that of :func:`open_stream` by default.
    block_s : float
        Length of the blocks of the result, in seconds.

    Returns
    -------
    iterator of numpy.ndarray
        Blocks ``[sample]``, float32, of ``block_s`` seconds but for the last.

    Raises
    ------
    ValueError
        If a rate is not a whole number above 0, or, while iterating, a block is not
        audio, holds a number that is not finite, or has another number of channels.

    Example
    -------
    >>> live = (np.zeros((441, 2), dtype=np.int16) for _ in range(150))
    >>> [block.shape for block in resample_blocks(live, 44100, 8000)]
    [(8000,), (4000,)]
    """
    _check_rate("source_rate", source_rate)
    _check_rate("sample_rate", sample_rate)
    return _convert(_checked(blocks), int(source_rate), int(sample_rate), _not_finite, mix_s, block_s)


def _not_finite(time_s):
    """The error for live audio with NaN or infinity."""
    return ValueError(f"the sample at {time_s:.3f} s is not a finite number; mend what sends the blocks")


def _check_rate(name, rate):
    """Raise ValueError for a sample rate that is not a positive integer."""
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real) or rate < 1 or rate % 1 != 0:
        raise ValueError(f"{name} is {rate!r}; give whole samples a second, 1 or more")


def _checked(blocks):
    """Blocks of live sound as new arrays ``[sample, channel]``, float32."""
    n_channels, peak, is_wide = None, 0.0, False
    for number, block in enumerate(blocks):
        channels = _as_channels(block, number)
        peak = max(peak, float(np.abs(channels).max(initial=0)))
        is_wide = str(block.dtype).endswith(("int32", "int64"))
        if n_channels not in (None, channels.shape[1]):
            problem = f"block {number} has {channels.shape[1]} channels, those before have {n_channels}"
            raise ValueError(f"{problem}; send the same number in each")
        n_channels = channels.shape[1]
        yield channels
    if is_wide and 0 < peak <= LEAST_SHARE:
        _logger.warning(
            "no sample is above %g of full scale; if they are 16-bit numbers, send them as int16", LEAST_SHARE
        )


def _as_channels(block, number):
    """One block of live sound as a new array ``[sample, channel]``, float32."""
    if hasattr(block, "detach"):  # a tensor, maybe of a type that NumPy lacks
        block = block.detach().cpu()
        block = (block.float() if block.is_floating_point() else block).numpy()
    if not hasattr(block, "dtype"):
        raise ValueError(f"block {number} is a {type(block).__name__}; send arrays or tensors")
    block = np.asarray(block)
    if block.dtype.kind not in "fiu":
        raise ValueError(f"block {number} holds {block.dtype} values; send real numbers")
    if block.ndim not in (1, 2):
        raise ValueError(f"block {number} has {block.ndim} axes; send [sample] or [sample, channel]")
    channels = block[:, None] if block.ndim == 1 else block
    most = MOST_CHANNELS if channels.shape[1] <= max(len(channels), MOST_CHANNELS_SURE) else 0
    if not 1 <= channels.shape[1] <= most and len(channels):
        problem = f"block {number}, {tuple(block.shape)}, has {channels.shape[1]} channels"
        raise ValueError(f"{problem}; send [sample, channel], 1 to {MOST_CHANNELS} channels")
    if block.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what is too large for float32 is refused as infinite
            return channels.astype(np.float32)
    full_scale = 2.0 ** (8 * block.dtype.itemsize - 1)
    zero = full_scale if block.dtype.kind == "u" else 0.0
    return ((channels.astype(np.float64) - zero) / full_scale).astype(np.float32)


def _convert(blocks, source_rate, sample_rate, refusal, mix_s, block_s):
    """Mono blocks at the new rate; `refusal` makes an error from the time of a bad sample."""
    mono = _converted(blocks, source_rate, sample_rate, refusal, mix_s, block_s)
    return _cut(mono, round(block_s * sample_rate))


def _converted(blocks, source_rate, sample_rate, refusal, mix_s=MIX_S, block_s=BLOCK_S):
    """The same in blocks of any length."""
    mono = _mono(_finite(blocks, source_rate, refusal), source_rate, mix_s, block_s)
    return _resampled(mono, source_rate, sample_rate)


def _of_parts(sound, sample_rate):
    """Mono blocks of all parts of a recording, at the new rate."""
    n_samples = 0
    for source_rate, blocks in sound:
        before_s = n_samples / sample_rate
        for block in _converted(
            blocks,
            source_rate,
            sample_rate,
            lambda time_s: not_finite_error(sound.path, before_s + time_s),  # noqa: B023
        ):
            n_samples += len(block)
            yield block


def _finite(blocks, sample_rate, refusal):
    """The same blocks; raises at the first sample that is not finite, or for swapped axes.

    A wrong scale is refused in a file, and named once in live sound, whose sender may mend it.
    """
    n_before, channels, is_named = 0, None, False
    for channels in blocks:
        broken = first_not_finite(channels)
        if broken is not None:
            raise refusal((n_before + broken) / sample_rate)
        found = None if is_named else scale_problem(channels, 0)
        if found:
            _refuse_in_a_file(found, refusal(n_before / sample_rate))
            _logger.warning("%s; %s", *found)
            is_named = True
        n_before += len(channels)
        yield channels
    if channels is not None and channels.shape[1] > MOST_CHANNELS_SURE:
        found = scale_problem(channels[:0], n_before)
        if found:
            _refuse_in_a_file(found, refusal(0.0))
            raise ValueError("; ".join(found))


def _refuse_in_a_file(found, like):
    """Raise a problem and its cure as an error of a file, if another error is of one."""
    if hasattr(like, "path"):
        raise type(like)(like.path, *found)


def _cut(blocks, size):
    """The same samples in blocks of equal size; the last may be shorter."""
    parts, n_held = [], 0
    for block in blocks:
        while n_held + len(block) >= size:
            needed = size - n_held
            yield np.concatenate([*parts, block[:needed]])
            block, parts, n_held = block[needed:], [], 0
        if len(block):
            parts.append(block)
            n_held += len(block)
    if parts:
        yield np.concatenate(parts)


def _mono(blocks, sample_rate, mix_s, block_s):
    """Mono blocks, with a crossfade where the downmix changes."""
    first = next(blocks, None)
    if first is None:
        return
    n_channels = first.shape[1]
    seconds = mix_s if n_channels > 1 else block_s
    size = max(1, min(round(seconds * sample_rate), MOST_VALUES // n_channels))
    fade = np.linspace(0, 1, max(1, int(FADE_S * sample_rate)), dtype=np.float32)
    before = None
    for number, channels in enumerate(_cut(itertools.chain([first], blocks), size)):
        mono, channel = mix(channels)
        if number and channel != before:
            rise = fade[: len(mono)]
            head = channels[: len(rise)]
            mono[: len(rise)] = rise * mono[: len(rise)] + (1 - rise) * downmix(head, before)
        before = channel
        yield mono


def _resampled(blocks, source_rate, sample_rate):
    """Mono blocks at the new rate (soxr, HQ), `resampled_length` samples in all."""
    is_same = source_rate == sample_rate
    resampler = None if is_same else soxr.ResampleStream(source_rate, sample_rate, 1, "float32", "HQ")
    n_before = n_after = 0
    for block in blocks:
        n_before += len(block)
        block = block if is_same else resampler.resample_chunk(block)
        n_after += len(block)
        yield block
    if n_before and not is_same:
        n_missing = resampled_length(n_before, source_rate, sample_rate) - n_after
        rest = resampler.resample_chunk(np.zeros(0, np.float32), last=True)[:n_missing]
        yield np.pad(rest, (0, n_missing - len(rest)))
