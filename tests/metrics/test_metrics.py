"""Scores: the fast ones against those of `sed_eval`, and figures worked out by hand."""

import itertools
import json
import math

import pytest
import sed_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.events import Event
from hrin_plugin.metrics.counts import align, count_segments
from hrin_plugin.metrics.scores import fast_scores, format_scores, sed_eval_scores
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

DETECTION, LOUDNESS = MUSIC_LOUDNESS.levels
END_MS = 2500

#: Times in seconds: on the frame grid, and arbitrary milliseconds.
TIMES_S = st.one_of(
    st.integers(0, END_MS // 16).map(lambda frame: frame * 128 / 8000),
    st.integers(0, END_MS).map(lambda millisecond: millisecond / 1000),
)
COLLARS = st.sampled_from([(0.5, 1.0), (0.016, 0.048), (0.1, 0.25)])
CASES = settings(max_examples=100, deadline=None)


@st.composite
def tilings(draw, duration_s):
    """Events without gap or overlap, of random classes."""
    bounds = draw(st.sets(TIMES_S, max_size=6))
    bounds = [0.0, *sorted(time_s for time_s in bounds if 0 < time_s < duration_s), duration_s]
    return [Event(*span, draw(st.sampled_from(LOUDNESS))) for span in itertools.pairwise(bounds)]


@st.composite
def tracks(draw, duration_s):
    """Events that overlap, leave gaps, repeat and come in any order."""
    spans = draw(st.lists(st.tuples(TIMES_S, TIMES_S), max_size=6))
    spans = [sorted(span) for span in spans]
    return [
        Event(onset_s, offset_s, draw(st.sampled_from(LOUDNESS)))
        for onset_s, offset_s in spans
        if onset_s < min(offset_s, duration_s)
    ]


@st.composite
def inputs(draw, events):
    """References, estimates and durations of one or two files."""
    references, estimates, durations_s = [], [], []
    for _ in range(draw(st.integers(1, 2))):
        duration_s = max(0.016, draw(TIMES_S))
        references.append(draw(events(duration_s)))
        estimates.append(draw(events(duration_s)))
        durations_s.append(duration_s)
    return references, estimates, durations_s


@CASES
@given(inputs(tilings), COLLARS)
def test_fast_scores_of_tilings_are_those_of_sed_eval(files, collars):
    assert fast_scores(*files, LOUDNESS, collars) == sed_eval_scores(*files, LOUDNESS, collars)


@CASES
@given(inputs(tracks), COLLARS)
def test_fast_scores_of_overlapping_events_are_those_of_sed_eval(files, collars):
    assert fast_scores(*files, LOUDNESS, collars) == sed_eval_scores(*files, LOUDNESS, collars)


def events_of(sequence, labels):
    """Runs of a label sequence on the frame grid; a negative label is no event."""
    events, frame = [], 0
    for index, run in itertools.groupby(sequence):
        first, frame = frame, frame + len(list(run))
        if index >= 0:
            events.append(Event(first * 128 / 8000, frame * 128 / 8000, labels[index]))
    return events


@pytest.mark.parametrize("n_frames, labels", [(1, 3), (2, 3), (3, 3), (4, 2), (5, 2)])
def test_fast_scores_of_every_short_pair_of_sequences_are_those_of_sed_eval(n_frames, labels):
    """All pairs of label sequences, with collars of one frame: every comparison is borderline."""
    labels = LOUDNESS[:labels]
    sequences = list(itertools.product(range(len(labels)), repeat=n_frames))
    for pair in itertools.product(sequences, repeat=2):
        reference, estimate = (events_of(sequence, labels) for sequence in pair)
        files = [reference], [estimate], [n_frames * 0.016]
        assert fast_scores(*files, labels, [0.016]) == sed_eval_scores(*files, labels, [0.016]), pair


def test_fast_scores_of_every_short_pair_with_gaps_are_those_of_sed_eval():
    sequences = list(itertools.product([-1, 0], repeat=4))
    for pair in itertools.product(sequences, repeat=2):
        reference, estimate = (events_of(sequence, ["music"]) for sequence in pair)
        files = [reference], [estimate], [0.064]
        assert fast_scores(*files, ["music"], [0.02]) == sed_eval_scores(*files, ["music"], [0.02]), pair


@settings(max_examples=50, deadline=None)
@given(inputs(tracks))
def test_event_scores_are_what_sed_eval_itself_reports_in_seconds(files):
    """`sed_eval` in plain seconds, as its manual has it: its own ratios, and NaN only where we mend."""
    for collar_s, with_offset in itertools.product([0.5, 1.0], [False, True]):
        metric = sed_eval.sound_event.EventBasedMetrics(
            list(LOUDNESS), evaluate_offset=with_offset, t_collar=collar_s
        )
        for reference, estimate, duration_s in zip(*files):
            metric.evaluate(
                *(
                    [
                        {"event_label": label, "onset": onset_s, "offset": min(offset_s, duration_s)}
                        for onset_s, offset_s, label in events
                        if onset_s < duration_s
                    ]
                    for events in (reference, estimate)
                )
            )
        key = f"{collar_s * 1000:.0f}ms_onset" + "_offset" * with_offset
        ours = fast_scores(*files, LOUDNESS)["event"][key]["classes"]
        assert_ratios_agree(ours, metric.results_class_wise_metrics())


def assert_ratios_agree(ours, theirs):
    for label, scores in ours.items():
        for name, theirs_value in theirs[label]["f_measure"].items():
            if math.isnan(theirs_value):
                assert scores[name] in (None, 0.0) and 0 in (scores["Nref"], scores["Nsys"])
            else:
                assert scores[name] == theirs_value


def survives(millisecond):
    """Whether `sed_eval` finds the right segment for a time in seconds."""
    quotient = millisecond / 1000 * 1 / 0.01
    return math.floor(quotient) == millisecond // 10 and math.ceil(quotient) == -(-millisecond // 10)


def plain_sed_eval(reference, estimate, duration_s, labels):
    """Segment metrics of `sed_eval` in seconds, as its manual has it."""
    metric = sed_eval.sound_event.SegmentBasedMetrics(list(labels), time_resolution=0.01)
    events = [
        [{"event_label": label, "onset": onset_s, "offset": offset_s} for onset_s, offset_s, label in track]
        for track in (reference, estimate)
    ]
    return metric.evaluate(*events, evaluated_length_seconds=duration_s)


@settings(max_examples=50, deadline=None)
@given(
    st.data(),
    st.sampled_from([millisecond for millisecond in range(10, END_MS, 10) if survives(millisecond)]),
)
def test_segment_scores_are_what_sed_eval_itself_reports_where_its_floats_are_right(data, end_ms):
    times = st.sampled_from([millisecond for millisecond in range(END_MS) if survives(millisecond)])
    spans = st.lists(st.tuples(st.sampled_from(LOUDNESS), times, times), max_size=5)
    reference, estimate = (
        [
            Event(min(a, b) / 1000, max(a, b) / 1000, label)
            for label, a, b in data.draw(spans)
            if a != b and min(a, b) < end_ms
        ]
        for _ in range(2)
    )
    theirs = plain_sed_eval(reference, estimate, end_ms / 1000, LOUDNESS)
    ours = fast_scores([reference], [estimate], [end_ms / 1000], LOUDNESS)["segment"]
    assert ours["accuracy"] == theirs.results_overall_metrics()["accuracy"]["accuracy"]
    assert_ratios_agree(ours["classes"], theirs.results_class_wise_metrics())


def test_segment_bounds_are_right_where_floats_of_sed_eval_are_not():
    """0.29 s and 0.57 s are bounds of segments, but 0.29 * 1 / 0.01 is 28.99... and 0.57 gives 56.99..."""
    events = [Event(0.29, 0.57, "music")]
    assert plain_sed_eval(events, [], 1.0, ["music"]).class_wise["music"]["Nref"] == 29
    scores = sed_eval_scores([events], [[]], [1.0], ["music"])
    assert scores["segment"]["classes"]["music"]["Nref"] == 28
    assert count_segments(align([events], [[]], [1.0], ["music"])).Nref.tolist() == [28]


def test_neighbours_share_a_segment_only_where_their_bound_lies_in_it():
    for bound_ms in range(1, 1000):
        events = [Event(0.0, bound_ms / 1000, "a"), Event(bound_ms / 1000, 1.0, "b")]
        counts = count_segments(align([events], [events], [1.0], ["a", "b"]))
        assert counts.Nref.sum() == 100 + (bound_ms % 10 != 0)


def test_figures_worked_out_by_hand():
    """4 s; music from 2 s, found from 2.4 s: 40 of 400 segments are wrong in both classes."""
    reference = [Event(0.0, 2.0, "no-music"), Event(2.0, 4.0, "music")]
    estimate = [Event(0.0, 2.4, "no-music"), Event(2.4, 4.0, "music")]
    scores = fast_scores([reference], [estimate], [4.0], DETECTION, collars=[0.25, 0.5])
    music = scores["segment"]["classes"]["music"]
    assert scores["segment"]["accuracy"] == 720 / 800
    assert {name: music[name] for name in ("Nref", "Nsys", "Ntp", "Ntn", "Nfp", "Nfn")} == {
        "Nref": 200, "Nsys": 160, "Ntp": 160, "Ntn": 200, "Nfp": 0, "Nfn": 40
    }  # fmt: skip
    assert (music["precision"], music["recall"]) == (1.0, 0.8)
    assert music["f_measure"] == pytest.approx(2 * 0.8 / 1.8)
    assert list(scores["event"]) == ["250ms_onset", "250ms_onset_offset", "500ms_onset", "500ms_onset_offset"]
    f_measures = {
        setting: [scores["event"][setting]["classes"][label]["f_measure"] for label in DETECTION]
        for setting in scores["event"]
    }
    # no-music starts together but ends 0.4 s late, within half its 2 s; music starts 0.4 s late.
    assert f_measures["250ms_onset"] == f_measures["250ms_onset_offset"] == [1.0, 0.0]
    assert f_measures["500ms_onset"] == f_measures["500ms_onset_offset"] == [1.0, 1.0]
    assert scores["event"]["250ms_onset"]["macro_f_measure"] == 0.5


MUSIC, NOTHING = [Event(0.0, 1.0, "music")], []
BOTH = [fast_scores, sed_eval_scores]


def f_of(scores, label):
    """F-measures of a class: segments, then every event setting."""
    levels = [scores["segment"], *scores["event"].values()]
    return {level["classes"][label]["f_measure"] for level in levels}


def macro_of(scores):
    levels = [scores["segment"], *scores["event"].values()]
    return {level["macro_f_measure"] for level in levels}


@pytest.mark.parametrize("score", BOTH)
def test_class_that_nobody_has_is_not_applicable(score):
    scores = score([MUSIC], [MUSIC], [1.0], DETECTION)
    assert f_of(scores, "no-music") == {None} and f_of(scores, "music") == {1.0}
    assert macro_of(scores) == {1.0}
    assert scores["segment"]["accuracy"] == 1.0


@pytest.mark.parametrize("score", BOTH)
@pytest.mark.parametrize("reference, estimate", [(MUSIC, NOTHING), (NOTHING, MUSIC)])
def test_class_that_only_one_side_has_scores_zero(score, reference, estimate):
    scores = score([reference], [estimate], [1.0], ["music"])
    music = scores["event"]["500ms_onset"]["classes"]["music"]
    assert (music["precision"], music["recall"], music["f_measure"]) == (0.0, 0.0, 0.0)
    assert f_of(scores, "music") == macro_of(scores) == {0.0}
    assert scores["segment"]["accuracy"] == 0.0


@pytest.mark.parametrize("score", BOTH)
def test_files_without_any_event_have_an_accuracy_and_no_f_measure(score):
    scores = score([NOTHING, NOTHING], [NOTHING, NOTHING], [1.0, 0.005], DETECTION)
    assert scores["segment"]["accuracy"] == 1.0
    assert scores["segment"]["classes"]["music"]["Ntn"] == 101
    assert f_of(scores, "music") == macro_of(scores) == {None}


@pytest.mark.parametrize("score", BOTH)
def test_estimate_longer_than_the_file_adds_nothing(score):
    longer = [Event(0.0, 9.0, "music"), Event(8.0, 9.0, "music")]
    assert score([MUSIC], [longer], [1.0], DETECTION) == score([MUSIC], [MUSIC], [1.0], DETECTION)


@pytest.mark.parametrize("score", BOTH)
def test_one_segment_of_one_class_has_a_whole_accuracy(score):
    assert score([MUSIC], [MUSIC], [0.01], ["music"])["segment"]["accuracy"] == 1.0


@pytest.mark.parametrize("label", ["none", " music ", "N/A, or 0"])
def test_any_name_may_be_a_label(label):
    files = [[Event(0.0, 1.0, label)]], [[Event(0.2, 1.0, label)]], [1.0]
    assert fast_scores(*files, [label]) == sed_eval_scores(*files, [label])


@pytest.mark.parametrize("score", BOTH)
def test_scores_survive_json(score):
    scores = score([MUSIC], [[Event(0.7, 0.9, "music")]], [1.0], DETECTION)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


@pytest.mark.parametrize("score", BOTH)
@pytest.mark.parametrize("collar_s", [0.0, -0.5, math.nan, math.inf])
def test_collar_that_is_no_time_is_refused(score, collar_s):
    with pytest.raises(ValueError, match="collar .* is not a positive number"):
        score([MUSIC], [MUSIC], [1.0], DETECTION, [collar_s])


@pytest.mark.parametrize("score", BOTH)
def test_reversed_event_is_refused(score):
    with pytest.raises(ValueError, match="estimate of file 1, event 0: offset 1.0 is not after onset 2.0"):
        score([MUSIC, MUSIC], [MUSIC, [Event(2.0, 1.0, "music")]], [3.0, 3.0], DETECTION)


@pytest.mark.parametrize("score", BOTH)
def test_no_file_is_refused(score):
    with pytest.raises(ValueError, match="there is no file to score"):
        score([], [], [], DETECTION)


def test_tables_have_the_columns_of_the_paper():
    events = [[Event(0.0, 1.0, "no-music"), Event(1.0, 4.0, "music")]]
    found = [[Event(0.0, 2.0, "no-music"), Event(2.0, 4.0, "music")]]
    detection = fast_scores(events, found, [4.0], DETECTION)
    loudness = [[Event(0.0, 4.0, "fg-music")]]
    text = format_scores(detection, fast_scores(loudness, loudness, [4.0], LOUDNESS))
    first, second = text.split("\n\n")
    rows = [line.split() for line in first.splitlines()]
    assert rows[1:] == [
        ["Acc", "music_F", "no-music_F", "music_F_500_on", "no-music_F_500_on"],
        ["0.7500", "0.8000", "0.6667", "0.0000", "1.0000"],
    ]
    names, values = (line.split() for line in second.splitlines()[1:])
    assert dict(zip(names, values)) == {
        "Acc": "1.0000", "fg-music_F": "1.0000", "bg-music_F": "-", "no-music_F": "-",
        "fg-music_F_500_on": "1.0000", "bg-music_F_500_on": "-", "no-music_F_500_on": "-",
    }  # fmt: skip
    assert len({len(line) for line in second.splitlines()[1:]}) == 1


def test_table_without_the_paper_s_collar_shows_none():
    scores = fast_scores([MUSIC], [MUSIC], [1.0], ["music"], collars=[1.0])
    assert format_scores(scores, scores).splitlines()[2].split() == ["1.0000", "1.0000", "-"]
