"""Source recordings: finding, choosing and decoding them for a store of samples
(:mod:`hrin_plugin.mixing.store`).
"""

import hashlib
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrin_plugin.audio.signals import AudioError, audio_duration, read_audio
from hrin_plugin.files import visible_files
from hrin_plugin.mixing.loudness import STEP_S, gated_loudness, step_powers
from hrin_plugin.mixing.store import N_FOLDS, SAMPLE_RATE, SHORTEST_S, SourceError
from hrin_plugin.timing import to_samples

#: Recordings of a kind are taken, in random order, until they last this many times the set
#: (no kind sounds for more than two thirds of it) and there are this many readable ones
#: (more than folds, since some may prove unusable).
ENOUGH, ENOUGH_FILES = 1.0, N_FOLDS + N_FOLDS // 2
#: Stretches of at least ``_PAUSE_STEPS`` steps, this far below their recording's
#: loudness, are silence: they are cut out, since music that is silent is no music.
_SILENCE_LU, _PAUSE_STEPS = -40.0, 5
#: Steps of a pause that speech keeps.
_KEPT_STEPS = {"music": 0, "speech": 3, "noise": 0}
#: What counts as a recording, whether or not it can be decoded.
_SUFFIXES = frozenset(
    {".aac", ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".m4a", ".mp2", ".mp3", ".mp4", ".oga", ".ogg"}
    | {".opus", ".rf64", ".snd", ".sph", ".voc", ".w64", ".wav", ".wave", ".wma"}
)


class SourceFile(NamedTuple):
    """A file with the suffix of a recording.

    Example
    -------
    >>> SourceFile("music", Path("a/b.ogg"), "b.ogg").name
    'b.ogg'
    """

    kind: str
    path: Path
    name: str  # relative to the folder, with forward slashes


def find_recordings(kind, folder):
    """All recordings below a folder, except hidden files and folders.

    Arguments
    ---------
    kind : str
        "music", "speech" or "noise".
    folder : str or pathlib.Path
        Where to look.

    Returns
    -------
    list of SourceFile
        Ordered by name.

    Raises
    ------
    ValueError
        If there is no such folder.
    SourceError
        If it holds no recording.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "A.WAV").touch(), (folder / ".b.wav").touch(), (folder / "c.txt").touch()
    (None, None, None)
    >>> [recording.name for recording in find_recordings("noise", folder)]
    ['A.WAV']
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{kind}: {folder} is not a folder; give the folder of your {kind} recordings")
    recordings = []
    for path in map(Path, visible_files(folder)):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            recordings.append(SourceFile(kind, path, path.relative_to(folder).as_posix()))
    if not recordings:
        raise SourceError(f"{kind}: {folder} holds no recording; put audio files (WAV, FLAC, Ogg, MP3) there")
    return sorted(recordings, key=lambda recording: recording.name)


def fingerprint(recordings):
    """Fingerprint of recordings from their number, names and sizes, equal on all machines.

    Arguments
    ---------
    recordings : sequence of SourceFile
        From :func:`find_recordings`.

    Returns
    -------
    str
        The number of files, and a digest.

    Example
    -------
    >>> fingerprint([])
    '0 files, e3b0c44298fc1c14'
    """
    digest = hashlib.sha256()
    for recording in recordings:
        digest.update(
            f"{recording.name}\t{recording.path.stat().st_size}\n".encode("utf-8", "surrogateescape")
        )
    return f"{len(recordings)} files, {digest.hexdigest()[:16]}"


def choose_recordings(recordings, enough_s, rng):
    """Choose random recordings until their length and their number for the folds suffice.

    Arguments
    ---------
    recordings : sequence of SourceFile
        From :func:`find_recordings`.
    enough_s : float
        Required total length, in seconds.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    list of SourceFile
        The chosen recordings in random order, including those with unreadable headers.

    Example
    -------
    >>> choose_recordings([], 60.0, np.random.default_rng(0))
    []
    """
    chosen, total_s, n_readable = [], 0.0, 0
    for number in rng.permutation(len(recordings)):
        if total_s >= enough_s and n_readable >= ENOUGH_FILES:
            break
        chosen.append(recordings[number])
        try:
            total_s += audio_duration(chosen[-1].path).duration_s
            n_readable += 1
        except AudioError:
            pass  # reported with its reason when it is decoded
    return chosen


def decode(recording):
    """Decode one recording for the store.

    Arguments
    ---------
    recording : SourceFile
        The recording.

    Returns
    -------
    tuple of (numpy.ndarray, float) or str
        Samples without their silences, at full scale, ``[sample]``, int16, and
        their loudness in LUFS; or, in one line, why the recording is unusable.

    Example
    -------
    >>> decode(SourceFile("noise", Path("none.wav"), "none.wav"))
    'none.wav: there is no such file'
    """
    try:
        audio = read_audio(recording.path, SAMPLE_RATE)
    except AudioError as error:
        return f"{recording.name}: {error.problem}"
    except OSError as error:
        return f"{recording.name}: {error.strerror}"
    return condition(audio, recording.kind, recording.name)


def condition(audio, kind, name):
    """Remove the silences of a recording and normalise it to full scale.

    Arguments
    ---------
    audio : numpy.ndarray
        Samples, ``[sample]``, float32.
    kind : str
        "music", "speech" or "noise".
    name : str
        Name in the reason for a refusal.

    Returns
    -------
    tuple of (numpy.ndarray, float) or str
        As :func:`decode`.

    Example
    -------
    >>> condition(np.zeros(22050, dtype=np.float32), "noise", "a.wav")
    'a.wav: is silent'
    """
    step = to_samples(STEP_S, SAMPLE_RATE)
    powers = step_powers(np.pad(audio, (0, -len(audio) % step)), SAMPLE_RATE)
    level_lufs = gated_loudness(powers)
    if not math.isfinite(level_lufs):
        return f"{name}: is silent"
    audio = audio[np.repeat(_kept_steps(powers, level_lufs, kind), step)[: len(audio)]]
    if len(audio) < SHORTEST_S[kind] * SAMPLE_RATE:
        return f"{name}: holds {len(audio) / SAMPLE_RATE:.2f} s of sound, {kind} needs {SHORTEST_S[kind]} s"
    peak = np.abs(audio).max()
    return np.rint(audio * (32767 / peak)).astype(np.int16), level_lufs - 20 * math.log10(peak)


def _kept_steps(powers, level_lufs, kind):
    """Mask of the steps of a recording to keep, bool, ``[step]``."""
    with np.errstate(divide="ignore"):
        silent = 10 * np.log10(powers) < level_lufs + _SILENCE_LU
    kept = ~silent
    edges = np.flatnonzero(np.diff(silent.astype(int), prepend=0, append=0))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < _PAUSE_STEPS:
            kept[start:stop] = True
        else:
            kept[start : start + _KEPT_STEPS[kind]] = True
    return kept
