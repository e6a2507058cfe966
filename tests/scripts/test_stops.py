"""Trainings that are stopped, run out of room, or meet damage: what they say, and how they go on."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from damage import DAMAGES, copy
from hrin_plugin.features import LogMel
from hrin_plugin.features.cache import FeatureLoader
from hrin_plugin.training.brain import HRINBrain
from hrin_plugin.training.integrity import SUMS_FILE
from trainings import EVERY_BATCH, Interrupted, interrupt_at, weights_of

ROOT = Path(__file__).parents[2]
SIGNALS = {signal.SIGTERM: 143, signal.SIGINT: 130}


def epochs_of(folder):
    return [line.split(",")[0] for line in (folder / "train_log.txt").read_text().splitlines()]


def signal_after(monkeypatch, method, count, number=signal.SIGTERM):
    """Send this process a signal in the middle of a method's so manyth call."""
    original, calls = getattr(HRINBrain, method), []

    def signalled(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        calls.append(1)
        if len(calls) == count:
            signal.raise_signal(number)
        return result

    monkeypatch.setattr(HRINBrain, method, signalled)


@pytest.fixture
def run(run):
    """As the fixture that it is made from, with a tiny network."""

    def run_tiny(*options, **settings):
        return run(*options, hparams=str(run.tiny), **settings)

    run_tiny.folder = run.folder
    return run_tiny


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The uninterrupted training, made by the first test that needs it."""
    return {"folder": None, "path": tmp_path_factory.mktemp("whole")}


@pytest.fixture
def check_as_whole(run, whole):
    """Compares a finished folder with an uninterrupted training, bit for bit."""

    def check(folder):
        if whole["folder"] is None:
            whole["folder"] = copy(run(*EVERY_BATCH, name="whole", epochs=3), whole["path"] / "run")
        expected = weights_of(whole["folder"])
        for name, value in weights_of(folder).items():
            assert torch.equal(value, expected[name]), name
        for name in ("train_log.txt", "results.json"):
            assert (folder / name).read_text() == (whole["folder"] / name).read_text()

    return check


@pytest.mark.parametrize(
    ("method", "count", "number"),
    [
        ("on_fit_batch_end", 1, signal.SIGTERM),
        ("on_fit_batch_end", 6, signal.SIGINT),
        ("on_fit_batch_end", 8, signal.SIGTERM),  # the last batch of an epoch
        ("evaluate_batch", 1, signal.SIGTERM),  # in the middle of a validation
        ("on_stage_end", 4, signal.SIGTERM),  # when an epoch's checkpoint is saved
    ],
)
def test_a_signal_lets_the_batch_be_finished_and_saved(run, monkeypatch, capsys, method, count, number):
    # No checkpoint but that of the signal.
    options = ["--batch_size=4", "--ckpt_interval_minutes=0"]
    with monkeypatch.context() as patch:
        signal_after(patch, method, count, number)
        with pytest.raises(SystemExit) as stop:
            run(*options, name="parts", epochs=3)
    assert stop.value.code == SIGNALS[number]
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"stopped by {number.name}: what was done is saved; the same command goes on from there"
    batches = []
    count_batches = HRINBrain.on_fit_batch_end
    monkeypatch.setattr(
        HRINBrain, "on_fit_batch_end", lambda *args: (count_batches(*args), batches.append(1))[0]
    )
    folder = run(*options, name="parts", epochs=3)
    done_before = {"on_fit_batch_end": count, "evaluate_batch": 4, "on_stage_end": 9}[method]
    assert len(batches) == 12 - done_before  # not one is done again
    assert epochs_of(folder) == ["epoch: 1", "epoch: 2", "epoch: 3"]


def test_a_stopped_training_ends_with_the_weights_of_one_that_was_not(run, check_as_whole, monkeypatch):
    for method, count in (("on_fit_batch_end", 2), ("evaluate_batch", 1), ("on_fit_batch_end", 5)):
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            signal_after(patch, method, count)
            run(*EVERY_BATCH, name="parts", epochs=3)
    check_as_whole(run(*EVERY_BATCH, name="parts", epochs=3))


def test_a_signal_before_the_training_ends_the_process_at_once(run, monkeypatch, capsys):
    def interrupted(self, paths):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(FeatureLoader, "examine", interrupted)
    with pytest.raises(SystemExit) as stop:
        run()
    assert stop.value.code == 143 and "stopped by SIGTERM" in capsys.readouterr().err


@pytest.mark.parametrize("workers", [0, 1])
def test_the_command_exits_143_and_goes_on(miniature, tmp_path, workers):
    """As a process group gets it, with processes that load data."""
    command = [sys.executable, ROOT / "recipes/OpenBMAT/train.py", "hparams/gru.yaml", "--device=cpu"]
    command += [f"--data_folder={miniature}", f"--results_folder={tmp_path}", "--number_of_epochs=1000"]
    command += ["--noprogressbar", "--batch_size=2", f"--num_workers={workers}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    folder = tmp_path / "gru/fold_0/seed_0"
    seen = 0
    for _ in range(2):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
        )
        deadline = time.monotonic() + 120
        while not (folder / "train_log.txt").exists() or len(epochs_of(folder)) <= seen:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        process.terminate()
        error = process.communicate(timeout=60)[1]
        assert process.returncode == 143, error
        assert "Traceback" not in error and "stopped by SIGTERM" in error
        epochs = epochs_of(folder)
        assert epochs == [f"epoch: {number}" for number in range(1, len(epochs) + 1)] and len(epochs) > seen
        seen = len(epochs)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    return {"folder": None, "path": tmp_path_factory.mktemp("stopped")}


FILES = ("CKPT.yaml", SUMS_FILE, "brain.ckpt", "dataloader-TRAIN.ckpt", "epoch_counter.ckpt")
FILES += ("model.ckpt", "optimizer.ckpt", "random_states.ckpt", "statistics.ckpt", "train_meter.ckpt")


@pytest.mark.parametrize(("index", "name"), list(enumerate(FILES)), ids=FILES)
def test_after_any_damage_the_training_ends_as_if_nothing_had_been(
    run, check_as_whole, stopped, tmp_path, monkeypatch, index, name
):
    """The newest checkpoint is of the middle of the second epoch."""
    if stopped["folder"] is None:
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            interrupt_at(patch, 7)
            run(*EVERY_BATCH, name="stopped", epochs=3)
        stopped["folder"] = copy(tmp_path / "stopped", stopped["path"] / "run")
    copy(stopped["folder"], tmp_path / "run")
    saved = (tmp_path / "run/save").glob("CKPT*")
    newest = max(saved, key=lambda path: path.stat().st_mtime_ns)
    assert (newest / "brain.ckpt").read_text().count("step: 6") == 1
    DAMAGES[(index + 1) % len(DAMAGES)](newest / name)
    folder = run(*EVERY_BATCH, name="run", epochs=3)
    check_as_whole(folder)
    said = rf"{re.escape(newest.name)} is damaged and left out: .*{name}"
    assert re.search(said, (folder / "log.txt").read_text())


def test_scores_that_are_not_of_the_best_epoch_are_called_so(run):
    """The loss rises, so that the first epoch is the best, and its checkpoint is damaged."""
    folder = run("--lr=0.5", epochs=4)
    metas = {path: yaml.safe_load(path.read_text()) for path in folder.glob("save/CKPT*/CKPT.yaml")}
    best = min(metas, key=lambda path: metas[path]["loss"])
    newest = max(metas, key=lambda path: metas[path]["epoch"])
    assert best != newest and metas[newest]["best_loss"] == metas[best]["loss"]
    (best.parent / "model.ckpt").write_bytes(b"")
    run("--lr=0.5", epochs=4)
    log = (folder / "log.txt").read_text()
    assert f"{best.parent} is damaged and left out: model.ckpt is damaged" in log
    assert log.count("the scores are of the best that is left, of epoch") == 1


def test_one_sentence_when_every_checkpoint_is_damaged(run):
    folder = run(epochs=2)
    for path in folder.glob("save/CKPT*/model.ckpt"):
        path.write_bytes(b"")
    (folder / "results.json").unlink()
    before = {path: path.read_bytes() for path in folder.glob("save/CKPT*/*")}
    log = (folder / "train_log.txt").read_text()
    with pytest.raises(SystemExit, match="no checkpoint in .*save is whole .*model.ckpt is damaged") as stop:
        run(epochs=2)
    assert "\n" not in str(stop.value)
    assert {path: path.read_bytes() for path in folder.glob("save/CKPT*/*")} == before
    assert (folder / "train_log.txt").read_text() == log


@pytest.mark.parametrize("n_bytes", [3_000, 30_000])
def test_one_sentence_when_the_disk_is_full(run, check_as_whole, tmp_path, small_files, n_bytes):
    """At a copy of the settings, and at the cached features."""
    cache = f"--prepared_folder={tmp_path}/prepared"
    with (
        small_files(n_bytes),
        pytest.raises(SystemExit, match="File too large.*; make room or allow") as stop,
    ):
        run(*EVERY_BATCH, cache, epochs=3)
    assert "\n" not in str(stop.value) and str(tmp_path) in str(stop.value)
    check_as_whole(run(*EVERY_BATCH, cache, epochs=3))


def test_a_full_disk_in_the_middle_loses_nothing(run, check_as_whole, small_files, monkeypatch):
    fit_batch, batches = HRINBrain.fit_batch, []

    def fill(self, batch):
        batches.append(1)
        if len(batches) == 6:
            stack.enter_context(small_files(1000))
        return fit_batch(self, batch)

    monkeypatch.setattr(HRINBrain, "fit_batch", fill)
    with contextlib.ExitStack() as stack, pytest.raises(SystemExit, match="no checkpoint can be saved"):
        run(*EVERY_BATCH, epochs=3)
    assert len(batches) == 6
    check_as_whole(run(*EVERY_BATCH, epochs=3))
    assert len(batches) == 12 + 1  # the one whose checkpoint found no room


def test_a_folder_that_cannot_be_written_is_one_sentence(run, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SystemExit, match="file.*: .*; move what is no folder out of the way") as stop:
        run(name="file/run")
    assert "\n" not in str(stop.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_sentence(run, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(SystemExit, match="locked/run: Permission denied; make room or allow writing"):
        run(name="locked/run")


def test_a_line_that_was_logged_before_a_kill_is_not_there_twice(run, check_as_whole, monkeypatch):
    """Killed after the line of the second epoch, before its checkpoint; and in the middle of a line."""
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_at(patch, 7)
        run(*EVERY_BATCH, epochs=3)
    with open(run.folder("run") / "train_log.txt", "a") as file:
        file.write("epoch: 2, lr: 9.50e-05 - train loss: 1.00\nepoch: 3, l")
    check_as_whole(run(*EVERY_BATCH, epochs=3))


# Recordings


@pytest.fixture
def own_set(miniature, tmp_path):
    """A copy of the data, to change."""
    return copy(miniature, tmp_path / "set")


def test_a_recording_replaced_by_one_of_the_same_size_and_time_is_noticed(run, own_set, monkeypatch):
    options = [*EVERY_BATCH, f"--data_folder={own_set}"]
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_at(patch, 3)
        run(*options)
    path = sorted((own_set / "audio").iterdir())[0]
    replace_keeping_size_and_time(path)
    with pytest.raises(SystemExit) as stop:
        run(*options)
    assert stop.value.code == 1


def replace_keeping_size_and_time(path):
    status = path.stat()
    wav, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, wav[::-1], rate, subtype="PCM_16")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size


def test_features_of_a_replaced_recording_are_computed_anew(miniature, tmp_path):
    path = copy(miniature, tmp_path / "set") / "audio"
    path = sorted(path.iterdir())[0]
    load = FeatureLoader(LogMel(), tmp_path / "cache")
    before = load(path)
    replace_keeping_size_and_time(path)
    assert not torch.equal(load(path), before)


def spoil(own_set):
    """Recordings whose headers are well; each name with what only decoding shows."""
    paths = sorted((own_set / "audio").iterdir())
    wav, rate = soundfile.read(paths[0])
    wav[len(wav) // 2] = np.nan
    soundfile.write(paths[0], wav, rate, subtype="FLOAT", format="WAV")
    infinite = np.where(np.arange(len(wav)) == 5, np.inf, np.nan_to_num(wav))
    soundfile.write(paths[7], infinite, rate, subtype="FLOAT", format="WAV")
    # FLAC under the name of a WAV, damaged in the middle.
    soundfile.write(paths[4], np.random.default_rng(0).normal(0, 0.1, len(wav)), rate, format="FLAC")
    content = bytearray(paths[4].read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = bytes(2000)
    paths[4].write_bytes(bytes(content))
    return [path.stem for path in (paths[0], paths[4], paths[7])]


@pytest.mark.parametrize("cached", [True, False])
def test_what_only_decoding_shows_is_left_out_in_one_run(run, own_set, caplog, monkeypatch, cached):
    bad = spoil(own_set)
    options = [*EVERY_BATCH, f"--data_folder={own_set}", f"--cache_features={cached}"]
    with pytest.raises(SystemExit) as stop:
        run(*options, name="refused")
    assert all(name in str(stop.value) for name in bad) and "--skip_bad_files=True" in str(stop.value)
    seen = []
    compute = HRINBrain.compute_forward
    monkeypatch.setattr(
        HRINBrain,
        "compute_forward",
        lambda self, batch, stage: (seen.extend(batch.id), compute(self, batch, stage))[1],
    )
    folder = run(*options, "--skip_bad_files=True")
    assert (folder / "results.json").exists()
    assert len(set(seen)) == 17 and not set(seen) & set(bad)
