"""What the other commands make of corrected results: the report uses them, tune and adapt learn from them."""

import csv
import json

import pytest

from hrin_plugin.archive.references import read_references
from hrin_plugin.cli import main
from hrin_plugin.commands import Failure
from hrin_plugin.commands.tune import annotated_recordings
from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Event
from hrin_plugin.formats import read_detection, write_detection
from hrin_plugin.formats.corrected import (
    Correction,
    correction_path,
    finest_level,
    read_correction,
    to_segments,
    write_correction,
)
from hrin_plugin.report.results import read_results
from hrin_plugin.review.changes import change
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy

NAME = "2026-03-28_00-00"


def correct(results, *orders, station="fm4", name=NAME):
    """Correct a recording of a day as the page does."""
    found = read_detection(results / station / f"{name}.json")
    segments = to_segments(found)
    audio = f"../../archive/{station}/{name}.flac"
    correction = Correction(finest_level(found), found.taxonomy, segments, segments, recording=audio)
    for order in orders:
        correction = change(correction, order, "anna")
    write_correction(correction_path(results / station, name), correction)


RELABEL = {"do": "relabel", "at": 20_000, "label": "fg-music"}
CLOSE = {"do": "reviewed", "value": True}


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def seconds(rows, scope, label, name=None):
    return sum(
        float(row["seconds"])
        for row in rows
        if (row["scope"], row["label"], row["task"]) == (scope, label, "mrle") and name in (None, row["name"])
    )


def test_the_report_uses_corrections_and_says_how_much(day, tmp_path, capsys):
    results, _ = day
    correct(results, RELABEL, CLOSE)
    csv_path, json_path, html_path = (tmp_path / f"r.{each}" for each in ("csv", "json", "html"))
    words = ["report", str(results), "--csv", csv_path, "--json", json_path, "--html", html_path]
    assert main([str(word) for word in words]) == 0
    expected = "1 of 4 recordings, 0:00:02 changed, 1 reviewed to the end; by anna, 20"
    assert f"corrected: {expected}" in capsys.readouterr().out
    rows = rows_of(csv_path)
    assert seconds(rows, "total", "fg-music") == 81.5 and seconds(rows, "total", "bg-music") == 4.5
    assert seconds(rows, "recording", "fg-music", f"fm4/{NAME}") == 21.5
    by_name = {row["name"]: row for row in rows if row["scope"] == "recording"}
    assert by_name[f"fm4/{NAME}"]["corrected_seconds"] == "1.500"
    assert by_name[f"fm4/{NAME}"]["corrected_by"] == "anna"
    assert by_name[f"oe1/{NAME}"]["corrected_seconds"] == by_name[f"oe1/{NAME}"]["corrected"] == ""
    content = json.loads(json_path.read_text())
    assert content["provenance"]["corrected"][0].startswith(expected)
    first = next(each for each in content["recordings"] if each["name"] == f"fm4/{NAME}")
    assert (first["corrected_s"], first["corrected_by"], first["reviewed"]) == (1.5, "anna", True)
    page = html_path.read_text()
    assert expected in page and "0:00:02 by anna, 20" in page


def test_corrections_that_were_all_undone_count_for_nothing(day, capsys):
    correct(day[0], RELABEL, {"do": "undo"})
    assert main(["report", str(day[0])]) == 0
    assert "corrected" not in capsys.readouterr().out


def test_a_newer_result_is_told_and_the_correction_counts(day, tmp_path, capsys):
    results, _ = day
    correct(results, RELABEL)
    newer = Detection(NAME, 60.0, {"md": [Event(0.0, 60.0, "music")], "mrle": [Event(0.0, 60.0, "bg-music")]})
    write_detection(results / "fm4", newer, "json", ("md", "mrle"))
    assert main(["report", str(results), "--csv", str(tmp_path / "r.csv")]) == 0
    assert "1 corrected result of an earlier result of the machine" in capsys.readouterr().err
    assert seconds(rows_of(tmp_path / "r.csv"), "recording", "fg-music", f"fm4/{NAME}") == 21.5


def test_a_correction_of_another_length_does_not_count_and_is_told(day, tmp_path, capsys):
    results, _ = day
    correct(results, RELABEL)
    longer = Detection(
        NAME, 90.0, {"md": [Event(0.0, 90.0, "music")], "mrle": [Event(0.0, 90.0, "bg-music")]}
    )
    write_detection(results / "fm4", longer, "json", ("md", "mrle"))
    assert main(["report", str(results), "--csv", str(tmp_path / "r.csv")]) == 0
    assert "of another length or other classes than the result, and not counted" in capsys.readouterr().err
    assert seconds(rows_of(tmp_path / "r.csv"), "recording", "bg-music", f"fm4/{NAME}") == 90.0


def test_a_damaged_correction_is_named(day, capsys):
    path = correction_path(day[0] / "fm4", NAME)
    path.write_text("{}")
    assert main(["report", str(day[0])]) == 2
    assert f"{path}: is no corrected result" in capsys.readouterr().err


