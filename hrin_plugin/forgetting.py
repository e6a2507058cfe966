"""A network that forgets: what lies further back, or ahead, than a context must not change its output.

A recording of any length goes through a network in windows (:mod:`hrin_plugin.windows`).
That gives what one pass over the whole would give as far as the network forgets within
the context of a window; trained on long excerpts alone, it has no reason to.
"""

import torch
from torch import nn


class ForgettingPenalty(nn.Module):
    """Mean squared difference to the probabilities of an excerpt that was cut in two.

    Both parts go through the network on their own. Further than a context from the cut
    the probabilities of the whole shall equal theirs, which are the target and get no gradient.

    Arguments
    ---------
    context_frames : int
        Frames at either side of the cut that do not count.
    weight : float
        Factor of the penalty.

    Example
    -------
    >>> from hrin_plugin import HRIN
    >>> network, frames = HRIN(hidden_size=4, num_layers=1), torch.randn(2, 40, 128)
    >>> penalty = ForgettingPenalty(context_frames=5, weight=1.0)
    >>> penalty(network, frames, None, network(frames)).shape
    torch.Size([])
    """

    def __init__(self, context_frames, weight):
        super().__init__()
        self.context_frames, self.weight = context_frames, weight

    def forward(self, network, frames, lens, logits):
        """The penalty of a batch.

        Arguments
        ---------
        network : callable
            Frames and relative lengths in, logits ``[batch, frame, class]`` of each level out.
        frames : torch.Tensor
            ``[batch, frame, band]``, padded on the right.
        lens : torch.Tensor or None
            Length of each recording relative to the longest, ``[batch]``.
        logits : sequence of torch.Tensor
            What the network gave for them.

        Returns
        -------
        torch.Tensor
            A scalar; zero where no frame is far enough from the cut.
        """
        n_frames = frames.shape[1]
        counts = torch.full((len(frames),), n_frames) if lens is None else torch.round(lens.cpu() * n_frames)
        cut = int(counts.min()) // 2
        context = self.context_frames
        with torch.no_grad():
            parts = (
                network(frames[:, :cut]),
                network(frames[:, cut:], (counts - cut).to(frames) / (n_frames - cut)),
            )
        times = torch.arange(n_frames)
        far = ((times < cut - context) | (times >= cut + context)) & (times < counts[:, None])
        if not far.any():
            return frames.new_zeros(())
        differences = [
            (torch.sigmoid(whole) - torch.sigmoid(torch.cat(halves, dim=1)))[far].square().mean()
            for whole, *halves in zip(logits, *parts)
        ]
        return self.weight * torch.stack(differences).sum()
