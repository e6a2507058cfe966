"""A model with other classes goes through every command: all its classes are there, each with its total."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import hrin_plugin
from hrin_plugin.archive.collection import collect
from hrin_plugin.archive.jobs import Order, claim_results
from hrin_plugin.cli import main
from hrin_plugin.decoding.methods import Decoding, read_decoding, write_decoding
from hrin_plugin.events import AnnotationError, Event, write_tsv
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.formats import find_formats, read_detection
from hrin_plugin.formats.text import to_milliseconds
from hrin_plugin.inference import load_detector, load_taxonomy
from hrin_plugin.metrics.scores import sed_eval_scores
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained
from hrin_plugin.report.display import class_name, colours_of
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy

OTHER_NAMES = Taxonomy(
    levels=[["quiet room", "speech & noise"], ["quiet room", "one-speaker", "Überlappung"]],
    parents=[{"quiet room": "quiet room", "one-speaker": "speech & noise", "Überlappung": "speech & noise"}],
)
FOUR_LOUDNESSES = Taxonomy(
    levels=[["no-music", "music"], ["no-music", "fg-music", "similar-music", "bg-music"]],
    parents=[{"no-music": "no-music", "fg-music": "music", "similar-music": "music", "bg-music": "music"}],
)
SPEECH_MUSIC = Taxonomy(
    levels=[["no-music", "music"], ["speech", "noise", "music"]],
    parents=[{"speech": "no-music", "noise": "no-music", "music": "music"}],
)
#: Formats whose files tell the classes.
TELLING = ("json", "jams", "labelstudio")
LEVELS, LENGTH_S, NAMES = ("md", "mrle"), 3.0, ("a", "day2/b")


def hrin(*arguments):
    """Run the command."""
    return main([str(argument) for argument in arguments])


@pytest.fixture(
    scope="module",
    params=[OTHER_NAMES, FOUR_LOUDNESSES, SPEECH_MUSIC],
    ids=["other names", "four loudnesses", "speech and music"],
)
def case(request, tmp_path_factory):
    """A taxonomy, the folder of an untrained model of it and of annotated recordings, and what it finds."""
    taxonomy, folder = request.param, tmp_path_factory.mktemp("case")
    torch.manual_seed(5)
    network, features, rng = (
        HRIN(hidden_size=4, num_layers=1, taxonomy=taxonomy),
        LogMel(),
        np.random.default_rng(0),
    )
    for name in NAMES:
        path = folder / "archive" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        loudness = np.repeat(10.0 ** rng.uniform(-3, 0, 8), int(LENGTH_S * 1000))
        wav = 0.1 * loudness * rng.standard_normal(len(loudness))
        soundfile.write(path, wav, 8000)
        write_tsv(path.with_suffix(".tsv"), truth_of(taxonomy))
    with torch.no_grad():
        logits = network.eval()(features(torch.from_numpy(wav).float()[None]))
        # Every class is the most probable one somewhere.
        for head, level in zip(network.heads.layers, logits):
            head.bias -= level.mean(dim=(0, 1))
    save_pretrained(folder / "model", PretrainedModel(features, BandStatistics(128), network))
    write_decoding(folder / "model" / "decoding.json", Decoding("argmax"))
    detector = load_detector(folder / "model", "torch", "cpu")
    found = {name: detector.detect_file(folder / "archive" / f"{name}.wav") for name in NAMES}
    for level, labels in taxonomy.labels.items():
        assert {event.label for each in found.values() for event in each.events[level]} == set(labels)
    return taxonomy, folder, found


def truth_of(taxonomy):
    """The annotation of each recording: every class of the lower level in turn."""
    edges = np.linspace(0, LENGTH_S, len(taxonomy.levels[1]) + 1).round(3).tolist()
    return [Event(*event) for event in zip(edges, edges[1:], taxonomy.levels[1])]


def detect(folder, output, *options):
    """Run ``hrin detect`` on the archive of a case."""
    model = ["--model", folder / "model", "--backend", "torch", "--device", "cpu"]
    return hrin("detect", folder / "archive", "--output", output, *model, *options)


@pytest.fixture(scope="module", params=find_formats())
def results(case, request, tmp_path_factory):
    """The folder of what ``hrin detect`` found, both levels, in each of the formats."""
    folder = tmp_path_factory.mktemp("results") / "out"
    assert detect(case[1], folder, "--format", request.param, "--level", "both") == 0
    return folder


def visible(folder):
    """The files of a folder, hidden ones left out."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def shares_of(table):
    """For each level, scope, recording and hour of a report's CSV file its rows."""
    stretches = {}
    with open(table, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            stretches.setdefault((row["task"], row["scope"], row["name"], row["hour"]), []).append(row)
    return stretches


def test_what_is_written_is_read_back_with_its_taxonomy(case, results):
    taxonomy, _, found = case
    read = {}
    for path in visible(results):
        one = read_detection(path)
        assert one.taxonomy == taxonomy
        name = (path.parent / one.name).relative_to(results).as_posix()
        read.setdefault(name, {}).update(one.events)
    assert read == {name: to_milliseconds(one, LEVELS).events for name, one in found.items()}


def test_the_report_has_every_class_and_its_totals_add_up(case, results, tmp_path, capsys):
    taxonomy, _, found = case
    assert hrin("report", results, "--csv", tmp_path / "r.csv", "--html", tmp_path / "r.html") == 0
    stretches = shares_of(tmp_path / "r.csv")
    assert len(stretches) == 2 * (1 + 2 * len(NAMES))
    for (level, scope, name, _), rows in stretches.items():
        assert [row["label"] for row in rows] == list(taxonomy.labels[level])
        length_s = LENGTH_S * (len(NAMES) if scope == "total" else 1)
        assert sum(float(row["seconds"]) for row in rows) == pytest.approx(length_s, abs=1e-9)
        for row in rows if name else ():
            events = [event for event in found[name].events[level] if event.label == row["label"]]
            lasting_s = sum(event.offset_s - event.onset_s for event in events)
            assert float(row["seconds"]) == pytest.approx(lasting_s, abs=0.001 * len(events))
            assert int(row["segments"]) == len(events)
    page, summary = (tmp_path / "r.html").read_text(encoding="utf-8"), capsys.readouterr().out
    labels = {label for names in taxonomy.levels for label in names}
    for label in labels:
        assert class_name(label) in summary
        assert class_name(label).replace("&", "&amp;") in page
    for event in found["a"].events["mrle"]:
        assert f"<title>{class_name(event.label).replace('&', '&amp;')} 0:00:0" in page
    colours = re.findall(r"^(?:<style>)?\.(c-\S+) \{ --class: (#\w{6}); \}", page, re.M)
    assert len(colours) == len(dict(colours)) == len({colour for _, colour in colours}) == len(labels)
    drawn = set(re.findall(r'<g class="(c-\S+)"', page))
    assert drawn and drawn <= set(dict(colours))


def test_the_summary_of_detect_names_the_classes(case, tmp_path, capsys):
    assert detect(case[1], tmp_path / "out") == 0
    title, *lines = capsys.readouterr().err.splitlines()
    assert all(class_name(label) in lines[0] for label in case[0].levels[1])
    shares = [float(share) for share in re.findall(r"([\d.]+) %", lines[-1])]
    assert len(shares) == len(case[0].levels[1]) and sum(shares) == pytest.approx(100, abs=0.2)


def test_evaluate_scores_the_models_classes(case, results, tmp_path, capsys):
    taxonomy, folder, found = case
    scores_path = tmp_path / "scores.json"
    assert hrin("evaluate", folder / "archive", results, "--json", scores_path) == 0
    estimates = [to_milliseconds(found[name], LEVELS).events["mrle"] for name in NAMES]
    truth = [truth_of(taxonomy)] * len(NAMES)
    expected = sed_eval_scores(truth, estimates, [LENGTH_S] * len(NAMES), taxonomy.levels[1])
    scores = json.loads(scores_path.read_text(encoding="utf-8"))
    assert scores["mrle"] == expected
    assert list(scores["md"]["segment"]["classes"]) == list(taxonomy.levels[0])
    printed = capsys.readouterr().out
    assert all(f"{label}_F" in printed for labels in taxonomy.levels for label in labels)


@pytest.mark.parametrize("method", ["argmax", "threshold"])
def test_tune_finds_decisions_that_detect_takes(case, tmp_path, capsys, method):
    taxonomy, folder, _ = case
    model = ["--model", folder / "model", "--backend", "torch", "--device", "cpu"]
    output = tmp_path / "decoding.json"
    assert hrin("tune", folder / "archive", "--output", output, "--decode", method, *model) == 0
    printed = capsys.readouterr().out
    for level, labels in taxonomy.labels.items():
        assert all(f"{level} {label} event F" in printed for label in labels)
    if method == "threshold":
        labels = {label for names in taxonomy.levels for label in names}
        assert set(read_decoding(output).thresholds) == labels
    assert detect(folder, tmp_path / "out", "--decoding", output) == 0


def test_plot_draws_every_class_in_its_colour(case, tmp_path):
    taxonomy, folder, _ = case
    recording, picture = folder / "archive/a.wav", tmp_path / "a.svg"
    options = ["--reference", recording.with_suffix(".tsv"), "--model", folder / "model"]
    assert hrin("plot", recording, *options, "--output", picture) == 0
    drawing = picture.read_text(encoding="utf-8")
    for label, colour in colours_of(label for names in taxonomy.levels for label in names).items():
        assert f"<!-- {class_name(label)} -->" in drawing.replace("&amp;", "&") and colour in drawing


def test_plot_takes_the_classes_of_the_record_beside_the_predictions(case, tmp_path):
    taxonomy, folder, _ = case
    assert detect(folder, tmp_path / "out") == 0
    picture = tmp_path / "a.svg"
    options = ["--prediction", tmp_path / "out/a.tsv", "--output", picture]
    assert hrin("plot", folder / "archive/a.wav", *options) == 0
    drawing = picture.read_text(encoding="utf-8").replace("&amp;", "&")
    assert all(f"<!-- {class_name(label)} -->" in drawing for label in taxonomy.levels[1])


def test_thresholds_are_of_the_models_classes(case, tmp_path, capsys):
    taxonomy, folder, _ = case
    label = taxonomy.levels[1][-1]
    assert (
        detect(folder, tmp_path / "out", "--threshold", f"{label}=0.4", "--min-duration", f"{label}=0.1") == 0
    )
    capsys.readouterr()
    assert detect(folder, tmp_path / "out2", "--threshold", "jazz=0.4") == 2
    message = capsys.readouterr().err
    assert "'jazz' is none of" in message and label in message and not (tmp_path / "out2").exists()


@pytest.mark.parametrize("format", [name for name in find_formats() if name not in TELLING])
def test_a_file_far_from_its_record_is_refused_or_read_with_the_model(case, tmp_path, capsys, format):
    taxonomy, folder, found = case
    assert detect(folder, tmp_path / "out", "--format", format) == 0
    (path,) = (tmp_path / "out").glob("a*")
    moved = path.rename(tmp_path / path.name)
    labels = {event.label for event in found["a"].events["mrle"]}
    if not any(labels <= set(names) for names in MUSIC_LOUDNESS.levels):
        assert hrin("report", moved) == 1
        assert "name the model that has it (--model)" in capsys.readouterr().err
    assert hrin("report", moved, "--model", folder / "model", "--csv", tmp_path / "r.csv") == 0
    assert (
        read_detection(moved, taxonomy).events["mrle"] == to_milliseconds(found["a"], LEVELS).events["mrle"]
    )


@pytest.mark.parametrize("format", TELLING)
def test_a_file_that_tells_its_classes_needs_no_record(case, tmp_path, format):
    taxonomy, folder, found = case
    assert detect(folder, tmp_path / "out", "--format", format) == 0
    (path,) = (tmp_path / "out").glob("a*")
    moved = read_detection(path.rename(tmp_path / path.name))
    assert moved.taxonomy == taxonomy
    assert moved.events["mrle"] == to_milliseconds(found["a"], LEVELS).events["mrle"]


def test_results_of_several_models_are_reported_side_by_side_and_not_scored(case, tmp_path, capsys):
    taxonomy, folder, _ = case
    assert detect(folder, tmp_path / "out", "--format", "json") == 0
    write_tsv(tmp_path / "out/c.mrle.tsv", [Event(0.0, 1.0, "fg-music"), Event(1.0, 2.0, "bg-music")])
    assert hrin("report", tmp_path / "out", "--csv", tmp_path / "r.csv", "--html", tmp_path / "r.html") == 0
    total = shares_of(tmp_path / "r.csv")["mrle", "total", "", ""]
    assert {row["label"] for row in total} == {*taxonomy.levels[1], *MUSIC_LOUDNESS.levels[1]}
    assert sum(float(row["seconds"]) for row in total) == pytest.approx(2 * LENGTH_S + 2)
    capsys.readouterr()
    assert hrin("evaluate", folder / "archive", tmp_path / "out") == 1
    assert "not the same classes everywhere" in capsys.readouterr().err


def test_a_model_that_runs_code_tells_its_classes_if_it_may(tmp_path):
    (tmp_path / "hyperparams.yaml").write_text(
        "modules:\n"
        "    features: !new:hrin_plugin.features.LogMel\n"
        "    statistics: !new:hrin_plugin.features.BandStatistics\n"
        "        n_bands: 128\n"
        "    network: !new:hrin_plugin.networks.HRIN\n"
        "        hidden_size: 4\n"
        "        taxonomy: !new:hrin_plugin.taxonomy.Taxonomy\n"
        f"            levels: {json.dumps(SPEECH_MUSIC.to_dict()['levels'])}\n"
        f"            parents: {json.dumps(SPEECH_MUSIC.to_dict()['parents'])}\n"
        "decoding: {method: argmax}\n"
        "pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer\n"
    )
    with pytest.raises(ValueError, match="hyperparams.yaml"):
        load_taxonomy(tmp_path)
    assert load_taxonomy(tmp_path, run_code=True) == SPEECH_MUSIC


# What earlier versions wrote


def test_a_record_without_classes_is_completed_and_its_results_stay_finished(case, tmp_path, capsys):
    taxonomy, folder, _ = case
    assert detect(folder, tmp_path / "out") == 0
    record = tmp_path / "out/.hrin-tsv.json"
    settings = json.loads(record.read_text())
    del settings["taxonomy"]
    record.write_text(json.dumps(settings))
    for path in visible(tmp_path / "out"):
        path.touch()
    assert detect(folder, tmp_path / "out") == 0
    assert "2 of 2 recordings were finished before" in capsys.readouterr().err
    assert Taxonomy(**json.loads(record.read_text())["taxonomy"]) == taxonomy
    assert hrin("report", tmp_path / "out") == 0


def test_results_of_other_classes_are_not_mixed_into_a_folder(tmp_path):
    (tmp_path / "a.wav").touch()
    recordings = collect([str(tmp_path / "a.wav")]).recordings
    order = Order(output=str(tmp_path / "out"))
    claim_results(recordings, order)
    (tmp_path / "out/a.tsv").touch()
    with pytest.raises(ValueError, match="a.tsv: was made with another taxonomy; give another --output"):
        claim_results(recordings, order._replace(taxonomy=FOUR_LOUDNESSES))


def test_results_without_classes_are_music_and_its_loudness(tmp_path):
    (tmp_path / ".hrin-tsv.json").write_text('{"levels": ["mrle"], "model": "x"}')
    (tmp_path / "silent.tsv").write_text("0\t2\tno-music\n")
    old = {"format": "hrin detection", "version": 1, "name": "a", "duration": 2.0}
    (tmp_path / "a.json").write_text(json.dumps(old | {"levels": {"md": {"events": []}}}))
    silent, other = read_detection(tmp_path / "silent.tsv"), read_detection(tmp_path / "a.json")
    assert silent.events == {"mrle": [Event(0.0, 2.0, "no-music")]}
    assert silent.taxonomy == other.taxonomy == MUSIC_LOUDNESS


@pytest.mark.parametrize(
    ("taxonomy", "message"),
    [
        (None, "its taxonomy cannot be used"),
        ({"levels": [["a"]]}, "its taxonomy cannot be used .'parents'"),
        ({"levels": [["a"], ["b"]], "parents": [{}]}, "class 'b' of level 2 has no parent"),
    ],
)
def test_a_damaged_taxonomy_is_refused_by_name(tmp_path, taxonomy, message):
    (tmp_path / ".hrin-tsv.json").write_text(json.dumps({"taxonomy": taxonomy}))
    (tmp_path / "a.tsv").write_text("0\t2\tno-music\n")
    with pytest.raises(AnnotationError, match=f"hrin-tsv.json: .*{message}"):
        read_detection(tmp_path / "a.tsv")


def test_many_classes_have_colours_of_their_own():
    colours = colours_of(["no-music", "fg-music", *(f"class {number}" for number in range(14))])
    assert len(set(colours.values())) == 16
    assert (colours["no-music"], colours["fg-music"]) == ("#c9ced6", "#d55e00")


# A class more in the package itself


@pytest.fixture
def package_with_a_class_more(tmp_path):
    """A folder with the package, changed in two places: a loudness class in the taxonomy, and its colour."""
    package = tmp_path / "changed" / "hrin_plugin"
    shutil.copytree(
        Path(hrin_plugin.__file__).parent, package, ignore=shutil.ignore_patterns("models", "__pycache__")
    )
    for name, old, new in (
        ("taxonomy.py", '"fg-music", "bg-music")', '"fg-music", "similar-music", "bg-music")'),
        ("taxonomy.py", '"bg-music": "music"}', '"similar-music": "music", "bg-music": "music"}'),
        ("report/display.py", "COLOURS = {", 'COLOURS = {"similar-music": "#123456", '),
    ):
        text = (package / name).read_text()
        assert text.count(old) == 1
        (package / name).write_text(text.replace(old, new))
    return package.parent


def test_a_loudness_class_more_is_a_change_of_the_taxonomy_and_a_colour(package_with_a_class_more, tmp_path):
    labels = ["no-music", "fg-music", "similar-music", "bg-music"]
    for folder in ("truth", "found"):
        (tmp_path / folder).mkdir()
        lines = [f"{second}\t{second + 1}\t{label}\n" for second, label in enumerate(labels)]
        (tmp_path / folder / "a.tsv").write_text("".join(lines))
    soundfile.write(tmp_path / "truth/a.wav", np.zeros(32000), 8000)
    code = (
        "import json\n"
        "from hrin_plugin.cli import main\n"
        "from hrin_plugin.hierarchy.losses import HierarchicalLoss\n"
        "from hrin_plugin.networks.hrin import HRIN\n"
        "assert main(['evaluate', 'truth', 'found', '--json', 'scores.json']) == 0\n"
        "assert main(['report', 'found', '--csv', 'report.csv', '--html', 'report.html']) == 0\n"
        "plot = ['plot', 'truth/a.wav', '--reference', 'truth/a.tsv', '--prediction', 'found/a.tsv']\n"
        "assert main([*plot, '--model', 'none', '--output', 'a.svg']) == 0\n"
        "print(json.dumps([HRIN().taxonomy.levels[1], list(HierarchicalLoss().penalty_weights)]))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(package_with_a_class_more)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    of_network, of_loss = json.loads(done.stdout.splitlines()[-1])
    assert of_network == labels and set(of_loss) == set(labels)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["mrle"]["segment"]["classes"]["similar-music"]["f_measure"] == 1.0
    total = shares_of(tmp_path / "report.csv")["mrle", "total", "", ""]
    assert {row["label"]: float(row["seconds"]) for row in total} == dict.fromkeys(labels, 1.0)
    assert ".c-similar-music { --class: #123456; }" in (tmp_path / "report.html").read_text(encoding="utf-8")
    drawing = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "<!-- Similar music -->" in drawing and "#123456" in drawing
