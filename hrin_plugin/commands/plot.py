"""``hrin plot``: draws a recording with its events."""

import argparse
import itertools
import re
import sys
import tempfile

from hrin_plugin.commands import Failure
from hrin_plugin.commands.options import add_run_code

#: The model hears so much sound before and after a part, in seconds.
AROUND_S = 60.0

_TIME = re.compile(r"(?:(?:(\d{1,6}):)?(\d{1,9}):)?(\d{1,9}(?:\.\d*)?)")


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
    >>> parser.parse_args(["plot", "a.wav", "--prediction", "HRIN=a.tsv"]).prediction
    ['HRIN=a.tsv']
    """
    parser = commands.add_parser(
        "plot",
        help="draw a recording with its events",
        description="Draw a recording's waveform and log-mel spectrogram, the model's probabilities, and "
        "events as coloured lanes. Recordings may have any length. Needs matplotlib: "
        'pip install "hrin-plugin[plots]"',
    )
    parser.add_argument("recording", metavar="FILE", help="recording to draw")
    parser.add_argument(
        "--from",
        dest="begin_s",
        type=_time,
        default=0.0,
        metavar="TIME",
        help="where the part to draw begins: 1:02:03, or seconds (default: the beginning)",
    )
    parser.add_argument(
        "--to", dest="end_s", type=_time, metavar="TIME", help="where it ends (default: the end)"
    )
    parser.add_argument("--reference", metavar="TSV", help="annotation of the recording")
    parser.add_argument(
        "--prediction",
        action="append",
        default=[],
        metavar="[NAME=]TSV",
        help="predicted events, with a name for the legend (repeatable)",
    )
    parser.add_argument(
        "--model",
        metavar="SOURCE",
        help="'pretrained' folder of a run, or name on the Hugging Face Hub, whose probabilities and events "
        "are drawn; none: no model's (default: the shipped model)",
    )
    parser.add_argument(
        "--probabilities",
        metavar="PROBS",
        help="file that 'hrin detect --keep-probabilities' kept of this recording; no model is run",
    )
    add_run_code(parser)
    parser.add_argument(
        "--output",
        metavar="PICTURE",
        help=".png, .svg or .pdf file to write (default: the recording's name with .png)",
    )
    parser.set_defaults(handler=_plot, prog=parser.prog)


def _plot(arguments):
    """Draw the recording and print the path of the picture."""
    from pathlib import Path

    from hrin_plugin.decoding.kept import read_kept
    from hrin_plugin.features.mel_frames import MelFrames
    from hrin_plugin.features.settings import FrameSettings
    from hrin_plugin.inference import load_detector

    try:
        from hrin_plugin.report.plots import Drawing, draw_recording, picture_path, save_picture
    except ModuleNotFoundError as error:
        raise Failure(f'{error}; run: pip install "hrin-plugin[plots]"') from None

    begin_s, end_s = arguments.begin_s, arguments.end_s
    if end_s is not None and end_s <= begin_s:
        raise ValueError(f"--to is {end_s:g} s and --from {begin_s:g} s; give a later --to")
    output = picture_path(arguments.output or f"{Path(arguments.recording).stem}.png")
    kept = read_kept(arguments.probabilities) if arguments.probabilities else None
    detector = None
    if kept is None and arguments.model != "none":
        detector = load_detector(arguments.model, device="cpu", run_code=arguments.run_code)
    features = detector.features if detector else MelFrames(FrameSettings())
    drawing = Drawing(features.grid, begin_s)
    total_s = _hear(arguments, drawing, features)
    lanes, taxonomy = _lanes(arguments, total_s)
    with tempfile.TemporaryDirectory() as folder:
        heard_from_s = 0.0
        if detector:
            kept, heard_from_s = _detect(arguments, detector, Path(folder, "part.probs"))
        if kept:
            lanes |= _believe(kept, heard_from_s, drawing)
            taxonomy = kept.header.taxonomy
    save_picture(draw_recording(drawing, lanes, taxonomy), output)
    print(output)
    return 0


def _hear(arguments, drawing, features):
    """Read the part into the drawing, and print the recording's warnings; returns the time of its end."""
    import numpy as np

    from hrin_plugin.audio.streams import open_stream
    from hrin_plugin.inference.windows import absolute_frames
    from hrin_plugin.report.display import printable

    def heard(blocks):
        """Blocks of the part, which the drawing hears."""
        for block in blocks:
            drawing.hear(block)
            yield block

    rate = features.grid.sample_rate
    with open_stream(arguments.recording, rate) as stream:
        blocks = _begun_with(_cut(stream, rate, arguments.begin_s, arguments.end_s), features.n_fft)
        first = next(blocks, None)
        if first is None:
            raise ValueError(f"{arguments.recording}: ends before --from; give an earlier time")
        for frames in absolute_frames(features, heard(itertools.chain([first], blocks))):
            drawing.see(np.asarray(frames))
        if stream.warnings:
            words = "; ".join(stream.warnings)
            print(printable(f"{arguments.recording}: warning: {words}"), file=sys.stderr)
    return arguments.begin_s + drawing.duration_s


