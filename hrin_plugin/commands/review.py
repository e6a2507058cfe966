"""``hrin review``: a page on this machine to hear results and correct them."""

import contextlib
import sys

from hrin_plugin.commands import Failure
from hrin_plugin.commands.options import add_classes_option, classes_asked_for
from hrin_plugin.commands.report import add_clock_options, place_recordings


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
    >>> parser.parse_args(["review", "results", "--audio", "archive"]).audio
    'archive'
    """
    parser = commands.add_parser(
        "review",
        help="hear results and correct them, on a page in the browser",
        description="Open a page on this machine with waveforms and results of recordings, to hear and to "
        "correct them. Corrections are saved at once beside the results, as NAME.corrected; 'hrin report' "
        "uses them, and 'hrin adapt' and 'hrin tune' learn from recordings that are reviewed to the end. "
        'Needs: pip install "hrin-plugin[review]".',
    )
    parser.add_argument("results", metavar="RESULTS", help="folder of the results of 'hrin detect'")
    parser.add_argument("--audio", metavar="ARCHIVE", required=True, help="folder of the recordings")
    parser.add_argument("--reviewer", metavar="NAME", help="who corrects (default: the login name)")
    parser.add_argument("--port", type=int, default=0, help="port of the page (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")
    add_clock_options(parser)
    add_classes_option(parser)
    parser.set_defaults(handler=_review, prog=parser.prog)


def _review(arguments):
    """Read the results, and serve the page until it is interrupted."""
    import os
    from pathlib import Path

    from filelock import FileLock, Timeout

    results, archive = Path(arguments.results), Path(arguments.audio)
    for option, folder in (("RESULTS", results), ("--audio", archive)):
        if not folder.is_dir():
            raise ValueError(f"{option}: {folder} is not a folder; give the folder of the {_WHAT[option]}")
    if not os.access(results, os.W_OK):
        raise Failure(f"{results}: cannot be written to, and corrections lie there; change its permissions")
    if not 0 <= arguments.port < 65536:
        raise ValueError(f"--port is {arguments.port}; give one from 1 to 65535, or leave it out")
    reviewer = _reviewer(arguments.reviewer)
    _check_libraries()
    items, zone = _find(arguments, results, archive)
    lock = FileLock(results / ".hrin-review.lock", timeout=0)
    try:
        held = lock.acquire()
    except Timeout:
        cure = "open another window by the address that it printed"
        raise Failure(f"{results}: 'hrin review' runs on it already; {cure}") from None
    with held, contextlib.suppress(KeyboardInterrupt):
        _serve(arguments, items, results, archive, reviewer, zone)
    print("stopped; all corrections are saved", file=sys.stderr)
    return 0


def _check_libraries():
    """Raise Failure where the libraries of the extra are missing."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise Failure(f'{error}; run: pip install "hrin-plugin[review]"') from None


def _find(arguments, results, archive):
    """The recordings to review, and the zone of their times; says what is wrong with them."""
    from hrin_plugin.report.display import printable
    from hrin_plugin.report.results import read_with_files
    from hrin_plugin.review.library import find_items

    (detections, faults), files = read_with_files([results], classes_asked_for(arguments))
    airtime, notes = place_recordings(arguments, detections)
    items = find_items(airtime, files, results, archive)
    if not items:
        raise Failure(f"{results}: holds no result to review; give the folder of hrin detect")
    silent = [item for item in items if item.audio is None]
    if silent:
        number = f"{len(silent)} of {len(items)} recordings cannot be heard"
        notes.append(f"{number}, such as {silent[0].name}: {silent[0].problem}")
    for line in (*map(str, faults), *map(printable, notes)):
        print(line, file=sys.stderr)
    return items, str(airtime.zone)


def _serve(arguments, items, results, archive, reviewer, zone):
    """Print the address, open it, and answer until it is interrupted."""
    import os
    import socket
    import webbrowser

    import uvicorn

    from hrin_plugin.review.desk import Desk
    from hrin_plugin.review.guard import Guard
    from hrin_plugin.review.peaks import PeaksMaker
    from hrin_plugin.review.server import Service

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name != "nt")
        try:
            listening.bind(("127.0.0.1", arguments.port))
            listening.listen()  # who opens the address at once waits
        except OSError as error:
            cure = "choose another, or leave it out"
            raise Failure(f"--port {arguments.port}: {error.strerror}; {cure}") from None
        peaks = PeaksMaker(items)
        service = Service(Desk(items, results), archive, peaks, reviewer, zone)
        guard = Guard(service.app(), listening.getsockname()[1])
        silence = {"log_level": "warning", "access_log": False, "server_header": False, "lifespan": "off"}
        server = uvicorn.Server(uvicorn.Config(guard, timeout_graceful_shutdown=1, **silence))
        number = f"{len(items)} recording{'s' * (len(items) != 1)}"
        print(f"{number}; open {guard.address}\nstop with Ctrl-C", flush=True)
        peaks.start()
        try:
            if not arguments.no_browser:
                webbrowser.open(guard.address)
            server.run(sockets=[listening])
        finally:
            peaks.stop()


_WHAT = {"RESULTS": "results", "--audio": "recordings"}


def _reviewer(name):
    """Name of the person who corrects."""
    import getpass

    if name is None:
        try:
            name = getpass.getuser()
        except (OSError, KeyError, ImportError):  # no such user, as in some containers
            name = "unknown"
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise ValueError(f"--reviewer is {name[:50]!r}; give a name of 1 to 100 printable letters")
    return name.strip()
