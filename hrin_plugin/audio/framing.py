"""Kinds of frames: MPEG audio and AAC in ADTS, and what their headers tell."""

import re
from typing import NamedTuple

from hrin_plugin.audio.mp3 import frame_of

_MP3_HEADER = re.compile(rb"\xff[\xe2-\xff]")
_ADTS_HEADER = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")
_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


class Frame(NamedTuple):
    """What the header of a frame tells."""

    size: int  # in bytes
    kind: tuple  # equal for all frames of a stream
    n_samples: int
    sample_rate: int


class Framing(NamedTuple):
    """A kind of frames: how a header looks, and how it is read."""

    form: str  # the name that ffmpeg has for it
    by: str  # what decodes it
    header: re.Pattern
    header_bytes: int
    read: object  # takes a header, gives a Frame or None


def adts_frame(header):
    """What the header of an AAC frame tells.

    Arguments
    ---------
    header : bytes
        Seven bytes.

    Returns
    -------
    Frame or None
        None for anything else.

    Example
    -------
    >>> adts_frame(bytes.fromhex("fff15080017ffc")).sample_rate
    44100
    """
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    rate = header[2] >> 2 & 15
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if rate >= len(_ADTS_RATES) or size < 8:
        return None
    kind = (header[1] & 0x08, header[2] & 0xFD, header[3] & 0xC0)
    return Frame(size, kind, 1024 * (1 + (header[6] & 3)), _ADTS_RATES[rate])


_known_headers = {}


def mp3_frame(header):
    """What the header of an MPEG audio frame tells.

    Arguments
    ---------
    header : bytes
        Four bytes.

    Returns
    -------
    Frame or None
        None for anything else.

    Example
    -------
    >>> mp3_frame(bytes([0xFF, 0xFB, 0x90, 0xC0]))
    Frame(size=417, kind=(250, 0, True), n_samples=1152, sample_rate=44100)
    """
    if header not in _known_headers:
        told = frame_of(header)
        kind = told and (header[1] & 0xFE, header[2] & 0x0C, header[3] >> 6 == 3)
        _known_headers[header] = told and Frame(told[0], kind, *told[1:])
    return _known_headers[header]


MP3 = Framing("mp3", "libsndfile", _MP3_HEADER, 4, mp3_frame)
ADTS = Framing("aac", "ffmpeg", _ADTS_HEADER, 7, adts_frame)
