"""A stream as stretches of unbroken sound, each with the time at which it begins; what lies between is told.

Time is never invented or shifted: where sound is missing there is no stretch.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from hrin_plugin.live.clock import AHEAD_S, BEHIND_S, Clock, Drift, iso, next_second
from hrin_plugin.live.hosts import Refused
from hrin_plugin.live.source import SourceError

#: For so long arrivals are looked at before a stretch begins: a server sends what it has kept at once.
SETTLE_S = 2.0

#: Most seconds that a server is taken to have kept.
MOST_KEPT_S = 60.0

#: Pauses between connections: the first, and the longest; each is twice the one before.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0

#: A connection that gave so many seconds of sound makes the next pause the first again.
_GOOD_S = 10.0

#: Steps of the computer's clock up to this are none, in seconds.
_STEP_S = 1.0

#: How often it is looked whether to stop, in seconds.
_LOOK_S = 0.1


class Stretch(NamedTuple):
    """Unbroken sound.

    Example
    -------
    >>> Stretch(1795867200.0, 44100, iter(()), None).sample_rate
    44100
    """

    begin: float  # a whole second; seconds since 1970 in UTC
    sample_rate: int
    blocks: Iterator[np.ndarray]  # [sample, channel], float32, full scale at 1
    gap: str | None  # what is missing before it, in words with its times


class Listener:
    """Connects to a stream again and again, and gives its stretches.

    Arguments
    ---------
    connect : callable
        Makes a connection, such as a :class:`hrin_plugin.live.source.Source`: a context manager with a
        ``sample_rate`` that gives each Chunk.
    clock : Clock
        The time of day.
    tell : callable
        Takes what must be told, in a line.
    stopping : callable
        Whether to end.
    heard_until : float
        Until when sound was heard in an earlier run, seconds since 1970. Nothing before counts again.
    sleep : callable
        Waits for some seconds.

    Example
    -------
    >>> listener = Listener(None, Clock(), print, stopping=lambda: True)
    >>> list(listener.stretches())
    []
    """

    def __init__(
        self,
        connect: Callable,
        clock: Clock,
        tell: Callable[[str], None],
        stopping: Callable[[], bool],
        heard_until: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._connect, self._clock, self._tell, self._stopping = connect, clock, tell, stopping
        self._sleep, self._heard_until, self._refusal = sleep, heard_until, None
        self._last, self._reason = None, "the program did not run" if heard_until else None

    def stretches(self) -> Iterator[Stretch]:
        """Each stretch; its blocks must be taken before the next.

        Raises
        ------
        Refused
            If the stream leads to what the user did not name.
        """
        pause_s, told = FIRST_PAUSE_S, None
        while not self._stopping():
            begun_s = self._clock.elapsed()
            step_s = self._clock.set_again(self._heard_until)
            if abs(step_s) > _STEP_S:
                self._tell(f"the computer's clock was changed by {step_s:+.1f} s")
            with self._connect() as source:
                yield from self._of(source)
            if self._stopping():
                return
            if self._clock.elapsed() - begun_s >= _GOOD_S:
                pause_s, told = FIRST_PAUSE_S, None
            if self._last != told:
                told = self._last
                self._tell(f"{iso(self._clock.now())}: no sound ({told}); trying again")
            self._wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _of(self, source):
        """The stretches of one connection; a second one where the stream lost sound."""
        chunks, self._is_behind = self._guarded(source), True
        while self._is_behind:
            reason, self._reason = self._reason, None
            held = self._settle(chunks)
            if not held:
                self._reason = reason or self._reason
                break
            self._is_behind, rate = False, source.sample_rate
            begin = self._earliest(held, rate)
            start = next_second(max(begin, self._heard_until))
            if start - begin > MOST_KEPT_S:  # the clock went back between two runs
                self._tell(f"there are results until {iso(start)} already; what sounds before is left out")
            blocks = self._blocks(itertools.chain(held, chunks), begin, start, rate)
            yield Stretch(start, rate, blocks, self._gap(start, reason))
        if self._refusal:
            raise self._refusal

    def _guarded(self, source):
        """Chunks until the connection ends, for whatever reason, which is kept."""
        try:
            yield from source
        except SourceError as error:
            self._last = str(error)
            self._reason = self._reason or self._last
        except Refused as refusal:
            self._refusal = refusal

    def _settle(self, chunks):
        """The chunks that come first, until what the server has kept is through."""
        held = []
        for chunk in chunks:
            held.append(chunk)
            if chunk.arrival_s - held[0].arrival_s >= SETTLE_S:
                break
        return held

    def _earliest(self, held, rate):
        """When the first sample sounded: as early as the arrivals say."""
        done, first, begins = 0, self._clock.time_of(held[0].arrival_s), []
        for chunk in held:
            done += len(chunk.samples)
            begins.append(self._clock.time_of(chunk.arrival_s) - done / rate)
        return max(min(begins), first - MOST_KEPT_S)

    def _blocks(self, chunks, begin, start, rate):
        """Samples from `start` on; the first of the chunks sounded at `begin`."""
        drift, done, skipped, told_s = Drift(begin), 0, round((start - begin) * rate), AHEAD_S
        for chunk in chunks:
            samples = chunk.samples[max(0, skipped - done) :]
            done += len(chunk.samples)
            if len(samples):
                self._heard_until = begin + done / rate
                yield samples
            behind_s = drift.watch(self._clock.time_of(chunk.arrival_s), done / rate)
            if behind_s is not None and behind_s > BEHIND_S:
                self._reason, self._is_behind = f"the stream lost about {behind_s:.0f} s", True
                return
            if behind_s is not None and behind_s < -told_s:
                self._tell(f"{iso(self._clock.now())}: the sound is {-behind_s:.0f} s ahead of the clock")
                told_s += AHEAD_S

    def _gap(self, start, reason):
        """What is missing before a stretch, in words; None before the first."""
        if not self._heard_until or reason is None:
            return None
        return f"no sound from {iso(self._heard_until)} to {iso(start)} ({reason})"

    def _wait(self, seconds):
        """Wait, unless it is time to stop."""
        until_s = self._clock.elapsed() + seconds
        while not self._stopping() and self._clock.elapsed() < until_s:
            self._sleep(_LOOK_S)
