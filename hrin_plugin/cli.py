"""The command ``hrin``: parses arguments and calls :mod:`hrin_plugin.commands`."""

import argparse
import os
import re
import sys

from hrin_plugin import __version__
from hrin_plugin.commands import Failure, subcommands
from hrin_plugin.text import shorten

#: Exit status after a broken pipe, as in shells.
READER_LEFT = 141

#: Most lines of an error, and characters of a line.
MOST_LINES, MOST_CHARACTERS = 50, 1000


def main(argv=None):
    """Run the command.

    Arguments
    ---------
    argv : sequence of str or None
        Arguments after the command's name; None for those of the process.

    Returns
    -------
    int
        Exit status: 0 done, 1 failed, 2 used wrongly, 130 interrupted, 141 if the
        reader of the output stopped reading.

    Example
    -------
    >>> main(["mix", "--music", "a", "--speech", "b", "--noise", "c", "--hours", "0", "out"])
    2
    """
    parser = _Parser(
        prog="hrin", description="Music detection and relative loudness of music in broadcast audio."
    )
    parser.add_argument("--version", action="version", version=f"hrin {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in subcommands():
        command.add_parser(commands)
    argv = sys.argv[1:] if argv is None else argv
    try:
        for argument in argv:
            if re.fullmatch(r"--[\w-]+=--", argument):  # which argparse takes for an empty list
                parser.error(f"argument {argument.partition('=')[0]}: expected one argument")
        arguments = parser.parse_args(argv)
    except SystemExit as end:
        return end.code
    try:
        status = arguments.handler(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # What is left in the buffer must not be tried again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_LEFT
    except ModuleNotFoundError as error:  # of the light installation, which detects and reports
        package = (error.name or "a package").partition(".")[0]
        cure = "run: pip install hrin-plugin"
        return _fail(arguments, f"{package} is not installed, and this needs it; {cure}", 1)
    except (Failure, ImportError) as error:
        return _fail(arguments, error, 1)
    except ValueError as error:
        return _fail(arguments, error, 2)
    except OSError as error:
        parts = [str(part) for part in (error.filename, error.strerror) if part]
        return _fail(arguments, ": ".join(parts) or error, 1)
    except KeyboardInterrupt:
        return _fail(arguments, "interrupted; the same command goes on from here", 130)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are short, whatever was given."""

    def error(self, message):
        """Print the usage and a short message, and exit."""
        super().error(shorten(message, MOST_CHARACTERS))


def _fail(arguments, error, status):
    """Print an error in short lines; returns the exit status."""
    first, *others = str(error).splitlines() or [type(error).__name__]
    lines = [f"{arguments.prog}: error: {first}", *others[:MOST_LINES]]
    lines += [f"and {len(others) - MOST_LINES} more"] * (len(others) > MOST_LINES)
    print("\n".join(shorten(line, MOST_CHARACTERS) for line in lines), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
