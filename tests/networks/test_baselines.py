"""The baselines against torch's own layers, themselves without padding, and the hierarchy they derive."""

import itertools
import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.hierarchy.losses import HierarchicalLoss, LevelLoss
from hrin_plugin.networks.baselines import MMG, SinglePath, derive_upper_level
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from hrin_plugin.timing import FrameGrid
from oracles import threshold_events

# The same hierarchy in another order of classes, and one with other families.
REORDERED = Taxonomy(
    [["music", "no-music"], ["bg-music", "no-music", "fg-music"]],
    [{"bg-music": "music", "no-music": "no-music", "fg-music": "music"}],
)
FAMILIES = Taxonomy([["a", "b"], ["c", "d", "e", "f"]], [{"c": "b", "d": "a", "e": "b", "f": "a"}])
THREE_LEVELS = Taxonomy([["a"], ["b", "c"], ["d", "e"]], [{"b": "a", "c": "a"}, {"d": "c", "e": "b"}])

SMALL_BLOCKS = {"block_frames": 8, "channels": (3, 5)}
SMALL = [
    (SinglePath, {"hidden_size": 7, "num_layers": 2}),
    (SinglePath, {"hidden_size": 7, "num_layers": 2, "unit": "lstm"}),
    (SinglePath, {"hidden_size": 7, "num_layers": 1, "output_layer": True}),
    (SinglePath, {"hidden_size": 7, "num_layers": 1, "conv_unit": True}),
    (MMG, SMALL_BLOCKS),
]


def n_weights(*modules):
    return sum(weight.numel() for module in modules for weight in module.parameters())


def papers_convolutions():
    layers = []
    for inputs, outputs in ((1, 64), (64, 128), (128, 256)):
        layers += [nn.Conv1d(inputs, outputs, 3, 2), nn.BatchNorm1d(outputs)]
    return layers


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"unit": "lstm"}, [nn.LSTM(128, 100, 4, bidirectional=True), nn.Linear(200, 3)]),
        ({"unit": "gru"}, [nn.GRU(128, 100, 4, bidirectional=True), nn.Linear(200, 3)]),
        (
            {"conv_unit": True, "hidden_size": 50, "num_layers": 2},
            [*papers_convolutions(), nn.GRU(256, 50, 2, bidirectional=True), nn.Linear(100, 3)],
        ),
    ],
    ids=["LSTM", "GRU", "CNN-GRU"],
)
def test_a_single_path_has_the_weights_of_hrins_first_path_with_three_outputs(settings, parts):
    network, hrin = SinglePath(**settings), HRIN(**settings)
    assert n_weights(network) == n_weights(*parts)
    first_path = [hrin.recurrent_1, hrin.heads.layers[0]] + ([hrin.conv_1] if hrin.conv_1 else [])
    inputs = hrin.heads.layers[0].in_features
    assert n_weights(network) == n_weights(*first_path) + inputs + 1


def test_a_single_path_equals_torchs_layers_put_together_by_hand():
    torch.manual_seed(0)
    network, frames = SinglePath(hidden_size=6, num_layers=2), torch.randn(2, 9, 128)
    expected = network.head(network.recurrent.rnn(frames)[0])
    torch.testing.assert_close(network(frames).mrle, expected)


