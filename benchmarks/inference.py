"""How fast is detection, how much memory does it need, and do windows change what is decided?

    python benchmarks/inference.py [--model DIR] [--minutes 60] [--threads N] [recordings...]

The first table has, for each backend in a process of its own, how many seconds of
audio (a WAV file of noise) one second of computation takes in, and the process's peak
of memory after a tenth of the file's length and after all of it. With recordings there
is a second table: for each of them the share of time at which the decisions of several
windows, by the model's own decoding, are those of one pass over the whole recording, with
the cost of their overlap. It holds a whole recording in memory: an hour is 12 GB with the
model that ships. Without a model it is an HRIN-cr that learned nothing, whose decisions tell
nothing.
"""

import argparse
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

from hrin_plugin.audio.streams import open_stream
from hrin_plugin.decoding.decoders import decode_events
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.inference import MusicDetector, load_detector
from hrin_plugin.inference.windows import window_grid, window_probabilities
from hrin_plugin.networks.cpu_memory import keep_freed_memory
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained

#: Window and context in seconds.
WINDOWS = [(30, 5), (60, 5), (60, 10), (60, 20), (120, 10)]


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


def decisions(detector, wav, window_s, context_s):
    """For each level the label at every hundredth of a second, or none."""
    pieces = window_probabilities(detector.features, [wav], detector.begin, window_s, context_s)
    levels = [np.concatenate(level) for level in zip(*pieces)]
    duration_s = len(wav) / detector.grid.sample_rate
    times = np.arange(0.005, duration_s, 0.01)
    decided = []
    for events in decode_events(detector.decoding, levels, detector.taxonomy, detector.grid, duration_s):
        labels = np.full(len(times), "", dtype=object)
        for event in events:
            labels[(event.onset_s <= times) & (times < event.offset_s)] = event.label
        decided.append(labels)
    return decided


def print_agreement(folder, recordings):
    """The second table."""
    detector = load_detector(folder, device="cpu")
    width = max(len(Path(path).name) for path in recordings)
    print(f"{'recording':<{width}}{'window/s':>10}{'context/s':>11}{'cost':>7}{'level 1':>10}{'level 2':>10}")
    for path in recordings:
        with open_stream(path, detector.grid.sample_rate) as stream:
            wav = np.concatenate(list(stream))
        # A window that holds everything needs no context.
        whole = decisions(detector, wav, len(wav) / detector.grid.sample_rate + 1, 0)
        for window_s, context_s in WINDOWS:
            grid = window_grid(detector.features, window_s, context_s)
            found = decisions(detector, wav, window_s, context_s)
            shares = "".join(f"{(ours == one).mean():10.3%}" for ours, one in zip(found, whole))
            cost = grid.window / grid.stride
            print(f"{Path(path).name:<{width}}{window_s:>10}{context_s:>11}{cost:7.2f}{shares}", flush=True)


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
    print(f"{processor}, {arguments.threads} threads, torch {torch.__version__}")
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
