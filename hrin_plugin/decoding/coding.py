"""Probabilities as a few bits each: log-odds in steps, and the differences of neighbouring frames.

Steps are :data:`STEP_NATS` wide around even odds, and grow in proportion where the odds are long, since few
decisions turn on them. What is read back is the middle of a step, and so differs by half of its width at
most (:func:`largest_error`). A threshold of 0.5 lies between two steps and is met exactly.
"""

import numpy as np

from hrin_plugin.decoding.smoothing import LEAST_PROBABILITY, expit, logit

#: Width of a step at even odds, in nats of log-odds.
STEP_NATS = 0.001
#: Log-odds from which on steps grow, in nats.
_KNEE_NATS = 2.0


def quantise(probabilities: np.ndarray) -> np.ndarray:
    """Numbers of steps of the log-odds.

    Arguments
    ---------
    probabilities : numpy.ndarray
        Of any shape. Those below :data:`~hrin_plugin.decoding.smoothing.LEAST_PROBABILITY` count as this,
        and so do their complements, as in every decision.

    Returns
    -------
    numpy.ndarray
        Of the same shape, int16.

    Example
    -------
    >>> quantise(np.array([0.0, 0.5, 0.9])).tolist()
    [-5262, 0, 1898]
    """
    trusted = np.clip(np.asarray(probabilities, dtype=float), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    steps = np.arcsinh(logit(trusted) / _KNEE_NATS) * (_KNEE_NATS / STEP_NATS)
    return np.floor(steps).astype(np.int16)


def dequantise(steps: np.ndarray) -> np.ndarray:
    """Probabilities from numbers of steps.

    Arguments
    ---------
    steps : numpy.ndarray
        What :func:`quantise` gave.

    Returns
    -------
    numpy.ndarray
        Of the same shape, float32.

    Example
    -------
    >>> probabilities = np.array([0.0, 0.5, 0.9])
    >>> np.allclose(dequantise(quantise(probabilities)), probabilities, atol=1.3e-4)
    True
    """
    log_odds = np.sinh((np.asarray(steps, dtype=float) + 0.5) * (STEP_NATS / _KNEE_NATS)) * _KNEE_NATS
    return expit(log_odds).astype(np.float32)


def largest_error(log_odds: float) -> float:
    """Most by which log-odds differ after both functions, in nats, but for the rounding of float32.

    Example
    -------
    >>> round(largest_error(0.0), 4), round(largest_error(4.0), 4), round(largest_error(13.8), 4)
    (0.0005, 0.0011, 0.0035)
    """
    return STEP_NATS / 2 * float(np.hypot(1.0, (abs(log_odds) + STEP_NATS) / _KNEE_NATS))


def pack(steps: np.ndarray) -> bytes:
    """Bytes of a block of frames, which compress well: differences of neighbours, low bytes first.

    Arguments
    ---------
    steps : numpy.ndarray
        ``[frame, class]``, int16.

    Returns
    -------
    bytes
        Two for each number.

    Example
    -------
    >>> pack(np.array([[5], [4], [260]], np.int16))
    b'\\n\\x01\\x00\\x00\\x00\\x02'
    """
    change = np.diff(steps, axis=0, prepend=np.int16(0)).T
    folded = ((change << 1) ^ (change >> 15)).astype(np.uint16)  # small numbers, whatever the sign
    return (folded & 255).astype(np.uint8).tobytes() + (folded >> 8).astype(np.uint8).tobytes()


def unpack(content: bytes, n_classes: int) -> np.ndarray:
    """The block that :func:`pack` made bytes of.

    Arguments
    ---------
    content : bytes
        The bytes.
    n_classes : int
        Classes of a frame.

    Returns
    -------
    numpy.ndarray
        ``[frame, class]``, int16.

    Raises
    ------
    ValueError
        If they are not of whole frames.

    Example
    -------
    >>> unpack(pack(np.array([[5], [4], [260]], np.int16)), 1).ravel().tolist()
    [5, 4, 260]
    """
    low, high = np.frombuffer(content, np.uint8).reshape(2, n_classes, -1).astype(np.uint16)
    folded = low | (high << 8)
    change = (folded >> 1).astype(np.int16) ^ -(folded & 1).astype(np.int16)
    return np.cumsum(change, axis=1, dtype=np.int16).T
