"""Confidences are those of each event's frames, the same heard and decided again; files hold them."""

import json

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.decoding.certainty import Calibration, Findings, FrameSums, read_certainty, write_certainty
from hrin_plugin.decoding.decoders import EventDecoder
from hrin_plugin.decoding.keeping import KeptHeader, keeping
from hrin_plugin.decoding.kept import read_kept
from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.detection import Certainty, Detection, Spread
from hrin_plugin.events import Event
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.formats import find_formats, read_detection, write_detection
from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained
from hrin_plugin.report.results import read_results
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.timing import FrameGrid

GRID = FrameGrid(8000, 512)
SPREAD = Spread(bias=0.5, doubt=1.0, chance=2.0, share=0.01, low=-1.5, high=2.0)
CALIBRATION = Calibration(
    lines={"mrle": {"bg-music": (0.5, 0.8)}}, spreads={"md": {"music": SPREAD}}, about={"recordings": 3}
)
DECODINGS = [
    Decoding("viterbi", switching_cost_s=1.0),
    Decoding("viterbi", switching_cost_s=0.2, min_event_s=1.5),
    Decoding("argmax", min_event_s=1.0),
    Decoding("argmax"),
    Decoding("threshold", thresholds=0.4),
    Decoding("median", min_event_s=0.5),
]


def made(seed, n_frames=1500):
    """Probabilities that wander, ``[frame, class]`` of each level."""
    rng = np.random.default_rng(seed)
    raw = np.cumsum(rng.normal(0, 0.3, (n_frames, 3)), axis=0)
    lower = np.exp(raw - raw.max(1, keepdims=True))
    lower /= lower.sum(1, keepdims=True)
    return [np.stack([lower[:, 0], 1 - lower[:, 0]], 1).astype(np.float32), lower.astype(np.float32)]


def gather(decoding, levels, step, duration_s, calibration=None):
    """What is found where the frames come some at a time."""
    decoder = EventDecoder(decoding, MUSIC_LOUDNESS, GRID)
    findings = Findings(MUSIC_LOUDNESS, GRID, calibration)
    for begin in range(0, len(levels[0]), step):
        piece = [level[begin : begin + step] for level in levels]
        findings.add(piece, decoder.push(piece), decoder.means)
    findings.add(None, decoder.finish(duration_s), decoder.means)
    return findings.detection("a", duration_s)


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 1000), decoding=st.sampled_from(DECODINGS), step=st.sampled_from([1, 7, 333, 1500])
)
def test_a_confidence_is_the_mean_probability_of_the_events_frames(seed, decoding, step):
    levels = made(seed)
    found = gather(decoding, levels, step, GRID.time_of(1500))
    for place, (level, events) in enumerate(found.events.items()):
        assert len(events) == len(found.confidences[level]) > 0
        for event, confidence in zip(events, found.confidences[level]):
            frames = slice(GRID.frame_at(event.onset_s), GRID.frame_at(event.offset_s))
            of_class = levels[place][frames, MUSIC_LOUDNESS.labels[level].index(event.label)]
            assert confidence == pytest.approx(of_class.astype(float).mean(), abs=0.0011)


def test_doubts_are_those_of_each_minute_and_end_with_the_recording():
    levels = made(3, 2000)
    found = gather(Decoding("argmax"), levels, 100, 127.9)
    for place, level in enumerate(found.certainty.doubts.values()):
        exact = levels[place].astype(float)
        per_frame = exact * (1 - exact) * 0.064
        minutes = np.arange(2000) * 512 // (8000 * 60)
        for index, row in enumerate(level.values()):
            assert row == pytest.approx(
                [per_frame[minutes == minute, index].sum() for minute in (0, 1, 2)], abs=0.0006
            )


@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda each: str(each)[:40])
def test_kept_probabilities_give_the_same_confidences(decoding, tmp_path):
    levels = made(5)
    header = KeptHeader(MUSIC_LOUDNESS, GRID, decoding, calibration=CALIBRATION)
    with keeping(tmp_path / "a.probs", header) as writer:
        writer.push(levels)
        writer.finish(GRID.time_of(1500))
    heard, kept = (
        gather(decoding, levels, 77, GRID.time_of(1500), CALIBRATION),
        read_kept(tmp_path / "a.probs"),
    )
    again = kept.detect()
    judged, certainty = kept.judge(heard.events)
    assert again.certainty.spreads == certainty.spreads == CALIBRATION.spreads
    for level, events in heard.events.items():
        assert again.events[level] == events
        for confidences in (again.confidences, judged):
            assert confidences[level] == pytest.approx(heard.confidences[level], abs=0.002)
        for label, doubts in heard.certainty.doubts[level].items():
            assert again.certainty.doubts[level][label] == pytest.approx(doubts, abs=0.01)
            assert certainty.doubts[level][label] == pytest.approx(doubts, abs=0.01)


