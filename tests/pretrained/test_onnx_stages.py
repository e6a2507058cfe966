"""The network in stages: the values of the one graph, whatever the network."""

import pickle

import numpy as np
import pytest

from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.features.mel_frames import MelFrames
from hrin_plugin.features.settings import FrameSettings
from hrin_plugin.networks import HRIN, MMG, SinglePath
from hrin_plugin.networks.onnx_nodes import Graph
from hrin_plugin.networks.sizes import CONCATENATIONS
from hrin_plugin.networks.states import begin_network
from hrin_plugin.pretrained.folder import PretrainedModel
from hrin_plugin.pretrained.onnx_graph import build_graph
from hrin_plugin.pretrained.onnx_model import OnnxModel
from hrin_plugin.pretrained.onnx_stages import BLOCK_FRAMES, StagedModel, cut_graph, fast_model

NETWORKS = [
    (
        HRIN,
        {"unit": unit, "conv_unit": conv_unit, "concatenation": concatenation, "output_layer": output_layer},
    )
    for unit in ("gru", "lstm")
    for conv_unit in (False, True)
    for concatenation in CONCATENATIONS
    if conv_unit or concatenation != "after_conv"
    for output_layer in (False, True)
] + [(SinglePath, {"unit": unit, "conv_unit": True}) for unit in ("gru", "lstm")]


def model_of(network):
    """A model with statistics that matter."""
    statistics = BandStatistics(128)
    statistics.mean.fill_(-40.0)
    statistics.std.fill_(15.0)
    return PretrainedModel(LogMel(), statistics, network.eval())


def windows():
    """Frames and how many of them count; the signal ends after the last."""
    rng = np.random.default_rng(0)
    lengths = [(2 * BLOCK_FRAMES + 5, BLOCK_FRAMES + 5), (2 * BLOCK_FRAMES, BLOCK_FRAMES), (7, 7)]
    for n_frames, n_wanted in lengths:
        yield rng.normal(-40, 15, (1, n_frames, 128)).astype(np.float32), n_wanted


@pytest.mark.parametrize(("network", "settings"), NETWORKS)
def test_stages_give_what_the_plain_graph_and_torch_give(network, settings):
    import torch

    model = model_of(network(hidden_size=6, num_layers=2, **settings))
    staged = fast_model(model)
    plain = OnnxModel(build_graph(model, states=True), {}, MelFrames(FrameSettings()), staged.taxonomy)
    assert isinstance(staged, StagedModel)
    ours, theirs, ground = staged.begin(4), plain.begin(4), begin_network(model, 4)
    for frames, n_wanted in windows():
        levels = ours(frames, n_wanted), theirs(frames, n_wanted), ground(torch.from_numpy(frames), n_wanted)
        for fast, slow, true in zip(*levels):
            assert fast.shape == slow.shape == (n_wanted, fast.shape[1])
            np.testing.assert_allclose(fast, slow, atol=1e-5)
            np.testing.assert_allclose(fast, true, atol=1e-5)


@pytest.mark.parametrize("network", [MMG, SinglePath])
def test_a_network_without_cuts_is_one_graph(network):
    assert isinstance(fast_model(model_of(network())), OnnxModel)


def test_signals_are_apart_and_a_pickle_is_the_same():
    staged = fast_model(model_of(HRIN(hidden_size=5, conv_unit=True)))
    first, second = staged.begin(4), pickle.loads(pickle.dumps(staged)).begin(4)
    for frames, n_wanted in windows():
        staged.begin(4)(frames, n_wanted)
        for one, other in zip(first(frames, n_wanted), second(frames, n_wanted)):
            np.testing.assert_array_equal(one, other)


def test_every_operation_is_in_one_stage():
    graph = Graph(carries=True)
    network = HRIN(hidden_size=5, conv_unit=True)
    for level, logits in zip(("md", "mrle"), network.onnx_nodes(graph, "frames")):
        graph.add("Sigmoid", logits, outputs=[level])
    stages = cut_graph(graph, "HRIN")
    assert sum((stage.rows for stage in stages), ()) == tuple(range(len(graph.next_states)))
    assert stages[-1].outputs == ("md", "mrle")
