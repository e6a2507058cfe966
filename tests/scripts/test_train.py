"""The recipe from data to scores: what it writes, how it stops, and how it goes on."""

import functools
import json
import math
import os
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import pytest
import torch
from speechbrain.utils.checkpoints import torch_patched_state_dict_load

import train
from hrin_plugin.audio.signals import read_audio
from hrin_plugin.events import parse_tsv, read_tsv
from hrin_plugin.features import Overlay
from hrin_plugin.mixing import synthesise_miniature
from hrin_plugin.pretrained.folder import load_pretrained
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.training.brain import HRINBrain
from oracles import recognise
from trainings import Interrupted, interrupt_at, weights_of, with_dropout

ROOT = Path(__file__).parents[2]
#: One of each kind; the others differ from these in numbers alone.
KINDS = ("cnn_gru", "hrin_cr", "hrin_cr_concat_before_fc", "hrin_r", "hrin_r_lstm", "mmg")


@pytest.mark.parametrize("stem", KINDS)
def test_a_run_leaves_scores_events_and_a_model(run, stem):
    folder = run(hparams=f"hparams/{stem}.yaml", epochs=2)
    results = json.loads((folder / "results.json").read_text())
    assert results["settings"]["fold"] == 0
    for task, labels in zip(("md", "mrle"), MUSIC_LOUDNESS.levels):
        scores = results["scores"][task]
        assert 0 <= scores["segment"]["accuracy"] <= 1
        assert list(scores["segment"]["classes"]) == list(labels)
        assert set(scores["event"]) == {
            "500ms_onset",
            "500ms_onset_offset",
            "1000ms_onset",
            "1000ms_onset_offset",
        }
        assert len(list((folder / "predictions" / task).glob("*.tsv"))) == 2
    assert set(results["scores"]["violations"]) == {"score_violations", "decision_violations"}
    log = (folder / "train_log.txt").read_text().splitlines()
    assert len(log) == 2
    one_level = stem in ("mmg", "cnn_gru")
    for term in ("mrle",) if one_level else ("md", "mrle", "no-music", "fg-music", "bg-music"):
        assert f"train {term}: " in log[0] and f"valid {term}: " in log[0]
    if one_level:
        assert set(results["scores"]["violations"].values()) == {0.0}
    for name in ("hyperparams.yaml", "log.txt", "env.log", "train.py"):
        assert (folder / name).exists()
    best = torch_patched_state_dict_load(next((folder / "save").glob("CKPT*/model.ckpt")))
    assert set(load_pretrained(folder / "pretrained").network.state_dict()) == set(best)


def test_the_scores_are_those_of_the_events_on_disk(run, miniature):
    """Counted again from the files, without any code that made the scores."""
    folder = run()
    confusion = dict.fromkeys(("hit", "all"), 0)
    for path in sorted((folder / "predictions/md").glob("*.tsv")):
        name = miniature / "annotations/tsv/MD_mapping/annotator_a" / path.name
        reference = read_tsv(name, 2.0, MUSIC_LOUDNESS.levels[0])
        rows = [line.split("\t") for line in path.read_text().splitlines()]
        for index in range(200):
            first, last = index * 10, index * 10 + 10  # milliseconds
            for label in MUSIC_LOUDNESS.levels[0]:
                said = any(
                    round(float(a) * 1000) < last and round(float(b) * 1000) > first
                    for a, b, which in rows
                    if which == label
                )
                true = any(
                    round(e.onset_s * 1000) < last and round(e.offset_s * 1000) > first
                    for e in reference
                    if e.label == label
                )
                confusion["hit"] += said == true
                confusion["all"] += 1
    scores = json.loads((folder / "results.json").read_text())["scores"]["md"]
    # Within the few segments where a reference's boundary rounds to the other side.
    assert scores["segment"]["accuracy"] == pytest.approx(confusion["hit"] / confusion["all"], abs=0.01)


def test_the_exported_model_finds_the_events_on_disk(run, miniature):
    folder = run()
    model = load_pretrained(folder / "pretrained")
    for path in (folder / "predictions/mrle").glob("*.tsv"):
        wav = read_audio(miniature / "audio" / path.with_suffix(".wav").name, 8000)
        _, (_, events) = recognise(model, wav)
        assert events == parse_tsv(path, 2.0)


def test_an_overlay_is_told_where_the_recordings_of_a_training_have_no_music(run, monkeypatch):
    forward, compute, shares = Overlay.forward, HRINBrain.compute_forward, []

    def look(self, frames, no_music):
        shares.append(no_music.double().mean(dim=1).tolist())
        return forward(self, frames, no_music)

    def compare(self, batch, stage):
        n_told = len(shares)
        logits = compute(self, batch, stage)
        assert len(shares) - n_told == (stage.name == "TRAIN")
        if stage.name == "TRAIN":
            for events, duration_s, share in zip(batch.md, batch.duration, shares[-1]):
                music_s = sum(offset_s - onset_s for onset_s, offset_s, label in events if label == "music")
                assert share == pytest.approx(1 - music_s / float(duration_s), abs=0.02)
        return logits

    monkeypatch.setattr(Overlay, "forward", look)
    monkeypatch.setattr(HRINBrain, "compute_forward", compare)
    run("--overlay_share=1.0", hparams="hparams/hrin_cr_broadcast_long.yaml")
    assert len({round(share, 2) for batch in shares for share in batch}) > 2


