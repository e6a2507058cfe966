"""Agreement of two results against sed_eval, and its page."""

import random

import pytest
import sed_eval

from hrin_plugin.cli import main
from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.report.agreement import compare
from hrin_plugin.report.agreement_page import render_agreement

LABELS = ("no-music", "fg-music", "bg-music")


def mixed(seed, n_units=900, per_second=1):
    """Events of whole seconds, or parts of them, that tile a recording."""
    draw, events, at = random.Random(seed), [], 0
    while at < n_units:
        end = min(at + draw.randrange(1, 60), n_units)
        choices = [label for label in LABELS if not events or label != events[-1].label]
        events.append(Event(at / per_second, end / per_second, draw.choice(choices)))
        at = end
    return Detection("a", n_units / per_second, {"mrle": events})


def test_times_and_f_measures_are_those_of_sed_eval():
    first, second = mixed(1), mixed(2)
    (agreement,) = compare([(first, second)])
    lists = [
        [
            {"event_onset": e.onset_s, "event_offset": e.offset_s, "event_label": e.label}
            for e in found.events["mrle"]
        ]
        for found in (first, second)
    ]
    metrics = sed_eval.sound_event.SegmentBasedMetrics(list(LABELS), time_resolution=1.0)
    metrics.evaluate(*lists, evaluated_length_seconds=900.0)
    for label in LABELS:
        counts, shared = metrics.class_wise[label], agreement.classes[label]
        assert shared == tuple(round(1000 * counts[key]) for key in ("Ntp", "Nfn", "Nfp"))
        expected = metrics.results_class_wise_metrics()[label]["f_measure"]["f_measure"]
        assert shared.f_measure == pytest.approx(expected)
    assert agreement.agreed_ms == sum(shared.both_ms for shared in agreement.classes.values())


def test_the_confusion_is_a_count_of_milliseconds():
    first, second = (mixed(seed, 59_997, 1000) for seed in (3, 4))
    (agreement,) = compare([(first, second)])
    tracks = []
    for found in (first, second):
        track = [""] * 59_997
        for onset, offset, label in found.events["mrle"]:
            for ms in range(round(onset * 1000), round(offset * 1000)):
                track[ms] = label
        tracks.append(track)
    for (ours, theirs), lasting in agreement.confusion.items():
        assert lasting == sum(pair == (ours[0], theirs[0]) for pair in zip(*tracks))
    assert sum(agreement.confusion.values()) == 59_997
    differing = sum(each.length_ms for each in agreement.disagreements)
    assert differing == 59_997 - agreement.agreed_ms
    lengths = [each.length_ms for each in agreement.disagreements]
    assert lengths == sorted(lengths, reverse=True)


def test_classes_that_overlap_and_time_without_one_are_compared():
    first = Detection("a", 10.0, {"mrle": [Event(0.0, 6.0, "fg-music"), Event(4.0, 8.0, "bg-music")]})
    second = Detection("a", 8.0, {"mrle": [Event(0.0, 8.0, "fg-music")]})
    (agreement,) = compare([(first, second)])
    assert agreement.confusion == {
        (("fg-music",), ("fg-music",)): 4000,
        (("bg-music", "fg-music"), ("fg-music",)): 2000,
        (("bg-music",), ("fg-music",)): 2000,
        ((), ()): 2000,
    }
    assert agreement.classes["fg-music"] == (6000, 0, 2000) and agreement.share == 0.6


@pytest.fixture
def runs(tmp_path):
    for run, label in (("one", "fg-music"), ("two", "bg-music")):
        (tmp_path / run).mkdir()
        (tmp_path / run / "2026-03-28_06-00.tsv").write_text(f"0\t900\t{label}\n900\t3600\tno-music\n")
        (tmp_path / run / "2026-03-28_07-00.tsv").write_text("0\t3600\tno-music\n")
    return tmp_path


def test_the_command_prints_the_agreement_and_writes_its_page(runs, capsys):
    page = runs / "agreement.html"
    assert main(["report", str(runs / "one"), "--against", str(runs / "two"), "--html", str(page)]) == 0
    out = capsys.readouterr().out
    assert "the same in 87.5 % of 2:00:00, 2 recordings" in out
    assert "   0:00:00     0:15:00      0:00:00  0.0000  Foreground music" in out
    text = page.read_text()
    assert "2026-03-28 06:00:00</td>" in text and "0:15:00.000</td>" in text


def test_recordings_of_one_side_only_are_named(runs, capsys):
    (runs / "two" / "2026-03-28_07-00.tsv").unlink()
    (runs / "two" / "x.tsv").write_text("0\t60\tno-music\n")
    assert main(["report", str(runs / "one"), "--against", str(runs / "two")]) == 1
    assert "only one side has them: 2 recordings (2026-03-28_07-00, x)" in capsys.readouterr().err


def test_results_of_other_recordings_are_refused(runs, capsys):
    (runs / "three").mkdir()
    for name in "ab":
        (runs / "three" / f"{name}.tsv").write_text("0\t60\tno-music\n")
    assert main(["report", str(runs / "one"), "--against", str(runs / "three")]) == 2
    assert "no recording has two results of one level" in capsys.readouterr().err
    assert main(["report", str(runs / "one"), "--against", str(runs / "two"), "--csv", "t.csv"]) == 2
    assert "--csv is of no use with --against" in capsys.readouterr().err


def test_names_are_escaped():
    found = mixed(1)._replace(name="<script>alert(1)</script>")
    page = render_agreement(compare([(found, mixed(2))]), ("<b>", "&"))
    assert page.count("<script>") == 1 and "<b>&lt;b" not in page and "&lt;b&gt;" in page
