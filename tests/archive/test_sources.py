"""New results from kept probabilities and from other results: the same as listening again."""

import functools
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from hrin_plugin.archive.collection import collect
from hrin_plugin.archive.jobs import claim_results, detect_recordings
from hrin_plugin.archive.orders import Order
from hrin_plugin.archive.processes import run_local
from hrin_plugin.cli import main
from hrin_plugin.decoding.methods import Decoding, write_decoding
from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats import find_formats, read_detection
from hrin_plugin.formats.journal import read_journal
from hrin_plugin.inference import load_detector
from hrin_plugin.pretrained.folder import save_pretrained
from hrin_plugin.report.stale import stale_results

NAMES = ["monday/06h", "monday/07h", "tuesday/06h"]
WARNING = "from 0:00:01 to 0:00:02: lost"


def hrin(*arguments):
    """Run the command."""
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def archive(tmp_path_factory, make_model):
    """A folder with three recordings, a model that changes its mind, and results with probabilities."""
    folder = tmp_path_factory.mktemp("archive")
    save_pretrained(folder / "model", make_model(hidden_size=4, num_layers=1))
    write_decoding(folder / "model" / "decoding.json", Decoding("viterbi", switching_cost_s=0.1))
    for seed, name in enumerate(NAMES):
        levels = np.repeat(10 ** np.random.default_rng(seed).uniform(-5, -0.5, 8), 8000)
        path = folder / "in" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).standard_normal(len(levels))
        soundfile.write(path, levels * noise, 8000, subtype="FLOAT")
    keep = ["--keep-probabilities", "--level", "both", "--format", "tsv,json"]
    assert hrin("detect", folder / "in", "--output", folder / "results", *model_of(folder), *keep) == 0
    return folder


def model_of(folder):
    return ["--model", folder / "model", "--backend", "torch", "--device", "cpu"]


