"""Log-mel frames of a waveform, and their statistics over a training set (paper, section V-B)."""

import math

import torch
import torchaudio
from torch import nn

from hrin_plugin.timing import FrameGrid


class LogMel(nn.Module):
    """Log-mel spectrogram in decibels, as the paper computes it.

    A centred STFT with a Hann window and reflect padding, power, a Slaney mel
    filter bank, and ``10 log10`` relative to the recording's own maximum with a
    floor under it. The values equal those of
    ``librosa.power_to_db(librosa.feature.melspectrogram(..., pad_mode="reflect"), ref=numpy.max)``.

    Arguments
    ---------
    sample_rate : int
        Samples a second of the waveform.
    n_fft : int
        Samples of a window.
    hop_length : int
        Samples from one frame to the next.
    n_mels : int
        Number of mel bands.
    reference : float or "max"
        Power that is 0 dB; ``"max"`` takes the largest of the recording.
    floor_db : float or None
        How far below the recording's maximum, in dB, values are cut off; None cuts nothing.

    Example
    -------
    >>> LogMel()(torch.randn(2, 8000)).shape
    torch.Size([2, 63, 128])
    """

    #: Powers below this are taken for it, so that digital silence has a logarithm.
    MIN_POWER = 1e-10

    def __init__(
        self, sample_rate=8000, n_fft=512, hop_length=128, n_mels=128, reference="max", floor_db=80.0
    ):
        super().__init__()
        if reference != "max" and not reference > 0:
            raise ValueError(f"reference must be 'max' or a power above 0, got {reference!r}")
        self.settings = {
            "sample_rate": sample_rate,
            "n_fft": n_fft,
            "hop_length": hop_length,
            "n_mels": n_mels,
            "reference": reference,
            "floor_db": floor_db,
        }
        self.grid = FrameGrid(sample_rate, hop_length)
        self.n_fft, self.n_mels = n_fft, n_mels
        self.reference, self.floor_db = reference, floor_db
        # Both follow from the settings, so they are no part of a checkpoint.
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        mel_bank = torchaudio.functional.melscale_fbanks(
            n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("mel_bank", mel_bank, persistent=False)

    def forward(self, wavs, lens=None):
        """Frames of a batch of waveforms.

        Arguments
        ---------
        wavs : torch.Tensor
            Waveforms, ``[batch, sample]``, padded on the right.
        lens : torch.Tensor or None
            Length of each waveform relative to the longest, ``[batch]``; None
            where all are as long. Each recording's frames are those that it has
            alone; frames past its end are zero.

        Returns
        -------
        torch.Tensor
            Decibels, ``[batch, frame, band]``.

        Raises
        ------
        ValueError
            If a waveform is too short to be mirrored at its ends (``n_fft // 2`` samples or fewer).
        """
        if lens is None or bool((lens == 1).all()):
            return self._decibels(wavs)
        counts = torch.round(lens * wavs.shape[1]).long().tolist()
        alone = [self._decibels(wav[None, :count])[0] for wav, count in zip(wavs, counts)]
        return nn.utils.rnn.pad_sequence(alone, batch_first=True)

    def _decibels(self, wavs):
        if wavs.shape[-1] <= self.n_fft // 2:
            raise ValueError(
                f"a recording of {wavs.shape[-1]} samples is too short: "
                f"frames of {self.n_fft} samples need at least {self.n_fft // 2 + 1}"
            )
        # A logarithm magnifies rounding: half precision has no place here.
        with torch.autocast(wavs.device.type, enabled=False):
            spectrum = torch.stft(
                wavs.float(),
                self.n_fft,
                self.grid.hop_length,
                window=self.window,
                center=True,
                pad_mode="reflect",
                return_complex=True,
            )
            power = spectrum.real.square() + spectrum.imag.square()
            mel_power = torch.matmul(power.transpose(1, 2), self.mel_bank).clamp(min=self.MIN_POWER)
            peak = mel_power.amax(dim=(1, 2), keepdim=True)
            reference = peak if self.reference == "max" else torch.full_like(peak, self.reference)
            decibels = 10 * (mel_power.log10() - reference.clamp(min=self.MIN_POWER).log10())
            if self.floor_db is None:
                return decibels
            return torch.maximum(decibels, decibels.amax(dim=(1, 2), keepdim=True) - self.floor_db)


class LevelShift(nn.Module):
    """Frames as they would be had each recording been louder, softer or equalised: augmentation for training.

    A gain adds one number to absolute decibels, an equaliser one to each band. What lies
    at the floor of :class:`LogMel` (digital silence) stays there.

    Arguments
    ---------
    low_db : float
        Largest attenuation, in dB, as a negative number.
    high_db : float
        Largest amplification, in dB.
    equaliser_db : float
        How far the gain of a band may be from the recording's, in dB, either way. The gains lie
        on lines between corners, :attr:`CORNERS` of them, at bands drawn for each recording.

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
    """Frames as they would be had two recordings sounded together where neither has music: for training.

    Powers of sounds that have nothing to do with each other add up. What is heard beside each
    other without music, speech and noise above all, is then far more varied than in the training
    set, and labels stay true.

    Arguments
    ---------
    share : float
        How many recordings are added to, 0 to 1.
    low_db : float
        Lowest gain of what is added, in dB.
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
        """Frames with those of the recording before in the batch added.

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

    def __init__(self, n_bands):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_bands))
        self.register_buffer("std", torch.ones(n_bands))

    def fit(self, recordings):
        """Take the statistics of recordings, one pass, in double precision.

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

    def forward(self, frames):
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
