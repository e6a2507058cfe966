"""Pages of Ogg files: several streams in a row, damaged pages, and files that were cut off."""

import struct
import zlib

from hrin_plugin.audio.notes import Note, missing
from hrin_plugin.audio.parts import Part
from hrin_plugin.audio.pieces import Span

_BEGINS, _ENDS = 2, 4
_HEADER_BYTES = 27

#: Each byte with its bits in reverse order: Ogg's checksum is that of zip, from the other end.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

_CUT = missing("the last page of the Ogg stream is missing, as in a file that was cut off")


def page_checksum(page):
    """Checksum of an Ogg page whose own checksum is set to zero.

    Example
    -------
    >>> hex(page_checksum(b"OggS" + bytes(23)))
    '0x9f858776'
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
    parts, begin, position = [], start, start
    in_head, is_whole, numbers, open_streams = True, True, {}, set()
    while (position := window.find(b"OggS", at := position, window.size)) >= 0:
        is_whole &= position == at
        page = _page(window, position)
        if page is None:
            is_whole, position = False, position + 4
            continue
        size, flags, serial, number = page
        if flags & _BEGINS and not in_head:
            parts.append(_part(begin, position, is_whole, open_streams))
            begin, is_whole, numbers, open_streams = position, True, {}, set()
        in_head = bool(flags & _BEGINS)
        is_whole &= number == numbers.get(serial, number - 1) + 1
        numbers[serial] = number
        open_streams.add(serial)
        if flags & _ENDS:
            open_streams.discard(serial)
        position += size
        if position >= window.size:
            break
    return [*parts, _part(begin, window.size, is_whole, open_streams or not numbers)]


def _page(window, position):
    """Size, flags, stream and number of a page; None for a damaged or cut one."""
    header = window.get(position, _HEADER_BYTES + 255)
    if len(header) < _HEADER_BYTES or header[4] != 0:
        return None
    n_segments = header[26]
    size = _HEADER_BYTES + n_segments + sum(header[_HEADER_BYTES : _HEADER_BYTES + n_segments])
    page = window.get(position, size)
    serial, number, checksum = struct.unpack("<3I", header[14:26])
    if len(page) < size or page_checksum(page[:22] + bytes(4) + page[26:]) != checksum:
        return None
    return size, header[5], serial, number


def _part(start, end, is_whole, is_cut):
    """One stream."""
    notes = (Note(_CUT),) if is_cut else ()
    return Part((Span(start, end),), by="libsndfile" if is_whole else "ffmpeg", notes=notes)
