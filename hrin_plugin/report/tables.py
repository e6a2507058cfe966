"""Totals as CSV, as JSON and as a web page."""

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from hrin_plugin import __version__
from hrin_plugin.detection import Detection
from hrin_plugin.files import replacing, write_atomically
from hrin_plugin.formats.text import csv_row, with_replaced_bytes
from hrin_plugin.report.account import Account, open_account
from hrin_plugin.report.calendar import iso_time
from hrin_plugin.report.certainty import confidence_level
from hrin_plugin.report.doubts import doubtful_minutes
from hrin_plugin.report.page import render_page
from hrin_plugin.report.provenance import Origin, summarise
from hrin_plugin.report.results import Results, read_results
from hrin_plugin.report.rows import Row, levels_of, rows_of, scopes_of
from hrin_plugin.report.summary import MOST_LISTED, format_summary

__all__ = [
    "MOST_LISTED",
    "Results",
    "format_summary",
    "read_results",
    "write_csv",
    "write_html",
    "write_json",
]

CSV_COLUMNS = (
    *("scope", "name", "hour", "task", "label", "seconds", "share", "segments"),
    *("station", "day", "week", "programme", "start", "end"),
    *("sha256", "detected", "version", "model", "decisions"),
    *("corrected_seconds", "corrected_by", "corrected"),
    *("low_seconds", "high_seconds"),
)

#: Version of the layout of the JSON files.
JSON_VERSION = 1


def write_csv(path: str | Path, recordings: Account | Sequence[Detection]) -> None:
    """Write totals as CSV, one row for each class: overall, of each recording, of each hour.

    The columns are scope, name, hour (from 0), task, label, seconds, share (0 to 1, of the time span),
    segments (that begin in it), station, day, week, programme, start, end; of recordings sha256, detected,
    version, model, decisions, corrected_seconds, corrected_by and corrected (when); and where there is one,
    the interval of the seconds. Scopes are total, recording and hour (of the
    recording); where times are known also station, day, week, hour of day, programme and clock hour, and gap
    and overlap, which have no task. Within each scope that has a task, the seconds add up to the total.

    Arguments
    ---------
    path : str or pathlib.Path
        The file; it appears when it is complete.
    recordings : Account or sequence of Detection
        What is reported.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> path = getfixture("tmp_path") / "report.csv"
    >>> write_csv(path, [Detection("a", 3.0, {"md": [Event(0.0, 1.0, "music")]})])
    >>> path.read_text().splitlines()[1]
    'total,,,md,no-music,0.000,0.000000,0,,,,,,,,,,,,,,,,'
    """
    with replacing(path) as draft, open(draft, "w", encoding="utf-8", newline="") as file:
        file.writelines(csv_lines(open_account(recordings)))


def csv_lines(account: Account):
    """The lines of the CSV table, as :func:`write_csv` tells.

    Example
    -------
    >>> next(csv_lines(open_account([]))).split(",")[:3]
    ['scope', 'name', 'hour']
    """
    yield csv_row(CSV_COLUMNS)
    zone, done = account.airtime.zone, ()
    for level in levels_of(account):
        for scope in scopes_of(account):
            for row in rows_of(account, level, scope):
                what = row.what
                name = what.get("name", "").encode("utf-8", "backslashreplace").decode("utf-8")
                start, end = _span(row, zone)
                origin = account.origins.get(what.get("name"), Origin()) if scope == "recording" else Origin()
                done = _made(origin)
                place = [what.get(key, "") for key in ("station", "day", "week", "programme")]
                for label, total in row.totals.items():
                    times = f"{total.seconds:.3f}", f"{total.share:.6f}", total.segments
                    cells = (scope, name, what.get("hour", ""), level, label, *times, *place, start, end)
                    ends = _seconds(row.intervals.get(label))
                    ends = [f"{end:.3f}" for end in ends] or ["", ""]
                    yield csv_row((*cells, *(cell or "" for cell in done), *ends))
    for scope, holes in (("gap", account.airtime.gaps), ("overlap", account.airtime.overlaps)):
        for hole in holes:
            times = f"{hole.length_ms / 1000:.3f}", "", ""
            span = iso_time(hole.from_ms, zone), iso_time(hole.to_ms, zone)
            yield csv_row(
                (scope, hole.after, "", "", "", *times, hole.station, "", "", "", *span, *("",) * 10)
            )


