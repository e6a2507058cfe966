"""Pictures of recordings: waveform, spectrogram, events and probabilities (paper, Fig. 6)."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hrin_plugin.events import Event
from hrin_plugin.files import replacing
from hrin_plugin.report.columns import Columns
from hrin_plugin.report.display import class_name, clock, colours_of, fine_clock
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from hrin_plugin.timing import FrameGrid
from hrin_plugin.totals import milliseconds

LANE_INCHES = 0.35

#: What is this far below the loudest is black, in decibels.
RANGE_DB = 80.0

#: Frequencies that are labelled.
TICKS_HZ = (250, 500, 1000, 2000, 3000, 5000, 10_000, 20_000)

#: Distances of labelled times, in seconds.
STEPS_S = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14_400,
    43_200,
    86_400,
)


class Drawing:
    """What is heard in a recording, or a part of it, in as many columns as a picture has.

    Arguments
    ---------
    grid : FrameGrid
        Sample rate, and times of the frames.
    start_s : float
        Where the part begins in the recording, in seconds.

    Example
    -------
    >>> drawing = Drawing(FrameGrid(8000, 128))
    >>> drawing.hear(np.zeros(16000, np.float32))
    >>> drawing.see(np.zeros((126, 128), np.float32))
    >>> drawing.duration_s
    2.0
    """

    def __init__(self, grid: FrameGrid, start_s: float = 0.0):
        self.grid, self.start_s, self.n_samples = grid, start_s, 0
        self.low, self.high = Columns(np.minimum), Columns(np.maximum)
        self.frames, self.levels = Columns(np.add), None
        self.level_grid, self.level_s = grid, start_s

    @property
    def duration_s(self) -> float:
        """Length of the part, in seconds."""
        return self.n_samples / self.grid.sample_rate

    def hear(self, samples: np.ndarray) -> None:
        """Take the next samples, ``[sample]``."""
        self.low.push(samples[:, None])
        self.high.push(samples[:, None])
        self.n_samples += len(samples)

    def see(self, frames: np.ndarray) -> None:
        """Take the next log-mel frames, in decibels, ``[frame, band]``."""
        self.frames.push(frames)

    def believe(
        self, levels: Sequence[np.ndarray], grid: FrameGrid | None = None, first_s: float | None = None
    ) -> None:
        """Take the next frames' probabilities, ``[frame, class]`` of each level.

        Their grid and the time of the first of all are those of the part, unless they are given.
        """
        self.level_grid = grid or self.grid
        self.level_s = self.start_s if first_s is None else first_s
        self.levels = self.levels or [Columns(np.add) for _ in levels]
        for columns, level in zip(self.levels, levels):
            columns.push(level)


def draw_recording(
    drawing: Drawing, lanes: Mapping[str, Sequence[Event]], taxonomy: Taxonomy = MUSIC_LOUDNESS
) -> Figure:
    """Draw a recording above its events.

    Arguments
    ---------
    drawing : Drawing
        Its samples, frames and probabilities.
    lanes : mapping of str to list of Event
        Name of each lane to its events, times from the beginning of the recording; drawn from top to
        bottom.
    taxonomy : Taxonomy
        The classes; labels of the lanes that it lacks have a colour too.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> drawing = Drawing(FrameGrid(8000, 128))
    >>> drawing.hear(np.random.default_rng(0).normal(0, 0.1, 16000).astype("float32"))
    >>> drawing.see(np.zeros((126, 128)))
    >>> len(draw_recording(drawing, {"reference": [Event(0.5, 1.5, "music")]}).axes)
    3
    """
    levels = list(zip(taxonomy.level_names, taxonomy.levels, drawing.levels or ()))
    colours = colours_of([*(label for names in taxonomy.levels for label in names), *_labels_of(lanes)])
    heights = [1.0, 1.6] + [LANE_INCHES * len(lanes)] * bool(lanes) + [0.8] * len(levels)
    figure = Figure(figsize=(11, sum(heights) + 0.25 * len(heights) + 0.6), layout="constrained")
    panels = iter(figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0])
    _draw_waveform(next(panels), drawing)
    _draw_spectrogram(next(panels), drawing)
    if lanes:
        _draw_lanes(next(panels), lanes, colours)
    for name, labels, level in levels:
        _draw_probabilities(next(panels), [colours[label] for label in labels], level, drawing, name)
    _show_clock(figure.axes[-1], drawing.start_s, drawing.start_s + drawing.duration_s)
    handles = [Patch(color=colour, label=class_name(label)) for label, colour in colours.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 8), frameon=False)
    return figure


def picture_path(path: str | Path) -> Path:
    """The path of a picture; raises ValueError unless it ends in .png, .svg or .pdf.

    Example
    -------
    >>> picture_path("a.png").name
    'a.png'
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"{path}: a picture's name must end in .png, .svg or .pdf")
    return path


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
    with replacing(picture_path(path)) as draft:
        figure.savefig(draft, dpi=150)


