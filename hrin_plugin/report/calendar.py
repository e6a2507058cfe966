"""Clock and calendar: instants, and the local days and hours of a zone, be they of 23 or of 25 hours.

An instant is a whole number of milliseconds since 1970 in UTC.
"""

import functools
import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hrin_plugin.text import shown

#: Zone of recordings whose zone is not told.
DEFAULT_ZONE = "UTC"

#: Zones change their clocks at whole quarters of an hour.
_QUARTER_MS = 900_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_CLOCK = re.compile(r"\s*(\d{1,2})\.(\d{1,2})\.(\d{4})[ T,]+(\d{1,2}:\d{2}(?::\d{2})?.*)")


class LocalHour(NamedTuple):
    """An hour of a zone's clock.

    Example
    -------
    >>> local_hour(to_instant(datetime(2026, 10, 25, 2, 0), find_zone("Europe/Vienna")),
    ...     find_zone("Europe/Vienna"))
    LocalHour(day='2026-10-25', hour=2, offset='+02:00', doubled=True)
    """

    day: str  # ISO date
    hour: int  # 0 to 23
    offset: str  # of the zone from UTC
    doubled: bool  # whether the day has this hour twice

    def __str__(self):
        return f"{self.hour:02d}:00{f' ({self.offset})' * self.doubled}"


def find_zone(name: str | None) -> tzinfo:
    """The zone of a name of the IANA database; UTC where there is no name.

    Raises
    ------
    ValueError
        If there is no such zone.

    Example
    -------
    >>> str(find_zone("Europe/Vienna")), str(find_zone(None))
    ('Europe/Vienna', 'UTC')
    """
    try:
        return ZoneInfo(name or DEFAULT_ZONE)
    except (KeyError, ValueError, OSError):
        problem = f"zone {shown(name)} is not known"
        raise ValueError(f"{problem}; give a name such as Europe/Vienna or UTC") from None


def parse_clock(text: str) -> datetime:
    """A date with a time of day: ``2026-03-28T06:00``, perhaps with seconds, ``Z`` or ``+02:00``; or
    ``28.03.2026 06:00``.

    Raises
    ------
    ValueError
        If it is none.

    Example
    -------
    >>> parse_clock("2026-03-28 06:00Z").isoformat(), parse_clock("28.3.2026 6:00").isoformat()
    ('2026-03-28T06:00:00+00:00', '2026-03-28T06:00:00')
    """
    text = text.strip()
    day_first = _CLOCK.fullmatch(text)
    if day_first:
        day, month, year, rest = day_first.groups()
        text = f"{year}-{int(month):02d}-{int(day):02d} {rest.rjust(5 + 3 * (rest.count(':') > 1), '0')}"
    iso = re.sub(r"\s*[Zz]$", "+00:00", text)
    iso = re.sub(r"(:\d{2})\s*([+-]\d{2}):?(\d{2})$", r"\1\2:\3", iso)
    iso = re.sub(r"^(\d{4}-\d{2}-\d{2})[T ](\d:)", r"\1T0\2", iso)
    try:
        if ":" not in iso:
            raise ValueError
        return datetime.fromisoformat(iso)
    except ValueError:
        problem = f"{shown(text)} is not a date with a time of day"
        raise ValueError(f"{problem}; write it as in 2026-03-28T06:00") from None


def to_instant(clock: datetime, zone: tzinfo) -> int:
    """The instant of a time: of its own zone if it has one, or else of this zone's clock.

    Of an hour that comes twice the first is meant, unless ``clock.fold`` is 1. A time that the zone's clock
    leaves out is counted on from the hour before.

    Example
    -------
    >>> to_instant(datetime(1970, 1, 1, 1, 0), find_zone("Europe/Vienna"))
    0
    """
    clock = clock if clock.tzinfo else clock.replace(tzinfo=zone)
    return (clock.astimezone(timezone.utc) - _EPOCH) // timedelta(milliseconds=1)


def is_doubled(clock: datetime, zone: tzinfo) -> bool:
    """Whether the zone's clock shows this time twice, as in the autumn.

    Example
    -------
    >>> is_doubled(datetime(2026, 10, 25, 2, 30), find_zone("Europe/Vienna"))
    True
    """
    offsets = _both_offsets(clock, zone)
    return clock.tzinfo is None and offsets[0] > offsets[1]


