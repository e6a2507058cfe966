"""A part of a file, decoded by ffmpeg in a process of its own, block by block.

Times count from the beginning of the recording, as a player shows it: sound that begins after
the pictures is preceded by silence. The encoder delay is removed if the file states it (M4A,
MP4, WebM). AAC in TS, ADTS, AVI and some MKV is 1024 samples late or more (23 ms at 44.1 kHz).
"""

import subprocess
import threading

import numpy as np

from hrin_plugin.audio.clock import TOLERANCE_S, Clock
from hrin_plugin.audio.ffmpeg import CURE, feed, input_name, opening, start
from hrin_plugin.audio.files import AudioError
from hrin_plugin.audio.notes import DOUBTFUL, HOLE, LOST_WITHIN, UNSURE, Note, missing
from hrin_plugin.audio.probe import Messages
from hrin_plugin.audio.recordings import BLOCK_SAMPLES

#: Containers whose time stamps are absent or unreliable: their samples are counted.
_WITHOUT_CLOCK = {
    "aac",
    "mp3",
    "rm",
    "ac3",
    "eac3",
    "amr",
    "amrnb",
    "amrwb",
    "dts",
    "wav",
    "aiff",
    "au",
    "gsm",
    "avi",
    "loas",
    "truehd",
    "mlp",
    "dtshd",
    "shn",
}

#: Containers whose length ffmpeg takes from the last time stamp, so that it announces nothing.
_WITHOUT_LENGTH = {"mpeg", "mpegts"}

#: How much sound may be missing from the announced length, in seconds.
_SHORT_S = 0.1

#: How much of a file of a rare kind may be no sound.
_MOST_UNREAD_BYTES, _MOST_UNREAD_SHARE = 1 << 16, 0.2

_LOSSLESS = ("pcm", "flac", "alac", "wavpack", "tta", "ape", "tak", "truehd", "mlp", "shorten", "dsd")

#: A clock that begins later than this began before the recording.
LONGEST_START_S = 60

#: Rate of sound whose own rate is not known in advance.
_ANY_RATE = 48000


