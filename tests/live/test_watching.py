"""`hrin watch`: recordings that have finished growing."""

import threading
import time

import numpy as np
import pytest
import soundfile

from hrin_plugin.archive.collection import ArchiveFile
from hrin_plugin.cli import main
from hrin_plugin.formats.journal import Facts
from hrin_plugin.live.watching import Settling
from hrin_plugin.pretrained.folder import save_pretrained


@pytest.fixture
def watch(make_model, tmp_path):
    """Runs the command on a folder until all recordings have been taken; and the folder."""
    save_pretrained(tmp_path / "model", make_model(hidden_size=4, num_layers=1))
    (tmp_path / "in").mkdir()
    model = ["--model", str(tmp_path / "model"), "--backend", "torch", "--output", str(tmp_path / "out")]

    def run(*options, command="watch", pace=("--once", "--settle", "0.4", "--every", "0.05")):
        return main([command, str(tmp_path / "in"), *model, *(pace if command == "watch" else ()), *options])

    return run, tmp_path / "in", tmp_path / "out"


def noise(n_seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, 8000 * n_seconds)


def test_a_recording_is_taken_when_it_has_finished_growing(watch, capsys):
    run, folder, output = watch
    soundfile.write(folder / "done.wav", noise(2), 8000)

    def grow():
        with soundfile.SoundFile(folder / "growing.wav", "w", 8000, 1) as file:
            for second in range(5):
                file.write(noise(1, second))
                file.flush()
                time.sleep(0.25)

    thread = threading.Thread(target=grow)
    thread.start()
    time.sleep(0.1)
    assert run("--settle", "2") == 0
    thread.join()
    assert capsys.readouterr().out.splitlines() == ["done\t2.000", "growing\t5.000"]
    before = {path.name: path.read_bytes() for path in output.glob("*.tsv")}
    assert run(command="detect") == 0 and "2 of 2 recordings were finished before" in capsys.readouterr().err
    assert run("--overwrite", command="detect") == 0
    assert {path.name: path.read_bytes() for path in output.glob("*.tsv")} == before


def test_what_cannot_be_read_is_told_once_and_tried_again_when_it_changes(watch, capsys):
    run, folder, output = watch
    (folder / "bad.mp3").write_bytes(b"no sound" * 100)
    (folder / "empty.wav").touch()
    assert run() == 1
    assert capsys.readouterr().err.count("bad.mp3") == 1

    def mend():
        time.sleep(0.3)
        soundfile.write(folder / "mended.wav", noise(2), 8000)
        (folder / "mended.wav").rename(folder / "bad.mp3")

    thread = threading.Thread(target=mend)
    thread.start()
    assert run("--settle", "1") == 0
    thread.join()
    assert (output / "bad.tsv").exists()


def test_only_what_is_in_the_folder_is_remembered():
    settling = Settling(5.0)
    for day in range(1000):
        name = f"{day}.wav"
        facts = {name: Facts(1, day)}
        for now in (10.0 * day, 10.0 * day + 5):
            ready = settling.ready([ArchiveFile(name, name)], now, facts.get)
        assert [recording.path for recording in ready] == [name]
        settling.tried(name, facts[name])
    assert len(settling._seen) == len(settling._tried) == 1


def test_a_recording_that_vanishes_or_goes_on_growing_is_not_ready():
    settling, recording = Settling(5.0), ArchiveFile("a.wav", "a")
    for second in range(20):
        assert not settling.ready([recording], float(second), lambda _: Facts(second, 0))  # noqa: B023
    assert not settling.ready([recording], 100.0, lambda _: None)
    assert not settling.ready([recording], 101.0, lambda _: Facts(19, 0))
    assert settling.ready([recording], 106.0, lambda _: Facts(19, 0))


@pytest.mark.parametrize(("option", "value"), [("--settle", "-1"), ("--every", "nan")])
def test_times_that_are_none_are_refused(watch, capsys, option, value):
    run, *_ = watch
    assert run(option, value) == 2 and f"{option} is {value}" in capsys.readouterr().err
