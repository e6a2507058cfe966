#!/usr/bin/env python3
"""Turn packs of stems into the cache that training reads.

A pack is a folder with ``index.tsv`` and files of Ogg Opus, each of many recordings joined end to end
(``pack.py`` writes it). The cache is a folder with ``stems.i16``, the samples of all recordings as
little-endian 16-bit integers (mono, 8000 Hz), and ``stems.tsv``, one row for each recording.

> python recipes/Broadcast/unpack.py PACK [PACK ...] CACHE

Needs NumPy and soundfile only.
"""

import argparse
import csv
import multiprocessing
import os
import sys
from pathlib import Path

import numpy as np
import soundfile

#: Samples a second of packs and caches, and the peak of each recording in a cache (-1 dBFS).
RATE, PEAK = 8000, 29204
#: Columns of ``stems.tsv``; ``index.tsv`` has the file that a recording is in besides.
COLUMNS = ("role", "kind", "package", "name", "split", "onset_sample", "n_samples", "sha256")


def main():
    """Decode the packs that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packs", type=Path, nargs="+", help="folders with index.tsv and *.opus")
    parser.add_argument("cache", type=Path, help="folder for stems.i16 and stems.tsv")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    n_stems, n_samples = unpack(arguments.packs, arguments.cache, arguments.workers)
    print(f"{n_stems} stems, {n_samples / RATE / 3600:.2f} h in {arguments.cache}")


def unpack(packs, cache, workers=1):
    """Write the cache of one or more packs.

    Arguments
    ---------
    packs : sequence of pathlib.Path
        Folders with ``index.tsv`` and the files that it names.
    cache : pathlib.Path
        Folder for ``stems.i16`` and ``stems.tsv``; files of these names are replaced.
    workers : int
        Processes that decode at once.

    Returns
    -------
    tuple of int
        How many recordings the cache has, and how many samples.

    Raises
    ------
    ValueError
        If a file does not have as many samples as its index says.
    """
    cache.mkdir(parents=True, exist_ok=True)
    jobs, rows, onset = [], [], 0
    draft = cache / ".stems.i16"
    for pack in packs:
        in_file = {}
        for row in read_index(pack / "index.tsv"):
            in_file.setdefault(row["file"], []).append(row)
        for name, stems in in_file.items():
            lengths = [int(row["n_samples"]) for row in stems]
            jobs.append((pack / name, draft, onset, lengths))
            for row, length in zip(stems, lengths, strict=True):
                rows.append({**row, "onset_sample": onset})
                onset += length
    draft.write_bytes(b"")
    os.truncate(draft, 2 * onset)
    if workers > 1:
        with multiprocessing.Pool(workers) as pool:
            pool.map(decode, jobs, chunksize=1)
    else:
        list(map(decode, jobs))
    draft.replace(cache / "stems.i16")
    with open(cache / "stems.tsv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(
            file, COLUMNS, delimiter="\t", lineterminator="\n", extrasaction="ignore", quoting=csv.QUOTE_NONE
        )
        writer.writeheader()
        writer.writerows(rows)
    return len(rows), onset


def read_index(path):
    """The rows of a table of stems, each a mapping from its columns."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def decode(job):
    """Decode one file into its place in the cache: ``(file, cache, onset, lengths of its stems)``."""
    path, cache, onset, lengths = job
    samples, rate = soundfile.read(path, dtype="float32")
    if rate != RATE or len(samples) < sum(lengths):
        raise ValueError(
            f"{path} has {len(samples)} samples at {rate} Hz, its index {sum(lengths)} at {RATE}; pack anew"
        )
    with open(cache, "r+b") as file:
        file.seek(2 * onset)
        for stem in np.split(samples[: sum(lengths)], np.cumsum(lengths)[:-1]):
            file.write(as_int16(stem).tobytes())


def as_int16(stem):
    """Scale a recording so that its peak is at -1 dBFS: float ``[sample]`` to int16 ``[sample]``."""
    peak = np.abs(stem).max(initial=0.0)
    return np.round(stem * (PEAK / peak if peak else 0.0)).astype("<i2")


if __name__ == "__main__":
    sys.exit(main())
