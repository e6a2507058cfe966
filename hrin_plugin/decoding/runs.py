"""Runs of decided frames, given in pieces, to events; short runs are removed.

Two rules, for two kinds of decision. Where each class is on or off by itself
(:class:`ActivityEvents`), an event that is too short is dropped. Where every frame has
exactly one class (:class:`StateEvents`), the event before takes it in. The
result does not depend on how the frames were split. Events are given as soon as they are certain.
"""

import numpy as np

from hrin_plugin.events import Event
from hrin_plugin.timing import to_samples


class ActivityEvents:
    """Events of the classes of one level, each class on its own.

    Arguments
    ---------
    level : int
        The level's number.
    labels : sequence of str
        Its classes.
    least_s : sequence of float
        For each class, the seconds that an event must last.
    grid : FrameGrid
        Sample rate and hop of the frames.
    sums : FrameSums or None
        Sums of the probabilities; with them, ``means`` has the mean of each event's class, until it is taken.

    Example
    -------
    >>> from hrin_plugin.timing import FrameGrid
    >>> events = ActivityEvents(0, ["no-music", "music"], [0.0, 0.03], FrameGrid())
    >>> events.push(np.array([[True, False], [True, True], [False, False]]))
    [(0, Event(onset_s=0.0, offset_s=0.032, label='no-music'))]
    >>> events.finish(0.048)
    []
    """

    def __init__(self, level, labels, least_s, grid, sums=None):
        self._level, self._labels, self._grid = level, labels, grid
        self._sums, self.means = sums, []
        self._least = [to_samples(seconds, grid.sample_rate) for seconds in least_s]
        self._last = np.zeros((1, len(labels)), dtype=np.int8)
        self._firsts = [None] * len(labels)  # first frame of each class's open run
        self._befores = [0.0] * len(labels)  # sum of its probabilities before it
        self._n_frames = 0

    def push(self, active):
        """Take the next frames.

        Arguments
        ---------
        active : numpy.ndarray
            ``[frame, class]``, bool.

        Returns
        -------
        list of tuple
            ``(level, Event)`` for each event that ended, by offset and class.
        """
        active = np.concatenate([self._last, active])
        frames, classes = np.nonzero(np.diff(active, axis=0))
        ended = []
        for frame, index in zip((frames + self._n_frames).tolist(), classes.tolist()):
            if self._firsts[index] is None:
                self._firsts[index], self._befores[index] = frame, self._sum(index, frame)
            else:
                ended += self._end(index, frame * self._grid.hop_length, self._grid.time_of(frame), frame)
        self._n_frames += len(active) - 1
        self._last = active[-1:]
        return ended

    @property
    def certain(self):
        """The frame before which nothing changes any more."""
        hop = self._grid.hop_length
        unsure = [
            first
            for first, least in zip(self._firsts, self._least)
            if first is not None and (self._n_frames - first) * hop < least
        ]
        return min(unsure, default=self._n_frames)

    def open_until(self, frame):
        """``(level, Event)`` for each event that began before a frame and goes on, with its end there."""
        found = [(i, first) for i, first in enumerate(self._firsts) if first is not None and first < frame]
        times = self._grid.time_of
        return [(self._level, Event(times(first), times(frame), self._labels[i])) for i, first in found]

    def finish(self, duration_s):
        """End the recording.

        Arguments
        ---------
        duration_s : float
            Its length in seconds.

        Returns
        -------
        list of tuple
            ``(level, Event)`` for each event that lasts until the end.
        """
        end, end_s = _last_end(self._n_frames, duration_s, self._grid)
        open_classes = [index for index, first in enumerate(self._firsts) if first is not None]
        return [found for index in open_classes for found in self._end(index, end, end_s, self._n_frames)]

    def _sum(self, index, frame):
        """Sum of a class's probabilities before a frame."""
        return 0.0 if self._sums is None else float(self._sums.before(frame)[self._level][index])

    def _end(self, index, end, end_s, last):
        """The event of a class's open run that ends at a sample and before a frame, if it is long enough."""
        first, self._firsts[index] = self._firsts[index], None
        onset_s = self._grid.time_of(first)
        if end - first * self._grid.hop_length < self._least[index] or end_s <= onset_s:
            return []
        if self._sums is not None:
            self.means.append((self._sum(index, last) - self._befores[index]) / (last - first))
        return [(self._level, Event(onset_s, end_s, self._labels[index]))]


