"""HRIN against torch's own layers, the paper's parameter counts, and itself without padding."""

import re

import pytest
import torch
from torch import nn

from hrin_plugin.networks.cpu_recurrence import bidirectional_gru
from hrin_plugin.networks.heads import HierarchicalHeads
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.networks.units import ConvUnit, RecurrentUnit, carry_states
from hrin_plugin.taxonomy import Taxonomy

HRIN_R = {"hidden_size": 100, "num_layers": 4}
HRIN_CR = {"hidden_size": 50, "num_layers": 2, "conv_unit": True}
SMALL = {"hidden_size": 7, "num_layers": 2}
VARIANTS = [
    SMALL,
    SMALL | {"unit": "lstm"},
    SMALL | {"output_layer": True},
    SMALL | {"conv_unit": True},
    SMALL | {"conv_unit": True, "concatenation": "after_conv"},
    SMALL | {"conv_unit": True, "concatenation": "before_fc"},
    SMALL | {"concatenation": "before_fc"},
]


@pytest.mark.parametrize(
    ("settings", "count"),
    [(HRIN_R, 1_484_205), (HRIN_CR, 602_137), (HRIN_R | {"unit": "lstm"}, 1_978_605)],
)
def test_parameter_counts_are_the_papers(settings, count):
    assert sum(weight.numel() for weight in HRIN(**settings).parameters()) == count


def test_the_convolutional_path_has_the_papers_widths():
    unit = ConvUnit(128)
    widths, images = [], torch.randn(1, 1, 1, 128)
    for layer in unit.layers:
        images = layer(images)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            widths.append(images.shape[-1])
    assert widths == [63, 31, 15, 7, 3, 1]
    assert (unit.output_size, ConvUnit(228).output_size) == (256, 512)


def test_the_convolutional_unit_equals_one_dimensional_layers():
    torch.manual_seed(0)
    unit = ConvUnit(228)
    layers = []
    for layer in unit.layers:
        if isinstance(layer, nn.Conv2d):
            same = nn.Conv1d(layer.in_channels, layer.out_channels, 3, 2)
            same.weight.data, same.bias.data = layer.weight.data.squeeze(2), layer.bias.data
            layers += [same, nn.BatchNorm1d(layer.out_channels), nn.ReLU(), nn.MaxPool1d(3, 2)]
    reference = nn.Sequential(*layers)
    frames = torch.randn(2, 9, 228)
    expected = reference(frames.reshape(18, 1, 228)).reshape(2, 9, 512)
    torch.testing.assert_close(unit(frames), expected, atol=1e-4, rtol=1e-4)


def test_hrin_r_equals_torchs_layers_put_together_by_hand():
    torch.manual_seed(0)
    network, frames = HRIN(**HRIN_R), torch.randn(2, 20, 128)
    first, _ = network.recurrent_1.rnn(frames)
    second, _ = network.recurrent_2.rnn(torch.cat((frames, first), dim=2))
    detection, loudness = network(frames)
    torch.testing.assert_close(detection, network.heads.layers[0](first))
    torch.testing.assert_close(loudness, network.heads.layers[1](second))


def test_a_gru_cell_follows_equations_4_to_7():
    """torch's gates, written out; torch keeps z for the old state where eq. (7) has it for the new."""
    torch.manual_seed(0)
    unit, size = RecurrentUnit(5, 3, 1).double(), 3
    frames = torch.randn(1, 6, 5, dtype=torch.float64)
    rnn, state, states = unit.rnn, torch.zeros(3, dtype=torch.float64), []
    for x in frames[0]:
        inputs = rnn.weight_ih_l0 @ x + rnn.bias_ih_l0
        hidden = rnn.weight_hh_l0 @ state + rnn.bias_hh_l0
        r, z = torch.sigmoid(inputs[: 2 * size] + hidden[: 2 * size]).split(size)
        candidate = torch.tanh(inputs[2 * size :] + r * hidden[2 * size :])
        state = z * state + (1 - z) * candidate
        states.append(state)
    torch.testing.assert_close(unit(frames)[0, :, :3], torch.stack(states))


