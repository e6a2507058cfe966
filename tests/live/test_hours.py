"""Results by the clock: files by the hour that never change once closed."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from hrin_plugin.cli import main
from hrin_plugin.decoding.decoders import EventDecoder, decode_events, ordered_events
from hrin_plugin.decoding.methods import METHODS, Decoding
from hrin_plugin.detection import Heard
from hrin_plugin.events import Event
from hrin_plugin.formats import read_detection
from hrin_plugin.live.hours import HourFiles
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.timing import FrameGrid

NOON = 1795867200.0  # 2026-11-28 12:00 UTC
GRID = FrameGrid(hop_length=8000)


@pytest.fixture
def open_hours(tmp_path):
    """Opens the files of a station."""
    return lambda formats=("json",), levels=("md", "mrle"): HourFiles(
        tmp_path / "oe1", formats, levels, MUSIC_LOUDNESS
    )


def snapshot(folder):
    """Bytes and time of each visible file."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("[!.]*")}


def programme(n_seconds, seed=0):
    """Probabilities of a second a frame, of classes that last a while."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(rng.integers(0, 3, n_seconds), rng.integers(20, 900, n_seconds))[:n_seconds]
    levels = []
    for size, active in ((2, (classes > 0).astype(int)), (3, classes)):
        logits = 4.0 * np.eye(size)[active] - 2.0 + rng.normal(0, 1.0, (n_seconds, size))
        levels.append(1 / (1 + np.exp(-logits)))
    return levels


def heard(decoder, levels, step):
    """What a decoder is certain of, from so many frames at a time."""
    names, n_frames = MUSIC_LOUDNESS.level_names, len(levels[0])
    for begin in range(0, n_frames, step):
        ended = decoder.push([level[begin : begin + step] for level in levels])
        decided_s, going_on = decoder.decided()
        yield Heard(decided_s, [(names[n], e) for n, e in ended], [(names[n], e) for n, e in going_on])
    ended = decoder.finish(float(n_frames))
    yield Heard(float(n_frames), [(names[n], e) for n, e in ended], [], True)


@pytest.mark.parametrize("method", METHODS)
def test_the_hours_joined_are_the_events_of_the_whole(method, open_hours, tmp_path, monkeypatch):
    monkeypatch.setattr("hrin_plugin.live.hours.SAVED_S", 500.0)  # each is flushed to the disk
    decoding = Decoding(method, min_event_s={"fg-music": 7.0}, median_s=5.0, switching_cost_s=8.0)
    levels, n_seconds = programme(9000), 9000
    whole = decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, n_seconds)
    hours, before = open_hours(), {}
    hours.begin(NOON + 1800)
    for each in heard(EventDecoder(decoding, MUSIC_LOUDNESS, GRID), levels, 7):
        hours.hear(each)
        closed = {name: found for name, found in snapshot(tmp_path / "oe1").items() if name.endswith("json")}
        assert before.items() <= closed.items(), "a closed file has changed"
        before = closed
    assert sorted(before) == [f"2026-11-28_{time}Z.json" for time in ("12-30-00", "13-00-00", "14-00-00")]
    for task, events in zip(("md", "mrle"), whole):
        cut = {label: np.zeros(n_seconds) for label in MUSIC_LOUDNESS.labels[task]}
        for name, start in zip(sorted(before), (0, 1800, 5400)):
            found = read_detection(tmp_path / "oe1" / name)
            assert found.duration_s == min(1800 if not start else 3600, n_seconds - start)
            for onset, offset, label in found.events[task]:
                cut[label][start + round(onset) : start + round(offset)] += 1
        for label, active in cut.items():
            wanted = np.zeros(n_seconds)
            for event in events:
                wanted[round(event.onset_s) : round(event.offset_s)] += event.label == label
            np.testing.assert_array_equal(active, wanted)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_certain_never_changes(method):
    decoding = Decoding(method, min_event_s=4.0, median_s=5.0, switching_cost_s=8.0)
    levels, latest, known = programme(2000, 1), 0.0, {}
    for each in heard(EventDecoder(decoding, MUSIC_LOUDNESS, GRID, 3.0, 5.0), levels, 1):
        assert each.decided_s >= latest
        latest = each.decided_s
        for task, event in (*each.ended, *each.going_on):
            first = known.setdefault((task, event.onset_s, event.label), event)
            assert event.offset_s >= first.offset_s
            known[task, event.onset_s, event.label] = event
    decided = decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, 2000)
    if method in ("threshold", "argmax"):  # which need no look-ahead
        assert {(event.onset_s, event.offset_s) for (task, *_), event in known.items() if task == "md"} == {
            (event.onset_s, event.offset_s) for event in decided[0]
        }


@pytest.mark.parametrize("method", METHODS)
def test_a_bounded_decoder_keeps_its_bound_and_a_long_look_ahead_is_exact(method):
    decoding = Decoding(method, median_s=40.0, switching_cost_s=8.0)
    levels = programme(2000, 2)
    bounded = EventDecoder(decoding, MUSIC_LOUDNESS, GRID, 2.0, 6.0)
    assert bounded.settling_s <= 8.0
    for number, each in enumerate(heard(bounded, levels, 1), start=1):
        assert each.is_end or number - each.decided_s <= bounded.settling_s
    exact = EventDecoder(decoding, MUSIC_LOUDNESS, GRID, 1.0, 2000.0)
    found = ordered_events([*exact.push(levels), *exact.finish(2000.0)], MUSIC_LOUDNESS)
    assert list(found.values()) == list(decode_events(decoding, levels, MUSIC_LOUDNESS, GRID, 2000))


def test_a_killed_hour_is_kept_and_closed_ones_are_not_touched(open_hours, tmp_path):
    hours = open_hours(("json", "tsv"), ("mrle",))
    hours.begin(NOON - 60)
    hours.hear(Heard(100.0, [], [("mrle", Event(0.0, 100.0, "bg-music"))]))
    before = snapshot(tmp_path / "oe1")
    assert sorted(before) == [
        "2026-11-28_11-59-00Z.json",
        "2026-11-28_11-59-00Z.tsv",
        "2026-11-28_12-00-00Z.partial",
    ]
    again = open_hours(("json", "tsv"), ("mrle",))  # the first one was killed
    assert [path.name[-9:] for path in again.recover()] == ["-00Z.json", "0-00Z.tsv"]
    after = snapshot(tmp_path / "oe1")
    assert before.items() - after.items() == {
        ("2026-11-28_12-00-00Z.partial", before["2026-11-28_12-00-00Z.partial"])
    }
    found = read_detection(tmp_path / "oe1" / "2026-11-28_12-00-00Z.json")
    assert found.duration_s == 40.0 and found.events["mrle"] == [Event(0.0, 40.0, "bg-music")]
    assert found.begun_at == "2026-11-28T12:00:00Z" and again.heard_until() == NOON + 40
    assert again.recover() == []


def test_killed_between_the_files_of_a_part_the_rest_is_written_and_nothing_else(open_hours, tmp_path):
    hours = open_hours(("json", "tsv"), ("mrle",))
    hours.begin(NOON)
    hours.hear(Heard(40.0, [], [("mrle", Event(0.0, 40.0, "bg-music"))]))
    (tmp_path / "oe1" / "2026-11-28_12-00-00Z.json").write_text("closed")
    assert [path.suffix for path in open_hours(("json", "tsv"), ("mrle",)).recover()] == [".tsv"]
    assert (tmp_path / "oe1" / "2026-11-28_12-00-00Z.json").read_text() == "closed"


def test_a_gap_is_in_the_file_after_it_and_csv_tells_the_clock(open_hours, tmp_path):
    hours = open_hours(("json", "csv"), ("md",))
    hours.begin(NOON, "no sound from 2026-11-28T11:59:00Z to 2026-11-28T12:00:00Z (stall)")
    hours.hear(Heard(5.0, [("md", Event(0.0, 2.5, "music")), ("md", Event(2.5, 5.0, "no-music"))], [], True))
    content = json.loads((tmp_path / "oe1" / "2026-11-28_12-00-00Z.json").read_text())
    assert content["begin"] == "2026-11-28T12:00:00Z" and "(stall)" in content["warnings"][0]
    lines = (tmp_path / "oe1" / "2026-11-28_12-00-00Z.csv").read_text().splitlines()
    assert lines[0].endswith(",label,confidence,clock_onset,clock_offset")
    assert lines[1].endswith("music,,2026-11-28T12:00:00.000Z,2026-11-28T12:00:02.500Z")
    assert read_detection(tmp_path / "oe1" / "2026-11-28_12-00-00Z.csv").events["md"][1].offset_s == 5.0


def test_the_report_finds_station_and_clock_by_itself(open_hours, tmp_path, capsys):
    hours = open_hours(("json",), ("md", "mrle"))
    for begin in (NOON + 3000, NOON + 5400):
        hours.begin(begin)
        music = [("md", Event(0.0, 1200.0, "music")), ("mrle", Event(0.0, 1200.0, "bg-music"))]
        hours.hear(Heard(1200.0, music, [], True))
    target = tmp_path / "report.json"
    arguments = [str(tmp_path), "--json", str(target), "--zone", "Europe/Vienna", "--cue-sheet"]
    assert main(["report", *arguments, str(tmp_path / "cue.csv")]) == 0
    assert json.loads(target.read_text())["gaps"], capsys.readouterr()
    rows = (tmp_path / "cue.csv").read_text().splitlines()
    # One piece goes on across the hour's end; after the gap there is another.
    assert len(rows) == 3 and all(row.startswith("oe1,2026-11-28,") for row in rows[1:])
    assert "13:50:00" in rows[1] and "14:10:00" in rows[1]


KILLED = """
import os, signal, sys
from hrin_plugin.detection import Heard
from hrin_plugin.events import Event
from hrin_plugin.live.hours import HourFiles
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
hours = HourFiles(sys.argv[1], ["json"], ["md"], MUSIC_LOUDNESS)
hours.begin(1795867200.0)
for second in range(100, 2000, 100):
    hours.hear(Heard(float(second), [], [("md", Event(0.0, float(second), "music"))]))
    if second == 1000:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
def test_killed_in_mid_hour(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    hours = HourFiles(tmp_path, ["json"], ["md"], MUSIC_LOUDNESS)
    (path,) = hours.recover()
    assert read_detection(path).duration_s == 1000.0 and hours.heard_until() == NOON + 1000
