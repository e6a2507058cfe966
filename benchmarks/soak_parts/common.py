"""What the parts share: the command, a tiny model, sounds, and processes that are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[2]
DETECT = (sys.executable, "-c", "import sys; from hrin_plugin.cli import main; sys.exit(main())", "detect")


def environment():
    """The environment of the commands: this package, and one thread a process."""
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def detect(*arguments, folder):
    """Run ``hrin detect`` in a folder, and wait for its end; what it prints is text."""
    words = [*DETECT, *map(str, arguments)]
    return subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)


def tiny_model(folder):
    """Save a model that has learnt nothing, whose decisions change often; options to detect with it."""
    import torch

    from hrin_plugin.decoding.methods import Decoding, write_decoding
    from hrin_plugin.features import BandStatistics, LogMel
    from hrin_plugin.networks.hrin import HRIN
    from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained

    torch.manual_seed(5)
    network = HRIN(hidden_size=4, num_layers=1)
    with torch.no_grad():
        for parameter in network.heads.parameters():
            parameter.mul_(8)
    path = Path(folder, "model")
    save_pretrained(path, PretrainedModel(LogMel(), BandStatistics(128), network))
    write_decoding(path / "decoding.json", Decoding("argmax"))
    return ("--model", path, "--backend", "torch", "--device", "cpu")


def write_noise(path, seconds, rng, rate=8000, channels=1):
    """Write noise whose level changes four times a second; the format follows from the name."""
    n_samples = round(seconds * rate)
    levels = np.repeat(10.0 ** rng.uniform(-3, 0, n_samples // (rate // 4) + 1), rate // 4)[:n_samples]
    sound = 0.2 * levels[:, None] * rng.standard_normal((n_samples, channels))
    soundfile.write(path, np.clip(sound, -1, 1), rate)


def files_in(folder):
    """The visible files of a folder, by their path below it, with their bytes."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def leftovers(folder):
    """Temporary files and locks of runs that are over."""
    patterns = (".hrin-draft-*", ".hrin-*.run", ".filelock-*", ".unfinished/*", ".deleted/*")
    return sorted(path.name for pattern in patterns for path in Path(folder).rglob(pattern))


def run_and_kill(words, folder, after_s, log):
    """Run a command, and kill it after so many seconds; its exit status, which is -9 if it was killed."""
    with open(log, "ab") as file:
        process = subprocess.Popen(words, cwd=folder, env=environment(), stdout=file, stderr=file)
    try:
        return process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait()


def timed(function, *arguments):
    """What a function returns, and its seconds."""
    began = time.monotonic()
    return function(*arguments), time.monotonic() - began
