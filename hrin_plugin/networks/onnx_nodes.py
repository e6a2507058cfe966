"""A graph of ONNX operations, and the ``onnx_nodes`` method of network classes.

A class that can be exported has a method ``onnx_nodes(graph, frames)``. From the name of the
frames it adds the operations of its ``forward`` (:mod:`hrin_plugin.networks.onnx_layers` has those of
common layers), and returns the names of the logits of each level. Time comes first,
``[frame, batch, value]``. Only the class's own method counts: the ``forward`` of a derived class may do
something else. Where it does not, the derived class says ``onnx_nodes = Base.onnx_nodes``.
"""

import importlib

import numpy as np

from hrin_plugin.networks.onnx_file import Node


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
        raise ValueError(f'ONNX needs {name} ({error}); run: pip install "hrin-plugin[onnx]"') from error


def has_onnx(network):
    """Whether a network's class has its own ``onnx_nodes``.

    Arguments
    ---------
    network : torch.nn.Module
        The network.

    Returns
    -------
    bool
        True where the class itself, not one that it is derived from, has ``onnx_nodes``.

    Example
    -------
    >>> from hrin_plugin.networks import HRIN
    >>> class Mine(HRIN):
    ...     pass
    >>> has_onnx(HRIN(hidden_size=5)), has_onnx(Mine(hidden_size=5))
    (True, False)
    """
    return "onnx_nodes" in vars(type(network))


def check_onnx(network):
    """Raise ValueError for a network whose class cannot be written as ONNX.

    Arguments
    ---------
    network : torch.nn.Module
        The network.

    Raises
    ------
    ValueError
        If its class has no ``onnx_nodes`` of its own.

    Example
    -------
    >>> import torch
    >>> check_onnx(torch.nn.Linear(1, 1))
    Traceback (most recent call last):
    ...
    ValueError: the class Linear has no ONNX builder (a method onnx_nodes of its own); run it on torch
    """
    if not has_onnx(network):
        raise ValueError(
            f"the class {type(network).__name__} has no ONNX builder (a method onnx_nodes of its own); "
            "run it on torch"
        )


class Graph:
    """A growing list of nodes and constants; every value has a name.

    Arguments
    ---------
    carries : bool
        Whether states of recurrent layers are inputs and outputs, for a signal in windows.

    Example
    -------
    >>> graph = Graph()
    >>> doubled = graph.add("Mul", "frames", 2.0)
    >>> [node.op_type for node in graph.nodes], len(graph.constants)
    (['Mul'], 1)
    """

    def __init__(self, carries=False):
        #: Operations, and arrays by their names.
        self.nodes, self.constants = [], {}
        #: Names of values up to which the network can be computed before the rest, in order.
        self.cuts = []
        self._names = {}  # of the arrays that are constants already, by their identity
        self.carries = carries
        #: Names of the states that go out, and the number of their values.
        self.next_states, self.state_size = [], None

    def add(self, operation, *inputs, outputs=None, **attributes):
        """Append an operation.

        Arguments
        ---------
        operation : str
            Name of the ONNX operation.
        *inputs : str or array_like
            Values by name, and constants as numbers: whole ones become shapes and axes, others
            single precision.
        outputs : list of str or None
            Names of its results; None for one new name.
        **attributes
            As ONNX has them.

        Returns
        -------
        str
            The name of the first output.
        """
        outputs = outputs or [f"{operation}_{len(self.nodes)}"]
        inputs = [given if isinstance(given, str) else self._constant(given) for given in inputs]
        self.nodes.append(Node(operation, inputs, outputs, attributes))
        return outputs[0]

    def carried_states(self, count, size):
        """Add states as further inputs and outputs.

        Arguments
        ---------
        count : int
            How many.
        size : int
            Values of each, the same for all of a graph.

        Returns
        -------
        tuple of (list of str, list of str)
            Names of the inputs, ``[1, batch, value]`` each, and of the outputs.

        Raises
        ------
        ValueError
            If earlier ones have another size.
        """
        if self.state_size not in (None, size):
            raise ValueError(
                f"recurrent layers of {self.state_size} and of {size} values cannot carry their states in "
                "one tensor; make them alike, or run the network on torch"
            )
        self.state_size = size
        places = range(len(self.next_states), len(self.next_states) + count)
        next_states = [f"next_state_{place}" for place in places]
        self.next_states += next_states
        return [self.add("Slice", "states", [place], [place + 1], [0]) for place in places], next_states

    def _constant(self, values):
        """Name of a new constant."""
        if id(values) in self._names:  # weights that several operations take
            return self._names[id(values)][0]
        array, name = np.asarray(values), f"constant_{len(self.constants)}"
        self.constants[name] = array.astype(np.int64 if array.dtype.kind == "i" else np.float32, copy=False)
        if array is values:
            self._names[id(values)] = name, values  # kept, so that its identity is not another's
        return name
