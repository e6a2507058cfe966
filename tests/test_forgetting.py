"""The penalty on what is remembered for too long, against networks whose memory is known."""

import pytest
import torch
from torch import nn

from hrin_plugin.forgetting import ForgettingPenalty


class Memory(nn.Module):
    """Logits that are the sum of the frames up to ``reach`` back, and as many ahead."""

    def __init__(self, reach):
        super().__init__()
        self.sum = nn.Conv1d(1, 1, 2 * reach + 1, padding=reach, bias=False)
        nn.init.ones_(self.sum.weight)

    def forward(self, frames, lens=None):
        if lens is not None:
            counts = torch.round(lens * frames.shape[1])
            frames = frames * (torch.arange(frames.shape[1]) < counts[:, None])[..., None]
        return (self.sum(frames.transpose(1, 2)).transpose(1, 2),)


def penalty_of(reach, context_frames, lens=None, n_frames=60):
    torch.manual_seed(0)
    network, frames = Memory(reach), torch.randn(3, n_frames, 1)
    return ForgettingPenalty(context_frames, weight=2.0)(
        network, frames, lens, network(frames, lens)
    ), network


@pytest.mark.parametrize("lens", [None, torch.ones(3), torch.tensor([1.0, 0.5, 0.8])])
def test_a_network_that_forgets_within_the_context_is_not_penalised(lens):
    assert penalty_of(reach=6, context_frames=6, lens=lens)[0] < 1e-12
    assert penalty_of(reach=7, context_frames=6, lens=lens)[0] > 1e-5


def test_the_penalty_is_the_mean_squared_difference_to_the_parts():
    penalty, network = penalty_of(reach=9, context_frames=4)
    torch.manual_seed(0)
    Memory(9)
    frames = torch.randn(3, 60, 1)
    whole = torch.sigmoid(network(frames)[0])
    parts = torch.sigmoid(torch.cat([network(frames[:, :30])[0], network(frames[:, 30:])[0]], dim=1))
    counted = [*range(26), *range(34, 60)]
    torch.testing.assert_close(penalty, 2 * (whole - parts)[:, counted].square().mean())


def test_only_the_whole_gets_a_gradient():
    penalty, network = penalty_of(reach=9, context_frames=4)
    penalty.backward()
    torch.manual_seed(0)
    Memory(9)
    frames = torch.randn(3, 60, 1)
    parts = torch.cat([network(frames[:, :30])[0], network(frames[:, 30:])[0]], dim=1).detach()
    counted = [*range(26), *range(34, 60)]
    whole = network(frames)[0]
    expected = 2 * (torch.sigmoid(whole) - torch.sigmoid(parts))[:, counted].square().mean()
    (gradient,) = torch.autograd.grad(expected, network.parameters())
    torch.testing.assert_close(network.sum.weight.grad, gradient)


def test_an_excerpt_too_short_for_the_context_has_no_penalty():
    assert penalty_of(reach=9, context_frames=30)[0] == 0.0


def test_a_recurrent_network_learns_to_forget():
    torch.manual_seed(0)
    network = Recurrent()
    objective = ForgettingPenalty(context_frames=5, weight=1.0)
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    penalties = []
    for _ in range(30):
        frames = torch.randn(8, 60, 2)
        penalty = objective(network, frames, None, network(frames))
        optimiser.zero_grad()
        penalty.backward()
        optimiser.step()
        penalties.append(penalty.item())
    assert penalties[-1] < 0.2 * penalties[0]


class Recurrent(nn.Module):
    """A GRU that begins with a long memory."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(2, 6, batch_first=True, bidirectional=True)
        self.layer = nn.Linear(12, 3)
        with torch.no_grad():
            for name, values in self.gru.named_parameters():
                if "bias" in name:
                    values[6:12] += 3.0  # the update gate

    def forward(self, frames, lens=None):
        return (4 * self.layer(self.gru(frames)[0]),)
