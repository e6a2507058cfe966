"""``hrin decide``: decides again from kept probabilities, without listening."""

from hrin_plugin.commands.decisions import add_decoding_options, decoding_asked_for
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
    >>> parser.parse_args("decide results --offset fg-music=2".split()).offset
    [('fg-music', 2.0)]
    """
    parser = commands.add_parser(
        "decide",
        help="decide again from kept probabilities, without listening",
        description="Make results with other decisions from the probabilities that 'hrin detect "
        "--keep-probabilities' kept. The options mean the same as there. The same command continues after "
        "an interruption.",
    )
    add_remake_options(parser, "kept probabilities")
    add_format_option(parser)
    add_level_option(parser)
    add_decoding_options(parser)
    parser.set_defaults(handler=_decide, prog=parser.prog)


def _decide(arguments):
    """Decide on every recording, report each problem, and print the totals."""
    from hrin_plugin.archive.orders import Order
    from hrin_plugin.archive.sources import UNKNOWN, decide_source
    from hrin_plugin.decoding.decoders import EventDecoder
    from hrin_plugin.decoding.keeping import KIND
    from hrin_plugin.decoding.kept import read_kept

    formats, levels = formats_asked_for(arguments), LEVELS[arguments.level]
    check_output(arguments, formats, levels)

    def read(source):
        """What a source tells of its model."""
        return read_kept(source.files[0]).header

    def order_of(source, header):
        """The settings that hold for every recording: those of the first one's model."""
        decoding = decoding_asked_for(arguments, header.taxonomy)
        # Refuses labels that the model lacks, before anything is begun.
        decided = header.decoding.changed(decoding)
        EventDecoder(decided, header.taxonomy, header.grid)
        about = source.record.get("provenance") or {}
        return Order(
            output=arguments.output,
            formats=formats,
            levels=levels,
            model=header.model or UNKNOWN,
            decoding=decoding,
            taxonomy=header.taxonomy,
            track=source.record.get("track"),
            about=about and about | {"decoding": decided.to_dict()},
        )

    return remake(arguments, [KIND], [], read, order_of, decide_source)
