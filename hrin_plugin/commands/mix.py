"""``hrin mix``: mixes an annotated data set from folders of recordings."""

from hrin_plugin.commands import Failure


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
    >>> arguments = "mix --music a --speech b --noise c --hours 2 out".split()
    >>> parser.parse_args(arguments).seconds
    60.0
    """
    parser = commands.add_parser(
        "mix",
        help="mix an annotated data set from your own recordings",
        description="Mix broadcast-like audio with exact annotations from folders of your own recordings, "
        "in OpenBMAT's layout. The same command continues after an interruption.",
    )
    for kind in ("music", "speech", "noise"):
        parser.add_argument(f"--{kind}", required=True, metavar="DIR", help=f"folder of {kind} recordings")
    parser.add_argument(
        "--hours", required=True, type=float, metavar="H", help="length of the data set in hours"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="length of an excerpt in seconds (default: %(default)g)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    parser.add_argument("--jobs", type=int, metavar="N", help="number of processes (default: one a core)")
    parser.add_argument(
        "--broadcast",
        action="store_true",
        help="harder mixes: softer music, short jingles, slow fades, room reverberation, compression, "
        "band limits, and lossy codecs at low bit rates (needs ffmpeg)",
    )
    parser.add_argument(
        "--noise-weight",
        type=float,
        default=1.0,
        metavar="W",
        help="weight of passages with noise against those without: 1 gives noise 40 %% of the time, "
        "4 gives 70 %% (default: %(default)g)",
    )
    parser.add_argument("out", metavar="OUT", help="folder for the data set")
    parser.set_defaults(handler=_mix, prog=parser.prog)


def _mix(arguments):
    """Mix a data set and print its length and class shares."""
    import logging

    from hrin_plugin.archive.processes import LostTask
    from hrin_plugin.mixing import mix_set
    from hrin_plugin.mixing.excerpts import class_shares
    from hrin_plugin.mixing.store import SourceError

    logging.basicConfig(format="%(message)s")
    options = vars(arguments).copy()
    for name in ("handler", "prog"):
        del options[name]
    try:
        excerpts = mix_set(**options)
    except (SourceError, LostTask) as error:
        raise Failure(error) from error
    shares = ", ".join(f"{label} {share:.1%}" for label, share in class_shares(excerpts).items())
    print(f"{arguments.out}: {len(excerpts)} excerpts of {arguments.seconds:g} s; {shares}")
    return 0
