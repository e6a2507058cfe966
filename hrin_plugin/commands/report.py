"""``hrin report``: totals of each class, from the results of ``hrin detect``."""

import sys

from hrin_plugin.commands.options import add_classes_option, classes_asked_for

#: Gaps and overlaps that are listed one by one.
MOST_TOLD = 5

#: What ``--by`` takes, and the table that it means.
BY = {
    **{"station": "station", "day": "day", "week": "week", "hour": "hour of day"},
    **{"programme": "programme", "recording": "recording"},
}


def add_parser(commands):
    """Add the subcommand to a parser.

    Arguments
    ---------
    commands : argparse action
        As ``ArgumentParser.add_subparsers`` returns it.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_parser(parser.add_subparsers())
    >>> parser.parse_args(["report", "results", "--html", "music.html"]).html
    'music.html'
    """
    parser = commands.add_parser(
        "report",
        help="add up results: seconds, share and segments of each class",
        description="Add up the results of 'hrin detect', or annotations in any of its formats: per "
        "recording, hour, day, week, programme and station, and in total.",
    )
    parser.add_argument("results", nargs="+", metavar="RESULT", help="file or folder of results")
    parser.add_argument("--csv", metavar="FILE", help="write the totals as a CSV table")
    parser.add_argument("--json", metavar="FILE", help="write totals, recordings and provenance as JSON")
    parser.add_argument("--html", metavar="FILE", help="write a web page with the totals and timelines")
    parser.add_argument(
        "--cue-sheet", metavar="FILE", help="write a CSV table with a row for each piece of music"
    )
    parser.add_argument("--by", choices=BY, help="rows of the printed table (default: day or recording)")
    add_classes_option(parser)
    clock = add_clock_options(parser)
    clock.add_argument(
        "--schedule", metavar="FILE", help="programmes: CSV with station, start, end and title, or XMLTV"
    )
    audit = parser.add_argument_group("audit")
    audit.add_argument(
        "--checksums",
        action="store_true",
        help="read all recordings again and compare their checksums with those noted at the detection",
    )
    audit.add_argument(
        "--against", metavar="RESULT", help="other results of the same recordings: report their agreement"
    )
    parser.set_defaults(handler=_report, prog=parser.prog)


def add_clock_options(parser):
    """Add the options that tell when recordings began.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of a subcommand.

    Returns
    -------
    argparse group
        The group of these options.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> _ = add_clock_options(parser)
    >>> parser.parse_args(["--zone", "Europe/Vienna"]).zone
    'Europe/Vienna'
    """
    clock = parser.add_argument_group("clock and calendar")
    clock.add_argument("--start", metavar="TIME", help="when the one recording began, as 2026-03-28T06:00")
    clock.add_argument(
        "--names",
        metavar="PATTERN",
        help="where the time stands in the recordings' names, such as %%Y-%%m-%%d_%%H-%%M or "
        "{station}/%%Y/%%m/%%d/%%H; none: nowhere (default: common patterns are found)",
    )
    clock.add_argument("--zone", metavar="ZONE", help="zone of these times, as Europe/Vienna (default: UTC)")
    clock.add_argument("--station", metavar="NAME", help="station of all recordings (default: first folder)")
    return clock


