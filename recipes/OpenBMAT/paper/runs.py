"""The runs behind a table: reading and checking ``<experiment>/fold_<fold>/seed_<seed>/results.json``."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from hrin_plugin.training.folder import SETTINGS_FILE
from hrin_plugin.training.openbmat import MINIATURE, N_FOLDS
from paper.provenance import why_trial

#: Settings that say what was learnt from; the runs of one table must share them.
DATA_SETTINGS = ("data", "annotator", "md_from")

#: Settings in which the runs of one experiment differ by design.
RUN_SETTINGS = ("fold", "seed")

#: Faults that one message lists.
MAX_FAULTS = 20

_CURE = "delete the file and start the same training again: it only tests once more"
_SETTINGS_CURE = "let experiments.py --fresh set this run aside and train it anew"


class ResultsError(ValueError):
    """Results that cannot be tabulated, with the file and the cure of each fault.

    Example
    -------
    >>> str(ResultsError(["a.json: is empty; delete it"]))
    'a.json: is empty; delete it'
    """

    def __init__(self, faults):
        self.faults = list(faults)
        shown = self.faults[:MAX_FAULTS]
        if len(self.faults) > MAX_FAULTS:
            shown.append(f"... and {len(self.faults) - MAX_FAULTS} more")
        super().__init__("\n".join(shown))


class ScoredRun(NamedTuple):
    """Scores of one network on one test fold.

    Example
    -------
    >>> ScoredRun("hrin_r", 0, 0, Path("results.json"), {}, {("md", "Acc"): 0.9}).scores["md", "Acc"]
    0.9
    """

    experiment: str
    fold: int
    seed: int
    path: Path
    settings: dict  # of results.json, and where there is a settings.json those of it
    scores: dict  # (task, name of a column) to a score in [0, 1]; None where the class was absent


def read_runs(results_folder, tables, allow_trials=False):
    """Read every finished run that some tables need.

    Arguments
    ---------
    results_folder : str or pathlib.Path
        The folder that holds one folder for each experiment.
    tables : sequence of Table
        The tables to be filled.
    allow_trials : bool
        Whether runs on synthetic sound or with ``--debug`` are welcome.

    Returns
    -------
    dict of str to list of ScoredRun
        Runs of each experiment of the tables, by fold and seed; an empty list where there are none.

    Raises
    ------
    ResultsError
        If there is not one run, a file is damaged, or runs are of different settings.

    Example
    -------
    >>> from paper.published import select_tables
    >>> read_runs(getfixture("tmp_path"), select_tables("V"))
    Traceback (most recent call last):
    paper.runs.ResultsError: ...: no results.json of hrin_cr_concat_after_conv, ... is below it; ...
    """
    experiments = list(dict.fromkeys(row.experiment for table in tables for row in table.rows))
    found = [
        (experiment, *place)
        for experiment in experiments
        for place in find_runs(Path(results_folder) / experiment)
    ]
    if not found:
        raise ResultsError([nothing_found(results_folder, "results.json", experiments)])
    runs, faults = {experiment: [] for experiment in experiments}, []
    for experiment, fold, seed, path in tqdm(found, "results", unit="file", delay=3, leave=False):
        try:
            runs[experiment].append(_read(path, experiment, fold, seed, tables))
        except ResultsError as error:
            faults += error.faults
    faults += _disagreements(runs, tables)
    if not faults and not allow_trials:
        faults = trials(run for each in runs.values() for run in each)
    if faults:
        raise ResultsError(faults)
    return runs


def nothing_found(results_folder, name, experiments):
    """What is wrong with a folder without runs, and the cure.

    Example
    -------
    >>> nothing_found("results", "results.json", ["gru"])
    'results: no results.json of gru is below it; train them first, or name the right folder with ...'
    """
    text = (
        f"{results_folder}: no {name} of {', '.join(experiments)} is below it; "
        "train them first, or name the right folder with --results_folder"
    )
    if any(Path(results_folder, MINIATURE).glob(f"*/fold_*/seed_*/{name}")):
        text += f" (trials on synthetic sound are in {Path(results_folder, MINIATURE)})"
    return text


def trials(runs):
    """A fault for each run that says nothing about the paper.

    Arguments
    ---------
    runs : iterable of ScoredRun
        Runs.

    Returns
    -------
    list of str
        Path, reason and cure of each.

    Example
    -------
    >>> trials([ScoredRun("gru", 0, 0, Path("results.json"), {"data": "miniature"}, {})])
    ['results.json: was trained on synthetic sound; --allow_trials shows it, under a heading that says so']
    """
    cure = "--allow_trials shows it, under a heading that says so"
    reasons = [(run.path, why_trial(run.settings)) for run in runs]
    return [f"{path}: {reason}; {cure}" for path, reason in reasons if reason]


def find_runs(folder, name="results.json"):
    """Fold, seed and path of each run of an experiment, in that order.

    Arguments
    ---------
    folder : pathlib.Path
        The experiment's folder.
    name : str
        A file that every run has.

    Returns
    -------
    list of tuple of (int, int, pathlib.Path)
        The runs.

    Example
    -------
    >>> find_runs(getfixture("tmp_path"))
    []
    """
    found = []
    for path in folder.glob(f"fold_*/seed_*/{name}"):
        place = re.fullmatch(
            r"fold_(0|[1-9]\d*)/seed_(0|[1-9]\d*)", path.parent.relative_to(folder).as_posix()
        )
        if place:  # what else lies there, such as a copy named fold_0_old, is no run
            found.append((int(place[1]), int(place[2]), path))
    return sorted(found)


def _read(path, experiment, fold, seed, tables):
    """One run, checked."""
    document = _load(path)
    settings, scores = (
        document.get(name) if isinstance(document, dict) else None for name in ("settings", "scores")
    )
    if not isinstance(settings, dict) or not isinstance(scores, dict):
        raise ResultsError([f"{path}: has no settings and scores, so it is not of a run; {_CURE}"])
    place = {"experiment": experiment, "fold": fold, "seed": seed}
    said = {"experiment": experiment, **settings}  # the experiment is left to the folder's name by some
    faults = [
        f"{path}: is of {name} {said.get(name)!r} by its settings, but lies in the folder of "
        f"{name} {value!r}; move it to where it belongs"
        for name, value in place.items()
        if said.get(name) != value
    ]
    if fold >= N_FOLDS:
        faults.append(f"{path}: fold {fold} is none of the ten, 0 to {N_FOLDS - 1}; move it elsewhere")
    if faults:
        raise ResultsError(faults)
    needed = [table for table in tables if experiment in {row.experiment for row in table.rows}]
    values = {
        (table.task, column.name): _score(path, scores, (table.task, *column.score))
        for table in needed
        for column in table.columns
    }
    return ScoredRun(experiment, fold, seed, path, {**recorded_settings(path.parent), **settings}, values)


def recorded_settings(folder):
    """Every setting of a run, where train.py noted them.

    Arguments
    ---------
    folder : pathlib.Path
        The run's folder.

    Returns
    -------
    dict
        The settings; empty where there are none.

    Raises
    ------
    ResultsError
        If they are damaged.

    Example
    -------
    >>> recorded_settings(getfixture("tmp_path"))
    {}
    """
    path = Path(folder) / SETTINGS_FILE
    if not path.exists():
        return {}
    settings = _load(path, _SETTINGS_CURE)
    if not isinstance(settings, dict):
        raise ResultsError([f"{path}: holds no settings; {_SETTINGS_CURE}"])
    return settings


def _load(path, cure=_CURE):
    """A JSON document."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError([f"{path}: cannot be read ({error.strerror}); check the file"]) from None
    except ValueError as error:  # also what is no UTF-8
        raise ResultsError([f"{path}: is cut short or not JSON ({error}); {cure}"]) from None


