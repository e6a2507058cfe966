"""The objective against a transcription of eq. (19) to (24) in double precision."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.hierarchy.losses import HierarchicalLoss, LevelLoss
from hrin_plugin.taxonomy import Taxonomy
from taxonomies import random_taxonomies


def written_equations(p1, p2, y1, y2, mask, alpha, beta, gamma):
    """Eq. (19) to (24), frame by frame and class by class, in python floats."""
    terms = dict.fromkeys(("md", "mrle", "no-music", "fg-music", "bg-music"), 0.0)
    n_frames = 0
    for i in range(p1.shape[0]):
        for t in range(p1.shape[1]):
            if not mask[i, t]:
                continue
            n_frames += 1
            for name, p, y in (("md", p1[i, t], y1[i, t]), ("mrle", p2[i, t], y2[i, t])):
                for j in range(len(p)):
                    pj, yj = float(p[j]), float(y[j])
                    terms[name] -= yj * math.log(pj) + (1 - yj) * math.log(1 - pj)
            music, no_music = float(p1[i, t, 1]), float(p1[i, t, 0])
            terms["fg-music"] += max(0.0, float(p2[i, t, 1]) - music) ** 2
            terms["bg-music"] += max(0.0, float(p2[i, t, 2]) - music) ** 2
            terms["no-music"] += 0.5 * (float(p2[i, t, 0]) - no_music) ** 2
    terms = {name: value / n_frames for name, value in terms.items()}
    total = terms["md"] + terms["mrle"]
    total += alpha * terms["fg-music"] + beta * terms["bg-music"] + gamma * terms["no-music"]
    return total, terms


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.5, 0.8, 1.3), (0.0, 0.0, 0.0)])
@pytest.mark.parametrize("padded", [False, True])
def test_objective_equals_the_written_equations(weights, padded):
    torch.manual_seed(0)
    logits = [3 * torch.randn(3, 7, size, dtype=torch.float64) for size in (2, 3)]
    indices = [torch.randint(size, (3, 7)) for size in (2, 3)]
    targets = [torch.nn.functional.one_hot(index, size) for index, size in zip(indices, (2, 3))]
    mask = torch.ones(3, 7, dtype=torch.bool)
    if padded:
        mask[1, 4:] = mask[2, 1:] = False
    names = ("fg-music", "bg-music", "no-music")
    objective = HierarchicalLoss(dict(zip(names, weights)), check_hierarchy=False)
    loss = objective(logits, indices, mask if padded else None)
    total, terms = written_equations(*(torch.sigmoid(level) for level in logits), *targets, mask, *weights)
    assert float(loss.total) == pytest.approx(total, abs=1e-10)
    assert {name: float(value) for name, value in loss.terms.items()} == pytest.approx(terms, abs=1e-10)


def test_indices_and_ones_are_the_same_targets():
    torch.manual_seed(0)
    logits = [torch.randn(2, 5, size) for size in (2, 3)]
    indices = [torch.randint(size, (2, 5)) for size in (2, 3)]
    ones = [torch.nn.functional.one_hot(index, size) for index, size in zip(indices, (2, 3))]
    objective = HierarchicalLoss(check_hierarchy=False)
    assert objective(logits, indices).total == objective(logits, ones).total


def test_padding_takes_no_part_whatever_it_holds():
    torch.manual_seed(0)
    logits = [torch.randn(1, 6, size) for size in (2, 3)]
    targets = [torch.zeros(1, 6, dtype=torch.long)] * 2
    mask = torch.tensor([[True, True, True, True, False, False]])
    spoilt = [level.clone() for level in logits]
    for level in spoilt:
        level[:, 4:] = float("nan")
    objective = HierarchicalLoss()
    assert objective(spoilt, targets, mask).total == objective(logits, targets, mask).total


def test_gradient_ignores_padding():
    logits = [torch.randn(1, 4, size, requires_grad=True) for size in (2, 3)]
    mask = torch.tensor([[True, True, False, False]])
    HierarchicalLoss()(logits, [torch.zeros(1, 4, dtype=torch.long)] * 2, mask).total.backward()
    for level in logits:
        assert level.grad[:, :2].any() and not level.grad[:, 2:].any()


@pytest.mark.parametrize("size", [50.0, 1e4])
def test_extreme_logits_give_finite_losses_and_gradients(size):
    signs = [torch.tensor([[[1.0, -1.0]]]), torch.tensor([[[-1.0, 1.0, -1.0]]])]
    logits = [(size * sign).requires_grad_() for sign in signs]
    loss = HierarchicalLoss()(logits, [torch.tensor([[1]]), torch.tensor([[2]])]).total
    loss.backward()
    assert loss.item() == pytest.approx(4 * size + 1.0 + 0.5, rel=1e-6)
    assert all(torch.isfinite(level.grad).all() for level in logits)


def test_half_precision_logits_are_scored_in_single_precision():
    logits = [torch.full((1, 3, size), 9.0) for size in (2, 3)]
    targets = [torch.ones(1, 3, size) for size in (2, 3)]
    exact = HierarchicalLoss()(logits, targets).total
    half = HierarchicalLoss()([level.to(torch.bfloat16) for level in logits], targets).total
    assert half.dtype == torch.float32 and half == exact


def test_other_taxonomies_get_their_own_penalties():
    animals = Taxonomy(
        [["quiet", "animal"], ["quiet", "pet", "wild"], ["quiet", "dog", "cat", "wolf"]],
        [
            {"quiet": "quiet", "pet": "animal", "wild": "animal"},
            {"quiet": "quiet", "dog": "pet", "cat": "pet", "wolf": "wild"},
        ],
    )
    torch.manual_seed(0)
    logits = [torch.randn(2, 5, size, dtype=torch.float64) for size in animals.sizes]
    targets = [torch.zeros(2, 5, dtype=torch.long)] * 3
    terms = HierarchicalLoss(taxonomy=animals)(logits, targets).terms
    p1, p2, p3 = (torch.sigmoid(level) for level in logits)
    assert terms["wolf"] == pytest.approx(float((0.5 * (p3[..., 3] - p2[..., 2]) ** 2).mean()))
    assert terms["dog"] == pytest.approx(float(((p3[..., 1] - p2[..., 1]).clamp(min=0) ** 2).mean()))
    quiet = 0.5 * (p2[..., 0] - p1[..., 0]) ** 2 + 0.5 * (p3[..., 0] - p2[..., 0]) ** 2
    assert terms["quiet"] == pytest.approx(float(quiet.mean()))


def written_rule(taxonomy, frames, truths, weights):
    """The objective of a hierarchy, frame by frame and by the names of the classes, in python floats.

    ``frames`` and ``truths`` hold, for each frame and level, a value for each name.
    """
    total, terms = 0.0, {}
    for probs, ones in zip(frames, truths):
        for place, (level, names) in enumerate(taxonomy.labels.items()):
            for name in names:
                p, y = probs[place][name], ones[place][name]
                entropy = -(y * math.log(p) + (1 - y) * math.log(1 - p))
                terms[level] = terms.get(level, 0.0) + entropy
                total += entropy
        for depth, mapping in enumerate(taxonomy.parents, start=1):
            for child, parent in mapping.items():
                siblings = [name for name, other in mapping.items() if other == parent]
                difference = probs[depth][child] - probs[depth - 1][parent]
                # Eq. (23) for an only child, eq. (21) and (22) for the others.
                penalty = difference**2 / 2 if siblings == [child] else max(0.0, difference) ** 2
                terms[child] = terms.get(child, 0.0) + penalty
                total += weights[child] * penalty
    n_frames = len(frames)
    return total / n_frames, {name: value / n_frames for name, value in terms.items()}


@given(random_taxonomies(), st.integers(0, 10_000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_objective_of_any_hierarchy_equals_the_written_rule(taxonomy, seed, whole_recordings):
    generator = torch.Generator().manual_seed(seed)
    shape = (5,) if whole_recordings else (2, 3)
    logits = [
        2 * torch.randn(*shape, size, generator=generator, dtype=torch.float64) for size in taxonomy.sizes
    ]
    ones = [torch.randint(2, (*shape, size), generator=generator) for size in taxonomy.sizes]
    children = sorted({name for names in taxonomy.levels[1:] for name in names})
    weights = dict(zip(children, (2 * torch.rand(len(children), generator=generator)).tolist()))
    mask = torch.rand(shape, generator=generator) < 0.7
    mask.view(-1)[0] = True

    def by_name(levels):
        """For each real frame and level, the value of each name."""
        rows = [level[mask].tolist() for level in levels]
        return [
            [dict(zip(names, row)) for names, row in zip(taxonomy.levels, of_frame)]
            for of_frame in zip(*rows)
        ]

    loss = HierarchicalLoss(weights, taxonomy, check_hierarchy=False)(logits, ones, mask)
    probs = [torch.sigmoid(level) for level in logits]
    total, terms = written_rule(taxonomy, by_name(probs), by_name(ones), weights)
    assert float(loss.total) == pytest.approx(total, abs=1e-10)
    assert {name: float(value) for name, value in loss.terms.items()} == pytest.approx(terms, abs=1e-10)


def test_the_lowest_level_alone_and_lengths_are_targets_and_mask():
    torch.manual_seed(0)
    logits = [torch.randn(2, 6, size) for size in (2, 3)]
    lowest = torch.randint(3, (2, 6))
    mask = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    lens = torch.tensor([1.0, 0.5])
    for objective in (HierarchicalLoss(), LevelLoss(2)):
        expected = objective(logits, [(lowest > 0).long(), lowest], mask)
        assert objective(logits, lowest, lens=lens).total == expected.total


def test_whole_recordings_are_frames_of_a_single_one():
    torch.manual_seed(0)
    logits, lowest = [torch.randn(4, size) for size in (2, 3)], torch.randint(3, (4,))
    whole = HierarchicalLoss()(logits, lowest, lens=torch.tensor([1.0, 0.9, 0.2, 0.1]))
    frames = HierarchicalLoss()([level[:, None] for level in logits], lowest[:, None])
    torch.testing.assert_close(whole.total, frames.total)


def test_softmax_is_torchs_cross_entropy_and_penalises_its_own_probabilities():
    torch.manual_seed(0)
    logits = [torch.randn(2, 6, size) for size in (2, 3)]
    lowest = torch.randint(3, (2, 6))
    loss = HierarchicalLoss(activation="softmax")(logits, lowest)
    for name, level, target in zip(("md", "mrle"), logits, ((lowest > 0).long(), lowest)):
        expected = torch.nn.functional.cross_entropy(level.flatten(0, 1), target.flatten())
        torch.testing.assert_close(loss.terms[name], expected)
    md, mrle = (level.softmax(-1) for level in logits)
    excess = (mrle[..., 2] - md[..., 1]).clamp(min=0) ** 2
    torch.testing.assert_close(loss.terms["bg-music"], excess.mean())


def test_softmax_wants_one_label_at_a_time():
    logits = [torch.zeros(1, 2), torch.zeros(1, 3)]
    both = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    HierarchicalLoss()(logits, both)
    with pytest.raises(ValueError, match="not just one class of level 2"):
        HierarchicalLoss(activation="softmax")(logits, both)


def test_a_child_without_its_parent_is_refused():
    logits = [torch.zeros(1, 2, 2), torch.zeros(1, 2, 3)]
    targets = [torch.tensor([[1, 0]]), torch.tensor([[1, 2]])]
    message = r"at \[0, 1\] \(recording, frame\), and at 1 of 2 in all: 'no-music' of level 2 differs from"
    with pytest.raises(ValueError, match=message):
        HierarchicalLoss()(logits, targets)
    # One level alone cannot contradict another.
    assert LevelLoss(1)(logits, targets).total > 0


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="unknown activation 'relu'; use one of sigmoid, softmax"):
        HierarchicalLoss(activation="relu")


def test_an_unknown_penalty_is_refused():
    with pytest.raises(ValueError, match="names 'jazz'; the classes below the top are"):
        HierarchicalLoss({"jazz": 1.0})


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="weight of 'fg-music' must be 0 or more, got -1"):
        HierarchicalLoss({"fg-music": -1.0})


def test_logits_of_another_taxonomy_are_refused():
    with pytest.raises(ValueError, match=r"\[1, 2, 4\] do not fit the 3 classes"):
        HierarchicalLoss()([torch.zeros(1, 2, 2), torch.zeros(1, 2, 4)], [torch.zeros(1, 2).long()] * 2)


def test_targets_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"targets of shape \[1, 3\] do not fit logits of shape \[1, 2, 2\]"):
        HierarchicalLoss()([torch.zeros(1, 2, 2), torch.zeros(1, 2, 3)], [torch.zeros(1, 3).long()] * 2)


def test_a_batch_of_padding_alone_is_refused():
    with pytest.raises(ValueError, match=r"no frame of this batch of shape \[1, 2\] is real"):
        HierarchicalLoss()(
            [torch.zeros(1, 2, 2), torch.zeros(1, 2, 3)],
            [torch.zeros(1, 2).long()] * 2,
            torch.zeros(1, 2, dtype=torch.bool),
        )
