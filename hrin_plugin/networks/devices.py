"""Checks of a device before it is used."""

import re

import torch

from hrin_plugin.text import shown


def default_device():
    """A GPU where there is one, else the CPU.

    Returns
    -------
    str
        Its name.

    Example
    -------
    >>> check_device(default_device())
    """
    return torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"


def check_device(name, *precisions):
    """Raise ValueError for a missing device, or one without the requested precision.

    Arguments
    ---------
    name : str or None
        "cpu", "cuda", "cuda:1" and so on; None for a GPU where there is one.
    *precisions : str
        "fp32", "bf16" or "fp16", of training and evaluation.

    Raises
    ------
    ValueError
        If there is no such device, or no such precision on it.

    Example
    -------
    >>> check_device("cpu", "bf16")
    >>> check_device("cpu", "fp16")
    Traceback (most recent call last):
    ...
    ValueError: fp16 is not for a CPU; use bf16 or fp32, or a GPU
    """
    kind = default_device() if name is None else _kind(name)
    if kind == "cpu" and "fp16" in precisions:
        raise ValueError("fp16 is not for a CPU; use bf16 or fp32, or a GPU")


def _kind(name):
    """The type of an available device."""
    kind, _, index = str(name).partition(":")
    kinds = {"cpu"}
    if torch.accelerator.is_available():
        kinds.add(torch.accelerator.current_accelerator().type)
    if kind not in {*kinds, "cuda"} or (":" in str(name) and not re.fullmatch("[0-9]{1,3}", index)):
        raise ValueError(f"the device is {shown(name)}; use {', '.join(sorted({*kinds, 'cuda'}))}, or cuda:1")
    if kind not in kinds:
        raise ValueError(f"the device is {name!r}, but torch sees no GPU here; use cpu")
    count = 1 if kind == "cpu" else torch.accelerator.device_count()
    if int(index or 0) >= count:
        raise ValueError(
            f"the device is {name!r}, but there {'is' if count == 1 else 'are'} {count} of the kind"
        )
    return kind
