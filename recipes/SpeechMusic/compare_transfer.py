#!/usr/bin/env python3
"""What does pretraining on music, speech and noise bring on OpenBMAT, by how many recordings there are?

> python recipes/SpeechMusic/compare_transfer.py --corpus=/path/to/musan --data_folder=/path/to/OpenBMAT

Pretrains HRIN-cr once, then trains it on shares of the recordings of one fold with and
without what was learnt, several seeds each, prints one Markdown table and draws one
plot. What is done is read from the results on disk: the same command goes on where it
was stopped. Without folders, miniature synthetic sets are made and used.
"""

import sys

try:
    from hrin_plugin.doctor import require_working_environment
except ModuleNotFoundError:
    sys.exit("hrin_plugin is not installed; in the folder of its setup.py, run: pip install .")

import argparse
import functools
import shlex
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.training.commands import LocalEngine, visible_gpus
from hrin_plugin.training.folder import RESULTS_FILE, check_settings, is_done
from hrin_plugin.training.lock import RunRefused
from hrin_plugin.training.openbmat import MINIATURE, N_FOLDS, identify_data
from hrin_plugin.training.pool import DONE, describe_failures, run_all
from hrin_plugin.training.progress import Progress
from hrin_plugin.training.settings import parse_numbers, resolve_settings
from hrin_plugin.training.stopping import signals_raised
from speechmusic_corpus import identify_corpus
from transfer_report import ARMS, format_table, read_scores, save_comparison

HERE = Path(__file__).resolve().parent
OPENBMAT = HERE.parent / "OpenBMAT"


class TransferRun(NamedTuple):
    """One training with its test; the pretraining has no share.

    Example
    -------
    >>> print(TransferRun("scratch", 0.1, 2), TransferRun("pretraining", None, 0), sep=", ")
    scratch share 0.1 seed 2, pretraining seed 0
    >>> TransferRun("scratch", 0.1, 2).folder("results").as_posix()
    'results/scratch/share_0.1/seed_2'
    """

    arm: str  # of ARMS, or "pretraining"
    share: float | None
    seed: int

    def __str__(self):
        share = "" if self.share is None else f" share {self.share}"
        return f"{self.arm}{share} seed {self.seed}"

    def folder(self, results_folder):
        """Where the run's results are, a pathlib.Path."""
        parts = [self.arm] if self.share is None else [self.arm, f"share_{self.share}", f"seed_{self.seed}"]
        return Path(results_folder, *parts)


PRETRAINING = TransferRun("pretraining", None, 0)


