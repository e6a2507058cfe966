"""Streams: equal to whole reading however cut, in time with the source, in memory that does not grow."""

import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.audio.ffmpeg import ffmpeg_program
from hrin_plugin.audio.signals import audio_duration, read_audio, resample, resampled_length, to_mono
from hrin_plugin.audio.streams import FADE_S, MIX_S, open_stream, resample_blocks

FFMPEG = ffmpeg_program()
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="neither ffmpeg nor imageio-ffmpeg is installed")

#: Name, codec, and by how many seconds the decoded sound may be late (early if negative) at 44.1 kHz.
KINDS = [
    ("a.m4a", "aac", 0.0),
    ("a.mp4", "aac", 0.0),
    ("a.ts", "aac", 1024 / 44100),
    ("a.aac", "aac", 1024 / 44100),
    ("a.avi", "ac3", 256 / 44100),
    ("a.wma", "wmav2", -2048 / 44100),
    ("a.ts", "mp2", 481 / 44100),
    ("a.m4a", "alac", 0.0),
    ("a.mka", "flac", 0.0),
]


def programme(n_samples, sample_rate, seed=0):
    """Noise whose level changes ten times a second, so that its place in time can be found."""
    rng = np.random.default_rng(seed)
    step = sample_rate // 10
    levels = np.repeat(rng.uniform(0.02, 0.3, n_samples // step + 1), step)[:n_samples]
    noise = np.convolve(rng.normal(size=n_samples + 15), np.ones(16) / 4, mode="valid")
    return (np.tanh(levels * noise)).astype(np.float32)


def streamed(path, sample_rate=8000):
    with open_stream(path, sample_rate) as stream:
        blocks = list(stream)
    assert all(len(block) == sample_rate for block in blocks[:-1])
    assert {(block.dtype, block.ndim) for block in blocks} == {(np.dtype(np.float32), 1)}
    return np.concatenate(blocks)


def joined(blocks):
    return np.concatenate(list(blocks))


def encode(source, path, *options):
    """Run ffmpeg, as anyone would at a prompt."""
    run = [FFMPEG, "-v", "error", "-y", "-i", source, *options, path]
    subprocess.run(run, check=True, stdin=subprocess.DEVNULL)
    return path


def lag(reference, signal):
    """By how many samples a signal is late, by cross-correlation."""
    n = max(len(reference), len(signal))
    spectrum = np.conj(np.fft.rfft(reference, 2 * n)) * np.fft.rfft(signal, 2 * n)
    at = int(np.argmax(np.fft.irfft(spectrum)))
    return at if at < n else at - 2 * n


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Four seconds at 44.1 kHz as WAV, to be encoded."""
    path = tmp_path_factory.mktemp("source") / "source.wav"
    soundfile.write(path, programme(4 * 44100, 44100), 44100)
    return path


@pytest.mark.parametrize("rate", [4000, 7999, 8000, 11025, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_stream_is_what_read_audio_gives_at_every_rate(tmp_path, rate, n_channels):
    path = tmp_path / "a.wav"
    wav = np.stack([programme(int(2.3 * rate), rate, seed) for seed in range(n_channels)], axis=1)
    soundfile.write(path, wav, rate)
    np.testing.assert_allclose(streamed(path), read_audio(path, 8000), rtol=0, atol=1e-7)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("n_channels", [3, 6, 8, 12])
def test_a_stream_is_what_read_audio_gives_at_every_depth_and_width(tmp_path, subtype, n_channels):
    path = tmp_path / "a.wav"
    wav = np.stack([programme(4000, 16000, seed) for seed in range(n_channels)], axis=1)
    soundfile.write(path, wav, 16000, subtype=subtype)
    np.testing.assert_allclose(streamed(path), read_audio(path, 8000), rtol=0, atol=1e-7)


@pytest.mark.parametrize("format", ["FLAC", "OGG", "MP3", "AIFF", "CAF", "W64", "RF64", "AU"])
def test_a_long_stream_is_what_read_audio_gives_in_every_format(tmp_path, format):
    path = tmp_path / "a.audio"
    soundfile.write(path, programme(21 * 22050 + 7, 22050), 22050, format=format)
    with open_stream(path, 8000) as stream:
        assert stream.duration_s == pytest.approx(21, abs=0.05)
    np.testing.assert_allclose(streamed(path), read_audio(path, 8000), rtol=0, atol=1e-7)


@settings(deadline=None, max_examples=40)
@given(
    cuts=st.lists(st.integers(0, 30000), max_size=12),
    n_channels=st.integers(1, 3),
    rates=st.sampled_from([(1000, 800), (800, 1000), (1000, 1000), (1470, 800)]),
)
def test_how_live_sound_is_cut_changes_nothing(cuts, n_channels, rates):
    rng = np.random.default_rng(0)
    wav = rng.normal(size=(30000, n_channels)).astype(np.float32)
    wav[9000:21000, 1:] = -wav[9000:21000, :1]  # two channels cancel out, then no more
    whole = joined(resample_blocks([wav], *rates))
    np.testing.assert_array_equal(joined(resample_blocks(np.split(wav, sorted(cuts)), *rates)), whole)


@settings(deadline=None, max_examples=100)
@given(
    n_samples=st.integers(1, 20000),
    source_rate=st.sampled_from([1, 999, 4000, 8000, 11025, 22050, 44100, 48000, 192000]),
    sample_rate=st.sampled_from([1000, 8000, 16000]),
)
def test_a_stream_has_the_length_and_samples_of_whole_resampling(n_samples, source_rate, sample_rate):
    n_samples = min(n_samples, 20 * source_rate)
    wav = np.random.default_rng(n_samples).normal(size=n_samples).astype(np.float32)
    blocks = list(resample_blocks([wav], source_rate, sample_rate))
    assert all(len(block) == sample_rate for block in blocks[:-1])
    assert sum(map(len, blocks)) == resampled_length(n_samples, source_rate, sample_rate)
    np.testing.assert_allclose(joined(blocks), resample(wav, source_rate, sample_rate), rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_samples", [1, 2, 100, 1023])
def test_less_than_a_frame_of_sound_passes(tmp_path, n_samples, tone):
    soundfile.write(tmp_path / "a.wav", tone(n_samples, 8000), 8000, subtype="FLOAT")
    np.testing.assert_array_equal(streamed(tmp_path / "a.wav"), tone(n_samples, 8000))


@pytest.mark.parametrize("wav", [np.zeros(9000), np.full(9000, 0.5), np.sign(np.sin(np.arange(9000)))])
def test_silent_constant_and_clipped_sound_pass_unchanged(tmp_path, wav):
    soundfile.write(tmp_path / "a.wav", wav, 8000, subtype="FLOAT")
    np.testing.assert_array_equal(streamed(tmp_path / "a.wav"), wav)


@pytest.mark.parametrize("gain", [1.0, -1.0, -0.97, 0.3])
def test_a_recording_of_one_kind_is_mixed_as_a_whole(gain):
    left = programme(25 * 800, 800)
    stereo = np.stack([left, np.float32(gain) * left], axis=1)
    np.testing.assert_array_equal(joined(resample_blocks([stereo], 800, 800)), to_mono(stereo))


def test_a_stretch_of_antiphase_in_a_long_recording_is_heard(tone):
    rate, left = 8000, tone(40 * 8000, 8000)
    right = left.copy()
    right[10 * rate : 20 * rate] *= -1
    mono = joined(resample_blocks([np.stack([left, right], axis=1)], rate, rate))
    faded = slice(10 * rate, 10 * rate + int(FADE_S * rate))
    assert (np.abs(mono) <= np.abs(left) + 1e-6)[faded].all()
    mono[faded] = left[faded]
    np.testing.assert_allclose(mono, left, atol=1e-6)
    assert np.abs(to_mono(np.stack([left, right], axis=1))[10 * rate : 20 * rate]).max() < 1e-6


def test_no_click_where_the_way_of_mixing_changes(tone):
    rate = 8000
    left = tone(20 * rate, rate, frequency=50.0)
    stereo = np.stack([left, left], axis=1)
    stereo[10 * rate :, 0] *= -1
    stereo[10 * rate :, 0] *= 1.05  # so that it is the channel turned over which is chosen
    joint = joined(resample_blocks([stereo], rate, rate))[MIX_S * rate - 400 : MIX_S * rate + 400]
    assert np.abs(np.diff(joint)).max() < 1.5 * np.abs(np.diff(1.05 * left)).max()


FULL_SCALES = [(np.int8, 127, -128), (np.int16, 32767, -32768), (np.int32, 2**31 - 1, -(2**31))]
FULL_SCALES += [(np.uint8, 255, 0), (np.uint16, 65535, 0), (np.int64, 2**63 - 1, -(2**63))]


@pytest.mark.parametrize("dtype, highest, lowest", FULL_SCALES)
def test_integers_fill_the_same_scale(dtype, highest, lowest):
    mono = joined(resample_blocks([np.array([lowest, highest], dtype=dtype)], 8000, 8000))
    np.testing.assert_allclose(mono, [-1.0, 1.0], atol=1 / 100)
    assert mono[0] == -1.0 and mono[1] <= 1.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_numbers_keep_their_scale(dtype):
    blocks = [np.array([0.5, -2.0], dtype=dtype), np.array([[0.25]], dtype=dtype)]
    assert joined(resample_blocks(blocks, 8000, 8000)).tolist() == [0.5, -2.0, 0.25]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int16, torch.uint8])
def test_tensors_are_as_welcome_as_arrays(dtype):
    is_real = dtype.is_floating_point
    values = [[0.5, 0.25], [-0.5, 0.0]] if is_real else [[64, 32], [0, 8]]
    tensor = torch.tensor(values, dtype=dtype, requires_grad=is_real)
    expected = tensor.detach().double().mean(dim=1)
    expected = {torch.int16: expected / 32768, torch.uint8: (expected - 128) / 128}.get(dtype, expected)
    np.testing.assert_allclose(joined(resample_blocks(iter([tensor]), 8000, 8000)), expected, atol=1e-7)


def test_a_sender_may_use_its_block_again():
    block, sent = np.zeros(300, dtype=np.float32), []

    def sender():
        for number in range(40):
            block[:] = number
            sent.append(block.copy())
            yield block

    np.testing.assert_array_equal(joined(resample_blocks(sender(), 8000, 8000)), np.concatenate(sent))


def test_live_sound_comes_out_while_it_goes_in():
    taken = 0

    def sender():
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield np.zeros(160, dtype=np.float32)  # 20 ms

    next(resample_blocks(sender(), 8000, 8000))
    assert taken == 50


def test_nothing_comes_of_nothing():
    assert list(resample_blocks([], 44100, 8000)) == []
    assert list(resample_blocks([np.zeros((0, 2))], 44100, 8000)) == []


@pytest.mark.parametrize("blocks, problem", [
    ([np.zeros(4, dtype=bool)], "block 0 holds bool values; send real numbers"),
    ([np.zeros(4, dtype=complex)], "block 0 holds complex128 values"),
    ([torch.zeros(4, dtype=torch.bool)], "block 0 holds bool values"),
    ([np.array(["a"])], "block 0 holds <U1 values"),
    ([[0.0, 0.5]], "block 0 is a list; send arrays or tensors"),
    ([np.zeros((2, 2, 2))], r"block 0 has 3 axes; send \[sample\] or \[sample, channel\]"),
    ([np.float32(0)], "block 0 has 0 axes"),
    ([np.zeros((2, 800))], r"block 0, \(2, 800\), has 800 channels; send \[sample, channel\], 1 to 64"),
    ([np.zeros((8, 0))], "has 0 channels"),
    ([np.zeros((8, 2)), np.zeros(8)], "block 1 has 1 channels, those before have 2; send the same number"),
    ([np.zeros(12000), np.array([0, np.nan])], "the sample at 1.500 s is not a finite number"),
    ([np.full(3, np.inf)], "the sample at 0.000 s is not a finite number"),
    ([np.array([1e300])], "the sample at 0.000 s is not a finite number"),
])  # fmt: skip
def test_blocks_that_are_no_sound_are_refused(blocks, problem):
    with pytest.raises(ValueError, match=problem):
        list(
            resample_blocks(blocks, 8001, 8000)
            if "1.500" not in problem
            else resample_blocks(blocks, 8000, 99)
        )


@pytest.mark.parametrize(
    "rate", [0, -1, 0.5, float("nan"), float("inf"), True, None, "8000", np.array([8000])]
)
def test_impossible_rates_are_refused_at_once(rate, tmp_path):
    with pytest.raises(ValueError, match="source_rate is .*; give whole samples a second, 1 or more"):
        resample_blocks([], rate, 8000)
    with pytest.raises(ValueError, match="sample_rate is .*; give whole samples a second, 1 or more"):
        resample_blocks([], 8000, rate)
    with pytest.raises(ValueError, match="sample_rate is .*; give whole samples a second, 1 or more"):
        open_stream(tmp_path / "a.wav", rate)


def test_memory_does_not_grow_with_the_recording(tmp_path):
    path, n_samples = tmp_path / "a.wav", 2 * 3600 * 8000
    fields = (b"RIFF", 36 + n_samples, b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8, b"data", n_samples)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", *fields)
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + n_samples)
    code = (
        "import resource, sys; from hrin_plugin.audio.streams import open_stream\n"
        "with open_stream(sys.argv[1], 4000) as stream:\n"
        "    for number, block in enumerate(stream, 1):\n"
        "        if number in (60, 7200):\n"
        "            print(number, len(block), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    if sys.platform == "win32":
        pytest.skip("the resource module is for Unix")
    out = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    (first, n_first, early), (last, n_last, late) = (
        map(int, line.split()) for line in out.stdout.splitlines()
    )
    assert (first, n_first, last, n_last) == (60, 4000, 7200, 4000)
    assert late <= 1.02 * early  # the whole would be 115 MB of float32 on top of about 40 MB


def cut_mp3(source, path, *options):
    """An MP3 of variable bit rate without the header that tells its length, as broadcasts are logged."""
    return encode(source, path, "-c:a", "libmp3lame", "-write_xing", "0", *options)


@needs_ffmpeg
@pytest.mark.parametrize(
    "options", [("-q:a", "2"), ("-q:a", "9"), ("-b:a", "64k"), ("-ar", "22050", "-b:a", "32k")]
)
def test_mp3_without_a_length_is_read_to_its_end(tmp_path, options):
    # Quiet, then loud: the first frames say nothing of the size of the others.
    wav = programme(8 * 44100, 44100) * np.repeat([1e-4, 1.0], 4 * 44100).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wav, 44100)
    path = cut_mp3(tmp_path / "a.wav", tmp_path / "a.mp3", *options)
    read = streamed(path)
    assert 8 <= len(read) / 8000 < 8.15
    np.testing.assert_array_equal(read, read_audio(path, 8000))
    assert audio_duration(path).duration_s == pytest.approx(len(read) / 8000, abs=1e-3)
    np.testing.assert_allclose(read, read_audio(encode(path, tmp_path / "b.wav"), 8000), atol=1e-4)


@needs_ffmpeg
def test_joined_mp3_files_are_read_to_the_end_of_the_last(tmp_path, source):
    first = encode(source, tmp_path / "a.mp3", "-q:a", "2")
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 0x20, 0]) + bytes(0x20 << 7)
    (tmp_path / "b.mp3").write_bytes(first.read_bytes() + tag + first.read_bytes())
    read, one = streamed(tmp_path / "b.mp3"), streamed(first)
    assert 8 <= len(read) / 8000 < 8.2
    assert 0 <= lag(one, read[len(one) :]) / 8000 < 0.12  # decoder's and encoder's delays, of two files


@needs_ffmpeg
def test_joined_mp3_files_of_different_kind_are_read(tmp_path, source):
    stereo = encode(source, tmp_path / "a.mp3", "-ac", "2").read_bytes()
    slower = encode(source, tmp_path / "b.mp3", "-ar", "22050").read_bytes()
    (tmp_path / "c.mp3").write_bytes(stereo + slower)
    read = streamed(tmp_path / "c.mp3")
    np.testing.assert_allclose(read[:32000], streamed(tmp_path / "a.mp3"), atol=1e-6)
    np.testing.assert_allclose(read[32000:], streamed(tmp_path / "b.mp3"), atol=1e-6)
    with pytest.raises(ValueError, match=r"c\.mp3: cannot be read as one .*; join its parts as WAV or FLAC"):
        read_audio(tmp_path / "c.mp3", 8000)


@needs_ffmpeg
@pytest.mark.parametrize("first", [1, 500, 5000, 12345])
def test_mp3_cut_out_of_a_broadcast_is_read(tmp_path, source, first):
    data = cut_mp3(source, tmp_path / "whole.mp3", "-b:a", "128k").read_bytes()
    (tmp_path / "a.mp3").write_bytes(data[first:-70])
    read, whole = streamed(tmp_path / "a.mp3"), streamed(tmp_path / "whole.mp3")
    assert len(read) / len(whole) == pytest.approx(1 - (first + 70) / len(data), abs=0.015)
    assert lag(read[2000:], whole) > -2000  # it is a part of the whole, not of something before it
    shift = lag(read, whole[len(whole) - len(read) :])
    assert abs(shift) < 0.06 * 8000


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.wav", "a.m4a", "a", "a.raw"])
def test_content_decides_for_an_mp3(tmp_path, source, name):
    right = encode(source, tmp_path / "right.mp3")
    (tmp_path / name).write_bytes(right.read_bytes())
    np.testing.assert_array_equal(streamed(tmp_path / name), streamed(right))


@needs_ffmpeg
@pytest.mark.parametrize("kind, options", [
    ("a.m4a", ()), ("a.ts", ()), ("a.ts", ("-c:a", "mp2")), ("a.aac", ()), ("a.mkv", ("-c:a", "mp3")),
])  # fmt: skip
@pytest.mark.parametrize("name", ["b.mp3", "b.wav"])
def test_content_decides_for_what_only_ffmpeg_reads(tmp_path, source, kind, options, name):
    right = encode(source, tmp_path / kind, *options)
    (tmp_path / name).write_bytes(right.read_bytes())
    np.testing.assert_array_equal(streamed(tmp_path / name), streamed(right))


@needs_ffmpeg
def test_ogg_streams_in_a_row_are_read_to_the_end_of_the_last(tmp_path):
    for name, seconds in (("a", 3), ("b", 2)):
        soundfile.write(tmp_path / f"{name}.ogg", programme(seconds * 16000, 16000), 16000)
    both = (tmp_path / "a.ogg").read_bytes() + (tmp_path / "b.ogg").read_bytes()
    (tmp_path / "c.ogg").write_bytes(both)
    assert len(streamed(tmp_path / "c.ogg")) == pytest.approx(5 * 8000, rel=0.01)


@needs_ffmpeg
@pytest.mark.parametrize("name, codec, late_s", KINDS)
def test_what_only_ffmpeg_reads_is_decoded_in_time(tmp_path, source, name, codec, late_s):
    path = encode(source, tmp_path / name, "-c:a", codec)
    with open_stream(path, 8000) as stream:
        assert stream.duration_s is None or stream.duration_s == pytest.approx(4, abs=0.3)
    read, original = streamed(path), read_audio(source, 8000)
    assert len(read) == pytest.approx(4 * 8000, abs=0.12 * 8000)
    assert lag(original, read) == pytest.approx(8000 * late_s, abs=2)
    reference = read_audio(encode(path, tmp_path / "reference.wav", "-c:a", "pcm_f32le"), 8000)
    np.testing.assert_allclose(read, reference, rtol=0, atol=1e-6)
    level = np.mean(read[1000:31000] ** 2) / np.mean(original[1000:31000] ** 2)
    assert 10 * np.log10(level) == pytest.approx(0, abs=1.5)


@needs_ffmpeg
def test_of_several_tracks_the_first_is_taken_and_the_others_are_named(tmp_path, source, tone):
    soundfile.write(tmp_path / "other.wav", tone(4 * 44100, 44100), 44100)
    streams = ["-i", tmp_path / "other.wav", "-f", "lavfi", "-i", "testsrc=duration=6:size=64x64:rate=5"]
    maps = [
        "-map",
        "2:v",
        "-map",
        "0:a",
        "-map",
        "1:a",
        "-c:v",
        "mpeg4",
        "-c:a",
        "flac",
        "-disposition:a:0",
        "0",
    ]
    path = encode(source, tmp_path / "a.mkv", *streams, *maps, "-disposition:a:1", "default")
    for track, expected in ((None, source), (1, source), (2, tmp_path / "other.wav")):
        with open_stream(path, 8000, track) as stream:
            np.testing.assert_allclose(joined(stream), read_audio(expected, 8000), atol=1e-4)
        words = "has 2 tracks of sound: 1 (flac, 44100 Hz, mono) is used, left out: 2 (flac, 44100 Hz, mono)"
        assert stream.warnings == ([] if track else [f"{words}; --track N chooses"])
    with pytest.raises(ValueError, match="has 2 tracks of sound, no track 3; choose one of 1 to 2"):
        open_stream(path, 8000, 3)
    with pytest.raises(ValueError, match="has 1 track of sound, no track 2; leave"):
        open_stream(source, 8000, 2)
    with pytest.raises(ValueError, match="track is 0; give a whole number, 1 or more"):
        open_stream(source, 8000, 0)


@needs_ffmpeg
def test_sound_that_ends_before_the_pictures_is_whole(tmp_path, source):
    pictures = ["-f", "lavfi", "-i", "testsrc=duration=9:size=64x64:rate=5", "-c:v", "mpeg4", "-c:a", "alac"]
    path = encode(source, tmp_path / "a.mp4", *pictures)
    np.testing.assert_allclose(streamed(path), read_audio(source, 8000), atol=1e-4)


@needs_ffmpeg
def test_times_after_lost_packets_stay_right(tmp_path, source):
    data = encode(source, tmp_path / "a.ts", "-c:a", "aac").read_bytes()
    n_packets = len(data) // 188
    (tmp_path / "b.ts").write_bytes(data[: 188 * (n_packets // 3)] + data[188 * (n_packets // 2) :])
    whole, read = streamed(tmp_path / "a.ts"), streamed(tmp_path / "b.ts")
    assert len(read) == pytest.approx(len(whole), abs=0.1 * 8000)
    tail = slice(len(whole) * 5 // 8, None)
    assert abs(lag(whole[tail], read[tail])) < 0.1 * 8000
    assert abs(lag(whole[: 8000], read[: 8000])) == 0  # fmt: skip


@needs_ffmpeg
def test_a_change_of_rate_and_channels_within_a_broadcast_is_followed(tmp_path, source):
    parts = [encode(source, tmp_path / f"{rate}.ts", "-ar", rate, "-ac", n).read_bytes()
             for rate, n in (("44100", "1"), ("48000", "2"))]  # fmt: skip
    (tmp_path / "a.ts").write_bytes(parts[0] + parts[1])
    read = streamed(tmp_path / "a.ts")
    assert len(read) == pytest.approx(8 * 8000, rel=0.02)
    assert 0 <= lag(streamed(tmp_path / "48000.ts"), read[4 * 8000 :]) < 0.1 * 8000


NAMES = [
    "-i.m4a",
    "a:b.m4a",
    "100%d %03d.m4a",
    "http:x.m4a",
    "a\nb.m4a",
    "été 音楽 '\".m4a",
    "*?[a].m4a",
    "@a|b;c$d.m4a",
]


@pytest.fixture(scope="module")
def short_m4a(source, tmp_path_factory):
    """The bytes of half a second as M4A, and its stream."""
    path = encode(source, tmp_path_factory.mktemp("short") / "a.m4a", "-t", "0.5")
    return path.read_bytes(), streamed(path)


@needs_ffmpeg
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"\xff\xfe.m4a")])
def test_no_name_has_a_meaning_for_ffmpeg(tmp_path, short_m4a, name, monkeypatch):
    data, expected = short_m4a
    (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(streamed(name), expected)
    np.testing.assert_array_equal(streamed(os.fsencode(tmp_path / name)), expected)


@needs_ffmpeg
def test_closing_early_ends_ffmpeg(tmp_path, source, monkeypatch):
    started, popen = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    soundfile.write(tmp_path / "long.wav", np.zeros(1200 * 8000), 8000)
    path = encode(tmp_path / "long.wav", tmp_path / "a.tta")
    started.clear()
    with open_stream(path, 8000) as stream:
        assert len(next(stream)) == 8000
        assert started[1].poll() is None
    assert started[1].poll() is not None
    stream.close()
    del stream
    forgotten = open_stream(path, 8000)
    next(forgotten)
    del forgotten
    assert started[3].poll() is not None


def test_a_stream_read_to_its_end_holds_no_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 8000)
    stream = open_stream(tmp_path / "a.wav", 8000)
    assert sum(map(len, stream)) == 8000
    assert list(stream) == []
    if sys.platform == "linux":
        held = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if n.isdigit()
                and os.path.exists(f"/proc/self/fd/{n}")]  # fmt: skip
        assert str(tmp_path / "a.wav") not in held