@pytest.mark.parametrize(
    ("step", "stem"), [(2, "hrin_cr"), (5, "hrin_cr"), (8, "hrin_cr"), (2, "hrin_cr_broadcast_long")]
)
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(run, monkeypatch, step, stem):
    """Four batches an epoch: interrupted mid-epoch, just after one, and at the end of one."""
    options = ["--batch_size=4", "--ckpt_interval_minutes=0", "--ckpt_interval_steps=1"]
    settings = {"hparams": f"hparams/{stem}.yaml", "epochs": 3}
    with_dropout(monkeypatch)
    whole = run(*options, name="whole", **settings)
    with monkeypatch.context() as patch:
        interrupt_at(patch, step)
        with pytest.raises(Interrupted):
            run(*options, name="parts", **settings)
    # Where features lie is no setting of the result, and may change.
    place = ["--features_in_memory=True"] if step == 5 else []
    parts = run(*options, *place, name="parts", **settings)
    expected = weights_of(whole)
    for name, value in weights_of(parts).items():
        assert torch.equal(value, expected[name]), name
    logs = [(folder / "train_log.txt").read_text() for folder in (whole, parts)]
    assert logs[0] == logs[1]
    results = [json.loads((folder / "results.json").read_text()) for folder in (whole, parts)]
    assert results[0] == results[1]


def test_a_finished_run_is_not_trained_again(run):
    folder = run()
    before = weights_of(folder)
    run()
    assert len((folder / "train_log.txt").read_text().splitlines()) == 1
    assert all(torch.equal(value, before[name]) for name, value in weights_of(folder).items())


def test_a_loss_that_is_not_finite_stops_with_the_files_names(run, monkeypatch):
    forward = HRINBrain.compute_forward
    calls = []

    def spoilt(self, batch, stage):
        calls.append(batch.id)
        md, mrle = forward(self, batch, stage)
        return (md * math.nan if len(calls) == 4 else md), mrle

    monkeypatch.setattr(HRINBrain, "compute_forward", spoilt)
    with pytest.raises(SystemExit) as stop:
        run("--batch_size=4", "--ckpt_interval_minutes=0", "--ckpt_interval_steps=1", name="spoilt")
    assert all(name in str(stop.value) for name in calls[-1]) and "md nan" in str(stop.value)


def test_nothing_broken_is_saved_when_a_loss_is_not_finite(run, tmp_path):
    with pytest.raises(SystemExit, match="is not finite .* the last checkpoint is intact"):
        run(
            "--lr=1e30",
            "--batch_size=4",
            "--ckpt_interval_minutes=0",
            "--ckpt_interval_steps=1",
            name="burst",
        )
    for saved in (tmp_path / "burst/save").glob("CKPT*/model.ckpt"):
        assert all(torch.isfinite(value).all() for value in torch_patched_state_dict_load(saved).values())


@pytest.mark.parametrize(
    "options",
    [
        ["--precision=bf16", "--eval_precision=bf16"],
        ["--cache_features=False"],
        ["--cache_dtype=float16"],
        ["--md_from=mapping", "--annotator=b", "--fold=9"],
        ["--num_workers=1"],
        ["--features_in_memory=True", "--cache_dtype=float16"],
        ["--max_grad_norm=-1"],
    ],
    ids=str,
)
def test_options_work(run, options):
    assert (run(*options) / "results.json").exists()


def test_features_of_a_gpu_are_no_business_of_processes_that_load():
    opts = {"train_dataloader_opts": {"num_workers": 4}, "eval_dataloader_opts": {}}
    message = "features_in_memory is True, and num_workers 4: .* on cuda:0; set num_workers to 0"
    with pytest.raises(ValueError, match=message):
        train.keep_features(None, [], "cuda:0", opts)


@pytest.fixture
def synthetic(tmp_path, monkeypatch):
    """Runs the recipe as typed, with a results folder and a synthetic set that is soon made."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("speechbrain.utils.logger.get_environment_description", lambda: "not looked at")
    small = functools.partial(synthesise_miniature, n_excerpts=20, seconds=2.0)
    monkeypatch.setattr(train, "synthesise_miniature", small)

    def run_as_typed(hparams, *options):
        flags = [f"--results_folder={tmp_path}", "--number_of_epochs=1", "--device=cpu", "--noprogressbar"]
        train.main([str(hparams), *flags, *options])

    return run_as_typed


def all_files(folder):
    """Content of every file, but for the log, which stays open in this process."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "log.txt"]
    return {path: path.read_bytes() for path in paths}


