"""Which frames of a padded batch are real."""

import torch


def frame_mask(frames, lens):
    """Which frames of a padded batch are real.

    Arguments
    ---------
    frames : torch.Tensor
        ``[batch, frame, ...]``.
    lens : torch.Tensor or None
        Length of each recording relative to the longest, ``[batch]``; None where
        all are as long. A recording of any length has at least one frame, so that
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
    n_frames, lens = frames.shape[1], lens.to(frames.device)
    counts = torch.where(lens > 0, torch.round(lens * n_frames).clamp(min=1), 0)
    # One wait for the device answers both questions.
    all_full, any_empty = torch.stack(((counts >= n_frames).all(), (counts == 0).any())).tolist()
    if any_empty:
        raise ValueError(
            f"recording {int((counts == 0).nonzero()[0])} of a batch of shape {list(frames.shape)} is all "
            f"padding: the relative lengths are {lens.tolist()}; leave it out, or give it a length above 0"
        )
    if all_full:
        return None
    return torch.arange(n_frames, device=frames.device)[None, :] < counts[:, None]
