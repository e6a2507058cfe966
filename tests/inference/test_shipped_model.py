"""The model in the package: what someone gets who has nothing but the package."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile

import hrin_plugin
from hrin_plugin.audio.signals import read_audio
from hrin_plugin.cli import main
from hrin_plugin.decoding.decoders import decode_events
from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.inference.windows import window_probabilities
from hrin_plugin.metrics.scores import fast_scores
from hrin_plugin.mixing import synthesise_miniature
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

FOLDER = Path(hrin_plugin.__file__).parent / "pretrained" / "models" / "hrin_cr"


@pytest.fixture
def offline(monkeypatch):
    """No connection can be opened."""

    def refuse(*args, **kwargs):
        raise OSError("a test went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_it_is_small_and_consists_of_data_and_a_card():
    assert {path.name for path in FOLDER.iterdir()} == {
        "README.md", "certainty.json", "decoding.json", "model.json", "model.safetensors"
    }  # fmt: skip
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 4e6


def test_its_levels_do_not_depend_on_what_comes_later():
    features = json.loads((FOLDER / "model.json").read_text())["features"]
    assert features["reference"] == 1.0 and features["floor_db"] is None


def test_it_finds_music_that_no_training_has_heard(tmp_path, offline):
    """Of synthesised sound, which is unlike the recordings that it was trained on."""
    excerpts = synthesise_miniature(tmp_path / "set", n_excerpts=20, seconds=15.0)
    detector = MusicDetector.from_hparams()
    found = [detector.detect_file(tmp_path / "set" / "audio" / f"{e.name}.wav") for e in excerpts]
    scores = fast_scores(
        [excerpt.events for excerpt in excerpts],
        [detection.events["mrle"] for detection in found],
        [15.0] * len(excerpts),
        MUSIC_LOUDNESS.levels[1],
    )
    assert scores["segment"]["accuracy"] > 0.75


def test_windows_decide_as_one_pass_does(tmp_path, offline):
    excerpts = synthesise_miniature(tmp_path / "set", n_excerpts=40, seconds=15.0)
    paths = [tmp_path / "set" / "audio" / f"{excerpt.name}.wav" for excerpt in excerpts]
    wav = np.concatenate([read_audio(path, 8000) for path in paths])
    detector, duration_s = MusicDetector.from_hparams(backend="torch"), len(wav) / 8000
    pieces = window_probabilities(detector.features, [wav], detector.begin, duration_s + 1, 0)
    whole = [np.concatenate(level) for level in zip(*pieces)]
    expected = decode_events(detector.decoding, whole, detector.taxonomy, detector.grid, duration_s)
    found = detector.detect_batch(wav[None])[0].events
    times = np.arange(0.005, duration_s, 0.01)
    for events, others in zip(found.values(), expected, strict=True):
        ours, theirs = np.full((2, len(times)), "", dtype=object)
        for labels, level in ((ours, events), (theirs, others)):
            for event in level:
                labels[(event.onset_s <= times) & (times < event.offset_s)] = event.label
        assert len(events) > 20
        assert (ours == theirs).mean() >= 0.999


def test_both_levels_agree_everywhere_and_no_moment_has_two_classes_or_none(tmp_path, offline):
    rng = np.random.default_rng(0)
    sound = np.concatenate([rng.normal(0, level, 8000 * 10) for level in (0.0, 0.01, 0.2)])
    found = MusicDetector.from_hparams().detect_batch(sound[None])[0]
    for task in ("md", "mrle"):
        bounds = [(event.onset_s, event.offset_s) for event in found.events[task]]
        assert bounds[0][0] == 0.0 and bounds[-1][1] == 30.0
        assert all(first[1] == second[0] for first, second in zip(bounds, bounds[1:]))
    music = {event for event in found.events["mrle"] if event.label != "no-music"}
    detected = sum(e.offset_s - e.onset_s for e in found.events["md"] if e.label == "music")
    assert detected == pytest.approx(sum(event.offset_s - event.onset_s for event in music))


def test_silence_has_no_music_and_the_command_needs_no_option(tmp_path, capsys, offline):
    soundfile.write(tmp_path / "silence.flac", np.zeros(5 * 44100), 44100)
    assert main(["detect", str(tmp_path / "silence.flac")]) == 0
    assert capsys.readouterr().out == "0.000\t5.000\tno-music\n"
