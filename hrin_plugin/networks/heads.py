"""Output layers for every level of a taxonomy, on top of any encoder (paper, eq. (9), (10) and (16))."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hrin_plugin.networks.padding import frame_mask
from hrin_plugin.networks.units import RecurrentUnit
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy


class HierarchicalHeads(nn.Module):
    """Logits of every level of a taxonomy, in one of two styles.

    ``"plain"`` has one linear layer for each level, for frames and for whole
    recordings. ``"recurrent"`` is the paper's style. Each level has a recurrent unit
    and a linear layer. The unit reads the encoder's frames, concatenated with the output
    of the unit above, eq. (10). On log-mel frames and two levels this is HRIN-r (Fig. 2).

    The outputs are logits: the sigmoid of eq. (9) and (16) is part of the
    objective, where it can be computed without loss of precision.

    Arguments
    ---------
    input_size : int or sequence of int
        Values that the encoder gives for each frame or recording; one number for
        each level where the levels have encoders of their own, as HRIN's have.
    taxonomy : Taxonomy
        The levels and their classes.
    style : str
        ``"plain"`` or ``"recurrent"``.
    hidden_size : int or None
        Size of one direction's recurrent state; of the recurrent style only, which needs it.
    num_layers : int
        Recurrent layers of each level.
    unit : str
        ``"gru"`` or ``"lstm"``.

    Raises
    ------
    ValueError
        If the input sizes do not fit the taxonomy, or the settings not the style.

    Example
    -------
    >>> heads = HierarchicalHeads(input_size=40)
    >>> md, mrle = heads(torch.randn(8, 50, 40))
    >>> md.shape, mrle.shape
    (torch.Size([8, 50, 2]), torch.Size([8, 50, 3]))
    >>> md, mrle = heads(torch.randn(8, 40))
    >>> md.shape, mrle.shape
    (torch.Size([8, 2]), torch.Size([8, 3]))
    >>> heads = HierarchicalHeads(input_size=40, style="recurrent", hidden_size=10)
    >>> heads(torch.randn(8, 50, 40), lens=torch.linspace(0.3, 1, 8))[1].shape
    torch.Size([8, 50, 3])
    """

    STYLES = ("plain", "recurrent")

    def __init__(
        self,
        input_size: int | Sequence[int],
        taxonomy: Taxonomy = MUSIC_LOUDNESS,
        style: str = "plain",
        hidden_size: int | None = None,
        num_layers: int = 1,
        unit: str = "gru",
    ):
        super().__init__()
        sizes = [input_size] * len(taxonomy.levels) if isinstance(input_size, int) else list(input_size)
        if len(sizes) != len(taxonomy.levels):
            raise ValueError(f"{len(sizes)} input sizes were given for {len(taxonomy.levels)} levels")
        if style not in self.STYLES:
            raise ValueError(f"unknown style {style!r}; use one of {self.STYLES}")
        if (style == "recurrent") != (hidden_size is not None):
            raise ValueError(
                f"hidden_size is {hidden_size!r}; the recurrent style needs it, the plain has none"
            )
        self.taxonomy, self.input_sizes = taxonomy, tuple(sizes)
        self.units = nn.ModuleList()
        if style == "recurrent":
            above = 0
            for level, size in enumerate(sizes):
                self.units.append(RecurrentUnit(size + above, hidden_size, num_layers, unit))
                sizes[level] = above = self.units[level].output_size
        self.layers = nn.ModuleList(
            nn.Linear(inputs, outputs) for inputs, outputs in zip(sizes, taxonomy.sizes)
        )

    def forward(self, encoded: Tensor | Sequence[Tensor], lens: Tensor | None = None) -> tuple[Tensor, ...]:
        """Logits of every level.

        Arguments
        ---------
        encoded : torch.Tensor or sequence of torch.Tensor
            The encoder's output, ``[batch, frame, feature]``, padded on the right, or
            ``[batch, feature]`` for whole recordings (plain style); or one for each level.
        lens : torch.Tensor or None
            Length of each recording relative to the longest, ``[batch]``, for the
            recurrent style, whose backward direction begins at each recording's own
            end; None where all have the same length.

        Returns
        -------
        tuple of torch.Tensor
            For each level logits ``[batch, frame, class]`` or ``[batch, class]``, the top
            level first; padded frames hold arbitrary values.

        Raises
        ------
        ValueError
            If the encoder's output has another shape, or a recording is all padding.
        """
        if isinstance(encoded, torch.Tensor):
            encoded = [encoded] * len(self.layers)
        self._check(encoded)
        if self.units:
            encoded = self._recur(encoded, frame_mask(encoded[0], lens, "cpu"))
        return tuple(layer(level) for layer, level in zip(self.layers, encoded))

    def _recur(self, encoded, mask):
        """Output of each level's recurrent unit; each also reads the output of the unit above."""
        outputs = []
        for unit, frames in zip(self.units, encoded):
            outputs.append(unit(torch.cat((frames, *outputs[-1:]), dim=-1), mask))
        return outputs

    def _check(self, encoded):
        """Raise ValueError where an encoder's output does not fit the heads."""
        if len(encoded) != len(self.layers):
            raise ValueError(f"{len(encoded)} encoders' outputs were given for {len(self.layers)} levels")
        ranks, axes = ((3,), "[batch, frame, {0}]") if self.units else ((2, 3), "[batch, (frame,) {0}]")
        for number, (level, size) in enumerate(zip(encoded, self.input_sizes), start=1):
            if not isinstance(level, torch.Tensor):
                raise ValueError(
                    f"the input of level {number} is a {type(level).__name__}, not a tensor; of an encoder "
                    "that returns several values, give the first"
                )
            if level.dim() not in ranks or level.shape[-1] != size:
                names = ", ".join(self.taxonomy.levels[number - 1])
                raise ValueError(
                    f"the encoder's output of shape {list(level.shape)} does not fit the heads of level "
                    f"{number} ({names}); they take {axes.format(size)}"
                )
