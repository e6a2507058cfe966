"""AU files: a header with the size of the samples, and the samples."""

import struct

from hrin_plugin.audio.notes import BEYOND, Note, missing
from hrin_plugin.audio.parts import Part
from hrin_plugin.audio.pieces import Span

_UNKNOWN_SIZE = 0xFFFFFFFF
_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}


def count_au(window, start):
    """The AU files in a file, one after another.

    Arguments
    ---------
    window : Window
        The file.
    start : int
        Where the first begins.

    Returns
    -------
    tuple of (list of Part, int)
        One for each, and the position behind the last.
    """
    parts = []
    while (head := window.get(start, 24))[:4] == b".snd" and len(head) == 24:
        offset, size, encoding, rate, n_channels = struct.unpack(">5I", head[4:])
        begin, frame_bytes = min(start + offset, window.size), _BYTES.get(encoding, 0) * n_channels
        held, is_known = window.size - begin, size not in (_UNKNOWN_SIZE, 0)
        is_joined = is_known and window.get(begin + size, 4) == b".snd"
        end, notes = (begin + size if is_joined else window.size), []
        if is_known and size > held:
            why = f"the header announces {size} bytes of samples, the file holds {held}"
            notes.append(Note(missing(why), _seconds(held, frame_bytes, rate)))
        elif is_known and not is_joined and window.get(begin + size, 1 << 16).strip(b"\0"):
            notes.append(Note(BEYOND, _seconds(size, frame_bytes, rate), is_fault=False))
        shown = struct.pack(">I", min(end - begin, _UNKNOWN_SIZE))
        patched = head[:8] + shown + window.get(start, offset)[12:]
        pieces = (patched, Span(begin, end)) if end - begin != size else (Span(start, end),)
        length_s = _seconds(end - begin, frame_bytes, rate)
        parts.append(Part(pieces, sample_rate=rate or None, length_s=length_s, notes=tuple(notes)))
        start = end
    return parts, start


def _seconds(n_bytes, frame_bytes, rate):
    """Length of so many bytes of samples; None where it cannot be told."""
    return n_bytes // frame_bytes / rate if frame_bytes and rate else None
