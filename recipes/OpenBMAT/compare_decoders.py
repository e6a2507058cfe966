#!/usr/bin/env python3
"""Which decoder suits a trained network best? Tuned on the validation fold, scored on the test fold.

> python recipes/OpenBMAT/compare_decoders.py --data_folder=/path/to/OpenBMAT results/hrin_cr/fold_*/seed_0

Give the output folders of finished runs of ``train.py``, with the data folder that
they were trained on (none for the miniature set), from the folder where they were
started, so that manifests and features are found again. Prints one Markdown table of
segment and event scores, means over the runs, and below it what was tuned in each run.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from hrin_plugin.decoding.decoders import Decoding
from hrin_plugin.decoding.scores import format_table, score_decoding
from hrin_plugin.decoding.tuning import tune
from hrin_plugin.detection import TASKS
from hrin_plugin.events import Event
from hrin_plugin.features.cache import FeatureLoader
from hrin_plugin.pretrained.folder import load_pretrained
from hrin_plugin.training.folder import SETTINGS_FILE
from hrin_plugin.training.lock import alone
from hrin_plugin.training.results import Prediction
from train import prepare_data

#: Name of a row, and its decoding; a method's name stands for what tuning finds.
DECODERS = {
    "threshold 0.5 (paper)": Decoding("threshold"),
    "argmax": Decoding("argmax"),
    "threshold, tuned": "threshold",
    "argmax, tuned": "argmax",
    "median, tuned": "median",
    "Viterbi, default": Decoding("viterbi"),
    "Viterbi, tuned": "viterbi",
}


def predict(model, manifest, data_folder, cache):
    """Probabilities and references of a manifest's recordings, each in one pass over the whole of it.

    Arguments
    ---------
    model : PretrainedModel
        Features, statistics and network.
    manifest : str or pathlib.Path
        A JSON file of ``openbmat_prepare.py``.
    data_folder : str
        What its ``{data_root}`` stands for.
    cache : str, pathlib.Path or None
        Where features are kept.

    Returns
    -------
    list of Prediction
        One for each recording.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    statistics, network = model.statistics.to(device), model.network.to(device)
    load_features = FeatureLoader(model.features, cache)
    predictions = []
    for name, entry in tqdm(json.loads(Path(manifest).read_text(encoding="utf-8")).items(), "recordings"):
        frames = load_features(entry["wav"].replace("{data_root}", str(data_folder)))
        with torch.inference_mode():
            logits = network(statistics(frames[None].to(device)))
        references = tuple([Event(*times, label) for *times, label in entry[task]] for task in TASKS)
        probabilities = tuple(torch.sigmoid(level)[0].cpu().numpy() for level in logits)
        predictions.append(Prediction(name, entry["duration"], references, probabilities))
    return predictions


def compare_run(run_folder, data_folder, results_folder):
    """Tune every decoder on a run's validation fold, and score it on the test fold.

    Arguments
    ---------
    run_folder : pathlib.Path
        Output folder of a finished run.
    data_folder : str or None
        The data set that it was trained on.
    results_folder : str
        The folder of all runs, where the prepared data lie.

    Returns
    -------
    dict of str to (Decoding, dict)
        For each of :data:`DECODERS` what it came to be, and its scores.

    Raises
    ------
    ValueError
        If the folder is not that of a finished run.
    """
    model = load_pretrained(run_folder / "pretrained")
    try:
        settings = json.loads((run_folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        hparams = {name: settings[name] for name in ("fold", "annotator", "md_from", "skip_bad_files")}
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{run_folder / SETTINGS_FILE} does not tell the run's settings ({error}); "
            "give the output folder of a run of train.py"
        ) from error
    hparams |= {
        "data_folder": data_folder,
        "results_folder": results_folder,
        "prepared_folder": f"{results_folder}/prepared",
    }
    data_root, manifests = alone(hparams["prepared_folder"], prepare_data, hparams)
    cache = f"{hparams['prepared_folder']}/features"
    taxonomy, grid = model.network.taxonomy, model.features.grid
    best = tune(predict(model, manifests.valid, data_root, cache), taxonomy, grid).best
    test = predict(model, manifests.test, data_root, cache)
    decodings = {name: best.get(decoding, decoding) for name, decoding in DECODERS.items()}
    return {
        name: (decoding, score_decoding(decoding, test, taxonomy, grid))
        for name, decoding in decodings.items()
    }


def mean_rows(runs):
    """One row of scores for each decoder: the mean over the runs in which a class was there.

    Arguments
    ---------
    runs : sequence of dict
        As :func:`compare_run` returns them.

    Returns
    -------
    list of dict
        For :func:`hrin_plugin.decoding.scores.format_table`.

    Example
    -------
    >>> runs = [{"argmax": (Decoding("argmax"), {"decoding": "argmax", "F": f})} for f in (0.5, 0.7, None)]
    >>> mean_rows(runs)
    [{'decoder': 'argmax', 'F': 0.6}]
    """
    rows = []
    for name, (_, first) in runs[0].items():
        row = {"decoder": name}
        for column in list(first)[1:]:
            values = [run[name][1][column] for run in runs]
            values = [value for value in values if value is not None]
            row[column] = float(np.mean(values)) if values else None
        rows.append(row)
    return rows


def main(argv=None):
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="output folders of finished runs")
    parser.add_argument("--data_folder", help="the data set; without one, the miniature set")
    parser.add_argument("--results_folder", default="results", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    try:
        runs = [
            compare_run(folder, arguments.data_folder, arguments.results_folder) for folder in arguments.runs
        ]
    except (ValueError, OSError) as error:
        print(f"compare_decoders.py: error: {error}", file=sys.stderr)
        return 1
    print(format_table(mean_rows(runs)))
    for folder, run in zip(arguments.runs, runs):
        print(f"\nTuned on the validation fold of {folder}:\n")
        for name, method in DECODERS.items():
            if isinstance(method, str):
                print(f"- {run[name][0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
