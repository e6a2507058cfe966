"""The command: what it prints and writes, and its exit status."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from hrin_plugin.archive.references import MAPPINGS, derive_md, read_references
from hrin_plugin.cli import main
from hrin_plugin.decoding.methods import Decoding, read_decoding, write_decoding
from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Event, write_tsv
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.formats import find_formats, render, write_detection
from hrin_plugin.inference import load_detector
from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.metrics.scores import sed_eval_scores
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained
from hrin_plugin.pretrained.onnx_model import load_onnx
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

TRUTH = [Event(0.0, 1.0, "no-music"), Event(1.0, 2.5, "bg-music"), Event(2.5, 4.0, "fg-music")]
FOUND = [Event(0.0, 1.5, "no-music"), Event(1.5, 2.2, "bg-music"), Event(2.2, 4.0, "fg-music")]


def hrin(*arguments):
    """Run the command."""
    return main([str(argument) for argument in arguments])


def detection(name, events, **others):
    """What was found in a recording of 4 s."""
    return Detection(name, 4.0, {"mrle": events, **others})


@pytest.fixture
def folders(tmp_path):
    """Annotations and results of two recordings, one in a folder of its own."""
    for name in ("a", "day1/b"):
        for kind, events in (("truth", TRUTH), ("found", FOUND)):
            folder = (tmp_path / kind / name).parent
            write_detection(folder, detection(name.rpartition("/")[2], events), "tsv")
    return tmp_path / "truth", tmp_path / "found"


def expected_scores(n_recordings):
    """The scores by sed_eval itself."""
    levels = (derive_md(TRUTH), derive_md(FOUND)), (TRUTH, FOUND)
    return {
        task: sed_eval_scores([true] * n_recordings, [found] * n_recordings, [4.0] * n_recordings, labels)
        for task, (true, found), labels in zip(("md", "mrle"), levels, MUSIC_LOUDNESS.levels)
    }


def test_evaluate_gives_sed_evals_scores_of_both_tasks(folders, tmp_path, capsys):
    assert hrin("evaluate", *folders, "--json", tmp_path / "scores.json") == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores == expected_scores(2)
    printed = capsys.readouterr().out
    assert printed.startswith("2 recordings, 0.00 hours\n\nMusic detection\n")
    assert f"{scores['mrle']['segment']['accuracy']:.4f}" in printed


@pytest.mark.parametrize("format", find_formats())
def test_evaluate_reads_every_format(tmp_path, format):
    for kind, events in (("truth", TRUTH), ("found", FOUND)):
        found = detection("a", events, md=derive_md(events))
        write_detection(tmp_path / kind, found, format, ("md", "mrle"))
    assert hrin("evaluate", tmp_path / "truth", tmp_path / "found", "--json", tmp_path / "scores.json") == 0
    assert json.loads((tmp_path / "scores.json").read_text()) == expected_scores(1)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_evaluate_takes_a_set_in_the_layout_of_openbmat(tmp_path, mapping):
    annotations = tmp_path / "set/annotations/tsv" / mapping / "annotator_a"
    for folder in (annotations, tmp_path / "set/audio", tmp_path / "found"):
        folder.mkdir(parents=True)
    for name in "ab":
        soundfile.write(tmp_path / f"set/audio/{name}.wav", np.zeros(32000), 8000)
        write_tsv(tmp_path / f"found/{name}.tsv", FOUND)
    write_tsv(annotations / "a.tsv", TRUTH)
    (annotations / "b.tsv").write_text("fg-music")
    assert hrin("evaluate", tmp_path / "set", tmp_path / "found", "--json", tmp_path / "scores.json") == 0
    truth = [TRUTH, [Event(0.0, 4.0, "fg-music")]]
    expected = sed_eval_scores(truth, [FOUND] * 2, [4.0] * 2, MUSIC_LOUDNESS.levels[1])
    assert json.loads((tmp_path / "scores.json").read_text())["mrle"] == expected


def test_evaluate_scores_the_task_that_is_there(tmp_path, capsys):
    for kind in ("truth", "found"):
        write_detection(
            tmp_path / kind, Detection("a", 4.0, {"md": [Event(0.0, 4.0, "music")]}), "tsv", ("md",)
        )
    assert hrin("evaluate", tmp_path / "truth", tmp_path / "found") == 0
    printed = capsys.readouterr().out
    assert "Music detection" in printed and "loudness" not in printed


def test_evaluate_refuses_folders_of_different_recordings(folders, capsys):
    (folders[0] / "a.tsv").rename(folders[0] / "c.tsv")
    assert hrin("evaluate", *folders) == 1
    output = capsys.readouterr()
    assert "c: has no result" in output.err and "a: has no annotation" in output.err and not output.out


@pytest.mark.parametrize(
    ("content", "message"),
    [("0\t1\tjazz\n", "a.tsv, line 1: unknown label 'jazz'"), (None, "empty: holds no results")],
)
def test_evaluate_names_what_cannot_be_read(folders, tmp_path, capsys, content, message):
    (tmp_path / "empty").mkdir()
    if content:
        (folders[1] / "a.tsv").write_text(content)
    assert hrin("evaluate", folders[0], folders[1] if content else tmp_path / "empty") != 0
    assert message in capsys.readouterr().err


def test_annotations_are_checked_against_their_recordings_all_at_once(tmp_path):
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(32000), 8000)
    write_tsv(tmp_path / "a.tsv", TRUTH[:2])
    (tmp_path / "b.wav").write_bytes(b"no sound")
    for name in "bcd":
        write_tsv(tmp_path / f"{name}.tsv", TRUTH)
    with pytest.raises(AnnotationError) as caught:
        read_references(tmp_path)
    problems = [fault.problem for fault in caught.value.faults]
    assert problems[0] == "nothing is annotated from 2.5 to the end of the recording, 4.000"
    assert problems[1].startswith("cannot be read as audio") and problems[2] == "has no recording"


def test_annotations_of_music_detection_alone_are_taken_as_such(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(32000), 8000)
    write_tsv(tmp_path / "a.tsv", derive_md(TRUTH))
    (reference,) = read_references(tmp_path)
    assert reference.detection.events == {"md": [Event(0.0, 1.0, "no-music"), Event(1.0, 4.0, "music")]}


def test_report_prints_totals_and_writes_them(folders, tmp_path, capsys):
    assert hrin("report", folders[1], "--csv", tmp_path / "r.csv", "--html", tmp_path / "r.html") == 0
    printed = capsys.readouterr().out
    assert "day1/b" in printed and "all 2 recordings" in printed
    assert "\ntotal,,,mrle,fg-music,3.600,0.450000,2," in (tmp_path / "r.csv").read_text()
    assert "day1/b" in (tmp_path / "r.html").read_text()


def test_report_names_what_cannot_be_read_and_sums_up_the_rest(folders, capsys):
    (folders[1] / "a.tsv").write_text("0\t1\tjazz\n")
    assert hrin("report", folders[1]) == 1
    output = capsys.readouterr()
    assert "a.tsv, line 1: unknown label 'jazz'" in output.err and "day1/b" in output.out


def test_report_of_nothing_fails(tmp_path, capsys):
    assert hrin("report", tmp_path, "--csv", tmp_path / "r.csv") == 1
    output = capsys.readouterr()
    assert "holds no results" in output.err and not output.out and not (tmp_path / "r.csv").exists()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that has learnt nothing, whose decisions vary all the same."""
    folder = tmp_path_factory.mktemp("model") / "pretrained"
    torch.manual_seed(5)
    network = HRIN(hidden_size=4, num_layers=1)
    with torch.no_grad():
        for parameter in network.heads.parameters():
            parameter.mul_(8)
    save_pretrained(folder, PretrainedModel(LogMel(), BandStatistics(128), network))
    write_decoding(folder / "decoding.json", Decoding("argmax"))
    return folder


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Three short recordings in two folders, from whose parent paths are relative."""
    rng = np.random.default_rng(0)
    for name in ("day1/a.wav", "day2/a.wav", "day2/b.flac"):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = np.repeat(10.0 ** rng.uniform(-3, 0, 8), 2000)
        soundfile.write(path, 0.1 * levels * rng.standard_normal(16000), 8000)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "archive"


@pytest.fixture
def detect(model):
    """Run ``hrin detect`` with the model, on torch and the CPU."""
    options = ["--model", model, "--backend", "torch", "--device", "cpu"]
    return lambda *arguments: hrin("detect", *options, *arguments)


def expected(model, path, levels=("mrle",), format="tsv", **decoding):
    """What the detector itself finds in a recording, as text."""
    found = load_detector(model, "torch", "cpu", decoding).detect_file(path)
    return "".join(render(found, format, levels).values())


def results(folder):
    """The files of a folder with its folders, hidden ones left out."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


