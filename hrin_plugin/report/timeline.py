"""Timelines of recordings as SVG for a web page: a row for each hour, a lane for each level."""

import html

from hrin_plugin.detection import Detection
from hrin_plugin.report.display import class_name, css_class, fine_clock
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.totals import HOUR_MS, milliseconds

#: Width of the hours, and of their clock to the left.
WIDTH, MARGIN = 1000, 52

#: Height of the top level's lane and of those below it; height of each level's first class.
TOP_LANE, LANE, FIRST = 10, 20, 3

_ROW_GAP, _LANE_GAP, _AXIS = 10, 3, 16
_TICKS_MS = [step * 1000 for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)]
_MOST_TICKS = 12


def class_heights(taxonomy: Taxonomy) -> dict[str, dict[str, float]]:
    """Height of each class in its lane, so that classes differ in greyscale too.

    A level's first class (nothing found) is a thin line. The second fills the lane. Each further class is
    lower than the one before.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> class_heights(MUSIC_LOUDNESS)["mrle"]
    {'no-music': 3, 'fg-music': 20.0, 'bg-music': 10.0}
    """
    heights = {}
    for level, labels in taxonomy.labels.items():
        lane, others = LANE if heights else TOP_LANE, labels[1:]
        heights[level] = {labels[0]: FIRST} | {
            label: lane * (len(others) - place) / len(others) for place, label in enumerate(others)
        }
    return heights


def draw_timeline(detection: Detection, titles: bool = True) -> str:
    """Draw a recording's events of all levels.

    The colour of each class's group (:func:`hrin_plugin.report.display.css_class`) is left to the
    page's style; each event is a line as thick as its class is high.

    Arguments
    ---------
    detection : Detection
        The events to draw.
    titles : bool
        Whether each event has a tooltip with its class and times; without tooltips, the
        drawing is a sixth of the size.

    Returns
    -------
    str
        An ``svg`` element, 1074 units wide.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> drawing = draw_timeline(Detection("a", 7200.0, {"md": [Event(3000.0, 4200.0, "music")]}))
    >>> drawing.count("<title>Music 0:50:00.000 to 1:10:00.000</title>")
    2
    """
    end_ms = milliseconds(detection.duration_s)
    row_ms = min(max(end_ms, 1), HOUR_MS)
    starts = range(0, max(end_ms, 1), HOUR_MS)
    heights, lanes, top = class_heights(detection.taxonomy), {}, 0
    for level in detection.events:
        lanes[level] = top + (TOP_LANE if level == detection.taxonomy.level_names[0] else LANE)
        top = lanes[level] + _LANE_GAP
    row_height = top - _LANE_GAP + _ROW_GAP
    height = _AXIS + len(starts) * row_height
    parts = [f'<svg viewBox="0 0 {MARGIN + WIDTH + 22} {height}" role="img" aria-label="Timeline">']
    parts.append(_draw_axis(row_ms, height))
    for row, start_ms in enumerate(starts):
        foot = _AXIS + row * row_height + top - _LANE_GAP
        parts.append(f'<text x="{MARGIN - 6}" y="{foot - 2}" class="hour">{start_ms // HOUR_MS} h</text>')
    for level, events in detection.events.items():
        # The highest is drawn first, so that what overlaps it shows.
        for label, high in sorted(heights[level].items(), key=lambda item: -item[1]):
            lines = [
                line
                for event in events
                if event.label == label
                for line in _lines(event, _AXIS + lanes[level] - high / 2, row_height, row_ms, end_ms)
            ]
            if lines:
                parts.append(
                    f'<g class="{css_class(label)}" stroke-width="{high:.3g}">{_join(lines, titles)}</g>'
                )
    return "".join(parts) + "</svg>"


def _lines(event, y, row_height, row_ms, end_ms):
    """Path and title of an event in each row that it spans."""
    onset_s, offset_s, label = event
    onset, offset = milliseconds(onset_s), min(milliseconds(offset_s), end_ms)
    title = f"{html.escape(class_name(label))} {fine_clock(onset)} to {fine_clock(offset)}"
    for row in range(onset // HOUR_MS, max(offset - 1, onset) // HOUR_MS + 1):
        left = max(onset - row * HOUR_MS, 0) * WIDTH / row_ms
        right = min(offset - row * HOUR_MS, row_ms) * WIDTH / row_ms
        # What is shorter than a third of a pixel would not be seen.
        width = max(right - left, 0.3)
        yield f"M{MARGIN + left:.1f} {y + row * row_height:.5g}h{width:.1f}", title


def _join(lines, titles):
    """Lines as one path, or each with its title."""
    if not titles:
        return f'<path d="{"".join(line for line, _ in lines)}"/>'
    return "".join(f'<path d="{line}"><title>{title}</title></path>' for line, title in lines)


def _draw_axis(row_ms, height):
    """Ticks through all rows, with their minutes or seconds."""
    step = next(step for step in _TICKS_MS if row_ms / step <= _MOST_TICKS)
    texts, lines = [], []
    for time_ms in range(0, row_ms + 1, step):
        x = f"{MARGIN + time_ms * WIDTH / row_ms:.1f}"
        lines.append(f"M{x} {_AXIS - 4}V{height}")
        text = f"{time_ms // 60_000} min" if step >= 60_000 else f"{time_ms // 1000} s"
        texts.append(f'<text x="{x}" y="9">{text}</text>')
    return f'<path class="ticks" d="{"".join(lines)}"/><g class="axis">{"".join(texts)}</g>'
