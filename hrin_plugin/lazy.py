"""Public names of a package that are imported on first use, so that importing the package is fast."""

import importlib
import sys
from collections.abc import Callable, Mapping


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable, Callable]:
    """``__getattr__`` and ``__dir__`` of a package.

    Arguments
    ---------
    package : str
        Its ``__name__``.
    homes : mapping of str to str
        Each public name, and the module below the package that has it.

    Returns
    -------
    tuple of callable
        Both functions.

    Example
    -------
    >>> get, names = lazy_names("hrin_plugin", {"FrameGrid": "timing"})
    >>> get("FrameGrid").__name__, names()
    ('FrameGrid', ['FrameGrid'])
    """

    def get(name):
        """Import a public name."""
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    def names():
        """The public names, for tab completion."""
        return sorted(homes)

    return get, names