@pytest.mark.parametrize("lengths", [None, [9, 9, 9], [9, 4, 1]])
def test_the_recurrence_and_its_gradients_equal_torchs(lengths):
    torch.manual_seed(0)
    gru = nn.GRU(5, 4, num_layers=3, bidirectional=True, batch_first=True).double()
    frames = torch.randn(3, 9, 5, dtype=torch.float64, requires_grad=True)
    if lengths is None:
        expected = gru(frames)[0]
        outputs, _ = bidirectional_gru(gru, frames)
    else:
        packed = nn.utils.rnn.pack_padded_sequence(frames, torch.tensor(lengths), batch_first=True)
        expected, _ = nn.utils.rnn.pad_packed_sequence(gru(packed)[0], batch_first=True, total_length=9)
        outputs, _ = bidirectional_gru(gru, frames, torch.tensor(lengths))
    torch.testing.assert_close(outputs, expected, atol=1e-14, rtol=0)
    direction = torch.randn_like(outputs)
    inputs = [frames, *gru.parameters()]
    ours = torch.autograd.grad((outputs * direction).sum(), inputs)
    for gradient, torchs in zip(ours, torch.autograd.grad((expected * direction).sum(), inputs)):
        torch.testing.assert_close(gradient, torchs, atol=1e-13, rtol=0)


def test_training_and_evaluation_give_the_same_outputs():
    """They take different ways through the recurrent unit on a CPU."""
    torch.manual_seed(0)
    network, frames = HRIN(**HRIN_R), torch.randn(2, 30, 128)
    trained = network(frames)
    with torch.no_grad():
        for evaluated, level in zip(network(frames), trained):
            torch.testing.assert_close(evaluated, level, atol=1e-5, rtol=1e-5)


def test_equation_8_is_a_sigmoid_of_a_linear_map_of_the_state():
    torch.manual_seed(0)
    unit, frames = RecurrentUnit(5, 3, 1, output_layer=True), torch.randn(1, 6, 5)
    state, _ = unit.rnn(frames)
    torch.testing.assert_close(unit(frames), torch.sigmoid(unit.output_layer[0](state)))


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_a_padded_batch_gives_each_recording_what_it_has_alone(settings, training):
    torch.manual_seed(0)
    network = HRIN(**settings)
    lengths = [12, 5, 1]
    recordings = [torch.randn(length, 128) for length in lengths]
    batch = nn.utils.rnn.pad_sequence(recordings, batch_first=True, padding_value=100.0)
    lens = torch.tensor([length / 12 for length in lengths])
    # In training the convolutional unit's batch statistics join the recordings, so only evaluation compares.
    network.train(training and not settings.get("conv_unit"))
    with torch.no_grad():
        together = network(batch, lens)
        for index, frames in enumerate(recordings):
            for level, alone in zip(together, network(frames[None])):
                torch.testing.assert_close(level[index, : len(frames)], alone[0], atol=1e-5, rtol=1e-4)


