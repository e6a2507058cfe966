"""Pictures show what they are given, and the command draws them."""

import matplotlib.image
import numpy as np
import pytest
import soundfile
import torch
from matplotlib.colors import to_hex

from hrin_plugin.cli import main
from hrin_plugin.events import Event, write_tsv
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained
from hrin_plugin.report.display import COLOURS
from hrin_plugin.report.plots import draw_recording, save_picture

EVENTS = [Event(0.0, 0.5, "no-music"), Event(0.5, 1.2, "bg-music"), Event(1.2, 2.0, "fg-music")]


@pytest.fixture
def wav():
    return np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)


def heard(wav):
    """The frames of a signal, and their times."""
    features = LogMel()
    return features(torch.from_numpy(wav)[None])[0].numpy(), features.grid


@pytest.fixture
def recording(wav, tmp_path):
    soundfile.write(tmp_path / "a.wav", wav, 8000)
    write_tsv(tmp_path / "a.tsv", EVENTS)
    return tmp_path / "a.wav"


def test_lanes_show_the_events_at_their_times_in_their_colours(wav):
    figure = draw_recording(wav, *heard(wav), {"reference": EVENTS, "network": EVENTS[:1]})
    panel = figure.axes[2]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["reference", "network"]
    bars = panel.collections[0]
    spans = [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in bars.get_paths()]
    np.testing.assert_allclose(spans, [event[:2] for event in EVENTS])
    assert [to_hex(colour) for colour in bars.get_facecolors()] == [COLOURS[event.label] for event in EVENTS]
    assert figure.axes[-1].get_xlim() == (0.0, 2.0)


def test_probabilities_are_drawn_one_line_a_class(wav):
    probabilities = [np.random.default_rng(0).random((126, size)) for size in (2, 3)]
    figure = draw_recording(wav, *heard(wav), {}, probabilities)
    for panel, level in zip(figure.axes[2:], probabilities, strict=True):
        for line, column in zip(panel.lines, level.T):
            assert line.get_ydata() == pytest.approx(column)
            assert line.get_xdata()[1] == 0.016


@pytest.mark.parametrize("length", [1000, 257])
def test_the_waveform_shows_every_extreme(length):
    wav = np.zeros(length, dtype=np.float32)
    wav[length // 3], wav[length // 2] = 0.9, -0.7
    vertices = draw_recording(wav, *heard(wav), {}).axes[0].collections[0].get_paths()[0].vertices
    assert (vertices[:, 1].max(), vertices[:, 1].min()) == pytest.approx((0.9, -0.7))


def test_the_command_draws_references_predictions_and_a_model(recording, tmp_path, capsys):
    network = HRIN(hidden_size=4, num_layers=1)
    save_pretrained(tmp_path / "model", PretrainedModel(LogMel(), BandStatistics(128), network))
    tsv, picture = recording.with_suffix(".tsv"), tmp_path / "picture.png"
    arguments = ["plot", recording, "--reference", tsv, "--prediction", f"HRIN={tsv}", "--prediction", tsv]
    arguments += ["--model", tmp_path / "model", "--output", picture]
    assert main([str(argument) for argument in arguments]) == 0
    assert capsys.readouterr().out == f"{picture}\n"
    assert matplotlib.image.imread(picture).shape[1] == 1650


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.wav"], "none.wav"),
        (["a.wav", "--reference", "none.tsv"], "none.tsv: cannot be read"),
        (["a.wav", "--model", "."], "holds no model.json"),
        (["a.wav", "--output", "a.doc"], "a.doc: a picture's name must end in .png, .svg or .pdf"),
    ],
)
def test_bad_input_is_named_in_one_line(recording, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(recording.parent)
    assert main(["plot", *arguments]) != 0
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_failed_write_leaves_nothing(wav, tmp_path):
    with pytest.raises(AttributeError):
        save_picture(None, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
