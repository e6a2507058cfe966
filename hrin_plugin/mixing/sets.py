"""Sets in the layout of OpenBMAT, mixed from recordings or from synthesised sound.

Passages and exact labels come from :mod:`hrin_plugin.mixing.programme`, audio from
:mod:`hrin_plugin.mixing.stems`. Every excerpt has its own random generator, so that a set does
not depend on the number of processes.
"""

import functools
import itertools
import logging
from pathlib import Path

import numpy as np

from hrin_plugin.archive.processes import MOST_JOBS
from hrin_plugin.events import MOST_S
from hrin_plugin.mixing.completion import complete_set, progress
from hrin_plugin.mixing.excerpts import FOLD_STREAM, SOURCE_STREAM, Excerpt, plan_excerpts
from hrin_plugin.mixing.programme import BROADCAST, PLAIN, Style
from hrin_plugin.mixing.readme import claim_folder
from hrin_plugin.mixing.sources import (
    ENOUGH,
    choose_recordings,
    condition,
    decode,
    find_recordings,
    fingerprint,
)
from hrin_plugin.mixing.store import N_FOLDS, SAMPLE_RATE, SourceError, share_out
from hrin_plugin.mixing.synthesis import synthesise_music, synthesise_noise, synthesise_speech
from hrin_plugin.mixing.treatment import require_codecs
from hrin_plugin.text import shown
from hrin_plugin.timing import to_samples

SHORTEST_EXCERPT_S = 2.0
#: Synthesised recordings of each kind: how many a minute of a fold has, and their length in seconds.
SYNTHESISED = {
    "music": (synthesise_music, 5, 10.0),
    "speech": (synthesise_speech, 4, 8.0),
    "noise": (synthesise_noise, 8, 5.0),
}
#: A miniature is too small to learn the faintest music from.
MINIATURE = Style("miniature", {"fg-music": (3.0, 15.0), "bg-music": (-12.0, -3.0)})

logger = logging.getLogger(__name__)


def mix_set(
    out: str | Path,
    music: str | Path,
    speech: str | Path,
    noise: str | Path,
    hours: float,
    seconds: float = 60.0,
    seed: int = 0,
    jobs: int | None = None,
    broadcast: bool = False,
    noise_weight: float = 1.0,
) -> list[Excerpt]:
    """Mix a set with exact annotations from folders of recordings.

    The same recordings, settings and seed give the same bytes. An
    interrupted set is completed, a complete one is not changed. With more than one job,
    call it below ``if __name__ == "__main__":``, as multiprocessing requires.

    Arguments
    ---------
    out : str or pathlib.Path
        Folder of the set, in the layout of OpenBMAT.
    music, speech, noise : str or pathlib.Path
        Folders of recordings, searched with all folders in them.
    hours : float
        Length of the set, rounded up to whole excerpts.
    seconds : float
        Length of each excerpt.
    seed : int
        Random seed, 0 or greater.
    jobs : int or None
        Number of processes; None for as many as there are cores.
    broadcast : bool
        Harder mixes: softer music, shorter jingles, slower fades, reverberation,
        compression, band limits, and MP3, Vorbis and AAC at low bit rates (needs ffmpeg).
    noise_weight : float
        Weight of passages with noise against those without; 1 gives noise 40 % of the
        time, 4 gives 70 %.

    Returns
    -------
    list of Excerpt
        The excerpts of the set.

    Raises
    ------
    ValueError
        If an argument is out of range.
    SourceError
        If a folder does not hold enough usable recordings.
    OSError
        If ``out`` holds something else, or cannot be written.
    LostTask
        If a process was killed.

    Example
    -------
    >>> mix_set("out", "music", "speech", "noise", hours=0)
    Traceback (most recent call last):
    ...
    ValueError: hours is 0; give a length above 0
    """
    folders = {"music": music, "speech": speech, "noise": noise}
    _check_settings(seconds, seed, jobs)
    if not 0 <= noise_weight < float("inf"):
        raise ValueError(f"noise_weight is {noise_weight:g}; give a number, 0 or greater")
    n_excerpts = _count_excerpts(hours, seconds)
    _check_apart({**folders, "the set": out})
    style = (BROADCAST if broadcast else PLAIN)._replace(noise_weight=noise_weight)
    if style.treated:
        require_codecs()
    found = {kind: find_recordings(kind, folder) for kind, folder in folders.items()}
    settings = {"made by": "hrin mix", **_settings(n_excerpts, seconds, seed)}
    if broadcast:
        settings["style"] = style.name
    if noise_weight != 1:
        settings["noise weight"] = f"{noise_weight:g}"
    claim_folder(out, settings | {kind: fingerprint(recordings) for kind, recordings in found.items()}, style)

    def decode_sources(missing, run):
        """Kind, name, samples and loudness of every usable recording."""
        chosen = []
        for number, recordings in enumerate(found.values()):
            rng = np.random.default_rng([seed, SOURCE_STREAM, number])
            chosen += choose_recordings(recordings, ENOUGH * n_excerpts * seconds, rng)
        for recording, decoded in zip(chosen, progress(run(decode, chosen), len(chosen), "decoding", "file")):
            if isinstance(decoded, str):
                logger.warning("left out: %s: %s", recording.kind, decoded)
            else:
                yield recording.kind, recording.name, *decoded

    def share_sources(sources):
        """The recordings of each fold, of each kind."""
        folds = [{} for _ in range(N_FOLDS)]
        for number, kind in enumerate(folders):
            if not sources[kind]:
                raise SourceError(
                    f"{kind}: {folders[kind]} holds no usable recording; see what was left out, and why"
                )
            shares = share_out(kind, sources[kind], np.random.default_rng([seed, FOLD_STREAM, number]))
            for fold, share in zip(folds, shares):
                fold[kind] = share
        return folds

    excerpts = plan_excerpts(n_excerpts, seconds, seed, style)
    return complete_set(out, excerpts, seed, jobs, decode_sources, share_sources, style)


