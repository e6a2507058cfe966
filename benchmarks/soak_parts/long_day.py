"""A recording of 24 hours: its result has its length, and the right times at its end."""

from pathlib import Path

import soundfile

from soak_parts.long import judge, programme, repeat

HOURS, RATE = 24, 8000


def verdicts(folder, scale, seed):
    """Write a day as FLAC, and judge the result of detection.

    Arguments
    ---------
    folder : str
        Where it goes; 700 MB at full scale.
    scale : float
        Share of 24 hours.
    seed : int
        Random seed.

    Yields
    ------
    tuple of (str, str)
        Kind and reason.
    """
    sound = programme(folder, seed)
    n_samples = round(HOURS * 3600 * scale) * RATE
    with soundfile.SoundFile(Path(folder, "day.flac"), "w", RATE, 1, "PCM_16") as file:
        last = repeat(sound, n_samples, file.write)
    yield judge("day.flac", n_samples / RATE, last, RATE, folder)
