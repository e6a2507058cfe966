"""Fitting a model to annotated recordings."""

import json
import math

import numpy as np
import pytest
import soundfile
import torch

from hrin_plugin import HRIN, BandStatistics, LogMel
from hrin_plugin.adaptation import AdaptSettings, Part, adapt, hold_out, score_parts
from hrin_plugin.archive.references import Reference, read_references
from hrin_plugin.cli import main
from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.metrics.bootstrap import bootstrap_interval
from hrin_plugin.metrics.scores import fast_scores
from hrin_plugin.pretrained import PretrainedModel, load_pretrained, save_pretrained
from hrin_plugin.pretrained.rehearsal import Rehearsal, load_rehearsal, save_rehearsal
from hrin_plugin.pretrained.sources import find_model
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

RATE = 8000
QUICK = AdaptSettings(max_epochs=3, batch_size=4, excerpt_s=12.288, lr=0.003)


def recordings(folder, n, seconds=60, seed=0):
    """Recordings with a tone in the first half and noise in the second, and their annotations."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    half = seconds * RATE // 2
    for number in range(n):
        tone = 0.3 * np.sin(2 * math.pi * rng.uniform(300, 1500) / RATE * np.arange(half))
        soundfile.write(folder / f"{number}.wav", np.append(tone, rng.normal(0, 0.1, half)), RATE)
        (folder / f"{number}.tsv").write_text(
            f"0\t{seconds / 2}\tfg-music\n{seconds / 2}\t{seconds}\tno-music\n"
        )
    return folder


def small_model(seed=0):
    torch.manual_seed(seed)
    features = LogMel(n_fft=1024, hop_length=512, reference=1.0, floor_db=None)
    statistics = BandStatistics(128)
    statistics.fit([-40 + 10 * torch.randn(500, 128)])
    network = HRIN(hidden_size=8, num_layers=1, conv_unit=True).eval()
    return PretrainedModel(features, statistics, network)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return recordings(tmp_path_factory.mktemp("adapt") / "labelled", 5)


@pytest.fixture(scope="module")
def parts(labelled):
    return hold_out(read_references(labelled), 0.25)


def reference(name, duration_s):
    return Reference(f"{name}.wav", Detection(name, duration_s, {}))


def test_whole_recordings_are_held_out_and_no_second_is_on_both_sides():
    known = [reference(str(number), 100.0 + number) for number in range(20)]
    train, held_out = hold_out(known, 0.2, seed=3)
    names = [{part.reference.detection.name for part in side} for side in (train, held_out)]
    assert not names[0] & names[1] and len(names[0] | names[1]) == 20
    assert all(part.duration_s == part.reference.detection.duration_s for part in train + held_out)
    total_s = sum(part.duration_s for part in train + held_out)
    assert 0.15 < sum(part.duration_s for part in held_out) / total_s < 0.25
    assert hold_out(known[::-1], 0.2, seed=3) == (train, held_out)


def test_of_few_recordings_the_end_of_each_is_held_out():
    train, held_out = hold_out([reference("a", 400.0), reference("b", 200.0)], 0.25)
    assert [(part.begin_s, part.end_s) for part in train] == [(0.0, 300.0), (0.0, 150.0)]
    assert [(part.begin_s, part.end_s) for part in held_out] == [(300.0, 400.0), (150.0, 200.0)]


@pytest.mark.parametrize(
    "durations_s, share, message",
    [
        ([30.0], 0.25, "22 s of the 1 annotated recordings are for training, and 60 s are needed"),
        ([90.0], 0.1, "9 s of the 1 annotated recordings are for held out, and 20 s are needed"),
        ([900.0], 1.5, "the share to hold out is 1.5; use a number between 0 and 1"),
        ([900.0], math.nan, "the share to hold out is nan"),
    ],
)
def test_too_little_on_either_side_is_refused(durations_s, share, message):
    with pytest.raises(ValueError, match=message):
        hold_out([reference(str(number), each) for number, each in enumerate(durations_s)], share)


def test_a_part_has_its_own_clock():
    part = Part(reference("a", 100.0), 40.0, 70.0)
    events = [Event(0.0, 50.0, "music"), Event(50.0, 90.0, "no-music"), Event(90.0, 100.0, "music")]
    assert part.clip(events) == [Event(0.0, 10.0, "music"), Event(10.0, 30.0, "no-music")]


def test_scores_of_parts_are_those_of_the_seconds_within():
    truth = {"md": [Event(0.0, 120.0, "music")], "mrle": [Event(0.0, 120.0, "fg-music")]}
    found = {
        "md": [Event(0.0, 90.0, "music"), Event(90.0, 120.0, "no-music")],
        "mrle": [Event(0.0, 90.0, "bg-music"), Event(90.0, 120.0, "no-music")],
    }
    part = Part(Reference("a.wav", Detection("a", 120.0, truth)), 60.0, 120.0)
    scores = score_parts([part], lambda path: Detection("a", 120.0, found), MUSIC_LOUDNESS)
    expected = {
        level: fast_scores([part.clip(truth[level])], [part.clip(found[level])], [60.0], labels)
        for level, labels in MUSIC_LOUDNESS.labels.items()
    }
    assert scores["md"].accuracy == pytest.approx(0.5)
    for level, score in scores.items():
        assert score.accuracy == pytest.approx(expected[level]["segment"]["accuracy"])
        assert score.event_f == expected[level]["event"]["500ms_onset"]["macro_f_measure"]


def test_the_shipped_model_has_excerpts_to_rehearse():
    rehearsal = load_rehearsal(find_model())
    assert rehearsal.frames.shape[0] == rehearsal.classes.shape[0] == 32
    assert set(rehearsal.classes.unique().tolist()) == {0, 1, 2}


def test_a_bootstrap_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        right = rng.binomial(60, 0.8, size=40)
        low, high = bootstrap_interval(
            np.stack([right, np.full(40, 60)], axis=1),
            lambda sums: sums[..., 0] / sums[..., 1],
            n_resamples=400,
        )
        hits += low <= 0.8 <= high
    assert 0.84 < hits / 300 < 0.95


def test_adaptation_learns_and_rehearses(parts, tmp_path):
    model = small_model()
    rehearsal = Rehearsal(torch.full((4, 192, 128), -30.0), torch.full((4, 192), 2))
    before, after = adapt(model, *parts, tmp_path, rehearsal, QUICK, tell=lambda line: None)
    assert after < 0.8 * before
    # What is rehearsed is nothing like the recordings: the model learns both.
    known = model.network(model.statistics(rehearsal.frames[:1]))
    assert known.mrle.argmax(dim=-1).float().mean() > 1.5


def test_an_interrupted_adaptation_ends_with_the_same_weights(parts, tmp_path):
    whole, broken = small_model(), small_model()
    adapt(whole, *parts, tmp_path / "whole", settings=QUICK, tell=lambda line: None)

    def stop(line):
        if line.startswith("epoch 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adapt(broken, *parts, tmp_path / "broken", settings=QUICK, tell=stop)
    resumed, lines = small_model(), []
    adapt(resumed, *parts, tmp_path / "broken", settings=QUICK, tell=lines.append)
    assert [line.split(":")[0] for line in lines] == ["before", "epoch 2", "epoch 3"]
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name


def test_where_nothing_is_gained_the_network_is_as_it_was(parts, tmp_path):
    model = small_model()
    known = {name: weight.clone() for name, weight in model.network.state_dict().items()}
    before, after = adapt(
        model, *parts, tmp_path, settings=QUICK._replace(lr=50.0, max_epochs=1), tell=lambda line: None
    )
    assert after >= before
    assert all(torch.equal(weight, known[name]) for name, weight in model.network.state_dict().items())


def test_what_is_rehearsed_is_kept_in_bytes(tmp_path):
    frames, classes = -100 + 120 * torch.rand(3, 50, 128), torch.randint(0, 3, (3, 50))
    save_rehearsal(tmp_path, Rehearsal(frames, classes))
    found = load_rehearsal(tmp_path)
    assert torch.equal(found.classes, classes)
    assert float((found.frames - frames).abs().max()) <= 0.2501
    (tmp_path / "rehearsal.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="rehearsal.safetensors: is damaged .*; fetch the model again"):
        load_rehearsal(tmp_path)


@pytest.fixture
def model_folder(tmp_path):
    folder = tmp_path / "model"
    save_pretrained(folder, small_model(), training={"seed": 0})
    (folder / "decoding.json").write_text(json.dumps({"method": "argmax"}))
    return folder


def test_the_command_writes_a_model_and_tells_what_it_is_worth(labelled, model_folder, tmp_path, capsys):
    output = tmp_path / "adapted"
    words = ["adapt", str(labelled), "--output", str(output), "--model", str(model_folder), "--device", "cpu"]
    assert main([*words, "--test", str(labelled)]) == 0
    shown = capsys.readouterr().out
    assert f"hrin detect --model {output}" in shown and "has no excerpts to rehearse" in shown
    rows = [
        line.split() for line in shown.splitlines() if line.startswith(("held out ", "test ")) and "(" in line
    ]
    assert len(rows) == 4
    facts = json.loads((output / "model.json").read_text())["training"]
    assert facts == {"adapted_from": {"seed": 0}, "recordings": "labelled", "minutes": 4.0}
    assert json.loads((output / "decoding.json").read_text()) == {"method": "argmax"}
    load_pretrained(output)
    assert sorted(path.name for path in output.iterdir()) == [
        *("README.md", "decoding.json", "model.json", "model.safetensors"),
    ]
    assert main(words) == 1
    assert "holds a model already; choose another --output" in capsys.readouterr().err


def test_an_unfinished_training_of_something_else_is_not_gone_on_with(
    labelled, model_folder, tmp_path, capsys
):
    output = tmp_path / "adapted"
    (output / ".adaptation").mkdir(parents=True)
    (output / ".adaptation" / "made_of.json").write_text(json.dumps({"model": "another"}))
    words = ["adapt", str(labelled), "--output", str(output), "--model", str(model_folder)]
    assert main(words) == 1
    assert (
        "holds an unfinished training of another model, seed or other recordings" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "words, message",
    [
        (["--held-out", "0"], "the share to hold out is 0.0"),
        (["--minutes", "nan"], "--minutes is nan; give a number above 0"),
        (["--device", "cuda:99"], "the device is 'cuda:99'"),
    ],
)
def test_odd_options_are_one_sentence(labelled, model_folder, tmp_path, capsys, words, message):
    begin = ["adapt", str(labelled), "--output", str(tmp_path / "adapted"), "--model", str(model_folder)]
    assert main([*begin, *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "adapted").exists()
