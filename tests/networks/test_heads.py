"""Both styles of heads: against HRIN-r, against each recording alone, and every refusal."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from hypothesis import given, settings

from hrin_plugin.networks.heads import HierarchicalHeads
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from taxonomies import random_taxonomies, taxonomy_of

DEEP = taxonomy_of([[1, 2], [2, 1, 3]])


def test_recurrent_heads_on_bare_frames_are_hrin_r():
    torch.manual_seed(0)
    network = HRIN(hidden_size=100, num_layers=4)
    heads = HierarchicalHeads(128, style="recurrent", hidden_size=100, num_layers=4)
    assert sum(weight.numel() for weight in heads.parameters()) == 1_484_205
    names = {"units.0.": "recurrent_1.", "units.1.": "recurrent_2.", "layers.": "heads.layers."}
    weights = network.state_dict()
    for name in heads.state_dict():
        (prefix,) = (each for each in names if name.startswith(each))
        heads.state_dict()[name].copy_(weights.pop(name.replace(prefix, names[prefix], 1)))
    assert not weights
    frames, lens = torch.randn(3, 20, 128), torch.tensor([1.0, 0.5, 0.15])
    for ours, expected in zip(heads(frames, lens), network(frames, lens)):
        assert torch.equal(ours, expected)


def test_each_unit_reads_the_encoder_and_the_unit_above():
    torch.manual_seed(0)
    heads = HierarchicalHeads(6, DEEP, style="recurrent", hidden_size=4, unit="lstm")
    frames = torch.randn(2, 7, 6)
    first, _ = heads.units[0].rnn(frames)
    second, _ = heads.units[1].rnn(torch.cat((frames, first), dim=-1))
    third, _ = heads.units[2].rnn(torch.cat((frames, second), dim=-1))
    for logits, layer, state in zip(heads(frames), heads.layers, (first, second, third)):
        torch.testing.assert_close(logits, layer(state))


@given(random_taxonomies())
@settings(max_examples=20, deadline=None)
def test_every_level_has_its_classes_in_every_style(taxonomy):
    plain = HierarchicalHeads(5, taxonomy)
    recurrent = HierarchicalHeads(5, taxonomy, style="recurrent", hidden_size=2)
    for shape, heads in (((3, 4), plain), ((3,), plain), ((3, 4), recurrent)):
        expected = [(*shape, size) for size in taxonomy.sizes]
        assert [tuple(level.shape) for level in heads(torch.randn(*shape, 5))] == expected


def test_a_recording_has_the_same_logits_as_frames_and_alone():
    torch.manual_seed(0)
    heads, recordings = HierarchicalHeads(5, DEEP), torch.randn(3, 5)
    for whole, pooled in zip(heads(recordings), heads(recordings[:, None])):
        torch.testing.assert_close(whole, pooled[:, 0])


@pytest.mark.parametrize("unit", ["gru", "lstm"])
@pytest.mark.parametrize("training", [False, True])
def test_a_padded_batch_gives_recurrent_heads_what_each_recording_gives_alone(unit, training):
    torch.manual_seed(0)
    heads = HierarchicalHeads(5, DEEP, style="recurrent", hidden_size=3, unit=unit)
    lengths = [9, 4, 1]
    recordings = [torch.randn(length, 5) for length in lengths]
    batch = torch.nn.utils.rnn.pad_sequence(recordings, batch_first=True, padding_value=100.0)
    with torch.set_grad_enabled(training):
        together = heads(batch, torch.tensor(lengths) / 9)
        for index, frames in enumerate(recordings):
            for level, alone in zip(together, heads(frames[None])):
                torch.testing.assert_close(level[index, : len(frames)], alone[0], atol=1e-5, rtol=1e-4)


def test_each_level_may_have_an_encoder_of_its_own():
    encoded = [torch.randn(2, 3, size) for size in (4, 5, 6)]
    for settings_ in ({}, {"style": "recurrent", "hidden_size": 2}):
        heads = HierarchicalHeads((4, 5, 6), DEEP, **settings_)
        assert [level.shape[-1] for level in heads(encoded)] == list(DEEP.sizes)


def test_every_weight_gets_a_gradient():
    heads = HierarchicalHeads(5, DEEP, style="recurrent", hidden_size=3, num_layers=2)
    sum(level.square().sum() for level in heads(torch.randn(2, 6, 5))).backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in heads.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": (4, 5, 6)}, "3 input sizes were given for 2 levels"),
        ({"style": "linear"}, "unknown style 'linear'; use one of .'plain', 'recurrent'"),
        ({"style": "recurrent"}, "hidden_size is None; the recurrent style needs it"),
        ({"hidden_size": 3}, "hidden_size is 3; .* the plain has none"),
        ({"style": "recurrent", "hidden_size": 3, "unit": "rnn"}, "unknown recurrent cell 'rnn'"),
    ],
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        HierarchicalHeads(**{"input_size": 4} | arguments)


PLAIN, RECURRENT = HierarchicalHeads(4), HierarchicalHeads(4, style="recurrent", hidden_size=3)


@pytest.mark.parametrize(
    ("heads", "encoded", "message"),
    [
        (PLAIN, torch.zeros(2, 3, 5), r"\[2, 3, 5\] does not fit the heads of level 1 \(no-music, music\)"),
        (PLAIN, torch.zeros(2, 3, 4, 4), r"\[2, 3, 4, 4\] .* they take \[batch, \(frame,\) 4\]"),
        (RECURRENT, torch.zeros(2, 4), r"\[2, 4\] .* they take \[batch, frame, 4\]"),
        (PLAIN, (torch.zeros(2, 3, 4), torch.zeros(2, 3, 5)), r"level 2 \(no-music, fg-music, bg-music\)"),
        (
            PLAIN,
            (torch.zeros(2, 3, 4), [torch.zeros(1)]),
            "level 2 is a list, not a tensor; .* give the first",
        ),
        (PLAIN, (torch.zeros(2, 3, 4),), "1 encoders' outputs were given for 2 levels"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(heads, encoded, message):
    with pytest.raises(ValueError, match=message):
        heads(encoded)


def test_a_recording_of_padding_alone_is_refused():
    with pytest.raises(ValueError, match=r"recording 1 of a batch of shape \[2, 3, 4\] is all padding"):
        RECURRENT(torch.zeros(2, 3, 4), torch.tensor([1.0, 0.0]))


def test_heads_are_made_from_yaml():
    text = """
    heads: !new:hrin_plugin.networks.HierarchicalHeads
        input_size: 4
        style: recurrent
        hidden_size: 3
    """
    heads = load_hyperpyyaml(text)["heads"]
    assert heads.taxonomy == MUSIC_LOUDNESS and len(heads.units) == 2
