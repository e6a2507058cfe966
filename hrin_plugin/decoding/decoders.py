"""Streaming decoders: frame probabilities come in pieces, events go out with a bounded delay.

What the methods do is said in :mod:`hrin_plugin.decoding.methods`.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from hrin_plugin.decoding.certainty import FrameSums
from hrin_plugin.decoding.decisions import ArgmaxDecision, ThresholdDecision, ViterbiDecision
from hrin_plugin.decoding.methods import METHODS, Decoding
from hrin_plugin.decoding.runs import ActivityEvents, StateEvents
from hrin_plugin.decoding.smoothing import leaf_ancestors, shift_log_odds
from hrin_plugin.events import Event
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.timing import FrameGrid, to_samples

__all__ = ["METHODS", "Decoding", "EventDecoder", "decode_events", "ordered_events"]

#: Viterbi decides this many seconds at a time, and looks this many further: what comes later than that
#: hardly ever changes a decision.
STRETCH_S, LOOK_AHEAD_S = 15.0, 15.0


class EventDecoder:
    """Decodes the frame probabilities of one recording, given in pieces, to events.

    The events do not depend on how the frames were split. Viterbi events equal those of
    the whole sequence, unless a decision needs more than :data:`LOOK_AHEAD_S` seconds of
    look-ahead.

    Arguments
    ---------
    decoding : Decoding
        Method and settings.
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Sample rate and hop of the frames.
    stretch_s, look_ahead_s : float or None
        What Viterbi decides at a time, and how much further it looks, in seconds; None for
        :data:`STRETCH_S` and :data:`LOOK_AHEAD_S`. With a look-ahead as long as the recording, its events are
        those of the whole sequence. The median looks no further ahead than both together, if they are given.

    Raises
    ------
    ValueError
        If the decoding names a label that the taxonomy (for minimum durations with
        ``viterbi``: its lowest level) does not have.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.timing import FrameGrid
    >>> decoder = EventDecoder(Decoding("argmax"), MUSIC_LOUDNESS, FrameGrid())
    >>> decoder.push((np.array([[0.1, 0.9]]), np.array([[0.1, 0.2, 0.8]])))
    []
    >>> decoder.push((np.array([[0.1, 0.9]]), np.array([[0.1, 0.8, 0.2]])))
    [(1, Event(onset_s=0.0, offset_s=0.016, label='bg-music'))]
    >>> decoder.finish(duration_s=0.02)
    [(0, Event(onset_s=0.0, offset_s=0.02, label='music')), (1, Event(... label='fg-music'))]
    """

    def __init__(
        self,
        decoding: Decoding,
        taxonomy: Taxonomy,
        grid: FrameGrid,
        stretch_s: float | None = None,
        look_ahead_s: float | None = None,
    ):
        _check_labels(decoding, taxonomy)
        ahead_s = None if stretch_s is None else (stretch_s, look_ahead_s)
        self._sizes, self._grid = taxonomy.sizes, grid
        self._offsets = _by_level(decoding.offsets, taxonomy, 0.0)
        self._n_frames = 0
        self._sums = FrameSums()
        self._decision, self._events, settling_s = _MAKERS[decoding.method](
            decoding, taxonomy, grid, self._sums, ahead_s
        )
        settling = -(-to_samples(settling_s, grid.sample_rate) // grid.hop_length)
        self._sums.reach = settling + 2
        self._delay_frames = self._decision.delay + settling
        #: Mean probability of its class of each event that the last call gave, in their order, 0 to 1.
        self.means = []
        self._least_s = max(map(max, _least(decoding, taxonomy)))

    @property
    def delay_s(self) -> float:
        """Maximum delay of :meth:`push` after an event's offset, in seconds."""
        return self._grid.time_of(self._delay_frames)

    @property
    def settling_s(self) -> float:
        """Maximum delay of :meth:`decided` after a frame, in seconds; minimum durations count."""
        return self._grid.time_of(self._decision.delay) + self._least_s

    def decided(self) -> tuple[float, list[tuple[int, Event]]]:
        """Until when everything is certain, and the events that go on there.

        Returns
        -------
        tuple of (float, list of tuple)
            A time in seconds that never falls, and ``(level, Event)`` for each event that began before and
            has not ended, with that time as its offset.

        Example
        -------
        >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
        >>> decoder = EventDecoder(Decoding("argmax"), MUSIC_LOUDNESS, FrameGrid())
        >>> _ = decoder.push((np.array([[0.1, 0.9]]), np.array([[0.1, 0.2, 0.8]])))
        >>> decoder.decided()
        (0.016, [(0, Event(onset_s=0.0, offset_s=0.016, label='music')), (1, Event(... label='bg-music'))])
        """
        frame = min(events.certain for events in self._events)
        return self._grid.time_of(frame), [found for each in self._events for found in each.open_until(frame)]

    def push(self, probabilities: Sequence[np.ndarray]) -> list[tuple[int, Event]]:
        """Take the next frames.

        Arguments
        ---------
        probabilities : sequence of array-like
            One array a level, the top level first, each ``[frame, class]`` and all of
            the same frames, between 0 and 1.

        Returns
        -------
        list of tuple
            ``(level, Event)`` for each event that is now certain, offsets in seconds;
            those of a level in the order of their offsets.

        Raises
        ------
        ValueError
            If the arrays do not fit the taxonomy or each other, or hold NaN.
        """
        probabilities = self._check(probabilities)
        self._n_frames += len(probabilities[0])
        self._sums.hear(probabilities)
        self.means = []
        shifted = [shift_log_odds(*level) for level in zip(probabilities, self._offsets)]
        return self._pass_on(self._decision.push(shifted))

    def finish(self, duration_s: float) -> list[tuple[int, Event]]:
        """End the recording; the decoder cannot be used afterwards.

        Arguments
        ---------
        duration_s : float
            Length of the recording in seconds, to which offsets are clipped.

        Returns
        -------
        list of tuple
            The remaining events, as of :meth:`push`.

        Raises
        ------
        ValueError
            If the duration is not a positive number.
        """
        _check_duration(duration_s)
        self.means = []
        found = self._pass_on(self._decision.finish()) if self._n_frames else []
        for events in self._events:
            found += events.finish(duration_s)
            self._take_means(events)
        return found

    def _pass_on(self, decided):
        """Events from decided frames, one array for each event maker."""
        found = []
        if decided:
            self._sums.decide(len(decided[0]))
        for events, frames in zip(self._events, decided):
            found += events.push(frames)
            self._take_means(events)
        return found

    def _take_means(self, events):
        """Take the mean probabilities of the events that a maker just gave."""
        self.means += events.means
        events.means = []

    def _check(self, probabilities):
        """The probabilities as arrays of floats, or ValueError."""
        arrays = [np.asarray(level) for level in probabilities]
        arrays = [level if level.dtype.kind == "f" else level.astype(float) for level in arrays]
        n_frames = len(arrays[0]) if arrays and arrays[0].ndim else 0
        if [level.shape for level in arrays] != [(n_frames, size) for size in self._sizes]:
            raise ValueError(
                f"probabilities have the shapes {[list(level.shape) for level in arrays]}; the taxonomy "
                f"needs [frame, class] of {' and '.join(map(str, self._sizes))} classes, and the same frames"
            )
        for level in arrays:
            faulty = np.isnan(level).any(axis=1)
            if faulty.any():
                frame = self._n_frames + int(faulty.argmax())
                raise ValueError(f"probabilities of frame {frame} are NaN; check the network")
        return arrays


