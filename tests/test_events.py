"""Events: what is refused, what is mended, and the way to frames and back."""

import itertools
import os
import pickle
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrin_plugin.events import (
    AnnotationError,
    Event,
    Fault,
    check_events,
    events_to_frames,
    read_tsv,
    relabel,
    write_tsv,
)
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from hrin_plugin.timing import FrameGrid, to_samples
from oracles import threshold_events

LABELS = MUSIC_LOUDNESS.levels[1]
GRID = FrameGrid()


def tsv(tmp_path, text):
    path = tmp_path / "a.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([Event(5.0, 2.0, "no-music")], "line 1: offset 2.0 is not after onset 5.0"),
        ([Event(0.0, 0.0, "no-music")], "line 1: offset 0.0 is not after onset 0.0"),
        ([Event(0.0, 60.0, "jazz")], "line 1: unknown label 'jazz'; use one of no-music, fg-music, bg-music"),
        ([Event(-1.0, 60.0, "no-music")], "line 1: onset -1.0 is negative"),
        ([Event(0.0, 60.051, "no-music")], "offset 60.051 is after the end of the recording, 60.000"),
        ([Event(0.0, 59.9, "no-music")], "nothing is annotated from 59.9 to the end"),
        ([Event(0.06, 60.0, "no-music")], "nothing is annotated from 0.0 to 0.06"),
        (
            [Event(0.0, 9.0, "no-music"), Event(9.06, 60.0, "bg-music")],
            "line 2: nothing is annotated from 9.0",
        ),
        ([Event(0.0, 9.0, "no-music"), Event(8.9, 60.0, "bg-music")], "line 2: onset 8.9 is before 9.0"),
        ([Event(0.0, float("nan"), "no-music")], "line 1: a time is not a finite number"),
        ([], "holds no event"),
    ],
)
def test_a_faulty_annotation_is_refused(events, message):
    with pytest.raises(AnnotationError, match=message):
        check_events(events, 60.0, LABELS)


def test_every_fault_is_reported_at_once():
    events = [Event(0.0, 5.0, "jazz"), Event(7.0, 6.0, "bg-music"), Event(8.0, 70.0, "no-music")]
    with pytest.raises(AnnotationError) as caught:
        check_events(events, 60.0, LABELS, "a.tsv")
    assert [fault.line for fault in caught.value.faults] == [1, 2, 2, 3, 3]
    assert all(fault.path == "a.tsv" and fault.cure for fault in caught.value.faults)


def test_faults_cross_from_one_process_to_another():
    error = AnnotationError([Fault("a.tsv", 1, "is wrong", "mend it")])
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.faults, str(copy)) == (error.faults, "a.tsv, line 1: is wrong; mend it")


@pytest.mark.parametrize("end_s", [59.96, 60.0, 60.04])
def test_what_lies_within_the_tolerance_is_mended(end_s):
    events = [Event(0.03, 9.0, "no-music"), Event(9.04, end_s, "bg-music")]
    assert check_events(events, 60.0, LABELS) == [Event(0.0, 9.04, "no-music"), Event(9.04, 60.0, "bg-music")]


@pytest.mark.parametrize("boundary_s", [5.0, 5.02])
def test_an_event_wholly_behind_the_end_is_left_out(boundary_s):
    events = [Event(0.0, boundary_s, "bg-music"), Event(boundary_s, 5.04, "no-music")]
    assert check_events(events, 5.0, LABELS) == [Event(0.0, 5.0, "bg-music")]


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_any_text_form_is_read(tmp_path, prefix, line_end):
    path = tsv(tmp_path, prefix + b"0.0\t2.5\tno-music" + line_end + b"2.5\t60.0\tfg-music" + line_end)
    assert read_tsv(path, 60.0, LABELS) == [Event(0.0, 2.5, "no-music"), Event(2.5, 60.0, "fg-music")]


def test_a_bare_label_covers_the_recording(tmp_path):
    assert read_tsv(tsv(tmp_path, "bg-music\n"), 59.5, LABELS) == [Event(0.0, 59.5, "bg-music")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.0\t60.0\n", "a.tsv, line 1: '0.0.*60.0' is not onset, offset and label"),
        ("0.0\t5.0\tno-music\n5.0 60.0 bg-music\n", "a.tsv, line 2: '5.0 60.0 bg-music' is not"),
        ("0,0\t60,0\tno-music\n", "a.tsv, line 1: '0,0"),
        ("", "a.tsv: holds no event"),
        ("jazz", "a.tsv, line 1: unknown label 'jazz'"),
        (b"\xff\xfe\x00", "a.tsv: is not UTF-8 text"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(AnnotationError, match=message):
        read_tsv(tsv(tmp_path, text), 60.0, LABELS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AnnotationError, match="none.tsv: cannot be read"):
        read_tsv(tmp_path / "none.tsv", 60.0, LABELS)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=8))
