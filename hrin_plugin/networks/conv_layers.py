"""What a training in blocks computes of a convolutional unit: pooled values, moments, gradients.

Values of a block are ``[frame, width, channel]``, so that a convolution is one matrix product over patches.
"""

from typing import NamedTuple

import torch


class Layer(NamedTuple):
    """A convolution as a matrix, in the sign that pools rightly, and the normalisation of its values.

    Example
    -------
    >>> ones = torch.ones(4)
    >>> Layer(torch.ones(3, 4), ones, ones, ones, ones).weight.shape
    torch.Size([3, 4])
    """

    weight: torch.Tensor  # [3 * input, channel]
    bias: torch.Tensor
    factor: torch.Tensor  # 0 or more
    shift: torch.Tensor
    sign: torch.Tensor


class Moments(NamedTuple):
    """Statistics of a convolution's values.

    Example
    -------
    >>> Moments(torch.zeros(4), torch.ones(4), count=100).count
    100
    """

    mean: torch.Tensor
    inverse_std: torch.Tensor
    count: int  # of all values; 0 where the statistics are fixed


class Unit(NamedTuple):
    """Layers and what is known of their values. Pooled values of the first are computed whenever needed.

    Example
    -------
    >>> parts = torch.randn(4, 1, 1, 3), torch.zeros(4), torch.ones(4), torch.zeros(4)
    >>> unit = Unit(torch.randn(10, 128), as_layers(parts, torch.float32), [], [], block=4)
    >>> unit.parts()[-1], unit.patches(0, slice(0, 4)).shape, unit.pooled(0, slice(0, 4)).shape
    (slice(8, 12, None), torch.Size([4, 63, 3]), torch.Size([4, 31, 4]))
    """

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
            inputs = activate(
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
            self.moments.append(Moments(norm.running_mean * layer.sign, inverse_std, 0))

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
            active = grad[part].mul_(activate(pooled, layer, moments) > 0).flatten(0, 1).to(scale.dtype)
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


def as_layers(parts, dtype):
    """The layers of a unit.

    Arguments
    ---------
    parts : sequence of torch.Tensor
        For each layer the convolution's weight and bias, and the normalisation's factor and shift.
    dtype : torch.dtype
        Number format of the convolutions.

    Returns
    -------
    list of Layer
        One for each four parts.

    Example
    -------
    >>> parts = torch.randn(4, 1, 1, 3), torch.zeros(4), torch.tensor([1.0, -2.0, 0.0, 1.0]), torch.zeros(4)
    >>> (layer,) = as_layers(parts, torch.float32)
    >>> layer.weight.shape, layer.factor.tolist(), layer.sign.tolist()
    (torch.Size([3, 4]), [1.0, 2.0, 0.0, 1.0], [1.0, -1.0, 1.0, 1.0])
    """
    layers = []
    for weight, bias, factor, shift in zip(*[iter(parts)] * 4):
        sign = torch.where(factor < 0, -1.0, 1.0).to(weight.dtype)
        matrix = (weight * sign[:, None, None, None])[:, :, 0].permute(2, 1, 0).flatten(0, 1)
        layers.append(Layer(matrix.to(dtype), (bias * sign).to(dtype), factor * sign, shift, sign))
    return layers


def _convolve(patches, layer):
    """A convolution's values, ``[frame, position, channel]``."""
    return torch.addmm(layer.bias, patches.flatten(0, 1), layer.weight).unflatten(0, patches.shape[:2])


def activate(pooled, layer, moments):
    """Normalised and rectified values, from pooled ones.

    Arguments
    ---------
    pooled : torch.Tensor
        ``[frame, width, channel]``.
    layer : Layer
        The layer.
    moments : Moments
        Statistics of its values.

    Returns
    -------
    torch.Tensor
        ``[frame, width, channel]``, in the number format of the pooled values.

    Example
    -------
    >>> layer = Layer(None, None, factor=torch.ones(1), shift=torch.ones(1), sign=torch.ones(1))
    >>> activate(torch.tensor([[[5.0], [-5.0]]]), layer, Moments(torch.ones(1), torch.ones(1) / 2, 2))
    tensor([[[3.],
             [0.]]])
    """
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
    return Moments(mean, torch.rsqrt(variance + norm.eps), count)


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
