"""Synthesised sound, and the miniature of OpenBMAT that is mixed from it."""

import concurrent.futures
import csv
import filecmp

import numpy as np
import pytest
import soundfile

from hrin_plugin.events import read_tsv
from hrin_plugin.mixing.sets import synthesise_fold, synthesise_miniature
from hrin_plugin.mixing.synthesis import synthesise_music, synthesise_noise, synthesise_speech
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

RATE = 22050


@pytest.mark.parametrize("synthesise", [synthesise_music, synthesise_speech, synthesise_noise])
def test_sound_is_finite_varied_and_repeats_with_its_seed(synthesise):
    pieces = [synthesise(np.random.default_rng(seed), 2 * RATE, RATE) for seed in range(12)]
    for piece in pieces:
        assert piece.shape == (2 * RATE,) and piece.dtype == np.float32
        assert np.isfinite(piece).all() and piece.std() > 1e-4
    similarity = np.corrcoef(pieces) - np.eye(12)
    assert np.abs(similarity).max() < 0.9
    again = synthesise(np.random.default_rng(3), 2 * RATE, RATE)
    assert np.array_equal(again, pieces[3])


def periodicity(audio):
    """Highest autocorrelation at lags of 2.5 to 12.5 ms, in the loudest 100 ms."""
    frames = audio[: len(audio) // 2205 * 2205].reshape(-1, 2205)
    frame = frames[np.square(frames).sum(1).argmax()]
    correlation = np.correlate(frame, frame, mode="full")[2204:]
    return correlation[55:275].max() / correlation[0]


def test_speech_is_voiced_and_pauses():
    for seed in range(5):
        speech = synthesise_speech(np.random.default_rng(seed), 4 * RATE, RATE)
        steps = np.square(speech[: 4 * RATE // 441 * 441]).reshape(-1, 441).mean(1)
        assert np.mean(steps < 1e-4 * steps.max()) > 0.03
        assert periodicity(speech) > 0.4


def test_no_threshold_on_the_level_detects_music(tmp_path):
    levels, has_music = [], []
    for excerpt in synthesise_miniature(tmp_path, n_excerpts=60, seconds=5.0):
        audio, _ = soundfile.read(tmp_path / "audio" / f"{excerpt.name}.wav")
        levels.append(np.square(audio).reshape(50, RATE // 10).mean(1))
        has_music.append(np.zeros(50, dtype=bool))
        for event in excerpt.events:
            if event.label != "no-music":
                has_music[-1][round(event.onset_s * 10) : round(event.offset_s * 10)] = True
    levels, has_music = np.concatenate(levels), np.concatenate(has_music)
    accuracies = [
        np.mean((levels > limit) == has_music) for limit in np.quantile(levels, np.linspace(0, 1, 201))
    ]
    assert max(accuracies) < 0.7


def test_folds_share_no_source():
    one, other = (synthesise_fold(fold, seed=0) for fold in (0, 1))
    assert {samples.tobytes() for _, _, samples, _ in one}.isdisjoint(
        samples.tobytes() for _, _, samples, _ in other
    )


def test_miniature_is_a_readable_set_of_ten_folds(tmp_path):
    synthesise_miniature(tmp_path / "set", n_excerpts=20, seconds=3.0)
    with open(tmp_path / "set" / "splits" / "splits.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(int(row["split"]) for row in rows) == sorted(2 * list(range(10)))
    for row in rows:
        audio, rate = soundfile.read(tmp_path / "set" / "audio" / f"{row['file_name']}.wav")
        assert (len(audio), rate) == (3 * RATE, RATE) and np.abs(audio).max() > 0
        annotations = tmp_path / "set" / "annotations" / "tsv" / "RMLE_mapping" / "annotator_a"
        assert read_tsv(annotations / f"{row['file_name']}.tsv", 3.0, MUSIC_LOUDNESS.levels[1])


def test_complete_miniature_is_left_alone_and_broken_one_is_mended(tmp_path):
    out, settings = tmp_path / "set", {"n_excerpts": 10, "seconds": 2.0}
    excerpts = synthesise_miniature(out, **settings)
    first, second = (out / "audio" / f"{excerpts[n].name}.wav" for n in (0, 1))
    whole, times = first.read_bytes(), second.stat().st_mtime_ns
    first.unlink()
    synthesise_miniature(out, **settings)
    assert first.read_bytes() == whole
    assert second.stat().st_mtime_ns == times


def test_miniature_of_other_settings_is_refused(tmp_path):
    synthesise_miniature(tmp_path, n_excerpts=10, seconds=2.0)
    with pytest.raises(FileExistsError, match="holds a set with excerpts 10, not 12"):
        synthesise_miniature(tmp_path, n_excerpts=12, seconds=2.0)


def test_callers_at_once_make_the_same_set(tmp_path):
    settings = {"n_excerpts": 10, "seconds": 2.0}
    synthesise_miniature(tmp_path / "alone", **settings)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(synthesise_miniature, tmp_path / "shared", **settings) for _ in range(3)]
        for call in calls:
            call.result()
    files = [str(p.relative_to(tmp_path / "alone")) for p in (tmp_path / "alone").rglob("*") if p.is_file()]
    assert len(list((tmp_path / "shared").rglob("*.*"))) == len(list((tmp_path / "alone").rglob("*.*")))
    assert filecmp.cmpfiles(tmp_path / "alone", tmp_path / "shared", files, shallow=False)[0] == files


def test_too_few_excerpts_for_the_folds_are_refused(tmp_path):
    with pytest.raises(ValueError, match="n_excerpts is 9; give at least one for each of the 10 folds"):
        synthesise_miniature(tmp_path, n_excerpts=9)
