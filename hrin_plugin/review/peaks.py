"""Waveforms in several resolutions, so that a day and a second are drawn equally fast.

They lie beside the results in hidden files, as small as 180 kB an hour, and are computed once.
"""

import contextlib
import functools
import hashlib
import json
import os
import queue
import threading
from pathlib import Path

import numpy as np

from hrin_plugin.audio.ffmpeg import ffmpeg_program
from hrin_plugin.audio.files import AudioError
from hrin_plugin.audio.sound import Sound
from hrin_plugin.files import replacing

#: Buckets a second of the finest resolution; each further one has an eighth of them.
RATE = 25
FACTOR, N_LEVELS = 8, 5

#: Version of the files; those of another are computed again.
VERSION = 1


def peaks_path(correction: Path) -> Path:
    """Where the waveform of a recording lies: beside its correction, hidden, with a short name.

    Example
    -------
    >>> peaks_path(Path("results/06h.corrected")).name
    '.hrin-peaks-0a07b646ce32e018'
    """
    digest = hashlib.sha256(os.fsencode(correction.name)).hexdigest()
    return correction.with_name(f".hrin-peaks-{digest[:16]}")


def compute_peaks(path: str | Path, stop=lambda: False) -> list[np.ndarray]:
    """The waveform of a recording.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording; memory does not grow with its length but for the result.
    stop : callable
        Asked after each block; the rest is left out once it says true.

    Returns
    -------
    list of numpy.ndarray
        For each resolution, the finest first, least and greatest value of each bucket over all channels,
        ``[bucket, 2]``, int8, full scale at 128.

    Raises
    ------
    AudioError
        If the recording cannot be read.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.repeat([0.0, 0.5, -0.5], 8000), 8000)
    >>> [len(level) for level in compute_peaks(path)], compute_peaks(path)[0][[0, 30, 60]].tolist()
    ([75, 10, 2, 1, 1], [[0, 0], [64, 64], [-64, -64]])
    """
    found, at_s = [], 0.0
    with Sound(path, ffmpeg_program()) as sound:
        for rate, blocks in sound:
            n_samples, base = 0, at_s
            for block in blocks:
                if len(block):
                    first, starts = _buckets(base * rate + n_samples, len(block), rate)
                    both = np.minimum, np.maximum
                    values = [of.reduceat(functools.reduce(of, block.T), starts) for of in both]
                    _append(found, first, _to_int8(np.stack(values, axis=1)))
                n_samples += len(block)
                at_s = base + n_samples / rate
                if stop():
                    break
    finest = np.concatenate([part for _, part in found]) if found else np.zeros((0, 2), np.int8)
    levels = [finest]
    for _ in range(N_LEVELS - 1):
        starts = np.arange(0, len(levels[-1]), FACTOR)
        least, greatest = (of.reduceat(levels[-1], starts, axis=0) for of in (np.minimum, np.maximum))
        levels.append(np.stack([least[:, 0], greatest[:, 1]], axis=1) if len(starts) else finest)
    return levels


def _to_int8(values):
    """Values with full scale at 1 as 8-bit numbers; NaN is silence."""
    return np.clip(np.rint(np.nan_to_num(values) * 128), -128, 127).astype(np.int8)


def _buckets(begin, n_samples, rate):
    """Number of the bucket of a block's first sample, and where each bucket begins within the block."""
    first, last = (int((begin + at) * RATE / rate + 1e-9) for at in (0, n_samples - 1))
    edges = np.ceil(np.arange(first + 1, last + 1) * (rate / RATE) - begin - 1e-6).astype(int)
    return first, np.concatenate([[0], edges[(edges > 0) & (edges < n_samples)]])


def _append(found, first, values):
    """Add the buckets of a block; the first may go on from the block before."""
    if found and found[-1][0] == first:
        last = found[-1][1]
        last[-1] = min(last[-1, 0], values[0, 0]), max(last[-1, 1], values[0, 1])
        first, values = first + 1, values[1:]
    if len(values):
        found.append((first + len(values) - 1, values))


