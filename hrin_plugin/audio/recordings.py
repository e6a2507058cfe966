"""Block-wise reading of recordings by libsndfile; faulty files raise an error.

The format follows from the content, never from the name. libsndfile would read an AAC file
named ``.mp3`` as noise.
"""

import contextlib
import os
import re
import sys
import tempfile
import threading

import numpy as np
import soundfile

from hrin_plugin.audio.accounting import account
from hrin_plugin.audio.files import COPY, AudioError, AudioFile, reason
from hrin_plugin.audio.notes import DOUBTFUL, Note, notes_of_scale, texts_of
from hrin_plugin.audio.pieces import Stitched

#: Most samples that are read at once, of each channel.
BLOCK_SAMPLES = 1 << 16

#: How much a recording may be shorter than it announces, in seconds; Ogg files in circulation are.
TOLERANCE_S = {"OGG": 0.5, "MP3": 2 * 1152 / 44100}

#: The length that libsndfile tells where it knows none.
_UNKNOWN_LENGTH = (1 << 63) - 1

#: Types of samples that can hold another scale without a word.
_WIDE = {"PCM_24", "PCM_32", "FLOAT", "DOUBLE"}

_LOSSY = ("MPEG", "VORBIS", "OPUS")

#: What the MP3 decoder says.
_CHATTER = re.compile(r"\s*(\[[^]]*mpg123|Note: |Warning: |$)")

#: With its end.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")

#: Standard error is the process's: two threads at once would take each other's complaints.
_LISTENING = threading.RLock()

#: Shown for frames without a header; libsndfile's guess of their length then never ends before the file.
_ENDLESS = 1 << 50


class UnknownFormatError(AudioError):
    """Raised for a file whose format libsndfile does not know; ffmpeg may.

    Example
    -------
    >>> isinstance(UnknownFormatError("a.m4a", "cannot be read as audio", "convert it"), AudioError)
    True
    """


class DamagedError(AudioError):
    """Raised where libsndfile cannot read on; ffmpeg may.

    Example
    -------
    >>> isinstance(DamagedError("a.flac", "cannot be decoded at 1.000 s", "copy it again"), AudioError)
    True
    """


class Recording:
    """An open recording that libsndfile reads; iterating gives its blocks.

    It is read strictly, as for training: whatever is missing, damaged or in doubt is refused.

    Arguments
    ---------
    path : str or pathlib.Path
        A recording in any format that libsndfile reads.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, or not what its header says.
    UnknownFormatError
        If libsndfile does not read it, or its parts differ.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, [[0.0, 0.5]] * 100, 8000)
    >>> with Recording(path) as recording:
    ...     recording.sample_rate, recording.n_samples, [block.shape for block in recording]
    (8000, 100, [(100, 2)])
    """

    def __init__(self, path):
        self.path = path
        with contextlib.ExitStack() as opened:
            self._file = opened.enter_context(AudioFile(path))
            parts = account(self._file, path)
            refuse_notes(path, [note for part in parts for note in part.notes])
            self._parts = [opened.enter_context(SndfilePart(self._file, part)) for part in parts]
            self._opened = opened.pop_all()
        first = self._parts[0]
        #: Samples a second, and channels.
        self.sample_rate, self.n_channels = first.sample_rate, first.n_channels
        if any(
            (part.sample_rate, part.n_channels) != (first.sample_rate, first.n_channels)
            for part in self._parts
        ):
            self.close()
            cure = "join its parts as WAV or FLAC"
            raise UnknownFormatError(
                path, "cannot be read as one (its parts have several sample rates or channels)", cure
            )
        counts = [part.n_samples for part in self._parts]
        #: Samples of each channel that the header announces; None where it announces none.
        self.n_samples = None if None in counts else sum(counts)

    @property
    def duration_s(self):
        """Length in seconds that the header announces; None where it announces none."""
        return None if self.n_samples is None else self.n_samples / self.sample_rate

    def __iter__(self):
        """Blocks ``[sample, channel]``, float32, full scale at 1."""
        for part in self._parts:
            yield from part

    def close(self):
        """Close the file."""
        self._opened.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def refuse_notes(path, notes):
    """Raise AudioError for a recording of which something is missing or damaged.

    Example
    -------
    >>> refuse_notes("a.wav", [])
    """
    if notes:
        raise AudioError(path, "; ".join(texts_of(notes)), COPY)


