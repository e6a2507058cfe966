"""HRIN, the Hierarchical Regulated Iterative Network (paper, section IV-A)."""

import torch
from torch import Tensor, nn

from hrin_plugin.networks.heads import HierarchicalHeads
from hrin_plugin.networks.onnx_networks import hrin_nodes
from hrin_plugin.networks.onnx_nodes import Graph
from hrin_plugin.networks.outputs import HRINOutput
from hrin_plugin.networks.padding import frame_mask
from hrin_plugin.networks.sizes import CONCATENATIONS, check_concatenation
from hrin_plugin.networks.states import CarriedStates
from hrin_plugin.networks.units import ConvUnit, RecurrentUnit
from hrin_plugin.networks.weights import Weights
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy


class HRIN(nn.Module):
    """Two paths over one sequence of frames, one for each level of the hierarchy.

    The first path detects music. Its recurrent output is an input of the second path, which
    separates foreground from background. Without convolutions this is HRIN-r (Fig. 2), with
    them HRIN-cr (Fig. 4).

    Arguments
    ---------
    input_size : int
        Values of a frame.
    hidden_size : int
        Size of one direction's recurrent state.
    num_layers : int
        Recurrent layers of each path.
    unit : str
        ``"gru"`` or ``"lstm"``.
    conv_unit : bool
        Whether a convolutional unit stands before each recurrent unit.
    concatenation : str
        Where the paths are concatenated (Fig. 7): ``"input"`` concatenates the first
        recurrent output and the frames, eq. (10); ``"after_conv"`` both convolutional
        outputs before the second recurrent unit; ``"before_fc"`` both recurrent outputs
        before the last linear layer.
    output_layer : bool
        Whether a recurrent unit's output is eq. (8) as written. Otherwise it is the
        state itself, as in the authors' code.
    taxonomy : Taxonomy
        A hierarchy of two levels.

    Raises
    ------
    ValueError
        If a setting is unknown, or asks for a convolution that is off.

    Example
    -------
    >>> hrin_cr = HRIN(hidden_size=50, num_layers=2, conv_unit=True)
    >>> md, mrle = hrin_cr(torch.randn(2, 10, 128))
    >>> md.shape, mrle.shape
    (torch.Size([2, 10, 2]), torch.Size([2, 10, 3]))
    >>> sum(p.numel() for p in hrin_cr.parameters())
    602137
    """

    CONCATENATIONS = CONCATENATIONS

    def __init__(
        self,
        input_size: int = 128,
        hidden_size: int = 100,
        num_layers: int = 4,
        unit: str = "gru",
        conv_unit: bool = False,
        concatenation: str = "input",
        output_layer: bool = False,
        taxonomy: Taxonomy = MUSIC_LOUDNESS,
    ):
        super().__init__()
        check_concatenation(concatenation, conv_unit)
        check_two_levels(taxonomy)
        self.settings = {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "unit": unit,
            "conv_unit": conv_unit,
            "concatenation": concatenation,
            "output_layer": output_layer,
        }
        self.taxonomy, self.concatenation = taxonomy, concatenation
        recurrent = {
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "cell": unit,
            "output_layer": output_layer,
        }
        joined_size = 2 * hidden_size
        size_1, size_2 = input_size, input_size + (joined_size if concatenation == "input" else 0)
        self.conv_1 = self.conv_2 = None
        if conv_unit:
            self.conv_1, self.conv_2 = ConvUnit(size_1), ConvUnit(size_2)
            size_1, size_2 = self.conv_1.output_size, self.conv_2.output_size
        if concatenation == "after_conv":
            size_2 += size_1
        self.recurrent_1 = RecurrentUnit(size_1, **recurrent)
        self.recurrent_2 = RecurrentUnit(size_2, **recurrent)
        before_fc = joined_size if concatenation == "before_fc" else 0
        self.heads = HierarchicalHeads(
            (self.recurrent_1.output_size, self.recurrent_2.output_size + before_fc), taxonomy
        )

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
            ``[batch, frame, 2]`` and ``[batch, frame, 3]``; padded frames hold arbitrary values.
        """
        mask = frame_mask(frames, lens, "cpu")
        encoded = frames if self.conv_1 is None else self.conv_1(frames, mask)
        first = self.recurrent_1(encoded, mask, states)
        second = torch.cat((frames, first), dim=-1) if self.concatenation == "input" else frames
        if self.conv_2 is not None:
            second = self.conv_2(second, mask)
        if self.concatenation == "after_conv":
            second = torch.cat((encoded, second), dim=-1)
        second = self.recurrent_2(second, mask, states)
        if self.concatenation == "before_fc":
            second = torch.cat((first, second), dim=-1)
        return HRINOutput(*self.heads((first, second)))

    def onnx_nodes(self, graph: Graph, frames: str) -> list[str]:
        """Add :meth:`forward` to a graph.

        Arguments
        ---------
        graph : hrin_plugin.networks.onnx_nodes.Graph
            The graph to extend.
        frames : str
            Name of the frames, ``[frame, batch, input_size]``.

        Returns
        -------
        list of str
            Names of the logits of both levels, ``[frame, batch, class]``.
        """
        return hrin_nodes(graph, frames, Weights.of(self), **self.settings, taxonomy=self.taxonomy)


def check_two_levels(taxonomy: Taxonomy) -> None:
    """Raise ValueError for a taxonomy without the two levels of :class:`HRINOutput`.

    Arguments
    ---------
    taxonomy : Taxonomy
        The taxonomy of a network.

    Raises
    ------
    ValueError
        If it has another number of levels.

    Example
    -------
    >>> check_two_levels(MUSIC_LOUDNESS)
    """
    if len(taxonomy.levels) != len(HRINOutput._fields):
        raise ValueError(f"the network has two levels; this taxonomy has {len(taxonomy.levels)}")
