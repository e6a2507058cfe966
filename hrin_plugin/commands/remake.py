"""What the subcommands share that make results from those of a folder, without listening."""

import argparse
import contextlib
import functools

from hrin_plugin.commands.outputs import tell_outcomes


def remake(arguments, kinds, spared, read, order_of, work):
    """Make results again from those of a folder, without listening.

    Arguments
    ---------
    arguments : argparse.Namespace
        With ``results``, ``output``, ``overwrite`` and ``jobs``.
    kinds, spared : sequence of str
        As :func:`hrin_plugin.archive.sources.find_sources` takes them.
    read : callable
        Reads a source; raises ValueError for one that cannot be used.
    order_of : callable
        Takes the first source that can be used, and what was read of it, and gives the Order.
    work : callable
        Takes a source, ``notify`` and ``order``, and gives an Outcome.

    Returns
    -------
    int
        Exit status.

    Example
    -------
    >>> arguments = argparse.Namespace(results=["none"], output=None, overwrite=False, jobs=1)
    >>> remake(arguments, ["tsv"], [], None, None, None)
    1
    """
    from hrin_plugin.archive.claims import claim_results
    from hrin_plugin.archive.jobs import run_recordings
    from hrin_plugin.archive.orders import Order
    from hrin_plugin.archive.processes import run_local
    from hrin_plugin.archive.sources import find_sources

    sources, problems = find_sources(arguments.results, kinds, spared)
    order, unusable = None, []
    for source in sources:
        try:
            content = read(source)
        except ValueError as error:
            unusable.append(str(error).partition("\n")[0])
            continue
        order = order_of(source, content)
        break
    if order is None:
        return tell_outcomes([], Order(), problems + unusable, 0, 0)
    by_path = {source.recording.path: source for source in sources}
    to_do = [source.recording for source in sources]
    with contextlib.ExitStack() as until:
        if order.output:
            facts = {path: source.facts for path, source in by_path.items()}
            to_do = claim_results(to_do, order, arguments.overwrite, until, facts.get)
        elif len(to_do) > 1:
            raise ValueError(f"{len(to_do)} recordings need a folder for their results; give --output DIR")
        tasks = [by_path[recording.path]._replace(recording=recording) for recording in to_do]
        outcomes = run_recordings(
            functools.partial(work, order=order),
            to_do,
            tasks,
            [task.files[0] for task in tasks],
            order,
            functools.partial(run_local, jobs=arguments.jobs),
        )
        return tell_outcomes(outcomes, order, problems, len(sources), len(sources) - len(to_do))


def add_remake_options(parser, what):
    """Add the arguments of subcommands that make results from those of a folder.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of a subcommand.
    what : str
        What it reads.

    Example
    -------
    >>> parser = argparse.ArgumentParser()
    >>> add_remake_options(parser, "results")
    >>> parser.parse_args(["results", "--jobs", "2"]).jobs
    2
    """
    parser.add_argument("results", nargs="+", metavar="RESULTS", help=f"folder or file of {what}")
    parser.add_argument(
        "--output", metavar="DIR", help="folder for the results; needed for several recordings"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    parser.add_argument(
        "--jobs", type=_jobs, default=1, metavar="N", help="recordings at a time (default: %(default)s)"
    )


def _jobs(text):
    """Parse a number of processes."""
    from hrin_plugin.archive.processes import MOST_JOBS

    if not text.isdecimal() or not 1 <= int(text) <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of processes, 1 or more")
    return int(text)
