"""The border of the objective and the scores: what fits, what follows, and every refusal."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrin_plugin.hierarchy.levels import check_batch, constant
from hrin_plugin.networks.padding import frame_mask
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from taxonomies import random_taxonomies


def logits_for(shape=(2, 5), taxonomy=MUSIC_LOUDNESS):
    return [torch.zeros(*shape, size) for size in taxonomy.sizes]


def names_above(taxonomy, name, level):
    """A class and its ancestors, the top one first, by their names."""
    line = [name]
    for mapping in reversed(taxonomy.parents[:level]):
        line.insert(0, mapping[line[0]])
    return line


@given(random_taxonomies(), st.data())
def test_the_lowest_level_tells_the_levels_above(taxonomy, data):
    last = len(taxonomy.levels) - 1
    active = data.draw(st.sets(st.sampled_from(taxonomy.levels[last])))
    lowest = torch.tensor([[float(name in active) for name in taxonomy.levels[last]]])
    expected = [set() for _ in taxonomy.levels]
    for name in active:
        for level, ancestor in enumerate(names_above(taxonomy, name, last)):
            expected[level].add(ancestor)
    batch = check_batch(logits_for((1,), taxonomy), lowest, taxonomy)
    for names, ones, wanted in zip(taxonomy.levels, batch.targets, expected):
        assert {name for name, one in zip(names, ones[0].tolist()) if one} == wanted
    # What follows from the lowest level never breaks the hierarchy.
    check_batch(logits_for((1,), taxonomy), batch.targets, taxonomy)


@pytest.mark.parametrize("shape", [(2, 5), (3,)])
def test_indices_and_ones_of_one_level_or_all_are_the_same(shape):
    lowest = torch.randint(3, shape)
    upper = (lowest > 0).long()
    ones = [torch.nn.functional.one_hot(index, size) for index, size in ((upper, 2), (lowest, 3))]
    for targets in (lowest, ones[1], (upper, lowest), ones, (upper, ones[1]), [lowest]):
        if len(targets) == 1 and isinstance(targets, list):
            with pytest.raises(ValueError, match="1 levels of targets were given for the 2 levels"):
                check_batch(logits_for(shape), targets, MUSIC_LOUDNESS)
            continue
        batch = check_batch(logits_for(shape), targets, MUSIC_LOUDNESS)
        for level, expected in zip(batch.targets, ones):
            assert torch.equal(level, expected.float())


def test_lengths_are_a_mask():
    batch = check_batch(
        logits_for((2, 4)), torch.zeros(2, 4).long(), MUSIC_LOUDNESS, lens=torch.tensor([1, 0.5])
    )
    assert batch.mask.tolist() == [[True] * 4, [True, True, False, False]]


def test_the_single_frame_of_a_short_recording_is_real():
    pooled = torch.zeros(3, 1, 7)
    assert frame_mask(pooled, torch.tensor([1.0, 0.4, 0.01])) is None


def test_padding_may_hold_any_target():
    lens = torch.tensor([1.0, 0.5])
    index = torch.tensor([[0, 1, 2, 0], [1, 1, -100, 999]])
    check_batch(logits_for((2, 4)), index, MUSIC_LOUDNESS, lens=lens)
    ones = torch.nn.functional.one_hot(index.clamp(0, 2), 3).float()
    ones[1, 2:] = float("nan")
    check_batch(logits_for((2, 4)), ones, MUSIC_LOUDNESS, lens=lens)


def test_truth_values_and_numbers_are_different_constants():
    kinds = [(torch.long, (1, 0)), (torch.bool, (True, False)), (torch.float64, (1.0, 0.0))]
    assert [constant(values, dtype, torch.device("cpu")).dtype for dtype, values in kinds] == [
        dtype for dtype, _ in kinds
    ]


def test_a_constant_made_for_evaluation_serves_in_training():
    with torch.inference_mode():
        index = constant((0, 2, 1), torch.long, torch.device("cpu"))
    values = torch.randn(3, requires_grad=True)
    values[index].square().sum().backward()
    assert values.grad.all()


NO, YES = [1.0, 0.0], [0.0, 1.0]


@pytest.mark.parametrize(
    ("md", "mrle", "message"),
    [
        (NO, [1.0, 1.0, 0.0], r"at \[1, 3\] .*, and at 1 of 10 in all: 'fg-music' of level 2 is true "
         "without its parent 'music' of level 1"),
        (YES, [1.0, 0.0, 1.0], "'no-music' of level 2 differs from its parent 'no-music' of level 1"),
        (NO, [0.0, 0.0, 0.0], "'no-music' of level 2 differs from its parent 'no-music' of level 1"),
        (YES, [0.0, 0.0, 0.5], "'bg-music' of level 2 is neither 0 nor 1"),
        ([float("nan"), 0.0], [0.0, 0.0, 0.0], "'no-music' of level 1 is neither 0 nor 1"),
    ],
)  # fmt: skip
def test_targets_that_break_the_hierarchy_are_refused(md, mrle, message):
    targets = torch.tensor(NO).repeat(2, 5, 1), torch.tensor([1.0, 0.0, 0.0]).repeat(2, 5, 1)
    check_batch(logits_for(), targets, MUSIC_LOUDNESS)
    targets[0][1, 3], targets[1][1, 3] = torch.tensor(md), torch.tensor(mrle)
    with pytest.raises(ValueError, match=message):
        check_batch(logits_for(), targets, MUSIC_LOUDNESS)


def test_a_parent_may_be_true_without_its_several_children():
    targets = torch.tensor([YES]), torch.zeros(1, 3)
    check_batch(logits_for((1,)), targets, MUSIC_LOUDNESS)
    with pytest.raises(ValueError, match=r"at \[0\] \(recording\).* not just one class of level 2"):
        check_batch(logits_for((1,)), targets, MUSIC_LOUDNESS, one_label=True)


def test_a_broken_hierarchy_can_be_allowed():
    targets = torch.tensor([0]), torch.tensor([1])
    with pytest.raises(ValueError, match="set check_hierarchy to False"):
        check_batch(logits_for((1,)), targets, MUSIC_LOUDNESS)
    check_batch(logits_for((1,)), targets, MUSIC_LOUDNESS, check_hierarchy=False)


@pytest.mark.parametrize("index", [-1, 3])
def test_an_index_of_no_class_is_refused(index):
    lowest = torch.zeros(2, 5, dtype=torch.long)
    lowest[0, 4] = index
    message = r"at \[0, 4\] .* the index is of no class of level 2 \(no-music, fg-music, bg-music\)"
    with pytest.raises(ValueError, match=message):
        check_batch(logits_for(), lowest, MUSIC_LOUDNESS)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            [(1, 4, 2)],
            r"logits of 1 levels, of the shapes \[\[1, 4, 2\]\], do not fit the 2 levels .* \(2, 3\)",
        ),
        (
            [(1, 4, 2), (1, 4, 4)],
            r"\[1, 4, 4\] do not fit the 3 classes \['no-music', 'fg-music', 'bg-music'\]",
        ),
        ([(1, 4, 2), (1, 5, 3)], r"\[\[1, 4, 2\], \[1, 5, 3\]\] do not fit each other"),
        (
            [(1, 1, 4, 2), (1, 1, 4, 3)],
            r"all levels must be \[batch, frame, class\], or all \[batch, class\]",
        ),
        ([(1, 2), (1, 4, 3)], "do not fit each other"),
    ],
)
def test_logits_that_do_not_fit_are_refused(shapes, message):
    with pytest.raises(ValueError, match=message):
        check_batch([torch.zeros(shape) for shape in shapes], torch.zeros(1, 4).long(), MUSIC_LOUDNESS)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            torch.zeros(2, 4).long(),
            r"targets of shape \[2, 4\] do not fit logits of shape \[2, 5, 3\] \(no-music",
        ),
        (torch.zeros(2, 5, 2), r"targets of shape \[2, 5, 2\] do not fit logits of shape \[2, 5, 3\]"),
        (torch.zeros(2).long(), r"give class indices \[2, 5\], or zeros and ones \[2, 5, 3\]"),
        (torch.zeros(2, 5), r"of shape \[2, 5\] are class indices, but of the type torch.float32"),
    ],
)
def test_targets_that_do_not_fit_are_refused(target, message):
    with pytest.raises(ValueError, match=message):
        check_batch(logits_for(), target, MUSIC_LOUDNESS)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (
            {"mask": torch.ones(2, 4, dtype=torch.bool)},
            r"a mask of shape \[2, 4\] .* give truth values .*\[2, 5\]",
        ),
        ({"mask": torch.ones(2, 5)}, "a mask of shape .* and type torch.float32 does not fit"),
        ({"mask": torch.zeros(2, 5, dtype=torch.bool)}, r"no frame of this batch of shape \[2, 5\] is real"),
        (
            {"lens": torch.ones(3)},
            r"lengths of shape \[3\] do not fit a batch of shape \[2, 5, 2\]; give \[2\]",
        ),
        ({"lens": torch.tensor([1.0, 0.0])}, r"recording 1 of a batch of shape \[2, 5, 2\] is all padding"),
        ({"lens": torch.tensor([float("nan"), 1.0])}, "recording 0 of a batch"),
        ({"lens": torch.ones(2), "mask": torch.ones(2, 5, dtype=torch.bool)}, "give one of the two"),
    ],
)
def test_padding_that_does_not_fit_is_refused(masks, message):
    with pytest.raises(ValueError, match=message):
        check_batch(logits_for(), torch.zeros(2, 5).long(), MUSIC_LOUDNESS, **masks)


def test_the_device_is_waited_for_once_a_batch():
    """Every wait for values goes through one of these operations."""
    wide = Taxonomy([["a", "b"], [f"c{i}" for i in range(60)]], [{f"c{i}": "ab"[i % 2] for i in range(60)}])

    class Waits(torch.utils._python_dispatch.TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            names = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")
            self.count += function.overloadpacket.__name__ in names
            return function(*args, **(kwargs or {}))

    lowest = torch.randint(60, (2, 5))
    ones = check_batch(logits_for(taxonomy=wide), lowest, wide).targets
    mask = torch.ones(2, 5, dtype=torch.bool)
    for targets in (lowest, ones):
        with Waits() as waits:
            check_batch(logits_for(taxonomy=wide), targets, wide, mask)
        assert waits.count == 1
