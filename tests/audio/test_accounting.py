"""Every second of sound in a file is read, or it is said where some is missing: one row a kind.

The rows are those of docs/recordings.md.
"""

import os
import re
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from hrin_plugin.audio import recordings
from hrin_plugin.audio.ffmpeg import ffmpeg_program
from hrin_plugin.audio.notes import warnings_of
from hrin_plugin.audio.recordings import AudioError
from hrin_plugin.audio.sound import _Counter
from hrin_plugin.audio.streams import open_stream

RATE, TONE_HZ = 16000, 1000.0
FFMPEG = ffmpeg_program()
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="neither ffmpeg nor imageio-ffmpeg is installed")

ID3V2 = b"ID3\x04\x00\x00" + bytes([0, 0, 8, 0]) + bytes(8 << 7)
ID3V1 = b"TAG" + bytes(125)
APE = b"APETAGEX" + struct.pack("<4I", 2000, 40, 1, 0xA0000000) + bytes(8) + b"x" * 8
APE += b"APETAGEX" + struct.pack("<4I", 2000, 40, 1, 0x80000000) + bytes(8)


def sound(seconds=5.0, rate=RATE, seed=0):
    """Noise, with a tone in the last half second."""
    samples = np.random.default_rng(seed).normal(0, 0.05, int(seconds * rate))
    samples[-rate // 2 :] += 0.4 * np.sin(2 * np.pi * TONE_HZ / rate * np.arange(rate // 2))
    return samples.astype(np.float32)


def tone_ends(samples):
    """Where the tone ends, in seconds, each time that it sounds for at least 0.2 s."""
    mixed = np.concatenate(
        [[0], np.cumsum(samples * np.exp(-2j * np.pi * TONE_HZ / 8000 * np.arange(len(samples))))]
    )
    is_on = 2 * np.abs(mixed[400:] - mixed[:-400]) / 400 > 0.2
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_on, [False]]).astype(int)))
    return [end / 8000 + 0.025 for begin, end in zip(edges[::2], edges[1::2]) if end - begin > 1600]


def encoded(folder, suffix, *options, seconds=5.0, rate=RATE):
    """The bytes of a recording in a format of ffmpeg, or in one of libsndfile."""
    soundfile.write(folder / "source.wav", sound(seconds, rate), rate)
    if suffix == ".wav":
        return (folder / "source.wav").read_bytes()
    path = folder / f"made{suffix}"
    if suffix in (".flac", ".aiff", ".au", ".caf", ".w64", ".rf64"):
        soundfile.write(path, sound(seconds, rate), rate, format=suffix[1:].upper())
    else:
        run = [FFMPEG, "-v", "error", "-y", "-i", folder / "source.wav", *options, path]
        subprocess.run(run, check=True, stdin=subprocess.DEVNULL)
    return path.read_bytes()


def wav(data, size, riff=b"RIFF", after=b""):
    """A WAV file that announces any size."""
    fmt = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    return (
        riff
        + struct.pack("<I", 36)
        + b"WAVEfmt \x10\0\0\0"
        + fmt
        + b"data"
        + struct.pack("<I", size)
        + data
        + after
    )


def pcm():
    return (sound() * 32767).astype("<i2").tobytes()


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def mp3(folder, *options):
    return encoded(folder, ".mp3", "-b:a", "64k", *options)


def radio(folder):
    """An MP3 without a header that counts."""
    return mp3(folder, "-write_xing", "0", "-id3v2_version", "0")


def replaced(data, share, content):
    """Bytes in the middle, overwritten."""
    at = int(share * len(data))
    return data[:at] + content + data[at + len(content) :]


def without(data, share, n_bytes):
    at = int(share * len(data))
    return data[:at] + data[at + n_bytes :]


JUNK = np.random.default_rng(0).bytes(1500)
DAMAGED = r"sound is damaged or lost at \d\.\d+-\d\.\d+ s, silence stands for it.*; copy or export it again"
HOLE = r"no sound is stored at \d\.\d+-\d\.\d+ s, silence stands for it.*; copy or export it again"
UNSURE = (
    r"times after \d\.\d+ s may be off, as how much is lost there cannot be told; copy or export it again"
)
WITHIN = r"the file is damaged within; times after the damage may be off; copy or export it again"
MISSING = r"sound is missing from (\d+\.\d+) s on \(.*; copy or export it again"
BEYOND = r"sound goes on behind 2\.500 s, where the header announces its end, and is read"

