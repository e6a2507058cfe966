"""How fast is detection, how much memory does it need, and do windows change what is decided?

    python benchmarks/inference.py [--model DIR] [--minutes 60] [--threads N] [recordings...]

The first table has, for each backend in a process of its own, how many seconds of
audio (a WAV file of noise) one second of computation takes in, and the process's peak
of memory after a tenth of the file's length and after all of it. With recordings there
is a second table: they are joined to one signal, and the share of frames whose decision
(threshold 0.5, all classes of a level) is that of one pass over the whole signal is
given for several windows, with the cost of their overlap. Without a model it is an
HRIN-cr that learned nothing, whose decisions tell nothing.
"""

import argparse
import functools
import multiprocessing
import platform
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
import torch
from tqdm import tqdm

from hrin_plugin.audio.signals import read_audio
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.inference import MusicDetector
from hrin_plugin.memory import keep_freed_memory
from hrin_plugin.networks import HRIN
from hrin_plugin.pretrained import PretrainedModel, load_pretrained, save_pretrained
from hrin_plugin.windows import BATCH, window_grid, window_probabilities

#: Window and context in seconds.
WINDOWS = [(20, 4), (40, 8), (60, 8), (60, 10), (60, 15), (120, 15)]


def write_noise(path, minutes):
    """A recording of noise at 44.1 kHz, written minute by minute."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", 44100, 1, "PCM_16") as file:
        for _ in range(minutes):
            file.write(rng.normal(0, 0.1, 60 * 44100).astype(np.float32))


def measure(folder, backend, threads, keep_memory, paths):
    """For each recording: seconds that its detection took, and the peak of memory so far in MiB."""
    torch.set_num_threads(threads)
    if keep_memory:
        keep_freed_memory()
    detector = MusicDetector.from_hparams(folder, backend=backend, run_opts={"device": "cpu"})
    rows = []
    for path in paths:
        start = time.perf_counter()
        detector.detect_file(path)
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rows.append((time.perf_counter() - start, peak_kib / 1024))
    return rows


def print_speed(folder, minutes, threads):
    """The first table."""
    lengths = [max(1, minutes // 10), minutes]
    print(f"{'backend':<8}{'keeps memory':>14}{'times real time':>17}{'MiB short':>11}{'MiB long':>10}")
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place, f"{length}.wav") for length in lengths]
        for path, length in zip(paths, lengths):
            write_noise(path, length)
        for backend in ("torch", "onnx"):
            for keep_memory in (False, True):
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                    rows = pool.submit(measure, folder, backend, threads, keep_memory, paths).result()
                (_, short_mib), (seconds, long_mib) = rows
                print(
                    f"{backend:<8}{'yes' if keep_memory else 'no':>14}{60 * minutes / seconds:17.0f}"
                    f"{short_mib:11.0f}{long_mib:10.0f}",
                    flush=True,
                )


def decisions(pieces):
    """For each level which classes are active in which frames, ``[frame, class]``."""
    return [np.concatenate(level) >= 0.5 for level in zip(*pieces)]


def print_agreement(folder, recordings):
    """The second table."""
    model = load_pretrained(folder)
    wav = np.concatenate([read_audio(path, model.features.grid.sample_rate) for path in tqdm(recordings)])
    length_s = len(wav) / model.features.grid.sample_rate
    run = functools.partial(window_probabilities, model, [wav])
    # The context of a window that holds everything has no effect.
    whole = decisions(run(window_s=length_s + 1, context_s=0))
    print(f"{length_s:.0f} s; {'window/s':>9}{'context/s':>11}{'cost':>7}{'level 1':>10}{'level 2':>10}")
    for window_s, context_s in WINDOWS:
        grid = window_grid(model.features, window_s, context_s)
        levels = zip(decisions(run(window_s=window_s, context_s=context_s)), whole)
        shares = [(found == expected).all(axis=1).mean() for found, expected in levels]
        cost = grid.window / grid.stride
        line = "".join(f"{share:10.3%}" for share in shares)
        print(f"{'':8}{window_s:>9}{context_s:>11}{cost:7.2f}{line}", flush=True)


def main():
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", help="a 'pretrained' folder")
    parser.add_argument(
        "--minutes", type=int, default=60, help="length of the noise (default: 60; 0 for none)"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("recordings", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    processor = platform.processor() or "CPU"
    print(f"{processor}, {arguments.threads} threads, torch {torch.__version__}, batch {BATCH}")
    with tempfile.TemporaryDirectory() as place:
        folder = arguments.model or place
        if not arguments.model:
            network = HRIN(hidden_size=50, num_layers=2, conv_unit=True)
            save_pretrained(
                place, PretrainedModel(LogMel(reference=1.0, floor_db=None), BandStatistics(128), network)
            )
        if arguments.minutes:
            print_speed(folder, arguments.minutes, arguments.threads)
        if arguments.recordings:
            print_agreement(folder, arguments.recordings)


if __name__ == "__main__":
    main()
