"""Stems: how they are read, joined, packed and unpacked; the tools that they need may be missing."""

import random
import shutil
import struct

import numpy as np
import pytest
import soundfile

import collect
import tunes
import unpack
from hrin_plugin.mixing.stem_cache import StemCache, write_cache
from pack import choose, take_turns, write_pack
from parts import join, read_rows, write_part
from recordings import PEAK, RATE, as_mono, as_stem, stem


@pytest.fixture
def cache(tmp_path):
    """A cache of six recordings of chirps: two roles, two kinds of music."""
    parts, rng = tmp_path / "parts", np.random.default_rng(0)
    parts.mkdir()
    for number, (role, kind) in enumerate((("music", "rock"), ("music", "ambient"), ("speech", "-"))):
        stems = []
        for take in range(2):
            times = np.arange(int(rng.uniform(1, 3) * RATE)) / RATE
            chirp = as_stem(np.sin(2 * np.pi * (200 + 300 * times) * times + take), RATE)
            stems.append(stem_row(role, kind, f"{role}{number}", take, chirp))
        write_part(parts / str(number), stems)
    join(parts, tmp_path)
    return tmp_path


def stem_row(role, kind, package, take, samples):
    """A row of a part."""
    name, sha256 = f"{package}/{take}", f"{package}{take}"
    return dict(
        role=role, kind=kind, package=package, name=name, split="train", sha256=sha256, samples=samples
    )


def test_a_stem_is_the_middle_at_8_khz_without_silence(tmp_path):
    path = tmp_path / "tone.wav"
    tone = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    sound = np.concatenate((np.zeros(22050), 0.1 * tone, np.zeros(22050)))
    soundfile.write(path, np.stack((sound, sound), 1), 44100)
    samples = stem(path, 100.0)
    assert samples.dtype == np.int16 and np.abs(samples).max() == PEAK
    assert len(samples) == pytest.approx(RATE, abs=80)
    assert len(stem(path, 0.5)) == pytest.approx(0.5 * RATE, abs=2)
    assert np.abs(np.fft.rfft(samples[:8000])).argmax() == pytest.approx(440, abs=1)


def test_too_short_or_silent_is_no_stem():
    assert as_stem(np.ones(1599), RATE) is None
    assert as_stem(np.ones(1600), RATE) is not None
    assert as_stem(np.zeros(RATE), RATE) is None


def test_channels_in_antiphase_do_not_cancel():
    tone = np.sin(np.arange(800.0))
    assert np.array_equal(as_mono(np.stack((tone, -tone), 1)), tone)
    assert np.allclose(as_mono(np.stack((tone, 0.5 * tone), 1)), 0.75 * tone)


