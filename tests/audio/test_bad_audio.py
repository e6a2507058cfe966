"""Bad recordings: each gets one line that names the file, the problem and the cure."""

import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from hrin_plugin.audio import ffmpeg, streams
from hrin_plugin.audio.recordings import Recording
from hrin_plugin.audio.signals import AudioError, read_audio
from hrin_plugin.audio.streams import open_stream

FFMPEG = ffmpeg.ffmpeg_program()
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="neither ffmpeg nor imageio-ffmpeg is installed")
unix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these")


def noise(n_samples, n_channels=1):
    return np.random.default_rng(0).normal(scale=0.1, size=(n_samples, n_channels)).astype(np.float32)


def encode(source, path, *options):
    run = [FFMPEG, "-v", "error", "-y", "-i", source, *options, path]
    subprocess.run(run, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture
def wav(tmp_path):
    """Four seconds of noise at 8 kHz."""
    soundfile.write(tmp_path / "source.wav", noise(32000), 8000)
    return tmp_path / "source.wav"


def refusal(path, name=None):
    """What is wrong with a recording: one line, of which the name is left out."""
    with pytest.raises(AudioError) as error, open_stream(path, 8000) as stream:
        for _ in stream:
            pass
    name, message = str(path) if name is None else name, str(error.value)
    assert message.startswith(f"{name}: ")
    assert len(message.splitlines()) == 1 and message.isprintable()
    assert "; " in message.removeprefix(name)
    return message.removeprefix(f"{name}: ")


def warned(path):
    """Seconds that are read of a recording, and what is said of it."""
    with open_stream(path, 8000) as stream:
        n_samples = sum(map(len, stream))
    assert all(warning.isprintable() for warning in stream.warnings)
    return n_samples / 8000, "; ".join(stream.warnings)


def test_missing_file(tmp_path):
    assert refusal(tmp_path / "a.wav") == "there is no such file; check the name and the folder"


def test_folder(tmp_path):
    assert refusal(tmp_path) == "is not a file; name a recording"


@unix_only
def test_pipe_is_refused_without_waiting_for_its_writer(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    assert refusal(tmp_path / "a.wav") == "is not a file; name a recording"


@unix_only
def test_link_in_circles(tmp_path):
    (tmp_path / "a.wav").symlink_to(tmp_path / "b.wav")
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    assert "cannot be opened (Too many levels of symbolic links); check" in refusal(tmp_path / "a.wav")


@unix_only
def test_link_to_nothing(tmp_path):
    (tmp_path / "a.wav").symlink_to(tmp_path / "b.wav")
    assert "there is no such file" in refusal(tmp_path / "a.wav")


@unix_only
def test_file_that_must_not_be_read(wav, monkeypatch):
    if os.geteuid() == 0:  # who may read everything
        monkeypatch.setattr(os, "open", forbid)
    wav.chmod(0)
    assert refusal(wav) == "cannot be opened (Permission denied); check its name and that you may read it"


def forbid(*arguments):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("name", ["a\0b.wav", "a" * 5000])
def test_impossible_name(name):
    assert "cannot be opened (" in refusal(name, name.replace("\0", "\\x00"))


@unix_only
@pytest.mark.parametrize(
    "name, shown", [("a\nb.wav", "a\\nb.wav"), (os.fsdecode(b"\xff.wav"), "\\udcff.wav")]
)
def test_message_of_an_unprintable_name_stays_one_line(tmp_path, name, shown):
    (tmp_path / name).write_bytes(b"RIFF")
    assert "cannot be read as audio" in refusal(tmp_path / name, f"{tmp_path}/{shown}")


def test_empty_file(tmp_path):
    (tmp_path / "a.wav").touch()
    assert refusal(tmp_path / "a.wav") == (
        "cannot be read as audio (the file is empty); copy or export it again"
    )


def test_recording_without_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), 8000)
    assert refusal(tmp_path / "a.wav") == "holds no samples; copy or export it again"


