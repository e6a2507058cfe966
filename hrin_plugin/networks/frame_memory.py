"""Windows with earlier frames as context, for networks that carry no states."""


class FrameMemory:
    """Gives each window the frames before it.

    Arguments
    ---------
    classify : callable
        Takes frames ``[1, frame, band]``, returns a tuple of arrays ``[1, frame, class]``.
    context : int
        Number of context frames before each window.
    join : callable
        Joins a tuple of frames along an axis: ``torch.cat`` or ``numpy.concatenate``.

    Example
    -------
    >>> import numpy as np
    >>> remember = FrameMemory(lambda frames: (frames.cumsum(axis=1),), context=2, join=np.concatenate)
    >>> [remember(np.ones((1, 5, 1)), 3)[0].ravel().tolist() for _ in range(2)]
    [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]
    """

    def __init__(self, classify, context, join):
        self._classify, self._context, self._join = classify, context, join
        self._before = None

    def __call__(self, frames, n_wanted):
        """Classify the frames of a window, with the frames before it as context."""
        if self._before is not None:
            frames = self._join((self._before, frames), 1)
        begin = 0 if self._before is None else self._before.shape[1]
        end = begin + n_wanted
        self._before = frames[:, max(0, end - self._context) : end]
        return tuple(level[0, begin:end] for level in self._classify(frames))
