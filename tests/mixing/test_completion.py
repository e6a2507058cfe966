"""Completing a set over processes: what becomes of it when one of them is killed."""

import os
import signal
import sys

import pytest

from hrin_plugin import cli, mixing
from hrin_plugin.archive.processes import LostTask
from hrin_plugin.mixing import sets


def die(fold, seed, length_s):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_ends_a_set_with_the_reason_and_the_set_is_completed_later(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(LostTask, match=r"its process was ended \(SIGKILL\)"):
        patch.setattr(sets, "synthesise_fold", die)
        mixing.synthesise_miniature(tmp_path, n_excerpts=10, seconds=2.0, jobs=2)
    assert len(mixing.synthesise_miniature(tmp_path, n_excerpts=10, seconds=2.0)) == 10
    assert len(list(tmp_path.glob("audio/*.wav"))) == 10


def test_the_command_says_it_in_one_line(tmp_path, monkeypatch, capsys):
    def lost(**_):
        raise LostTask("task 1 of 10: its process was ended (SIGKILL)")

    monkeypatch.setattr(mixing, "mix_set", lost)
    kinds = [word for kind in ("music", "speech", "noise") for word in (f"--{kind}", str(tmp_path))]
    assert cli.main(["mix", *kinds, "--hours", "1", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == "hrin mix: error: task 1 of 10: its process was ended (SIGKILL)\n"