class SndfilePart:
    """A part of an open file that libsndfile reads; iterating gives its blocks.

    Arguments
    ---------
    file : AudioFile
        The open file.
    part : Part
        What of it is read.
    goes_on : bool
        Whether complaints of the decoder become notes, since nothing else can decode it.

    Raises
    ------
    UnknownFormatError
        If libsndfile does not know the format.
    AudioError
        If it holds no samples.
    DamagedError
        While iterating, if the part cannot be read to its end.
    """

    def __init__(self, file, part, goes_on=False):
        self.path, self._file, self._n_read, self._part = file.path, file, 0, part
        #: Notes of what is wrong, where it goes on all the same.
        self.notes, self._goes_on = [], goes_on
        self._is_mpeg = part.form == "mp3"
        if part.by != "libsndfile" and not self._is_mpeg:
            raise UnknownFormatError(self.path, "cannot be read as audio by libsndfile", _CONVERT)
        endless = _ENDLESS if self._is_mpeg and not part.is_counted else None
        try:
            with _quiet() if self._is_mpeg else contextlib.nullcontext():
                self._sound = _Forward(Stitched(file, part.pieces, endless))
        except soundfile.SoundFileError as error:
            file.check()
            problem = f"cannot be read as audio ({reason(error)})"
            raise UnknownFormatError(self.path, problem, _CONVERT) from None
        self.sample_rate, self.n_channels = self._sound.samplerate, self._sound.channels
        if self._sound.subtype.startswith("MPEG") and not self._is_mpeg:
            self._sound.close()
            problem = f"cannot be read as audio (MPEG audio in {self._sound.format})"
            raise UnknownFormatError(self.path, problem, _CONVERT)
        #: Whether damage may be decoded to any samples.
        self.is_lossy = self._sound.subtype.startswith(_LOSSY)
        self._peak, self._is_wide = 0.0, self._sound.subtype in _WIDE
        is_known = self._sound.frames < _UNKNOWN_LENGTH and endless is None
        #: Samples of each channel that are announced; None where none are.
        self.n_samples = self._sound.frames if is_known else None
        if self.n_samples == 0:
            self._sound.close()
            raise AudioError(self.path, "holds no samples", COPY)

    @property
    def length_s(self):
        """Length in seconds that is announced or counted, or None."""
        return self._part.length_s if self.n_samples is None else self.n_samples / self.sample_rate

    def __iter__(self):
        """Blocks ``[sample, channel]``, float32, full scale at 1."""
        while len(block := self._read()):
            yield block
        announced = self.n_samples or 1
        tolerance = TOLERANCE_S.get(self._sound.format, 0) * self.sample_rate
        if self._n_read < announced - tolerance or not self._n_read:
            raise DamagedError(self.path, f"only {self._n_read} of {announced} samples can be read", COPY)
        self.notes += notes_of_scale(self._peak) if self._is_wide else []

    def _read(self):
        """The next block; empty at the end."""
        try:
            with _quiet() if self._is_mpeg else contextlib.nullcontext([]) as said:
                block = self._sound.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, MemoryError) as error:
            self._file.check()
            raise self._damage(reason(error)) from None
        self._file.check()
        if said and not self._goes_on:
            raise self._damage(said[0])
        times_s = (n / self.sample_rate for n in (self._n_read, self._n_read + len(block)))
        self._n_read += len(block)
        if self._is_wide:
            self._peak = max(self._peak, float(np.abs(block).max(initial=0)))
        if said:
            self.notes.append(Note(DOUBTFUL, *times_s))
        return block

    def _damage(self, why):
        """The error for a place that cannot be decoded."""
        where = f"at {self._n_read / self.sample_rate:.3f} s or soon after"
        return DamagedError(self.path, f"cannot be decoded {where} ({why})", COPY)

    def close(self):
        """Close what libsndfile opened; the file stays open."""
        self._sound.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


_CONVERT = "check that it is a recording, and convert it to WAV or FLAC"


@contextlib.contextmanager
def _quiet():
    """Keep the complaints of the MP3 decoder from the terminal; gives a list that gets its errors."""
    with _LISTENING:
        yield from _listen()


def _listen():
    """Redirect standard error while one thread decodes."""
    said = []
    try:
        kept = os.dup(2)
    except OSError:  # there is no terminal or file for them
        yield said
        return
    with tempfile.TemporaryFile() as heard:
        sys.stderr and sys.stderr.flush()
        os.dup2(heard.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            heard.seek(0)
            # Not at a carriage return, with which another thread's progress bar begins.
            lines = _LINE.findall(heard.read().decode("utf-8", "replace"))
            ours = [line for line in lines if _CHATTER.match(line)]
            said += [line.rpartition("error: ")[2].strip() for line in ours if "error: " in line]
            for line in lines:
                if line not in ours:  # of another thread
                    os.write(2, line.encode("utf-8"))


class _Forward(soundfile.SoundFile):
    """A file without seeking: seeks between blocks corrupt MP3 of variable bit rate."""

    def seekable(self):
        """Never."""
        return False
