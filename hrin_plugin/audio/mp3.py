"""Headers of MPEG audio frames (MP3, MP2, MP1)."""

import struct

#: Frames in a row that make a stream; random data has four in less than one place in 10^20.
FRAMES_IN_A_ROW = 4

#: Bytes before the first whole frame, where a broadcast was cut in: the longest frame and some.
SEARCHED_BYTES = 4096

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}

#: kbit/s by whether it is MPEG 1 and by layer.
_BIT_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}

#: Samples by which a decoder is late.
_DECODER_DELAY = 529


def first_frame(file, position, searched_bytes):
    """Position of the first of several MPEG frames in a row, or None.

    Arguments
    ---------
    file : io.BufferedIOBase
        An open file, read in binary.
    position : int
        Start of the search; an ID3 tag there is skipped.
    searched_bytes : int
        Search range after the tag, in bytes.

    Returns
    -------
    int or None
        Position in the file, in bytes.

    Example
    -------
    >>> import io
    >>> frame = bytes([0xFF, 0xFB, 0x90, 0xC0]) + bytes(413)
    >>> first_frame(io.BytesIO(b"junk" + 4 * frame), 0, 100)
    4
    """
    file.seek(position)
    while len(tag := file.read(10)) == 10 and tag[:3] == b"ID3":
        size = sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0)))
        position += 10 + size
        file.seek(position)
    file.seek(position)
    data = file.read(searched_bytes + FRAMES_IN_A_ROW * SEARCHED_BYTES)
    found = (start for start in range(searched_bytes + 1) if _is_stream(data, start))
    return next((position + start for start in found), None)


def _is_stream(data, start):
    """Whether several frames of one kind follow from this position."""
    kind = None
    for _ in range(FRAMES_IN_A_ROW):
        header = data[start : start + 4]
        length = _frame_length(header)
        if length is None or kind not in (None, (header[1] & 0x1E, header[2] & 0x0C)):
            return False
        kind, start = (header[1] & 0x1E, header[2] & 0x0C), start + length
    return True


def _frame_length(header):
    """Length in bytes of the frame with this header; None for an invalid header."""
    told = frame_of(header)
    return told and told[0]


def frame_of(header):
    """Length in bytes, samples of each channel and sample rate of a frame.

    Arguments
    ---------
    header : bytes
        Its first four bytes.

    Returns
    -------
    tuple of (int, int, int) or None
        None for an invalid header.

    Example
    -------
    >>> frame_of(bytes([0xFF, 0xFB, 0x90, 0xC0]))
    (417, 1152, 44100)
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    bits_s = 1000 * _BIT_RATES[version == 3, layer][bit_rate - 1]
    sample_rate, padding = _RATES[version][rate], header[2] >> 1 & 1
    if layer == 1:
        return 4 * (12 * bits_s // sample_rate + padding), 384, sample_rate
    n_samples = 576 if layer == 3 and version != 3 else 1152
    return n_samples // 8 * bits_s // sample_rate + padding, n_samples, sample_rate


def xing_counts(frame):
    """Numbers of frames and bytes in a Xing header; 0 where it gives none.

    Arguments
    ---------
    frame : bytes
        The first frame of a recording, or the beginning of it.

    Returns
    -------
    tuple of (int, int) or None
        None where the frame is no such header.

    Example
    -------
    >>> xing_counts(bytes([0xFF, 0xFB, 0x90, 0xC0]) + bytes(413)) is None
    True
    """
    is_mpeg_1, is_mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    at = mark_position(is_mpeg_1, is_mono)
    if frame[at : at + 4] not in (b"Xing", b"Info") or len(frame) < at + 16:
        return None
    flags, *numbers = struct.unpack(">3I", frame[at + 4 : at + 16])
    n_frames = numbers.pop(0) if flags & 1 else 0
    return n_frames, numbers[0] if flags & 2 else 0


def encoder_gap(frame):
    """Samples that the encoder put before and after the sound, from the LAME part of a Xing header.

    Decoders that know them leave them out, and 529 samples of their own delay.

    Arguments
    ---------
    frame : bytes
        The first frame of a recording, or the beginning of it.

    Returns
    -------
    tuple of (int, int)
        Samples of each channel before and after; zeros where the frame tells none.

    Example
    -------
    >>> head = bytes([0xFF, 0xFB, 0x90, 0xC0]) + bytes(17) + b"Info" + bytes(4)
    >>> encoder_gap(head + b"LAME3.100" + bytes(12) + bytes([0x24, 0x04, 0x80]))
    (1105, 623)
    """
    if xing_counts(frame) is None:
        return 0, 0
    at = mark_position(frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3)
    flags = frame[at + 7]
    at += 8 + sum(n_bytes for bit, n_bytes in enumerate((4, 4, 100, 4)) if flags >> bit & 1)
    told = frame[at + 21 : at + 24]
    if len(told) < 3 or frame[at : at + 4] not in (b"LAME", b"Lavf", b"Lavc", b"GOGO") or not any(told):
        return 0, 0
    before, after = told[0] << 4 | told[1] >> 4, (told[1] & 15) << 8 | told[2]
    return before + _DECODER_DELAY, max(after - _DECODER_DELAY, 0)


def mark_position(is_mpeg_1, is_mono):
    """Where in a frame the name of a Xing header stands, in bytes.

    Example
    -------
    >>> mark_position(True, False)
    36
    """
    return 4 + {(True, False): 32, (False, True): 9}.get((is_mpeg_1, is_mono), 17)
