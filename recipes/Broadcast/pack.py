#!/usr/bin/env python3
"""Pack a cache of stems into folders small enough to send: Ogg Opus at 8 kHz.

The first pack has what is worth most: it takes turns among the kinds of music, among the packages of a
kind, and among the recordings of a package, until its share of each role is full. The next one
goes on from there. ``unpack.py`` makes a cache of one pack or of several.

> python recipes/Broadcast/pack.py CACHE OUT [--packs 2]

Needs ``ffmpeg`` with libopus.
"""

import argparse
import csv
import hashlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from unpack import COLUMNS, RATE, read_index

#: Bits a second of the codec, and so many bytes a pack has at most.
BIT_RATE, PACK_BYTES = 17500, 48_000_000
#: Shares of each role in a pack's time.
SHARES = {"music": 0.66, "speech": 0.18, "noise": 0.16}
#: A pack's files last so long, in seconds.
FILE_S = 600.0


def main():
    """Choose, join, encode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, help="folder with stems.i16 and stems.tsv")
    parser.add_argument("out", type=Path, help="folder for pack_1, pack_2, ...")
    parser.add_argument("--packs", type=int, default=2, help="how many to write")
    parser.add_argument("--hours", type=float, default=5.7, help="hours in each")
    parser.add_argument(
        "--after", type=Path, nargs="*", default=[], help="packs whose stems count, but do not come again"
    )
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    samples = np.memmap(arguments.cache / "stems.i16", "<i2", "r")
    rows = read_index(arguments.cache / "stems.tsv")
    packed = [row for pack in arguments.after for row in read_index(pack / "index.tsv")]
    chosen = choose(rows, arguments.packs, arguments.hours * 3600 * RATE, packed)
    for number, stems in enumerate(chosen, 1 + len(arguments.after)):
        n_bytes = write_pack(samples, stems, arguments.out / f"pack_{number}", arguments.workers)
        hours = sum(int(row["n_samples"]) for row in stems) / RATE / 3600
        print(f"pack_{number}: {len(stems)} stems, {hours:.2f} h, {n_bytes / 1e6:.1f} MB")
        if n_bytes > PACK_BYTES:
            print(f"pack_{number} has more than {PACK_BYTES} bytes; give fewer --hours", file=sys.stderr)
            return 1
    return 0


def choose(rows, n_packs, n_samples, packed=()):
    """Divide stems among packs of so many samples each: a list of rows for each pack.

    A role that has too little leaves its time to music. Rows that are ``packed`` already come in none.
    """
    queues = {
        role: take_turns(*([r for r in rs if r["role"] == role] for rs in (rows, packed))) for role in SHARES
    }
    packs = []
    for _ in range(n_packs):
        pack, left = [], n_samples
        for role, share in sorted(SHARES.items(), key=lambda item: item[1]):
            room = left if role == "music" else share * n_samples
            while queues[role] and room >= int(queues[role][0]["n_samples"]):
                row = queues[role].pop(0)
                pack.append(row)
                room -= int(row["n_samples"])
                left -= int(row["n_samples"])
        packs.append(pack)
    return packs


def take_turns(rows, packed=()):
    """Order stems so that kinds take turns by time, in a kind packages, in a package recordings.

    The time of rows that are ``packed`` counts; they are not in the order.
    """
    kinds, names = {}, {row["name"] for row in packed}
    for row in sorted(rows, key=_mixed_up):
        if row["name"] not in names:
            kinds.setdefault(row["kind"], {}).setdefault(row["package"], []).append(row)
    used, order = dict.fromkeys(kinds, 0), []
    spent = {kind: dict.fromkeys(packages, 0) for kind, packages in kinds.items()}
    for row in packed:
        if row["kind"] in kinds:
            used[row["kind"]] += int(row["n_samples"])
            if row["package"] in kinds[row["kind"]]:
                spent[row["kind"]][row["package"]] += int(row["n_samples"])
    while kinds:
        kind = min(kinds, key=used.get)
        package = min(kinds[kind], key=spent[kind].get)
        row = kinds[kind][package].pop(0)
        order.append(row)
        used[kind] += int(row["n_samples"])
        spent[kind][package] += int(row["n_samples"])
        if not kinds[kind][package]:
            del kinds[kind][package]
        if not kinds[kind]:
            del kinds[kind]
    return order


def _mixed_up(row):
    """A key for an order that has nothing to do with names, and is always the same."""
    return hashlib.sha256(row["name"].encode()).hexdigest()


def write_pack(samples, rows, folder, workers=1):
    """Encode stems into a folder; returns how many bytes it has."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.opus"):
        old.unlink()
    files = divide(rows)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda item: encode(samples, item[1], folder / item[0]), files.items()))
    with open(folder / "index.tsv", "w", encoding="utf-8", newline="") as file:
        columns = ("file", *(column for column in COLUMNS if column != "onset_sample"))
        writer = csv.DictWriter(
            file, columns, delimiter="\t", lineterminator="\n", extrasaction="ignore", quoting=csv.QUOTE_NONE
        )
        writer.writeheader()
        writer.writerows({**row, "file": name} for name, stems in files.items() for row in stems)
    return sum(path.stat().st_size for path in folder.iterdir())


def divide(rows):
    """Names of files, each with the stems that it is to have, in order."""
    files, length = {}, 0
    for row in rows:
        if not files or length > FILE_S * RATE:
            files[f"{len(files):03d}.opus"], length = [], 0
        files[next(reversed(files))].append(row)
        length += int(row["n_samples"])
    return files


def encode(samples, rows, path):
    """Write stems end to end as Ogg Opus."""
    onsets = [(int(row["onset_sample"]), int(row["n_samples"])) for row in rows]
    joined = np.concatenate([samples[onset : onset + length] for onset, length in onsets])
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "joined.wav"
        soundfile.write(wav, joined, RATE)
        command = ["ffmpeg", "-v", "error", "-y", "-i", wav, "-c:a", "libopus", "-b:a", str(BIT_RATE)]
        subprocess.run(
            [*command, "-application", "audio", "-compression_level", "1", path],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    sys.exit(main())
