"""Options that turn probabilities into segments, for the subcommands that decide."""

import argparse
import re


def add_decoding_options(parser):
    """Add the options for decisions.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of a subcommand.

    Example
    -------
    >>> parser = argparse.ArgumentParser()
    >>> add_decoding_options(parser)
    >>> parser.parse_args(["--switching-cost", "8s"]).switching_cost
    {'switching_cost_s': 8.0}
    """
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


def decoding_asked_for(arguments, taxonomy):
    """Decoding settings given on the command line: those of the file, overridden by single options.

    Arguments
    ---------
    arguments : argparse.Namespace
        From a parser with :func:`add_decoding_options`.
    taxonomy : Taxonomy
        The model's classes.

    Returns
    -------
    dict
        Settings that override the model's own Decoding.

    Raises
    ------
    ValueError
        If the options contradict each other, or name a class that the model lacks.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> parser = argparse.ArgumentParser()
    >>> add_decoding_options(parser)
    >>> decoding_asked_for(parser.parse_args(["--offset", "music=2"]), MUSIC_LOUDNESS)
    {'offsets': {'music': 2.0}}
    """
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
