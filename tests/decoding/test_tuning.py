"""Tuning: the settings that are found are the best of those that are tried."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from hrin_plugin.decoding.decoders import METHODS, Decoding
from hrin_plugin.decoding.scores import decoded_scores, format_table, objective, score_decoding
from hrin_plugin.decoding.searches import MINIMA_S, SWITCHING_COSTS_S, THRESHOLDS
from hrin_plugin.decoding.tuning import compare, tune
from hrin_plugin.events import Event
from hrin_plugin.metrics.scores import fast_scores
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.timing import FrameGrid
from hrin_plugin.training.results import Prediction, score

GRID = FrameGrid()
N_FRAMES = 751
DURATION_S = GRID.time_of(N_FRAMES - 1)


def recording(name, seed, noise, offset=0.0, n_frames=N_FRAMES):
    """Noisy probabilities of 12 s, lowered by an offset of the logits, and the truth."""
    rng = np.random.default_rng(seed)
    n_runs, duration_s = 12 * n_frames // N_FRAMES, GRID.time_of(n_frames - 1)
    lengths = rng.integers(60, 250, n_runs)
    steps = rng.integers(1, 3, n_runs).cumsum() % 3  # neighbours differ
    classes = np.repeat(steps, lengths)[:n_frames]
    references, probabilities = [], []
    for labels, active in zip(
        MUSIC_LOUDNESS.levels, (np.array(MUSIC_LOUDNESS.parent_indices(1))[classes], classes)
    ):
        bounds = [0, *(np.flatnonzero(np.diff(active)) + 1).tolist(), n_frames]
        references.append(
            [
                Event(GRID.time_of(first), min(GRID.time_of(end), duration_s), labels[active[first]])
                for first, end in itertools.pairwise(bounds)
                if GRID.time_of(first) < duration_s
            ]
        )
        logits = 4 * np.eye(len(labels))[active] - 2 - offset + rng.normal(0, noise, (n_frames, len(labels)))
        probabilities.append((1 / (1 + np.exp(-logits))).astype(np.float32))
    return Prediction(name, duration_s, tuple(references), tuple(probabilities))


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
    for cost_s in SWITCHING_COSTS_S:
        assert value(Decoding("viterbi", switching_cost_s=cost_s), noisy) <= best


def test_no_tried_minimum_is_better(tuning, noisy):
    best = tuning.best["argmax"]
    tried = max(value(replace(best, min_event_s=least), noisy) for least in MINIMA_S)
    assert tried == value(best, noisy)


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
    monkeypatch.setattr("hrin_plugin.decoding.searches.SWITCHING_COSTS_S", (1 / 64,))
    monkeypatch.setattr("hrin_plugin.decoding.searches.OFFSET_STEPS", ())
    best = tune(noisy, MUSIC_LOUDNESS, GRID, ["viterbi"]).best["viterbi"]
    assert 1 / 64 < best.switching_cost_s < 2 / 64
    assert value(best, noisy) > value(Decoding("viterbi", switching_cost_s=1 / 64), noisy)


def biased(prediction, nats):
    """The recording as heard by a model that doubts music."""
    levels = []
    for level in prediction.probabilities:
        odds = level / (1 - level) * np.exp(np.where(np.arange(level.shape[1]) == 0, nats, -nats))
        levels.append((odds / (1 + odds)).astype(np.float32))
    return prediction._replace(probabilities=tuple(levels))


def test_ten_minutes_give_a_biased_model_its_bias_back():
    fair = [recording(f"{seed}", seed, noise=1.5, n_frames=37_501) for seed in range(2)]  # of 10 minutes each
    doubtful = [biased(prediction, 2.5) for prediction in fair]
    found = tune(doubtful[:1], MUSIC_LOUDNESS, GRID, ["viterbi"]).best["viterbi"]
    without = replace(found, offsets=0.0)
    # On ten minutes more, as good as without the bias.
    assert value(without, doubtful[1:]) < 0.5 < 0.99 < value(without, fair[1:])
    assert value(found, doubtful[1:]) > value(without, fair[1:]) - 0.01


def test_a_fair_model_gets_no_offsets():
    assert (
        tune([recording("a", 1, noise=0.5)], MUSIC_LOUDNESS, GRID, ["viterbi"]).best["viterbi"].offsets == 0.0
    )


def test_other_recordings_score_what_was_tuned_beside_what_was_not(tuning, noisy):
    others = [recording("other", 9, noise=2.0)]
    own = Decoding("median")
    rows = compare(tuning.best, own, others, MUSIC_LOUDNESS, GRID)
    decodings = [Decoding("threshold"), Decoding("argmax"), Decoding("viterbi"), own]
    decodings += [tuning.best[method] for method in METHODS]
    assert [row["objective"] for row in rows] == [value(decoding, others) for decoding in decodings]
    assert [row["decoder"] for row in rows[3:]] == [
        "the model's own",
        *(f"{name}, tuned" for name in METHODS),
    ]


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
