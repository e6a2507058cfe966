"""Random truncations and damages of recordings of all formats, judged by an independent decode."""

from soak_parts import recordings

CUTS, DAMAGES = 500, 500


def verdicts(folder, scale, seed):
    """Cut and damage recordings, and judge what is read.

    Arguments
    ---------
    folder : str
        Where the recordings go.
    scale : float
        Share of ``CUTS`` and ``DAMAGES``.
    seed : int
        Random seed.

    Yields
    ------
    tuple of (str, str)
        Kind and reason, one a recording.
    """
    numbers = (max(1, round(number * scale)) for number in (CUTS, DAMAGES))
    for path, truth in recordings.cases(folder, *numbers, seed):
        kind, why = recordings.judge(path, truth)
        yield kind, f"{truth.format}, {truth.what}: {why}"