def test_written_events_are_read_back_to_the_microsecond(tmp_path_factory, lengths):
    path = tmp_path_factory.mktemp("events") / "a.tsv"
    edges = [0, *itertools.accumulate(lengths)]
    labels = itertools.cycle(LABELS)
    pairs = zip(labels, edges, edges[1:])
    events = [Event(a * 0.016, b * 0.016, label) for label, a, b in pairs]
    write_tsv(path, events)
    for read, written in zip(read_tsv(path, edges[-1] * 0.016, LABELS), events, strict=True):
        assert read.label == written.label and read[1:] == pytest.approx(written[1:], abs=1e-6)


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tsv(tmp_path, "bg-music\n")
    with pytest.raises(AttributeError):
        write_tsv(path, ["not an event"])
    assert path.read_text() == "bg-music\n" and len(list(tmp_path.iterdir())) == 1


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    write_tsv(pipe, [Event(0.0, 1.0, "music")])
    assert reader.communicate(timeout=30)[0] == "0.0\t1.0\tmusic\n"
    assert pipe.is_fifo()


def test_relabelled_neighbours_are_joined_and_others_are_not():
    events = [
        Event(0.0, 1.0, "fg-music"),
        Event(1.0, 2.0, "bg-music"),
        Event(2.0, 3.0, "no-music"),
        Event(3.0, 4.0, "bg-music"),
    ]
    assert relabel(events, MUSIC_LOUDNESS.parents[0]) == [
        Event(0.0, 2.0, "music"),
        Event(2.0, 3.0, "no-music"),
        Event(3.0, 4.0, "music"),
    ]


def test_frames_to_events_to_frames_is_the_same():
    for frames in itertools.product(range(3), repeat=5):
        events = threshold_events(np.eye(3)[list(frames)], LABELS, GRID, duration_s=5 * 0.016)
        assert events_to_frames(events, LABELS, GRID, 5).tolist() == list(frames)


def test_frames_follow_the_nearest_centre():
    events = [Event(0.0, 0.0239, "no-music"), Event(0.0239, 0.1, "bg-music")]
    assert events_to_frames(events, LABELS, GRID, 7).tolist() == [0, 2, 2, 2, 2, 2, 2]
    events = [Event(0.0, 0.0241, "no-music"), Event(0.0241, 0.1, "bg-music")]
    assert events_to_frames(events, LABELS, GRID, 7).tolist() == [0, 0, 2, 2, 2, 2, 2]


def test_the_frame_centred_on_the_end_belongs_to_the_last_event():
    events = [Event(0.0, 30.0, "no-music"), Event(30.0, 60.0, "fg-music")]
    frames = events_to_frames(events, LABELS, GRID, 3751)
    assert frames[1874:1876].tolist() == [0, 1] and frames[3750] == 1


def test_times_are_rounded_and_not_truncated():
    grid = FrameGrid(sample_rate=8000, hop_length=80)
    assert [grid.frame_at(hundredths / 100) for hundredths in range(100_000)] == list(range(100_000))


def test_samples_are_the_nearest():
    assert [to_samples(seconds, 8000) for seconds in (0.29, 0.57, 1.15, 60.0)] == [2320, 4560, 9200, 480000]


@pytest.mark.parametrize(
    ("levels", "parents", "message"),
    [
        ([["a"]], [], "needs at least 2 levels, got 1"),
        ([["a"], ["b"]], [], "2 levels need 1 parent mappings, got 0"),
        ([["a"], []], [{}], "level 2 has no class"),
        ([["a", "a"], ["b"]], [{"b": "a"}], "level 1 names the class 'a' more than once"),
        ([["a"], ["b", "c"]], [{"b": "a"}], "class 'c' of level 2 has no parent"),
        ([["a"], ["b"]], [{"b": "x"}], "class 'b' of level 2 has the unknown parent 'x'"),
        ([["a", "x"], ["b"]], [{"b": "a"}], "class 'x' of level 1 has no child on level 2"),
        ([["a"], ["b"]], [{"b": "a", "c": "a"}], "a parent is given for 'c', which is no class of level 2"),
    ],
)
def test_a_broken_taxonomy_is_refused(levels, parents, message):
    with pytest.raises(ValueError, match=message):
        Taxonomy(levels, parents)
