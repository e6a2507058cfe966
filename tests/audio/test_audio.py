"""Reading recordings: formats, mono, lengths after resampling, and what is refused."""

import math
import pickle
import struct
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.audio.signals import (
    AudioError,
    AudioInfo,
    audio_duration,
    read_audio,
    resample,
    resampled_length,
    to_mono,
)
from hrin_plugin.timing import FrameGrid

#: Format, subtype, and how far a sample may be from the one written.
LOSSLESS = [
    ("WAV", "PCM_U8", 2**-6),
    ("WAV", "PCM_16", 2**-14),
    ("WAV", "PCM_24", 2**-22),
    ("WAV", "PCM_32", 2**-23),
    ("WAV", "FLOAT", 0),
    ("WAV", "DOUBLE", 0),
    ("WAVEX", "PCM_16", 2**-14),
    ("RF64", "PCM_16", 2**-14),
    ("AIFF", "PCM_16", 2**-14),
    ("FLAC", "PCM_16", 2**-14),
    ("W64", "PCM_16", 2**-14),
]


def wav_bytes(data, announced=None, before=b"", after=b"", sample_rate=8000, riff=b"RIFF"):
    """A 16-bit mono WAV file made by hand, with other chunks before and after the samples."""
    order = ">" if riff == b"RIFX" else "<"
    fmt = struct.pack(order + "HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    size = len(data) if announced is None else announced
    chunks = b"fmt " + struct.pack(order + "I", 16) + fmt + before
    chunks += b"data" + struct.pack(order + "I", size) + data + after
    return riff + struct.pack(order + "I", len(chunks) + 4) + b"WAVE" + chunks


@pytest.mark.parametrize("format, subtype, tolerance", LOSSLESS)
def test_samples_come_back_from_every_lossless_format(tmp_path, format, subtype, tolerance, tone):
    path, wav = tmp_path / "a.audio", tone(4000, 8000)
    soundfile.write(path, wav, 8000, format=format, subtype=subtype)
    read = read_audio(path, 8000)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, wav, rtol=0, atol=tolerance)
    assert audio_duration(path) == AudioInfo(0.5, 4000, 8000)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_mp3_comes_back_whole(tmp_path, mode, tone):
    rate = 44100
    path, wav = tmp_path / "a.mp3", tone(2 * rate, rate) * np.linspace(0, 1, 2 * rate, dtype=np.float32)
    soundfile.write(path, wav, rate, bitrate_mode=mode, compression_level=0.5)
    read = read_audio(path, rate)
    assert len(read) == audio_duration(path).n_samples == 2 * rate
    error = read - wav
    assert 10 * np.log10(np.mean(error**2) / np.mean(wav**2)) < -20


def test_a_tone_keeps_its_pitch_phase_and_level_through_resampling(tmp_path, tone):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(22050, 22050), 22050, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path, 8000)[200:-200], tone(8000, 8000)[200:-200], atol=1e-3)


def test_what_lies_above_the_new_band_is_filtered_out(tone):
    assert np.abs(resample(tone(22050, 22050, frequency=6000.0), 22050, 8000)[200:-200]).max() < 1e-3


def test_a_minute_at_22050_hz_gives_3751_frames(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(60 * 22050), 22050)
    wav = read_audio(path, 8000)
    assert wav.shape == (480000,)
    assert FrameGrid().frame_count(len(wav)) == 3751


@given(st.integers(1, 10**9), st.integers(1, 400000), st.integers(1, 400000))
def test_resampled_length_is_the_exact_ratio_rounded(n_samples, source_rate, sample_rate):
    exact = Fraction(n_samples * sample_rate, source_rate)
    assert resampled_length(n_samples, source_rate, sample_rate) == max(1, math.floor(exact + Fraction(1, 2)))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3000), st.sampled_from([7999, 8000, 11025, 16000, 22050, 44100, 48000, 96000]))
def test_resampling_gives_the_announced_number_of_samples(n_samples, source_rate):
    read = resample(np.ones(n_samples, dtype=np.float32), source_rate, 8000)
    assert read.shape == (resampled_length(n_samples, source_rate, 8000),)
    assert read.dtype == np.float32
    assert np.isfinite(read).all()


@pytest.mark.parametrize("rate", [0, -8000, 0.5])
def test_impossible_rate_is_refused(rate):
    with pytest.raises(ValueError, match="give whole samples a second"):
        resample(np.zeros(10, dtype=np.float32), 8000, rate)


def test_mono_is_the_mean_of_the_channels():
    channels = np.array([[0.5, 0.1], [0.25, -0.25], [0.5, 0.5]], dtype=np.float32)
    np.testing.assert_allclose(to_mono(channels), [0.3, 0.0, 0.5], rtol=1e-6)


@pytest.mark.parametrize("gain", [-1.0, -0.95, -1.05])
def test_antiphase_stereo_gives_its_stronger_channel(tmp_path, gain, tone):
    left = tone(8000, 8000) / 2
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([left, gain * left], axis=1), 8000, subtype="FLOAT")
    stronger = left if abs(gain) <= 1 else gain * left
    np.testing.assert_allclose(read_audio(path, 8000), stronger, atol=1e-6)


