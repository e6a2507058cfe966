"""How much faster than real time sets are mixed: ``python benchmarks/mixing.py [--hours H] [--jobs N]``.

The recordings are synthesised first, and written as WAV files; that does not count.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from hrin_plugin.mixing import SYNTHESISED, mix_set, synthesise_miniature

SOURCE_RATE = 44100
#: Seconds of recordings of each kind: (number, length).
SOURCES = {"music": (20, 60.0), "speech": (100, 5.0), "noise": (40, 5.0)}


def write_sources(folder):
    """Write synthesised recordings of each kind; returns the folder of each."""
    rng = np.random.default_rng(0)
    for kind, (n_files, seconds) in SOURCES.items():
        (folder / kind).mkdir()
        for number in range(n_files):
            audio = SYNTHESISED[kind][0](rng, int(seconds * SOURCE_RATE), SOURCE_RATE)
            soundfile.write(folder / kind / f"{number}.wav", audio / np.abs(audio).max(), SOURCE_RATE)
    return {kind: folder / kind for kind in SOURCES}


def main():
    """Mix, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        folders = write_sources(folder)
        work = {
            "mix_set": lambda: mix_set(folder / "set", **folders, hours=arguments.hours, jobs=arguments.jobs),
            "synthesise_miniature": lambda: synthesise_miniature(folder / "miniature"),
        }
        print(f"{'':22}{'audio, s':>10}{'wall, s':>10}{'times real time':>18}")
        for name, run in work.items():
            start = time.perf_counter()
            audio_s = sum(excerpt.events[-1].offset_s for excerpt in run())
            wall_s = time.perf_counter() - start
            print(f"{name:22}{audio_s:10.0f}{wall_s:10.1f}{audio_s / wall_s:18.0f}", flush=True)


if __name__ == "__main__":
    main()
