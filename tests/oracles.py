"""What tests compare with: the paper's decisions, and one pass of a model, in the plainest way."""

import numpy as np
import torch

from hrin_plugin.events import Event


def threshold_events(probabilities, labels, grid, duration_s, threshold=0.5):
    """Events of one level, in order: each class on its own against its threshold (paper, section V-C)."""
    probabilities = np.asarray(probabilities)
    if probabilities.dtype.kind != "f":
        probabilities = probabilities.astype(float)
    # A border of silence, so that each run has both a rise and a fall.
    active = np.zeros((len(labels), len(probabilities) + 2), dtype=np.int8)
    active[:, 1:-1] = (probabilities >= np.asarray(threshold, probabilities.dtype)).T
    change = np.diff(active)
    class_indices, firsts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    events = [
        Event(grid.time_of(first), min(grid.time_of(end), float(duration_s)), labels[index])
        for first, index, end in sorted(zip(firsts.tolist(), class_indices.tolist(), ends.tolist()))
    ]
    return [event for event in events if event.onset_s < event.offset_s]


def argmax_events(probabilities, labels, grid, duration_s):
    """Events of one level: in every frame the most probable class, of equals the first."""
    one_hot = np.eye(len(labels))[np.asarray(probabilities).argmax(axis=1)]
    return threshold_events(one_hot, labels, grid, duration_s)


def recognise(model, wav):
    """Probabilities and the paper's events of each level, in one pass over the whole of a recording."""
    grid, taxonomy = model.features.grid, model.network.taxonomy
    with torch.no_grad():
        frames = model.statistics(model.features(torch.from_numpy(wav).float()[None]))
        probabilities = tuple(torch.sigmoid(level)[0].numpy() for level in model.network(frames))
    duration_s = len(wav) / grid.sample_rate
    return probabilities, tuple(
        threshold_events(level, labels, grid, duration_s)
        for level, labels in zip(probabilities, taxonomy.levels)
    )
