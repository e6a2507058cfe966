"""Reading of kept probabilities, and decisions on them; :mod:`hrin_plugin.decoding.keeping` writes them."""

import contextlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrin_plugin.decoding.certainty import Calibration, Findings, FrameSums
from hrin_plugin.decoding.coding import dequantise, unpack
from hrin_plugin.decoding.decoders import EventDecoder
from hrin_plugin.decoding.keeping import BLOCK_FRAMES, VERSION, KeptHeader, part_name
from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.decoding.silence import SilenceGate
from hrin_plugin.detection import Certainty, Detection
from hrin_plugin.events import MOST_S, Event
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.timing import FrameGrid

#: Most bytes of a part that is no block of frames; more is damage.
_MOST_BYTES = 1 << 24


class KeptProbabilities(NamedTuple):
    """The probabilities of a recording, in a file; they are read when they are needed.

    Example
    -------
    >>> from hrin_plugin.decoding.keeping import keeping
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> path = getfixture("tmp_path") / "a.probs"
    >>> with keeping(path, KeptHeader(MUSIC_LOUDNESS, FrameGrid(), Decoding("argmax"))) as writer:
    ...     writer.push((np.array([[0.1, 0.9]] * 63), np.array([[0.1, 0.2, 0.8]] * 63)))
    ...     writer.finish(1.0)
    >>> kept = read_kept(path)
    >>> kept.detect().events["mrle"]
    [Event(onset_s=0.0, offset_s=1.0, label='bg-music')]
    >>> kept.detect(Decoding(thresholds={"bg-music": 0.9}, method="threshold")).events["mrle"]
    []
    """

    path: Path
    header: KeptHeader
    n_frames: int
    duration_s: float
    warnings: tuple[str, ...]

    def pieces(self, decoding: Decoding | None = None) -> Iterator[tuple[np.ndarray, ...]]:
        """Probabilities of the next frames, ``[frame, class]`` of each level, float32.

        Arguments
        ---------
        decoding : Decoding or None
            Whose silence gate acts on them; None for the probabilities as the network gave them.

        Yields
        ------
        tuple of numpy.ndarray
            One array a level.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        header = self.header
        gate_db = decoding.silence_gate_db if decoding else None
        gate = SilenceGate(gate_db, header.taxonomy, header.grid)
        with _opened(self.path) as archive:
            numbers = range(_n_blocks(self.n_frames))
            for number in numbers:
                content = _read(archive, part_name(number, "seconds"))
                for level, change in np.frombuffer(content, "<f4").reshape(-1, 2).tolist():
                    gate.hear(level, change)
            yield from gate.applied(self._block(archive, number) for number in numbers)

    def detect(self, decoding: Decoding | None = None, probabilities: bool = False) -> Detection:
        """Decide on the events.

        Arguments
        ---------
        decoding : Decoding or None
            How probabilities become events; None for the model's own.
        probabilities : bool
            Whether the result holds the probabilities too.

        Returns
        -------
        Detection
            As the detector gives it, named after the file.

        Raises
        ------
        ValueError
            If the file is damaged, or the decoding names a label that the model lacks.
        """
        decoding = decoding or self.header.decoding
        taxonomy = self.header.taxonomy
        decoder, levels = EventDecoder(decoding, taxonomy, self.header.grid), []
        findings = Findings(taxonomy, self.header.grid, self.header.calibration)
        for piece in self.pieces(decoding):
            findings.add(piece, decoder.push(piece), decoder.means)
            levels += [piece] * probabilities
        findings.add(None, decoder.finish(self.duration_s), decoder.means)
        joined = dict(zip(taxonomy.level_names, map(np.concatenate, zip(*levels)))) or None
        return findings.detection(self.path.stem, self.duration_s, joined, self.warnings)

    def judge(self, events: Mapping[str, Sequence[Event]]) -> tuple[dict, Certainty]:
        """Confidences of events that were decided before, by whatever method, and the certainty.

        Arguments
        ---------
        events : mapping of str to sequence of Event
            Events of some levels, by the level's name.

        Returns
        -------
        tuple of (dict, Certainty)
            As a Detection has them.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        taxonomy, grid, calibration = self.header.taxonomy, self.header.grid, self.header.calibration
        findings, sums = Findings(taxonomy, grid, calibration), FrameSums()
        sums.reach = self.n_frames
        for piece in self.pieces(self.header.decoding):
            findings.add(piece, (), ())
            sums.hear(piece)
            sums.decide(len(piece[0]))
        confidences = {}
        for level, of_level in events.items():
            place, labels = taxonomy.level_names.index(level), taxonomy.labels[level]
            of_each = []
            for onset_s, offset_s, label in of_level:
                first, last = (min(grid.frame_at(time_s), self.n_frames) for time_s in (onset_s, offset_s))
                first = max(min(first, last - 1), 0)
                both = (sums.before(frame)[place][labels.index(label)] for frame in (first, last))
                mean = -np.subtract(*both) / (last - first)
                of_each.append(calibration.confidence(level, label, float(mean)))
            confidences[level] = tuple(of_each)
        return confidences, findings.detection("", self.duration_s).certainty

    def _block(self, archive, number):
        """The probabilities of a block, one array a level."""
        n_frames = min(BLOCK_FRAMES, self.n_frames - number * BLOCK_FRAMES)
        sizes = self.header.taxonomy.sizes
        content = _read(archive, part_name(number, "frames"))
        if len(content) != 2 * n_frames * sum(sizes):
            raise zipfile.BadZipFile(f"block {number} has another length")
        steps = unpack(content, sum(sizes))
        return tuple(np.split(dequantise(steps), np.cumsum(sizes)[:-1], axis=1))


