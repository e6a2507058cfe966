"""Violations of the hierarchy, against a reading of the rules class by class."""

import itertools

import numpy as np
import pytest
import torch

from hrin_plugin.hierarchy.levels import monotone_sigmoid
from hrin_plugin.hierarchy.statistics import HierarchyStats
from hrin_plugin.hierarchy.violations import violation_rates
from hrin_plugin.networks.baselines import derive_upper_level
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy

DEEP = Taxonomy(
    levels=(("quiet", "sound"), ("quiet", "music", "speech"), ("quiet", "fg", "bg", "speech")),
    parents=(
        {"quiet": "quiet", "music": "sound", "speech": "sound"},
        {"quiet": "quiet", "fg": "music", "bg": "music", "speech": "speech"},
    ),
)


def rates_of_frame(*levels, taxonomy=MUSIC_LOUDNESS):
    return violation_rates([[level] for level in levels], taxonomy)


@pytest.mark.parametrize("bits", list(itertools.product([0, 1], repeat=5)))
def test_only_the_paper_s_three_combinations_of_decisions_are_consistent(bits):
    """No music; foreground; background: and with both, music is active all the same."""
    consistent = set()
    for no_music, foreground, background in itertools.product([0, 1], repeat=3):
        consistent.add((no_music, int(foreground or background), no_music, foreground, background))
    rate = rates_of_frame(bits[:2], bits[2:]).decision_violations
    assert rate == (0.0 if bits in consistent else 1.0)


@pytest.mark.parametrize(
    "mrle, violated",
    [([0.1, 0.6, 0.0], 0), ([0.1, 0.61, 0.0], 1), ([0.1, 0.0, 0.61], 1), ([0.1, 0.3, 0.2], 0)],
)
def test_score_of_a_child_above_its_parent_is_a_violation(mrle, violated):
    assert rates_of_frame([0.1, 0.6], mrle).score_violations == violated


@pytest.mark.parametrize("lower, violated", [(0.49, 1), (0.5, 0), (0.9, 0)])
def test_only_child_violates_by_decision_not_by_score(lower, violated):
    rates = rates_of_frame([0.7, 0.3], [lower, 0.1, 0.1])
    assert rates == (violated, violated)


def test_score_and_decision_violations_differ():
    assert rates_of_frame([0.1, 0.6], [0.1, 0.9, 0.0]) == (1.0, 0.0)
    assert rates_of_frame([0.1, 0.6], [0.1, 0.4, 0.4]) == (0.0, 1.0)


@pytest.mark.parametrize("n_frames", [99, 157, 3751, 10007])
def test_a_level_that_is_derived_never_violates(n_frames):
    """torch.sigmoid alone fails here: equal logits get probabilities that differ in the last digit."""
    torch.manual_seed(n_frames)
    mrle = 4 * torch.randn(1, n_frames, 3)
    levels = derive_upper_level(mrle), mrle
    assert violation_rates([monotone_sigmoid(level)[0] for level in levels], MUSIC_LOUDNESS) == (0.0, 0.0)
    statistics = HierarchyStats()
    statistics.append(["a"], levels, torch.zeros(1, n_frames, dtype=torch.long))
    assert statistics.summarize("score_violations") == statistics.summarize("decision_violations") == 0.0


def test_rates_are_fractions_of_frames():
    md = [[0.1, 0.9]] * 4
    mrle = [[0.1, 0.8, 0.1], [0.1, 0.95, 0.97], [0.1, 0.1, 0.1], [0.1, 0.1, 0.2]]
    assert violation_rates([md, mrle], MUSIC_LOUDNESS) == (0.25, 0.5)


def test_any_level_of_a_deeper_hierarchy_counts():
    rng = np.random.default_rng(0)
    levels = [rng.random((2000, size)) for size in DEEP.sizes]
    by_score, by_decision = 0, 0
    for frame in zip(*levels):
        score = decision = False
        for depth, mapping in enumerate(DEEP.parents):
            above = dict(zip(DEEP.levels[depth], frame[depth]))
            below = dict(zip(DEEP.levels[depth + 1], frame[depth + 1]))
            for parent, value in above.items():
                children = [below[child] for child in below if mapping[child] == parent]
                active = value >= 0.5
                decision |= active != any(child >= 0.5 for child in children)
                if len(children) > 1:
                    score |= max(children) > value
                else:
                    score |= active != (children[0] >= 0.5)
        by_score += score
        by_decision += decision
    rates = violation_rates(levels, DEEP)
    assert rates == (by_score / 2000, by_decision / 2000)
    assert 0 < rates.decision_violations < 1 and 0 < rates.score_violations < 1


def test_threshold_moves_the_decisions():
    levels = [[[0.1, 0.6]], [[0.1, 0.4, 0.1]]]
    assert violation_rates(levels, MUSIC_LOUDNESS, threshold=0.3).decision_violations == 0.0
    assert violation_rates(levels, MUSIC_LOUDNESS, threshold=0.5).decision_violations == 1.0


@pytest.mark.parametrize(
    ("mrle", "violated"), [([0.1, 0.2, 0.3], 0), ([0.4, 0.2, 0.3], 1), ([0.1, 0.3, 0.3], 0)]
)
def test_without_a_threshold_the_most_probable_class_of_each_level_is_active(mrle, violated):
    levels = [[[0.3, 0.4]], [mrle]]
    assert violation_rates(levels, MUSIC_LOUDNESS, threshold=None).decision_violations == violated


@pytest.mark.parametrize(
    "shapes", [[(4, 2)], [(4, 2), (5, 3)], [(4, 3), (4, 2)], [(0, 2), (0, 3)], [(), ()], []]
)
def test_arrays_that_do_not_fit_the_taxonomy_are_refused(shapes):
    with pytest.raises(ValueError, match="the taxonomy needs"):
        violation_rates([np.zeros(shape) for shape in shapes], MUSIC_LOUDNESS)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="probabilities are NaN"):
        rates_of_frame([0.1, np.nan], [0.1, 0.2, 0.3])