#: Name, suffix, bytes, seconds, ends of the tone, and what is said; None for nothing.
ACCEPTED = [
    ("mp3 joined, ID3v1 between", ".mp3", lambda f: mp3(f) + ID3V1 + mp3(f), 10, [5, 10], None),
    ("mp3 joined, APE tag between", ".mp3", lambda f: mp3(f) + APE + mp3(f), 10, [5, 10], None),
    (
        "mp3 joined, ID3v1 and ID3v2 between",
        ".mp3",
        lambda f: mp3(f) + ID3V1 + ID3V2 + mp3(f),
        10,
        [5, 10],
        None,
    ),
    ("mp3 joined, zeros between", ".mp3", lambda f: mp3(f) + bytes(4096) + mp3(f), 10, [5, 10], None),
    ("mp3 joined, other sample rate", ".mp3", lambda f: mp3(f) + mp3(f, "-ar", "44100"), 10, [5, 10], None),
    ("mp3, Xing header counts too few", ".mp3", lambda f: xing(mp3(f), 20), 5, [5], None),
    ("mp3 without Xing header", ".mp3", radio, 5, [5], None),
    ("wav joined", ".wav", lambda f: 2 * encoded(f, ".wav"), 10, [5, 10], None),
    (
        "wav joined, other sample rate",
        ".wav",
        lambda f: encoded(f, ".wav") + encoded(f, ".wav", rate=44100),
        10,
        [5, 10],
        None,
    ),
    ("wav of size 0", ".wav", lambda f: wav(pcm(), 0), 5, [5], None),
    ("wav of size 0xFFFFFFFF", ".wav", lambda f: wav(pcm(), 0xFFFFFFFF), 5, [5], None),
    (
        "wav of unknown size, LIST chunk at the end",
        ".wav",
        lambda f: wav(pcm(), 0xFFFFFFFF, after=chunk(b"LIST", b"INFO" + b"x" * 4000)),
        5,
        [5],
        None,
    ),
    ("wav of too small size", ".wav", lambda f: wav(pcm(), 80000), 5, [5], BEYOND),
    (
        "wav with two data chunks",
        ".wav",
        lambda f: wav(pcm(), 160000, after=chunk(b"junk", b"abc") + chunk(b"data", pcm())),
        10,
        [5, 10],
        None,
    ),
    (
        "wav, chunks after the samples",
        ".wav",
        lambda f: wav(
            pcm(), 160000, after=chunk(b"LIST", JUNK) + chunk(b"id3 ", JUNK) + chunk(b"bext", JUNK)
        ),
        5,
        [5],
        None,
    ),
    (
        "wav, text after the samples",
        ".wav",
        lambda f: wav(pcm(), 160000, after=b"no sound at all " * 400),
        5,
        [5],
        "6400 bytes after the announced end are no samples and are left out",
    ),
    ("wav, ID3v1 after the samples", ".wav", lambda f: wav(pcm(), 160000, after=ID3V1), 5, [5], None),
    ("wav, zeros after the samples", ".wav", lambda f: wav(pcm(), 160000, after=bytes(3000)), 5, [5], None),
    ("bw64", ".wav", lambda f: wav(pcm(), 160000, riff=b"BW64"), 5, [5], None),
    ("rf64 joined", ".rf64", lambda f: 2 * encoded(f, ".rf64"), 10, [5, 10], None),
    ("w64 joined", ".w64", lambda f: 2 * encoded(f, ".w64"), 10, [5, 10], None),
    ("caf joined", ".caf", lambda f: 2 * encoded(f, ".caf"), 10, [5, 10], None),
    ("aiff joined", ".aiff", lambda f: 2 * encoded(f, ".aiff"), 10, [5, 10], None),
    ("au joined", ".au", lambda f: 2 * encoded(f, ".au"), 10, [5, 10], None),
    ("flac joined", ".flac", lambda f: 2 * encoded(f, ".flac"), 10, [5, 10], None),
    ("ogg joined", ".ogg", lambda f: 2 * encoded(f, ".ogg", "-c:a", "libvorbis"), 10, [5, 10], None),
    ("opus joined", ".opus", lambda f: 2 * encoded(f, ".opus", "-c:a", "libopus"), 10, [5, 10], None),
    ("m4a joined", ".m4a", lambda f: 2 * encoded(f, ".m4a"), 10, [5, 10], None),
    ("mkv joined", ".mka", lambda f: 2 * encoded(f, ".mka", "-c:a", "aac"), 10, [5, 10], None),
    ("wma joined", ".wma", lambda f: 2 * encoded(f, ".wma"), 10, [5, 10], None),
    (
        "adts joined, other sample rate",
        ".aac",
        lambda f: encoded(f, ".aac") + encoded(f, ".aac", "-ar", "48000"),
        10,
        [5, 10],
        None,
    ),
    (
        "ts, other PID",
        ".ts",
        lambda f: encoded(f, ".ts") + encoded(f, ".ts", "-streamid", "0:512"),
        10,
        [5, 10],
        None,
    ),
    (
        "ts, other codec",
        ".ts",
        lambda f: encoded(f, ".ts", "-c:a", "mp2") + encoded(f, ".ts", "-c:a", "aac"),
        10,
        [5, 10],
        None,
    ),
    (
        "ts that begins within a packet, other PID",
        ".ts",
        lambda f: (encoded(f, ".ts") + encoded(f, ".ts", "-streamid", "0:512"))[100:],
        10,
        [5, 10],
        None,
    ),
    ("flv joined", ".flv", lambda f: 2 * encoded(f, ".flv", "-ar", "44100"), 10, [5, 10], None),
    ("realaudio joined", ".rm", lambda f: 2 * encoded(f, ".rm", "-c:a", "ac3"), 10, [5, 10], None),
    (
        "ac3, junk written over",
        ".ac3",
        lambda f: replaced(encoded(f, ".ac3"), 0.4, JUNK[:500]),
        5,
        [5],
        f".*({DAMAGED}|{UNSURE})",
    ),
    (
        "dts, junk written over",
        ".dts",
        lambda f: replaced(encoded(f, ".dts", "-c:a", "dca", "-strict", "-2", "-ar", "48000"), 0.4, JUNK),
        5,
        [5],
        f".*({DAMAGED}|{UNSURE})",
    ),
    ("mp3 of 8 kHz, whose encoder delay is long", ".mp3", lambda f: mp3(f, "-ar", "8000"), 5, [5], None),
    ("avi joined", ".avi", lambda f: 2 * encoded(f, ".avi", "-c:a", "libmp3lame"), 10, [5, 10], None),
    (
        "avi, a hole",
        ".avi",
        lambda f: without(encoded(f, ".avi", "-c:a", "libmp3lame"), 0.5, 400),
        5,
        [5],
        f".*{WITHIN}",
    ),
    (
        "latm, junk written over",
        ".latm",
        lambda f: replaced(encoded(f, ".latm", "-c:a", "aac", "-f", "latm"), 0.5, JUNK[:300]),
        5,
        [5],
        f".*{UNSURE}",
    ),
    ("mp3, zeros written over", ".mp3", lambda f: replaced(radio(f), 0.5, bytes(1500)), 5, [5], DAMAGED),
    ("mp3, junk written over", ".mp3", lambda f: replaced(radio(f), 0.5, JUNK), 5, [5], DAMAGED),
    ("mp3, a title of a radio station within", ".mp3", lambda f: titled(radio(f)), 5, [5], DAMAGED),
    (
        "adts, junk written over",
        ".aac",
        lambda f: replaced(encoded(f, ".aac"), 0.5, JUNK),
        5,
        [5],
        rf"(no sound is stored at .*)?{DAMAGED}",
    ),
    (
        "flac, zeros written over",
        ".flac",
        lambda f: replaced(encoded(f, ".flac"), 0.5, bytes(1500)),
        5,
        [5],
        HOLE,
    ),
    (
        "ogg, junk written over",
        ".ogg",
        lambda f: replaced(encoded(f, ".ogg", "-c:a", "libvorbis"), 0.5, JUNK[:300]),
        5,
        [5],
        HOLE,
    ),
    ("ts, packets missing", ".ts", lambda f: without(encoded(f, ".ts"), 0.5, 188 * 20), 5, [5], HOLE),
    (
        "mkv, junk written over",
        ".mka",
        lambda f: replaced(encoded(f, ".mka", "-c:a", "aac", "-cluster_time_limit", "500"), 0.5, JUNK),
        5,
        [5],
        HOLE,
    ),
    (
        "mp4 in fragments, junk written over",
        ".m4a",
        lambda f: replaced(encoded(f, ".m4a", *FRAGMENTS), 0.5, JUNK),
        5,
        [5],
        rf"a fragment of the file is damaged; {HOLE}",
    ),
]
FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov", "-frag_duration", "300000")

