"""Log-mel frames of a waveform (paper, section V-B)."""

import numpy as np
import torch
from torch import nn

from hrin_plugin.features.settings import MIN_POWER, FrameSettings


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
        Dynamic range below the recording's maximum, in dB; None for no floor.

    Example
    -------
    >>> LogMel()(torch.randn(2, 8000)).shape
    torch.Size([2, 63, 128])
    """

    #: The library whose arrays the frames are.
    arrays = torch
    #: Powers below this are taken for it, so that digital silence has a logarithm.
    MIN_POWER = MIN_POWER

    def __init__(
        self,
        sample_rate: int = 8000,
        n_fft: int = 512,
        hop_length: int = 128,
        n_mels: int = 128,
        reference: float | str = "max",
        floor_db: float | None = 80.0,
    ):
        super().__init__()
        settings = FrameSettings(sample_rate, n_fft, hop_length, n_mels, reference, floor_db)
        settings.check()
        self.settings = settings._asdict()
        self.grid, self._settings = settings.grid, settings
        self.n_fft, self.n_mels = n_fft, n_mels
        self.reference, self.floor_db = reference, floor_db
        # Both follow from the settings, so they are no part of a checkpoint.
        self.register_buffer("window", torch.from_numpy(settings.window()), persistent=False)
        self.register_buffer("mel_bank", torch.from_numpy(settings.mel_bank()), persistent=False)

    def forward(self, wavs: torch.Tensor, lens: torch.Tensor | None = None) -> torch.Tensor:
        """Frames of a batch of waveforms.

        Arguments
        ---------
        wavs : torch.Tensor
            Waveforms, ``[batch, sample]``, padded on the right.
        lens : torch.Tensor or None
            Length of each waveform relative to the longest, ``[batch]``; None
            where all have the same length. The frames of each recording equal those
            without padding; frames after its end are zero.

        Returns
        -------
        torch.Tensor
            Decibels, ``[batch, frame, band]``.

        Raises
        ------
        ValueError
            If a waveform is too short for reflect padding (``n_fft // 2`` samples or fewer).
        """
        if lens is None or bool((lens == 1).all()):
            return self._decibels(wavs)
        counts = torch.round(lens * wavs.shape[1]).long().tolist()
        alone = [self._decibels(wav[None, :count])[0] for wav, count in zip(wavs, counts)]
        return nn.utils.rnn.pad_sequence(alone, batch_first=True)

    def absolute(self) -> "LogMel":
        """The same frames on the same device, relative to no recording's loudest."""
        fixed = 1.0 if self.reference == "max" else self.reference
        return LogMel(**self.settings | {"reference": fixed, "floor_db": None}).to(self.window.device)

    def of_signal(self, samples: np.ndarray) -> torch.Tensor:
        """Frames ``[1, frame, band]`` of a signal ``[sample]``, float32, without gradients."""
        with torch.inference_mode():
            return self(torch.from_numpy(samples)[None].to(self.window.device))

    def _decibels(self, wavs):
        self._settings.check_length(wavs.shape[-1])
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
            mel_power = torch.matmul(power.transpose(1, 2), self.mel_bank).clamp(min=MIN_POWER)
            peak = mel_power.amax(dim=(1, 2), keepdim=True)
            reference = peak if self.reference == "max" else torch.full_like(peak, self.reference)
            decibels = 10 * (mel_power.log10() - reference.clamp(min=MIN_POWER).log10())
            if self.floor_db is None:
                return decibels
            return torch.maximum(decibels, decibels.amax(dim=(1, 2), keepdim=True) - self.floor_db)