def test_sums_of_what_is_long_decided_are_dropped():
    sums = FrameSums()
    sums.reach = 10
    for _ in range(1000):
        sums.hear([np.full((50, 2), 0.5)])
        sums.decide(50)
    assert sums.before(50_000)[0].tolist() == [25_000.0, 25_000.0]
    assert len(sums._sums[0]) <= 61


def test_measured_errors_come_back_and_damage_is_told(tmp_path):
    write_certainty(tmp_path / "certainty.json", CALIBRATION)
    assert read_certainty(tmp_path) == CALIBRATION
    content = CALIBRATION.to_dict()
    content["spreads"]["md"]["music"]["doubt"] = "NaN"
    (tmp_path / "certainty.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="certainty.json: holds .* finite numbers"):
        read_certainty(tmp_path)
    (tmp_path / "certainty.json").write_text("[]")
    with pytest.raises(ValueError, match="holds no certainty of a model"):
        read_certainty(tmp_path)


FOUND = Detection(
    "a",
    90.0,
    {
        "md": [Event(0.0, 60.0, "no-music"), Event(60.0, 60.0004, "music"), Event(60.0004, 90.0, "no-music")],
        "mrle": [Event(0.0, 50.0, "bg-music"), Event(50.0, 90.0, "fg-music")],
    },
    confidences={"md": (0.9, 0.2, 0.8), "mrle": (0.713, 1.0)},
    certainty=Certainty({"md": {"music": (1.5, 0.25)}}, {"md": {"music": SPREAD}}, 0.9),
)


@pytest.mark.parametrize("format", ["json", "jams", "csv", "labelstudio", "rttm"])
def test_formats_with_a_place_for_confidences_give_them_back(format, tmp_path):
    levels = ("md", "mrle") if find_formats()[format].joint else ("mrle",)
    (path,) = write_detection(tmp_path, FOUND, format, levels)
    back = read_detection(path)
    expected = {"md": (0.9, 0.8), "mrle": (0.713, 1.0)}
    assert back.confidences == {level: expected[level] for level in levels}
    assert back.certainty == (FOUND.certainty if format == "json" else None)


def test_the_same_events_without_confidences_beside_them_take_nothing_away(tmp_path):
    for format in ("json", "csv", "tsv"):
        write_detection(tmp_path, FOUND, format, ("md", "mrle"))
    results = read_results([tmp_path])
    assert not results.faults
    (found,) = results.detections
    assert found.confidences["mrle"] == (0.713, 1.0)
    assert found.certainty == FOUND.certainty


def test_results_of_earlier_versions_have_no_confidences(tmp_path):
    plain = FOUND._replace(confidences=None, certainty=None)
    (path,) = write_detection(tmp_path, plain, "json", ("md", "mrle"))
    assert "confidence" not in path.read_text()
    back = read_detection(path)
    assert back.confidences is None and back.certainty is None


def test_damaged_certainty_is_refused_in_one_line(tmp_path):
    (path,) = write_detection(tmp_path, FOUND, "json", ("md", "mrle"))
    content = json.loads(path.read_text())
    content["certainty"]["minutes"]["md"]["music"] = ["much"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="a.json: its certainty cannot be used"):
        read_detection(path)


def test_a_detectors_results_and_kept_probabilities_have_its_models_errors(tmp_path):
    torch.manual_seed(3)
    network = HRIN(hidden_size=4, num_layers=1).eval()
    save_pretrained(tmp_path / "model", PretrainedModel(LogMel(), BandStatistics(128), network))
    write_certainty(tmp_path / "model/certainty.json", CALIBRATION)
    detector = MusicDetector.from_hparams(tmp_path / "model", backend="torch", run_opts={"device": "cpu"})
    detector.decoding = Decoding("argmax")
    loudness = np.repeat([0.001, 0.3, 0.01, 0.1], 8000)
    soundfile.write(
        tmp_path / "a.wav", loudness * np.random.default_rng(0).standard_normal(len(loudness)), 8000
    )
    found = detector.detect_file(tmp_path / "a.wav", keep=tmp_path / "a.probs")
    kept = read_kept(tmp_path / "a.probs")
    again = kept.detect(Decoding("argmax"))
    assert kept.header.calibration == CALIBRATION
    assert found.certainty.spreads == again.certainty.spreads == CALIBRATION.spreads
    for level, events in found.events.items():
        assert len(events) == len(found.confidences[level])
        assert again.confidences[level] == pytest.approx(found.confidences[level], abs=0.002)