#: Name, suffix, and bytes of which the last part is missing.
CUT = [
    ("wav cut off", ".wav", lambda f: encoded(f, ".wav")[:-60000]),
    ("aiff cut off", ".aiff", lambda f: encoded(f, ".aiff")[:-60000]),
    ("flac cut off", ".flac", lambda f: encoded(f, ".flac")[:-30000]),
    ("mp3 cut off", ".mp3", lambda f: mp3(f)[:-15000]),
    ("ogg cut off", ".ogg", lambda f: encoded(f, ".ogg", "-c:a", "libvorbis")[:-9000]),
    ("opus cut off", ".opus", lambda f: encoded(f, ".opus", "-c:a", "libopus")[:-9000]),
    ("ogg without its last page", ".ogg", lambda f: last_page_off(encoded(f, ".ogg", "-c:a", "libvorbis"))),
    ("opus without its last page", ".opus", lambda f: last_page_off(encoded(f, ".opus", "-c:a", "libopus"))),
    ("wma cut off", ".wma", lambda f: encoded(f, ".wma")[:-30000]),
    ("m4a cut off, index first", ".m4a", lambda f: encoded(f, ".m4a", "-movflags", "+faststart")[:-12000]),
    ("mkv cut off", ".mka", lambda f: encoded(f, ".mka", "-c:a", "aac")[:-12000]),
    ("avi cut off", ".avi", lambda f: encoded(f, ".avi", "-c:a", "libmp3lame")[:-12000]),
    ("webm cut off", ".webm", lambda f: encoded(f, ".webm", "-c:a", "libopus")[:-9000]),
    ("flv cut off", ".flv", lambda f: encoded(f, ".flv", "-ar", "44100")[:-12000]),
]


