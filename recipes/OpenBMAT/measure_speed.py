#!/usr/bin/env python3
"""Measure what an experiment's run will take, by a few real steps of it.

> python recipes/OpenBMAT/measure_speed.py FIGURES.json hparams/hrin_cr.yaml --data_folder=...

``experiments.py`` calls this. The network, its training step and the loading of
recordings are those of ``train.py``; the folder of the run is not touched.
"""

import json
import math
import sys
import tempfile
import time

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.epoch_loop import EpochCounter

from hrin_plugin.files import write_atomically
from hrin_plugin.metrics.scores import fast_scores
from hrin_plugin.networks.cpu_memory import keep_freed_memory
from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained
from hrin_plugin.training.brain import HRINBrain
from hrin_plugin.training.lock import alone
from hrin_plugin.training.processes import available_cores
from hrin_plugin.training.recipe import find_hparams, sounds
from hrin_plugin.training.results import score
from paper.speed import folder_bytes
from train import dataio_prep, make_brain, prepare_data

#: Training batches that are timed, after one that is not.
TIMED_BATCHES = 3


class TimedBrain(HRINBrain):
    """Notes when each training step was over.

    Example
    -------
    >>> TimedBrain.on_fit_batch_end is HRINBrain.on_fit_batch_end
    False
    """

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Note the time at which the device has done its work."""
        super().on_fit_batch_end(batch, outputs, loss, should_step)
        if "cuda" in str(self.device):
            torch.cuda.synchronize()
        self.step_ends.append(time.perf_counter())


def measure(argv, folder):
    """Seconds and bytes of a run's parts.

    Arguments
    ---------
    argv : sequence of str
        Arguments of ``train.py``.
    folder : str
        Where the checkpoint goes that is measured.

    Returns
    -------
    dict
        As :func:`paper.speed.speed_from_measurement` takes it, and what the
        preparation of the features takes: ``feature_s`` and ``feature_bytes`` for
        each of ``n_recordings``, on all cores.
    """
    began = time.perf_counter()
    words = [word for word in argv if not word.startswith("--output_folder=")]
    hparams_file, run_opts, overrides = sb.parse_arguments([*words, f"--output_folder={folder}"])
    keep_freed_memory()
    with open(find_hparams(hparams_file, __file__), encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    data_folder, manifests = alone(hparams["prepared_folder"], prepare_data, hparams)
    datasets, load_features = dataio_prep(hparams, data_folder, manifests)
    sizes = {split: len(dataset) for split, dataset in datasets.items()}
    batch_size = hparams["batch_size"]
    train = datasets["train"].filtered_sorted(select_n=(1 + TIMED_BATCHES) * batch_size)
    valid = datasets["valid"].filtered_sorted(select_n=batch_size)
    prepared = time.perf_counter()
    paths = {split: sounds(dataset, "wav") for split, dataset in (("train", train), ("valid", valid))}
    figures = alone(
        hparams["prepared_folder"], measure_features, load_features, paths["train"] + paths["valid"]
    )
    figures["n_recordings"] = sum(sizes.values())
    cached = time.perf_counter()
    hparams["statistics"].fit(load_features(path) for path in paths["train"])
    statistics_s = (time.perf_counter() - cached) / len(train) * sizes["train"]

    brain = make_brain(TimedBrain, hparams, run_opts)
    brain.step_ends = []
    epochs = EpochCounter(limit=math.ceil((1 + TIMED_BATCHES) / math.ceil(len(train) / batch_size)))
    brain.fit(epochs, train, None, train_loader_kwargs=hparams["train_dataloader_opts"], progressbar=False)
    ends = brain.step_ends
    loader = hparams["eval_dataloader_opts"]
    brain.evaluate(valid, test_loader_kwargs=loader, progressbar=False)  # the first is slower
    eval_s = timed(brain.evaluate, valid, test_loader_kwargs=loader, progressbar=False)
    judged = (brain.predictions, brain.taxonomy, brain.grid)
    fast_s, exact_s = timed(score, *judged, fast_scores), timed(score, *judged)
    brain.checkpointer.save_checkpoint(meta={"loss": 0.0})
    checkpoint_bytes = folder_bytes(hparams["save_folder"])
    model = PretrainedModel(hparams["features"], hparams["statistics"], hparams["model"])
    save_pretrained(f"{folder}/pretrained", model)
    cuda = "cuda" in str(brain.device)
    return figures | {
        "start_s": prepared - began + statistics_s,
        "train_batches": math.ceil(sizes["train"] / batch_size),
        "train_batch_s": (ends[-1] - ends[0]) / (len(ends) - 1),
        "valid_batches": math.ceil(sizes["valid"] / batch_size),
        "eval_batch_s": eval_s / math.ceil(len(valid) / batch_size),
        "valid_scoring_s": fast_s / len(valid) * sizes["valid"],
        "test_batches": math.ceil(sizes["test"] / batch_size),
        "test_scoring_s": exact_s / len(valid) * sizes["test"],
        # The newest and the best checkpoint stay.
        "run_bytes": 2 * checkpoint_bytes + folder_bytes(f"{folder}/pretrained"),
        "device": torch.cuda.get_device_name()
        if cuda
        else f"CPU, {torch.get_num_threads()} of {available_cores()} cores",
    }


def measure_features(load_features, paths):
    """Seconds and bytes of each recording's features, cached on the way.

    Arguments
    ---------
    load_features : FeatureLoader
        Computes and caches them.
    paths : sequence of str
        Recordings.

    Returns
    -------
    dict
        ``feature_s`` of those that were computed, 0 if all were there; ``feature_bytes``.

    Example
    -------
    >>> from hrin_plugin import FeatureLoader, LogMel
    >>> measure_features(FeatureLoader(LogMel()), [])
    {'feature_s': 0.0, 'feature_bytes': 0.0}
    """
    if load_features.folder is None or not paths:
        return {"feature_s": 0.0, "feature_bytes": 0.0}
    n_missing = sum(not load_features.entry(path).exists() for path in paths)
    seconds = timed(load_features.fill, paths)
    n_bytes = sum(load_features.entry(path).stat().st_size for path in paths)
    return {"feature_s": seconds / n_missing if n_missing else 0.0, "feature_bytes": n_bytes / len(paths)}


def timed(function, *arguments, **options):
    """Seconds that a call takes.

    Example
    -------
    >>> timed(sum, [1, 2]) < 1
    True
    """
    start = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - start


def main(argv):
    """Measure, and write the figures as JSON."""
    loaded_s = time.process_time()  # so far, all that was done is to import
    target, *options = argv
    with tempfile.TemporaryDirectory() as folder:
        try:
            figures = measure(options, folder)
        except (ValueError, OSError) as error:
            sys.exit(f"{error}")
    figures["start_s"] += loaded_s
    write_atomically(target, json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
