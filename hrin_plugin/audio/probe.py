"""What ffmpeg says: of a file before it is decoded, and of each frame while it is."""

import contextlib
import queue
import re
import threading
from typing import NamedTuple

#: Containers and raw streams that may be opened; no playlist is among them, as it could name other files.
CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,gsm,gxf,iff,loas,"
    "matroska,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nut,ogg,oma,rm,shn,tak,truehd,tta,voc,w64,wav,wtv,wv,xwma"
)

#: Frames that are read ahead; memory does not grow with the recording.
_FRAMES_AHEAD = 10_000

_DURATION = re.compile(r"\[info\]   Duration: (\d+):(\d\d):(\d\d\.\d+)")
_START = re.compile(r", start: (-?\d+\.\d+)")
_INPUT = re.compile(r"\[info\] Input #0, (\S+), from ")
_TRACK = re.compile(r"Stream #0:(\d+)(?:\[\w+\])?(?:\((\w+)\))?: Audio: (\w+)(.*)")
_TRACK_LENGTH = re.compile(r"    DURATION(?:-\w+)? *: (\d+):(\d\d):(\d\d\.\d+)")
_DOUBT = re.compile(r"detected only with low score of \d,")  # of 100: little but the name speaks for it
_TAGS = re.compile(r"^(\[[^\]]*\] *)+")
_STREAM = re.compile(r"Stream #0:(\d+)")
_ERROR = re.compile(r"\[(error|fatal)\]")
_WHO = re.compile(r"\[(\w*)[^\]]*\] *\[(?:error|fatal|warning)\]")
_DEMUXED = re.compile(r"  Total: \d+ packets \((\d+) bytes\) demuxed")
_FRAME = re.compile(rb"n:\d+ pts:(\S+) .*?channels:(\d+) .*?nb_samples:(\d+) ")


class Track(NamedTuple):
    """A stream of sound.

    Example
    -------
    >>> Track(1, "aac", 48000, "deu").codec
    'aac'
    """

    index: int  # among all streams of the file
    codec: str
    sample_rate: int | None
    language: str | None = None
    description: str = ""

    @property
    def words(self):
        """Codec, rate and channels, and the language, in a few words."""
        return ", ".join([*self.description.split(", ")[:3], *filter(None, [self.language])])


class Probe(NamedTuple):
    """What ffmpeg tells of a file."""

    container: str
    length_s: float | None
    tracks: list
    lengths_s: dict  # of single streams, by their index
    has_video: bool
    is_guess: bool  # whether the length is estimated from the bit rate
    first_error: str | None
    start_s: float = 0.0  # the container's time at which the recording begins
    has_cover: bool = False  # whether a picture lies in the file

    def track_length_s(self, track):
        """Length of a stream in seconds; None where it has none of its own."""
        return self.lengths_s.get(track.index) if track else None


class DecodedFrame(NamedTuple):
    """What ffmpeg tells of a frame that it sends.

    Example
    -------
    >>> DecodedFrame(None, 1024, 2).n_samples
    1024
    """

    stamp: int | None  # in samples from the beginning of the recording
    n_samples: int
    n_channels: int


class Messages:
    """ffmpeg's messages, read in a thread of their own, so that its pipe never blocks.

    Arguments
    ---------
    stream : io.BufferedIOBase
        ffmpeg's standard error.
    """

    def __init__(self, stream):
        self._stream, self._frames = stream, queue.Queue(_FRAMES_AHEAD)
        #: Bytes of sound that ffmpeg took from the file, told at the end where it was asked to be verbose.
        self.n_bytes = None
        self.first_error, self._complaints, self._n_frames, self._is_decoding = None, [], 0, False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def next_frame(self):
        """The next DecodedFrame; None after the last."""
        return self._frames.get()

    def complaints(self, names, from_start=False):
        """Complaints of something of these names: the number of the frame before it, and the words.

        With `from_start`, also what was said while the file was looked at, before it was decoded.
        """
        return [
            (number, words)
            for number, name, is_decoding, words in self._complaints
            if (is_decoding or from_start)
            and any(name == each or each and name.startswith(each) for each in names)
        ]

    def join(self):
        """Wait until ffmpeg has said everything."""
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):
                self._frames.get(timeout=0.01)
        self._thread.join()

    def _listen(self):
        """Read all messages, in bounded lines."""
        while line := self._stream.readline(4096):
            if b"ashowinfo" in line or b" nb_samples:" in line:
                found = _FRAME.search(line)
                if found:
                    stamp = None if found[1] == b"NOPTS" else int(found[1])
                    self._frames.put(DecodedFrame(stamp, int(found[3]), int(found[2])))
                    self._n_frames += 1
                    continue
            self._hear(line.decode("utf-8", "replace"))
        self._frames.put(None)

    def _hear(self, line):
        """Keep errors."""
        is_error = _ERROR.search(line) is not None
        if is_error and not self.first_error:
            self.first_error = first_words(line)
        if (is_error or "orrupt" in line) and len(self._complaints) < _FRAMES_AHEAD:
            who = _WHO.search(line)
            self._complaints.append(
                (self._n_frames, who[1] if who else "", self._is_decoding, first_words(line))
            )
        self._is_decoding |= "Stream mapping:" in line
        if found := _DEMUXED.search(line):
            self.n_bytes = int(found[1])


def first_words(line):
    """A message without its tags."""
    line = _TAGS.sub("", line).replace(f" '{CONTAINERS}'", "")
    return " ".join(line.split()).rstrip(".")


def read_probe(text):
    """What ffmpeg tells of a file that it opened.

    Arguments
    ---------
    text : str
        All that it said.

    Returns
    -------
    Probe
        Tracks in the file's order, those that cannot be decoded included.

    Example
    -------
    >>> read_probe("[info]   Stream #0:1(deu): Audio: aac (LC), 48000 Hz, stereo").tracks[0].language
    'deu'
    """
    told, tracks, lengths_s, stream = Probe("", None, [], {}, False, False, None), [], {}, None
    for line in text.splitlines():
        if found := _INPUT.match(line):
            told = told._replace(container=found[1].rstrip(","))
        elif found := _DURATION.match(line):
            start = _START.search(line)
            told = told._replace(length_s=_seconds(found), start_s=float(start[1]) if start else 0.0)
        elif found := _TRACK.search(line):
            rate, stream = re.search(r"(\d+) Hz", found[4]), int(found[1])
            words = " ".join(f"{found[3]}{found[4]}".split())
            tracks.append(Track(stream, found[3], int(rate[1]) if rate else None, found[2], words))
        elif found := _STREAM.search(line):
            stream = int(found[1])
            has_cover = told.has_cover or "(attached pic)" in line
            told = told._replace(has_video=told.has_video or _is_video(line), has_cover=has_cover)
        elif (found := _TRACK_LENGTH.search(line)) and stream is not None:
            lengths_s[stream] = _seconds(found)
        elif "Estimating duration" in line:
            told = told._replace(is_guess=True)
        elif _DOUBT.search(line):
            return told._replace(first_error="no format fits")
        elif _ERROR.search(line) and not told.first_error and "At least one output" not in line:
            told = told._replace(first_error=first_words(line))
    return told._replace(tracks=tracks, lengths_s=lengths_s)


def _is_video(line):
    """Whether a stream holds pictures that move."""
    return ": Video: " in line and "(attached pic)" not in line


def _seconds(found):
    """Hours, minutes and seconds in seconds."""
    return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])
