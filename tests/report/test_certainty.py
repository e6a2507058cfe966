"""Intervals of every total, confidences in the cue sheet, doubtful minutes first; none is invented."""

import csv
import json
from datetime import datetime, timezone

import numpy as np
import pytest

from hrin_plugin.cli import main
from hrin_plugin.decoding.certainty import Calibration
from hrin_plugin.decoding.keeping import KeptHeader, keeping
from hrin_plugin.decoding.kept import read_kept
from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.detection import Certainty, Detection, Spread
from hrin_plugin.events import Event
from hrin_plugin.formats import write_detection
from hrin_plugin.report.account import open_account
from hrin_plugin.report.airtime import Programme, place
from hrin_plugin.report.certainty import NOT_KNOWN, NOT_MEASURED, PARTLY, note_of
from hrin_plugin.report.cue_sheet import find_pieces
from hrin_plugin.report.doubts import doubtful_minutes
from hrin_plugin.report.names import NamedTime
from hrin_plugin.report.page import render_page
from hrin_plugin.report.rows import rows_of, scopes_of
from hrin_plugin.report.summary import format_summary
from hrin_plugin.report.tables import write_csv, write_json
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.timing import FrameGrid

SPREAD = Spread(bias=0.25, doubt=0.5, chance=9.0, share=0.01, low=-2.0, high=1.5)
OTHER = SPREAD._replace(doubt=1.0)
DOUBTS = {"fg-music": 1.5, "bg-music": 2.5, "no-music": 1.0}


