"""``hrin report``: totals of each class, from the results of ``hrin detect``."""

import sys

from hrin_plugin.commands.options import add_classes_option, classes_asked_for


def add_parser(commands):
    """Add the subcommand to a parser.

    Arguments
    ---------
    commands : argparse action
        As ``ArgumentParser.add_subparsers`` returns it.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_parser(parser.add_subparsers())
    >>> parser.parse_args(["report", "results", "--html", "music.html"]).html
    'music.html'
    """
    parser = commands.add_parser(
        "report",
        help="add up results: seconds, share and segments of each class",
        description="Add up the results of 'hrin detect', or annotations in any of its formats: per "
        "recording, per hour and in total.",
    )
    parser.add_argument("results", nargs="+", metavar="RESULT", help="file or folder of results")
    parser.add_argument("--csv", metavar="FILE", help="write the totals as a CSV table")
    parser.add_argument("--html", metavar="FILE", help="write a web page with the totals and timelines")
    add_classes_option(parser)
    parser.set_defaults(handler=_report, prog=parser.prog)


def _report(arguments):
    """Print the totals and write the requested files."""
    from hrin_plugin.report.display import printable
    from hrin_plugin.report.stale import stale_results
    from hrin_plugin.report.tables import format_summary, read_results, write_csv, write_html

    detections, faults = read_results(arguments.results, classes_asked_for(arguments))
    for fault in faults:
        print(fault, file=sys.stderr)
    if not detections:
        return 1
    for path, write in ((arguments.csv, write_csv), (arguments.html, write_html)):
        if path:
            write(path, detections)
    print(format_summary(detections))
    for line in stale_results(arguments.results):
        print(printable(line), file=sys.stderr)
    return 1 if faults else 0
