"""Layers as ONNX operations, for the method ``onnx_nodes`` of a network's class.

Each function adds the operations of a ``forward`` to a :class:`hrin_plugin.networks.onnx_nodes.Graph`.
Values go by their names, and time comes first, ``[frame, batch, value]``.
"""

import numpy as np
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hrin_plugin.networks.onnx_nodes import as_array

#: Each recurrent operation's gates by their place among torch's.
GATES = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}

#: How many tensors each recurrent operation's state is.
STATE_PARTS = {"GRU": 1, "LSTM": 2}

#: The end of any axis, where a slice is to go as far as there is something.
END = np.iinfo(np.int64).max


def linear(graph, values, layer):
    """``torch.nn.Linear.forward``.

    Arguments
    ---------
    graph : Graph
        The graph to extend.
    values : str
        Name of the input, ``[..., value]``.
    layer : torch.nn.Linear
        The layer.

    Returns
    -------
    str
        Name of the output.

    Example
    -------
    >>> import torch
    >>> from hrin_plugin.networks.onnx_nodes import Graph
    >>> graph = Graph()
    >>> _ = linear(graph, "frames", torch.nn.Linear(3, 2))
    >>> [node.op_type for node in graph.nodes]
    ['MatMul', 'Add']
    """
    product = graph.add("MatMul", values, as_array(layer.weight).T)
    return product if layer.bias is None else graph.add("Add", product, as_array(layer.bias))


def conv_unit(graph, frames, unit):
    """``ConvUnit.forward``, with the batch as image height, which kernels of height 1 do not mix.

    Arguments
    ---------
    graph : Graph
        The graph to extend.
    frames : str
        Name of the frames, ``[frame, batch, value]``.
    unit : ConvUnit
        The unit, in evaluation mode.

    Returns
    -------
    str
        Name of its output, ``[frame, batch, value]``.

    Example
    -------
    >>> from hrin_plugin.networks.units import ConvUnit
    >>> from hrin_plugin.networks.onnx_nodes import Graph
    >>> graph = Graph()
    >>> _ = conv_unit(graph, "frames", ConvUnit(input_size=128).eval())
    >>> sum(node.op_type == "Conv" for node in graph.nodes)
    3
    """
    maps = convolutions(graph, graph.add("Unsqueeze", frames, [1]), unit.layers)
    return graph.add("Reshape", graph.add("Transpose", maps, perm=[0, 2, 1, 3]), [0, 0, -1])


def convolutions(graph, images, layers):
    """Convolution with folded batch normalisation, pooling and ReLU, repeated.

    Arguments
    ---------
    graph : Graph
        The graph to extend.
    images : str
        Name of the images, ``[image, map, row, column]``.
    layers : sequence of torch.nn.Module
        Conv2d, BatchNorm2d, MaxPool2d and ReLU in turns, in evaluation mode.

    Returns
    -------
    str
        Name of the last maps.

    Example
    -------
    >>> from hrin_plugin.networks.units import ConvUnit
    >>> from hrin_plugin.networks.onnx_nodes import Graph
    >>> graph = Graph()
    >>> _ = convolutions(graph, "images", ConvUnit(input_size=128).eval().layers)
    >>> [node.op_type for node in graph.nodes][:3]
    ['Conv', 'Relu', 'MaxPool']
    """
    for convolution, norm, pooling, _ in zip(*[iter(layers)] * 4):
        fused = fuse_conv_bn_eval(convolution, norm)
        images = graph.add(
            "Conv",
            images,
            as_array(fused.weight),
            as_array(fused.bias),
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


def recurrent_unit(graph, frames, unit):
    """``RecurrentUnit.forward``, or with carried states where the graph carries them.

    Arguments
    ---------
    graph : Graph
        The graph to extend.
    frames : str
        Name of the frames, ``[frame, batch, value]``.
    unit : RecurrentUnit
        The unit.

    Returns
    -------
    str
        Name of its output, ``[frame, batch, value]``.

    Example
    -------
    >>> from hrin_plugin.networks.units import RecurrentUnit
    >>> from hrin_plugin.networks.onnx_nodes import Graph
    >>> graph = Graph()
    >>> _ = recurrent_unit(graph, "frames", RecurrentUnit(128, hidden_size=5, num_layers=2))
    >>> sum(node.op_type == "GRU" for node in graph.nodes)
    2
    """
    for layer in range(unit.rnn.num_layers):
        frames = (_carrying_layer if graph.carries else _layer)(graph, frames, unit.rnn, layer)
    if unit.output_layer is None:
        return frames
    return graph.add("Sigmoid", linear(graph, frames, unit.output_layer[0]))


def _layer(graph, frames, rnn, layer):
    """Both directions of a layer as one operation, with zero initial states."""
    states = _recur(graph, frames, rnn, _weights(rnn, layer), "bidirectional")
    # [frame, direction, batch, value] -> [frame, batch, both directions' values]
    return graph.add("Reshape", graph.add("Transpose", states, perm=[0, 2, 1, 3]), [0, 0, -1])


def _carrying_layer(graph, frames, rnn, layer):
    """Both directions of a layer with given initial states: ``CarriedStates.outputs``."""
    ahead, behind = zip(*(np.split(array, 2) for array in _weights(rnn, layer)))
    initial, last = zip(
        *(graph.carried_states(STATE_PARTS[rnn.mode], rnn.hidden_size) for _ in (ahead, behind))
    )
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
    """Input weights, recurrent weights and biases of a layer, in ONNX's layout."""
    inputs, recurrent = (_gates(rnn, kind, layer) for kind in ("weight_ih", "weight_hh"))
    return inputs, recurrent, np.concatenate([_gates(rnn, kind, layer) for kind in ("bias_ih", "bias_hh")], 1)


def _gates(rnn, kind, layer):
    """Weights or biases of a layer's two directions, ``[direction, ...]``, gates in ONNX's order."""
    directions = []
    for direction in ("", "_reverse"):
        gates = np.split(as_array(getattr(rnn, f"{kind}_l{layer}{direction}")), len(GATES[rnn.mode]))
        directions.append(np.concatenate([gates[place] for place in GATES[rnn.mode]]))
    return np.stack(directions)


def upper_level(graph, logits, taxonomy):
    """``derive_upper_level`` for the second level.

    Arguments
    ---------
    graph : Graph
        The graph to extend.
    logits : str
        Name of the second level's logits, ``[frame, batch, class]``.
    taxonomy : Taxonomy
        The classes and their parents.

    Returns
    -------
    str
        Name of the first level's.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.networks.onnx_nodes import Graph
    >>> graph = Graph()
    >>> _ = upper_level(graph, "mrle", MUSIC_LOUDNESS)
    >>> sum(node.op_type == "ReduceMax" for node in graph.nodes)
    2
    """
    parents = np.array(taxonomy.parent_indices(1))
    greatest = [
        graph.add(
            "ReduceMax", graph.add("Gather", logits, np.flatnonzero(parents == parent), axis=2), axes=[2]
        )
        for parent in range(taxonomy.sizes[0])
    ]
    return graph.add("Concat", *greatest, axis=2)
