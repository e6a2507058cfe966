"""Excerpts of annotated recordings and of what is rehearsed, as SpeechBrain's data sets."""

from collections.abc import Mapping, Sequence

import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.data_pipeline import provides, takes

from hrin_plugin.adaptation.parts import Part
from hrin_plugin.archive.references import derive_md
from hrin_plugin.decoding.runs import StateEvents
from hrin_plugin.events import events_to_frames
from hrin_plugin.pretrained.rehearsal import Rehearsal
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.timing import FrameGrid


def part_entries(parts: Sequence[Part], excerpt_s: float, grid: FrameGrid) -> dict:
    """Entries of a data set: each part cut into excerpts of one length.

    Arguments
    ---------
    parts : sequence of Part
        The parts.
    excerpt_s : float
        Length of an excerpt in seconds; shorter parts are one excerpt.
    grid : FrameGrid
        Sample rate and hop of the frames.

    Returns
    -------
    dict of str to dict
        For :func:`make_dataset`.

    Example
    -------
    >>> from hrin_plugin.archive.references import Reference
    >>> from hrin_plugin.detection import Detection
    >>> part = Part(Reference("a.wav", Detection("a", 60.0, {"md": [], "mrle": []})), 0.0, 60.0)
    >>> [entry["first"] for entry in part_entries([part], 24.0, FrameGrid()).values()]
    [0, 1500, 2250]
    """
    entries = {}
    length = grid.frame_at(excerpt_s)
    for part in parts:
        begin, end = grid.frame_at(part.begin_s), grid.frame_at(part.end_s)
        last = max(end - length, begin)
        for first in sorted({*range(begin, last, length), last}):
            after = min(first + length, end)
            stretch = part._replace(begin_s=grid.time_of(first), end_s=grid.time_of(after))
            entries[f"{part.reference.path}@{first}"] = {
                "source": part.reference.path,
                "first": first,
                "after": after,
                "duration": stretch.duration_s,
                **{level: stretch.clip(events) for level, events in part.reference.detection.events.items()},
            }
    return entries


def rehearsal_entries(rehearsal: Rehearsal, taxonomy: Taxonomy, grid: FrameGrid) -> dict:
    """Entries of a data set: the excerpts that a model was trained on.

    Arguments
    ---------
    rehearsal : Rehearsal
        The excerpts.
    taxonomy : Taxonomy
        The levels.
    grid : FrameGrid
        Sample rate and hop of the frames.

    Returns
    -------
    dict of str to dict
        For :func:`make_dataset`; their source is the number of the excerpt.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> known = Rehearsal(torch.zeros(1, 10, 128), torch.ones(1, 10, dtype=torch.long))
    >>> rehearsal_entries(known, MUSIC_LOUDNESS, FrameGrid())["rehearsed@0"]["md"]
    [Event(onset_s=0.0, offset_s=0.16, label='music')]
    """
    md, mrle = taxonomy.level_names
    labels = taxonomy.levels[-1]
    entries = {}
    for number, classes in enumerate(rehearsal.classes):
        duration_s = grid.time_of(len(classes))
        runs = StateEvents({0: (labels, list(range(len(labels))))}, [0.0] * len(labels), grid)
        events = [event for _, event in runs.push(classes.numpy()) + runs.finish(duration_s)]
        entries[f"rehearsed@{number}"] = {
            "source": number,
            "first": 0,
            "after": len(classes),
            "duration": duration_s,
            md: derive_md(events, taxonomy),
            mrle: events,
        }
    return entries


def repeated(entries: Mapping[str, dict], n_wanted: int) -> dict:
    """Entries as often as makes up a number of them, at least once each.

    Arguments
    ---------
    entries : mapping of str to dict
        The entries.
    n_wanted : int
        How many there are to be, nearly.

    Returns
    -------
    dict of str to dict
        Under names of their own.

    Example
    -------
    >>> list(repeated({"a": {}}, 2))
    ['a#0', 'a#1']
    """
    if not entries:
        return {}
    times = max(1, round(n_wanted / len(entries)))
    return {f"{name}#{time}": entry for time in range(times) for name, entry in entries.items()}


def make_dataset(
    entries: Mapping[str, dict], frames_of: Mapping, taxonomy: Taxonomy, grid: FrameGrid
) -> DynamicItemDataset:
    """A data set of excerpts, as :class:`hrin_plugin.training.brain.HRINBrain` takes it.

    Arguments
    ---------
    entries : mapping of str to dict
        From :func:`part_entries` and :func:`rehearsal_entries`.
    frames_of : mapping
        The log-mel frames of each source, ``[frame, band]``.
    taxonomy : Taxonomy
        The levels.
    grid : FrameGrid
        Sample rate and hop of the frames.

    Returns
    -------
    DynamicItemDataset
        The data set.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> known = Rehearsal(torch.zeros(1, 10, 128), torch.ones(1, 10, dtype=torch.long))
    >>> entries = rehearsal_entries(known, MUSIC_LOUDNESS, FrameGrid())
    >>> make_dataset(entries, {0: known.frames[0]}, MUSIC_LOUDNESS, FrameGrid())[0]["frames"].shape
    torch.Size([10, 128])
    """
    levels = taxonomy.level_names

    @takes("source", "first", "after", *levels)
    @provides("frames", *(f"{level}_frames" for level in levels))
    def excerpt(source, first, after, *events):
        """Frames of an excerpt, and the class of each on every level."""
        frames = frames_of[source][first:after].float()
        yield frames
        for own, labels in zip(events, taxonomy.levels):
            yield torch.from_numpy(events_to_frames(own, labels, grid, len(frames)))

    keys = ["id", "duration", "frames", *(f"{level}_frames" for level in levels), *levels]
    return DynamicItemDataset(dict(entries), dynamic_items=[excerpt], output_keys=keys)
