"""Detection without torch: the same frames, probabilities, events and errors, in a process that has none."""

import inspect
import json
import pickle
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from hrin_plugin import networks
from hrin_plugin.cli import main
from hrin_plugin.features import LogMel
from hrin_plugin.features.mel_frames import MelFrames
from hrin_plugin.features.settings import FrameSettings
from hrin_plugin.inference import MusicDetector, load_detector
from hrin_plugin.inference.onnx_detector import OnnxDetector, can_do_without_torch
from hrin_plugin.networks import HRIN, MMG, SinglePath
from hrin_plugin.networks.onnx_networks import BUILDERS
from hrin_plugin.pretrained.folder import load_pretrained, save_pretrained
from hrin_plugin.pretrained.onnx_graph import build_graph
from hrin_plugin.pretrained.plain import read_plain
from hrin_plugin.pretrained.sources import find_model

NETWORKS = [
    (HRIN, {"hidden_size": 5, "num_layers": 2}),
    (HRIN, {"hidden_size": 5, "num_layers": 1, "unit": "lstm", "conv_unit": True, "output_layer": True}),
    (HRIN, {"hidden_size": 4, "num_layers": 1, "conv_unit": True, "concatenation": "after_conv"}),
    (HRIN, {"hidden_size": 4, "num_layers": 1, "concatenation": "before_fc"}),
    (SinglePath, {"hidden_size": 5, "num_layers": 2, "conv_unit": True}),
    (SinglePath, {"hidden_size": 5, "num_layers": 1, "unit": "lstm", "output_layer": True}),
    (MMG, {}),
]

#: Runs a command and tells whether anything imported torch; a process of its own, as the tests have it.
WITHOUT_TORCH = """
import sys
from hrin_plugin.cli import main
status = main(sys.argv[1:])
heavy = {"torch", "torchaudio", "speechbrain", "scipy", "onnx", "librosa", "huggingface_hub"}
heavy &= sys.modules.keys()
print(sorted(heavy), file=sys.stderr)
sys.exit(status or bool(heavy))
"""


def programme(seconds=150, rate=8000, seed=0):
    """Chords, noise and pauses, a few seconds each."""
    rng, pieces = np.random.default_rng(seed), []
    for _ in range(seconds // 5):
        times = np.arange(5 * rate) / rate
        chord = sum(np.sin(2 * np.pi * hertz * times) for hertz in rng.choice([220, 277, 330, 440, 554], 3))
        sound = (0.1 * chord, rng.normal(0, 0.05, len(times)), np.zeros(len(times)))[rng.integers(3)]
        pieces.append(sound + rng.normal(0, 1e-4, len(times)))
    return np.concatenate(pieces).astype(np.float32)


@pytest.fixture
def recording(tmp_path):
    soundfile.write(tmp_path / "a.wav", programme(), 8000)
    return tmp_path / "a.wav"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"reference": 1.0, "floor_db": None, "n_fft": 1024, "hop_length": 512},
        {
            "reference": 1e-3,
            "floor_db": 30,
            "sample_rate": 16000,
            "n_fft": 400,
            "hop_length": 160,
            "n_mels": 64,
        },
        {"sample_rate": 11025, "n_fft": 257, "hop_length": 300, "n_mels": 20},
    ],
)
@pytest.mark.parametrize("n_samples", [600, 8000, 100_003])
def test_frames_are_those_of_torch_and_librosa(settings, n_samples):
    samples, chosen = programme(20)[:n_samples], FrameSettings(**settings)
    frames = MelFrames(chosen).of_signal(samples)
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames, LogMel(**settings).of_signal(samples).numpy(), atol=5e-3)
    power = librosa.feature.melspectrogram(
        y=samples.astype(np.float64),
        sr=chosen.sample_rate,
        n_fft=chosen.n_fft,
        hop_length=chosen.hop_length,
        n_mels=chosen.n_mels,
        pad_mode="reflect",
    )
    reference = np.max if chosen.reference == "max" else chosen.reference
    expected = librosa.power_to_db(power, ref=reference, top_db=chosen.floor_db).T
    np.testing.assert_allclose(frames[0], expected, atol=5e-3)


def test_filters_are_those_of_librosa():
    for rate, n_fft, n_mels in [(8000, 512, 128), (44100, 2048, 80), (11025, 257, 20)]:
        ours = FrameSettings(sample_rate=rate, n_fft=n_fft, n_mels=n_mels, hop_length=100).mel_bank()
        theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, dtype=np.float64).T
        np.testing.assert_allclose(ours, theirs, atol=1e-6 * theirs.max())


def test_a_recording_too_short_for_a_frame_is_refused():
    with pytest.raises(ValueError, match="a recording of 256 samples is too short: frames of 512 samples"):
        MelFrames(FrameSettings()).of_signal(np.zeros(256, np.float32))


