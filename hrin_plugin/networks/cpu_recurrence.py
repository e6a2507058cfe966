"""A stack of bidirectional GRU layers on a CPU, several times as fast as torch's.

``torch.nn.GRU`` has no fused CPU kernel. Each time step takes a dozen small operations for
each direction, all recorded by autograd. Here both directions step together, and the gradient
of eq. (4) to (7) is written by hand, with three operations a step, or compiled where there is a
compiler. The weights are those of the ``torch.nn.GRU``.
"""

import torch
from torch.autograd.function import once_differentiable

from hrin_plugin.networks.cpu_kernels.recurrence import compiled_recurrence, weight_gradients


def bidirectional_gru(gru, frames, lengths=None, initial=None):
    """``gru(frames, initial)``, computed faster on a CPU.

    Arguments
    ---------
    gru : torch.nn.GRU
        Bidirectional, ``batch_first``, with biases and without dropout.
    frames : torch.Tensor
        ``[batch, frame, feature]``, padded on the right.
    lengths : torch.Tensor or None
        Number of real frames of each recording, ``[batch]``; None where all are real.
    initial : torch.Tensor or None
        States before the first frame, and of the backward direction after the last one,
        ``[2 * num_layers, batch, hidden_size]``, without a gradient; None for zeros.

    Returns
    -------
    tuple of torch.Tensor
        Outputs ``[batch, frame, 2 * hidden_size]``, zero at padding, and the last states of
        each layer and direction, ``[2 * num_layers, batch, hidden_size]``.

    Example
    -------
    >>> gru = torch.nn.GRU(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    >>> frames = torch.randn(2, 7, 3)
    >>> torch.allclose(bidirectional_gru(gru, frames)[0], gru(frames)[0], atol=1e-6)
    True
    """
    outputs = frames.transpose(0, 1)
    n_frames, batch, _ = outputs.shape
    times = torch.arange(n_frames)[:, None]
    if lengths is None:
        backwards, real = times.flip(0).expand(n_frames, batch), None
    else:
        # Each recording is turned around within its own length, so that its padding comes last both ways.
        real = times < lengths
        backwards = torch.where(real, lengths - 1 - times, times)
    if initial is None:
        initial = frames.new_zeros(2 * gru.num_layers, batch, gru.hidden_size)
    last = []
    for layer in range(gru.num_layers):
        names = [f"l{layer}", f"l{layer}_reverse"]
        input_weight, hidden_weight, input_bias, hidden_bias = (
            torch.stack([getattr(gru, f"{kind}_{name}") for name in names])
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        projected = torch.nn.functional.linear(outputs, input_weight.flatten(0, 1), input_bias.flatten())
        ahead, behind = projected.chunk(2, dim=-1)
        inputs = torch.stack((ahead, _reorder(behind, backwards)), dim=1)
        steps = (
            inputs,
            hidden_weight.transpose(1, 2),
            hidden_bias[:, None],
            initial[2 * layer : 2 * layer + 2],
        )
        states = compiled_recurrence(*steps)
        if states is None:
            states = _Recurrence.apply(*steps)
        last += states[-1] if lengths is None else states[lengths - 1, :, torch.arange(batch)].unbind(1)
        outputs = torch.cat((states[:, 0], _reorder(states[:, 1], backwards)), dim=-1)
        if real is not None:
            outputs = outputs * real[..., None]
    return outputs.transpose(0, 1), torch.stack(last)


def _reorder(sequence, order):
    """The frames of ``[frame, batch, value]`` in another order for each recording, ``[frame, batch]``."""
    return sequence.gather(0, order[..., None].expand_as(sequence))


class _Recurrence(torch.autograd.Function):
    """The steps of both directions, from the projected inputs to the states.

    Inputs are ``[frame, direction, batch, 3 * hidden]`` (reset, update, new, as torch orders them),
    the weight is ``[direction, hidden, 3 * hidden]``, the bias ``[direction, 1, 3 * hidden]`` and the
    states before the first step ``[direction, batch, hidden]``; these get no gradient.
    """

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx, inputs, weight, bias, initial):
        """States of all steps, ``[frame, direction, batch, hidden]``."""
        n_frames, directions, batch, size = inputs.shape
        hidden = size // 3
        states = inputs.new_empty(n_frames + 1, directions, batch, hidden)
        states[0] = initial
        gates = inputs.new_empty(n_frames, directions, batch, 2 * hidden)
        new, recalled = inputs.new_empty(2, n_frames, directions, batch, hidden).unbind()
        bias = bias.expand(directions, batch, size)
        steps = zip(
            inputs[..., : 2 * hidden].unbind(),
            inputs[..., 2 * hidden :].unbind(),
            states[:-1].unbind(),
            states[1:].unbind(),
            gates.unbind(),
            gates[..., :hidden].unbind(),
            gates[..., hidden:].unbind(),
            new.unbind(),
            recalled.unbind(),
        )
        for in_gates, in_new, before, after, gate, reset, update, candidate, recall in steps:
            hidden_part = torch.baddbmm(bias, before, weight)
            torch.add(in_gates, hidden_part[..., : 2 * hidden], out=gate).sigmoid_()
            recall.copy_(hidden_part[..., 2 * hidden :])
            torch.addcmul(in_new, reset, recall, out=candidate).tanh_()
            torch.lerp(candidate, before, update, out=after)
        ctx.save_for_backward(weight, states, gates, new, recalled)
        return states[1:]

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx, state_grads):
        """Gradients of the inputs, the weight and the bias."""
        weight, states, gates, new, recalled = ctx.saved_tensors
        n_frames, directions, batch, hidden = new.shape
        before = states[:-1]
        reset, update = gates.chunk(2, dim=-1)
        # How the state's gradient reaches each gate does not depend on it: all steps at once.
        to_new = (1 - update) * (1 - new.square())
        to_update = (before - new) * update * (1 - update)
        to_reset = to_new * recalled * reset * (1 - reset)
        to_hidden = torch.stack((to_reset, to_update, to_new * reset), dim=-2)
        hidden_grads = torch.empty_like(to_hidden)
        grads = torch.empty_like(new)
        transposed = weight.transpose(1, 2)
        grad = torch.zeros_like(new[0])
        for step in range(n_frames - 1, -1, -1):
            grad = torch.add(grad, state_grads[step], out=grads[step])
            hidden_grad = torch.mul(grad.unsqueeze(-2), to_hidden[step], out=hidden_grads[step])
            grad = torch.baddbmm(grad * update[step], hidden_grad.flatten(-2), transposed)
        hidden_grads = hidden_grads.flatten(-2)
        input_grads = torch.cat((hidden_grads[..., : 2 * hidden], grads * to_new), dim=-1)
        return input_grads, *weight_gradients(before, hidden_grads), None
