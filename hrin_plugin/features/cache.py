"""Cache of features on disk, as memory-mapped arrays."""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from hrin_plugin.audio.signals import read_audio
from hrin_plugin.features.logmel import LogMel
from hrin_plugin.files import change_stamp, replacing


class FeatureLoader:
    """Loads the features of a recording, from a cache if there is one.

    The name of a cache entry is a hash of the settings of the features, the number
    format, and the path, size and times of the recording. A change of any of these
    makes a new entry. Entries are
    written atomically, and several runs may share a folder.

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

    def __call__(self, path: str | Path) -> torch.Tensor:
        """Features of a recording.

        Arguments
        ---------
        path : str or pathlib.Path
            A recording in any format that :func:`hrin_plugin.audio.signals.read_audio` reads.

        Returns
        -------
        torch.Tensor
            ``[frame, band]``, float32; on the device where it is kept, else on the CPU.
        """
        if path in self.kept:
            return self.kept[path].float()
        if self.folder is None:
            return self._compute(path)
        entry = self.entry(path)
        frames = self._read(entry)
        if frames is None:
            frames = self._compute(path).numpy().astype(self.dtype)
            self.folder.mkdir(parents=True, exist_ok=True)
            # Written by python, which knows why it could not be written.
            content = io.BytesIO()
            np.save(content, frames)
            with replacing(entry) as draft:
                draft.write_bytes(content.getbuffer())
        return torch.from_numpy(frames.astype(np.float32))

    def keep(
        self, paths: Sequence[str | Path], duration_s: float, device: torch.device | str
    ) -> tuple[bool, str]:
        """Keep the features of recordings in a device's memory, if half of what is free holds them.

        They are kept in the number format of the cache, so that nothing is rounded that was not.

        Arguments
        ---------
        paths : sequence of str or pathlib.Path
            The recordings.
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
        n_frames = duration_s * grid.sample_rate / grid.hop_length + len(paths)
        needed, room = n_frames * self.features.n_mels * self.dtype.itemsize, free_bytes(device) / 2
        what = f"the features of {len(paths)} recordings, {needed / 1e9:.2f} GB in {self.dtype}, are"
        if needed > room:
            half = f"half of the free memory of {device} is {room / 1e9:.2f} GB"
            return False, f"{what} not kept in memory, but read for each batch: {half}"
        number = torch.from_numpy(np.empty(0, self.dtype)).dtype
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self.kept = dict(zip(paths, pool.map(lambda path: self(path).to(device, number), paths)))
        return True, f"{what} kept in the memory of {device}"

    def fill(self, paths: Sequence[str | Path]) -> None:
        """Compute missing cache entries on all cores, with a progress bar.

        Arguments
        ---------
        paths : sequence of str or pathlib.Path
            The recordings.

        Raises
        ------
        ValueError
            With the fault of each recording that cannot be decoded.
        """
        faults = self.examine(paths) if self.folder is not None else {}
        if faults:
            raise ValueError("\n".join(faults.values()))

    def examine(self, paths: Sequence[str | Path]) -> dict[int, str]:
        """Decode every recording that is not in the cache, and fill the cache with it.

        Arguments
        ---------
        paths : sequence of str or pathlib.Path
            The recordings.

        Returns
        -------
        dict of int to str
            Index of each recording that cannot be decoded, and its fault.
        """

        def fault_of(index):
            """The fault of a recording, or None."""
            try:
                self(paths[index])
            except ValueError as error:
                return str(error)

        missing = [
            index
            for index, path in enumerate(paths)
            if self.folder is None or self._read(self.entry(path)) is None
        ]
        if not missing:
            return {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(fault_of, missing)
            faults = list(tqdm(found, "computing features", len(missing), dynamic_ncols=True))
        return {index: fault for index, fault in zip(missing, faults) if fault is not None}

    def entry(self, path: str | Path) -> Path:
        """File of the cache that holds a recording's features.

        Arguments
        ---------
        path : str or pathlib.Path
            The recording.

        Returns
        -------
        pathlib.Path
            The entry, which may not exist yet.
        """
        identity = f"{self.key}|{os.path.abspath(path)}|{'|'.join(map(str, change_stamp(path)))}"
        return self.folder / f"{Path(path).stem}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npy"

    def _compute(self, path):
        wav = read_audio(path, self.features.grid.sample_rate)
        try:
            with torch.no_grad():
                return self.features(torch.from_numpy(wav)[None])[0]
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

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
