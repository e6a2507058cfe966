"""Pictures show what they are given, and the command draws them."""

import tracemalloc

import librosa
import matplotlib.image
import numpy as np
import pytest
import soundfile
import torch
from matplotlib.colors import to_hex

from hrin_plugin.cli import main
from hrin_plugin.events import Event, write_tsv
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.inference import load_detector
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained
from hrin_plugin.report.columns import Columns
from hrin_plugin.report.display import COLOURS
from hrin_plugin.report.plots import Drawing, band_of, draw_recording, save_picture

EVENTS = [Event(0.0, 0.5, "no-music"), Event(0.5, 1.2, "bg-music"), Event(1.2, 2.0, "fg-music")]


@pytest.fixture
def wav():
    return np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)


def drawn(wav, lanes, levels=None, grid=None, start_s=0.0):
    """The figure of a signal."""
    features = LogMel()
    drawing = Drawing(grid or features.grid, start_s)
    for begin in range(0, len(wav), 999):
        drawing.hear(wav[begin : begin + 999])
    drawing.see(features(torch.from_numpy(wav)[None])[0].numpy())
    if levels:
        drawing.believe(levels)
    return draw_recording(drawing, lanes)


@pytest.fixture
def recording(wav, tmp_path):
    soundfile.write(tmp_path / "a.wav", wav, 8000)
    write_tsv(tmp_path / "a.tsv", EVENTS)
    return tmp_path / "a.wav"


def test_lanes_show_the_events_at_their_times_in_their_colours(wav):
    figure = drawn(wav, {"reference": EVENTS, "network": EVENTS[:1]})
    panel = figure.axes[2]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["reference", "network"]
    bars = panel.collections[0]
    spans = [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in bars.get_paths()]
    np.testing.assert_allclose(spans, [event[:2] for event in EVENTS])
    assert [to_hex(colour) for colour in bars.get_facecolors()] == [COLOURS[event.label] for event in EVENTS]
    assert figure.axes[-1].get_xlim() == (0.0, 2.0)


def test_probabilities_are_drawn_one_line_a_class(wav):
    probabilities = [np.random.default_rng(0).random((126, size)) for size in (2, 3)]
    figure = drawn(wav, {}, probabilities)
    for panel, level in zip(figure.axes[2:], probabilities, strict=True):
        for line, column in zip(panel.lines, level.T):
            assert line.get_ydata() == pytest.approx(column)
            assert line.get_xdata()[1] == 0.016