@pytest.fixture
def place(archive, tmp_path, monkeypatch):
    """A copy of the archive, from which paths are relative."""
    shutil.copytree(archive, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


def events_in(folder, ending=".json"):
    """The events of each result, by the recording's name."""
    files = sorted(folder.rglob(f"[!.]*{ending}"))
    return {str(path.relative_to(folder))[: -len(ending)]: read_detection(path).events for path in files}


OPTIONS = [
    [],
    ["--switching-cost", "1s"],
    ["--offset", "fg-music=1", "--offset", "music=-0.5"],
    ["--threshold", "0.5"],
    ["--decode", "argmax", "--min-duration", "0.5"],
    ["--silence-gate", "-30dB"],
    ["--silence-gate", "off", "--decode", "median"],
]


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_decide_gives_what_detect_gives_with_the_same_options(place, options):
    common = ["--level", "both", "--format", "json", *options]
    assert hrin("detect", "in", "--output", "direct", *model_of(place), *common) == 0
    assert hrin("decide", "results", "--output", "again", *common) == 0
    assert events_in(place / "again") == events_in(place / "direct")
    for record in (".hrin-json.json", ".hrin-json.jsonl"):
        assert (place / "again" / record).exists()
    records = [json.loads((place / out / ".hrin-json.json").read_text()) for out in ("again", "direct")]
    for record in records:
        del record["provenance"]["model"]  # the folder of the model has moved meanwhile
    assert records[0] == records[1]
    # Either command goes on where the other one stopped.
    (place / "again" / "monday" / "06h.json").unlink()
    assert hrin("detect", "in", "--output", "again", *model_of(place), *common) == 0
    assert events_in(place / "again") == events_in(place / "direct")


def test_deciding_needs_neither_recordings_nor_torch(place):
    shutil.rmtree("in")
    shutil.rmtree("model")
    code = (
        "import sys; from hrin_plugin.cli import main\n"
        "status = main(['decide', 'results', '--output', 'again', '--format', 'tsv,srt'])\n"
        "status = status or main(['convert', 'again', '--format', 'edl,elan', '--output', 'again'])\n"
        "assert 'torch' not in sys.modules and 'speechbrain' not in sys.modules; sys.exit(status)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(list((place / "again").rglob("[!.]*.*"))) == 12


def test_deciding_goes_on_and_does_again_what_was_detected_again(place, capsys):
    decide = ["decide", "results", "--output", "again", "--decode", "argmax"]
    assert hrin(*decide) == 0
    times = {path: path.stat().st_mtime_ns for path in (place / "again").rglob("[!.]*.tsv")}
    (place / "again" / "monday" / "07h.tsv").unlink()
    assert hrin(*decide) == 0
    assert "2 of 3 recordings were finished before" in capsys.readouterr().err
    changed = {path.stem for path in times if path.stat().st_mtime_ns != times[path]}
    assert changed == {"07h"}
    soundfile.write("in/tuesday/06h.wav", np.zeros(80000), 8000)
    keep = ["--keep-probabilities", "--level", "both", "--format", "tsv,json"]
    assert hrin("detect", "in", "--output", "results", *model_of(place), *keep) == 0
    assert hrin(*decide) == 0
    assert (place / "again" / "tuesday" / "06h.tsv").read_text() == "0.000\t10.000\tno-music\n"


def test_other_decisions_are_refused_in_one_folder(place, capsys):
    assert hrin("decide", "results", "--output", "again", "--decode", "argmax") == 0
    assert hrin("decide", "results", "--output", "again") == 2
    assert "was made with another decoding; give another --output, or --overwrite" in capsys.readouterr().err
    assert hrin("decide", "results", "--output", "again", "--overwrite") == 0
    assert events_in(place / "again", ".tsv") == {
        name: {"mrle": events["mrle"]} for name, events in events_in(place / "results").items()
    }


def test_one_recording_is_printed_and_several_need_a_folder(place, capsys):
    assert hrin("decide", "results/monday/06h.probs") == 0
    assert capsys.readouterr().out == (place / "results" / "monday" / "06h.mrle.tsv").read_text()
    assert hrin("decide", "results") == 2
    assert "3 recordings need a folder for their results; give --output DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["decide", "in"], 1, "in: holds no kept probabilities; detect again with --keep-probabilities"),
        (["decide", "none"], 1, "none: is not there; check the path"),
        (
            ["decide", "results/monday/06h.json"],
            1,
            "06h.json: holds no kept probabilities; detect again with --keep-probabilities",
        ),
        (["decide", "results", "--offset", "jazz=2"], 2, "--offset: 'jazz' is none of bg-music, fg-music"),
        (["decide", "results", "--jobs", "0"], 2, "'0' is not a whole number of processes"),
        (["decide", "results", "--format", "tsv,doc"], 2, "invalid choice: 'doc'"),
        (["decide", "results", "--format", "tsv,srt"], 2, "2 formats need a folder for their files"),
        (["convert", "in", "--format", "srt"], 1, "in: holds no results; give the folder of hrin detect"),
        (["convert", "in/monday/06h.wav", "--format", "srt"], 1, "06h.wav: is not in a known format"),
        (["convert", "results"], 2, "--format"),
        (["detect", "in", "--keep-probabilities"], 2, "--keep-probabilities needs a folder to keep them in"),
    ],
)
def test_bad_input_is_one_line(place, capsys, arguments, status, message):
    assert hrin(*arguments) == status
    error = capsys.readouterr().err
    assert message in error.splitlines()[-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_named_and_the_others_go_on(place, capsys, name):
    path = place / "results" / f"{name}.probs"
    path.write_bytes(path.read_bytes()[:-30])
    assert hrin("decide", "results", "--output", "again") == 1
    assert f"{path.name}: is damaged, or holds no kept probabilities" in capsys.readouterr().err
    assert sorted(events_in(place / "again", ".tsv")) == [other for other in NAMES if other != name]
    assert read_journal("again", "tsv").entries[name].facts is None


@pytest.mark.parametrize("name", NAMES)
def test_a_result_that_cannot_be_read_is_named_and_the_others_go_on(place, capsys, name):
    path = place / "results" / f"{name}.json"
    path.write_text("{")
    assert hrin("convert", "results", "--format", "srt", "--output", "srt") == 1
    assert f"{path.name}, line 1: is not JSON" in capsys.readouterr().err
    assert sorted(events_in(place / "srt", ".md.srt")) == [other for other in NAMES if other != name]


def test_where_no_file_can_be_used_each_is_named(place, capsys):
    for name in NAMES:
        (place / "results" / f"{name}.probs").write_bytes(b"PK")
    assert hrin("decide", "results", "--output", "again") == 1
    assert capsys.readouterr().err.count("is damaged, or holds no kept probabilities") == 6


def test_what_is_not_finished_is_not_decided(place, capsys):
    journal = place / "results" / ".hrin-probabilities.jsonl"
    with open(journal, "a") as file:
        file.write('\n{"name": "monday/07h", "recording": "../in/monday/07h.wav"}')
    assert hrin("decide", "results", "--output", "again") == 1
    error = capsys.readouterr().err
    assert "monday/07h.probs: is not finished, or of other settings; detect again" in error
    assert sorted(events_in(place / "again", ".tsv")) == ["monday/06h", "tuesday/06h"]


def test_probabilities_of_two_models_are_not_mixed(place, capsys, make_model):
    save_pretrained("other", make_model(hidden_size=5, num_layers=1))
    keep = ["--model", "other", "--backend", "torch", "--keep-probabilities"]
    assert hrin("detect", "in/tuesday/06h.wav", "--output", "others", *keep) == 0
    assert hrin("decide", "results/monday", "others", "--output", "again") == 2
    shutil.move("others/06h.probs", "others/08h.probs")
    assert hrin("decide", "results/monday", "others", "--output", "again") == 1
    assert "08h.probs: is of another model than the others" in capsys.readouterr().err


def test_reports_do_not_take_probabilities_for_results(place, capsys):
    assert hrin("report", "results") == 0
    captured = capsys.readouterr()
    assert "all 3 recordings" in captured.out and captured.err.startswith("no intervals: the model's errors")
    assert captured.err.count("\n") == 1


def test_a_recording_whose_probabilities_are_gone_is_heard_again(place):
    kept = place / "results" / "monday" / "06h.probs"
    content = kept.read_bytes()
    kept.unlink()
    keep = ["--keep-probabilities", "--level", "both", "--format", "tsv,json"]
    assert hrin("detect", "in", "--output", "results", *model_of(place), *keep) == 0
    assert kept.read_bytes() == content


def test_a_full_disk_ends_the_run_and_leaves_nothing_half(place, capsys, small_files):
    with small_files(3000):
        arguments = [*model_of(place), "--keep-probabilities", "--output", "full"]
        assert hrin("detect", "in/monday", *arguments) == 1
    assert "full: File too large" in capsys.readouterr().err
    assert not list((place / "full").rglob("[!.]*.*")) and not list((place / "full").rglob(".hrin-draft*"))


def test_a_recording_that_changes_while_it_is_read_keeps_no_probabilities(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").write_bytes(bytes(100))

    class Detector:
        def detect_file(self, path, progress, keep):
            keep.write_bytes(b"PK")
            with open(path, "ab") as file:
                file.write(bytes(50))
            return Detection("x", 2.0, {"mrle": [Event(0.0, 2.0, "bg-music")]})

    order, run = Order(output="out", keep_probabilities=True), functools.partial(run_local, jobs=1)
    to_do = claim_results(collect(["in"]).recordings, order)
    (outcome,) = detect_recordings(to_do, order, run, lambda *_: Detector())
    assert "was changed or replaced while it was read" in outcome.problem
    assert not (tmp_path / "out" / "a.probs").exists()


# Converting


def test_every_format_is_made_of_every_other(place):
    formats = list(find_formats())
    truth = events_in(place / "results")
    assert hrin("convert", "results", "--format", ",".join(formats), "--output", "all") == 0
    for format in find_formats().values():
        single = place / format.name
        for path in (place / "all").rglob(f"[!.]*{format.suffix}"):
            if path.name.endswith(".labelstudio.json") == (format.name == "labelstudio"):
                (single / path.relative_to(place / "all")).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, single / path.relative_to(place / "all"))
        assert hrin("convert", format.name, "--format", "json", "--output", f"{format.name}_json") == 0
        assert events_in(place / f"{format.name}_json") == truth
    assert hrin("report", "all") == 0


def test_a_converted_result_knows_its_recording(place):
    assert hrin("convert", "results", "--format", "labelstudio,elan", "--output", "labels") == 0
    recording = (place / "in" / "monday" / "06h.wav").resolve()
    (task,) = json.loads((place / "labels" / "monday" / "06h.labelstudio.json").read_text())
    assert task["data"]["audio"] == f"/data/local-files/?d={str(recording)[1:]}"
    assert recording.as_uri() in (place / "labels" / "monday" / "06h.eaf").read_text()
    assert not stale_results(["labels"])
    os.utime(recording, ns=(10**18, 10**18))
    assert "of a recording that has changed since" in stale_results(["labels"])[0]


def test_new_results_know_how_their_recordings_were_detected(place):
    assert hrin("convert", "results", "--format", "srt", "--output", "captions") == 0
    assert hrin("decide", "results", "--threshold", "0.3", "--output", "again") == 0
    made = {name: entry.made for name, entry in read_journal(place / "results", "json").entries.items()}
    assert sorted(made) == NAMES and all(each.sha256 for each in made.values())
    for output, format in (("captions", "srt"), ("again", "tsv")):
        known = read_journal(place / output, format).entries
        assert {name: entry.made for name, entry in known.items()} == made
    about = json.loads((place / "again" / ".hrin-tsv.json").read_text())["provenance"]
    assert about["decoding"]["method"] == "threshold" and len(about["model_sha256"]) == 64


def test_converting_into_the_same_folder_follows_the_results(place, capsys):
    convert = ["convert", "results", "--format", "srt,labelstudio", "--output", "results"]
    assert hrin(*convert) == 0
    before = events_in(place / "results", ".mrle.srt")
    soundfile.write("in/tuesday/06h.wav", np.zeros(80000), 8000)
    keep = ["--keep-probabilities", "--level", "both", "--format", "tsv,json"]
    assert hrin("detect", "in", "--output", "results", *model_of(place), *keep) == 0
    assert hrin(*convert) == 0
    assert "2 of 3 recordings were finished before" in capsys.readouterr().err
    after = events_in(place / "results", ".mrle.srt")
    assert {name for name in after if after[name] != before[name]} == {"tuesday/06h"}
    assert after["tuesday/06h"] == {"mrle": [Event(0.0, 10.0, "no-music")]}
    assert hrin("report", "results") == 0


def test_a_level_that_was_not_detected_is_asked_for(place, capsys):
    assert hrin("detect", "in", "--output", "lower", *model_of(place)) == 0
    assert hrin("convert", "lower", "--format", "srt", "--level", "md", "--output", "srt") == 1
    assert "has no level md; detect or decide with --level both" in capsys.readouterr().err
    assert hrin("convert", "lower", "--format", "srt", "--output", "srt") == 0
    assert sorted(path.name for path in (place / "srt" / "monday").iterdir()) == ["06h.srt", "07h.srt"]


def test_results_of_other_programs_are_converted(place):
    (place / "mine").mkdir()
    (place / "mine" / "a.tsv").write_text("0\t2\tmusic\n")
    assert hrin("convert", "mine", "--format", "srt", "--output", "srt") == 0
    assert (place / "srt" / "a.srt").read_text() == "1\n00:00:00,000 --> 00:00:02,000\nmusic\n"
    (place / "mine" / "a.tsv").write_text("0\t3\tmusic\n")
    assert hrin("convert", "mine", "--format", "srt", "--output", "srt") == 0
    assert "00:00:03,000" in (place / "srt" / "a.srt").read_text()


def test_warnings_are_converted(tmp_path):
    content = {"format": "hrin detection", "version": 1, "name": "a", "duration": 2.0}
    events = [{"onset": 0.0, "offset": 2.0, "label": "music"}]
    content |= {"levels": {"md": {"events": events}}, "warnings": [WARNING]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert hrin("convert", tmp_path / "a.json", "--format", "json", "--output", tmp_path / "out") == 0
    assert read_detection(tmp_path / "out" / "a.json").warnings == (WARNING,)


# Several formats


def test_no_recording_is_heard_twice_for_several_formats(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.wav").write_bytes(bytes(100))
    heard = []

    class Detector:
        def detect_file(self, path, progress, **_):
            heard.append(os.path.basename(path))
            return Detection("x", 2.0, {"mrle": [Event(0.0, 2.0, "bg-music")]})

    def detect(*formats):
        order = Order(output="out", formats=formats)
        to_do = claim_results(collect(["in"]).recordings, order)
        list(
            detect_recordings(to_do, order, lambda *a, **k: run_local(*a, jobs=1, **k), lambda *_: Detector())
        )
        told, heard[:] = list(heard), []
        return told

    assert detect("tsv", "srt", "json") == ["a.wav", "b.wav"]
    assert detect("tsv", "srt", "json") == detect("srt") == []
    (tmp_path / "out" / "b.srt").unlink()
    assert detect("tsv", "json") == []
    assert detect("tsv", "srt") == ["b.wav"]
    assert detect("tsv", "edl") == ["a.wav", "b.wav"]


def test_probabilities_of_the_library_are_those_of_the_command(place):
    detector = load_detector(place / "model", "torch", "cpu")
    detector.detect_file("in/monday/06h.wav", keep="06h.probs")
    assert (place / "06h.probs").read_bytes() == (place / "results" / "monday" / "06h.probs").read_bytes()
