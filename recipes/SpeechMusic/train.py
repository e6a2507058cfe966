#!/usr/bin/env python3
"""Train HRIN to tell music, speech and noise apart, as a start for music detection on OpenBMAT.

> python recipes/SpeechMusic/train.py hparams/hrin_cr.yaml --data_folder=/path/to/musan

Without a data folder, a miniature synthetic corpus is made and used. A second start
of the same command goes on where the first was interrupted.
"""

import os
import sys
from pathlib import Path

try:
    from hrin_plugin.doctor import require_working_environment
except ModuleNotFoundError:
    sys.exit("hrin_plugin is not installed; in the folder of its setup.py, run: pip install .")

require_working_environment()

import speechbrain as sb
from speechbrain.dataio.dataio import load_data_json
from speechbrain.utils.distributed import run_on_main
from speechbrain.utils.logger import get_logger

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
from hrin_plugin.training.results import score, write_results
from speechmusic_corpus import identify_corpus, synthesise_corpus
from speechmusic_examples import ExampleLoader, join_segments
from speechmusic_prepare import prepare_speechmusic

logger = get_logger(__name__)


def prepare_data(hparams):
    """Folder and manifests of the corpus; the miniature corpus where no folder is given."""
    data_folder = hparams["data_folder"]
    if not data_folder:
        data_folder = os.path.join(hparams["results_folder"], "synthetic_corpus")
        logger.warning(
            "No --data_folder is given: training on a miniature SYNTHETIC corpus in %s, which shows that "
            "everything works and is no good as a start. MUSAN is at https://www.openslr.org/17",
            data_folder,
        )
        synthesise_corpus(data_folder)
    manifests = prepare_speechmusic(
        data_folder,
        os.path.join(hparams["output_folder"], "manifests"),
        classes=hparams["taxonomy"].levels[1],
        segment_s=hparams["segment_s"],
        hours_per_class=hparams["hours_per_class"],
        skip_bad_files=hparams["skip_bad_files"],
    )
    return data_folder, manifests


def dataio_prep(hparams, data_folder, manifests):
    """The three data sets, and the loader of their features."""
    cache = os.path.join(hparams["prepared_folder"], "features") if hparams["cache_features"] else None
    load_features = ExampleLoader(hparams["features"], cache, hparams["cache_dtype"])
    taxonomy, entries = hparams["taxonomy"], {}
    for split, path in manifests._asdict().items():
        segments = load_data_json(path, replacements={"data_root": data_folder})
        entries[split] = join_segments(segments, taxonomy, hparams["example_s"], hparams["seed"])
    return make_datasets(entries, "pieces", load_features, taxonomy), load_features


def main(argv):
    """Claim the run's folder, and train and test there."""
    run_recipe(argv, __file__, train_and_test, identify=identify_corpus)


def train_and_test(hparams_file, run_opts, overrides):
    """Prepare, train, test, export."""
    hparams = load_hparams(hparams_file, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)

    begins = hparams["checkpointer"].is_empty()
    with refusing(ValueError):
        data_folder, manifests = run_on_main(alone, args=[hparams["prepared_folder"], prepare_data, hparams])
        datasets, load_features = dataio_prep(hparams, data_folder, manifests)
        prepared, skip = hparams["prepared_folder"], hparams["skip_bad_files"]
        datasets = check_recordings(datasets, "pieces", load_features, prepared, skip)
    if begins:
        fit_statistics(hparams["statistics"], load_features, sounds(datasets["train"], "pieces"))

    brain = HRINBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
        objective=hparams["objective"],
        grid=hparams["features"].grid,
        lr_annealing=hparams["lr_annealing"],
        train_logger=hparams["train_logger"],
    )
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
    """Write the model and the scores of the finished run, and show the scores."""
    output_folder, taxonomy = Path(hparams["output_folder"]), hparams["taxonomy"]
    model = PretrainedModel(hparams["features"], hparams["statistics"], hparams["model"])
    scores = score(predictions, taxonomy, hparams["features"].grid)
    section = score_section(scores, taxonomy)
    export_model(output_folder, model, hparams_file, __file__, len(predictions), section)
    write_results(output_folder / "results.json", scores, {"seed": hparams["seed"]})
    for level in taxonomy.level_names:
        segment = scores[level]["segment"]
        classes = {name: each["f_measure"] for name, each in segment["classes"].items()}
        logger.info("Level %s: accuracy %.4f, F-measures %s", level, segment["accuracy"], classes)
    logger.info("The model is in %s", output_folder / "pretrained")


if __name__ == "__main__":
    main(sys.argv[1:])
