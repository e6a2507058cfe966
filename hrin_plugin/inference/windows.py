"""Probabilities of a signal of any length in constant memory, window by window.

All windows have the same length and lie on a grid that starts with the signal. The result
therefore does not depend on the blocks in which the signal arrived. The past is carried in
states (:mod:`hrin_plugin.networks.states`). The future is in the context window, which the
next window covers again::

    window k     ---------------------------------.........
    window k+1                                    ---------------------------------.........
                                                  context
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from hrin_plugin.inference.ahead import through

#: Length of a window and of the context window at its end, in seconds.
#: With 10 s of these, an hour of mixes with much noise was decided otherwise in 20 s of it.
#: How far decisions then agree with one pass over the whole depends on how far the network looks ahead;
#: the card of the model that ships has its figures.
WINDOW_S, CONTEXT_S = 60.0, 20.0


class WindowGrid(NamedTuple):
    """Lengths of windows, in frames.

    Example
    -------
    >>> from hrin_plugin.features.settings import FrameSettings
    >>> window_grid(FrameSettings(), window_s=60.0, context_s=10.0)
    WindowGrid(window=3750, stride=3125, context=625)
    """

    window: int  # frames of a window
    stride: int  # frames from one window's begin to the next one's
    context: int  # frames at its end that the next one covers again


def window_grid(features, window_s=WINDOW_S, context_s=CONTEXT_S, block_frames=1):
    """Convert window lengths from seconds to whole frames.

    Arguments
    ---------
    features : LogMel, MelFrames or FrameSettings
        The features, which define the frame length.
    window_s : float
        Length of a window in seconds.
    context_s : float
        Length of the context window at its end, in seconds.
    block_frames : int
        Number of frames that the network classifies together, as MMG does; all lengths are
        multiples of it.

    Returns
    -------
    WindowGrid
        The lengths in frames.

    Raises
    ------
    ValueError
        If the context is negative, or not shorter than the window.

    Example
    -------
    >>> from hrin_plugin.features.settings import FrameSettings
    >>> window_grid(FrameSettings(), window_s=30.0, context_s=7.0, block_frames=128)
    WindowGrid(window=1920, stride=1408, context=512)
    """
    if not 0 <= context_s < window_s < math.inf:
        raise ValueError(
            f"windows of {window_s} s with {context_s} s of context at the end cannot be joined; "
            "the context must be shorter than the window"
        )
    context = math.ceil(features.grid.frame_at(context_s) / block_frames) * block_frames
    inner = max(features.grid.frame_at(window_s) - context, 1)
    stride = math.ceil(inner / block_frames) * block_frames
    return WindowGrid(stride + context, stride, context)


def window_probabilities(
    features,
    blocks,
    begin,
    window_s=WINDOW_S,
    context_s=CONTEXT_S,
    block_frames=1,
    n_threads=1,
    mark=None,
):
    """Probabilities of a signal that comes in blocks.

    A signal that fits into one window is processed in one pass. In a longer signal, the delay
    of a frame is at most one window. Features relative to the recording's maximum
    (``reference`` "max", or a floor) are relative to the window's maximum instead.

    Arguments
    ---------
    features : LogMel or MelFrames
        The features.
    blocks : iterable of numpy.ndarray
        The signal ``[sample]``, float32, at the features' rate, in blocks of any length.
    begin : callable
        Takes the number of context frames and returns a function that processes windows; see
        :meth:`hrin_plugin.inference.core.Detector.begin`.
    window_s : float
        Length of a window in seconds.
    context_s : float
        Length of the context window at its end, in seconds.
    block_frames : int
        As of :func:`window_grid`.
    n_threads : int
        With more than one, blocks are read in another thread, a few windows ahead.
    mark : callable or None
        Called with each window when it is read, in that thread.

    Yields
    ------
    tuple of numpy.ndarray
        For each level the next frames' probabilities ``[frame, class]``, float32;
        :meth:`hrin_plugin.timing.FrameGrid.frame_count` frames in all.

    Raises
    ------
    ValueError
        If the signal has too few samples for a frame, or the windows cannot be joined.

    Example
    -------
    >>> from hrin_plugin.features.mel_frames import MelFrames
    >>> from hrin_plugin.features.settings import FrameSettings
    >>> blocks = np.random.default_rng(0).normal(0, 0.1, (100, 800)).astype(np.float32)
    >>> def begin(context):
    ...     return lambda frames, n_wanted: (frames[0, :n_wanted, :2],)
    >>> features = MelFrames(FrameSettings())
    >>> pieces = list(window_probabilities(features, blocks, begin, window_s=4.0, context_s=1.0))
    >>> [np.concatenate(level).shape for level in zip(*pieces)]
    [(626, 2)]
    """
    grid = window_grid(features, window_s, context_s, block_frames)
    step = begin(grid.context)
    parts = getattr(step, "parts", [lambda window: step(*window)])
    windows = _read_windows(features, blocks, grid)
    yield from through(parts, windows if mark is None else map(mark, windows), n_threads)


def _read_windows(features, blocks, grid):
    """Frames ``[1, frame, band]`` of each window of a signal, and the number of those to classify."""
    hop_length = features.grid.hop_length
    # The samples of a whole window, with those that its last frame reaches into.
    pieces = _recut(blocks, grid.window * hop_length + features.n_fft // 2, grid.stride * hop_length)
    first = next(pieces)
    if len(first) < grid.window * hop_length:
        frames = features.of_signal(first)
        yield frames, frames.shape[1]
        return
    frames = absolute_frames(features, itertools.chain([first], pieces))
    for window, n_wanted in _windows(frames, grid, features.arrays):
        yield _relative(window, features)[None], n_wanted


def _recut(blocks, first, others):
    """Cut the signal into a piece of ``first`` samples, then pieces of ``others`` and a rest."""
    held, n_held, wanted = [], 0, first
    for block in blocks:
        start = 0
        while n_held + len(block) - start >= wanted:
            end = start + wanted - n_held
            yield np.concatenate([*held, block[start:end]])
            held, n_held, start, wanted = [], 0, end, others
        held.append(block[start:])
        n_held += len(block) - start
    if n_held or wanted == first:
        yield np.concatenate([np.zeros(0, np.float32), *held])


def absolute_frames(features, pieces):
    """New complete frames in decibels after each piece of a signal of any length.

    They are those of the whole signal at once, as only its own ends are mirrored, but that they are
    relative to no recording's loudest.

    Arguments
    ---------
    features : LogMel or MelFrames
        The features.
    pieces : iterable of numpy.ndarray
        The signal ``[sample]``, float32, in pieces of any length, the first longer than half a window.

    Yields
    ------
    torch.Tensor or numpy.ndarray
        The next frames, ``[frame, band]``, as the features give them.

    Raises
    ------
    ValueError
        If the signal is too short for a frame.

    Example
    -------
    >>> pieces = np.random.default_rng(0).normal(0, 0.1, (3, 8000)).astype(np.float32)
    >>> from hrin_plugin.features.mel_frames import MelFrames
    >>> from hrin_plugin.features.settings import FrameSettings
    >>> sum(len(frames) for frames in absolute_frames(MelFrames(FrameSettings()), pieces))
    188
    """
    absolute = features.absolute()
    hop_length, reach = features.grid.hop_length, features.n_fft // 2
    # Frames whose samples are kept, so that what is mirrored stays away from those that are still to come.
    margin = reach // hop_length + 2
    held, held_from, done = np.zeros(0, np.float32), 0, 0
    for piece in pieces:
        held = np.concatenate((held, piece))
        complete = held_from + (len(held) - reach) // hop_length + 1
        yield absolute.of_signal(held)[0, done - held_from : complete - held_from]
        done, drop = complete, max(0, complete - margin - held_from)
        held, held_from = held[drop * hop_length :], held_from + drop
    yield absolute.of_signal(held)[0, done - held_from :]


def _windows(frames, grid, arrays):
    """Windows ``[frame, band]`` and their number of frames to classify; the last may be shorter."""
    held = None
    for piece in frames:
        held = piece if held is None else arrays.concatenate((held, piece))
        while len(held) > grid.window:
            yield held[: grid.window], grid.stride
            held = held[grid.stride :]
    yield held, len(held)


def _relative(frames, features):
    """A window's decibels, relative to its maximum if the features are relative to a maximum."""
    peak = frames.max()
    if features.reference == "max":
        frames, peak = frames - peak, peak - peak
    return frames if features.floor_db is None else features.arrays.maximum(frames, peak - features.floor_db)
