"""WAV files of 10 hours, over 4 GiB: their header cannot tell their size, and all of them is read."""

import os
import struct
from pathlib import Path

import numpy as np
import soxr

from soak_parts.long import judge, programme, repeat

HOURS, RATE, CHANNELS = 10, 44100, 2
BYTES_A_SECOND = RATE * CHANNELS * 2

#: What recorders leave in the size field of the samples, from their number of bytes.
SIZE_FIELDS = {
    "unknown": lambda n_bytes: 0xFFFFFFFF,
    "wrapped": lambda n_bytes: n_bytes % 2**32 if n_bytes >= 2**32 else n_bytes // 3 // 4 * 4,
    "zero": lambda n_bytes: 0,
}


def verdicts(folder, scale, seed):
    """Write one WAV file with each of the size fields in turn, and judge the result of detection.

    Arguments
    ---------
    folder : str
        Where it goes; 6.4 GB at full scale, removed at the end. Below 0.7, it has less than 4 GiB.
    scale : float
        Share of 10 hours.
    seed : int
        Random seed.

    Yields
    ------
    tuple of (str, str)
        Kind and reason, one a size field.
    """
    mono = soxr.resample(programme(folder, seed), 8000, RATE)
    sound = (np.clip(np.stack([mono, 0.8 * mono], axis=1), -1, 1) * 32767).astype("<i2")
    length_s = round(HOURS * 3600 * scale)
    source = Path(folder, "source.wav")
    with open(source, "wb") as file:
        file.write(_header(0))
        last = repeat(sound, length_s * RATE, lambda part: file.write(part.tobytes()))
    for name, field in SIZE_FIELDS.items():
        path = Path(folder, f"{name}.wav")
        os.rename(source, path)
        with open(path, "r+b") as file:
            file.write(_header(field(length_s * BYTES_A_SECOND)))
        kind, why = judge(path.name, float(length_s), last, RATE, folder)
        yield kind, why
        source = path
    source.unlink()


def _header(size):
    """The first 44 bytes of a WAV file of 16 bits."""
    form = struct.pack("<HHIIHH", 1, CHANNELS, RATE, BYTES_A_SECOND, CHANNELS * 2, 16)
    whole = struct.pack("<I", min(size + 36, 0xFFFFFFFF))
    return b"RIFF" + whole + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size)
