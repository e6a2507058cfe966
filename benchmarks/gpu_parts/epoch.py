"""An epoch of 1318 one-minute excerpts through the recipe's loader and Brain, and the input's share of it."""

import math
import statistics
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from speechbrain import Stage
from speechbrain.utils.run_opts import RunOptions

import train
from gpu_parts.bench import build, median_s
from hrin_plugin.features.cache import FeatureLoader
from hrin_plugin.training.brain import HRINBrain
from hrin_plugin.training.recipe import make_datasets

#: Title, options of the loader, where features lie, and the most seconds of it.
SETTINGS = (
    ("as the YAML has it, no workers", {}, "disk", 35.0),
    ("4 workers, pinned memory", {"num_workers": 4, "pin_memory": True, "prefetch_factor": 4}, "disk", 15.0),
    ("features on the GPU, float32", {}, torch.float32, 12.0),
    ("features on the GPU, float16", {}, torch.float16, 12.0),
)


class Enough(Exception):
    """Ends an epoch of which enough has been seen."""


class TimedBrain(HRINBrain):
    """Notes how long batches take, and how long they are waited for."""

    def time_for(self, seconds):
        """End after so many seconds; nothing is noted so far."""
        self.end_by, self.steps_s, self.loads_s = time.monotonic() + seconds, [], []
        self.last_end = None

    def on_fit_batch_start(self, batch, should_step):
        """Note when a batch has come."""
        super().on_fit_batch_start(batch, should_step)
        self.came = time.perf_counter()

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Note when the device has done its work."""
        super().on_fit_batch_end(batch, outputs, loss, should_step)
        if "cuda" in str(self.device):
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self.last_end is not None:
            self.steps_s.append(now - self.last_end)
            self.loads_s.append(self.came - self.last_end)
        self.last_end = now
        if time.monotonic() > self.end_by:
            raise Enough


class Resident:
    """Features of a whole fold in the device's memory."""

    def __init__(self, load_features, paths, device, dtype):
        self.features = load_features.features
        with ThreadPoolExecutor(8) as pool:
            loaded = pool.map(load_features, paths)
            self.frames = {path: frames.to(device, dtype) for path, frames in zip(paths, loaded)}

    def __call__(self, path):
        """Features of a recording, ``[frame, band]``, float32."""
        return self.frames[path].float()


def measure(bench):
    """Rows of each way in which features come."""
    n_recordings, n_frames = (16, 20) if bench.quick else (1318, 3751)
    with bench.attempt("features on disk"):
        start = time.perf_counter()
        entries, features_of = synthesise(bench, n_recordings, n_frames)
        seconds = time.perf_counter() - start
        n_bytes = n_recordings * n_frames * 128 * 4
        bench.row("features on disk", f"{n_bytes / 1e9:.2f} GB written in {seconds:.1f} s", bytes=n_bytes)
    compute_s = None
    with bench.attempt("batches that are there already"):
        compute_s = compute_alone(bench, entries, features_of)
    for number, (title, options, place, at_most_s) in enumerate(SETTINGS):
        with bench.attempt(title):
            budget_s = min(at_most_s, 0.8 * bench.left_s() / (len(SETTINGS) - number))
            if bench.quick:
                options = options | {"num_workers": 1} if "num_workers" in options else options
            measure_setting(bench, title, options, place, (entries, features_of), budget_s, compute_s)
        if bench.cuda:
            torch.cuda.empty_cache()


def synthesise(bench, n_recordings, n_frames):
    """Recordings whose features are in the cache already, and what loads them."""
    hparams = build("hrin_cr", bench.folder)
    features_of = FeatureLoader(hparams["features"], Path(bench.folder, "features"), hparams["cache_dtype"])
    features_of.folder.mkdir(parents=True, exist_ok=True)
    wavs = Path(bench.folder, "wavs")
    wavs.mkdir()
    noise = np.random.default_rng(0).normal(-40, 15, (n_frames + n_recordings, 128)).astype(np.float32)
    entries = {}
    duration_s = n_frames * hparams["features"].grid.hop_length / hparams["sample_rate"]

    def write(number):
        """The features of one recording, different from all others."""
        path = wavs / f"{number}.wav"
        path.write_bytes(b"")
        np.save(features_of.entry(path), noise[number : number + n_frames])
        return str(path)

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(write, range(n_recordings)))
    thirds = [duration_s * part / 3 for part in range(4)]
    mrle = [[*pair, label] for *pair, label in zip(thirds, thirds[1:], ("no-music", "fg-music", "bg-music"))]
    md = [[0.0, thirds[1], "no-music"], [thirds[1], duration_s, "music"]]
    for number, path in enumerate(paths):
        entries[f"recording{number}"] = {"wav": path, "duration": duration_s, "md": md, "mrle": mrle}
    return entries, features_of


