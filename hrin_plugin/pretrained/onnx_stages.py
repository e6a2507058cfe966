"""The fast path of detection on a CPU: the network's graph in stages, each a session of its own.

The operations are those of the one graph (:func:`hrin_plugin.pretrained.onnx_graph.build_graph`), cut where
the network says (:attr:`hrin_plugin.networks.onnx_nodes.Graph.cuts`). So a stage can work on the next window
while the one after it works on this, and convolutions go through blocks of frames that stay in the
processor's cache. States stay within their stage.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from hrin_plugin.features.mel_frames import MelFrames
from hrin_plugin.machine import n_threads
from hrin_plugin.networks.onnx_file import Node, Value, encode_model
from hrin_plugin.networks.onnx_nodes import import_optional
from hrin_plugin.networks.outputs import HRINOutput
from hrin_plugin.pretrained.onnx_graph import IR_VERSION, OPSET, network_graph, whole_graph
from hrin_plugin.pretrained.onnx_model import OnnxModel, make_session
from hrin_plugin.taxonomy import Taxonomy

#: Frames that a stage without recurrence takes at a time.
BLOCK_FRAMES = 64


class Stage(NamedTuple):
    """A part of a network's graph.

    Example
    -------
    >>> Stage(b"", ("frames",), ("Conv_3",), ()).rows
    ()
    """

    content: bytes  # an ONNX file
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    rows: tuple[int, ...]  # places of its states among those of the network


def cut_graph(graph, name: str) -> list[Stage]:
    """A network's graph in stages, one more than it has cuts.

    Arguments
    ---------
    graph : Graph
        With states, as :func:`hrin_plugin.pretrained.onnx_graph.network_graph` gives it.
    name : str
        Of the network.

    Returns
    -------
    list of Stage
        In order; each takes what those before it give.

    Example
    -------
    >>> from hrin_plugin.pretrained.plain import read_plain
    >>> from hrin_plugin.pretrained.sources import find_model
    >>> graph, name, *_ = network_graph(read_plain(find_model()), "frames", states=True)
    >>> [stage.rows for stage in cut_graph(graph, name)]
    [(), (0, 1, 2, 3), (), (4, 5, 6, 7)]
    """
    makers = {output: node for node in graph.nodes for output in node.outputs}
    stage_of, n_stages = {}, len(graph.cuts) + 1
    for number, cut in enumerate(graph.cuts):
        wanted = [cut]
        while wanted:
            node = makers.get(wanted.pop())
            if node is not None and id(node) not in stage_of:
                stage_of[id(node)] = number
                wanted += node.inputs
    parts = [[] for _ in range(n_stages)]
    for node in graph.nodes:
        parts[stage_of.get(id(node), n_stages - 1)].append(node)
    used = [{given for node in part for given in node.inputs if given} for part in parts]
    stages = []
    for number, part in enumerate(parts):
        made = {output for node in part for output in node.outputs}
        later = set().union(*used[number + 1 :], HRINOutput._fields)
        rows = tuple(row for row, state in enumerate(graph.next_states) if state in made)
        inputs = sorted(used[number] - made - graph.constants.keys())
        outputs = sorted(made & later)
        stages.append(_stage(graph, name, part, inputs, outputs, rows))
    return stages


def _stage(graph, name, nodes, inputs, outputs, rows):
    """A Stage of some of a graph's nodes."""
    constants = {
        given: graph.constants[given] for node in nodes for given in node.inputs if given in graph.constants
    }
    kinds = {
        "kept": ("int64", (1,)),
        "states": ("float32", (len(graph.next_states), "batch", graph.state_size)),
    }

    def value(end):
        """Time comes first but at the network's own ends; lengths are told where they are known."""
        return Value(end, *kinds.get(end, ("float32", (f"{end}_0", f"{end}_1", f"{end}_2"))))

    ends = [value(end) for end in outputs]
    if rows:
        states = [graph.next_states[row] for row in rows]
        nodes = [*nodes, Node("Concat", states, ["next_states"], {"axis": 0})]
        ends.append(Value("next_states", "float32", (len(rows), "batch", graph.state_size)))
    content = encode_model(name, nodes, constants, map(value, inputs), ends, OPSET, IR_VERSION, {})
    return Stage(content, tuple(inputs), tuple(outputs), rows)