@pytest.mark.parametrize("length", [1000, 257])
def test_the_waveform_shows_every_extreme(length):
    wav = np.zeros(length, dtype=np.float32)
    wav[length // 3], wav[length // 2] = 0.9, -0.7
    vertices = drawn(wav, {}).axes[0].collections[0].get_paths()[0].vertices
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
        (["a.wav", "--reference", "none.tsv", "--model", "none"], "none.tsv: cannot be read"),
        (["a.wav", "--model", "."], "holds no model.json"),
        (["a.wav", "--output", "a.doc"], "a.doc: a picture's name must end in .png, .svg or .pdf"),
        (["a.wav", "--from", "0:05", "--model", "none"], "a.wav: ends before --from; give an earlier time"),
        (["a.wav", "--from", "2", "--to", "1"], "--to is 1 s and --from 2 s; give a later --to"),
        (["a.wav", "--probabilities", "none.probs"], "none.probs: is not there; detect again with --keep-p"),
    ],
)
def test_bad_input_is_named_in_one_line(recording, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(recording.parent)
    assert main(["plot", *arguments]) != 0
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("text", ["x", "1:2:3:4", "-1", "1:", "1e3"])
def test_what_is_no_time_is_refused(recording, capsys, text):
    assert main(["plot", str(recording), f"--from={text}"]) == 2
    assert f"{text!r} is not a time; write 1:02:03, or seconds" in capsys.readouterr().err


@pytest.mark.parametrize("n_rows", [1, 7, 15, 16, 17, 1000, 12_345])
@pytest.mark.parametrize("pool", [np.minimum, np.maximum, np.add])
def test_columns_pool_every_row_once(n_rows, pool):
    rows = np.random.default_rng(n_rows).normal(size=(n_rows, 2))
    columns = Columns(pool, least=8)
    for piece in np.array_split(rows, 5):
        columns.push(piece)
    values, width = columns.values(), columns.width
    assert len(values) == -(-n_rows // width) <= 16
    expected = [pool.reduce(rows[begin : begin + width], axis=0) for begin in range(0, n_rows, width)]
    if pool is np.add:
        expected = [rows[begin : begin + width].mean(axis=0) for begin in range(0, n_rows, width)]
    np.testing.assert_allclose(values, expected)


def test_frequencies_lie_where_librosa_has_its_bands():
    for sample_rate, n_bands in ((8000, 128), (16000, 64), (44100, 40)):
        middles = librosa.mel_frequencies(n_bands + 2, fmin=0.0, fmax=sample_rate / 2)[1:-1]
        places = [band_of(hertz, sample_rate, n_bands) for hertz in middles]
        np.testing.assert_allclose(places, np.arange(n_bands) + 0.5, atol=1e-6)


def test_axes_show_hertz_and_the_clock(wav):
    figure = drawn(wav, {}, start_s=3723.0)
    hertz = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert hertz == ["250", "500", "1000", "2000", "3000"]
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert labels[0] == "1:02:03.000" and labels[-1] == "1:02:05.000"
    assert figure.axes[-1].get_xlim() == (3723.0, 3725.0)
    assert (figure.axes[1].get_ylabel(), figure.axes[-1].get_xlabel()) == ("frequency, Hz", "time, h:mm:ss")


def test_a_tone_lies_at_its_frequency_and_time(tone):
    wav = np.concatenate([np.zeros(8000, np.float32), tone(8000, 8000, 1000.0)])
    image = drawn(wav, {}).axes[1].images[0]
    left, right, _, top = image.get_extent()
    values = np.asarray(image.get_array())
    band, column = np.unravel_index(values.argmax(), values.shape)
    assert abs(band + 0.5 - band_of(1000.0, 8000, 128)) <= 1
    assert top == 128 and left + (column + 0.5) * (right - left) / values.shape[1] > 0.95


@pytest.fixture
def model(tmp_path, make_model):
    save_pretrained(tmp_path / "model", make_model(hidden_size=4, num_layers=1))
    return tmp_path / "model"


def shown(monkeypatch):
    """The figures that the command saves."""
    figures = []
    monkeypatch.setattr("hrin_plugin.report.plots.save_picture", lambda figure, path: figures.append(figure))
    return figures


def test_a_part_shows_what_the_whole_shows_there(tmp_path, model, monkeypatch, capsys):
    levels = np.repeat(10 ** np.random.default_rng(1).uniform(-3, -0.5, 20), 8000)
    noise = np.random.default_rng(0).standard_normal(len(levels))
    soundfile.write(tmp_path / "a.wav", levels * noise, 8000, subtype="FLOAT")
    figures = shown(monkeypatch)
    plot = ["plot", str(tmp_path / "a.wav"), "--model", str(model)]
    assert main(plot) == 0
    assert main([*plot, "--from", "0:05", "--to", "12.5"]) == 0
    kept = str(tmp_path / "a.probs")
    load_detector(model, "torch", "cpu").detect_file(tmp_path / "a.wav", keep=kept)
    assert (
        main(["plot", str(tmp_path / "a.wav"), "--probabilities", kept, "--from", "5", "--to", "12.5"]) == 0
    )
    whole, *parts = figures
    for part in parts:
        assert part.axes[-1].get_xlim() == (5.0, 12.5)
        for panel, of_whole in zip(part.axes[3:], whole.axes[3:], strict=True):
            for line, other in zip(panel.lines[:-1], of_whole.lines[:-1]):
                times_s = line.get_xdata()
                assert abs(times_s[0] - 5.0) <= 0.0081 and abs(times_s[-1] - 12.5) <= 0.0081
                frames = np.round(times_s / 0.016).astype(int)
                np.testing.assert_allclose(times_s, other.get_xdata()[frames])
                expected = other.get_ydata()[frames]
                np.testing.assert_allclose(line.get_ydata(), expected, atol=2e-4)


def test_warnings_of_the_recording_are_printed(tmp_path, model, capsys, monkeypatch):
    shown(monkeypatch)
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 160_000), 8000)
    content = bytearray(path.read_bytes())
    content[60_000:70_000] = bytes(10_000)
    path.write_bytes(content)
    assert main(["plot", str(path), "--model", "none"]) == 0
    assert f"{path}: warning: " in capsys.readouterr().err


def test_memory_does_not_grow_with_length(tmp_path):
    peaks = []
    for minutes in (2, 20):
        drawing = Drawing(LogMel().grid)
        rng = np.random.default_rng(0)
        tracemalloc.start()
        for _ in range(60 * minutes):
            drawing.hear(rng.standard_normal(8000, np.float32))
            drawing.see(rng.standard_normal((62, 128), np.float32))
            drawing.believe([rng.random((62, 2), np.float32), rng.random((62, 3), np.float32)])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_failed_write_leaves_nothing(wav, tmp_path):
    with pytest.raises(AttributeError):
        save_picture(None, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
