"""Samples of a recording from any place on, at exact times.

WAV, FLAC and their like are read where they are asked for. In MP3 and MP2 the frames are counted once, and
decoding begins some frames earlier, since a frame needs what those before it hold. All else, and what is
damaged, is decoded from its beginning, and what was decoded is kept in a temporary file.
"""

import itertools
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from hrin_plugin.audio.accounting import account
from hrin_plugin.audio.files import AudioFile
from hrin_plugin.audio.framing import MP3
from hrin_plugin.audio.mp3 import encoder_gap
from hrin_plugin.audio.parts import Part
from hrin_plugin.audio.pieces import Span, Stitched, Window
from hrin_plugin.audio.recordings import BLOCK_SAMPLES, SndfilePart, UnknownFormatError
from hrin_plugin.audio.streams import open_stream

#: Formats of libsndfile in which it seeks to the very sample.
EXACT = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC")

#: Frames of MP3 that are decoded before the one that is asked for.
AHEAD = 20

#: Sample rate of what is decoded from its beginning; 320 MB an hour.
DECODED_RATE = 22050

#: A page plays one channel or two; more are mixed.
MOST_CHANNELS = 2


def open_samples(path: str | Path) -> "Samples":
    """Open a recording for reading from any place on.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording, in any format.

    Returns
    -------
    Samples
        Its samples.

    Raises
    ------
    AudioError
        If it cannot be read.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.arange(800, dtype=np.int16), 8000)
    >>> samples = open_samples(path)
    >>> samples.sample_rate, next(samples.blocks(500))[:2].tolist()
    (8000, [[500], [501]])
    """
    with AudioFile(path) as file:
        parts = account(file, path)
        if len(parts) == 1 and not parts[0].muted and not parts[0].notes:
            part = parts[0]
            if part.form == "mp3" and part.span:
                return MpegSamples(path, file, part)
            if part.form is None and part.by == "libsndfile":
                try:
                    with SndfilePart(file, part), soundfile.SoundFile(Stitched(file, part.pieces)) as sound:
                        if sound.format in EXACT and sound.seekable():
                            return SeekedSamples(path, part, sound.samplerate, sound.channels)
                except UnknownFormatError:
                    pass
    return DecodedSamples(path)


class Samples:
    """Samples of a recording, 16 bits each.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording.
    sample_rate, n_channels : int
        Of what :meth:`blocks` gives.

    Example
    -------
    >>> Samples("a.wav", 8000, 6).n_channels
    1
    """

    def __init__(self, path, sample_rate, n_channels):
        self.path, self.sample_rate = path, sample_rate
        self.n_channels = n_channels if n_channels <= MOST_CHANNELS else 1

    def blocks(self, first: int) -> Iterator[np.ndarray]:
        """Blocks ``[sample, channel]``, int16, from a sample on to the end of the recording."""
        for block in self._blocks(first):
            if block.shape[1] != self.n_channels:
                block = block.mean(axis=1, keepdims=True)
            yield np.clip(np.rint(block * 32768), -32768, 32767).astype("<i2")

    def _blocks(self, first):
        """The same as numbers with full scale at 1."""
        raise NotImplementedError

    def close(self):
        """Release what is kept."""


class SeekedSamples(Samples):
    """Samples of a recording in which libsndfile seeks exactly."""

    def __init__(self, path, part: Part, sample_rate, n_channels):
        super().__init__(path, sample_rate, n_channels)
        self._part = part

    def _blocks(self, first):
        with AudioFile(self.path) as file, soundfile.SoundFile(Stitched(file, self._part.pieces)) as sound:
            sound.seek(min(first + self._part.n_delay, sound.frames))
            while len(block := sound.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)):
                yield block


class MpegSamples(Samples):
    """Samples of a sound MP3 or MP2, whose frames are counted."""

    def __init__(self, path, file: AudioFile, part: Part):
        window, frame = Window(file), None
        position, end = part.span
        starts = []
        while position < end and (read := MP3.read(window.get(position, MP3.header_bytes))):
            starts.append(position)
            frame, position = read, position + read.size
        head = window.get(starts[0], 256)
        with SndfilePart(file, part) as sound:
            super().__init__(path, sound.sample_rate, sound.n_channels)
        self._n_samples, self._end = frame.n_samples, end
        # The first frame of a file that is counted holds no sound.
        self._starts = np.array(starts[1:] if part.is_counted else starts, dtype=np.int64)
        self._delay = encoder_gap(head)[0] if part.is_counted else part.n_delay
        self._length = round(part.length_s * self.sample_rate)

    def _blocks(self, first):
        frame = max((first + self._delay) // self._n_samples - AHEAD, 0)
        if frame >= len(self._starts):
            return
        skipped = first + self._delay - frame * self._n_samples
        part = Part((Span(int(self._starts[frame]), self._end),), form="mp3", length_s=None)
        left = self._length - first
        with AudioFile(self.path) as file, SndfilePart(file, part, goes_on=True) as sound:
            for block in sound:
                n_now, skipped = min(skipped, len(block)), max(skipped - len(block), 0)
                block = block[n_now:][: max(left, 0)]
                left -= len(block)
                if len(block):
                    yield block


class DecodedSamples(Samples):
    """Samples of a recording in any format, decoded once, as far as they were asked for; one channel."""

    def __init__(self, path):
        super().__init__(path, DECODED_RATE, 1)
        self._stream, self._lock = open_stream(path, DECODED_RATE), threading.Lock()
        self._kept, self._n_kept, self._is_whole = tempfile.TemporaryFile(), 0, False  # noqa: SIM115

    def _blocks(self, first):
        while True:
            with self._lock:
                self._decode_to(first + 1)
                n_now = min(BLOCK_SAMPLES, self._n_kept - first)
                if n_now <= 0:
                    return
                self._kept.seek(4 * first)
                block = np.frombuffer(self._kept.read(4 * n_now), dtype=np.float32)
            yield block[:, None]
            first += n_now

    def _decode_to(self, n_samples):
        """Decode until so many samples are kept, or the recording ends."""
        while self._n_kept < n_samples and not self._is_whole:
            block = next(self._stream, None)
            if block is None:
                self._is_whole = True
                return
            self._kept.seek(4 * self._n_kept)
            self._kept.write(np.ascontiguousarray(block, dtype=np.float32).tobytes())
            self._n_kept += len(block)

    def close(self):
        """End the decoder, and remove what was decoded."""
        with self._lock:
            self._is_whole = True
            self._stream.close()
            self._kept.close()


class SamplesCache:
    """The recordings that were heard last, ready to go on.

    Arguments
    ---------
    most : int
        How many are kept.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.zeros(800), 8000)
    >>> cache = SamplesCache()
    >>> cache.get(path) is cache.get(path)
    True
    """

    def __init__(self, most=6):
        self._most, self._known, self._lock = most, {}, threading.Lock()

    def get(self, path) -> Samples:
        """The samples of a recording; opened again if the file changed."""
        status = path.stat()
        key = path, status.st_size, status.st_mtime_ns
        with self._lock:
            samples = self._known.pop(key, None) or open_samples(path)
            self._known[key] = samples
            # What a window still plays is closed by the collector of garbage.
            for old in list(itertools.islice(self._known, max(len(self._known) - self._most, 0))):
                del self._known[old]
            return samples
