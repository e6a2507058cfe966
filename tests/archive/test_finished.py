"""Finished means made from the recording as it is now; one result for each recording."""

import functools
import json
import os
import shutil
import sys

import pytest

from hrin_plugin.archive.collection import collect
from hrin_plugin.archive.jobs import Order, claim_results, detect_recordings
from hrin_plugin.archive.processes import run_local
from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats.journal import journal_path, read_journal
from hrin_plugin.formats.records import record_path
from hrin_plugin.report.stale import stale_results
from hrin_plugin.report.tables import read_results

RUN = functools.partial(run_local, jobs=1)
ORDER = Order(output="out")


class Detector:
    """Finds as much music as a file has bytes, after something has happened to the file."""

    def __init__(self, meanwhile):
        self.meanwhile = meanwhile

    def detect_file(self, path, progress, **_):
        size_s = float(os.path.getsize(path))
        self.meanwhile(path)
        return Detection("x", size_s, {"mrle": [Event(0.0, size_s, "bg-music")]})


def detect(order=ORDER, arguments=("in",), meanwhile=lambda path: None, overwrite=False):
    """Names of what was read, and the problems."""
    to_do = claim_results(collect(arguments).recordings, order, overwrite)
    # A detector is kept for each function that loads it.
    outcomes = list(detect_recordings(to_do, order, RUN, lambda *_: Detector(meanwhile)))
    return [each.name for each in to_do], [each.problem for each in outcomes if each.problem]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder ``in`` with two recordings, from which paths are relative."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("a.wav", "b.wav"):
        (tmp_path / "in" / name).write_bytes(bytes(100))
        os.utime(tmp_path / "in" / name, ns=(10**18, 10**18))
    return tmp_path


def lengths(place):
    """What each result says of the length of its recording."""
    return {path.stem: path.read_text().split("\t")[1] for path in sorted((place / "out").glob("[!.]*.tsv"))}


def grow(path):
    with open(path, "ab") as file:
        file.write(bytes(50))


def replace(path):
    """Another file of the same size and time comes in its place."""
    status = os.stat(path)
    with open("new", "wb") as file:
        file.write(bytes([1]) * status.st_size)
    os.utime("new", ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace("new", path)


def touch(path):
    os.utime(path, ns=(2 * 10**18, 2 * 10**18))


@pytest.mark.parametrize("happening", [grow, replace, touch, os.unlink])
def test_a_recording_that_changes_while_it_is_read_is_reported_and_read_again(place, happening):
    def meanwhile(path):
        if path.endswith("a.wav"):
            happening(path)

    done, problems = detect(meanwhile=meanwhile)
    changed = "in/a.wav: was changed or replaced while it was read; detect again when it is whole"
    assert done == ["a", "b"] and problems == [changed]
    assert list(lengths(place)) == ["b"]
    if (place / "in/a.wav").exists():
        assert detect() == (["a"], [])
        assert lengths(place)["a"] == f"{os.path.getsize('in/a.wav')}.000"
    assert detect() == ([], [])


def test_the_old_result_of_a_recording_that_changes_is_not_taken_for_the_new_one(place):
    detect()
    grow("in/a.wav")
    assert detect(meanwhile=grow)[0] == ["a"]
    assert detect(meanwhile=touch)[0] == ["a"]
    assert detect() == (["a"], [])
    assert lengths(place)["a"] == "200.000"


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.utime(path, ns=(10**17, 10**17)),
        lambda path: os.utime(path, ns=(10**18 + 1, 10**18 + 1)),
        lambda path: os.utime(path, ns=(4 * 10**18, 4 * 10**18)),
        lambda path: (grow(path), os.utime(path, ns=(10**18, 10**18))),
        lambda path: (open(path, "wb").close(), os.utime(path, ns=(10**17, 10**17))),
    ],
)
def test_any_other_size_or_time_makes_a_recording_unfinished_once(place, change):
    detect()
    change(place / "in/a.wav")
    assert detect()[0] == ["a"]
    assert detect()[0] == []


def test_a_copy_of_the_same_size_and_time_is_the_same_recording(place):
    detect()
    shutil.copy2("in/a.wav", "copy")
    os.replace("copy", "in/a.wav")
    assert detect()[0] == []


def test_a_result_that_was_lost_or_killed_before_its_note_is_made_again(place):
    detect()
    (place / "out/a.tsv").unlink()
    assert detect()[0] == ["a"]
    path = journal_path("out", "tsv")
    path.write_bytes(path.read_bytes()[:-5])
    assert detect()[0] == ["a"]
    assert detect()[0] == []


def test_a_recording_keeps_its_result_when_another_of_its_name_comes_or_goes(place):
    detect()
    (place / "in/a.flac").write_bytes(bytes(10))
    assert detect()[0] == ["a.flac"]
    assert lengths(place) == {"a": "100.000", "a.flac": "10.000", "b": "100.000"}
    assert detect()[0] == []
    os.unlink("in/a.wav")
    assert detect()[0] == []
    assert len(read_results(["out"]).detections) == 3
    (line,) = stale_results(["out"])
    assert line.startswith("counted, though of a recording that is no longer there: 1 result (out/a.tsv)")
    assert detect(ORDER._replace(formats=("json",)))[0] == ["a.flac", "b"]


