"""Provenance: what a detection notes of its recordings, and what a report tells of it."""

import hashlib
import json

import numpy as np
import pandas
import pytest
import soundfile

import hrin_plugin
from hrin_plugin.cli import main
from hrin_plugin.formats.journal import Made, journal_path, read_journal
from hrin_plugin.pretrained.sources import SHIPPED_MODEL


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Two recordings and their results by the shipped model."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "oe1").mkdir()
    for hour in (6, 7):
        sound = np.random.default_rng(hour).normal(0, 0.1, 16_000).astype(np.float32)
        soundfile.write(folder / "oe1" / f"2026-03-28_{hour:02d}-00.wav", sound, 8000)
    options = ["--output", str(folder / "results"), "--min-duration", "2"]
    assert main(["detect", str(folder / "oe1"), *options]) == 0
    return folder


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_detection_notes_how_each_result_was_made(archive):
    entries = read_journal(archive / "results", "tsv").entries
    made = entries["2026-03-28_06-00"].made
    assert made.sha256 == digest(archive / "oe1" / "2026-03-28_06-00.wav")
    assert (made.version, made.duration_s) == (hrin_plugin.__version__, 2.0)
    record = json.loads((archive / "results" / ".hrin-tsv.json").read_text())["provenance"]
    weights = hrin_plugin.__path__[0] + f"/{SHIPPED_MODEL}/model.safetensors"
    with open(weights, "rb") as file:
        assert record["model_sha256"] == hashlib.sha256(file.read()).hexdigest()
    assert record["decoding"]["min_event_s"] == 2.0 and record["decoding"]["method"] == "viterbi"


def test_a_second_run_keeps_what_is_noted(archive):
    before = read_journal(archive / "results", "tsv").entries
    record = (archive / "results" / ".hrin-tsv.json").read_text()
    assert (
        main(["detect", str(archive / "oe1"), "--output", str(archive / "results"), "--min-duration", "2"])
        == 0
    )
    assert read_journal(archive / "results", "tsv").entries == before
    assert (archive / "results" / ".hrin-tsv.json").read_text() == record


def test_results_of_an_earlier_version_get_a_record_with_provenance_and_stay_finished(archive, tmp_path):
    results = tmp_path / "results"
    options = ["detect", str(archive / "oe1"), "--output", str(results)]
    assert main(options) == 0
    record = json.loads((results / ".hrin-tsv.json").read_text())
    del record["provenance"]
    (results / ".hrin-tsv.json").write_text(json.dumps(record))
    keys = ("name", "recording", "size", "mtime_ns")
    lines = [json.loads(line) for line in journal_path(results, "tsv").read_text().split("\n") if line]
    old = [{key: line[key] for key in keys if key in line} for line in lines if "name" in line]
    journal_path(results, "tsv").write_text("".join(f"\n{json.dumps(line)}" for line in old))
    times = [path.stat().st_mtime_ns for path in sorted(results.glob("*.tsv"))]
    assert main(options) == 0
    assert [path.stat().st_mtime_ns for path in sorted(results.glob("*.tsv"))] == times
    assert "provenance" in json.loads((results / ".hrin-tsv.json").read_text())
    assert read_journal(results, "tsv").entries["2026-03-28_06-00"].made is None


def test_page_csv_and_json_tell_where_results_come_from(archive, tmp_path):
    outputs = {name: str(tmp_path / f"report.{name}") for name in ("csv", "json", "html")}
    options = [word for name, path in outputs.items() for word in (f"--{name}", path)]
    assert main(["report", str(archive / "results"), *options]) == 0
    sha256 = digest(archive / "oe1" / "2026-03-28_07-00.wav")
    table = pandas.read_csv(outputs["csv"])
    row = table[(table.scope == "recording") & (table.name == "2026-03-28_07-00")].iloc[0]
    assert (row.sha256, row.version) == (sha256, hrin_plugin.__version__)
    assert row.model.startswith("hrin_cr sha256:") and json.loads(row.decisions)["min_event_s"] == 2.0
    with open(outputs["json"], encoding="utf-8") as file:
        content = json.load(file)
    (recording,) = [each for each in content["recordings"] if each["name"] == "2026-03-28_07-00"]
    assert (recording["sha256"], recording["length"], recording["start"]) == (
        sha256,
        2.0,
        "2026-03-28T07:00:00+00:00",
    )
    assert content["provenance"]["model"][0].startswith("hrin_cr, SHA-256 ")
    assert content["provenance"]["report"]["version"] == hrin_plugin.__version__
    with open(outputs["html"], encoding="utf-8") as file:
        page = file.read()
    assert sha256 in page and f"<dd>{hrin_plugin.__version__}</dd>" in page and "hrin_cr, SHA-256" in page


def test_checksums_are_compared_on_request(archive, tmp_path, capsys):
    assert main(["report", str(archive / "results"), "--checksums"]) == 0
    path = archive / "oe1" / "2026-03-28_07-00.wav"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-2] + b"\0\0")
        capsys.readouterr()
        assert main(["report", str(archive / "results"), "--checksums"]) == 1
        assert (
            f"is not the recording that was read, whose SHA-256 is {hashlib.sha256(whole).hexdigest()}"
            in (capsys.readouterr().err)
        )
    finally:
        path.write_bytes(whole)


def test_results_of_other_programs_are_reported_without(tmp_path, capsys):
    (tmp_path / "a.tsv").write_text("0\t60\tfg-music\n")
    assert main(["report", str(tmp_path), "--json", str(tmp_path / "r.json")]) == 0
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["recordings"][0]["sha256"] is None and content["provenance"]["model"] == []
    assert main(["report", str(tmp_path), "--checksums"]) == 1
    assert "a: its recording is not known; detect again to note its checksum" in capsys.readouterr().err


def test_a_damaged_line_of_the_journal_tells_nothing(tmp_path):
    lines = [
        {
            "name": "a",
            "recording": "a.wav",
            "size": 1,
            "mtime_ns": 1,
            "sha256": 5,
            "version": "1",
            "detected": "",
        },
        {"name": "b", "recording": "b.wav", "size": 1, "mtime_ns": 1, **Made("1", "", 2.0, None)._asdict()},
    ]
    journal_path(tmp_path, "tsv").write_text("".join(f"\n{json.dumps(line)}" for line in lines))
    entries = read_journal(tmp_path, "tsv").entries
    assert entries["a"].made is None and entries["b"].made == Made("1", "", 2.0, None)
