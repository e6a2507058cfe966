"""Announced and actual sample bytes of WAV, AIFF, CAF, W64 and AU files.

They reveal truncated files, which libsndfile reads without an error.
"""

import os
import struct
from typing import NamedTuple

#: Sizes that programs announce when they write to a pipe, where the size is not known.
_UNKNOWN_SIZES = {0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF, (1 << 64) - 1}


class _Layout(NamedTuple):
    """Layout of the chunks of a file type."""

    first: int  # byte at which the first chunk begins
    header: str  # a chunk's header: its name and its size
    samples_id: bytes  # first bytes of the name of the chunk with the samples
    multiple: int  # a chunk takes a multiple of so many bytes
    counts_header: bool = False  # whether a chunk's size counts its header


_LAYOUTS = {
    b"RIFF": _Layout(12, "<4sI", b"data", 2),
    b"RF64": _Layout(12, "<4sI", b"data", 2),
    b"RIFX": _Layout(12, ">4sI", b"data", 2),
    b"FORM": _Layout(12, ">4sI", b"SSND", 2),
    b"caff": _Layout(8, ">4sQ", b"data", 1),
    b"riff": _Layout(40, "<16sQ", b"data", 8, counts_header=True),
}


def sample_bytes(file):
    """Bytes of samples that a chunked file announces and that it holds.

    Arguments
    ---------
    file : io.BufferedIOBase
        An open file, read in binary; its position moves.

    Returns
    -------
    tuple of (int, int) or None
        Announced and held bytes; None where the file announces none, or is of another kind.

    Example
    -------
    >>> import io, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, [0.0] * 100, 8000, format="WAV")
    >>> sample_bytes(io.BytesIO(file.getvalue()[:-50]))
    (200, 150)
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    magic = file.read(4)
    if magic == b".snd" and len(header := file.read(8)) == 8:
        start, announced = struct.unpack(">2I", header)
        return None if announced in _UNKNOWN_SIZES else (announced, max(0, size - start))
    return _in_chunks(file, size, _LAYOUTS[magic]) if magic in _LAYOUTS else None


def _in_chunks(file, size, layout):
    """The same for a chunked file."""
    header_size, wide_size = struct.calcsize(layout.header), None
    file.seek(layout.first)
    while len(header := file.read(header_size)) == header_size:
        chunk_id, chunk_size = struct.unpack(layout.header, header)
        start = file.tell()
        if chunk_id == b"ds64" and len(sizes := file.read(16)) == 16:
            wide_size = struct.unpack("<Q", sizes[8:])[0]
        if chunk_id.startswith(layout.samples_id):
            if chunk_size == 0xFFFFFFFF and wide_size is not None:
                chunk_size = wide_size
            announced = chunk_size - (header_size if layout.counts_header else 0)
            return None if chunk_size in _UNKNOWN_SIZES else (announced, size - start)
        next_chunk = chunk_size + -chunk_size % layout.multiple - (header_size if layout.counts_header else 0)
        if next_chunk < 0 or start + next_chunk > size:
            return None
        file.seek(start + next_chunk)
    return None
