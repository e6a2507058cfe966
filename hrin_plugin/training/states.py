"""States of a training beside weights and optimizer: random generators, and what recurrent units carry."""

import io
import random

import numpy as np
import torch
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks


def write_torch(obj, path):
    """Save as ``torch.save``, with the reason where the file cannot be written.

    Arguments
    ---------
    obj : object
        What ``torch.save`` takes.
    path : str or pathlib.Path
        The file.

    Raises
    ------
    OSError
        If it cannot be written; ``torch.save`` raises a RuntimeError that does not tell why.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.ckpt"
    >>> write_torch({"weight": torch.ones(2)}, path)
    >>> torch.load(path)["weight"].tolist()
    [1.0, 1.0]
    """
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    with open(path, "wb") as file:
        file.write(buffer.getbuffer())


@register_checkpoint_hooks
class RandomStates:
    """The states of the random generators of python, numpy and torch, as a recoverable.

    Example
    -------
    >>> path = getfixture("tmp_path") / "states"
    >>> states = RandomStates()
    >>> states.save(path)
    >>> first = torch.rand(1)
    >>> states.load(path, end_of_epoch=True)
    >>> bool(torch.rand(1) == first)
    True
    """

    @mark_as_saver
    def save(self, path):
        """Store the states in a file that loads without running code.

        Arguments
        ---------
        path : str or pathlib.Path
            The file.
        """
        version, words, gauss = random.getstate()
        name, keys, position, has_gauss, cached = np.random.get_state()
        write_torch(
            {
                "python": [version, list(words), gauss],
                "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
                "torch": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            },
            path,
        )

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Restore the states.

        Arguments
        ---------
        path : str or pathlib.Path
            The file.
        end_of_epoch : bool
            Not used; the states are as they were at either moment.
        """
        del end_of_epoch
        states = torch.load(path, map_location="cpu", weights_only=True)
        version, words, gauss = states["python"]
        random.setstate((version, tuple(words), gauss))
        name, keys, position, has_gauss, cached = states["numpy"]
        np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
        torch.set_rng_state(states["torch"])
        if len(states["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(states["cuda"])


@register_checkpoint_hooks
class CarriedStatesRecoverable:
    """The states that recurrent units carry from one training batch to the next, as a recoverable.

    Arguments
    ---------
    units : sequence of hrin_plugin.networks.units.RecurrentUnit
        The units.

    Example
    -------
    >>> from hrin_plugin.networks.units import RecurrentUnit
    >>> unit = RecurrentUnit(input_size=4, hidden_size=2, num_layers=1)
    >>> unit.carried = (torch.ones(2, 3, 2),)
    >>> path = getfixture("tmp_path") / "states"
    >>> CarriedStatesRecoverable([unit]).save(path)
    >>> unit.carried = None
    >>> CarriedStatesRecoverable([unit]).load(path, end_of_epoch=False)
    >>> unit.carried[0].shape
    torch.Size([2, 3, 2])
    """

    def __init__(self, units):
        self.units = units

    @mark_as_saver
    def save(self, path):
        """Store the states in a file that loads without running code."""
        write_torch([unit.carried for unit in self.units], path)

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Restore the states, within or after an epoch."""
        del end_of_epoch
        for unit, carried in zip(
            self.units, torch.load(path, map_location="cpu", weights_only=True), strict=True
        ):
            unit.carried = carried
