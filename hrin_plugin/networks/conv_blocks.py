"""The convolutional unit in blocks of frames, for trainings: a small part of the memory, the same gradients.

Of each convolution but the first, which is quick, the largest value under every pooling window is kept.
The convolutions themselves are computed again in the backward pass. Batch normalisation takes the
statistics of the whole batch: the blocks' means and variances are combined in the forward pass, and the
sums that its gradient needs come from the pooled values alone.

Normalisation and ReLU come after the pooling here. Where normalisation would turn the order of the
values around, by a negative factor, the convolution's sign is changed instead.
"""

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from hrin_plugin.networks.conv_layers import Moments, Unit, activate, as_layers

#: Frames of a block: on a CPU their values stay in its cache, another device has enough to do.
FRAMES_AT_ONCE = {"cpu": 256}
FRAMES_AT_ONCE_ELSEWHERE = 4096
#: Share of a device's memory that a unit may fill without blocks.
SHARE_OF_MEMORY = 0.4


def needs_blocks(layers, frames):
    """Whether a training should compute a unit in blocks.

    On a CPU it always should, which is also faster. Elsewhere it should where the values that all layers
    would keep fill more than :data:`SHARE_OF_MEMORY` of the device's memory.

    Arguments
    ---------
    layers : torch.nn.Sequential
        Those of a :class:`hrin_plugin.networks.units.ConvUnit`.
    frames : torch.Tensor
        ``[frame, band]``.

    Returns
    -------
    bool
        The answer.

    Example
    -------
    >>> from hrin_plugin.networks.units import ConvUnit
    >>> needs_blocks(ConvUnit(input_size=128).layers, torch.zeros(5000, 128))
    True
    """
    if frames.device.type != "cuda":
        return frames.device.type == "cpu"
    whole = torch.cuda.get_device_properties(frames.device).total_memory
    return kept_bytes(layers, *frames.shape) > SHARE_OF_MEMORY * whole


def kept_bytes(layers, n_frames, width):
    """Memory of what torch's layers keep for the backward pass, in single precision.

    Arguments
    ---------
    layers : torch.nn.Sequential
        Those of a :class:`hrin_plugin.networks.units.ConvUnit`.
    n_frames : int
        Frames.
    width : int
        Values of a frame.

    Returns
    -------
    int
        Bytes.

    Example
    -------
    >>> from hrin_plugin.networks.units import ConvUnit
    >>> kept_bytes(ConvUnit(input_size=128).layers, 8 * 3751, 128) / 2**30
    2.9...
    """
    values = 0
    for convolution in layers[::4]:
        width = (width - 3) // 2 + 1
        # Each convolution before and after its normalisation; each pooled value, its index and its ReLU.
        values += 2 * width * convolution.out_channels
        width = (width - 3) // 2 + 1
        values += 4 * width * convolution.out_channels
    return 4 * n_frames * values


def convolve_in_blocks(layers, frames, block=None):
    """``layers(frames)`` in blocks, with a gradient.

    Arguments
    ---------
    layers : torch.nn.Sequential
        Those of a :class:`hrin_plugin.networks.units.ConvUnit`: convolution, normalisation, pooling and
        ReLU, in turn. Running statistics are updated as by the layers themselves.
    frames : torch.Tensor
        ``[frame, band]``.
    block : int or None
        Frames of a block; None for what suits the device.

    Returns
    -------
    torch.Tensor or None
        ``[frame, channel * width]``; None where the normalisation is of another kind than
        ``torch.nn.BatchNorm2d``, as that of several processes together.

    Raises
    ------
    ValueError
        If there is one value of each channel, which has no variance.

    Example
    -------
    >>> from hrin_plugin.networks.units import ConvUnit
    >>> layers, frames = ConvUnit(input_size=128).layers, torch.randn(10, 128)
    >>> expected = layers(frames[:, None, None]).flatten(1)
    >>> torch.allclose(convolve_in_blocks(layers, frames, block=4), expected, atol=1e-5)
    True
    """
    norms = layers[1::4]
    if any(type(norm) is not nn.BatchNorm2d or not norm.affine for norm in norms):
        return None
    device = frames.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else frames.dtype
    block = block or FRAMES_AT_ONCE.get(device, FRAMES_AT_ONCE_ELSEWHERE)
    parts = [
        part
        for convolution, norm in zip(layers[::4], norms)
        for part in (convolution.weight, convolution.bias, norm.weight, norm.bias)
    ]
    return _Convolutions.apply(norms, block, dtype, frames, *parts)


class _Convolutions(torch.autograd.Function):
    """All layers of a unit, ``[frame, band]`` to ``[frame, channel * width]``."""

    @staticmethod
    def forward(ctx, norms, block, dtype, frames, *parts):
        """Features of each frame; only pooled values are kept."""
        layers, moments, kept = as_layers(parts, dtype), [], []
        with torch.autocast(frames.device.type, enabled=False):
            unit = Unit(frames, layers, moments, kept, block)
            for number, norm in enumerate(norms):
                unit.pool(number, norm)
            features = activate(kept[-1], layers[-1], moments[-1]).transpose(1, 2).flatten(1)
        ctx.save_for_backward(frames, *parts, *(part for each in moments for part in each[:2]), *kept)
        ctx.block, ctx.dtype = block, dtype
        ctx.counts = [each.count for each in moments]
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        """Gradients of the frames, and of each layer's weight, bias, factor and shift."""
        frames, *saved = ctx.saved_tensors
        n_layers = len(ctx.counts)
        parts, saved, kept = saved[: 4 * n_layers], saved[4 * n_layers : 6 * n_layers], saved[6 * n_layers :]
        moments = [Moments(*each) for each in zip(saved[::2], saved[1::2], ctx.counts)]
        unit, part_grads = Unit(frames, as_layers(parts, ctx.dtype), moments, kept, ctx.block), []
        with torch.autocast(frames.device.type, enabled=False):
            grad = grad.unflatten(1, kept[-1].shape[:0:-1]).transpose(1, 2)
            grad = grad.clone(memory_format=torch.contiguous_format)
            for number in reversed(range(n_layers)):
                below = None
                if number or ctx.needs_input_grad[3]:
                    below = grad.new_empty(len(frames), *unit.input_shape(number))
                grads = unit.gradients(number, grad, below)
                part_grads, grad = [*grads, *part_grads], below
        frames_grad = None if grad is None else grad.view_as(frames).to(frames.dtype)
        return None, None, None, frames_grad, *(each.view_as(part) for each, part in zip(part_grads, parts))
