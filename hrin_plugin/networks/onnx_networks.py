"""The networks of this package as ONNX operations, built from their weights and settings without torch.

Each function has the arguments of its class besides graph, frames and weights; a class gives its own
weights, a file those of a folder.
"""

from collections.abc import Callable, Sequence

from hrin_plugin.networks import onnx_layers
from hrin_plugin.networks.onnx_layers import Convolutions, Recurrence
from hrin_plugin.networks.onnx_nodes import Graph
from hrin_plugin.networks.sizes import (
    MMG_KERNEL,
    MMG_POOLING,
    check_blocks,
    check_concatenation,
    conv_output_size,
)
from hrin_plugin.networks.weights import Weights
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy


def hrin_nodes(
    graph: Graph,
    frames: str,
    weights: Weights,
    input_size: int = 128,
    hidden_size: int = 100,
    num_layers: int = 4,
    unit: str = "gru",
    conv_unit: bool = False,
    concatenation: str = "input",
    output_layer: bool = False,
    taxonomy: Taxonomy = MUSIC_LOUDNESS,
) -> Sequence[str]:
    """``HRIN.forward`` (paper, section IV-A).

    Arguments
    ---------
    graph : Graph
        The graph to extend.
    frames : str
        Name of the frames, ``[frame, batch, input_size]``.
    weights : Weights
        The network's.
    input_size, hidden_size, num_layers, unit, conv_unit, concatenation, output_layer, taxonomy
        As of :class:`hrin_plugin.networks.hrin.HRIN`.

    Returns
    -------
    sequence of str
        Names of the logits of both levels, ``[frame, batch, class]``.

    Raises
    ------
    ValueError
        If the weights are not those of such settings.

    Example
    -------
    >>> from hrin_plugin.networks import HRIN
    >>> graph, network = Graph(), HRIN(hidden_size=5, num_layers=1)
    >>> len(hrin_nodes(graph, "frames", Weights.of(network), **network.settings))
    2
    """
    check_concatenation(concatenation, conv_unit)
    joined = 2 * hidden_size
    size_1, size_2 = input_size, input_size + (joined if concatenation == "input" else 0)
    encoded = frames
    if conv_unit:
        encoded = onnx_layers.conv_unit(graph, frames, weights["conv_1"])
        graph.cuts.append(encoded)
        size_1, size_2 = conv_output_size(size_1), conv_output_size(size_2)
    if concatenation == "after_conv":
        size_2 += size_1
    sizes = (hidden_size, num_layers, unit, output_layer)
    first = onnx_layers.recurrent_unit(graph, encoded, weights["recurrent_1"], Recurrence(size_1, *sizes))
    graph.cuts.append(first)
    second = graph.add("Concat", frames, first, axis=2) if concatenation == "input" else frames
    if conv_unit:
        second = onnx_layers.conv_unit(graph, second, weights["conv_2"])
        graph.cuts.append(second)
    if concatenation == "after_conv":
        second = graph.add("Concat", encoded, second, axis=2)
    second = onnx_layers.recurrent_unit(graph, second, weights["recurrent_2"], Recurrence(size_2, *sizes))
    if concatenation == "before_fc":
        second = graph.add("Concat", first, second, axis=2)
    widths = joined, joined * (2 if concatenation == "before_fc" else 1)
    return [
        onnx_layers.linear(graph, path, weights["heads"]["layers"][level], taxonomy.sizes[level], width)
        for level, (path, width) in enumerate(zip((first, second), widths))
    ]


def single_path_nodes(
    graph: Graph,
    frames: str,
    weights: Weights,
    input_size: int = 128,
    hidden_size: int = 100,
    num_layers: int = 4,
    unit: str = "gru",
    conv_unit: bool = False,
    output_layer: bool = False,
    taxonomy: Taxonomy = MUSIC_LOUDNESS,
) -> Sequence[str]:
    """``SinglePath.forward``; arguments, results and errors as of :func:`hrin_nodes`.

    Example
    -------
    >>> from hrin_plugin.networks import SinglePath
    >>> graph, network = Graph(), SinglePath(hidden_size=5, num_layers=1)
    >>> len(single_path_nodes(graph, "frames", Weights.of(network), **network.settings))
    2
    """
    encoded, size = frames, input_size
    if conv_unit:
        encoded, size = onnx_layers.conv_unit(graph, frames, weights["conv"]), conv_output_size(size)
        graph.cuts.append(encoded)
    sizes = Recurrence(size, hidden_size, num_layers, unit, output_layer)
    recurrent = onnx_layers.recurrent_unit(graph, encoded, weights["recurrent"], sizes)
    mrle = onnx_layers.linear(graph, recurrent, weights["head"], taxonomy.sizes[-1], sizes.output_size)
    return onnx_layers.upper_level(graph, mrle, taxonomy), mrle


def mmg_nodes(
    graph: Graph,
    frames: str,
    weights: Weights,
    input_size: int = 128,
    block_frames: int = 128,
    channels: Sequence[int] = (16, 32, 64, 128),
    taxonomy: Taxonomy = MUSIC_LOUDNESS,
) -> Sequence[str]:
    """``MMG.forward``; arguments, results and errors as of :func:`hrin_nodes`.

    Example
    -------
    >>> from hrin_plugin.networks import MMG
    >>> graph, network = Graph(), MMG().eval()
    >>> len(mmg_nodes(graph, "frames", Weights.of(network), **network.settings))
    2
    """
    check_blocks(input_size, block_frames, len(channels))
    frames = graph.add("Transpose", frames, perm=[1, 0, 2])
    shape = graph.add("Shape", frames)
    batch, n_frames = (graph.add("Slice", shape, [axis], [axis + 1]) for axis in (0, 1))
    # The remainder of a negative number is positive here, as in Python.
    missing = graph.add("Mod", graph.add("Neg", n_frames), [block_frames])
    filled = graph.add("Pad", frames, graph.add("Concat", [0, 0, 0, 0], missing, [0], axis=0))
    images = graph.add("Reshape", filled, [-1, 1, block_frames, input_size])
    kernel, padding, pooling = ((size, size) for size in (MMG_KERNEL, MMG_KERNEL // 2, MMG_POOLING))
    sizes = Convolutions(tuple(channels), kernel, (1, 1), padding, pooling, pooling)
    maps = onnx_layers.convolutions(graph, images, weights["layers"], sizes)
    pooled = graph.add("ReduceMean", maps, axes=[2, 3], keepdims=0)
    head = onnx_layers.linear(graph, pooled, weights["head"], taxonomy.sizes[-1], channels[-1])
    per_frame = graph.add("Expand", graph.add("Unsqueeze", head, [1]), [1, block_frames, 1])
    joined_shape = graph.add("Concat", batch, [-1, taxonomy.sizes[-1]], axis=0)
    joined = graph.add("Reshape", per_frame, joined_shape)
    mrle = graph.add("Transpose", graph.add("Slice", joined, [0], n_frames, [1]), perm=[1, 0, 2])
    return onnx_layers.upper_level(graph, mrle, taxonomy), mrle


#: By the names that ``model.json`` gives to the classes.
BUILDERS: dict[str, Callable] = {"HRIN": hrin_nodes, "SinglePath": single_path_nodes, "MMG": mmg_nodes}
