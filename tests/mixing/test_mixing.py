"""Mixed sets: their labels against measurements of the written audio, and their promises."""

import csv
import filecmp
import itertools
import logging
import math
import os

import numpy as np
import pyloudnorm
import pytest
import soundfile

from hrin_plugin.cli import main
from hrin_plugin.events import read_tsv, relabel
from hrin_plugin.mixing import completion
from hrin_plugin.mixing import sets as mixing
from hrin_plugin.mixing.excerpts import (
    COUNTRIES,
    PROGRAMME_TYPES,
    class_shares,
    plan_excerpts,
    render_excerpt,
)
from hrin_plugin.mixing.loudness import loudness
from hrin_plugin.mixing.programme import (
    PLAIN,
    Passage,
    draw_programmes,
    exact_events,
    gain_corners,
    music_runs,
    plateau,
)
from hrin_plugin.mixing.sources import choose_recordings, condition, decode, find_recordings
from hrin_plugin.mixing.store import SAMPLE_RATE, Source, share_out
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

LABELS = MUSIC_LOUDNESS.levels[1]
TONE_HZ = 3000.0


def write_recordings(folder, kind, n=12, seconds=6.0, rate=8000, seed=0):
    """Recordings of one kind: a pure tone for music; noise below 1200 Hz for the others."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        time_s = np.arange(int(seconds * rate)) / rate
        if kind == "music":
            audio = 0.5 * np.sin(2 * np.pi * TONE_HZ * time_s)
        else:
            spectrum = np.fft.rfft(rng.standard_normal(len(time_s)))
            spectrum[np.fft.rfftfreq(len(time_s), 1 / rate) > 1200] = 0
            audio = np.fft.irfft(spectrum, len(time_s))
            audio *= 0.5 / np.abs(audio).max()
        soundfile.write(folder / f"{kind}{number:02}.wav", audio, rate)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("recordings")
    for kind in ("music", "speech", "noise"):
        write_recordings(root / kind, kind)
    return {kind: root / kind for kind in ("music", "speech", "noise")}


@pytest.fixture(scope="module")
def mixed(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("mixed") / "set"
    return out, mixing.mix_set(out, **folders, hours=24 * 8 / 3600, seconds=8.0, seed=3, jobs=1)


def read_events(out, name, mapping="RMLE_mapping", annotator="a", labels=LABELS):
    duration_s = soundfile.info(out / "audio" / f"{name}.wav").duration
    return read_tsv(
        out / "annotations" / "tsv" / mapping / f"annotator_{annotator}" / f"{name}.tsv", duration_s, labels
    )


def tone_level(audio):
    """Amplitude of the tone over time, ``[sample]``, by a detector that knows nothing of the mixer."""
    time_s = np.arange(len(audio)) / SAMPLE_RATE
    width = round(0.02 * SAMPLE_RATE)
    shifted = audio * np.exp(-2j * np.pi * TONE_HZ * time_s)
    return 2 * np.abs(np.convolve(shifted, np.hanning(width) / np.hanning(width).sum(), mode="same"))


def folder_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def assert_same_bytes(one, other):
    files = folder_files(one)
    assert files == folder_files(other)
    assert filecmp.cmpfiles(one, other, files, shallow=False)[0] == files


def test_tone_sounds_exactly_where_music_is_annotated(folders, tmp_path, monkeypatch):
    # Without room tone nothing but the music reaches the band of the tone; one long tone a fold and
    # no change of music, since two tones that crossfade would cancel where their phases differ.
    write_recordings(tmp_path / "tones", "music", n=10, seconds=12.0)
    folders = {**folders, "music": tmp_path / "tones"}
    monkeypatch.setattr("hrin_plugin.mixing.programme.NEW_MUSIC_SHARE", 0.0)
    monkeypatch.setattr("hrin_plugin.mixing.stems.ROOM_TONE_SHARE", 0.0)
    out = tmp_path / "set"
    excerpts = mixing.mix_set(out, **folders, hours=48 * 8 / 3600, seconds=8.0, seed=3, jobs=1)
    n_boundaries = 0
    for excerpt in excerpts:
        audio, _ = soundfile.read(out / "audio" / f"{excerpt.name}.wav")
        level = tone_level(audio)
        events = read_events(out, excerpt.name, "MD_mapping", labels=MUSIC_LOUDNESS.levels[0])
        audible = np.zeros(len(level), dtype=bool)
        for passage in excerpt.passages:
            if passage.has_music:
                audible[slice(*(round(s * SAMPLE_RATE) for s in (passage.start_s, passage.end_s)))] = True
        # Beyond the passages with music, and the detector's width, nothing is left of the tone.
        near = np.convolve(audible, np.ones(SAMPLE_RATE // 25), mode="same") > 0.5
        assert level[~near].max(initial=0.0) < 1e-4
        for passage in excerpt.passages:
            if passage.has_music:
                assert_tone_fills(level, passage, events)
        for before, after in itertools.pairwise(excerpt.passages):
            if before.has_music != after.has_music and after.ramp_s > 0.3:
                # The envelope is a line that crosses a tenth of its passage's gain at the label.
                at_s = min(
                    (e.onset_s for e in events[1:]),
                    key=lambda s, after=after: abs(s - after.start_s),
                    default=0.0,
                )
                passage = before if before.has_music else after
                full = np.median(
                    level[slice(*(round(s * SAMPLE_RATE) for s in (passage.start_s, passage.end_s)))]
                )
                assert level[round(at_s * SAMPLE_RATE)] == pytest.approx(0.1 * full, abs=0.03 * full)
                n_boundaries += 1
    assert n_boundaries > 5


def assert_tone_fills(level, passage, events):
    """Within its labels, a tone is nowhere under a tenth of its usual level, but for the detector's blur."""
    full = np.median(level[round(passage.start_s * SAMPLE_RATE) : round(passage.end_s * SAMPLE_RATE)])
    (onset_s, offset_s) = next(
        (e.onset_s, e.offset_s)
        for e in events
        if e.onset_s <= (passage.start_s + passage.end_s) / 2 < e.offset_s
    )
    start_s, stop_s = max(passage.start_s, onset_s), min(passage.end_s, offset_s)
    inside = level[round(start_s * SAMPLE_RATE) : round(stop_s * SAMPLE_RATE)]
    assert inside[SAMPLE_RATE // 50 : -SAMPLE_RATE // 50].min() > 0.08 * full


def test_annotated_shares_are_those_of_the_written_set(mixed):
    out, excerpts = mixed
    total = dict.fromkeys(LABELS, 0.0)
    for excerpt in excerpts:
        for event in read_events(out, excerpt.name):
            total[event.label] += event.offset_s - event.onset_s
    shares = class_shares(excerpts)
    assert sum(total.values()) == pytest.approx(24 * 8.0)
    for label in LABELS:
        assert total[label] / (24 * 8.0) == pytest.approx(shares[label], abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_an_hour_has_the_class_shares_of_openbmat(seed):
    shares = class_shares(plan_excerpts(60, 60.0, seed))
    assert shares["no-music"] == pytest.approx(0.50, abs=0.04)
    assert shares["fg-music"] == pytest.approx(0.16, abs=0.04)
    assert shares["bg-music"] == pytest.approx(0.34, abs=0.04)


@pytest.mark.parametrize("seed", range(5))
def test_short_excerpts_have_the_shares_and_boundaries(seed):
    excerpts = plan_excerpts(120, 5.0, seed)
    assert class_shares(excerpts)["fg-music"] == pytest.approx(0.16, abs=0.04)
    assert sum(len(excerpt.events) > 1 for excerpt in excerpts) > 40


@pytest.mark.parametrize(("noise_weight", "share"), [(0.0, 0.0), (1.0, 0.41), (4.0, 0.72)])
def test_noise_weight_moves_noise_and_leaves_the_classes(noise_weight, share):
    style = PLAIN._replace(noise_weight=noise_weight)
    excerpts = plan_excerpts(400, 60.0, 0, style)
    noisy_s = sum(p.end_s - p.start_s for e in excerpts for p in e.passages if p.noise)
    assert noisy_s / (400 * 60.0) == pytest.approx(share, abs=0.03)
    assert class_shares(excerpts)["bg-music"] == pytest.approx(0.34, abs=0.02)


def test_loudness_of_the_stems_orders_foreground_and_background():
    folds = mixing.synthesise_fold(0, seed=1)
    store = np.concatenate([samples for _, _, samples, _ in folds])
    sources, start = {"music": [], "speech": [], "noise": []}, 0
    for kind, fold, samples, level_lufs in folds:
        sources[kind].append(Source(fold, start, len(samples), level_lufs))
        start += len(samples)
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    n_measured = {"fg-music": 0, "bg-music": 0}
    for excerpt in plan_excerpts(30, 12.0, seed=1):
        stems = render_excerpt(excerpt, store, sources, seed=1)
        assert np.abs(stems.mix).max() <= 0.98 + 1e-6
        for number, passage in enumerate(excerpt.passages):
            part = slice(*(round(s * SAMPLE_RATE) for s in plateau(excerpt.passages, number)))
            if passage.has_music and part.stop - part.start > SAMPLE_RATE:
                music = meter.integrated_loudness(stems.music[part].astype(float))
                rest = meter.integrated_loudness(stems.rest[part].astype(float))
                assert (music >= rest) == (passage.label == "fg-music"), passage
                if passage.speech or passage.noise:
                    assert music - rest == pytest.approx(passage.relative_lu, abs=1.5)
                n_measured[passage.label] += 1
    assert min(n_measured.values()) > 10


@pytest.mark.parametrize(("seconds", "has_pauses"), [(0.3, True), (4.0, False)])
def test_short_sounds_come_one_by_one_without_a_rhythm(seconds, has_pauses, monkeypatch):
    monkeypatch.setattr("hrin_plugin.mixing.stems.ROOM_TONE_SHARE", 0.0)
    length, rng = round(seconds * SAMPLE_RATE), np.random.default_rng(0)
    store = (8000 * rng.uniform(-1, 1, 5 * length)).astype(np.int16)
    lufs = loudness(store.astype(float) / 32767, SAMPLE_RATE)
    noise = [Source(0, number * length, length, lufs) for number in range(5)]
    sources = {"music": [], "speech": [], "noise": noise}
    passage = Passage(0.0, 60.0, "no-music", False, True, None, False, 0.0)
    shares, spreads = [], []
    for number, excerpt in enumerate(plan_excerpts(12, 60.0, seed=0)):
        excerpt = excerpt._replace(passages=(passage,), fold=0)
        rest = render_excerpt(excerpt, store, sources, seed=number).rest
        sounds = np.convolve(np.abs(rest) > 1e-3, np.ones(80), "same") > 0
        shares.append(sounds.mean())
        begins = np.flatnonzero(np.diff(sounds.astype(int)) == 1)
        spreads.append(np.std(np.diff(begins)) / np.mean(np.diff(begins)) if len(begins) > 2 else 0.0)
    if has_pauses:
        assert min(shares) < 0.4 and max(shares) > 0.8
        assert min(spread for share, spread in zip(shares, spreads) if share < 0.7) > 0.15
    else:
        assert min(shares) > 0.99


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_loudness_agrees_with_pyloudnorm(rate):
    rng = np.random.default_rng(rate)
    audio = rng.standard_normal(4 * rate) * np.repeat([1e-5, 0.3, 0.02, 0.1], rate)
    assert loudness(audio, rate) == pytest.approx(pyloudnorm.Meter(rate).integrated_loudness(audio), abs=0.01)


def test_boundary_of_two_levels_is_the_middle_of_the_ramp():
    passages = [
        Passage(0.0, 4.0, "fg-music", False, False, 9.0, True, 0.0),
        Passage(4.0, 8.0, "bg-music", True, False, -9.0, False, 1.0),
    ]
    (run,) = music_runs(passages)
    times_s, gains = gain_corners(passages, run, [1.0, 0.2])
    boundary_s = exact_events(passages)[0].offset_s
    assert boundary_s == 4.0
    assert np.interp(boundary_s, times_s, gains) == pytest.approx(0.6)


def test_every_onset_and_offset_is_where_the_gain_crosses_the_threshold():
    for passages in draw_programmes(np.random.default_rng(5), 200, 20.0):
        time_s = np.arange(0, 20.0, 0.001)
        present = np.zeros(len(time_s), dtype=bool)
        for run in music_runs(passages):
            n_passages = run[1] - run[0]
            present |= (
                np.interp(time_s, *gain_corners(passages, run, [1.0] * n_passages), left=0, right=0) >= 0.1
            )
        labelled = np.zeros(len(time_s), dtype=bool)
        for event in exact_events(passages):
            if event.label != "no-music":
                labelled |= (time_s >= event.onset_s) & (time_s < event.offset_s)
        n_boundaries = len(exact_events(passages)) - 1
        assert np.sum(present != labelled) <= 2 * n_boundaries


def test_layout_and_names_are_those_of_openbmat(mixed):
    out, excerpts = mixed
    assert len(list(out.glob("audio/*.wav"))) == len(excerpts) == 24
    for excerpt in excerpts:
        info = soundfile.info(out / "audio" / f"{excerpt.name}.wav")
        assert (info.samplerate, info.channels, info.subtype, info.frames) == (22050, 1, "PCM_16", 8 * 22050)
        country = next(c for c in COUNTRIES if excerpt.name.startswith(f"{c}_"))
        programme_type, first, second = excerpt.name[len(country) + 1 :].rsplit("_", 2)
        assert programme_type in PROGRAMME_TYPES and first.isdigit() and second.isdigit()
    with open(out / "splits" / "splits.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["file_name"] for row in rows) == sorted(excerpt.name for excerpt in excerpts)
    assert {int(row["split"]) for row in rows} == set(range(10))


def test_annotators_agree_and_detection_derives_from_loudness(mixed):
    out, excerpts = mixed
    for excerpt in excerpts:
        events = read_events(out, excerpt.name)
        assert [e.label for e in events] == [e.label for e in excerpt.events]
        detection = read_events(out, excerpt.name, "MD_mapping", labels=MUSIC_LOUDNESS.levels[0])
        assert detection == relabel(events, MUSIC_LOUDNESS.parents[0])
        for annotator in "bc":
            assert read_events(out, excerpt.name, annotator=annotator) == events


def test_excerpt_of_one_class_holds_the_bare_label(mixed):
    out, excerpts = mixed
    single = [excerpt for excerpt in excerpts if len(excerpt.events) == 1]
    assert 0 < len(single) < len(excerpts)
    for excerpt in single:
        path = out / "annotations" / "tsv" / "RMLE_mapping" / "annotator_a" / f"{excerpt.name}.tsv"
        assert path.read_text() == excerpt.events[0].label + "\n"


def test_same_seed_gives_the_same_bytes_with_any_number_of_processes(mixed, folders, tmp_path):
    mixing.mix_set(tmp_path / "again", **folders, hours=24 * 8 / 3600, seconds=8.0, seed=3, jobs=2)
    assert_same_bytes(mixed[0], tmp_path / "again")


def test_another_seed_gives_another_set():
    assert plan_excerpts(10, 8.0, seed=3) != plan_excerpts(10, 8.0, seed=4)


def test_interrupted_set_is_completed_to_the_same_bytes_and_no_more_is_remade(mixed, folders, tmp_path):
    settings = dict(**folders, hours=10 * 4 / 3600, seconds=4.0, seed=1, jobs=1)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    excerpts = mixing.mix_set(whole, **settings)
    mixing.mix_set(broken, **settings)
    (broken / "audio" / f"{excerpts[2].name}.wav").unlink()
    (broken / "annotations/tsv/MD_mapping/annotator_c" / f"{excerpts[5].name}.tsv").unlink()
    kept = broken / "audio" / f"{excerpts[0].name}.wav"
    os.utime(kept, (1, 1))
    mixing.mix_set(broken, **settings)
    assert_same_bytes(whole, broken)
    assert kept.stat().st_mtime == 1


def test_no_recording_is_in_two_folds():
    sources = [Source(f"{n}", 0, 22050 * (n + 1), -20.0) for n in range(37)]
    folds = share_out("music", sources, np.random.default_rng(0))
    names = [source.name for fold in folds for source in fold]
    assert sorted(names) == sorted(source.name for source in sources)
    assert all(folds)


def test_few_recordings_are_cut_into_spans_that_no_two_folds_share(caplog):
    sources = [Source("a", 0, 22050 * 60, -20.0), Source("b", 22050 * 60, 22050 * 40, -20.0)]
    with caplog.at_level(logging.WARNING):
        folds = share_out("music", sources, np.random.default_rng(0))
    assert "2 recordings are too few for 10 folds" in caplog.text
    spans = sorted((source.start, source.start + source.n_samples) for fold in folds for source in fold)
    assert len(spans) == 20
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_each_excerpt_is_rendered_from_its_own_fold_alone(folders, tmp_path, monkeypatch):
    used = {}
    render = completion.render_excerpt

    def record(excerpt, store, sources, seed, style):
        used.setdefault(excerpt.fold, set()).update(s.name for kind in sources.values() for s in kind)
        return render(excerpt, store, sources, seed, style)

    monkeypatch.setattr(completion, "render_excerpt", record)
    mixing.mix_set(tmp_path / "set", **folders, hours=10 * 2 / 3600, seconds=2.0, jobs=1)
    assert sorted(used) == list(range(10))
    assert all(used[one].isdisjoint(used[other]) for one, other in itertools.combinations(used, 2))


def test_long_collections_are_not_decoded_whole(folders):
    recordings = find_recordings("music", folders["music"])
    assert len(choose_recordings(recordings * 5, 20.0, np.random.default_rng(0))) == 15


def test_recordings_are_found_below_whatever_case_and_hidden_ones_are_not(tmp_path):
    for name in ("a.WAV", "deep/er/b.Flac", ".hidden.wav", ".git/c.wav", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [r.name for r in find_recordings("noise", tmp_path)] == ["a.WAV", "deep/er/b.Flac"]


def test_silence_inside_music_is_cut_out():
    tone = np.sin(np.arange(4 * SAMPLE_RATE) * 0.2).astype(np.float32)
    gap = np.zeros(3 * SAMPLE_RATE, dtype=np.float32)
    samples, level_lufs = condition(np.concatenate([gap, tone, gap, tone, gap]), "music", "a")
    assert len(samples) / SAMPLE_RATE == pytest.approx(8.0, abs=0.4)
    assert math.isfinite(level_lufs) and np.abs(samples).max() == 32767


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (np.zeros(80000), "is silent"),
        (np.full(80000, np.nan), "the sample at 0.000 s is not a finite number"),
        (0.1 * np.ones(800) * (-1.0) ** np.arange(800), "holds 0.10 s of sound, music needs 3.0 s"),
        (np.zeros(0), "holds no samples"),
    ],
)
def test_unusable_recording_is_left_out_with_its_reason(folders, tmp_path, caplog, audio, reason):
    write_recordings(tmp_path / "music", "music")
    soundfile.write(tmp_path / "music" / "bad.wav", audio, 8000, subtype="FLOAT")
    (recording,) = [r for r in find_recordings("music", tmp_path / "music") if r.name == "bad.wav"]
    assert reason in decode(recording)
    settings = {**folders, "music": tmp_path / "music"}
    with caplog.at_level(logging.WARNING):
        mixing.mix_set(tmp_path / "set", **settings, hours=10 * 2 / 3600, seconds=2.0, jobs=1)
    assert caplog.messages == [f"left out: music: bad.wav: {reason}"]


def run_mix(folders, out, *options, hours="0.0056", seconds="2"):
    kinds = [part for kind, folder in folders.items() for part in (f"--{kind}", str(folder))]
    return main(["mix", *kinds, "--hours", hours, "--seconds", seconds, "--jobs", "1", *options, str(out)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hours": "0"}, "hours is 0; give a length above 0"),
        ({"hours": "-1"}, "hours is -1; give a length above 0"),
        ({"hours": "nan"}, "hours is nan; give a length above 0"),
        ({"seconds": "0.5"}, "seconds is 0.5; give a length of 2 s or more"),
        ({"hours": "0.001"}, "too few for 10 folds; give at least 0.00556 hours"),
    ],
)
def test_senseless_length_is_bad_use(folders, tmp_path, capsys, options, message):
    assert run_mix(folders, tmp_path / "set", **options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(("option", "value"), [("--seed", "-1"), ("--jobs", "0")])
def test_senseless_number_is_bad_use(folders, tmp_path, capsys, option, value):
    assert run_mix(folders, tmp_path / "set", option, value) == 2
    assert f"{option[2:]} is {value}; give a whole number" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["-1", "inf", "nan"])
def test_senseless_noise_weight_is_bad_use(folders, tmp_path, capsys, value):
    assert run_mix(folders, tmp_path / "set", "--noise-weight", value) == 2
    assert f"noise_weight is {value}; give a number, 0 or greater" in capsys.readouterr().err


def test_one_folder_for_two_kinds_is_bad_use(folders, tmp_path, capsys):
    assert run_mix({**folders, "noise": folders["speech"]}, tmp_path / "set") == 2
    assert "speech and noise share the folder" in capsys.readouterr().err


def test_missing_folder_is_bad_use(folders, tmp_path, capsys):
    assert run_mix({**folders, "noise": tmp_path / "none"}, tmp_path / "set") == 2
    assert "none is not a folder; give the folder of your noise recordings" in capsys.readouterr().err


def test_folder_without_recordings_is_a_failure(folders, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run_mix({**folders, "noise": tmp_path / "empty"}, tmp_path / "set") == 1
    assert "empty holds no recording; put audio files" in capsys.readouterr().err


def test_folder_without_usable_recordings_is_a_failure(folders, tmp_path, capsys):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.wav").write_bytes(b"not audio")
    assert run_mix({**folders, "noise": tmp_path / "broken"}, tmp_path / "set") == 1
    assert "broken holds no usable recording" in capsys.readouterr().err


def test_set_of_other_settings_is_not_touched(folders, tmp_path, capsys):
    assert run_mix(folders, tmp_path / "set") == 0
    before = folder_files(tmp_path / "set")
    assert run_mix(folders, tmp_path / "set", "--seed", "1") == 1
    assert "holds a set with seed 0, not 1; choose another folder" in capsys.readouterr().err
    assert run_mix(folders, tmp_path / "set", "--noise-weight", "2") == 1
    assert "holds a set with noise weight not given, not 2; choose" in capsys.readouterr().err
    assert folder_files(tmp_path / "set") == before


def test_folder_of_something_else_is_not_touched(folders, tmp_path, capsys):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("mine")
    assert run_mix(folders, tmp_path / "set") == 1
    assert "set is not empty, and not a mixed set" in capsys.readouterr().err
    assert folder_files(tmp_path / "set") == ["thesis.txt"]


def test_output_that_cannot_be_written_is_a_failure(folders, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert run_mix(folders, tmp_path / "file" / "set") == 1
    assert "Not a directory" in capsys.readouterr().err


def test_nothing_in_the_set_names_a_place_on_the_machine(mixed, folders):
    for path in mixed[0].rglob("*.*"):
        if path.suffix in {".txt", ".csv", ".tsv"}:
            assert str(folders["music"].parent) not in path.read_text()


def test_help_needs_no_heavy_import():
    import subprocess
    import sys

    code = (
        "import sys; from hrin_plugin.cli import main; status = main(['--help']); "
        "assert not {'numpy', 'scipy', 'torch'} & set(sys.modules); sys.exit(status)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
