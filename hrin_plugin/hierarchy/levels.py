"""Checks and conversion of logits and targets for the objective and the scores.

Shape checks need no device synchronisation. Value checks of the targets synchronise once a
batch, for any number of levels and classes.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

from hrin_plugin.networks.padding import frame_mask

#: From the logits of a level to its probabilities; softmax where just one class of a level is true at a time.
ACTIVATIONS = {"sigmoid": torch.sigmoid, "softmax": lambda logits: torch.softmax(logits, dim=-1)}


def monotone_sigmoid(logits):
    """Sigmoid as an array; equal logits give equal probabilities, greater ones none that are smaller.

    ``torch.sigmoid`` rounds by the place in the tensor. A class could then exceed its parent by
    the last digit, although the parent's logit is the maximum over its children.

    Arguments
    ---------
    logits : torch.Tensor
        Any shape.

    Returns
    -------
    numpy.ndarray
        The same shape, float32.

    Example
    -------
    >>> monotone_sigmoid(torch.zeros(1, 3)).tolist()
    [[0.5, 0.5, 0.5]]
    """
    return expit(logits.detach().double().cpu().numpy()).astype(np.float32)


class Batch(NamedTuple):
    """Logits, targets and mask that fit each other; see :func:`check_batch`.

    Example
    -------
    >>> Batch((torch.zeros(1, 2),), (torch.zeros(1, 2),), torch.ones(1, dtype=torch.bool)).mask
    tensor([True])
    """

    logits: tuple
    targets: tuple
    mask: Tensor
    faulty: Tensor | None = None  # whether any target is, where nobody has asked yet


def check_batch(
    logits, targets, taxonomy, mask=None, lens=None, one_label=False, check_hierarchy=True, wait=True
):
    """Check logits and targets of every level, and convert them for the objective.

    Positions are frames, ``[batch, frame]``, or whole recordings, ``[batch]``.

    Arguments
    ---------
    logits : sequence of torch.Tensor
        For each level ``[batch, frame, class]`` or ``[batch, class]``, the top level first.
    targets : torch.Tensor or sequence of torch.Tensor
        For each level class indices ``[batch, frame]`` or ``[batch]``, or zeros and ones
        of the shape of its logits. A single tensor holds the lowest level; the levels
        above are derived, a parent being true where one of its children is.
    taxonomy : Taxonomy
        The levels and their classes.
    mask : torch.Tensor or None
        True at real positions; None where all are real, or lengths are given.
    lens : torch.Tensor or None
        Instead of a mask: lengths relative to the longest, ``[batch]``.
    one_label : bool
        Whether targets must have exactly one class of each level.
    check_hierarchy : bool
        Whether targets must satisfy the hierarchy: no class is true without its parent, and
        an only child is true exactly where its parent is.
    wait : bool
        Whether to synchronise with the device, and raise for faulty target values.

    Returns
    -------
    Batch
        Logits in single precision or better; targets as zeros and ones of the logits'
        shape and type; the mask; without synchronisation, whether target values are faulty.

    Raises
    ------
    ValueError
        If anything does not fit, with the shapes, the classes and the first place.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> logits = torch.zeros(1, 3, 2), torch.zeros(1, 3, 3)
    >>> batch = check_batch(logits, torch.tensor([[0, 1, 2]]), MUSIC_LOUDNESS)
    >>> batch.targets[0]
    tensor([[[1., 0.],
             [0., 1.],
             [0., 1.]]])
    """
    # Half precision would round probabilities near 0 and 1 away.
    logits = tuple(
        level.float() if level.dtype in (torch.float16, torch.bfloat16) else level for level in logits
    )
    _check_logits(logits, taxonomy)
    mask = _as_mask(logits[0], mask, lens)
    from_lowest = isinstance(targets, Tensor)
    given = [targets] if from_lowest else list(targets)
    if not from_lowest and len(given) != len(logits):
        raise ValueError(
            f"{len(given)} levels of targets were given for the {len(logits)} levels of the taxonomy; "
            "for the lowest alone, give its tensor by itself"
        )
    numbers = range(len(logits) - len(given), len(logits))
    ones = [
        _as_ones(target, logits[number], taxonomy.levels[number]) for target, number in zip(given, numbers)
    ]
    faults = []
    for number, target, as_given in zip(numbers, ones, given):
        indexed = as_given.dim() == target.dim() - 1
        faults += _value_faults(target, number, taxonomy.levels[number], indexed, one_label)
    if from_lowest:
        ones = upper_levels(ones[0], taxonomy)
    elif check_hierarchy:
        faults += [
            _hierarchy_fault(ones[depth - 1], ones[depth], depth, taxonomy) for depth in range(1, len(ones))
        ]
    faulty = _any_fault(faults, mask)
    if not wait:
        return Batch(logits, tuple(ones), mask, faulty)
    # The one wait for the device.
    if faulty:
        _raise_first(faults, mask)
    return Batch(logits, tuple(ones), mask)


def upper_levels(lowest, taxonomy):
    """Derive the targets of every level from the lowest: a parent is true where one of its children is.

    Arguments
    ---------
    lowest : torch.Tensor
        Zeros and ones, ``[..., class of the lowest level]``, floating.
    taxonomy : Taxonomy
        The levels and their classes.

    Returns
    -------
    tuple of torch.Tensor
        For each level ``[..., class]``, the top level first.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> upper_levels(torch.tensor([[0.0, 1.0, 1.0]]), MUSIC_LOUDNESS)[0]
    tensor([[0., 1.]])
    """
    levels = [lowest]
    for depth in range(len(taxonomy.levels) - 1, 0, -1):
        parents = constant(taxonomy.parent_indices(depth), torch.long, lowest.device)
        above = lowest.new_zeros(*lowest.shape[:-1], taxonomy.sizes[depth - 1])
        levels.insert(0, above.index_add(-1, parents, levels[0]).clamp(max=1))
    return tuple(levels)


@lru_cache(maxsize=1024)
def constant(values, dtype, device):
    """A tuple of numbers as a tensor, copied to the device only once.

    Arguments
    ---------
    values : tuple
        The numbers.
    dtype : torch.dtype
        The type, needed since ``(1, 0)`` and ``(True, False)`` have the same cache key.
    device : torch.device
        Target device.

    Returns
    -------
    torch.Tensor
        ``[value]``; do not modify it.

    Example
    -------
    >>> constant((0, 1, 1), torch.long, torch.device("cpu"))
    tensor([0, 1, 1])
    """
    # A tensor made in inference mode could not be used in training later.
    with torch.inference_mode(False):
        return torch.tensor(values, device=device, dtype=dtype)


def _check_logits(logits, taxonomy):
    """Raise ValueError where the logits do not fit the taxonomy or each other."""
    shapes = [list(level.shape) for level in logits]
    if len(logits) != len(taxonomy.levels):
        raise ValueError(
            f"logits of {len(logits)} levels, of the shapes {shapes}, do not fit the "
            f"{len(taxonomy.levels)} levels of the taxonomy, of {taxonomy.sizes} classes"
        )
    for shape, names in zip(shapes, taxonomy.levels):
        if shape[-1:] != [len(names)]:
            raise ValueError(f"logits of shape {shape} do not fit the {len(names)} classes {list(names)}")
        if len(shape) not in (2, 3) or shape[:-1] != shapes[0][:-1]:
            raise ValueError(
                f"logits of the shapes {shapes} do not fit each other; all levels must be "
                "[batch, frame, class], or all [batch, class]"
            )


def _as_mask(logits, mask, lens):
    """The mask of the positions, from whichever of the two is given."""
    if mask is not None and lens is not None:
        raise ValueError("a mask and relative lengths were given; give one of the two")
    if lens is not None and logits.dim() == 3:
        mask = frame_mask(logits, lens)
    if mask is None:
        return torch.ones(logits.shape[:-1], dtype=torch.bool, device=logits.device)
    if mask.shape != logits.shape[:-1] or mask.dtype != torch.bool:
        raise ValueError(
            f"a mask of shape {list(mask.shape)} and type {mask.dtype} does not fit logits of shape "
            f"{list(logits.shape)}; give truth values of shape {list(logits.shape[:-1])}, or lens=..."
        )
    return mask


def _as_ones(target, logits, names):
    """A level's targets as zeros and ones of the logits' shape and type; zeros for invalid indices."""
    indexed = target.dim() == logits.dim() - 1
    if (target if indexed else target[..., 0]).shape != logits.shape[:-1] or (
        not indexed and target.shape != logits.shape
    ):
        raise ValueError(
            f"targets of shape {list(target.shape)} do not fit logits of shape {list(logits.shape)} "
            f"({', '.join(names)}); give class indices {list(logits.shape[:-1])}, "
            f"or zeros and ones {list(logits.shape)}"
        )
    if not indexed:
        return target.to(logits.dtype)
    if target.is_floating_point() or target.dtype == torch.bool:
        raise ValueError(
            f"targets of shape {list(target.shape)} are class indices, but of the type {target.dtype}; "
            f"make them integers, or give zeros and ones of shape {list(logits.shape)}"
        )
    classes = constant(tuple(range(len(names))), torch.long, target.device)
    return (target[..., None] == classes).to(logits.dtype)


class _Fault(NamedTuple):
    """A way in which targets can be wrong.

    ``where`` marks the faulty targets, and ``describe`` says what is wrong with one, by its index.
    """

    where: Tensor
    describe: object


def _value_faults(ones, number, names, indexed, one_label):
    """Faults of one level's targets by themselves."""
    level = f"level {number + 1} ({', '.join(names)})"
    counts = (ones != 0).sum(dim=-1, keepdim=True)
    if indexed:
        return [_Fault(counts != 1, lambda _: f"the index is of no class of {level}")]

    def describe(index):
        """The class that is something else."""
        return f"{names[index]!r} of level {number + 1} is neither 0 nor 1"

    faults = [_Fault((ones != 0) & (ones != 1), describe)]
    if one_label:
        faults.append(_Fault(counts != 1, lambda _: f"not just one class of {level} is true"))
    return faults


