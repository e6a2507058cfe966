"""The convolutional unit in blocks of frames, for trainings: a small part of the memory, the same gradients.

Of each convolution only the largest value under every pooling window is kept. The convolutions
themselves are computed again in the backward pass. Batch normalisation takes the statistics of the
whole batch: the blocks' means and variances are combined in the forward pass, and the sums that its
gradient needs come from the pooled values alone.

Normalisation and ReLU come after the pooling here. Where normalisation would turn the order of the
values around, by a negative factor, the convolution's sign is changed instead.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.autograd.function import once_differentiable

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


class _Layer(NamedTuple):
    """A convolution as a matrix, in the sign that pools rightly, and the normalisation of its values."""

    weight: torch.Tensor  # [3 * input, channel]
    bias: torch.Tensor
    factor: torch.Tensor  # 0 or more
    shift: torch.Tensor
    sign: torch.Tensor


class _Moments(NamedTuple):
    """Statistics of a convolution's values."""

    mean: torch.Tensor
    inverse_std: torch.Tensor
    count: int


class _Convolutions(torch.autograd.Function):
    """All layers of a unit, ``[frame, band]`` to ``[frame, channel * width]``."""

    @staticmethod
    def forward(ctx, norms, block, dtype, frames, *parts):
        """Features of each frame; only pooled values are kept."""
        layers, moments, kept = _as_layers(parts, dtype), [], []
        with torch.autocast(frames.device.type, enabled=False):
            unit = _Unit(frames, layers, moments, kept, block)
            for number, norm in enumerate(norms):
                unit.pool(number, norm)
            features = _activate(kept[-1], layers[-1], moments[-1]).transpose(1, 2).flatten(1)
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
        moments = [_Moments(*each) for each in zip(saved[::2], saved[1::2], ctx.counts)]
        unit, part_grads = _Unit(frames, _as_layers(parts, ctx.dtype), moments, kept, ctx.block), []
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


