"""``hrin detect``: finds the music in recordings and writes the events."""

import codecs
import contextlib
import functools
import os
import re
import sys

from hrin_plugin.commands.decisions import add_decoding_options, decoding_asked_for
from hrin_plugin.commands.live import add_live_options, listen_live
from hrin_plugin.commands.options import add_model_options
from hrin_plugin.commands.outputs import (
    LEVELS,
    add_format_option,
    add_level_option,
    check_output,
    formats_asked_for,
    tell_outcomes,
)

#: Bytes of standard input that tell a list of paths from sound, and what no list has.
HEAD_BYTES, _NO_TEXT = 1 << 16, re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


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
    >>> parser.parse_args("detect a.mp3 --threshold music=0.4".split()).threshold
    [('music', 0.4)]
    """
    parser = commands.add_parser(
        "detect",
        help="find the music in recordings",
        description="Find foreground and background music in recordings of any length. The events of one "
        "recording are printed. Several recordings need --output DIR, which gets one file for each. "
        "The same command continues after an interruption and processes new recordings only.",
    )
    parser.add_argument(
        "recordings",
        nargs="*",
        metavar="FILE",
        help='recording, folder of recordings, or quoted pattern such as "archive/**/*.mp3"; - reads paths '
        "from standard input, one a line",
    )
    parser.add_argument(
        "--output", metavar="DIR", help="folder for the results; needed for several recordings"
    )
    add_format_option(parser)
    add_level_option(parser)
    parser.add_argument(
        "--keep-probabilities",
        action="store_true",
        help="keep the probabilities of each recording beside its result, 7 MB for 24 hours, so that "
        "'hrin decide' can decide again without listening",
    )
    parser.add_argument(
        "--track",
        type=int,
        metavar="N",
        help="track of sound to use where a recording has several, as of several languages; 1 is the first "
        "(default: the first)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    add_model_options(parser)
    add_decoding_options(parser)
    work = parser.add_argument_group("many recordings")
    work.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="recordings processed at a time (default: 1; with ray: one a core)",
    )
    work.add_argument(
        "--engine",
        default="local",
        choices=("local", "ray"),
        help="local: this machine. ray: a Ray cluster (default: %(default)s)",
    )
    work.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="address of the Ray cluster (default: RAY_ADDRESS, or this machine)",
    )
    add_live_options(parser)
    parser.set_defaults(handler=_detect, prog=parser.prog)


def _detect(arguments):
    """Detect in every recording; until the end, no run of other settings writes in the same folder."""
    # NumPy is not imported yet. Its products here are small; their threads would wait in a loop for more.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if arguments.live is not None:
        return listen_live(arguments, order_asked_for(arguments))
    if not arguments.recordings:
        raise ValueError("no recording is given; give FILE, or --live URL")
    for option in ("station", "latency", "allow_host", "allow_protocol"):
        if getattr(arguments, option):
            raise ValueError(f"--{option.replace('_', '-')} is of no use without --live URL")
    with contextlib.ExitStack() as until:
        return _detect_all(arguments, until)


def _detect_all(arguments, until):
    """Detect in every recording, report each problem, and print the totals."""
    from hrin_plugin.archive.collection import collect
    from hrin_plugin.archive.jobs import claim_results, detect_recordings
    from hrin_plugin.inference import load_detector

    order = order_asked_for(arguments)
    run = _engine(arguments)
    names = [name for name in arguments.recordings if name != "-"]
    found = collect(names, _read_list() if "-" in arguments.recordings else ())
    if not found.recordings and not found.problems:
        raise ValueError("standard input names no recording; write one path a line")
    to_do = found.recordings
    if order.output:
        to_do = claim_results(to_do, order, arguments.overwrite, until)
    elif len(to_do) > 1:
        raise ValueError(f"{len(to_do)} recordings need a folder for their results; give --output DIR")
    if arguments.engine == "ray":
        to_do = [recording._replace(path=os.path.abspath(recording.path)) for recording in to_do]
    outcomes = detect_recordings(to_do, order, run, load_detector)
    n_known = len(found.recordings)
    return tell_outcomes(outcomes, order, found.problems, n_known, n_known - len(to_do))


def order_asked_for(arguments):
    """The settings that hold for every recording.

    Arguments
    ---------
    arguments : argparse.Namespace
        From the parser of :func:`add_parser`.

    Returns
    -------
    Order
        The settings.

    Raises
    ------
    ValueError
        If options contradict each other.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_parser(parser.add_subparsers())
    >>> order_asked_for(parser.parse_args("detect a.mp3 --level md".split())).levels
    ('md',)
    """
    from hrin_plugin.archive.jobs import Order
    from hrin_plugin.inference.loading import describe_model, load_taxonomy

    levels = LEVELS[arguments.level]
    if arguments.track is not None and arguments.track < 1:
        raise ValueError(f"--track is {arguments.track}; give a whole number, 1 or more")
    formats = formats_asked_for(arguments)
    check_output(arguments, formats, levels)
    if arguments.keep_probabilities and not arguments.output:
        raise ValueError("--keep-probabilities needs a folder to keep them in; give --output DIR")
    model, output = arguments.model, arguments.output
    taxonomy = load_taxonomy(model, arguments.run_code)
    if arguments.engine == "ray":  # whose processes work elsewhere
        output = output and os.path.abspath(output)
        model = os.path.abspath(model) if model and os.path.isdir(model) else model
    decoding = decoding_asked_for(arguments, taxonomy)
    return Order(
        output=output,
        formats=formats,
        levels=levels,
        model=model,
        backend=arguments.backend,
        device=arguments.device,
        decoding=decoding,
        taxonomy=taxonomy,
        run_code=arguments.run_code,
        track=arguments.track,
        keep_probabilities=arguments.keep_probabilities,
        about=describe_model(arguments.model, decoding) if output else {},
    )


def _engine(arguments):
    """The function that runs the tasks: on this machine or on a Ray cluster."""
    from hrin_plugin.archive.processes import MOST_JOBS, run_local
    from hrin_plugin.archive.ray_cluster import run_ray
    from hrin_plugin.text import shown

    if arguments.jobs is not None and not 1 <= arguments.jobs <= MOST_JOBS:
        raise ValueError(f"jobs is {shown(arguments.jobs)}; give a whole number of processes, 1 or more")
    if arguments.engine == "local":
        if arguments.ray_address:
            raise ValueError("--ray-address is of no use without --engine ray")
        return functools.partial(run_local, jobs=arguments.jobs or 1)
    n_gpus = 1 if (arguments.device or "").startswith("cuda") else 0
    return functools.partial(run_ray, jobs=arguments.jobs, address=arguments.ray_address, n_gpus=n_gpus)


def _read_list():
    """Paths from standard input, one a line, in the file system's encoding, or in UTF-16 with its mark."""
    from hrin_plugin.text import decode

    content = sys.stdin.buffer.read(HEAD_BYTES)
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not is_utf_16 and _NO_TEXT.search(content):
        raise ValueError(
            "standard input holds sound or other data, and - reads a list of paths, one a line; "
            "write the sound to a file and name that"
        )
    content += sys.stdin.buffer.read()
    if is_utf_16:
        lines = decode(content).splitlines()
    else:
        lines = map(os.fsdecode, content.removeprefix(codecs.BOM_UTF8).split(b"\n"))
    return [line.removesuffix("\r") for line in lines if line.strip()]
