"""Frame-wise decisions on streamed probabilities: the active classes, or the one class.

Each class takes the next frames by ``push``, one array ``[frame, class]`` a level, and
gives those that it has decided; ``finish`` gives the rest. ``delay`` is how many more
frames it may need before it decides a frame. The result does not depend on how the frames were split.
"""

import numpy as np

from hrin_plugin.decoding.smoothing import leaf_log_likelihood, median_filter, viterbi_path


class ThresholdDecision:
    """Threshold on the running median of each class.

    Arguments
    ---------
    thresholds : sequence of sequence of float
        For each level, the least probability of each active class.
    reach : int
        Frames on both sides that the median takes in; 0 for the probabilities as they are.

    Example
    -------
    >>> decision = ThresholdDecision([[0.5]], reach=1)
    >>> [active.ravel().tolist() for active in decision.push([np.array([[0.1], [0.9], [0.8]])])]
    [[False, True]]
    >>> [active.ravel().tolist() for active in decision.finish()]
    [[True]]
    """

    def __init__(self, thresholds, reach):
        self.delay = reach
        self._thresholds = thresholds
        self._levels = None  # frames that the medians still need
        self._n_past = 0  # of these, decided ones

    def push(self, levels):
        """Booleans ``[frame, class]`` of each level."""
        if self._levels is not None:
            levels = [np.concatenate(pair) for pair in zip(self._levels, levels)]
        self._levels = levels
        return self._decide(max(len(levels[0]) - self.delay, self._n_past))

    def finish(self):
        """Booleans ``[frame, class]`` of each level."""
        return self._decide(len(self._levels[0]))

    def _decide(self, end):
        """Decide frames up to an index, and drop frames that are no longer needed."""
        decided = [
            # In the type of the probabilities: a float32 0.7 then meets a threshold of 0.7.
            median_filter(level, 2 * self.delay + 1)[self._n_past : end] >= np.asarray(threshold, level.dtype)
            for level, threshold in zip(self._levels, self._thresholds)
        ]
        begin = max(end - self.delay, 0)
        self._levels, self._n_past = [level[begin:] for level in self._levels], end - begin
        return decided


class ArgmaxDecision:
    """The most probable class of each level; the first one of equals.

    Example
    -------
    >>> ArgmaxDecision().push([np.array([[0.1, 0.9], [0.8, 0.2]])])
    [array([1, 0])]
    """

    delay = 0

    def push(self, levels):
        """Class indices ``[frame]`` of each level."""
        return [level.argmax(axis=1) for level in levels]

    def finish(self):
        """Nothing: every frame is decided."""
        return []


class ViterbiDecision:
    """One sequence of classes of the lowest level, by :func:`hrin_plugin.decoding.smoothing.viterbi_path`.

    Stretches of frames are decided one by one, each from the last state of the stretch before.
    Stretches lie on a grid that starts with the recording.

    Arguments
    ---------
    switching_cost : float
        In nats, for frames with full weight.
    taxonomy : Taxonomy
        The levels and their classes.
    stretch : int
        Frames of a stretch.
    look_ahead : int
        Look-ahead: frames after the stretch that are used.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> decision = ViterbiDecision(5.0, MUSIC_LOUDNESS, stretch=2, look_ahead=1)
    >>> decision.push([np.array([[0.1, 0.9]] * 4), np.array([[0.1, 0.2, 0.8]] * 4)])
    [array([2, 2])]
    >>> decision.finish()
    [array([2, 2])]
    """

    def __init__(self, switching_cost, taxonomy, stretch, look_ahead):
        self.delay = stretch + look_ahead - 1
        self._switching_cost, self._taxonomy = switching_cost, taxonomy
        self._stretch, self._look_ahead = stretch, look_ahead
        self._ahead = np.empty((0, taxonomy.sizes[-1]))  # log-likelihoods of what is not decided
        self._state = None

    def push(self, levels):
        """Class indices ``[frame]`` of the lowest level, as the only item of a list."""
        ahead = np.concatenate([self._ahead, leaf_log_likelihood(levels, self._taxonomy)])
        decided, begin = [np.empty(0, dtype=np.int64)], 0
        while len(ahead) - begin > self.delay:
            window = ahead[begin : begin + self._stretch + self._look_ahead]
            decided.append(viterbi_path(window, self._switching_cost, self._state)[: self._stretch])
            self._state = int(decided[-1][-1])
            begin += self._stretch
        self._ahead = ahead[begin:]
        return [np.concatenate(decided)]

    def finish(self):
        """Class indices ``[frame]`` of the lowest level, as the only item of a list."""
        return [viterbi_path(self._ahead, self._switching_cost, self._state)]
