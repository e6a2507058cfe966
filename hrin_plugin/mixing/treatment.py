"""Effects of a broadcast chain: reverberation, compression, band limits, lossy codecs.

Effects keep the time axis and process the whole mix, so that the labels stay exact.
"""

import io
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from hrin_plugin.audio.ffmpeg import ffmpeg_program
from hrin_plugin.timing import to_samples

#: How often each treatment comes.
ROOM_SHARE, COMPRESSOR_SHARE, BAND_SHARE, CODEC_SHARE = 0.4, 0.4, 0.35, 0.6
#: Reverberation time and the reverberation's level against the direct sound.
REVERBERATION_S, REVERBERANT_DB = (0.15, 1.0), (-18.0, -2.0)
#: Lowest and highest frequency that a narrow band lets through.
LOW_CUT_HZ, HIGH_CUT_HZ = (60.0, 350.0), (2500.0, 7000.0)
#: Compressors: how far the threshold lies below the signal's power, and the ratio.
THRESHOLD_DB, RATIO = (-6.0, 6.0), (1.5, 5.0)
ATTACK_S = 0.05
#: Codecs, and their settings: libsndfile's compression level, or AAC's bits a second.
CODECS = {"MP3": (0.6, 0.99), "OGG": (0.5, 1.0), "AAC": (16000, 64000)}


def require_codecs():
    """Check that every codec is available.

    Raises
    ------
    OSError
        If ffmpeg, which has AAC, is not there.

    Example
    -------
    >>> require_codecs() if ffmpeg_program() else None
    """
    if ffmpeg_program() is None:
        cure = 'install it, or: pip install "hrin-plugin[ffmpeg]"'
        raise OSError(f"broadcast-like mixes go through AAC, which needs ffmpeg; {cure}")


def add_room(sound, sample_rate, rng):
    """Add reverberation: exponentially decaying noise after the direct sound.

    Arguments
    ---------
    sound : numpy.ndarray
        Samples, ``[sample]``, float32.
    sample_rate : int
        Samples a second.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        As many samples, float32.

    Example
    -------
    >>> click = np.zeros(8000, dtype=np.float32)
    >>> click[0] = 1.0
    >>> ringing = add_room(click, 8000, np.random.default_rng(0))
    >>> float(ringing[0]), ringing.shape
    (1.0, (8000,))
    """
    time_s = np.arange(to_samples(rng.uniform(*REVERBERATION_S), sample_rate)) / sample_rate
    # Down by 60 dB at the end; the first reflection comes after a few milliseconds.
    tail = rng.standard_normal(len(time_s)) * 10 ** (-3.0 * time_s / time_s[-1])
    tail[: to_samples(rng.uniform(0.002, 0.02), sample_rate)] = 0.0
    tail *= 10 ** (rng.uniform(*REVERBERANT_DB) / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    return fftconvolve(sound, tail)[: len(sound)].astype(np.float32)


def treat(mix, sample_rate, rng):
    """Process a mix with a random chain: compressor, band limit, codec.

    Arguments
    ---------
    mix : numpy.ndarray
        Samples, ``[sample]``, float32, within full scale.
    sample_rate : int
        Samples a second.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        As many samples, float32, within full scale, not shifted in time.

    Example
    -------
    >>> rng = np.random.default_rng(1)
    >>> treat(0.1 * rng.standard_normal(22050).astype(np.float32), 22050, rng).shape
    (22050,)
    """
    # Drawn whether or not they are used, so that one treatment does not change the next.
    compressed, narrowed, coded = rng.random(3) < (COMPRESSOR_SHARE, BAND_SHARE, CODEC_SHARE)
    threshold_db, ratio = rng.uniform(*THRESHOLD_DB), rng.uniform(*RATIO)
    low_hz, high_hz = rng.uniform(*LOW_CUT_HZ), np.exp(rng.uniform(*np.log(HIGH_CUT_HZ)))
    codec = list(CODECS)[rng.integers(len(CODECS))]
    quality = rng.uniform(*CODECS[codec])
    if compressed:
        mix = _compress(mix, sample_rate, threshold_db, ratio)
    if narrowed:
        mix = sosfilt(butter(4, [low_hz, high_hz], "bandpass", fs=sample_rate, output="sos"), mix)
    if coded:
        mix = (
            _through_aac(mix, sample_rate, quality)
            if codec == "AAC"
            else _through(mix, sample_rate, codec, quality)
        )
    return np.clip(mix, -1.0, 1.0).astype(np.float32)


def _compress(mix, sample_rate, threshold_db, ratio):
    """Compress levels above a threshold relative to the mix's mean power."""
    fall = np.exp(-1.0 / (ATTACK_S * sample_rate))
    power = lfilter([1.0 - fall], [1.0, -fall], np.square(mix, dtype=np.float64))
    over_db = 10 * np.log10(power / (power.mean() + 1e-12) + 1e-6) - threshold_db
    return mix * 10 ** (-np.maximum(over_db, 0.0) * (1 - 1 / ratio) / 20)


def _through(mix, sample_rate, codec, level):
    """Encode and decode with libsndfile, which gives the samples back in place."""
    coded = io.BytesIO()
    subtype = {"MP3": "MPEG_LAYER_III", "OGG": "VORBIS"}[codec]
    soundfile.write(coded, mix, sample_rate, format=codec, subtype=subtype, compression_level=level)
    coded.seek(0)
    return _of_length(soundfile.read(coded, dtype="float32")[0], len(mix))


def _through_aac(mix, sample_rate, bits_a_second):
    """Encode and decode with ffmpeg, in a container whose edit list removes the encoder delay."""
    raw = ["-f", "f32le", "-ar", str(sample_rate), "-ac", "1"]
    run = [ffmpeg_program(), "-v", "error", "-y"]
    with tempfile.TemporaryDirectory() as folder:  # a file that is open here could not be written on Windows
        coded = str(Path(folder, "coded.m4a"))
        encoder = ["-c:a", "aac", "-b:a", str(round(bits_a_second)), "-threads", "1", coded]
        samples = mix.astype("<f4").tobytes()
        subprocess.run([*run, *raw, "-i", "-", *encoder], input=samples, check=True, capture_output=True)
        decoded = subprocess.run([*run, "-i", coded, *raw, "-"], check=True, capture_output=True).stdout
    return _of_length(np.frombuffer(decoded, "<f4"), len(mix))


def _of_length(signal, n_samples):
    """The signal, cut or padded with silence."""
    return np.pad(signal[:n_samples], (0, max(n_samples - len(signal), 0)))