def write_json(path: str | Path, recordings: Account | Sequence[Detection]) -> None:
    """Write totals, recordings with their origins, gaps and overlaps as JSON.

    Arguments
    ---------
    path : str or pathlib.Path
        The file; it appears when it is complete.
    recordings : Account or sequence of Detection
        What is reported.

    Example
    -------
    >>> path = getfixture("tmp_path") / "report.json"
    >>> write_json(path, [Detection("a", 3.0, {"md": []})])
    >>> sorted(json.loads(path.read_text()))
    ['doubtful_minutes', 'format', 'gaps', 'interval_level', 'overlaps', 'provenance', 'recordings', ...]
    """
    account = open_account(recordings)
    airtime, zone = account.airtime, account.airtime.zone
    content = {
        "format": "hrin report",
        "version": JSON_VERSION,
        "zone": str(zone),
        "provenance": {
            "report": {"version": __version__, "date": _now()},
            **summarise(account.origins.values()),
        },
        "interval_level": confidence_level(airtime),
        "totals": [
            {"scope": scope, "level": level, **_plain(row, zone)}
            for level in levels_of(account)
            for scope in scopes_of(account)
            for row in rows_of(account, level, scope)
        ],
        "recordings": [_recording(each, account.origins, zone) for each in airtime.airings],
        "gaps": [_hole(hole, zone) for hole in airtime.gaps],
        "overlaps": [_hole(hole, zone) for hole in airtime.overlaps],
        "doubtful_minutes": [_minute(each, airtime) for each in doubtful_minutes(airtime)[0]],
    }
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    # The first line tells the file from results.
    write_atomically(path, with_replaced_bytes(text.replace("{\n ", "{", 1)))


def write_html(path: str | Path, recordings: Account | Sequence[Detection]) -> None:
    """Write a page with totals, tables and timelines.

    The page is one self-contained file.

    Arguments
    ---------
    path : str or pathlib.Path
        The file; it appears when it is complete.
    recordings : Account or sequence of Detection
        What is reported.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> path = getfixture("tmp_path") / "report.html"
    >>> write_html(path, [Detection("a", 3.0, {"md": [Event(0.0, 1.0, "music")]})])
    >>> "<svg" in path.read_text()
    True
    """
    account = open_account(recordings)
    write_atomically(path, render_page(account, "".join(csv_lines(account))))


def _span(row: Row, zone):
    """Start and end of a row's span by the clock; empty where they are not known."""
    if row.scope == "clock hour" and row.what["day"]:
        return f"{row.what['day']}T{row.what['hour']:02d}:00:00{row.what['offset']}", ""
    if row.start_ms is None:
        return "", ""
    of_ms = next(iter(row.totals.values())).of_ms
    return iso_time(row.start_ms, zone), iso_time(row.start_ms + of_ms, zone)


def _plain(row, zone):
    """A row as JSON holds it."""
    start, end = _span(row, zone)
    what = {key: value for key, value in row.what.items() if key in ("name", "hour", *_PLACES)}
    times = {key: value for key, value in (("start", start), ("end", end)) if value}
    classes = {
        label: {"seconds": total.seconds, "share": round(total.share, 6), "segments": total.segments}
        for label, total in row.totals.items()
    }
    for label, interval in row.intervals.items():
        classes[label]["interval"] = _seconds(interval)
    return {**what, **times, "classes": classes}


_PLACES = ("station", "day", "week", "programme")


def _recording(airing, origins, zone):
    """A recording as JSON holds it."""
    known = airing.start_ms is not None
    return {
        "name": airing.detection.name,
        "station": airing.station,
        "start": iso_time(airing.start_ms, zone) if known else None,
        "length": airing.detection.duration_s,
        "counted_from": airing.from_ms / 1000,
        "warnings": list(airing.detection.warnings),
        **origins.get(airing.detection.name, Origin())._asdict(),
    }


def _seconds(interval):
    """The ends of an interval in seconds; none without one."""
    return [end_ms / 1000 for end_ms in interval] if interval else []


def _minute(minute, airtime):
    """A doubtful minute as JSON holds it."""
    airing = airtime.airings[minute.airing]
    known = airing.start_ms is not None
    return {
        "recording": airing.detection.name,
        "station": airing.station,
        "position": (minute.begin_ms - (airing.start_ms or 0)) / 1000,
        "start": iso_time(minute.begin_ms, airtime.zone) if known else None,
        "label": minute.label,
        "confidence": minute.confidence and round(minute.confidence, 3),
        "doubt": minute.doubt_s,
    }


def _hole(hole, zone):
    """A gap or an overlap as JSON holds it."""
    span = {"start": iso_time(hole.from_ms, zone), "end": iso_time(hole.to_ms, zone)}
    return {"station": hole.station, **span, "before": hole.before, "after": hole.after}


def _made(origin):
    """How a recording's result came about, as the last cells of a row of CSV."""
    changed = None if origin.corrected_s is None else f"{origin.corrected_s:.3f}"
    done = origin.sha256, origin.detected, origin.version, _model(origin), origin.decisions
    return *done, changed, origin.corrected_by, origin.corrected


def _model(origin):
    """A model and the checksum of its weights, as one text."""
    return " ".join(filter(None, (origin.model, origin.model_sha256 and f"sha256:{origin.model_sha256}")))


def _now():
    """The time, ISO 8601 in UTC."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
