"""Trainings beside the authors' code: ``python benchmarks/authors_training.py --authors DIR``.

``--authors`` is a checkout of https://github.com/jiabijue/md_mrle. Three trainings of each network start from
the same weights and take the same features in the same batches: the recipe, as its YAML says; the authors'
network in a plain loop of torch, by the paper's objective; and the same by the authors' own objective (means
over classes, no half in L_no, incomplete batches dropped, last epoch tested). The tables give the paper's
objective of each epoch, and the scores of the test fold by this package and by the authors' functions.

Convolutions before batch normalisation have biases without a gradient. Adam makes steps of the learning rate
out of the rounding of that zero, so that running means differ, and validation losses before training losses.
"""

import argparse
import contextlib
import copy
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import speechbrain as sb
import torch
from torch.nn.functional import binary_cross_entropy, one_hot

from hrin_plugin.mixing import synthesise_miniature
from hrin_plugin.training.brain import HRINBrain
from hrin_plugin.training.recipe import fit_statistics, load_hparams, sounds
from hrin_plugin.training.results import Prediction, score

RECIPE = Path(__file__).parents[1] / "recipes/OpenBMAT"
#: The authors' names of the networks, in their settings.json.
THEIR_NAMES = {"hrin_r": "hedln-r", "hrin_cr": "hedln-cr", "lstm": "lstm", "gru": "gru", "cnn_gru": "cnn-gru"}
#: Weights of the second path.
_SECOND_PATH = re.compile(r"(conv|recurrent)_2\.|heads\.layers\.1\.")


class Training(NamedTuple):
    """What came of a training."""

    train_losses: list  # of each epoch
    valid_losses: list
    predictions: list


class Log:
    """Keeps the figures of every epoch, in place of a file."""

    def __init__(self):
        self.epochs = []

    def log_stats(self, stats_meta, train_stats=None, valid_stats=None, **_):
        """Keep the losses of an epoch."""
        self.epochs.append((train_stats["loss"], valid_stats["loss"]))


def train_ours(stem, data_folder, work_folder, n_epochs):
    """The recipe's training, with its initial weights, its batches, its data sets and its settings."""
    sys.path.insert(0, str(RECIPE))
    import train

    file, run_opts, overrides = sb.parse_arguments(
        [
            str(RECIPE / f"hparams/{stem}.yaml"),
            f"--data_folder={data_folder}",
            f"--results_folder={work_folder}",
            f"--number_of_epochs={n_epochs}",
            "--device=cpu",
            "--noprogressbar",
        ]
    )
    hparams = load_hparams(file, overrides)
    folder, manifests = train.prepare_data(hparams)
    datasets, load_features = train.dataio_prep(hparams, folder, manifests)
    fit_statistics(hparams["statistics"], load_features, sounds(datasets["train"], "wav"))
    initial, batches, log = copy.deepcopy(hparams["model"].state_dict()), [], Log()

    class Recorder(HRINBrain):
        """Keeps the names in each batch."""

        def fit_batch(self, batch):
            """A training step."""
            batches.append(list(batch.id))
            return super().fit_batch(batch)

    brain = train.make_brain(Recorder, hparams | {"train_logger": log}, run_opts)
    options = hparams["train_dataloader_opts"], hparams["eval_dataloader_opts"]
    brain.fit(hparams["epoch_counter"], datasets["train"], datasets["valid"], None, *options)
    predictions = brain.test(datasets["test"], options[1])
    return Training(*map(list, zip(*log.epochs)), predictions), initial, batches, datasets, hparams


def take_over(network, initial):
    """Copy this package's weights into the authors' network."""
    # They go through one path after the other; here the units of both paths stand side by side.
    ours = sorted(initial.items(), key=lambda item: bool(_SECOND_PATH.match(item[0])))
    theirs = network.state_dict()
    assert len(ours) == len(theirs)
    network.load_state_dict(
        {name: weight.reshape(theirs[name].shape) for name, (_, weight) in zip(theirs, ours)}
    )