def decode_events(
    decoding: Decoding,
    probabilities: Sequence[np.ndarray],
    taxonomy: Taxonomy,
    grid: FrameGrid,
    duration_s: float,
) -> tuple[list[Event], ...]:
    """Events of a whole recording: those of :class:`EventDecoder`, in order.

    Arguments
    ---------
    decoding : Decoding
        Method and settings.
    probabilities : sequence of array-like
        One array a level, the top level first, each ``[frame, class]``. Frames
        after the end of the recording are ignored.
    taxonomy : Taxonomy
        The levels and their classes.
    grid : FrameGrid
        Sample rate and hop of the frames.
    duration_s : float
        Length of the recording in seconds.

    Returns
    -------
    tuple of list of Event
        One list a level, in the order of the onsets, then of the classes.

    Raises
    ------
    ValueError
        As :class:`EventDecoder` and its methods.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> from hrin_plugin.timing import FrameGrid
    >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.9, 0.1, 0.1], [0.1, 0.4, 0.4]])
    >>> md, mrle = decode_events(
    ...     Decoding("threshold"), probabilities, MUSIC_LOUDNESS, FrameGrid(), duration_s=0.032
    ... )
    >>> [event.label for event in md], [event.label for event in mrle]
    (['no-music', 'music'], ['no-music'])
    """
    _check_duration(duration_s)
    decoder = EventDecoder(decoding, taxonomy, grid)
    n_frames = grid.frame_count(to_samples(duration_s, grid.sample_rate))
    found = decoder.push([np.atleast_1d(level)[:n_frames] for level in probabilities])
    found += decoder.finish(duration_s)
    return tuple(ordered_events(found, taxonomy).values())


