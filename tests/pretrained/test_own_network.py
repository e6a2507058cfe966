"""Anyone's network: from a YAML through training to detection, and never imported without consent."""

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch

import train
from hrin_plugin.cli import main
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.inference import MusicDetector, load_detector
from hrin_plugin.networks import HRIN
from hrin_plugin.networks.classes import class_path
from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained
from hrin_plugin.pretrained.onnx_model import export_onnx, load_onnx
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy

ROOT = Path(__file__).parents[2]
GRU = (ROOT / "recipes/OpenBMAT/hparams/gru.yaml").read_text(encoding="utf-8")
SOUNDS = Taxonomy(
    levels=[["no-music", "music"], ["speech", "noise", "music"]],
    parents=[{"speech": "no-music", "noise": "no-music", "music": "music"}],
)
#: A network that knows the heads alone, one that can be written as ONNX, and others that break the contract.
MODULE = """
from torch import nn
from hrin_plugin import MUSIC_LOUDNESS, HierarchicalHeads
from hrin_plugin.networks.onnx_layers import linear

class TinyNet(nn.Module):
    def __init__(self, n_bands=128, width=4, taxonomy=MUSIC_LOUDNESS):
        super().__init__()
        self.taxonomy, self.settings = taxonomy, {"n_bands": n_bands, "width": width}
        self.encoder = nn.Linear(n_bands, width, bias=False)
        self.heads = HierarchicalHeads(width, taxonomy)

    def forward(self, frames, lens=None):
        return self.heads(self.encoder(frames).relu())

class Exported(TinyNet):
    def onnx_nodes(self, graph, frames):
        encoded = graph.add("Relu", linear(graph, frames, self.encoder))
        return [linear(graph, encoded, layer) for layer in self.heads.layers]

class Derived(Exported):
    def forward(self, frames, lens=None):
        return super().forward(-frames)

class Tied(TinyNet):
    def __init__(self, **others):
        super().__init__(**others)
        self.same = self.encoder

class Unsettled(TinyNet):
    def __init__(self, **others):
        super().__init__(**others)
        del self.settings

class Lowest(TinyNet):
    def forward(self, frames, lens=None):
        return super().forward(frames, lens)[-1]
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module outside the package, which nobody has imported."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mynet.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "own")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=":")
    monkeypatch.setitem(sys.modules, "mynet", None)  # so that it is taken away again after the test
    del sys.modules["mynet"]
    return lambda: importlib.import_module("mynet")


@pytest.fixture
def words(tmp_path, miniature, monkeypatch):
    """A command line of the recipe, for a network in the YAML's place of the model."""
    # SpeechBrain takes the excepthook over.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def command_line(model):
        text, n_changes = re.subn(r"(?m)^model: .*\n( .*\n)+", f"model: {model}\n", GRU)
        assert n_changes == 1
        (tmp_path / "own.yaml").write_text(text)
        return [
            str(tmp_path / "own.yaml"),
            f"--data_folder={miniature}",
            f"--prepared_folder={tmp_path / 'prepared'}",
            f"--output_folder={tmp_path / 'run'}",
            "--number_of_epochs=2",
            "--device=cpu",
            "--noprogressbar",
        ]

    return command_line


def make_model(network):
    return PretrainedModel(LogMel(), BandStatistics(128), network)


@pytest.fixture
def folder(module, tmp_path):
    """A saved TinyNet, whose module is forgotten again."""
    torch.manual_seed(0)
    save_pretrained(tmp_path / "saved", make_model(module().TinyNet(width=5)))
    del sys.modules["mynet"]
    return tmp_path / "saved"


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16000), 8000)
    return path