def losses_of(outputs, targets, hparams, papers):
    """The objective of a batch, of the paper or of the authors; probabilities ``[frame, batch, class]``."""
    scale = [level.shape[-1] if papers else 1 for level in outputs]
    loss = sum(n * binary_cross_entropy(p, y) for n, p, y in zip(scale, outputs, targets))
    if len(outputs) == 2:
        md, mrle = outputs
        share = 0.5 if papers else 1.0
        loss = loss + hparams["gamma"] * share * (mrle[..., 0] - md[..., 0]).square().mean()
        for factor, child in (("alpha", 1), ("beta", 2)):
            loss = loss + hparams[factor] * (mrle[..., child] - md[..., 1]).clamp(min=0).square().mean()
    return loss


def train_theirs(network, initial, batches, datasets, hparams, papers):
    """A plain loop around the authors' network, by the paper's objective or by theirs."""
    take_over(network, initial)
    statistics, sizes = hparams["statistics"], hparams["objective"].taxonomy.sizes
    items = {}
    for dataset in datasets.values():
        for item in dataset:
            classes = item["md_frames"], item["mrle_frames"]
            targets = [
                one_hot(torch.as_tensor(each).long(), size).float() for each, size in zip(classes, sizes)
            ]
            items[item["id"]] = statistics(torch.as_tensor(item["frames"])[None])[0], targets
    optimizer = torch.optim.Adam(network.parameters(), hparams["lr"])
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=hparams["lr_decay"])

    def run(names):
        """Outputs and targets of a batch, ``[frame, batch, class]`` of each level."""
        outputs = network(torch.stack([items[name][0] for name in names], dim=1))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        targets = [torch.stack(level, dim=1) for level in zip(*(items[name][1] for name in names))]
        return outputs, targets[-len(outputs) :]

    n_steps, losses, best = len(batches) // hparams["number_of_epochs"], [], (np.inf, None)
    size = hparams["batch_size"]
    for epoch in range(hparams["number_of_epochs"]):
        network.train()
        sums = []
        for names in batches[epoch * n_steps : (epoch + 1) * n_steps]:
            if papers or len(names) == size:
                outputs, targets = run(names)
                sums.append((losses_of(outputs, targets, hparams, True).item(), len(names)))
                optimizer.zero_grad()
                losses_of(outputs, targets, hparams, papers).backward()
                optimizer.step()
        schedule.step()
        network.eval()
        with torch.no_grad():
            valid = [losses_of(*run([name]), hparams, True).item() for name in datasets["valid"].data_ids]
        losses.append((sum(loss * n for loss, n in sums) / sum(n for _, n in sums), np.mean(valid)))
        if not papers or losses[-1][1] < best[0]:
            best = losses[-1][1], copy.deepcopy(network.state_dict())
    network.load_state_dict(best[1])
    predictions = []
    for name in datasets["test"].data_ids:
        with torch.no_grad():
            levels = [level[:, 0].double().numpy() for level in run([name])[0]]
        if len(levels) == 1:  # as the authors derive it: music is foreground or background
            levels.insert(0, np.stack((levels[0][:, 0], levels[0][:, 1:].max(axis=1)), axis=1))
        predictions.append((name, levels))
    return Training(*map(list, zip(*losses)), predictions)


def scores_by_package(predictions, hparams):
    """Accuracy and event F-measures by this package, through sed_eval."""
    scores, found = score(predictions, hparams["objective"].taxonomy, hparams["features"].grid), {}
    for task in ("md", "mrle"):
        found[f"{task} accuracy"] = scores[task]["segment"]["accuracy"]
        classes = scores[task]["event"]["500ms_onset"]["classes"]
        for label, each in classes.items():
            found[f"{task} event F {label}"] = each["f_measure"]
    return found


def scores_by_authors(utils, predictions, classes):
    """The same by the authors' functions, from frames."""
    found = {}
    for level, (task, theirs) in enumerate((("md", "mud"), ("mrle", "mrle"))):
        truth, guess = [], []
        for prediction in predictions:
            probabilities = np.asarray(prediction.probabilities[level])
            known = np.eye(probabilities.shape[1], dtype=int)[classes[prediction.name][level]]
            truth.append(utils.label_to_annotation(known.T, theirs))
            guess.append(utils.label_to_annotation((probabilities >= 0.5).astype(int).T, theirs))
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                segments, events = utils.eval(truth, guess, segment_length=0.01, event_tolerance=0.5)
        except ValueError:  # a class is found that occurs nowhere in the truth
            continue
        found[f"{task} accuracy"] = segments.overall_accuracy()["accuracy"]
        for label in sorted(segments.event_label_list):
            found[f"{task} event F {label}"] = events.class_wise_f_measure(label)["f_measure"]
    return found