class _Unit(NamedTuple):
    """Layers and what is known of their values. Pooled values of the first are computed whenever needed."""

    frames: torch.Tensor  # [frame, band]
    layers: list
    moments: list
    kept: list  # pooled values of all layers but the first, [frame, width, channel]
    block: int

    def parts(self):
        """The blocks, as slices of the frames."""
        return [slice(start, start + self.block) for start in range(0, len(self.frames), self.block)]

    def input_shape(self, number):
        """Width and channels of a layer's inputs."""
        if number > 1:
            return self.kept[number - 2].shape[1:]
        width = self.frames.shape[1]
        return (((width - 3) // 2 - 2) // 2 + 1, len(self.layers[0].bias)) if number else (width, 1)

    def patches(self, number, part):
        """What lies under each kernel of a layer, ``[frame, position, 3 * channel]``."""
        if number:
            inputs = _activate(
                self.pooled(number - 1, part), self.layers[number - 1], self.moments[number - 1]
            )
        else:
            inputs = self.frames[part, :, None].to(self.layers[0].weight.dtype)
        return inputs.unfold(1, 3, 2).transpose(2, 3).flatten(2)

    def pooled(self, number, part):
        """Pooled values of a layer, ``[frame, width, channel]``."""
        if number:
            return self.kept[number - 1][part]
        return _largest(_convolve(self.patches(0, part), self.layers[0]))

    def pool(self, number, norm):
        """Compute the moments of a layer's values, and keep the pooled ones except the first layer's."""
        layer, statistics, counts = self.layers[number], [], []
        if number or norm.training:
            for part in self.parts():
                values = _convolve(self.patches(number, part), layer)
                if norm.training:
                    every = values.flatten(0, 1).to(layer.shift.dtype)
                    statistics.append(torch.batch_norm_update_stats(every, None, None, 0.0))
                    counts.append(len(every))
                if number:
                    pooled = _largest(values)
                    if not part.start:
                        self.kept.append(pooled.new_empty(len(self.frames), *pooled.shape[1:]))
                    self.kept[-1][part] = pooled
        if norm.training:
            self.moments.append(_batch_moments(statistics, counts, norm, layer.sign))
        else:
            inverse_std = torch.rsqrt(norm.running_var + norm.eps)
            self.moments.append(_Moments(norm.running_mean * layer.sign, inverse_std, 0))

    def gradients(self, number, grad, inputs_grad):
        """Gradients of a layer's weight, bias, factor and shift.

        ``grad`` is that of the activated values, and is overwritten. That of the layer's inputs goes to
        ``inputs_grad``, if given.
        """
        layer, moments = self.layers[number], self.moments[number]
        scale = layer.factor * moments.inverse_std
        shift_grad, factor_grad = torch.zeros_like(layer.shift), torch.zeros_like(layer.factor)
        for part in self.parts():
            pooled = self.pooled(number, part)
            active = grad[part].mul_(_activate(pooled, layer, moments) > 0).flatten(0, 1).to(scale.dtype)
            shift_grad += active.sum(dim=0)
            factor_grad += (active * (pooled.flatten(0, 1) - moments.mean)).sum(dim=0)
        factor_grad *= moments.inverse_std
        bias_grad, through_moments = scale * shift_grad, None
        if moments.count:
            # What reaches every value through the batch's mean and variance: constant + slope * value.
            slope = -scale * moments.inverse_std * factor_grad / moments.count
            through_moments = -bias_grad / moments.count - slope * moments.mean, slope
            bias_grad = torch.zeros_like(bias_grad)  # the mean takes any bias away
        weight_grad = torch.zeros_like(layer.weight, dtype=scale.dtype)
        for part in self.parts():
            patches = self.patches(number, part)
            to_pooled = (grad[part] * scale).to(patches.dtype)
            values_grad = _values_gradient(_convolve(patches, layer), to_pooled, through_moments)
            weight_grad += patches.flatten(0, 1).t() @ values_grad.flatten(0, 1)
            if inputs_grad is not None:
                _fold(values_grad @ layer.weight.t(), inputs_grad[part])
        weight_grad = weight_grad.unflatten(0, (3, -1)).permute(2, 1, 0) * layer.sign[:, None, None]
        return weight_grad, bias_grad * layer.sign, factor_grad * layer.sign, shift_grad


def _as_layers(parts, dtype):
    """Each convolution's weight and bias, and its normalisation's factor and shift, as a :class:`_Layer`."""
    layers = []
    for weight, bias, factor, shift in zip(*[iter(parts)] * 4):
        sign = torch.where(factor < 0, -1.0, 1.0).to(weight.dtype)
        matrix = (weight * sign[:, None, None, None])[:, :, 0].permute(2, 1, 0).flatten(0, 1)
        layers.append(_Layer(matrix.to(dtype), (bias * sign).to(dtype), factor * sign, shift, sign))
    return layers


def _convolve(patches, layer):
    """A convolution's values, ``[frame, position, channel]``."""
    return torch.addmm(layer.bias, patches.flatten(0, 1), layer.weight).unflatten(0, patches.shape[:2])


def _activate(pooled, layer, moments):
    """Normalised and rectified values, from pooled ones."""
    scale = layer.factor * moments.inverse_std
    return torch.addcmul(layer.shift - moments.mean * scale, pooled, scale).relu_().to(pooled.dtype)


def _taps(values):
    """Views of the first, second and third value in each pooling window."""
    last = (values.shape[1] - 3) // 2 * 2
    return [values[:, tap : last + tap + 1 : 2] for tap in range(3)]


def _largest(values):
    """The largest value in each pooling window."""
    first, second, third = _taps(values)
    largest = torch.maximum(first, second)
    return torch.maximum(largest, third, out=largest)


def _batch_moments(statistics, counts, norm, sign):
    """Moments of a batch from those of its blocks; running statistics follow them."""
    count = sum(counts)
    if count < 2:
        raise ValueError("one value has no variance for a batch normalisation; give more frames")
    means, variances = (torch.stack(each) for each in zip(*statistics))
    shares = torch.tensor(counts, dtype=means.dtype).to(means.device)[:, None] / count
    mean = (shares * means).sum(dim=0)
    variance = (shares * (variances + (means - mean).square())).sum(dim=0)
    if norm.track_running_stats:
        norm.num_batches_tracked += 1
        pace = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean * sign, pace)
        norm.running_var.lerp_(variance * (count / (count - 1)), pace)
    return _Moments(mean, torch.rsqrt(variance + norm.eps), count)


def _values_gradient(values, to_pooled, through_moments):
    """Gradient of a convolution's values; a window's gradient goes to its first maximum, as in torch."""
    first, second, third = _taps(values)
    to_first = to_pooled * (first >= torch.maximum(second, third))
    rest = to_pooled - to_first
    to_second = rest * (second >= third)
    if through_moments is None:
        grad = torch.zeros_like(values)
    else:
        constant, slope = through_moments
        grad = torch.addcmul(constant, values, slope).to(values.dtype)
    for target, part in zip(_taps(grad), (to_first, to_second, rest - to_second)):
        target += part
    return grad


def _fold(patches_grad, inputs_grad):
    """Write the inputs' gradients, ``[frame, width, channel]``, as sums of those of the patches."""
    first, second, third = patches_grad.unflatten(2, (3, -1)).unbind(2)
    end = 2 * first.shape[1]
    inputs_grad[:, 0:end:2] = first
    inputs_grad[:, 1:end:2] = second
    inputs_grad[:, end:] = 0
    inputs_grad[:, 2 : end + 1 : 2] += third
