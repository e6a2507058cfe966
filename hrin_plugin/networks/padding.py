"""Masks and frame counts of padded batches."""

import torch


def frame_mask(frames, lens, device=None):
    """Mask of the frames without padding.

    Arguments
    ---------
    frames : torch.Tensor
        ``[batch, frame, ...]``.
    lens : torch.Tensor or None
        Length of each recording relative to the longest, ``[batch]``, on any device;
        None where all have the same length. A recording of any length has at least one frame, so that
        the single frame of a pooled recording is real.

    Returns
    -------
    torch.Tensor or None
        True at real frames, ``[batch, frame]``; None where all are.

    Raises
    ------
    ValueError
        If the lengths do not fit the batch, or a recording has none.

    Example
    -------
    >>> frame_mask(torch.zeros(2, 4, 1), torch.tensor([1.0, 0.5]))
    tensor([[ True,  True,  True,  True],
            [ True,  True, False, False]])
    """
    if lens is None:
        return None
    if lens.shape != frames.shape[:1]:
        raise ValueError(
            f"relative lengths of shape {list(lens.shape)} do not fit a batch of shape {list(frames.shape)}; "
            f"give [{frames.shape[0]}], one for each recording"
        )
    n_frames = frames.shape[1]
    counts = frame_counts(n_frames, lens)
    # One device synchronisation for both checks; none if the lengths are on the CPU.
    all_full, any_empty = torch.stack(((counts >= n_frames).all(), (counts == 0).any())).tolist()
    if any_empty:
        raise ValueError(
            f"recording {int((counts == 0).nonzero()[0])} of a batch of shape {list(frames.shape)} is all "
            f"padding: the relative lengths are {lens.tolist()}; leave it out, or give it a length above 0"
        )
    if all_full:
        return None
    device = frames.device if device is None else device
    counts = counts.to(device, non_blocking=counts.device.type == "cpu")
    return torch.arange(n_frames, device=device)[None, :] < counts[:, None]


def frame_counts(n_frames, lens):
    """Number of frames of each recording without padding.

    Arguments
    ---------
    n_frames : int
        Frames of the longest.
    lens : torch.Tensor
        Length of each recording relative to the longest, ``[batch]``.

    Returns
    -------
    torch.Tensor
        Whole numbers, ``[batch]``, of the lengths' type and on their device.

    Example
    -------
    >>> frame_counts(10, torch.tensor([1.0, 0.52, 0.01, 0.0]))
    tensor([10.,  5.,  1.,  0.])
    """
    return torch.where(lens > 0, torch.round(lens * n_frames).clamp(min=1), 0)
