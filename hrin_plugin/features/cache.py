"""Cache of features on disk, as memory-mapped arrays."""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from hrin_plugin.audio.files import COPY, AudioError
from hrin_plugin.audio.signals import read_audio
from hrin_plugin.audio.streams import open_stream
from hrin_plugin.features.logmel import LogMel
from hrin_plugin.files import change_stamp, replacing


class Section(NamedTuple):
    """A stretch of a recording of any length and kind.

    Example
    -------
    >>> Section("show.mp3", 60.0, 120.0).begin_s
    60.0
    """

    path: str
    begin_s: float
    end_s: float


class FeatureLoader:
    """Loads the features of a recording or a section of one, from a cache if there is one.

    The name of a cache entry is a hash of the settings of the features, the number
    format, the path, size and times of the recording, and the times of the section. A change
    of any of these makes a new entry. Entries are written atomically, and several runs may share
    a folder. The peak to which decibels refer is that of the section.

    Arguments
    ---------
    features : LogMel
        Computes the features; its ``settings`` are part of the entries' names.
    folder : str, pathlib.Path or None
        Where the cache is; None computes anew each time.
    dtype : str
        ``"float32"``, or ``"float16"`` for half the disk at a rounding of up to 0.03 dB.

    Example
    -------
    >>> import soundfile
    >>> from hrin_plugin.features import LogMel
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "a.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 8000)
    >>> load = FeatureLoader(LogMel(), folder / "cache")
    >>> load(folder / "a.wav").shape
    torch.Size([63, 128])
    """

    #: Raised whenever the same settings come to give other features.
    VERSION = 1

    def __init__(self, features: LogMel, folder: str | Path | None = None, dtype: str = "float32"):
        if dtype not in ("float16", "float32"):
            raise ValueError(f"features are cached as float16 or float32, not as {dtype!r}")
        self.features, self.dtype = features, np.dtype(dtype)
        self.folder = None if folder is None else Path(folder)
        self.key = json.dumps([self.VERSION, dtype, features.settings], sort_keys=True)
        self.kept = {}

    def __call__(self, sound: str | Path | Section) -> torch.Tensor:
        """Features of a recording or a section.

        Arguments
        ---------
        sound : str, pathlib.Path or Section
            A recording in any format that :func:`hrin_plugin.audio.signals.read_audio` reads, or a
            section of one that :func:`hrin_plugin.audio.streams.open_stream` reads.

        Returns
        -------
        torch.Tensor
            ``[frame, band]``, float32; on the device where it is kept, else on the CPU.
        """
        if self.kept and sound in self.kept:
            return self.kept[sound].float()
        if self.folder is None:
            return self._compute(sound)
        frames = self._read(self.entry(sound))
        if frames is None:
            frames = self._keep(sound, self._compute(sound))
        return torch.from_numpy(frames.astype(np.float32))

    def keep(
        self, sounds: Sequence[str | Path | Section], duration_s: float, device: torch.device | str
    ) -> tuple[bool, str]:
        """Keep the features of recordings in a device's memory, if half of what is free holds them.

        They are kept in the number format of the cache, so that nothing is rounded that was not.

        Arguments
        ---------
        sounds : sequence of str, pathlib.Path or Section
            The recordings, or sections of them.
        duration_s : float
            How long they are together.
        device : torch.device or str
            Where.

        Returns
        -------
        bool
            Whether they are kept.
        str
            What is so, with the figures, in one line.

        Example
        -------
        >>> load = FeatureLoader(LogMel())
        >>> load.keep([], 0.0, "cpu")
        (True, 'the features of 0 recordings, 0.00 GB in float32, are kept in the memory of cpu')
        """
        grid = self.features.grid
        n_frames = duration_s * grid.sample_rate / grid.hop_length + len(sounds)
        needed, room = n_frames * self.features.n_mels * self.dtype.itemsize, free_bytes(device) / 2
        what = f"the features of {len(sounds)} recordings, {needed / 1e9:.2f} GB in {self.dtype}, are"
        if needed > room:
            half = f"half of the free memory of {device} is {room / 1e9:.2f} GB"
            return False, f"{what} not kept in memory, but read for each batch: {half}"
        number = torch.from_numpy(np.empty(0, self.dtype)).dtype
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self.kept = dict(zip(sounds, pool.map(lambda sound: self(sound).to(device, number), sounds)))
        return True, f"{what} kept in the memory of {device}"

    def fill(self, sounds: Sequence[str | Path | Section]) -> None:
        """Compute missing cache entries on all cores, with a progress bar.

        Arguments
        ---------
        sounds : sequence of str, pathlib.Path or Section
            The recordings, or sections of them.

        Raises
        ------
        ValueError
            With the fault of each recording that cannot be decoded.
        """
        faults = self.examine(sounds) if self.folder is not None else {}
        if faults:
            raise ValueError("\n".join(dict.fromkeys(faults.values())))

    def examine(self, sounds: Sequence[str | Path | Section]) -> dict[int, str]:
        """Decode every recording that is not in the cache, and fill the cache with it.

        Sections of a recording are computed in one pass through all of it.

        Arguments
        ---------
        sounds : sequence of str, pathlib.Path or Section
            The recordings, or sections of them that do not overlap.

        Returns
        -------
        dict of int to str
            Index of each recording that cannot be decoded, or of each of its sections, and its fault.
        """
        by_path = {}
        for index, sound in enumerate(sounds):
            by_path.setdefault(sound.path if isinstance(sound, Section) else index, []).append(index)

        def fault_of(indices):
            """The fault of a recording, or None."""
            try:
                missing = [sounds[index] for index in indices if self._is_missing(sounds[index])]
                if isinstance(missing[0], Section):
                    self._examine_sections(sorted(missing, key=lambda section: section.begin_s))
                else:
                    self(missing[0])
            except ValueError as error:
                return str(error)

        groups = [
            indices
            for indices in by_path.values()
            if any(self._is_missing(sounds[index]) for index in indices)
        ]
        if not groups:
            return {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(fault_of, groups)
            faults = list(tqdm(found, "computing features", len(groups), dynamic_ncols=True))
        return {
            index: fault for indices, fault in zip(groups, faults) if fault is not None for index in indices
        }

    def entry(self, sound: str | Path | Section) -> Path:
        """File of the cache that holds the features of a recording or a section.

        Arguments
        ---------
        sound : str, pathlib.Path or Section
            The recording, or a section of it.

        Returns
        -------
        pathlib.Path
            The entry, which may not exist yet.
        """
        path, *times_s = sound if isinstance(sound, Section) else (sound,)
        stamps = "|".join(map(str, [*change_stamp(path), *times_s]))
        identity = f"{self.key}|{os.path.abspath(path)}|{stamps}"
        return self.folder / f"{Path(path).stem}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npy"

    def _is_missing(self, sound):
        return self.folder is None or self._read(self.entry(sound)) is None

    def _compute(self, sound):
        if isinstance(sound, Section):
            return self._features(sound.path, next(self._waves([sound])))
        return self._features(sound, read_audio(sound, self.features.grid.sample_rate))

    def _features(self, path, wav):
        try:
            with torch.no_grad():
                return self.features(torch.from_numpy(wav)[None])[0]
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def _examine_sections(self, sections):
        """Compute and keep sections of a recording. The last is kept once all of it was found whole,
        so that a damaged recording is found damaged again.
        """
        held = None
        for wav, section in zip(self._waves(sections), sections):  # that asks the pass for one more
            if held and self.folder is not None:
                self._keep(*held)
            held = section, self._features(section.path, wav)
        if self.folder is not None:
            self._keep(*held)

    def _waves(self, sections: Sequence[Section]) -> Iterator[np.ndarray]:
        """Samples of each section of a recording, in one pass to its end; raises what is found there."""
        path, rate = sections[0].path, self.features.grid.sample_rate
        with open_stream(path, rate) as stream:
            held, end = np.zeros(0, np.float32), 0  # the last samples that were read, and where they end
            for section in sections:
                first, last = round(section.begin_s * rate), round(section.end_s * rate)
                blocks = [held]
                while end < last and (block := next(stream, None)) is not None:
                    end += len(block)
                    blocks = [*blocks, block] if end > first else [held[:0]]
                held = np.concatenate(blocks)
                at = end - len(held)
                yield held[max(first - at, 0) : max(last - at, 0)]
                held = held[max(last - at, 0) :]
            for _ in stream:
                pass
            if stream.faults:
                raise AudioError(path, "; ".join(stream.faults), COPY)

    def _keep(self, sound, frames):
        """Write an entry of the cache, and give its array."""
        frames = frames.numpy().astype(self.dtype)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Written by python, which knows why it could not be written.
        content = io.BytesIO()
        np.save(content, frames)
        with replacing(self.entry(sound)) as draft:
            draft.write_bytes(content.getbuffer())
        return frames

    def _read(self, entry):
        """The entry's array, mapped into memory, or None if it is missing or damaged."""
        try:
            frames = np.load(entry, mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return None
        fits = frames.dtype == self.dtype and frames.ndim == 2 and frames.shape[1] == self.features.n_mels
        return frames if fits else None


def free_bytes(device: torch.device | str) -> float:
    """Free memory of a device; infinite where the system does not tell.

    Arguments
    ---------
    device : torch.device or str
        The device.

    Returns
    -------
    float
        Bytes.

    Example
    -------
    >>> free_bytes("cpu") > 0
    True
    """
    if torch.device(device).type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return float("inf")