def test_it_trains_is_tested_saved_loaded_and_detects(module, words, recording, tmp_path):
    train.main(words("!new:mynet.TinyNet {n_bands: !ref <n_mels>, width: 6}"))
    run = tmp_path / "run"
    assert len((run / "train_log.txt").read_text().splitlines()) == 2
    assert set(json.loads((run / "results.json").read_text())["scores"]) >= {"md", "mrle"}
    settings = json.loads((run / "pretrained" / "model.json").read_text())
    assert settings["network"] == {"class": "mynet.TinyNet", "n_bands": 128, "width": 6}
    loaded = load_pretrained(run / "pretrained", run_code=True).network
    assert type(loaded) is module().TinyNet and loaded.taxonomy == MUSIC_LOUDNESS
    detector = MusicDetector.from_hparams(run / "pretrained", run_code=True, run_opts={"device": "cpu"})
    assert detector.backend == "torch"
    found = detector.detect_file(recording, probabilities=True)
    assert found.probabilities["mrle"].shape == (126, 3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "!new:mynet.Unsettled",
            "the network mynet.Unsettled has no attribute 'settings'; "
            "set self.settings to a dict of the other arguments of __init__",
        ),
        (
            "!new:torch.nn.Linear [128, 3]",
            "the network torch.nn.modules.linear.Linear has no attribute 'taxonomy'; "
            "set self.taxonomy to the Taxonomy that __init__ takes",
        ),
        (
            "!new:mynet.Lowest",
            "the network mynet.Lowest returns a Tensor, not logits of each level; "
            "return one tensor [batch, frame, class] for each level of its taxonomy",
        ),
    ],
)
def test_a_broken_contract_ends_before_anything_is_prepared(module, words, tmp_path, model, message):
    with pytest.raises(SystemExit) as stop:
        train.main(words(model))
    assert stop.value.code == message
    # The data are known by their checksums by then, and that is all.
    assert {path.name for path in tmp_path.glob("prepared/**/*")} <= {"checksums.json"}
    assert not (tmp_path / "run" / "train_log.txt").exists()