def xing(data, n_frames):
    """An MP3 whose header counts another number of frames."""
    at = data.find(b"Xing") if b"Xing" in data[:2000] else data.find(b"Info")
    return data[: at + 8] + struct.pack(">I", n_frames) + data[at + 12 :]


def titled(data):
    """A radio dump with the title of a song within."""
    title = b"StreamTitle='Nobody - Nothing';".ljust(48, b"\0")
    return data[:20000] + bytes([3]) + title + data[20000:]


def late_stamp(data):
    """A transport stream in which a bit of a time stamp in its middle is set: 2**15 ticks, 0.36 s."""
    changed, at = bytearray(data), len(data) // 2
    while True:
        at = data.index(b"\0\0\1\xc0", at + 1)
        if not data[at + 11] & 2:
            changed[at + 11] |= 2
            return bytes(changed)


def last_page_off(data):
    return data[: data.rindex(b"OggS")]


def read(path, track=None):
    """Samples at 8 kHz, and what is said."""
    with open_stream(path, 8000, track) as stream:
        samples = np.concatenate(list(stream))
    return samples, "; ".join(stream.warnings)


@needs_ffmpeg
@pytest.mark.parametrize(
    "suffix, make, seconds, ends, words", [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED]
)
def test_all_sound_is_read_in_its_place(tmp_path, capfd, suffix, make, seconds, ends, words):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(make(tmp_path))
    samples, said = read(path)
    assert len(samples) / 8000 == pytest.approx(seconds, abs=0.15 * len(ends))
    assert tone_ends(samples) == pytest.approx(ends, abs=0.2 if len(ends) > 1 else 0.1)
    assert said == "" if words is None else re.fullmatch(words, said), said
    assert capfd.readouterr().err == ""


@needs_ffmpeg
@pytest.mark.parametrize("suffix, make", [row[1:] for row in CUT], ids=[row[0] for row in CUT])
def test_what_is_cut_off_is_read_with_a_warning(tmp_path, suffix, make):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(make(tmp_path))
    samples, said = read(path)
    assert 1 < len(samples) / 8000 < 5
    assert float(re.fullmatch(f".*{MISSING}", said)[1]) == pytest.approx(len(samples) / 8000, abs=0.1)