def test_partial_cancellation_keeps_the_mean(tone):
    left = tone(8000, 8000)
    np.testing.assert_allclose(to_mono(np.stack([left, -0.7 * left], axis=1)), 0.15 * left, atol=1e-6)


def test_one_sounding_channel_of_eight_keeps_the_mean(tone):
    channels = np.zeros((8000, 8), dtype=np.float32)
    channels[:, 3] = tone(8000, 8000)
    np.testing.assert_allclose(to_mono(channels), channels[:, 3] / 8, atol=1e-6)


def test_silence_stays_silence():
    assert not to_mono(np.zeros((100, 2), dtype=np.float32)).any()


@pytest.mark.parametrize("name", ["with space.wav", "été 音楽.WAV", "a{b}.wav"])
def test_unusual_names_are_read(tmp_path, name):
    soundfile.write(tmp_path / name, np.zeros(80), 8000, format="WAV")
    assert read_audio(str(tmp_path / name), 8000).shape == (80,)


def refusal(path):
    """The message of the refusal, which header and samples must agree on."""
    with pytest.raises(AudioError) as by_header:
        audio_duration(path)
    with pytest.raises(AudioError) as by_samples:
        read_audio(path, 8000)
    assert str(by_header.value) == str(by_samples.value)
    assert str(by_header.value).startswith(f"{path}: ")
    return str(by_header.value)


def test_missing_file_is_refused(tmp_path):
    assert "there is no such file; check the name" in refusal(tmp_path / "a.wav")


def test_folder_is_refused(tmp_path):
    assert "is not a file; name a recording" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["a.wav", "a.raw", "a.mp3"])
@pytest.mark.parametrize("content", [b"", b"no audio at all", b"RIFF", b"RIFF\x04\x00\x00\x00WAVE"])
def test_what_is_not_audio_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert "cannot be read as audio" in refusal(tmp_path / name)


@pytest.mark.parametrize("format", ["WAV", "AIFF"])
def test_recording_without_samples_is_refused(tmp_path, format):
    path = tmp_path / "a.audio"
    soundfile.write(path, np.zeros((0, 2)), 8000, format=format)
    assert "holds no samples; copy or export it again" in refusal(path)


@settings(deadline=None, max_examples=40)
@given(lost=st.integers(1, 400))
def test_wav_cut_anywhere_in_its_samples_is_refused(tmp_path_factory, lost):
    path = tmp_path_factory.mktemp("cut") / "a.wav"
    path.write_bytes(wav_bytes(bytes(400))[:-lost])
    assert f"the header announces 400 bytes of samples, the file holds {400 - lost}" in refusal(path)


@pytest.mark.parametrize("format", ["WAV", "WAVEX", "RF64", "AIFF"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_half_a_file_is_refused(tmp_path, format, subtype, tone):
    path = tmp_path / "a.audio"
    soundfile.write(path, tone(4000, 8000), 8000, format=format, subtype=subtype)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "bytes of samples, the file holds" in refusal(path)


def test_half_an_mp3_is_refused(tmp_path, tone):
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone(88200, 44100), 44100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"a\.mp3: sound is missing from 0\.8\d+ s on \(the header"):
        read_audio(path, 8000)


def test_half_a_flac_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).normal(size=20000) / 8, 8000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"a\.flac: (cannot be decoded|only \d+ of 20000)"):
        read_audio(path, 8000)


@pytest.mark.parametrize("announced", [0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_wav_written_to_a_pipe_is_read_to_its_end(tmp_path, announced):
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(bytes(1600), announced=announced))
    assert audio_duration(path).n_samples == 800
    assert read_audio(path, 8000).shape == (800,)


@pytest.mark.parametrize("riff", [b"RIFF", b"RIFX"])
@pytest.mark.parametrize("size", [4, 5])
def test_other_chunks_around_the_samples_are_passed_over(tmp_path, riff, size):
    order = ">" if riff == b"RIFX" else "<"
    extra = b"junk" + struct.pack(order + "I", size) + bytes(size + size % 2)
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(bytes(1600), before=extra, after=extra, riff=riff))
    assert audio_duration(path).n_samples == 800
    path.write_bytes(wav_bytes(bytes(1600), before=extra, riff=riff)[:-2])
    assert "announces 1600 bytes of samples, the file holds 1598" in refusal(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", [0, 1])
def test_sample_that_is_no_finite_number_is_refused_with_its_time(tmp_path, value, channel):
    wav = np.zeros((8000, 2), dtype=np.float32)
    wav[4000, channel] = value
    path = tmp_path / "a.wav"
    soundfile.write(path, wav, 8000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: the sample at 0\.500 s is not a finite number; export"):
        read_audio(path, 8000)


def test_error_crosses_between_processes():
    error = pickle.loads(pickle.dumps(AudioError("a.wav", "holds no samples", "record it again")))
    assert str(error) == "a.wav: holds no samples; record it again"
    assert isinstance(error, ValueError)
