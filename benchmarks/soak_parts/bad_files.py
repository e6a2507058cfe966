"""Twenty-five kinds of files that are no usable recordings, though they have the suffix of one."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import soundfile

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde"


def wav(rate=8000, channels=1, bits=16, kind=1, data=b"", n_bytes=None):
    """A WAV file from the fields of its header.

    Example
    -------
    >>> len(wav(data=bytes(10)))
    54
    """
    n_bytes = len(data) if n_bytes is None else n_bytes
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits)
    head = b"RIFF" + struct.pack("<I", 36 + n_bytes) + b"WAVEfmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", n_bytes) + data


def floats_wav(value):
    """A WAV file of floats, in whose middle a value stands."""
    sound = np.zeros(8000, dtype=np.float32)
    sound[4000] = value
    return wav(bits=32, kind=3, data=sound.tobytes())


def broken_flac(rng):
    """A FLAC file that is random behind its header."""
    file = io.BytesIO()
    soundfile.write(file, 0.1 * rng.standard_normal(16000), 8000, format="FLAC")
    whole = file.getvalue()
    return whole[:42] + rng.bytes(len(whole) // 2)


def zipped():
    """A zip file that holds a text."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "no sound")
    return file.getvalue()


#: Suffix and content of each kind, from a random generator; None for a link to nothing.
BAD = {
    "empty": (".wav", lambda rng: b""),
    "one byte": (".mp3", lambda rng: b"\0"),
    "text": (".mp3", lambda rng: b"The recording was not found.\n" * 9),
    "web page": (".mp3", lambda rng: b"<!DOCTYPE html><html><body>404</body></html>" * 20),
    "JSON": (".m4a", lambda rng: json.dumps({"error": "gone"}).encode()),
    "XML": (".ogg", lambda rng: b"<?xml version='1.0'?><error>gone</error>"),
    "playlist": (".mp3", lambda rng: b"#EXTM3U\n#EXTINF:10,news\nnews.mp3\n"),
    "zeros": (".wav", lambda rng: bytes(65536)),
    "text of a shell": (".flac", lambda rng: b"#!/bin/sh\nexit 0\n"),
    "picture": (".wav", lambda rng: PNG + rng.bytes(2000)),
    "PDF": (".wav", lambda rng: b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"),
    "zip": (".wav", lambda rng: zipped()),
    "database": (".m4a", lambda rng: b"SQLite format 3\0" + bytes(4080)),
    "RIFF alone": (".wav", lambda rng: b"RIFF"),
    "WAV without samples": (".wav", lambda rng: wav()),
    "WAV without a rate": (".wav", lambda rng: wav(rate=0, data=rng.bytes(8000))),
    "WAV without channels": (".wav", lambda rng: wav(channels=0, data=rng.bytes(8000))),
    "WAV with NaN": (".wav", lambda rng: floats_wav(np.nan)),
    "WAV with infinity": (".wav", lambda rng: floats_wav(np.inf)),
    "FLAC header alone": (".flac", lambda rng: b"fLaC"),
    "FLAC damaged": (".flac", broken_flac),
    "Ogg header alone": (".ogg", lambda rng: b"OggS\0\2" + bytes(22)),
    "MP4 without index": (".m4a", lambda rng: b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom" + rng.bytes(4000)),
    "ID3 tag alone": (".mp3", lambda rng: b"ID3\4\0\0\0\0\7\x76" + bytes(1014)),
    "link to nothing": (".wav", None),
}


def write_bad(path, kind, rng):
    """Write a bad file of a kind.

    Arguments
    ---------
    path : pathlib.Path
        The file without suffix.
    kind : str
        One of ``BAD``.
    rng : numpy.random.Generator
        For what is random in it.

    Returns
    -------
    pathlib.Path
        The file.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> write_bad(folder / "a", "RIFF alone", np.random.default_rng(0)).name
    'a.wav'
    """
    suffix, make = BAD[kind]
    path = Path(f"{path}{suffix}")
    if make is None:
        os.symlink("nowhere", path)
    else:
        path.write_bytes(make(rng))
    return path
