"""The folder of a station: what its results are made with, and who writes there."""

import contextlib
import json
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from hrin_plugin.archive.orders import Order
from hrin_plugin.files import write_atomically
from hrin_plugin.formats.journal import journal_path
from hrin_plugin.formats.records import model_identity, read_record, record_path
from hrin_plugin.live.hosts import without_secrets

#: What the name of a folder may not hold.
_NO_NAME = re.compile(r"[^\w. -]+")


def station_of(url: str) -> str:
    """A name for the station of a stream: the last part of its path, else its host.

    Example
    -------
    >>> station_of("https://radio.example/live/oe1.mp3"), station_of("http://radio.example:8000/")
    ('oe1', 'radio.example')
    """
    parts = urllib.parse.urlsplit(url)
    stem = Path(urllib.parse.unquote(parts.path)).stem
    return _NO_NAME.sub("_", stem or parts.hostname or "station").strip(". ") or "station"


@contextlib.contextmanager
def station_folder(order: Order, station: str, url: str, latency_s: float | None) -> Iterator[Path]:
    """Open the folder of a station; until it is closed no other run writes there.

    Arguments
    ---------
    order : Order
        Settings of the detection.
    station : str
        Name of the station.
    url : str
        Its stream.
    latency_s : float or None
        As :func:`hrin_plugin.inference.pace.pace_for` takes it.

    Yields
    ------
    pathlib.Path
        The folder, below that of the results.

    Raises
    ------
    ValueError
        If the name is that of no folder, another run writes there, or the folder holds results of other
        settings or of recordings.

    Example
    -------
    >>> order = Order(output=getfixture("tmp_path"))
    >>> with station_folder(order, "oe1", "http://radio.example/oe1", 10.0) as folder:
    ...     folder.name
    'oe1'
    """
    if station in ("", ".", "..") or _NO_NAME.search(station):
        raise ValueError(f"station {station!r} is not the name of a folder; use letters, digits, - and _")
    folder = Path(order.output, station)
    folder.mkdir(parents=True, exist_ok=True)
    for format in order.formats:
        for place in (folder, folder.parent):
            if journal_path(place, format).exists():
                problem = f"{place}: holds results of recordings"
                raise ValueError(f"{problem}; give another --output for those of a stream")
    lock = FileLock(folder / ".hrin-live.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"{folder}: another run writes there; stop it, or give another --station") from None
    with lock:
        _settle(folder, order, url, latency_s)
        yield folder


def _settle(folder, order, url, latency_s):
    """Write the records where there are none; refuse those of other settings."""
    settings = {
        "model": model_identity(order.model),
        "taxonomy": order.taxonomy.to_dict(),
        "levels": sorted(order.levels),
        "decoding": order.decoding,
        "latency_s": latency_s,
        "track": order.track,
    }
    live = {"stream": without_secrets(url), "latency_s": latency_s}
    whole = settings | {"provenance": {**order.about, "live": live}}
    for format in order.formats:
        path = record_path(folder, format)
        recorded = read_record(path)
        changed = [name for name in settings if recorded and recorded.get(name) != settings[name]]
        if changed:
            problem = f"{folder}: holds results made with another {' and '.join(changed)}"
            raise ValueError(f"{problem}; give another --station or --output")
        write_atomically(path, json.dumps(whole, indent=2, sort_keys=True) + "\n")
