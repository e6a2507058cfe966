"""What is heard: any stretch of a recording as a WAV file, of which any range of bytes is given."""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hrin_plugin.review.samples import Samples

#: Bytes of the header of a WAV file.
HEADER_BYTES = 44

#: The longest stretch, in milliseconds.
MOST_MS = 600_000

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Stretch(NamedTuple):
    """A stretch of a recording as a WAV file, 16 bits a sample; silent where the recording has ended.

    Example
    -------
    >>> import soundfile
    >>> from hrin_plugin.review.samples import open_samples
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.arange(800, dtype=np.int16), 8000)
    >>> stretch = Stretch(open_samples(path), 50, 60)
    >>> stretch.size, b"".join(stretch.read(44, 48))
    (204, b'\\x90\\x01\\x91\\x01')
    """

    samples: Samples
    from_ms: int
    to_ms: int

    @property
    def first(self) -> int:
        """Number of the first sample."""
        return round(self.from_ms * self.samples.sample_rate / 1000)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        n_samples = round(self.to_ms * self.samples.sample_rate / 1000) - self.first
        return HEADER_BYTES + 2 * self.samples.n_channels * n_samples

    def header(self) -> bytes:
        """The file's first 44 bytes."""
        rate, width = self.samples.sample_rate, 2 * self.samples.n_channels
        form = struct.pack("<HHIIHH", 1, self.samples.n_channels, rate, rate * width, width, 16)
        n_bytes = self.size - HEADER_BYTES
        head = b"RIFF" + struct.pack("<I", 36 + n_bytes) + b"WAVEfmt " + struct.pack("<I", 16)
        return head + form + b"data" + struct.pack("<I", n_bytes)

    def read(self, begin: int, end: int) -> Iterator[bytes]:
        """The bytes from ``begin`` up to ``end``, in blocks."""
        if begin < HEADER_BYTES:
            yield self.header()[begin:end]
            begin = HEADER_BYTES
        width = 2 * self.samples.n_channels
        n_whole, n_skipped = divmod(begin - HEADER_BYTES, width)
        left = end - begin
        if left <= 0:
            return
        blocks = self.samples.blocks(self.first + n_whole)
        try:
            for block in blocks:
                data = block.tobytes()[n_skipped:][:left]
                n_skipped, left = 0, left - len(data)
                yield data
                if left <= 0:
                    return
        finally:
            blocks.close()
        while left > 0:
            yield bytes(min(left, 1 << 16))
            left -= 1 << 16

    def peaks(self, bucket_ms: int = 1) -> np.ndarray:
        """Least and greatest value of each bucket, int8, ``[bucket, 2]``."""
        data = b"".join(self.read(HEADER_BYTES, self.size))
        values = np.frombuffer(data, "<i2").reshape(-1, self.samples.n_channels)
        n_buckets = max((self.to_ms - self.from_ms) // bucket_ms, 1)
        edges = np.arange(n_buckets) * len(values) // n_buckets
        least, greatest = (of.reduceat(values, edges, axis=0) for of in (np.minimum, np.maximum))
        return np.stack([least.min(axis=1) >> 8, greatest.max(axis=1) >> 8], axis=1).astype(np.int8)


def parse_range(text: str | None, size: int) -> tuple[int, int] | None:
    """The bytes that a header ``Range`` asks for.

    Arguments
    ---------
    text : str or None
        The header; several ranges and other units mean the whole file, as without a header.
    size : int
        Bytes of the file.

    Returns
    -------
    tuple of (int, int) or None
        Begin, and the end that is left out; None where the whole file is meant.

    Raises
    ------
    ValueError
        If it begins behind the end.

    Example
    -------
    >>> parse_range("bytes=10-19", 100), parse_range("bytes=90-", 100), parse_range("bytes=-5", 100)
    ((10, 20), (90, 100), (95, 100))
    """
    match = _RANGE.fullmatch((text or "").strip())
    if not match or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        begin, end = max(size - int(last), 0), size
    else:
        begin, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < begin:
            return None
    if begin >= size or begin >= end:
        raise ValueError(f"the range {text} lies behind the end, {size} bytes")
    return begin, end