def _lanes(arguments, total_s):
    """Events of the given files by the name of their lane, and their classes."""
    from hrin_plugin.events import parse_tsv
    from hrin_plugin.formats.records import recorded_taxonomy
    from hrin_plugin.taxonomy import MUSIC_LOUDNESS

    paths = {"reference": arguments.reference} if arguments.reference else {}
    for number, prediction in enumerate(arguments.prediction, start=1):
        name, _, path = prediction.rpartition("=")
        paths[name or f"prediction {number}"] = path
    lanes = {name: parse_tsv(path, total_s) for name, path in paths.items()}
    recorded = (recorded_taxonomy(path, "tsv") for path in paths.values())
    return lanes, next(filter(None, recorded), MUSIC_LOUDNESS)


def _detect(arguments, detector, path):
    """Keep the probabilities of the part and of what is around it; returns them and where they begin."""
    from hrin_plugin.audio.streams import open_stream
    from hrin_plugin.decoding.kept import read_kept

    begin_s = max(0.0, float(int(arguments.begin_s - AROUND_S)))  # on a frame and a block of whole seconds
    end_s = None if arguments.end_s is None else arguments.end_s + AROUND_S
    rate = detector.grid.sample_rate
    with open_stream(arguments.recording, rate) as stream:
        for _ in detector.detect_stream(_cut(stream, rate, begin_s, end_s), rate, keep=path):
            pass
    return read_kept(path), begin_s


def _believe(kept, heard_from_s, drawing):
    """Give the drawing the probabilities of its part; returns lanes of the events."""
    decoding, grid = kept.header.decoding, kept.header.grid
    first = grid.frame_at(drawing.start_s - heard_from_s)
    last = grid.frame_at(drawing.start_s + drawing.duration_s - heard_from_s)
    first_s, done = heard_from_s + grid.time_of(first), 0
    for levels in kept.pieces(decoding):
        begin, end = max(first - done, 0), max(last + 1 - done, 0)
        if len(levels[0][begin:end]):
            drawing.believe([level[begin:end] for level in levels], grid, first_s)
        done += len(levels[0])
    lanes = {}
    for level, events in kept.detect(decoding).events.items():
        lanes[f"model, {level}"] = [
            event._replace(onset_s=event.onset_s + heard_from_s, offset_s=event.offset_s + heard_from_s)
            for event in events
        ]
    return lanes


def _cut(blocks, rate, begin_s, end_s):
    """Blocks of a part of a recording; those after it are not read."""
    from hrin_plugin.timing import to_samples

    begin, done = to_samples(begin_s, rate), 0
    end = None if end_s is None else to_samples(end_s, rate)
    for block in blocks:
        part = block[max(begin - done, 0) : None if end is None else end - done]
        done += len(block)
        if len(part):
            yield part
        if end is not None and done >= end:
            return


def _begun_with(blocks, n_samples):
    """Blocks of which the first has so many samples, where there are as many."""
    import numpy as np

    held, blocks = [], iter(blocks)
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= n_samples:
            break
    if held:
        yield np.concatenate(held)
    yield from blocks


def _time(text):
    """Parse a time: ``1:02:03.5``, ``62:03`` or seconds."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 1:02:03, or seconds")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return (hours * 60 + minutes) * 60 + seconds