@pytest.mark.parametrize(("network_class", "settings"), NETWORKS)
def test_probabilities_are_those_of_torch(network_class, settings, tmp_path, make_model):
    features = LogMel(reference=1.0, floor_db=None)
    save_pretrained(tmp_path, make_model(network_class, features=features, **settings), quantised=True)
    wav = programme()
    plain = MusicDetector.from_hparams(tmp_path, backend="torch", run_opts={"device": "cpu"})
    found = OnnxDetector.from_folder(tmp_path).probabilities(wav)
    for level, expected in plain.probabilities(wav).items():
        assert found[level].shape == expected.shape
        np.testing.assert_allclose(found[level], expected, atol=1e-4)


def test_the_model_that_ships_gives_the_events_of_torch(recording):
    plain = MusicDetector.from_hparams(backend="torch", run_opts={"device": "cpu"})
    light, shell = load_detector(device="cpu"), MusicDetector.from_hparams(run_opts={"device": "cpu"})
    assert isinstance(light, OnnxDetector) and shell.backend == "onnx"
    found = light.detect_file(recording, probabilities=True)
    expected = plain.detect_file(recording, probabilities=True)
    assert found.events == expected.events and len(found.events["mrle"]) > 1
    for level, frames in expected.probabilities.items():
        np.testing.assert_allclose(found.probabilities[level], frames, atol=1e-4)
    # On onnxruntime both hear the same frames, so that nothing differs at all.
    for level, frames in shell.detect_file(recording, probabilities=True).probabilities.items():
        np.testing.assert_array_equal(found.probabilities[level], frames)
    assert light.delay_s == plain.delay_s and light.identity == plain.identity


@pytest.mark.parametrize("name", BUILDERS)
def test_a_builder_has_the_settings_of_its_class(name):
    of_class = inspect.signature(getattr(networks, name)).parameters
    of_builder = inspect.signature(BUILDERS[name]).parameters
    described = {key: (value.default, value.annotation) for key, value in of_builder.items()}
    assert list(described)[:3] == ["graph", "frames", "weights"]
    assert list(described.items())[3:] == [
        (key, (value.default, value.annotation)) for key, value in of_class.items()
    ]


def test_a_graph_of_a_folder_is_that_of_its_modules(tmp_path, make_model):
    for number, (network_class, settings) in enumerate(NETWORKS):
        folder = tmp_path / str(number)
        save_pretrained(folder, make_model(network_class, **settings))
        assert build_graph(read_plain(folder)) == build_graph(load_pretrained(folder))


@pytest.fixture
def folder(tmp_path, make_model):
    save_pretrained(tmp_path / "model", make_model(hidden_size=5, num_layers=1, conv_unit=True))
    return tmp_path / "model"


def change(folder, **settings):
    path = folder / "model.json"
    known = json.loads(path.read_text())
    known["network"] |= settings
    path.write_text(json.dumps(known))


def rewrite(edit):
    def damage(folder):
        weights = load_file(folder / "model.safetensors")
        edit(weights)
        save_file(weights, folder / "model.safetensors")

    return damage


