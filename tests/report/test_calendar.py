"""Clock and calendar: days of 23 and 25 hours, times in names, gaps, overlaps, and the tables by them."""

from datetime import datetime, timedelta, timezone

import pandas
import pytest

from hrin_plugin.cli import main
from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.report.account import open_account
from hrin_plugin.report.airtime import TOLERANCE_MS, place
from hrin_plugin.report.calendar import find_zone, hour_starts, iso_week, local_hour, parse_clock, to_instant
from hrin_plugin.report.cue_sheet import find_pieces
from hrin_plugin.report.names import NamedTime, find_times, read_times
from hrin_plugin.report.rows import rows_of
from hrin_plugin.report.tables import write_csv, write_html
from hrin_plugin.report.timeline import draw_strips, strips_of
from hrin_plugin.taxonomy import Taxonomy

VIENNA = find_zone("Europe/Vienna")
LABELS = ("no-music", "fg-music", "bg-music")


def hourly(begin, n_hours, station="oe1", length_s=3600.0, zone=VIENNA):
    """Recordings of whole hours from a local time on: the first 15 minutes are foreground music."""
    first = to_instant(begin, zone)
    detections, times = [], []
    for number in range(n_hours):
        clock = datetime.fromtimestamp(first / 1000 + 3600 * number, timezone.utc)
        events = [Event(0.0, 900.0, "fg-music"), Event(900.0, length_s, "no-music")]
        detections.append(Detection(f"{station}/{clock:%Y%m%dT%H%M%SZ}", length_s, {"mrle": events}))
        times.append(NamedTime(clock, (4, 20)))
    return place(detections, times, zone)


def seconds(airtime, scope, label="fg-music"):
    """Seconds of a class in each row of a table, by the row's title."""
    return {row.title: row.totals[label].seconds for row in rows_of(open_account(airtime), "mrle", scope)}


# Days and hours


