"""AU files: a header with the size of the samples, and the samples."""

import struct

from hrin_plugin.audio.notes import Note, missing
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
        begin = min(start + offset, window.size)
        frame_bytes = _BYTES.get(encoding, 0) * n_channels

        def seconds(n_bytes, frame_bytes=frame_bytes, rate=rate):
            return n_bytes // frame_bytes / rate if frame_bytes and rate else None

        held, notes = window.size - begin, []
        is_joined = window.get(begin + size, 4) == b".snd"
        end = begin + size if is_joined else window.size
        if size not in (_UNKNOWN_SIZE, 0) and size > held:
            notes.append(
                Note(
                    missing(f"the header announces {size} bytes of samples, the file holds {held}"),
                    seconds(held),
                )
            )
        elif size != _UNKNOWN_SIZE and not is_joined and held - size >= 64 and size:
            text = "sound goes on behind {}, where the header announces its end, and is read"
            notes.append(Note(text, seconds(size), is_fault=False))
        patched = (
            head[:8] + struct.pack(">I", min(end - begin, _UNKNOWN_SIZE)) + window.get(start, offset)[12:]
        )
        pieces = (patched, Span(begin, end)) if end - begin != size else (Span(start, end),)
        parts.append(
            Part(pieces, sample_rate=rate or None, length_s=seconds(end - begin), notes=tuple(notes))
        )
        start = end
    return parts, start
