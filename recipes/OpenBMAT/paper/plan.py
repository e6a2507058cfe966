"""Which runs a plan has: experiments by table or by name, folds and seeds."""

from pathlib import Path
from typing import NamedTuple

from hrin_plugin.training.openbmat import N_FOLDS
from hrin_plugin.training.settings import parse_numbers
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
