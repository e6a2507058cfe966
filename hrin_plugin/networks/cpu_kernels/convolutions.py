"""Convolutions of a training by compiled loops: pooling and the first convolution; the others are matrix
products over views of their inputs.
"""

import torch
from torch.autograd.function import once_differentiable

from hrin_plugin.networks.cpu_convolution import normalised_weights
from hrin_plugin.networks.cpu_kernels.library import call, load_loops

#: Frames that go through all convolutions together: what they need stays in the cache.
FRAMES_AT_ONCE = 192


def compiled_convolutions(layers, frames):
    """Three convolutions with pooling and ReLU, where compiled loops can train them.

    Arguments
    ---------
    layers : torch.nn.Sequential
        Those of a :class:`hrin_plugin.networks.units.ConvUnit`, whose normalisation has fixed statistics.
    frames : torch.Tensor
        ``[frame, band]``, on the CPU.

    Returns
    -------
    torch.Tensor or None
        ``[frame, channel * width]``; None where there are no loops for this machine or number format.

    Example
    -------
    >>> from hrin_plugin.networks.units import ConvUnit, keep_statistics
    >>> unit, frames = ConvUnit(input_size=128), torch.randn(10, 128)
    >>> keep_statistics(unit)
    >>> found = compiled_convolutions(unit.layers, frames)
    >>> found is None or torch.allclose(found, unit._convolve_at_once(frames), atol=1e-5)
    True
    """
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else frames.dtype
    loops = load_loops(dtype)
    if loops is None:
        return None
    pairs = zip(layers[::4], layers[1::4])
    parts = [part for convolution, norm in pairs for part in normalised_weights(convolution, norm)]
    return _Convolutions.apply(loops, dtype, frames.contiguous(), *parts)


