"""Which runs a plan has, with which settings, and which of them are done."""

import functools
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.training.folder import SettingsChanged, is_done, set_aside
from hrin_plugin.training.openbmat import N_FOLDS, count_folds, identify_data
from hrin_plugin.training.settings import parse_numbers, resolve_settings
from paper.published import select_tables

HPARAMS = Path(__file__).parents[1] / "hparams"


class Run(NamedTuple):
    """One training with its test: an experiment on one fold with one seed.

    Example
    -------
    >>> run = Run("hrin_r", 0, 1)
    >>> print(run)
    hrin_r fold 0 seed 1
    >>> run.folder("results").as_posix()
    'results/hrin_r/fold_0/seed_1'
    """

    experiment: str
    fold: int
    seed: int

    def __str__(self):
        return f"{self.experiment} fold {self.fold} seed {self.seed}"

    def folder(self, results_folder):
        """Where the run's results are, a pathlib.Path."""
        return Path(results_folder) / self.experiment / f"fold_{self.fold}" / f"seed_{self.seed}"


def select_experiments(tables=None, names=None, hparams=HPARAMS):
    """Experiments of some tables and some by name, each once.

    Arguments
    ---------
    tables : str or None
        The paper's tables, such as "I,II".
    names : str or None
        Experiments, such as "hrin_r,hrin_cr"; a file in ``hparams`` for each. With
        neither tables nor names, the experiments of all tables.
    hparams : str or pathlib.Path
        Folder of the hyperparameter files.

    Returns
    -------
    list of str
        The experiments, in the order of the tables.

    Raises
    ------
    ValueError
        For a table or an experiment that does not exist.

    Example
    -------
    >>> select_experiments("V", "hrin_r")
    ['hrin_cr_concat_after_conv', 'hrin_cr_concat_before_fc', 'hrin_cr', 'hrin_r']
    >>> len(select_experiments())
    17
    """
    chosen = []
    if tables is not None or names is None:
        chosen = [row.experiment for table in select_tables(tables) for row in table.rows]
    chosen += [name.strip() for name in names.split(",")] if names is not None else []
    known = sorted(path.stem for path in Path(hparams).glob("*.yaml"))
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ValueError(
            f"{', '.join(map(repr, dict.fromkeys(unknown)))}: no such file in {hparams}; "
            f"the experiments are {', '.join(known)}"
        )
    return list(dict.fromkeys(chosen))


def select_runs(experiments, folds, seeds):
    """Every experiment on every fold with every seed.

    All experiments of one fold come before those of the next, so that a plan that
    is stopped early has rows to compare.

    Arguments
    ---------
    experiments : sequence of str
        Names of experiments.
    folds : str
        Test folds, such as "0-9".
    seeds : str
        Seeds, such as "0".

    Returns
    -------
    list of Run
        The runs, in the order in which they are to be started.

    Raises
    ------
    ValueError
        For a fold or a seed that does not exist.

    Example
    -------
    >>> [str(run) for run in select_runs(["gru", "lstm"], "0,1", "0")][:3]
    ['gru fold 0 seed 0', 'lstm fold 0 seed 0', 'gru fold 1 seed 0']
    """
    numbers = {}
    for option, text, limit in (("--folds", folds, N_FOLDS), ("--seeds", seeds, None)):
        try:
            numbers[option] = parse_numbers(text, limit)
        except ValueError as error:
            raise ValueError(f"{option}: {error}") from None
    return [
        Run(experiment, fold, seed)
        for seed in numbers["--seeds"]
        for fold in numbers["--folds"]
        for experiment in experiments
    ]


def all_folds(data_folder):
    """The folds of a data set, as :func:`select_runs` takes them.

    Arguments
    ---------
    data_folder : str, pathlib.Path or None
        The folder; None for the miniature set.

    Returns
    -------
    str
        "0-9", or fewer for few own recordings.

    Raises
    ------
    ValueError
        If the folder holds several data sets.

    Example
    -------
    >>> all_folds(None)
    '0-9'
    """
    return f"0-{count_folds(data_folder) - 1}"


def training_arguments(run, options):
    """Arguments of train.py for a run.

    Arguments
    ---------
    run : Run
        The run.
    options : argparse.Namespace
        As :func:`paper.options.parse_arguments` gives them.

    Returns
    -------
    list of str
        The hyperparameter file first.

    Example
    -------
    >>> from paper.options import parse_arguments
    >>> options = parse_arguments(["--results_folder", "/out", "--data_folder", "/data"])
    >>> words = training_arguments(Run("gru", 2, 0), options)
    >>> words[1:3] + words[4:-1]
    ['--fold=2', '--seed=0', '--output_folder=/out/gru/fold_2/seed_0', '--data_folder=/data']
    """
    results_folder = Path(options.results_folder).absolute()
    words = [str(HPARAMS / f"{run.experiment}.yaml"), f"--fold={run.fold}", f"--seed={run.seed}"]
    words += [f"--results_folder={results_folder}", f"--output_folder={run.folder(results_folder)}"]
    if options.data_folder:
        words.append(f"--data_folder={Path(options.data_folder).absolute()}")
    return [*words, "--noprogressbar", *options.overrides]


def all_settings(runs, options):
    """The settings of every run.

    Arguments
    ---------
    runs : sequence of Run
        The runs.
    options : argparse.Namespace
        As :func:`paper.options.parse_arguments` gives them.

    Returns
    -------
    dict of Run to dict
        As :func:`hrin_plugin.training.settings.resolve_settings` gives them.

    Raises
    ------
    FileNotFoundError
        If the data folder does not hold OpenBMAT.
    ValueError
        If train.py does not know an override.
    """
    import speechbrain as sb

    identify = functools.cache(identify_data)
    settings = {}
    for run in runs:
        hparams_file, run_opts, overrides = sb.parse_arguments(training_arguments(run, options))
        settings[run] = each = resolve_settings(hparams_file, run_opts, overrides, identify)
        if each["data"] == "unreadable":
            identify_data(each["data_folder"], each.get("annotator", "a"), each.get("md_from", "mrle"))
    return settings


def find_done(runs, settings, options):
    """Which runs are done; runs of other settings are refused, or set aside with ``--fresh``.

    Arguments
    ---------
    runs : sequence of Run
        The plan.
    settings : dict
        Their settings.
    options : argparse.Namespace
        As :func:`paper.options.parse_arguments` gives them.

    Returns
    -------
    set of Run
        The runs whose results are whole and of these settings.

    Raises
    ------
    SettingsChanged
        With each of the runs that are of other settings.
    """
    done, changed = set(), []
    for run in runs:
        folder = run.folder(options.results_folder)
        try:
            if is_done(folder, settings[run]):
                done.add(run)
        except SettingsChanged as error:
            if not options.fresh:
                changed += error.what
            elif not options.dry_run:
                print(f"{run}: the old run is now in {set_aside(folder, Path(options.results_folder))}")
    if changed:
        raise SettingsChanged(changed)
    return done
