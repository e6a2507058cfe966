"""Waveforms against numpy, and what is heard against the samples of the recording, at exact times."""

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hrin_plugin.audio.ffmpeg import ffmpeg_program
from hrin_plugin.audio.sound import Sound
from hrin_plugin.detection import Detection
from hrin_plugin.review.library import Item
from hrin_plugin.review.peaks import FACTOR, RATE, PeaksMaker, compute_peaks, facts_of, peaks_path, read_peaks
from hrin_plugin.review.samples import DecodedSamples, MpegSamples, SeekedSamples, open_samples
from hrin_plugin.review.sound import HEADER_BYTES, Stretch, parse_range

SECONDS = 40


@pytest.fixture(scope="module")
def noise():
    """Noise whose loudness changes, so that no place is like another; two channels of 16 bits."""
    random = np.random.default_rng(0)
    loudness = np.repeat(random.uniform(0.01, 0.5, SECONDS * 10), 4410)
    return (random.uniform(-1, 1, (SECONDS * 44100, 2)) * loudness[:, None] * 32767).astype(np.int16)


@pytest.fixture(scope="module")
def recordings(noise, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("a.wav", "a.flac", "a.aiff", "a.ogg"):
        soundfile.write(folder / name, noise, 44100)
    program = ffmpeg_program()
    assert program
    for name, *options in (
        ("cbr.mp3", "-b:a", "128k"),
        ("vbr.mp3", "-q:a", "4"),
        ("low.mp3", "-b:a", "32k", "-ar", "22050", "-ac", "1"),
        ("bare.mp3", "-b:a", "96k", "-write_xing", "0"),
        ("a.mp2", "-b:a", "192k"),
        ("a.ts", "-c:a", "aac"),
        ("a.m4a", "-c:a", "aac"),
    ):
        command = [program, "-loglevel", "error", "-i", folder / "a.wav", *options, folder / name]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return folder


def whole(path):
    """All samples as the detector hears them, ``[sample, channel]``, float32, and their rate."""
    with Sound(path, ffmpeg_program()) as sound:
        parts = [(rate, block) for rate, blocks in sound for block in blocks]
    return np.concatenate([block for _, block in parts]), parts[0][0]


@pytest.mark.parametrize(
    "name", ["a.wav", "a.flac", "a.aiff", "cbr.mp3", "vbr.mp3", "low.mp3", "bare.mp3", "a.mp2"]
)
@pytest.mark.parametrize("at_s", [0.0, 0.01, 7.777, 31.5, SECONDS - 0.5])
def test_what_is_heard_at_a_time_is_what_the_recording_has_there(recordings, name, at_s):
    samples = open_samples(recordings / name)
    assert isinstance(samples, MpegSamples if ".mp" in name else SeekedSamples)
    full, rate = whole(recordings / name)
    assert samples.sample_rate == rate
    first = round(at_s * rate)
    block = next(samples.blocks(first))[:4000]
    expected = np.clip(np.rint(full[first : first + len(block)] * 32768), -32768, 32767)
    assert len(block) == min(4000, len(full) - first)
    assert np.abs(block - expected).max() <= 1


@pytest.mark.parametrize("name", ["cbr.mp3", "vbr.mp3", "bare.mp3", "a.wav"])
def test_sound_ends_where_the_recording_ends(recordings, name):
    full, rate = whole(recordings / name)
    first = len(full) - 30000
    assert sum(map(len, open_samples(recordings / name).blocks(first))) == 30000
    assert list(open_samples(recordings / name).blocks(len(full) + 5000)) == []


@pytest.mark.parametrize("name", ["a.ts", "a.m4a", "a.ogg"])
def test_other_formats_are_decoded_once_and_then_read_anywhere(recordings, name):
    samples = open_samples(recordings / name)
    assert isinstance(samples, DecodedSamples)
    late = next(samples.blocks(20 * samples.sample_rate))
    everything = np.concatenate(list(samples.blocks(0)))
    assert abs(len(everything) / samples.sample_rate - SECONDS) < 0.1
    assert (everything[20 * samples.sample_rate :][: len(late)] == late).all()
    samples.close()


def test_a_damaged_recording_is_heard_as_it_was_detected(recordings, tmp_path):
    content = bytearray((recordings / "cbr.mp3").read_bytes())
    content[200_000:210_000] = bytes(10_000)
    path = tmp_path / "damaged.mp3"
    path.write_bytes(content)
    samples = open_samples(path)
    assert isinstance(samples, DecodedSamples)
    assert abs(sum(map(len, samples.blocks(0))) / samples.sample_rate - SECONDS) < 0.1


def test_more_than_two_channels_are_mixed(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full((800, 6), 0.25), 8000)
    samples = open_samples(tmp_path / "a.wav")
    assert samples.n_channels == 1 and next(samples.blocks(0))[0, 0] == 8192


def test_ranges_of_a_stretch_are_the_bytes_of_a_wav_file(recordings, noise, tmp_path):
    stretch = Stretch(open_samples(recordings / "a.flac"), 1234, 5678)
    content = b"".join(stretch.read(0, stretch.size))
    assert len(content) == stretch.size
    (tmp_path / "heard.wav").write_bytes(content)
    heard, rate = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    first = round(1.234 * 44100)
    assert rate == 44100 and (heard == noise[first : first + len(heard)]).all()
    for begin, end in (
        (0, 10),
        (40, 50),
        (44, 45),
        (45, 47),
        (1001, 300_003),
        (stretch.size - 1, stretch.size),
    ):
        assert b"".join(stretch.read(begin, end)) == content[begin:end]


def test_behind_the_end_there_is_silence(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.5), 8000)
    stretch = Stretch(open_samples(tmp_path / "a.wav"), 900, 1100)
    values = np.frombuffer(b"".join(stretch.read(HEADER_BYTES, stretch.size)), "<i2")
    assert values.tolist() == [16384] * 800 + [0] * 800


