"""What the subcommands that write results share: options for formats and levels, and what is told."""

import argparse
import os
import sys

LEVELS = {"md": ("md",), "mrle": ("mrle",), "both": ("md", "mrle")}


class _FormatNames:
    """The names of the formats, looked up when ``--format`` is read or explained."""

    def __iter__(self):
        from hrin_plugin.formats import find_formats

        return iter(find_formats())

    def __contains__(self, _):
        """What :meth:`read` let pass is one of them."""
        return True

    def read(self, text):
        """Names between commas."""
        names = text.split(",")
        for name in names:
            if name not in list(self):
                choices = ", ".join(map(repr, self))
                raise argparse.ArgumentTypeError(f"invalid choice: {name!r} (choose from {choices})")
        return names


def add_format_option(parser, required=False):
    """Add ``--format``, which names one format or several.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of a subcommand that writes results.
    required : bool
        Whether it must be given.

    Example
    -------
    >>> parser = argparse.ArgumentParser()
    >>> add_format_option(parser)
    >>> formats_asked_for(parser.parse_args(["--format", "json,srt", "--format", "tsv"]))
    ('json', 'srt', 'tsv')
    """
    formats, default = _FormatNames(), "" if required else " (default: tsv)"
    parser.add_argument(
        "--format",
        action="append",
        type=formats.read,
        choices=formats,
        required=required,
        metavar="FORMAT",
        help=f"file format of the results: %(choices)s; several between commas{default}",
    )


def formats_asked_for(arguments):
    """The formats given by ``--format``, each once; TSV where none is given.

    Arguments
    ---------
    arguments : argparse.Namespace
        From a parser with :func:`add_format_option`.

    Returns
    -------
    tuple of str
        Their names.

    Example
    -------
    >>> formats_asked_for(argparse.Namespace(format=None))
    ('tsv',)
    """
    return tuple(dict.fromkeys(name for names in arguments.format or [["tsv"]] for name in names))


def add_level_option(parser, default="mrle", otherwise="%(default)s"):
    """Add ``--level``.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of a subcommand that writes results.
    default : str or None
        What it is where it is not given.
    otherwise : str
        What the help says of that.

    Example
    -------
    >>> parser = argparse.ArgumentParser()
    >>> add_level_option(parser)
    >>> LEVELS[parser.parse_args(["--level", "both"]).level]
    ('md', 'mrle')
    """
    parser.add_argument(
        "--level",
        default=default,
        choices=LEVELS,
        help="md: music or no music. mrle: foreground, background or no music. both: both. For another "
        f"model: its upper or its lower classes (default: {otherwise})",
    )


def check_output(arguments, formats, levels):
    """Refuse what ``--output`` cannot be, and what cannot be printed without it.

    Arguments
    ---------
    arguments : argparse.Namespace
        With ``output``.
    formats, levels : tuple of str
        What is written.

    Raises
    ------
    ValueError
        If it is a file, or there is none and several texts would be printed.

    Example
    -------
    >>> check_output(argparse.Namespace(output=None), ("tsv",), ("md", "mrle"))
    Traceback (most recent call last):
    ...
    ValueError: tsv has a file for each level; give --output DIR, or another --format
    """
    from hrin_plugin.formats import output_paths

    if not arguments.output and len(formats) > 1:
        raise ValueError(f"{len(formats)} formats need a folder for their files; give --output DIR")
    if not arguments.output and len(output_paths("", "a", formats[0], levels)) > 1:
        raise ValueError(f"{formats[0]} has a file for each level; give --output DIR, or another --format")
    if arguments.output and os.path.exists(arguments.output) and not os.path.isdir(arguments.output):
        raise ValueError(f"{arguments.output}: is not a folder; give another --output")


def print_detection(detection, order):
    """Print the events of the one recording.

    Arguments
    ---------
    detection : Detection
        What was found.
    order : Order
        Its format and levels.

    Example
    -------
    >>> from hrin_plugin.archive.orders import Order
    >>> from hrin_plugin.detection import Detection
    >>> print_detection(Detection("a", 2.0, {"mrle": []}), Order())
    """
    from hrin_plugin.formats import render

    for text in render(detection, order.formats[0], order.levels).values():
        sys.stdout.write(text)


def tell_outcomes(outcomes, order, problems, n_known, n_finished):
    """Tell each problem and warning at once, then the events or totals, and all problems again.

    Arguments
    ---------
    outcomes : iterable of Outcome
        Of each recording, as it is ready.
    order : Order
        Settings of the results.
    problems : sequence of str
        What could not be used before.
    n_known, n_finished : int
        Number of recordings, and of those that were finished before.

    Returns
    -------
    int
        Exit status: 0, or 1 if there is a problem.

    Example
    -------
    >>> from hrin_plugin.archive.orders import Order
    >>> tell_outcomes([], Order(output="results"), [], 0, 0)
    0
    """
    from tqdm import tqdm

    from hrin_plugin.report.display import printable
    from hrin_plugin.report.tables import format_summary
    from hrin_plugin.text import shorten

    told, detections = [], {}

    def tell(problem):
        """Print a problem at once, above the progress bar."""
        told.append(shorten(printable(problem), 1000))
        tqdm.write(told[-1], file=sys.stderr)

    for problem in problems:
        tell(problem)
    for recording, detection, problem, *_ in outcomes:
        if problem:
            tell(problem)
            continue
        detections[recording.name] = detection
        if detection.warnings:
            words = "; ".join(detection.warnings)
            tqdm.write(printable(f"{recording.path}: warning: {words}"), file=sys.stderr)
    if not order.output:
        for detection in detections.values():
            print_detection(detection, order)
    if detections:
        named = [detections[name]._replace(name=name) for name in sorted(detections)]
        print(format_summary(named), file=sys.stderr)
    if n_finished:
        print(f"{n_finished} of {n_known} recordings were finished before", file=sys.stderr)
    if told and n_known + len(problems) > 1:
        print("\n  ".join(["not done:", *told]), file=sys.stderr)
    return 1 if told else 0
