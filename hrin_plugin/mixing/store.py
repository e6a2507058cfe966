"""Positions of recordings in a store of samples, and their folds.

A store is one array of int16 samples at :data:`SAMPLE_RATE`, every recording at full
scale. Any number of processes can memory-map it.
"""

import logging
from typing import NamedTuple

#: Samples a second of every mix: OpenBMAT's.
SAMPLE_RATE = 22050
#: Folds of a set: OpenBMAT's.
N_FOLDS = 10
#: Shortest usable recording of each kind, in seconds.
SHORTEST_S = {"music": 3.0, "speech": 0.3, "noise": 0.1}

logger = logging.getLogger(__name__)


class SourceError(RuntimeError):
    """Raised if a folder has no usable recordings for a set.

    Example
    -------
    >>> raise SourceError("no music")
    Traceback (most recent call last):
    ...
    hrin_plugin.mixing.sources.SourceError: no music
    """


class Source(NamedTuple):
    """A recording, or a span of one, in a store of samples.

    Example
    -------
    >>> Source("jingle.ogg", start=0, n_samples=44100, loudness_lufs=-14.0).n_samples
    44100
    """

    name: str
    start: int
    n_samples: int
    loudness_lufs: float


def share_out(kind, sources, rng):
    """Assign every recording to one fold, so that folds share none.

    Where there are fewer recordings than folds, each is cut into as many spans as
    there are folds, and no two folds share a span.

    Arguments
    ---------
    kind : str
        "music", "speech" or "noise".
    sources : sequence of Source
        All usable recordings of the kind.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    list of list of Source
        One list for each fold.

    Raises
    ------
    SourceError
        If the spans would be too short.

    Example
    -------
    >>> import numpy as np
    >>> sources = [Source(str(i), 0, 22050, -20.0) for i in range(20)]
    >>> [len(fold) for fold in share_out("noise", sources, np.random.default_rng(0))]
    [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    """
    if len(sources) < N_FOLDS:
        logger.warning(
            "%s: %d recordings are too few for %d folds; each fold gets time spans of them "
            "that no other fold has", kind, len(sources), N_FOLDS,
        )  # fmt: skip
        return _spans(kind, sources)
    folds, totals = [[] for _ in range(N_FOLDS)], [0] * N_FOLDS
    shuffled = [sources[number] for number in rng.permutation(len(sources))]
    for source in sorted(shuffled, key=lambda source: -source.n_samples):
        emptiest = min(range(N_FOLDS), key=lambda fold: (totals[fold], len(folds[fold])))
        folds[emptiest].append(source)
        totals[emptiest] += source.n_samples
    return folds


def _spans(kind, sources):
    """Spans of recordings for each fold."""
    folds = [[] for _ in range(N_FOLDS)]
    for source in sources:
        length = source.n_samples // N_FOLDS
        if length >= SHORTEST_S[kind] * SAMPLE_RATE:
            for number, fold in enumerate(folds):
                fold.append(source._replace(start=source.start + number * length, n_samples=length))
    if not folds[0]:
        raise SourceError(
            f"{kind}: the recordings are too few and too short for {N_FOLDS} folds; "
            f"give {N_FOLDS} recordings, or one of at least {N_FOLDS * SHORTEST_S[kind]:g} s"
        )
    return folds
