"""Layers as ONNX operations, for the method ``onnx_nodes`` of a network's class.

Each function adds the operations of a ``forward`` to a :class:`hrin_plugin.networks.onnx_nodes.Graph`.
Values go by their names, and time comes first, ``[frame, batch, value]``. Weights come from a module, or
from a file (:class:`hrin_plugin.networks.weights.Weights`), so that torch is not needed.
"""

from typing import NamedTuple

import numpy as np

from hrin_plugin.networks.onnx_file import TYPES
from hrin_plugin.networks.sizes import CONV_CHANNELS, CONV_KERNEL, CONV_STRIDE
from hrin_plugin.networks.weights import Weights

#: Each cell's operation, and its gates by their place among torch's.
OPERATIONS = {"gru": "GRU", "lstm": "LSTM"}
GATES = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}

#: How many tensors each recurrent operation's state is.
STATE_PARTS = {"GRU": 1, "LSTM": 2}

#: The end of any axis, where a slice is to go as far as there is something.
END = np.iinfo(np.int64).max

#: Added to a variance by torch's batch normalisation.
NORM_EPS = 1e-5


class Convolutions(NamedTuple):
    """Sizes of convolutions, each with a pooling after it; rows and columns.

    Example
    -------
    >>> OF_FRAMES.channels
    (64, 128, 256)
    """

    channels: tuple
    kernel: tuple
    stride: tuple
    padding: tuple
    pooling: tuple
    pooling_stride: tuple


#: Of a convolutional unit, along the frequency axis.
OF_FRAMES = Convolutions(
    CONV_CHANNELS,
    kernel=(1, CONV_KERNEL),
    stride=(1, CONV_STRIDE),
    padding=(0, 0),
    pooling=(1, CONV_KERNEL),
    pooling_stride=(1, CONV_STRIDE),
)


class Recurrence(NamedTuple):
    """Sizes of a recurrent unit.

    Example
    -------
    >>> Recurrence(128, hidden_size=50, num_layers=2).output_size
    100
    """

    input_size: int
    hidden_size: int
    num_layers: int
    cell: str = "gru"
    output_layer: bool = False

    @property
    def output_size(self) -> int:
        """Values of a frame that both directions give."""
        return 2 * self.hidden_size


def linear(graph, values, layer, *shape):
    """``torch.nn.Linear.forward``.

    Arguments
    ---------
    graph : Graph
        The graph to extend.
    values : str
        Name of the input, ``[..., value]``.
    layer : torch.nn.Linear or Weights
        The layer, or its weights.
    *shape : int
        Numbers of outputs and inputs, to be checked; a layer that states them has a bias.

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
    layer = Weights.of(layer)
    product = graph.add("MatMul", values, layer.take("weight", *shape).T)
    if not shape and "bias" not in layer:
        return product
    return graph.add("Add", product, layer.take("bias", *shape[:1]))


def conv_unit(graph, frames, unit):
    """``ConvUnit.forward``, with the batch as image height, which kernels of height 1 do not mix.

    Arguments
    ---------
    graph : Graph
        The graph to extend.
    frames : str
        Name of the frames, ``[frame, batch, value]``.
    unit : ConvUnit or Weights
        The unit, in evaluation mode, or its weights.

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
    maps = convolutions(graph, graph.add("Unsqueeze", frames, [1]), Weights.of(unit)["layers"], OF_FRAMES)
    return graph.add("Reshape", graph.add("Transpose", maps, perm=[0, 2, 1, 3]), [0, 0, -1])


def convolutions(graph, images, layers, sizes):
    """Convolution with folded batch normalisation, pooling and ReLU, repeated.

    Arguments
    ---------
    graph : Graph
        The graph to extend.
    images : str
        Name of the images, ``[image, map, row, column]``.
    layers : torch.nn.Sequential or Weights
        Conv2d, BatchNorm2d, MaxPool2d and ReLU in turns, in evaluation mode, or their weights.
    sizes : Convolutions
        Their sizes.

    Returns
    -------
    str
        Name of the last maps.

    Example
    -------
    >>> from hrin_plugin.networks.units import ConvUnit
    >>> from hrin_plugin.networks.onnx_nodes import Graph
    >>> graph, layers = Graph(), ConvUnit(input_size=128).eval().layers
    >>> _ = convolutions(graph, "images", layers, OF_FRAMES)
    >>> [node.op_type for node in graph.nodes][:3]
    ['Conv', 'Relu', 'MaxPool']
    """
    layers = Weights.of(layers)
    for number, (inputs, outputs) in enumerate(zip((1, *sizes.channels), sizes.channels)):
        shape = (outputs, inputs, *sizes.kernel)
        weight, bias = _normalised(layers[4 * number], layers[4 * number + 1], shape)
        images = graph.add("Conv", images, weight, bias, strides=[*sizes.stride], pads=[*sizes.padding] * 2)
        # The ReLU comes first, as onnxruntime then makes it part of the convolution; the two commute.
        images = graph.add("Relu", images)
        images = graph.add("MaxPool", images, kernel_shape=[*sizes.pooling], strides=[*sizes.pooling_stride])
    return images


