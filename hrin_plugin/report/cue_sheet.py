"""Cue sheet: a row for each piece of music, for collecting societies.

A piece is an unbroken stretch of music of a station. It may span recordings that follow one another; the end
of a programme divides it. As in the cue sheets of collecting societies, a piece is one use with one row: its
usage is the class of the lower level that lasts longest in it. Each class has a column with its time.
"""

import bisect
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.detection import Detection
from hrin_plugin.events import relabel
from hrin_plugin.files import replacing
from hrin_plugin.formats.text import csv_row
from hrin_plugin.report.airtime import Airtime, find_programme
from hrin_plugin.report.calendar import local_time
from hrin_plugin.report.certainty import Confidences
from hrin_plugin.report.display import class_name, fine_clock
from hrin_plugin.report.ledger import find_stretches, level_segments
from hrin_plugin.totals import segments_of

#: Columns that whoever completes the sheet fills in.
TO_FILL_IN = ("title", "author", "publisher", "label")


class Piece(NamedTuple):
    """A piece of music.

    Example
    -------
    >>> Piece("oe1", "music", 0, 60_000, 60_000, {"fg-music": 60_000}, "News", "a", 0).usage
    'fg-music'
    """

    station: str
    label: str  # of the upper level
    in_ms: int  # instants; times of the recording where its own is not known
    out_ms: int
    lasting_ms: int  # in the recordings
    usages: dict  # class of the lower level to its milliseconds
    programme: str
    recording: str  # in which it begins
    at_ms: int  # within that recording
    has_clock: bool = True
    confidence: float | None = None  # 0 to 1; None where it is not known

    @property
    def usage(self) -> str:
        """The class of the lower level that lasts longest; of several, the first; empty if there is none."""
        return max(self.usages, key=self.usages.get, default="")


def find_pieces(airtime: Airtime) -> list[Piece]:
    """The pieces of music, by station and time.

    Arguments
    ---------
    airtime : Airtime
        The recordings. Where their upper level was not detected, it follows from the lower one.

    Returns
    -------
    list of Piece
        Of every class of the upper level but its first one, which stands for nothing found.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.report.airtime import untimed
    >>> found = {"mrle": [Event(0.0, 2.0, "bg-music"), Event(2.0, 3.0, "fg-music")]}
    >>> [(each.lasting_ms, each.usage) for each in find_pieces(untimed([Detection("a", 3.0, found)]))]
    [(3000, 'bg-music')]
    """
    lower = [_by_class(each.detection) for each in airtime.airings]
    pieces, sure = [], Confidences(airtime)
    for stretch in sorted(find_stretches(airtime, _upper_segments), key=lambda each: each.parts[0]):
        number, onset, _ = stretch.parts[0]
        airing = airtime.airings[number]
        usages = {}
        for part, begin, end in stretch.parts:
            base = airtime.airings[part].start_ms or 0
            for label, spans in lower[part].get(stretch.label, {}).items():
                usages[label] = usages.get(label, 0) + _shared(spans, begin - base, end - base)
        usages = {label: lasting for label, lasting in usages.items() if lasting}
        programme = find_programme(airtime, airing, onset)
        pieces.append(
            Piece(
                *(airing.station, stretch.label, onset, stretch.parts[-1][2], stretch.lasting_ms, usages),
                programme.title if programme else "",
                *(airing.detection.name, onset - (airing.start_ms or 0), airing.start_ms is not None),
                sure.mean(_parts(airtime, stretch)),
            )
        )
    return pieces


