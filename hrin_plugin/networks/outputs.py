"""What a network of two levels gives."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class HRINOutput(NamedTuple):
    """Logits of both levels; from a runtime, arrays of probabilities.

    Example
    -------
    >>> import torch
    >>> from hrin_plugin.networks import HRIN
    >>> HRIN(hidden_size=5, num_layers=1)(torch.randn(1, 4, 128)).mrle.shape
    torch.Size([1, 4, 3])
    """

    md: "Tensor"  # [batch, frame, level-1 class]
    mrle: "Tensor"  # [batch, frame, level-2 class]

    @property
    def detection(self) -> "Tensor":
        """Former name of ``md``."""
        return self.md

    @property
    def loudness(self) -> "Tensor":
        """Former name of ``mrle``."""
        return self.mrle
