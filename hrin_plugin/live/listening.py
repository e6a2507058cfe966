"""A station is listened to: stretches come in, lines, files and the delay go out."""

import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

from hrin_plugin.detection import Heard
from hrin_plugin.live.clock import Clock, iso
from hrin_plugin.live.hours import HourFiles
from hrin_plugin.live.stretches import Stretch


class Delay:
    """How long after they sounded frames were decided: the mean and the most.

    Example
    -------
    >>> delay = Delay()
    >>> delay.add(begin=0.0, end=10.0, now=15.0)
    >>> delay.mean_s, delay.most_s
    (10.0, 15.0)
    """

    def __init__(self):
        self._sum, self._length_s, self.most_s = 0.0, 0.0, 0.0

    def add(self, begin: float, end: float, now: float) -> None:
        """Take frames that sounded from one time to another, and are decided now."""
        self._sum += (end - begin) * (now - (begin + end) / 2)
        self._length_s += end - begin
        self.most_s = max(self.most_s, now - begin)

    @property
    def mean_s(self) -> float:
        """The mean, in seconds."""
        return self._sum / self._length_s if self._length_s else 0.0


class Outlet(NamedTuple):
    """Where what was heard goes.

    Example
    -------
    >>> Outlet(print, print, None, ("mrle",)).levels
    ('mrle',)
    """

    say: Callable[[str], None]  # takes a line for each event
    tell: Callable[[str], None]  # takes what is told besides
    hours: HourFiles | None
    levels: tuple


def listen(
    stretches: Iterable[Stretch],
    detect: Callable[[Iterable, int], Iterable[Heard]],
    clock: Clock,
    outlet: Outlet,
    show: Callable[[str], None] | None = None,
) -> None:
    """Detect in each stretch, and pass on what is certain as soon as it is.

    Arguments
    ---------
    stretches : iterable of Stretch
        As :class:`hrin_plugin.live.stretches.Listener` gives them.
    detect : callable
        Takes blocks and their sample rate, and gives each Heard.
    clock : Clock
        The time of day.
    outlet : Outlet
        Where events and files go.
    show : callable or None
        Takes the state in a line, again and again.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> found = [Heard(2.0, [("md", Event(0.0, 2.0, "music"))], [], True)]
    >>> stretch = Stretch(1795867200.0, 8000, iter([]), None)
    >>> said = []
    >>> listen([stretch], lambda blocks, rate: found, Clock(), Outlet(said.append, print, None, ("md",)))
    >>> said[0].split()
    ['2026-11-28T12:00:00.0Z', '2026-11-28T12:00:02.0Z', 'music']
    """
    for stretch in stretches:
        if stretch.gap:
            outlet.tell(stretch.gap)
        if outlet.hours:
            outlet.hours.begin(stretch.begin, stretch.gap)
        done_s, delay = 0.0, Delay()
        try:
            for heard in detect(stretch.blocks, stretch.sample_rate):
                if heard.decided_s > done_s:
                    delay.add(stretch.begin + done_s, stretch.begin + heard.decided_s, clock.now())
                    done_s = heard.decided_s
                for line in _lines(stretch.begin, heard, outlet.levels):
                    outlet.say(line)
                state = f"decided until {iso(stretch.begin + done_s)}, delay {_words(delay)}"
                closed = outlet.hours.hear(heard) if outlet.hours else []
                for path in closed:
                    outlet.tell(f"wrote {path}; {state}")
                if closed:
                    delay = Delay()
                if show:
                    show(state)
        except ValueError as error:  # too short for a frame, or no sound
            outlet.tell(f"{iso(stretch.begin)}: {error}")


def _lines(begin, heard, levels):
    """Begin, end and class of each event that ended; the level too, where there are several."""
    for task, event in heard.ended:
        if task in levels:
            times = iso(begin + event.onset_s, 1), iso(begin + event.offset_s, 1)
            yield "\t".join((*times, event.label, *([task] if len(levels) > 1 else [])))


def _words(delay):
    """The delay in words."""
    return f"{delay.mean_s:.1f} s on the average, {delay.most_s:.1f} s at most"


def show_on_terminal(line: str) -> None:
    """Show a line in place of the one before, on a terminal only.

    Example
    -------
    >>> show_on_terminal("decided until 2026-11-28T12:00:00Z")
    """
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
