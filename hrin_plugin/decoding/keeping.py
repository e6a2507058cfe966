"""Kept probabilities: a file from which a recording can be decided again without being heard again.

The file is a ZIP archive, so that a damaged or cut one is told from a whole one. It holds

=================== ==================================================================================
``header.json``     version, model, its classes, frames, own decisions and measured errors
``000000.frames``   the next frames' log-odds in steps (:mod:`hrin_plugin.decoding.coding`)
``000000.seconds``  level and change of the seconds heard meanwhile, which the silence gate goes by
``end.json``        number of frames, length of the recording, and warnings
=================== ==================================================================================

with more of the second and third, numbered in their order.
"""

import contextlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrin_plugin import __version__
from hrin_plugin.decoding.certainty import Calibration
from hrin_plugin.decoding.coding import pack, quantise
from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.files import replacing
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.timing import FrameGrid

#: Ending of the files, and their name among the formats of results in a folder's journals.
SUFFIX, KIND = ".probs", "probabilities"
#: Version of the layout; a reader refuses those of a later one.
VERSION = 1
#: Frames of a block: some minutes.
BLOCK_FRAMES = 8192

#: The only time that an entry of the archive has, so that the same sound gives the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)


class KeptHeader(NamedTuple):
    """What is known of kept probabilities before the recording is read.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> KeptHeader(MUSIC_LOUDNESS, FrameGrid(), Decoding("argmax")).version
    '...'
    """

    taxonomy: Taxonomy
    grid: FrameGrid
    decoding: Decoding  # the model's own
    model: str | None = None  # identity of the model, as the record of results has it
    version: str = __version__  # of this package
    calibration: Calibration = Calibration()  # the model's measured errors


class ProbabilityWriter:
    """Writes the probabilities of one recording as they come, in constant memory.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.
    header : KeptHeader
        The model's classes, frames and decisions.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> path = getfixture("tmp_path") / "a.probs"
    >>> with keeping(path, KeptHeader(MUSIC_LOUDNESS, FrameGrid(), Decoding("argmax"))) as writer:
    ...     writer.push((np.full((63, 2), 0.5), np.full((63, 3), 0.2)))
    ...     writer.hear(-30.0, 0.0)
    ...     writer.finish(1.0)
    >>> zipfile.ZipFile(path).namelist()
    ['header.json', '000000.frames', '000000.seconds', 'end.json']
    """

    def __init__(self, path: str | Path, header: KeptHeader):
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9)
        self._held, self._seconds = np.empty((0, sum(header.taxonomy.sizes)), np.int16), []
        self._n_blocks, self._n_frames = 0, 0
        content = {
            "format": "hrin probabilities",
            "version": VERSION,
            "hrin": header.version,
            "model": header.model,
            "taxonomy": header.taxonomy.to_dict(),
            "grid": {"sample_rate": header.grid.sample_rate, "hop_length": header.grid.hop_length},
            "decoding": header.decoding.to_dict(),
        }
        if header.calibration.spreads or header.calibration.lines:
            content["certainty"] = header.calibration.to_dict()
        self._write("header.json", json.dumps(content, indent=1).encode("ascii"))

    def push(self, levels: Sequence[np.ndarray]) -> None:
        """Take the next frames' probabilities, ``[frame, class]`` of each level, before any gate."""
        self._held = np.concatenate([self._held, quantise(np.concatenate(levels, axis=1))])
        while len(self._held) >= BLOCK_FRAMES:
            self._write_block(self._held[:BLOCK_FRAMES])
            self._held = self._held[BLOCK_FRAMES:]

    def hear(self, level: float, change: float) -> None:
        """Take the next second's level and change, both in dB, as a SilenceGate notes them."""
        self._seconds.append((level, change))

    def finish(self, duration_s: float, warnings: Iterable[str] = ()) -> None:
        """End the recording; its length is in seconds."""
        self._write_block(self._held)
        end = {"frames": self._n_frames, "duration": duration_s, "warnings": list(warnings)}
        self._write("end.json", json.dumps(end, indent=1).encode("ascii"))
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def _write_block(self, steps):
        """Write a block of frames, and the seconds heard since the last."""
        self._write(part_name(self._n_blocks, "frames"), pack(steps))
        self._write(part_name(self._n_blocks, "seconds"), np.array(self._seconds, "<f4").tobytes())
        self._n_blocks, self._n_frames, self._seconds = self._n_blocks + 1, self._n_frames + len(steps), []

    def _write(self, name, content):
        """Write a part."""
        entry = zipfile.ZipInfo(name, _TIME)
        self._archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)


@contextlib.contextmanager
def keeping(path: str | Path, header: KeptHeader) -> Iterator[ProbabilityWriter]:
    """Write kept probabilities; the file appears when all are there, and not at all after an error.

    Arguments
    ---------
    path : str or pathlib.Path
        The file, whose folder must exist.
    header : KeptHeader
        The model's classes, frames and decisions.

    Yields
    ------
    ProbabilityWriter
        To be given all frames and seconds, and finished.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> path = getfixture("tmp_path") / "a.probs"
    >>> with contextlib.suppress(RuntimeError):
    ...     with keeping(path, KeptHeader(MUSIC_LOUDNESS, FrameGrid(), Decoding())):
    ...         raise RuntimeError("killed")
    >>> path.exists()
    False
    """
    with replacing(path) as draft, contextlib.closing(ProbabilityWriter(draft, header)) as writer:
        yield writer


def part_name(number: int, kind: str) -> str:
    """Name of a part of the archive.

    Example
    -------
    >>> part_name(3, "frames")
    '000003.frames'
    """
    return f"{number:06d}.{kind}"