def write_cue_sheet(path: str | Path, airtime: Airtime) -> int:
    """Write the pieces of music as CSV; returns their number.

    Arguments
    ---------
    path : str or pathlib.Path
        The file; it appears when it is complete.
    airtime : Airtime
        The recordings.

    Returns
    -------
    int
        Number of rows.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> from hrin_plugin.report.airtime import untimed
    >>> path = getfixture("tmp_path") / "cues.csv"
    >>> write_cue_sheet(path, untimed([Detection("a", 3.0, {"mrle": [Event(0.5, 2.0, "bg-music")]})]))
    1
    >>> path.read_text().splitlines()[1]
    ',,0:00:00.500,0:00:02.000,1.500,Background music,0.000,1.500,,,,,,,a,0.500'
    """
    pieces = find_pieces(airtime)
    usages = _usages(airtime)
    columns = ["station", "date", "clock_in", "clock_out", "duration_s", "usage"]
    columns += [f"{usage.replace('-', '_')}_s" for usage in usages]
    columns += ["programme", "confidence", *TO_FILL_IN, "recording", "position_s"]
    with replacing(path) as draft, open(draft, "w", encoding="utf-8", newline="") as file:
        file.write(csv_row(columns))
        file.writelines(csv_row(cells) for cells in _rows(pieces, usages, airtime))
    return len(pieces)


def _parts(airtime, stretch):
    """The parts of a stretch of music, with the level and the classes that it follows from."""
    for number, onset, offset in stretch.parts:
        found, base = airtime.airings[number].detection, airtime.airings[number].start_ms or 0
        upper, lower = found.taxonomy.level_names[:2]
        labels = [label for label, parent in found.taxonomy.parents[0].items() if parent == stretch.label]
        level, labels = (upper, [stretch.label]) if upper in found.events else (lower, labels)
        yield number, level, labels, onset - base, offset - base


def _rows(pieces, usages, airtime) -> Iterator[list]:
    """The cells of each piece."""
    for piece in pieces:
        date, clock_in, clock_out = _times(piece, airtime.zone)
        confidence = "" if piece.confidence is None else f"{piece.confidence:.2f}"
        recording = piece.recording.encode("utf-8", "backslashreplace").decode("utf-8")
        cells = [piece.station, date, clock_in, clock_out, f"{piece.lasting_ms / 1000:.3f}"]
        cells += [class_name(piece.usage or piece.label)]
        cells += [f"{piece.usages.get(usage, 0) / 1000:.3f}" for usage in usages]
        yield [
            *cells,
            piece.programme,
            confidence,
            *("",) * len(TO_FILL_IN),
            recording,
            f"{piece.at_ms / 1000:.3f}",
        ]


def _times(piece, zone):
    """Date, clock in and clock out; the times of the recording where its own is not known."""
    if not piece.has_clock:
        return "", fine_clock(piece.in_ms), fine_clock(piece.out_ms)
    begin, end = (local_time(instant_ms, zone) for instant_ms in (piece.in_ms, piece.out_ms))
    return begin.date().isoformat(), *(_clock(each) for each in (begin, end))


def _clock(local):
    """A time of day with its offset, by which the hour that comes twice is told apart."""
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}{local.isoformat()[-6:]}"


def _usages(airtime):
    """The classes of the lower level other than the first, of all recordings."""
    taxonomies = dict.fromkeys(each.detection.taxonomy for each in airtime.airings)
    return list(dict.fromkeys(label for each in taxonomies for label in each.levels[1][1:]))


def _upper_segments(detection: Detection):
    """Segments of each class of the upper level but the first."""
    taxonomy = detection.taxonomy
    upper, lower = taxonomy.level_names[:2]
    if upper in detection.events:
        segments = level_segments(detection, upper)
    else:
        events = relabel(detection.events.get(lower, ()), taxonomy.parents[0])
        segments = segments_of(events, detection.duration_s)
    return {label: spans for label, spans in segments.items() if label != taxonomy.levels[0][0]}


def _by_class(detection):
    """Segments of each class of the lower level, by their parent."""
    taxonomy, found = detection.taxonomy, {}
    for label, spans in level_segments(detection, taxonomy.level_names[1]).items():
        if label in taxonomy.levels[1]:
            found.setdefault(taxonomy.parents[0][label], {})[label] = spans
    return found


def _shared(spans, begin, end):
    """Time that segments share with a stretch, in milliseconds."""
    first = bisect.bisect_right(spans, begin, key=lambda span: span[1])
    inside = itertools.takewhile(lambda span: span[0] < end, spans[first:])
    return sum(min(offset, end) - max(onset, begin) for onset, offset in inside)
