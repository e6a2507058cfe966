"""Probabilities of a signal of any length, in flat memory: windows that overlap, joined without a seam.

Every window is as long as the others and lies on a grid that begins with the signal,
so that the result does not depend on how the signal arrived in blocks. The network
works both ways along time, and near a window's ends it lacks what comes before or
after; there the neighbouring window, which has it, takes over in a linear crossfade::

    window k     ------------------------------=======.......
    window k+1                          .......=======------------------------------
                                     context     fade     context
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
import torch

from hrin_plugin.features import LogMel

#: Seconds that a window covers, and those at each of its ends that are there for the sake of the rest.
#: How far decisions then agree with one pass over the whole depends on how long the network remembers;
#: the card of the model that ships has its figures.
WINDOW_S, CONTEXT_S = 60.0, 10.0

#: Windows that go through the network together.
BATCH = 8


class WindowGrid(NamedTuple):
    """Where windows lie, in frames.

    Example
    -------
    >>> window_grid(LogMel(), window_s=60.0, context_s=10.0)
    WindowGrid(window=3750, stride=2500, context=625, fade=312)
    """

    window: int  # frames of a window
    stride: int  # frames from one window's begin to the next one's
    context: int  # frames at each end that the neighbour covers better
    fade: int  # half the length of a crossfade


def window_grid(features, window_s=WINDOW_S, context_s=CONTEXT_S, block_frames=1):
    """Windows of a length in seconds, in whole frames.

    Arguments
    ---------
    features : LogMel
        The features, which have the frames' length.
    window_s : float
        Length of a window in seconds.
    context_s : float
        Seconds at each end of it that are there for the sake of the rest.
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
        If the context is negative, or leaves less than half of the window.

    Example
    -------
    >>> window_grid(LogMel(), window_s=30.0, context_s=7.0, block_frames=128)
    WindowGrid(window=1920, stride=896, context=512, fade=256)
    """
    if not (0 <= 4 * context_s <= window_s < math.inf and window_s > 0):
        raise ValueError(
            f"windows of {window_s} s with {context_s} s of context at each end cannot be joined; "
            "the context must be at most a quarter of the window"
        )
    context = math.ceil(features.grid.frame_at(context_s) / block_frames) * block_frames
    inner = max(features.grid.frame_at(window_s) - 2 * context, context, 1)
    stride = math.ceil(inner / block_frames) * block_frames
    return WindowGrid(2 * context + stride, stride, context, context // 2)


def window_probabilities(model, blocks, window_s=WINDOW_S, context_s=CONTEXT_S, batch=BATCH, classify=None):
    """Probabilities of a signal that comes in blocks.

    A signal that fits into one window goes through in one pass, and its probabilities
    are those of :func:`hrin_plugin.results.recognise`. In a longer one a frame comes
    out at most one window after it went in, with ``batch`` of 1. Where features are
    relative to the loudest of the recording (``reference`` "max", or a floor), it is
    the loudest of the window: nothing else is known of a signal that goes on.

    Arguments
    ---------
    model : PretrainedModel
        Features, statistics and network.
    blocks : iterable of numpy.ndarray
        The signal ``[sample]``, float32, at the features' rate, cut anyhow.
    window_s : float
        Length of a window in seconds.
    context_s : float
        Seconds at each end of it that are there for the sake of the rest.
    batch : int
        Windows that go through the network together.
    classify : callable or None
        From frames in decibels, a tensor ``[batch, frame, band]``, to one array
        ``[batch, frame, class]`` a level; None for the model's own network.

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
    >>> from hrin_plugin.networks import HRIN
    >>> from hrin_plugin.pretrained import PretrainedModel
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=4, num_layers=1))
    >>> blocks = np.random.default_rng(0).normal(0, 0.1, (100, 800)).astype(np.float32)
    >>> pieces = list(window_probabilities(model, blocks, window_s=4.0, context_s=1.0))
    >>> [np.concatenate(level).shape for level in zip(*pieces)]
    [(626, 2), (626, 3)]
    """
    features, classify = model.features, classify or network_classifier(model)
    grid = window_grid(features, window_s, context_s, getattr(model.network, "block_frames", 1))
    hop_length = features.grid.hop_length
    # The samples of a whole window, with those that its last frame reaches into.
    pieces = _recut(blocks, grid.window * hop_length + features.n_fft // 2, grid.stride * hop_length)
    first = next(pieces)
    if len(first) < grid.window * hop_length:
        yield tuple(level[0] for level in classify(_decibels(features, first)))
        return
    frames = _frames(features, itertools.chain([first], pieces))
    windows = (_relative(window, features) for window in _windows(frames, grid))
    yield from _join((each for held in _batches(windows, batch) for each in zip(*classify(held))), grid)


def network_classifier(model):
    """What gives a model's probabilities of frames, by its own network.

    Arguments
    ---------
    model : PretrainedModel
        The statistics and the network.

    Returns
    -------
    callable
        From frames in decibels, a tensor ``[batch, frame, band]``, to a tuple of
        arrays ``[batch, frame, class]``, float32, one a level.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics
    >>> from hrin_plugin.networks import HRIN
    >>> from hrin_plugin.pretrained import PretrainedModel
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=4, num_layers=1))
    >>> [level.shape for level in network_classifier(model)(torch.zeros(2, 5, 128))]
    [(2, 5, 2), (2, 5, 3)]
    """

    def classify(frames):
        """Probabilities of frames in decibels."""
        with torch.inference_mode():
            logits = model.network(model.statistics(frames))
            return tuple(torch.sigmoid(level.float()).cpu().numpy() for level in logits)

    return classify


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
    """Frames in pieces, as windows ``[frame, band]``: all of one length, but that the last may be shorter."""
    held = None
    for piece in frames:
        held = piece if held is None else torch.cat((held, piece))
        while len(held) > grid.window:
            yield held[: grid.window]
            held = held[grid.stride :]
    yield held


def _relative(frames, features):
    """A window's decibels, relative to its loudest where the features are relative to the recording's."""
    peak = frames.amax()
    if features.reference == "max":
        frames, peak = frames - peak, torch.zeros_like(peak)
    return frames if features.floor_db is None else torch.maximum(frames, peak - features.floor_db)


def _batches(windows, batch):
    """Windows of one length together, ``[window, frame, band]``, at most ``batch`` of them."""
    held = []
    for window in windows:
        if held and len(window) != len(held[0]):
            yield torch.stack(held)
            held = []
        held.append(window)
        if len(held) == batch:
            yield torch.stack(held)
            held = []
    if held:
        yield torch.stack(held)


def _join(windows, grid):
    """The probabilities of windows, as those of the signal; each joint is a linear crossfade."""
    begin, end, stop = (
        grid.context - grid.fade,
        grid.context + grid.fade,
        grid.window - grid.context - grid.fade,
    )
    share = ((np.arange(end - begin, dtype=np.float32) + 0.5) / (end - begin))[:, None]
    held = None
    for window in windows:
        if held is None:
            yield tuple(level[:stop] for level in window)
        else:
            yield tuple(
                np.concatenate(
                    ((1 - share) * before[: len(share)] + share * after[begin:end], after[end:stop])
                )
                for before, after in zip(held, window)
            )
        held = tuple(level[stop:] for level in window)
    if len(held[0]):
        yield held