@pytest.mark.parametrize(
    ("format", "levels"), [("tsv", ["mrle"]), ("json", ["md", "mrle"]), ("rttm", ["md"])]
)
def test_detect_prints_one_recording_and_sums_up_apart(detect, model, archive, capsys, format, levels):
    level = "both" if len(levels) > 1 else levels[0]
    assert detect("archive/day1/a.wav", "--format", format, "--level", level) == 0
    output = capsys.readouterr()
    assert output.out == expected(model, archive / "day1/a.wav", levels, format)
    assert "0:00:02" in output.err and "a\n" in output.err


def test_detect_writes_a_file_for_each_recording_in_its_folder(detect, model, archive, capsys):
    assert detect("archive", "--output", "out") == 0
    assert results(archive.parent / "out") == {
        f"{name}.tsv": expected(model, archive / path)
        for name, path in (("day1/a", "day1/a.wav"), ("day2/a", "day2/a.wav"), ("day2/b", "day2/b.flac"))
    }
    output = capsys.readouterr()
    assert output.out == "" and "all 3 recordings" in output.err
    assert detect("archive", "--output", "out") == 0
    assert "3 of 3 recordings were finished before" in capsys.readouterr().err


def test_report_says_which_recordings_changed_or_are_gone(detect, archive, capsys):
    assert detect("archive", "--output", "out") == 0
    os.unlink(archive / "day2/b.flac")
    os.utime(archive / "day1/a.wav", ns=(0, 0))
    capsys.readouterr()
    assert hrin("report", "out") == 0
    output = capsys.readouterr()
    assert "all 3 recordings" in output.out and output.err.splitlines() == [
        "no intervals: the results tell no doubts; detect with --format json or --keep-probabilities",
        "counted, though of a recording that is no longer there: 1 result (out/day2/b.tsv); "
        "remove it if it shall not count",
        "counted, though of a recording that has changed since: 1 result (out/day1/a.tsv); detect again",
    ]


