"""``hrin plot``: draws a recording with its events."""

from hrin_plugin.commands import Failure
from hrin_plugin.commands.options import add_run_code


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
    >>> parser.parse_args(["plot", "a.wav", "--prediction", "HRIN=a.tsv"]).prediction
    ['HRIN=a.tsv']
    """
    parser = commands.add_parser(
        "plot",
        help="draw a recording with its events",
        description="Draw a recording's waveform and log-mel spectrogram, and events as coloured lanes. "
        'Needs matplotlib: pip install "hrin-plugin[plots]"',
    )
    parser.add_argument("recording", metavar="FILE", help="recording to draw")
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
        metavar="DIR",
        help="'pretrained' folder of a training run; its probabilities and events are drawn",
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

    import numpy as np
    import torch

    from hrin_plugin.audio.streams import open_stream
    from hrin_plugin.events import parse_tsv
    from hrin_plugin.features import LogMel
    from hrin_plugin.formats.records import recorded_taxonomy
    from hrin_plugin.inference import load_detector
    from hrin_plugin.taxonomy import MUSIC_LOUDNESS

    try:
        from hrin_plugin.report.plots import draw_recording, save_picture
    except ModuleNotFoundError as error:
        raise Failure(f'{error}; run: pip install "hrin-plugin[plots]"') from None

    detector = None
    if arguments.model:
        detector = load_detector(arguments.model, device="cpu", run_code=arguments.run_code)
    features = detector.model.features if detector else LogMel()
    with open_stream(arguments.recording, features.grid.sample_rate) as blocks:
        wav = np.concatenate(list(blocks))
    duration_s = len(wav) / features.grid.sample_rate
    paths, probabilities = {}, None
    if arguments.reference:
        paths["reference"] = arguments.reference
    for number, prediction in enumerate(arguments.prediction, start=1):
        name, _, path = prediction.rpartition("=")
        paths[name or f"prediction {number}"] = path
    lanes = {name: parse_tsv(path, duration_s) for name, path in paths.items()}
    recorded = (recorded_taxonomy(path, "tsv") for path in paths.values())
    taxonomy = next(filter(None, recorded), MUSIC_LOUDNESS)
    if detector:
        found = detector.detect_file(arguments.recording, probabilities=True)
        probabilities, taxonomy = found.probabilities.values(), found.taxonomy
        lanes |= {f"model, {level}": events for level, events in found.events.items()}
    output = arguments.output or f"{Path(arguments.recording).stem}.png"
    with torch.inference_mode():
        frames = features(torch.from_numpy(wav).float()[None])[0].numpy()
    save_picture(draw_recording(wav, frames, features.grid, lanes, probabilities, taxonomy), output)
    print(output)
    return 0