def recording(name, spread=SPREAD, seconds=3600.0, doubts=DOUBTS):
    """An hour with ten minutes of foreground music, then none; each minute has the same doubt."""
    events = [Event(0.0, 600.0, "fg-music"), Event(600.0, seconds, "no-music")]
    n_minutes = -(-int(seconds) // 60)
    certainty = Certainty(
        {"mrle": {label: (doubt,) * n_minutes for label, doubt in doubts.items()}},
        {"mrle": dict.fromkeys(doubts, spread)} if spread else {},
    )
    return Detection(name, seconds, {"mrle": events}, confidences={"mrle": (0.75, 0.5)}, certainty=certainty)


@pytest.fixture
def account():
    detections = [recording("a/1"), recording("a/2"), recording("b/1")]
    times = [NamedTime(datetime(2026, 3, 28, hour), (2, 3)) for hour in (6, 7, 6)]
    airtime = place(detections, times, timezone.utc)
    start = airtime.airings[0].start_ms
    programmes = [Programme("a", start, start + 1_800_000, "News")]
    return open_account(airtime._replace(schedule={"a": programmes}))


def interval(found_s, of_s, doubt_s, spread=SPREAD):
    """The interval, written out once more."""
    middle = found_s + spread.bias * doubt_s
    scale = ((spread.doubt * doubt_s) ** 2 + spread.chance * doubt_s + (spread.share * of_s) ** 2) ** 0.5
    return max(middle + spread.low * scale, 0), min(middle + spread.high * scale, of_s)


def test_the_interval_of_every_span_adds_up_the_doubt_in_it(account):
    (total,) = rows_of(account, "mrle", "total")
    ends = [end_ms / 1000 for end_ms in total.intervals["fg-music"]]
    assert ends == pytest.approx(interval(1800, 10800, 180 * 1.5), abs=0.001)
    station = next(row for row in rows_of(account, "mrle", "station") if row.what["station"] == "a")
    ends = [end_ms / 1000 for end_ms in station.intervals["fg-music"]]
    assert ends == pytest.approx(interval(1200, 7200, 120 * 1.5), abs=0.001)
    news = next(row for row in rows_of(account, "mrle", "programme") if row.what["programme"] == "News")
    ends = [end_ms / 1000 for end_ms in news.intervals["fg-music"]]
    assert ends == pytest.approx(interval(600, 1800, 30 * 1.5), abs=0.001)
    for scope in scopes_of(account):
        for row in rows_of(account, "mrle", scope):
            assert set(row.intervals) == set(row.totals)


def test_the_ends_are_added_where_models_differ():
    account = open_account([recording("1"), recording("2", OTHER)])
    (total,) = rows_of(account, "mrle", "total")
    expected = np.add(interval(600, 3600, 90), interval(600, 3600, 90, OTHER))
    assert [end_ms / 1000 for end_ms in total.intervals["fg-music"]] == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize(
    ("others", "note"),
    [
        ([recording("2", None)], PARTLY),
        ([recording("2")._replace(certainty=None)], PARTLY),
    ],
)
def test_a_total_without_all_doubts_has_no_interval(others, note):
    account = open_account([recording("1"), *others])
    (total,) = rows_of(account, "mrle", "total")
    assert total.intervals == {} and note_of(account.airtime) == note
    first, second = rows_of(account, "mrle", "recording")
    assert first.intervals and not second.intervals


@pytest.mark.parametrize(
    ("found", "note"),
    [(recording("1", None), NOT_MEASURED), (recording("1")._replace(certainty=None), NOT_KNOWN)],
)
def test_no_interval_is_invented_and_the_report_says_so(found, note):
    account = open_account([found])
    assert note_of(account.airtime) == note
    assert "90 %:" not in format_summary(account)
    page = render_page(account)
    assert note[1:] in page.replace("&#x27;", "'") and "<small>" not in page


def test_the_table_csv_and_json_tell_the_intervals(account, tmp_path):
    lines = format_summary(account).splitlines()
    assert lines[-1].startswith("     90 %:") and lines[-1].count(" to ") == 3
    low, high = interval(1800, 10800, 180 * 1.5)
    write_csv(tmp_path / "r.csv", account)
    with open(tmp_path / "r.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-2:] == ["low_seconds", "high_seconds"]
    (row,) = (row for row in rows if row["scope"] == "total" and row["label"] == "fg-music")
    assert float(row["low_seconds"]) == pytest.approx(low, abs=0.001)
    assert float(row["high_seconds"]) == pytest.approx(high, abs=0.001)
    write_json(tmp_path / "r.json", account)
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["interval_level"] == 0.9
    assert content["totals"][0]["classes"]["fg-music"]["interval"] == pytest.approx([low, high], abs=0.001)
    assert content["doubtful_minutes"][0]["doubt"] == 2.5


def test_the_most_doubtful_minutes_come_first_with_clock_station_and_class(account):
    doubts = {"mrle": {"fg-music": (0.0, 9.0, 3.0), "bg-music": (1.0, 1.0, 8.0), "no-music": (0, 0, 0)}}
    found = recording("x", seconds=150.0)._replace(certainty=Certainty(doubts))
    time = NamedTime(datetime(2026, 3, 28, 6), (0, 1), "oe1")
    airtime = place([found], [time], timezone.utc)
    minutes, number = doubtful_minutes(airtime)
    start = airtime.airings[0].start_ms
    assert [(each.begin_ms - start, each.length_ms, each.doubt_s) for each in minutes] == [
        (60_000, 60_000, 9.0),
        (120_000, 30_000, 8.0),
    ]
    assert number == 2 and minutes[0].label == "fg-music" and minutes[0].confidence == 0.75
    page = render_page(open_account(airtime))
    assert page.index("Doubtful minutes") < page.index("Foreground and background music")
    assert "2026-03-28 06:01:00" in page and 'href="#t0-0" data-from="21660000" data-to="21720000"' in page


def test_pieces_of_music_have_the_mean_confidence_of_their_time():
    events = [Event(0.0, 30.0, "bg-music"), Event(30.0, 40.0, "fg-music"), Event(40.0, 60.0, "no-music")]
    found = Detection("a", 60.0, {"mrle": events}, confidences={"mrle": (0.5, 0.9, 0.1)})
    (piece,) = find_pieces(open_account([found]).airtime)
    assert piece.confidence == pytest.approx(0.6)
    (piece,) = find_pieces(open_account([found._replace(confidences=None)]).airtime)
    assert piece.confidence is None


def test_kept_probabilities_beside_results_of_any_format_give_intervals(tmp_path, capsys):
    rng = np.random.default_rng(0)
    lower = rng.dirichlet((4.0, 1.0, 1.0), 2000).astype(np.float32)
    levels = [np.stack([lower[:, 0], 1 - lower[:, 0]], 1), lower]
    grid = FrameGrid(8000, 512)
    spreads = {"mrle": dict.fromkeys(MUSIC_LOUDNESS.levels[1], SPREAD)}
    header = KeptHeader(MUSIC_LOUDNESS, grid, Decoding("argmax"), calibration=Calibration({}, spreads))
    with keeping(tmp_path / "a.probs", header) as writer:
        writer.push(levels)
        writer.finish(grid.time_of(2000))
    found = read_kept(tmp_path / "a.probs").detect()
    write_detection(tmp_path, found, "tsv")
    assert main(["report", str(tmp_path), "--cue-sheet", str(tmp_path / "c.csv")]) == 0
    assert "90 %:" in capsys.readouterr().out
    with open(tmp_path / "c.csv", newline="") as file:
        assert all(0 < float(row["confidence"]) < 1 for row in csv.DictReader(file))
    (tmp_path / "a.probs").write_bytes(b"PK")
    assert main(["report", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "90 %:" not in told.out and "a.probs: is damaged" in told.err and NOT_KNOWN in told.err
