"""Augmentation of log-mel frames in training."""

import math

import torch
from torch import nn

from hrin_plugin.features.logmel import LogMel


class LevelShift(nn.Module):
    """Level augmentation: a random gain and a random equaliser for each recording.

    A gain adds one number to absolute decibels, an equaliser one to each band. Values
    at the floor of :class:`LogMel` (digital silence) stay there.

    Arguments
    ---------
    low_db : float
        Largest attenuation, in dB, as a negative number.
    high_db : float
        Largest amplification, in dB.
    equaliser_db : float
        Largest deviation of a band's gain from the recording's, in dB. The gains are piecewise
        linear between :attr:`CORNERS` corners, at bands drawn for each recording.

    Example
    -------
    >>> frames = LevelShift(low_db=-20.0, high_db=10.0)(torch.full((4, 10, 128), -50.0))
    >>> frames.shape, bool((frames >= -70.0).all() and (frames <= -40.0).all())
    (torch.Size([4, 10, 128]), True)
    """

    CORNERS = 5

    def __init__(self, low_db, high_db, equaliser_db=0.0):
        super().__init__()
        if not low_db < high_db:
            raise ValueError(f"low_db must be below high_db, got {low_db!r} and {high_db!r}")
        if not equaliser_db >= 0:
            raise ValueError(f"equaliser_db must be 0 or greater, got {equaliser_db!r}")
        self.low_db, self.high_db, self.equaliser_db = low_db, high_db, equaliser_db

    def forward(self, frames):
        """Frames with a shift drawn for each recording.

        Arguments
        ---------
        frames : torch.Tensor
            Decibels relative to a fixed power, ``[batch, frame, band]``.

        Returns
        -------
        torch.Tensor
            The same shape.
        """
        floor_db = 10 * math.log10(LogMel.MIN_POWER)
        shift_db = torch.empty(frames.shape[0], 1, 1, device=frames.device).uniform_(
            self.low_db, self.high_db
        )
        if self.equaliser_db:
            shift_db = shift_db + self._equaliser(frames)
        return torch.where(frames > floor_db, frames + shift_db, frames).clamp(min=floor_db)

    def _equaliser(self, frames):
        """Gains of the bands of each recording, in dB, ``[batch, 1, band]``."""
        batch, _, n_bands = frames.shape
        gains_db = torch.empty(batch, self.CORNERS, device=frames.device).uniform_(
            -self.equaliser_db, self.equaliser_db
        )
        # The outer corners stand at the outer bands, so that every band lies between two.
        corners = torch.rand(batch, self.CORNERS, device=frames.device).sort(dim=1).values
        corners[:, 0], corners[:, -1] = 0.0, 1.0
        bands = torch.linspace(0.0, 1.0, n_bands, device=frames.device).expand(batch, n_bands).contiguous()
        after = torch.searchsorted(corners, bands).clamp(1, self.CORNERS - 1)
        left, right = corners.gather(1, after - 1), corners.gather(1, after)
        part = (bands - left) / (right - left).clamp(min=torch.finfo(corners.dtype).tiny)
        return torch.lerp(gains_db.gather(1, after - 1), gains_db.gather(1, after), part)[:, None]


class Overlay(nn.Module):
    """Mixture augmentation: adds another recording where neither has music.

    Powers of uncorrelated sounds add up. The combinations of speech and noise without music are
    then far more varied than in the training set, and the labels stay correct.

    Arguments
    ---------
    share : float
        Share of recordings that are augmented, 0 to 1.
    low_db : float
        Lowest gain of the added recording, in dB.
    high_db : float
        Highest gain.

    Example
    -------
    >>> frames, no_music = torch.full((2, 10, 128), -50.0), torch.arange(10).expand(2, 10) < 5
    >>> sounds = Overlay(share=1.0, low_db=0.0, high_db=0.0)(frames, no_music)
    >>> sounds[0, :, 0].round(decimals=1).unique().tolist()
    [-50.0, -47.0]
    """

    def __init__(self, share, low_db=-20.0, high_db=5.0):
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"share must be from 0 to 1, got {share!r}")
        if not low_db <= high_db:
            raise ValueError(f"low_db must not be above high_db, got {low_db!r} and {high_db!r}")
        self.share, self.low_db, self.high_db = share, low_db, high_db

    def forward(self, frames, no_music):
        """Add the frames of the previous recording of the batch.

        Arguments
        ---------
        frames : torch.Tensor
            Decibels relative to a fixed power, ``[batch, frame, band]``.
        no_music : torch.Tensor
            Where there is no music, bool, ``[batch, frame]``.

        Returns
        -------
        torch.Tensor
            The same shape; changed only where both recordings have no music.
        """
        if not self.share:
            return frames
        batch = frames.shape[0]
        gains_db = torch.empty(batch, 1, 1, device=frames.device).uniform_(self.low_db, self.high_db)
        chosen = torch.rand(batch, 1, device=frames.device) < self.share
        scale = math.log(10) / 10
        sums = torch.logaddexp(frames * scale, (frames.roll(1, dims=0) + gains_db) * scale) / scale
        both = no_music & no_music.roll(1, dims=0) & chosen
        return torch.where(both[..., None], sums, frames)