def _report(arguments):
    """Print the totals and write the requested files."""
    from hrin_plugin.report.account import open_account
    from hrin_plugin.report.certainty import complete, note_of
    from hrin_plugin.report.corrections import apply_corrections
    from hrin_plugin.report.cue_sheet import write_cue_sheet
    from hrin_plugin.report.display import printable
    from hrin_plugin.report.provenance import summarise, trace, with_corrections
    from hrin_plugin.report.results import read_with_files
    from hrin_plugin.report.stale import stale_results
    from hrin_plugin.report.tables import format_summary, write_csv, write_html, write_json

    if arguments.against:
        return _compare(arguments)
    (detections, faults), files = read_with_files(arguments.results, classes_asked_for(arguments))
    for fault in faults:
        print(fault, file=sys.stderr)
    if not detections:
        return 1
    detections, problems = complete(detections, files)
    detections, corrected, of_corrections = apply_corrections(detections, files)
    airtime, notes = place_recordings(arguments, detections)
    notes += of_corrections
    origins = with_corrections(trace(files), corrected)
    if arguments.checksums:
        origins, changed = _check(origins)
        problems += changed
    account = open_account(airtime, origins)
    if arguments.by in ("station", "day", "week", "hour") and not airtime.has_clock:
        raise ValueError(f"--by {arguments.by} needs the times of the recordings; give --start or --names")
    if arguments.by == "programme" and not airtime.schedule:
        raise ValueError("--by programme needs a schedule and the times of the recordings; give --schedule")
    for path, write in (
        (arguments.csv, write_csv),
        (arguments.json, write_json),
        (arguments.html, write_html),
    ):
        if path:
            write(path, account)
    if arguments.cue_sheet:
        number = write_cue_sheet(arguments.cue_sheet, airtime)
        notes.append(f"cue sheet: {number} piece{'s' * (number != 1)} of music")
    notes += [note_of(airtime)] * (note_of(airtime) is not None)
    print(format_summary(account, BY.get(arguments.by)))
    for line in summarise(account.origins.values())["corrected"]:
        print(printable(f"corrected: {line}"))
    for line in [*notes, *problems, *stale_results(arguments.results)]:
        print(printable(line), file=sys.stderr)
    return 1 if faults or problems else 0


def _compare(arguments):
    """Print the agreement with other results, and write its page."""
    from hrin_plugin.files import write_atomically
    from hrin_plugin.report.agreement import compare, match
    from hrin_plugin.report.agreement_page import format_agreement, render_agreement
    from hrin_plugin.report.display import printable
    from hrin_plugin.report.results import read_results

    for option in ("csv", "json", "cue_sheet", "by", "schedule"):
        if getattr(arguments, option):
            raise ValueError(f"--{option.replace('_', '-')} is of no use with --against; leave one out")
    taxonomy = classes_asked_for(arguments)
    first, second = (read_results(paths, taxonomy) for paths in (arguments.results, [arguments.against]))
    for fault in (*first.faults, *second.faults):
        print(fault, file=sys.stderr)
    pairs, alone = match(first.detections, second.detections)
    agreements = compare(pairs)
    if not agreements:
        raise ValueError("no recording has two results of one level; give two results of the same recordings")
    print(format_agreement(agreements))
    notes = []
    if arguments.html:
        airtime, notes = place_recordings(arguments, [found for found, _ in pairs])
        starts = {each.detection.name: each.start_ms for each in airtime.airings if each.start_ms is not None}
        names = " ".join(arguments.results), arguments.against
        write_atomically(arguments.html, render_agreement(agreements, names, starts, airtime.zone))
    if alone:
        listed = ", ".join(alone[:MOST_TOLD]) + ", ..." * (len(alone) > MOST_TOLD)
        notes.append(f"not compared, since only one side has them: {len(alone)} recordings ({listed})")
    for line in notes:
        print(printable(line), file=sys.stderr)
    return 1 if first.faults or second.faults or alone else 0


def place_recordings(arguments, detections):
    """Place recordings on their clocks, as :func:`add_clock_options` and ``--schedule`` tell.

    Arguments
    ---------
    arguments : argparse.Namespace
        Of a parser with these options.
    detections : sequence of Detection
        The results.

    Returns
    -------
    tuple of (Airtime, list of str)
        The recordings, and a line for each thing that is to be said of their times.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> _ = add_clock_options(parser)
    >>> place_recordings(parser.parse_args([]), [])[0].airings
    []
    """
    from hrin_plugin.report.airtime import place, untimed
    from hrin_plugin.report.calendar import find_zone
    from hrin_plugin.report.schedule import read_schedule

    zone = find_zone(arguments.zone)
    times, notes = _times(arguments, detections)
    if not any(times):
        for option in ("zone", "schedule"):
            if getattr(arguments, option, None):
                raise ValueError(
                    f"--{option} is of no use without the times of the recordings; give --start or --names"
                )
        if not arguments.station:
            return untimed(detections)._replace(zone=zone), notes
    airtime = place(detections, times, zone, arguments.station)
    if getattr(arguments, "schedule", None):
        stations = list(
            dict.fromkeys(airing.station for airing in airtime.airings if airing.start_ms is not None)
        )
        schedule = read_schedule(arguments.schedule, stations, zone)
        airtime = airtime._replace(schedule=schedule.programmes)
        if schedule.unused:
            names = ", ".join(schedule.unused[:MOST_TOLD]) + ", ..." * (len(schedule.unused) > MOST_TOLD)
            notes.append(f"{arguments.schedule}: of no recording's station: {names}")
    if any(times) and not arguments.zone:
        own = all(time is None or time.clock.tzinfo for time in times)
        what = "days and hours are those of" if own else "the times are taken as"
        notes.append(f"{what} UTC; give --zone, such as Europe/Vienna, for a local clock")
    notes += airtime.notes[:MOST_TOLD]
    for what, holes in (("gap", airtime.gaps), ("overlap", airtime.overlaps)):
        notes += _holes(what, holes, zone)
    return airtime, notes


