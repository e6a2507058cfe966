"""A cache of decoded stems, from which excerpts are mixed while a network trains.

A cache is a folder of two files: ``stems.i16`` has the samples of all recordings, int16,
little endian, mono, 8 kHz, each recording at a peak of -1 dBFS; ``stems.tsv`` says where
each of them lies, what it is, and whether it trains or validates.
"""

import csv
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

from hrin_plugin.files import replacing, write_atomically
from hrin_plugin.report.display import printable

SAMPLES_FILE, TABLE_FILE = "stems.i16", "stems.tsv"
#: Samples a second of every stem.
SAMPLE_RATE = 8000
ROLES, SPLITS = ("music", "speech", "noise"), ("train", "valid")
COLUMNS = ("role", "kind", "package", "name", "split", "onset_sample", "n_samples", "sha256")
#: Full scale of a stem.
_FULL_SCALE = 32767
#: Length of every made sound, in samples, and the seed that makes them.
_MADE_SAMPLES, _MADE_SEED = 30 * SAMPLE_RATE, 20


class Stem(NamedTuple):
    """A recording of a cache.

    Example
    -------
    >>> Stem("music", "rock", "wesnoth-music", "a.ogg", "train", 0, 8000, "e3b0").n_samples
    8000
    """

    role: str
    kind: str
    package: str
    name: str
    split: str
    onset_sample: int
    n_samples: int
    sha256: str


class StemCache:
    """The stems of a folder, memory-mapped.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder.

    Raises
    ------
    ValueError
        If a file is missing, or the table does not fit the samples.

    Example
    -------
    >>> StemCache("nowhere")
    Traceback (most recent call last):
    ...
    ValueError: nowhere holds no stems.tsv; give the folder of a cache of stems
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        for name in (TABLE_FILE, SAMPLES_FILE):
            if not (self.folder / name).is_file():
                raise ValueError(f"{folder} holds no {name}; give the folder of a cache of stems")
        path = self.folder / SAMPLES_FILE
        #: Samples of all stems, int16, ``[sample]``.
        self.samples = np.memmap(path, dtype="<i2", mode="r") if path.stat().st_size else np.zeros(0, "<i2")
        #: The stems, a list of :class:`Stem`.
        self.stems = self._read_table()

    def __reduce__(self):
        """What a process is sent: the folder, which it maps for itself."""
        return StemCache, (self.folder,)

    @property
    def sha256(self):
        """Digest of the table, which holds those of all recordings."""
        return hashlib.sha256((self.folder / TABLE_FILE).read_bytes()).hexdigest()

    def of(self, role, split):
        """The stems of a role and a split.

        Arguments
        ---------
        role : str
            "music", "speech" or "noise".
        split : str
            "train" or "valid".

        Returns
        -------
        list of Stem
            In the order of the table.

        Raises
        ------
        ValueError
            If there is none.
        """
        found = [stem for stem in self.stems if (stem.role, stem.split) == (role, split)]
        if not found:
            raise ValueError(
                f"{self.folder} holds no {role} of the split {split!r}; add recordings of that role"
            )
        return found

    def _read_table(self):
        path = self.folder / TABLE_FILE
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = set(COLUMNS) - set(reader.fieldnames or ())
            if missing:
                raise ValueError(f"{path}: the columns {sorted(missing)} are missing; make the cache again")
            stems = []
            for row in reader:
                stem = Stem(*(row[name] for name in COLUMNS))
                stem = stem._replace(onset_sample=int(stem.onset_sample), n_samples=int(stem.n_samples))
                where = f"{path}, line {reader.line_num}"
                if stem.role not in ROLES or stem.split not in SPLITS:
                    raise ValueError(
                        f"{where}: role {stem.role!r}, split {stem.split!r}; use {ROLES} and {SPLITS}"
                    )
                end = stem.onset_sample + stem.n_samples
                if stem.onset_sample < 0 or stem.n_samples <= 0 or end > len(self.samples):
                    raise ValueError(
                        f"{where}: samples {stem.onset_sample} to {end} are not among the "
                        f"{len(self.samples)} of {SAMPLES_FILE}; make the cache again"
                    )
                stems.append(stem)
        return stems


def made_sounds():
    """Steady noises that need no recording: air, rumble, mains hum, the steps of a quantiser.

    Returns
    -------
    numpy.ndarray
        int16, ``[sound, sample]``; the same in every process.

    Example
    -------
    >>> sounds = made_sounds()
    >>> sounds.dtype, sounds.shape
    (dtype('int16'), (8, 240000))
    """
    rng = np.random.default_rng(_MADE_SEED)
    time_s = np.arange(_MADE_SAMPLES) / SAMPLE_RATE
    white = [rng.standard_normal(_MADE_SAMPLES) for _ in range(6)]
    coloured = [white[0]]
    coloured += [lfilter([1.0], [1.0, -pole], sound) for pole, sound in zip((0.5, 0.9, 0.98), white[1:])]
    for base_hz in (50.0, 60.0):
        hum = sum(
            rng.uniform(0.1, 1.0) / k * np.sin(2 * np.pi * (k * base_hz * time_s + rng.random()))
            for k in range(1, 13)
        )
        coloured.append(hum + 0.05 * white[4])
    # The least significant bit of a faint signal, and noise in few of the bands, as coders leave it.
    coloured.append(np.round(0.7 * white[4]))
    spectrum = np.fft.rfft(white[5])
    spectrum *= np.repeat(rng.random(64) < 0.3, -(-len(spectrum) // 64))[: len(spectrum)]
    coloured.append(np.fft.irfft(spectrum, _MADE_SAMPLES))
    sounds = np.stack(coloured)
    return np.round(sounds / np.abs(sounds).max(axis=1, keepdims=True) * _FULL_SCALE).astype(np.int16)


def write_cache(folder, recordings):
    """Write a cache of recordings that are at hand as arrays.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder, made where it is missing.
    recordings : iterable of tuple
        Role, kind, package, name, split and samples, float, ``[sample]``, at 8 kHz.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> write_cache(folder, [("music", "rock", "a", "a.ogg", "train", np.ones(80))])
    >>> StemCache(folder).of("music", "train")[0].n_samples
    80
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows, onset = ["\t".join(COLUMNS)], 0
    with replacing(folder / SAMPLES_FILE) as draft, open(draft, "wb") as file:
        for *what, audio in recordings:
            audio = np.asarray(audio, dtype=np.float64)
            peak = 10 ** (-1 / 20) * _FULL_SCALE / max(np.abs(audio).max(), 1e-9)
            data = np.round(audio * peak).astype("<i2").tobytes()
            file.write(data)
            cells = [*map(printable, what), str(onset), str(len(audio)), hashlib.sha256(data).hexdigest()]
            rows.append("\t".join(cells))
            onset += len(audio)
    write_atomically(folder / TABLE_FILE, "\n".join(rows) + "\n")