def synthesise_miniature(
    out: str | Path, seed: int = 0, n_excerpts: int = 160, seconds: float = 3.0, jobs: int = 1
) -> list[Excerpt]:
    """Make a miniature of OpenBMAT from synthesised music, speech and noise.

    It replaces a missing data set: same layout, exact labels, and ten folds that share no
    source. An interrupted set is completed, a complete one is not changed. Several processes
    may call it at once.

    Arguments
    ---------
    out : str or pathlib.Path
        Folder of the set.
    seed : int
        Random seed, 0 or greater.
    n_excerpts : int
        Number of excerpts, at least ten.
    seconds : float
        Length of each excerpt.
    jobs : int or None
        Number of processes; None for as many as there are cores.

    Returns
    -------
    list of Excerpt
        The excerpts of the set.

    Raises
    ------
    ValueError
        If an argument is out of range.
    OSError
        If ``out`` holds something else, or cannot be written.
    LostTask
        If a process was killed.

    Example
    -------
    >>> out = getfixture("tmp_path") / "miniature"
    >>> excerpts = synthesise_miniature(out, n_excerpts=10, seconds=2.0)
    >>> len(excerpts), len(list(out.glob("audio/*.wav")))
    (10, 10)
    """
    _check_settings(seconds, seed, jobs)
    if n_excerpts < N_FOLDS:
        raise ValueError(f"n_excerpts is {n_excerpts}; give at least one for each of the {N_FOLDS} folds")
    settings = {"made by": "hrin_plugin, all sound synthesised", **_settings(n_excerpts, seconds, seed)}
    claim_folder(out, settings, MINIATURE)
    excerpts = plan_excerpts(n_excerpts, seconds, seed, MINIATURE)

    def make_sources(missing, run):
        """The synthesised recordings of the folds that are not complete."""
        folds = sorted({excerpt.fold for excerpt in missing})
        made = run(
            functools.partial(synthesise_fold, seed=seed, length_s=n_excerpts * seconds / N_FOLDS), folds
        )
        return itertools.chain.from_iterable(progress(made, len(folds), "synthesising", "fold"))

    def share_sources(sources):
        """The synthesised recordings of each fold, of each kind."""
        return [
            {kind: [s for s in sources[kind] if s.name == fold] for kind in SYNTHESISED}
            for fold in range(N_FOLDS)
        ]

    return complete_set(out, excerpts, seed, jobs, make_sources, share_sources)


def synthesise_fold(fold, seed, length_s=60.0):
    """Synthesise the sources of one fold.

    Arguments
    ---------
    fold : int
        The fold, from 0.
    seed : int
        Seed of the set.
    length_s : float
        Length of the fold's excerpts together, in seconds.

    Returns
    -------
    list of tuple of (str, int, numpy.ndarray, float)
        Kind, fold, samples as int16 ``[sample]`` and loudness in LUFS of each.

    Example
    -------
    >>> len(synthesise_fold(0, seed=0))
    17
    """
    rng = np.random.default_rng([seed, SOURCE_STREAM, fold])
    made = []
    for kind, (synthesise, n_a_minute, source_s) in SYNTHESISED.items():
        for _ in range(max(2, round(n_a_minute * length_s / 60))):
            audio = synthesise(rng, to_samples(source_s, SAMPLE_RATE), SAMPLE_RATE)
            made.append((kind, fold, *condition(audio, kind, f"synthesised {kind}")))
    return made


def _settings(n_excerpts, seconds, seed):
    """Common settings of all sets, as written to README.txt."""
    return {"excerpts": str(n_excerpts), "seconds": str(float(seconds)), "seed": str(int(seed))}


def _count_excerpts(hours, seconds):
    """Number of excerpts that last so many hours."""
    if not 0 < hours <= MOST_S / 3600:
        raise ValueError(f"hours is {hours:g}; give a length above 0, and within three years")
    n_excerpts = -(-to_samples(hours * 3600, 1000) // to_samples(seconds, 1000))
    if n_excerpts < N_FOLDS:
        raise ValueError(
            f"{hours:g} hours make {n_excerpts} excerpts of {seconds:g} s, too few for {N_FOLDS} folds; "
            f"give at least {N_FOLDS * seconds / 3600:.3g} hours, or shorter excerpts"
        )
    return n_excerpts


def _check_settings(seconds, seed, jobs):
    """Raise ValueError for settings out of range."""
    if not SHORTEST_EXCERPT_S <= seconds <= MOST_S:
        raise ValueError(f"seconds is {seconds:g}; give a length of {SHORTEST_EXCERPT_S:g} s or more")
    if int(seed) != seed or seed < 0:
        raise ValueError(f"seed is {seed}; give a whole number, 0 or greater")
    if jobs is not None and (int(jobs) != jobs or not 1 <= jobs <= MOST_JOBS):
        raise ValueError(f"jobs is {shown(jobs)}; give a whole number of processes, 1 or more")


def _check_apart(folders):
    """Raise ValueError for folders that are equal or nested."""
    resolved = {what: Path(folder).resolve() for what, folder in folders.items()}
    for (first, one), (second, other) in itertools.combinations(resolved.items(), 2):
        if one == other or one in other.parents or other in one.parents:
            raise ValueError(
                f"{first} and {second} share the folder {folders[first]}; give each a folder of its own"
            )
