"""Every byte of a recording is counted before it is read: what is sound, by whom it is decoded,
and what is damaged, missing or of another recording.

The format follows from the content, never from the name. A name of MP3 or AAC only widens the
search for the first frame.
"""

import os
import struct

from hrin_plugin.audio.au import count_au
from hrin_plugin.audio.avi import count_avi, is_avi
from hrin_plugin.audio.chunks import count_chunks, is_of_chunks
from hrin_plugin.audio.flac import count_flac
from hrin_plugin.audio.frames import count_frames, find_frames
from hrin_plugin.audio.framing import ADTS, MP3
from hrin_plugin.audio.notes import Note, missing
from hrin_plugin.audio.ogg import count_pages
from hrin_plugin.audio.parts import Part
from hrin_plugin.audio.pieces import Span, Window
from hrin_plugin.audio.tags import after_tags
from hrin_plugin.audio.transport import count_packets, find_packets, packet_bytes

#: Names of files that may begin within a frame, as cut from a broadcast.
_FRAME_SUFFIXES = (".mp3", ".mp2", ".mpga", ".mpa", ".aac", ".adts")

#: Bytes that are searched for the first frame where the name speaks for frames.
_SEARCHED_BYTES = 1 << 20

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")

#: First bytes of other containers, long enough to find the beginning of a second file of their kind.
_CONTAINERS = (
    (b"\x1aE\xdf\xa3", (b"matroska", b"webm"), 64),
    (_ASF, (b"",), 16),
    (b".RMF\0\0\0\x12", (b"",), 8),
    (b"#!AMR", (b"\n", b"-WB\n"), 9),
    (b"FLV\x01", (b"\0\0\0\x09",), 9),
)


def account(file, path):
    """The parts of a recording, in their order in time.

    Arguments
    ---------
    file : io.BufferedIOBase
        An open file, read in binary; its position moves.
    path : str or pathlib.Path
        Its name.

    Returns
    -------
    list of Part
        At least one; whether it is sound at all shows when it is opened.

    Example
    -------
    >>> import io
    >>> account(io.BytesIO(b"no sound"), "a.txt")[0].pieces
    (Span(start=0, end=8),)
    """
    window = Window(file)
    parts, position = [], 0
    while position < window.size and len(parts) < 10_000:
        found, after = _parts_at(window, after_tags(window, position), os.fsdecode(path).lower())
        if not found and parts:
            break
        parts += found
        position = max(after, position + 1)
    return parts or [Part((Span(0, window.size),), is_uncounted=True)]


def _parts_at(window, start, name):
    """The parts of one kind from here on, and the position behind them; no parts for no known kind."""
    head, is_first = window.get(start, 64), start == after_tags(window, 0)
    if is_of_chunks(window, start):
        return count_chunks(window, start)
    if is_avi(window, start):
        return [count_avi(window, start)], window.size
    if head[:4] == b".snd":
        return count_au(window, start)
    if head[:4] == b"fLaC":
        return count_flac(window, start), window.size
    if head[:4] == b"OggS":
        return count_pages(window, start), window.size
    if head[4:8] == b"ftyp":
        return _boxes(window, start)
    for mark, kinds, n_bytes in _CONTAINERS:
        if head.startswith(mark) and any(kind in head[len(mark) : n_bytes] for kind in kinds):
            return _alike(window, start, mark, kinds, n_bytes), window.size
    if packet_bytes(window, start):
        return count_packets(window, start), window.size
    reach = _SEARCHED_BYTES if is_first and name.endswith(_FRAME_SUFFIXES) else 1
    for framing in (ADTS, MP3):
        first = find_frames(window, framing, start, min(start + reach, window.size))
        if first is not None:
            return count_frames(window, framing, first), window.size
    packet = find_packets(window, start) if is_first else None
    if packet is not None:
        return count_packets(window, packet), window.size
    return [], window.size


def _alike(window, start, mark, kinds, n_bytes):
    """Files of one kind that are joined, told by their first bytes."""
    starts, position = [start], start
    while (position := window.find(mark, position + 1, window.size)) >= 0:
        head = window.get(position, n_bytes)
        if any(kind in head[len(mark) :] for kind in kinds):
            starts.append(position)
    starts.append(window.size)
    spans = [Span(*span) for span in zip(starts, starts[1:])]
    return [_asf(window, span) if mark == _ASF else Part((span,), by="ffmpeg") for span in spans]


def _asf(window, span):
    """A file of the WMA family, whose header tells its size and its length."""
    head = window.get(span.start, 1 << 16)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        return Part((span,), by="ffmpeg")
    size, _, _, play, _, preroll_ms, flags = struct.unpack("<6QI", head[at + 40 : at + 92])
    length_s = None if flags & 1 else max(play / 1e7 - preroll_ms / 1e3, 0.0)
    notes = ()
    if size > span.size and not flags & 1:
        notes = (Note(missing(f"the header announces {length_s:.3f} s")),)
    return Part((span,), by="ffmpeg", length_s=length_s, notes=notes)


def _boxes(window, start):
    """Files of the MP4 family, joined: each begins with its own ``ftyp`` and holds its own ``moov``."""
    parts, spans, begin, position, kinds = [], [], start, start, set()
    while len(head := window.get(position, 16)) >= 8:
        kind, size = head[4:8], int.from_bytes(head[:4], "big")
        size = int.from_bytes(head[8:16], "big") if size == 1 else size or window.size - position
        if size < 8 or not kind.isalnum():
            if b"moof" not in kinds:
                break
            # A damaged fragment: it is passed over, and the next one has its own time.
            following = _next_fragment(window, position + 8)
            skipped = struct.pack(">I4s", following - position, b"free")
            spans += [Span(begin, position), skipped]
            begin, position = position + 8, following
            continue
        if kind == b"ftyp" and b"moov" in kinds:
            parts.append(_of_boxes([*spans, Span(begin, position)], kinds))
            spans, begin, kinds = [], position, set()
        kinds.add(kind)
        position += size
    last = _of_boxes([*spans, Span(begin, window.size)], kinds, is_cut=position > window.size)
    return [*parts, last], window.size


def _next_fragment(window, position):
    """Where the next fragment of an MP4 file begins; the end of the file if there is none."""
    while (found := window.find(b"moof", position, window.size)) >= 0:
        size = int.from_bytes(window.get(found - 4, 4), "big")
        if window.get(found + size, 4) == b"mdat":
            return found - 4
        position = found + 1
    return window.size


def _of_boxes(spans, kinds, is_cut=False):
    """One file of the MP4 family."""
    notes = []
    if b"moov" not in kinds:
        why = "as in a file that was cut off, damaged or never finished"
        notes.append(Note(f"its index (moov) is missing or out of place, {why}"))
    if len(spans) > 1:
        notes.append(Note("a fragment of the file is damaged"))
    if b"moof" in kinds and is_cut:
        notes.append(Note(missing("its last fragment is cut off")))
    return Part(tuple(spans), by="ffmpeg", is_open_ended=b"moof" in kinds, notes=tuple(notes))