@pytest.mark.parametrize("day, n_hours", [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_has_as_many_hours_as_its_clock(day, n_hours):
    begin = datetime.fromisoformat(day)
    airtime = hourly(begin, n_hours)
    assert seconds(airtime, "day") == {day: n_hours * 900.0}
    rows = list(rows_of(open_account(airtime), "mrle", "clock hour"))
    assert len(rows) == n_hours and len({row.title for row in rows}) == n_hours
    assert all(row.totals["fg-music"] == (900_000, 3_600_000, 1) for row in rows)


def test_the_hour_that_comes_twice_is_shown_twice():
    titles = list(seconds(hourly(datetime(2026, 10, 25), 25), "clock hour"))
    assert titles[2:4] == ["2026-10-25 02:00 (+02:00)", "2026-10-25 02:00 (+01:00)"]
    assert titles[4] == "2026-10-25 03:00"
    assert seconds(hourly(datetime(2026, 10, 25), 25), "hour of day")["02:00"] == 1800.0


def test_the_hour_that_is_left_out_is_not_shown():
    titles = list(seconds(hourly(datetime(2026, 3, 29), 23), "clock hour"))
    assert titles[1:3] == ["2026-03-29 01:00", "2026-03-29 03:00"]


def test_hours_of_zones_that_are_no_whole_hours_from_utc():
    kathmandu = find_zone("Asia/Kathmandu")
    start = to_instant(datetime(2026, 1, 1), kathmandu)
    assert hour_starts(start, start + 7_200_001, kathmandu) == [start + 3_600_000, start + 7_200_000]
    lord_howe = find_zone("Australia/Lord_Howe")  # goes back by half an hour
    start = to_instant(datetime(2026, 4, 5, 1, 0), lord_howe)
    hours = [local_hour(start + minutes * 60_000, lord_howe) for minutes in (0, 59, 60, 89, 90)]
    assert [str(hour) for hour in hours] == ["01:00 (+11:00)"] * 2 + ["01:00 (+10:30)"] * 2 + ["02:00"]


def test_weeks_are_those_of_iso_8601():
    assert [iso_week(day) for day in ("2026-12-31", "2027-01-03", "2027-01-04")] == [
        *("2026-W53", "2026-W53", "2027-W01")
    ]


def test_an_unknown_zone_is_refused():
    with pytest.raises(
        ValueError, match="zone 'Europe/Wien' is not known; give a name such as Europe/Vienna"
    ):
        find_zone("Europe/Wien")


@pytest.mark.parametrize("text", ["6 o'clock", "2026-13-01T06:00", "2026-03-28", "06:00", ""])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="is not a date with a time of day; write it as in 2026-03-28T06:00"):
        parse_clock(text)


# Times in names


@pytest.mark.parametrize(
    "name, pattern",
    [
        ("2026-03-28_06-00", "%Y-%m-%d_%H-%M"),
        ("oe1_20260328-060000", "%Y%m%d-%H%M%S"),
        ("20260328_0600-0700", "%Y%m%d_%H%M"),
        ("202603280600", "%Y%m%d%H%M"),
        ("oe1/2026/03/28/06", "%Y/%m/%d/%H"),
        ("oe1/2026-03-28/06h", "%Y-%m-%d/%Hh"),
        ("28.03.2026 06.00", "%d.%m.%Y %H.%M"),
        ("28-03-2026_06-00", "%d-%m-%Y_%H-%M"),
        ("2026-03-28T06:00:00", "%Y-%m-%dT%H:%M:%S"),
    ],
)
def test_common_patterns_are_found(name, pattern):
    times, patterns, doubts = find_times([name, "jingle"])
    assert times[0].clock == datetime(2026, 3, 28, 6) and times[1] is None
    assert patterns == {pattern: [name]} and doubts == ()


@pytest.mark.parametrize("name", ["20260328T060000Z", "2026-03-28T08:00:00+0200"])
def test_a_mark_of_utc_counts(name):
    assert find_times([name])[0][0].clock == datetime(2026, 3, 28, 6, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "name", ["monday/06h", "2026-03-28", "take_12", "2026-02-30_06-00", "2026-03-28_0012"]
)
def test_other_names_tell_no_time(name):
    times = find_times([name])[0]
    assert times == [None] or times[0].clock.hour == 0  # 00:12 is a time


def test_day_and_month_that_may_be_exchanged_are_refused_with_the_cure():
    with pytest.raises(ValueError, match="ambiguous; give --names '%d-%m-%Y_%H' or '%m-%d-%Y_%H'"):
        find_times(["03-04-2026_06", "04-04-2026_06"])
    times, *_ = find_times(["03-04-2026_06", "13-04-2026_06"])  # the second name decides
    assert times[0].clock == datetime(2026, 4, 3, 6)


def test_six_digits_that_may_be_several_dates_tell_no_time_and_are_told():
    times, _, (doubt,) = find_times(["101112_0600"])
    assert times == [None] and "'%y%m%d_%H%M' or '%d%m%y_%H%M' or '%m%d%y_%H%M'" in doubt


def test_a_pattern_may_span_folders_and_name_the_station():
    times, *_ = read_times(["x/fm4-2026-03-28/a_0600"], "{station}-%Y-%m-%d/*_%H%M.mp3")
    assert (times[0].clock, times[0].station) == (datetime(2026, 3, 28, 6), "fm4")


@pytest.mark.parametrize(
    "pattern, message",
    [
        ("%H-%M", "has no whole date; give year, month and day"),
        ("%Y-%m-%d_%Q", "'%Q' is not known; use %m"),
        ("%d.%m.%Y", "fits no name, such as 'a'; correct the pattern"),
    ],
)
def test_bad_patterns_are_refused(pattern, message):
    with pytest.raises(ValueError, match=message):
        read_times(["a"], pattern)


# Gaps and overlaps


def placed(*recordings, zone=VIENNA):
    """Recordings of foreground music: (name, local time, length in seconds)."""
    detections = [
        Detection(name, length, {"mrle": [Event(0.0, length, "fg-music")]}) for name, _, length in recordings
    ]
    times = [NamedTime(datetime.fromisoformat(at), (len(name), len(name))) for name, at, _ in recordings]
    return place(detections, times, zone, station="oe1")


def test_an_overlap_counts_once_and_the_earlier_recording_wins():
    airtime = placed(("a", "2026-03-28T06:00", 3600.0), ("b", "2026-03-28T06:50", 3600.0))
    assert seconds(airtime, "recording") == {"a": 3600.0, "b": 3000.0}
    assert seconds(airtime, "total") == {"All": 6600.0}
    (overlap,) = airtime.overlaps
    assert (overlap.before, overlap.after, overlap.length_ms) == ("a", "b", 600_000)


def test_a_recording_within_another_counts_nothing():
    airtime = placed(
        ("a", "2026-03-28T06:00", 7200.0), ("b", "2026-03-28T06:30", 1800.0), ("c", "2026-03-28T08:00", 60.0)
    )
    assert seconds(airtime, "recording") == {"a": 7200.0, "b": 0.0, "c": 60.0}
    assert airtime.gaps == ()
    (total,) = rows_of(open_account(airtime), "mrle", "total")
    assert total.totals["fg-music"].segments == 1  # c goes on from a


def test_gaps_are_told_with_their_times():
    airtime = placed(("a", "2026-03-28T06:00", 3600.0), ("b", "2026-03-28T08:00", 3600.0))
    (gap,) = airtime.gaps
    assert (gap.from_ms, gap.to_ms) == tuple(
        to_instant(datetime(2026, 3, 28, hour), VIENNA) for hour in (7, 8)
    )


@pytest.mark.parametrize("drift_s", [-TOLERANCE_MS / 1000, -1.5, 1.5, TOLERANCE_MS / 1000])
def test_the_drift_of_a_recorder_is_no_gap_and_no_overlap_and_divides_no_segment(drift_s):
    airtime = placed(("a", "2026-03-28T06:00", 3600.0 - drift_s), ("b", "2026-03-28T07:00", 3600.0))
    assert airtime.gaps == airtime.overlaps == ()
    (total,) = rows_of(open_account(airtime), "mrle", "total")
    assert total.totals["fg-music"].segments == 1
    assert total.totals["fg-music"].seconds == 7200.0 - max(drift_s, 0.0)


def test_beyond_the_tolerance_both_are_told():
    assert placed(("a", "2026-03-28T06:00", 3594.0), ("b", "2026-03-28T07:00", 60.0)).gaps
    assert placed(("a", "2026-03-28T06:00", 3606.0), ("b", "2026-03-28T07:00", 60.0)).overlaps


def test_two_recordings_of_the_hour_that_comes_twice_follow_one_another():
    airtime = placed(
        ("a", "2026-10-25T01:00", 3600.0),
        ("b", "2026-10-25T02:00", 3600.0),
        ("c", "2026-10-25T02:00", 3600.0),
        ("d", "2026-10-25T03:00", 3600.0),
    )
    assert airtime.overlaps == airtime.gaps == ()
    assert [airing.detection.name for airing in airtime.airings] == ["a", "b", "c", "d"]


def test_a_time_that_does_not_exist_is_told():
    (note,) = placed(("a", "2026-03-29T02:30", 60.0)).notes
    assert (
        note == "a: 2026-03-29 02:30 does not exist in Europe/Vienna; it is counted on from the hour before"
    )


# Tables


def test_every_table_adds_up_to_the_total(tmp_path):
    airtime = hourly(datetime(2026, 3, 28, 6, 30), 60, length_s=3601.5)
    write_csv(tmp_path / "report.csv", open_account(airtime))
    table = pandas.read_csv(tmp_path / "report.csv")
    sums = {
        scope: rows.groupby("label")[["seconds", "segments"]].sum().round(3)
        for scope, rows in table.groupby("scope")
    }
    assert set(sums) == {"total", "station", "day", "week", "hour of day", "clock hour", "recording", "hour"}
    for scope in sums:
        pandas.testing.assert_frame_equal(sums[scope], sums["total"])
    assert table[table.scope == "total"].seconds.sum() == 60 * 3600 + 1.5


def test_thirty_days_of_four_hundred_recordings_stay_readable(tmp_path, capsys):
    zone, start = timezone.utc, datetime(2026, 3, 15)
    for number in range(400):
        at = start + timedelta(hours=number % 200 * 3.6)
        folder = tmp_path / "results" / ("oe1", "fm4")[number // 200] / f"{at:%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{60 * m}\t{60 * m + 60}\t{LABELS[m % 3]}\n" for m in range(60)]
        (folder / f"{at:%H-%M}.tsv").write_text("".join(lines))
    options = ["--zone", "UTC", "--html", str(tmp_path / "page.html"), "--csv", str(tmp_path / "t.csv")]
    assert main(["report", str(tmp_path / "results"), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 60 + 2 + 1
    assert [line.split()[-2:] for line in lines[2:4]] == [["fm4", "2026-03-15"], ["fm4", "2026-03-16"]]
    assert lines[-1].endswith("all 400 recordings") and lines[-1].split()[0] == "400:00:00"
    table = pandas.read_csv(tmp_path / "t.csv")
    assert table[(table.scope == "day")].day.nunique() == 30 and str(zone) == "UTC"
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 60 and len(page) < 5e6
    assert "<details><summary>Foreground and background music, by recording <span>400</span>" in page


def test_the_page_tells_of_a_day_of_25_hours(tmp_path):
    write_html(tmp_path / "page.html", open_account(hourly(datetime(2026, 10, 25), 25)))
    page = (tmp_path / "page.html").read_text()
    assert "Sun 2026-10-25 (25 h)" in page and 'data-change="10800000,-3600000,+02:00,+01:00"' in page
    assert "2026-10-25 02:00 (+02:00)" in page and "2026-10-25 02:00 (+01:00)" in page


# The command


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    for hour in (5, 6):
        (folder / f"2026-03-28_{hour:02d}-00.tsv").write_text("0\t3600\tbg-music\n")
    return folder


def test_the_command_shows_the_pattern_and_the_default_zone(results, capsys):
    assert main(["report", str(results)]) == 0
    captured = capsys.readouterr()
    assert "times from names: 2026-03-28_05-00 ... = %Y-%m-%d_%H-%M, 2 recordings" in captured.err
    assert "the times are taken as UTC; give --zone, such as Europe/Vienna" in captured.err
    assert captured.out.splitlines()[2].split()[-1] == "2026-03-28"


def test_the_start_of_one_recording(results, tmp_path, capsys):
    path = results / "2026-03-28_05-00.tsv"
    options = ["--start", "2026-10-25T02:30", "--zone", "Europe/Vienna", "--csv", str(tmp_path / "t.csv")]
    assert main(["report", str(path), *options]) == 0
    table = pandas.read_csv(tmp_path / "t.csv")
    rows = table[(table.scope == "clock hour") & (table.label == "bg-music")]
    assert list(rows.start) == ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]
    assert list(rows.seconds) == [1800.0, 1800.0]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--start", "2026-03-28T06:00"], "--start is of one recording, and there are 2; give --names"),
        (["--start", "now", "--names", "%Y"], "--start and --names exclude each other"),
        (["--zone", "Mars"], "zone 'Mars' is not known"),
        (["--names", "none", "--zone", "UTC"], "--zone is of no use without the times of the recordings"),
        (["--names", "none", "--by", "day"], "--by day needs the times of the recordings"),
        (["--by", "programme"], "--by programme needs a schedule"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message, results, capsys):
    assert main(["report", str(results), *options]) == 2
    assert message in capsys.readouterr().err


def test_recordings_without_a_time_are_told_and_counted(results, tmp_path, capsys):
    (results / "jingle.tsv").write_text("0\t60\tfg-music\n")
    assert main(["report", str(results), "--csv", str(tmp_path / "t.csv")]) == 0
    assert "without a known time: 1 of 3 recordings (jingle); give --names" in capsys.readouterr().err
    table = pandas.read_csv(tmp_path / "t.csv")
    for scope in ("day", "station", "hour of day"):
        assert table[table.scope == scope].seconds.sum() == 7260.0


def test_recordings_of_two_models_stand_in_one_timeline():
    other = Taxonomy(
        levels=[["silence", "sound"], ["silence", "speech", "crowd"]],
        parents=[{"silence": "silence", "speech": "sound", "crowd": "sound"}],
    )
    detections = [
        Detection("a", 60.0, {"mrle": [Event(0.0, 60.0, "fg-music")]}),
        Detection("b", 60.0, {"mrle": [Event(0.0, 60.0, "crowd")]}, taxonomy=other),
    ]
    times = [NamedTime(datetime(2026, 3, 28, hour), (0, 1)) for hour in (6, 7)]
    airtime = place(detections, times, VIENNA, station="oe1")
    (drawing,) = draw_strips(airtime, airtime.airings, strips_of(airtime, airtime.airings))
    assert 'data-name="Foreground music"' in drawing and 'data-name="Crowd"' in drawing
    assert [piece.label for piece in find_pieces(airtime)] == ["music", "sound"]
