"""Block-wise reading of recordings in formats of libsndfile; faulty files raise an error.

The format follows from the content, never from the name. libsndfile would read an AAC file
named ``.mp3`` as noise.
"""

import io
import itertools
import os
import re
import stat

import soundfile

from hrin_plugin.audio.chunks import sample_bytes
from hrin_plugin.audio.mp3 import SEARCHED_BYTES, Mp3File

#: Most samples that are read at once, of each channel.
BLOCK_SAMPLES = 1 << 16

#: The cure for a damaged recording.
COPY = "copy or export it again"

#: An MP3 header counts frames, of which the first and the last can hold no sound.
_MP3_TOLERANCE = 2 * 1152

#: Ogg files in circulation announce up to this many seconds more than they hold.
_OGG_TOLERANCE_S = 0.5

#: Names of files that may begin within a frame, as cut from a broadcast.
_MP3_SUFFIXES = (".mp3", ".mp2", ".mpga", ".mpa")

#: The length that libsndfile tells where it knows none.
_UNKNOWN_LENGTH = (1 << 63) - 1

#: Bytes at either end of an Ogg file in which pages are looked for; a page has 65307 at most.
_OGG_SEARCHED = 1 << 17


class AudioError(ValueError):
    """Raised for a recording that cannot be used.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording.
    problem : str
        The fault.
    cure : str
        The cure.

    Example
    -------
    >>> print(AudioError("a.wav", "holds no samples", "record it again"))
    a.wav: holds no samples; record it again
    """

    def __init__(self, path, problem, cure):
        self.path, self.problem, self.cure = os.fspath(path), problem, cure
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fsdecode(path))
        super().__init__(f"{shown}: {problem}; {cure}")

    def __reduce__(self):
        """Rebuild from the three parts, so that the error can be sent between processes."""
        return type(self), (self.path, self.problem, self.cure)


class UnknownFormatError(AudioError):
    """Raised for a file whose format libsndfile does not know; ffmpeg may.

    Example
    -------
    >>> isinstance(UnknownFormatError("a.m4a", "cannot be read as audio", "convert it"), AudioError)
    True
    """


class Recording:
    """An open recording that libsndfile reads; iterating gives its blocks.

    Its end is checked: a recording shorter than its header says is refused.

    Arguments
    ---------
    path : str or pathlib.Path
        A recording in any format that libsndfile reads.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, or shorter than its header says.
    UnknownFormatError
        If libsndfile does not know its format.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, [[0.0, 0.5]] * 100, 8000)
    >>> with Recording(path) as recording:
    ...     recording.sample_rate, recording.n_samples, [block.shape for block in recording]
    (8000, 100, [(100, 2)])
    """

    def __init__(self, path):
        self.path, self._n_read, self._disk = path, 0, _open_file(path)
        try:
            self._open()
        except BaseException:
            self._disk.close()
            raise

    def _open(self):
        """Check the header and open the file with libsndfile."""
        file = io.BufferedReader(self._disk, 1 << 16)
        announced, held = sample_bytes(file) or (0, 0)
        if held < announced:
            problem = f"the header announces {announced} bytes of samples, the file holds {held}"
            raise AudioError(self.path, problem, COPY)
        is_mp3_name = os.fsdecode(self.path).lower().endswith(_MP3_SUFFIXES)
        try:
            self._mp3 = Mp3File(file, SEARCHED_BYTES if is_mp3_name else 0)
        except ValueError:
            self._mp3 = None
            file.seek(0)
        try:
            self._sound = _Forward(self._mp3 or file)
        except soundfile.SoundFileError as error:
            self._check_disk()
            cure = "check that it is a recording, and convert it to WAV or FLAC"
            raise UnknownFormatError(self.path, f"cannot be read as audio ({reason(error)})", cure) from None
        self.sample_rate, self.n_channels = self._sound.samplerate, self._sound.channels
        if self._sound.format == "OGG" and _is_chained(file):
            self._sound.close()
            problem = "cannot be read as audio to its end (several Ogg streams in a row)"
            raise UnknownFormatError(self.path, problem, "convert it to WAV or FLAC")
        is_mpeg = self._sound.subtype.startswith("MPEG")
        if is_mpeg and self._sound.format != "MP3":
            self._sound.close()
            problem = f"cannot be read as audio (MPEG audio in {self._sound.format})"
            raise UnknownFormatError(self.path, problem, "convert it to WAV or FLAC")
        is_known = self._mp3.announced if self._mp3 else not is_mpeg
        #: Samples of each channel that the header announces; None where it announces none.
        self.n_samples = self._sound.frames if is_known and self._sound.frames < _UNKNOWN_LENGTH else None
        if self.n_samples == 0:
            self._sound.close()
            raise AudioError(self.path, "holds no samples", COPY)

    @property
    def duration_s(self):
        """Length in seconds that the header announces; None where it announces none."""
        return None if self.n_samples is None else self.n_samples / self.sample_rate

    def __iter__(self):
        """Blocks ``[sample, channel]``, float32, full scale at 1."""
        while len(block := self._read()):
            yield block
        self._check_end()

    def _read(self):
        """The next block; empty at the end."""
        try:
            block = self._sound.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, MemoryError) as error:
            self._check_disk()
            where = f"at {self._n_read / self.sample_rate:.3f} s or soon after"
            raise AudioError(self.path, f"cannot be decoded {where} ({reason(error)})", COPY) from None
        self._check_disk()
        self._n_read += len(block)
        return block

    def _check_disk(self):
        """Raise read errors of the disk or network, which libsndfile ignores."""
        if self._disk.error:
            cure = "check the disk or the network folder, and start again"
            raise AudioError(self.path, f"cannot be read further ({reason(self._disk.error)})", cure)

    def _check_end(self):
        """Raise AudioError for a truncated recording."""
        announced, tolerance = self.n_samples or 1, _MP3_TOLERANCE if self._mp3 else 0
        if self._sound.format == "OGG":
            tolerance = _OGG_TOLERANCE_S * self.sample_rate
        if self._n_read < announced - tolerance or not self._n_read:
            raise AudioError(self.path, f"only {self._n_read} of {announced} samples can be read", COPY)
        if self._mp3 and not self._mp3.announced and self._mp3.goes_on():
            problem = f"changes its format after {self._n_read / self.sample_rate:.3f} s"
            raise AudioError(self.path, problem, "join its parts as WAV or FLAC")

    def close(self):
        """Close the file."""
        self._sound.close()
        self._disk.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class _Forward(soundfile.SoundFile):
    """A file without seeking: seeks between blocks corrupt MP3 of variable bit rate."""

    def seekable(self):
        """Never."""
        return False