def test_a_recording_that_comes_again_is_joined_once(tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    samples = np.arange(1, 2001, dtype="<i2")
    for name in ("a", "b"):
        write_part(
            parts / name,
            [stem_row("noise", "-", "same", 0, samples), stem_row("noise", "-", name, 1, samples)],
        )
    join(parts, tmp_path)
    rows = unpack.read_index(tmp_path / "stems.tsv")
    assert [row["name"] for row in rows] == ["same/0", "a/1", "b/1"]
    assert np.array_equal(np.fromfile(tmp_path / "stems.i16", "<i2"), np.tile(samples, 3))


def test_kinds_take_turns_by_time_and_packages_within_them():
    def row(kind, package, number, length):
        return dict(role="music", kind=kind, package=package, name=f"{package}{number}", n_samples=length)

    rows = [row("rock", "a", n, 10) for n in range(4)] + [row("rock", "b", 0, 10)]
    rows += [row("ambient", "c", n, 20) for n in range(2)]
    order = take_turns(rows)
    assert len(order) == 7
    assert {one["package"] for one in order[:4]} == {"a", "b", "c"}
    left = take_turns(rows, packed=order[:3])
    assert sorted(one["name"] for one in order[3:]) == sorted(one["name"] for one in left)


def test_packs_have_no_stem_in_common_and_are_no_longer_than_asked(cache):
    rows = unpack.read_index(cache / "stems.tsv")
    first, second = choose(rows, 2, 5 * RATE)
    assert first and not {row["name"] for row in first} & {row["name"] for row in second}
    assert sum(int(row["n_samples"]) for row in first) <= 5 * RATE


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_packed_comes_back_in_time_and_nearly_alike(cache, workers):
    samples, rows = np.fromfile(cache / "stems.i16", "<i2"), unpack.read_index(cache / "stems.tsv")
    for number, stems in enumerate((rows[:4], rows[4:])):
        write_pack(samples, stems, cache / f"pack_{number}")
    assert unpack.unpack([cache / "pack_0", cache / "pack_1"], cache / "again", workers) == (6, len(samples))
    assert unpack.read_index(cache / "again" / "stems.tsv") == rows
    again = np.fromfile(cache / "again" / "stems.i16", "<i2").astype(float)
    for row in rows:
        onset, length = int(row["onset_sample"]), int(row["n_samples"])
        before, after = samples[onset : onset + length].astype(float), again[onset : onset + length]
        assert np.abs(after).max() == PEAK
        lags = np.fft.irfft(np.fft.rfft(before, 2 * length) * np.fft.rfft(after, 2 * length).conj())
        assert lags.argmax() == 0
        assert np.corrcoef(before, after)[0, 1] > 0.97


def test_a_pack_that_is_cut_short_is_refused(tmp_path):
    soundfile.write(tmp_path / "000.opus", np.zeros(RATE), RATE, format="OGG", subtype="OPUS")
    with pytest.raises(ValueError, match=r"000\.opus has 8000 samples .* its index 9000"):
        unpack.decode((tmp_path / "000.opus", tmp_path / "cache", 0, [4000, 5000]))


def test_tunes_come_out_of_an_archive_of_dooms(tmp_path):
    tune = b"MThd" + bytes(20)
    entries = struct.pack("<ii8s", 12, len(tune), b"D_E1M1") + struct.pack("<ii8s", 0, 3, b"MAP01")
    (tmp_path / "doom.wad").write_bytes(struct.pack("<4sii", b"IWAD", 2, 12 + len(tune)) + tune + entries)
    (path,) = tunes.tunes_of_archive(tmp_path / "doom.wad", tmp_path / "tunes")
    assert path.name == "doom_d_e1m1.mid" and path.read_bytes() == tune


def test_an_arrangement_has_forty_bars_in_a_groove_of_its_style():
    lines = tunes.arrangement(random.Random(1), "DefGroove Son\n  DefGroove Son1 softer\n").splitlines()
    assert lines[1] in ("Groove Son", "Groove Son1")
    assert lines[-1].startswith("40 ") and len(lines) == 46


def test_names_with_tabs_and_line_ends_stay_in_their_cell(tmp_path):
    write_cache(tmp_path / "cache", [("music", "rock", "a", "x\ty\n.ogg", "train", np.ones(80))])
    (found,) = StemCache(tmp_path / "cache").of("music", "train")
    assert (found.name, found.n_samples) == ("x\ufffdy\ufffd.ogg", 80)
    row = dict.fromkeys(unpack.COLUMNS, "-") | {"name": "x\ty\n", "samples": np.ones(8, np.int16)}
    write_part(tmp_path / "part", [row])
    assert [each["name"] for each in read_rows(tmp_path / "part.tsv")] == ["x\ufffdy\ufffd"]


def test_where_links_are_not_allowed_files_are_copied(tmp_path, monkeypatch):
    """As on Windows."""
    (tmp_path / "a.ogg").write_bytes(b"OggS")
    monkeypatch.setattr(collect, "files_of", lambda row, downloads: [(tmp_path / "a.ogg", None, "a.ogg")])

    def refuse(*_):
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr(collect.Path, "symlink_to", refuse)
    collect.link({"role": "music", "package": "p"}, tmp_path, tmp_path / "out")
    assert (tmp_path / "out/music/p/a.ogg").read_bytes() == b"OggS"
