"""A recipe's settings and data sets come in; checkpoints, results and a trained network go out.

What every recipe shares: the Brain, checkpoints, transfer, and a run's folder, lock and settings.
"""

import importlib

#: Imported on first use, since the supervision of runs needs no torch.
_HOMES = {
    "AtomicCheckpointer": "checkpoints",
    "HRINBrain": "brain",
    "TrainLoggers": "loggers",
    "load_first_stages": "transfer",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    """Import a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
