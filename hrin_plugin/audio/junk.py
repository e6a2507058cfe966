"""Bytes behind the samples of a file: whether they are samples too."""

import math

_TEXT = frozenset((9, 10, 13, *range(32, 127)))


def is_no_sound(window, begin, rest, end):
    """Whether bytes behind samples are text, or random where the samples before are not.

    Arguments
    ---------
    window : Window
        The file.
    begin, rest, end : int
        Where the samples, the bytes behind them, and what follows these begin.

    Returns
    -------
    bool
        False for what may be samples.

    Example
    -------
    >>> import io
    >>> from hrin_plugin.audio.pieces import Window
    >>> is_no_sound(Window(io.BytesIO(bytes(100) + b"some text")), 0, 100, 109)
    True
    """
    head = window.get(rest, min(end - rest, 1 << 16))
    if sum(byte in _TEXT for byte in head) > 0.95 * len(head):
        return True
    before = window.get(max(begin, rest - (1 << 16)), min(rest - begin, 1 << 16))
    return len(head) >= 1024 and _bits(head) > _limit(len(head)) and _bits(before) < _bits(head) - 0.1


def _bits(data):
    """Entropy of bytes, in bits a byte."""
    counts = [data.count(bytes([value])) for value in range(256)]
    return -sum(n / len(data) * math.log2(n / len(data)) for n in counts if n)


def _limit(n_bytes):
    """From how many bits a byte so many bytes are random."""
    return 8 - 255 / (2 * math.log(2) * n_bytes) * 1.5 - 0.01
