"""Pages of Ogg files: several streams in a row, damaged pages, and files that were cut off."""

import struct
import zlib
from typing import NamedTuple

from hrin_plugin.audio.notes import Note, missing
from hrin_plugin.audio.parts import Part
from hrin_plugin.audio.pieces import Span

_BEGINS, _ENDS = 2, 4
_HEADER_BYTES = 27

#: The time of a page in which no packet ends.
_NO_GRANULE = (1 << 64) - 1

#: Each byte with its bits in reverse order: Ogg's checksum is that of zip, from the other end.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

_CUT = missing("the last page of the Ogg stream is missing, as in a file that was cut off")


def page_checksum(page):
    """Checksum of an Ogg page whose own checksum is set to zero.

    Example
    -------
    >>> hex(page_checksum(b"OggS" + bytes(23)))
    '0x9ea1a511'
    """
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def count_pages(window, start):
    """The streams in an Ogg file, one after another.

    Arguments
    ---------
    window : Window
        The file.
    start : int
        The first page.

    Returns
    -------
    list of Part
        One for each stream; one with damaged pages is for ffmpeg, which keeps its time.
    """
    streams, position = [_Stream(start)], start
    while (position := window.find(b"OggS", at := position, window.size)) >= 0:
        page = _page(window, position)
        if page is not None and page.flags & _BEGINS and not streams[-1].in_head:
            streams.append(_Stream(position))
        elif position != at or page is None:
            streams[-1].damage()
        if page is not None:
            streams[-1].add(page)
        position += 4 if page is None else page.size
    ends = [stream.start for stream in streams[1:]] + [window.size]
    return [stream.part(end) for stream, end in zip(streams, ends)]


class _Page(NamedTuple):
    """What the header of a page tells."""

    size: int
    flags: int
    granule: int  # time at its end
    serial: int
    number: int


class _Stream:
    """Pages from a beginning on, up to the next beginning."""

    def __init__(self, start):
        self.start, self.in_head, self._numbers, self._open = start, True, {}, set()
        self._is_whole, self._has_sound, self._is_head_lost = True, False, False

    def damage(self):
        """Keep that bytes or pages are missing here."""
        self._is_whole = False
        self._is_head_lost |= not self._has_sound

    def add(self, page):
        """Count a page."""
        self.in_head = bool(page.flags & _BEGINS)
        if page.number != self._numbers.get(page.serial, page.number - 1) + 1:
            self.damage()
        self._numbers[page.serial] = page.number
        self._has_sound |= 0 < page.granule < _NO_GRANULE
        (self._open.discard if page.flags & _ENDS else self._open.add)(page.serial)

    def part(self, end):
        """The Part, which ends where the next stream begins."""
        return Part(
            (Span(self.start, end),),
            by="libsndfile" if self._is_whole else "ffmpeg",
            is_absolute=self._is_head_lost,
            notes=(Note(_CUT),) if self._open or not self._numbers else (),
        )


def _page(window, position):
    """The page that begins here; None for a damaged or cut one."""
    header = window.get(position, _HEADER_BYTES + 255)
    if len(header) < _HEADER_BYTES or header[4] != 0:
        return None
    n_segments = header[26]
    size = _HEADER_BYTES + n_segments + sum(header[_HEADER_BYTES : _HEADER_BYTES + n_segments])
    page = window.get(position, size)
    flags, granule, serial, number, checksum = struct.unpack("<BQ3I", header[5:26])
    if len(page) < size or page_checksum(page[:22] + bytes(4) + page[26:]) != checksum:
        return None
    return _Page(size, flags, granule, serial, number)
