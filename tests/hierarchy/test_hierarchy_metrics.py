"""F-measures and violations over batches, against counts class by class."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.hierarchy.statistics import HierarchyStats
from hrin_plugin.hierarchy.violations import violation_rates
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from taxonomies import random_taxonomies


@given(random_taxonomies(), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_figures_of_padded_batches_are_those_of_all_frames_counted_one_by_one(taxonomy, seed):
    generator = torch.Generator().manual_seed(seed)
    stats = HierarchyStats(taxonomy)
    frames, leaves = [[] for _ in taxonomy.levels], []
    for batch in range(2):
        logits = [torch.randn(2, 4, size, generator=generator) for size in taxonomy.sizes]
        lowest = torch.randint(taxonomy.sizes[-1], (2, 4), generator=generator)
        stats.append([f"{batch}a", f"{batch}b"], logits, lowest, lens=torch.tensor([1.0, 0.5]))
        for recording, n_frames in ((0, 4), (1, 2)):
            leaves += lowest[recording, :n_frames].tolist()
            for level, of_level in zip(logits, frames):
                of_level += torch.sigmoid(level[recording, :n_frames]).tolist()
    summary = stats.summarize()
    rates = violation_rates([np.array(level) for level in frames], taxonomy)
    assert summary["score_violations"] == pytest.approx(rates.score_violations)
    assert summary["decision_violations"] == pytest.approx(rates.decision_violations)
    truths = [taxonomy.levels[-1][leaf] for leaf in leaves]
    for number, level in reversed(list(enumerate(taxonomy.level_names, start=1))):
        scores = []
        for index, name in enumerate(taxonomy.levels[number - 1]):
            found = [row[index] >= 0.5 for row in frames[number - 1]]
            right = sum(hit and truth == name for hit, truth in zip(found, truths))
            total = sum(found) + truths.count(name)
            scores.append(2 * right / total if total else None)
            assert summary[f"{level}_F_{name}"] == pytest.approx(scores[-1])
        defined = [score for score in scores if score is not None]
        assert summary[f"{level}_F"] == pytest.approx(np.mean(defined))
        if number > 1:
            truths = [taxonomy.parents[number - 2][name] for name in truths]


def test_with_softmax_the_most_probable_class_is_the_decision():
    logits = [torch.tensor([[0.1, 0.2], [0.2, 0.1]]), torch.tensor([[0.0, 0.1, 0.2], [0.0, 0.1, 0.2]])]
    stats = HierarchyStats(activation="softmax")
    stats.append(["a", "b"], logits, torch.tensor([2, 2]))
    assert stats.summarize("decision_violations") == 0.5
    assert stats.summarize("mrle_F_bg-music") == stats.summarize("level_2_F_bg-music") == 1.0
    assert stats.summarize("md_F_music") == pytest.approx(2 / 3)


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    stats = HierarchyStats()
    logits = torch.tensor([[-9.0, 9.0]]), torch.tensor([[-9.0, 9.0, -9.0]])
    stats.append(["a"], logits, torch.tensor([1]))
    summary = stats.summarize()
    assert summary["mrle_F_bg-music"] is None and summary["mrle_F"] == 1.0


def test_recordings_of_one_frame_count_as_much_as_each_frame_of_others():
    inconsistent = torch.tensor([[[9.0, -9.0]]]), torch.tensor([[[-9.0, 9.0, -9.0]]])
    consistent = torch.tensor([[[9.0, -9.0]] * 3]), torch.tensor([[[9.0, -9.0, -9.0]] * 3])
    stats = HierarchyStats()
    stats.append(["a"], inconsistent, torch.zeros(1, 1).long())
    stats.append(["b"], consistent, torch.zeros(1, 3).long())
    assert stats.summarize("decision_violations") == 0.25
    file = io.StringIO()
    stats.write_stats(file)
    text = file.getvalue()
    assert "md_F_music: -\n" in text
    assert text.endswith("decision_violations of a: 1.0000\ndecision_violations of b: 0.0000\n")


def test_cleared_statistics_are_empty():
    stats = HierarchyStats()
    logits = torch.zeros(1, 2), torch.zeros(1, 3)
    stats.append(["a"], logits, torch.tensor([1]))
    first = stats.summarize()
    stats.clear()
    with pytest.raises(ValueError, match="nothing was appended"):
        stats.summarize()
    stats.append(["a"], logits, torch.tensor([1]))
    assert stats.summarize() == first


def test_what_does_not_fit_is_refused():
    stats, logits = HierarchyStats(), (torch.zeros(2, 4, 2), torch.zeros(2, 4, 3))
    with pytest.raises(ValueError, match=r"1 ids were given for logits of shape \[2, 4, 2\]"):
        stats.append(["a"], logits, torch.zeros(2, 4).long())
    with pytest.raises(ValueError, match=r"targets of shape \[2, 3\] do not fit logits of shape \[2, 4, 3\]"):
        stats.append(["a", "b"], logits, torch.zeros(2, 3).long())
    with pytest.raises(ValueError, match="unknown activation 'relu'; use one of sigmoid, softmax"):
        HierarchyStats(MUSIC_LOUDNESS, activation="relu")