def test_detect_takes_a_list_on_standard_input(detect, archive, monkeypatch):
    os.rename(archive / "day1/a.wav", archive / "day1/\N{LATIN SMALL LETTER E WITH ACUTE} [1].wav")
    listed = "archive/day1/\N{LATIN SMALL LETTER E WITH ACUTE} [1].wav\r\narchive/day2\n\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed.encode())))
    assert detect("-", "--output", "out") == 0
    names = {"day1/\N{LATIN SMALL LETTER E WITH ACUTE} [1].tsv", "day2/a.tsv", "day2/b.tsv"}
    assert results(archive.parent / "out").keys() == names


def test_detect_refuses_an_empty_list(detect, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n\n")))
    assert detect("-") == 2
    assert "standard input names no recording" in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are any bytes on Linux alone")
@pytest.mark.parametrize("format", find_formats())
def test_detect_takes_names_that_are_no_text(detect, archive, format):
    os.rename(archive / "day1/a.wav", os.fsencode(archive) + b"/day1/\xff\n.wav")
    assert detect("archive", "--output", "out", "--format", format) == 0
    (path,) = (archive.parent / "out/day1").iterdir()
    assert os.fsencode(path.name) == b"\xff\n" + find_formats()[format].suffix.encode()
    assert hrin("report", "out") == 0


@pytest.mark.parametrize(
    ("options", "decoding"),
    [
        (["--decode", "threshold", "--threshold", "0.45"], {"method": "threshold", "thresholds": 0.45}),
        (
            ["--decode", "median", "--threshold", "music=0.4", "--threshold", "bg-music=0.6"],
            {"method": "median", "thresholds": {"music": 0.4, "bg-music": 0.6}},
        ),
        (
            ["--decode", "viterbi", "--switching-cost", "3", "--min-duration", "0.5"],
            {"method": "viterbi", "switching_cost": 3.0, "min_event_s": 0.5},
        ),
        (["--switching-cost", "3"], {"method": "viterbi", "switching_cost": 3.0}),
        (["--switching-cost", "0.5s"], {"method": "viterbi", "switching_cost_s": 0.5}),
        (["--offset", "music=1", "--offset", "fg-music=-2"], {"offsets": {"music": 1.0, "fg-music": -2.0}}),
        (["--threshold", "0.45"], {"method": "threshold", "thresholds": 0.45}),
        (
            ["--decoding", "median.json", "--threshold", "0.45"],
            {"method": "median", "median_s": 0.5, "thresholds": 0.45},
        ),
        (
            ["--decoding", "decoding.json", "--switching-cost", "2"],
            {"method": "viterbi", "switching_cost": 2.0, "min_event_s": 0.25},
        ),
        (
            ["--decoding", "decoding.json", "--switching-cost", "2s"],
            {"method": "viterbi", "switching_cost_s": 2.0, "min_event_s": 0.25},
        ),
    ],
)
def test_detect_decides_as_it_is_told(detect, model, archive, capsys, options, decoding):
    write_decoding("decoding.json", Decoding("viterbi", switching_cost=9.0, min_event_s=0.25))
    write_decoding("median.json", Decoding("median", median_s=0.5))
    assert detect("archive/day1/a.wav", "--format", "json", "--level", "both", *options) == 0
    levels = ("md", "mrle")
    assert capsys.readouterr().out == expected(model, archive / "day1/a.wav", levels, "json", **decoding)


def test_detect_tells_what_is_missing_and_writes_the_rest(detect, archive, capsys):
    cut = archive / "cut.wav"
    soundfile.write(cut, np.random.default_rng(0).normal(0, 0.1, 32000), 8000)
    cut.write_bytes(cut.read_bytes()[:-16000])
    assert detect(cut, "--output", archive / "results", "--format", "json") == 0
    line = "warning: sound is missing from 3.000 s on (the header announces 64000 bytes of samples, the file"
    assert f"{cut}: {line} holds 48000); copy or export it again\n" in capsys.readouterr().err
    content = json.loads((archive / "results" / "cut.json").read_text())
    assert content["duration"] == 3.0 and content["warnings"][0].startswith("sound is missing from 3.000 s")
    assert detect(cut, "--track", 2) == 1
    assert "cut.wav: has 1 track of sound, no track 2; leave" in capsys.readouterr().err
    assert detect(cut, "--track", 0) == 2
    assert "--track is 0; give a whole number, 1 or more" in capsys.readouterr().err


def test_detect_reports_a_bad_recording_and_does_the_others(detect, archive, capsys):
    (archive / "day1/a.wav").write_bytes(b"RIFF")
    (archive / "day2/c.mp3").write_bytes(b"")
    assert detect("archive", "none.wav", "--output", "out") == 1
    assert results(archive.parent / "out").keys() == {"archive/day2/a.tsv", "archive/day2/b.tsv"}
    lines = capsys.readouterr().err.splitlines()
    assert lines[-4] == "not done:"
    for line, path in zip(lines[-3:], ("archive/day1/a.wav", "archive/day2/c.mp3", "none.wav")):
        assert line.startswith(f"  {path}: ") and line.strip() in lines[:-4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["archive"], "3 recordings need a folder for their results; give --output DIR"),
        (["archive/day1", "--level", "both"], "tsv has a file for each level; give --output DIR"),
        (["archive/day1", "--output", "archive/day1/a.wav"], "a.wav: is not a folder"),
        (
            ["archive/day1", "--decode", "viterbi", "--threshold", ".4"],
            "--threshold is of threshold and median, not of viterbi; leave it out",
        ),
        (
            ["archive/day1", "--threshold", ".4", "--switching-cost", "3"],
            "--switching-cost is of viterbi, not of threshold; leave it out",
        ),
        (["archive/day1", "--threshold", "2"], "thresholds is 2.0; give a probability"),
        (
            ["archive/day1", "--threshold", "jazz=0.1"],
            "'jazz' is none of bg-music, fg-music, music, no-music",
        ),
        (["archive/day1", "--threshold", "music=x"], "'x' is not a number"),
        (["archive/day1", "--offset", "jazz=2"], "'jazz' is none of bg-music, fg-music, music, no-music"),
        (["archive/day1", "--switching-cost", "8m"], "'8m' is not a number of seconds, such as 8s"),
        (
            ["archive/day1", "--threshold", ".4", "--threshold", "music=.5"],
            "--threshold has one number for all",
        ),
        (["archive/day1", "--decoding", "none.json"], "none.json"),
        (["archive/day1", "--decode", "viterbi", "--min-duration", "music=1"], "music"),
        (["archive/day1", "--jobs", "0"], "jobs is 0; give a whole number of processes"),
        (["archive/day1", "--ray-address", "auto"], "--ray-address is of no use without --engine ray"),
        (["archive/day1", "--model", "none"], "none"),
    ],
)
def test_detect_refuses_bad_use(detect, archive, capsys, arguments, message):
    assert detect(*arguments) == 2
    output = capsys.readouterr()
    assert message in output.err and output.out == ""


