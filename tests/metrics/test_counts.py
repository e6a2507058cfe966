"""Counts of segments and events, against exact arithmetic and an exhaustive matching."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.events import Event
from hrin_plugin.metrics.counts import align, count_events, count_segments

LABELS = ("no-music", "fg-music", "bg-music")
SEGMENT = Fraction(1, 100)

#: Times in whole microseconds, exact: frames of 16 ms, milliseconds, and bounds of segments.
MICROSECONDS = st.one_of(
    st.integers(0, 60).map(lambda frame: frame * 16_000),
    st.integers(0, 1000).map(lambda millisecond: millisecond * 1000),
    st.integers(0, 100).map(lambda segment: segment * 10_000),
)


@st.composite
def exact_events(draw, end):
    """Overlapping events of any class as (label, onset, offset), in microseconds; onsets before the end."""
    events = []
    for _ in range(draw(st.integers(0, 5))):
        onset = draw(MICROSECONDS) % end
        offset = onset + max(1000, draw(MICROSECONDS))
        events.append((draw(st.sampled_from(LABELS)), onset, offset))
    return events


@st.composite
def exact_files(draw):
    """One to three files of (reference, estimate, end), in microseconds."""
    files = []
    for _ in range(draw(st.integers(1, 3))):
        end = max(1000, draw(MICROSECONDS))
        files.append((draw(exact_events(end)), draw(exact_events(end)), end))
    return files


def in_seconds(files):
    """The three columns of files, with events in seconds, as `align` takes them."""
    references, estimates, ends = zip(*files)
    to_events = [
        [[Event(onset / 1e6, offset / 1e6, label) for label, onset, offset in events] for events in column]
        for column in (references, estimates)
    ]
    return *to_events, [end / 1e6 for end in ends]


def touched(events, label, end):
    """The set of segments that a class touches, by fractions, one segment at a time."""
    n_segments = math.ceil(Fraction(end, 10**6) / SEGMENT)
    return n_segments, {
        segment
        for segment in range(n_segments)
        for name, onset, offset in events
        if name == label
        and Fraction(onset, 10**6) < (segment + 1) * SEGMENT
        and Fraction(min(offset, end), 10**6) > segment * SEGMENT
    }


@settings(max_examples=200, deadline=None)
@given(exact_files())
def test_segments_are_those_that_exact_fractions_give(files):
    counts = count_segments(align(*in_seconds(files), LABELS))
    for index, label in enumerate(LABELS):
        expected = np.zeros(6, dtype=int)
        for reference, estimate, end in files:
            n_segments, ref = touched(reference, label, end)
            _, sys = touched(estimate, label, end)
            right = len(ref & sys)
            wrong = n_segments - len(ref | sys)
            expected += [len(ref), len(sys), right, len(sys - ref), len(ref - sys), wrong]
        assert [count[index] for count in counts] == expected.tolist()


def most_matches(hits):
    """Size of the largest one-to-one matching of a matrix of bool, by trying every one."""
    if not hits:
        return 0
    first, *others = hits
    best = most_matches(others)
    for column, hit in enumerate(first):
        if hit:
            rest = [[value and at != column for at, value in enumerate(row)] for row in others]
            best = max(best, 1 + most_matches(rest))
    return best


@settings(max_examples=200, deadline=None)
@given(exact_files(), st.sampled_from([0.016, 0.05, 0.1, 0.5, 1.0]), st.booleans())
def test_events_are_matched_so_that_most_match(files, collar_s, with_offset):
    references, estimates, durations_s = in_seconds(files)
    counts = count_events(align(references, estimates, durations_s, LABELS), collar_s, with_offset)
    for index, label in enumerate(LABELS):
        n_ref = n_sys = n_tp = 0
        for reference, estimate, duration_s in zip(references, estimates, durations_s):
            ref, sys = (
                [(onset, min(offset, duration_s)) for onset, offset, name in events if name == label]
                for events in (reference, estimate)
            )
            hits = [
                [
                    abs(a - b) <= collar_s and (not with_offset or abs(c - d) <= max(collar_s, 0.5 * (c - a)))
                    for b, d in sys
                ]
                for a, c in ref
            ]
            n_ref, n_sys, n_tp = n_ref + len(ref), n_sys + len(sys), n_tp + most_matches(hits)
        assert [count[index] for count in counts[:5]] == [n_ref, n_sys, n_tp, n_sys - n_tp, n_ref - n_tp]
        assert counts.Ntn is None


def test_events_of_different_files_or_classes_never_match():
    events = [Event(1.0, 2.0, label) for label in LABELS]
    for (file, reference), (other, estimate) in itertools.product(enumerate(events), repeat=2):
        references, estimates = [[], [], []], [[], [], []]
        references[file], estimates[other] = [reference], [estimate]
        same_class = count_events(align([[reference]], [[estimate]], [3.0], LABELS), 1.0)
        same_file = count_events(align(references, estimates, [3.0] * 3, LABELS), 1.0)
        assert same_class.Ntp.sum() == same_file.Ntp.sum() == (file == other)


def test_onset_exactly_a_collar_away_matches():
    for onset_s, hits in [(1.5, 1), (0.5, 1), (math.nextafter(1.5, 2), 0), (0.5 - 1e-9, 0)]:
        alignment = align([[Event(1.0, 3.0, "a")]], [[Event(onset_s, 3.0, "a")]], [3.0], ["a"])
        assert count_events(alignment, 0.5).Ntp.tolist() == [hits]


def test_offset_may_be_off_by_half_a_long_event():
    for offset_s, hits in [(7.0, 1), (math.nextafter(7.0, 0), 0)]:
        alignment = align([[Event(1.0, 13.0, "a")]], [[Event(1.0, offset_s, "a")]], [13.0], ["a"])
        assert count_events(alignment, 0.5, with_offset=True).Ntp.tolist() == [hits]


def test_estimate_after_the_end_counts_for_nothing():
    reference = [Event(0.0, 1.0, "a")]
    inside, outside = [Event(0.0, 0.5, "a")], [Event(1.0, 2.0, "a"), Event(7.0, 9.0, "a")]
    counts = []
    for estimate in (inside, inside + outside):
        alignment = align([reference], [estimate], [1.0], ["a"])
        counts += [(count_segments(alignment), count_events(alignment, 0.5, with_offset=True))]
    assert counts[0] == counts[1]


GOOD = [Event(0.0, 1.0, "a")]
REFUSED = {
    "offset 2.0 is not after onset 5.0": Event(5.0, 2.0, "a"),
    "offset 2.0 is not after onset 2.0": Event(2.0, 2.0, "a"),
    "onset -0.5 is negative": Event(-0.5, 2.0, "a"),
    "onset nan is negative or not finite": Event(math.nan, 2.0, "a"),
    "offset nan is not after": Event(0.0, math.nan, "a"),
    "offset inf is not after": Event(0.0, math.inf, "a"),
    "unknown label 'b'; use one of a": Event(0.0, 1.0, "b"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_impossible_event_is_refused_with_its_file(message):
    bad = [*GOOD, REFUSED[message]]
    with pytest.raises(ValueError, match=f"reference of file 1, event 1: {message}"):
        align([GOOD, bad], [[], []], [9.0, 9.0], ["a"])
    with pytest.raises(ValueError, match=f"estimate of file 1, event 1: {message}"):
        align([GOOD, GOOD], [[], bad], [9.0, 9.0], ["a"])


def test_reference_after_the_end_is_refused():
    with pytest.raises(ValueError, match="reference of file 1: onset 5.0 is not before the end, 5.0"):
        align([GOOD, [Event(5.0, 6.0, "a")], [Event(8.0, 9.0, "a")]], [[]] * 3, [9.0, 5.0, 4.0], ["a"])


@pytest.mark.parametrize("references, estimates, durations_s", [(1, 2, 2), (2, 1, 2), (2, 2, 1), (0, 1, 1)])
def test_lists_of_different_length_are_refused(references, estimates, durations_s):
    message = f"{references} references, {estimates} estimates and {durations_s} durations"
    with pytest.raises(ValueError, match=message):
        align([GOOD] * references, [GOOD] * estimates, [1.0] * durations_s, ["a"])


def test_no_file_is_refused():
    with pytest.raises(ValueError, match="there is no file to score"):
        align([], [], [], ["a"])


@pytest.mark.parametrize("duration_s", [0.0, -1.0, math.nan, math.inf])
def test_duration_that_is_no_length_is_refused(duration_s):
    with pytest.raises(ValueError, match="file 1: duration .* is not a positive number"):
        align([GOOD, []], [[], []], [1.0, duration_s], ["a"])
