"""``hrin watch``: detects in the recordings that appear in a folder."""

import functools
import sys
import time

from hrin_plugin.commands.decisions import add_decoding_options
from hrin_plugin.commands.detect import order_asked_for
from hrin_plugin.commands.live import tell, until_told
from hrin_plugin.commands.options import add_model_options
from hrin_plugin.commands.outputs import add_format_option, add_level_option


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
    >>> parser.parse_args("watch incoming --output results".split()).settle
    10.0
    """
    parser = commands.add_parser(
        "watch",
        help="find the music in recordings as they appear in a folder",
        description="Wait for recordings in a folder and its subfolders, and find the music in each as soon "
        "as it has finished growing. Results are those of 'hrin detect FOLDER --output DIR', which may go on "
        "where this command stops, and the other way round. It runs until it is stopped.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="where the recordings appear")
    parser.add_argument("--output", metavar="DIR", required=True, help="folder for the results")
    parser.add_argument(
        "--settle",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="take a recording when its size and time have not changed for so long (default: %(default)g)",
    )
    parser.add_argument(
        "--every",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="look through the folder so often (default: %(default)g)",
    )
    parser.add_argument("--once", action="store_true", help="end when all recordings have been taken")
    add_format_option(parser)
    add_level_option(parser)
    parser.add_argument(
        "--keep-probabilities",
        action="store_true",
        help="keep the probabilities of each recording beside its result",
    )
    parser.add_argument(
        "--track", type=int, metavar="N", help="track of sound to use where a recording has several"
    )
    add_model_options(parser)
    add_decoding_options(parser)
    parser.set_defaults(handler=_watch, prog=parser.prog, engine="local")


def _watch(arguments):
    """Look through the folder again and again; returns 1 where a recording failed, with --once."""
    from hrin_plugin.archive.jobs import detect_recordings
    from hrin_plugin.archive.processes import run_local
    from hrin_plugin.inference import load_detector
    from hrin_plugin.live.watching import FolderWatch, Settling

    for option in ("settle", "every"):
        if not 0 <= getattr(arguments, option) <= 86400:
            raise ValueError(f"--{option} is {getattr(arguments, option):g}; give seconds, 0 to 86400")
    order, settling, n_failed = order_asked_for(arguments), Settling(arguments.settle), 0
    run = functools.partial(run_local, jobs=1)
    detect = functools.partial(detect_recordings, order=order, run=run, load=load_detector)
    watch = FolderWatch(arguments.folder, order, settling, detect, tell)
    with until_told() as stopping:
        while not stopping():
            for outcome in watch.look(time.monotonic()):
                n_failed += outcome.problem is not None
                _tell_outcome(outcome)
                if stopping():
                    break
            if arguments.once and settling.is_settled:
                return int(n_failed > 0)
            _wait(arguments.every, stopping)
    return 0


def _tell_outcome(outcome):
    """Print the recording and its length, or what is wrong with it."""
    if outcome.problem:
        tell(outcome.problem)
        return
    for warning in outcome.detection.warnings:
        tell(f"{outcome.recording.path}: warning: {warning}")
    sys.stdout.write(f"{outcome.recording.name}\t{outcome.detection.duration_s:.3f}\n")
    sys.stdout.flush()


def _wait(seconds, stopping):
    """Wait, unless it is time to stop."""
    until_s = time.monotonic() + seconds
    while not stopping() and time.monotonic() < until_s:
        time.sleep(min(0.1, max(0.0, until_s - time.monotonic())))