def test_detect_in_several_processes_gives_the_same(detect, archive, capsys):
    (archive / "day1/c.wav").write_bytes(b"RIFF")
    assert detect("archive", "--output", "out") == 1
    assert detect("archive", "--output", "out2", "--jobs", "2") == 1
    assert len(results(archive.parent / "out")) == 3
    assert results(archive.parent / "out2") == results(archive.parent / "out")
    assert capsys.readouterr().err.count("  archive/day1/c.wav: ") == 2


def test_an_interruption_keeps_what_is_finished_and_nothing_else(detect, archive, monkeypatch, capsys):
    detect_file = MusicDetector.detect_file

    def interrupted(self, path, **options):
        """The user loses patience with the second recording."""
        if path.endswith("day2/a.wav"):
            raise KeyboardInterrupt
        return detect_file(self, path, **options)

    monkeypatch.setattr(MusicDetector, "detect_file", interrupted)
    assert detect("archive", "--output", "out") == 130
    assert capsys.readouterr().err == (
        "hrin detect: error: interrupted; the same command goes on from here\n"
    )
    assert results(archive.parent / "out").keys() == {"day1/a.tsv"}
    monkeypatch.undo()
    monkeypatch.chdir(archive.parent)
    assert detect("archive", "--output", "out") == 0
    assert "1 of 3 recordings were finished before" in capsys.readouterr().err
    assert len(results(archive.parent / "out")) == 3


