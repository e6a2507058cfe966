"""Recordings as stems: files of any kind that packages hold, to one mono stretch at 8 kHz each."""

import io
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

#: Samples a second of stems, the peak of each (-1 dBFS), and the least number of samples (0.2 s).
RATE, PEAK, SHORTEST = 8000, 29204, 1600
#: Below this part of its peak (-60 dB), a recording's beginning and end are silence.
SILENCE = 1e-3
#: Notes with their instruments, as trackers write them, and other sound that libsndfile does not read.
TRACKERS = {".it", ".mod", ".s3m", ".xm"}
FOR_FFMPEG = {*TRACKERS, ".wv", ".gsm"}
#: Sampled instruments that play notes which bring none.
SOUND_FONTS = ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/sounds/sf2/TimGM6mb.sf2")
#: Players that take longer, in seconds, are stopped; trackers' tunes begin after a few seconds.
PATIENCE_S, TRACKER_ONSET_S = 60, 8


def stem(path, longest_s, data=None, sound_font=SOUND_FONTS[0]):
    """The middle of a recording, as a stem.

    Arguments
    ---------
    path : pathlib.Path
        The file; its ending says what it is.
    longest_s : float
        So many seconds of it at most.
    data : bytes
        The file's bytes, if it is not on disk (audio only, nothing that a player has to open).
    sound_font : path
        Instruments for notes.

    Returns
    -------
    numpy.ndarray or None
        int16 ``[sample]`` at :data:`RATE`; None where less than 0.2 s sound.

    Raises
    ------
    soundfile.LibsndfileError
        If the file is no audio.
    """
    ending = path.suffix.lower()
    if ending == ".mid":
        samples, rate = play_notes(path, sound_font)
    elif ending in FOR_FFMPEG:
        samples, rate = decode(path, longest_s, TRACKER_ONSET_S if ending in TRACKERS else 0)
    else:
        samples, rate = middle(path if data is None else io.BytesIO(data), longest_s)
    return as_stem(samples, rate, longest_s)


def middle(file, longest_s):
    """Mono samples from the middle of a file that libsndfile reads, and their rate."""
    with soundfile.SoundFile(file) as sound:
        wanted = int(longest_s * sound.samplerate)
        if sound.frames > wanted:
            sound.seek((sound.frames - wanted) // 2)
        samples = sound.read(wanted, dtype="float32", always_2d=True)
        return as_mono(samples), sound.samplerate


def as_mono(samples):
    """The mean of channels, or the first where they cancel: ``[sample, channel]`` to ``[sample]``."""
    mono = samples.mean(1)
    return mono if np.mean(mono**2) > 0.1 * np.mean(samples**2) else samples[:, 0]


def play_notes(path, sound_font):
    """Notes played with sampled instruments: ``[sample]``, and the rate."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "played.wav"
        command = [
            "fluidsynth",
            "-ni",
            "-q",
            "-r",
            "16000",
            "-T",
            "wav",
            "-O",
            "s16",
            "-F",
            wav,
            sound_font,
            path,
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
        samples, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    return as_mono(samples), rate


def decode(path, longest_s, onset_s):
    """A stretch of what ffmpeg reads: ``[sample]``, and the rate."""
    command = ["ffmpeg", "-v", "error", "-ss", str(onset_s), "-i", path, "-t", str(longest_s)]
    command += ["-ac", "1", "-ar", "16000", "-f", "f32le", "-"]
    played = subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
    return np.frombuffer(played.stdout, "<f4"), 16000


def as_stem(samples, rate, longest_s=np.inf):
    """Cut to the middle, resample, trim silence and scale to the peak of stems.

    Arguments
    ---------
    samples : numpy.ndarray
        ``[sample]``.
    rate : int
        Their rate in Hz.
    longest_s : float
        So many seconds at most.

    Returns
    -------
    numpy.ndarray or None
        int16 ``[sample]``; None where less than 0.2 s sound.

    Example
    -------
    >>> tone = np.sin(np.arange(8000.0))
    >>> stem = as_stem(np.concatenate((np.zeros(4000), tone, np.zeros(4000))), 8000)
    >>> 7990 < len(stem) <= 8000, int(np.abs(stem).max())
    (True, 29204)
    """
    if len(samples) > longest_s * rate:
        onset = int(len(samples) - longest_s * rate) // 2
        samples = samples[onset : onset + int(longest_s * rate)]
    samples = np.asarray(samples, dtype=float)
    if rate != RATE:
        samples = soxr.resample(samples, rate, RATE, "HQ")
    peak = np.abs(samples).max(initial=0.0)
    if peak < 1e-4 or not np.isfinite(peak):
        return None
    sounding = np.flatnonzero(np.abs(samples) > SILENCE * peak)
    samples = samples[sounding[0] : sounding[-1] + 1]
    if len(samples) < SHORTEST:
        return None
    return np.round(samples / peak * PEAK).astype("<i2")
