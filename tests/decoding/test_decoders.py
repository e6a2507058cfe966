"""Decoders: the same events however frames come, rules for short events, and what is refused."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.decoding import decoders
from hrin_plugin.decoding.decoders import METHODS, Decoding, EventDecoder, decode_events
from hrin_plugin.decoding.methods import read_decoding, write_decoding
from hrin_plugin.decoding.smoothing import leaf_log_likelihood, median_filter, viterbi_path
from hrin_plugin.events import Event, relabel
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from hrin_plugin.timing import FrameGrid
from oracles import argmax_events, threshold_events

GRID = FrameGrid()
HOP_S = GRID.time_of(1)
LEAVES = list(MUSIC_LOUDNESS.levels[1])


def programme(n_frames, seed, noise=1.5, frames_a_class=40):
    """Noisy probabilities of both levels, float32."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(rng.integers(0, 3, n_frames // frames_a_class + 1), frames_a_class)[:n_frames]
    parents = np.array(MUSIC_LOUDNESS.parent_indices(1))[classes]
    levels = []
    for size, active in zip(MUSIC_LOUDNESS.sizes, (parents, classes)):
        logits = 3 * np.eye(size)[active] - 1.5 + rng.normal(0, noise, (n_frames, size))
        levels.append((1 / (1 + np.exp(-logits))).astype(np.float32))
    return levels


def in_pushes(decoding, levels, cuts, duration_s, taxonomy=MUSIC_LOUDNESS):
    """Events from pushes that end at the cuts: for each level, in order of offsets."""
    decoder = EventDecoder(decoding, taxonomy, GRID)
    found = []
    for piece in zip(*(np.split(level, sorted(cuts)) for level in levels)):
        found += decoder.push(piece)
    found += decoder.finish(duration_s)
    return [[event for of, event in found if of == level] for level in range(len(levels))]


def in_order(events, labels):
    return sorted(events, key=lambda event: (event.onset_s, labels.index(event.label)))


@pytest.fixture
def short_stretches(monkeypatch):
    """Viterbi with stretches of 20 frames and a look-ahead of 10."""
    monkeypatch.setattr(decoders, "STRETCH_S", 20 * HOP_S)
    monkeypatch.setattr(decoders, "LOOK_AHEAD_S", 10 * HOP_S)


MINIMA = st.one_of(
    st.sampled_from([0.0, 0.05, 0.3]),
    st.fixed_dictionaries({"bg-music": st.sampled_from([0.0, 0.1, 0.5]), "no-music": st.just(0.2)}),
)


@pytest.mark.parametrize("method", METHODS)
def test_events_do_not_depend_on_the_pushes(method, monkeypatch):
    monkeypatch.setattr(decoders, "STRETCH_S", 20 * HOP_S)
    monkeypatch.setattr(decoders, "LOOK_AHEAD_S", 10 * HOP_S)

    @settings(max_examples=60, deadline=None)
    @given(
        seed=st.integers(0, 10**6),
        n_frames=st.integers(1, 150),
        cuts=st.lists(st.integers(0, 150), max_size=6),
        least=MINIMA,
        rest=st.integers(0, 127),
    )
    def check(seed, n_frames, cuts, least, rest):
        levels = programme(n_frames, seed, frames_a_class=7)
        offsets = {"music": 0.5, "fg-music": -1.0}
        decoding = Decoding(method, 0.5, 8 * HOP_S, 0.15, min_event_s=least, offsets=offsets)
        duration_s = max(GRID.time_of(n_frames - 1) + rest / GRID.sample_rate, 1 / GRID.sample_rate)
        whole = decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, duration_s)
        pieces = in_pushes(decoding, levels, cuts, duration_s)
        for level, labels in enumerate(MUSIC_LOUDNESS.levels):
            assert in_order(pieces[level], labels) == whole[level]
            assert [event.offset_s for event in pieces[level]] == sorted(
                event.offset_s for event in whole[level]
            )

    check()


@pytest.mark.parametrize("thresholds", [0.5, 0.3])
def test_threshold_gives_the_papers_events(thresholds):
    for seed, n_frames in itertools.product(range(5), (1, 2, 100)):
        levels = programme(n_frames, seed)
        for duration_s in (GRID.time_of(n_frames - 1) + 0.004, max(GRID.time_of(n_frames - 3), 0.01)):
            found = decode_events(Decoding("threshold", thresholds), levels, MUSIC_LOUDNESS, GRID, duration_s)
            for events, level, labels in zip(found, levels, MUSIC_LOUDNESS.levels):
                assert events == threshold_events(level, labels, GRID, duration_s, thresholds)


