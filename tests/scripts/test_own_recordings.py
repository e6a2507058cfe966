"""Own annotated recordings as a data set: one test a row of docs/own_recordings.md, and whole trainings."""

import json
import os
import re
import shutil
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from experiments import main as experiments
from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Event
from hrin_plugin.features.cache import Section
from hrin_plugin.formats import find_formats, render
from hrin_plugin.training.openbmat import count_folds, folds_told, identify_data
from hrin_plugin.training.unpacking import unpacked
from openbmat_folds import recording_folds
from openbmat_prepare import prepare_openbmat
from tables import main as tables

PAGE = Path(__file__).parents[2] / "docs/own_recordings.md"
RATE = 16000
#: Length in seconds of each recording.
LENGTHS = {"a": 2.0, "b": 4.5, "day/a": 7.25, "day/night/c": 3.9, "d": 1.5}


def labels(duration_s):
    """A third of the time of each class."""
    at = [round(duration_s * part / 3, 3) for part in range(4)]
    return [Event(*times, label) for *times, label in zip(at, at[1:], ["no-music", "fg-music", "bg-music"])]


def put_recording(folder, name, duration_s, suffix=".wav", seed=0, rate=RATE):
    path = folder / f"{name}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.random.default_rng(seed).normal(size=round(duration_s * rate)) / 10
    soundfile.write(path, sound, rate, format="WAV" if suffix.lower() == ".wav" else None)
    return path


def put_labels(folder, name, events, format="tsv", suffix=None):
    duration_s = max(event.offset_s for event in events)
    level = "mrle" if any("g-" in event.label for event in events) else "md"
    text = render(Detection(Path(name).name, duration_s, {level: events}), format, [level])
    path = folder / f"{name}{suffix or find_formats()[format].suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    (written,) = text.values()
    path.write_text(written, encoding="utf-8")
    return path


def build(folder, lengths=LENGTHS):
    for number, (name, duration_s) in enumerate(lengths.items()):
        put_recording(folder, name, duration_s, seed=number)
        put_labels(folder, name, labels(duration_s))
    return folder


@pytest.fixture
def shows(tmp_path):
    return build(tmp_path / "shows")


def entries_of(manifests):
    splits = {split: json.loads(path.read_text()) for split, path in manifests._asdict().items()}
    return splits, {name: entry for split in splits.values() for name, entry in split.items()}


def recording_of(name):
    return name.rpartition("@")[0]


def as_events(rows):
    return [Event(*row) for row in rows]


# One test a row


def many_formats(folder):
    for number, format in enumerate(find_formats()):
        put_recording(folder, f"of {format}", 3.0, (".flac", ".ogg", ".mp3", ".wav")[number % 4], number)
        put_labels(folder, f"of {format}", labels(3.0), format)


def capitals(folder):
    (folder / "a.wav").rename(folder / "a.WAV")
    (folder / "a.tsv").rename(folder / "a.TSV")


def accents(folder):
    put_recording(folder, unicodedata.normalize("NFD", "caf\u00e9"), 2.0)
    put_labels(folder, unicodedata.normalize("NFC", "caf\u00e9"), labels(2.0))


