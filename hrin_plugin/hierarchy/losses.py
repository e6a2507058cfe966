"""HRIN's objective: a cross-entropy for each level and a penalty for each child (paper, eq. (19) to (24))."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from hrin_plugin.hierarchy.levels import ACTIVATIONS, check_batch, constant
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy


class LossTerms(NamedTuple):
    """The objective and its terms.

    Example
    -------
    >>> LossTerms(torch.tensor(1.0), {"md": torch.tensor(1.0)}).total
    tensor(1.)
    """

    total: Tensor
    terms: dict


def level_cross_entropy(logits, targets, mask, activation="sigmoid"):
    """Cross-entropy of a level, by default binary and summed over its classes, eq. (19) and (20).

    Arguments
    ---------
    logits : torch.Tensor
        ``[batch, frame, class]``, or ``[batch, class]`` of whole recordings.
    targets : torch.Tensor
        Zeros and ones of the same shape.
    mask : torch.Tensor
        True at real frames, ``[batch, frame]`` or ``[batch]``.
    activation : str
        ``"sigmoid"``, or ``"softmax"`` for exclusive classes.

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
    if activation == "softmax":
        per_class = -targets * torch.log_softmax(logits, dim=-1)
    else:
        per_class = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return _frame_mean(per_class.sum(dim=-1), mask)


def parent_excess(parent_prob, child_prob, mask):
    """Mean squared excess of a child over its parent, eq. (21) and (22).

    Arguments
    ---------
    parent_prob, child_prob : torch.Tensor
        Probabilities, of the mask's shape, or with one more axis for many children.
    mask : torch.Tensor
        True at real frames, ``[batch, frame]`` or ``[batch]``.

    Returns
    -------
    torch.Tensor
        Mean over the real frames, a scalar, or ``[child]``.

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
        Probabilities, of the mask's shape, or with one more axis for many children.
    mask : torch.Tensor
        True at real frames, ``[batch, frame]`` or ``[batch]``.

    Returns
    -------
    torch.Tensor
        Mean over the real frames, a scalar, or ``[child]``.

    Example
    -------
    >>> real = torch.ones(1, 1, dtype=torch.bool)
    >>> parent_mismatch(torch.tensor([[0.5]]), torch.tensor([[1.0]]), real)
    tensor(0.1250)
    """
    return _frame_mean(0.5 * (child_prob - parent_prob).square(), mask)


def child_penalties(parent_probs, child_probs, level, taxonomy, mask):
    """The penalty of every class of a level; eq. (21) to (23) are the music case.

    A child with siblings is penalised for exceeding its parent, an only child for
    differing from it. The number of operations does not depend on the number of classes.

    Arguments
    ---------
    parent_probs : torch.Tensor
        Probabilities of the level above, ``[batch, frame, class]`` or ``[batch, class]``.
    child_probs : torch.Tensor
        Probabilities of the level.
    level : int
        A level below the first, counted from 0 as in the taxonomy.
    taxonomy : Taxonomy
        The levels and their classes.
    mask : torch.Tensor
        True at real frames, ``[batch, frame]`` or ``[batch]``.

    Returns
    -------
    torch.Tensor
        Means over the real frames, ``[class]``.

    Example
    -------
    >>> md, mrle = torch.tensor([[[0.5, 0.5]]]), torch.tensor([[[1.0, 1.0, 0.0]]])
    >>> child_penalties(md, mrle, 1, MUSIC_LOUDNESS, torch.ones(1, 1, dtype=torch.bool))
    tensor([0.1250, 0.2500, 0.0000])
    """
    parents = constant(taxonomy.parent_indices(level), torch.long, parent_probs.device)
    alone = constant(taxonomy.only_children(level), torch.bool, child_probs.device)
    own_parents = parent_probs[..., parents]
    mismatch, excess = (rule(own_parents, child_probs, mask) for rule in (parent_mismatch, parent_excess))
    return torch.where(alone, mismatch, excess)


def _frame_mean(values, mask):
    """Mean over the real frames of values of the mask's shape, or of each value of a further axis."""
    dims = tuple(range(mask.dim()))
    total = torch.where(mask if values.dim() == mask.dim() else mask[..., None], values, 0).sum(dim=dims)
    return total / mask.sum()


