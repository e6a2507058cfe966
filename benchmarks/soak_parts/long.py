"""Long recordings of repeated programmes, and whether a result has their length and the right times."""

from pathlib import Path

import numpy as np
import soundfile

from soak_parts.common import detect

#: Seconds of programme that are repeated.
PROGRAMME_S = 600

#: How far the end of a result may be from that of its recording, in seconds.
TOLERANCE_S = 0.1

#: Share of the time in which the result of a long recording and that of its last part must agree.
AGREEMENT = 0.98


def programme(folder, rng_seed):
    """Music, speech and noises, ``[sample]``, float32, at 8 kHz."""
    from hrin_plugin.audio.signals import read_audio
    from hrin_plugin.mixing import synthesise_miniature

    synthesise_miniature(Path(folder, "programme"), n_excerpts=10, seconds=PROGRAMME_S / 10, seed=rng_seed)
    paths = sorted(Path(folder, "programme", "audio").glob("*.wav"))
    return np.concatenate([read_audio(path, 8000) for path in paths])


def repeat(sound, n_samples, write):
    """Write a sound again and again, up to a number of samples; return the last of them.

    Arguments
    ---------
    sound : numpy.ndarray
        ``[sample]`` or ``[sample, channel]``.
    n_samples : int
        How many are written.
    write : callable
        Takes a part of the sound.

    Returns
    -------
    numpy.ndarray
        As many samples as the sound has, or all if there are fewer.

    Example
    -------
    >>> repeat(np.arange(3), 7, print).tolist()
    [0 1 2]
    [0 1 2]
    [0]
    [1, 2, 0]
    """
    for begin in range(0, n_samples, len(sound)):
        write(sound[: n_samples - begin])
    last = min(n_samples, len(sound))
    return np.take(sound, np.arange(n_samples - last, n_samples) % len(sound), axis=0)


def judge(path, length_s, last, rate, folder):
    """Detect in a long recording with the model that ships, and judge the result.

    Arguments
    ---------
    path : str
        The recording, relative to the folder.
    length_s : float
        Its true length in seconds.
    last : numpy.ndarray
        Its last samples, ``[sample]`` or ``[sample, channel]``.
    rate : int
        Samples a second.
    folder : str
        Where results go.

    Returns
    -------
    tuple of (str, str)
        Kind and reason.
    """
    done = detect(path, "--output", "out", folder=folder)
    result = Path(folder, "out", Path(path).stem + ".tsv")
    if not result.exists():
        kind = "reported" if f"{path}: " in done.stderr else "lost"
        return kind, f"{path}: no result; {done.stderr[-200:]}"
    events = _events(result)
    soundfile.write(Path(folder, "last.wav"), last, rate)
    detect("last.wav", "--output", "out_last", "--overwrite", folder=folder)
    last_s = len(last) / rate
    agreement = _agreement(events, _events(Path(folder, "out_last", "last.tsv")), length_s - last_s, last_s)
    end_s = events[-1][1]
    why = f"{path}: ends at {end_s} s of {length_s} s; agrees with its last part in {agreement:.4f}"
    if abs(end_s - length_s) <= TOLERANCE_S and agreement >= AGREEMENT:
        return "right", why
    return ("reported" if f"{path}: " in done.stderr else "silently wrong"), why


def _events(path):
    """The rows of a result: onset and offset in seconds, and label."""
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [(float(onset), float(offset), label) for onset, offset, label in rows]


def _agreement(events, of_last, begins_s, last_s):
    """Share of the second half of the last part in which both results have one label."""
    times_s = np.arange(last_s / 2, last_s - 0.05, 0.1)
    here = [_label(events, begins_s + time_s) for time_s in times_s]
    there = [_label(of_last, time_s) for time_s in times_s]
    return float(np.mean([one is not None and one == other for one, other in zip(here, there)]))


def _label(events, time_s):
    """The label at a time, or None."""
    return next((label for onset_s, offset_s, label in events if onset_s <= time_s < offset_s), None)
