"""Thousands of short recordings, of which some are bad: each bad one is reported, each good one done."""

import shutil
from pathlib import Path

import numpy as np
import soundfile

from soak_parts.bad_files import BAD, write_bad
from soak_parts.common import detect, leftovers, tiny_model, write_noise

FILES, BAD_SHARE = 5000, 0.02

#: Suffix, seconds, samples a second and channels of good recordings.
GOOD = (
    (".wav", 0.5, 8000, 1),
    (".wav", 1.3, 44100, 2),
    (".flac", 1.0, 16000, 1),
    (".flac", 0.7, 48000, 2),
    (".ogg", 1.1, 44100, 1),
    (".mp3", 0.9, 24000, 1),
    (".aiff", 0.8, 22050, 1),
    (".au", 0.6, 11025, 1),
)

#: How far the end of a result may be from that of its recording: a frame of MP3, in seconds.
TOLERANCE_S = 0.1


def verdicts(folder, scale, seed):
    """Detect in good and bad files, twice: the second run must find the good ones finished.

    Arguments
    ---------
    folder : str
        Where the files go.
    scale : float
        Share of ``FILES``; each kind of bad file comes once at least.
    seed : int
        Random seed.

    Yields
    ------
    tuple of (str, str)
        Kind and reason, one a file.
    """
    rng, options = np.random.default_rng(seed), tiny_model(folder)
    files = _write_files(Path(folder), max(50, round(FILES * scale)), rng)
    done = detect("in", "--output", "out", "--jobs", "2", *options, folder=folder)
    again = detect("in", "--output", "out", "--jobs", "2", *options, folder=folder)
    for path, length_s in files.items():
        kind, why = _judge(path, length_s, Path(folder), done.stderr, again.stderr)
        yield kind, f"{path}: {why}"
    n_good = sum(length_s is not None for length_s in files.values())
    if (
        done.returncode != 1
        or f"{n_good} of {len(files)} recordings were finished before" not in again.stderr
    ):
        yield "silently wrong", f"exit status {done.returncode}; the second run said {again.stderr[-300:]}"
    for name in leftovers(Path(folder, "out")):
        yield "silently wrong", f"{name} is left over"


def _write_files(folder, count, rng):
    """Write files in several folders; the length in seconds by path, None for a bad one."""
    sources = {}
    for number, (suffix, seconds, rate, channels) in enumerate(GOOD):
        path = folder / f"source{number}{suffix}"
        write_noise(path, seconds, rng, rate, channels)
        sources[path] = soundfile.info(path).duration
    n_bad = max(len(BAD), round(count * BAD_SHARE))
    places = set(rng.choice(count, n_bad, replace=False).tolist())
    kinds, files = [*BAD] * -(-n_bad // len(BAD)), {}
    for number in range(count):
        path = folder / "in" / f"day{number % 7}" / f"{number:05d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number in places:
            path, length_s = write_bad(path, kinds.pop(), rng), None
        else:
            source = list(sources)[number % len(sources)]
            path, length_s = path.with_suffix(source.suffix), sources[source]
            shutil.copyfile(source, path)
        files[path.relative_to(folder).as_posix()] = length_s
    return files


def _judge(path, length_s, folder, said, said_again):
    """What became of a file."""
    result = (folder / "out" / path.removeprefix("in/")).with_suffix(".tsv")
    reported = f"{path}: " in said
    if length_s is None:
        if result.exists() or not reported or f"{path}: " not in said_again:
            return "silently wrong", "a bad file that was not reported, or has a result"
        return "reported", ""
    if reported or not result.exists():
        return "lost", "a good file that has no result, or was reported"
    end_s = float(result.read_text().splitlines()[-1].split("\t")[1])
    if abs(end_s - length_s) > TOLERANCE_S:
        return "silently wrong", f"its result ends at {end_s} s, the recording at {length_s} s"
    return "right", ""
