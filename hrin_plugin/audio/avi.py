"""AVI files: whether their chunks follow one another to the end, which ffmpeg does not tell."""

import re

from hrin_plugin.audio.notes import LOST_WITHIN, Note, missing
from hrin_plugin.audio.parts import Part
from hrin_plugin.audio.pieces import Span

_CHUNK = re.compile(rb"[A-Za-z0-9_ ]{4}")

#: Lists that are walked into, not over.
_ENTERED = (b"movi", b"rec ")


def is_avi(window, start):
    """Whether an AVI file begins here.

    Example
    -------
    >>> import io
    >>> from hrin_plugin.audio.pieces import Window
    >>> is_avi(Window(io.BytesIO(b"RIFF....AVI LIST")), 0)
    True
    """
    head = window.get(start, 12)
    return head[:4] == b"RIFF" and head[8:] == b"AVI "


def count_avi(window, start):
    """An AVI file, for ffmpeg, with what its chunks tell of damage.

    Arguments
    ---------
    window : Window
        The file.
    start : int
        Where it begins.

    Returns
    -------
    Part
        The whole file, and others that are joined to it: ffmpeg reads them in one go.
    """
    position, announced, is_open = start, start, False
    while len(head := window.get(position, 12)) == 12:
        kind, size = head[:4], int.from_bytes(head[4:8], "little")
        is_entered = kind == b"RIFF" or (kind == b"LIST" and head[8:] in _ENTERED)
        if not _CHUNK.fullmatch(kind):
            rest = window.get(position, 1 << 16).strip(b"\0")
            notes = (Note(LOST_WITHIN),) if rest else ()
            return Part((Span(start, window.size),), by="ffmpeg", notes=notes)
        is_open = is_open or (is_entered and size in (0, 0xFFFFFFFF))  # of a recorder that died
        announced = max(announced, position + 8 + (0 if is_open else size))
        position += 12 if is_entered else 8 + size + size % 2
    why = f"its chunks announce {announced} bytes, the file holds {window.size}"
    notes = (Note(missing(why)),) if announced > window.size + 1 else ()
    return Part((Span(start, window.size),), by="ffmpeg", is_open_ended=is_open, notes=notes)
