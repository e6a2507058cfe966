"""Pictures of recordings: waveform, spectrogram, events and probabilities (paper, Fig. 6)."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hrin_plugin.events import Event
from hrin_plugin.files import replacing
from hrin_plugin.report.display import class_name, colours_of
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from hrin_plugin.timing import FrameGrid

LANE_INCHES = 0.35


def draw_recording(
    wav: np.ndarray,
    frames: np.ndarray,
    grid: FrameGrid,
    lanes: Mapping[str, Sequence[Event]],
    probabilities: Iterable[np.ndarray] | None = None,
    taxonomy: Taxonomy = MUSIC_LOUDNESS,
) -> Figure:
    """Draw a recording above its events.

    Arguments
    ---------
    wav : numpy.ndarray
        Samples at the features' rate, ``[sample]``.
    frames : numpy.ndarray
        Its log-mel frames, ``[frame, band]``.
    grid : FrameGrid
        Their times.
    lanes : mapping of str to list of Event
        Name of each lane to its events; drawn from top to bottom.
    probabilities : iterable of numpy.ndarray or None
        For each level ``[frame, class]``.
    taxonomy : Taxonomy
        The classes; labels of the lanes that it lacks have a colour too.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.timing import FrameGrid
    >>> wav = np.random.default_rng(0).normal(0, 0.1, 16000).astype("float32")
    >>> frames, lanes = np.zeros((126, 128)), {"reference": [Event(0.5, 1.5, "music")]}
    >>> len(draw_recording(wav, frames, FrameGrid(8000, 128), lanes).axes)
    3
    """
    levels = [] if probabilities is None else list(zip(taxonomy.level_names, taxonomy.levels, probabilities))
    colours = colours_of([*(label for names in taxonomy.levels for label in names), *_labels_of(lanes)])
    heights = [1.0, 1.6] + [LANE_INCHES * len(lanes)] * bool(lanes) + [0.8] * len(levels)
    figure = Figure(figsize=(11, sum(heights) + 0.25 * len(heights) + 0.6), layout="constrained")
    panels = iter(figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0])
    duration_s = len(wav) / grid.sample_rate
    _draw_waveform(next(panels), wav, duration_s)
    _draw_spectrogram(next(panels), frames, grid)
    if lanes:
        _draw_lanes(next(panels), lanes, colours)
    for name, labels, level in levels:
        _draw_probabilities(next(panels), [colours[label] for label in labels], level, grid, name)
    figure.axes[-1].set(xlim=(0, duration_s), xlabel="time, s")
    handles = [Patch(color=colour, label=class_name(label)) for label, colour in colours.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 8), frameon=False)
    return figure


def save_picture(figure: Figure, path: str | Path) -> None:
    """Write a picture in the format of the file's ending, atomically.

    Arguments
    ---------
    figure : matplotlib.figure.Figure
        The picture.
    path : str or pathlib.Path
        A file that ends in .png, .svg or .pdf.

    Raises
    ------
    ValueError
        If the ending is none of these.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.svg"
    >>> save_picture(Figure(), path)
    >>> path.read_text()[:5]
    '<?xml'
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"{path}: a picture's name must end in .png, .svg or .pdf")
    with replacing(path) as draft:
        figure.savefig(draft, dpi=150)


def _draw_waveform(panel, wav, duration_s, columns=2000):
    """Minimum and maximum of the samples in each of at most ``columns`` spans."""
    edges = np.linspace(0, len(wav), min(columns, len(wav)) + 1).astype(int)[:-1]
    times_s = (edges + edges[1] / 2 if len(edges) > 1 else edges) * duration_s / len(wav)
    low, high = np.minimum.reduceat(wav, edges), np.maximum.reduceat(wav, edges)
    panel.fill_between(times_s, low, high, color="#555555", linewidth=0)
    panel.set(ylabel="signal", yticks=[])


def _draw_spectrogram(panel, frames, grid):
    """Decibels of each band, with the frames at their times."""
    half_s = grid.time_of(0.5)
    extent = (-half_s, grid.time_of(len(frames)) - half_s, 0, frames.shape[1])
    panel.imshow(frames.T, origin="lower", aspect="auto", extent=extent, cmap="magma")
    panel.set(ylabel="mel band")


def _draw_lanes(panel, lanes, colours):
    """A row of coloured bars for each list of events."""
    for row, events in enumerate(lanes.values()):
        spans = [(event.onset_s, event.offset_s - event.onset_s) for event in events]
        shown = [colours[event.label] for event in events]
        panel.broken_barh(spans, (row - 0.4, 0.8), facecolors=shown, edgecolor="white", linewidth=0.5)
    panel.set_yticks(range(len(lanes)), list(lanes))
    panel.set_ylim(len(lanes) - 0.5, -0.5)
    panel.tick_params(left=False)


def _draw_probabilities(panel, colours, level, grid, name):
    """A line for each class."""
    times_s = [grid.time_of(frame) for frame in range(len(level))]
    for colour, column in zip(colours, level.T):
        panel.plot(times_s, column, color=colour, linewidth=1.2)
    panel.axhline(0.5, color="#999999", linewidth=0.6, linestyle=":")
    panel.set(ylim=(-0.03, 1.03), yticks=[0, 0.5, 1], ylabel=name)


def _labels_of(lanes):
    """Every label that occurs in the lanes."""
    return [event.label for events in lanes.values() for event in events]
