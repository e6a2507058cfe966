"""Probabilities of a signal of any length, in flat memory: window by window, without a seam.

Every window is as long as the others and lies on a grid that begins with the signal,
so that the result does not depend on how the signal arrived in blocks. What came before
a window is remembered (:mod:`hrin_plugin.networks.states`); what comes after is in its context,
which the next window covers again::

    window k     ---------------------------------.........
    window k+1                                    ---------------------------------.........
                                                  context
"""

import functools
import itertools
import math
from typing import NamedTuple

import numpy as np
import torch

from hrin_plugin.features import LogMel
from hrin_plugin.networks.states import begin_network

#: Seconds that a window covers, and those at its end that are there for the sake of the rest.
#: With 10 s of these, an hour of mixes with much noise was decided otherwise in 20 s of it.
#: How far decisions then agree with one pass over the whole depends on how far the network looks ahead;
#: the card of the model that ships has its figures.
WINDOW_S, CONTEXT_S = 60.0, 20.0


class WindowGrid(NamedTuple):
    """Where windows lie, in frames.

    Example
    -------
    >>> window_grid(LogMel(), window_s=60.0, context_s=10.0)
    WindowGrid(window=3750, stride=3125, context=625)
    """

    window: int  # frames of a window
    stride: int  # frames from one window's begin to the next one's
    context: int  # frames at its end that the next one covers again


def window_grid(features, window_s=WINDOW_S, context_s=CONTEXT_S, block_frames=1):
    """Windows of a length in seconds, in whole frames.

    Arguments
    ---------
    features : LogMel
        The features, which have the frames' length.
    window_s : float
        Length of a window in seconds.
    context_s : float
        Seconds at its end that are there for the sake of the rest.
    block_frames : int
        Number of frames that the network labels together, as MMG does: all lengths
        are multiples of it.

    Returns
    -------
    WindowGrid
        The lengths in frames.

    Raises
    ------
    ValueError
        If the context is negative, or longer than half of the window.

    Example
    -------
    >>> window_grid(LogMel(), window_s=30.0, context_s=7.0, block_frames=128)
    WindowGrid(window=1920, stride=1408, context=512)
    """
    if not (0 <= 2 * context_s <= window_s < math.inf and window_s > 0):
        raise ValueError(
            f"windows of {window_s} s with {context_s} s of context at the end cannot be joined; "
            "the context must be at most half of the window"
        )
    context = math.ceil(features.grid.frame_at(context_s) / block_frames) * block_frames
    inner = max(features.grid.frame_at(window_s) - context, context, 1)
    stride = math.ceil(inner / block_frames) * block_frames
    return WindowGrid(stride + context, stride, context)


def window_probabilities(model, blocks, window_s=WINDOW_S, context_s=CONTEXT_S, begin=None):
    """Probabilities of a signal that comes in blocks.

    A signal that fits into one window goes through in one pass, and its probabilities
    are those of one pass over the whole. In a longer one a frame comes
    out at most one window after it went in. Where features are relative to the loudest of
    the recording (``reference`` "max", or a floor), it is the loudest of the window:
    nothing else is known of a signal that goes on.

    Arguments
    ---------
    model : PretrainedModel
        Features, statistics and network.
    blocks : iterable of numpy.ndarray
        The signal ``[sample]``, float32, at the features' rate, cut anyhow.
    window_s : float
        Length of a window in seconds.
    context_s : float
        Seconds at its end that are there for the sake of the rest.
    begin : callable or None
        From the number of the context's frames to what takes the signal on window by window, as
        :func:`hrin_plugin.networks.states.begin_network` gives it; None for the model's own network.

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
    >>> from hrin_plugin.features import BandStatistics
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=4, num_layers=1))
    >>> blocks = np.random.default_rng(0).normal(0, 0.1, (100, 800)).astype(np.float32)
    >>> pieces = list(window_probabilities(model, blocks, window_s=4.0, context_s=1.0))
    >>> [np.concatenate(level).shape for level in zip(*pieces)]
    [(626, 2), (626, 3)]
    """
    features = model.features
    grid = window_grid(features, window_s, context_s, getattr(model.network, "block_frames", 1))
    step = (begin or functools.partial(begin_network, model))(grid.context)
    hop_length = features.grid.hop_length
    # The samples of a whole window, with those that its last frame reaches into.
    pieces = _recut(blocks, grid.window * hop_length + features.n_fft // 2, grid.stride * hop_length)
    first = next(pieces)
    if len(first) < grid.window * hop_length:
        frames = _decibels(features, first)
        yield step(frames, frames.shape[1])
        return
    frames = _frames(features, itertools.chain([first], pieces))
    for window, n_wanted in _windows(frames, grid):
        yield step(_relative(window, features)[None], n_wanted)


def _decibels(features, samples):
    """Frames ``[1, frame, band]`` of a signal, on the features' device."""
    with torch.inference_mode():
        return features(torch.from_numpy(samples)[None].to(features.window.device))


def _recut(blocks, first, others):
    """The signal in a piece of ``first`` samples and pieces of ``others``; the last is what remains."""
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


def _frames(features, pieces):
    """With each piece, the frames in decibels ``[frame, band]`` that lie within all pieces so far.

    They are those of the whole signal at once, as only its own ends are mirrored, but that they are
    relative to no recording's loudest.
    """
    fixed = 1.0 if features.reference == "max" else features.reference
    absolute = LogMel(**features.settings | {"reference": fixed, "floor_db": None})
    absolute = absolute.to(features.window.device)
    hop_length, reach = features.grid.hop_length, features.n_fft // 2
    # Frames whose samples are kept, so that what is mirrored stays away from those that are still to come.
    margin = reach // hop_length + 2
    held, held_from, done = np.zeros(0, np.float32), 0, 0
    for piece in pieces:
        held = np.concatenate((held, piece))
        complete = held_from + (len(held) - reach) // hop_length + 1
        yield _decibels(absolute, held)[0, done - held_from : complete - held_from]
        done, drop = complete, max(0, complete - margin - held_from)
        held, held_from = held[drop * hop_length :], held_from + drop
    yield _decibels(absolute, held)[0, done - held_from :]


def _windows(frames, grid):
    """Frames in pieces, as windows ``[frame, band]``, the last maybe shorter; and how many are wanted."""
    held = None
    for piece in frames:
        held = piece if held is None else torch.cat((held, piece))
        while len(held) > grid.window:
            yield held[: grid.window], grid.stride
            held = held[grid.stride :]
    yield held, len(held)


def _relative(frames, features):
    """A window's decibels, relative to its loudest where the features are relative to the recording's."""
    peak = frames.amax()
    if features.reference == "max":
        frames, peak = frames - peak, torch.zeros_like(peak)
    return frames if features.floor_db is None else torch.maximum(frames, peak - features.floor_db)