@pytest.mark.parametrize("arguments", [["in"], ["in/day1", "in/day2"], ["in/day1"], ["in/day1/c.wav"]])
def test_a_recording_has_one_result_whatever_names_it(place, arguments):
    for name in ("day1/c.wav", "day2/c.wav"):
        (place / "in" / name).parent.mkdir()
        (place / "in" / name).write_bytes(bytes(10))
    assert detect()[0] == ["a", "b", "day1/c", "day2/c"]
    assert detect(arguments=arguments)[0] == []


def test_two_recordings_never_share_a_result(place):
    (place / "other").mkdir()
    shutil.copy2("in/a.wav", "other/a.wav")
    detect(arguments=["in"])
    with pytest.raises(ValueError, match=r"other/a.wav: its result out/a would be that of .*in/a.wav too"):
        detect(arguments=["other"])
    (place / "in/b.flac").write_bytes(bytes(10))
    assert detect(arguments=["in/b.flac"])[0] == ["b.flac"]
    assert lengths(place)["a"] == "100.000"


def test_a_moved_archive_keeps_its_results(place):
    detect()
    os.rename("in", "moved")
    assert detect(arguments=["moved"])[0] == []
    assert stale_results(["out"]) == []
    grow("moved/a.wav")
    assert detect(arguments=["moved"])[0] == ["a"]


def test_results_that_move_with_their_recordings_stay_finished(place, monkeypatch):
    detect()
    (place / "new").mkdir()
    os.rename("in", "new/in")
    os.rename("out", "new/out")
    monkeypatch.chdir("new")
    assert stale_results(["out"]) == []
    assert detect()[0] == []


def test_links_to_an_archive_lead_to_the_same_results(place):
    detect()
    os.symlink("in", "link")
    os.symlink("out", "out_link")
    assert detect(arguments=["link"])[0] == []
    assert detect(ORDER._replace(output="out_link"))[0] == []


def test_a_recording_that_links_lead_to_twice_has_one_result(place):
    os.symlink("in", "link")
    assert detect(arguments=["in", "link"])[0] == ["in/a", "in/b"]
    assert detect(arguments=["link", "in"])[0] == []
    assert len(read_results(["out"]).detections) == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are any bytes on Linux alone")
def test_names_that_differ_in_bytes_that_are_no_text_have_results_of_their_own(place):
    for name in (b"in/x\xff.wav", b"in/x\xfe.wav", b"in/x\n\xfe.wav"):
        with open(name, "wb") as file:
            file.write(bytes(10 + len(name)))
    assert len(detect()[0]) == 5 and detect()[0] == []
    os.utime(b"in/x\xfe.wav", ns=(5, 5))
    assert detect()[0] == ["x\udcfe"]


# Archives of earlier versions, which kept no facts


def age(place, ns=2 * 10**18 // 2 + 10**9):
    """The results as an earlier version left them."""
    journal_path("out", "tsv").unlink()
    for path in (place / "out").iterdir():
        os.utime(path, ns=(ns, ns))


def test_results_of_an_earlier_version_count_by_their_times_and_get_facts(place):
    detect()
    age(place)
    (place / "in/b.wav").touch()
    assert detect()[0] == ["b"]
    os.utime("in/a.wav", ns=(10**17, 10**17))
    assert detect()[0] == ["a"]


def test_the_rest_of_an_earlier_archive_counts_by_its_times_later(place):
    detect()
    age(place)
    assert detect(arguments=["in/a.wav"])[0] == []
    assert detect(arguments=["in/b.wav"])[0] == []
    assert detect()[0] == []


# Settings


def test_other_settings_are_refused_for_other_recordings_of_the_folder_too(place):
    detect(arguments=["in/a.wav"])
    changed = ORDER._replace(decoding={"method": "argmax"})
    with pytest.raises(ValueError, match="out/a.tsv: was made with another decoding; give another --output"):
        detect(changed, arguments=["in/b.wav"])
    assert detect(changed, arguments=["in/b.wav"], overwrite=True)[0] == ["b"]
    (line,) = stale_results(["out"])
    assert line == ("counted, though not finished, or of other settings: 1 result (out/a.tsv); detect again")
    assert detect(changed)[0] == ["a"] and stale_results(["out"]) == []


def test_overwriting_keeps_what_was_not_named(place):
    detect()
    assert detect(arguments=["in/a.wav"], overwrite=True)[0] == ["a"]
    assert detect()[0] == []


def test_a_killed_start_with_other_settings_leaves_nothing_of_the_old_finished(place, monkeypatch):
    detect()
    from hrin_plugin.archive import claims

    write = claims.write_atomically

    def write_until_record(path, text):
        if path == record_path("out", "tsv"):
            raise KeyboardInterrupt
        write(path, text)

    changed = ORDER._replace(decoding={"method": "argmax"})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(claims, "write_atomically", write_until_record)
        detect(changed, overwrite=True)
    assert all(entry.facts is None for entry in read_journal("out", "tsv").entries.values())
    assert detect()[0] == ["a", "b"]


def test_a_record_of_an_earlier_version_is_read_without_other_keys(place):
    detect()
    record = json.loads(record_path("out", "tsv").read_text())
    assert sorted(record) == ["decoding", "levels", "model", "taxonomy"]


# The report


def test_the_report_tells_of_results_whose_recordings_changed(place):
    detect()
    assert stale_results(["out"]) == []
    grow("in/a.wav")
    changed = "counted, though of a recording that has changed since: 1 result (out/a.tsv); detect again"
    assert stale_results(["out", "out/a.tsv"]) == [changed]
    assert stale_results(["out/b.tsv", "none.tsv", "in"]) == []
