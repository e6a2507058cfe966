"""MPEG audio (MP3, MP2), presented to libsndfile so that it reads the whole file.

libsndfile derives the length from the file size and the first frame, or from the first Xing
header. It therefore reads only part of files with variable bit rate without a Xing header, and
of several recordings joined byte by byte.
"""

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

#: Shown where the length is not known; libsndfile's guess of it then never ends before the file.
_ENDLESS = 1 << 50


class Mp3File:
    """The MPEG audio in a file, as a file that starts at a frame.

    Tags before the first frame are skipped. A Xing header is skipped if the file continues
    after its announced end, as in joined recordings. Without a header, the reported size
    is unlimited.

    Arguments
    ---------
    file : io.BufferedIOBase
        An open file, read in binary.
    searched_bytes : int
        Search range for the first frame after the tags, in bytes.

    Raises
    ------
    ValueError
        If the file holds no MPEG audio there.

    Example
    -------
    >>> import io
    >>> frame = bytes([0xFF, 0xFB, 0x90, 0xC0]) + bytes(413)  # 128 kbit/s at 44.1 kHz, mono
    >>> Mp3File(io.BytesIO(5 * frame)).announced
    False
    """

    def __init__(self, file, searched_bytes=0):
        self._file, self._shown_end = file, None
        self._start = first_frame(file, 0, searched_bytes)
        if self._start is None:
            raise ValueError("holds no MPEG audio")
        file.seek(self._start)
        frame = file.read(SEARCHED_BYTES)
        n_frames, n_bytes = _xing(frame)
        #: Whether a header tells the number of samples.
        self.announced = n_frames > 0
        if n_bytes and first_frame(file, self._start + n_bytes, SEARCHED_BYTES) is not None:
            self.announced = False
            self._start += _frame_length(frame)
        # With a true header, libsndfile warns of a size that does not fit it.
        self._shown_size = file.seek(0, 2) - self._start if self.announced else _ENDLESS
        self.seek(0)

    def goes_on(self):
        """Whether unread frames follow; call it last, since it moves the position."""
        return first_frame(self._file, self._file.tell(), SEARCHED_BYTES) is not None

    def read(self, size):
        """Read bytes; a truncated last frame is padded with zeros."""
        data = self._file.read(size)
        is_cut_frame = 0 < len(data) < size and size > 4
        return data + bytes(size - len(data)) if is_cut_frame else data

    def seek(self, offset, whence=0):
        """Move within the audio; without a header, the end is reported beyond every frame."""
        self._shown_end = self._shown_size + offset if whence == 2 else None
        if whence == 2:
            return self._shown_end
        return self._file.seek(offset + (self._start if whence == 0 else 0), whence) - self._start

    def tell(self):
        """Position within the audio."""
        return self._file.tell() - self._start if self._shown_end is None else self._shown_end


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
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    bits_s = 1000 * _BIT_RATES[version == 3, layer][bit_rate - 1]
    padding = header[2] >> 1 & 1
    if layer == 1:
        return 4 * (12 * bits_s // _RATES[version][rate] + padding)
    return (72 if layer == 3 and version != 3 else 144) * bits_s // _RATES[version][rate] + padding


def _xing(frame):
    """Numbers of frames and bytes in a Xing header; 0 where it gives none."""
    is_mpeg_1, is_mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    at = 4 + {(True, False): 32, (False, True): 9}.get((is_mpeg_1, is_mono), 17)
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        return 0, 0
    flags, *numbers = struct.unpack(">3I", frame[at + 4 : at + 16])
    n_frames = numbers.pop(0) if flags & 1 else 0
    return n_frames, numbers[0] if flags & 2 else 0
