"""How far a detector of live sound looks ahead: exactly as in a recording, or for a bounded delay.

A frame waits for its block of samples, for its window and the context after it, and for the frames that the
decoder looks at. Half a second is left for what comes on top: computing, and the way to here.
"""

from typing import NamedTuple

from hrin_plugin.audio.streams import BLOCK_S, MIX_S
from hrin_plugin.inference.windows import CONTEXT_S, WINDOW_S

#: The least latency that can be asked for, in seconds, and the greatest that is not the exact mode.
LEAST_S, MOST_S = 3.0, 90.0

#: Of a bounded latency, what goes to the blocks: mixing, and twice a block with the resampler's reach; and
#: what is left for computing.
_MIX_S, _BLOCK_S, _REACH_S, _COMPUTING_S = 0.5, 0.25, 0.2, 0.5

#: Shares of the rest for the context and for the decoder, with the most that is of use to them in seconds.
#: What they leave is the stride of the windows. See benchmarks/live.py.
_CONTEXT, _STRETCH, _LOOK_AHEAD = 0.55, 0.06, 0.28
_MOST_LOOK_AHEAD_S = 15.0


class Pace(NamedTuple):
    """Lengths that make up the delay of a detector, in seconds.

    Example
    -------
    >>> Pace().window_s, pace_for(10.0).window_s < 10.0
    (60.0, True)
    """

    window_s: float = WINDOW_S
    context_s: float = CONTEXT_S  # at a window's end, read again by the next
    mix_s: float = MIX_S  # for so long several channels are mixed in one way
    block_s: float = BLOCK_S  # of mono sound
    stretch_s: float | None = None  # that the decoder decides at a time; None as for recordings
    look_ahead_s: float | None = None  # that it looks further


#: The same decisions as in a recording.
EXACT = Pace()


def pace_for(latency_s: float | None) -> Pace:
    """The pace of a detector that decides each frame at most so long after it sounded.

    Arguments
    ---------
    latency_s : float or None
        Seconds; None for the exact mode.

    Returns
    -------
    Pace
        Its lengths.

    Raises
    ------
    ValueError
        If the latency is out of range.

    Example
    -------
    >>> pace_for(None) == EXACT
    True
    >>> pace_for(1.0)
    Traceback (most recent call last):
    ...
    ValueError: a latency of 1 s is out of range; give 3 to 90 seconds, or exact
    """
    if latency_s is None:
        return EXACT
    if not LEAST_S <= latency_s <= MOST_S:
        problem = f"a latency of {latency_s:g} s is out of range"
        raise ValueError(f"{problem}; give {LEAST_S:g} to {MOST_S:g} seconds, or exact")
    rest_s = latency_s - _MIX_S - 2 * _BLOCK_S - _REACH_S - _COMPUTING_S
    context_s, stretch_s = min(_CONTEXT * rest_s, CONTEXT_S), _STRETCH * rest_s
    look_ahead_s = min(_LOOK_AHEAD * rest_s, _MOST_LOOK_AHEAD_S)
    window_s = rest_s - stretch_s - look_ahead_s
    return Pace(window_s, context_s, _MIX_S, _BLOCK_S, stretch_s, look_ahead_s)