def parse_arguments(argv):
    """Words of the command line, checked.

    Arguments
    ---------
    argv : sequence of str
        The words.

    Returns
    -------
    argparse.Namespace
        The options; ``shares``, ``seeds`` and ``epochs`` as lists of numbers.

    Example
    -------
    >>> options = parse_arguments(["--epochs", "30,20,10"])
    >>> options.shares, options.seeds, options.epochs
    ([0.1, 0.3, 1.0], [0, 1, 2], [30, 20, 10])
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--corpus", help="music, speech and noise to pretrain on (default: a miniature synthetic corpus)")
    add("--data_folder", help="OpenBMAT's folder (default: a miniature synthetic set)")
    add("--results_folder", default="results/transfer", help="where everything goes (default: %(default)s)")
    add(
        "--shares",
        type=_numbers(float),
        default="0.1,0.3,1.0",
        help="of the training recordings (default: %(default)s)",
    )
    add("--seeds", default="0-2", help="seeds of each share (default: %(default)s)")
    add(
        "--fold",
        type=int,
        default=0,
        choices=range(N_FOLDS),
        metavar="0-9",
        help="test fold (default: %(default)s)",
    )
    add(
        "--epochs",
        type=_numbers(int),
        default="40",
        help="of all trainings, or one number for each share (default: %(default)s)",
    )
    add(
        "--pretraining",
        type=shlex.split,
        default="",
        metavar="WORDS",
        help="options of the pretraining, such as '--number_of_epochs=5'",
    )
    add(
        "--training",
        type=shlex.split,
        default="",
        metavar="WORDS",
        help="options of all other trainings, such as '--lr=0.001'",
    )
    add("--jobs", type=int, default=1, metavar="N", help="runs side by side (default: %(default)s)")
    options = parser.parse_args(argv)
    options.shares = sorted(set(options.shares))
    try:
        options.seeds = parse_numbers(options.seeds)
    except ValueError as error:
        parser.error(f"--seeds: {error}")
    if not all(0 < share <= 1 for share in options.shares):
        parser.error("--shares: use numbers above 0, 1 at most")
    if len(options.epochs) == 1:
        options.epochs *= len(options.shares)
    if len(options.epochs) != len(options.shares):
        parser.error("--epochs: give one number, or one for each share")
    if options.jobs < 1:
        parser.error("--jobs: use 1 or more")
    if not (options.corpus and options.data_folder):
        # Synthetic data have results of their own.
        options.results_folder = str(Path(options.results_folder) / MINIATURE)
    return options


def _numbers(kind):
    """A reader of numbers between commas."""

    def numbers(text):
        """The numbers."""
        return [kind(word) for word in text.split(",")]

    return numbers


def command_words(run, options):
    """The script and its words for a run.

    Arguments
    ---------
    run : TransferRun
        The run.
    options : argparse.Namespace
        As :func:`parse_arguments` gives them.

    Returns
    -------
    list of str
        The script, the hyperparameter file, and the options.

    Example
    -------
    >>> words = command_words(TransferRun("scratch", 0.3, 1), parse_arguments(["--results_folder", "/out"]))
    >>> Path(words[1]).name, words[-3:]
    ('hrin_cr_finetune.yaml', ['--fold=0', '--train_share=0.3', '--number_of_epochs=40'])
    """
    results_folder = Path(options.results_folder).absolute()
    folders = [f"--results_folder={results_folder}", f"--output_folder={run.folder(results_folder)}"]
    common = [*folders, f"--seed={run.seed}", "--noprogressbar"]
    if run.share is None:
        data = [f"--data_folder={Path(options.corpus).absolute()}"] if options.corpus else []
        return [
            str(HERE / "train.py"),
            str(HERE / "hparams/hrin_cr.yaml"),
            *common,
            *data,
            *options.pretraining,
        ]
    data = [f"--data_folder={Path(options.data_folder).absolute()}"] if options.data_folder else []
    if run.arm == "pretrained":
        data.append(f"--pretrained_folder={PRETRAINING.folder(results_folder) / 'pretrained'}")
    epochs = dict(zip(options.shares, options.epochs))[run.share]
    own = [f"--fold={options.fold}", f"--train_share={run.share}", f"--number_of_epochs={epochs}"]
    hparams = OPENBMAT / "hparams/hrin_cr_finetune.yaml"
    return [str(OPENBMAT / "train.py"), str(hparams), *common, *data, *options.training, *own]


def run_stages(options):
    """Pretrain, then do all other runs.

    Arguments
    ---------
    options : argparse.Namespace
        As :func:`parse_arguments` gives them.

    Returns
    -------
    list of TransferRun
        The runs without the pretraining, all done; None if any is not.
    """
    import speechbrain as sb

    identify = functools.cache(identify_data)
    runs = [
        TransferRun(arm, share, seed) for seed in options.seeds for share in options.shares for arm in ARMS
    ]

    def folder_of(run):
        """Where a run writes."""
        return run.folder(options.results_folder)

    @functools.cache
    def settings_of(run):
        """The settings of a run."""
        hparams_file, run_opts, overrides = sb.parse_arguments(command_words(run, options)[1:])
        known = identify_corpus if run.share is None else identify
        return resolve_settings(hparams_file, run_opts, overrides, known)

    def whole(run):
        """Whether a run has left its results."""
        if run.share is None:
            check_settings(folder_of(run), settings_of(run))
            return (folder_of(run) / RESULTS_FILE).exists()
        return is_done(folder_of(run), settings_of(run))

    for stage in ([PRETRAINING], runs):
        to_do = [run for run in stage if not whole(run)]
        progress = Progress(len(stage), len(stage) - len(to_do))
        try:
            outcomes = run_all(
                to_do,
                LocalEngine(min(options.jobs, len(stage)), visible_gpus()),
                options.jobs,
                command_of=lambda run: [sys.executable, *command_words(run, options)],
                folder_of=folder_of,
                is_done=whole,
                progress=progress,
            )
        finally:
            progress.close()
        if any(outcome.status != DONE for outcome in outcomes):
            print(describe_failures(outcomes, folder_of), file=sys.stderr)
            return None
    return runs


def main(argv):
    """Run the command.

    Arguments
    ---------
    argv : sequence of str
        Words of the command line.

    Returns
    -------
    int
        Exit status: 0 if all is done, 1 if a run failed, 2 if refused before anything
        was started, 130 if interrupted, 143 if terminated.
    """
    options = parse_arguments(argv)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print('the plot needs matplotlib; run: pip install "hrin-plugin[plots]"', file=sys.stderr)
        return 2
    try:
        with signals_raised():
            runs = run_stages(options)
    except (ValueError, OSError, RunRefused) as error:
        print(f"compare_transfer.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        return getattr(interrupt, "status", 130)
    if runs is None:
        print("The same command tries again what failed.", file=sys.stderr)
        return 1
    scores = read_scores(runs, options.results_folder)
    paths = save_comparison(options.results_folder, scores)
    print(format_table(scores))
    print(f"Written to {', '.join(map(str, paths))}")
    return 0


if __name__ == "__main__":
    require_working_environment()
    sys.exit(main(sys.argv[1:]))