class StagedModel:
    """A network in stages, which processes signals window by window.

    Arguments
    ---------
    stages : sequence of Stage
        The network.
    states_shape : tuple of int
        Number of its states, and values of each.
    settings : dict
        The content of the model's ``model.json``.
    features : MelFrames
        The features that its frames must have.
    taxonomy : Taxonomy
        The classes of both levels.

    Example
    -------
    >>> from hrin_plugin.pretrained.plain import read_plain
    >>> from hrin_plugin.pretrained.sources import find_model
    >>> model = fast_model(read_plain(find_model()))
    >>> [level.shape for level in model.begin(0)(np.zeros((1, 5, 128), np.float32), 3)]
    [(3, 2), (3, 3)]
    """

    def __init__(self, stages, states_shape, settings: dict, features: MelFrames, taxonomy: Taxonomy):
        self.settings, self.features, self.taxonomy = settings, features, taxonomy
        self._stages, self._states_shape = stages, states_shape
        # Stages work side by side, on the first cores.
        threads = max(1, n_threads() // 2)
        self._sessions = [make_session(stage.content, threads) for stage in stages]

    def __reduce__(self):
        return StagedModel, (self._stages, self._states_shape, self.settings, self.features, self.taxonomy)

    def begin(self, context: int) -> "Steps":
        """Start a signal, as :func:`hrin_plugin.networks.states.begin_network` does.

        Arguments
        ---------
        context : int
            Not needed, as states are carried.

        Returns
        -------
        Steps
            Takes a window's frames and the number of frames to classify.
        """
        stages = zip(self._stages, self._sessions)
        return Steps([_Running(stage, session, self._states_shape) for stage, session in stages])


class Steps:
    """One signal on its way through the stages of a network.

    Arguments
    ---------
    stages : sequence of callable
        Each takes values by their names and gives them with its own.

    Example
    -------
    >>> steps = Steps([lambda values: values | {"md": values["frames"], "mrle": values["frames"]}])
    >>> [level.shape for level in steps(np.zeros((1, 9, 3)), 5)]
    [(5, 3), (5, 3)]
    """

    def __init__(self, stages: Sequence[Callable]):
        self._stages = stages

    def __call__(self, frames: np.ndarray, n_wanted: int) -> tuple[np.ndarray, ...]:
        """Probabilities of the wanted frames, ``[frame, class]`` of each level, for ``[1, frame, band]``."""
        given = frames, n_wanted
        for part in self.parts:
            given = part(given)
        return given

    @property
    def parts(self) -> list[Callable]:
        """What :meth:`__call__` does, in parts: each takes the result of the one before.

        The first takes frames and number of frames as a tuple. Each part must take the windows in order.
        """
        *firsts, last = self._stages
        wholes = [*firsts, lambda values: _wanted(last(values))]
        return [lambda window: wholes[0](_named(*window)), *wholes[1:]]


def _named(frames, n_wanted):
    """A window as values by their names."""
    return {"frames": np.asarray(frames), "kept": np.array([n_wanted])}


def _wanted(values):
    """Probabilities of the wanted frames of the first signal."""
    return tuple(values[level][0, : values["kept"][0]] for level in HRINOutput._fields)


class _Running:
    """A stage with its states, for one signal."""

    def __init__(self, stage, session, states_shape):
        self._stage, self._session = stage, session
        self._states = np.zeros((states_shape[0], 1, states_shape[1]), np.float32)

    def __call__(self, values):
        """The values, with those that the stage makes."""
        stage = self._stage
        given = {name: values[name] for name in stage.inputs if name != "states"}
        if stage.rows:
            outputs = [*stage.outputs, "next_states"]
            *made, states = self._session.run(outputs, given | {"states": self._states})
            self._states[list(stage.rows)] = states
        else:
            made = self._by_blocks(given)
        return values | dict(zip(stage.outputs, made))

    def _by_blocks(self, given):
        """What a stage without recurrence makes, block of frames by block."""
        n_frames, blocks = max(map(_n_frames, given, given.values())), []
        for start in range(0, n_frames, BLOCK_FRAMES):
            place = slice(start, start + BLOCK_FRAMES)
            block = {name: value[_place(name, place)] for name, value in given.items()}
            blocks.append(self._session.run(self._stage.outputs, block))
        return [np.concatenate(parts) for parts in zip(*blocks)]


def _place(name, place):
    """Index of a slice of frames; the network's own frames have the batch first."""
    return (slice(None), place) if name == "frames" else place


def _n_frames(name, value):
    """Number of frames of a value."""
    return value.shape[name == "frames"]


def fast_model(model) -> StagedModel | OnnxModel:
    """A model for windows of a signal, in stages where its network has cuts.

    Arguments
    ---------
    model : PretrainedModel or PlainModel
        As :func:`hrin_plugin.pretrained.onnx_graph.build_graph` takes it.

    Returns
    -------
    StagedModel or OnnxModel
        The second for networks whose graph has no cuts.

    Raises
    ------
    ValueError
        If the weights do not fit the settings, or onnxruntime is not installed.

    Example
    -------
    >>> from hrin_plugin.pretrained.plain import read_plain
    >>> from hrin_plugin.pretrained.sources import find_model
    >>> type(fast_model(read_plain(find_model()))).__name__
    'StagedModel'
    """
    import_optional("onnxruntime")
    graph, name, features, taxonomy = network_graph(model, "frames", states=True)
    settings = getattr(model, "settings", {})
    if not graph.cuts:
        content = whole_graph(graph, name, features, taxonomy, "frames")
        return OnnxModel(content, settings, MelFrames(features), taxonomy)
    shape = len(graph.next_states), graph.state_size
    return StagedModel(cut_graph(graph, name), shape, settings, MelFrames(features), taxonomy)