def test_labels_have_their_own_thresholds():
    levels = programme(200, 0)
    decoding = Decoding("threshold", {"music": 0.7, "no-music": 0.2})
    detection, loudness = decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, 3.2)
    assert detection == threshold_events(levels[0], ["no-music", "music"], GRID, 3.2, [0.2, 0.7])
    assert loudness == threshold_events(levels[1], LEAVES, GRID, 3.2, [0.2, 0.5, 0.5])


def test_argmax_gives_each_levels_greatest():
    levels = programme(200, 1)
    found = decode_events(Decoding("argmax"), levels, MUSIC_LOUDNESS, GRID, 3.19)
    for events, level, labels in zip(found, levels, MUSIC_LOUDNESS.levels):
        assert events == argmax_events(level, labels, GRID, 3.19)


@pytest.mark.parametrize("median_s, width", [(0.0, 1), (0.11, 7), (1.0, 63), (9.0, 563)])
def test_median_is_a_threshold_after_the_filter(median_s, width):
    levels = programme(200, 2)
    found = decode_events(Decoding("median", median_s=median_s), levels, MUSIC_LOUDNESS, GRID, 3.2)
    for events, level, labels in zip(found, levels, MUSIC_LOUDNESS.levels):
        assert events == threshold_events(median_filter(level, width), labels, GRID, 3.2)


def of_path(path, duration_s):
    """Events of both levels out of one state a frame."""
    loudness = threshold_events(np.eye(3)[path], LEAVES, GRID, duration_s)
    return relabel(loudness, MUSIC_LOUDNESS.parents[0]), loudness


@pytest.mark.parametrize("cost", [0.0, 20.0, 150.0])
def test_viterbi_in_stretches_finds_the_path_of_the_whole(cost):
    levels = programme(12_000, 3, noise=3.0, frames_a_class=300)  # six stretches and more
    duration_s = GRID.time_of(12_000)
    path = viterbi_path(leaf_log_likelihood(levels, MUSIC_LOUDNESS), cost)
    found = decode_events(
        Decoding("viterbi", switching_cost_s=cost * HOP_S), levels, MUSIC_LOUDNESS, GRID, duration_s
    )
    assert found == of_path(path, duration_s)


def test_what_needs_more_than_the_look_ahead_is_decided_at_the_next_stretch(short_stretches):
    # From frame 30 on, 0.4 nats a frame for fg-music: the cost of 10 is reached after 25 frames, but the
    # stretch of frames 20 to 39 looks no further than frame 49.
    levels = [np.tile([0.1, 0.9], (100, 1)), np.tile([0.1, 0.2, 0.8], (100, 1))]
    levels[1][30:] = 0.1, 0.55, 0.45
    decoding = Decoding("viterbi", switching_cost_s=10 * HOP_S)
    whole = viterbi_path(leaf_log_likelihood(levels, MUSIC_LOUDNESS), 10.0)
    assert whole.tolist() == [2] * 30 + [1] * 70
    _, loudness = decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, 1.6)
    assert loudness == [Event(0.0, 40 * HOP_S, "bg-music"), Event(40 * HOP_S, 1.6, "fg-music")]


@pytest.mark.parametrize("least", [0.0, 0.4])
def test_viterbis_levels_agree_and_cover_every_time_once(least):
    levels = programme(2000, 4, noise=2.5)
    decoding = Decoding("viterbi", switching_cost_s=2 * HOP_S, min_event_s=least)
    detection, loudness = decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, 31.99)
    assert detection == relabel(loudness, MUSIC_LOUDNESS.parents[0])
    assert len(detection) > 3
    for events in (detection, loudness):
        assert (events[0].onset_s, events[-1].offset_s) == (0.0, 31.99)
        assert [event.onset_s for event in events[1:]] == [event.offset_s for event in events[:-1]]
        assert min(event.offset_s - event.onset_s for event in events) >= least - 1e-9


