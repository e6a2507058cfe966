"""Calls that Windows lacks, or that behave otherwise there, replaced by what they do there.

This is no run on Windows. Each test takes away what Windows does not have.
"""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest
import torch

from hrin_plugin import files
from hrin_plugin.archive.collection import collect
from hrin_plugin.archive.jobs import Order, claim_results, detect_recording
from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.mixing import treatment
from hrin_plugin.training.checkpoints import AtomicCheckpointer
from hrin_plugin.training.commands import LocalEngine, wait_for
from hrin_plugin.training.pool import _outcome


class Detector:
    """Finds the same in every file."""

    def detect_file(self, path, progress, **_):
        return Detection("x", 2.0, {"mrle": [Event(0.0, 2.0, "bg-music")]})


@pytest.fixture
def windows(monkeypatch):
    """Files as on Windows: no folder opens, what is open for reading is not flushed, open files stay."""
    really_open, really_sync, really_close = os.open, os.fsync, os.close
    really_replace, really_unlink = os.replace, os.unlink
    readable, held = set(), {}

    def open_(path, flags, *arguments, **options):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        handle = really_open(path, flags, *arguments, **options)
        held[handle] = os.path.abspath(path)
        if flags & (os.O_WRONLY | os.O_RDWR) == 0:
            readable.add(handle)
        return handle

    def close(handle):
        held.pop(handle, None)
        readable.discard(handle)
        really_close(handle)

    def sync(handle):
        if handle in readable or stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        really_sync(handle)

    def refuse_open(*paths):
        for path in paths:
            # The lock library of this system tries its calls on a file of its own.
            if os.path.abspath(path) in held.values() and ".filelock-probe" not in str(path):
                raise PermissionError(errno.EACCES, "in use by another process", str(path))

    def replace(source, target, **options):
        refuse_open(source, target)
        really_replace(source, target, **options)

    def unlink(path, **options):
        refuse_open(path)
        really_unlink(path, **options)

    for name, call in (("open", open_), ("fsync", sync), ("close", close), ("replace", replace)):
        monkeypatch.setattr(os, name, call)
    monkeypatch.setattr(os, "unlink", unlink)
    monkeypatch.setattr(shutil, "_use_fd_functions", False)
    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setattr(files, "RENAME_PAUSES_S", (0.0, 0.0))
    for module, names in (
        (os, ["killpg", "setsid", "mkfifo", "O_NOFOLLOW"]),
        (signal, ["SIGKILL", "SIGHUP"]),
    ):
        for name in names:
            monkeypatch.delattr(module, name, raising=False)

    monkeypatch.setattr(subprocess.Popen, "kill", subprocess.Popen.terminate)

    def link(*_, **__):
        raise OSError(errno.EPERM, "A required privilege is not held by the client")

    monkeypatch.setattr(os, "symlink", link)
    return held


def test_files_are_replaced_and_drafts_are_removed(windows, tmp_path):
    (tmp_path / f"{files.DRAFT_PREFIX}0123456789ab.txt").touch()
    files.write_atomically(tmp_path / "a.txt", "old")
    files.write_atomically(tmp_path / "a.txt", "new")
    with pytest.raises(ZeroDivisionError), files.replacing(tmp_path / "a.txt") as draft:
        draft.write_text("half")
        files.remove_drafts(tmp_path)
        assert draft.exists()  # it is open, so it stays
        _ = 1 / 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new" and not windows


def test_a_file_that_is_open_elsewhere_is_waited_for_and_then_named(windows, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    handle = os.open(path, os.O_RDONLY)
    with pytest.raises(files.FileInUse, match="is open in another program, or read-only; close it there"):
        files.write_atomically(path, "new")
    os.close(handle)
    files.write_atomically(path, "new")
    assert path.read_text() == "new" and len(list(tmp_path.iterdir())) == 1


def test_an_archive_is_detected_and_one_open_result_costs_its_recording(windows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("in")
    for name in ("a.wav", "b.wav"):
        (tmp_path / "in" / name).write_bytes(bytes(100))
    order = Order(output="out")
    to_do = claim_results(collect(["in"]).recordings, order)
    (tmp_path / "out/a.tsv").touch()
    handle = os.open("out/a.tsv", os.O_RDONLY)
    problems = [detect_recording(each, print, order, lambda *_: Detector()).problem for each in to_do]
    os.close(handle)
    opened = os.path.join("out", "a.tsv")
    assert problems == [
        f"in/a.wav: {opened} is open in another program, or read-only; close it there",
        None,
    ]


@pytest.mark.parametrize("name", ["con", "NUL.2024", "com1", "Aux", "lpt\N{SUPERSCRIPT TWO}"])
def test_names_of_devices_are_known(monkeypatch, name):
    assert not files.is_reserved(f"{name}.tsv")
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        found = files.is_reserved(f"{name}.tsv"), files.is_reserved(f"x{name}.tsv")
    assert found == (True, False)


def test_a_device_name_is_a_problem_of_its_recording(tmp_path, monkeypatch):
    monkeypatch.setattr("hrin_plugin.archive.jobs.is_reserved", lambda name: name == "con.tsv")
    (tmp_path / "con.wav").touch()
    (recording,) = collect([str(tmp_path)]).recordings
    problem = detect_recording(recording, print, Order(output=str(tmp_path)), lambda *_: object()).problem
    assert problem.endswith("Windows keeps the name con.tsv for a device; rename the recording")


def test_checkpoints_are_saved_and_found(windows, tmp_path):
    layer = torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"layer": layer})
    checkpointer.save_checkpoint({"loss": 1.0})
    checkpointer.save_and_keep_only({"loss": 0.5}, min_keys=["loss"])
    assert checkpointer.recover_if_possible().meta["loss"] == 0.5


@pytest.mark.parametrize("kill", [False, True])
def test_commands_are_ended_without_process_groups(windows, tmp_path, kill):
    words = [sys.executable, "-c", "import time; time.sleep(60)"]
    job = LocalEngine().start(words, tmp_path / "log", slot=0)
    job.stop(kill)
    assert wait_for([job]) != [0]
    job.stop(kill)


def test_a_command_that_failed_is_described_without_sigkill(windows):
    assert _outcome("run", None, -9, None).reason == "ended by SIGKILL, for want of memory perhaps"


def test_aac_is_coded_in_a_file_that_is_open_nowhere_else(windows, monkeypatch):
    def run(words, **options):
        for path in [word for word in words if word.endswith(".m4a")]:
            assert not any(path == held for held in windows.values())
        return subprocess.CompletedProcess(words, 0, stdout=b"")

    monkeypatch.setattr(treatment.subprocess, "run", run)
    monkeypatch.setattr(treatment, "ffmpeg_program", lambda: "ffmpeg")
    assert len(treatment._through_aac(np.zeros(100, np.float32), 8000, 32000)) == 100