def compare(stem, data_folder, work_folder, n_epochs, utils, settings, with_own):
    """Train two or three times; returns the tables as text."""
    ours, initial, batches, datasets, hparams = train_ours(stem, data_folder, work_folder, n_epochs)
    their_setting = settings[THEIR_NAMES[stem]]
    assert (their_setting["batch_size"], their_setting["lr"]) == (hparams["batch_size"], hparams["lr"])
    results = []
    for papers in (True, False)[: 2 if with_own else 1]:
        network = utils.build_model(their_setting["model"])
        result = train_theirs(network, initial, batches, datasets, hparams, papers)
        known = {each.name: each for each in ours.predictions}
        predictions = [
            Prediction(name, known[name].duration_s, known[name].references, tuple(levels))
            for name, levels in result.predictions
        ]
        results.append(result._replace(predictions=predictions))
    theirs, own = results[0], (results[1:] or [None])[0]
    trainings = [theirs, ours, *results[1:]]
    n_steps = len(batches) // n_epochs
    counts = ", ".join(f"{len(dataset)} {name}" for name, dataset in datasets.items())
    lines = [
        f"\n### {stem}: {counts}; {n_steps} steps an epoch of batch {hparams['batch_size']}, "
        f"lr {hparams['lr']:g}, decay {hparams['lr_decay']:g}, clipping {hparams['max_grad_norm']}\n",
        "| epoch | train: theirs | ours | difference | valid: theirs | ours | difference "
        "| valid: by their objective |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for epoch in range(n_epochs):
        cells = []
        for name in ("train_losses", "valid_losses"):
            a, b = (getattr(each, name)[epoch] for each in (theirs, ours))
            cells += [f"{a:.6f}", f"{b:.6f}", f"{b - a:+.1e}"]
        cells.append(f"{own.valid_losses[epoch]:.6f}" if own else "-")
        lines.append(f"| {epoch + 1} | {' | '.join(cells)} |")
    frames = {item["id"]: (item["md_frames"], item["mrle_frames"]) for item in datasets["test"]}
    gap = max(
        float(np.abs(np.asarray(a) - np.asarray(b)).max())
        for one, other in zip(ours.predictions, theirs.predictions)
        for a, b in zip(one.probabilities, other.probabilities)
    )
    lines += [
        f"\nLargest difference of a probability on the test fold, ours to theirs: {gap:.1e}\n",
        f"| score of the test fold | theirs | ours |{' by their objective |' * bool(own)} "
        f"by the authors' functions: theirs | ours |{' by their objective |' * bool(own)}",
        f"| --- |{' --- |' * 2 * len(trainings)}",
    ]
    tables = [scores_by_package(each.predictions, hparams) for each in trainings]
    tables += [scores_by_authors(utils, each.predictions, frames) for each in trainings]
    for name in tables[0]:
        row = [table.get(name) for table in tables]
        lines.append(f"| {name} | {' | '.join('-' if value is None else f'{value:.4f}' for value in row)} |")
    return "\n".join(lines)


def main():
    """Train, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--authors", required=True, help="checkout of the authors' code")
    parser.add_argument("--data_folder", help="set in OpenBMAT's layout, excerpts of one length")
    parser.add_argument("--experiments", default="cnn_gru,hrin_cr,hrin_r", help="names of YAML files")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--without-own", action="store_true", help="leave the authors' own objective out")
    arguments = parser.parse_args()
    sys.path.insert(0, arguments.authors)
    import utils

    settings = utils.load_json(Path(arguments.authors) / "settings.json")
    with tempfile.TemporaryDirectory() as folder:
        data_folder = arguments.data_folder
        if data_folder is None:
            data_folder = Path(folder, "set")
            synthesise_miniature(data_folder, n_excerpts=100, seconds=4.0)
        for stem in arguments.experiments.split(","):
            settings_of = data_folder, folder, arguments.epochs, utils, settings, not arguments.without_own
            print(compare(stem, *settings_of), flush=True)


if __name__ == "__main__":
    main()