def test_a_taxonomy_of_three_levels_is_decoded_to_its_top():
    deep = Taxonomy(
        levels=[["quiet", "sound"], ["quiet", "speech", "music"], ["quiet", "speech", "song", "opera"]],
        parents=[
            {"quiet": "quiet", "speech": "sound", "music": "sound"},
            {"quiet": "quiet", "speech": "speech", "song": "music", "opera": "music"},
        ],
    )
    states = np.repeat([0, 1, 2, 3], 10)
    actives = np.array([0, 1, 1, 1])[states], np.array([0, 1, 2, 2])[states], states
    levels = [0.1 + 0.8 * np.eye(size)[active] for size, active in zip(deep.sizes, actives)]
    found = decode_events(Decoding("viterbi", switching_cost_s=5 * HOP_S), levels, deep, GRID, 0.64)
    assert [[event.label for event in events] for events in found] == [
        ["quiet", "sound"],
        ["quiet", "speech", "music"],
        ["quiet", "speech", "song", "opera"],
    ]


HOPS = (64, 128, 256, 512, 1024)


def held(seconds, levels, hop_length):
    """Grid and frames at a hop, of probabilities ``[segment, class]`` held for so many seconds each."""
    grid = FrameGrid(hop_length=hop_length)
    counts = [round(length_s / grid.time_of(1)) for length_s in seconds]
    return grid, [np.repeat(level, counts, axis=0) for level in levels]


@pytest.mark.parametrize("method", ["threshold", "argmax", "viterbi"])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), cost_s=st.floats(0.05, 20), least_s=st.sampled_from([0.0, 1.0, 2.56]))
def test_the_same_sound_is_decided_alike_at_every_hop(method, seed, cost_s, least_s):
    rng = np.random.default_rng(seed)
    seconds = 0.128 * rng.integers(1, 60, 25)  # whole frames at every hop
    levels = [rng.uniform(0.05, 0.95, (25, size)) for size in MUSIC_LOUDNESS.sizes]
    offsets = {"music": rng.normal(), "bg-music": rng.normal()}
    decoding = Decoding(method, 0.5, cost_s, min_event_s=least_s, offsets=offsets)
    with pytest.MonkeyPatch.context() as patch:
        # Where the look-ahead doesn't do, the end of a stretch decides, which is rounded to a frame.
        patch.setattr(decoders, "LOOK_AHEAD_S", 1000.0)
        first, *others = [
            decode_events(decoding, frames, MUSIC_LOUDNESS, grid, float(seconds.sum()))
            for grid, frames in (held(seconds, levels, hop_length) for hop_length in HOPS)
        ]
    assert all(found == first for found in others)


@pytest.mark.parametrize("hop_length", HOPS)
def test_a_median_removes_what_is_shorter_than_its_half_at_every_hop(hop_length):
    lengths_s = 0.128 * np.array([4, 6, 10, 12])
    seconds = np.ravel([[5.12, length_s] for length_s in lengths_s] + [[5.12, 0]])
    loud = np.tile([[0.1], [0.9]], (5, 1))
    grid, frames = held(seconds, [loud.repeat(2, axis=1), loud.repeat(3, axis=1)], hop_length)
    events, _ = decode_events(Decoding("median", median_s=2.048), frames, MUSIC_LOUDNESS, grid, seconds.sum())
    found_s = [event.offset_s - event.onset_s for event in events if event.label == "music"]
    assert found_s == pytest.approx(lengths_s[2:])


@pytest.mark.parametrize("hop_length", HOPS)
def test_two_seconds_of_music_outweigh_the_default_cost_at_every_hop(hop_length):
    levels = np.array([[0.8, 0.2], [0.2, 0.8], [0.8, 0.2]]), np.tile([0.2, 0.2, 0.2], (3, 1))
    levels[1][[0, 1, 2], [0, 1, 0]] = 0.8
    grid, frames = held([6.144, 2.048, 6.144], levels, hop_length)
    events, _ = decode_events(Decoding("viterbi"), frames, MUSIC_LOUDNESS, grid, 14.336)
    assert [event.label for event in events] == ["no-music", "music", "no-music"]


@pytest.mark.parametrize("hop_length", HOPS)
def test_a_cost_of_an_earlier_version_still_counts_every_frame_in_full(hop_length, tmp_path):
    (tmp_path / "decoding.json").write_text('{"method": "viterbi", "switching_cost": 125.0, "median_s": 2.0}')
    decoding, grid = read_decoding(tmp_path / "decoding.json"), FrameGrid(hop_length=hop_length)
    levels = programme(3000, 8, noise=4.0)
    path = viterbi_path(leaf_log_likelihood(levels, MUSIC_LOUDNESS), 125.0)
    expected = threshold_events(np.eye(3)[path], LEAVES, grid, grid.time_of(3000))
    in_seconds = Decoding("viterbi", switching_cost_s=125.0 * grid.time_of(1))
    for same in (decoding, in_seconds):
        found = decode_events(same, levels, MUSIC_LOUDNESS, grid, grid.time_of(3000))
        assert found[1] == expected
    write_decoding(tmp_path / "decoding.json", decoding)
    assert read_decoding(tmp_path / "decoding.json") == decoding


