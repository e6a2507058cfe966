"""Checkpoints under kills, damage, bad numbers and a clock that runs backwards."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from hrin_plugin.training.brain import LossMeter
from hrin_plugin.training.checkpoints import AtomicCheckpointer, RandomStates

SAVE_FOREVER = """
import sys, torch
from hrin_plugin.training.checkpoints import AtomicCheckpointer
layer = torch.nn.Linear(300, 300)
checkpointer = AtomicCheckpointer(sys.argv[1], {f"part_{number}": layer for number in range(8)})
print("ready", flush=True)
for step in range(100_000):
    checkpointer.save_and_keep_only(meta={"loss": 1.0 / (step + 1)}, min_keys=["loss"])
    print(step, flush=True)
"""


def checkpointer_of(folder, value=0.0):
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(value)
    return layer, AtomicCheckpointer(folder, {"layer": layer})


def test_a_kill_during_a_save_leaves_only_whole_checkpoints(tmp_path):
    """Killed at many moments of saving and deleting; each start after it must work."""
    layer = torch.nn.Linear(300, 300)
    for attempt in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", SAVE_FOREVER, tmp_path], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"ready\n"
            for _ in range(1 + attempt % 3):
                process.stdout.readline()
            time.sleep(0.003 * attempt)
            process.send_signal(signal.SIGKILL)
        checkpointer = AtomicCheckpointer(tmp_path, {f"part_{number}": layer for number in range(8)})
        assert checkpointer.recover_if_possible() is not None
        for checkpoint in checkpointer.list_checkpoints():
            assert len(checkpoint.paramfiles) == 8
            checkpointer.load_checkpoint(checkpoint)


def test_a_deletion_is_never_seen_half_done(tmp_path, monkeypatch):
    """What a kill in the middle of a deletion would leave is still whole checkpoints."""
    _, checkpointer = checkpointer_of(tmp_path)
    checkpointer.save_checkpoint()
    checkpointer.save_checkpoint()

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpointer.delete_checkpoints()
    monkeypatch.undo()
    assert [len(found.paramfiles) for found in checkpointer.list_checkpoints()] == [1]
    checkpointer.save_and_keep_only()
    assert [path.name[:4] for path in tmp_path.iterdir() if not path.name.startswith(".unf")] == ["CKPT"]


def test_an_error_while_saving_leaves_the_last_checkpoint(tmp_path):
    layer, checkpointer = checkpointer_of(tmp_path, 1.0)
    checkpointer.save_checkpoint()
    checkpointer.add_recoverable("unsavable", object())
    with pytest.raises(RuntimeError, match="Don't know how to save"):
        checkpointer.save_checkpoint()
    restored, checkpointer = checkpointer_of(tmp_path)
    checkpointer.recover_if_possible()
    assert restored.weight.item() == 1.0


@pytest.mark.parametrize("damage", [b"", b"damaged"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, damage):
    layer, checkpointer = checkpointer_of(tmp_path, 1.0)
    checkpointer.save_checkpoint()
    layer.weight.data.fill_(2.0)
    newest = checkpointer.save_checkpoint()
    newest.paramfiles["layer"].write_bytes(damage)
    restored, checkpointer = checkpointer_of(tmp_path)
    checkpointer.recover_if_possible()
    assert restored.weight.item() == 1.0


def test_a_damaged_description_does_not_stop_a_start(tmp_path):
    layer, checkpointer = checkpointer_of(tmp_path, 1.0)
    checkpointer.save_checkpoint()
    newest = checkpointer.save_checkpoint()
    (newest.path / "CKPT.yaml").write_bytes(b"")
    assert checkpointer_of(tmp_path)[1].recover_if_possible() is not None


def test_a_model_that_fits_no_checkpoint_is_an_error_and_not_a_fresh_start(tmp_path):
    checkpointer_of(tmp_path)[1].save_checkpoint()
    other = AtomicCheckpointer(tmp_path, {"layer": torch.nn.Linear(3, 3)})
    with pytest.raises(RuntimeError, match="fits this model; choose another output_folder"):
        other.recover_if_possible()


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_a_metric_that_is_not_finite_is_refused_and_the_best_stays(tmp_path, loss):
    _, checkpointer = checkpointer_of(tmp_path)
    best = checkpointer.save_checkpoint(meta={"loss": 0.5})
    with pytest.raises(ValueError, match="because its loss is"):
        checkpointer.save_and_keep_only(meta={"loss": loss}, min_keys=["loss"])
    assert [found.path for found in checkpointer.list_checkpoints()] == [best.path]


@pytest.mark.parametrize("loss", [np.float32(0.25), torch.tensor(0.25), 0.25])
def test_metrics_of_any_number_type_can_be_read_back(tmp_path, loss):
    _, checkpointer = checkpointer_of(tmp_path)
    checkpointer.save_checkpoint(meta={"loss": loss})
    assert checkpointer.find_checkpoint(min_key="loss").meta["loss"] == 0.25


def test_the_newest_wins_although_the_clock_ran_backwards(tmp_path, monkeypatch):
    layer, checkpointer = checkpointer_of(tmp_path, 1.0)
    checkpointer.save_checkpoint()
    layer.weight.data.fill_(2.0)
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    checkpointer.save_checkpoint()
    restored, checkpointer = checkpointer_of(tmp_path)
    checkpointer.recover_if_possible()
    assert restored.weight.item() == 2.0


def test_the_best_and_the_newest_are_kept(tmp_path):
    _, checkpointer = checkpointer_of(tmp_path)
    for loss in (0.9, 0.2, 0.5, 0.7):
        checkpointer.save_and_keep_only(meta={"loss": loss}, min_keys=["loss"])
    assert sorted(found.meta["loss"] for found in checkpointer.list_checkpoints()) == [0.2, 0.7]
    assert checkpointer.find_checkpoint().meta["loss"] == 0.7


def test_random_states_of_all_three_libraries_come_back(tmp_path):
    states = RandomStates()
    states.save(tmp_path / "states")
    first = random.random(), np.random.rand(), float(torch.rand(1)), random.gauss(0, 1), np.random.randn()
    states.load(tmp_path / "states", end_of_epoch=False)
    assert first == (
        random.random(),
        np.random.rand(),
        float(torch.rand(1)),
        random.gauss(0, 1),
        np.random.randn(),
    )


def test_an_epoch_that_an_earlier_version_began_goes_on_under_the_terms_present_names(tmp_path):
    path = tmp_path / "meter"
    path.write_text('[{"loss": 30.0, "level_1": 10.0, "level_2": 20.0, "no-music": 1.0}, 10]')
    meter = LossMeter()
    meter.load(path, end_of_epoch=False)
    meter.add({"loss": 5.0, "md": 2.0, "mrle": 3.0, "no-music": 0.0}, n_frames=10)
    assert meter.means() == {"loss": 4.0, "md": 1.5, "mrle": 2.5, "no-music": 0.05}
