"""The layers of an HRIN path: a convolutional unit and a recurrent unit (paper, IV-A and V-D)."""

import torch
from torch import nn

from hrin_plugin.networks.conv_blocks import convolve_in_blocks, needs_blocks
from hrin_plugin.networks.cpu_convolution import normalised_convolution, rectified_max_pool
from hrin_plugin.networks.cpu_kernels.convolutions import compiled_convolutions
from hrin_plugin.networks.cpu_recurrence import bidirectional_gru
from hrin_plugin.networks.sizes import CONV_CHANNELS, CONV_KERNEL, CONV_STRIDE, conv_output_size

#: Frames that are convolved together on a CPU where no gradient is kept: they fit into its cache.
FRAMES_AT_ONCE = 1024


class ConvUnit(nn.Module):
    """Convolutions along the frequency axis of each single frame, eq. (17) and (18).

    Three times a convolution (kernel 3, stride 2, no padding), batch
    normalisation, ReLU and max-pooling (kernel 3, stride 2); the result is
    flattened over channel and frequency.

    Arguments
    ---------
    input_size : int
        Values of a frame.
    channels : sequence of int
        Feature maps of the convolutions.

    Example
    -------
    >>> unit = ConvUnit(input_size=128)
    >>> unit(torch.randn(2, 10, 128)).shape, unit.output_size
    (torch.Size([2, 10, 256]), 256)
    """

    KERNEL, STRIDE = CONV_KERNEL, CONV_STRIDE

    def __init__(self, input_size, channels=CONV_CHANNELS):
        super().__init__()
        layers = []
        for inputs, outputs in zip((1, *channels), channels):
            # Two-dimensional with a height of 1: unlike the one-dimensional layers, these keep the
            # channels-last order, which is two to three times faster on a CPU.
            layers += [
                nn.Conv2d(inputs, outputs, (1, self.KERNEL), stride=(1, self.STRIDE)),
                nn.BatchNorm2d(outputs),
                # Before the ReLU, with which it commutes: half the values are left to rectify.
                nn.MaxPool2d((1, self.KERNEL), stride=(1, self.STRIDE)),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.output_size = conv_output_size(input_size, channels)
        self.statistics_stay = False
        #: Whether a training goes in blocks, :mod:`hrin_plugin.networks.conv_blocks`; None decides by size.
        self.in_blocks = None

    def train(self, mode=True):
        """Set the mode; normalisation with fixed statistics stays in evaluation mode."""
        super().train(mode)
        if self.statistics_stay:
            for norm in self.layers[1::4]:
                norm.eval()
        return self

    def forward(self, frames, mask=None):
        """Features of each frame.

        Arguments
        ---------
        frames : torch.Tensor
            ``[batch, frame, input_size]``.
        mask : torch.Tensor or None
            True at real frames, ``[batch, frame]``, best on the CPU. Padding takes no part in
            the batch statistics, and its output is zero. None where all are real.

        Returns
        -------
        torch.Tensor
            ``[batch, frame, output_size]``.
        """
        if mask is None:
            return self._convolve(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        # By numbers: with a mask, the CPU would wait for the device to learn how many are real.
        index = mask.flatten().nonzero()[:, 0].to(frames.device, non_blocking=mask.device.type == "cpu")
        real = self._convolve(frames.flatten(0, 1).index_select(0, index))
        outputs = real.new_zeros(frames.shape[0] * frames.shape[1], self.output_size)
        return outputs.index_copy(0, index, real).unflatten(0, frames.shape[:2])

    def _convolve(self, frames):
        if self._trains_on_cpu(frames) and (found := compiled_convolutions(self.layers, frames)) is not None:
            return found
        if self._trains_in_blocks(frames) and (found := convolve_in_blocks(self.layers, frames)) is not None:
            return found
        if self.training or torch.is_grad_enabled() or frames.device.type != "cpu":
            return self._convolve_at_once(frames)
        return torch.cat([self._convolve_at_once(part) for part in frames.split(FRAMES_AT_ONCE)])

    def _trains_on_cpu(self, frames):
        """Whether compiled loops may have a gradient to compute: of a training with fixed statistics."""
        return (
            self.training
            and self.statistics_stay
            and frames.device.type == "cpu"
            and torch.is_grad_enabled()
            and not torch.compiler.is_compiling()
        )

    def _trains_in_blocks(self, frames):
        """Whether a gradient is computed in blocks, which needs less memory."""
        if not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return False
        return needs_blocks(self.layers, frames) if self.in_blocks is None else self.in_blocks

    def _convolve_at_once(self, frames):
        images = frames[:, None, None, :].contiguous(memory_format=torch.channels_last)
        if images.device.type != "cpu" or torch.compiler.is_compiling():
            return self.layers(images).flatten(1)
        for convolution, norm, _, _ in zip(*[iter(self.layers)] * 4):
            images = rectified_max_pool(normalised_convolution(convolution, norm, images))
        return images.flatten(1)


def keep_statistics(network):
    """Freeze the running statistics of batch normalisation in convolutional units.

    For fine-tuning: batches of few recordings give poorer statistics than the pretrained
    network has.

    Arguments
    ---------
    network : torch.nn.Module
        A network with one or more :class:`ConvUnit`; changed in place.

    Example
    -------
    >>> network = torch.nn.Sequential(ConvUnit(input_size=128))
    >>> keep_statistics(network)
    >>> network.train()[0].layers[1].training
    False
    """
    for module in network.modules():
        if isinstance(module, ConvUnit):
            module.statistics_stay = True
            module.train(module.training)


def carry_states(network):
    """Stateful training: recurrent units start each batch with the last states of the previous batch.

    The network then sees recordings as one continuous broadcast. Its states in recordings of
    hours stay in the range of training. Evaluation still starts with zeros.

    Arguments
    ---------
    network : torch.nn.Module
        A network with one or more :class:`RecurrentUnit`; changed in place.

    Example
    -------
    >>> unit = RecurrentUnit(input_size=128, hidden_size=50, num_layers=2)
    >>> carry_states(unit)
    >>> frames = torch.randn(2, 10, 128)
    >>> bool((unit(frames) == unit(frames)).all()), unit.carried[0].shape
    (False, torch.Size([4, 2, 50]))
    """
    for module in network.modules():
        if isinstance(module, RecurrentUnit):
            module.carries = True


class RecurrentUnit(nn.Module):
    """A stack of bidirectional GRU or LSTM layers, eq. (4) to (8).

    Arguments
    ---------
    input_size : int
        Values of a frame.
    hidden_size : int
        Size of one direction's state.
    num_layers : int
        Number of layers.
    cell : str
        ``"gru"`` or ``"lstm"``.
    output_layer : bool
        Whether the output is ``sigmoid(W h + b)``, eq. (8) as written. The
        authors' code takes the state h itself, and so does the default.

    Example
    -------
    >>> unit = RecurrentUnit(input_size=128, hidden_size=50, num_layers=2)
    >>> unit(torch.randn(2, 10, 128)).shape, unit.output_size
    (torch.Size([2, 10, 100]), 100)
    """

    CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}

    def __init__(self, input_size, hidden_size, num_layers, cell="gru", output_layer=False):
        super().__init__()
        if cell not in self.CELLS:
            raise ValueError(f"unknown recurrent cell {cell!r}; use one of {', '.join(self.CELLS)}")
        self.output_size = 2 * hidden_size
        self.rnn = self.CELLS[cell](
            input_size, hidden_size, num_layers=num_layers, batch_first=True, bidirectional=True
        )
        self.output_layer = None
        if output_layer:
            self.output_layer = nn.Sequential(nn.Linear(self.output_size, self.output_size), nn.Sigmoid())
        self.carries, self.carried = False, None

    def forward(self, frames, mask=None, states=None):
        """Output of each frame, from both directions.

        Arguments
        ---------
        frames : torch.Tensor
            ``[batch, frame, input_size]``, padded on the right.
        mask : torch.Tensor or None
            True at real frames, ``[batch, frame]``, best on the CPU; None where all are real.
        states : CarriedStates or None
            Those of the window before, if the frames are a window of a longer signal; all are real then.

        Returns
        -------
        torch.Tensor
            ``[batch, frame, output_size]``; zero at padding unless there is an output layer.
        """
        if states is not None:
            outputs = states.outputs(self.rnn, frames)
        else:
            carrying = self.carries and self.training
            outputs, last = self._recur(frames, mask, self._carried_to(frames) if carrying else None)
            if carrying:
                self.carried = tuple(part.detach() for part in (last if isinstance(last, tuple) else (last,)))
        return outputs if self.output_layer is None else self.output_layer(outputs)

    def _recur(self, frames, mask, initial):
        """Outputs and last states, as torch's layers give them."""
        if self._trains_on_cpu(frames):
            return bidirectional_gru(self.rnn, frames, None if mask is None else mask.sum(dim=1), initial)
        if mask is None:
            return self.rnn(frames, initial)
        # Packed, so that the backward direction begins at each recording's own end.
        packed = nn.utils.rnn.pack_padded_sequence(
            frames, mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, state = self.rnn(packed, initial)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=frames.shape[1])
        return outputs, state

    def _carried_to(self, frames):
        """The last states of the previous batch; None if its size differs."""
        if self.carried is None or self.carried[0].shape[1] != len(frames):
            return None
        carried = tuple(part.to(frames) for part in self.carried)
        return carried if isinstance(self.rnn, nn.LSTM) else carried[0]

    def _trains_on_cpu(self, frames):
        """Whether gradients are needed on a CPU, where torch's own GRU is slow."""
        return (
            isinstance(self.rnn, nn.GRU)
            and frames.device.type == "cpu"
            and torch.is_grad_enabled()
            and not torch.compiler.is_compiling()
        )
