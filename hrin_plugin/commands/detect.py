"""``hrin detect``: finds the music in recordings and writes the events."""

import argparse
import codecs
import contextlib
import functools
import os
import re
import sys

from hrin_plugin.commands.options import add_model_options

#: Bytes of standard input that tell a list of paths from sound, and what no list has.
HEAD_BYTES, _NO_TEXT = 1 << 16, re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

LEVELS = {"md": ("md",), "mrle": ("mrle",), "both": ("md", "mrle")}


class _FormatNames:
    """The names of the formats, looked up when ``--format`` is read or explained."""

    def __iter__(self):
        from hrin_plugin.formats import find_formats

        return iter(find_formats())


def add_parser(commands):
    """Add the subcommand to a parser.

    Arguments
    ---------
    commands : argparse action
        As ``ArgumentParser.add_subparsers`` returns it.

    Example
    -------
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
        nargs="+",
        metavar="FILE",
        help='recording, folder of recordings, or quoted pattern such as "archive/**/*.mp3"; - reads paths '
        "from standard input, one a line",
    )
    parser.add_argument(
        "--output", metavar="DIR", help="folder for the results; needed for several recordings"
    )
    parser.add_argument(
        "--format",
        default="tsv",
        choices=_FormatNames(),
        metavar="FORMAT",
        help="file format of the results: %(choices)s (default: %(default)s)",
    )
    parser.add_argument(
        "--level",
        default="mrle",
        choices=LEVELS,
        help="md: music or no music. mrle: foreground, background or no music. both: both. For another "
        "model: its upper or its lower classes (default: %(default)s)",
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
    decoding = parser.add_argument_group("decisions", "Each default is the model's own setting.")
    decoding.add_argument("--decoding", metavar="FILE", help="settings file that 'hrin tune' wrote")
    decoding.add_argument(
        "--decode",
        choices=("threshold", "argmax", "median", "viterbi"),
        help="rule that turns probabilities into segments",
    )
    decoding.add_argument(
        "--threshold",
        action="append",
        type=_labelled,
        metavar="[LABEL=]P",
        help="probability from which a class counts as present, 0 to 1. Implies --decode threshold; also "
        "for median. 0.4 for all classes, fg-music=0.6 for one (repeatable; the others have 0.5). Lower "
        "values find more music",
    )
    decoding.add_argument(
        "--switching-cost",
        type=_cost,
        metavar="SECONDSs",
        help="cost of each change of class, in seconds of evidence at odds of 2.7 to 1, such as 8s. Implies "
        "--decode viterbi. Higher values give fewer and longer segments. A number without s is in nats, as "
        "in earlier versions",
    )
    decoding.add_argument(
        "--min-duration",
        action="append",
        type=_labelled,
        metavar="[LABEL=]SECONDS",
        help="shortest segment that is kept, in seconds. 2 for all classes, bg-music=5 for one (repeatable; "
        "the others have 0)",
    )
    decoding.add_argument(
        "--offset",
        action="append",
        type=_labelled,
        metavar="[LABEL=]NATS",
        help="correction of a class that the model misses or overestimates, in nats of log-odds. fg-music=2 "
        "finds more foreground music, fg-music=-2 less (repeatable; the others have 0)",
    )
    # What argparse takes for a number rather than an option.
    parser._negative_number_matcher = re.compile(r"-[\d.]+(dB)?$")
    decoding.add_argument(
        "--silence-gate",
        type=_gate,
        metavar="LEVELdB",
        help="sound at or below this level is no music, such as -80dB; off: it is as the network says",
    )
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
    parser.set_defaults(handler=_detect, prog=parser.prog)


def _detect(arguments):
    """Detect in every recording; until the end, no run of other settings writes in the same folder."""
    with contextlib.ExitStack() as until:
        return _detect_all(arguments, until)


def _detect_all(arguments, until):
    """Detect in every recording, report each problem, and print the totals."""
    from tqdm import tqdm

    from hrin_plugin.archive.collection import collect
    from hrin_plugin.archive.jobs import claim_results, detect_recordings
    from hrin_plugin.inference import load_detector
    from hrin_plugin.report.display import printable
    from hrin_plugin.report.tables import format_summary
    from hrin_plugin.text import shorten

    order = _order(arguments)
    run = _engine(arguments)
    names = [name for name in arguments.recordings if name != "-"]
    found = collect(names, _read_list() if "-" in arguments.recordings else ())
    if not found.recordings and not found.problems:
        raise ValueError("standard input names no recording; write one path a line")
    problems = []

    def report(problem):
        """Print a problem at once, above the progress bar."""
        problems.append(shorten(printable(problem), 1000))
        tqdm.write(problems[-1], file=sys.stderr)

    for problem in found.problems:
        report(problem)
    to_do = found.recordings
    if order.output:
        to_do = claim_results(to_do, order, arguments.overwrite, until)
    elif len(to_do) > 1:
        raise ValueError(f"{len(to_do)} recordings need a folder for their results; give --output DIR")
    if arguments.engine == "ray":
        to_do = [recording._replace(path=os.path.abspath(recording.path)) for recording in to_do]
    detections = {}
    for recording, detection, problem, *_ in detect_recordings(to_do, order, run, load_detector):
        if problem:
            report(problem)
            continue
        detections[recording.name] = detection
        if detection.warnings:
            words = "; ".join(detection.warnings)
            tqdm.write(printable(f"{recording.path}: warning: {words}"), file=sys.stderr)
    if not order.output:
        _print(detections.values(), order)
    if detections:
        print(
            format_summary([detections[name]._replace(name=name) for name in sorted(detections)]),
            file=sys.stderr,
        )
    if len(to_do) < len(found.recordings):
        n_finished = len(found.recordings) - len(to_do)
        print(f"{n_finished} of {len(found.recordings)} recordings were finished before", file=sys.stderr)
    if problems:
        if len(found.recordings) + len(found.problems) > 1:
            print("\n  ".join(["not done:", *problems]), file=sys.stderr)
        return 1
    return 0


def _order(arguments):
    """The settings that hold for every recording."""
    from hrin_plugin.archive.jobs import Order
    from hrin_plugin.formats import output_paths
    from hrin_plugin.inference.loading import describe_model, load_taxonomy

    levels = LEVELS[arguments.level]
    if arguments.track is not None and arguments.track < 1:
        raise ValueError(f"--track is {arguments.track}; give a whole number, 1 or more")
    if not arguments.output and len(output_paths("", "a", arguments.format, levels)) > 1:
        raise ValueError(
            f"{arguments.format} has a file for each level; give --output DIR, or another --format"
        )
    if arguments.output and os.path.exists(arguments.output) and not os.path.isdir(arguments.output):
        raise ValueError(f"{arguments.output}: is not a folder; give another --output")
    model, output = arguments.model, arguments.output
    taxonomy = load_taxonomy(model, arguments.run_code)
    if arguments.engine == "ray":  # whose processes work elsewhere
        output = output and os.path.abspath(output)
        model = os.path.abspath(model) if model and os.path.isdir(model) else model
    decoding = _decoding(arguments, taxonomy)
    return Order(
        output=output,
        format=arguments.format,
        levels=levels,
        model=model,
        backend=arguments.backend,
        device=arguments.device,
        decoding=decoding,
        taxonomy=taxonomy,
        run_code=arguments.run_code,
        track=arguments.track,
        about=describe_model(arguments.model, decoding) if output else {},
    )


def _decoding(arguments, taxonomy):
    """Decoding settings given on the command line: those of the file, overridden by single options."""
    from hrin_plugin.decoding.methods import Decoding, read_decoding

    of_file = read_decoding(arguments.decoding) if arguments.decoding else None
    options = {
        "method": _method(arguments, of_file and of_file.method),
        "thresholds": _by_label("--threshold", arguments.threshold, taxonomy),
        "min_event_s": _by_label("--min-duration", arguments.min_duration, taxonomy),
        "offsets": _by_label("--offset", arguments.offset, taxonomy),
    }
    options = {name: value for name, value in options.items() if value is not None}
    options |= (arguments.switching_cost or {}) | (arguments.silence_gate or {})
    if of_file:
        return of_file.changed(options).to_dict()
    Decoding.from_dict(options)  # refuses what makes no sense before anything is begun
    return options


def _method(arguments, of_file):
    """The decoding method that was named or is implied; refuses options that it would ignore."""
    method = arguments.decode
    for option, value, methods in (
        ("--threshold", arguments.threshold, ("threshold", "median")),
        ("--switching-cost", arguments.switching_cost, ("viterbi",)),
    ):
        if value is not None:
            method = method or (of_file if of_file in methods else methods[0])
            if method not in methods:
                raise ValueError(
                    f"{option} is of {' and '.join(methods)}, not of {method}; leave it out, "
                    f"or give --decode {methods[0]}"
                )
    return method


def _labelled(text):
    """Parse ``NUMBER`` as (None, number), for all classes, or ``LABEL=NUMBER`` as (label, number)."""
    label, _, number = text.rpartition("=")
    try:
        return label or None, float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{number!r} is not a number") from None


def _cost(text):
    """Parse a switching cost: ``8s`` in seconds; without the s in nats, as in earlier versions."""
    number, unit = (text[:-1], "switching_cost_s") if text.endswith("s") else (text, "switching_cost")
    try:
        return {unit: float(number)}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, such as 8s") from None


def _gate(text):
    """Parse a level in dB, or ``off``."""
    try:
        return {"silence_gate_db": None if text == "off" else float(text.removesuffix("dB"))}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a level in dB, such as -80dB, nor off") from None


def _by_label(option, values, taxonomy):
    """One number for all classes, a mapping of label to number, or None if the option is absent."""
    from hrin_plugin.text import shown

    if not values:
        return None
    values = dict(values)
    labels = {label for names in taxonomy.levels for label in names}
    unknown = next((label for label in values if label not in {None, *labels}), None)
    if unknown is not None:
        raise ValueError(
            f"{option}: {shown(unknown)} is none of {', '.join(sorted(labels))}, the model's classes"
        )
    if None not in values:
        return values
    if len(values) > 1:
        raise ValueError(
            f"{option} has one number for all classes and others for some; give the one or the others"
        )
    return values[None]


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


def _print(detections, order):
    """Print the events of the one recording, if detection succeeded."""
    from hrin_plugin.formats import render

    for detection in detections:
        for text in render(detection, order.format, order.levels).values():
            sys.stdout.write(text)