def test_a_cost_takes_the_place_of_one_in_another_unit():
    old, new = Decoding(switching_cost=125), Decoding(switching_cost_s=8)
    assert old.changed({"switching_cost_s": 8}) == new.changed({}) == new
    assert new.changed({"switching_cost": 125}) == old.changed({"thresholds": 0.5}) == old


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_offset_is_added_to_the_log_odds(method, dtype):
    biased = {"music": -2.0, "fg-music": 1.5, "no-music": 0.75}
    levels = [np.clip(level, 0.001, 0.999).astype(dtype) for level in programme(600, 9)]
    moved = []
    for level, labels in zip(levels, MUSIC_LOUDNESS.levels):
        odds = level.astype(float) / (1 - level.astype(float))
        odds *= np.exp([biased.get(label, 0.0) for label in labels])
        moved.append(odds / (1 + odds))
    expected = decode_events(Decoding(method), moved, MUSIC_LOUDNESS, GRID, 9.6)
    assert decode_events(Decoding(method, offsets=biased), levels, MUSIC_LOUDNESS, GRID, 9.6) == expected
    assert decode_events(Decoding(method), levels, MUSIC_LOUDNESS, GRID, 9.6) != expected


def test_offsets_of_an_upper_level_and_of_a_lower_one_act_on_their_own():
    levels = np.full((100, 2), 0.4), np.full((100, 3), 0.4)
    for label, expected in (("music", [["music"], []]), ("fg-music", [[], ["fg-music"]])):
        decoding = Decoding("threshold", offsets={label: 1.0})
        found = decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, 1.6)
        assert [[event.label for event in events] for events in found] == expected


def absorbed(path, least_frames):
    """States after short runs have joined the run before (the first: after), by whole lists of runs."""
    runs = [[state, len(list(run))] for state, run in itertools.groupby(path)]
    kept, waiting = [], 0
    for state, length in runs:
        if not kept:
            waiting += length
            if waiting >= least_frames[state]:
                kept.append([state, waiting])
        elif length >= least_frames[state] and state != kept[-1][0]:
            kept.append([state, length])
        else:
            kept[-1][1] += length
    return [state for state, length in kept for _ in range(length)]


def test_short_runs_join_the_run_before_and_the_first_the_run_after():
    rng = np.random.default_rng(5)
    least_frames = [3, 1, 5]
    decoding = Decoding("argmax", min_event_s=dict(zip(LEAVES, [3 * HOP_S, HOP_S, 5 * HOP_S])))
    for _ in range(300):
        path = np.repeat(rng.integers(0, 3, 12), rng.integers(1, 8, 12))
        expected = absorbed(path, least_frames)
        if not expected:
            continue
        levels = np.full((len(path), 2), 0.5), np.eye(3)[path]
        duration_s = GRID.time_of(len(path))
        found = decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, duration_s)[1]
        assert found == threshold_events(np.eye(3)[expected], LEAVES, GRID, duration_s)


def test_a_recording_shorter_than_every_minimum_is_one_event_of_its_commonest_class():
    levels = np.full((10, 2), 0.5), np.eye(3)[[0, 1, 1, 2, 2, 2, 2, 0, 0, 1]]
    found = decode_events(Decoding("argmax", min_event_s=1.0), levels, MUSIC_LOUDNESS, GRID, 0.16)
    assert found[1] == [Event(0.0, 0.16, "bg-music")]


@pytest.mark.parametrize("method", ["threshold", "median"])
def test_short_events_of_independent_classes_are_dropped(method):
    levels = programme(500, 6)
    least = {"fg-music": 3 * HOP_S, "music": 6 * HOP_S}  # events of just that length are kept
    decoding = Decoding(method, min_event_s=least, median_s=0.05)
    every = decode_events(Decoding(method, median_s=0.05), levels, MUSIC_LOUDNESS, GRID, 7.99)
    found = decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, 7.99)
    for all_events, events in zip(every, found):
        long = [e for e in all_events if e.offset_s - e.onset_s >= least.get(e.label, 0) - 1e-9]
        assert events == long and len(long) < len(all_events)


