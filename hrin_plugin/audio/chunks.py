"""Files of chunks (WAV, RF64, BW64, W64, AIFF, CAF) and AU: where their samples really end.

A size that is too small, too large, zero or cut to 32 bits does not decide: what follows the
announced end does. It is other chunks, another file, or sound.
"""

import math
import struct
from typing import NamedTuple

from hrin_plugin.audio.frames import find_frames
from hrin_plugin.audio.framing import ADTS, MP3
from hrin_plugin.audio.headers import patched
from hrin_plugin.audio.junk import is_no_sound
from hrin_plugin.audio.notes import BEYOND, Note, missing
from hrin_plugin.audio.parts import Part
from hrin_plugin.audio.pieces import Span
from hrin_plugin.audio.tags import after_tags

#: Sizes that programs announce when the size is not known, as in a pipe or before the end.
_UNKNOWN_SIZES = {
    0,
    8,
    0x7FFFF000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFDB,
    0xFFFFFFFF,
    (1 << 63) - 1,
    (1 << 64) - 1,
}

#: Bytes at the end in which chunks after samples of unknown size are looked for.
_SEARCHED_BYTES = 1 << 20

_TRAILERS = (
    b"LIST",
    b"id3 ",
    b"ID3 ",
    b"bext",
    b"iXML",
    b"cue ",
    b"smpl",
    b"fact",
    b"JUNK",
    b"PAD ",
    b"_PMX",
)
_TRAILERS += (
    b"afsp",
    b"umid",
    b"levl",
    b"axml",
    b"DISP",
    b"inst",
    b"plst",
    b"aXML",
    b"cart",
    b"NAME",
    b"ANNO",
)
_TRAILERS += (
    b"AUTH",
    b"(c) ",
    b"MARK",
    b"COMT",
    b"APPL",
    b"info",
    b"free",
    b"peak",
    b"PEAK",
    b"elm1",
    b"minf",
)


class Layout(NamedTuple):
    """Layout of the chunks of a file type."""

    first: int  # byte at which the first chunk begins
    header: str  # a chunk's header: its name and its size
    samples_id: bytes  # first bytes of the name of the chunk with the samples
    multiple: int  # a chunk takes a multiple of so many bytes
    before: int = 0  # bytes of the chunk before the first sample
    counts_header: bool = False  # whether a chunk's size counts its header

    @property
    def header_bytes(self):
        """Size of a chunk's header."""
        return struct.calcsize(self.header)


_LAYOUTS = {
    b"RIFF": Layout(12, "<4sI", b"data", 2),
    b"RF64": Layout(12, "<4sI", b"data", 2),
    b"BW64": Layout(12, "<4sI", b"data", 2),
    b"RIFX": Layout(12, ">4sI", b"data", 2),
    b"FORM": Layout(12, ">4sI", b"SSND", 2, before=8),
    b"caff": Layout(8, ">4sQ", b"data", 1, before=4),
    b"riff": Layout(40, "<16sQ", b"data", 8, counts_header=True),
}


