"""FLAC: how many samples a file really holds, told by its last frame, and files in a row."""

import functools

from hrin_plugin.audio.notes import Note, missing
from hrin_plugin.audio.parts import Part
from hrin_plugin.audio.pieces import Span

#: Bytes at the end in which the last frame is looked for; a frame of 65535 samples is longer at most.
_SEARCHED_BYTES = 1 << 17

_SIZES = {
    1: 192,
    **{code: 576 << code - 2 for code in range(2, 6)},
    **{code: 256 << code - 8 for code in range(8, 16)},
}


def count_flac(window, start):
    """The FLAC files in a file, one after another.

    Arguments
    ---------
    window : Window
        The file.
    start : int
        Where the first begins.

    Returns
    -------
    list of Part
        One for each; one that holds another number of samples than it announces is for ffmpeg.
    """
    starts, position = [start], start
    while (position := window.find(b"fLaC", position + 1, window.size)) >= 0:
        if window.get(position + 4, 4) in (b"\0\0\0\x22", b"\x80\0\0\x22"):
            starts.append(position)
    starts.append(window.size)
    return [_part(window, *span) for span in zip(starts, starts[1:])]


def _part(window, start, end):
    """One of the files."""
    info = window.get(start + 8, 34)
    packed = int.from_bytes(info[10:18], "big")
    sample_rate, announced = packed >> 44, packed & (1 << 36) - 1
    if not sample_rate:
        return Part((Span(start, end),), by="ffmpeg")
    block = int.from_bytes(info[0:2], "big")
    held = _samples_to_the_end(window, start, end, block)
    notes = []
    if held is not None and held < announced:
        notes.append(
            Note(missing(f"the header announces {announced / sample_rate:.3f} s"), held / sample_rate)
        )
    length_s = max(announced, held or 0) / sample_rate or None
    is_true = held in (None, announced) or not announced
    return Part(
        (Span(start, end),),
        by="libsndfile" if is_true else "ffmpeg",
        sample_rate=sample_rate,
        length_s=None if notes else length_s,
        notes=tuple(notes),
    )


def _samples_to_the_end(window, start, end, block):
    """Samples up to the end of the last frame; None where no whole frame stands at the end."""
    data_start = max(start + 42, end - _SEARCHED_BYTES)
    data = window.get(data_start, end - data_start)
    if data[-128:-125] == b"TAG":
        data = data[:-128]
    data = data.rstrip(b"\0") + bytes(2) if data.endswith(bytes(64)) else data
    at = len(data)
    while (at := data.rfind(b"\xff", 0, at)) >= 0:
        if data[at + 1 : at + 2] in (b"\xf8", b"\xf9"):
            samples = _frame_end(data[at : at + 16], block)
            if samples is not None and _crc(data[at:], 0x8005, 16) == 0:
                return samples
    return None


def _frame_end(header, block):
    """The sample at which a frame ends, from its header; None for anything else."""
    if len(header) < 6:
        return None
    size_code, lead = header[2] >> 4, header[4]
    n_more = 0 if lead < 0x80 else 8 - (lead ^ 0xFF).bit_length() - 1
    if lead in range(0x80, 0xC0) or lead == 0xFF:
        return None
    number = lead if lead < 0x80 else lead & (0x3F >> n_more)
    for byte in header[5 : 5 + n_more]:
        number = number << 6 | byte & 0x3F
    at = 5 + n_more
    n_size = {6: 1, 7: 2}.get(size_code, 0)
    size = _SIZES.get(size_code) or int.from_bytes(header[at : at + n_size], "big") + 1
    at += n_size + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    if size_code == 0 or _crc(header[: at + 1], 0x07, 8) != 0:
        return None
    return number * (1 if header[1] & 1 else block) + size


def _crc(data, polynomial, n_bits):
    """Checksum of bytes, most significant bit first; 0 where their own checksum is at their end."""
    table, checksum, mask, shift = _table(polynomial, n_bits), 0, (1 << n_bits) - 1, n_bits - 8
    for byte in data:
        checksum = checksum << 8 & mask ^ table[checksum >> shift ^ byte]
    return checksum


@functools.cache
def _table(polynomial, n_bits):
    """The checksum of each byte."""
    table = []
    for byte in range(256):
        value = byte << n_bits - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value >> n_bits - 1 else 0)) & (1 << n_bits) - 1
        table.append(value)
    return table
