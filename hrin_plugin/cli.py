"""The command ``hrin``: parses its arguments and delegates.

What a subcommand needs is imported in its handler, so that help comes at once.
"""

import argparse
import sys


def main(argv=None):
    """Run the command.

    Arguments
    ---------
    argv : sequence of str or None
        Arguments after the command's name; None for those of the process.

    Returns
    -------
    int
        Exit status: 0 done, 1 failed, 2 used wrongly, 130 interrupted.

    Example
    -------
    >>> main(["mix", "--music", "a", "--speech", "b", "--noise", "c", "--hours", "0", "out"])
    2
    """
    parser = argparse.ArgumentParser(
        prog="hrin", description="Music detection and relative loudness of music in broadcast audio."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_mix(commands)
    _add_plot(commands)
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as end:
        return end.code
    try:
        return arguments.handler(arguments)
    except ValueError as error:
        return _fail(arguments, error, 2)
    except OSError as error:
        return _fail(arguments, error if not error.errno else f"{error.filename}: {error.strerror}", 1)
    except KeyboardInterrupt:
        return _fail(arguments, "interrupted; the same command goes on from here", 130)


def _fail(arguments, error, status):
    """Say in one line what is wrong; returns the exit status."""
    print(f"{arguments.prog}: error: {error}", file=sys.stderr)
    return status


def _add_mix(commands):
    """The subcommand ``mix``."""
    parser = commands.add_parser(
        "mix",
        help="mix an annotated set from your own recordings",
        description="Mix broadcast-like audio with exact annotations from folders of your own recordings, "
        "in the layout of OpenBMAT. Run again, it completes a set that was interrupted.",
    )
    for kind in ("music", "speech", "noise"):
        parser.add_argument(f"--{kind}", required=True, metavar="DIR", help=f"folder of {kind} recordings")
    parser.add_argument("--hours", required=True, type=float, metavar="H", help="length of the set in hours")
    parser.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="length of an excerpt (default: %(default)g)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of all randomness (default: 0)"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="number of processes (default: one a core)")
    parser.add_argument("out", metavar="OUT", help="folder of the set")
    parser.set_defaults(handler=_mix, prog=parser.prog)


def _mix(arguments):
    """Mix a set, and say what it holds."""
    import logging
    from concurrent.futures.process import BrokenProcessPool

    from hrin_plugin.mixing import mix_set
    from hrin_plugin.mixing.excerpts import class_shares
    from hrin_plugin.mixing.store import SourceError

    logging.basicConfig(format="%(message)s")
    options = vars(arguments).copy()
    for name in ("handler", "prog"):
        del options[name]
    try:
        excerpts = mix_set(**options)
    except SourceError as error:
        return _fail(arguments, error, 1)
    except BrokenProcessPool:
        return _fail(
            arguments, "a process was ended from outside, for want of memory perhaps; try --jobs 1", 1
        )
    shares = ", ".join(f"{label} {share:.1%}" for label, share in class_shares(excerpts).items())
    print(f"{arguments.out}: {len(excerpts)} excerpts of {arguments.seconds:g} s; {shares}")
    return 0


def _add_plot(commands):
    """The subcommand ``plot``."""
    parser = commands.add_parser(
        "plot",
        help="draw a recording with its events",
        description="Draw a recording's waveform and log-mel spectrogram, and events as coloured lanes. "
        "Needs matplotlib: pip install 'hrin-plugin[plots]'",
    )
    parser.add_argument("recording", metavar="FILE", help="a recording")
    parser.add_argument("--reference", metavar="TSV", help="its annotation")
    parser.add_argument(
        "--prediction",
        action="append",
        default=[],
        metavar="[NAME=]TSV",
        help="predicted events; may be given several times",
    )
    parser.add_argument(
        "--model", metavar="DIR", help="a run's 'pretrained' folder, whose probabilities and events are drawn"
    )
    parser.add_argument(
        "--output", metavar="PICTURE", help="a .png, .svg or .pdf file (default: the recording's name, .png)"
    )
    parser.set_defaults(handler=_plot, prog=parser.prog)


def _plot(arguments):
    """Draw a recording, and say where the picture is."""
    from pathlib import Path

    from hrin_plugin.audio import read_audio
    from hrin_plugin.events import parse_tsv
    from hrin_plugin.features import LogMel
    from hrin_plugin.pretrained import load_pretrained
    from hrin_plugin.results import recognise

    try:
        from hrin_plugin.plots import draw_recording, save_picture
    except ModuleNotFoundError as error:
        return _fail(arguments, f"{error}; run: pip install 'hrin-plugin[plots]'", 1)

    model = load_pretrained(arguments.model) if arguments.model else None
    features = model.features if model else LogMel()
    wav = read_audio(arguments.recording, features.grid.sample_rate)
    duration_s = len(wav) / features.grid.sample_rate
    lanes, probabilities = {}, None
    if arguments.reference:
        lanes["reference"] = parse_tsv(arguments.reference, duration_s)
    for number, prediction in enumerate(arguments.prediction, start=1):
        name, _, path = prediction.rpartition("=")
        lanes[name or f"prediction {number}"] = parse_tsv(path, duration_s)
    if model:
        probabilities, events = recognise(model, wav)
        lanes |= dict(zip(("model, detection", "model, loudness"), events))
    output = arguments.output or f"{Path(arguments.recording).stem}.png"
    save_picture(draw_recording(wav, features, lanes, probabilities), output)
    print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
