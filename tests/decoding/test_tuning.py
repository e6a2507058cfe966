"""Tuning: the settings that are found are the best of those that are tried."""

import itertools

import numpy as np
import pytest

from hrin_plugin.decoding.decoders import METHODS, Decoding
from hrin_plugin.decoding.scores import decoded_scores, format_table, objective, score_decoding
from hrin_plugin.decoding.tuning import MINIMA_S, SWITCHING_COSTS, THRESHOLDS, tune
from hrin_plugin.events import Event
from hrin_plugin.metrics.scores import fast_scores
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.timing import FrameGrid
from hrin_plugin.training.results import Prediction, score

GRID = FrameGrid()
N_FRAMES = 751
DURATION_S = GRID.time_of(N_FRAMES - 1)


def recording(name, seed, noise, offset=0.0):
    """Noisy probabilities of 12 s, lowered by an offset of the logits, and the truth."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(60, 250, 12)
    steps = rng.integers(1, 3, 12).cumsum() % 3  # neighbours differ
    classes = np.repeat(steps, lengths)[:N_FRAMES]
    references, probabilities = [], []
    for labels, active in zip(
        MUSIC_LOUDNESS.levels, (np.array(MUSIC_LOUDNESS.parent_indices(1))[classes], classes)
    ):
        bounds = [0, *(np.flatnonzero(np.diff(active)) + 1).tolist(), N_FRAMES]
        references.append(
            [
                Event(GRID.time_of(first), min(GRID.time_of(end), DURATION_S), labels[active[first]])
                for first, end in itertools.pairwise(bounds)
                if GRID.time_of(first) < DURATION_S
            ]
        )
        logits = 4 * np.eye(len(labels))[active] - 2 - offset + rng.normal(0, noise, (N_FRAMES, len(labels)))
        probabilities.append((1 / (1 + np.exp(-logits))).astype(np.float32))
    return Prediction(name, DURATION_S, tuple(references), tuple(probabilities))


@pytest.fixture(scope="module")
def noisy():
    return [recording(f"{seed}", seed, noise=2.0) for seed in range(4)]


@pytest.fixture(scope="module")
def tuning(noisy):
    return tune(noisy, MUSIC_LOUDNESS, GRID)


def value(decoding, predictions):
    return objective(decoded_scores(decoding, predictions, MUSIC_LOUDNESS, GRID))


def test_every_method_is_tuned_and_the_best_comes_first(tuning, noisy):
    assert set(tuning.best) == set(METHODS)
    values = [value(decoding, noisy) for decoding in tuning.best.values()]
    assert values == [row["objective"] for row in tuning.rows] == sorted(values, reverse=True)
    assert [row["decoding"] for row in tuning.rows] == [str(decoding) for decoding in tuning.best.values()]


def test_no_tried_switching_cost_is_better(tuning, noisy):
    best = value(tuning.best["viterbi"], noisy)
    for cost in SWITCHING_COSTS:
        assert value(Decoding("viterbi", switching_cost=cost), noisy) <= best


def test_no_tried_minimum_is_better(tuning, noisy):
    best = value(tuning.best["argmax"], noisy)
    assert max(value(Decoding("argmax", min_event_s=least), noisy) for least in MINIMA_S) == best


@pytest.mark.parametrize("method", ["threshold", "median"])
def test_labels_with_their_own_settings_are_no_worse_than_one_for_all(tuning, noisy, method):
    best = tuning.best[method]
    for threshold in THRESHOLDS:
        assert value(Decoding(method, threshold, median_s=best.median_s), noisy) <= value(best, noisy)


def test_labels_with_their_own_minima_are_no_worse_than_one_for_all(tuning, noisy):
    for threshold, least in itertools.product(THRESHOLDS[:3], MINIMA_S):
        assert value(Decoding("threshold", threshold, min_event_s=least), noisy) <= value(
            tuning.best["threshold"], noisy
        )


def test_switching_costs_between_the_coarse_ones_are_found(noisy, monkeypatch):
    monkeypatch.setattr("hrin_plugin.decoding.tuning.SWITCHING_COSTS", (1.0,))
    best = tune(noisy, MUSIC_LOUDNESS, GRID, ["viterbi"]).best["viterbi"]
    assert 1.0 < best.switching_cost < 2.0
    assert value(best, noisy) > value(Decoding("viterbi", switching_cost=1.0), noisy)


def test_smoothing_is_found_to_be_worth_it(tuning, noisy):
    plain = value(Decoding("threshold"), noisy)
    assert all(value(tuning.best[method], noisy) > plain + 0.1 for method in ("median", "viterbi"))


def test_lowered_probabilities_get_lower_thresholds():
    lowered = [recording("a", 0, noise=0.3, offset=1.5)]
    best = tune(lowered, MUSIC_LOUDNESS, GRID, ["threshold"]).best["threshold"]
    assert all(threshold < 0.5 for threshold in best.thresholds.values())


def test_bursts_that_no_threshold_removes_get_a_minimum():
    clean = recording("a", 2, noise=0.0)
    assert "fg-music" not in {event.label for event in clean.references[1]}  # and so it is for absent classes
    bursts = [level.copy() for level in clean.probabilities]
    for level in bursts:
        level[30::60] = 1.0  # all classes, a frame at a time
    best = tune([clean._replace(probabilities=bursts)], MUSIC_LOUDNESS, GRID, ["threshold"]).best["threshold"]
    assert all(least > 0 for least in best.min_event_s.values())
    assert value(best, [clean._replace(probabilities=bursts)]) == value(Decoding("threshold"), [clean]) == 1.0


def test_the_objective_weighs_segments_and_events_alike():
    truth, late = [Event(0.0, 2.0, "music")], [Event(1.0, 2.0, "music")]
    scores = fast_scores([truth], [late], [2.0], ["music"])  # segments: recall 1/2, precision 1; no event
    assert objective([scores]) == pytest.approx((2 / 3 + 0) / 2)


def test_of_equally_good_settings_the_plainest_is_taken():
    clean = [recording("a", 1, noise=0.0)]
    best = tune(clean, MUSIC_LOUDNESS, GRID, ["threshold", "argmax"]).best
    assert set(best["threshold"].thresholds.values()) == {0.5}
    assert set(best["threshold"].min_event_s.values()) == {0.0}
    assert best["argmax"] == Decoding("argmax")


def test_the_papers_decoding_has_the_scores_of_the_results_file(noisy):
    row = score_decoding(Decoding("threshold"), noisy, MUSIC_LOUDNESS, GRID)
    scores = score(noisy, MUSIC_LOUDNESS, GRID)  # by sed_eval
    for task in ("md", "mrle"):
        assert row[f"{task} accuracy"] == scores[task]["segment"]["accuracy"]
        for label, expected in scores[task]["segment"]["classes"].items():
            assert row[f"{task} {label} F"] == expected["f_measure"]
        for label, expected in scores[task]["event"]["500ms_onset"]["classes"].items():
            assert row[f"{task} {label} event F"] == expected["f_measure"]


def test_an_absent_class_neither_helps_nor_harms():
    silence = [Event(0.0, DURATION_S, "no-music")]
    probabilities = np.tile([0.9, 0.1], (N_FRAMES, 1)), np.tile([0.9, 0.1, 0.1], (N_FRAMES, 1))
    prediction = Prediction("a", DURATION_S, (silence, silence), probabilities)
    row = score_decoding(Decoding("argmax"), [prediction], MUSIC_LOUDNESS, GRID)
    assert row["objective"] == 1.0 and row["md music F"] is None
    assert "-" in format_table([row]).splitlines()[-1]


def test_the_table_is_markdown_with_columns_of_one_width(tuning):
    lines = format_table(tuning.rows).splitlines()
    assert len({len(line) for line in lines}) == 1 and len(lines) == 6
    assert len({line.count("|") for line in lines}) == 1
    assert set(lines[1]) <= set("|:- ")


def test_nothing_to_tune_on_is_refused():
    with pytest.raises(ValueError, match="there is no recording to tune on"):
        tune([], MUSIC_LOUDNESS, GRID)


def test_an_unknown_method_is_refused(noisy):
    with pytest.raises(ValueError, match="method is 'best'; use threshold, argmax, median, viterbi"):
        tune(noisy, MUSIC_LOUDNESS, GRID, ["best"])
