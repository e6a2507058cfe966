"""The settings of a detection in many recordings."""

from typing import NamedTuple

from hrin_plugin.decoding.keeping import KIND
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy


class Order(NamedTuple):
    """Settings for the detection in every recording.

    Example
    -------
    >>> Order(output="results", formats=("tsv", "srt"), keep_probabilities=True).kinds
    ('tsv', 'srt', 'probabilities')
    """

    output: str | None = None  # folder of the results; None where they are only returned
    formats: tuple = ("tsv",)  # names of some of find_formats()
    levels: tuple = ("mrle",)
    model: str | None = None  # as MusicDetector.from_hparams takes it
    backend: str = "auto"
    device: str | None = None  # None for an accelerator where there is one
    decoding: dict = {}  # what differs from the model's own Decoding
    run_code: bool = False  # whether the model may run code
    taxonomy: Taxonomy = MUSIC_LOUDNESS  # the model's
    track: int | None = None  # of sound, from 1 on; None for the first
    about: dict = {}  # model and decisions for who must repeat the detection; see describe_model
    keep_probabilities: bool = False  # whether to write them beside the results

    @property
    def kinds(self) -> tuple:
        """All that is written of a recording; each kind has a journal of its own."""
        return (*self.formats, KIND) if self.keep_probabilities else self.formats