def _hierarchy_fault(above, below, depth, taxonomy):
    """Children that contradict their parents, as the penalties have it."""
    parents = taxonomy.parent_indices(depth)
    alone = constant(taxonomy.only_children(depth), torch.bool, below.device)
    excess = below - above[..., constant(parents, torch.long, above.device)]

    def describe(index):
        """The child, the parent, and the cure."""
        child, parent = taxonomy.levels[depth][index], taxonomy.levels[depth - 1][parents[index]]
        rule = "differs from" if taxonomy.only_children(depth)[index] else "is true without"
        return (
            f"{child!r} of level {depth + 1} {rule} its parent {parent!r} of level {depth}; mend the "
            "targets, give those of the lowest level alone, or set check_hierarchy to False"
        )

    return _Fault((excess > 0) | (alone & (excess < 0)), describe)


def _any_fault(faults, mask):
    """Whether a batch has no real position, or a fault at one, as a tensor."""
    found = [(fault.where & mask[..., None]).any() for fault in faults]
    return torch.stack((~mask.any(), *found)).any()


def _raise_first(faults, mask):
    """Raise ValueError for a batch without a real position, or for the first fault at one."""
    if not mask.any():
        raise ValueError(f"no frame of this batch of shape {list(mask.shape)} is real; all is padding")
    for fault in faults:
        places = (fault.where & mask[..., None]).nonzero()
        if len(places):
            *position, index = places[0].tolist()
            axes = "recording, frame" if mask.dim() == 2 else "recording"
            n_positions = int((fault.where.any(dim=-1) & mask).sum())
            raise ValueError(
                f"targets at [{', '.join(map(str, position))}] ({axes}), and at {n_positions} of "
                f"{int(mask.sum())} in all: {fault.describe(index)}"
            )
