"""Mean and standard deviation of each mel band over a training set (paper, section V-B)."""

from collections.abc import Iterable

import torch
from torch import nn


class BandStatistics(nn.Module):
    """Mean and standard deviation of each band over a training set, and normalisation by them.

    They are buffers, and so part of the model's checkpoint. Before :meth:`fit`
    they leave the frames as they are.

    Arguments
    ---------
    n_bands : int
        Number of bands.

    Example
    -------
    >>> statistics = BandStatistics(n_bands=2)
    >>> _ = statistics.fit([torch.tensor([[0.0, 10.0], [2.0, 30.0]])])
    >>> statistics(torch.tensor([[[2.0, 20.0]]]))
    tensor([[[1., 0.]]])
    """

    #: A band that varies less than this (dB) is constant, and is only centred.
    MIN_STD = 1e-3

    def __init__(self, n_bands: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_bands))
        self.register_buffer("std", torch.ones(n_bands))

    def fit(self, recordings: Iterable[torch.Tensor]) -> "BandStatistics":
        """Compute the statistics of recordings in one pass, in double precision.

        Arguments
        ---------
        recordings : iterable of torch.Tensor
            Frames of each recording, ``[frame, band]``.

        Returns
        -------
        BandStatistics
            Itself.

        Raises
        ------
        ValueError
            If there is no frame at all.
        """
        count, mean, squares = 0, 0.0, 0.0
        for frames in recordings:
            frames = frames.double()
            # Chan's update: joins two sets' moments without cancellation.
            added, added_mean = frames.shape[0], frames.mean(dim=0)
            shift = added_mean - mean
            total = count + added
            squares = squares + (frames - added_mean).square().sum(dim=0) + shift**2 * count * added / total
            mean = mean + shift * added / total
            count = total
        if count == 0:
            raise ValueError("there is no training frame to take statistics of")
        std = (squares / count).sqrt()
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std < self.MIN_STD, torch.ones_like(std), std))
        return self

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames of zero mean and unit variance in each band.

        Arguments
        ---------
        frames : torch.Tensor
            Decibels, ``[batch, frame, band]``.

        Returns
        -------
        torch.Tensor
            The same shape.
        """
        return (frames - self.mean) / self.std
