"""``hrin convert``: writes results in other formats, without listening."""

from hrin_plugin.commands.outputs import (
    LEVELS,
    add_format_option,
    add_level_option,
    check_output,
    formats_asked_for,
)
from hrin_plugin.commands.remake import add_remake_options, remake


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
    >>> parser.parse_args("convert results --format srt,edl".split()).format
    [['srt', 'edl']]
    """
    parser = commands.add_parser(
        "convert",
        help="write results in other formats, without listening",
        description="Write the results of 'hrin detect' or 'hrin decide' in other formats. Of several "
        "formats of a recording, the one that says most is read. The same command continues after an "
        "interruption.",
    )
    add_remake_options(parser, "results, in any format")
    add_format_option(parser, required=True)
    add_level_option(parser, None, "all that the results have")
    parser.set_defaults(handler=_convert, prog=parser.prog)


def _convert(arguments):
    """Convert every result, report each problem, and print the totals."""
    from hrin_plugin.archive.orders import Order
    from hrin_plugin.archive.sources import convert_source, read_source, result_kinds, settings_of

    formats = formats_asked_for(arguments)

    def order_of(source, first):
        """The settings that hold for every recording: those of the first one."""
        levels = LEVELS[arguments.level] if arguments.level else tuple(first.events)
        check_output(arguments, formats, levels)
        model, decoding, track = settings_of(source.record)
        return Order(
            output=arguments.output,
            formats=formats,
            levels=levels,
            model=model,
            decoding=decoding,
            taxonomy=first.taxonomy,
            track=track,
            about=source.record.get("provenance") or {},
        )

    return remake(arguments, result_kinds(), formats, read_source, order_of, convert_source)
