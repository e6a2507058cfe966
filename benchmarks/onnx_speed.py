"""How fast probabilities come from torch and from onnxruntime on a CPU: ``python benchmarks/onnx_speed.py``.

Both take the same windows of log-mel frames in turn, and the best of a few turns
counts, so that what else runs on the machine weighs little. Each number is a
real-time factor: seconds of audio to a second of computing. The log-mel frames are
the same for both, and are timed apart.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.networks.cpu_memory import keep_freed_memory
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.networks.onnx_nodes import import_optional
from hrin_plugin.pretrained.folder import PretrainedModel
from hrin_plugin.pretrained.onnx_model import export_onnx, load_onnx

NETWORKS = {
    "HRIN-cr": {"hidden_size": 50, "num_layers": 2, "conv_unit": True},
    "HRIN-r": {"hidden_size": 100, "num_layers": 4},
}


def best_s(rivals, repeats):
    """Least seconds of each function, called in turn."""
    best = dict.fromkeys(rivals, float("inf"))
    for _ in range(repeats):
        for name, function in rivals.items():
            start = time.perf_counter()
            function()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def torch_probabilities(model, frames):
    """What the exported graph computes, by torch."""
    with torch.inference_mode():
        return [level.sigmoid() for level in model.network(model.statistics(frames))]


def main():
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of a window")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    keep_freed_memory()
    features = LogMel()
    wavs = torch.randn(max(arguments.batches), round(arguments.seconds * features.grid.sample_rate))
    frames = features(wavs)
    runtime = import_optional("onnxruntime")
    print(f"windows of {arguments.seconds} s, torch {torch.__version__}, onnxruntime {runtime.__version__}")
    print(f"{'network':9}{'threads':>8}{'batch':>6}{'log-mel':>9}{'torch':>7}{'onnx':>7}{'ratio':>7}")
    for title, settings in NETWORKS.items():
        model = PretrainedModel(features, BandStatistics(features.n_mels), HRIN(**settings).eval())
        with tempfile.TemporaryDirectory() as folder:
            export_onnx(model, Path(folder) / "model.onnx")
            sessions = {
                threads: load_onnx(Path(folder) / "model.onnx", threads) for threads in arguments.threads
            }
        for threads, session in sessions.items():
            torch.set_num_threads(threads)
            for batch in arguments.batches:
                some, arrays = frames[:batch], np.asarray(frames[:batch])
                rivals = {
                    "log-mel": lambda batch=batch: features(wavs[:batch]),
                    "torch": lambda model=model, some=some: torch_probabilities(model, some),
                    "onnx": lambda session=session, arrays=arrays: session(arrays),
                }
                seconds = best_s(rivals, arguments.repeats)
                factor = {name: batch * arguments.seconds / taken for name, taken in seconds.items()}
                print(
                    f"{title:9}{threads:8}{batch:6}{factor['log-mel']:9.0f}{factor['torch']:7.0f}"
                    f"{factor['onnx']:7.0f}{factor['onnx'] / factor['torch']:7.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
