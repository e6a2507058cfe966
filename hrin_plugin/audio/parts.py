"""A part of a file that one decoder reads in one go."""

from typing import NamedTuple


class Part(NamedTuple):
    """Where the bytes of a part are, who decodes them, and what is known in advance.

    Example
    -------
    >>> from hrin_plugin.audio.pieces import Span
    >>> Part((Span(0, 1000),)).by
    'libsndfile'
    """

    pieces: tuple  # Spans of the file and bytes of our own, presented as one file
    by: str = "libsndfile"  # the decoder that is tried first; or "ffmpeg"
    form: str | None = None  # "mp3" or "aac": a row of frames that we counted; None for a container
    sample_rate: int | None = None
    length_s: float | None = None  # announced or counted
    n_delay: int = 0  # samples before the sound that its decoder does not leave out
    is_counted: bool = False  # whether the header of an MP3 tells its true length
    is_absolute: bool = False  # whether its clock began at zero, though its beginning is lost
    is_open_ended: bool = False  # whether what it announces is not its whole length
    is_uncounted: bool = False  # whether nothing counted its bytes before, since its kind is rare
    muted: tuple = ()  # (start, end) in seconds: what is decoded there is no sound
    notes: tuple = ()  # Notes, times from the beginning of the part

    @property
    def span(self):
        """Its one Span; None where it is put together."""
        return self.pieces[0] if len(self.pieces) == 1 and not isinstance(self.pieces[0], bytes) else None
