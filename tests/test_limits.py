"""Odd settings, options and input: one short line each, never a traceback, never a wait."""

import codecs
import io
import json
import os
import sys

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from hrin_plugin.archive import jobs
from hrin_plugin.cli import main
from hrin_plugin.decoding.methods import Decoding, read_decoding, write_decoding
from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.networks.baselines import MMG, SinglePath
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import load_pretrained, save_pretrained
from hrin_plugin.pretrained.onnx_model import export_onnx, load_onnx

RATE = 8000


@pytest.fixture(scope="module")
def model_folder(make_model, tmp_path_factory):
    """A model of each class of network, that has learnt nothing."""
    folder = tmp_path_factory.mktemp("models")
    for name, network, settings in (
        ("HRIN", HRIN, {"hidden_size": 4, "num_layers": 1}),
        ("SinglePath", SinglePath, {"hidden_size": 4, "num_layers": 1}),
        ("MMG", MMG, {"channels": [2, 2]}),
    ):
        save_pretrained(folder / name, make_model(network, **settings))
        write_decoding(folder / name / "decoding.json", Decoding("argmax"))
    return folder


@pytest.fixture
def detect(model_folder, tmp_path, capsys):
    """Run ``hrin detect`` on two seconds of noise; its status and its errors."""
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(2 * RATE), RATE)

    def run(*options, model=model_folder / "HRIN", recording=path):
        jobs._detector.cache_clear()
        options = ["--model", model, "--backend", "torch", "--device", "cpu", *options, recording]
        return main(["detect", *map(str, options)]), capsys.readouterr().err

    return run


ODD = [None, True, -1, 0, 1.5, 10**9, 1e308, 10**400, float("nan"), float("inf"), "x", "", [], [[]], {"a": 1}]
ODD += ["9" * 5000, "x" * 2_000_000]