NAME = "network.recurrent_1.rnn.weight_hh_l0"
VARIANCE = "network.conv_1.layers.1.running_var"
DAMAGES = {
    "hidden": lambda folder: change(folder, hidden_size=6),
    "layers": lambda folder: change(folder, num_layers=2),
    "many": lambda folder: change(folder, num_layers=10**9),
    "bands": lambda folder: change(folder, input_size=64),
    "type": lambda folder: change(folder, conv_unit=1),
    "unknown": lambda folder: change(folder, colour="red"),
    "cell": lambda folder: change(folder, unit="rnn"),
    "place": lambda folder: change(folder, concatenation="nowhere"),
    "no convolutions": lambda folder: change(folder, conv_unit=False),
    "missing": rewrite(lambda weights: weights.pop(NAME)),
    "further": rewrite(lambda weights: weights.update(more=torch.zeros(2))),
    "shape": rewrite(lambda weights: weights.update({NAME: torch.zeros(15, 4)})),
    "whole": rewrite(lambda weights: weights.update({NAME: torch.zeros(15, 5, dtype=torch.long)})),
    "nan": rewrite(lambda weights: weights[NAME].fill_(float("nan"))),
    "variance": rewrite(lambda weights: weights[VARIANCE].fill_(-1)),
    "cut": lambda folder: (folder / "model.safetensors").write_bytes(
        (folder / "model.safetensors").read_bytes()[:-100]
    ),
    "no JSON": lambda folder: (folder / "model.json").write_text("{"),
    "gone": lambda folder: (folder / "model.safetensors").unlink(),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_torch_refuses_is_refused_without_it(name, folder):
    DAMAGES[name](folder)
    with pytest.raises(ValueError, match="model") as plain:
        load_pretrained(folder)
    with pytest.raises(ValueError, match="model") as light:
        load_detector(folder, device="cpu")
    ours, theirs = str(light.value), str(plain.value)
    assert ours.startswith(str(folder)) and theirs.startswith(str(folder))
    # Both name the same thing; where several tensors do not fit, not always the same one first.
    if "size mismatch" in theirs:
        assert "size mismatch for network." in ours or "size mismatch for more" in ours
    elif name not in ("cut", "cell", "place", "bands"):
        assert ours == theirs.replace("torch.int64", "int64")


def test_a_scale_that_would_blow_a_matrix_up_is_refused(folder, make_model):
    save_pretrained(folder, make_model(hidden_size=5, num_layers=1), quantised=True)
    rewrite(lambda weights: weights.update({f"{NAME}.row_scale": torch.ones(20000, 1)}))(folder)
    for load in (partial(load_detector, device="cpu"), load_pretrained):
        with pytest.raises(ValueError, match="has the shape .20000, 1., and is no row's scale"):
            load(folder)


def test_half_precision_is_computed_in_single(folder, make_model):
    model = make_model(hidden_size=5, num_layers=1, conv_unit=True)
    save_pretrained(folder, model)

    def halve(weights):
        for name, tensor in weights.items():
            weights[name] = tensor.half() if tensor.is_floating_point() else tensor

    rewrite(halve)(folder)
    found = load_detector(folder, device="cpu").probabilities(programme(20))
    expected = MusicDetector.from_hparams(folder, backend="torch", run_opts={"device": "cpu"})
    for level, frames in expected.probabilities(programme(20)).items():
        np.testing.assert_allclose(found[level], frames, atol=1e-4)


def test_a_detector_can_be_pickled_with_all_that_it_was_told(recording):
    detector = load_detector(device="cpu", decoding={"min_event_s": 1.5})
    again = pickle.loads(pickle.dumps(detector))
    assert again.decoding == detector.decoding and again.identity == detector.identity
    assert again.detect_file(recording).events == detector.detect_file(recording).events


def test_a_shell_on_onnxruntime_can_be_pickled(recording):
    detector = MusicDetector.from_hparams(run_opts={"device": "cpu"})
    again = pickle.loads(pickle.dumps(detector))
    assert again.backend == "onnx"
    assert again.detect_file(recording).events == detector.detect_file(recording).events


def test_batches_take_arrays_lists_and_tensors():
    detector, wav = load_detector(device="cpu"), programme(30)[None]
    whole = detector.detect_batch(wav, [0.5])[0]
    assert whole.duration_s == 15.0
    for wavs, lens in [(torch.from_numpy(wav), torch.tensor([0.5])), (wav, np.array([0.5], np.float64))]:
        assert detector.detect_batch(wavs, lens)[0].events == whole.events


def run(*words, folder):
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def test_detect_decide_convert_and_report_import_no_torch(recording):
    folder = recording.parent
    for words in (
        ("detect", recording, "--output", "out", "--keep-probabilities", "--format", "json,tsv"),
        ("decide", "out", "--output", "again", "--switching-cost", "2"),
        ("convert", "out", "--format", "srt", "--output", "srt"),
        ("report", "out", "--html", "report.html", "--csv", "report.csv"),
        ("detect", "--help"),
    ):
        done = run(*words, folder=folder)
        assert done.returncode == 0, (words, done.stderr)
        assert done.stderr.splitlines()[-1] == "[]", (words, done.stderr)
    assert (folder / "again" / "a.tsv").is_file() and (folder / "srt" / "a.srt").is_file()


def test_other_networks_and_backends_go_to_torch(folder, monkeypatch):
    change(folder, **{"class": "mynet.TinyNet"})
    assert not can_do_without_torch(folder)
    assert isinstance(load_detector(backend="torch", device="cpu"), MusicDetector)
    monkeypatch.setattr("hrin_plugin.inference.loading.may_have_gpu", lambda: True)
    assert isinstance(load_detector(), MusicDetector)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not can_do_without_torch()


def test_without_torch_what_needs_it_says_so(recording, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("hrin_plugin.inference.detector")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["detect", str(recording), "--backend", "torch"]) == 2
    error = capsys.readouterr().err
    assert "torch is not installed, and this model, backend or device needs it; run: pip install" in error


def test_median_filters_do_without_scipy(monkeypatch):
    from hrin_plugin.decoding.smoothing import median_filter

    values = np.random.default_rng(0).random((10_000, 2)).astype(np.float32)
    expected = [median_filter(values, width) for width in (3, 125)]
    monkeypatch.setitem(sys.modules, "scipy", None)
    for width, by_scipy in zip((3, 125), expected):
        found = median_filter(values, width)
        assert found.dtype == by_scipy.dtype
        np.testing.assert_array_equal(found, by_scipy)


def test_what_a_model_is_needs_no_weights_in_memory_twice():
    content = build_graph(read_plain(find_model()), states=True)
    assert len(content) < 1.05 * sum(
        array.nbytes for array in read_plain(find_model()).weights._arrays.values()
    )


def test_a_model_copied_elsewhere_is_the_same(tmp_path):
    shutil.copytree(find_model(), tmp_path / "copy")
    ours, theirs = load_detector(tmp_path / "copy", device="cpu"), load_detector(device="cpu")
    assert ours.decoding == theirs.decoding
    wav = programme(10)
    for level, frames in theirs.probabilities(wav).items():
        np.testing.assert_array_equal(ours.probabilities(wav)[level], frames)
    assert Path(find_model()).name == "hrin_cr"
