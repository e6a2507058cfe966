"""The model that ships, on the device: how fast it is, and whether it finds what it finds on the CPU."""

from pathlib import Path

import numpy as np
import soundfile
import torch

from gpu_parts.bench import median_s
from hrin_plugin.inference.detector import MusicDetector

RATE = 44100


def measure(bench):
    """Rows of files, batches, and the comparison."""
    seconds = 5 if bench.quick else 60
    minutes_of_file = 1 / 12 if bench.quick else 10
    detector = MusicDetector.from_hparams(backend="torch", run_opts={"device": bench.device})
    rng = np.random.default_rng(0)
    # Noise that comes and goes, so that something is decided.
    swell = np.sin(np.arange(seconds * 8000) / 8000).astype(np.float32)
    wavs = torch.from_numpy(
        rng.normal(0, 0.1, (2 if bench.quick else 16, seconds * 8000)).astype(np.float32) * swell
    )
    with bench.attempt("against the CPU"):
        reference = MusicDetector.from_hparams(backend="torch", run_opts={"device": "cpu"})
        expected, found = (each.probabilities(wavs[0], 8000) for each in (reference, detector))
        worst = max(float(np.abs(found[task] - expected[task]).max()) for task in expected)
        # SpeechBrain allows TF32 on a GPU, which has 11 bits.
        bench.row(
            "against the CPU",
            f"probabilities differ by {worst:.1e} at the most",
            ok=worst < 0.02,
            worst=worst,
        )
    with bench.attempt("detect_batch"):
        took_s, times = median_s(bench, lambda: detector.detect_batch(wavs), 3, 0.2 * bench.left_s(), 1)
        rate = wavs.shape[0] * seconds / took_s
        bench.row(
            f"detect_batch of {len(wavs)} x {seconds} s",
            f"{rate:.0f} times as fast as it plays (median of {times})",
            rate=rate,
        )
    with bench.attempt("detect_file"):
        path = Path(bench.folder, "noise.wav")
        with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
            for _ in range(max(1, int(minutes_of_file))):
                file.write(rng.normal(0, 0.1, int(min(60, 60 * minutes_of_file) * RATE)).astype(np.float32))
        length_s = soundfile.info(path).duration
        took_s, times = median_s(bench, lambda: detector.detect_file(path), 3, 0.4 * bench.left_s(), 1)
        bench.row(
            f"detect_file of {length_s / 60:.1f} minutes",
            f"{length_s / took_s:.0f} times as fast as it plays (median of {times})",
            rate=length_s / took_s,
        )
        rest_s, _ = median_s(bench, lambda: list(_blocks(detector, path)), 1, 0.3 * bench.left_s(), 0)
        bench.row(
            "detect_file, reading and resampling alone",
            f"{length_s / rest_s:.0f} times as fast as it plays",
            rate=length_s / rest_s,
        )


def _blocks(detector, path):
    from hrin_plugin.audio.streams import open_stream

    with open_stream(path, detector.grid.sample_rate) as stream:
        yield from stream
