"""The running median and Viterbi against their definitions."""

import itertools

import librosa
import numpy as np
import pytest
from scipy import special, stats

from hrin_plugin.decoding.smoothing import (
    leaf_ancestors,
    leaf_log_likelihood,
    median_filter,
    shift_log_odds,
    viterbi_path,
)
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy

DEEP = Taxonomy(
    levels=[["quiet", "sound"], ["quiet", "speech", "music"], ["quiet", "speech", "song", "opera"]],
    parents=[
        {"quiet": "quiet", "speech": "sound", "music": "sound"},
        {"quiet": "quiet", "speech": "speech", "song": "music", "opera": "music"},
    ],
)


def value_of(path, log_likelihood, cost, previous=None):
    """What Viterbi maximises, by its definition."""
    path = list(path)
    before = path[:1] if previous is None else [previous]
    switches = sum(a != b for a, b in zip(before + path, path))
    return sum(log_likelihood[frame][state] for frame, state in enumerate(path)) - cost * switches


def recursion(log_likelihood, cost):
    """Viterbi's recursion over every pair of states, in plain Python floats."""
    states = range(log_likelihood.shape[1])
    values, pointers = log_likelihood[0].tolist(), []
    for row in log_likelihood[1:].tolist():
        best = [max(states, key=lambda s, to=to: values[s] - cost * (s != to)) for to in states]
        values = [values[s] - cost * (s != to) + row[to] for to, s in enumerate(best)]
        pointers.append(best)
    path = [values.index(max(values))]
    for best in reversed(pointers):
        path.append(best[path[-1]])
    return path[::-1]


@pytest.mark.parametrize("previous", [None, 0, 2])
@pytest.mark.parametrize("cost", [0.0, 0.5, 2.0, 7.0])
def test_no_sequence_is_better_than_viterbis(cost, previous):
    rng = np.random.default_rng(0)
    for n_frames in range(1, 7):
        log_likelihood = rng.normal(0, 3, (n_frames, 3))
        best = max(
            itertools.product(range(3), repeat=n_frames),
            key=lambda path: value_of(path, log_likelihood, cost, previous),  # noqa: B023
        )
        assert tuple(viterbi_path(log_likelihood, cost, previous)) == best


@pytest.mark.parametrize("cost", [1.0, 45 * np.log(10), 500.0, 5000.0])
@pytest.mark.parametrize("spread", [1.0, 40.0, 2000.0])
def test_long_sequences_with_any_cost_and_evidence_are_those_of_the_recursion(cost, spread):
    rng = np.random.default_rng(1)
    truth = np.repeat(rng.integers(0, 4, 40), 25)
    log_likelihood = spread * (rng.normal(0, 1, (1000, 4)) + 0.5 * np.eye(4)[truth])
    assert viterbi_path(log_likelihood, cost).tolist() == recursion(log_likelihood, cost)


def test_without_a_cost_each_frame_is_decided_alone():
    log_likelihood = np.random.default_rng(2).normal(0, 5, (200, 3))
    assert viterbi_path(log_likelihood, 0.0).tolist() == log_likelihood.argmax(axis=1).tolist()


def test_a_level_that_all_states_share_changes_nothing():
    rng = np.random.default_rng(3)
    log_likelihood = rng.normal(0, 5, (200, 3))
    moved = log_likelihood + rng.normal(-1000, 100, (200, 1))
    assert viterbi_path(moved, 9.0).tolist() == viterbi_path(log_likelihood, 9.0).tolist()


def test_no_frames_make_no_path():
    assert viterbi_path(np.empty((0, 3)), 5.0).shape == (0,)


def librosas(log_likelihood, cost, previous):
    """librosa's path: for costs and evidence whose exponentials it can represent."""
    weights = np.exp(cost * np.eye(log_likelihood.shape[1]))
    transition = weights / weights.sum(axis=1, keepdims=True)
    first = np.full(len(weights), 1 / len(weights)) if previous is None else transition[previous]
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    return librosa.sequence.viterbi(likelihood.T, transition, p_init=first)