class FfmpegPart:
    """A part of a file that ffmpeg decodes; iterating gives its blocks, lost time as silence.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.
    program : str
        The ffmpeg program.
    part : Part
        What of the file is decoded; in one piece, unless it is a row of frames.
    track : Track or None
        Which stream of sound; None for a row of frames.
    probe : Probe or None
        What ffmpeg told of the part.
    sample_rate : int or None
        Samples a second of the blocks; None for the recording's own.
    source : Stitched or None
        Where a row of frames is read from.

    Raises
    ------
    AudioError
        If ffmpeg finds no sound in it.
    """

    def __init__(self, path, program, part, track=None, probe=None, sample_rate=None, source=None):
        self.path, self.part, self.probe = path, part, probe
        self.sample_rate = sample_rate or (track and track.sample_rate) or _rate_of(part)
        self.track, self.notes, self._n_read = track, [], 0
        #: Whether damage may be decoded to any samples: not so for what was stored as it is.
        self.is_lossy = track is None or not track.codec.startswith(_LOSSLESS)
        url = "pipe:0" if source else input_name(path, part.span)
        inputs = ["-f", part.form, "-i", url] if part.form else ["-i", url]
        is_broadcast = probe is not None and probe.container.split(",")[0] in _WITHOUT_LENGTH
        #: The time of the container at which the recording begins, where ffmpeg does not subtract it. There
        #: it would also pass over steps back of the clock, such as those after a damaged time stamp.
        self._zero_s = probe.start_s if is_broadcast else 0.0
        checks = ["-err_detect", "crccheck"] if track and track.codec == "flac" else []
        command = [
            *opening(program, "verbose" if part.is_uncounted else "info"),
            *("-dts_delta_threshold", "1000000"),  # how to take jumps of the clock is decided here
            *(["-copyts"] if self._zero_s else []),  # else its clock begins with this track
            *checks,
            *inputs,
            *("-map", "0:a:0" if track is None else f"0:{track.index}"),
            *("-vn", "-sn", "-dn", "-map_metadata", "-1"),
            *("-af", f"aresample={self.sample_rate},ashowinfo", "-c:a", "pcm_f32le", "-f", "f32le", "pipe:1"),
        ]
        self._process = start(path, program, command, subprocess.PIPE if source else subprocess.DEVNULL)
        self._messages = Messages(self._process.stderr)
        self._feeder = threading.Thread(target=feed, args=(self._process.stdin, source), daemon=True)
        if source:
            self._feeder.start()
        is_clockless = probe is None or probe.container.split(",")[0] in _WITHOUT_CLOCK
        trust = "check" if part.form else "count" if is_clockless else "stamps"
        self._clock, self._is_clockless = Clock(self.sample_rate, trust, self._limit_s()), is_clockless
        self._begin_s = 0.0
        self._clock.begin(self._zero_s)
        self._clock.waits = probe is not None and (probe.has_video or part.is_absolute)
        if part.is_absolute and probe and TOLERANCE_S < probe.start_s < LONGEST_START_S:
            self._clock.begin(-probe.start_s)
            self.notes.append(Note(HOLE, 0.0, probe.start_s))
        try:
            self._ahead = first = self._messages.next_frame()
            if first is None:
                self._raise_nothing()
            self.n_channels, self.first_s = (
                first.n_channels,
                (first.stamp or 0) / self.sample_rate - self._zero_s,
            )
        except BaseException:
            self.close()
            raise

    @property
    def length_s(self):
        """Length in seconds that is announced or counted; None where none is."""
        if self.part.length_s is not None or self.probe is None:
            return self.part.length_s
        told = self.probe.track_length_s(self.track) or self.probe.length_s
        return told if self.tells_length() else None

    def begin_at(self, time_s):
        """Let the recording's time at which this sound begins be its beginning."""
        self._clock.begin(self._zero_s + time_s)
        self._begin_s = time_s

    def __iter__(self):
        """Blocks ``[sample, channel]``, float32, full scale at 1."""
        held, n_held = [], 0
        while (frame := self._ahead) is not None:
            # First of all: ffmpeg tells nothing more until its samples are taken.
            data = self._process.stdout.read(4 * self.n_channels * frame.n_samples)
            self._ahead = self._messages.next_frame()
            gap = self._clock.place(frame, self._ahead)
            if gap or n_held >= BLOCK_SAMPLES:
                yield from self._block(held)
                held, n_held = [], 0
            for n_now in _portions(gap):
                self._n_read += n_now
                yield np.zeros((n_now, self.n_channels), np.float32)
            held.append(data)
            n_held += frame.n_samples
        yield from self._block(held)
        self._check_end()

    def _block(self, held):
        """What ffmpeg sent, as one block if it is anything."""
        samples = np.frombuffer(b"".join(held), "<f4")
        n_samples = len(samples) // self.n_channels
        if n_samples:
            self._n_read += n_samples
            yield samples[: n_samples * self.n_channels].reshape(-1, self.n_channels).copy()

    def _limit_s(self):
        """Until when holes of the clock are filled, in seconds; None for no limit but a hole's own."""
        return self.probe.length_s if self.probe is not None and self.tells_length() else None

    def tells_length(self):
        """Whether the container announces a length that does not come from its last time stamp."""
        probe = self.probe
        if probe is None or probe.is_guess or not probe.length_s or self.part.is_open_ended:
            return False
        return probe.container.split(",")[0] not in _WITHOUT_LENGTH

    def _raise_nothing(self):
        """Raise the reason for which nothing is decoded."""
        self._process.wait()
        self._messages.join()
        problem = f"cannot be read as audio (ffmpeg: {self._messages.first_error or 'no output'})"
        raise AudioError(self.path, problem, CURE)

    def _check_end(self):
        """Note what is damaged or missing."""
        status, read_s = self._process.wait(), self._n_read / self.sample_rate
        self._messages.join()
        announced_s = self.length_s
        if announced_s and self._begin_s + read_s < announced_s - _SHORT_S and self._is_suspect():
            end = [Note(missing(f"{announced_s:.3f} s are announced"), read_s)]
            if self._is_clockless and not self.part.notes:  # the bytes are all there: it may be lost before
                end.append(Note(LOST_WITHIN))
        elif status != 0:
            end = [Note(missing(f"ffmpeg: {self._messages.first_error or status}"), read_s)]
        else:
            end = self._unread()
        self._note_damage(end)

    def _unread(self):
        """A note on bytes that ffmpeg passed over in a file of a rare kind that holds one track of sound."""
        probe, n_read = self.probe, self._messages.n_bytes
        if n_read is None or not self.part.is_uncounted or probe.has_video or probe.has_cover:
            return []
        size = sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in self.part.pieces)
        if len(probe.tracks) > 1 or size - n_read < max(_MOST_UNREAD_BYTES, _MOST_UNREAD_SHARE * size):
            return []
        return [Note(f"sound was read from {n_read} of the file's {size} bytes; more may be missing")]

    def _note_damage(self, end):
        """Note holes, jumps, and complaints that neither these nor the end explain."""
        rate, clock = self.sample_rate, self._clock
        codec, containers = self._names()
        damage = [clock.time_of(number) for number, _ in self._messages.complaints((codec, ""))]
        self.notes += [Note(HOLE, begin / rate, end / rate) for begin, end in clock.holes]
        self.notes += [Note(clock.JUMP, at / rate, is_fault=False) for at in clock.jumps]
        self.notes += [*_damage_notes(damage, list(self.notes), self._n_read / rate), *end]
        # The container is read ahead, so that its complaints have no time.
        said = self._messages.complaints(containers, from_start=True)
        if said and not self.notes:
            self.notes.append(Note(f"the file is damaged (ffmpeg: {said[0][1]})"))
        if damage and self._is_clockless and not self.part.form:
            self.notes.append(Note(UNSURE, damage[0]))

    def _names(self):
        """Names under which ffmpeg complains about this sound."""
        codec = self.track.codec if self.track else self.part.form or "pcm"
        containers = self.probe.container.split(",") if self.probe else [codec]
        return codec, containers

    def _is_suspect(self):
        """Whether a short length means that something is missing.

        Beside pictures and other tracks, sound may rightly end before them: then there must be
        another sign.
        """
        probe = self.probe
        has_own_length = probe is None or probe.track_length_s(self.track)
        is_sound_alone = has_own_length or not (probe.has_video or len(probe.tracks) > 1)
        codec, containers = self._names()
        return is_sound_alone or self._messages.complaints((codec, *containers, ""), from_start=True)

    def close(self):
        """Terminate ffmpeg if it still runs."""
        self._process.kill()
        self._process.stdout.close()
        self._process.wait()
        self._messages.join()
        self._process.stderr.close()
        if self._feeder.is_alive():
            self._feeder.join()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _rate_of(part):
    """Rate of a row of frames; AAC of low rate may be coded with its upper half apart."""
    rate = part.sample_rate or _ANY_RATE
    return 2 * rate if part.form == "aac" and rate <= 24000 else rate


def _portions(n_samples):
    """A number of samples in blocks."""
    while n_samples > 0:
        yield min(n_samples, BLOCK_SAMPLES)
        n_samples -= BLOCK_SAMPLES


def _damage_notes(damage, holes, end_s):
    """Notes of complaints that are explained neither by a hole of the clock nor by the end."""
    for time_s in damage:
        if time_s < end_s - 0.1 and not any(
            hole.start_s - 0.5 <= time_s <= (hole.end_s or hole.start_s) + 0.5 for hole in holes
        ):
            yield Note(DOUBTFUL, max(time_s - 0.05, 0.0), time_s + 0.05)
