"""Scores with and without pretraining, as a Markdown table and as a plot."""

import functools
import json
from pathlib import Path
from statistics import fmean, stdev

from hrin_plugin.files import replacing, write_atomically

#: What is compared: name, task, and where it lies in a run's scores.
COLUMNS = (
    ("MD accuracy", "md", ("segment", "accuracy")),
    ("MD event F", "md", ("event", "500ms_onset", "macro_f_measure")),
    ("MRLE accuracy", "mrle", ("segment", "accuracy")),
    ("MRLE event F", "mrle", ("event", "500ms_onset", "macro_f_measure")),
)
ARMS = {"scratch": "without pretraining", "pretrained": "with pretraining"}
COLOURS = {"scratch": "#d55e00", "pretrained": "#0072b2"}


def read_scores(runs, results_folder):
    """The compared scores of every run.

    Arguments
    ---------
    runs : sequence of TransferRun
        Finished runs.
    results_folder : str or pathlib.Path
        Where they are.

    Returns
    -------
    dict
        (arm, share) to column to list of float, one for each seed whose test fold had the classes.
    """
    scores = {}
    for run in runs:
        content = json.loads((run.folder(results_folder) / "results.json").read_text(encoding="utf-8"))[
            "scores"
        ]
        cells = scores.setdefault((run.arm, run.share), {name: [] for name, *_ in COLUMNS})
        for name, task, path in COLUMNS:
            value = functools.reduce(lambda part, key: part[key], path, content[task])
            cells[name] += [] if value is None else [value]
    return scores


def format_table(scores):
    """Means and standard deviations (n - 1 in the denominator) as a Markdown table.

    Arguments
    ---------
    scores : dict
        As :func:`read_scores` returns them.

    Returns
    -------
    str
        The table.

    Example
    -------
    >>> cells = {name: [0.5, 0.7] for name, *_ in COLUMNS}
    >>> print(format_table({("scratch", 0.1): cells}).splitlines()[2])
    | 10 % | without pretraining | 0.6000 ± 0.1414 | 0.6000 ± 0.1414 | 0.6000 ± 0.1414 | 0.6000 ± 0.1414 |
    """
    lines = [["recordings", "start", *(name for name, *_ in COLUMNS)], ["---"] * (2 + len(COLUMNS))]
    for (arm, share), cells in sorted(
        scores.items(), key=lambda item: (item[0][1], list(ARMS).index(item[0][0]))
    ):
        texts = []
        for values in cells.values():
            deviation = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
            texts.append(f"{fmean(values):.4f}{deviation}" if values else "-")
        lines.append([f"{100 * share:g} %", ARMS[arm], *texts])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def draw(scores):
    """Draw each column over the share of the recordings, a line for each arm.

    Arguments
    ---------
    scores : dict
        As :func:`read_scores` returns them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture; bars are standard deviations.

    Example
    -------
    >>> cells = {name: [0.5, 0.7] for name, *_ in COLUMNS}
    >>> len(draw({("scratch", 0.1): cells, ("scratch", 1.0): cells}).axes)
    4
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2), layout="constrained")
    shares = sorted({share for _, share in scores})
    for panel, (name, *_) in zip(figure.subplots(1, len(COLUMNS)), COLUMNS):
        for shift, arm in ((0.97, "scratch"), (1.03, "pretrained")):
            values = {share: scores.get((arm, share), {}).get(name) for share in shares}
            known = [share for share in shares if values[share]]
            panel.errorbar(
                [100 * share * shift for share in known],
                [fmean(values[share]) for share in known],
                [stdev(values[share]) if len(values[share]) > 1 else 0 for share in known],
                color=COLOURS[arm],
                label=ARMS[arm],
                marker="o",
                markersize=4,
                capsize=3,
            )
        panel.set_xscale("log")
        panel.set_xticks([100 * share for share in shares], [f"{100 * share:g} %" for share in shares])
        panel.minorticks_off()
        panel.set_title(name, fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color="0.92")
    figure.supxlabel("share of the training recordings", fontsize=10)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    return figure


def save_comparison(folder, scores):
    """Write ``transfer.md``, ``transfer.png`` and ``transfer.svg``.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where to.
    scores : dict
        As :func:`read_scores` returns them.

    Returns
    -------
    list of pathlib.Path
        The files.

    Example
    -------
    >>> cells = {name: [0.5, 0.7] for name, *_ in COLUMNS}
    >>> [path.name for path in save_comparison(getfixture("tmp_path"), {("scratch", 0.1): cells})]
    ['transfer.md', 'transfer.png', 'transfer.svg']
    """
    from matplotlib import rc_context

    paths = [Path(folder) / f"transfer.{ending}" for ending in ("md", "png", "svg")]
    write_atomically(paths[0], format_table(scores))
    # The same scores give the same files.
    with rc_context({"svg.hashsalt": "transfer"}):
        figure = draw(scores)
        with replacing(paths[1]) as file:
            figure.savefig(file, dpi=150)
        with replacing(paths[2]) as file:
            figure.savefig(file, metadata={"Date": None})
    return paths
