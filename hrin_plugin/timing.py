"""Conversion between seconds, samples and frames; the only module that rounds time.

Every conversion goes through whole samples and integer arithmetic, because a
quotient of floats truncates wrongly: ``int(0.29 / 0.01)`` is 28.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameGrid:
    """Times of the frames of a centred analysis (paper, section V-B).

    Frame ``i`` is centred on sample ``i * hop_length``.

    Arguments
    ---------
    sample_rate : int
        Samples a second.
    hop_length : int
        Samples from one frame to the next.

    Example
    -------
    >>> grid = FrameGrid()
    >>> grid.frame_count(480000), grid.frame_at(0.8), grid.time_of(50)
    (3751, 50, 0.8)
    """

    sample_rate: int = 8000
    hop_length: int = 128

    def frame_count(self, n_samples: int) -> int:
        """Number of frames of a recording of ``n_samples`` samples.

        Example
        -------
        >>> FrameGrid().frame_count(0), FrameGrid().frame_count(128)
        (1, 2)
        """
        return n_samples // self.hop_length + 1

    def frame_at(self, seconds: float) -> int:
        """Index of the frame whose centre is nearest to a time in seconds.

        Example
        -------
        >>> FrameGrid(sample_rate=100, hop_length=1).frame_at(0.29)
        29
        """
        return (2 * to_samples(seconds, self.sample_rate) + self.hop_length) // (2 * self.hop_length)

    def time_of(self, frame: int) -> float:
        """Time in seconds of a frame's centre.

        Example
        -------
        >>> FrameGrid().time_of(3750)
        60.0
        """
        return frame * self.hop_length / self.sample_rate


def to_samples(seconds: float, sample_rate: int) -> int:
    """Number of whole samples nearest to a time.

    Arguments
    ---------
    seconds : float
        A time, in seconds.
    sample_rate : int
        Samples a second.

    Returns
    -------
    int
        Samples, rounded to the nearest.

    Example
    -------
    >>> to_samples(0.29, 100)
    29
    """
    return round(seconds * sample_rate)
