"""Many recordings: which are meant, where their results go, and that each stands for itself."""

import errno
import functools
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from hrin_plugin.archive import jobs as archive
from hrin_plugin.archive.collection import collect
from hrin_plugin.archive.jobs import Order, claim_results, detect_recordings
from hrin_plugin.archive.processes import Lost, run_local
from hrin_plugin.archive.progress import AudioProgress
from hrin_plugin.audio.signals import AudioError
from hrin_plugin.detection import Detection
from hrin_plugin.events import Event

NAMES = [
    "day1/a.mp3",
    "day1/b.wav",
    "day2/a.mp3",
    "day2/deep/c.MKV",
    "day2/.d.mp3",
    ".day3/e.mp3",
    "day1/f.txt",
]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder of empty files, from which paths are relative."""
    for name in NAMES:
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "archive"


def names_of(*arguments, listed=()):
    """Names of the results, without problems."""
    collection = collect(arguments, listed)
    assert collection.problems == []
    return [recording.name for recording in collection.recordings]


WHOLE = ["day1/a", "day1/b", "day2/a", "day2/deep/c"]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["archive"], WHOLE),
        (["archive/"], WHOLE),
        (["archive/day2/../../archive"], WHOLE),
        (["archive/day1", "archive/day2"], WHOLE),
        (["archive/day2"], ["a", "deep/c"]),
        (["archive/day1/a.mp3"], ["a"]),
        (["archive/day1/a.mp3", "archive/day2/a.mp3"], ["day1/a", "day2/a"]),
        (["archive/day1/f.txt", "archive/day2/.d.mp3"], ["day1/f", "day2/.d"]),
        (["archive/day1/a.mp3", "archive", "./archive/day1/b.wav"], WHOLE),
        (["archive/**/*.mp3"], ["day1/a", "day2/a"]),
        (["archive/day?/a.*"], ["day1/a", "day2/a"]),
        (["archive/d*"], WHOLE),
        (["archive/*/b.wav"], ["day1/b"]),
    ],
)
def test_results_mirror_the_folders_below_the_deepest_that_holds_everything(tree, arguments, names):
    assert sorted(names_of(*arguments)) == names


def test_listed_files_are_taken_as_they_stand(tree):
    (tree / "day1" / "[x] *.mp3").touch()
    assert names_of(listed=["archive/day1/[x] *.mp3"]) == ["[x] *"]
    assert names_of("archive/day1/[x] *.mp3") == ["[x] *"]
    assert names_of(listed=["archive/day2", "archive/day1/a.mp3"]) == ["day2/a", "day2/deep/c", "day1/a"]


@pytest.mark.parametrize("others", [["a.wav"], ["a.wav", "a.flac"], ["a.wav", "a.mp3.flac"]])
def test_recordings_that_differ_in_their_suffix_have_results_of_their_own(tree, others):
    for other in others:
        (tree / "day2" / other).touch()
    names = names_of("archive/day2")
    assert len(set(names)) == 2 + len(others) and {"a.mp3", "a.wav", "deep/c"} <= set(names)


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("archive/*.ogg", r"archive/\*.ogg: no file matches; check the pattern"),
        ("empty", "empty: holds no recording; name another folder"),
    ],
)
def test_what_holds_no_recording_is_named_and_the_rest_goes_on(tree, argument, problem):
    (tree.parent / "empty").mkdir()
    recordings, problems = collect([argument, "archive/day1/a.mp3"])
    assert len(recordings) == 1 and len(problems) == 1
    with pytest.raises(ValueError, match=problem):
        raise ValueError(problems[0])


def test_a_missing_file_and_a_broken_link_are_left_to_who_opens_them(tree):
    (tree / "day1" / "gone.mp3").symlink_to("nowhere.mp3")
    assert names_of("archive/day1") == ["a", "b", "gone"]
    assert names_of("none.mp3") == ["none"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of Unix")
def test_a_pipe_in_a_folder_is_not_waited_for(tree):
    os.mkfifo(tree / "day1" / "pipe.wav")
    assert names_of("archive/day1") == ["a", "b"]


class FakeDetector:
    """Finds music in files by their text, which says what happens when they are opened."""

    def detect_file(self, path, progress, **_):
        text = Path(path).read_text()
        if text == "bad":
            raise AudioError(path, "holds no samples", "record it again")
        if text == "odd":
            raise RuntimeError("a\nb")
        if text == "huge":
            raise MemoryError
        progress(1.0, 2.0)
        return Detection("x", 2.0, {"md": [Event(0.0, 2.0, "music")], "mrle": [Event(0.0, 2.0, "bg-music")]})


def load(*_):
    """The fake, whatever model is asked for."""
    return FakeDetector()


@pytest.fixture
def run():
    """Detects in this process."""
    return functools.partial(run_local, jobs=1)


def detect(recordings, order, run, overwrite=False):
    """Names of what was done, and the problems."""
    to_do = claim_results(recordings, order, overwrite)
    outcomes = list(detect_recordings(to_do, order, run, load))
    return [recording.name for recording in to_do], [each.problem for each in outcomes if each.problem]


def results(folder):
    """The files of a folder with its folders, hidden ones left out."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    )


