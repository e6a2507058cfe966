#!/usr/bin/env python3
"""Train and test a network for music detection and music relative loudness estimation on OpenBMAT.

> python recipes/OpenBMAT/train.py hparams/hrin_cr.yaml --data_folder=/path/to/OpenBMAT

Without a data folder, a miniature synthetic set is made and used. A second start
of the same command goes on where the first was interrupted.
"""

import hashlib
import os
import random
import sys
from pathlib import Path

try:
    from hrin_plugin.doctor import require_working_environment
except ModuleNotFoundError:
    sys.exit("hrin_plugin is not installed; in the folder of its setup.py, run: pip install .")

require_working_environment()

import speechbrain as sb
import torch
from speechbrain.dataio.dataio import load_data_json
from speechbrain.utils.distributed import run_on_main
from speechbrain.utils.logger import get_logger

from hrin_plugin.features.cache import FeatureLoader, Section
from hrin_plugin.metrics.scores import format_scores
from hrin_plugin.mixing import synthesise_miniature
from hrin_plugin.pretrained.card import score_section
from hrin_plugin.pretrained.folder import PretrainedModel
from hrin_plugin.training.brain import HRINBrain
from hrin_plugin.training.export import export_model, push_finished
from hrin_plugin.training.lock import alone
from hrin_plugin.training.recipe import (
    check_recordings,
    fit_statistics,
    load_hparams,
    make_datasets,
    refusing,
    run_recipe,
    sounds,
)
from hrin_plugin.training.results import score, write_predictions, write_results
from openbmat_prepare import prepare_openbmat

logger = get_logger(__name__)


def prepare_data(hparams):
    """Folder and manifests of the data set; the miniature set where no folder is given."""
    data_folder = hparams["data_folder"]
    if not data_folder:
        data_folder = os.path.join(hparams["results_folder"], "synthetic_set")
        logger.warning(
            "No --data_folder is given: training on a miniature SYNTHETIC set in %s, which shows that "
            "everything works and tells nothing about real broadcasts. The real set, OpenBMAT, is "
            "given on request: https://zenodo.org/record/3381249",
            data_folder,
        )
        synthesise_miniature(data_folder)
    # One folder for each data set and annotator, so that runs side by side do not redo each other's work.
    address = os.path.abspath(data_folder)
    folder = f"{os.path.basename(address)}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
    manifests = prepare_openbmat(
        data_folder,
        os.path.join(
            hparams["prepared_folder"],
            folder,
            f"annotator_{hparams['annotator']}_{hparams['md_from']}",
            f"fold_{hparams['fold']}",
        ),
        fold=hparams["fold"],
        annotator=hparams["annotator"],
        md_from=hparams["md_from"],
        skip_bad_files=hparams["skip_bad_files"],
        excerpt_s=hparams.get("excerpt_s", 60.0),
        unlabelled=hparams.get("unlabelled"),
    )
    return data_folder, manifests


def dataio_prep(hparams, data_folder, manifests):
    """The three data sets, and the loader of their features."""
    cache = os.path.join(hparams["prepared_folder"], "features") if hparams["cache_features"] else None
    load_features = FeatureLoader(hparams["features"], cache, hparams["cache_dtype"])
    entries = {
        split: load_data_json(path, replacements={"data_root": data_folder})
        for split, path in manifests._asdict().items()
    }
    for entry in (entry for split in entries.values() for entry in split.values()):
        if isinstance(entry["wav"], list):  # an excerpt of an own recording
            entry["wav"] = Section(*entry["wav"])
    datasets = make_datasets(entries, "wav", load_features, hparams["objective"].taxonomy)
    if "train_share" in hparams:
        datasets["train"] = take_share(datasets["train"], hparams["train_share"], hparams["seed"])
    return datasets, load_features


def take_share(dataset, share, seed):
    """A random share of a data set's recordings, at least one; a smaller share is part of a larger one."""
    if not 0 < share <= 1:
        raise ValueError(f"train_share is {share!r}; use a number above 0, 1 at most")
    names = sorted(dataset.data_ids)
    random.Random(seed).shuffle(names)
    chosen = set(names[: max(1, round(share * len(names)))])
    return dataset.filtered_sorted(key_test={"id": chosen.__contains__})