@pytest.mark.parametrize("previous", [None, 1])
@pytest.mark.parametrize("cost", [0.5, 8.0, 125.0, 500.0])
@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 5, 35, 36, 37, 3000])
def test_paths_are_librosas(n_frames, cost, previous):
    rng = np.random.default_rng(n_frames)
    truth = np.repeat(rng.integers(0, 3, 100), 30)[:n_frames]
    log_likelihood = rng.normal(0, 10, (n_frames, 3)) + 4 * np.eye(3)[truth]
    found = viterbi_path(log_likelihood, cost, previous)
    assert found.tolist() == librosas(log_likelihood, cost, previous).tolist()


def test_shifted_log_odds_are_as_far_away_as_the_offset():
    probabilities = np.random.default_rng(6).uniform(0.01, 0.99, (50, 3)).astype(np.float32)
    shifted = shift_log_odds(probabilities, [1.5, 0.0, -2.0])
    assert shifted.dtype == np.float32
    moved = special.logit(shifted.astype(float)) - special.logit(probabilities.astype(float))
    np.testing.assert_allclose(moved, np.tile([1.5, 0.0, -2.0], (50, 1)), atol=1e-4)
    np.testing.assert_array_equal(shifted[:, 1], probabilities[:, 1])


def test_certainty_can_be_shifted_too():
    shifted = shift_log_odds(np.array([[0.0, 1.0]], dtype=np.float32), [2.0, -2.0])
    assert shifted.tolist()[0] == pytest.approx([1e-6 * np.exp(2), 1 - 1e-6 * np.exp(2)], rel=1e-3)
    assert shifted[0, 1] < 1


@pytest.mark.parametrize("taxonomy", [MUSIC_LOUDNESS, DEEP])
def test_likelihood_is_that_of_independent_outputs(taxonomy):
    rng = np.random.default_rng(4)
    levels = [rng.uniform(0.01, 0.99, (20, size)) for size in taxonomy.sizes]
    found = leaf_log_likelihood(levels, taxonomy)
    for leaf, name in enumerate(taxonomy.levels[-1]):
        # Up the parents by their names.
        active = [name]
        for mapping in reversed(taxonomy.parents):
            active.insert(0, mapping[active[0]])
        expected = sum(
            stats.bernoulli.logpmf([label == own for label in labels], level).sum(axis=1)
            for level, labels, own in zip(levels, taxonomy.levels, active)
        )
        np.testing.assert_allclose(found[:, leaf], expected)


def test_ancestors_reach_through_all_levels():
    assert [list(indices) for indices in leaf_ancestors(DEEP)] == [[0, 1, 1, 1], [0, 1, 2, 2], [0, 1, 2, 3]]


def test_saturated_outputs_are_odds_of_a_million_not_certainty():
    ones = np.array([[0.0, 1.0]], dtype=np.float32), np.array([[0.0, 0.0, 1.0]], dtype=np.float32)
    no, fg, bg = leaf_log_likelihood(ones, MUSIC_LOUDNESS)[0]
    odds = np.log(1e6)
    assert bg == pytest.approx(0.0, abs=1e-5)
    assert (fg, no) == (pytest.approx(-2 * odds, rel=1e-5), pytest.approx(-4 * odds, rel=1e-5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 3, 7, 41])
def test_median_is_the_middle_of_the_sorted_neighbours(width, dtype):
    probabilities = np.random.default_rng(5).random((30, 2)).astype(dtype)
    padded = np.pad(probabilities, [(width // 2, width // 2), (0, 0)], mode="edge")
    expected = [np.sort(padded[frame : frame + width], axis=0)[width // 2] for frame in range(30)]
    found = median_filter(probabilities, width)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("width", [0, 2, -3])
def test_a_median_without_a_middle_is_refused(width):
    with pytest.raises(ValueError, match=f"a median over {width} frames has no middle"):
        median_filter(np.zeros((5, 2)), width)
