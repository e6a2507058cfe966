"""Excerpts that a model was trained on, kept beside its weights: what an adaptation rehearses."""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from hrin_plugin.files import replacing
from hrin_plugin.pretrained.sources import REHEARSAL_FILE, SHIPPED_MODEL

#: Excerpts of the model that comes with the package.
SHIPPED_REHEARSAL = Path(__file__).resolve().parent / "rehearsal_excerpts" / REHEARSAL_FILE
#: Decibels from one of the 256 values of a frame's band to the next.
STEP_DB = 0.5


class Rehearsal(NamedTuple):
    """Annotated excerpts, as log-mel frames.

    Example
    -------
    >>> Rehearsal(torch.zeros(2, 10, 128), torch.zeros(2, 10, dtype=torch.long)).frames.shape
    torch.Size([2, 10, 128])
    """

    frames: torch.Tensor  # [excerpt, frame, band], decibels
    classes: torch.Tensor  # [excerpt, frame], index of a class of the lowest level


def save_rehearsal(folder: str | Path, rehearsal: Rehearsal) -> None:
    """Write excerpts into a model's folder, a byte for each band of a frame.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder of the model.
    rehearsal : Rehearsal
        The excerpts. Bands more than 127.5 dB below the loudest one are raised to that.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> save_rehearsal(folder, Rehearsal(torch.full((1, 4, 128), -20.2), torch.ones(1, 4, dtype=torch.long)))
    >>> load_rehearsal(folder).frames[0, 0, 0].item()
    -20.2...
    """
    top_db = rehearsal.frames.max()
    below = ((top_db - rehearsal.frames) / STEP_DB).round().clamp(0, 255)
    with replacing(Path(folder) / REHEARSAL_FILE) as draft:
        draft.write_bytes(
            to_bytes(
                {
                    "below": below.to(torch.uint8).contiguous(),
                    "top_db": top_db.reshape(1).float(),
                    "classes": rehearsal.classes.to(torch.uint8).contiguous(),
                }
            )
        )


def load_rehearsal(folder: str | Path) -> Rehearsal | None:
    """The excerpts of a model's folder; None if it holds none.

    Those of the model that comes with the package lie beside it: they are no part of what detects.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder of the model.

    Returns
    -------
    Rehearsal or None
        The excerpts; levels are right to a quarter of a decibel.

    Raises
    ------
    ValueError
        If the file is damaged.

    Example
    -------
    >>> load_rehearsal(getfixture("tmp_path")) is None
    True
    """
    path = Path(folder) / REHEARSAL_FILE
    if Path(folder).resolve() == SHIPPED_REHEARSAL.parents[2] / SHIPPED_MODEL:
        path = SHIPPED_REHEARSAL
    if not path.is_file():
        return None
    try:
        found = load_file(path)
        frames = found["top_db"] - found["below"].float() * STEP_DB
        return Rehearsal(frames, found["classes"].long())
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{path}: is damaged ({error}); fetch the model again, or delete the file") from None
