"""Timelines of recordings as SVG for a web page: a row for each hour, a lane for each level."""

from hrin_plugin.report.display import CLASS_NAMES, fine_clock
from hrin_plugin.totals import HOUR_MS, milliseconds

#: Width of the hours, and of their clock to the left.
WIDTH, MARGIN = 1000, 52

#: Height of a level's lane; what is drawn of a class from its foot up, that greyscale tells apart too.
LANES = {"md": 10, "mrle": 20}
HEIGHTS = {"music": 10, "fg-music": 20, "bg-music": 11, "no-music": 3}

_ROW_GAP, _LANE_GAP, _AXIS = 10, 3, 16
_TICKS_MS = [step * 1000 for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)]
_MOST_TICKS = 12


def draw_timeline(detection, titles=True):
    """Draw a recording's events of all levels.

    The class ``fg-music`` and so on of each group is left to the page's style; each event is a
    line as thick as its class is high.

    Arguments
    ---------
    detection : Detection
        What was found.
    titles : bool
        Whether each event tells its class and times when it is pointed at; without, the
        drawing is a sixth as large.

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
    lanes, top = {}, 0
    for task in detection.events:
        lanes[task] = top + LANES[task]
        top += LANES[task] + _LANE_GAP
    row_height = top - _LANE_GAP + _ROW_GAP
    height = _AXIS + len(starts) * row_height
    parts = [f'<svg viewBox="0 0 {MARGIN + WIDTH + 22} {height}" role="img" aria-label="Timeline">']
    parts.append(_draw_axis(row_ms, height))
    for row, start_ms in enumerate(starts):
        foot = _AXIS + row * row_height + top - _LANE_GAP
        parts.append(f'<text x="{MARGIN - 6}" y="{foot - 2}" class="hour">{start_ms // HOUR_MS} h</text>')
    for task, events in detection.events.items():
        # The foreground is drawn first, so that what overlaps it shows.
        for label in CLASS_NAMES:
            lines = [
                line
                for event in events
                if event.label == label
                for line in _lines(
                    event, _AXIS + lanes[task] - HEIGHTS[label] / 2, row_height, row_ms, end_ms
                )
            ]
            if lines:
                parts.append(f'<g class="{label}">{_join(lines, titles)}</g>')
    return "".join(parts) + "</svg>"


def _lines(event, y, row_height, row_ms, end_ms):
    """Path and title of an event in each of the rows in which it lies."""
    onset_s, offset_s, label = event
    onset, offset = milliseconds(onset_s), min(milliseconds(offset_s), end_ms)
    title = f"{CLASS_NAMES[label]} {fine_clock(onset)} to {fine_clock(offset)}"
    for row in range(onset // HOUR_MS, max(offset - 1, onset) // HOUR_MS + 1):
        left = max(onset - row * HOUR_MS, 0) * WIDTH / row_ms
        right = min(offset - row * HOUR_MS, row_ms) * WIDTH / row_ms
        # What is shorter than a third of a pixel would not be seen.
        width = max(right - left, 0.3)
        yield f"M{MARGIN + left:.1f} {y + row * row_height:g}h{width:.1f}", title


def _join(lines, titles):
    """Lines as one path, or each with its title."""
    if not titles:
        return f'<path d="{"".join(line for line, _ in lines)}"/>'
    return "".join(f'<path d="{line}"><title>{title}</title></path>' for line, title in lines)


def _draw_axis(row_ms, height):
    """Ticks through all rows, and the minutes or seconds that they stand for."""
    step = next(step for step in _TICKS_MS if row_ms / step <= _MOST_TICKS)
    texts, lines = [], []
    for time_ms in range(0, row_ms + 1, step):
        x = f"{MARGIN + time_ms * WIDTH / row_ms:.1f}"
        lines.append(f"M{x} {_AXIS - 4}V{height}")
        text = f"{time_ms // 60_000} min" if step >= 60_000 else f"{time_ms // 1000} s"
        texts.append(f'<text x="{x}" y="9">{text}</text>')
    return f'<path class="ticks" d="{"".join(lines)}"/><g class="axis">{"".join(texts)}</g>'