@pytest.mark.parametrize("levels", [("md",), ("mrle",), ("md", "mrle")])
def test_the_levels_of_a_result_stay_and_agree(tmp_path, make_day, levels):
    from hrin_plugin.report.corrections import apply_corrections
    from hrin_plugin.report.results import read_with_files

    results, _ = make_day(tmp_path, n_hours=1, level=levels)
    label = {"md": "music", "mrle": "fg-music"}[levels[-1]]
    correct(results, {"do": "relabel", "at": 0, "label": label})
    (found, _), files = read_with_files([results])
    events = apply_corrections(found, files).detections[0].events
    assert tuple(events) == levels and all(each[0].label in (label, "music") for each in events.values())
    assert all(each[0].onset_s == 0.0 for each in events.values())


def test_other_commands_take_corrections_for_no_results_of_their_own(day, tmp_path):
    results, _ = day
    correct(results, RELABEL)
    before = {path: path.read_bytes() for path in results.rglob("*.corrected")}
    assert len(read_results([results]).detections) == 4
    assert main(["convert", str(results), "--format", "tsv", "--output", str(tmp_path / "tsv")]) == 0
    assert len(list((tmp_path / "tsv").rglob("*.tsv"))) == 8
    text = (tmp_path / "tsv" / "fm4" / f"{NAME}.mrle.tsv").read_text()
    assert "20.000\t21.500\tbg-music" in text
    assert main(["convert", str(results), "--format", "srt", "--output", str(results)]) == 0
    assert {path: path.read_bytes() for path in results.rglob("*.corrected")} == before


def test_recordings_that_are_reviewed_to_the_end_are_annotations(day, capsys):
    results, archive = day
    correct(results, RELABEL, CLOSE)
    correct(results, RELABEL, station="oe1")
    (reference,) = annotated_recordings(str(results), MUSIC_LOUDNESS)
    assert "1 corrected recordings are reviewed to the end and count, 1 are not" in capsys.readouterr().err
    assert reference.path == str((archive / "fm4" / f"{NAME}.flac").resolve())
    assert reference.detection.name == f"fm4/{NAME}" and reference.detection.duration_s == 60.0
    assert reference.detection.events["mrle"][1] == Event(20.0, 21.5, "fg-music")
    assert [event.label for event in reference.detection.events["md"]] == [
        *("no-music", "music", "no-music", "music"),
    ]


def test_annotations_need_a_review_to_the_end_and_the_recording(day):
    results, archive = day
    correct(results, RELABEL)
    with pytest.raises(Failure, match="no corrected recording is reviewed to the end"):
        annotated_recordings(str(results), MUSIC_LOUDNESS)
    correct(results, RELABEL, CLOSE)
    (archive / "fm4" / f"{NAME}.flac").unlink()
    with pytest.raises(Failure, match="recordings that are gone"):
        annotated_recordings(str(results), MUSIC_LOUDNESS)


def test_annotations_of_other_classes_are_refused(day):
    correct(day[0], RELABEL, CLOSE)
    other = Taxonomy([["a", "b"], ["a", "b"]], [{"a": "a", "b": "b"}])
    with pytest.raises(AnnotationError, match="has other classes"):
        read_references(day[0], other)


def test_evaluate_scores_the_machine_by_what_was_reviewed(day, tmp_path, capsys):
    results, _ = day
    correct(results, RELABEL, CLOSE)
    words = ["evaluate", str(results), str(results), "--json", str(tmp_path / "scores.json")]
    assert main(words) == 0
    assert "1 recordings" in capsys.readouterr().out
    scores = json.loads((tmp_path / "scores.json").read_text())
    classes = scores["mrle"]["segment"]["classes"]
    assert (classes["fg-music"]["Nref"], classes["fg-music"]["Nsys"]) == (2150, 2000)
    assert (classes["bg-music"]["Nref"], classes["bg-music"]["Nsys"]) == (0, 150)


def test_tune_learns_from_corrected_results(day, tmp_path, capsys):
    results, _ = day
    for station in ("fm4", "oe1"):
        correct(results, RELABEL, CLOSE, station=station)
    words = ["tune", str(results), "--output", str(tmp_path / "decoding.json"), "--decode", "argmax"]
    assert main(words) == 0
    assert "2 corrected recordings are reviewed to the end and count, 0 are not" in capsys.readouterr().err
    assert json.loads((tmp_path / "decoding.json").read_text())["method"] == "argmax"


def test_a_correction_of_an_empty_history_is_read(tmp_path):
    segments = to_segments(Detection("a", 2.0, {"mrle": [Event(0.0, 2.0, "bg-music")]}))
    path = correction_path(tmp_path, "a")
    write_correction(path, Correction("mrle", MUSIC_LOUDNESS, segments, segments))
    assert not read_correction(path).is_of_use