def _times(arguments, detections):
    """The time of each recording, or None; and what is to be said of it."""
    from hrin_plugin.report.calendar import parse_clock
    from hrin_plugin.report.names import NamedTime, find_times, has_date_alone, read_times

    names = [found.name for found in detections]
    if arguments.start:
        if arguments.names:
            raise ValueError("--start and --names exclude each other; give one")
        if len(names) > 1:
            raise ValueError(f"--start is of one recording, and there are {len(names)}; give --names")
        try:
            clock = parse_clock(arguments.start)
        except ValueError as error:
            raise ValueError(f"--start: {error}") from None
        whole = len(names[0].rpartition("/")[0])
        return [NamedTime(clock, (whole + 1 if whole else 0, len(names[0])), None if whole else "")], []
    if arguments.names == "none":
        return [None] * len(names), []
    found = read_times(names, arguments.names) if arguments.names else find_times(names)
    notes = [*found.doubts[:MOST_TOLD]]
    for pattern, fitting in found.patterns.items():
        number = f"{len(fitting)} recording{'s' * (len(fitting) != 1)}"
        more = " ..." * (len(fitting) > 1)
        notes.append(f"times from names: {fitting[0]}{more} = {pattern}, {number}")
    unknown = [name for name, time in zip(names, found.times) if time is None]
    if unknown and len(unknown) < len(names):
        shown = ", ".join(unknown[:MOST_TOLD]) + ", ..." * (len(unknown) > MOST_TOLD)
        notes.append(
            f"without a known time: {len(unknown)} of {len(names)} recordings ({shown}); give --names"
        )
    elif unknown and any(map(has_date_alone, unknown)):
        notes.append(
            "the names hold a date and no time of day; give --names '%Y-%m-%d' if they begin at midnight"
        )
    return found.times, notes


def _holes(what, holes, zone):
    """Lines on gaps or overlaps: their number and length, and the first ones."""
    from hrin_plugin.report.calendar import short_time
    from hrin_plugin.report.display import clock

    if not holes:
        return
    lasting = clock(sum(hole.length_ms for hole in holes))
    more = ", counted once" if what == "overlap" else ""
    yield f"{len(holes)} {what}{'s' * (len(holes) > 1)}, {lasting} in all{more}"
    for hole in holes[:MOST_TOLD]:
        span = " to ".join(short_time(instant_ms, zone) for instant_ms in (hole.from_ms, hole.to_ms))
        yield f"  {hole.station} {span} ({clock(hole.length_ms)}), {hole.before} and {hole.after}".replace(
            "   ", "  "
        )
    if len(holes) > MOST_TOLD:
        yield f"  and {len(holes) - MOST_TOLD} more; --html, --csv and --json list all"


def _check(origins):
    """The origins with checksums, and the recordings that are not as they were."""
    import functools

    from tqdm import tqdm

    from hrin_plugin.report.provenance import with_checksums

    bar = functools.partial(tqdm, desc="checksums", unit="B", unit_scale=True, delay=1, disable=None)
    return with_checksums(origins, lambda n_bytes: bar(total=n_bytes))
