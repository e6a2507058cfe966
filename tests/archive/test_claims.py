"""Runs that meet in one folder: what is shared, what is refused, and what killed runs leave."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from hrin_plugin.archive import naming
from hrin_plugin.archive.collection import ArchiveFile, collect
from hrin_plugin.archive.jobs import Order, claim_results, detect_recording
from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.files import DRAFT_PREFIX, write_atomically

ORDER = Order(output="out")
OTHER = ORDER._replace(decoding={"method": "argmax"})
ON_UNIX = pytest.mark.skipif(os.name == "nt", reason="permissions, signals and names of Unix")


class Detector:
    """Finds the same in every file."""

    def detect_file(self, path, progress, **_):
        return Detection("x", 2.0, {"mrle": [Event(0.0, 2.0, "bg-music")]})


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """Two recordings; results go to ``out``."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("in")
    for name in "ab":
        with open(f"in/{name}.wav", "wb") as file:
            file.write(bytes(100))
    return collect(["in"]).recordings


def write(recording, order=ORDER):
    """The problem of a recording, or None where its result is written."""
    return detect_recording(recording, print, order, lambda *_: Detector()).problem


def hidden():
    """Hidden files of the results, without record and journal."""
    return sorted(name for name in os.listdir("out") if name.startswith(".") and ".json" not in name)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("written", [0, 1])
def test_a_second_run_of_other_settings_is_refused_while_the_first_runs(recordings, overwrite, written):
    with contextlib.ExitStack() as until:
        for recording in claim_results(recordings, ORDER, until=until)[:written]:
            write(recording)
        words = "would replace them" if overwrite else "has other settings"
        with pytest.raises(
            ValueError, match=rf"out: another run is writing .* this one {words}; wait for its"
        ):
            claim_results(recordings, OTHER, overwrite)
        claim_results(recordings, ORDER._replace(formats=("json",)), until=until)
    assert claim_results(recordings, OTHER, overwrite=True) == recordings
    assert hidden() == [".hrin-json.lock", ".hrin-tsv.lock"]


def test_runs_of_the_same_settings_share_a_folder(recordings):
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        assert claim_results(recordings, ORDER, until=first) == recordings
        assert claim_results(recordings[:1], ORDER, until=second) == recordings[:1]
        first.close()
        with pytest.raises(ValueError, match="out: another run is writing"):
            claim_results(recordings, OTHER)
    assert len(claim_results(recordings, OTHER)) == 2


def test_runs_that_begin_together_with_other_arguments_agree_on_the_names(recordings):
    with contextlib.ExitStack() as until:
        os.mkdir("in/day1")
        os.rename("in/a.wav", "in/day1/a.wav")
        assert [each.name for each in claim_results(collect(["in"]).recordings, ORDER, until=until)] == [
            "b",
            "day1/a",
        ]
        (alone,) = claim_results(collect(["in/day1"]).recordings, ORDER, until=until)
        assert alone.name == "day1/a"


def start(code):
    """Start a process that runs code, and wait until it prints a line."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline()


CLAIMING = """
import contextlib, time
from hrin_plugin.archive.collection import collect
from hrin_plugin.archive.jobs import Order, claim_results
until = contextlib.ExitStack()
claim_results(collect(["in"]).recordings, Order(output="out"), until=until)
print("claimed", flush=True)
time.sleep(60)
"""

WRITING = """
import os, time
from hrin_plugin.files import replacing
with replacing("out/a.tsv") as draft:
    draft.write_text("half")
    print(draft.name, flush=True)
    time.sleep(60)