class StateEvents:
    """Events out of one class a frame, on its level and on those above.

    From left to right, a run of frames shorter than its class's minimum becomes part
    of the run before it, and the first run, of the run after it. A recording in
    which no run is long enough is one event, of the most frequent class.

    Arguments
    ---------
    levels : mapping of int to (sequence of str, sequence of int)
        For the number of each level, its classes, and which of them each state means.
    least_s : sequence of float
        For each state, the seconds that a run of it must last.
    grid : FrameGrid
        Sample rate and hop of the frames.
    sums : FrameSums or None
        As of :class:`ActivityEvents`.

    Example
    -------
    >>> from hrin_plugin.timing import FrameGrid
    >>> levels = {0: (["no-music", "music"], [0, 1, 1]), 1: (["no-music", "fg-music", "bg-music"], [0, 1, 2])}
    >>> events = StateEvents(levels, [0.0, 0.03, 0.03], FrameGrid())
    >>> events.push(np.array([1, 1, 0, 2]))
    [(0, Event(... label='music')), (1, Event(onset_s=0.0, offset_s=0.032, label='fg-music'))]
    >>> events.finish(0.064)
    [(0, Event(onset_s=0.032, offset_s=0.064, label='no-music')), (1, Event(... label='no-music'))]
    """

    def __init__(self, levels, least_s, grid, sums=None):
        self._levels, self._grid = levels, grid
        self._sums, self.means = sums, []
        self._open = dict.fromkeys(
            levels
        )  # class, first frame and sums before it, of each level's last event
        self._least = [to_samples(seconds, grid.sample_rate) for seconds in least_s]
        self._counts = np.zeros(len(least_s), dtype=np.int64)
        self._n_frames = 0
        self._state = None  # of the last frame
        self._first = 0  # where its run began, with what that run took in
        self._kept = None  # state of the last run that was long enough

    def push(self, states):
        """Take the next frames.

        Arguments
        ---------
        states : numpy.ndarray
            ``[frame]``, indices.

        Returns
        -------
        list of tuple
            ``(level, Event)`` for each event whose successor is long enough to stay.
        """
        if not len(states):
            return []
        ended = []
        before = states[0] if self._state is None else self._state
        for change in np.flatnonzero(np.diff(states, prepend=before)).tolist():
            frame = self._n_frames + change
            ended += self._settle(
                frame * self._grid.hop_length, int(states[change - 1]) if change else self._state
            )
            if self._kept is not None:
                self._first = frame
        self._state = int(states[-1])
        self._counts += np.bincount(states, minlength=len(self._counts))
        self._n_frames += len(states)
        # The last frame is there, but how long it lasts is not known yet.
        return ended + self._settle((self._n_frames - 1) * self._grid.hop_length, self._state)

    @property
    def certain(self):
        """The frame before which nothing changes any more."""
        if self._kept is None:
            return 0
        return self._n_frames if self._state == self._kept else self._first

    def open_until(self, frame):
        """``(level, Event)`` for each event that began before a frame and goes on, with its end there."""
        times = self._grid.time_of
        return [
            (level, Event(times(last[1]), times(frame), self._levels[level][0][last[0]]))
            for level, last in self._open.items()
            if last is not None and last[1] < frame
        ]

    def finish(self, duration_s):
        """End the recording.

        Arguments
        ---------
        duration_s : float
            Its length in seconds.

        Returns
        -------
        list of tuple
            ``(level, Event)`` for each event that was not certain before.
        """
        if not self._n_frames:
            return []
        end, end_s = _last_end(self._n_frames, duration_s, self._grid)
        ended = self._settle(end, self._state)
        if self._kept is None:
            ended = self._begin(int(self._counts.argmax()), 0)
        for level, last in self._open.items():
            ended += self._event(level, *last, self._n_frames, end_s)
        return ended

    def _settle(self, end, state):
        """Keep the last run if it is long enough; returns the events that end with it."""
        if state == self._kept or end - self._first * self._grid.hop_length < self._least[state]:
            return []
        self._kept = state
        return self._begin(state, self._first)

    def _begin(self, state, first):
        """Start a kept run; returns the previous events of levels whose class changes."""
        ended = []
        for level, (_, class_of_state) in self._levels.items():
            index, last = int(class_of_state[state]), self._open[level]
            if last is None:
                self._open[level] = index, first, self._before(level, first)
            elif last[0] != index:
                ended += self._event(level, *last, first, self._grid.time_of(first))
                self._open[level] = index, first, self._before(level, first)
        return ended

    def _before(self, level, frame):
        """Sums of the probabilities of a level's classes before a frame."""
        return None if self._sums is None else self._sums.before(frame)[level]

    def _event(self, level, index, first, before, last, end_s):
        """An event of a level, up to a frame and a time; an empty list if it would be empty."""
        onset_s = self._grid.time_of(first)
        if onset_s >= end_s:
            return []
        if self._sums is not None:
            self.means.append(float(self._before(level, last)[index] - before[index]) / (last - first))
        return [(level, Event(onset_s, end_s, self._levels[level][0][index]))]


def _last_end(n_frames, duration_s, grid):
    """End of the last run, in samples and in seconds: after its last frame or with the recording."""
    end = min(n_frames * grid.hop_length, to_samples(duration_s, grid.sample_rate))
    return end, min(grid.time_of(n_frames), float(duration_s))
