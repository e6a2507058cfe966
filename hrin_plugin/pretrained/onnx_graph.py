"""A trained model as a graph of ONNX operations, built from the weights of its modules.

torch's own exporters are not used: one takes minutes for HRIN-cr, the other is deprecated
and silently fixes the batch size. Features and statistics are written here, each network by
the method ``onnx_nodes`` of its class (:mod:`hrin_plugin.networks.onnx_nodes`). Time comes
first, ``[frame, batch, value]``, as in ONNX's recurrent operations.
"""

import math
from collections.abc import Mapping

import numpy as np

from hrin_plugin.features.settings import MIN_POWER, FrameSettings
from hrin_plugin.networks.onnx_file import Value, encode_model
from hrin_plugin.networks.onnx_networks import BUILDERS
from hrin_plugin.networks.onnx_nodes import Graph, check_onnx
from hrin_plugin.networks.outputs import HRINOutput
from hrin_plugin.networks.weights import Weights
from hrin_plugin.pretrained.plain import PlainModel
from hrin_plugin.taxonomy import Taxonomy

#: Not the newest, so that more programs read the files.
OPSET, IR_VERSION = 17, 8

#: Where a graph can begin.
STARTS = ("frames", "waveform")


def build_graph(
    model, start: str = "frames", states: bool = False, properties: Mapping[str, str] | None = None
) -> bytes:
    """The graph from frames or waveform to the probabilities of both levels.

    Arguments
    ---------
    model : PretrainedModel or PlainModel
        Features, statistics and network, in evaluation mode, on the CPU; or a folder's content.
    start : str
        ``"frames"``: the input are log-mel frames, ``[batch, frame, band]``, in decibels.
        ``"waveform"``: the input is ``[batch, sample]`` at the features' sample rate, at
        least ``n_fft // 2 + 1`` samples.
    states : bool
        Whether states of recurrent layers are inputs and outputs, for a signal in
        windows (see :class:`hrin_plugin.networks.states.CarriedStates`); from frames on only. A network
        without recurrence has none.
    properties : mapping of str to str or None
        Texts that go with the model.

    Returns
    -------
    bytes
        The content of an ONNX file. Its input has the name of ``start``; its outputs are ``md`` and
        ``mrle``, ``[batch, frame, class]``. With states, there are two more inputs.
        ``kept``, ``[1]``, is the number of frames after which forward states are taken.
        ``states`` are the initial states of both directions. The further output ``next_states``
        has the forward states after the kept frames and the backward states at the first
        frame. Both are ``[state, batch, value]``. If all frames are kept, the signal ends there.

    Raises
    ------
    ValueError
        If ``start`` is unknown, or does not go with states, if the network's class has no ONNX
        builder, or the weights of a folder do not fit its settings.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> network = HRIN(hidden_size=5, num_layers=2)
    >>> content = build_graph(PretrainedModel(LogMel(), BandStatistics(128), network))
    >>> import onnx
    >>> sum(node.op_type == "GRU" for node in onnx.load_model_from_string(content).graph.node)
    4
    """
    return whole_graph(*network_graph(model, start, states), start, properties)


def whole_graph(
    graph: Graph,
    name: str,
    features: FrameSettings,
    taxonomy: Taxonomy,
    start: str,
    properties: Mapping[str, str] | None = None,
) -> bytes:
    """A network's graph as one file, with its ends.

    Arguments
    ---------
    graph, name, features, taxonomy
        As :func:`network_graph` gives them; the graph is extended.
    start, properties
        As of :func:`build_graph`.

    Returns
    -------
    bytes
        As of :func:`build_graph`.

    Example
    -------
    >>> from hrin_plugin.pretrained.plain import read_plain
    >>> from hrin_plugin.pretrained.sources import find_model
    >>> model = read_plain(find_model())
    >>> whole_graph(*network_graph(model, "frames", states=False), "frames") == build_graph(model)
    True
    """
    rest = ("sample",) if start == "waveform" else ("frame", features.n_mels)
    inputs = [Value(start, "float32", ("batch", *rest))]
    outputs = [
        Value(level, "float32", ("batch", "frame", size))
        for level, size in zip(HRINOutput._fields, taxonomy.sizes)
    ]
    if graph.next_states:
        graph.add("Concat", *graph.next_states, axis=0, outputs=["next_states"])
        shape = (len(graph.next_states), "batch", graph.state_size)
        inputs += [Value("kept", "int64", (1,)), Value("states", "float32", shape)]
        outputs.append(Value("next_states", "float32", shape))
    return encode_model(
        name, graph.nodes, graph.constants, inputs, outputs, OPSET, IR_VERSION, properties or {}
    )


