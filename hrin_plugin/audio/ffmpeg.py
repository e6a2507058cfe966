"""Recordings that only ffmpeg reads (AAC, M4A, MP4, MKV, TS, WMA, AMR and others), decoded
through a pipe, block by block.

ffmpeg is found on the path, else in the Python package ``imageio-ffmpeg``. Files are
not trusted: ffmpeg may open only the one file, no playlists and no network.

Times count from the first audio sample. The encoder delay is removed if the file states it
(M4A, MP4, WebM). AAC in TS, ADTS, AVI and some MKV is 1024 samples late or more (23 ms at
44.1 kHz). Lost packets are replaced by silence.
"""

import os
import re
import shutil
import struct
import subprocess
import threading

import numpy as np

from hrin_plugin.audio.recordings import BLOCK_SAMPLES, COPY, AudioError, reason

#: Containers and raw streams that may be opened; no playlist is among them, as it could name other files.
CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,gsm,gxf,iff,loas,"
    "matroska,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nut,ogg,oma,rm,shn,tak,truehd,tta,voc,w64,wav,wtv,wv,xwma"
)

#: Containers whose length ffmpeg takes from the last time stamp, so that it announces nothing.
_WITHOUT_LENGTH = {"mpeg", "mpegts"}

#: How much sound may be missing from the announced length, in seconds.
_TOLERANCE_S = 1.0

#: How long to wait for ffmpeg to tell the length once it sent samples, in seconds.
_PATIENCE_S = 2.0

_CURE = "check that it is a recording, and convert it to WAV or FLAC"
_DURATION = re.compile(r"\[info\]   Duration: (\d+):(\d\d):(\d\d\.\d+)")
_INPUT = re.compile(r"\[info\] Input #0, (\S+), from ")
_DOUBT = re.compile(r"detected only with low score of \d,")  # of 100: little but the name speaks for it
_TAGS = re.compile(r"^(\[[^\]]*\] *)+")


def ffmpeg_program():
    """The ffmpeg program: on the path, else that of the package ``imageio-ffmpeg``.

    Returns
    -------
    str or None
        Its path; None where there is none.

    Example
    -------
    >>> program = ffmpeg_program()
    >>> program is None or os.path.isfile(program)
    True
    """
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return None


class FfmpegRecording:
    """An open recording that ffmpeg decodes; iterating gives its blocks.

    Of several streams of sound, it is the one marked as default, else the one of most channels.

    Arguments
    ---------
    path : str or pathlib.Path
        A recording in any format that ffmpeg reads.
    program : str
        The ffmpeg program.

    Raises
    ------
    AudioError
        If ffmpeg finds no sound in it.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, [[0.0, 0.5]] * 800, 8000)
    >>> if program := ffmpeg_program():
    ...     with FfmpegRecording(path, program) as recording:
    ...         assert sum(len(block) for block in recording) == 800
    """

    def __init__(self, path, program):
        self.path, self._n_read, self._told = path, 0, threading.Event()
        self._announced_s = self._container = self._first_error = None
        self._is_guess = self._is_doubtful = self._has_video = self._is_damaged = False
        try:
            self._process = subprocess.Popen(
                _command(path, program),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            problem, cure = f"ffmpeg cannot be started ({reason(error)})", f"check {program}"
            raise AudioError(path, problem, cure) from None
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self.sample_rate, self.n_channels = self._read_header()
            self._told.wait(_PATIENCE_S)
            if self._is_doubtful:
                raise AudioError(path, "cannot be read as audio (ffmpeg: no format fits)", _CURE)
        except BaseException:
            self.close()
            raise

    @property
    def duration_s(self):
        """Length in seconds that ffmpeg announces; None where it announces none."""
        return self._announced_s

    def __iter__(self):
        """Blocks ``[sample, channel]``, float32, full scale at 1."""
        size = 4 * self.n_channels
        while data := self._process.stdout.read(size * BLOCK_SAMPLES):
            block = np.frombuffer(data, ">f4", len(data) // size * self.n_channels).astype(np.float32)
            self._n_read += len(block) // self.n_channels
            yield block.reshape(-1, self.n_channels)
        self._check_end()

    def _read_header(self):
        """Samples a second and number of channels, from the header of the decoded AU file."""
        header = self._process.stdout.read(24)
        if len(header) < 24:
            self._end()
            problem = f"cannot be read as audio (ffmpeg: {self._first_error or 'no output'})"
            raise AudioError(self.path, problem, _CURE)
        _, start, _, _, sample_rate, n_channels = struct.unpack(">4s5I", header)
        self._process.stdout.read(start - 24)
        return sample_rate, n_channels

    def _listen(self):
        """Read ffmpeg's messages in bounded lines, so that its pipe never blocks."""
        while line := self._process.stderr.readline(4096).decode("utf-8", "replace"):
            if found := _INPUT.match(line):
                self._container = found[1]
            elif found := _DURATION.match(line):
                hours, minutes, seconds = found.groups()
                self._announced_s = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
            if "Stream mapping:" in line or "Output #0" in line:
                self._told.set()
            self._is_doubtful |= _DOUBT.search(line) is not None
            self._is_guess |= "Estimating duration" in line
            self._has_video |= ": Video: " in line and "(attached pic)" not in line
            is_error = "[error]" in line or "[fatal]" in line
            self._is_damaged |= is_error or "orrupt" in line
            if is_error and not self._first_error:
                line = _TAGS.sub("", line).replace(f" '{CONTAINERS}'", "")
                self._first_error = " ".join(line.split()).rstrip(".")
        self._told.set()

    def _end(self):
        """Wait for ffmpeg to exit, and return its exit status."""
        status = self._process.wait()
        self._listener.join()
        return status

    def _check_end(self):
        """Raise AudioError for a truncated recording."""
        status, read_s = self._end(), self._n_read / self.sample_rate
        if status != 0:
            problem = f"cannot be decoded after {read_s:.3f} s (ffmpeg: {self._first_error or status})"
            raise AudioError(self.path, problem, COPY)
        if self._n_read == 0:
            raise AudioError(self.path, "holds no samples", COPY)
        tells_length = self._announced_s and not self._is_guess and self._container not in _WITHOUT_LENGTH
        # Beside pictures, sound may rightly end before them: then there must be another sign.
        is_suspect = self._is_damaged or not self._has_video
        if tells_length and is_suspect and read_s < self._announced_s - _TOLERANCE_S:
            problem = f"only {read_s:.3f} of {self._announced_s:.3f} s can be read"
            raise AudioError(self.path, problem, COPY)

    def close(self):
        """Terminate ffmpeg if it still runs."""
        self._process.kill()
        self._process.stdout.close()
        self._process.wait()
        self._listener.join()
        self._process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _command(path, program):
    """The command that decodes a file to a stream with rate and channels in its header."""
    whole_name = "file:" + os.path.abspath(os.fsdecode(path))  # then no character of it has a meaning
    return [
        *(program, "-hide_banner", "-nostdin", "-nostats", "-v", "level+info"),
        *("-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-i", whole_name),
        *("-vn", "-sn", "-dn", "-map_metadata", "-1", "-af", "aresample=async=1"),
        *("-c:a", "pcm_f32be", "-f", "au", "pipe:1"),
    ]
