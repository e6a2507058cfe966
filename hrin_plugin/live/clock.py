"""The clock of live sound: when each sample sounded, whatever is done to the computer's clock meanwhile."""

import math
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone

#: The least arrivals of so many seconds tell how far sound is behind the clock, or ahead of it.
WATCHED_S = 60.0

#: From so many seconds on, sound that is behind has lost some, and sound that is ahead is told.
BEHIND_S, AHEAD_S = 5.0, 15.0


class Clock:
    """The time of day, which never steps while sound comes.

    It is read once, and counted on. It is set again by :meth:`set_again` only, where sound is missing anyway.

    Arguments
    ---------
    wall : callable
        Seconds since 1970 in UTC; may step.
    elapsed : callable
        Seconds that never step.

    Example
    -------
    >>> times = iter([100.0, 40.0])
    >>> clock = Clock(lambda: next(times), lambda: 7.0)
    >>> clock.now(), clock.set_again(90.0), clock.now()
    (100.0, -60.0, 100.0)
    """

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = time.monotonic):
        self._wall, self.elapsed = wall, elapsed
        self._offset_s = wall() - elapsed()

    def now(self) -> float:
        """Seconds since 1970 in UTC."""
        return self.time_of(self.elapsed())

    def time_of(self, elapsed_s: float) -> float:
        """Seconds since 1970 of a time that ``elapsed`` gave."""
        return self._offset_s + elapsed_s

    def set_again(self, heard_until: float) -> float:
        """Set the clock by the time of day; never back to before what has been heard.

        Arguments
        ---------
        heard_until : float
            Seconds since 1970.

        Returns
        -------
        float
            By how many seconds the time of day differed.
        """
        step_s = self._wall() - self.now()
        if self.now() + step_s >= heard_until:
            self._offset_s += step_s
        return step_s


class Drift:
    """How far the sound of a stretch is behind the clock, or ahead of it.

    Arguments
    ---------
    begin : float
        When the stretch begins, seconds since 1970.

    Example
    -------
    >>> drift = Drift(0.0)
    >>> [drift.watch(second + 6.0 * (second > 100), float(second)) for second in (0, 60, 120, 180, 240)]
    [None, 0.0, 6.0, 6.0, 6.0]
    """

    def __init__(self, begin: float):
        self._begin, self._recent, self._since = begin, deque(), None

    def watch(self, arrival: float, done_s: float) -> float | None:
        """Take an arrival.

        Arguments
        ---------
        arrival : float
            When sound came, seconds since 1970.
        done_s : float
            Until when it came, seconds from the begin of the stretch.

        Returns
        -------
        float or None
            Seconds behind, the least of the last :data:`WATCHED_S`; None before so much time has passed.
        """
        self._since = arrival if self._since is None else self._since
        behind_s = arrival - self._begin - done_s
        while self._recent and self._recent[-1][1] >= behind_s:
            self._recent.pop()
        self._recent.append((arrival, behind_s))
        while self._recent[0][0] < arrival - WATCHED_S:
            self._recent.popleft()
        return self._recent[0][1] if arrival - self._since >= WATCHED_S else None


def next_second(instant: float) -> float:
    """The next whole second.

    Example
    -------
    >>> next_second(5.2), next_second(5.0)
    (6.0, 5.0)
    """
    return float(math.ceil(instant))


def iso(instant: float, digits: int = 0) -> str:
    """A time as ISO 8601 in UTC.

    Example
    -------
    >>> iso(1795867200.0), iso(0.25, digits=1)
    ('2026-11-28T12:00:00Z', '1970-01-01T00:00:00.2Z')
    """
    whole = math.floor(round(instant, digits) if digits else instant + 0.5)
    text = f"{datetime.fromtimestamp(whole, timezone.utc):%Y-%m-%dT%H:%M:%S}"
    return text + (f"{round(instant, digits) - whole:.{digits}f}"[1:] if digits else "") + "Z"


def file_name(instant: float) -> str:
    """A time as the name of a file, from which ``hrin report`` reads it.

    Example
    -------
    >>> file_name(1795867200.0)
    '2026-11-28_12-00-00Z'
    """
    return iso(instant).replace("T", "_").replace(":", "-")
