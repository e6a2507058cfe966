#!/usr/bin/env python3
"""The paper's Tables I to VIII out of finished runs, with the paper's numbers beside ours.

> python recipes/OpenBMAT/tables.py --tables I,II --output tables.md --plots plots
"""

import argparse
import importlib
import sys
from pathlib import Path

from hrin_plugin.files import write_atomically
from paper.published import select_tables
from paper.runs import ResultsError, read_runs
from paper.statistics import compare
from paper.text import FORMATS

#: The format of a file, by its ending.
SUFFIXES = {".csv": "csv", ".tex": "latex"}


def main(argv=None):
    """Run the command.

    Arguments
    ---------
    argv : sequence of str or None
        Arguments after the command's name; None for those of the process.

    Returns
    -------
    int
        Exit status: 0 done, 1 failed, 2 used wrongly.

    Example
    -------
    >>> main(["--tables", "IX"])
    2
    """
    arguments = _parse(argv)
    try:
        tables = select_tables(arguments.tables)
    except ValueError as error:
        return _fail(f"--tables: {error}", 2)
    try:
        if arguments.curves:
            _draw_curves(arguments, tables)
            if not (arguments.output or arguments.plots):
                return 0
        runs = read_runs(arguments.results_folder, tables, arguments.allow_trials)
        comparisons = [compare(table, runs) for table in tables]
        _write(FORMATS[_format(arguments)](comparisons), arguments.output)
        if arguments.plots:
            _plot(comparisons, arguments.plots)
    except (ResultsError, ImportError) as error:
        return _fail(error, 1)
    except OSError as error:
        place = error.filename2 or error.filename or "the terminal"
        return _fail(f"{place}: cannot be written ({error.strerror}); choose another place", 1)
    return 0


def _parse(argv):
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--results_folder", default="results", metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--tables", metavar="I,II", help="which of the paper's tables; default: all eight")
    parser.add_argument("--format", choices=FORMATS, help="default: by --output's ending, else markdown")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: the terminal")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw each table too, as PNG and SVG")
    parser.add_argument(
        "--curves", type=Path, metavar="FILE", help="draw the learning curves of all runs into one picture"
    )
    parser.add_argument(
        "--allow_trials",
        action="store_true",
        help="show runs on synthetic sound and with --debug too, under a heading that says so",
    )
    return parser.parse_args(argv)


def _format(arguments):
    """The format that is asked for."""
    suffix = arguments.output.suffix.lower() if arguments.output else ""
    return arguments.format or SUFFIXES.get(suffix, "markdown")


def _write(text, output):
    """Write the tables where they are wanted."""
    if output is None:
        print(text, end="")
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, text)


def _plot(comparisons, folder):
    """Draw the tables."""
    _with_matplotlib("--plots", "plots").save_plots(folder, comparisons)


def _draw_curves(arguments, tables):
    """Draw the learning curves."""
    curves = _with_matplotlib("--curves", "curves")
    found = curves.read_curves(arguments.results_folder, tables, arguments.allow_trials)
    curves.save_curves(arguments.curves, found)


def _with_matplotlib(option, name):
    """A module that draws. matplotlib is an extra, and slow to import."""
    try:
        return importlib.import_module(f"paper.{name}")
    except ImportError as error:
        raise ImportError(
            f'{option} needs matplotlib ({error}); in the folder of setup.py, run: pip install ".[plots]"'
        ) from error


def _fail(error, status):
    """Say what is wrong; returns the exit status."""
    print(f"tables.py: error: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    # α, β, γ and ± also where the terminal's own encoding lacks them.
    sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(main())