@pytest.mark.parametrize("duration_s, n_events", [(0.030, 1), (0.032, 2), (0.04, 2)])
def test_the_last_event_is_as_long_as_the_recording_lets_it(duration_s, n_events):
    levels = np.eye(2)[[0, 1, 1]], np.eye(3)[[0, 1, 1]]
    decoding = Decoding("argmax", min_event_s={"music": 0.016, "fg-music": 0.016})
    assert [len(of) for of in decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, duration_s)] == [
        n_events
    ] * 2


@pytest.mark.parametrize("least", [0.0, 0.3])
@pytest.mark.parametrize("method", METHODS)
def test_events_come_within_the_delay(method, least, short_stretches):
    decoding = Decoding(method, min_event_s=least, median_s=0.2, switching_cost_s=5 * HOP_S)
    decoder = EventDecoder(decoding, MUSIC_LOUDNESS, GRID)
    levels = programme(600, 7, noise=1.0, frames_a_class=50)
    waited = []
    for frame in range(600):
        found = decoder.push([level[frame : frame + 1] for level in levels])
        waited += [GRID.time_of(frame) - event.offset_s for _, event in found]
    assert len(waited) >= 5
    assert max(waited) <= decoder.delay_s + 1e-9
    assert decoder.delay_s <= 0.8


@pytest.mark.parametrize(
    "decoding, delay_s",
    [
        (Decoding("threshold", min_event_s=3.0), 0.0),
        (Decoding("median", median_s=1.0), 31 * HOP_S),
        (Decoding("argmax", min_event_s=0.1), 7 * HOP_S),
    ],
)
def test_delay_is_that_of_the_method(decoding, delay_s):
    assert EventDecoder(decoding, MUSIC_LOUDNESS, GRID).delay_s == delay_s


def test_viterbi_decides_within_half_a_minute():
    assert 20 < EventDecoder(Decoding("viterbi"), MUSIC_LOUDNESS, GRID).delay_s <= 30


@pytest.mark.parametrize("method", METHODS)
def test_no_frames_give_no_events(method):
    decoder = EventDecoder(Decoding(method), MUSIC_LOUDNESS, GRID)
    assert decoder.push((np.empty((0, 2)), np.empty((0, 3)))) == []
    assert decoder.finish(1.0) == []
    assert EventDecoder(Decoding(method), MUSIC_LOUDNESS, GRID).finish(1.0) == []


@pytest.mark.parametrize("method", METHODS)
def test_one_frame_gives_one_event_a_level(method):
    levels = np.array([[0.1, 0.9]], dtype=np.float32), np.array([[0.1, 0.8, 0.2]], dtype=np.float32)
    found = decode_events(Decoding(method), levels, MUSIC_LOUDNESS, GRID, 0.005)
    assert found == ([Event(0.0, 0.005, "music")], [Event(0.0, 0.005, "fg-music")])
    assert type(found[0][0].onset_s) is float and type(found[0][0].offset_s) is float


@pytest.mark.parametrize(
    "options, message",
    [
        ({"method": "best"}, "method is 'best'; use one of threshold, argmax, median, viterbi"),
        ({"method": None}, "method is None"),
        ({"thresholds": -0.1}, "thresholds is -0.1; give a probability, 0 to 1"),
        ({"thresholds": {"music": 1.1}}, "thresholds of 'music' is 1.1; give a probability"),
        ({"thresholds": "0.5"}, "thresholds is '0.5'"),
        ({"thresholds": True}, "thresholds is True"),
        ({"switching_cost_s": float("nan")}, "switching_cost_s is nan; give seconds, 0 or more"),
        ({"switching_cost_s": float("inf")}, "switching_cost_s is inf"),
        ({"switching_cost_s": None}, "switching_cost_s is None"),
        ({"switching_cost": -1}, "switching_cost is -1; give a number of nats, 0 or more"),
        ({"switching_cost": {"music": 1.0}}, "switching_cost is {'music': 1.0}"),
        ({"offsets": float("inf")}, "offsets is inf; give a number of nats"),
        ({"offsets": {"music": "2"}}, "offsets of 'music' is '2'; give a number of nats"),
        ({"median_s": -1}, "median_s is -1; give seconds, 0 or more"),
        ({"min_event_s": float("nan")}, "min_event_s is nan; give seconds"),
        ({"min_event_s": {"music": None}}, "min_event_s of 'music' is None"),
    ],
)
def test_settings_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Decoding(**options)


