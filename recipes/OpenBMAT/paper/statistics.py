"""What the runs behind a table amount to: means, deviations, and which are significantly better."""

import math
import warnings
from statistics import fmean, stdev
from typing import NamedTuple

from scipy.stats import ttest_rel

from hrin_plugin.training.openbmat import folds_told
from paper.provenance import describe_runs
from paper.published import Table

#: Two rows differ if chance alone would set them so far apart with less than this probability.
SIGNIFICANCE = 0.05


class Score(NamedTuple):
    """A cell of ours.

    Example
    -------
    >>> Score(0.9, None, n_runs=1, n_folds=1, n_absent=0, bold=False).state
    'scored'
    """

    mean: float | None  # over folds, each the mean over its seeds; None without a run
    std: float | None  # over folds, n - 1 in the denominator; None with less than two folds
    n_runs: int  # that gave a value
    n_folds: int  # that gave a value
    n_absent: int  # further runs whose test fold did not have the class
    bold: bool

    @property
    def state(self):
        """``scored``, ``missing`` without any run, or ``absent`` if no test fold had the class."""
        if self.n_runs:
            return "scored"
        return "absent" if self.n_absent else "missing"


class Comparison(NamedTuple):
    """One of the paper's tables with ours in it.

    Example
    -------
    >>> from paper.published import select_tables
    >>> comparison = compare(select_tables("V")[0], {})
    >>> comparison.scores[2][4].state, comparison.missing_folds["hrin_cr"]
    ('missing', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """

    table: Table
    scores: list  # [row][column] of Score
    missing_folds: dict  # experiment to the folds that have no run
    about: list  # sentences on data, runs and settings; empty without a run


def compare(table, runs):
    """Fill a table from runs.

    Arguments
    ---------
    table : Table
        One of the paper's.
    runs : mapping of str to sequence of ScoredRun
        The runs of each experiment.

    Returns
    -------
    Comparison
        The table, and a Score for each of its cells.

    Example
    -------
    >>> from paper.published import select_tables
    >>> from pathlib import Path
    >>> from paper.runs import ScoredRun
    >>> table = select_tables("V")[0]
    >>> scores = {("md", column.name): 0.5 for column in table.columns}
    >>> run = ScoredRun("hrin_cr", 0, 0, Path("results.json"), {}, scores)
    >>> compare(table, {"hrin_cr": [run]}).scores[2][0]
    Score(mean=0.5, std=None, n_runs=1, n_folds=1, n_absent=0, bold=False)
    """
    by_row = [runs.get(row.experiment, []) for row in table.rows]
    by_column = []
    for column in table.columns:
        folds = [fold_means(each, (table.task, column.name)) for each in by_row]
        best = best_rows(folds)
        by_column.append(
            [summarise(each, (table.task, column.name), bold=row in best) for row, each in enumerate(by_row)]
        )
    data = {str(run.settings.get("data", "")) for each in by_row for run in each} or {""}
    n_folds = max(map(folds_told, data))
    missing_folds = {
        row.experiment: sorted(set(range(n_folds)) - {run.fold for run in each})
        for row, each in zip(table.rows, by_row)
    }
    about = describe_runs({row.experiment: each for row, each in zip(table.rows, by_row)})
    return Comparison(table, [list(row) for row in zip(*by_column)], missing_folds, about)


def fold_means(runs, key):
    """A score on each fold, the mean over the fold's seeds.

    Arguments
    ---------
    runs : sequence of ScoredRun
        Runs of one experiment.
    key : tuple of (str, str)
        Task and column.

    Returns
    -------
    dict of int to float
        Fold to score; folds without a value are left out.

    Example
    -------
    >>> from paper.runs import ScoredRun
    >>> key = ("md", "Acc")
    >>> runs = [ScoredRun("a", fold, seed, None, {}, {key: score}) for fold, seed, score in
    ...         [(0, 0, 0.25), (0, 1, 0.75), (1, 0, 1.0), (2, 0, None)]]
    >>> fold_means(runs, key)
    {0: 0.5, 1: 1.0}
    """
    values = {}
    for run in runs:
        if run.scores[key] is not None:
            values.setdefault(run.fold, []).append(run.scores[key])
    return {fold: fmean(each) for fold, each in values.items()}


def summarise(runs, key, bold=False):
    """Mean, deviation and counts of a score.

    Arguments
    ---------
    runs : sequence of ScoredRun
        Runs of one experiment.
    key : tuple of (str, str)
        Task and column.
    bold : bool
        Whether it is among the best, see :func:`best_rows`.

    Returns
    -------
    Score
        The cell.

    Example
    -------
    >>> from paper.runs import ScoredRun
    >>> runs = [ScoredRun("a", fold, 0, None, {}, {"key": fold / 2}) for fold in range(3)]
    >>> summarise(runs, "key")
    Score(mean=0.5, std=0.5, n_runs=3, n_folds=3, n_absent=0, bold=False)
    """
    folds = list(fold_means(runs, key).values())
    n_absent = sum(run.scores[key] is None for run in runs)
    return Score(
        mean=fmean(folds) if folds else None,
        std=stdev(folds) if len(folds) > 1 else None,
        n_runs=len(runs) - n_absent,
        n_folds=len(folds),
        n_absent=n_absent,
        bold=bold,
    )


def best_rows(rows):
    """Which rows are significantly better, by a paired t-test over the folds.

    These are the row with the highest mean and all that do not differ from it
    significantly (two-sided, p < 0.05, not corrected for the number of rows), if at
    least one row does: where nothing is worse, nothing is better. A row that has less
    than two folds in common with the one of the highest mean cannot be tested.

    Arguments
    ---------
    rows : sequence of dict of int to float
        Each row's score on each fold.

    Returns
    -------
    set of int
        Numbers of the rows.

    Example
    -------
    >>> high, close, low = {0: 0.9, 1: 0.8, 2: 0.9}, {0: 0.8, 1: 0.9, 2: 0.8}, {0: 0.3, 1: 0.2, 2: 0.4}
    >>> sorted(best_rows([low, high, close]))
    [1, 2]
    >>> best_rows([high, close])
    set()
    """
    filled = {number: row for number, row in enumerate(rows) if row}
    if not filled:
        return set()
    leader = max(filled, key=lambda number: fmean(filled[number].values()))
    p_values = {number: _p_value(filled[leader], row) for number, row in filled.items() if number != leader}
    equal = {number for number, p in p_values.items() if p is not None and p >= SIGNIFICANCE}
    is_any_worse = any(p is not None and p < SIGNIFICANCE for p in p_values.values())
    return {leader, *equal} if is_any_worse else set()


def _p_value(first, second):
    """Probability of so large a mean difference by chance; None if it cannot be told."""
    folds = sorted(first.keys() & second.keys())
    if len(folds) < 2:
        return None
    with warnings.catch_warnings():
        # Of differences that are the same on every fold: they leave nothing to chance.
        warnings.simplefilter("ignore", RuntimeWarning)
        p = ttest_rel([first[fold] for fold in folds], [second[fold] for fold in folds]).pvalue
    return 1.0 if math.isnan(p) else float(p)  # NaN: the rows are identical
