"""The steps of a GRU in a training by compiled loops."""

import torch
from torch.autograd.function import once_differentiable

from hrin_plugin.networks.cpu_kernels.library import call, load_loops

#: Numbers of a vector; the states of a GRU are filled up to a multiple of it.
LANES = 16


def compiled_recurrence(inputs, weight, bias, initial):
    """Steps of both directions of a GRU, where compiled loops can train them.

    Arguments
    ---------
    inputs : torch.Tensor
        Projected inputs, ``[frame, direction, batch, 3 * hidden]`` (reset, update, new).
    weight : torch.Tensor
        ``[direction, hidden, 3 * hidden]``.
    bias : torch.Tensor
        ``[direction, 1, 3 * hidden]``.
    initial : torch.Tensor
        States before the first step, ``[direction, batch, hidden]``, without a gradient.

    Returns
    -------
    torch.Tensor or None
        States of all steps, ``[frame, direction, batch, hidden]``; None where there are no loops for
        this machine or number format.

    Example
    -------
    >>> states = compiled_recurrence(
    ...     torch.zeros(5, 2, 3, 12), torch.zeros(2, 4, 12), torch.zeros(2, 1, 12), torch.ones(2, 3, 4)
    ... )
    >>> states is None or round(states[-1, 0, 0, 0].item(), 5) == 0.03125
    True
    """
    in_half = torch.is_autocast_enabled("cpu") and inputs.dtype == torch.bfloat16
    loops = load_loops(torch.float32) if in_half or inputs.dtype == torch.float32 else None
    if loops is None:
        return None
    inputs, weight, bias, initial = (part.float() for part in (inputs, weight, bias, initial))
    hidden = weight.shape[1]
    fill = -hidden % LANES
    states = _Recurrence.apply(
        loops,
        _fill_gates(inputs, fill),
        torch.nn.functional.pad(_fill_gates(weight, fill), (0, 0, 0, fill)),
        _fill_gates(bias, fill),
        torch.nn.functional.pad(initial, (0, fill)),
    )
    return states[..., :hidden]


def weight_gradients(before, hidden_grads):
    """Gradients of the recurrent weight and bias.

    Arguments
    ---------
    before : torch.Tensor
        The state before each step, ``[frame, direction, batch, hidden]``.
    hidden_grads : torch.Tensor
        Gradient of what it gave to the gates, ``[frame, direction, batch, 3 * hidden]``.

    Returns
    -------
    tuple of torch.Tensor
        ``[direction, hidden, 3 * hidden]`` and ``[direction, 1, 3 * hidden]``.

    Example
    -------
    >>> weight_grad, bias_grad = weight_gradients(torch.ones(7, 2, 3, 4), torch.ones(7, 2, 3, 12))
    >>> weight_grad.shape, bias_grad.shape
    (torch.Size([2, 4, 12]), torch.Size([2, 1, 12]))
    """
    by_direction = hidden_grads.transpose(0, 1).flatten(1, 2)
    weight_grad = before.transpose(0, 1).flatten(1, 2).transpose(1, 2) @ by_direction
    return weight_grad, by_direction.sum(dim=1, keepdim=True)


class _Recurrence(torch.autograd.Function):
    """The steps, as those of ``networks.cpu_recurrence``."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx, loops, inputs, weight, bias, initial):
        """States of all steps."""
        inputs, weight = inputs.contiguous(), weight.contiguous()
        n_frames, directions, batch, size = inputs.shape
        shape = (n_frames, directions, batch, size // 3)
        states = torch.empty(n_frames + 1, *shape[1:])
        states[0] = initial
        gates = torch.empty(*shape[:3], 2 * shape[3])
        new, recalled = torch.empty(2, *shape).unbind()
        call(loops.recur, inputs, weight, bias.contiguous(), *shape, states, gates, new, recalled)
        ctx.loops = loops
        ctx.save_for_backward(weight, states, gates, new, recalled)
        return states[1:]

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx, state_grads):
        """Gradients of the inputs, the weight and the bias."""
        weight, states, gates, new, recalled = ctx.saved_tensors
        input_grads = torch.empty(*new.shape[:3], 3 * new.shape[3])
        hidden_grads = torch.empty_like(input_grads)
        transposed = weight.transpose(1, 2).contiguous()
        call(
            ctx.loops.recur_gradient, state_grads.contiguous(), transposed, states, gates, new, recalled,
            *new.shape, input_grads, hidden_grads,
        )  # fmt: skip
        return None, input_grads, *weight_gradients(states[:-1], hidden_grads), None


def _fill_gates(values, fill):
    """Fill each of three gates up with zeros, ``[..., 3 * hidden]``."""
    return torch.nn.functional.pad(values.unflatten(-1, (3, -1)), (0, fill)).flatten(-2) if fill else values