def make(bench, name, entries, load_features):
    """A Brain of HRIN-cr with the paper's settings, its training set, and the YAML's loader options."""
    folder = Path(bench.folder, name)
    hparams = build("hrin_cr", folder, number_of_epochs=1)
    if bench.quick:
        hparams["train_dataloader_opts"]["batch_size"] = 2
    run_opts = RunOptions.from_dictionary({"device": bench.device, "noprogressbar": True})
    brain = train.make_brain(TimedBrain, hparams, run_opts)
    dataset = make_datasets({"train": entries}, "wav", load_features, hparams["objective"].taxonomy)["train"]
    return brain, dataset, hparams


def compute_alone(bench, entries, load_features):
    """Seconds of a training batch that is on the device already; also how often it waits for the device."""
    brain, dataset, hparams = make(bench, "alone", entries, load_features)
    batches = iter(brain.make_dataloader(dataset, Stage.TRAIN, **hparams["train_dataloader_opts"]))
    brain.on_fit_start()
    brain.modules.train()
    brain.time_for(math.inf)
    brain.nonfinite_count, brain.step = 0, 1
    batch = next(batches)
    seconds, times = median_s(
        bench, lambda: brain.fit_batch(batch), 2 if bench.quick else 10, 0.1 * bench.left_s()
    )
    text = f"{seconds * 1000:.1f} ms a batch of {len(batch)} excerpts, already there (median of {times})"
    values = {"seconds": seconds}
    if bench.cuda:
        values["waits"] = count_waits(brain, next(batches))
        text += f"; a batch from the loader waits for the device {values['waits']} times"
    bench.row("computation alone", text, **values)
    return seconds


def count_waits(brain, batch):
    """How often the host waits for the GPU in a training batch, by torch's own count."""
    brain.on_fit_batch_end = lambda *_: None  # our own wait is none of the Brain's
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            brain.fit_batch(batch)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = [each for each in caught if "called a synchronizing" in str(each.message)]
    for each in waits:
        print(f"waits: {each.filename}:{each.lineno}: {str(each.message).splitlines()[0][:80]}", flush=True)
    return len(waits)


def measure_setting(bench, title, options, place, data, budget_s, compute_s):
    """The row of one way in which features come."""
    entries, load_features = data
    if place != "disk":
        paths = [entry["wav"] for entry in entries.values()]
        start = time.perf_counter()
        load_features = Resident(load_features, paths, bench.device, place)
        bench.wait()
        title += f" (there in {time.perf_counter() - start:.1f} s)"
    brain, dataset, hparams = make(bench, title.replace(" ", "_")[:20] + str(place), entries, load_features)
    loader = hparams["train_dataloader_opts"] | options
    n_batches = math.ceil(len(dataset) / loader["batch_size"])
    brain.time_for(budget_s)
    try:
        brain.fit(hparams["epoch_counter"], dataset, None, train_loader_kwargs=loader, progressbar=False)
        seen = "a whole epoch"
    except Enough:
        seen = f"from {len(brain.steps_s) + 1} of {n_batches} batches"
    batch_s = sum(brain.steps_s) / len(brain.steps_s)
    waited = sum(brain.loads_s) / sum(brain.steps_s)
    values = {
        "epoch_s": batch_s * n_batches,
        "batch_s": batch_s,
        "waited": waited,
        "median_batch_s": statistics.median(brain.steps_s),
    }
    text = f"{values['epoch_s']:.1f} s an epoch of {len(dataset)} excerpts ({seen}), "
    text += f"{waited:.1%} of it waiting for the loader"
    if compute_s:
        values["input"] = max(0.0, 1 - compute_s / batch_s)
        text += f", {values['input']:.1%} input in all (loading, copying)"
    bench.row(title, text, **values)