def read_kept(path: str | Path) -> KeptProbabilities:
    """Open kept probabilities; the frames themselves are read later.

    Arguments
    ---------
    path : str or pathlib.Path
        A file that ``hrin detect --keep-probabilities`` wrote.

    Returns
    -------
    KeptProbabilities
        What it holds.

    Raises
    ------
    ValueError
        If it is none, is damaged, or is of a later version.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.probs"
    >>> _ = path.write_bytes(b"PK")
    >>> read_kept(path)
    Traceback (most recent call last):
    ...
    ValueError: ...a.probs: is damaged, or holds no kept probabilities (File is not a zip file); ...
    """
    path = Path(path)
    with _opened(path) as archive:
        header, end = (json.loads(_read(archive, f"{name}.json")) for name in ("header", "end"))
        if header["format"] != "hrin probabilities":
            raise KeyError("format")
        if header["version"] != VERSION:
            problem = f"has version {header['version']}, and only {VERSION} is known"
            raise _OtherVersion(f"{path}: {problem}; update hrin_plugin, or detect again")
        taxonomy = Taxonomy(**header["taxonomy"])
        grid = FrameGrid(int(header["grid"]["sample_rate"]), int(header["grid"]["hop_length"]))
        decoding = Decoding.from_dict(header["decoding"])
        known = header.get("certainty")
        calibration = Calibration.from_dict(known) if known else Calibration()
        head = KeptHeader(taxonomy, grid, decoding, header["model"], header["hrin"], calibration)
        n_frames, duration_s = int(end["frames"]), float(end["duration"])
        if not (n_frames > 0 and 0 < duration_s <= MOST_S and grid.sample_rate > 0 and grid.hop_length > 0):
            raise ValueError("it has no frames")
        return KeptProbabilities(path, head, n_frames, duration_s, tuple(map(str, end["warnings"])))


class _OtherVersion(ValueError):
    """Raised for a file of a later version."""


@contextlib.contextmanager
def _opened(path):
    """The archive in a file; whatever is wrong with it is one ValueError that names the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _OtherVersion:
        raise
    except FileNotFoundError:
        raise ValueError(f"{path}: is not there; detect again with --keep-probabilities") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error}); check the file") from None
    except (EOFError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise _damaged(path, error) from None
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, error) from None


def _damaged(path, error):
    """The error of a damaged file."""
    words = f"is damaged, or holds no kept probabilities ({error})"
    return ValueError(f"{path}: {words}; detect again with --keep-probabilities")


def _n_blocks(n_frames):
    """Blocks of so many frames; the last one may hold none."""
    return n_frames // BLOCK_FRAMES + 1


def _read(archive, name):
    """A part's bytes, which its checksum vouches for."""
    with archive.open(name) as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise zipfile.BadZipFile(f"{name} is too long")
    return content
