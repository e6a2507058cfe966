"""Scores by kind of music, on mixes of stems that no step trains on."""

from typing import NamedTuple

import torch
from speechbrain import Stage

from hrin_plugin.mixing.dynamic_plan import BatchStyle

#: First number of the plans that validate.
_FIRST_PLAN = 0


class KindScore(NamedTuple):
    """Scores of one kind of music, as shares of frames.

    ``missed`` is music alone that is called no music, ``called_bg`` music alone that is called background.

    Example
    -------
    >>> KindScore("rock", 0.97, 0.95, 0.01, 0.02).worst
    0.95
    """

    kind: str
    md: float
    mrle: float
    missed: float
    called_bg: float

    @property
    def worst(self):
        """What a kind is judged by."""
        return min(self.md, self.mrle, 1 - self.missed, 1 - self.called_bg)


def score_kinds(brain, planner, kinds, n_batches, n_excerpts, seconds):
    """Score the averaged model on each kind of music.

    Arguments
    ---------
    brain : DynamicBrain
        Holds the model, the mixer and the features.
    planner : hrin_plugin.mixing.dynamic_plan.Planner
        Draws the mixes, of stems that validate.
    kinds : sequence of str
        The kinds.
    n_batches : int
        Batches of mixes of each kind, and half as many of its music alone, one at least.
    n_excerpts : int
        Excerpts of a batch.
    seconds : float
        Length of an excerpt.

    Returns
    -------
    list of KindScore
        The worst first.
    """
    scores = []
    for kind in kinds:
        mixed = [BatchStyle(seconds, n_excerpts, "valid", kind) for _ in range(n_batches)]
        alone = [style._replace(alone=True) for style in mixed[: max(n_batches // 2, 1)]]
        md, mrle, _, _ = _count(brain, planner, mixed)
        _, _, missed, called_bg = _count(brain, planner, alone)
        scores.append(KindScore(kind, md, mrle, missed, called_bg))
    return sorted(scores, key=lambda score: score.worst)


@torch.no_grad()
def _count(brain, planner, styles):
    """Shares of frames: right on both levels, and of all that are taken for no music and for background."""
    counts = 0
    for number, style in enumerate(styles, start=_FIRST_PLAN):
        batch = brain.mixer.render(planner.draw(number, style))
        md, mrle = (level.argmax(dim=-1) for level in brain.compute_forward(batch, Stage.VALID))
        what = (md == batch.md, mrle == batch.mrle, md == 0, mrle == 2, torch.ones_like(batch.mask))
        counts = counts + torch.stack([(each & batch.mask).sum() for each in what]).double()
    *found, total = counts.tolist()
    return tuple(each / max(total, 1.0) for each in found)


def as_table(scores):
    """Scores as lines with tabs.

    Arguments
    ---------
    scores : sequence of KindScore
        From :func:`score_kinds`.

    Returns
    -------
    str
        A header, and a line for each kind.

    Example
    -------
    >>> print(as_table([KindScore("rock", 0.97, 0.95, 0.01, 0.02)]).splitlines()[1])
    rock	0.9700	0.9500	1.00	2.00
    """
    header = "kind\tmd_accuracy\tmrle_accuracy\talone_missed_percent\talone_called_bg_percent"
    rows = [
        f"{kind}\t{md:.4f}\t{mrle:.4f}\t{100 * missed:.2f}\t{100 * called_bg:.2f}"
        for kind, md, mrle, missed, called_bg in scores
    ]
    return "\n".join([header, *rows]) + "\n"
