"""Filled tables as text: Markdown, CSV and LaTeX."""

import csv
import io
import re
from itertools import groupby

from paper.provenance import TRIAL
from paper.statistics import SIGNIFICANCE

#: Fields of the CSV, which has a line for each cell.
CSV_FIELDS = (
    *("table", "row", "experiment", "level", "column", "state", "mean", "std", "bold", "runs", "folds"),
    *("runs_without_class", "paper_mean", "paper_std", "paper_bold", "difference", "about"),
)

#: How the numbers came about; said below the tables.
METHOD = (
    "Ours: mean ± standard deviation over the test folds (seeds of one fold averaged first; n - 1 in the "
    "denominator). Bold: the best mean and all that do not differ from it significantly, where at least one "
    f"row does (paired t-test over the folds in common, two-sided, p < {SIGNIFICANCE:g}). Difference: ours "
    "minus the paper's. Runs: those behind ours, with their folds where these are fewer; absent: further "
    "runs whose test fold does not have the class. The paper's bold face is shown as far as it is known."
)


def to_markdown(comparisons):
    """Tables for people, aligned also as plain text.

    Arguments
    ---------
    comparisons : sequence of Comparison
        Filled tables.

    Returns
    -------
    str
        A heading and a table for each, then how to read them.

    Example
    -------
    >>> from paper.published import select_tables
    >>> from paper.statistics import compare
    >>> text = to_markdown([compare(select_tables("V")[0], {})])
    >>> print(text.splitlines()[6])
    | HRIN-cr (concate after conv) | ours       | missing             | missing             | missing ...
    """
    parts = []
    for comparison in comparisons:
        table = comparison.table
        cells = [[table.row_header, "", *(column.name for column in table.columns)], None]
        for row, scores in zip(table.rows, comparison.scores):
            for number, (kind, texts) in enumerate(_lines(row, scores, "**{}**")):
                cells.append(["" if number else row.name, kind, *texts])
        widths = [max(len(line[index]) for line in cells if line) for index in range(len(cells[0]))]
        cells[1] = ["-" * width for width in widths]
        parts.append(f"## {heading(comparison)}")
        parts += comparison.about
        parts.append("; ".join(f"{level}: {', '.join(names)}" for level, names in _levels(table)) + ".")
        parts.append("\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in cells))
        parts += filter(None, [missing_runs(comparison)])
    return "\n\n".join([*parts, METHOD]) + "\n"


def to_latex(comparisons):
    r"""Tables to be read by ``\input``; they need no package.

    Arguments
    ---------
    comparisons : sequence of Comparison
        Filled tables.

    Returns
    -------
    str
        A ``table*`` for each.

    Example
    -------
    >>> from paper.published import select_tables
    >>> from paper.statistics import compare
    >>> print(to_latex([compare(select_tables("V")[0], {})]).splitlines()[6])
     &  & Acc & Music\_F & Non-Music\_F & Music\_F\_500\_on & Non-Music\_F\_500\_on \\
    """
    lines = [f"% {METHOD}".replace("±", "+-")]
    for comparison in comparisons:
        table = comparison.table
        note, about = missing_runs(comparison), " ".join(comparison.about)
        lines += [
            r"\begin{table*}\centering\scriptsize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{_escape(f'{heading(comparison)}. {about} {note}'.strip())}}}",
            rf"\begin{{tabular}}{{ll{'c' * len(table.columns)}}}",
            r"\hline",
            " & "
            + "".join(rf" & \multicolumn{{{len(names)}}}{{c}}{{{level}}}" for level, names in _levels(table))
            + r" \\",
        ]
        header = [table.row_header, "", *(column.name for column in table.columns)]
        lines += [" & ".join(map(_escape, header)) + r" \\", r"\hline"]
        for row, scores in zip(table.rows, comparison.scores):
            for number, (kind, texts) in enumerate(_lines(row, scores, r"\textbf{{{}}}", _escape)):
                lines.append(" & ".join(["" if number else _escape(row.name), kind, *texts]) + r" \\")
            lines.append(r"\hline")
        lines += [r"\end{tabular}", r"\end{table*}", ""]
    return "\n".join(lines)


def to_csv(comparisons):
    """Tables for programs: a line for each cell, numbers in full.

    Arguments
    ---------
    comparisons : sequence of Comparison
        Filled tables.

    Returns
    -------
    str
        The header :data:`CSV_FIELDS`, and the lines. An empty field is a number that there is not.

    Example
    -------
    >>> from paper.published import select_tables
    >>> from paper.statistics import compare
    >>> print(to_csv([compare(select_tables("I")[0], {})]).splitlines()[1])
    I,MMG [2],mmg,Segment-level,Acc,missing,,,,0,0,0,0.8895,,False,,
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_FIELDS)
    for comparison in comparisons:
        table, by_row, about = comparison.table, comparison.scores, " ".join(comparison.about)
        for row, scores in zip(table.rows, by_row):
            for column, score, cell in zip(table.columns, scores, row.cells):
                bold = score.bold if score.mean is not None else None
                writer.writerow(
                    [table.number, row.name, row.experiment, column.level, column.name, score.state]
                    + [score.mean, score.std, bold, score.n_runs, score.n_folds, score.n_absent]
                    + [*(cell or (None, None, None)), difference(score, cell), about]
                )
    return file.getvalue()


#: What a table can be written as.
FORMATS = {"markdown": to_markdown, "csv": to_csv, "latex": to_latex}


def difference(score, cell):
    """Our mean minus the paper's.

    Arguments
    ---------
    score : Score
        Ours.
    cell : PaperCell or None
        The paper's.

    Returns
    -------
    float or None
        None where one of the two is missing.

    Example
    -------
    >>> from paper.published import PaperCell
    >>> from paper.statistics import Score
    >>> difference(Score(0.75, None, 1, 1, 0, False), PaperCell(0.5, 0.1, False))
    0.25
    """
    return None if cell is None or score.mean is None else score.mean - cell.mean


def heading(comparison):
    """A table's heading; it says so where ours are trials.

    Arguments
    ---------
    comparison : Comparison
        A filled table.

    Returns
    -------
    str
        Number and title.

    Example
    -------
    >>> from paper.published import select_tables
    >>> from paper.statistics import compare
    >>> heading(compare(select_tables("V")[0], {}))
    'Table V. ...'
    """
    trial = f" ({TRIAL})" if any(line.startswith(TRIAL) for line in comparison.about) else ""
    return f"Table {comparison.table.number}{trial}. {comparison.table.title}"


def missing_runs(comparison):
    """What is not there yet, in words.

    Arguments
    ---------
    comparison : Comparison
        A filled table.

    Returns
    -------
    str
        Experiments and folds; empty where each row has a run on all folds.

    Example
    -------
    >>> from paper.published import select_tables
    >>> from paper.statistics import compare
    >>> missing_runs(compare(select_tables("V")[0], {}))
    'Without any run: hrin_cr_concat_after_conv, hrin_cr_concat_before_fc, hrin_cr.'
    """
    rows = zip(comparison.table.rows, comparison.scores)
    without = [row.experiment for row, each in rows if {score.state for score in each} == {"missing"}]
    partly = [
        f"{experiment} on fold {', '.join(map(str, folds))}"
        for experiment, folds in comparison.missing_folds.items()
        if folds and experiment not in without
    ]
    sentences = [f"Without any run: {', '.join(without)}."] if without else []
    sentences += [f"Not run: {'; '.join(partly)}."] if partly else []
    return " ".join(sentences)


def _levels(table):
    """Each level with the names of its columns."""
    for level, columns in groupby(table.columns, key=lambda column: column.level):
        yield level, [column.name for column in columns]


def _lines(row, scores, bold, escape=str):
    """The four lines of a row: what each is, and its texts."""
    cells = list(zip(scores, row.cells))
    yield "ours", [_value(*score[:2], score.bold, bold, escape) or score.state for score, _ in cells]
    yield "paper", [_value(*cell, bold, escape) if cell else "-" for _, cell in cells]
    yield "difference", [escape(_signed(difference(*pair))) for pair in cells]
    yield "runs", [_runs(score) for score in scores]


def _value(mean, std, is_bold, bold, escape):
    """Mean and deviation, as far as they exist."""
    if mean is None:
        return ""
    text = bold.format(f"{mean:.4f}") if is_bold else f"{mean:.4f}"
    return text if std is None else text + escape(f" ± {std:.4f}")


def _signed(value):
    """A difference to four digits; zero has no sign."""
    if value is None:
        return "-"
    return f"{value:+.4f}" if round(value, 4) else "0.0000"


def _runs(score):
    """The number of runs behind a cell."""
    text = f"{score.n_runs}"
    if score.n_folds != score.n_runs:
        text += f" in {score.n_folds} folds"
    return text + (f", {score.n_absent} absent" if score.n_absent else "")


def _escape(text):
    """Plain text for LaTeX."""
    text = re.sub(r"([_&%#$])", r"\\\1", text)
    text = re.sub(r"^([+-])(\d.*)", r"$\1\2$", text)
    text = re.sub(r"L\^(\w+)", r"$L^{\1}$", text)
    for symbol, command in {"±": "pm", "α": "alpha", "β": "beta", "γ": "gamma"}.items():
        text = text.replace(symbol, rf"$\{command}$")
    return text