def _score(path, scores, keys):
    """A number in [0, 1], or None, from nested dicts."""
    value = scores
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            raise ResultsError([f"{path}: has no score {'.'.join(keys)}; {_CURE}"])
        value = value[key]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ResultsError([f"{path}: score {'.'.join(keys)} is {value!r}, not between 0 and 1; {_CURE}"])
    return float(value)


def _disagreements(runs, tables):
    """Faults of runs that stand beside others of different settings."""
    faults = []
    for experiment, each in runs.items():
        for is_recorded in (True, False):
            identities = {
                run.path: {k: v for k, v in run.settings.items() if k not in (*RUN_SETTINGS, *DATA_SETTINGS)}
                for run in each
                if ("data" in run.settings) == is_recorded
            }
            faults += _outvoted(identities, f"runs of {experiment}")
    for table in tables:
        each = [run for row in table.rows for run in runs[row.experiment]]
        for name in DATA_SETTINGS:
            identities = {run.path: {name: run.settings[name]} for run in each if name in run.settings}
            faults += _outvoted(identities, "runs of one table")
    return list(dict.fromkeys(faults))  # two tables of the same runs tell the same


def _outvoted(identities, which):
    """A fault for each run whose settings are not those of the most; ``identities`` are by path."""
    texts = {path: json.dumps(settings, sort_keys=True) for path, settings in identities.items()}
    if len(set(texts.values())) < 2:
        return []
    common = Counter(texts.values()).most_common(1)[0][0]
    example = next(path for path, text in texts.items() if text == common)
    return [
        f"{path}: {_differences(identities[path], identities[example])} in {example}; {which} must share it: "
        "move the odd ones to another results folder, or train them anew"
        for path, text in texts.items()
        if text != common
    ]


def _differences(settings, others):
    """What differs, the most telling settings first: "lr" goes before "opt_class.lr", which refers to it."""
    names = [name for name in {**settings, **others} if settings.get(name) != others.get(name)]
    names.sort(key=lambda name: (name.count("."), name))
    values = [(name, settings.get(name, "not set"), others.get(name, "not set")) for name in names[:3]]
    return ", ".join(f"{name} is {value!r}, but {other!r}" for name, value, other in values)
