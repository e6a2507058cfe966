#!/usr/bin/env python3
"""Train HRIN-cr on a CPU with compiled loops: the package's arithmetic in fewer passes over memory.

A CPU spends most of a training step of HRIN-cr on moving numbers between the layers. Here pooling, the
first convolution and the steps of the GRUs are compiled (``compiled.cpp``), and the other convolutions
are matrix products over views of their inputs. It needs a C++ compiler, and statistics of the batch
normalisation that stay (:func:`hrin_plugin.networks.keep_statistics`), as in ``hrin_cr_broadcast_long.yaml``.
Arguments are those of ``train.py``; with ``--precision=bf16`` the matrix products are in bfloat16, for
cores that have it.

> python recipes/OpenBMAT/compiled.py hparams/hrin_cr_broadcast_long.yaml --data_folder=SET
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch.autograd.function import once_differentiable

from hrin_plugin.networks import cpu_recurrence as recurrence
from hrin_plugin.networks import units
from hrin_plugin.networks.cpu_convolution import normalised_weights

SOURCE = Path(__file__).with_name("compiled.cpp")
#: Frames that go through all convolutions together: what they need stays in the cache.
FRAMES_AT_ONCE = 192
#: What goes through matrix products, and its name in ``compiled.cpp``.
VALUES = {torch.float32: "float", torch.bfloat16: "Half"}
#: Numbers of a vector; the states of a GRU are filled up to a multiple of it.
LANES = 16


def main(argv):
    """Compile, and train."""
    if shutil.which("c++") is None:
        sys.exit("there is no C++ compiler (c++); install one, or train with recipes/OpenBMAT/train.py")
    import train

    with tempfile.TemporaryDirectory() as folder:
        use(compile_loops(folder))
        train.main(argv)


def compile_loops(folder):
    """Compile the loops for this machine.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where to.

    Returns
    -------
    dict
        The loops, a :class:`ctypes.CDLL` for each type of :data:`VALUES`.
    """
    options = ["-std=c++17", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
    libraries = {}
    for dtype, value in VALUES.items():
        library = Path(folder, f"{value}.so")
        subprocess.run(["c++", *options, f"-DVALUE={value}", "-o", library, SOURCE], check=True)
        libraries[dtype] = ctypes.CDLL(os.fspath(library))
    return libraries


def use(libraries):
    """Let the package's networks train with compiled loops in this process.

    Arguments
    ---------
    libraries : dict
        From :func:`compile_loops`.
    """
    as_ever = units.ConvUnit._convolve

    def convolve(unit, frames):
        """The convolutional unit by compiled loops, where they fit."""
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else frames.dtype
        learning = unit.training and torch.is_grad_enabled()
        if learning and unit.statistics_stay and frames.device.type == "cpu" and dtype in libraries:
            return _Convolutions.apply(libraries[dtype], dtype, frames.contiguous(), *_normalised(unit))
        return as_ever(unit, frames)

    class Recurrence(_Recurrence):
        """The steps with the loops of this library."""

        loops = libraries[torch.float32]

    units.ConvUnit._convolve, recurrence._Recurrence = convolve, Recurrence


def _normalised(unit):
    """Weights and biases of the convolutions, each with its normalisation."""
    layers = zip(unit.layers[::4], unit.layers[1::4])
    return [part for convolution, norm in layers for part in normalised_weights(convolution, norm)]


def _call(loop, *arguments):
    """Call a loop with the addresses of tensors, and with numbers; None is no address."""
    loop(*(each if each is None else _as_c(each) for each in arguments))


def _as_c(value):
    return ctypes.c_void_p(value.data_ptr()) if isinstance(value, torch.Tensor) else ctypes.c_long(value)


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
        """Features of each frame, with matrix products of a type of :data:`VALUES`."""
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
            _call(
                loops.convolve_first, frames[start:], n, frames.shape[1], first, biases[0],
                layers[0].channels, layers[0].pooled, layers[0].rows,
                pooled[0][at[0] :], winners[0][at[0] :],
            )  # fmt: skip
            for number, (before, layer) in enumerate(zip(layers, layers[1:]), start=1):
                positions = n * before.rows // 2
                product = products[number - 1][:positions]
                two, third = _under_kernel(pooled[number - 1], at[number - 1], positions)
                torch.mm(two, kernels[number - 1][0], out=product).addmm_(third, kernels[number - 1][1])
                _call(
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
                _call(
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
            _call(
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


class _Recurrence(torch.autograd.Function):
    """The steps of both directions of a GRU, as those of ``networks.cpu_recurrence``."""

    loops = None

    @classmethod
    def apply(cls, inputs, weight, bias, initial):
        """States of all steps, ``[frame, direction, batch, hidden]``."""
        inputs, weight, bias, initial = (part.float() for part in (inputs, weight, bias, initial))
        hidden = weight.shape[1]
        fill = -hidden % LANES
        states = super().apply(
            _fill_gates(inputs, fill),
            torch.nn.functional.pad(_fill_gates(weight, fill), (0, 0, 0, fill)),
            _fill_gates(bias, fill),
            torch.nn.functional.pad(initial, (0, fill)),
        )
        return states[..., :hidden]

    @classmethod
    def forward(cls, ctx, inputs, weight, bias, initial):
        """States of all steps."""
        inputs, weight = inputs.contiguous(), weight.contiguous()
        n_frames, directions, batch, size = inputs.shape
        shape = (n_frames, directions, batch, size // 3)
        states = torch.empty(n_frames + 1, *shape[1:])
        states[0] = initial
        gates = torch.empty(*shape[:3], 2 * shape[3])
        new, recalled = torch.empty(2, *shape).unbind()
        _call(cls.loops.recur, inputs, weight, bias.contiguous(), *shape, states, gates, new, recalled)
        ctx.loops = cls.loops
        ctx.save_for_backward(weight, states, gates, new, recalled)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx, state_grads):
        """Gradients of the inputs, the weight and the bias."""
        weight, states, gates, new, recalled = ctx.saved_tensors
        input_grads = torch.empty(*new.shape[:3], 3 * new.shape[3])
        hidden_grads = torch.empty_like(input_grads)
        transposed = weight.transpose(1, 2).contiguous()
        _call(
            ctx.loops.recur_gradient, state_grads.contiguous(), transposed, states, gates, new, recalled,
            *new.shape, input_grads, hidden_grads,
        )  # fmt: skip
        return input_grads, *recurrence.weight_gradients(states[:-1], hidden_grads), None


def _fill_gates(values, fill):
    """Fill each of three gates up with zeros, ``[..., 3 * hidden]``."""
    return torch.nn.functional.pad(values.unflatten(-1, (3, -1)), (0, fill)).flatten(-2) if fill else values


if __name__ == "__main__":
    main(sys.argv[1:])
