"""An ONNX model as bytes: operations, constants, inputs and outputs in the format's own encoding.

The format is fixed (onnx.proto, IR version 8): fields of Protocol Buffers, each a number, a kind and a
value. Written here, it takes a few lines; the package onnx would take longer to import than a short
recording takes to be heard. That package reads back what is written in the tests.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

#: Numbers that ONNX gives to types of elements.
TYPES = {"float32": 1, "int8": 3, "int64": 7}

#: Kinds of attributes, by their numbers.
_FLOAT, _INT, _STRING, _INTS = 1, 2, 3, 7


class Node(NamedTuple):
    """An operation.

    Example
    -------
    >>> Node("Relu", ["maps"], ["rectified"], {}).op_type
    'Relu'
    """

    op_type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict  # of int, float, str or lists of int


class Value(NamedTuple):
    """An input or output.

    Example
    -------
    >>> Value("frames", "float32", ("batch", "frame", 128)).shape[-1]
    128
    """

    name: str
    kind: str  # of TYPES
    shape: tuple  # of int, and of str for lengths that vary


def encode_model(
    name: str,
    nodes: Iterable[Node],
    constants: Mapping[str, np.ndarray],
    inputs: Iterable[Value],
    outputs: Iterable[Value],
    opset: int,
    ir_version: int,
    properties: Mapping[str, str],
) -> bytes:
    """A ``ModelProto``.

    Arguments
    ---------
    name : str
        The graph's.
    nodes : iterable of Node
        Operations, each after those whose results it takes.
    constants : mapping of str to numpy.ndarray
        Of float32, int8 or int64.
    inputs, outputs : iterable of Value
        The graph's ends.
    opset, ir_version : int
        Versions of the operations and of the format.
    properties : mapping of str to str
        Texts that go with the model.

    Returns
    -------
    bytes
        The content of a file.

    Example
    -------
    >>> ends = [Value("x", "float32", (2,))], [Value("y", "float32", (2,))]
    >>> content = encode_model("double", [Node("Add", ["x", "x"], ["y"], {})], {}, *ends, 17, 8, {})
    >>> import onnx
    >>> onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    """
    graph = [_text(2, name)]
    for node in nodes:
        graph += _message(1, [_node(node)])
    for constant in constants.items():
        graph += _message(5, _tensor(*constant))
    for field, values in ((11, inputs), (12, outputs)):
        for value in values:
            graph += _message(field, [_value(value)])
    parts = [_number(1, ir_version), _text(2, "hrin_plugin"), *_message(7, graph)]
    parts += _message(8, [_text(1, ""), _number(2, opset)])
    for key, value in properties.items():
        parts += _message(14, [_text(1, key), _text(2, value)])
    # Joined once, as the constants are large.
    return b"".join(parts)


def _node(node):
    """A ``NodeProto``."""
    parts = [_text(1, name) for name in node.inputs] + [_text(2, name) for name in node.outputs]
    parts.append(_text(4, node.op_type))
    for attribute in node.attributes.items():
        parts += _message(5, [_attribute(*attribute)])
    return b"".join(parts)


def _attribute(name, value):
    """An ``AttributeProto``."""
    if isinstance(value, str):
        kind, content = _STRING, _text(4, value)
    elif isinstance(value, float):
        kind, content = _FLOAT, _key(2, 5) + struct.pack("<f", value)
    elif isinstance(value, (list, tuple)):
        kind, content = _INTS, b"".join(_number(8, one) for one in value)
    else:
        kind, content = _INT, _number(3, value)
    return _text(1, name) + content + _number(20, kind)


def _tensor(name, array):
    """The parts of a ``TensorProto``."""
    values = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
    head = [_number(1, size) for size in array.shape] + [_number(2, TYPES[array.dtype.name]), _text(8, name)]
    return [*head, *_message(9, [values])]


def _value(value):
    """A ``ValueInfoProto``."""
    sizes = (_text(2, size) if isinstance(size, str) else _number(1, size) for size in value.shape)
    shape = [part for size in sizes for part in _message(1, [size])]
    tensor = _message(1, [_number(1, TYPES[value.kind]), *_message(2, shape)])
    return b"".join((_text(1, value.name), *_message(2, tensor)))


def _message(field, parts):
    """A field of bytes or of another message, given in parts, with what goes before them."""
    return [_key(field, 2) + _varint(sum(map(len, parts))), *parts]


def _text(field, text):
    """A field of text."""
    content = text.encode()
    return _key(field, 2) + _varint(len(content)) + content


def _number(field, number):
    """A field of a whole number."""
    return _key(field, 0) + _varint(int(number) % (1 << 64))


def _key(field, kind):
    """What begins a field."""
    return _varint(field << 3 | kind)


def _varint(number):
    """A whole number in groups of seven bits, the lowest first."""
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes((*groups, number))