@needs_ffmpeg
@pytest.mark.parametrize("suffix, make, words", [
    (".m4a", lambda f: encoded(f, ".m4a")[:-8000], r"its index \(moov\) is missing or out of place"),
    (".wav", lambda f: wav(b"", 0), "holds no samples"),
    (".mp3", lambda f: JUNK, r"cannot be read as audio"),
], ids=["m4a without its index", "wav without samples", "no recording"])  # fmt: skip
def test_what_holds_no_sound_that_can_be_read_is_refused(tmp_path, suffix, make, words):
    (tmp_path / f"a{suffix}").write_bytes(make(tmp_path))
    with pytest.raises(AudioError, match=rf"a{suffix}: {words}"):
        read(tmp_path / f"a{suffix}")


@needs_ffmpeg
def test_a_cut_mp3_of_low_rate_keeps_its_times(tmp_path):
    whole, path = mp3(tmp_path, "-ar", "8000"), tmp_path / "a.mp3"
    path.write_bytes(whole)
    samples, _ = read(path)
    path.write_bytes(whole[:-8000])
    cut, said = read(path)
    assert re.fullmatch(MISSING, said)
    n_same = 8000 * 3
    assert np.abs(cut[:n_same] - samples[:n_same]).max() < 1e-4


@needs_ffmpeg
def test_a_damaged_time_stamp_of_a_broadcast_is_told(tmp_path):
    path = tmp_path / "a.ts"
    path.write_bytes(late_stamp(encoded(tmp_path, ".ts", "-c:a", "mp2")))
    samples, said = read(path)
    assert "the clock of the recording jumps at " in said and "; times after it are counted" in said
    assert len(samples) / 8000 == pytest.approx(5, abs=0.5)


@needs_ffmpeg
@pytest.mark.parametrize("suffix, options", [(".tta", ()), (".wv", ("-c:a", "wavpack"))])
def test_rare_kinds_that_are_joined_are_reported(tmp_path, suffix, options):
    path, data = tmp_path / f"a{suffix}", encoded(tmp_path, suffix, *options)
    path.write_bytes(data)
    assert read(path)[1] == ""
    path.write_bytes(2 * data)
    assert re.search(r"sound was read from \d+ of the file's \d+ bytes; more may be missing", read(path)[1])


def test_absurd_samples_of_a_damaged_codec_are_silence():
    samples = sound()
    samples[2 * RATE : 2 * RATE + 500] = np.where(np.arange(500) % 7, 4e3, np.nan)
    counter = _Counter(RATE, [], is_lossy=True)
    heard = np.concatenate(
        list(counter.through([samples[:33000, None].copy(), samples[33000:, None].copy()]))
    )
    assert np.isfinite(heard).all() and np.abs(heard).max() < 1
    assert not heard[2 * RATE - 500 : 2 * RATE + 1000].any()
    assert np.array_equal(heard[: 2 * RATE - 800], samples[: 2 * RATE - 800, None])
    assert re.fullmatch("sound is damaged or lost at 1.950-2.0.. s.*", warnings_of(counter.notes)[0])


@pytest.mark.parametrize("subtype, level, words", [
    ("FLOAT", 127.0, "the loudest sample is 127, where full scale is 1; levels may be wrong.*"),
    ("FLOAT", 2.0**-17, "the loudest sample is 7.63e-06, where full scale is 1; it is taken as silence.*"),
    ("PCM_32", 2.0**-17, "the loudest sample is 7.63e-06, where full scale is 1; it is taken as silence.*"),
    ("FLOAT", 4.0, ""),
    ("FLOAT", 0.0, ""),
    ("PCM_16", 2.0**-15, ""),
])  # fmt: skip
def test_a_scale_that_is_likely_wrong_is_told(tmp_path, subtype, level, words):
    path = tmp_path / "a.wav"
    soundfile.write(path, level * np.tile([1.0, -1.0], 4000), 8000, subtype)
    samples, said = read(path)
    assert re.fullmatch(words, said) and len(samples) == 8000


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_sound_that_begins_after_the_pictures_keeps_the_clock_of_the_video(tmp_path, suffix):
    soundfile.write(tmp_path / "source.wav", sound(), RATE)
    pictures = ["-f", "lavfi", "-i", "testsrc=duration=10:size=64x64:rate=5"]
    late = [
        "-itsoffset",
        "5",
        "-i",
        tmp_path / "source.wav",
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c:v",
        "mpeg4",
        "-c:a",
        "aac",
    ]
    run = [FFMPEG, "-v", "error", "-y", *pictures, *late, tmp_path / f"a{suffix}"]
    subprocess.run(run, check=True, stdin=subprocess.DEVNULL)
    samples, said = read(tmp_path / f"a{suffix}")
    assert said == "" and not samples[: int(4.8 * 8000)].any()
    assert tone_ends(samples) == pytest.approx([10], abs=0.1)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4"])
