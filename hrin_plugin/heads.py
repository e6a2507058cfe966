"""Output layers for every level of a taxonomy, on top of any encoder (paper, eq. (9) and (16))."""

from torch import nn

from hrin_plugin.taxonomy import MUSIC_LOUDNESS


class HierarchicalHeads(nn.Module):
    """One linear layer for each level of a taxonomy.

    The outputs are logits: the sigmoid of eq. (9) and (16) is part of the
    objective, where it can be computed without loss of precision.

    Arguments
    ---------
    input_size : int or sequence of int
        Values that the encoder gives for each frame; one number for each level
        where the levels have encoders of their own, as HRIN's have.
    taxonomy : Taxonomy
        The levels and their classes.

    Example
    -------
    >>> import torch
    >>> heads = HierarchicalHeads(input_size=40)
    >>> detection, loudness = heads(torch.randn(8, 50, 40))
    >>> detection.shape, loudness.shape
    (torch.Size([8, 50, 2]), torch.Size([8, 50, 3]))
    """

    def __init__(self, input_size, taxonomy=MUSIC_LOUDNESS):
        super().__init__()
        sizes = [input_size] * len(taxonomy.levels) if isinstance(input_size, int) else list(input_size)
        if len(sizes) != len(taxonomy.levels):
            raise ValueError(f"{len(sizes)} input sizes were given for {len(taxonomy.levels)} levels")
        self.taxonomy = taxonomy
        self.layers = nn.ModuleList(
            nn.Linear(inputs, outputs) for inputs, outputs in zip(sizes, taxonomy.sizes)
        )

    def forward(self, encoded):
        """Logits of every level.

        Arguments
        ---------
        encoded : torch.Tensor or sequence of torch.Tensor
            The encoder's output, ``[batch, frame, feature]``, or one for each level.

        Returns
        -------
        tuple of torch.Tensor
            For each level logits ``[batch, frame, class]``, the top level first.
        """
        if not isinstance(encoded, list | tuple):
            encoded = [encoded] * len(self.layers)
        return tuple(layer(level) for layer, level in zip(self.layers, encoded, strict=True))
