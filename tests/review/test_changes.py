"""Corrections: whatever is done to them, segments fill the recording, and undo takes it back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Event, check_events
from hrin_plugin.formats.corrected import (
    Correction,
    Segment,
    read_correction,
    to_segments,
    write_correction,
)
from hrin_plugin.review.changes import ChangeRefused, change, start_anew
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from taxonomies import random_taxonomies

END_MS = 5000
LABELS = MUSIC_LOUDNESS.labels["mrle"]
times = st.integers(-10, END_MS + 10)
orders = st.one_of(
    st.fixed_dictionaries(
        {"do": st.just("relabel"), "at": times, "label": st.sampled_from([*LABELS, "jazz"])}
    ),
    st.fixed_dictionaries({"do": st.sampled_from(["split", "merge", "confirm"]), "at": times}),
    st.fixed_dictionaries({"do": st.just("move"), "edge": st.integers(0, 9), "to": times}),
    st.fixed_dictionaries({"do": st.sampled_from(["undo", "redo", "reviewed", "nothing"])}),
)


def start(taxonomy=MUSIC_LOUDNESS, level="mrle"):
    labels = taxonomy.labels[level]
    segments = tuple(
        Segment(at, at + 1000, labels[at // 1000 % len(labels)]) for at in range(0, END_MS, 1000)
    )
    return Correction(level, taxonomy, segments, segments)


def edge_of(correction, order):
    """Orders name an edge by its number, so that most of them meet one."""
    if order["do"] != "move":
        return order
    return order | {"edge": correction.segments[order["edge"] % len(correction.segments)].onset_ms}


@settings(max_examples=300, deadline=None)
@given(st.lists(orders, max_size=25))
def test_segments_fill_the_recording_after_any_changes_and_undo_takes_all_back(given_orders):
    correction, seen = start(), []
    for order in given_orders:
        try:
            changed = change(correction, edge_of(correction, order), "anna")
        except ChangeRefused:
            continue
        assert changed.revision == correction.revision + 1
        correction = changed
        assert [s.onset_ms for s in correction.segments] == [
            0,
            *(s.offset_ms for s in correction.segments[:-1]),
        ]
        assert correction.duration_ms == END_MS and all(s.offset_ms > s.onset_ms for s in correction.segments)
        for level, events in correction.events().items():
            assert check_events(events, END_MS / 1000, MUSIC_LOUDNESS.labels[level]) == events
        seen.append(correction.segments)
    last, n_done = correction.segments, correction.n_done
    for _ in range(n_done):
        correction = change(correction, {"do": "undo"}, "bob")
    assert correction.segments == start().segments and correction.changed_ms == 0
    for _ in range(n_done):
        correction = change(correction, {"do": "redo"}, "bob")
    assert correction.segments == last


@settings(max_examples=50, deadline=None)
@given(given_orders=st.lists(orders, max_size=12))
def test_a_correction_is_read_as_it_was_written(given_orders, tmp_path_factory):
    correction = start()
    for order in given_orders:
        try:
            correction = change(correction, edge_of(correction, order | {"value": True}), "änna")
        except ChangeRefused:
            continue
    path = tmp_path_factory.mktemp("written") / "a.corrected"
    write_correction(path, correction)
    assert read_correction(path) == correction


def test_who_and_when_are_kept_with_each_change():
    correction = change(start(), {"do": "relabel", "at": 0, "label": "fg-music"}, "anna")
    correction = change(correction, {"do": "reviewed", "value": True}, "bob")
    (done,) = correction.in_force
    assert (done.who, done.what, done.before[0].label, done.after[0].label) == (
        *("anna", "relabel", "no-music", "fg-music"),
    )
    assert done.when.endswith("Z") and correction.reviewed[0] == "bob"
    assert correction.changed_ms == 1000


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ({"do": "undo"}, "nothing to undo"),
        ({"do": "redo"}, "nothing to redo"),
        ({"do": "relabel", "at": 0, "label": "jazz"}, "'jazz' is no class"),
        ({"do": "split", "at": 1000}, "an edge already"),
        ({"do": "merge", "at": 4500}, "last segment"),
        ({"do": "move", "edge": 0, "to": 500}, "no edge any more"),
        ({"do": "move", "edge": 1500, "to": 1600}, "no edge any more"),
        ({"do": "move", "edge": 1000, "to": 2000}, "between its neighbours"),
        ({"do": "confirm", "at": 5000}, "outside of the recording"),
        ({"do": "confirm", "at": "1"}, "give whole milliseconds"),
        ({"do": "confirm", "at": True}, "give whole milliseconds"),
        ({"do": "confirm", "at": 0.5}, "give whole milliseconds"),
        ({}, "'None' is no change"),
    ],
)
def test_what_is_not_possible_is_refused(order, problem):
    with pytest.raises(ChangeRefused, match=problem):
        change(start(), order, "anna")


@settings(max_examples=50, deadline=None)
@given(random_taxonomies())
def test_other_taxonomies_are_corrected_by_their_own_classes(taxonomy):
    level, last = taxonomy.level_names[-1], taxonomy.levels[-1][-1]
    correction = change(start(taxonomy, level), {"do": "relabel", "at": 0, "label": last}, "anna")
    events = correction.events()
    assert list(events) == list(taxonomy.level_names)
    label = last
    for name, parents in zip(taxonomy.level_names[::-1], [*taxonomy.parents[::-1], {}]):
        assert events[name][0].label == label
        label = parents.get(label)


def test_overlaps_and_gaps_of_a_result_become_segments_that_fill_it():
    events = [Event(1.0, 4.0, "fg-music"), Event(2.0, 3.0, "bg-music"), Event(3.5, 6.0, "bg-music")]
    segments = to_segments(Detection("a", 5.0, {"mrle": events}))
    assert [s[:3] for s in segments] == [
        (0, 1000, "no-music"),
        (1000, 2000, "fg-music"),
        (2000, 3000, "bg-music"),
        (3000, 3500, "fg-music"),
        (3500, 5000, "bg-music"),
    ]


def test_a_newer_result_is_kept_apart_or_begun_from():
    correction = change(start(), {"do": "relabel", "at": 0, "label": "fg-music"}, "anna")
    newer = (Segment(0, END_MS, "bg-music"),)
    kept = start_anew(correction, newer, {"do": "keep"}, "anna")
    assert kept.segments == correction.segments and kept.machine == newer
    anew = start_anew(correction, newer, {"do": "restart"}, "anna")
    assert anew.segments == newer
    assert change(anew, {"do": "undo"}, "anna").segments == correction.segments
    longer = (Segment(0, END_MS + 1, "bg-music"),)
    with pytest.raises(ChangeRefused, match="another length"):
        start_anew(correction, longer, {"do": "keep"}, "anna")
    assert start_anew(correction, longer, {"do": "restart"}, "anna").n_done == 0


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (("hrin correction", "another"), "is no corrected result"),
        (('"version": 1', '"version": 2'), "only 1 is known"),
        (('"level": "mrle"', '"level": "x"'), "which its taxonomy lacks"),
        (
            ('[1000, 2000, "fg-music", false]', '[1001, 2000, "fg-music", false]'),
            "a gap or an overlap at 1000 ms",
        ),
        (('[1000, 2000, "fg-music", false]', '[1000, 2000, "jazz", false]'), "unknown label 'jazz'"),
        (('[1000, 2000, "fg-music", false]', "[1000, 2000]"), "is a damaged correction"),
        (('"segments"', '"other"'), "is a damaged correction"),
        (("{", "["), "is not JSON"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name(tmp_path, damage, problem):
    path = tmp_path / "a.corrected"
    write_correction(path, start())
    path.write_text(path.read_text().replace(*damage))
    with pytest.raises(AnnotationError, match=problem) as refusal:
        read_correction(path)
    assert str(path) in str(refusal.value)
