"""``hrin export``: writes a model as one ONNX file."""

from hrin_plugin.commands.options import add_model_option


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
    >>> parser.parse_args(["export", "model.onnx"]).output
    'model.onnx'
    """
    parser = commands.add_parser(
        "export",
        help="write a model as an ONNX file",
        description="Write a model as one ONNX file, for onnxruntime and other programs.",
    )
    add_model_option(parser)
    parser.add_argument(
        "--start",
        default="frames",
        choices=("frames", "waveform"),
        help="input of the ONNX model: log-mel frames in decibels, or samples (default: %(default)s)",
    )
    parser.add_argument("output", metavar="OUT.onnx", help="file to write")
    parser.set_defaults(handler=_export, prog=parser.prog)


def _export(arguments):
    """Write the model and print the path."""
    from hrin_plugin.inference import load_detector
    from hrin_plugin.inference.onnx_detector import can_do_without_torch
    from hrin_plugin.pretrained.onnx_model import export_onnx
    from hrin_plugin.pretrained.plain import read_plain
    from hrin_plugin.pretrained.sources import find_model

    if can_do_without_torch(arguments.model):
        model = read_plain(find_model(arguments.model))
    else:
        model = load_detector(arguments.model, "torch", "cpu", run_code=arguments.run_code).model
    export_onnx(model, arguments.output, arguments.start)
    print(arguments.output)
    return 0
