"""Filled tables as bars with deviations, ours beside the paper's; the only importer of matplotlib."""

import re
import textwrap
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from tqdm import tqdm

from hrin_plugin.files import replacing
from paper.published import PaperCell
from paper.text import heading

OURS, PAPER = "#0072b2", "#c9ced6"
TEXT_ON = {OURS: "white", PAPER: "black"}
BAR = 0.4  # thickness, where 1 is the distance between two rows
RESOLUTION_DPI = 150
NOT_PUBLISHED = PaperCell(None, None, None)


def plot_table(comparison):
    """Draw a table: a panel for each column, a pair of bars for each row.

    Arguments
    ---------
    comparison : Comparison
        A filled table.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Example
    -------
    >>> from paper.published import select_tables
    >>> from paper.statistics import compare
    >>> len(plot_table(compare(select_tables("V")[0], {})).axes)
    5
    """
    table = comparison.table
    n_columns, n_rows = len(table.columns), len(table.rows)
    figure = Figure(figsize=(1.9 * n_columns + 2.2, 0.62 * n_rows + 1.5), layout="constrained")
    panels = figure.subplots(1, n_columns, sharey=True)
    figure.get_layout_engine().set(wspace=0.04)
    for index, (column, panel) in enumerate(zip(table.columns, panels)):
        panel.set_xlim(0, _limit(comparison, column.level))
        for position, (row, scores) in enumerate(zip(table.rows, comparison.scores)):
            score, cell = scores[index], row.cells[index] or NOT_PUBLISHED
            _bar(panel, position - BAR / 2, score, OURS, score.state)
            _bar(panel, position + BAR / 2, cell, PAPER, "not published")
        panel.set_title(f"{column.level}\n{column.name}", fontsize=9)
        panel.tick_params(labelsize=8, left=False)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="x", color="0.92")
        panel.set_axisbelow(True)
    panels[0].set_yticks(range(n_rows), [_label(row.name) for row in table.rows], fontsize=9)
    panels[0].set_ylim(n_rows - 0.45, -0.55)
    panels[0].set_ylabel(table.row_header)
    add_heading(figure, heading(comparison), comparison.about)
    handles = [Patch(color=OURS, label="ours"), Patch(color=PAPER, label="paper")]
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    legend.set_title("mean and standard deviation over the folds; bold: significantly better", {"size": 8})
    return figure


def add_heading(figure, title, about):
    """Set a picture's title, and below it what the picture shows.

    Arguments
    ---------
    figure : matplotlib.figure.Figure
        The picture.
    title : str
        Its title.
    about : sequence of str
        Sentences on data, runs and settings.

    Example
    -------
    >>> figure = Figure(figsize=(8, 4))
    >>> add_heading(figure, "Table I", ["Data: 1647 recordings."])
    >>> figure.get_suptitle()
    'Table I\\nData: 1647 recordings.'
    """
    width = round(12 * figure.get_figwidth())
    lines = [line for text in (title, *about) for line in textwrap.wrap(text, width)]
    # Every line takes room of its own.
    figure.set_figheight(figure.get_figheight() + 0.18 * (len(lines) - 1))
    figure.suptitle("\n".join(lines), fontsize=10)


def save_plots(folder, comparisons):
    """Draw tables into ``table_<number>.png`` and ``table_<number>.svg``.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where to; made if missing.
    comparisons : sequence of Comparison
        Filled tables.

    Returns
    -------
    list of pathlib.Path
        The files.

    Example
    -------
    >>> from paper.published import select_tables
    >>> from paper.statistics import compare
    >>> [path.name for path in save_plots(getfixture("tmp_path"), [compare(select_tables("V")[0], {})])]
    ['table_V.png', 'table_V.svg']
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for comparison in tqdm(comparisons, "plots", delay=3, leave=False):
        figure = plot_table(comparison)
        png, svg = (folder / f"table_{comparison.table.number}.{ending}" for ending in ("png", "svg"))
        with replacing(png) as draft:
            figure.savefig(draft, dpi=RESOLUTION_DPI)
        # The same table gives the same file.
        with replacing(svg) as draft, rc_context({"svg.hashsalt": comparison.table.number}):
            figure.savefig(draft, metadata={"Date": None})
        paths += [png, svg]
    return paths


def _limit(comparison, level):
    """Right end of a level's panels: 1 for segments; events have it where their highest bar ends."""
    if level.startswith("Segment"):
        return 1.0
    ends = [0.1]
    for row, scores in zip(comparison.table.rows, comparison.scores):
        for column, score, cell in zip(comparison.table.columns, scores, row.cells):
            if column.level == level:
                values = (score, cell or NOT_PUBLISHED)
                ends += [value.mean + (value.std or 0) for value in values if value.mean is not None]
    return 1.1 * max(ends)


def _bar(panel, position, value, colour, otherwise):
    """A bar with its deviation and its number, or words where there is no number."""
    end = panel.get_xlim()[1]
    mean, std = value.mean, value.std
    if mean is None:
        panel.text(0.02 * end, position, otherwise, va="center", fontsize=7, color="0.45", style="italic")
        return
    panel.barh(position, mean, BAR, color=colour)
    if std is not None:
        panel.errorbar(mean, position, xerr=std, color="black", capsize=2, linewidth=0.9)
    inside = mean - (std or 0) > 0.35 * end
    panel.text(
        0.02 * end if inside else mean + (std or 0) + 0.03 * end,
        position,
        f"{mean:.4f}",
        va="center_baseline",
        fontsize=7.5,
        fontweight="bold" if value.bold else "normal",
        color=TEXT_ON[colour] if inside else "black",
    )


def _label(name):
    """A row's name, with its superscripts."""
    return re.sub(r"L\^(\w+)", r"$L^{\\mathrm{\1}}$", name)