def ordered_events(found: Iterable[tuple[int, Event]], taxonomy: Taxonomy) -> dict[str, list[Event]]:
    """Events of each level in the order of their onsets, then of the classes.

    Arguments
    ---------
    found : iterable of tuple of (int, Event)
        Level and event, as an EventDecoder gives them.
    taxonomy : Taxonomy
        The levels and their classes.

    Returns
    -------
    dict of str to list of Event
        The events of each level, by its name.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> ordered_events([(0, Event(0.0, 2.0, "music"))], MUSIC_LOUDNESS)
    {'md': [Event(onset_s=0.0, offset_s=2.0, label='music')], 'mrle': []}
    """
    events = {name: [] for name in taxonomy.level_names}
    for level, event in found:
        events[taxonomy.level_names[level]].append(event)
    for name, labels in taxonomy.labels.items():
        events[name].sort(key=lambda event: (event.onset_s, labels.index(event.label)))  # noqa: B023
    return events


def _by_threshold(decoding, taxonomy, grid, sums, ahead_s):
    """Decision, event makers and their delay in seconds, for ``threshold`` and ``median``."""
    thresholds = _by_level(decoding.thresholds, taxonomy, 0.5)
    reach_s = min(decoding.median_s / 2, sum(ahead_s or (math.inf,)))
    reach = grid.frame_at(reach_s) if decoding.method == "median" else 0
    events = [
        ActivityEvents(level, labels, least_s, grid, sums)
        for level, (labels, least_s) in enumerate(zip(taxonomy.levels, _least(decoding, taxonomy)))
    ]
    return ThresholdDecision(thresholds, reach), events, 0.0


def _by_argmax(decoding, taxonomy, grid, sums, _):
    """The same for ``argmax``."""
    least_s = _least(decoding, taxonomy)
    events = [
        StateEvents({level: (labels, range(len(labels)))}, least_s[level], grid, sums)
        for level, labels in enumerate(taxonomy.levels)
    ]
    return ArgmaxDecision(), events, max(map(max, least_s))


def _by_viterbi(decoding, taxonomy, grid, sums, ahead_s):
    """The same for ``viterbi``."""
    least_s = _least(decoding, taxonomy)[-1]
    levels = dict(enumerate(zip(taxonomy.levels, leaf_ancestors(taxonomy))))
    stretch, look_ahead = map(grid.frame_at, ahead_s or (STRETCH_S, LOOK_AHEAD_S))
    decision = ViterbiDecision(decoding.cost_on(grid), taxonomy, max(1, stretch), look_ahead)
    return decision, [StateEvents(levels, least_s, grid, sums)], max(least_s)


_MAKERS = {"threshold": _by_threshold, "median": _by_threshold, "argmax": _by_argmax, "viterbi": _by_viterbi}


def _least(decoding, taxonomy):
    """Minimum duration of each class of each level, in seconds."""
    return _by_level(decoding.min_event_s, taxonomy, 0.0)


def _by_level(value, taxonomy, default):
    """A setting for each class of each level, from one number or numbers by label."""
    of_label = value.get if isinstance(value, dict) else lambda label, default: value
    return [[of_label(label, default) for label in labels] for labels in taxonomy.levels]


def _check_labels(decoding, taxonomy):
    """Raise ValueError for a label that the taxonomy lacks or the method does not use."""
    known = list(dict.fromkeys(label for labels in taxonomy.levels for label in labels))
    lowest = list(taxonomy.levels[-1])
    for name, allowed in (
        ("thresholds", known),
        ("offsets", known),
        ("min_event_s", lowest if decoding.method == "viterbi" else known),
    ):
        value = getattr(decoding, name)
        for label in value if isinstance(value, dict) else ():
            if label not in allowed:
                why = ", which viterbi decides on" if allowed is lowest else ""
                raise ValueError(f"{name} names {label!r}; use {', '.join(allowed)}{why}")


def _check_duration(duration_s):
    """Raise ValueError for an invalid duration."""
    if not 0 < duration_s < math.inf:
        raise ValueError(f"duration {duration_s} must be a positive number of seconds")
