"""HRIN's objective: a cross-entropy for each level and a penalty for each child (paper, eq. (19) to (24))."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from hrin_plugin.taxonomy import MUSIC_LOUDNESS


class LossTerms(NamedTuple):
    """The objective and what it is made of.

    Example
    -------
    >>> LossTerms(torch.tensor(1.0), {"level_1": torch.tensor(1.0)}).total
    tensor(1.)
    """

    total: Tensor
    terms: dict


def level_cross_entropy(logits, targets, mask):
    """Binary cross-entropy summed over a level's classes, eq. (19) and (20).

    Arguments
    ---------
    logits : torch.Tensor
        ``[batch, frame, class]``.
    targets : torch.Tensor
        Zeros and ones, ``[batch, frame, class]``.
    mask : torch.Tensor
        True at real frames, ``[batch, frame]``.

    Returns
    -------
    torch.Tensor
        Mean over the real frames, a scalar.

    Example
    -------
    >>> zeros = torch.zeros(1, 4, 3)
    >>> level_cross_entropy(zeros, zeros, torch.ones(1, 4, dtype=torch.bool))
    tensor(2.0794)
    """
    per_class = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return _frame_mean(per_class.sum(dim=-1), mask)


def parent_excess(parent_prob, child_prob, mask):
    """Mean squared excess of a child over its parent, eq. (21) and (22).

    Arguments
    ---------
    parent_prob, child_prob : torch.Tensor
        Probabilities, ``[batch, frame]``.
    mask : torch.Tensor
        True at real frames, ``[batch, frame]``.

    Returns
    -------
    torch.Tensor
        Mean over the real frames, a scalar.

    Example
    -------
    >>> real = torch.ones(1, 2, dtype=torch.bool)
    >>> parent_excess(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]), real)
    tensor(0.1250)
    """
    return _frame_mean((child_prob - parent_prob).clamp(min=0).square(), mask)


def parent_mismatch(parent_prob, child_prob, mask):
    """Half the mean squared difference of an only child from its parent, eq. (23).

    Arguments
    ---------
    parent_prob, child_prob : torch.Tensor
        Probabilities, ``[batch, frame]``.
    mask : torch.Tensor
        True at real frames, ``[batch, frame]``.

    Returns
    -------
    torch.Tensor
        Mean over the real frames, a scalar.

    Example
    -------
    >>> real = torch.ones(1, 1, dtype=torch.bool)
    >>> parent_mismatch(torch.tensor([[0.5]]), torch.tensor([[1.0]]), real)
    tensor(0.1250)
    """
    return _frame_mean(0.5 * (child_prob - parent_prob).square(), mask)


def _frame_mean(values, mask):
    """Mean of ``[batch, frame]`` values over the real frames."""
    return torch.where(mask, values, 0).sum() / mask.sum()


class HierarchicalLoss(torch.nn.Module):
    """The sum of every level's cross-entropy and every child's weighted penalty, eq. (24).

    A child with siblings is penalised for exceeding its parent
    (:func:`parent_excess`), an only child for differing from it
    (:func:`parent_mismatch`). For music and its loudness these are the paper's
    three penalties, and the weights its alpha (``fg-music``), beta (``bg-music``)
    and gamma (``no-music``).

    Arguments
    ---------
    penalty_weights : mapping of str to float, or None
        Weight of the penalty of each class below the top level; 1 for those not
        named. On three or more levels, a name that occurs on several has one weight.
    taxonomy : Taxonomy
        The levels and their classes.

    Raises
    ------
    ValueError
        If a weight is negative or names no class below the top level, or if the
        tensors do not fit the taxonomy.

    Example
    -------
    >>> objective = HierarchicalLoss({"fg-music": 1.0, "bg-music": 1.0, "no-music": 1.0})
    >>> logits = [torch.zeros(2, 5, 2), torch.zeros(2, 5, 3)]
    >>> targets = [torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, 5, dtype=torch.long)]
    >>> loss = objective(logits, targets)
    >>> list(loss.terms)
    ['level_1', 'level_2', 'no-music', 'fg-music', 'bg-music']
    >>> loss.total
    tensor(3.4657)
    """

    def __init__(self, penalty_weights=None, taxonomy=MUSIC_LOUDNESS):
        super().__init__()
        children = {name for names in taxonomy.levels[1:] for name in names}
        weights = dict.fromkeys(children, 1.0) | dict(penalty_weights or {})
        for name, weight in weights.items():
            if name not in children:
                raise ValueError(
                    f"a penalty weight names {name!r}; the classes below the top are {sorted(children)}"
                )
            if not weight >= 0:
                raise ValueError(f"the penalty weight of {name!r} must be 0 or more, got {weight}")
        self.taxonomy, self.penalty_weights = taxonomy, weights

    def forward(self, logits, targets, mask=None):
        """The objective of a batch.

        Arguments
        ---------
        logits : sequence of torch.Tensor
            For each level ``[batch, frame, class]``, the top level first.
        targets : sequence of torch.Tensor
            For each level class indices ``[batch, frame]``, or zeros and ones ``[batch, frame, class]``.
        mask : torch.Tensor or None
            True at real frames, ``[batch, frame]``; None where all are real.

        Returns
        -------
        LossTerms
            The objective, and its terms without their weights: ``level_1``,
            ``level_2`` and so on, then the penalty of each class by its name.
        """
        logits, targets, mask = _checked(logits, targets, mask, self.taxonomy)
        terms = {
            f"level_{number}": level_cross_entropy(level, target, mask)
            for number, (level, target) in enumerate(zip(logits, targets), start=1)
        }
        total = sum(terms.values())
        probs = [torch.sigmoid(level) for level in logits]
        for level, names in enumerate(self.taxonomy.levels[1:], start=1):
            parents = self.taxonomy.parent_indices(level)
            for index, (name, parent, alone) in enumerate(
                zip(names, parents, self.taxonomy.only_children(level))
            ):
                penalty = parent_mismatch if alone else parent_excess
                term = penalty(probs[level - 1][..., parent], probs[level][..., index], mask)
                terms[name] = terms.get(name, 0.0) + term
                total = total + self.penalty_weights[name] * term
        return LossTerms(total, terms)


class LevelLoss(torch.nn.Module):
    """The cross-entropy of one level alone, eq. (19) or (20), for a network that has no other.

    Arguments
    ---------
    level : int
        Number of the level, from 1 as in the names of the terms.
    taxonomy : Taxonomy
        The levels and their classes.

    Raises
    ------
    ValueError
        If there is no such level, or if the tensors do not fit the taxonomy.

    Example
    -------
    >>> objective = LevelLoss(level=2)
    >>> logits = [torch.zeros(2, 5, 2), torch.zeros(2, 5, 3)]
    >>> targets = [torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, 5, dtype=torch.long)]
    >>> objective(logits, targets)
    LossTerms(total=tensor(2.0794), terms={'level_2': tensor(2.0794)})
    """

    def __init__(self, level, taxonomy=MUSIC_LOUDNESS):
        super().__init__()
        if level not in range(1, len(taxonomy.levels) + 1):
            raise ValueError(f"level is {level!r}; this taxonomy has levels 1 to {len(taxonomy.levels)}")
        self.level, self.taxonomy = level, taxonomy

    def forward(self, logits, targets, mask=None):
        """The objective of a batch.

        Arguments
        ---------
        logits : sequence of torch.Tensor
            For each level ``[batch, frame, class]``, the top level first.
        targets : sequence of torch.Tensor
            For each level class indices ``[batch, frame]``, or zeros and ones ``[batch, frame, class]``.
        mask : torch.Tensor or None
            True at real frames, ``[batch, frame]``; None where all are real.

        Returns
        -------
        LossTerms
            The objective, and itself as the only term: ``level_2`` for the second level.
        """
        logits, targets, mask = _checked(logits, targets, mask, self.taxonomy)
        loss = level_cross_entropy(logits[self.level - 1], targets[self.level - 1], mask)
        return LossTerms(loss, {f"level_{self.level}": loss})


def _checked(logits, targets, mask, taxonomy):
    """What an objective computes with: full precision, targets of zeros and ones, and a mask."""
    # Half precision would round probabilities near 0 and 1 away.
    logits = [level.float() if level.dtype in (torch.float16, torch.bfloat16) else level for level in logits]
    targets = [_as_ones(*level) for level in zip(logits, targets, taxonomy.levels, strict=True)]
    if mask is None:
        mask = torch.ones(logits[0].shape[:2], dtype=torch.bool, device=logits[0].device)
    if not mask.any():
        raise ValueError(f"no frame of this batch of shape {list(mask.shape)} is real; all is padding")
    return logits, targets, mask


def _as_ones(logits, target, names):
    """A level's targets as zeros and ones of the logits' shape and type."""
    if logits.shape[-1] != len(names):
        raise ValueError(
            f"logits of shape {list(logits.shape)} do not fit the {len(names)} classes {list(names)}"
        )
    if target.dim() == logits.dim() - 1:
        target = functional.one_hot(target, len(names))
    if target.shape != logits.shape:
        raise ValueError(
            f"targets of shape {list(target.shape)} do not fit logits of shape {list(logits.shape)}"
        )
    return target.to(logits.dtype)
