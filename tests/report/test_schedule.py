"""Schedules from CSV and XMLTV, programmes that divide music, and cue sheets over several recordings."""

from datetime import datetime

import pandas
import pytest

from hrin_plugin.cli import main
from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Event, relabel
from hrin_plugin.report.account import open_account
from hrin_plugin.report.airtime import place
from hrin_plugin.report.calendar import find_zone, to_instant
from hrin_plugin.report.cue_sheet import find_pieces, write_cue_sheet
from hrin_plugin.report.names import NamedTime
from hrin_plugin.report.rows import rows_of
from hrin_plugin.report.schedule import read_schedule
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

VIENNA = find_zone("Europe/Vienna")

XMLTV = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tv SYSTEM "xmltv.dtd">
<tv>
  <channel id="oe1.orf.at"><display-name>Radio 1</display-name><display-name>OE1</display-name></channel>
  <programme start="20260328060000 +0100" stop="20260328063000 +0100" channel="oe1.orf.at">
    <title lang="en">News &amp; more</title><title lang="de">Nachrichten</title>
  </programme>
  <programme start="20260328063000" stop="20260328070000" channel="oe1.orf.at"><title>Jazz</title></programme>
  <programme start="20260328060000" channel="other"><title>Nothing</title></programme>
</tv>
"""


def times(schedule, station="oe1"):
    """Title, and start and end as minutes from six o'clock, of a station's programmes."""
    six = to_instant(datetime(2026, 3, 28, 6), VIENNA)
    return [
        (each.title, (each.start_ms - six) // 60_000, (each.end_ms - six) // 60_000)
        for each in schedule.programmes[station]
    ]


@pytest.mark.parametrize(
    "text",
    [
        "station,start,end,title\noe1,2026-03-28T06:00,2026-03-28T06:30,News\noe1,2026-03-28T06:30,2026-03-28T07:00,Jazz\n",
        "Titel;Sender;Beginn;Ende\nJazz;OE1;28.03.2026 06:30;28.03.2026 07:00\nNews;oe1;28.03.2026 06:00;\n",
        "date\tfrom\tto\tprogramme\n2026-03-28\t06:00\t06:30\tNews\n2026-03-28\t6:30\t7:00\tJazz\n",
        "channel,start,end,title,genre\noe1,2026-03-28T05:00Z,2026-03-28T07:00+01:00,News,a\n"
        "oe1,2026-03-28T06:30,07:00,Jazz,b\n",
    ],
)
def test_tables_are_read_whatever_their_columns_are_called(text, tmp_path):
    path = tmp_path / "week.csv"
    path.write_text(text)
    assert times(read_schedule(path, ["oe1"], VIENNA)) == [("News", 0, 30), ("Jazz", 30, 60)]


def test_xmltv_names_channels_by_id_or_display_name(tmp_path):
    path = tmp_path / "guide.xml"
    path.write_text(XMLTV)
    schedule = read_schedule(path, ["oe1"], VIENNA)
    assert times(schedule) == [("News & more", 0, 30), ("Jazz", 30, 60)]
    assert schedule.unused == ["other"]


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-16", "windows-1252", "utf-8-sig"])
def test_xmltv_may_have_any_encoding_that_it_declares(encoding, tmp_path):
    path = tmp_path / "guide.xml"
    text = XMLTV.replace("UTF-8", encoding.removesuffix("-sig")).replace("News", "Für Hörer")
    path.write_bytes(text.encode(encoding))
    assert times(read_schedule(path, ["oe1"], VIENNA))[0] == ("Für Hörer & more", 0, 30)


@pytest.mark.parametrize(
    "text, message",
    [
        ("station,begin\n", "line 1: its first line, 'station,begin', names no column for title"),
        ("start,title\n6 o'clock,News\n", 'line 2: "6 o\'clock" is not a date with a time of day'),
        ("start,title\n03/04/2026 06:00,News\n", "line 2: '03/04/2026 06:00' is not a date"),
        (
            "start,end,title\n2026-03-28T06:00,2026-03-28T07:00,A\n2026-03-28T07:00,2026-03-28T06:00,B\n",
            "line 3: ends at '2026-03-28T06:00', not after its start, '2026-03-28T07:00'",
        ),
        (
            "start,title\n2026-03-28T06:00,A\n2026-03-28T06:00,B\n",
            "line 3: begins at the same time as the programme of line 2; leave one out",
        ),
        (
            "station,start,title\nbbc,2026-03-28T06:00,A\n",
            "has programmes of bbc, and the recordings are of 'oe1'",
        ),
        (XMLTV.replace('"20260328063000"', '"half past"'), "line 8: 'half past' is not a time of XMLTV"),
        (XMLTV.replace("</tv>", ""), "line 11: is not XML"),
        ('<?xml version="1.0" encoding="none"?><tv/>', "is not"),
        ("<rss/>", "is no XMLTV: its first element is 'rss'"),
        (
            '<!DOCTYPE tv [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><tv><title>&b;</title></tv>',
            "declares the entity 'a'; remove it",
        ),
        (
            '<!DOCTYPE tv [<!ENTITY x SYSTEM "file:///etc/passwd">]><tv><title>&x;</title></tv>',
            "declares the entity 'x'; remove it",
        ),
    ],
)
def test_a_schedule_that_cannot_be_used_is_refused_with_its_line(text, message, tmp_path):
    path = tmp_path / "schedule"
    path.write_text(text)
    with pytest.raises(AnnotationError) as error:
        read_schedule(path, ["oe1"], VIENNA)
    assert str(error.value).startswith(f"{path}") and message in str(error.value)


def test_a_programme_of_the_night_of_25_hours(tmp_path):
    path = tmp_path / "night.csv"
    path.write_text("start,end,title\n2026-10-25T02:30,2026-10-25T02:30,Night\n")
    (night,) = read_schedule(path, ["oe1"], VIENNA).programmes["oe1"]
    assert night.end_ms - night.start_ms == 3_600_000


# Pieces of music


def airtime_of(*recordings, schedule=None, zone=VIENNA):
    """Recordings of one station: (hour, events of the lower level, length in seconds)."""
    detections, clocks = [], []
    for hour, events, length in recordings:
        levels = {"md": relabel(events, MUSIC_LOUDNESS.parents[0]), "mrle": events}
        detections.append(Detection(f"oe1/2026-03-28_{hour:02d}-00", length, levels))
        clocks.append(NamedTime(datetime(2026, 3, 28, hour), (4, 20)))
    airtime = place(detections, clocks, zone)
    return airtime._replace(schedule=schedule) if schedule else airtime


SIX = [Event(0.0, 3000.0, "no-music"), Event(3000.0, 3500.0, "fg-music"), Event(3500.0, 3600.0, "bg-music")]
SEVEN = [Event(0.0, 600.0, "bg-music"), Event(600.0, 3600.0, "no-music")]


def test_a_piece_across_two_recordings_is_one():
    (piece,) = find_pieces(airtime_of((6, SIX, 3600.0), (7, SEVEN, 3600.0)))
    assert (piece.lasting_ms, piece.usages) == (1_200_000, {"fg-music": 500_000, "bg-music": 700_000})
    assert (piece.usage, piece.recording, piece.at_ms) == ("bg-music", "oe1/2026-03-28_06-00", 3_000_000)


def test_a_piece_ends_at_a_gap_between_recordings():
    first, second = find_pieces(airtime_of((6, SIX, 3600.0), (8, SEVEN, 3600.0)))
    assert (first.lasting_ms, second.lasting_ms) == (600_000, 600_000)


def test_the_levels_need_not_both_be_there():
    airtime = airtime_of((6, SIX, 3600.0), (7, SEVEN, 3600.0))
    for level in ("md", "mrle"):
        alone = [
            each._replace(detection=each.detection._replace(events={level: each.detection.events[level]}))
            for each in airtime.airings
        ]
        (piece,) = find_pieces(airtime._replace(airings=alone))
        assert piece.lasting_ms == 1_200_000
        assert piece.usage == {"md": "", "mrle": "bg-music"}[level]


def test_the_end_of_a_programme_divides_a_piece_and_the_totals(tmp_path):
    path = tmp_path / "week.csv"
    path.write_text(
        "start,end,title\n2026-03-28T06:00,2026-03-28T06:55,News\n2026-03-28T06:55,2026-03-28T08:00,Jazz\n"
    )
    schedule = read_schedule(path, ["oe1"], VIENNA).programmes
    airtime = airtime_of((6, SIX, 3600.0), (7, SEVEN, 3600.0), schedule=schedule)
    pieces = find_pieces(airtime)
    assert [(each.programme, each.lasting_ms) for each in pieces] == [("News", 300_000), ("Jazz", 900_000)]
    rows = {row.title: row.totals["music"] for row in rows_of(open_account(airtime), "md", "programme")}
    assert rows == {"News": (300_000, 3_300_000, 1), "Jazz": (900_000, 3_900_000, 1)}


def test_a_programme_that_begins_with_a_recording_divides_too(tmp_path):
    path = tmp_path / "week.csv"
    path.write_text("start,title\n2026-03-28T06:00,News\n2026-03-28T07:00,Jazz\n")
    schedule = read_schedule(path, ["oe1"], VIENNA).programmes
    pieces = find_pieces(airtime_of((6, SIX, 3598.5), (7, SEVEN, 3600.0), schedule=schedule))
    assert [(each.programme, each.lasting_ms) for each in pieces] == [("News", 598_500), ("Jazz", 600_000)]


def test_time_between_programmes_is_of_none(tmp_path):
    path = tmp_path / "week.csv"
    path.write_text("start,end,title\n2026-03-28T07:30,2026-03-28T08:00,Jazz\n")
    airtime = airtime_of((6, SIX, 3600.0), schedule=read_schedule(path, ["oe1"], VIENNA).programmes)
    assert [row.title for row in rows_of(open_account(airtime), "md", "programme")] == ["(no programme)"]


def test_the_cue_sheet_has_clock_times_and_room_for_titles(tmp_path):
    assert write_cue_sheet(tmp_path / "cues.csv", airtime_of((6, SIX, 3600.0), (7, SEVEN, 3600.0))) == 1
    table = pandas.read_csv(tmp_path / "cues.csv", keep_default_na=False)
    (row,) = table.to_dict("records")
    assert row == {
        "station": "oe1",
        "date": "2026-03-28",
        "clock_in": "06:50:00.000+01:00",
        "clock_out": "07:10:00.000+01:00",
        "duration_s": 1200.0,
        "usage": "Background music",
        "fg_music_s": 500.0,
        "bg_music_s": 700.0,
        **dict.fromkeys(("programme", "confidence", "title", "author", "publisher", "label"), ""),
        "recording": "oe1/2026-03-28_06-00",
        "position_s": 3000.0,
    }


def test_the_cue_sheet_adds_up_to_the_totals_and_holds_no_formula(tmp_path):
    folder = tmp_path / "results" / "=oe1"
    folder.mkdir(parents=True)
    for hour in range(6, 12):
        lines = [
            f"{100 * n}\t{100 * n + 100}\t{('fg-music', 'no-music', 'bg-music')[n % 3]}\n" for n in range(36)
        ]
        (folder / f"2026-03-28_{hour:02d}-00.tsv").write_text("".join(lines))
    (tmp_path / "week.csv").write_text(
        "station,start,title\n=oe1,2026-03-28T06:00,@News\n=oe1,2026-03-28T09:30,+1\n"
    )
    # Files in the folder of the results are no results.
    cues, totals, whole = (tmp_path / "results" / name for name in ("cues.csv", "totals.csv", "totals.json"))
    options = ["--schedule", str(tmp_path / "week.csv"), "--cue-sheet", str(cues), "--csv", str(totals)]
    for _ in range(2):
        assert main(["report", str(tmp_path / "results"), *options, "--json", str(whole)]) == 0
    sheet = pandas.read_csv(cues, keep_default_na=False)
    assert set(sheet.station) == {"'=oe1"} and set(sheet.programme) == {"'@News", "'+1"}
    table = pandas.read_csv(totals)
    total = table[table.scope == "total"].set_index("label").seconds
    assert sheet.fg_music_s.sum() == total["fg-music"] and sheet.bg_music_s.sum() == total["bg-music"]
    assert sheet.duration_s.sum() == total["fg-music"] + total["bg-music"]