class Walk:
    """One file of chunks, from its beginning to the end of what belongs to it."""

    def __init__(self, window, start):
        self.window, self.start = window, start
        self.magic = window.get(start, 4)
        self.layout = _LAYOUTS[self.magic]
        self.data, self.notes, self.rate, self.frame_bytes, self.n_channels = [], [], None, 0, 0
        self.wide, self.size_at, self.announced, self.is_true = None, None, 0, True
        self.position = start + self.layout.first
        while self._chunk():
            pass

    def _chunk(self):
        """Read one chunk; False at the end."""
        name, size, begin = self._header(self.position)
        if name is None:
            return False
        if name == b"ds64":
            self.wide = struct.unpack("<Q", self.window.get(begin + 8, 8).ljust(8, b"\0"))[0]
        self._learn(name, begin, size)
        if name.startswith(self.layout.samples_id):
            return self._samples(begin, size)
        if begin + size > self.window.size + self.layout.multiple:
            return False
        self.position = self._after(begin, size)
        return True

    def _header(self, position):
        """Name and size of a chunk, and where its content begins; a name of None for no chunk."""
        layout = self.layout
        header = self.window.get(position, layout.header_bytes)
        if len(header) < layout.header_bytes:
            return None, 0, position
        name, size = struct.unpack(layout.header, header)
        if not all(32 <= byte < 127 for byte in name[:4]) or name in _LAYOUTS and layout.header_bytes == 8:
            return None, 0, position
        if layout.counts_header:
            size -= layout.header_bytes
        return (name, size, position + layout.header_bytes) if size >= 0 else (None, 0, position)

    def _after(self, begin, size):
        """Where the next chunk begins; some programs leave out the padding."""
        end = begin + size
        padded = end + -(size + (self.layout.header_bytes % self.layout.multiple)) % self.layout.multiple
        return end if padded != end and self._is_end(end) and not self._is_end(padded) else padded

    def _learn(self, name, begin, size):
        """Sample rate and size of a frame of samples."""
        head = self.window.get(begin, 40)
        if len(head) < 32 and name[:4] in (b"fmt ", b"desc") or len(head) < 18:
            return
        if name[:4] == b"fmt ":
            order = ">" if self.magic == b"RIFX" else "<"
            self.tag, self.n_channels, self.rate, _, block = struct.unpack(order + "HHIIH", head[:14])
            is_pcm = self.tag in (1, 3, 6, 7, 0xFFFE)
            self.frame_bytes = block if is_pcm else 0
        elif name == b"COMM":
            self.n_channels, _, bits, exponent, mantissa = struct.unpack(">hIhHQ", head[:18])
            self.rate = int(math.ldexp(mantissa, (exponent & 0x7FFF) - 16446)) if exponent < 16500 else 0
            is_pcm = self.window.get(self.start + 8, 4) == b"AIFF" or head[18:22] in _PCM_TYPES
            self.frame_bytes = self.n_channels * (-(-bits // 8)) if is_pcm else 0
            self.frames_at = begin + 2
        elif name == b"desc":
            rate, kind, _, n_bytes, _, self.n_channels, _ = struct.unpack(">d4s5I", head[:32])
            self.rate = int(rate) if 0 < rate < 1e7 else 0
            self.frame_bytes = n_bytes if kind in (b"lpcm", b"ulaw", b"alaw") else 0

    def _samples(self, begin, size):
        """The chunk with the samples; False if nothing comes after it."""
        wide = self.wide if size == 0xFFFFFFFF and self.wide else None
        size = wide or size
        begin, size = begin + self.layout.before, max(size - self.layout.before, 0)
        end, held = begin + size, self.window.size - begin
        is_unknown = (size + self.layout.before) & 0xFFFFFFFF in _UNKNOWN_SIZES and not wide
        is_unknown = is_unknown or (size + self.layout.before) in _UNKNOWN_SIZES
        if not self.data:
            self.size_at = begin - self.layout.before - self.layout.header_bytes
            self.first, self.announced = begin, size
        if size > 0 and end <= self.window.size and self._is_end(self._after(begin, size)):
            self.data.append(Span(begin, end))
            self.position = self._after(begin, size)
            return True
        if size == 0 and self._is_end(begin):
            self.position = begin
            return begin < self.window.size
        if end > self.window.size and not is_unknown:
            self.data.append(Span(begin, self.window.size))
            self.position = self.window.size
            why = f"the header announces {size} bytes of samples, the file holds {held}"
            self.notes.append(Note(missing(why), self.seconds_of(held)))
            return False
        return self._beyond(begin, size, is_unknown)

    def _beyond(self, begin, size, is_unknown):
        """Samples that go on behind their announced end, or have none."""
        window, announced_end = self.window, begin + size
        step, wrapped = 1 << 32, begin + size + (1 << 32)
        while wrapped <= window.size and not self._is_end(self._after(begin, wrapped - begin)):
            wrapped += step
        is_wrapped = wrapped <= window.size and not is_unknown
        end = wrapped if is_wrapped else self._trailer(max(begin, window.size - _SEARCHED_BYTES))
        self.position = self._after(begin, end - begin) if is_wrapped else end
        if not is_wrapped and not is_unknown:
            rest = after_tags(window, announced_end)
            rest += len(window.get(rest, 1 << 16)) - len(window.get(rest, 1 << 16).lstrip(b"\0"))
            if end - rest < 64 or is_no_sound(window, begin, rest, end):
                if end - rest > 0:
                    text = f"{end - rest} bytes after the announced end are no samples and are left out"
                    self.notes.append(Note(text, is_fault=False))
                self.data.append(Span(begin, announced_end))
                return False
            self.notes.append(Note(BEYOND, self.seconds_of(size), is_fault=False))
        self.is_true = False
        self.data.append(Span(begin, end))
        return self.position < window.size

    def _is_end(self, position):
        """Whether sound may end here: chunks follow up to the end of the file, another file, or nothing."""
        for _ in range(10_000):
            left = self.window.size - position
            if left <= 1:
                return left >= 0
            if self._begins_file(position):
                return True
            name, size, begin = self._header(position)
            is_known = name in _TRAILERS
            if name is None or (begin + size > self.window.size + 1 and not is_known):
                return after_tags(self.window, position) >= self.window.size - 1
            position = begin + size + -size % self.layout.multiple
        return False

    def _begins_file(self, position):
        """Whether another file begins here."""
        position = after_tags(self.window, position)
        if any(find_frames(self.window, kind, position, position + 1) is not None for kind in (MP3, ADTS)):
            return True
        head = self.window.get(position, 12)
        is_wave = head[:4] in (b"RIFF", b"RF64", b"BW64", b"RIFX") and head[8:] == b"WAVE"
        is_aiff = head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC")
        is_w64 = head == b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"[:12]
        return (
            is_wave
            or is_aiff
            or is_w64
            or head[:6] == b"caff\0\1"
            or head[:4] in (b"OggS", b"fLaC")
            or head[4:8] == b"ftyp"
        )

    def _trailer(self, position):
        """Where chunks begin that stand at the end of the file after samples of unknown size."""
        data = self.window.get(position, self.window.size - position)
        found = [position + at for name in _TRAILERS if (at := data.find(name)) >= 0]
        return min((at for at in found if self._is_end(at)), default=self.window.size)

    def seconds_of(self, n_bytes):
        """Length of so many bytes of samples; None where it cannot be told."""
        n_bytes += sum(span.size for span in self.data[:-1])
        return n_bytes // self.frame_bytes / self.rate if self.rate and self.frame_bytes else None

    def part(self):
        """The Part of this file."""
        end = min(self.position, self.window.size)
        n_bytes = sum(span.size for span in self.data)
        is_plain = self.is_true and len(self.data) == 1 and self.magic != b"BW64" and not self.notes
        if not self.data:
            pieces = (Span(self.start, end),)
        elif is_plain:
            whole = end if end < self.window.size or self.start else self.window.size
            pieces = (Span(self.start, whole),)
        else:
            pieces = patched(self, n_bytes)
        length_s = self.seconds_of(self.data[-1].size) if self.data else None
        return Part(pieces, sample_rate=self.rate or None, length_s=length_s, notes=tuple(self.notes))


_PCM_TYPES = (
    b"NONE",
    b"sowt",
    b"twos",
    b"raw ",
    b"in24",
    b"in32",
    b"fl32",
    b"FL32",
    b"fl64",
    b"FL64",
    b"ulaw",
    b"alaw",
)


def count_chunks(window, start):
    """The files of chunks in a file, one after another.

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

    Example
    -------
    >>> import io, soundfile
    >>> from hrin_plugin.audio.pieces import Window
    >>> file = io.BytesIO()
    >>> soundfile.write(file, [0.0] * 100, 8000, format="WAV")
    >>> parts, end = count_chunks(Window(io.BytesIO(2 * file.getvalue())), 0)
    >>> [part.length_s for part in parts], end
    ([0.0125, 0.0125], 488)
    """
    parts = []
    while is_of_chunks(window, start):
        walk = Walk(window, start)
        parts.append(walk.part())
        start = max(walk.position, start + 12)
    return parts, start


def is_of_chunks(window, position):
    """Whether a file of chunks with sound begins here.

    Example
    -------
    >>> import io
    >>> from hrin_plugin.audio.pieces import Window
    >>> is_of_chunks(Window(io.BytesIO(b"RIFF....AVI LIST")), 0)
    False
    """
    head = window.get(position, 12)
    kinds = {b"RIFF": b"WAVE", b"RF64": b"WAVE", b"BW64": b"WAVE", b"RIFX": b"WAVE"}
    if head[:4] == b"FORM":
        return head[8:] in (b"AIFF", b"AIFC")
    return head[:4] in (b"caff", b"riff") or (head[:4] in kinds and head[8:] == kinds[head[:4]])