def _draw_waveform(panel, drawing):
    """Minimum and maximum of the samples of each column."""
    low, high = drawing.low.values()[:, 0], drawing.high.values()[:, 0]
    times_s = _times(drawing.start_s, drawing.low.width / drawing.grid.sample_rate, len(low))
    panel.fill_between(times_s, low, high, color="#555555", linewidth=0)
    panel.set(ylabel="signal", yticks=[])


def _draw_spectrogram(panel, drawing):
    """Decibels of each band, with the frames at their times and the bands at their frequencies."""
    frames, grid = drawing.frames.values(), drawing.grid
    begin_s = drawing.start_s - grid.time_of(0.5)
    extent = (begin_s, begin_s + grid.time_of(len(frames) * drawing.frames.width), 0, frames.shape[1])
    peak = frames.max()
    panel.imshow(
        frames.T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=peak - RANGE_DB, vmax=peak
    )
    ticks = [hertz for hertz in TICKS_HZ if hertz < grid.sample_rate / 2]
    panel.set_yticks([band_of(hertz, grid.sample_rate, frames.shape[1]) for hertz in ticks], ticks)
    panel.set(ylabel="frequency, Hz")


def band_of(hertz: float, sample_rate: int, n_bands: int) -> float:
    """Where a frequency lies among mel bands of Slaney's scale; the middle of band ``i`` is at ``i + 0.5``.

    Arguments
    ---------
    hertz : float
        The frequency.
    sample_rate : int
        Samples a second; the bands reach up to half of it.
    n_bands : int
        Number of bands.

    Returns
    -------
    float
        The place, from 0 to ``n_bands``.

    Example
    -------
    >>> round(band_of(1000.0, 8000, 128), 2)
    54.53
    """
    step = _mel(sample_rate / 2) / (n_bands + 1)
    return _mel(hertz) / step - 0.5


def _mel(hertz):
    """A frequency on Slaney's mel scale: linear up to 1000 Hz, then logarithmic."""
    if hertz < 1000:
        return 3 * hertz / 200
    return 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def _times(begin_s, column_s, n_columns):
    """Times of the middles of columns."""
    return begin_s + column_s * (np.arange(n_columns) + 0.5)


def _show_clock(panel, begin_s, end_s):
    """Label the axis of time as a clock."""
    step_s = next((step for step in STEPS_S if (end_s - begin_s) / step <= 10), STEPS_S[-1])
    ticks = np.arange(math.ceil(begin_s / step_s), math.floor(end_s / step_s) + 1) * step_s
    show = clock if step_s >= 1 else fine_clock
    panel.set_xticks(ticks, [show(milliseconds(tick)) for tick in ticks])
    panel.set(xlim=(begin_s, end_s), xlabel="time, h:mm:ss")


def _draw_lanes(panel, lanes, colours):
    """A row of coloured bars for each list of events."""
    for row, events in enumerate(lanes.values()):
        spans = [(event.onset_s, event.offset_s - event.onset_s) for event in events]
        shown = [colours[event.label] for event in events]
        panel.broken_barh(spans, (row - 0.4, 0.8), facecolors=shown, edgecolor="white", linewidth=0.5)
    panel.set_yticks(range(len(lanes)), list(lanes))
    panel.set_ylim(len(lanes) - 0.5, -0.5)
    panel.tick_params(left=False)


def _draw_probabilities(panel, colours, columns, drawing, name):
    """A line for each class."""
    level, grid = columns.values(), drawing.level_grid
    # Frames are centred on their times.
    first_s = drawing.level_s - grid.time_of(0.5)
    times_s = _times(first_s, grid.time_of(columns.width), len(level))
    for colour, column in zip(colours, level.T):
        panel.plot(times_s, column, color=colour, linewidth=1.2)
    panel.axhline(0.5, color="#999999", linewidth=0.6, linestyle=":")
    panel.set(ylim=(-0.03, 1.03), yticks=[0, 0.5, 1], ylabel=name)


def _labels_of(lanes):
    """Every label that occurs in the lanes."""
    return [event.label for events in lanes.values() for event in events]
