"""What networks remember from window to window: the states of one whole pass, or the frames before."""

import pytest
import torch
from torch import nn

from hrin_plugin.networks.baselines import MMG, SinglePath
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.networks.states import CarriedStates, FrameMemory, begin_network
from hrin_plugin.pretrained.onnx_model import export_onnx, load_onnx
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

NETWORKS = {
    "HRIN-r": (HRIN, {}),
    "HRIN-cr": (HRIN, {"conv_unit": True}),
    "HRIN of LSTM": (HRIN, {"unit": "lstm", "concatenation": "before_fc"}),
    "HRIN with output layers": (HRIN, {"output_layer": True}),
    "CNN-GRU": (SinglePath, {"conv_unit": True}),
    "LSTM": (SinglePath, {"unit": "lstm"}),
}
LAYERS = [
    cell(3, 4, num_layers=num_layers, batch_first=True, bidirectional=True)
    for cell in (nn.GRU, nn.LSTM)
    for num_layers in (1, 3)
]


@pytest.fixture
def model_of(make_model):
    """Makes one of the networks by its name."""

    def make(name):
        network_class, settings = NETWORKS[name]
        return make_model(network_class, hidden_size=6, num_layers=2, **settings)

    return make


def whole_pass(model, frames):
    """Probabilities of each level in one pass, ``[frame, class]``."""
    with torch.inference_mode():
        return [torch.sigmoid(level)[0].numpy() for level in model.network(model.statistics(frames))]


def greatest_difference(levels, expected):
    pairs = zip(levels, expected, strict=True)
    return max(float(abs(torch.as_tensor(level) - torch.as_tensor(other)).max()) for level, other in pairs)


@pytest.mark.parametrize("rnn", LAYERS, ids=repr)
@torch.no_grad()
def test_the_past_is_that_of_one_pass(rnn):
    frames, states = torch.randn(2, 20, 3), CarriedStates()
    states.n_wanted = 7
    first = states.outputs(rnn, frames)
    states.n_wanted = 13
    rest = states.outputs(rnn, frames[:, 7:])
    torch.testing.assert_close(first, rnn(frames)[0])
    torch.testing.assert_close(rest, rnn(frames)[0][:, 7:])


@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
@torch.no_grad()
def test_the_backward_direction_begins_where_it_arrived_in_the_window_before(cell):
    rnn = cell(3, 4, batch_first=True, bidirectional=True)
    first, second, third = torch.randn(3, 1, 9, 3)
    states = CarriedStates()
    states.n_wanted = 5
    states.outputs(rnn, first)
    found = states.outputs(rnn, second)
    # The forward state comes from within the window, the backward one from its first frame.
    before, after = rnn(first[:, :5])[1], rnn(first)[1]
    if cell is nn.GRU:
        initial = torch.stack((before[0], after[1]))
    else:
        initial = tuple(torch.stack((before[part][0], after[part][1])) for part in (0, 1))
    torch.testing.assert_close(found, rnn(second, initial)[0])
    # At the signal's end it begins with zeros, as one pass does.
    states.n_wanted = 9
    torch.testing.assert_close(states.outputs(rnn, third)[0, -1, 4:], rnn(third)[0][0, -1, 4:])