def test_another_recipe_refuses_it_too(module, words, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("of_speech", ROOT / "recipes/SpeechMusic/train.py")
    of_speech = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(of_speech)
    text = (ROOT / "recipes/SpeechMusic/hparams/hrin_cr.yaml").read_text(encoding="utf-8")
    text, n_changes = re.subn(r"(?m)^model: .*\n( .*\n)+", "model: !new:mynet.TinyNet\n", text)
    assert n_changes == 1
    (tmp_path / "speech.yaml").write_text(text)
    (tmp_path / "corpus").mkdir()
    with pytest.raises(SystemExit) as stop:
        folders = [f"--results_folder={tmp_path}", f"--data_folder={tmp_path}/corpus"]
        of_speech.main([str(tmp_path / "speech.yaml"), *folders])
    assert stop.value.code == (
        "the network mynet.TinyNet has another taxonomy than the objective: no-music, music / no-music, "
        "fg-music, bg-music, not no-music, music / speech, noise, music; give both the same"
    )


REFUSAL = (
    "its network is of the class mynet.TinyNet, and loading it would import the module mynet and run its "
    r"code; pass run_code=True \(--run-code on the command line\) if you trust that module"
)


@pytest.mark.parametrize("load", [load_pretrained, MusicDetector.from_hparams, load_detector])
def test_nothing_is_imported_without_consent(load, folder):
    with pytest.raises(ValueError, match=REFUSAL):
        load(folder)
    assert "mynet" not in sys.modules
    load(folder, run_code=True)
    assert "mynet" in sys.modules


def test_a_module_that_is_not_there_is_named_with_its_cure(folder, tmp_path):
    (tmp_path / "own" / "mynet.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(
        ValueError,
        match="saved cannot be loaded: the class mynet.TinyNet cannot be imported "
        r"\(No module named 'mynet'\); install its package, or add its folder to PYTHONPATH$",
    ):
        load_pretrained(folder, run_code=True)


def test_consent_is_for_networks_alone(folder):
    settings = json.loads((folder / "model.json").read_text())
    settings["network"]["class"] = "os.getcwd"
    (folder / "model.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="cannot be loaded: os has no network 'getcwd'"):
        load_pretrained(folder, run_code=True)


def test_the_commands_ask_too(folder, recording, tmp_path, capsys):
    options = ["--model", str(folder)]
    commands = [
        ["detect", str(recording), *options],
        ["plot", str(recording), *options, "--output", str(tmp_path / "a.png")],
        ["export", str(tmp_path / "a.onnx"), *options],
    ]
    for command in commands:
        assert main(command) == 2
        assert re.search(REFUSAL, capsys.readouterr().err)
    assert "mynet" not in sys.modules
    assert main([*commands[0], "--run-code"]) == 0 and capsys.readouterr().out.count("\t") >= 2
    assert main([*commands[1], "--run-code"]) == 0 and (tmp_path / "a.png").stat().st_size > 1000
    assert main([*commands[2], "--run-code"]) == 2
    assert "the class TinyNet has no ONNX builder" in capsys.readouterr().err


def test_worker_processes_are_told_of_the_consent(folder, recording, tmp_path):
    soundfile.write(tmp_path / "b.wav", np.zeros(16000), 8000)
    command = ["detect", str(recording), str(tmp_path / "b.wav"), "--model", str(folder), "--jobs", "2"]
    command += ["--output", str(tmp_path / "results"), "--device", "cpu"]
    assert main(command) == 2
    assert main([*command, "--run-code"]) == 0
    assert sorted(path.name for path in (tmp_path / "results").glob("*.tsv")) == ["a.tsv", "b.tsv"]


@pytest.mark.parametrize("quantised", [False, True])
def test_weights_in_two_places_are_saved(module, tmp_path, quantised):
    network = module().Tied().eval()
    save_pretrained(tmp_path / "tied", make_model(network), quantised)
    loaded = load_pretrained(tmp_path / "tied", run_code=True).network
    assert loaded.same is loaded.encoder
    torch.testing.assert_close(loaded.encoder.weight, network.encoder.weight, atol=0.01, rtol=0)


def test_other_classes_are_detected(module, tmp_path):
    network = module().TinyNet(taxonomy=SOUNDS)
    save_pretrained(tmp_path / "sounds", make_model(network))
    detector = load_detector(tmp_path / "sounds", device="cpu", decoding={"method": "argmax"}, run_code=True)
    assert detector.taxonomy == SOUNDS
    (found,) = detector.detect_batch(torch.randn(1, 16000))
    assert {event.label for event in found.events["mrle"]} <= set(SOUNDS.levels[1])


def test_a_builder_beside_the_class_makes_onnx(module, tmp_path):
    torch.manual_seed(0)
    network = module().Exported(taxonomy=SOUNDS).eval()
    save_pretrained(tmp_path / "saved", make_model(network))
    detectors = [
        MusicDetector.from_hparams(
            tmp_path / "saved", backend=backend, run_code=True, run_opts={"device": "cpu"}
        )
        for backend in ("torch", "onnx")
    ]
    assert [detector.backend for detector in detectors] == ["torch", "onnx"]
    wav = np.random.default_rng(0).normal(0, 0.1, 8000 * 90).astype(np.float32)  # of two windows
    expected, found = (detector.probabilities(wav) for detector in detectors)
    for task in expected:
        np.testing.assert_allclose(found[task], expected[task], atol=1e-5)
    export_onnx(make_model(network), tmp_path / "a.onnx")
    assert load_onnx(tmp_path / "a.onnx").taxonomy == SOUNDS
    assert "Relu" in {node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node}


@pytest.mark.parametrize("name", ["TinyNet", "Derived"])
def test_without_a_builder_of_its_own_a_class_runs_on_torch(module, tmp_path, name):
    """What a class inherits is the builder of another forward."""
    save_pretrained(tmp_path / "saved", make_model(getattr(module(), name)()))
    options = {"run_code": True, "run_opts": {"device": "cpu"}}
    assert MusicDetector.from_hparams(tmp_path / "saved", **options).backend == "torch"
    with pytest.raises(
        ValueError, match=f"^backend 'onnx' cannot be had: the class {name} has no ONNX builder; use 'torch'$"
    ):
        MusicDetector.from_hparams(tmp_path / "saved", backend="onnx", **options)
    with pytest.raises(ValueError, match=f"^the class {name} has no ONNX builder .*; run it on torch$"):
        export_onnx(make_model(getattr(module(), name)()), tmp_path / "a.onnx")


def test_a_network_of_the_package_needs_no_consent(tmp_path):
    save_pretrained(tmp_path, make_model(HRIN(hidden_size=4)))
    assert json.loads((tmp_path / "model.json").read_text())["network"]["class"] == class_path(HRIN) == "HRIN"
    assert load_pretrained(tmp_path).network.settings["hidden_size"] == 4