def test_padding_does_not_change_the_batch_statistics():
    torch.manual_seed(0)
    padded, exact = ConvUnit(128), ConvUnit(128)
    exact.load_state_dict(padded.state_dict())
    frames = torch.randn(2, 6, 128)
    mask = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    padded(frames, mask)
    exact(frames[mask][None])
    for name, value in exact.state_dict().items():
        torch.testing.assert_close(padded.state_dict()[name], value)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_every_weight_gets_a_gradient(settings):
    torch.manual_seed(0)
    network = HRIN(**settings)
    detection, loudness = network(torch.randn(2, 8, 128), torch.tensor([1.0, 0.5]))
    (detection.square().sum() + loudness.square().sum()).backward()
    for name, weight in network.named_parameters():
        # The mean of a batch takes the bias of a convolution before it away.
        idle = re.fullmatch(r"conv\w*\.layers\.[048]\.bias", name)
        assert weight.grad is not None and bool(weight.grad.any()) is not bool(idle), name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unit": "rnn"}, "unknown recurrent cell 'rnn'; use one of gru, lstm"),
        ({"concatenation": "late"}, "unknown concatenation 'late'"),
        ({"concatenation": "after_conv"}, "'after_conv' needs conv_unit"),
        ({"conv_unit": True, "input_size": 20}, "20 values a frame are too few for 3 convolutions"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        HRIN(**settings)


def test_heads_fit_any_encoder_and_taxonomy():
    three = Taxonomy(
        [["a"], ["b", "c"], ["d", "e", "f"]],
        [{"b": "a", "c": "a"}, {"d": "b", "e": "b", "f": "c"}],
    )
    levels = HierarchicalHeads(16, three)(torch.randn(2, 9, 16))
    assert [tuple(level.shape) for level in levels] == [(2, 9, 1), (2, 9, 2), (2, 9, 3)]


def test_heads_take_one_encoder_a_level():
    first, second = HierarchicalHeads((4, 6))((torch.randn(1, 3, 4), torch.randn(1, 3, 6)))
    assert (first.shape, second.shape) == ((1, 3, 2), (1, 3, 3))


def test_heads_of_too_few_encoders_are_refused():
    with pytest.raises(ValueError, match="3 input sizes were given for 2 levels"):
        HierarchicalHeads((4, 6, 8))


def test_half_precision_runs():
    network = HRIN(**HRIN_CR)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        detection, loudness = network(torch.randn(1, 8, 128))
    assert torch.isfinite(detection).all() and torch.isfinite(loudness).all()


def test_the_fast_gru_has_the_same_gradients_wherever_backward_is_called():
    torch.manual_seed(0)
    gru, frames = nn.GRU(5, 6, bidirectional=True, batch_first=True), torch.randn(3, 9, 5)
    gradients = []
    for inside in (True, False):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs, _ = bidirectional_gru(gru, frames)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=inside):
            gradients.append(torch.autograd.grad(outputs.sum(), gru.weight_hh_l0)[0])
    assert torch.equal(*gradients)


@pytest.mark.parametrize("lengths", [None, [9, 4, 7]])
def test_the_fast_gru_goes_on_from_states_as_torchs_does(lengths):
    torch.manual_seed(0)
    gru = nn.GRU(5, 6, num_layers=2, bidirectional=True, batch_first=True)
    frames, initial = torch.randn(3, 9, 5), torch.randn(4, 3, 6)
    if lengths is None:
        expected, last = gru(frames, initial)
        ours, our_last = bidirectional_gru(gru, frames, initial=initial)
    else:
        packed = nn.utils.rnn.pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
        outputs, last = gru(packed, initial)
        expected, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
        ours, our_last = bidirectional_gru(gru, frames, torch.tensor(lengths), initial)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(our_last, last)
    weight = torch.randn_like(expected)
    grads = [torch.autograd.grad((out * weight).sum(), gru.parameters()) for out in (ours, expected)]
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_carried_states_are_those_that_the_last_batch_ended_with(cell):
    torch.manual_seed(0)
    unit = RecurrentUnit(5, 6, num_layers=2, cell=cell)
    carry_states(unit)
    batches = torch.randn(3, 2, 9, 5)
    state = None
    for frames in batches:
        expected, state = unit.rnn(frames, state)
        torch.testing.assert_close(unit(frames), expected)
    assert all(not part.requires_grad for part in unit.carried)
    unit.eval()
    torch.testing.assert_close(unit(batches[0]), unit.rnn(batches[0])[0])
    unit.train()
    assert unit(torch.randn(1, 9, 5)).shape == (1, 9, 12)


def test_a_batch_of_another_size_begins_with_zeros():
    unit = RecurrentUnit(5, 6, num_layers=1)
    carry_states(unit)
    unit(torch.randn(3, 9, 5))
    frames = torch.randn(2, 9, 5)
    torch.testing.assert_close(unit(frames), unit.rnn(frames)[0])
