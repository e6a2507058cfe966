#!/usr/bin/env python3
"""Train the model that ships, on excerpts that are mixed anew for every step from a cache of stems.

> python recipes/Broadcast/train.py hparams/broadcast.yaml --stems_folder=/path/to/stems

Without a folder, a few synthetic stems are made and used. A second start of the same
command goes on where the first was interrupted.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

try:
    import speechbrain as sb
except ModuleNotFoundError as error:
    sys.exit(f"{error}; in the folder of setup.py, run: pip install .")

from speechbrain.utils.logger import get_logger
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from broadcast_stems import synthesise_stems
from dynamic_brain import DynamicBrain, Plans
from finish import calibrate, draw_rehearsal
from hrin_plugin.files import write_atomically
from hrin_plugin.mixing.dynamic import Mixer
from hrin_plugin.mixing.dynamic_plan import Planner
from hrin_plugin.mixing.stem_cache import SAMPLES_FILE, TABLE_FILE, StemCache
from hrin_plugin.networks import keep_statistics
from hrin_plugin.pretrained.card import write_card
from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained
from hrin_plugin.pretrained.rehearsal import save_rehearsal
from hrin_plugin.training.checksums import Checksums
from hrin_plugin.training.export import describe_run, push_finished
from hrin_plugin.training.loggers import STEP, keep_epochs
from hrin_plugin.training.openbmat import MINIATURE
from hrin_plugin.training.recipe import load_hparams, refusing, run_recipe
from validation import as_table, score_kinds

logger = get_logger(__name__)

#: What writes the log of the steps.
LOG_NAME = "train_log.txt"
#: Files of a cache of stems.
FILES = (TABLE_FILE, SAMPLES_FILE)
#: Folders of the model: in 8 bits, and as it was trained.
MODELS = ("pretrained", "full_precision")


def main(argv):
    """Read the settings, train, score, export."""
    if not any(word.startswith("--device") for word in argv):
        argv = [*argv, f"--device={'cuda:0' if torch.cuda.is_available() else 'cpu'}"]
    _, run_opts, _ = sb.parse_arguments(argv)
    with refusing(ValueError):
        if run_opts.precision == "fp16" or run_opts.auto_mix_prec:
            raise ValueError("fp16 needs gradients to be scaled, and no step does that; use bf16 or fp32")
    torch.backends.cudnn.benchmark = True
    run_recipe(argv, __file__, train_score_and_export, data_key="stems_folder", identify=identify_stems)


def identify_stems(stems_folder, annotator=None, md_from=None, checksums=None):
    """What a cache of stems holds, in a few words that are the same wherever its folder lies."""
    if not stems_folder:
        return MINIATURE
    table, samples = (checksums or Checksums()).of([Path(stems_folder, name) for name in FILES])
    return f"stems ({table[:12]}, {samples[:12]})"


def train_score_and_export(hparams_file, run_opts, overrides):
    """Build what the settings describe, train, score, export."""
    hparams = load_hparams(hparams_file, overrides)
    if run_opts.debug:
        for name in ("validation", "calibration", "rehearsal"):
            hparams[name] = {key: value if key == "seconds" else 1 for key, value in hparams[name].items()}
    sb.create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides, save_env_desc=hparams["save_environment"]
    )
    with refusing(ValueError):
        train(hparams, run_opts, hparams_file)


def train(hparams, run_opts, hparams_file):
    """Train, score, export."""
    output_folder = Path(hparams["output_folder"])
    begin_s = time.monotonic()

    def write_log(line):
        """Show a line, and keep it."""
        logger.info(line)
        with open(output_folder / LOG_NAME, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    stems_folder = hparams["stems_folder"]
    if stems_folder is None:
        stems_folder = output_folder / "synthetic_stems"
        logger.warning("There is no --stems_folder: synthetic stems are made, to try the recipe with")
        synthesise_stems(stems_folder)
    cache = StemCache(stems_folder)
    planner = Planner(cache, hparams["seed"], hparams["music_weights"], hparams["noise_weights"])
    model, statistics = hparams["model"], hparams["modules"]["statistics"]
    begins = hparams["checkpointer"].is_empty()
    if hparams["init_from"]:
        # Means of smaller batches would be worse than those of the training before.
        keep_statistics(model)
    if begins and hparams["init_from"]:
        start_from(hparams["init_from"], model, statistics)
    facts = describe_training(hparams, cache)
    brain = DynamicBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
        mixer=Mixer(cache.samples, run_opts.device),
        plans=Plans(planner, hparams["lengths"], hparams["seed"], hparams["steps_together"]),
        features=hparams["features"],
        objective=hparams["objective"],
        average=AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(hparams["average_decay"]), use_buffers=True
        ),
        progress=hparams["progress"],
        lr=hparams["lr"],
        on_save=lambda: export(output_folder, brain, facts | {"steps": brain.progress.step}, hparams),
    )
    if begins and not hparams["init_from"]:
        brain.fit_statistics(hparams["statistics_batches"])
    write_log(f"ready after {time.monotonic() - begin_s:.0f} s on {run_opts.device}")
    brain.fit_steps(
        hparams["loader_options"],
        hparams["log_interval_steps"],
        hparams["save_interval_min"],
        write_log,
        keep_log=lambda step: keep_epochs(output_folder / LOG_NAME, step, STEP),
    )
    if hparams["number_of_steps"]:
        facts["temperatures"] = calibrate(brain, planner, **hparams["calibration"])
        export(output_folder, brain, facts | {"steps": brain.progress.step}, hparams)
        rehearsal = draw_rehearsal(brain, planner, **hparams["rehearsal"])
        for name in MODELS:
            save_rehearsal(output_folder / name, rehearsal)
        write_log(f"temperatures of the levels: {facts['temperatures']}")
    kinds = sorted({stem.kind for stem in cache.of("music", "valid")})
    table = as_table(score_kinds(brain, planner, kinds, **hparams["validation"]))
    write_atomically(output_folder / "validation.tsv", table)
    facts = describe_run(output_folder, hparams_file, __file__) | {"steps": brain.progress.step}
    model = PretrainedModel(brain.features, brain.modules.statistics, brain.average.module)
    for name in MODELS:
        write_card(output_folder / name, "broadcast", model, facts, as_section(table))
    push_finished(output_folder, hparams.get("hub"))
    write_log(f"scores of stems that no step trained on, after {time.monotonic() - begin_s:.0f} s:\n{table}")


def start_from(folder, model, statistics):
    """Take over the weights and the statistics of a pretrained model."""
    found = load_pretrained(folder)
    if found.network.settings != model.settings:
        raise ValueError(
            f"{folder} holds a network of the settings {found.network.settings}, and the YAML has "
            f"{model.settings}; make them the same"
        )
    model.load_state_dict(found.network.state_dict())
    statistics.load_state_dict(found.statistics.state_dict())


def describe_training(hparams, cache):
    """Facts of a training, for ``model.json``."""
    try:
        folder = os.path.dirname(os.path.abspath(__file__))
        run = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True)
        commit = run.stdout.strip() or hparams["commit"]
    except OSError:
        commit = hparams["commit"]
    return {
        "recipe": "recipes/Broadcast",
        "commit": commit,
        "seed": hparams["seed"],
        "stems_sha256": cache.sha256,
        "started_from": hparams["init_from"] and os.path.basename(os.path.abspath(hparams["init_from"])),
    }


def as_section(table):
    """The scores by kind of music as a section of a card."""
    first, *rows = [f"| {' | '.join(line.split())} |" for line in table.splitlines() if line]
    rule = "|" + " --- |" * (first.count("|") - 1)
    return "\n".join(["## Scores on mixes of stems that no step trained on\n", first, rule, *rows])


def export(output_folder, brain, facts, hparams):
    """Write the averaged model, in 8 bits with its decoding, and in full precision."""
    average = brain.average.module
    model = PretrainedModel(brain.features, brain.modules.statistics, average)
    for name in MODELS:
        save_pretrained(output_folder / name, model, quantised=name == MODELS[0], training=facts)
    write_atomically(output_folder / MODELS[0] / "decoding.json", json.dumps(hparams["decoding"]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
