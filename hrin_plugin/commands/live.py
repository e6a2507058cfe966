"""``hrin detect --live``: listens to a stream."""

import argparse
import contextlib
import functools
import signal
import sys


def add_live_options(parser):
    """Add the options for streams.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of ``hrin detect``.

    Example
    -------
    >>> parser = argparse.ArgumentParser()
    >>> add_live_options(parser)
    >>> parser.parse_args("--live http://radio.example/oe1 --latency 10".split()).latency
    10.0
    """
    live = parser.add_argument_group("live", "A stream is read by ffmpeg until the command is stopped.")
    live.add_argument(
        "--live",
        metavar="URL",
        help="listen to a stream in place of recordings: Icecast, HLS (http, https) or RTMP (rtmp, rtmps). "
        "With --output, results go to DIR/STATION by the hour of UTC",
    )
    live.add_argument(
        "--station", metavar="NAME", help="name of its folder (default: the last part of the address)"
    )
    live.add_argument(
        "--latency",
        type=_latency,
        metavar="SECONDS",
        help="decide each moment at most so long after it sounded, 3 to 90; exact: as in a recording, up to "
        "102 s with the shipped model (default: exact)",
    )
    live.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="a further host that redirects and playlists of the stream may lead to (repeatable)",
    )
    live.add_argument(
        "--allow-protocol",
        action="append",
        default=[],
        choices=("http", "https", "rtmp", "rtmps"),
        help="a further protocol that they may use (repeatable)",
    )


def listen_live(arguments, order):
    """Listen to a stream until SIGTERM or Ctrl-C.

    Arguments
    ---------
    arguments : argparse.Namespace
        From a parser with :func:`add_live_options`.
    order : Order
        Settings of the detection.

    Returns
    -------
    int
        Exit status, 0.

    Raises
    ------
    Failure
        If the stream leads to a host that is not named.
    ValueError
        If options do not go together.

    Example
    -------
    >>> parser = argparse.ArgumentParser()
    >>> add_live_options(parser)
    >>> listen_live(parser.parse_args(["--live", "file:///etc/passwd"]), None)
    Traceback (most recent call last):
    ...
    ValueError: --live 'file:///etc/passwd': is not the address of a stream; ...
    """
    from hrin_plugin.commands import Failure
    from hrin_plugin.live.hosts import Hosts, Refused

    hosts = Hosts(arguments.live, arguments.allow_host, arguments.allow_protocol)
    _check(arguments, order)
    try:
        with until_told() as stopping:
            _listen(arguments, order, hosts, stopping)
    except Refused as refusal:
        raise Failure(f"--live: {refusal}") from None
    return 0


def _listen(arguments, order, hosts, stopping):
    """Load the model, and listen."""
    from hrin_plugin.inference import load_detector
    from hrin_plugin.inference.pace import pace_for
    from hrin_plugin.live.clock import Clock
    from hrin_plugin.live.hours import HourFiles
    from hrin_plugin.live.listening import Outlet, listen, show_on_terminal
    from hrin_plugin.live.records import station_folder, station_of
    from hrin_plugin.live.source import Source
    from hrin_plugin.live.stretches import Listener

    latency_s = arguments.latency
    pace, clock = pace_for(latency_s), Clock()
    detector = load_detector(order.model, order.backend, order.device, order.decoding, order.run_code)
    delay_s = detector.delay_of(pace)
    if latency_s is not None and delay_s > latency_s:
        problem = f"--latency {latency_s:g}: this model and its decisions take {delay_s:.1f} s"
        raise ValueError(f"{problem}; give shorter minimum durations, or a greater latency")
    tell(f"each moment is decided at most {delay_s:.1f} s after it sounded, and the time of computing")
    with contextlib.ExitStack() as until:
        hours, heard_until = None, 0.0
        if order.output:
            station = arguments.station or station_of(arguments.live)
            folder = until.enter_context(station_folder(order, station, arguments.live, latency_s))
            hours = HourFiles(folder, order.formats, order.levels, order.taxonomy)
            for path in hours.recover():
                tell(f"wrote {path}, of a run that was killed")
            heard_until = hours.heard_until()
        connect = functools.partial(Source, hosts, order.track, stopping)
        listener = Listener(connect, clock, tell, stopping, heard_until)
        detect = functools.partial(detector.detect_live, pace=pace)
        outlet = Outlet(_say, tell, hours, order.levels)
        listen(listener.stretches(), detect, clock, outlet, show_on_terminal)


def _check(arguments, order):
    """Refuse options that make no sense for a stream."""
    for option, given in (
        ("recordings", arguments.recordings),
        ("--keep-probabilities", arguments.keep_probabilities),
        ("--overwrite", arguments.overwrite),
        ("--jobs", arguments.jobs),
        ("--engine ray", arguments.engine != "local"),
    ):
        if given:
            raise ValueError(f"{option} cannot be given with --live; leave the one or the other out")
    if arguments.station and not order.output:
        raise ValueError("--station names the folder of the results; give --output DIR")


@contextlib.contextmanager
def until_told():
    """A function that tells whether SIGTERM or Ctrl-C came; a second one ends at once.

    Example
    -------
    >>> with until_told() as stopping:
    ...     stopping()
    False
    """
    came = []

    def note(number, _):
        """Note the first, and leave the next to the system."""
        came.append(number)
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line):
    """Print an event at once."""
    print(line, flush=True)


def tell(line):
    """Print a message to standard error at once, in a line of its own.

    Arguments
    ---------
    line : str
        The message.

    Example
    -------
    >>> tell("no sound")
    """
    from hrin_plugin.report.display import printable

    start = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{start}{printable(line)}", file=sys.stderr, flush=True)


def _latency(text):
    """Parse seconds, or ``exact``."""
    from hrin_plugin.text import shown

    if text == "exact":
        return None
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a number of seconds, nor exact") from None