JUNK = np.random.default_rng(1).bytes(200_000)
TEXT = b"Das ist kein Ton, sondern Text.\n" * 400


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
@pytest.mark.parametrize(
    "content", [b"\0" * 9999, b"RIFF", TEXT, JUNK, b"\xff" * 9999, b"<html></html>" * 99]
)
def test_what_is_no_recording(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name)
    assert message.startswith("cannot be read as audio (ffmpeg: ")
    assert message.endswith("); check that it is a recording, and convert it to WAV or FLAC")


def test_without_ffmpeg_the_cure_names_both_ways_to_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + JUNK)
    assert refusal(tmp_path / "a.m4a") == (
        "cannot be read as audio (Format not recognised), and there is no ffmpeg to try;"
        " where it is a recording, install ffmpeg, or run: pip install imageio-ffmpeg"
    )


def test_ffmpeg_on_the_path_goes_before_the_package(tmp_path, monkeypatch):
    program = tmp_path / ("ffmpeg.exe" if sys.platform == "win32" else "ffmpeg")
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ffmpeg.ffmpeg_program() == str(program)
    program.unlink()
    package = type(sys)("imageio_ffmpeg")
    package.get_ffmpeg_exe = lambda: "the package's"
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", package)
    assert ffmpeg.ffmpeg_program() == "the package's"


@needs_ffmpeg
@pytest.mark.parametrize("name, content", [
    ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nsource.ts\n#EXT-X-ENDLIST\n"),
    ("a.ffconcat", "ffconcat version 1.0\nfile source.ts\n"),
    ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"),
])  # fmt: skip
def test_a_list_of_other_files_is_not_followed(tmp_path, wav, name, content):
    encode(wav, tmp_path / "source.ts")
    (tmp_path / name).write_text(content)
    run = [FFMPEG, "-v", "error", "-i", tmp_path / name, "-f", "null", "-"]
    if name != "a.sdp":  # ffmpeg left to itself would follow it
        assert subprocess.run(run, stdin=subprocess.DEVNULL, cwd=tmp_path).returncode == 0
    assert refusal(tmp_path / name).startswith("cannot be read as audio (ffmpeg: Format not on whitelist)")


