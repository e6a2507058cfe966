"""Figures of epochs: in a text file, TensorBoard and Weights & Biases; resumed, and never twice."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from hrin_plugin.training.loggers import STEP, FileLog, TrainLoggers, keep_epochs
from hrin_plugin.training.settings import comparable, describe_changes

STATS = ({"loss": 2.0}, {"loss": 3.0, "md accuracy": 0.5})


def log_epochs(loggers, n_done, last):
    loggers.resume(n_done)
    for epoch in range(n_done + 1, last + 1):
        loggers.log_stats({"epoch": epoch, "lr": 0.1}, *STATS, verbose=False)
    loggers.close()


@pytest.mark.parametrize(
    ("lines", "n_done", "kept"),
    [
        (["epoch: 1, a\n", "epoch: 2, a\n"], 2, [0, 1]),
        (["epoch: 1, a\n", "epoch: 2, a\n", "epoch: 3, a\n"], 1, [0]),
        (["epoch: 1, a\n", "epoch: 1, b\n", "epoch: 2, a\n"], 2, [0, 2]),
        (["epoch: 1, a\n", "epoch: 2"], 1, [0]),
        (["epoch: 1, a\n", "a word of someone\n", "epoch: 12, a\n"], 2, [0, 1]),
        (["epoch: 1, a\n"], 0, []),
    ],
)
def test_lines_of_epochs_that_come_again_are_dropped(tmp_path, lines, n_done, kept):
    path = tmp_path / "train_log.txt"
    path.write_text("".join(lines))
    keep_epochs(path, n_done)
    assert path.read_text() == "".join(lines[index] for index in kept)


def test_a_log_of_steps_is_kept_up_to_a_step(tmp_path):
    path = tmp_path / "train_log.txt"
    path.write_text("ready\nstep 5, 1 s\nstep 10, 2 s\nstep 15, 3 s\n")
    keep_epochs(path, 10, STEP)
    assert path.read_text() == "ready\nstep 5, 1 s\nstep 10, 2 s\n"


def test_a_resumed_log_has_each_epoch_once(tmp_path):
    path = tmp_path / "train_log.txt"
    log_epochs(TrainLoggers("file", path), 0, 3)
    log_epochs(TrainLoggers("file", path), 2, 4)
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == [
        f"epoch: {number}" for number in range(1, 5)
    ]


@pytest.mark.parametrize("names", ["wandb, clearml", "", "files"])
def test_an_unknown_logger_is_refused(tmp_path, names):
    with pytest.raises(ValueError, match="is none of file, tensorboard, wandb"):
        TrainLoggers(names, tmp_path / "train_log.txt")


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")])
def test_a_missing_library_is_named_with_its_cure(tmp_path, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"--logger {name} needs {name} .*; run: pip install"):
        TrainLoggers(f"file,{name}", tmp_path / "train_log.txt")


def test_a_logger_is_no_setting_of_the_result():
    before = {
        "lr": 0.1,
        "train_logger": "!new:speechbrain.utils.train_logger.FileTrainLogger",
        "train_logger.save_file": "train_log.txt",
    }
    now = {
        "lr": 0.1,
        "logger": "file,tensorboard",
        "train_logger": "!new:hrin_plugin.training.TrainLoggers",
        "train_logger.names": "file,tensorboard",
    }
    assert describe_changes(before, comparable(now)) == []
    assert comparable(now) == {"lr": 0.1}


def test_weights_and_biases_are_told_of_every_epoch_and_go_on_in_the_same_run(tmp_path, monkeypatch):
    """With a stand-in of the library."""
    runs = []

    def init(**settings):
        runs.append((settings, []))
        return SimpleNamespace(
            log=lambda figures, step: runs[-1][1].append((step, figures)), finish=lambda: None
        )

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    path = tmp_path / "gru/fold_0/seed_1/train_log.txt"
    path.parent.mkdir(parents=True)
    log_epochs(TrainLoggers("wandb", path), 0, 2)
    log_epochs(TrainLoggers("wandb", path), 2, 3)
    (first, figures), (second, more) = runs
    assert first["id"] == second["id"] == "gru-fold_0-seed_1" and first["resume"] == "allow"
    assert [step for step, _ in figures + more] == [1, 2, 3]
    expected = {"lr": 0.1, "train/loss": 2.0, "valid/loss": 3.0, "valid/md accuracy": 0.5}
    assert figures[0][1] == expected
    assert len(path.read_text().splitlines()) == 3


def test_tensorboard_shows_each_epoch_once_after_a_resumption(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    path = tmp_path / "train_log.txt"
    log_epochs(TrainLoggers("tensorboard", path), 0, 3)
    log_epochs(TrainLoggers("tensorboard", path), 2, 4)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("valid/loss")] == [1, 2, 3, 4]
    assert {event.value for event in events.Scalars("train/loss")} == {2.0}


OFFLINE = """
import sys
from hrin_plugin.training.loggers import TrainLoggers
loggers = TrainLoggers("file,wandb", sys.argv[1])
loggers.resume(0)
for epoch in (1, 2):
    loggers.log_stats({"epoch": epoch, "lr": 0.1}, {"loss": 2.0}, {"loss": 3.0}, verbose=False)
loggers.close()
"""


def test_weights_and_biases_work_offline(tmp_path):
    pytest.importorskip("wandb")
    environment = os.environ | {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", OFFLINE, tmp_path / "train_log.txt"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    [kept] = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert kept.stat().st_size > 100 and b"valid/loss" in kept.read_bytes()
    assert len((tmp_path / "train_log.txt").read_text().splitlines()) == 2


def test_speechbrains_own_logger_is_known_to_a_log_line(tmp_path):
    log = FileLog(tmp_path / "train_log.txt", precision=3)
    log.log_stats({"epoch": 1, "lr": 0.1}, *STATS, verbose=False)
    assert "train loss: 2.000 - valid loss: 3.000" in (tmp_path / "train_log.txt").read_text()