def test_a_tone_is_heard_at_its_time(tone, tmp_path):
    signal = np.zeros(30 * 16000, np.float32)
    signal[20 * 16000 : 21 * 16000] = tone(16000, 16000, 1000.0)
    soundfile.write(tmp_path / "a.flac", signal, 16000)
    stretch = Stretch(open_samples(tmp_path / "a.flac"), 19_990, 20_010)
    values = np.frombuffer(b"".join(stretch.read(HEADER_BYTES, stretch.size)), "<i2")
    assert not values[:160].any() and abs(values[160:]).max() > 10_000
    peaks = Stretch(open_samples(tmp_path / "a.flac"), 19_000, 21_000).peaks()
    assert peaks.shape == (2000, 2) and not peaks[:1000].any() and peaks[1000:, 1].min() > 40


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=5-5", (5, 6)),
        ("bytes=90-200", (90, 100)),
        ("bytes=-200", (0, 100)),
        ("bytes=1-2,4-5", None),
        ("lines=1-2", None),
        ("bytes=7-3", None),
        ("bytes=-", None),
    ],
)
def test_ranges_are_read_as_browsers_mean_them(text, expected):
    assert parse_range(text, 100) == expected


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_ranges_behind_the_end_are_refused(text):
    with pytest.raises(ValueError, match="lies behind the end, 100 bytes"):
        parse_range(text, 100)


@pytest.mark.parametrize("rate", [8000, 11025, 22255, 44100, 48000])
def test_waveforms_are_those_of_numpy(tmp_path, rate):
    random = np.random.default_rng(rate)
    signal = random.uniform(-1, 1, (rate * 9 + 321, 2)) * random.uniform(0, 1, (rate * 9 + 321, 1))
    soundfile.write(tmp_path / "a.wav", signal, rate)
    values = soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)[0]
    levels = compute_peaks(tmp_path / "a.wav")
    edges = [-(-number * rate // RATE) for number in range(len(levels[0]) + 1)]
    assert edges[-2] < len(values) <= edges[-1]
    for (begin, end), (low, high) in zip(itertools.pairwise(edges), levels[0]):
        bucket = np.rint(values[begin:end] * 128)
        assert (low, high) == (max(bucket.min(), -128), min(bucket.max(), 127))
    for fine, coarse in itertools.pairwise(levels):
        for number, (low, high) in enumerate(coarse):
            part = fine[FACTOR * number : FACTOR * (number + 1)]
            assert (low, high) == (part[:, 0].min(), part[:, 1].max())


def item_of(audio, folder):
    return Item(audio.stem, folder / f"{audio.stem}.corrected", Detection(audio.stem, 2.0, {}), audio)


def wait_for(maker):
    for _ in range(200):
        if not maker.n_left:
            return
        maker._end.wait(0.05)
    raise AssertionError("the waveforms are not done")


def test_waveforms_are_made_once_and_again_for_a_changed_recording(tmp_path):
    audio = tmp_path / "a.wav"
    soundfile.write(audio, np.full(16000, 0.5), 8000)
    item = item_of(audio, tmp_path)
    maker = PeaksMaker([item])
    assert maker.n_left == 1 and maker.get(0, 0, 0, 5) is None
    maker.start()
    wait_for(maker)
    assert maker.get(0, 0, 0, 5).tolist() == [[64, 64]] * 5
    maker.stop()
    assert PeaksMaker([item]).n_left == 0
    assert os.path.getsize(peaks_path(item.correction)) < 300
    soundfile.write(audio, np.full(24000, -0.5), 8000)
    again = PeaksMaker([item])
    assert again.n_left == 1
    assert read_peaks(peaks_path(item.correction), facts_of(audio), 0, 0, 5) is None


def test_a_recording_that_cannot_be_read_does_not_stop_the_others(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound at all")
    soundfile.write(tmp_path / "b.wav", np.zeros(8000), 8000)
    maker = PeaksMaker([item_of(tmp_path / name, tmp_path) for name in ("a.wav", "b.wav")])
    maker.start()
    wait_for(maker)
    maker.stop()
    assert "cannot be read" in maker.problems[0] and maker.get(0, 0, 0, 5) is None
    assert len(maker.get(1, 0, 0, 50)) == 25


def test_a_damaged_waveform_is_made_again(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 8000)
    item = item_of(tmp_path / "a.wav", tmp_path)
    peaks_path(item.correction).write_bytes(b"\0\xff damaged")
    assert PeaksMaker([item]).n_left == 1
    shutil.rmtree(tmp_path)
    assert not Path(tmp_path).exists() and PeaksMaker([item]).n_left == 0