def test_a_track_that_begins_where_the_first_ends_is_read_on(tmp_path, suffix):
    soundfile.write(tmp_path / "source.wav", sound(), RATE)
    both = ["-i", tmp_path / "source.wav", "-itsoffset", "5", "-i", tmp_path / "source.wav"]
    run = [
        FFMPEG,
        "-v",
        "error",
        "-y",
        *both,
        "-map",
        "0:a",
        "-map",
        "1:a",
        "-c:a",
        "aac",
        tmp_path / f"a{suffix}",
    ]
    subprocess.run(run, check=True, stdin=subprocess.DEVNULL)
    samples, said = read(tmp_path / f"a{suffix}")
    assert said == ""
    assert tone_ends(samples) == pytest.approx([5, 10], abs=0.2)


@needs_ffmpeg
def test_a_long_hole_in_a_broadcast_keeps_its_length(tmp_path):
    data = encoded(tmp_path, ".ts", "-c:a", "mp2", seconds=40.0)
    n_packets = len(data) // 188
    (tmp_path / "a.ts").write_bytes(data[: 188 * (n_packets // 10)] + data[188 * (n_packets * 6 // 10) :])
    samples, said = read(tmp_path / "a.ts")
    assert tone_ends(samples) == pytest.approx([40], abs=0.1)
    assert re.fullmatch(r"no sound is stored at 4\.\d+-24\.\d+ s, .*", said)


@pytest.mark.skipif(sys.platform == "win32", reason="makes a file with a hole")
@pytest.mark.parametrize("size", [0xFFFFFFFF, (5 << 30) % (1 << 32), 0])
def test_a_wav_over_4_gib_is_known_in_its_whole_length(tmp_path, size):
    fmt = struct.pack("<HHIIHH", 1, 2, 48000, 192000, 4, 16)
    with open(tmp_path / "a.wav", "wb") as file:
        file.write(
            b"RIFF"
            + struct.pack("<I", size)
            + b"WAVEfmt \x10\0\0\0"
            + fmt
            + b"data"
            + struct.pack("<I", size)
        )
        file.truncate(44 + (5 << 30))
    with open_stream(tmp_path / "a.wav", 8000) as stream:
        assert stream.duration_s == (5 << 30) / 192000
        assert len(next(stream)) == 8000


def test_chatter_of_the_mp3_decoder_becomes_a_warning(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("hrin_plugin.audio.streams.ffmpeg_program", lambda: None)
    soundfile.write(tmp_path / "a.mp3", sound(20), RATE)
    data, rng = bytearray((tmp_path / "a.mp3").read_bytes()), np.random.default_rng(0)
    for at in rng.integers(len(data) // 2, len(data), 200):
        data[at] ^= 1 << int(rng.integers(8))
    (tmp_path / "a.mp3").write_bytes(data)
    samples, said = read(tmp_path / "a.mp3")
    assert capfd.readouterr().err == ""
    assert "sound is damaged" in said and len(samples) / 8000 == pytest.approx(20, abs=0.5)


def test_without_ffmpeg_it_is_said_that_times_may_be_off(tmp_path, monkeypatch):
    monkeypatch.setattr("hrin_plugin.audio.streams.ffmpeg_program", lambda: None)
    soundfile.write(tmp_path / "a.ogg", sound(20), RATE)
    (tmp_path / "a.ogg").write_bytes(replaced((tmp_path / "a.ogg").read_bytes(), 0.5, JUNK))
    samples, said = read(tmp_path / "a.ogg")
    assert len(samples) > 10 * 8000
    assert "without ffmpeg times after the damage may be too early" in said


def test_what_another_thread_prints_while_an_mp3_is_decoded_arrives_as_it_was(capfd):
    with recordings._quiet() as said:
        os.write(2, b"\rdetect: 10 %\n[src/libmpg123/layer3.c:1] error: part2_3_length\n\rdetect: 11 %")
    assert said == ["part2_3_length"]
    assert capfd.readouterr().err == "\rdetect: 10 %\n\rdetect: 11 %"
