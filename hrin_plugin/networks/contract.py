"""The contract of a network that can be trained, saved, loaded and used for detection."""

import contextlib
import json
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from hrin_plugin.networks.classes import class_path
from hrin_plugin.networks.hrin import check_two_levels
from hrin_plugin.taxonomy import Taxonomy

#: Recordings and frames that a network is tried on; the second recording is half padding.
BATCH, FRAMES = 2, 100


class Network(Protocol):
    """The contract of a network, which is also a ``torch.nn.Module``.

    Two further members are optional. A ``forward`` that takes ``states`` carries recurrent
    states from one window of a long signal to the next (:class:`hrin_plugin.networks.states.CarriedStates`);
    other networks get earlier frames as context. A class with a method ``onnx_nodes`` can be written as
    ONNX (:mod:`hrin_plugin.networks.onnx_nodes`); others run on torch only.

    Example
    -------
    >>> from hrin_plugin.networks import HRIN
    >>> network: Network = HRIN(hidden_size=5, num_layers=1)
    >>> again = type(network)(taxonomy=network.taxonomy, **network.settings)
    >>> [level.shape for level in again(torch.randn(2, 10, 128), torch.tensor([1.0, 0.5]))]
    [torch.Size([2, 10, 2]), torch.Size([2, 10, 3])]
    """

    #: The classes of each level.
    taxonomy: Taxonomy
    #: All other arguments of ``__init__``, as JSON can hold them.
    settings: dict

    def __call__(self, frames: Tensor, lens: Tensor | None = None) -> Sequence[Tensor]:
        """Logits ``[batch, frame, class]`` of each level of frames ``[batch, frame, band]``."""


def check_network(network: nn.Module, n_bands: int, taxonomy: Taxonomy | None = None) -> None:
    """Raise ValueError for a network that breaks the contract; the network is not changed.

    The network is rebuilt from its settings, and both are compared on random frames.

    Arguments
    ---------
    network : torch.nn.Module
        The network.
    n_bands : int
        Values of a frame.
    taxonomy : Taxonomy or None
        The objective's, which must be the network's too; None where there is no objective.

    Raises
    ------
    ValueError
        If it breaks the contract of :class:`Network`; names its class, what is missing and the cure.

    Example
    -------
    >>> from hrin_plugin.networks import HRIN
    >>> network = HRIN(hidden_size=5, num_layers=1)
    >>> check_network(network, n_bands=128)
    >>> del network.settings
    >>> check_network(network, n_bands=128)
    Traceback (most recent call last):
    ...
    ValueError: the network HRIN has no attribute 'settings'; ...
    """
    check_description(network)
    check_two_levels(network.taxonomy)
    if taxonomy is not None and network.taxonomy != taxonomy:
        raise _refusal(
            network,
            f"has another taxonomy than the objective: {_listed(network.taxonomy)}, not {_listed(taxonomy)}; "
            "give both the same",
        )
    # Whether a network was checked must not change the random numbers of its training.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        again = _built_again(network)
        _compare(network, again, n_bands)


def check_description(network: nn.Module) -> None:
    """Raise ValueError for a network without a valid taxonomy or settings to rebuild it from.

    Arguments
    ---------
    network : torch.nn.Module
        The network.

    Raises
    ------
    ValueError
        If it is no module, if its class cannot be imported, or if its ``taxonomy`` or ``settings``
        is missing or of the wrong kind.

    Example
    -------
    >>> check_description(nn.Linear(1, 1))
    Traceback (most recent call last):
    ...
    ValueError: the network torch.nn.modules.linear.Linear has no attribute 'taxonomy'; ...
    """
    if not isinstance(network, nn.Module):
        raise _refusal(network, "is no torch.nn.Module; derive its class from that")
    for attribute, cure in (
        ("taxonomy", "set self.taxonomy to the Taxonomy that __init__ takes"),
        ("settings", "set self.settings to a dict of the other arguments of __init__"),
    ):
        if not hasattr(network, attribute):
            raise _refusal(network, f"has no attribute {attribute!r}; {cure}")
    if not isinstance(network.taxonomy, Taxonomy):
        kind = type(network.taxonomy).__name__
        raise _refusal(network, f"has a {kind} as its taxonomy; make it a hrin_plugin.Taxonomy")
    _check_settings(network)
    class_path(type(network))


