"""The subcommands of ``hrin``: arguments come in, calls of the other rooms and an exit status go out.

Each file with an ``add_parser`` is a subcommand. Heavy imports happen when the subcommand runs, so that
``--help`` is fast.
"""

import importlib
import pkgutil


class Failure(Exception):
    """Raised to end a command with a one-line message and exit status 1.

    Example
    -------
    >>> raise Failure("2 of 3 recordings failed")
    Traceback (most recent call last):
    ...
    Failure: 2 of 3 recordings failed
    """


def subcommands():
    """The modules of all subcommands, by name.

    Returns
    -------
    list of module
        Each adds its parser by ``add_parser``.

    Example
    -------
    >>> [module.__name__.rpartition(".")[2] for module in subcommands()][:2]
    ['adapt', 'convert']
    """
    names = [name for _, name, _ in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return [module for module in modules if hasattr(module, "add_parser")]