def test_a_reader_that_leaves_is_no_error(folders):
    command = [sys.executable, "-m", "hrin_plugin.cli", "report", str(folders[1])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.wait(120) == 141
    assert process.stderr.read() == ""


def test_ray_gives_the_same_and_goes_on(detect, archive, monkeypatch, capsys):
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    (archive / "day1/c.wav").write_bytes(b"RIFF")
    assert detect("archive", "--output", "out") == 1
    ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        assert detect("archive", "--output", "out2", "--engine", "ray") == 1
        assert results(archive.parent / "out2") == results(archive.parent / "out")
        (archive.parent / "out2/day2/a.tsv").unlink()
        (archive / "day1/c.wav").unlink()
        assert detect("archive", "--output", "out2", "--engine", "ray") == 0
    finally:
        ray.shutdown()
    assert results(archive.parent / "out2") == results(archive.parent / "out")
    assert "2 of 3 recordings were finished before" in capsys.readouterr().err


def test_tune_finds_decisions_that_detect_takes(model, detect, archive, capsys):
    for path in archive.rglob("*.*"):
        write_tsv(path.with_suffix(".tsv"), [Event(0.0, 0.7, "no-music"), Event(0.7, 2.0, "bg-music")])
    options = ["--decode", "argmax", "--decode", "threshold", "--model", model, "--backend", "torch"]
    assert hrin("tune", "archive", "--output", "decoding.json", *options) == 0
    printed = capsys.readouterr().out
    assert len([line for line in printed.splitlines() if line.startswith("|")]) == 4
    best = read_decoding("decoding.json")
    assert "argmax" in printed and "threshold" in printed and printed.endswith(f"decoding.json: {best}\n")
    assert detect("archive", "--output", "out", "--decoding", "decoding.json") == 0
    text = expected(model, archive / "day1/a.wav", **best.to_dict())
    assert results(archive.parent / "out")["day1/a.tsv"] == text


def test_tune_scores_what_it_found_on_other_recordings(model, archive, capsys):
    for path in archive.rglob("*.*"):
        write_tsv(path.with_suffix(".tsv"), [Event(0.0, 0.7, "no-music"), Event(0.7, 2.0, "bg-music")])
    options = ["--decode", "argmax", "--model", model, "--backend", "torch"]
    assert hrin("tune", "archive/day1", "--test", "archive/day2", *options) == 0
    printed = capsys.readouterr().out
    table = [line.strip("| \n").split("|") for line in printed.splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line] for line in table]
    rows = {row[0]: dict(zip(header[1:], map(str, row[1:]))) for row in rows}
    assert list(rows) == [
        "threshold 0.5 (paper)", "argmax", "viterbi, default", "the model's own", "argmax, tuned"
    ]  # fmt: skip
    assert rows["the model's own"] == rows["argmax"]  # which the model has
    assert "Tuned on archive/day1, the best first:\n\n- argmax" in printed
    evaluated = detect_and_score(model, archive / "day2")
    assert float(rows["argmax"]["mrle accuracy"]) == pytest.approx(evaluated, abs=1e-4)