def _nan_where(faulty, total):
    """The objective, NaN for faulty targets, without device synchronisation."""
    return total if faulty is None else torch.where(faulty, torch.nan, total)


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
    activation : str
        ``"sigmoid"``, the paper's, for any targets; ``"softmax"`` for exclusive classes
        on each level.
    check_hierarchy : bool
        Whether targets that break the hierarchy are refused. All value
        checks together synchronise with the device once a batch.

    Raises
    ------
    ValueError
        If a weight is negative or names no class below the top level, if the
        activation is unknown, or if the tensors do not fit the taxonomy or break it
        (see :func:`hrin_plugin.hierarchy.levels.check_batch`).

    Example
    -------
    >>> objective = HierarchicalLoss({"fg-music": 1.0, "bg-music": 1.0, "no-music": 1.0})
    >>> logits = [torch.zeros(2, 5, 2), torch.zeros(2, 5, 3)]
    >>> targets = [torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, 5, dtype=torch.long)]
    >>> loss = objective(logits, targets)
    >>> list(loss.terms)
    ['md', 'mrle', 'no-music', 'fg-music', 'bg-music']
    >>> loss.total
    tensor(3.4657)
    """

    def __init__(
        self,
        penalty_weights: Mapping[str, float] | None = None,
        taxonomy: Taxonomy = MUSIC_LOUDNESS,
        activation: str = "sigmoid",
        check_hierarchy: bool = True,
    ):
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
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}; use one of {', '.join(ACTIVATIONS)}")
        self.taxonomy, self.penalty_weights = taxonomy, weights
        self.activation, self.check_hierarchy = activation, check_hierarchy

    def forward(
        self,
        logits: Sequence[Tensor],
        targets: Sequence[Tensor] | Tensor,
        mask: Tensor | None = None,
        lens: Tensor | None = None,
        wait: bool = True,
    ) -> LossTerms:
        """The objective of a batch.

        Arguments
        ---------
        logits : sequence of torch.Tensor
            For each level ``[batch, frame, class]``, the top level first; or ``[batch, class]``
            of whole recordings.
        targets : sequence of torch.Tensor, or torch.Tensor
            For each level class indices ``[batch, frame]``, or zeros and ones ``[batch, frame,
            class]``; of whole recordings without the frames. A single tensor holds the lowest
            level; the others are derived.
        mask : torch.Tensor or None
            True at real frames, ``[batch, frame]``; None where all are real.
        lens : torch.Tensor or None
            Instead of the mask: lengths relative to the longest, ``[batch]``.
        wait : bool
            Whether to synchronise with the device and raise for faulty target values; otherwise
            the objective is NaN for them.

        Returns
        -------
        LossTerms
            The objective, and its terms without their weights: each level's cross-entropy by
            the level's name, then the penalty of each class by its name.
        """
        one_label = self.activation == "softmax"
        logits, targets, mask, faulty = check_batch(
            logits, targets, self.taxonomy, mask, lens, one_label, self.check_hierarchy, wait
        )
        terms = {
            name: level_cross_entropy(level, target, mask, self.activation)
            for name, level, target in zip(self.taxonomy.level_names, logits, targets)
        }
        total = sum(terms.values())
        probs = [ACTIVATIONS[self.activation](level) for level in logits]
        for level, names in enumerate(self.taxonomy.levels[1:], start=1):
            penalties = child_penalties(probs[level - 1], probs[level], level, self.taxonomy, mask)
            weights = constant(
                tuple(self.penalty_weights[name] for name in names), penalties.dtype, penalties.device
            )
            total = total + (weights * penalties).sum()
            for name, penalty in zip(names, penalties.unbind()):
                terms[name] = terms[name] + penalty if name in terms else penalty
        return LossTerms(_nan_where(faulty, total), terms)


class LevelLoss(torch.nn.Module):
    """The cross-entropy of one level alone, eq. (19) or (20), for networks with one level.

    Arguments
    ---------
    level : str or int
        Name of the level (:attr:`hrin_plugin.taxonomy.Taxonomy.level_names`), or its number from 1.
    taxonomy : Taxonomy
        The levels and their classes.

    Raises
    ------
    ValueError
        If there is no such level, or if the tensors do not fit the taxonomy.

    Example
    -------
    >>> objective = LevelLoss("mrle")
    >>> logits = [torch.zeros(2, 5, 2), torch.zeros(2, 5, 3)]
    >>> targets = [torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, 5, dtype=torch.long)]
    >>> objective(logits, targets)
    LossTerms(total=tensor(2.0794), terms={'mrle': tensor(2.0794)})
    """

    def __init__(self, level: str | int, taxonomy: Taxonomy = MUSIC_LOUDNESS):
        super().__init__()
        by_number = dict(enumerate(taxonomy.level_names, start=1))
        self.level, self.taxonomy = by_number.get(level, level), taxonomy
        if self.level not in taxonomy.level_names:
            raise ValueError(
                f"level is {level!r}; this taxonomy has the levels {', '.join(taxonomy.level_names)}, "
                f"or 1 to {len(taxonomy.levels)}"
            )

    def forward(
        self,
        logits: Sequence[Tensor],
        targets: Sequence[Tensor] | Tensor,
        mask: Tensor | None = None,
        lens: Tensor | None = None,
        wait: bool = True,
    ) -> LossTerms:
        """The objective of a batch; arguments as those of :meth:`HierarchicalLoss.forward`.

        Arguments
        ---------
        logits : sequence of torch.Tensor
            For each level ``[batch, frame, class]``, the top level first.
        targets : sequence of torch.Tensor, or torch.Tensor
            For each level class indices ``[batch, frame]``, or zeros and ones ``[batch, frame, class]``.
        mask : torch.Tensor or None
            True at real frames, ``[batch, frame]``; None where all are real.
        lens : torch.Tensor or None
            Instead of the mask: lengths relative to the longest, ``[batch]``.
        wait : bool
            Whether to synchronise with the device and raise for faulty target values; otherwise
            the objective is NaN for them.

        Returns
        -------
        LossTerms
            The objective, which is also the only term, under the level's name.
        """
        # The other levels' targets are not used, so that they may contradict this one's.
        logits, targets, mask, faulty = check_batch(
            logits, targets, self.taxonomy, mask, lens, check_hierarchy=False, wait=wait
        )
        place = self.taxonomy.level_names.index(self.level)
        loss = level_cross_entropy(logits[place], targets[place], mask)
        return LossTerms(_nan_where(faulty, loss), {self.level: loss})
