"""Weights of a network by name, each taken with the shape that the network's settings give it."""

from collections.abc import Mapping

import numpy as np

from hrin_plugin.text import shown


class Weights:
    """Arrays by name, as ``state_dict`` names them; an index gives those of a part.

    Arguments
    ---------
    arrays : mapping of str to numpy.ndarray
        All weights of a model.
    prefix : str
        What the names of this part begin with.
    taken : set or None
        Names that were taken so far; None for none.

    Example
    -------
    >>> weights = Weights({"head.weight": np.zeros((3, 2)), "head.bias": np.zeros(3)})
    >>> weights["head"].take("weight", 3, 2).shape
    (3, 2)
    >>> weights["head"].take("bias", 2)
    Traceback (most recent call last):
    ...
    ValueError: size mismatch for head.bias: [3] in the file, [2] by the settings
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], prefix: str = "", taken: set | None = None):
        self._arrays, self._prefix = arrays, prefix
        self._taken = set() if taken is None else taken

    @classmethod
    def of(cls, part) -> "Weights":
        """The weights of a module on the CPU; Weights stay as they are.

        Arguments
        ---------
        part : torch.nn.Module or Weights
            The module.

        Returns
        -------
        Weights
            Its arrays, which share its memory.

        Example
        -------
        >>> import torch
        >>> Weights.of(torch.nn.Linear(2, 3)).take("bias").shape
        (3,)
        """
        if isinstance(part, cls):
            return part
        return cls({name: tensor.detach().numpy() for name, tensor in part.state_dict().items()})

    def __getitem__(self, part: str | int) -> "Weights":
        return Weights(self._arrays, f"{self._prefix}{part}.", self._taken)

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._arrays

    def take(self, name: str, *shape: int) -> np.ndarray:
        """An array.

        Arguments
        ---------
        name : str
            Its name within this part.
        *shape : int
            Its shape by the settings; nothing for any.

        Returns
        -------
        numpy.ndarray
            The values.

        Raises
        ------
        ValueError
            If it is missing, or has another shape.
        """
        name = self._prefix + name
        found = self._arrays.get(name)
        if found is None or (shape and found.shape != shape):
            raise _mismatch(name, "nothing" if found is None else list(found.shape), list(shape) or "a value")
        self._taken.add(name)
        return found

    def check_all_taken(self) -> None:
        """Raise ValueError for an array that nothing has taken.

        Example
        -------
        >>> Weights({"more": np.zeros(2)}).check_all_taken()
        Traceback (most recent call last):
        ...
        ValueError: size mismatch for more: [2] in the file, nothing by the settings
        """
        for name, array in self._arrays.items():
            if name.startswith(self._prefix) and name not in self._taken:
                raise _mismatch(name, list(array.shape), "nothing")


def _mismatch(name, found, wanted):
    """The error of an array that the settings do not expect."""
    return ValueError(f"size mismatch for {shown(name)[1:-1]}: {found} in the file, {wanted} by the settings")
