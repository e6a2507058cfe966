"""Recordings on the clock of their station: where each begins and counts, gaps and overlaps.

Where two recordings of a station overlap, the one that began earlier counts to its end, and the later one
from there on. No time counts twice.
"""

import bisect
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone, tzinfo
from pathlib import PurePosixPath
from typing import NamedTuple

from hrin_plugin.detection import Detection
from hrin_plugin.report.calendar import is_doubled, is_left_out, to_instant
from hrin_plugin.report.names import NamedTime
from hrin_plugin.totals import milliseconds

#: Up to this, a gap or an overlap between recordings is the drift of a recorder: it is not told, and music
#: on both sides of it is one piece. Overlaps never count twice, however short.
TOLERANCE_MS = 5_000


class Airing(NamedTuple):
    """A recording, the station and instant of its first sample, and the part of it that counts.

    Example
    -------
    >>> airing = Airing(Detection("a", 3.0, {}), start_ms=10_000, from_ms=1000, to_ms=3000)
    >>> airing.begin_ms, airing.end_ms, airing.length_ms
    (11000, 13000, 2000)
    """

    detection: Detection  # its name may begin with folders
    station: str = ""
    start_ms: int | None = None  # instant in UTC; None where it is not known
    from_ms: int = 0  # within the recording
    to_ms: int = 0

    @property
    def begin_ms(self) -> int:
        """Instant from which the recording counts; its own time where the instant is not known."""
        return (self.start_ms or 0) + self.from_ms

    @property
    def end_ms(self) -> int:
        """Instant up to which the recording counts."""
        return (self.start_ms or 0) + self.to_ms

    @property
    def length_ms(self) -> int:
        """Length of the part that counts."""
        return self.to_ms - self.from_ms


class Hole(NamedTuple):
    """A gap between two recordings of a station, or the time that they share.

    Example
    -------
    >>> Hole("oe1", 0, 60_000, "a", "b").length_ms
    60000
    """

    station: str
    from_ms: int
    to_ms: int
    before: str  # name of the recording that began earlier
    after: str

    @property
    def length_ms(self) -> int:
        """Length of the gap, or of the overlap."""
        return self.to_ms - self.from_ms


class Programme(NamedTuple):
    """A programme of a station.

    Example
    -------
    >>> Programme("oe1", 0, 3_600_000, "News").title
    'News'
    """

    station: str
    start_ms: int
    end_ms: int
    title: str


class Airtime(NamedTuple):
    """Recordings on the clocks of their stations.

    Example
    -------
    >>> Airtime([]).has_clock
    False
    """

    airings: list  # of Airing, by station and start; those without a known time last, by name
    zone: tzinfo = timezone.utc
    gaps: tuple = ()  # of Hole
    overlaps: tuple = ()  # of Hole
    schedule: Mapping[str, list] = {}  # station to its programmes, which are ordered and apart
    notes: tuple = ()  # what is to be said of the times, a line each

    @property
    def has_clock(self) -> bool:
        """Whether the time of a recording is known."""
        return any(airing.start_ms is not None for airing in self.airings)


def untimed(detections: Sequence[Detection]) -> Airtime:
    """Recordings without known times.

    Example
    -------
    >>> untimed([Detection("a", 3.0, {})]).airings[0].to_ms
    3000
    """
    return Airtime([Airing(found, to_ms=milliseconds(found.duration_s)) for found in detections])