def _refusal(network, what):
    """The error for a network, with the name of its class."""
    network_class = type(network)
    try:
        name = class_path(network_class)
    except ValueError:
        name = f"{network_class.__module__}.{network_class.__qualname__}"
    return ValueError(f"the network {name} {what}")


def _listed(taxonomy):
    """The classes of a taxonomy, level by level."""
    return " / ".join(", ".join(names) for names in taxonomy.levels)


def _check_settings(network):
    """Raise ValueError for settings that JSON cannot hold or ``__init__`` would not get."""
    settings = network.settings
    if not isinstance(settings, dict):
        kind = type(settings).__name__
        raise _refusal(network, f"has a {kind} as its settings; make it a dict of the arguments of __init__")
    for key, value in settings.items():
        if key in ("taxonomy", "class"):
            raise _refusal(network, f"has {key!r} in its settings, which is kept apart; leave it out there")
        try:
            json.dumps({key: value}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise _refusal(
                network,
                f"has the setting {key!r}, which cannot be written as JSON ({error}); "
                "use numbers, texts, booleans, and lists and dicts of these",
            ) from error


def _built_again(network):
    """The network rebuilt from its JSON settings, with the same weights."""
    try:
        again = type(network)(taxonomy=network.taxonomy, **json.loads(json.dumps(network.settings)))
    except Exception as error:  # whatever another's code raises
        raise _refusal(
            network,
            f"cannot be built again from its taxonomy and settings ({type(error).__name__}: {error}); "
            "make self.settings the arguments of __init__ besides taxonomy",
        ) from error
    shapes, others = (_shapes(each) for each in (network, again))
    for name in shapes | others:
        if shapes.get(name) != others.get(name):
            raise _refusal(
                network,
                f"built again from its settings has other weights ({name}: {others.get(name, 'none')}, not "
                f"{shapes.get(name, 'none')}); put every argument that changes them into self.settings",
            )
    again.load_state_dict(network.state_dict())
    return again


def _shapes(network):
    """The shape of each weight; raises for values that are not tensors."""
    shapes = {}
    for name, weight in network.state_dict().items():
        if not isinstance(weight, Tensor):
            kind = type(weight).__name__
            raise _refusal(network, f"has {name} in its state_dict, a {kind}; keep only tensors there")
        shapes[name] = list(weight.shape)
    return shapes


def _compare(network, again, n_bands):
    """Raise ValueError for logits of wrong shape, or of other values after rebuilding."""
    device = next((weight.device for weight in network.state_dict().values()), None)
    frames = torch.randn(BATCH, FRAMES, n_bands, generator=torch.Generator().manual_seed(0)).to(device)
    lens = torch.linspace(1, 0.5, BATCH, device=device)
    with _evaluating(network), _evaluating(again.to(device)):
        for inputs in ((frames, lens), (frames,)):
            for level, its_like in zip(_logits(network, *inputs), _logits(again, *inputs)):
                if not torch.allclose(level, its_like, rtol=1e-3, atol=1e-4, equal_nan=True):
                    raise _refusal(
                        network,
                        "built again from its settings gives other logits with the same weights; "
                        "put every argument that changes them into self.settings",
                    )


def _logits(network, *inputs):
    """Logits of each level; raises for another signature or return value."""
    given = "frames and relative lengths" if len(inputs) > 1 else "frames alone"
    shape = list(inputs[0].shape)
    try:
        levels = network(*inputs)
    except Exception as error:  # whatever another's code raises
        raise _refusal(
            network,
            f"cannot be called with {given}, {shape} ({type(error).__name__}: {error}); "
            "define forward(self, frames, lens=None)",
        ) from error
    cure = "return one tensor [batch, frame, class] for each level of its taxonomy"
    if not isinstance(levels, Sequence) or not all(isinstance(level, Tensor) for level in levels):
        raise _refusal(network, f"returns a {type(levels).__name__}, not logits of each level; {cure}")
    wanted = [[*shape[:2], size] for size in network.taxonomy.sizes]
    shapes = [list(level.shape) for level in levels]
    if shapes != wanted:
        raise _refusal(network, f"returns shapes {shapes} for frames {shape}, not {wanted}; {cure}")
    return levels


@contextlib.contextmanager
def _evaluating(network):
    """Context with the network in evaluation mode; each module's mode is restored."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