class _Disk(io.FileIO):
    """A file that keeps the read error, which C libraries do not pass on."""

    error = None

    def readinto(self, buffer):
        """Read the available bytes; none after an error."""
        try:
            return super().readinto(buffer)
        except OSError as error:
            self.error = error
            return 0


def _open_file(path):
    """Open the file as a `_Disk`; raises for folders, unreadable and empty files."""
    try:
        is_file = stat.S_ISREG(os.stat(path).st_mode)  # before opening: that would wait for a pipe's writer
        # By number, so that soundfile sees no name to guess a format from.
        disk = _Disk(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))) if is_file else None
    except FileNotFoundError:
        raise AudioError(path, "there is no such file", "check the name and the folder") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        cure = "check its name and that you may read it"
        raise AudioError(path, f"cannot be opened ({reason(error)})", cure) from None
    if disk is None:
        raise AudioError(path, "is not a file", "name a recording")
    if os.fstat(disk.fileno()).st_size == 0:
        disk.close()
        raise AudioError(path, "cannot be read as audio (the file is empty)", COPY)
    return disk


def reason(error):
    """Message of an error of a library or the system, without the path.

    Arguments
    ---------
    error : Exception
        The error.

    Returns
    -------
    str
        One line without a full stop.

    Example
    -------
    >>> reason(OSError(5, "Input/output error", "a.wav"))
    'Input/output error'
    """
    words = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(words.split()).rstrip(".") or type(error).__name__


def _is_chained(file):
    """Whether an Ogg file ends with another stream than it begins with; keeps the position.

    The library stops at the end of the first; radio stations begin one with each title.
    """
    position = file.tell()
    file.seek(0)
    head = file.read(_OGG_SEARCHED)
    file.seek(max(0, file.seek(0, os.SEEK_END) - _OGG_SEARCHED))
    tail = file.read()
    file.seek(position)
    pages = re.finditer(rb"OggS\0(.)", head, re.DOTALL)
    first_pages = itertools.takewhile(lambda page: page[1][0] & 2, pages)  # marked as a stream's beginning
    begun = {head[page.start() + 14 : page.start() + 18] for page in first_pages}
    last_page = tail.rfind(b"OggS\0")
    return last_page >= 0 and tail[last_page + 14 : last_page + 18] not in begun