class _Layer:
    """Sizes and rows of one convolution and its pooling.

    A frame has ``rows`` rows of pooled values, an even number, so that two rows read as one of twice the
    width are the first two positions under a kernel, for all frames at once.
    """

    def __init__(self, width, channels, dtype, last):
        self.channels, self.dtype = channels, dtype
        self.pooled = ((width - 3) // 2 + 1 - 3) // 2 + 1
        self.rows = self.pooled if last else self.pooled + self.pooled % 2

    def empty(self, n_frames):
        """Room for the pooled values of some frames, zero, and for which of three each was."""
        # The last kernel reaches two rows beyond the last frame.
        values = torch.zeros(n_frames * self.rows + 2, self.channels, dtype=self.dtype)
        return values, torch.zeros(n_frames * self.rows, self.channels, dtype=torch.int8)


def _under_kernel(rows, start, n_positions):
    """The first two rows under a kernel side by side, and the third, ``[position, value]``, as views."""
    channels = rows.shape[1]
    at, stride = start * channels, (2 * channels, 1)
    two = rows.as_strided((n_positions, 2 * channels), stride, at)
    return two, rows.as_strided((n_positions, channels), stride, at + 2 * channels)


class _Convolutions(torch.autograd.Function):
    """Three convolutions with pooling and ReLU, ``[frame, band]`` to ``[frame, channel * width]``."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx, loops, dtype, frames, *parts):
        """Features of each frame, with matrix products of a number format."""
        weights, biases = parts[::2], [bias.contiguous() for bias in parts[1::2]]
        n_frames, width = frames.shape
        layers = []
        for number, bias in enumerate(biases):
            layers.append(_Layer(width, len(bias), dtype, last=number == len(biases) - 1))
            width = layers[-1].pooled
        first = weights[0][:, 0, 0].t().contiguous()
        kernels = [_kernel(weight.to(dtype)) for weight in weights[1:]]
        pooled, winners = zip(*(layer.empty(n_frames) for layer in layers))
        products = _products(layers, min(n_frames, FRAMES_AT_ONCE))
        for start in range(0, n_frames, FRAMES_AT_ONCE):
            n = min(FRAMES_AT_ONCE, n_frames - start)
            at = [start * layer.rows for layer in layers]
            call(
                loops.convolve_first, frames[start:], n, frames.shape[1], first, biases[0],
                layers[0].channels, layers[0].pooled, layers[0].rows,
                pooled[0][at[0] :], winners[0][at[0] :],
            )  # fmt: skip
            for number, (before, layer) in enumerate(zip(layers, layers[1:]), start=1):
                positions = n * before.rows // 2
                product = products[number - 1][:positions]
                two, third = _under_kernel(pooled[number - 1], at[number - 1], positions)
                torch.mm(two, kernels[number - 1][0], out=product).addmm_(third, kernels[number - 1][1])
                call(
                    loops.pool, product, n, before.rows // 2, biases[number],
                    layer.channels, layer.pooled, layer.rows,
                    pooled[number][at[number] :], winners[number][at[number] :],
                )  # fmt: skip
        ctx.loops, ctx.layers = loops, layers
        ctx.save_for_backward(frames, first, *sum(kernels, ()), *pooled, *winners)
        last = layers[-1]
        values = pooled[-1][: n_frames * last.rows].view(n_frames, last.rows, last.channels)
        return values.transpose(1, 2).reshape(n_frames, -1).float()

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx, grad):
        """Gradients of the frames, the weights and the biases."""
        layers, loops = ctx.layers, ctx.loops
        frames, first, *saved = ctx.saved_tensors
        n_layers, n_frames = len(layers), len(frames)
        kernels = list(zip(saved[: 2 * n_layers - 2 : 2], saved[1 : 2 * n_layers - 2 : 2]))
        pooled, winners = saved[2 * n_layers - 2 : -n_layers], saved[-n_layers:]
        last = layers[-1]
        last_grad = grad.unflatten(1, (last.channels, last.rows)).transpose(1, 2).flatten(0, 1)
        last_grad = last_grad.to(last.dtype).contiguous()
        first_grad = torch.zeros_like(first)
        kernel_grads = [tuple(torch.zeros_like(part, dtype=grad.dtype) for part in each) for each in kernels]
        bias_grads = [torch.zeros(layer.channels) for layer in layers]
        frames_grad = torch.empty_like(frames) if ctx.needs_input_grad[2] else None
        products = _products(layers, min(n_frames, FRAMES_AT_ONCE))
        pooled_grads = [layer.empty(min(n_frames, FRAMES_AT_ONCE))[0] for layer in layers[:-1]]
        for start in range(0, n_frames, FRAMES_AT_ONCE):
            n = min(FRAMES_AT_ONCE, n_frames - start)
            at = [start * layer.rows for layer in layers]
            upper = last_grad[at[-1] :]
            for number in range(n_layers - 1, 0, -1):
                before, layer = layers[number - 1], layers[number]
                positions = n * before.rows // 2
                product = products[number - 1][:positions]
                call(
                    loops.pool_gradient, upper, winners[number][at[number] :], n, before.rows // 2,
                    layer.channels, layer.pooled, layer.rows, product, bias_grads[number],
                )  # fmt: skip
                inputs = _under_kernel(pooled[number - 1], at[number - 1], positions)
                for part, part_grad in zip(inputs, kernel_grads[number - 1]):
                    part_grad.add_(part.t() @ product)
                upper = pooled_grads[number - 1]
                two, third = _under_kernel(upper, 0, positions)
                torch.mm(product, kernels[number - 1][0].t(), out=two)
                third.addmm_(product, kernels[number - 1][1].t())
            call(
                loops.convolve_first_gradient, upper, winners[0][at[0] :], frames[start:], n, frames.shape[1],
                first, layers[0].channels, layers[0].pooled, layers[0].rows, first_grad, bias_grads[0],
                None if frames_grad is None else frames_grad[start:],
            )  # fmt: skip
        weight_grads = [first_grad.t()[:, None, None], *map(_weight, kernel_grads)]
        return None, None, frames_grad, *(part for pair in zip(weight_grads, bias_grads) for part in pair)


def _products(layers, n_frames):
    """Room for the convolutions' values of some frames."""
    return [
        torch.empty(n_frames * before.rows // 2, layer.channels, dtype=layer.dtype)
        for before, layer in zip(layers, layers[1:])
    ]


def _kernel(weight):
    """A convolution's weight as two matrices: for the first two rows under it, and for the third."""
    taps = weight[:, :, 0].permute(2, 1, 0)
    return taps[:2].reshape(-1, taps.shape[2]).contiguous(), taps[2].contiguous()


def _weight(kernel):
    """The inverse of :func:`_kernel`."""
    two, third = kernel
    return torch.cat((two.unflatten(0, (2, -1)), third[None])).permute(2, 1, 0)[:, :, None]