def _normalised(convolution, norm, shape):
    """Kernels and biases of a convolution with the batch normalisation after it folded into them."""
    parts = ("running_mean", "running_var", "weight", "bias")
    mean, variance, gain, shift = (norm.take(name, shape[0]) for name in parts)
    norm.take("num_batches_tracked")
    scale = gain / np.sqrt(variance + np.float32(NORM_EPS))
    kernels, biases = convolution.take("weight", *shape), convolution.take("bias", shape[0])
    return kernels * scale[:, None, None, None], (biases - mean) * scale + shift


def recurrent_unit(graph, frames, unit, sizes):
    """``RecurrentUnit.forward``, or with carried states where the graph carries them.

    Arguments
    ---------
    graph : Graph
        The graph to extend.
    frames : str
        Name of the frames, ``[frame, batch, value]``.
    unit : RecurrentUnit or Weights
        The unit, or its weights.
    sizes : Recurrence
        Its sizes.

    Returns
    -------
    str
        Name of its output, ``[frame, batch, value]``.

    Example
    -------
    >>> from hrin_plugin.networks.units import RecurrentUnit
    >>> from hrin_plugin.networks.onnx_nodes import Graph
    >>> graph, sizes = Graph(), Recurrence(128, hidden_size=5, num_layers=2)
    >>> _ = recurrent_unit(graph, "frames", RecurrentUnit(128, hidden_size=5, num_layers=2), sizes)
    >>> sum(node.op_type == "GRU" for node in graph.nodes)
    2
    """
    if sizes.cell not in OPERATIONS:
        raise ValueError(f"unknown recurrent cell {sizes.cell!r}; use one of {', '.join(OPERATIONS)}")
    unit, n_inputs = Weights.of(unit), sizes.input_size
    for layer in range(sizes.num_layers):
        arrays = _layer_weights(unit["rnn"], layer, n_inputs, sizes)
        frames = (_carrying_layer if graph.carries else _layer)(graph, frames, arrays, sizes)
        n_inputs = sizes.output_size
    if not sizes.output_layer:
        return frames
    n_values = sizes.output_size
    return graph.add("Sigmoid", linear(graph, frames, unit["output_layer"][0], n_values, n_values))


def _layer(graph, frames, weights, sizes):
    """Both directions of a layer as one operation, with zero initial states."""
    states = _recur(graph, frames, weights, sizes, "bidirectional")
    # [frame, direction, batch, value] -> [frame, batch, both directions' values]
    return graph.add("Reshape", graph.add("Transpose", states, perm=[0, 2, 1, 3]), [0, 0, -1])


def _carrying_layer(graph, frames, weights, sizes):
    """Both directions of a layer with given initial states: ``CarriedStates.outputs``."""
    ahead, behind = zip(*(np.split(array, 2) for array in weights))
    n_parts = STATE_PARTS[OPERATIONS[sizes.cell]]
    initial, last = zip(*(graph.carried_states(n_parts, sizes.hidden_size) for _ in (ahead, behind)))
    kept = graph.add("Slice", frames, [0], "kept", [0])
    # onnxruntime stops the whole process at a sequence without a frame: here there is always one more.
    context = graph.add("Slice", graph.add("Pad", frames, [0, 0, 0, 1, 0, 0]), "kept", [END], [0])
    kept = _recur(graph, kept, ahead, sizes, "forward", initial[0], last[0])
    context = graph.add("Slice", _recur(graph, context, ahead, sizes, "forward", last[0]), [0], [-1], [0])
    # Where all frames are kept, the signal ends, and the backward direction begins with zeros.
    n_frames = graph.add("Slice", graph.add("Shape", frames), [0], [1])
    goes_on = graph.add("Cast", graph.add("Less", "kept", n_frames), to=TYPES["float32"])
    initial = [graph.add("Mul", state, goes_on) for state in initial[1]]
    both = (
        graph.add("Concat", kept, context, axis=0),
        _recur(graph, frames, behind, sizes, "reverse", initial, last[1]),
    )
    return graph.add("Concat", *(graph.add("Squeeze", states, [1]) for states in both), axis=2)


def _recur(graph, frames, weights, sizes, direction, initial=(), last=()):
    """A recurrent operation's states of all frames, ``[frame, direction, batch, value]``."""
    operation = OPERATIONS[sizes.cell]
    # In torch's GRU the reset gate acts after the product with the recurrent weights and its bias.
    attributes = {"linear_before_reset": 1} if operation == "GRU" else {}
    return graph.add(
        operation,
        frames,
        *weights,
        # The lengths, all alike.
        "",
        *initial,
        outputs=[f"{operation}_{len(graph.nodes)}", *last],
        hidden_size=sizes.hidden_size,
        direction=direction,
        **attributes,
    )


def _layer_weights(rnn, layer, n_inputs, sizes):
    """Input weights, recurrent weights and biases of a layer, in ONNX's layout."""
    places = GATES[OPERATIONS[sizes.cell]]
    n_values = len(places) * sizes.hidden_size

    def gates(kind, *shape):
        """Weights or biases of both directions, ``[direction, ...]``, gates in ONNX's order."""
        directions = []
        for direction in ("", "_reverse"):
            array = rnn.take(f"{kind}_l{layer}{direction}", n_values, *shape)
            parts = np.split(array, len(places))
            directions.append(np.concatenate([parts[place] for place in places]))
        return np.stack(directions)

    inputs, recurrent = gates("weight_ih", n_inputs), gates("weight_hh", sizes.hidden_size)
    return inputs, recurrent, np.concatenate([gates("bias_ih"), gates("bias_hh")], axis=1)


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
