"""The paper's baselines (section V-F): networks for the lower level; the upper level is derived."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hrin_plugin.networks.hrin import HRINOutput, check_two_levels, frame_mask
from hrin_plugin.networks.onnx_networks import mmg_nodes, single_path_nodes
from hrin_plugin.networks.onnx_nodes import Graph
from hrin_plugin.networks.sizes import MMG_KERNEL, MMG_POOLING, check_blocks
from hrin_plugin.networks.states import CarriedStates
from hrin_plugin.networks.units import ConvUnit, RecurrentUnit
from hrin_plugin.networks.weights import Weights
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy


def derive_upper_level(logits: Tensor, taxonomy: Taxonomy = MUSIC_LOUDNESS, level: int = 1) -> Tensor:
    """Logits of the level above: the maximum over each parent's children.

    A parent then exceeds a threshold exactly where one of its children does. Foreground or
    background music counts as music.

    Arguments
    ---------
    logits : torch.Tensor
        Logits of ``level``, ``[..., class]``.
    taxonomy : Taxonomy
        The classes and their parents.
    level : int
        A level below the first, counted from 0 as in the taxonomy.

    Returns
    -------
    torch.Tensor
        ``[..., class of the level above]``.

    Example
    -------
    >>> derive_upper_level(torch.tensor([[-1.0, -2.0, 3.0]]))
    tensor([[-1.,  3.]])
    """
    parents = taxonomy.parent_indices(level)
    children = [
        [child for child, its_parent in enumerate(parents) if its_parent == parent]
        for parent in range(taxonomy.sizes[level - 1])
    ]
    return torch.stack([logits[..., indices].amax(dim=-1) for indices in children], dim=-1)


class SinglePath(nn.Module):
    """The baselines LSTM, GRU and CNN-GRU: one HRIN path for the lower level.

    Arguments
    ---------
    input_size : int
        Values of a frame.
    hidden_size : int
        Size of one direction's recurrent state.
    num_layers : int
        Recurrent layers.
    unit : str
        ``"gru"`` or ``"lstm"``.
    conv_unit : bool
        Whether a convolutional unit stands before the recurrent unit.
    output_layer : bool
        Whether the recurrent unit's output is eq. (8) as written, or the state itself.
    taxonomy : Taxonomy
        A hierarchy of two levels.

    Raises
    ------
    ValueError
        If a setting is unknown, or the taxonomy has more than two levels.

    Example
    -------
    >>> cnn_gru = SinglePath(hidden_size=50, num_layers=2, conv_unit=True)
    >>> md, mrle = cnn_gru(torch.randn(2, 10, 128))
    >>> md.shape, mrle.shape
    (torch.Size([2, 10, 2]), torch.Size([2, 10, 3]))
    """

    def __init__(
        self,
        input_size: int = 128,
        hidden_size: int = 100,
        num_layers: int = 4,
        unit: str = "gru",
        conv_unit: bool = False,
        output_layer: bool = False,
        taxonomy: Taxonomy = MUSIC_LOUDNESS,
    ):
        super().__init__()
        check_two_levels(taxonomy)
        self.taxonomy = taxonomy
        self.settings = {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "unit": unit,
            "conv_unit": conv_unit,
            "output_layer": output_layer,
        }
        self.conv = ConvUnit(input_size) if conv_unit else None
        encoded_size = self.conv.output_size if conv_unit else input_size
        self.recurrent = RecurrentUnit(encoded_size, hidden_size, num_layers, unit, output_layer)
        self.head = nn.Linear(self.recurrent.output_size, taxonomy.sizes[-1])

    def forward(
        self, frames: Tensor, lens: Tensor | None = None, states: CarriedStates | None = None
    ) -> HRINOutput:
        """Logits of both levels for each frame.

        Arguments
        ---------
        frames : torch.Tensor
            ``[batch, frame, input_size]``, padded on the right.
        lens : torch.Tensor or None
            Length of each recording relative to the longest, ``[batch]``; None
            where all have the same length.
        states : CarriedStates or None
            Those of the window before, if the frames are a window of a longer signal.

        Returns
        -------
        HRINOutput
            ``[batch, frame, 2]``, derived, and ``[batch, frame, 3]``; padded frames hold arbitrary values.
        """
        mask = frame_mask(frames, lens, "cpu")
        encoded = frames if self.conv is None else self.conv(frames, mask)
        mrle = self.head(self.recurrent(encoded, mask, states))
        return HRINOutput(derive_upper_level(mrle, self.taxonomy), mrle)

    def onnx_nodes(self, graph: Graph, frames: str) -> Sequence[str]:
        """Add :meth:`forward` to a graph, as :meth:`hrin_plugin.networks.hrin.HRIN.onnx_nodes` does."""
        return single_path_nodes(graph, frames, Weights.of(self), **self.settings, taxonomy=self.taxonomy)


class MMG(nn.Module):
    """A convolutional network that classifies blocks of the spectrogram as images.

    Re-implemented from descriptions. The code of MMG (Melendez-Catalan, Molina and Gomez,
    MIREX 2018 and OpenBMAT, TISMIR 2019) was never published.

    From Jia et al.: the spectrogram is cut into blocks of 128 frames. Each block is an
    independent sample, classified as one image into one of the classes.

    Our choice: HRIN's features, so that an image has 128 frames of 128 bands. Blocks do not
    overlap; the last one is padded with zeros, each band's mean. Four layers have a convolution
    (3 x 3, zero padding), batch normalisation, ReLU and max-pooling (2 x 2). The mean over the
    image and a linear layer follow, with one sigmoid a class. All frames of a block get the same
    logits. Each frame counts in training, so a block with several classes is trained towards
    their shares of its time.

    Arguments
    ---------
    input_size : int
        Values of a frame, the height of an image.
    block_frames : int
        Frames of a block, the width of an image.
    channels : sequence of int
        Feature maps of the convolutions.
    taxonomy : Taxonomy
        A hierarchy of two levels.

    Raises
    ------
    ValueError
        If a block is too small for so many poolings, or the taxonomy has more than two levels.

    Example
    -------
    >>> md, mrle = MMG()(torch.randn(1, 200, 128))
    >>> md.shape, mrle.shape
    (torch.Size([1, 200, 2]), torch.Size([1, 200, 3]))
    >>> bool((mrle[:, :128] == mrle[:, :1]).all())
    True
    """

    KERNEL, POOLING = MMG_KERNEL, MMG_POOLING

    def __init__(
        self,
        input_size: int = 128,
        block_frames: int = 128,
        channels: Sequence[int] = (16, 32, 64, 128),
        taxonomy: Taxonomy = MUSIC_LOUDNESS,
    ):
        super().__init__()
        check_two_levels(taxonomy)
        check_blocks(input_size, block_frames, len(channels))
        self.taxonomy = taxonomy
        self.settings = {
            "input_size": input_size,
            "block_frames": block_frames,
            "channels": list(channels),
        }
        self.block_frames = block_frames
        layers = []
        for inputs, outputs in zip((1, *channels), channels):
            layers += [
                nn.Conv2d(inputs, outputs, self.KERNEL, padding=self.KERNEL // 2),
                nn.BatchNorm2d(outputs),
                # Before the ReLU, with which it commutes: fewer values are left to rectify.
                nn.MaxPool2d(self.POOLING),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(channels[-1], taxonomy.sizes[-1])

    def forward(self, frames: Tensor, lens: Tensor | None = None) -> HRINOutput:
        """Logits of both levels for each frame.

        Arguments
        ---------
        frames : torch.Tensor
            ``[batch, frame, input_size]``, padded on the right.
        lens : torch.Tensor or None
            Length of each recording relative to the longest, ``[batch]``; None
            where all have the same length.

        Returns
        -------
        HRINOutput
            ``[batch, frame, 2]``, derived, and ``[batch, frame, 3]``, the same for all
            frames of a block; padded frames hold arbitrary values.
        """
        n_frames = frames.shape[1]
        mask = frame_mask(frames, lens)
        if mask is not None:
            frames = torch.where(mask[..., None], frames, 0)
        blocks = self._blocks(frames)
        if mask is None:
            per_block = self._classify(blocks.flatten(0, 1)).unflatten(0, blocks.shape[:2])
        else:
            # Blocks of padding alone are left out, so that they take no part in the batch statistics.
            real = self._blocks(mask[..., None]).flatten(2).any(dim=2)
            classified = self._classify(blocks[real])
            shape = (*blocks.shape[:2], classified.shape[-1])
            per_block = classified.new_zeros(shape).index_put((real,), classified)
        mrle = per_block.repeat_interleave(self.block_frames, dim=1)[:, :n_frames]
        return HRINOutput(derive_upper_level(mrle, self.taxonomy), mrle)

    def onnx_nodes(self, graph: Graph, frames: str) -> Sequence[str]:
        """Add :meth:`forward` to a graph, as :meth:`hrin_plugin.networks.hrin.HRIN.onnx_nodes` does."""
        return mmg_nodes(graph, frames, Weights.of(self), **self.settings, taxonomy=self.taxonomy)

    def _blocks(self, values):
        """``[batch, frame, value]`` cut into ``[batch, block, frame, value]``, padded with zeros."""
        missing = -values.shape[1] % self.block_frames
        return functional.pad(values, (0, 0, 0, missing)).unflatten(1, (-1, self.block_frames))

    def _classify(self, blocks):
        """Logits ``[block, class]`` of ``[block, frame, value]``."""
        # Channels last is faster on a CPU.
        images = blocks[:, None].contiguous(memory_format=torch.channels_last)
        return self.head(self.layers(images).mean(dim=(2, 3)))
