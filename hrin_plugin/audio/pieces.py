"""Pieces of a file: looked into at any position, and presented one after another as a new file.

A damaged or joined file becomes a sound one when only its good pieces are presented, with
corrected headers or fillers between them.
"""

import bisect
import itertools
import os
from typing import NamedTuple

#: Bytes that are read at once when a file is looked through.
BLOCK_BYTES = 1 << 20


class Span(NamedTuple):
    """Bytes of a file, from `start` up to but without `end`.

    Example
    -------
    >>> Span(10, 30).size
    20
    """

    start: int
    end: int

    @property
    def size(self):
        """Number of bytes."""
        return self.end - self.start


class Window:
    """Random access to the bytes of a file, block by block.

    Arguments
    ---------
    file : io.BufferedIOBase
        An open file, read in binary; its position moves.

    Example
    -------
    >>> import io
    >>> window = Window(io.BytesIO(b"abcabc"))
    >>> window.size, window.get(2, 2), window.find(b"b", 2, 6)
    (6, b'ca', 4)
    """

    def __init__(self, file):
        self._file, self._base, self.block = file, 0, b""
        self.size = file.seek(0, os.SEEK_END)

    def get(self, position, n_bytes):
        """The bytes at a position; fewer at the end of the file."""
        offset = position - self._base
        if offset < 0 or offset + n_bytes > len(self.block):
            self._base, offset = position, 0
            self._file.seek(position)
            self.block = self._file.read(max(BLOCK_BYTES, n_bytes))
        return self.block[offset : offset + n_bytes]

    def find(self, pattern, start, end):
        """Position of the first occurrence that begins in ``start`` to ``end``; -1 if there is none."""
        position = start
        while position < end:
            data = self.get(position, min(BLOCK_BYTES, end - position) + len(pattern) - 1)
            found = data.find(pattern)
            if found >= 0:
                return position + found
            position += BLOCK_BYTES
        return -1


class Stitched:
    """Pieces of a file and bytes of our own, presented as one file for reading.

    Arguments
    ---------
    file : io.BufferedIOBase
        An open file, read in binary.
    pieces : sequence of (Span or bytes)
        What is presented, in order.
    shown_size : int or None
        The size that is told; None for the true one.

    Example
    -------
    >>> import io
    >>> stitched = Stitched(io.BytesIO(b"abcdef"), [b"<", Span(1, 3), Span(5, 6)])
    >>> stitched.seek(0, 2), stitched.seek(1), stitched.read(100)
    (4, 1, b'bcf')
    """

    def __init__(self, file, pieces, shown_size=None):
        self._file, self._pieces, self._position = file, pieces, 0
        sizes = (len(piece) if isinstance(piece, bytes) else piece.size for piece in pieces)
        self._ends = list(itertools.accumulate(sizes))
        self.size = self._ends[-1] if self._ends else 0
        self._shown_size, self._told = self.size if shown_size is None else shown_size, None

    def read(self, n_bytes=-1):
        """Read bytes; fewer at the end, or where the file was cut off meanwhile."""
        parts, wanted = [], self.size - self._position if n_bytes < 0 else n_bytes
        while wanted > 0 and self._position < self.size:
            number = bisect.bisect_right(self._ends, self._position)
            piece, left = self._pieces[number], self._ends[number] - self._position
            n_now = min(wanted, left)
            if isinstance(piece, bytes):
                data = piece[len(piece) - left :][:n_now]
            else:
                self._file.seek(piece.end - left)
                data = self._file.read(n_now)
            parts.append(data)
            self._position += len(data)
            wanted -= len(data)
            if len(data) < n_now:
                break
        return b"".join(parts)

    def seek(self, offset, whence=os.SEEK_SET):
        """Move within the pieces, and tell the position; at an end that is only shown, nothing moves."""
        is_shown = whence == os.SEEK_END and self._shown_size != self.size
        self._told = self._shown_size + offset if is_shown else None
        if not is_shown:
            base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
            self._position = base + offset
        return self.tell()

    def tell(self):
        """Position within the pieces."""
        return self._position if self._told is None else self._told

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        """Close the file."""
        self._file.close()