def test_every_result_is_in_the_folder_of_its_recording(tree, run):
    order = Order(output="out", levels=("md", "mrle"))
    done, problems = detect(collect(["archive"]).recordings, order, run)
    assert done == WHOLE and problems == []
    assert results(tree.parent / "out") == [f"{name}.{task}.tsv" for name in WHOLE for task in ("md", "mrle")]
    assert (tree.parent / "out/day2/deep/c.mrle.tsv").read_text() == "0.000\t2.000\tbg-music\n"


def test_a_bad_recording_is_one_line_and_the_others_are_done(tree, run):
    (tree / "day1/a.mp3").write_text("bad")
    (tree / "day1/b.wav").write_text("odd")
    (tree / "day2/a.mp3").write_text("huge")
    recordings = collect(["archive", "archive/none.mp3"]).recordings
    _, problems = detect(recordings, Order(output="out"), run)
    assert problems == [
        "archive/day1/a.mp3: holds no samples; record it again",
        "archive/day1/b.wav: RuntimeError: a",
        "archive/day2/a.mp3: does not fit in memory; try fewer jobs",
        "archive/none.mp3: No such file or directory",
    ]
    assert results(tree.parent / "out") == ["day2/deep/c.tsv"]


def test_finished_recordings_are_passed_over_until_they_change(tree, run):
    recordings, order = collect(["archive"]).recordings, Order(output="out")
    assert detect(recordings, order, run)[0] == WHOLE
    assert detect(recordings, order, run)[0] == []
    (tree.parent / "out/day1/b.tsv").unlink()
    newer_ns = (tree.parent / "out/day1/a.tsv").stat().st_mtime_ns + 10**9
    os.utime(tree / "day1/a.mp3", ns=(newer_ns, newer_ns))
    assert detect(recordings, order, run)[0] == ["day1/a", "day1/b"]
    assert detect(recordings, order._replace(formats=("json",)), run)[0] == WHOLE


def test_overwriting_that_was_interrupted_goes_on_without_overwriting_again(tree, run):
    recordings, order = collect(["archive"]).recordings, Order(output="out")
    detect(recordings, order, run)
    for path in (tree.parent / "out").rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    changed = order._replace(levels=("md",))
    assert claim_results(recordings, changed, overwrite=True) == recordings
    for _ in zip(range(2), detect_recordings(recordings, changed, run, load)):
        pass
    assert [recording.name for recording in claim_results(recordings, changed)] == WHOLE[2:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": ("md",)}, "a.tsv: was made with another levels; give another --output, or --overwrite"),
        ({"decoding": {"method": "argmax"}, "model": "x/y"}, "was made with another model and decoding"),
    ],
)
def test_results_of_other_settings_are_neither_kept_nor_replaced_unasked(tree, run, change, message):
    recordings, order = collect(["archive"]).recordings, Order(output="out")
    detect(recordings, order, run)
    with pytest.raises(ValueError, match=message):
        claim_results(recordings, order._replace(**change))
    assert claim_results(recordings, order) == []
    assert detect(recordings, order._replace(**change), run, overwrite=True)[0] == WHOLE
    assert claim_results(recordings, order._replace(**change)) == []


