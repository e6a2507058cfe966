"""Detection in recordings of any length, whatever runs the network."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hrin_plugin.audio.signals import AudioError
from hrin_plugin.audio.streams import open_stream, resample_blocks
from hrin_plugin.decoding.certainty import Calibration, Findings
from hrin_plugin.decoding.decoders import EventDecoder
from hrin_plugin.decoding.keeping import KeptHeader, keeping
from hrin_plugin.decoding.methods import Decoding, read_decoding
from hrin_plugin.decoding.silence import SilenceGate
from hrin_plugin.detection import Detection, Heard
from hrin_plugin.events import Event
from hrin_plugin.inference.ahead import Later
from hrin_plugin.inference.pace import EXACT, Pace
from hrin_plugin.inference.windows import window_grid, window_probabilities
from hrin_plugin.machine import n_threads
from hrin_plugin.pretrained.sources import DECODING_FILE
from hrin_plugin.taxonomy import Taxonomy

if TYPE_CHECKING:
    import torch


class Detector:
    """Events and frame probabilities of recordings, by any runtime of a trained network.

    Recordings of any length are processed in windows (:mod:`hrin_plugin.inference.windows`),
    in constant memory. All methods give the same events for the same samples. Near-silence is no music
    (:mod:`hrin_plugin.decoding.silence`); ``Decoding(silence_gate_db=None)`` turns that off.

    A derived class gives the features and the network; see
    :class:`hrin_plugin.inference.onnx_detector.OnnxDetector`.

    Arguments
    ---------
    taxonomy : Taxonomy
        The network's classes.
    grid : FrameGrid
        Times of the frames.
    decoding : Decoding or dict
        How frame probabilities become events, or its settings.

    Example
    -------
    >>> from hrin_plugin.inference import load_detector
    >>> detector = load_detector(device="cpu")
    >>> isinstance(detector, Detector), detector.taxonomy.labels["md"]
    (True, ('no-music', 'music'))
    """

    def __init__(self, taxonomy: Taxonomy, grid, decoding: Decoding | dict):
        self.taxonomy, self.grid = taxonomy, grid
        self.decoding = decoding
        self._own_decoding = self.decoding
        #: Identity of the model, as records of results have it; None for one that no folder holds.
        self.identity = None
        #: The model's measured errors; empty for one that no folder holds.
        self.calibration = Calibration()

    @property
    def features(self):
        """The features: a LogMel, or MelFrames."""
        raise NotImplementedError

    @property
    def block_frames(self) -> int:
        """Number of frames that the network classifies together."""
        return 1

    def begin(self, context: int) -> Callable:
        """Start a signal, as :func:`hrin_plugin.networks.states.begin_network` does.

        Arguments
        ---------
        context : int
            Frames before a window that networks without carried states get as context.

        Returns
        -------
        callable
            Takes a window's frames ``[1, frame, band]`` as the features give them, and the number of frames
            to classify; returns a tuple of arrays ``[frame, class]``, one a level.
        """
        raise NotImplementedError

    @property
    def decoding(self) -> Decoding:
        """The Decoding of frame probabilities to events; can be set, also from a dict of settings."""
        return self._decoding

    @decoding.setter
    def decoding(self, decoding: Decoding | dict) -> None:
        """Set the Decoding; raises for labels that the model lacks."""
        decoding = decoding if isinstance(decoding, Decoding) else Decoding.from_dict(decoding)
        EventDecoder(decoding, self.taxonomy, self.grid)
        self._decoding = decoding

    @property
    def delay_s(self) -> float:
        """Maximum delay of :meth:`detect_stream` after an event's offset, in seconds.

        It is the sum of the delays of the downmix, one window and the decoder. The length of
        the arriving blocks and the computation time come on top.
        """
        return self.delay_of(EXACT)

    def delay_of(self, pace: Pace) -> float:
        """Maximum delay of :meth:`detect_live` with a pace, in seconds.

        Arguments
        ---------
        pace : Pace
            As :func:`hrin_plugin.inference.pace.pace_for` gives it.

        Returns
        -------
        float
            From when a frame sounded to when it is decided, without the computation time.

        Example
        -------
        >>> from hrin_plugin.inference import load_detector
        >>> from hrin_plugin.inference.pace import pace_for
        >>> detector = load_detector(device="cpu")
        >>> round(detector.delay_s), detector.delay_of(pace_for(10.0)) < 10.0
        (102, True)
        """
        window = window_grid(self.features, pace.window_s, pace.context_s, self.block_frames).window
        reach_s = self.features.n_fft / self.grid.sample_rate
        blocks_s = pace.mix_s + 2 * pace.block_s
        return blocks_s + self.grid.time_of(window) + reach_s + self._decoder(pace).settling_s

    def detect_file(
        self,
        path: str | Path,
        probabilities: bool = False,
        progress: Callable[[float, float | None], None] | None = None,
        track: int | None = None,
        keep: str | Path | None = None,
    ) -> Detection:
        """Events of a recording of any length, in any format that libsndfile or ffmpeg reads.

        Every second of sound is read, or the Detection's ``warnings`` tell where some is missing.
        Times count from the beginning of the file as a player shows it, of a video from its
        first picture.

        Arguments
        ---------
        path : str or pathlib.Path
            The recording.
        probabilities : bool
            Whether to keep the frames' probabilities too: 24 hours have 5.4 million frames. In
            near-silence no music has 1, and the others 0.
        progress : callable or None
            Called regularly with the processed seconds and the recording's length in seconds,
            None if the length is unknown.
        track : int or None
            Which of several tracks of sound is used, from 1 on; None for the first.
        keep : str, pathlib.Path or None
            File for the frames' probabilities, 7 MB for 24 hours with the model that ships, from which
            :func:`hrin_plugin.decoding.kept.read_kept` decides again. It appears when it is complete.

        Returns
        -------
        Detection
            The events, times in seconds.

        Raises
        ------
        AudioError
            If the recording cannot be used; the message names it.

        Example
        -------
        >>> import soundfile
        >>> from hrin_plugin.inference import load_detector
        >>> path = getfixture("tmp_path") / "a.wav"
        >>> soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 44100), 44100)
        >>> detector = load_detector(device="cpu")
        >>> found = detector.detect_file(path, keep=path.with_suffix(".probs"))
        >>> found.name, found.duration_s, sorted(found.events)
        ('a', 1.0, ['md', 'mrle'])
        >>> from hrin_plugin.decoding.kept import read_kept
        >>> read_kept(path.with_suffix(".probs")).detect().duration_s
        1.0
        """
        with open_stream(path, self.grid.sample_rate, track) as stream, self._keeping(keep) as writer:
            tell = None if progress is None else lambda done_s: progress(done_s, stream.duration_s)
            try:
                found = self._detect(stream, Path(path).stem, probabilities, tell, writer, ahead=True)
                found = found._replace(warnings=tuple(stream.warnings))
            except AudioError:
                raise
            except ValueError as error:
                raise AudioError(path, str(error), "give another recording") from error
            if writer is not None:
                writer.finish(found.duration_s, found.warnings)
            return found

    def detect_batch(
        self,
        wavs: "torch.Tensor | np.ndarray",
        lens: "torch.Tensor | Sequence[float] | None" = None,
        sample_rate: int | None = None,
        probabilities: bool = False,
    ) -> list[Detection]:
        """Events of each recording of a batch; the same as for the recording alone.

        Arguments
        ---------
        wavs : torch.Tensor or numpy.ndarray
            ``[batch, time]`` or ``[batch, time, channel]``, padded on the right. Floating-point
            numbers have full scale at 1, integers at their type's.
        lens : torch.Tensor, sequence of float or None
            Length of each recording relative to the longest, ``[batch]``; None where
            all have the same length.
        sample_rate : int or None
            Samples a second; None for the features' rate.
        probabilities : bool
            Whether to keep the frames' probabilities too.

        Returns
        -------
        list of Detection
            One for each recording, named "0", "1" and so on.

        Raises
        ------
        ValueError
            If the shapes do not fit, or a recording is too short or not of finite numbers.
        """
        if getattr(wavs, "ndim", 0) not in (2, 3):
            raise ValueError("wavs must be an array or a tensor, [batch, time] or [batch, time, channel]")
        if wavs.shape[0] > max(wavs.shape[1], 1):
            raise ValueError(
                f"wavs are {list(wavs.shape)}: {wavs.shape[0]} recordings of {wavs.shape[1]} samples; "
                "give [batch, time] or [batch, time, channel]"
            )
        lens = np.ones(len(wavs)) if lens is None else _to_array(lens)
        if lens.shape != (len(wavs),) or not bool(((lens > 0) & (lens <= 1)).all()):
            raise ValueError(
                f"lens are {lens.tolist()}; give {len(wavs)} lengths relative to the longest, up to 1"
            )
        counts = np.rint(lens * wavs.shape[1]).astype(int).tolist()
        detections = []
        for number, (wav, count) in enumerate(zip(wavs, counts)):
            try:
                blocks = self._resampled([wav[:count]], sample_rate)
                detections.append(self._detect(blocks, str(number), probabilities))
            except ValueError as error:
                raise ValueError(f"recording {number} of the batch: {error}") from error
        return detections

    def detect_stream(
        self,
        blocks: "Iterable[np.ndarray | torch.Tensor]",
        sample_rate: int,
        keep: str | Path | None = None,
    ) -> Iterator[tuple[str, Event]]:
        """Events of live audio, each as soon as it is certain.

        The events equal those of :meth:`detect_file` for the same samples, up to rounding.

        Arguments
        ---------
        blocks : iterable of (numpy.ndarray or torch.Tensor)
            Samples as they arrive, ``[sample]`` or ``[sample, channel]``, of any length and type.
        sample_rate : int
            Samples a second.
        keep : str, pathlib.Path or None
            File for the frames' probabilities, as of :meth:`detect_file`.

        Returns
        -------
        iterator of tuple of (str, Event)
            The level ("md" or "mrle") and the event; those of a level in the order of their
            offsets, at most :attr:`delay_s` seconds late.

        Raises
        ------
        ValueError
            If the sound is too short for a frame, or not of finite numbers.

        Example
        -------
        >>> from hrin_plugin.inference import load_detector
        >>> detector = load_detector(device="cpu")
        >>> live = (np.random.default_rng(number).normal(0, 0.1, 441) for number in range(200))
        >>> sorted({task for task, _ in detector.detect_stream(live, 44100)})
        ['md', 'mrle']
        """
        return self._streamed(self._resampled(blocks, sample_rate), keep)

    def detect_live(
        self, blocks: "Iterable[np.ndarray | torch.Tensor]", sample_rate: int, pace: Pace = EXACT
    ) -> Iterator[Heard]:
        """What is certain of live audio, as it becomes so; no certainty changes afterwards.

        Arguments
        ---------
        blocks : iterable of (numpy.ndarray or torch.Tensor)
            As for :meth:`detect_stream`.
        sample_rate : int
            Samples a second.
        pace : Pace
            How far it looks ahead; by default as in a recording.

        Returns
        -------
        iterator of Heard
            After each window, and at the end. Each frame is certain at most :meth:`delay_of` seconds
            after it sounded.

        Raises
        ------
        ValueError
            As of :meth:`detect_stream`.

        Example
        -------
        >>> from hrin_plugin.inference import load_detector
        >>> from hrin_plugin.inference.pace import pace_for
        >>> detector = load_detector(device="cpu")
        >>> live = (np.random.default_rng(number).normal(0, 0.1, 8000) for number in range(5))
        >>> [heard.decided_s for heard in detector.detect_live(live, 8000, pace_for(5.0))][-1]
        5.0
        """
        decoder = self._decoder(pace)
        mono = resample_blocks(blocks, sample_rate, self.grid.sample_rate, pace.mix_s, pace.block_s)
        for levels, events, _, done_s in self._decided(mono, pace=pace, decoder=decoder):
            ended = [(self.taxonomy.level_names[level], event) for level, event in events]
            decided_s, going_on = (done_s, []) if levels is None else decoder.decided()
            decided_s = min(decided_s, done_s)  # the last frame reaches beyond the end
            named = [
                (self.taxonomy.level_names[level], event._replace(offset_s=decided_s))
                for level, event in going_on
                if event.onset_s < decided_s
            ]
            yield Heard(decided_s, ended, named, levels is None)

    def probabilities(
        self, wav: "torch.Tensor | np.ndarray", sample_rate: int | None = None
    ) -> dict[str, np.ndarray]:
        """Probabilities of the classes in every frame.

        Arguments
        ---------
        wav : torch.Tensor or numpy.ndarray
            ``[sample]`` or ``[sample, channel]``, of any type.
        sample_rate : int or None
            Samples a second; None for the features' rate.

        Returns
        -------
        dict
            Each level's name to an array ``[frame, class]``, float32; frame ``i`` is centred on
            ``grid.time_of(i)`` seconds.

        Raises
        ------
        ValueError
            As of :meth:`detect_stream`.

        Example
        -------
        >>> from hrin_plugin.inference import load_detector
        >>> detector = load_detector(device="cpu")
        >>> detector.probabilities(np.zeros((44100, 2)), 44100)["mrle"].shape
        (16, 3)
        """
        return self._joined(self._levels(self._resampled([wav], sample_rate)))

    def _resampled(self, blocks, sample_rate):
        """Mono blocks at the features' rate."""
        return resample_blocks(blocks, sample_rate or self.grid.sample_rate, self.grid.sample_rate)

    def _decoder(self, pace=EXACT):
        return EventDecoder(self.decoding, self.taxonomy, self.grid, pace.stretch_s, pace.look_ahead_s)

    def _streamed(self, blocks, keep):
        """The events of mono blocks, with the names of their levels."""
        with self._keeping(keep) as writer:
            for levels, events, _, done_s in self._decided(blocks, writer):
                for level, event in events:
                    yield self.taxonomy.level_names[level], event
                if writer is not None and levels is None:
                    writer.finish(done_s)

    def _keeping(self, path):
        """A context with the writer of a file for probabilities; with None where there is no file."""
        if path is None:
            return contextlib.nullcontext()
        header = KeptHeader(self.taxonomy, self.grid, self._own_decoding, self.identity)
        return keeping(path, header._replace(calibration=self.calibration))

    def _levels(self, blocks, writer=None, pace=EXACT, ahead=False):
        """Probabilities of mono blocks in pieces, each a tuple of ``[frame, class]``.

        With ``ahead``, blocks are read in another thread while windows are classified.
        """
        note = None if writer is None else writer.hear
        gate = SilenceGate(self.decoding.silence_gate_db, self.taxonomy, self.grid, note)
        later = Later(gate.take)
        pieces = window_probabilities(
            self.features,
            gate.listen(blocks, later),
            self.begin,
            pace.window_s,
            pace.context_s,
            self.block_frames,
            n_threads=n_threads() if ahead else 1,
            mark=later.marked,
        )
        pieces = later.done(pieces)
        return gate.applied(pieces if writer is None else _written(pieces, writer))

    def _decided(self, blocks, writer=None, pace=EXACT, decoder=None, ahead=False):
        """Probabilities, decided events, their mean probabilities and processed seconds, window by window.

        At the end come the last events, with no probabilities and the signal's length.
        """
        decoder, blocks, n_frames = decoder or self._decoder(), _Counted(blocks), 0
        for levels in self._levels(blocks, writer, pace, ahead):
            n_frames += len(levels[0])
            n_samples = min(n_frames * self.grid.hop_length, blocks.n_samples)
            yield levels, decoder.push(levels), decoder.means, n_samples / self.grid.sample_rate
        duration_s = blocks.n_samples / self.grid.sample_rate
        yield None, decoder.finish(duration_s), decoder.means, duration_s

    def _detect(self, blocks, name, probabilities, tell=None, writer=None, ahead=False):
        """The Detection of mono blocks; `tell` is called with the processed seconds."""
        findings, kept = Findings(self.taxonomy, self.grid, self.calibration), []
        for levels, events, means, done_s in self._decided(blocks, writer, ahead=ahead):
            findings.add(levels, events, means)
            if probabilities and levels is not None:
                kept.append(levels)
            if tell is not None and levels is not None:
                tell(done_s)
        return findings.detection(name, done_s, self._joined(kept) if probabilities else None)

    def _joined(self, pieces):
        """Concatenate the pieces' probabilities of each level, ``[frame, class]``."""
        levels = map(np.concatenate, zip(*pieces))
        return dict(zip(self.taxonomy.level_names, levels, strict=True))


def _to_array(lens):
    """Relative lengths as an array in single precision, wherever they are."""
    lens = lens.detach().cpu() if hasattr(lens, "detach") else lens
    return np.asarray(lens, dtype=np.float32)


def _written(pieces, writer):
    """Pass pieces on, and write them."""
    for levels in pieces:
        writer.push(levels)
        yield levels


class _Counted:
    """Iterates over blocks and counts their samples."""

    def __init__(self, blocks):
        self._blocks, self.n_samples = iter(blocks), 0

    def __iter__(self):
        return self

    def __next__(self):
        block = next(self._blocks)
        self.n_samples += len(block)
        return block


def read_own_decoding(folder: Path) -> Decoding:
    """The Decoding in a model's folder, else the paper's.

    Example
    -------
    >>> read_own_decoding(Path("none")).method
    'threshold'
    """
    path = folder / DECODING_FILE
    return read_decoding(path) if path.exists() else Decoding("threshold")
