"""The paper's Tables I to VIII as published: rows, columns and numbers, from ``published.json``."""

import json
from pathlib import Path
from typing import NamedTuple

PAPER_FILE = Path(__file__).with_name("published.json")


class Column(NamedTuple):
    """A score of a table.

    Example
    -------
    >>> load_paper_tables()["I"].columns[0]
    Column(name='Acc', level='Segment-level', score=('segment', 'accuracy'))
    """

    name: str
    level: str  # the heading that it stands under
    score: tuple  # where a task's scores in results.json have it


class PaperCell(NamedTuple):
    """A published number.

    Example
    -------
    >>> load_paper_tables()["I"].rows[-1].cells[0]
    PaperCell(mean=0.8929, std=0.011, bold=True)
    """

    mean: float
    std: float | None  # over the ten folds; None where only a mean is published
    bold: bool | None  # None where it is not known


class TableRow(NamedTuple):
    """A line of a table, and the experiment that repeats it.

    Example
    -------
    >>> load_paper_tables()["V"].rows[-1][:2]
    ('HRIN-cr', 'hrin_cr')
    """

    name: str
    experiment: str
    cells: tuple  # a PaperCell for each column, None where the paper prints a dash


class Table(NamedTuple):
    """One of the paper's tables.

    Example
    -------
    >>> table = load_paper_tables()["VIII"]
    >>> table.task, len(table.rows), len(table.columns)
    ('mrle', 6, 7)
    """

    number: str
    title: str
    task: str  # md or mrle
    row_header: str
    columns: tuple
    rows: tuple


def load_paper_tables():
    """Every table of the paper.

    Returns
    -------
    dict of str to Table
        By Roman number, in the paper's order.

    Example
    -------
    >>> list(load_paper_tables())
    ['I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII']
    """
    document = json.loads(PAPER_FILE.read_text(encoding="utf-8"))
    columns = {
        task: tuple(Column(column["name"], column["level"], tuple(column["score"])) for column in each)
        for task, each in document["columns"].items()
    }
    return {
        number: Table(
            number,
            table["title"],
            table["task"],
            table["row_header"],
            columns[table["task"]],
            tuple(_row(row) for row in table["rows"]),
        )
        for number, table in document["tables"].items()
    }


def _row(row):
    """A line of the file as a TableRow."""
    cells = tuple(cell and PaperCell(*cell) for cell in row["cells"])
    return TableRow(row["name"], row["experiment"], cells)


def select_tables(numbers=None):
    """Some of the paper's tables.

    Arguments
    ---------
    numbers : str or None
        Roman numbers between commas, in any case; None for all.

    Returns
    -------
    list of Table
        Each once, in the paper's order.

    Raises
    ------
    ValueError
        If a number is not of one of the tables.

    Example
    -------
    >>> [table.number for table in select_tables("ii, I")]
    ['I', 'II']
    """
    tables = load_paper_tables()
    if numbers is None:
        return list(tables.values())
    wanted = [number.strip().upper() for number in numbers.split(",")]
    unknown = [number for number in wanted if number not in tables]
    if unknown:
        raise ValueError(
            f"{', '.join(map(repr, unknown))} is no table of the paper; "
            f"give some of {','.join(tables)}, with commas between them"
        )
    return [table for number, table in tables.items() if number in wanted]