@pytest.mark.parametrize(
    "decoding, message",
    [
        (Decoding("threshold", {"jazz": 0.5}), "thresholds names 'jazz'; use no-music, music, fg-music"),
        (
            Decoding("viterbi", offsets={"jazz": 1}),
            "offsets names 'jazz'; use no-music, music, fg-music, bg-music$",
        ),
        (Decoding("argmax", min_event_s={"jazz": 1}), "min_event_s names 'jazz'; use no-music, music"),
        (
            Decoding("viterbi", min_event_s={"music": 1}),
            "min_event_s names 'music'; use no-music, fg-music, bg-music, which viterbi decides on",
        ),
    ],
)
def test_labels_that_mean_nothing_are_refused(decoding, message):
    with pytest.raises(ValueError, match=message):
        EventDecoder(decoding, MUSIC_LOUDNESS, GRID)


def test_nan_is_refused_with_its_frame_in_the_recording():
    decoder = EventDecoder(Decoding(), MUSIC_LOUDNESS, GRID)
    decoder.push((np.zeros((5, 2)), np.zeros((5, 3))))
    faulty = np.zeros((4, 3))
    faulty[2, 1] = np.nan
    with pytest.raises(ValueError, match="probabilities of frame 7 are NaN"):
        decoder.push((np.zeros((4, 2)), faulty))


@pytest.mark.parametrize("shapes", [[(4, 2)], [(4, 2), (3, 3)], [(4, 3), (4, 2)], [(4,), (4, 3)], [(), ()]])
def test_arrays_that_do_not_fit_are_refused(shapes):
    levels = [np.zeros(shape) for shape in shapes]
    with pytest.raises(ValueError, match=r"needs \[frame, class\] of 2 and 3 classes, and the same frames"):
        EventDecoder(Decoding(), MUSIC_LOUDNESS, GRID).push(levels)
    with pytest.raises(ValueError, match=r"needs \[frame, class\] of 2 and 3 classes"):
        decode_events(Decoding(), levels, MUSIC_LOUDNESS, GRID, 1.0)


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_that_is_none_is_refused(duration_s):
    with pytest.raises(ValueError, match="must be a positive number of seconds"):
        decode_events(Decoding(), programme(3, 0), MUSIC_LOUDNESS, GRID, duration_s)
    with pytest.raises(ValueError, match="must be a positive number of seconds"):
        EventDecoder(Decoding(), MUSIC_LOUDNESS, GRID).finish(duration_s)


@pytest.mark.parametrize("method", METHODS)
def test_a_decoding_survives_json(method, tmp_path):
    minima = {"fg-music": np.float32(0.5), "bg-music": 1}
    decoding = Decoding(method, np.float64(0.25), 12, 0.3, minima, {"music": -1})
    write_decoding(tmp_path / "decoding.json", decoding)
    assert read_decoding(tmp_path / "decoding.json") == decoding
    assert json.loads((tmp_path / "decoding.json").read_text())["min_event_s"]["bg-music"] == 1.0


@pytest.mark.parametrize(
    "content, message",
    [
        (b"[]", r"decoding.json: a decoding is a mapping of method, .*, not \[\]"),
        (b'{"cost": 1}', "decoding.json: a decoding has no 'cost'; it has method, thresholds"),
        (b'{"switching_cost": 1, "switching_cost_s": 1}', "decoding.json: a decoding has one switching cost"),
        (b'{"median_s": "1"}', "decoding.json: median_s is '1'; give seconds"),
        (b'{"method":\n', "decoding.json, line 2: is not JSON"),
        (b"\xff\xfe{", "decoding.json: is not UTF-8 text"),
        (None, "decoding.json: cannot be read"),
    ],
)
def test_a_file_that_is_no_decoding_is_named(content, message, tmp_path):
    if content is not None:
        (tmp_path / "decoding.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_decoding(tmp_path / "decoding.json")


def test_a_decoding_says_what_it_uses():
    minima = {"no-music": 0.5}
    assert str(Decoding("viterbi", 0.1, 8)) == "viterbi, switching cost 8 s"
    assert str(Decoding("viterbi", switching_cost=64)) == "viterbi, switching cost 64 nats over frames"
    offsets = {"music": 1, "fg-music": -0.5}
    assert str(Decoding("argmax", offsets=offsets)) == "argmax, offsets in nats music 1, fg-music -0.5"
    assert str(Decoding("argmax", 0.1, min_event_s=2)) == "argmax, events of at least 2 s"
    assert (
        str(Decoding("median", {"music": 0.4}, min_event_s=minima))
        == f"median over {Decoding().median_s:g} s, threshold music 0.4, events of at least no-music 0.5 s"
    )
