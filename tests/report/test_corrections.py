"""Corrected results in a report: what a person went through is certain."""

from hrin_plugin.detection import Certainty, Detection, Spread
from hrin_plugin.events import Event
from hrin_plugin.formats.corrected import Change, Correction, Segment, to_segments, write_correction
from hrin_plugin.report.airtime import untimed
from hrin_plugin.report.certainty import intervals_by
from hrin_plugin.report.corrections import apply_corrections
from hrin_plugin.report.ledger import cut_cells
from hrin_plugin.taxonomy import MUSIC_LOUDNESS


def test_a_reviewed_recording_is_exact_and_another_keeps_its_interval(tmp_path):
    found = Detection(
        "a",
        90.0,
        {"md": [Event(0.0, 60.0, "music"), Event(60.0, 90.0, "no-music")]},
        confidences={"md": (0.6, 0.8)},
        certainty=Certainty(
            {"md": {"music": (5.0, 2.0), "no-music": (5.0, 2.0)}},
            {"md": dict.fromkeys(("music", "no-music"), Spread(0.5, 1.0, 0.0, 0.0, -1.6, 1.6))},
        ),
    )
    changed = (Segment(0, 50_000, "music"), Segment(50_000, 90_000, "no-music"))
    done = "anna", "2026-03-28T06:00:00Z"
    for reviewed in (None, done):
        change = Change(*done, "edge", to_segments(found), changed)
        person = Correction(
            "md", MUSIC_LOUDNESS, to_segments(found), changed, (change,), 1, reviewed=reviewed
        )
        write_correction(tmp_path / "a.corrected", person)
        (corrected,) = apply_corrections([found], {"a": tmp_path / "a.tsv"}).detections
        airtime = untimed([corrected])
        intervals = intervals_by(airtime, cut_cells(airtime), "md", lambda cell: "")[""]
        if reviewed:
            assert intervals["music"] == (50_000, 50_000)
            assert corrected.confidences == {"md": (1.0, 1.0)}
        else:
            assert intervals["music"].low_ms < 50_000 < intervals["music"].high_ms
