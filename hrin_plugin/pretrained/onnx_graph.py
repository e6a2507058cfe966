"""A trained model as a graph of ONNX operations, built from the weights of its modules.

torch's own exporters do not serve here: one takes minutes for HRIN-cr, the other is
deprecated and freezes the batch into the graph without a word. The networks need a
dozen operations, among them GRU and LSTM with torch's arithmetic, so they are written
down once more, in the order of each network's ``forward``. Inside, time comes first,
``[frame, batch, value]``, as the recurrent operations have it.
"""

import importlib
import math

import numpy as np
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hrin_plugin.networks.baselines import MMG, SinglePath
from hrin_plugin.networks.hrin import HRIN, HRINOutput

#: Not the newest, so that more programs read the files.
OPSET, IR_VERSION = 17, 8

#: Where a graph can begin.
STARTS = ("frames", "waveform")

#: Each recurrent operation's gates by their place among torch's.
GATES = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}

#: The end of any axis, where a slice is to go as far as there is something.
END = np.iinfo(np.int64).max

#: How many tensors each recurrent operation's state is.
STATE_PARTS = {"GRU": 1, "LSTM": 2}


def import_optional(name):
    """Import a package that only ONNX needs.

    Arguments
    ---------
    name : str
        The package.

    Returns
    -------
    module
        The package.

    Raises
    ------
    ValueError
        If it cannot be imported, with the cure.

    Example
    -------
    >>> import_optional("json").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"ONNX needs {name} ({error}); run: pip install 'hrin-plugin[onnx]'") from error


def build_graph(model, start="frames", states=False):
    """The graph from frames or waveform to the probabilities of both levels.

    Arguments
    ---------
    model : PretrainedModel
        Features, statistics and network, in evaluation mode, on the CPU.
    start : str
        ``"frames"``: the input is what the features give, ``[batch, frame, band]``,
        in decibels. ``"waveform"``: it is ``[batch, sample]`` at the features' sample
        rate, at least ``n_fft // 2 + 1`` samples.
    states : bool
        Whether the states of its recurrent layers come in and go out, for a signal in
        windows (see :class:`hrin_plugin.networks.states.CarriedStates`); from frames on only. A network
        without recurrence has none.

    Returns
    -------
    onnx.ModelProto
        Its input has the name of ``start``; its outputs are ``md`` and
        ``mrle``, ``[batch, frame, class]``. With states, the inputs ``kept``, the number
        of frames after which the forward ones are wanted, ``[1]``, and ``states``, those that
        both directions begin with, follow, and the output ``next_states``, those after the kept
        frames and, of the backward direction, at the first one; both ``[state, batch, value]``.
        Where all frames are kept, the signal ends there.

    Raises
    ------
    ValueError
        If ``start`` is unknown, or does not go with states, or onnx is not installed.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> network = HRIN(hidden_size=5, num_layers=2)
    >>> graph = build_graph(PretrainedModel(LogMel(), BandStatistics(128), network)).graph
    >>> sum(node.op_type == "GRU" for node in graph.node)
    4
    """
    if start not in STARTS:
        raise ValueError(f"unknown start {start!r}; use one of {STARTS}")
    if states and start != "frames":
        raise ValueError("windows of a waveform have ends that the signal lacks; take states from frames on")
    helper = import_optional("onnx.helper")
    graph = _Graph(helper, states)
    frames = (
        graph.add("Transpose", start, perm=[1, 0, 2])
        if start == "frames"
        else _log_mel(graph, model.features)
    )
    frames = graph.add("Sub", frames, _array(model.statistics.mean))
    frames = graph.add("Div", frames, _array(model.statistics.std))
    layers = {HRIN: _hrin, SinglePath: _single_path, MMG: _mmg}[type(model.network)]
    for name, logits in zip(HRINOutput._fields, layers(graph, frames, model.network)):
        graph.add("Transpose", graph.add("Sigmoid", logits), perm=[1, 0, 2], outputs=[name])

    def value(name, *shape, kind=helper.TensorProto.FLOAT):
        """A named tensor of the graph."""
        return helper.make_tensor_value_info(name, kind, shape)

    rest = ("sample",) if start == "waveform" else ("frame", model.features.n_mels)
    inputs = [value(start, "batch", *rest)]
    outputs = [
        value(name, "batch", "frame", size)
        for name, size in zip(HRINOutput._fields, model.network.taxonomy.sizes)
    ]
    if graph.next_states:
        graph.add("Concat", *graph.next_states, axis=0, outputs=["next_states"])
        shape = (len(graph.next_states), "batch", model.network.settings["hidden_size"])
        inputs += [value("kept", 1, kind=helper.TensorProto.INT64), value("states", *shape)]
        outputs.append(value("next_states", *shape))
    return helper.make_model(
        helper.make_graph(graph.nodes, type(model.network).__name__, inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="hrin_plugin",
    )


class _Graph:
    """Nodes and constants that grow; every value has a name."""

    def __init__(self, helper, carries):
        self.helper, self.nodes, self.constants = helper, [], []
        #: Whether states come in and go out, and the names of those that go out.
        self.carries, self.next_states = carries, []

    def add(self, operation, *inputs, outputs=None, **attributes):
        """Append an operation on values (by name) and constants (as arrays); the name of its first output."""
        outputs = outputs or [f"{operation}_{len(self.nodes)}"]
        inputs = [given if isinstance(given, str) else self._constant(given) for given in inputs]
        self.nodes.append(self.helper.make_node(operation, inputs, outputs, **attributes))
        return outputs[0]

    def carried_states(self, count):
        """Names of the next states that come in, ``[1, batch, value]`` each, and of those that go out."""
        places = range(len(self.next_states), len(self.next_states) + count)
        next_states = [f"next_state_{place}" for place in places]
        self.next_states += next_states
        return [self.add("Slice", "states", [place], [place + 1], [0]) for place in places], next_states

    def _constant(self, values):
        """Name of a new constant: whole numbers are shapes and axes, others single precision."""
        values = np.asarray(values)
        values = values.astype(np.int64 if values.dtype.kind == "i" else np.float32)
        name = f"constant_{len(self.constants)}"
        self.constants.append(importlib.import_module("onnx.numpy_helper").from_array(values, name))
        return name


def _array(tensor):
    """A tensor's values as NumPy has them."""
    return tensor.detach().numpy()