@needs_ffmpeg
def test_pictures_without_sound(tmp_path, wav):
    pictures = ["-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5", "-map", "1:v", "-c:v", "mpeg4"]
    path = encode(wav, tmp_path / "a.mp4", *pictures)
    assert "does not contain any stream" in refusal(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at_s", [0.0, 3.5, 12.125])
def test_sample_that_is_no_finite_number(tmp_path, value, at_s):
    samples = noise(13 * 8000, 2)
    samples[int(8000 * at_s), 1] = value
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    assert refusal(tmp_path / "a.wav").startswith(
        f"the sample at {at_s:.3f} s is not a finite number; export"
    )


@pytest.mark.parametrize("format", ["WAV", "AIFF", "FLAC", "MP3", "RF64", "CAF", "W64", "AU"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_recording_cut_off(tmp_path, format, share):
    path = tmp_path / "a.audio"
    soundfile.write(path, noise(40000), 16000, format=format)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    read_s, words = warned(path)
    assert read_s == pytest.approx(2.5 * share, abs=0.3)
    end_s = float(re.search(r"sound is missing from (\d+\.\d+) s on \(", words)[1])
    assert end_s == pytest.approx(read_s, abs=0.1)
    assert words.endswith("; copy or export it again")
    with pytest.raises(AudioError, match="copy or export it again"):
        read_audio(path, 8000)


@needs_ffmpeg
@pytest.mark.parametrize("name, options", [
    ("a.m4a", ("-movflags", "+faststart")), ("a.mka", ("-c:a", "flac")), ("a.flv", ("-ar", "44100")),
    ("a.wma", ()), ("a.webm", ()),
])  # fmt: skip
def test_recording_that_ffmpeg_reads_cut_off(tmp_path, wav, name, options):
    path = encode(wav, tmp_path / name, *options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    read_s, words = warned(path)
    end_s = float(re.search(r"sound is missing from (\d+\.\d+) s on \(", words)[1])
    assert 1 < read_s < 3.5 and end_s == pytest.approx(read_s, abs=0.01)
    assert words.endswith("; copy or export it again")


@needs_ffmpeg
def test_m4a_whose_index_was_cut_off(tmp_path, wav):
    path = encode(wav, tmp_path / "a.m4a")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refusal(path).startswith(
        "its index (moov) is missing or out of place, as in a file that was cut off"
    )


@unix_only
def test_recording_cut_off_while_it_is_read(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(60 * 8000), 8000)
    with open_stream(path, 8000) as stream:
        next(stream)
        os.truncate(path, 500_000)
        n_samples = 8000 + sum(map(len, stream))
    assert n_samples == pytest.approx(250_000, abs=100)
    assert "sound is missing from 31.2" in "; ".join(stream.warnings)


@unix_only
def test_recording_deleted_while_it_is_read_stays_readable(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(60 * 8000), 8000)
    whole = read_audio(path, 8000)
    with open_stream(path, 8000) as stream:
        first = next(stream)
        path.unlink()
        np.testing.assert_array_equal(np.concatenate([first, *stream]), whole)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the open file by /proc")
@pytest.mark.parametrize("format", ["WAV", "FLAC", "MP3"])
def test_disk_that_fails_while_it_is_read(tmp_path, format):
    path = tmp_path / "a.audio"
    soundfile.write(path, noise(60 * 8000), 8000, format=format)
    with open_stream(path, 8000) as stream:
        next(stream)
        numbers = [int(n) for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")]
        (number,) = (n for n in numbers if os.readlink(f"/proc/self/fd/{n}") == str(path))
        folder = os.open(tmp_path, os.O_RDONLY)
        os.dup2(folder, number)  # reading a folder fails, as reading a lost network folder does
        os.close(folder)
        with pytest.raises(
            AudioError, match=r"a\.audio: cannot be read further \(Is a directory\); check the disk"
        ):
            list(stream)


CANNOT = "cannot be read as audio \\(ffmpeg: "

#: What ffmpeg says of a recording, in a script for the shell that stands in for it.
TOLD = "echo '[info] Input #0, mov, from a' >&2; echo '[info]   Stream #0:0: Audio: aac, 8000 Hz' >&2; "
FRAME = "echo '[i] [info] n:0 pts:0 channels:1 nb_samples:32000 x' >&2; "


@unix_only
@pytest.mark.parametrize("words, problem", [
    ("exit 3", rf"{CANNOT}does not contain any stream of sound\)"),
    ("echo '[in#0 @ 0x1] [error] Strange  box.' >&2; exit 1", rf"{CANNOT}Strange box\)"),
    (TOLD, rf"{CANNOT}no output\)"),
    (TOLD + FRAME, "holds no samples"),
])  # fmt: skip
def test_ffmpeg_that_gives_nothing(tmp_path, monkeypatch, words, problem):
    fake(tmp_path, words, monkeypatch)
    (tmp_path / "a.m4a").write_bytes(JUNK)
    with (
        pytest.raises(AudioError, match=rf"a\.m4a: {problem}; "),
        open_stream(tmp_path / "a.m4a", 8000) as stream,
    ):
        list(stream)


@unix_only
@pytest.mark.parametrize("words, problem", [
    (FRAME + "cat {raw}; echo '[error] Disk went away' >&2; exit 1", r"(ffmpeg: Disk went away)"),
    (FRAME + "cat {raw}; kill -9 $$", r"(ffmpeg: -9)"),
    ("echo '[info]   Duration: 01:00:00.00' >&2; " + FRAME + "cat {raw}", r"(3600.000 s are announced)"),
])  # fmt: skip
def test_ffmpeg_that_fails(tmp_path, monkeypatch, words, problem):
    noise(32000).astype("<f4").tofile(tmp_path / "raw")
    fake(tmp_path, TOLD + words.format(raw=tmp_path / "raw"), monkeypatch)
    (tmp_path / "a.m4a").write_bytes(JUNK)
    read_s, said = warned(tmp_path / "a.m4a")
    assert read_s == 4.0
    assert said == f"sound is missing from 4.000 s on {problem}; copy or export it again"


@unix_only
def test_ffmpeg_that_talks_without_end_does_not_stall(tmp_path, monkeypatch):
    noise(32000).astype("<f4").tofile(tmp_path / "raw")
    talk = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; "
    fake(tmp_path, f"{TOLD}{talk}{FRAME}cat {tmp_path / 'raw'}; {talk}", monkeypatch)
    (tmp_path / "a.m4a").write_bytes(JUNK)
    with open_stream(tmp_path / "a.m4a", 8000) as stream:
        np.testing.assert_array_equal(np.concatenate(list(stream)), noise(32000)[:, 0])
        assert stream.duration_s is None


@unix_only
def test_ffmpeg_that_cannot_be_started(tmp_path, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(JUNK)
    monkeypatch.setattr(streams, "ffmpeg_program", lambda: str(tmp_path / "gone"))
    assert refusal(tmp_path / "a.m4a").startswith(
        "ffmpeg cannot be started (No such file or directory); check "
    )


def fake(folder, words, monkeypatch):
    """Put a shell script in ffmpeg's place."""
    (folder / "fake").write_text(f"#!/bin/sh\n{words}\n")
    (folder / "fake").chmod(0o755)
    monkeypatch.setattr(streams, "ffmpeg_program", lambda: str(folder / "fake"))


@pytest.mark.parametrize("format", ["WAV", "AIFF", "FLAC", "OGG", "MP3", "CAF", "W64", "AU"])
def test_damage_anywhere_gives_samples_or_one_line(tmp_path, format, monkeypatch):
    monkeypatch.setattr(streams, "ffmpeg_program", lambda: None)
    path, rng, sound = tmp_path / "a.audio", np.random.default_rng(0), io.BytesIO()
    soundfile.write(sound, noise(6000, 2), 8000, format=format)
    for _ in range(40):
        data = bytearray(sound.getvalue())
        reach = len(data) if rng.random() < 0.5 else min(200, len(data))
        for at in rng.integers(reach, size=rng.integers(1, 9)):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        try:
            with open_stream(path, 8000) as stream:
                assert all(np.isfinite(block).all() for block in stream)
        except AudioError as error:
            assert str(error).startswith(f"{path}: ") and len(str(error).splitlines()) == 1


def test_a_refused_recording_is_closed_again(tmp_path):
    (tmp_path / "a.wav").write_bytes(TEXT)
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    for _ in range(50):
        with pytest.raises(AudioError, match="cannot be read as audio"):
            Recording(tmp_path / "a.wav")
    after = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    assert after == before


def announce_more(path, n_samples):
    """Let the last page of an Ogg file count more samples than there are, and correct its checksum."""
    data = bytearray(path.read_bytes())
    page = data.rindex(b"OggS")
    position = int.from_bytes(data[page + 6 : page + 14], "little") + n_samples
    data[page + 6 : page + 14] = position.to_bytes(8, "little")
    data[page + 22 : page + 26] = bytes(4)
    checksum = 0
    for byte in data[page:]:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum & 0x80000000 else 0)) & 0xFFFFFFFF
    data[page + 22 : page + 26] = checksum.to_bytes(4, "little")
    path.write_bytes(data)


@pytest.mark.parametrize("missing, is_read", [(3000, True), (30000, False)])
def test_an_ogg_file_may_announce_half_a_second_too_much_and_no_more(tmp_path, missing, is_read):
    path = tmp_path / "a.ogg"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 22050), 22050)
    announce_more(path, missing)
    assert soundfile.info(path).frames == 22050 + missing
    if is_read:
        assert 8000 <= len(read_audio(path, 8000)) <= 8100  # the last packet whole
    else:
        with pytest.raises(AudioError, match=r"only 22\d+ of 52050 samples can be read"):
            read_audio(path, 8000)