def test_a_changed_model_of_the_same_name_is_another(tree, run):
    recordings = collect(["archive"]).recordings
    (tree.parent / "model").mkdir()
    (tree.parent / "model/model.json").write_text("{}")
    order = Order(output="out", model="model")
    detect(recordings, order, run)
    assert claim_results(recordings, order) == []
    (tree.parent / "model/model.json").write_text("[]")
    with pytest.raises(ValueError, match="another model"):
        claim_results(recordings, order)


def test_files_of_others_are_not_replaced_unasked(tree, run):
    (tree / "day1/a.tsv").write_text("by hand")
    recordings, order = collect(["archive/day1/a.mp3"]).recordings, Order(output="archive/day1")
    with pytest.raises(ValueError, match="a.tsv: is no result of this command; give another --output"):
        claim_results(recordings, order)
    assert (tree / "day1/a.tsv").read_text() == "by hand"


def test_a_full_disk_ends_the_run_and_names_the_folder(tree, run, monkeypatch):
    recordings, order = collect(["archive"]).recordings, Order(output="out")

    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    to_do = claim_results(recordings, order)
    monkeypatch.setattr(archive, "write_detection", fill)
    with pytest.raises(OSError, match="No space left on device: '.*day1'"):
        list(detect_recordings(to_do, order, run, load))


def test_a_lost_process_is_a_problem_of_its_recording(tree):
    def run(function, tasks, notify):
        yield 1, Lost("SIGKILL")

    (outcome,) = detect_recordings(collect(["archive"]).recordings, Order(), run, load)
    assert outcome.problem == (
        "archive/day1/b.wav: its process was ended (SIGKILL), for want of memory perhaps; try fewer jobs"
    )


def test_no_result_leaves_its_folder(tree, run):
    recordings = collect(["archive/day1/../../archive/day2/../day1/a.mp3", "archive/day2"]).recordings
    detect(recordings, Order(output="out"), run)
    assert results(tree.parent / "out") == ["day1/a.tsv", "day2/a.tsv", "day2/deep/c.tsv"]


@pytest.fixture
def bars(monkeypatch):
    """The bars that are made, as if on a terminal that nobody sees."""
    made = []

    def bar(total, **_):
        made.append(SimpleNamespace(total=total, n=0, close=lambda: None, description=None))
        made[-1].set_description_str = lambda text, refresh: setattr(made[-1], "description", text)
        made[-1].update = lambda step: setattr(made[-1], "n", made[-1].n + step)
        return made[-1]

    monkeypatch.setattr("hrin_plugin.archive.progress.tqdm", bar)
    return made


def test_the_bar_learns_how_long_recordings_are_while_they_are_read(tmp_path, bars):
    for name, size in (("a", 100), ("b", 300), ("c", 0)):
        (tmp_path / name).write_bytes(bytes(size))
    with AudioProgress([str(tmp_path / name) for name in "abc"]) as progress:
        (bar,) = bars
        progress.advance(0, (10.0, None))
        assert (bar.n, bar.total) == (10, None)
        progress.advance(0, (20.0, 60.0))
        assert (bar.n, bar.total) == (20, 240)
        progress.settle(0, 60.0)
        progress.advance(1, (30.0, 100.0))
        assert (bar.n, bar.total, bar.description) == (90, 160, "1/3 files")
        progress.settle(1, None)
        assert (bar.n, bar.total, bar.description) == (90, 90, "2/3 files")
        progress.settle(2, 7.0)
        assert (bar.n, bar.total, bar.description) == (97, 97, "3/3 files")