def _log_mel(graph, features):
    """``LogMel.forward`` without lengths, time first.

    The transform is a convolution with windowed cosines and sines: ONNX has an operation for it,
    but onnxruntime's is a hundred times less exact where the window's length is no power of two.
    """
    size = features.n_fft
    turns = np.outer(np.arange(size // 2 + 1), np.arange(size)) % size / size
    waves = np.concatenate((np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns))) * _array(features.window)
    padded = graph.add("Pad", "waveform", [0, size // 2, 0, size // 2], mode="reflect")
    strides = [features.grid.hop_length]
    spectrum = graph.add("Conv", graph.add("Unsqueeze", padded, [1]), waves[:, None], strides=strides)
    squares = graph.add("Transpose", graph.add("Mul", spectrum, spectrum), perm=[2, 0, 1])
    mel_power = graph.add("MatMul", squares, np.tile(_array(features.mel_bank), (2, 1)))
    floored = graph.add("Max", mel_power, features.MIN_POWER)
    decibels = graph.add("Mul", graph.add("Log", floored), 10 / math.log(10))
    peak = graph.add("ReduceMax", decibels, axes=[0, 2])
    if features.floor_db is not None:
        decibels = graph.add("Max", decibels, graph.add("Sub", peak, float(features.floor_db)))
    if features.reference != "max":
        peak = 10 * math.log10(max(features.reference, features.MIN_POWER))
    return graph.add("Sub", decibels, peak)


def _hrin(graph, frames, network):
    """``HRIN.forward``."""
    encoded = frames if network.conv_1 is None else _conv_unit(graph, frames, network.conv_1)
    first = _recurrent_unit(graph, encoded, network.recurrent_1)
    second = graph.add("Concat", frames, first, axis=2) if network.concatenation == "input" else frames
    if network.conv_2 is not None:
        second = _conv_unit(graph, second, network.conv_2)
    if network.concatenation == "after_conv":
        second = graph.add("Concat", encoded, second, axis=2)
    second = _recurrent_unit(graph, second, network.recurrent_2)
    if network.concatenation == "before_fc":
        second = graph.add("Concat", first, second, axis=2)
    return [_linear(graph, path, head) for path, head in zip((first, second), network.heads.layers)]


def _single_path(graph, frames, network):
    """``SinglePath.forward``."""
    encoded = frames if network.conv is None else _conv_unit(graph, frames, network.conv)
    mrle = _linear(graph, _recurrent_unit(graph, encoded, network.recurrent), network.head)
    return _upper_level(graph, mrle, network.taxonomy), mrle


def _mmg(graph, frames, network):
    """``MMG.forward``."""
    frames = graph.add("Transpose", frames, perm=[1, 0, 2])
    batch, n_frames = (graph.add("Slice", graph.add("Shape", frames), [axis], [axis + 1]) for axis in (0, 1))
    # The remainder of a negative number is positive here, as in Python.
    missing = graph.add("Mod", graph.add("Neg", n_frames), [network.block_frames])
    filled = graph.add("Pad", frames, graph.add("Concat", [0, 0, 0, 0], missing, [0], axis=0))
    images = graph.add("Reshape", filled, [-1, 1, network.block_frames, network.settings["input_size"]])
    pooled = graph.add("ReduceMean", _convolutions(graph, images, network.layers), axes=[2, 3], keepdims=0)
    per_block = graph.add("Unsqueeze", _linear(graph, pooled, network.head), [1])
    per_frame = graph.add("Expand", per_block, [1, network.block_frames, 1])
    joined = graph.add(
        "Reshape", per_frame, graph.add("Concat", batch, [-1, network.taxonomy.sizes[-1]], axis=0)
    )
    mrle = graph.add("Transpose", graph.add("Slice", joined, [0], n_frames, [1]), perm=[1, 0, 2])
    return _upper_level(graph, mrle, network.taxonomy), mrle


def _conv_unit(graph, frames, unit):
    """``ConvUnit.forward``; the batch is the images' height, which kernels of height 1 leave apart."""
    maps = _convolutions(graph, graph.add("Unsqueeze", frames, [1]), unit.layers)
    return graph.add("Reshape", graph.add("Transpose", maps, perm=[0, 2, 1, 3]), [0, 0, -1])


def _convolutions(graph, images, layers):
    """Convolution, batch normalisation (part of the former's weights), pooling and ReLU, repeated."""
    for convolution, norm, pooling, _ in zip(*[iter(layers)] * 4):
        fused = fuse_conv_bn_eval(convolution, norm)
        images = graph.add(
            "Conv",
            images,
            _array(fused.weight),
            _array(fused.bias),
            strides=list(convolution.stride),
            pads=list(convolution.padding) * 2,
        )
        size, stride = (
            list(given) if isinstance(given, tuple) else [given] * 2
            for given in (pooling.kernel_size, pooling.stride)
        )
        # The ReLU comes first, as onnxruntime then makes it part of the convolution; the two commute.
        images = graph.add("MaxPool", graph.add("Relu", images), kernel_shape=size, strides=stride)
    return images


def _recurrent_unit(graph, frames, unit):
    """``RecurrentUnit.forward``."""
    for layer in range(unit.rnn.num_layers):
        frames = (_carrying_layer if graph.carries else _layer)(graph, frames, unit.rnn, layer)
    if unit.output_layer is None:
        return frames
    return graph.add("Sigmoid", _linear(graph, frames, unit.output_layer[0]))


def _layer(graph, frames, rnn, layer):
    """One layer's both directions as one operation, from zeros on."""
    states = _recur(graph, frames, rnn, _weights(rnn, layer), "bidirectional")
    # [frame, direction, batch, value] -> [frame, batch, both directions' values]
    return graph.add("Reshape", graph.add("Transpose", states, perm=[0, 2, 1, 3]), [0, 0, -1])


def _carrying_layer(graph, frames, rnn, layer):
    """One layer's both directions from given states on: ``CarriedStates.outputs``."""
    ahead, behind = zip(*(np.split(array, 2) for array in _weights(rnn, layer)))
    initial, last = zip(*(graph.carried_states(STATE_PARTS[rnn.mode]) for _ in (ahead, behind)))
    kept = graph.add("Slice", frames, [0], "kept", [0])
    # onnxruntime stops the whole process at a sequence without a frame: here there is always one more.
    context = graph.add("Slice", graph.add("Pad", frames, [0, 0, 0, 1, 0, 0]), "kept", [END], [0])
    kept = _recur(graph, kept, rnn, ahead, "forward", initial[0], last[0])
    context = graph.add("Slice", _recur(graph, context, rnn, ahead, "forward", last[0]), [0], [-1], [0])
    # Where all frames are kept, the signal ends, and the backward direction begins with zeros.
    n_frames = graph.add("Slice", graph.add("Shape", frames), [0], [1])
    goes_on = graph.add("Cast", graph.add("Less", "kept", n_frames), to=graph.helper.TensorProto.FLOAT)
    initial = [graph.add("Mul", state, goes_on) for state in initial[1]]
    both = (
        graph.add("Concat", kept, context, axis=0),
        _recur(graph, frames, rnn, behind, "reverse", initial, last[1]),
    )
    return graph.add("Concat", *(graph.add("Squeeze", states, [1]) for states in both), axis=2)


def _recur(graph, frames, rnn, weights, direction, initial=(), last=()):
    """A recurrent operation's states of all frames, ``[frame, direction, batch, value]``."""
    # In torch's GRU the reset gate acts after the product with the recurrent weights and its bias.
    attributes = {"linear_before_reset": 1} if rnn.mode == "GRU" else {}
    return graph.add(
        rnn.mode,
        frames,
        *weights,
        # The lengths, all alike.
        "",
        *initial,
        outputs=[f"{rnn.mode}_{len(graph.nodes)}", *last],
        hidden_size=rnn.hidden_size,
        direction=direction,
        **attributes,
    )


def _weights(rnn, layer):
    """What a recurrent operation wants of a layer: input weights, recurrent weights and biases."""
    inputs, recurrent = (_gates(rnn, kind, layer) for kind in ("weight_ih", "weight_hh"))
    return inputs, recurrent, np.concatenate([_gates(rnn, kind, layer) for kind in ("bias_ih", "bias_hh")], 1)


def _gates(rnn, kind, layer):
    """Weights or biases of a layer's two directions, ``[direction, ...]``, gates in ONNX's order."""
    directions = []
    for direction in ("", "_reverse"):
        gates = np.split(_array(getattr(rnn, f"{kind}_l{layer}{direction}")), len(GATES[rnn.mode]))
        directions.append(np.concatenate([gates[place] for place in GATES[rnn.mode]]))
    return np.stack(directions)


def _linear(graph, values, layer):
    """``torch.nn.Linear.forward``."""
    return graph.add("Add", graph.add("MatMul", values, _array(layer.weight).T), _array(layer.bias))


def _upper_level(graph, logits, taxonomy):
    """``derive_upper_level`` for the second level."""
    parents = np.array(taxonomy.parent_indices(1))
    greatest = [
        graph.add(
            "ReduceMax", graph.add("Gather", logits, np.flatnonzero(parents == parent), axis=2), axes=[2]
        )
        for parent in range(taxonomy.sizes[0])
    ]
    return graph.add("Concat", *greatest, axis=2)
