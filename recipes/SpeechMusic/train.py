#!/usr/bin/env python3
"""Train HRIN to tell music, speech and noise apart, as a start for music detection on OpenBMAT.

> python recipes/SpeechMusic/train.py hparams/hrin_cr.yaml --data_folder=/path/to/musan

Without a data folder, a miniature synthetic corpus is made and used. A second start
of the same command goes on where the first was interrupted.
"""

import contextlib
import os
import sys
from pathlib import Path

try:
    from hrin_plugin.doctor import require_working_environment
except ModuleNotFoundError:
    sys.exit("hrin_plugin is not installed; in the folder of its setup.py, run: pip install .")

require_working_environment()

# What this recipe shares with the one that it pretrains for.
sys.path.append(str(Path(__file__).resolve().parents[1] / "OpenBMAT"))

import speechbrain as sb
from hyperpyyaml import load_hyperpyyaml
from speechbrain.dataio.dataio import load_data_json
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import ddp_init_group, if_main_process, run_on_main
from speechbrain.utils.logger import get_logger
from tqdm import tqdm

from experiment.folder import claim_folder
from experiment.lock import RunRefused, alone
from experiment.settings import resolve_settings
from hrin_plugin.brain import HRINBrain, NonFiniteLoss
from hrin_plugin.detection import TASKS
from hrin_plugin.events import Event, events_to_frames
from hrin_plugin.memory import keep_freed_memory
from hrin_plugin.pretrained import PretrainedModel, save_pretrained
from hrin_plugin.results import score, write_results
from speechmusic_corpus import identify_corpus, synthesise_corpus
from speechmusic_examples import ExampleLoader, join_segments
from speechmusic_prepare import prepare_speechmusic

logger = get_logger(__name__)


def find_hparams(path):
    """A hyperparameter file, looked up beside this script if it is not found from the working folder."""
    beside = Path(__file__).resolve().parent / path
    if not os.path.exists(path) and not beside.exists():
        sys.exit(f"{path} is found neither here ({os.getcwd()}) nor beside train.py; see {beside.parent}")
    return path if os.path.exists(path) else str(beside)


def prepare_data(hparams):
    """Folder and manifests of the corpus; the miniature corpus where no folder is given."""
    data_folder = hparams["data_folder"]
    if not data_folder:
        data_folder = os.path.join(hparams["results_folder"], "miniature_corpus")
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
    grid, taxonomy = hparams["features"].grid, hparams["taxonomy"]

    @sb.utils.data_pipeline.takes("pieces", "md", "mrle")
    @sb.utils.data_pipeline.provides("frames", "md_frames", "mrle_frames")
    def frames_pipeline(pieces, md, mrle):
        """Features and the class of each frame on both levels."""
        frames = load_features(pieces)
        yield frames
        for rows, labels in zip((md, mrle), taxonomy.levels):
            events = [Event(label, onset_s, offset_s) for onset_s, offset_s, label in rows]
            yield events_to_frames(events, labels, grid, len(frames))

    datasets = {}
    for split, path in manifests._asdict().items():
        entries = load_data_json(path, replacements={"data_root": data_folder})
        datasets[split] = DynamicItemDataset(
            join_segments(entries, taxonomy, hparams["example_s"], hparams["seed"]),
            dynamic_items=[frames_pipeline],
            output_keys=["id", "duration", "frames", "md_frames", "mrle_frames", "md", "mrle"],
        )
    return datasets, load_features


def examples(dataset):
    """Pieces of a data set's examples, in order."""
    return [dataset.data[name]["pieces"] for name in dataset.data_ids]


def main(argv):
    """Claim the run's folder, and train and test there."""
    hparams_file, run_opts, overrides = sb.parse_arguments(argv)
    hparams_file = find_hparams(hparams_file)
    keep_freed_memory()
    ddp_init_group(run_opts)
    try:
        settings = resolve_settings(hparams_file, run_opts, overrides, identify_corpus)
    except ValueError as error:
        sys.exit(f"{error}")
    try:
        with contextlib.ExitStack() as stack:
            run_on_main(stack.enter_context, args=[claim_folder(settings)])
            train_and_test(hparams_file, run_opts, overrides)
    except RunRefused as error:
        print(error, file=sys.stderr)
        sys.exit(error.status)


def train_and_test(hparams_file, run_opts, overrides):
    """Prepare, train, test, export."""
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)

    try:
        data_folder, manifests = run_on_main(alone, args=[hparams["prepared_folder"], prepare_data, hparams])
        datasets, load_features = dataio_prep(hparams, data_folder, manifests)
        every_example = [pieces for dataset in datasets.values() for pieces in examples(dataset)]
        run_on_main(alone, args=[hparams["prepared_folder"], load_features.fill, every_example])
    except (ValueError, OSError) as error:
        # What is wrong with data is told in the message; where in the code it was noticed helps nobody.
        sys.exit(f"{error}")
    if hparams["checkpointer"].find_checkpoint() is None:
        training = tqdm(examples(datasets["train"]), "statistics", disable=not if_main_process())
        hparams["statistics"].fit(load_features(pieces) for pieces in training)

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
    try:
        brain.fit(
            hparams["epoch_counter"],
            datasets["train"],
            datasets["valid"],
            train_loader_kwargs=hparams["train_dataloader_opts"],
            valid_loader_kwargs=hparams["eval_dataloader_opts"],
        )
        predictions = brain.test(datasets["test"], hparams["eval_dataloader_opts"])
    except NonFiniteLoss as error:
        sys.exit(f"{error}")
    run_on_main(report, args=[hparams, predictions])


def report(hparams, predictions):
    """Write the model and the scores of the finished run, and show the scores."""
    output_folder, taxonomy = Path(hparams["output_folder"]), hparams["taxonomy"]
    model = PretrainedModel(hparams["features"], hparams["statistics"], hparams["model"])
    save_pretrained(output_folder / "pretrained", model)
    scores = score(predictions, taxonomy, hparams["features"].grid)
    write_results(output_folder / "results.json", scores, {"seed": hparams["seed"]})
    for number, task in enumerate(TASKS, start=1):
        segment = scores[task]["segment"]
        classes = {name: each["f_measure"] for name, each in segment["classes"].items()}
        logger.info("Level %s: accuracy %.4f, F-measures %s", number, segment["accuracy"], classes)
    logger.info("The model is in %s", output_folder / "pretrained")


if __name__ == "__main__":
    main(sys.argv[1:])