def litter(folder):
    for name in (
        ".DS_Store",
        "._a.wav",
        "README.txt",
        "cover.jpg",
        "list.csv",
        "settings.json",
        "__MACOSX/._a.tsv",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("neither sound nor labels")
    if hasattr(os, "mkfifo"):  # which would be waited for without end
        os.mkfifo(folder / "pipe.wav")


def transcript(folder):
    (folder / "a.vtt").write_text("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nGood evening.\n")
    (folder / "day/a.txt").write_text("Good evening.\n")


def long_recording(folder):
    put_recording(folder, "hour", 3600.0)
    put_labels(folder, "hour", [Event(0.0, 3600.0, "bg-music")])


def only_music(folder):
    put_labels(folder, "a", [Event(0.5, 1.0, "fg-music")])


def one_level(folder):
    put_labels(folder, "a", [Event(0.0, 1.0, "music"), Event(1.0, 2.0, "no-music")])


def damage(folder):
    sound = np.random.default_rng(0).normal(size=8 * 44100) / 10
    soundfile.write(folder / "b.flac", sound, 44100)
    (folder / "b.wav").unlink()
    put_labels(folder, "b", labels(8.0))
    content = bytearray((folder / "b.flac").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 3000] = bytes(3000)
    (folder / "b.flac").write_bytes(content)


def zipped(folder):
    shutil.make_archive(str(folder.parent / "zipped"), "zip", folder.parent, folder.name)
    shutil.rmtree(folder)
    (folder.parent / "zipped.zip").rename(folder)


#: For each row: what is done to the folder, options, and how many further recordings there are then, or
#: what the error says and which recording has it.
ROWS = {
    "recordings and annotations in folders at any depth": (lambda folder: None, {}, 0),
    "annotations in several formats": (many_formats, {}, len(find_formats())),
    "suffixes in capitals": (capitals, {}, 0),
    "accents written in two ways (NFC, NFD)": (accents, {}, 1),
    "`.DS_Store`, `._show.wav`, README.txt, pictures": (litter, {}, 0),
    "subtitles or a transcript beside the labels": (transcript, {}, 0),
    "a recording of an hour": (long_recording, {}, 1),
    "time without a label, `--unlabelled=no-music`": (only_music, {"unlabelled": "no-music"}, 0),
    "a zip file of the folder": (zipped, {}, 0),
    "time without a label": (only_music, {}, "a.tsv, line 1: nothing is annotated from 0.0 to 0.5; label"),
    "music and no-music only": (
        one_level,
        {},
        "a.tsv: tells music from no-music only, and the networks learn its loudness too; label music as",
    ),
    "a recording without an annotation": (
        lambda folder: (folder / "a.tsv").unlink(),
        {},
        "a.wav: has no annotation beside it; annotate it as a.tsv or in another format, or move it",
    ),
    "an annotation without a recording": (
        lambda folder: (folder / "a.wav").unlink(),
        {},
        "a.tsv: has no recording beside it; add it or move this file",
    ),
    "`show.mp3` and `show.wav`": (
        lambda folder: put_recording(folder, "a", 2.0, ".mp3"),
        {},
        "a.mp3: a.mp3 and a.wav have one name; keep one of them",
    ),
    "two annotations of one recording": (
        lambda folder: put_labels(folder, "a", labels(2.0), "audacity"),
        {},
        "a.tsv: a.tsv and a.txt have one name; keep one of them",
    ),
    "a damaged recording": (damage, {}, "b.flac: no sound is stored at"),
    "an annotation that ends before or after its recording": (
        lambda folder: put_labels(folder, "a", labels(3.0)),
        {},
        "a.tsv, line 3: offset 3.0 is after the end of the recording, 2.000",
    ),
    "two recordings": (
        lambda folder: [shutil.rmtree(folder / "day"), *(path.unlink() for path in folder.glob("d.*"))],
        {},
        "holds 2 annotated recordings that can be used, and 3 are needed, to train, to validate and to test; "
        "annotate more, or fit the shipped model to what there is with 'hrin adapt'",
    ),
    "a fold that is not there": (
        lambda folder: None,
        {"fold": 5},
        "fold is 5; 5 recordings make 5 folds, so use 0 to 4",
    ),
}


def test_the_page_has_these_rows_and_no_others():
    rows = re.findall(r"^\| (.+?) \| (accept|refuse) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(rows) == {
        row: "refuse" if isinstance(outcome, str) else "accept" for row, (*_, outcome) in ROWS.items()
    }


@pytest.mark.parametrize("row", [row for row in ROWS if row != "a damaged recording"])
def test_each_row_is_as_the_page_says(row, shows, tmp_path):
    change, options, outcome = ROWS[row]
    change(shows)
    options = {"fold": 0, "excerpt_s": 2.0, **options}
    folder = unpacked(shows, tmp_path)
    if isinstance(outcome, str):
        with pytest.raises(ValueError, match=re.escape(outcome)) as refusal:
            prepare_openbmat(folder, tmp_path / "save", **options)
        assert len(str(refusal.value).splitlines()) == len(getattr(refusal.value, "faults", [1]))
        assert not (tmp_path / "save").exists()
        return
    _, entries = entries_of(prepare_openbmat(folder, tmp_path / "save", **options))
    assert len({recording_of(name) for name in entries}) == len(LENGTHS) + outcome


def test_all_refusals_come_at_once_and_are_left_out_when_asked(shows, tmp_path, caplog):
    put_recording(shows, "e", 1.0)
    put_labels(shows, "f", labels(2.0))
    put_labels(shows, "day/a", [Event(0.0, 7.25, "music")])
    with pytest.raises(AnnotationError) as refusal:
        prepare_openbmat(shows, tmp_path / "save", 0)
    names = [Path(fault.path).relative_to(shows).as_posix() for fault in refusal.value.faults]
    assert names == ["day/a.tsv", "e.wav", "f.tsv"]
    _, entries = entries_of(prepare_openbmat(shows, tmp_path / "save", 0, skip_bad_files=True))
    assert {recording_of(name) for name in entries} == set(LENGTHS) - {"day/a"}
    assert "left out 3 recordings of 7:\n" in caplog.text


# Cuts


@pytest.mark.parametrize("excerpt_s", [1.0, 1.3, 2.0, 60.0])
def test_excerpts_are_cut_with_their_annotation(shows, tmp_path, excerpt_s):
    """Put together again, they are the annotations that were written."""
    _, entries = entries_of(prepare_openbmat(shows, tmp_path, 0, excerpt_s=excerpt_s))
    for name, duration_s in LENGTHS.items():
        own = [entry for key, entry in entries.items() if recording_of(key) == name]
        own.sort(key=lambda entry: entry["wav"][1])
        assert [entry["wav"][0] for entry in own] == [f"{{data_root}}/{name}.wav"] * len(own)
        begins, ends = ([entry["wav"][index] for entry in own] for index in (1, 2))
        assert begins == [round(number * excerpt_s, 6) for number in range(len(own))]
        assert [*ends] == [*begins[1:], duration_s]
        assert all(0 < end - begin < excerpt_s + 1.001 for begin, end in zip(begins, ends))
        together = []
        for begin_s, entry in zip(begins, own):
            assert entry["mrle"][0][0] == 0.0 and entry["mrle"][-1][1] == entry["duration"]
            for onset_s, offset_s, label in entry["mrle"]:
                if together and together[-1][2] == label and onset_s == 0:
                    together[-1][1] = begin_s + offset_s
                else:
                    together.append([begin_s + onset_s, begin_s + offset_s, label])
            music = sum(off - on for on, off, label in entry["md"] if label == "music")
            louder = sum(off - on for on, off, label in entry["mrle"] if label != "no-music")
            assert music == pytest.approx(louder)
        assert [row[2] for row in together] == [event.label for event in labels(duration_s)]
        assert np.allclose([row[:2] for row in together], [event[:2] for event in labels(duration_s)])


def test_an_annotated_music_detection_is_read_when_asked(shows, tmp_path):
    found = Detection("a", 2.0, {"md": [Event(0, 2, "no-music")], "mrle": [Event(0, 2, "bg-music")]})
    (text,) = render(found, "json", ["md", "mrle"]).values()
    (shows / "a.tsv").unlink()
    (shows / "a.json").write_text(text)
    for md_from, label in (("mrle", "music"), ("mapping", "no-music")):
        _, entries = entries_of(prepare_openbmat(shows, tmp_path / md_from, 0, md_from=md_from))
        assert entries["a@0"]["md"] == [[0.0, 2.0, label]]
        assert entries["b@0"]["md"][1][2] == "music"


@pytest.mark.parametrize("excerpt_s", [0.5, 0, -1.0, float("nan"), float("inf"), "60", True])
def test_a_length_that_is_none_is_refused(shows, tmp_path, excerpt_s):
    with pytest.raises(ValueError, match=f"excerpt_s is {excerpt_s!r}; use seconds, 1 or more"):
        prepare_openbmat(shows, tmp_path / "save", 0, excerpt_s=excerpt_s)


# Folds


@pytest.mark.parametrize("n_recordings", [3, 5, 10, 23])
def test_no_recording_is_in_two_folds(tmp_path, n_recordings):
    shows = build(tmp_path / "shows", {f"show {n}": 1.5 + n % 4 for n in range(n_recordings)})
    n_folds = min(n_recordings, 10)
    assert count_folds(shows) == folds_told(identify_data(shows)) == n_folds
    tested = Counter()
    for fold in range(n_folds):
        splits, _ = entries_of(prepare_openbmat(shows, tmp_path / str(fold), fold, excerpt_s=1.0))
        names = {split: {recording_of(name) for name in entries} for split, entries in splits.items()}
        assert sum(map(len, names.values())) == len(set().union(*names.values())) == n_recordings
        tested.update(names["test"])
    assert set(tested.values()) == {1} and len(tested) == n_recordings


def test_folds_are_drawn_by_seed_and_hold_about_the_same_time():
    durations_s = {f"show {number}": 60.0 * (1 + number % 7) for number in range(50)}
    folds = recording_folds(durations_s, seed=1)
    assert folds == recording_folds(dict(reversed(durations_s.items())), seed=1)
    assert folds != recording_folds(durations_s, seed=2)
    totals = [sum(durations_s[name] for name in folds if folds[name] == fold) for fold in range(10)]
    assert max(totals) - min(totals) <= max(durations_s.values())


# Identity


def test_a_set_is_told_by_its_content(shows, tmp_path):
    before = identify_data(shows)
    assert re.fullmatch(r"5 own recordings \([0-9a-f]{12}\)", before)
    assert identify_data(shutil.copytree(shows, tmp_path / "copy")) == before
    put_labels(shows, "a", [Event(0.0, 2.0, "bg-music")])
    assert identify_data(shows) != before


# Whole trainings


@pytest.fixture
def train_on(run, tmp_path):
    """Trains a tiny network on own recordings, with the options of every test."""

    def train(data, *options, name="run"):
        common = [f"--data_folder={data}", f"--prepared_folder={tmp_path}/prepared"]
        length = [] if any("excerpt_s" in option for option in options) else ["--excerpt_s=1.0"]
        return run(*common, *length, *options, hparams=str(run.tiny), name=name)

    return train


@pytest.mark.parametrize("is_zip", [False, True])
def test_own_recordings_train_and_go_on(train_on, shows, is_zip, monkeypatch):
    """From the folder or the zip file; a second start of the same command does nothing again."""
    many_formats(shows)
    if is_zip:
        zipped(shows)
    folder = train_on(shows)
    results = (folder / "results.json").read_bytes()
    predicted = list((folder / "predictions/mrle").rglob("*.tsv"))
    assert predicted and all("@" in path.stem for path in predicted)
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["data"].startswith(f"{len(LENGTHS) + len(find_formats())} own recordings (")
    monkeypatch.setattr("hrin_plugin.features.cache.FeatureLoader._features", None)
    assert train_on(shows) == folder and (folder / "results.json").read_bytes() == results


def test_excerpts_without_a_cache_train_alike(train_on, shows):
    logs = [
        (train_on(shows, f"--cache_features={cached}", name=f"cached {cached}") / "train_log.txt").read_text()
        for cached in (True, False)
    ]
    assert logs[0] == logs[1]


def test_a_changed_length_is_another_run(train_on, shows):
    train_on(shows)
    with pytest.raises(SystemExit) as stop:
        train_on(shows, "--excerpt_s=2.0")
    assert stop.value.code == 1


@pytest.mark.parametrize("cached", [True, False])
def test_a_damaged_recording_is_left_out_as_a_whole(train_on, shows, capsys, cached):
    """Every time: what was computed of it before is not taken for the whole."""
    damage(shows)
    outcome = ROWS["a damaged recording"][-1]
    fold = recording_folds({**LENGTHS, "b": 8.0}, seed=1234)["b"] + 2  # where it is trained on
    options = [f"--cache_features={cached}", f"--fold={fold % len(LENGTHS)}"]
    for _ in range(2):
        with pytest.raises(SystemExit) as stop:
            train_on(shows, *options, name="refused")
        lines = str(stop.value).splitlines()
        assert len(lines) == 2 and outcome in lines[0] and "--skip_bad_files=True" in lines[1]
    folder = train_on(shows, "--skip_bad_files=True", *options)
    assert (folder / "results.json").exists()
    assert "left out 8 of 21, which cannot be decoded" in capsys.readouterr().out


def test_tables_say_what_they_are_of(train_on, shows, tmp_path, capsys):
    for fold in range(4):
        train_on(shows, f"--fold={fold}", name=f"results/hrin_r/fold_{fold}/seed_0")
    assert tables(["--results_folder", str(tmp_path / "results"), "--tables", "I"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"Data: 5 own recordings \([0-9a-f]+\); music detection from mrle\. Excerpts in a", text)
    assert "Not run: hrin_r on fold 4." in text


def test_a_plan_has_as_many_folds_as_there_are(run, shows, tmp_path, capsys):
    words = ["--experiments", "hrin_r", "--dry_run", "--no_measure", "--results_folder", str(tmp_path)]
    assert experiments([*words, "--data_folder", str(shows)]) == 0
    assert "5 runs" in capsys.readouterr().out


def test_sections_are_the_frames_of_what_was_cut_by_hand(tmp_path):
    """Sections of a recording against files that hold their samples alone."""
    from hrin_plugin.features import FeatureLoader, LogMel

    path = put_recording(tmp_path, "whole", 10.0, rate=8000)
    samples, rate = soundfile.read(path)
    times = [(0.0, 4.0), (4.0, 7.25), (8.0, 10.0)]
    load = FeatureLoader(LogMel(), tmp_path / "cache")
    assert load.examine([Section(str(path), *each) for each in times]) == {}
    assert len(list((tmp_path / "cache").iterdir())) == 3
    for begin_s, end_s in times:
        soundfile.write(tmp_path / "part.wav", samples[int(begin_s * rate) : int(end_s * rate)], rate)
        expected = FeatureLoader(LogMel())(tmp_path / "part.wav")
        for loader in (load, FeatureLoader(LogMel())):
            found = loader(Section(str(path), begin_s, end_s))
            assert found.shape == expected.shape and (found - expected).abs().max() < 1e-3
