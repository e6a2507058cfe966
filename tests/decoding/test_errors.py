"""Measured errors hold the truth as often as they say, and do not shrink with time."""

import numpy as np
import pytest

from hrin_plugin.decoding.errors import Heard, measure, sums_of
from hrin_plugin.detection import Certainty, Detection, Spread
from hrin_plugin.events import Event, relabel
from hrin_plugin.taxonomy import MUSIC_LOUDNESS


def recording(rng, bias, true_share, doubt_s=6.0, seconds=300.0):
    """A recording whose found music is off by so many seconds of each second of doubt."""

    def detection(music_s, **more):
        """Music at the beginning, and none after it."""
        lower = [Event(0.0, music_s, "bg-music"), Event(music_s, seconds, "no-music")]
        events = {"md": relabel(lower, MUSIC_LOUDNESS.parents[0]), "mrle": lower}
        return Detection("a", seconds, events, **more)

    music_s = true_share * seconds
    found_s = min(max(music_s - bias * doubt_s + rng.normal(0, 2), 1), seconds - 1)
    doubts = {
        level: {label: (doubt_s,) for label in labels} for level, labels in MUSIC_LOUDNESS.labels.items()
    }
    found = detection(
        found_s, confidences={"md": (0.9, 0.8), "mrle": (0.9, 0.8)}, certainty=Certainty(doubts)
    )
    return Heard(detection(music_s), found)


def kinds(seed, n_kinds, n_each=4):
    """Kinds of recordings, each with an error of its own."""
    rng = np.random.default_rng(seed)
    return {
        str(number): [recording(rng, bias, rng.uniform(0.2, 0.8)) for _ in range(n_each)]
        for number, bias in enumerate(rng.normal(0.5, 1.5, n_kinds))
    }


def test_intervals_hold_the_truth_of_other_kinds_as_often_as_they_say():
    calibration, held, n = measure(kinds(0, 60), {"what": "made"}), 0, 400
    spread = calibration.spreads["md"]["music"]
    for of_kind in kinds(1, n).values():
        sums = np.sum([sums_of(each, "md", "music") for each in of_kind], axis=0)
        low, high = spread.interval(sums[1], sums[3], sums[2])
        held += low <= sums[0] <= high
    assert 0.85 <= held / n <= 0.95
    assert spread.bias == pytest.approx(0.5, abs=0.5)
    assert calibration.about == {"kinds": 60, "recordings": 240, "hours": 20.0, "what": "made"}


def test_what_a_kind_has_in_common_does_not_shrink_with_time_and_chance_does():
    common, by_chance = Spread(0, 1.0, 0, 0, -1, 1), Spread(0, 0, 4.0, 0, -1, 1)
    for spread, times in ((common, 100), (by_chance, 10)):
        hour, week = (spread.interval(n * 1800, n * 3600, n * 100) for n in (1, 100))
        assert week[1] - week[0] == pytest.approx(times * (hour[1] - hour[0]))


def test_an_interval_lies_within_the_span():
    assert Spread(5, 3, 0, 0.1, -2, 2).interval(10.0, 60.0, 30.0) == (0.0, 60.0)


def test_confidences_are_as_often_right_as_they_say():
    calibration = measure(kinds(2, 40), {})
    events = [
        (calibration.confidence("mrle", event.label, mean), event, each.truth)
        for of_kind in kinds(3, 40).values()
        for each in of_kind
        for event, mean in zip(each.found.events["mrle"], each.found.confidences["mrle"])
    ]
    seconds = np.array([event.offset_s - event.onset_s for _, event, _ in events])
    right = np.array(
        [
            sum(
                max(min(e.offset_s, t.offset_s) - max(e.onset_s, t.onset_s), 0)
                for t in truth.events["mrle"]
                if t.label == e.label
            )
            for _, e, truth in events
        ]
    )
    sure = np.average([confidence for confidence, *_ in events], weights=seconds)
    assert right.sum() / seconds.sum() == pytest.approx(sure, abs=0.02)


def test_too_few_kinds_tell_nothing():
    with pytest.raises(ValueError, match="recordings of 18 kinds tell no interval; give 19"):
        measure(kinds(0, 18), {})