def paths(content, path=()):
    """The path of every value of nested JSON."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*path, key))


def changed(content, path, value):
    """Nested JSON with another value at a path."""
    content = json.loads(json.dumps(content))
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return content


@pytest.mark.parametrize("name", ["HRIN", "SinglePath", "MMG"])
def test_whatever_stands_in_a_models_settings_loads_or_is_refused_in_one_line(model_folder, name, tmp_path):
    settings = json.loads((model_folder / name / "model.json").read_text())
    weights = (model_folder / name / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights)
    n_refused = 0
    for path in paths(settings):
        for value in ODD:
            (tmp_path / "model.json").write_text(json.dumps(changed(settings, path, value)))
            try:
                load_pretrained(tmp_path)
            except ValueError as error:
                n_refused += 1
                assert str(error).startswith(str(tmp_path)) and "\n" not in str(error)
                assert len(str(error)) < len(str(tmp_path)) + 600
    assert n_refused > 0.9 * len(ODD) * len(list(paths(settings)))


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "1", "null", "[" * 100_000, "\0", '{"format": ' + "9" * 5000 + "}"]
)
@pytest.mark.parametrize("file", ["model.json", "decoding.json"])
def test_whatever_stands_in_a_file_of_settings_is_refused_in_one_line(
    detect, model_folder, tmp_path, file, text
):
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in ("model.json", "model.safetensors", "decoding.json"):
        (folder / name).write_bytes((model_folder / "HRIN" / name).read_bytes())
    (folder / file).write_text(text)
    status, error = detect(model=folder)
    assert status == 2 and error.count("\n") == 1 and str(folder) in error and len(error) < 1000


def test_sizes_are_those_of_the_weights_before_anything_is_built(model_folder, tmp_path, monkeypatch):
    settings = json.loads((model_folder / "HRIN/model.json").read_text())
    weights = (model_folder / "HRIN/model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights)
    monkeypatch.setattr("hrin_plugin.pretrained.folder.load_file", None)
    for path, value, message in (
        (("network", "hidden_size"), 60_000, "size mismatch for network.heads"),
        (("network", "hidden_size"), 10**9, "hidden_size is 1000000000; give a whole number from 1 to 65536"),
        (("network", "num_layers"), 10**9, "num_layers is 1000000000; give a whole number from 1 to"),
        (("features", "n_mels"), 10**9, "its features have 1000000000 bands, its statistics 128"),
        (("features", "n_fft"), 10**9, "n_fft must be a whole number from 1 to 65536, got 1000000000"),
        (("network", "input_size"), 64, "its network takes 64 bands, its features give 128"),
    ):
        (tmp_path / "model.json").write_text(json.dumps(changed(settings, path, value)))
        with pytest.raises(ValueError, match=message):
            load_pretrained(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("part", ["statistics.mean", "statistics.std", "network.heads.layers.0.bias"])
def test_weights_that_are_not_finite_are_refused_by_name(model_folder, tmp_path, part, value):
    weights = load_file(model_folder / "HRIN/model.safetensors")
    weights[part].view(-1)[0] = value
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "model.json").write_bytes((model_folder / "HRIN/model.json").read_bytes())
    with pytest.raises(
        ValueError, match=f"hold a number that is not finite, in {part}; export the model again"
    ):
        load_pretrained(tmp_path)


def test_a_detector_of_modules_with_a_weight_that_is_not_finite_is_refused(make_model):
    model = make_model(hidden_size=4, num_layers=1)
    with torch.no_grad():
        model.network.heads.layers[1].bias[0] = float("nan")
    with pytest.raises(ValueError, match="hold a number that is not finite, in network.heads.layers.1.bias"):
        MusicDetector(model._asdict(), {"decoding": Decoding("argmax")})


def test_weights_of_a_wrong_type_are_refused(model_folder, tmp_path):
    weights = load_file(model_folder / "HRIN/model.safetensors")
    weights["statistics.mean"] = weights["statistics.mean"].to(torch.int8)
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "model.json").write_bytes((model_folder / "HRIN/model.json").read_bytes())
    with pytest.raises(ValueError, match="weights are of the wrong type, torch.int8, in statistics.mean"):
        load_pretrained(tmp_path)


def test_an_onnx_file_whose_weights_are_not_finite_is_refused(make_model, tmp_path):
    pytest.importorskip("onnxruntime")
    model = make_model(hidden_size=4, num_layers=1)
    with torch.no_grad():
        model.network.heads.layers[0].bias[0] = float("nan")
    with pytest.raises(ValueError, match="hold a number that is not finite"):
        export_onnx(model, tmp_path / "a.onnx")
    onnx = pytest.importorskip("onnx")
    export_onnx(make_model(hidden_size=4, num_layers=1), tmp_path / "a.onnx")
    graph = onnx.load(tmp_path / "a.onnx")
    tensor = next(t for t in graph.graph.initializer if onnx.numpy_helper.to_array(t).dtype == np.float32)
    tensor.CopyFrom(
        onnx.numpy_helper.from_array(np.float32(np.nan) * onnx.numpy_helper.to_array(tensor), tensor.name)
    )
    onnx.save(graph, tmp_path / "b.onnx")
    with pytest.raises(ValueError, match="b.onnx holds a number that is not finite, in"):
        load_onnx(tmp_path / "b.onnx")


@pytest.mark.parametrize("method", ["threshold", "argmax", "median", "viterbi"])
def test_whatever_stands_in_a_decoding_is_read_or_refused_in_one_line(tmp_path, method):
    settings = Decoding(method).to_dict()
    for key in (*settings, "switching_cost"):
        for value in [*ODD, *({"music": odd} for odd in ODD)]:
            others = {name: settings[name] for name in settings if not name.startswith(key)}
            if key == "switching_cost":
                others = {name: settings[name] for name in settings if name != "switching_cost_s"}
            (tmp_path / "d.json").write_text(json.dumps(others | {key: value}))
            try:
                read_decoding(tmp_path / "d.json")
            except ValueError as error:
                assert str(error).startswith(str(tmp_path)) and "\n" not in str(error)
                assert len(str(error)) < len(str(tmp_path)) + 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-duration", "1e308"], "min_event_s is 1e+308; give seconds, 0 or more, 1e+08 at most"),
        (["--min-duration", "9" * 5000], "min_event_s is inf; give seconds"),
        (["--switching-cost", "1e308s"], "switching_cost_s is 1e+308; give seconds"),
        (["--threshold", "x" * 200_000], "is not a number"),
        (["--offset", "y" * 200_000 + "=1"], "is none of bg-music, fg-music, music, no-music"),
        (["--device", "cuda:" + "9" * 5000], "the device is 'cuda:999"),
        (["--device", "cuda:77"], "the device is 'cuda:77', but"),
        (["--device", "tpu"], "the device is 'tpu'; use cpu"),
        (["--jobs", "9" * 400], "jobs is a number of more than"),
        (["--jobs", "9" * 5000], "invalid int value"),
        (["--level=--"], "argument --level: expected one argument"),
        (["--decoding", "none.json"], "none.json: cannot be read (No such file or directory)"),
    ],
)
def test_odd_options_are_refused_in_a_short_line(detect, options, message):
    status, error = detect(*options)
    assert status == 2 and message in error
    assert max(map(len, error.splitlines())) < 1200


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--hours", "1e308", "hours is 1e+308; give a length above 0, and within three years"),
        ("--seconds", "1e308", "seconds is 1e+308; give a length of"),
        ("--seed", "-1", "seed is -1; give a whole number"),
        ("--jobs", "1" * 300, "jobs is a number of more than"),
    ],
)
def test_odd_options_of_mix_are_refused(tmp_path, capsys, option, value, message):
    options = {"--hours": "1", "--seconds": "60"} | {option: value}
    folders = ["--music", "m", "--speech", "s", "--noise", "n", str(tmp_path / "out")]
    assert main(["mix", *(f"{name}={text}" for name, text in options.items()), *folders]) == 2
    assert message in capsys.readouterr().err


# Standard input


def listing(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def sound(format, subtype=None):
    """A file of sound as bytes."""
    file = io.BytesIO()
    soundfile.write(file, 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE, subtype, format=format)
    return file.getvalue()


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "raw"])
def test_sound_on_standard_input_is_refused_as_such(detect, monkeypatch, format):
    raw = (8000 * np.sin(np.arange(RATE))).astype(np.int16).tobytes()
    listing(monkeypatch, raw if format == "raw" else sound(format))
    status, error = detect(recording="-")
    assert status == 2 and error.count("\n") == 1
    assert "standard input holds sound or other data, and - reads a list of paths, one a line" in error


class Endless(io.RawIOBase):
    """A stream of sound that never ends."""

    def readable(self):
        return True

    def readinto(self, buffer):
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def test_endless_sound_on_standard_input_is_not_waited_for(detect, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    assert detect(recording="-")[0] == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_lists_in_utf_16_and_with_a_mark_are_read(detect, tmp_path, monkeypatch, encoding, line_end):
    name = tmp_path / "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{CJK UNIFIED IDEOGRAPH-97F3}.wav"
    name.write_bytes(sound("WAV"))
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    listing(monkeypatch, mark + f"{name}{line_end}".encode(encoding))
    status, error = detect(recording="-")
    assert status == 0, error


# Pipes


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.json", "a.TextGrid"])
def test_a_pipe_among_results_is_refused_and_not_waited_for(tmp_path, capsys, name):
    os.mkfifo(tmp_path / name)
    assert main(["report", str(tmp_path)]) == 1
    assert f"{tmp_path / name}: cannot be read (it is not a file); check the file" in capsys.readouterr().err


def test_a_pipe_as_decoding_is_refused_and_not_waited_for(detect, tmp_path):
    os.mkfifo(tmp_path / "decoding.json")
    status, error = detect("--decoding", tmp_path / "decoding.json")
    assert status == 2 and "decoding.json: cannot be read (it is not a file)" in error


# Scale and shape


def test_a_file_of_floats_of_16_bit_scale_is_refused(detect, tmp_path):
    loud = 20_000 * np.sin(np.arange(3 * RATE) / 9)
    soundfile.write(tmp_path / "loud.wav", loud, RATE, subtype="FLOAT")
    status, error = detect(recording=tmp_path / "loud.wav")
    assert status == 1
    assert "loud.wav: a sample is " in error and "where full scale is 1; divide its samples by 32768" in error


@pytest.fixture(scope="module")
def detector(model_folder):
    return MusicDetector.from_hparams(model_folder / "HRIN", backend="torch", run_opts={"device": "cpu"})


@pytest.mark.parametrize(
    ("wavs", "message"),
    [
        (np.zeros((RATE, 2)), "wavs are .8000, 2.: 8000 recordings of 2 samples; give .batch, time."),
        (np.zeros((1, 2, RATE)), "has 8000 channels; send .sample, channel."),
        (np.zeros((1, 20, 40)), "has 40 channels; send .sample, channel."),
    ],
)
def test_arrays_of_wrong_shape_are_refused(detector, wavs, message):
    with pytest.raises(ValueError, match=message):
        detector.detect_batch(wavs)


def test_arrays_and_streams_of_wrong_scale_are_named_once(detector, caplog):
    blocks = [np.zeros(RATE), np.full(RATE, -30_000.0), np.full(RATE, 20_000.0)]
    for run in (
        lambda: list(detector.detect_stream(blocks, RATE)),
        lambda: detector.detect_batch(np.concatenate(blocks)[None]),
        lambda: detector.probabilities(blocks[1], RATE),
    ):
        caplog.clear()
        run()
        assert caplog.text.count("where full scale is 1; divide its samples by 32768") == 1


def test_short_blocks_and_loud_floats_are_still_taken(detector):
    blocks = [np.full((1, 2), 4.0, np.float32)] * RATE
    assert dict(detector.detect_stream(blocks, RATE))


def test_16_bit_numbers_in_wider_integers_are_named(detector, caplog):
    samples = (8000 * np.sin(np.arange(RATE) / 9)).astype(np.int32)
    detector.probabilities(samples, RATE)
    assert "if they are 16-bit numbers, send them as int16" in caplog.text