def test_the_synthetic_set_has_results_of_its_own(synthetic, run, miniature, tmp_path):
    """`make train`, then `make train DATA=...`, and again."""
    place = "hrin_r/fold_0/seed_0"
    synthetic(run.tiny)
    trial = all_files(tmp_path / "miniature" / place)
    assert json.loads(trial[tmp_path / "miniature" / place / "settings.json"])["data"] == "miniature"
    synthetic(run.tiny, f"--data_folder={miniature}")
    settings = json.loads((tmp_path / place / "settings.json").read_text())
    assert settings["data"].startswith("20 synthetic recordings (")
    assert all_files(tmp_path / "miniature" / place) == trial
    synthetic(run.tiny)
    assert len((tmp_path / "miniature" / place / "train_log.txt").read_text().splitlines()) == 1
    assert [path.name for path in (tmp_path / "hrin_r").iterdir()] == ["fold_0"]


def test_debug_leaves_nothing_and_does_not_stand_in_the_way(synthetic, run, miniature, tmp_path, capsys):
    data = f"--data_folder={miniature}"
    synthetic(run.tiny, data, "--debug")
    assert "--debug: nothing is kept" in capsys.readouterr().err
    assert not (tmp_path / "hrin_r").exists()
    synthetic(run.tiny, data)
    before = all_files(tmp_path / "hrin_r")
    synthetic(run.tiny, data, "--debug", "--lr=0.5")
    assert all_files(tmp_path / "hrin_r") == before
    assert not list(Path(tempfile.gettempdir()).glob(f"hrin-debug-{os.getpid()}*"))


def test_a_logger_is_changed_in_the_middle_of_a_run(run, monkeypatch):
    tiny = {"hparams": str(run.tiny), "epochs": 2}
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_at(patch, 6)
        run("--batch_size=4", **tiny)
    run_of_wandb = types.SimpleNamespace(log=lambda *_, **__: None, finish=lambda: None)
    stub = types.SimpleNamespace(init=lambda **_: run_of_wandb)
    monkeypatch.setitem(sys.modules, "wandb", stub)
    folder = run("--batch_size=4", "--logger=file,wandb", **tiny)
    assert len((folder / "train_log.txt").read_text().splitlines()) == 2
    run("--batch_size=4", **tiny)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("wandb,files", "'files' is none of file, tensorboard, wandb"),
        ("wandb", '--logger wandb needs wandb .*; run: pip install "hrin-plugin.wandb."'),
    ],
)
def test_a_logger_that_is_not_there_is_one_sentence(run, monkeypatch, names, message):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SystemExit, match=message):
        run(f"--logger={names}")


def test_no_clipping_is_not_a_reversed_gradient(run):
    folder = run("--max_grad_norm=-1", "--lr=0.003", epochs=4)
    losses = [
        float(line.split("train loss: ")[1].split(",")[0])
        for line in (folder / "train_log.txt").read_text().splitlines()
    ]
    assert losses[-1] < losses[0]


def test_two_processes_train_together(miniature, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29511"]
    command += [ROOT / "recipes/OpenBMAT/train.py", "hparams/hrin_cr.yaml", "--distributed_backend=gloo"]
    command += ["--device=cpu", "--noprogressbar", "--number_of_epochs=1", "--batch_size=4"]
    command += [
        f"--data_folder={miniature}",
        f"--results_folder={tmp_path}",
        f"--output_folder={tmp_path}/run",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "run/train_log.txt").read_text().splitlines()) == 1
    assert (tmp_path / "run/results.json").exists()


def test_two_processes_end_together_when_the_data_are_bad(tmp_path):
    """No process may wait for another that is gone."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29512"]
    command += [ROOT / "recipes/OpenBMAT/train.py", "hparams/hrin_cr.yaml", "--distributed_backend=gloo"]
    command += ["--device=cpu", f"--data_folder={tmp_path}/none", f"--results_folder={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode != 0 and f"{tmp_path}/none" in done.stderr


@pytest.mark.parametrize(
    ("folder", "script"),
    [(ROOT, "recipes/OpenBMAT/train.py"), (ROOT / "recipes/OpenBMAT", "train.py")],
    ids=["from the root", "from the recipe"],
)
def test_the_command_works_as_typed(folder, script, miniature, tmp_path):
    command = [sys.executable, script, "hparams/hrin_cr.yaml", "--data_folder", miniature]
    command += ["--number_of_epochs=1", "--noprogressbar", f"--results_folder={tmp_path}", "--device=cpu"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hrin_cr/fold_0/seed_0/results.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fold=10"], "fold is 10; use 0 to 9"),
        (["--annotator=d"], "annotator is 'd'"),
        (["--data_folder=nowhere"], "nowhere"),
    ],
)
def test_bad_settings_end_with_one_sentence(run, options, message):
    with pytest.raises(SystemExit) as stop:
        run(*options)
    assert message in str(stop.value)


def test_an_unknown_hyperparameter_file_is_named(run):
    with pytest.raises(SystemExit, match="none.yaml is found neither here .* nor beside train.py"):
        run(hparams="none.yaml")
