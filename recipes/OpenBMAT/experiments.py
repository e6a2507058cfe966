#!/usr/bin/env python3
"""Run any selection of the paper's experiments, folds and seeds; what is done already is not done again.

> python recipes/OpenBMAT/experiments.py --tables I,II --data_folder=/path/to/OpenBMAT --jobs 4

Each run is a train.py of its own, in a folder of its own below the results
folder. What is done is read from the results on disk: the same command goes on
where it was stopped, and tries again what failed.
"""

import sys

try:
    from hrin_plugin.doctor import require_working_environment
except ModuleNotFoundError:
    sys.exit("hrin_plugin is not installed; in the folder of its setup.py, run: pip install .")

import os
from pathlib import Path

from hrin_plugin.training.folder import is_done
from hrin_plugin.training.lock import RunRefused
from hrin_plugin.training.pool import DONE, ELSEWHERE, FAILED, describe_failures, run_all
from hrin_plugin.training.progress import Progress
from hrin_plugin.training.stopping import signals_raised
from hrin_plugin.training.unpacking import unpacked
from paper.estimate import Estimate, describe
from paper.options import make_engine, parse_arguments
from paper.plan import (
    all_folds,
    all_settings,
    find_done,
    select_experiments,
    select_runs,
    training_arguments,
)

TRAIN = Path(__file__).resolve().with_name("train.py")


def run_plan(options, script):
    """Select, check, say what it costs, run, and report.

    Arguments
    ---------
    options : argparse.Namespace
        As :func:`parse_arguments` gives them.
    script : str or pathlib.Path
        What trains.

    Returns
    -------
    int
        Exit status: 0 if all runs are done, 1 if any failed.
    """
    options.data_folder = unpacked(options.data_folder, Path(options.results_folder, "prepared"))
    folds = options.folds or all_folds(options.data_folder)
    runs = select_runs(select_experiments(options.tables, options.experiments), folds, options.seeds)
    settings = all_settings(runs, options)
    os.makedirs(options.results_folder, exist_ok=True)
    done = find_done(runs, settings, options)
    to_do = [run for run in runs if run not in done]
    engine, jobs, sharing = make_engine(options, len(to_do))
    estimate = Estimate(options.results_folder, settings, jobs, sharing.speedup(jobs))
    if not options.no_measure:
        for run in estimate.unknown(to_do):
            estimate.measure(run, engine, training_arguments(run, options))
    print(*filter(None, (describe(estimate, runs, done), sharing.describe(jobs))), sep="\n", flush=True)
    if options.dry_run or not to_do:
        return 0

    def folder_of(run):
        """Where a run writes."""
        return run.folder(options.results_folder)

    def whole(run):
        """Whether a run has left its results; what it took goes into the estimate."""
        try:
            return is_done(folder_of(run), settings[run])
        finally:
            estimate.learn(folder_of(run))

    progress = Progress(len(runs), len(done), estimate.left_s)
    try:
        outcomes = run_all(
            to_do,
            engine,
            jobs,
            command_of=lambda run: [sys.executable, script, *training_arguments(run, options)],
            folder_of=folder_of,
            is_done=whole,
            progress=progress,
        )
    finally:
        progress.close()
    return report(outcomes, len(done), folder_of)


def report(outcomes, n_done_before, folder_of):
    """Say how the runs ended, what failed last.

    Arguments
    ---------
    outcomes : sequence of EndedRun
        The runs of this call.
    n_done_before : int
        Runs that were done before.
    folder_of : callable
        From a run to its folder.

    Returns
    -------
    int
        Exit status: 0 if all runs are done.

    Example
    -------
    >>> report([], 3, None)
    3 runs are done, 0 failed
    0
    """
    count = {
        status: sum(outcome.status == status for outcome in outcomes) for status in (DONE, FAILED, ELSEWHERE)
    }
    line = f"{n_done_before + count[DONE]} runs are done, {count[FAILED]} failed"
    if count[ELSEWHERE]:
        line += f", {count[ELSEWHERE]} are being done by other processes"
    print(line)
    if count[FAILED]:
        print(describe_failures(outcomes, folder_of))
        print("The same command tries again what failed.")
    return 0 if count[DONE] == len(outcomes) else 1


def main(argv, script=TRAIN):
    """Run the command.

    Arguments
    ---------
    argv : sequence of str
        Words of the command line.
    script : str or pathlib.Path
        What trains; takes the arguments of train.py.

    Returns
    -------
    int
        Exit status: 0 if all runs are done, 1 if not, 2 if used wrongly or
        refused before anything was started, 130 if interrupted, 143 if terminated.

    Example
    -------
    >>> main(["--experiments", "no_such_network"])
    2
    """
    try:
        with signals_raised():
            return run_plan(parse_arguments(argv), script)
    except (ValueError, OSError, RunRefused) as error:
        print(f"experiments.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(
            "interrupted: what was running has saved its last batch and ended; "
            "the same command goes on from here",
            file=sys.stderr,
        )
        return getattr(interrupt, "status", 130)


if __name__ == "__main__":
    require_working_environment()
    sys.exit(main(sys.argv[1:]))
