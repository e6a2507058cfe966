"""Learning curves of several runs in one picture, from their ``train_log.txt``."""

import re
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.figure import Figure

from hrin_plugin.files import replacing
from paper.plots import RESOLUTION_DPI, add_heading
from paper.provenance import TRIAL, describe_runs, why_trial
from paper.runs import ResultsError, find_runs, nothing_found, recorded_settings, trials

LOG_FILE = "train_log.txt"
_LINE = re.compile(r"epoch: (\d+), .*?train loss: ([^,\s]+).*?valid loss: ([^,\s]+)")


class Curve(NamedTuple):
    """The losses of a run by epoch, as far as it has got.

    Example
    -------
    >>> Curve("gru", 0, 0, Path("train_log.txt"), {}, [1], [2.0], [2.5]).valid
    [2.5]
    """

    experiment: str
    fold: int
    seed: int
    path: Path
    settings: dict  # of settings.json, where there is one
    epochs: list
    train: list  # the objective, for each epoch
    valid: list


def read_curves(results_folder, tables, allow_trials=False):
    """Read the logs of every run of some tables, those that are not finished too.

    Arguments
    ---------
    results_folder : str or pathlib.Path
        The folder that holds one folder for each experiment.
    tables : sequence of Table
        Their experiments are read.
    allow_trials : bool
        Whether runs on synthetic sound or with ``--debug`` are welcome.

    Returns
    -------
    dict of str to list of Curve
        Runs of each experiment, by fold and seed.

    Raises
    ------
    ResultsError
        If there is not one epoch, or a run is a trial.

    Example
    -------
    >>> from paper.published import select_tables
    >>> read_curves(getfixture("tmp_path"), select_tables("V"))
    Traceback (most recent call last):
    paper.runs.ResultsError: ...: no train_log.txt of hrin_cr_concat_after_conv, ... is below it; ...
    """
    experiments = list(dict.fromkeys(row.experiment for table in tables for row in table.rows))
    curves = {}
    for experiment in experiments:
        found = find_runs(Path(results_folder) / experiment, LOG_FILE)
        each = [_read(experiment, *place) for place in found]
        curves[experiment] = [curve for curve in each if curve.epochs]
    every = [curve for each in curves.values() for curve in each]
    if not every:
        raise ResultsError([nothing_found(results_folder, LOG_FILE, experiments)])
    faults = [] if allow_trials else trials(every)
    if faults:
        raise ResultsError(faults)
    return curves


def _read(experiment, fold, seed, path):
    """The curve of a run."""
    found = _LINE.findall(path.read_text(encoding="utf-8", errors="replace"))
    epochs = [int(epoch) for epoch, _, _ in found]
    train, valid = ([float(row[column]) for row in found] for column in (1, 2))
    return Curve(experiment, fold, seed, path, recorded_settings(path.parent), epochs, train, valid)


def plot_curves(curves):
    """Draw the losses: a colour for each experiment, validation solid, training dashed.

    Arguments
    ---------
    curves : dict of str to list of Curve
        As :func:`read_curves` gives them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Example
    -------
    >>> run = Curve("gru", 0, 0, Path("train_log.txt"), {}, [1, 2], [2.0, 1.5], [2.5, 2.0])
    >>> [len(line.get_xdata()) for line in plot_curves({"gru": [run]}).axes[0].lines]
    [2, 2]
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    panel = figure.subplots()
    colours = matplotlib.colormaps["tab20"].colors
    shown = {experiment: each for experiment, each in curves.items() if each}
    for number, (experiment, each) in enumerate(shown.items()):
        colour = colours[number % len(colours)]
        for index, curve in enumerate(each):
            label = f"{experiment}, validation" if index == 0 else None
            marker = "." if len(curve.epochs) == 1 else None
            panel.plot(curve.epochs, curve.valid, color=colour, linewidth=1.2, marker=marker, label=label)
            label = f"{experiment}, training" if index == 0 else None
            panel.plot(
                curve.epochs, curve.train, "--", color=colour, linewidth=0.8, marker=marker, label=label
            )
    panel.set_xlabel("epoch")
    panel.set_ylabel("objective, mean over frames")
    panel.grid(color="0.92")
    panel.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    is_trial = any(why_trial(curve.settings) for each in shown.values() for curve in each)
    title = f"Learning curves ({TRIAL})" if is_trial else "Learning curves, a line for each run"
    add_heading(figure, title, describe_runs(shown))
    return figure


def save_curves(path, curves):
    """Draw the losses into a file.

    Arguments
    ---------
    path : str or pathlib.Path
        A file that matplotlib can write, such as ``curves.png`` or ``curves.svg``.
    curves : dict of str to list of Curve
        As :func:`read_curves` gives them.

    Raises
    ------
    ResultsError
        If matplotlib does not know the format.

    Example
    -------
    >>> run = Curve("gru", 0, 0, Path("train_log.txt"), {}, [1, 2], [2.0, 1.5], [2.5, 2.0])
    >>> path = getfixture("tmp_path") / "curves.png"
    >>> save_curves(path, {"gru": [run]})
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    path = Path(path)
    figure = plot_curves(curves)
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise ResultsError([f"{path}: pictures end in {', '.join(sorted(known))}; choose one of them"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as draft:
        figure.savefig(draft, dpi=RESOLUTION_DPI)
