"""Network classes by import path: those of this package and of others."""

import importlib
import sys

from torch import nn


def class_path(network_class):
    """The import path of a network class.

    Arguments
    ---------
    network_class : type
        The class.

    Returns
    -------
    str
        ``"HRIN"`` for classes of this package, ``"mynet.TinyNet"`` for others.

    Raises
    ------
    ValueError
        If it cannot be imported, such as a class inside a function or in the running script.

    Example
    -------
    >>> from hrin_plugin.networks import HRIN
    >>> class_path(HRIN)
    'HRIN'
    """
    module, name = network_class.__module__, network_class.__qualname__
    if getattr(importlib.import_module(__package__), name, None) is network_class:
        return name
    if module == "__main__" or getattr(sys.modules.get(module), name, None) is not network_class:
        raise ValueError(
            f"the network's class {module}.{name} cannot be imported again; define it at the top of a module"
        )
    return f"{module}.{name}"


def is_of_package(path):
    """Whether an import path leads into this package, so that importing it runs no foreign code.

    Arguments
    ---------
    path : str
        As :func:`class_path` gives it.

    Returns
    -------
    bool
        True for the package's own.

    Example
    -------
    >>> is_of_package("HRIN"), is_of_package("mynet.TinyNet")
    (True, False)
    """
    return "." not in path or path.startswith(f"{__package__}.")


def find_class(path):
    """Import a class by its path, which runs the code of its module.

    Arguments
    ---------
    path : str
        As :func:`class_path` gives it.

    Returns
    -------
    type
        A class derived from ``torch.nn.Module``.

    Raises
    ------
    ValueError
        If there is no such class.

    Example
    -------
    >>> find_class("HRIN").__module__
    'hrin_plugin.networks.hrin'
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module or __package__), name, None)
    except ImportError as error:
        raise ValueError(
            f"the class {path} cannot be imported ({error}); install its package, "
            "or add its folder to PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"{module or __package__} has no network {name!r}; install the version that has it")
    return found