"""


@ON_UNIX
def test_a_killed_run_blocks_no_later_one(recordings):
    process, _ = start(CLAIMING)
    with pytest.raises(ValueError, match="another run is writing"):
        claim_results(recordings, OTHER)
    process.kill()
    process.communicate()
    assert any(name.endswith(".run") for name in hidden())
    assert claim_results(recordings, OTHER) == recordings
    assert hidden() == [".hrin-tsv.lock"]


@ON_UNIX
def test_drafts_of_killed_writers_go_at_the_next_start_and_those_of_live_ones_stay(recordings):
    os.mkdir("out")
    (killed, lost), (alive, kept) = start(WRITING), start(WRITING)
    killed.kill()
    killed.communicate()
    try:
        assert {lost.strip(), kept.strip()} == set(hidden())
        claim_results(recordings, ORDER)
        assert hidden() == [kept.strip(), ".hrin-tsv.lock"]
    finally:
        alive.send_signal(signal.SIGINT)
        alive.communicate()
    assert hidden() == [".hrin-tsv.lock"]


@ON_UNIX
def test_a_writer_removes_what_killed_ones_left_when_it_first_writes_in_a_folder(tmp_path):
    path = tmp_path / f"{DRAFT_PREFIX}0123456789ab.tsv"
    path.touch()
    write_atomically(tmp_path / "a.tsv", "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]


@ON_UNIX
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_every_file_has_the_permissions_that_the_umask_leaves(recordings, umask):
    before = os.umask(umask)
    try:
        with contextlib.ExitStack() as until:
            for recording in claim_results(recordings, ORDER, until=until):
                assert write(recording) is None
            modes = {name: stat.S_IMODE(os.stat(f"out/{name}").st_mode) for name in os.listdir("out")}
    finally:
        os.umask(before)
    assert len(modes) == 6 and set(modes.values()) == {0o666 & ~umask}
    assert stat.S_IMODE(os.stat("out").st_mode) == 0o777 & ~umask


@ON_UNIX
@pytest.mark.parametrize(
    "name", ["a" * 243, "a" * 251, "\N{GREEK SMALL LETTER ALPHA}" * 125, "a." + "b" * 249]
)
def test_names_up_to_the_longest_have_results(recordings, name):
    os.rename("in/a.wav", f"in/{name}.wav")
    to_do = claim_results(collect(["in"]).recordings, ORDER)
    assert [write(recording) for recording in to_do] == [None, None]
    assert os.path.exists(f"out/{name}.tsv")


@ON_UNIX
def test_a_name_that_is_too_long_for_its_result_is_reported_before_anything_is_read(recordings):
    os.rename("in/a.wav", f"in/{'a' * 251}.wav")
    order = ORDER._replace(formats=("textgrid",))
    to_do = claim_results(collect(["in"]).recordings, order)
    problems = [detect_recording(each, print, order, lambda *_: object()).problem for each in to_do]
    assert problems[0].endswith(": its result cannot be written (name too long); rename the recording")


@ON_UNIX
def test_a_result_in_whose_place_a_folder_lies_is_a_problem_of_its_recording(recordings):
    to_do = claim_results(recordings, ORDER)
    os.mkdir("out/a.tsv")
    assert write(to_do[0]) == (
        "in/a.wav: its result cannot be written (Is a directory); rename the recording"
    )
    assert write(to_do[1]) is None


@pytest.mark.parametrize("twin", ["A", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_names_that_the_file_system_takes_for_one_are_refused(recordings, monkeypatch, twin):
    name = "a" if twin == "A" else "e\N{COMBINING ACUTE ACCENT}"
    pair = [ArchiveFile("in/a.wav", name), ArchiveFile("in/b.wav", twin)]
    with monkeypatch.context() as patch:
        patch.setattr(naming, "_ignores_case", lambda folder: True)
        with pytest.raises(ValueError, match="would be one file there, since its file system ignores case"):
            claim_results(pair, ORDER)
    if sys.platform.startswith("linux"):
        assert len(claim_results(pair, ORDER)) == 2


def test_a_file_system_that_ignores_case_is_known_by_its_files(tmp_path, monkeypatch):
    ignores = naming._ignores_case(tmp_path)
    assert ignores == (sys.platform in ("win32", "darwin")) and list(tmp_path.iterdir()) == []
    monkeypatch.setattr(naming.Path, "exists", lambda path: True)
    assert naming._ignores_case(tmp_path)


@ON_UNIX
def test_many_runs_that_begin_together_leave_one_setting(recordings):
    code = CLAIMING.replace('output="out")', 'output="out", decoding={"method": method})').replace(
        "import contextlib, time", "import contextlib, sys, time\nmethod = sys.argv[1]"
    )
    methods = ["argmax", "median", "viterbi"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, method], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for method in methods
    ]
    deadline = time.monotonic() + 60
    while sum(process.poll() is None for process in processes) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (winner,) = [process for process in processes if process.poll() is None]
    winner.kill()
    outputs = [process.communicate() for process in processes]
    assert [out for out, _ in outputs if out] == ["claimed\n"]
    assert sum("another run is writing results there" in errors for _, errors in outputs) == 2
    with open("out/.hrin-tsv.json") as file:
        assert f'"method": "{methods[processes.index(winner)]}"' in file.read()