def is_left_out(clock: datetime, zone: tzinfo) -> bool:
    """Whether the zone's clock never shows this time, as in the spring.

    Example
    -------
    >>> is_left_out(datetime(2026, 3, 29, 2, 30), find_zone("Europe/Vienna"))
    True
    """
    offsets = _both_offsets(clock, zone)
    return clock.tzinfo is None and offsets[0] < offsets[1]


def local_time(instant_ms: int, zone: tzinfo) -> datetime:
    """An instant by a zone's clock.

    Example
    -------
    >>> local_time(0, find_zone("Europe/Vienna")).isoformat()
    '1970-01-01T01:00:00+01:00'
    """
    return (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(zone)


def iso_time(instant_ms: int, zone: tzinfo) -> str:
    """An instant by a zone's clock in ISO 8601, with the offset; milliseconds where there are any.

    Example
    -------
    >>> iso_time(1500, find_zone("Europe/Vienna"))
    '1970-01-01T01:00:01.500+01:00'
    """
    spec = "milliseconds" if instant_ms % 1000 else "seconds"
    return local_time(instant_ms, zone).isoformat(timespec=spec)


def short_time(instant_ms: int, zone: tzinfo) -> str:
    """An instant for people: date and time to the second, and the offset where the hour comes twice.

    Example
    -------
    >>> short_time(0, find_zone("Europe/Vienna"))
    '1970-01-01 01:00:00'
    """
    local = local_time(instant_ms + 500, zone)
    offset = local.isoformat()[-6:] if is_doubled(local.replace(tzinfo=None), zone) else ""
    return f"{local:%Y-%m-%d %H:%M:%S}{f' ({offset})' if offset else ''}"


def local_hour(instant_ms: int, zone: tzinfo) -> LocalHour:
    """The hour of a zone's clock in which an instant lies.

    Example
    -------
    >>> local_hour(0, find_zone(None))
    LocalHour(day='1970-01-01', hour=0, offset='+00:00', doubled=False)
    """
    return _hour_of_quarter(instant_ms // _QUARTER_MS, zone)


def hour_starts(from_ms: int, to_ms: int, zone: tzinfo) -> list[int]:
    """The instants between two at which an hour of the zone's clock begins.

    Example
    -------
    >>> hour_starts(1, 7_200_000, find_zone(None))
    [3600000]
    """
    quarters = range(from_ms // _QUARTER_MS + 1, -(-to_ms // _QUARTER_MS))
    return [
        quarter * _QUARTER_MS
        for quarter in quarters
        if _hour_of_quarter(quarter, zone) != _hour_of_quarter(quarter - 1, zone)
    ]


def day_start(day: str, zone: tzinfo) -> int:
    """The instant at which a local day begins.

    Example
    -------
    >>> day_start("1970-01-02", find_zone(None))
    86400000
    """
    return to_instant(datetime.fromisoformat(day), zone)


def next_day(day: str) -> str:
    """The day after a day, both as ISO dates.

    Example
    -------
    >>> next_day("2026-02-28")
    '2026-03-01'
    """
    return (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()


def iso_week(day: str) -> str:
    """The ISO week of a day.

    Example
    -------
    >>> iso_week("2026-01-01"), iso_week("2027-01-03")
    ('2026-W01', '2026-W53')
    """
    year, week, _ = datetime.fromisoformat(day).isocalendar()
    return f"{year}-W{week:02d}"


@functools.lru_cache(maxsize=1 << 17)
def _hour_of_quarter(quarter, zone):
    """The hour of a zone's clock in which a quarter of an hour since 1970 lies."""
    local = local_time(quarter * _QUARTER_MS, zone)
    # Where the clock goes back by half an hour, only the end of the hour comes twice.
    doubled = is_doubled(local.replace(tzinfo=None, minute=59), zone)
    return LocalHour(local.date().isoformat(), local.hour, local.isoformat()[-6:], doubled)


def _both_offsets(clock, zone):
    """Offsets of a zone before and after a change of its clock; equal where there is none."""
    return [clock.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)]
