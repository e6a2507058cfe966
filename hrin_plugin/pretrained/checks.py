"""Checks of a model's files before anything is built from them, and of its weights before they are used."""

import inspect
import numbers
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrin_plugin.text import shown

if TYPE_CHECKING:
    from torch import nn

#: No size of a network of this package is greater.
MOST = 1 << 16
#: Arguments of classes and builders that are no settings.
_NO_SETTINGS = ("graph", "frames", "weights", "taxonomy")


def check_settings(network: Callable, settings: Mapping[str, Any], n_weights: int) -> None:
    """Raise ValueError for settings that a network of this package does not take.

    Arguments
    ---------
    network : callable
        Its class, or the builder of its ONNX graph; the annotations of the arguments tell the types.
    settings : mapping of str to object
        The settings, as JSON gives them.
    n_weights : int
        Number of tensors in the file of weights; no network has more layers.

    Raises
    ------
    ValueError
        If a setting is unknown, of another type, or no size that a network has.

    Example
    -------
    >>> from hrin_plugin.networks import HRIN
    >>> check_settings(HRIN, {"num_layers": 1000000000}, n_weights=50)
    Traceback (most recent call last):
    ...
    ValueError: its network's num_layers is 1000000000; give a whole number from 1 to 50
    """
    arguments = inspect.signature(network).parameters
    known = [name for name in arguments if name not in _NO_SETTINGS]
    for name in settings:
        if name not in known:
            problem = f"its network got an unexpected keyword argument {shown(name)}"
            raise ValueError(f"{problem}; it takes {', '.join(known)}")
    for name, value in settings.items():
        kind, most = arguments[name].annotation, n_weights if name == "num_layers" else MOST
        if kind is int:
            good, wanted = _is_size(value, most), f"a whole number from 1 to {most}"
        elif kind == Sequence[int]:
            good = isinstance(value, list) and len(value) <= n_weights
            good, wanted = good and all(_is_size(size, most) for size in value), "a list of whole numbers"
        elif kind in (bool, str):
            good, wanted = isinstance(value, kind), {bool: "true or false", str: "a text"}[kind]
        else:
            raise ValueError(f"its class {network.__name__} is no whole network")
        if not good:
            raise ValueError(f"its network's {name} is {shown(value)}; give {wanted}")


def _is_size(value, most):
    """Whether a value is a whole number from 1 to a greatest one."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and 1 <= value <= most


def weight_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a safetensors file, by name, from its header.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    dict of str to tuple of int
        The shapes.

    Example
    -------
    >>> import torch
    >>> from safetensors.torch import save_file
    >>> path = getfixture("tmp_path") / "a.safetensors"
    >>> save_file({"a": torch.zeros(2, 3)}, path)
    >>> weight_shapes(path)
    {'a': (2, 3)}
    """
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def check_shapes(modules: "nn.Module", shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError where modules and the tensors of a file differ in name or shape.

    Arguments
    ---------
    modules : torch.nn.Module
        The modules; they may be on the device "meta", where nothing is allocated.
    shapes : mapping of str to tuple of int
        The file's, from :func:`weight_shapes`.

    Raises
    ------
    ValueError
        With the first tensor that differs.

    Example
    -------
    >>> from torch import nn
    >>> check_shapes(nn.Linear(2, 3), {"weight": (3, 2), "bias": (4,)})
    Traceback (most recent call last):
    ...
    ValueError: size mismatch for bias: [4] in the file, [3] by the settings
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in modules.state_dict().items()}
    for name in sorted(wanted.keys() | shapes.keys()):
        one, other = (list(found[name]) if name in found else "nothing" for found in (shapes, wanted))
        if one != other:
            raise ValueError(
                f"size mismatch for {shown(name)[1:-1]}: {one} in the file, {other} by the settings"
            )


def check_values(modules: "nn.Module") -> None:
    """Raise ValueError for a weight or statistic that is not a finite number.

    Arguments
    ---------
    modules : torch.nn.Module
        The modules, with their weights.

    Raises
    ------
    ValueError
        With the name of the tensor.

    Example
    -------
    >>> from torch import nn
    >>> layer = nn.Linear(2, 3)
    >>> check_values(layer)
    >>> _ = nn.init.constant_(layer.bias, float("nan"))
    >>> check_values(layer)
    Traceback (most recent call last):
    ...
    ValueError: its weights hold a number that is not finite, in bias
    """
    for name, tensor in modules.state_dict().items():
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"its weights hold a number that is not finite, in {name}")
        if name.endswith(("running_var", "std")) and bool((tensor < 0).any()):
            raise ValueError(f"its weights hold a negative variance, in {name}")
