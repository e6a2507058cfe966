#!/usr/bin/env python3
"""Measure one training batch of an experiment, and scale it to an epoch.

> python recipes/OpenBMAT/measure_speed.py SPEED.json hparams/hrin_cr.yaml --data_folder=...

``experiments.py`` calls this. Network, training step and loading of recordings are those of ``train.py``;
the folder of the run is not touched.
"""

import json
import sys
import tempfile
import time

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml

from hrin_plugin.files import write_atomically
from hrin_plugin.networks.cpu_memory import keep_freed_memory
from hrin_plugin.training.brain import HRINBrain
from hrin_plugin.training.lock import alone
from hrin_plugin.training.recipe import find_hparams, refusing, sounds
from train import dataio_prep, make_brain, prepare_data


def measure(argv, folder):
    """What an experiment takes, if every excerpt costs what one of a training batch does.

    Arguments
    ---------
    argv : sequence of str
        Arguments of ``train.py``.
    folder : str
        Output folder of the measurement.

    Returns
    -------
    dict
        The fields of :class:`paper.estimate.Speed`.
    """
    words = [word for word in argv if not word.startswith("--output_folder=")]
    hparams_file, run_opts, overrides = sb.parse_arguments([*words, f"--output_folder={folder}"])
    keep_freed_memory()
    with open(find_hparams(hparams_file, __file__), encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    data_folder, manifests = alone(hparams["prepared_folder"], prepare_data, hparams)
    datasets, load_features = dataio_prep(hparams, data_folder, manifests)
    batch = datasets["train"].filtered_sorted(select_n=hparams["batch_size"])
    alone(hparams["prepared_folder"], load_features.fill, sounds(batch, "wav"))
    hparams["statistics"].fit(load_features(path) for path in sounds(batch, "wav"))
    brain = make_brain(HRINBrain, hparams, run_opts)
    for _ in range(2):  # the first batch is slower, and does not count
        began = time.perf_counter()
        brain.fit(range(1), batch, train_loader_kwargs=hparams["train_dataloader_opts"], progressbar=False)
        excerpt_s = (time.perf_counter() - began) / len(batch)
    device = torch.cuda.get_device_name() if "cuda" in str(brain.device) else "the CPU"
    return {
        "epoch_s": excerpt_s * (len(datasets["train"]) + len(datasets["valid"])),
        "rest_s": excerpt_s * len(datasets["test"]),
        "source": f"one batch on {device}",
    }


def main(argv):
    """Measure, and write the figures as JSON."""
    target, *words = argv
    with tempfile.TemporaryDirectory() as folder, refusing(ValueError, OSError):
        write_atomically(target, json.dumps(measure(words, folder)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
