"""Thresholding and argmax: runs of frames to events, and back."""

import itertools

import numpy as np
import pytest

from hrin_plugin.decoding import Decoding, decode_events
from hrin_plugin.events import Event, events_to_frames
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from hrin_plugin.timing import FrameGrid

GRID = FrameGrid()
LABELS = list(MUSIC_LOUDNESS.levels[1])


def decoded(decoding, probabilities, labels, duration_s):
    """Events of one level: of a taxonomy that has it twice."""
    twice = Taxonomy([labels, labels], [dict(zip(labels, labels))])
    events, same = decode_events(decoding, [probabilities] * 2, twice, GRID, duration_s)
    assert events == same
    return events


def threshold_events(probabilities, labels, duration_s, threshold=0.5):
    return decoded(Decoding("threshold", threshold), probabilities, labels, duration_s)


def argmax_events(probabilities, labels, duration_s):
    return decoded(Decoding("argmax"), probabilities, labels, duration_s)


def one_hot(sequence):
    return np.eye(len(LABELS))[list(sequence)]


def runs_by_hand(column, label, duration_s):
    """The events of one class by `itertools.groupby`, in place of differences."""
    events, frame = [], 0
    for active, run in itertools.groupby(column):
        first, frame = frame, frame + len(list(run))
        onset_s, offset_s = first * 0.016, min(frame * 0.016, duration_s)
        if active and onset_s < duration_s:
            events.append((pytest.approx(onset_s), pytest.approx(offset_s), label))
    return events


@pytest.mark.parametrize("n_frames", range(1, 8))
def test_every_label_sequence_survives_events_and_back(n_frames):
    duration_s = GRID.time_of(n_frames - 1) + 0.004
    for sequence in itertools.product(range(len(LABELS)), repeat=n_frames):
        events = threshold_events(one_hot(sequence), LABELS, duration_s)
        assert events_to_frames(events, LABELS, GRID, n_frames).tolist() == list(sequence)
        assert [event.onset_s for event in events[1:]] == [event.offset_s for event in events[:-1]]
        assert (events[0].onset_s, events[-1].offset_s) == (0.0, duration_s)


@pytest.mark.parametrize("n_frames", range(2, 7))
def test_frame_centred_on_the_end_makes_no_event_of_its_own(n_frames):
    duration_s = GRID.time_of(n_frames - 1)
    for sequence in itertools.product(range(len(LABELS)), repeat=n_frames):
        events = threshold_events(one_hot(sequence), LABELS, duration_s)
        seen = [*sequence[:-1], sequence[-2]]
        assert events_to_frames(events, LABELS, GRID, n_frames).tolist() == seen
        assert events[-1].offset_s == duration_s


@pytest.mark.parametrize("n_frames", range(1, 5))
def test_classes_are_independent(n_frames):
    labels = ["no-music", "music"]
    duration_s = n_frames * 0.016 - 0.01
    for bits in itertools.product([0, 1], repeat=2 * n_frames):
        active = np.array(bits).reshape(n_frames, 2)
        by_hand = [runs_by_hand(active[:, index], label, duration_s) for index, label in enumerate(labels)]
        events = threshold_events(active, labels, duration_s)
        for label, expected in zip(labels, by_hand):
            assert [event for event in events if event.label == label] == expected
        assert len(events) == sum(map(len, by_hand))


def test_a_minute_ends_at_the_minute():
    probabilities = np.zeros((3751, 2), dtype=np.float32)
    probabilities[:100, 0] = probabilities[100:, 1] = 0.9
    events = threshold_events(probabilities, ["no-music", "music"], 60.0)
    assert events == [Event(0.0, 1.6, "no-music"), Event(1.6, 60.0, "music")]
    assert type(events[0].onset_s) is float and type(events[1].offset_s) is float


def test_events_are_in_order_of_onset_then_of_class():
    probabilities = [[0, 1, 1], [1, 1, 0], [1, 0, 1]]
    events = threshold_events(probabilities, LABELS, 0.048)
    expected = [("fg-music", 0.0), ("bg-music", 0.0), ("no-music", 0.016), ("bg-music", 0.032)]
    assert [(event.label, event.onset_s) for event in events] == expected


def test_threshold_itself_is_active():
    below = np.nextafter(0.5, 0)
    assert threshold_events([[0.5, below]], ["a", "b"], 0.016) == [Event(0.0, 0.016, "a")]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_threshold_is_met_by_the_same_number_in_any_float_type(dtype):
    probabilities = np.array([[0.7]], dtype=dtype)
    assert len(threshold_events(probabilities, ["a"], 0.016, threshold=0.7)) == 1


def test_each_class_may_have_its_threshold():
    events = threshold_events([[0.4, 0.4]], ["a", "b"], 0.016, {"a": 0.3, "b": 0.5})
    assert [event.label for event in events] == ["a"]


def test_nothing_active_gives_no_event():
    assert threshold_events(np.zeros((5, 2)), ["a", "b"], 0.08) == []
    assert threshold_events(np.zeros((0, 2)), ["a", "b"], 0.08) == []


@pytest.mark.parametrize("n_frames", range(1, 7))
def test_argmax_gives_every_frame_its_greatest_class(n_frames):
    rng = np.random.default_rng(n_frames)
    duration_s = GRID.time_of(n_frames - 1) + 0.004
    for sequence in itertools.product(range(len(LABELS)), repeat=n_frames):
        probabilities = rng.random((n_frames, len(LABELS)))
        for frame, index in enumerate(sequence):
            best = probabilities[frame].argmax()
            probabilities[frame, [index, best]] = probabilities[frame, [best, index]]
        assert argmax_events(probabilities, LABELS, duration_s) == threshold_events(
            one_hot(sequence), LABELS, duration_s
        )


def test_of_equals_argmax_takes_the_first():
    assert [event.label for event in argmax_events([[0.2, 0.2]], ["a", "b"], 0.016)] == ["a"]


def test_argmax_leaves_no_gap_where_nothing_reaches_a_threshold():
    assert argmax_events(np.full((5, 2), 0.01), ["a", "b"], 0.064) == [Event(0.0, 0.064, "a")]