def place(
    detections: Sequence[Detection],
    times: Sequence[NamedTime | None],
    zone: tzinfo,
    station: str | None = None,
) -> Airtime:
    """Place recordings on the clocks of their stations.

    A recording's station is that of its time, or else the first folder of its name, or else what stands
    before the time in its name. Where the clock goes back and two recordings would lie on one another in the
    hour that comes twice, the second is of the second hour.

    Arguments
    ---------
    detections : sequence of Detection
        The results.
    times : sequence of NamedTime or None
        The time of each, None where it is not known.
    zone : datetime.tzinfo
        Zone of the times that have none of their own, and of the days.
    station : str or None
        Station of all of them.

    Returns
    -------
    Airtime
        Gaps and overlaps longer than TOLERANCE_MS are told.

    Example
    -------
    >>> detections = [Detection(f"oe1/{name}", 3600.0, {}) for name in ("a", "b", "c")]
    >>> times = [NamedTime(datetime(2026, 3, 28, *at), (4, 5)) for at in ((6,), (6, 50), (9,))]
    >>> airtime = place(detections, times, timezone.utc)
    >>> [airing.length_ms // 60_000 for airing in airtime.airings]
    [60, 50, 60]
    >>> [hole.length_ms // 60_000 for hole in (*airtime.overlaps, *airtime.gaps)]
    [10, 70]
    """
    stations, unknown, notes = defaultdict(list), [], []
    for found, time in zip(detections, times):
        airing = Airing(found, station or _station(found.name, time), to_ms=milliseconds(found.duration_s))
        if time is None:
            unknown.append(airing)
        else:
            stations[airing.station].append((time.clock, airing))
            if is_left_out(time.clock, zone):
                problem = f"{time.clock:%Y-%m-%d %H:%M} does not exist in {zone}"
                notes.append(f"{found.name}: {problem}; it is counted on from the hour before")
    airings, gaps, overlaps = [], [], []
    for name in sorted(stations):
        placed = _instants(stations[name], zone)
        airings += _without_overlaps(placed, gaps, overlaps)
    return Airtime([*airings, *unknown], zone, tuple(gaps), tuple(overlaps), notes=tuple(notes))


def find_programme(airtime: Airtime, airing: Airing, instant_ms: int) -> Programme | None:
    """The programme of a recording's station at an instant; None where the schedule has none.

    Example
    -------
    >>> airtime = Airtime([], schedule={"": [Programme("", 0, 1000, "News")]})
    >>> find_programme(airtime, Airing(Detection("a", 3.0, {}), start_ms=0), 500).title
    'News'
    """
    programmes = airtime.schedule.get(airing.station, ()) if airing.start_ms is not None else ()
    place = bisect.bisect_right(programmes, instant_ms, key=lambda each: each.start_ms) - 1
    return programmes[place] if place >= 0 and instant_ms < programmes[place].end_ms else None


def _station(name, time):
    """The station that a name tells of: its first folder, or what stands before the time in its last part."""
    path = PurePosixPath(name)
    if time is None:
        return path.parts[0] if len(path.parts) > 1 else ""
    if time.station is not None:
        return time.station
    if len(path.parts) > 1 and time.place[0] > len(path.parts[0]):
        return path.parts[0]
    return re.sub(r"[\W_]+$", "", name[: time.place[0]])


def _instants(timed, zone):
    """Recordings of a station with their instants, ordered by them."""
    placed, end_ms = [], None
    for clock, airing in sorted(timed, key=lambda item: _order(*item, zone)):
        start_ms = to_instant(clock, zone)
        if is_doubled(clock, zone) and end_ms is not None and end_ms - start_ms > TOLERANCE_MS:
            start_ms = to_instant(clock.replace(fold=1), zone)
        placed.append(airing._replace(start_ms=start_ms))
        end_ms = max(end_ms or start_ms, start_ms + airing.to_ms)
    return sorted(placed, key=lambda airing: (airing.start_ms, airing.detection.name))


def _order(clock: datetime, airing, zone):
    """Order in which recordings of a station began, as far as their clock tells."""
    return to_instant(clock, zone), airing.detection.name


def _without_overlaps(placed, gaps, overlaps):
    """Recordings of a station, each counting from the end of those before; notes gaps and overlaps."""
    airings, last, end_ms = [], None, None
    for airing in placed:
        start_ms, stop_ms = airing.start_ms, airing.start_ms + airing.to_ms
        if last is not None:
            shared_ms = min(end_ms, stop_ms) - start_ms
            names = last.detection.name, airing.detection.name
            if shared_ms > TOLERANCE_MS:
                overlaps.append(Hole(airing.station, start_ms, start_ms + shared_ms, *names))
            if -shared_ms > TOLERANCE_MS:
                gaps.append(Hole(airing.station, end_ms, start_ms, *names))
            airing = airing._replace(from_ms=max(shared_ms, 0))
        airings.append(airing)
        if end_ms is None or stop_ms > end_ms:
            last, end_ms = airing, stop_ms
    return airings
