"""Log-mel frames with NumPy, for detection without torch (paper, section V-B)."""

import numpy as np

from hrin_plugin.features.settings import MIN_POWER, FrameSettings

#: Frames that are transformed at a time, so that they stay in the cache: 256 take five times as long.
FRAMES_AT_ONCE = 64


class MelFrames:
    """The frames of :class:`hrin_plugin.features.LogMel`, without torch.

    Arguments
    ---------
    settings : FrameSettings
        The settings, checked.

    Example
    -------
    >>> MelFrames(FrameSettings()).of_signal(np.zeros(8000, np.float32)).shape
    (1, 63, 128)
    """

    #: The library whose arrays the frames are.
    arrays = np

    def __init__(self, settings: FrameSettings):
        self.settings, self.grid = settings._asdict(), settings.grid
        self.n_fft, self.n_mels = settings.n_fft, settings.n_mels
        self.reference, self.floor_db = settings.reference, settings.floor_db
        self._settings = settings
        self._window, self._mel_bank = settings.window(), settings.mel_bank()

    def absolute(self) -> "MelFrames":
        """The same frames, relative to no recording's loudest."""
        fixed = 1.0 if self.reference == "max" else self.reference
        return MelFrames(self._settings._replace(reference=fixed, floor_db=None))

    def of_signal(self, samples: np.ndarray) -> np.ndarray:
        """Frames of a signal.

        Arguments
        ---------
        samples : numpy.ndarray
            The signal, ``[sample]``, float32.

        Returns
        -------
        numpy.ndarray
            Decibels, ``[1, frame, band]``, float32.

        Raises
        ------
        ValueError
            If the signal is too short for reflect padding.
        """
        self._settings.check_length(len(samples))
        padded = np.pad(samples, self.n_fft // 2, mode="reflect")
        views = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[:: self.grid.hop_length]
        decibels = np.empty((len(views), self.n_mels), np.float32)
        for start in range(0, len(views), FRAMES_AT_ONCE):
            spectrum = np.fft.rfft(views[start : start + FRAMES_AT_ONCE] * self._window)
            power = np.square(spectrum.real, dtype=np.float32) + np.square(spectrum.imag, dtype=np.float32)
            decibels[start : start + FRAMES_AT_ONCE] = power @ self._mel_bank
        np.log10(np.maximum(decibels, MIN_POWER, out=decibels), out=decibels)
        decibels *= 10
        if self.reference == "max":
            decibels -= decibels.max()
        else:
            decibels -= np.float32(10 * np.log10(max(self.reference, MIN_POWER)))
        if self.floor_db is not None:
            np.maximum(decibels, decibels.max() - np.float32(self.floor_db), out=decibels)
        return decibels[None]