def test_tune_measures_the_errors_from_which_intervals_follow(model, detect, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng, options = np.random.default_rng(0), ["--decode", "argmax", "--backend", "torch", "--device", "cpu"]
    for kind in range(19):
        folder = tmp_path / f"labelled/{kind}"
        folder.mkdir(parents=True)
        soundfile.write(folder / "a.wav", rng.normal(0, 0.1, 16000), 8000)
        onset_s = round(rng.uniform(0.5, 1.5), 2)
        write_tsv(folder / "a.tsv", [Event(0.0, onset_s, "no-music"), Event(onset_s, 2.0, "bg-music")])
    model = shutil.copytree(model, tmp_path / "model")
    file = model / "certainty.json"
    assert hrin("tune", "labelled", "--certainty", file, "--model", model, *options) == 0
    assert "errors of 19 kinds, 0 hours" in capsys.readouterr().out
    assert json.loads(file.read_text())["about"]["kinds"] == 19
    found = ["--format", "json", "--model", model, "--backend", "torch", "--device", "cpu"]
    assert hrin("detect", "labelled", "--output", "found", *found) == 0
    assert "90 %:" in capsys.readouterr().err
    (tmp_path / "labelled/0/a.tsv").unlink()
    (tmp_path / "labelled/0/a.wav").unlink()
    file.unlink()
    assert hrin("tune", "labelled", "--certainty", file, "--model", model, *options) == 2
    assert "recordings of 18 kinds tell no interval" in capsys.readouterr().err and not file.exists()


def detect_and_score(model, folder):
    """Accuracy of relative loudness by the commands that detect and evaluate."""
    options = ["--model", model, "--backend", "torch", "--device", "cpu", "--level", "both"]
    assert hrin("detect", folder, "--output", "found", *options) == 0
    assert hrin("evaluate", folder, "found", "--json", "scores.json") == 0
    scores = json.loads(Path("scores.json").read_text())
    return scores["mrle"]["segment"]["accuracy"]


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        (None, "archive: holds no recording with a TSV of the same name beside it"),
        (
            [Event(0.0, 2.0, "music")],
            "annotations of the upper level alone, without no-music, fg-music, bg-music:",
        ),
    ],
)
def test_tune_refuses_what_is_not_labelled(model, archive, capsys, truth, message):
    if truth:
        write_tsv(archive / "day1/a.tsv", truth)
    assert hrin("tune", "archive", "--output", "decoding.json", "--model", model) == 1
    assert message in capsys.readouterr().err and not os.path.exists("decoding.json")


@pytest.mark.parametrize("start", ["frames", "waveform"])
def test_export_writes_a_model_that_gives_the_same(model, tmp_path, capsys, start):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    assert hrin("export", "--model", model, path, "--start", start) == 0
    assert capsys.readouterr().out == f"{path}\n"
    wav = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (1, 8000)).astype(np.float32))
    features, statistics, network = load_detector(model, "torch", "cpu").model
    with torch.no_grad():
        frames = features(wav)
        wanted = [torch.sigmoid(level).numpy() for level in network(statistics(frames))]
    found = load_onnx(path)((wav if start == "waveform" else frames).numpy())
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_help_of_every_command_imports_nothing_heavy():
    code = (
        "import sys; from hrin_plugin.cli import main\n"
        "commands = 'detect decide convert report evaluate tune export plot mix'\n"
        "for command in commands.split():\n"
        "    assert main([command, '--help']) == 0\n"
        "sys.exit(bool({'numpy', 'scipy', 'torch', 'tqdm', 'ray'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