def network_graph(model, start: str, states: bool) -> tuple[Graph, str, FrameSettings, Taxonomy]:
    """The operations of :func:`build_graph`, before they are written as one file.

    Arguments
    ---------
    model, start, states
        As of :func:`build_graph`.

    Returns
    -------
    tuple of (Graph, str, FrameSettings, Taxonomy)
        The graph without its ends; name of the network's class, features and classes.

    Raises
    ------
    ValueError
        As of :func:`build_graph`.

    Example
    -------
    >>> from hrin_plugin.pretrained.plain import read_plain
    >>> from hrin_plugin.pretrained.sources import find_model
    >>> graph, name, *_ = network_graph(read_plain(find_model()), "frames", states=True)
    >>> name, len(graph.cuts), len(graph.next_states)
    ('HRIN', 3, 8)
    """
    if start not in STARTS:
        raise ValueError(f"unknown start {start!r}; use one of {STARTS}")
    if states and start != "frames":
        raise ValueError("windows of a waveform have ends that the signal lacks; take states from frames on")
    if isinstance(model, PlainModel):
        name, taxonomy, features = model.network, model.taxonomy, model.features
        statistics, network = model.weights["statistics"], model.weights["network"]
    else:
        check_onnx(model.network)
        name, taxonomy = type(model.network).__name__, model.network.taxonomy
        features, statistics = FrameSettings(**model.features.settings), Weights.of(model.statistics)
    graph = Graph(states)
    frames = graph.add("Transpose", start, perm=[1, 0, 2]) if start == "frames" else _log_mel(graph, features)
    frames = graph.add("Sub", frames, statistics.take("mean", features.n_mels))
    frames = graph.add("Div", frames, statistics.take("std", features.n_mels))
    if isinstance(model, PlainModel):
        logits = BUILDERS[name](graph, frames, network, **model.network_settings, taxonomy=taxonomy)
        model.weights.check_all_taken()
    else:
        logits = model.network.onnx_nodes(graph, frames)
    for level, values in zip(HRINOutput._fields, logits):
        graph.add("Transpose", graph.add("Sigmoid", values), perm=[1, 0, 2], outputs=[level])
    return graph, name, features, taxonomy


def _log_mel(graph, features):
    """``LogMel.forward`` without lengths, time first.

    The transform is a convolution with windowed cosines and sines: ONNX has an operation for it,
    but onnxruntime's is a hundred times less exact where the window's length is no power of two.
    """
    size = features.n_fft
    turns = np.outer(np.arange(size // 2 + 1), np.arange(size)) % size / size
    waves = np.concatenate((np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns))) * features.window()
    padded = graph.add("Pad", "waveform", [0, size // 2, 0, size // 2], mode="reflect")
    strides = [features.grid.hop_length]
    spectrum = graph.add("Conv", graph.add("Unsqueeze", padded, [1]), waves[:, None], strides=strides)
    squares = graph.add("Transpose", graph.add("Mul", spectrum, spectrum), perm=[2, 0, 1])
    mel_power = graph.add("MatMul", squares, np.tile(features.mel_bank(), (2, 1)))
    floored = graph.add("Max", mel_power, MIN_POWER)
    decibels = graph.add("Mul", graph.add("Log", floored), 10 / math.log(10))
    peak = graph.add("ReduceMax", decibels, axes=[0, 2])
    if features.floor_db is not None:
        decibels = graph.add("Max", decibels, graph.add("Sub", peak, float(features.floor_db)))
    if features.reference != "max":
        peak = 10 * math.log10(max(features.reference, MIN_POWER))
    return graph.add("Sub", decibels, peak)