def test_mmg_equals_torchs_functions_put_together_by_hand():
    torch.manual_seed(0)
    network, block = MMG().eval(), torch.randn(128, 128)
    weights, image = dict(network.named_parameters()), block[None, None]
    for first in (0, 4, 8, 12):
        image = functional.conv2d(
            image, weights[f"layers.{first}.weight"], weights[f"layers.{first}.bias"], padding=1
        )
        image = functional.relu(image / (1 + 1e-5) ** 0.5)  # of a network that was never trained
        image = functional.max_pool2d(image, 2)
    assert image.shape == (1, 128, 8, 8)
    expected = weights["head.weight"] @ image[0].mean(dim=(1, 2)) + weights["head.bias"]
    logits = network(block[None]).mrle[0]
    torch.testing.assert_close(logits, expected.expand(128, 3), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("taxonomy", [MUSIC_LOUDNESS, REORDERED, FAMILIES], ids=lambda t: str(t.levels[0]))
def test_a_parent_is_decided_where_any_of_its_children_is(taxonomy):
    """All combinations of logits, the threshold's own among them."""
    above, names = taxonomy.levels
    combinations = list(itertools.product((-3.0, -1e-3, 0.0, 0.2, 4.0), repeat=len(names)))
    derived = derive_upper_level(torch.tensor(combinations), taxonomy)
    for threshold in (0.3, 0.5, 0.7):
        decisions = torch.sigmoid(derived) >= threshold
        lower = torch.sigmoid(torch.tensor(combinations)) >= threshold
        for decided, children in zip(decisions.tolist(), lower.tolist()):
            active = {taxonomy.parents[0][name] for name, one in zip(names, children) if one}
            assert {name for name, one in zip(above, decided) if one} == active


def test_each_level_of_three_can_be_derived_from_the_one_below():
    logits = torch.tensor([[1.0, 2.0]])
    middle = derive_upper_level(logits, THREE_LEVELS, level=2)
    assert middle.tolist() == [[2.0, 1.0]]
    assert derive_upper_level(middle, THREE_LEVELS, level=1).tolist() == [[2.0]]


@pytest.mark.parametrize(("network_class", "settings"), SMALL, ids=str)
def test_music_is_foreground_or_background_and_no_music_is_kept(network_class, settings):
    torch.manual_seed(0)
    detection, loudness = network_class(**settings).eval()(torch.randn(2, 20, 128))
    no_music, fg, bg = loudness.unbind(dim=-1)
    assert torch.equal(detection[..., 0], no_music)
    assert torch.equal(detection[..., 1], torch.maximum(fg, bg))


def test_music_events_cover_the_events_of_both_loudnesses():
    """Through the decoding, frame by frame."""
    torch.manual_seed(0)
    loudness = torch.randn(40, 3)
    grid, duration_s = FrameGrid(), 40 * 0.016
    detection = derive_upper_level(loudness)

    def covered(logits, level, labels):
        events = threshold_events(
            torch.sigmoid(logits).numpy(), MUSIC_LOUDNESS.levels[level], grid, duration_s
        )
        middles = [0.016 * index + 0.008 for index in range(40)]
        return [any(e.onset_s <= t < e.offset_s and e.label in labels for e in events) for t in middles]

    music = covered(detection, 0, {"music"})
    assert music == covered(loudness, 1, {"fg-music", "bg-music"}) and True in music and False in music
    assert covered(detection, 0, {"no-music"}) == covered(loudness, 1, {"no-music"})


@pytest.mark.parametrize(("network_class", "settings"), SMALL, ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_a_padded_batch_gives_each_recording_what_it_has_alone(network_class, settings, training):
    torch.manual_seed(0)
    network = network_class(**settings)
    lengths = [21, 16, 9, 8, 1]
    recordings = [torch.randn(length, 128) for length in lengths]
    batch = nn.utils.rnn.pad_sequence(recordings, batch_first=True, padding_value=100.0)
    lens = torch.tensor(lengths) / max(lengths)
    # In training, batch normalisation joins the recordings, so that only evaluation compares.
    normalised = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    network.train(training and not normalised)
    with torch.no_grad():
        together = network(batch, lens)
        for index, frames in enumerate(recordings):
            for level, alone in zip(together, network(frames[None])):
                torch.testing.assert_close(level[index, : len(frames)], alone[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("network_class", "settings"), [(SinglePath, {"hidden_size": 3, "conv_unit": True}), (MMG, SMALL_BLOCKS)]
)
def test_padding_does_not_change_the_batch_statistics(network_class, settings):
    torch.manual_seed(0)
    padded, exact = network_class(**settings), network_class(**settings)
    exact.load_state_dict(padded.state_dict())
    long, short = torch.randn(32, 128), torch.randn(8, 128)
    batch = nn.utils.rnn.pad_sequence([long, short], batch_first=True, padding_value=100.0)
    padded(batch, torch.tensor([1.0, 0.25]))
    exact(torch.cat((long, short))[None])
    statistics = dict(exact.named_buffers())
    assert statistics
    for name, value in padded.named_buffers():
        torch.testing.assert_close(value, statistics[name])


@pytest.mark.parametrize("block", [0, 1, 2])
def test_mmg_has_no_memory_between_blocks(block):
    torch.manual_seed(0)
    network, frames = MMG().eval(), torch.randn(1, 300, 128)
    changed = frames.clone()
    changed[:, block * 128 : (block + 1) * 128] += 1.0
    with torch.no_grad():
        for before, after in zip(network(frames), network(changed)):
            differing = (before != after).any(dim=-1)[0]
            expected = torch.arange(300) // 128 == block
            assert torch.equal(differing, expected)


@pytest.mark.parametrize("n_frames", [1, 127, 128, 129, 256, 300])
def test_mmg_gives_every_frame_of_a_block_the_blocks_logits(n_frames):
    torch.manual_seed(0)
    network, frames = MMG().eval(), torch.randn(2, n_frames, 128)
    with torch.no_grad():
        logits = network(frames).mrle
        assert logits.shape == (2, n_frames, 3)
        for first in range(0, n_frames, 128):
            block = frames[:, first : first + 128]
            filled = torch.zeros(2, 128, 128)
            filled[:, : block.shape[1]] = block
            alone = network.head(network.layers(filled[:, None]).mean(dim=(2, 3)))
            torch.testing.assert_close(
                logits[:, first : first + 128],
                alone[:, None].expand(-1, block.shape[1], -1),
                atol=1e-5,
                rtol=1e-4,
            )


@pytest.mark.parametrize(("network_class", "settings"), SMALL, ids=str)
def test_every_weight_gets_a_gradient_from_the_lower_level(network_class, settings):
    torch.manual_seed(0)
    network = network_class(**settings)
    logits = network(torch.randn(2, 16, 128), torch.tensor([1.0, 0.5]))
    targets = [torch.randint(size, (2, 16)) for size in (2, 3)]
    LevelLoss(level=2)(logits, targets).total.backward()
    for name, weight in network.named_parameters():
        # The mean of a batch takes the bias of a convolution before it away.
        idle = re.fullmatch(r"conv\w*\.layers\.[048]\.bias", name)
        assert weight.grad is not None and bool(weight.grad.any()) is not bool(idle), name


@pytest.mark.parametrize(("network_class", "settings"), SMALL, ids=str)
def test_half_precision_runs_on_a_padded_batch(network_class, settings):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        detection, loudness = network_class(**settings)(torch.randn(2, 16, 128), torch.tensor([1.0, 0.5]))
    assert torch.isfinite(detection).all() and torch.isfinite(loudness).all()


@pytest.mark.parametrize("taxonomy", [MUSIC_LOUDNESS, REORDERED], ids=["ours", "reordered"])
@pytest.mark.parametrize(("network_class", "settings"), [*SMALL, (HRIN, {"hidden_size": 5})], ids=str)
def test_a_loaded_network_gives_the_same_logits(network_class, settings, taxonomy, tmp_path):
    torch.manual_seed(0)
    network = network_class(**settings, taxonomy=taxonomy)
    network(torch.randn(2, 16, 128))  # moves the batch statistics away from their start
    model = PretrainedModel(LogMel(), BandStatistics(128), network.eval())
    save_pretrained(tmp_path, model)
    loaded, frames = load_pretrained(tmp_path).network, torch.randn(1, 21, 128)
    assert type(loaded) is network_class and not loaded.training
    assert loaded.taxonomy == taxonomy and loaded.settings == network.settings
    for saved_logits, loaded_logits in zip(network(frames), loaded(frames)):
        assert torch.equal(saved_logits, loaded_logits)


@pytest.mark.parametrize(
    ("network_class", "settings", "message"),
    [
        (SinglePath, {"unit": "rnn"}, "unknown recurrent cell 'rnn'; use one of gru, lstm"),
        (SinglePath, {"taxonomy": THREE_LEVELS}, "has two levels; this taxonomy has 3"),
        (MMG, {"taxonomy": THREE_LEVELS}, "has two levels; this taxonomy has 3"),
        (MMG, {"block_frames": 15}, "blocks of 15 frames of 128 values are too small for 4 poolings"),
        (MMG, {"input_size": 7, "channels": (4, 4, 4)}, "blocks of 128 frames of 7 values are too small"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused(network_class, settings, message):
    with pytest.raises(ValueError, match=message):
        network_class(**settings)


@pytest.mark.parametrize(("level", "name"), [("md", "md"), ("mrle", "mrle"), (1, "md"), (2, "mrle")])
@pytest.mark.parametrize("padded", [False, True])
def test_a_levels_loss_is_torchs_cross_entropy_summed_over_its_classes(level, name, padded):
    torch.manual_seed(0)
    logits = [3 * torch.randn(3, 7, size, dtype=torch.float64) for size in (2, 3)]
    indices = [torch.randint(size, (3, 7)) for size in (2, 3)]
    mask = torch.ones(3, 7, dtype=torch.bool)
    mask[1, 4:] = mask[2, 1:] = not padded
    loss = LevelLoss(level)(logits, indices, mask if padded else None)
    place, real = ("md", "mrle").index(name), int(mask.sum())
    probabilities = torch.sigmoid(logits[place])[mask]
    ones = torch.eye((2, 3)[place], dtype=torch.float64)[indices[place][mask]]
    expected = nn.BCELoss(reduction="sum")(probabilities, ones) / real
    torch.testing.assert_close(loss.total, expected)
    assert list(loss.terms) == [name] and torch.equal(loss.terms[name], loss.total)
    both = HierarchicalLoss(check_hierarchy=False)(logits, indices, mask)
    torch.testing.assert_close(loss.total, both.terms[name])


def test_a_levels_loss_leaves_the_other_level_alone():
    logits = [torch.randn(1, 4, size, requires_grad=True) for size in (2, 3)]
    LevelLoss(level=2)(logits, [torch.zeros(1, 4, dtype=torch.long)] * 2).total.backward()
    assert logits[0].grad is None and logits[1].grad.all()


@pytest.mark.parametrize("level", [0, 3, -1, "2", "level_2"])
def test_a_level_that_does_not_exist_is_refused(level):
    with pytest.raises(
        ValueError, match=f"level is {level!r}; this taxonomy has the levels md, mrle, or 1 to 2"
    ):
        LevelLoss(level)


def test_a_levels_loss_refuses_tensors_that_do_not_fit():
    logits, targets = [torch.zeros(1, 4, 2), torch.zeros(1, 4, 4)], [torch.zeros(1, 4, dtype=torch.long)] * 2
    with pytest.raises(ValueError, match=r"logits of shape \[1, 4, 4\] do not fit the 3 classes"):
        LevelLoss(level=2)(logits, targets)
    logits[1] = logits[1][..., :3]
    with pytest.raises(ValueError, match="no frame of this batch .* is real"):
        LevelLoss(level=2)(logits, targets, torch.zeros(1, 4, dtype=torch.bool))