def write_peaks(path: Path, levels: list[np.ndarray], facts: list[int]) -> None:
    """Write a waveform atomically; ``facts`` are size and modification time of its recording.

    Example
    -------
    >>> path = getfixture("tmp_path") / "peaks"
    >>> write_peaks(path, [np.ones((3, 2), np.int8)] * N_LEVELS, [1, 2])
    >>> read_peaks(path, [1, 2], 0, 1, 9).tolist(), read_peaks(path, [1, 3], 0, 0, 9) is None
    ([[1, 1], [1, 1]], True)
    """
    head = {"version": VERSION, "facts": facts, "counts": [len(level) for level in levels]}
    with replacing(path) as draft, open(draft, "wb") as file:
        file.write(json.dumps(head).encode() + b"\n")
        for level in levels:
            file.write(np.ascontiguousarray(level, dtype=np.int8).tobytes())


def read_peaks(path: Path, facts: list[int], level: int, begin: int, end: int) -> np.ndarray | None:
    """Some buckets of a resolution, ``[bucket, 2]``; None where they must be computed first."""
    try:
        with open(path, "rb") as file:
            head = json.loads(file.readline(4096))
            if (head["version"], head["facts"]) != (VERSION, facts):
                return None
            counts = head["counts"]
            begin, end = min(begin, counts[level]), min(end, counts[level])
            file.seek(2 * (sum(counts[:level]) + begin), os.SEEK_CUR)
            return np.frombuffer(file.read(2 * (end - begin)), np.int8).reshape(-1, 2)
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def facts_of(path: Path) -> list[int] | None:
    """Size and modification time of a recording; None where it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


class PeaksMaker:
    """Computes the waveforms that are missing, one after another, in a thread of its own.

    Arguments
    ---------
    items : sequence of Item
        The recordings; those that are looked at go first.

    Example
    -------
    >>> maker = PeaksMaker([])
    >>> maker.n_left, maker.get(0, 0, 0, 10) is None
    (0, True)
    """

    def __init__(self, items):
        self._items = items
        self._wanted = queue.PriorityQueue()
        self._asked = set()
        self._missing = {n for n, item in enumerate(items) if item.audio and not self._is_there(n)}
        #: Numbers of recordings whose waveform could not be computed, to the reason.
        self.problems = {}
        self._end = threading.Event()
        for number in sorted(self._missing):
            self._wanted.put((1, number))
        self._thread = threading.Thread(target=self._work, name="waveforms", daemon=True)

    @property
    def n_left(self) -> int:
        """Waveforms that are still to be computed."""
        return len(self._missing)

    def start(self):
        """Begin to compute."""
        self._thread.start()

    def get(self, number: int, level: int, begin: int, end: int):
        """Buckets of a recording, or None; what is missing is computed next."""
        if not 0 <= number < len(self._items) or not self._items[number].audio:
            return None
        if number in self._missing:
            self._hurry(number)
            return None
        item = self._items[number]
        facts = facts_of(item.audio)
        found = facts and read_peaks(peaks_path(item.correction), facts, level, begin, end)
        if found is None and number not in self.problems:
            self._missing.add(number)
            self._hurry(number)
        return found

    def stop(self):
        """End soon; what is half done is dropped."""
        self._end.set()
        self._wanted.put((-1, -1))
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _hurry(self, number):
        """Compute the waveform of a recording before those that nobody looks at."""
        if number not in self._asked:
            self._asked.add(number)
            self._wanted.put((0, number))

    def _is_there(self, number):
        """Whether the waveform of a recording is there already."""
        item = self._items[number]
        facts = facts_of(item.audio)
        return facts is None or read_peaks(peaks_path(item.correction), facts, 0, 0, 0) is not None

    def _work(self):
        """Compute what is missing, until the end."""
        while not self._end.is_set():
            _, number = self._wanted.get()
            if number in self._missing and not self._end.is_set():
                self._make(number)
                self._missing.discard(number)
                self._asked.discard(number)

    def _make(self, number):
        """Compute and keep the waveform of a recording."""
        item = self._items[number]
        facts = facts_of(item.audio)
        try:
            levels = compute_peaks(item.audio, self._end.is_set)
            if not self._end.is_set():
                with contextlib.suppress(FileNotFoundError):  # the folder of the results is gone
                    write_peaks(peaks_path(item.correction), levels, facts)
        except (AudioError, OSError) as error:
            self.problems[number] = str(error)