def start_from_pretrained(hparams):
    """Take over what an earlier training has learnt; random weights where no folder is given."""
    folder = hparams["pretrained_folder"]
    if not folder:
        logger.warning("No --pretrained_folder is given: training starts from random weights")
    elif not os.path.isdir(folder):
        # SpeechBrain would look for it on the Hub.
        raise ValueError(f"{folder}: there is no such folder; give the 'pretrained' folder of a training")
    hparams["pretrainer"].collect_files()
    hparams["pretrainer"].load_collected()


def keep_features(load_features, datasets, device, hparams):
    """Keep the features of data sets in a device's memory, if they fit there."""
    opts = hparams["eval_dataloader_opts"] | hparams["train_dataloader_opts"]
    if torch.device(device).type != "cpu" and (opts.get("num_workers") or opts.get("pin_memory")):
        raise ValueError(
            f"features_in_memory is True, and num_workers {opts.get('num_workers')}: processes that load "
            f"have no use for features that are on {device}; set num_workers to 0, and no pin_memory"
        )
    entries = [dataset.data[name] for dataset in datasets for name in dataset.data_ids]
    paths, duration_s = [entry["wav"] for entry in entries], sum(entry["duration"] for entry in entries)
    kept, text = load_features.keep(paths, duration_s, device)
    (logger.info if kept else logger.warning)("%s", text)


def make_brain(brain_class, hparams, run_opts):
    """The training loop that a YAML describes."""
    return brain_class(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
        objective=hparams["objective"],
        grid=hparams["features"].grid,
        lr_annealing=hparams["lr_annealing"],
        train_logger=hparams["train_logger"],
        fea_augment=hparams.get("fea_augment"),
        overlay=hparams.get("overlay"),
    )


def main(argv):
    """Claim the run's folder, and train and test there."""
    run_recipe(argv, __file__, train_and_test)


def train_and_test(hparams_file, run_opts, overrides):
    """Prepare, train, test, export."""
    hparams = load_hparams(hparams_file, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)

    begins = hparams["checkpointer"].is_empty()
    with refusing(ValueError):
        data_folder, manifests = run_on_main(alone, args=[hparams["prepared_folder"], prepare_data, hparams])
        datasets, load_features = dataio_prep(hparams, data_folder, manifests)
        if begins and "pretrainer" in hparams:
            start_from_pretrained(hparams)
        prepared, skip = hparams["prepared_folder"], hparams["skip_bad_files"]
        datasets = check_recordings(datasets, "wav", load_features, prepared, skip)
    if begins:
        fit_statistics(hparams["statistics"], load_features, sounds(datasets["train"], "wav"))

    brain = make_brain(HRINBrain, hparams, run_opts)
    if hparams.get("features_in_memory"):
        with refusing(ValueError):
            keep_features(load_features, [datasets["train"], datasets["valid"]], brain.device, hparams)
    brain.fit(
        hparams["epoch_counter"],
        datasets["train"],
        datasets["valid"],
        train_loader_kwargs=hparams["train_dataloader_opts"],
        valid_loader_kwargs=hparams["eval_dataloader_opts"],
    )
    predictions = brain.test(datasets["test"], hparams["eval_dataloader_opts"])
    run_on_main(report, args=[hparams, hparams_file, predictions])
    with refusing(ValueError):
        push_finished(hparams["output_folder"], hparams.get("hub"))


def report(hparams, hparams_file, predictions):
    """Write events, scores and the model of the finished run, and show the scores."""
    output_folder = Path(hparams["output_folder"])
    taxonomy, grid = hparams["objective"].taxonomy, hparams["features"].grid
    write_predictions(output_folder / "predictions", predictions, taxonomy, grid)
    scores = score(predictions, taxonomy, grid)
    model = PretrainedModel(hparams["features"], hparams["statistics"], hparams["model"])
    section = score_section(scores, taxonomy)
    export_model(output_folder, model, hparams_file, __file__, len(predictions), section)
    settings = {name: hparams[name] for name in ("fold", "seed", "annotator", "md_from")}
    write_results(output_folder / "results.json", scores, settings)
    logger.info("Scores on fold %s:\n%s", hparams["fold"], format_scores(scores["md"], scores["mrle"]))
    logger.info("Hierarchy violations, share of frames: %s", scores["violations"])
    logger.info("Events, scores and model are in %s", output_folder)


if __name__ == "__main__":
    main(sys.argv[1:])