@pytest.mark.parametrize("name", NETWORKS)
def test_windows_with_enough_context_give_the_probabilities_of_one_pass(name, model_of):
    model, frames = model_of(name), torch.randn(1, 400, 128)
    step = begin_network(model, context=0)
    found = [step(frames[:, begin : begin + 150], 50 if begin < 250 else 150) for begin in range(0, 300, 50)]
    levels = [torch.cat([torch.from_numpy(level) for level in parts]) for parts in zip(*found)]
    assert greatest_difference(levels, whole_pass(model, frames)) < 1e-4
    # What came before does matter: a window that begins anew differs.
    anew = begin_network(model, context=0)(frames[:, 50:200], 50)
    assert greatest_difference([level[50:100] for level in levels], anew) > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_remembers_the_same(name, tmp_path, model_of):
    model, frames = model_of(name), torch.randn(1, 90, 128) * 15 - 40
    export_onnx(model, tmp_path / "model.onnx", states=True)
    network = load_onnx(tmp_path / "model.onnx", threads=1)
    ours, theirs = begin_network(model, 4), network.begin(4)
    for begin, length, n_wanted in [(0, 40, 30), (30, 40, 1), (31, 20, 15), (46, 1, 1), (47, 43, 43)]:
        window = frames[:, begin : begin + length]
        assert greatest_difference(theirs(window, n_wanted), ours(window, n_wanted)) < 1e-4
    # In one call it is one pass.
    levels = [level[0] for level in network(frames)]
    assert greatest_difference(levels, whole_pass(model, frames)) < 1e-4


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_signals_that_take_turns_do_not_mix(backend, tmp_path, model_of):
    model = model_of("HRIN-r")
    export_onnx(model, tmp_path / "model.onnx", states=True)
    network = load_onnx(tmp_path / "model.onnx")

    def begin():
        return begin_network(model, 4) if backend == "torch" else network.begin(4)

    signals = torch.randn(2, 1, 60, 128) * 15 - 40
    steps = [begin() for _ in signals]
    turns = [[step(signal[:, at : at + 30], 20) for step, signal in zip(steps, signals)] for at in (0, 20)]
    for number, signal in enumerate(signals):
        alone = begin()
        for turn, at in zip(turns, (0, 20)):
            assert greatest_difference(turn[number], alone(signal[:, at : at + 30], 20)) == 0


class Neighbours(nn.Module):
    """A network of someone else's: each frame's logits from two frames on each side, without states."""

    taxonomy = MUSIC_LOUDNESS

    def __init__(self):
        super().__init__()
        self.detection, self.loudness = (nn.Conv1d(128, size, 5, padding=2) for size in (2, 3))

    def forward(self, frames):
        frames = frames.transpose(1, 2)
        return tuple(layer(frames).transpose(1, 2) for layer in (self.detection, self.loudness))


@pytest.mark.parametrize("network", [Neighbours(), MMG(block_frames=16, channels=(4, 4, 4))])
def test_a_network_without_states_gets_the_frames_before_again(network, make_model):
    model, frames = make_model(network), torch.randn(1, 96, 128)
    step = begin_network(model, context=16)
    found = [step(frames[:, begin : begin + 48], 32) for begin in (0, 32, 64)]
    levels = [torch.cat([torch.from_numpy(level) for level in parts]) for parts in zip(*found)]
    assert greatest_difference(levels, whole_pass(model, frames)) < 1e-6


def test_onnx_without_states_gets_the_frames_before_again(tmp_path, make_model):
    model, frames = make_model(MMG(block_frames=16, channels=(4, 4, 4))), torch.randn(1, 96, 128)
    export_onnx(model, tmp_path / "model.onnx", states=True)
    step = load_onnx(tmp_path / "model.onnx").begin(16)
    assert isinstance(step, FrameMemory)
    found = [step(frames[:, begin : begin + 48], 32) for begin in (0, 32, 64)]
    levels = [torch.cat([torch.as_tensor(level) for level in parts]) for parts in zip(*found)]
    assert greatest_difference(levels, whole_pass(model, frames)) < 1e-4


@pytest.mark.parametrize("context", [0, 3, 100])
def test_no_more_frames_are_remembered_than_asked_for(context):
    lengths = []

    def classify(frames):
        lengths.append(frames.shape[1])
        return (frames.numpy(),)

    remember, frames = FrameMemory(classify, context, torch.cat), torch.arange(30.0)[None, :, None]
    for begin in (0, 10, 20):
        (level,) = remember(frames[:, begin : begin + 10], 10)
        assert level[:, 0].tolist() == list(range(begin, begin + 10))
    # Each window has what the one before went through, up to the context.
    assert lengths == [10, 10 + min(context, 10), 10 + min(context, 20)]


def test_states_are_for_frames_not_for_a_waveform(tmp_path, model_of):
    with pytest.raises(ValueError, match="take states from frames on"):
        export_onnx(model_of("HRIN-r"), tmp_path / "model.onnx", start="waveform", states=True)
