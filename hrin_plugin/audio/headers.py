"""Headers of files of chunks, with the true size of the samples."""

import struct

from hrin_plugin.audio.pieces import Span

#: Largest size of a RIFF file; longer ones are presented as RF64.
_LONGEST_RIFF = (1 << 32) - 4096


def patched(walk, n_bytes):
    """A header with the true size, and the samples, as pieces.

    Arguments
    ---------
    walk : Walk
        The file of chunks.
    n_bytes : int
        How many bytes of samples it holds.

    Returns
    -------
    tuple of (bytes or Span)
        To be presented one after another.
    """
    if walk.frame_bytes:
        n_bytes -= n_bytes % walk.frame_bytes
    head = bytearray(walk.window.get(walk.start, walk.first - walk.start))
    size_at = walk.size_at - walk.start
    if walk.magic in (b"RIFF", b"RF64", b"BW64"):
        head = _riff(bytes(head[12:size_at]), n_bytes, walk.frame_bytes)
    elif walk.layout.header_bytes == 8:
        _patch_narrow(walk, head, size_at, n_bytes)
    else:
        _patch_wide(walk, head, size_at, n_bytes)
    return (bytes(head), *_cut(walk.data, n_bytes))


def _riff(chunks, n_bytes, frame_bytes):
    """Header of a WAV file with these chunks before its samples; RF64 if it is long."""
    while (at := chunks.find(b"ds64")) >= 0:
        chunks = chunks[:at] + chunks[at + 8 + int.from_bytes(chunks[at + 4 : at + 8], "little") :]
    if n_bytes <= _LONGEST_RIFF:
        sizes = struct.pack("<I", n_bytes + len(chunks) + 12), struct.pack("<I", n_bytes)
        return b"RIFF" + sizes[0] + b"WAVE" + chunks + b"data" + sizes[1]
    sizes = 28, n_bytes + len(chunks) + 48, n_bytes, n_bytes // (frame_bytes or 1), 0
    return b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<I3QI", *sizes) + chunks + b"data\xff\xff\xff\xff"


def _patch_narrow(walk, head, size_at, n_bytes):
    """Write sizes of 32 bits into a header."""
    order, longest = walk.layout.header[0], 0xFFFFFFFF
    head[size_at + 4 : size_at + 8] = struct.pack(order + "I", min(n_bytes + walk.layout.before, longest))
    head[4:8] = struct.pack(order + "I", min(len(head) - 8 + n_bytes, longest))
    if walk.magic == b"FORM" and walk.frame_bytes:
        at = walk.frames_at - walk.start
        head[at : at + 4] = struct.pack(">I", min(n_bytes // walk.frame_bytes, longest))


def _patch_wide(walk, head, size_at, n_bytes):
    """Write sizes of 64 bits into a header."""
    layout = walk.layout
    counted = n_bytes + layout.before + (layout.header_bytes if layout.counts_header else 0)
    end = size_at + layout.header_bytes
    head[end - 8 : end] = struct.pack(layout.header[0] + "Q", counted)
    if walk.magic == b"riff":
        head[16:24] = struct.pack("<Q", len(head) + n_bytes)


def _cut(spans, n_bytes):
    """The spans of the samples, whole frames of them."""
    for span in spans:
        yield Span(span.start, span.start + min(span.size, n_bytes))
        n_bytes -= min(span.size, n_bytes)
