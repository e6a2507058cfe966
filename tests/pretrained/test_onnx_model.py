"""ONNX files: the same probabilities as torch's, settings inside, and nothing but whole files of our own."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from hrin_plugin import networks
from hrin_plugin.features import LogMel
from hrin_plugin.networks.baselines import MMG, SinglePath
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import save_pretrained
from hrin_plugin.pretrained.onnx_model import export_onnx, load_onnx
from hrin_plugin.taxonomy import Taxonomy

SMALL = {"hidden_size": 6, "num_layers": 2}
MODELS = {
    "HRIN-r": (HRIN, {"hidden_size": 20, "num_layers": 3}),
    "HRIN-r, LSTM": (HRIN, {"unit": "lstm", **SMALL}),
    "HRIN-r, eq. 8": (HRIN, {"output_layer": True, **SMALL}),
    "HRIN-r, before_fc": (HRIN, {"concatenation": "before_fc", **SMALL}),
    "HRIN-cr": (HRIN, {"conv_unit": True, "hidden_size": 50, "num_layers": 2}),
    "HRIN-cr, LSTM": (HRIN, {"conv_unit": True, "unit": "lstm", "output_layer": True, **SMALL}),
    "HRIN-cr, after_conv": (HRIN, {"conv_unit": True, "concatenation": "after_conv", **SMALL}),
    "HRIN-cr, before_fc": (HRIN, {"conv_unit": True, "concatenation": "before_fc", **SMALL}),
    "GRU": (SinglePath, SMALL),
    "LSTM": (SinglePath, {"unit": "lstm", **SMALL}),
    "CNN-GRU": (SinglePath, {"conv_unit": True, "output_layer": True, **SMALL}),
    "MMG": (MMG, {"channels": (4, 8, 16)}),
}
PETS = Taxonomy(
    levels=[["wild", "pet", "none"], ["none", "cat", "wolf", "dog"]],
    parents=[{"none": "none", "cat": "pet", "wolf": "wild", "dog": "pet"}],
)


def by_torch(model, frames):
    with torch.inference_mode():
        return [level.sigmoid().numpy() for level in model.network(model.statistics(frames))]


def by_any_runtime(path, values):
    """What a program gives that knows nothing of this package."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(["md", "mrle"], {session.get_inputs()[0].name: values.numpy()})


def greatest_difference(some, others):
    assert [level.shape for level in some] == [level.shape for level in others]
    return max(np.abs(one - other).max() for one, other in zip(some, others))


def edit(path, change):
    """Apply a function to the graph in a file."""
    graph = onnx.load(path)
    change(graph)
    path.write_bytes(graph.SerializeToString())


def edit_settings(path, change):
    """Apply a function to the settings in a file."""

    def change_entry(graph):
        (entry,) = graph.metadata_props
        settings = json.loads(entry.value)
        change(settings)
        entry.value = json.dumps(settings)

    edit(path, change_entry)


@pytest.fixture
def model(make_model):
    return make_model(**SMALL)


@pytest.fixture
def path(model, tmp_path):
    export_onnx(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


# With weights of four times their size, torch itself is off by more than 1e-4 from double precision.
@pytest.mark.parametrize("gain", [1.0, 2.5])
@pytest.mark.parametrize("name", MODELS)
def test_probabilities_are_those_of_torch(name, gain, tmp_path, make_model):
    network_class, settings = MODELS[name]
    model = make_model(network_class, **settings)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.mul_(gain)
    path = tmp_path / "model.onnx"
    export_onnx(model, path)
    loaded = load_onnx(path, threads=1)
    for batch, n_frames in [(1, 1), (3, 7), (2, 129), (1, 500)]:
        frames = torch.randn(batch, n_frames, 128) * 15 - 40
        expected = by_torch(model, frames)
        assert greatest_difference(loaded(frames), expected) < 1e-4
        assert greatest_difference(by_any_runtime(path, frames), expected) < 1e-4


def test_every_network_of_the_package_that_has_a_builder_is_among_the_tested():
    offered = (getattr(networks, name) for name in networks.__all__)
    assert {network_class for network_class, _ in MODELS.values()} == {
        each for each in offered if "onnx_nodes" in vars(each)
    }


@pytest.mark.parametrize("network_class", [HRIN, SinglePath, MMG])
def test_another_taxonomy_and_another_number_of_bands_are_kept(network_class, tmp_path, make_model):
    settings = {} if network_class is MMG else SMALL
    model = make_model(network_class, features=LogMel(n_mels=40), taxonomy=PETS, **settings)
    export_onnx(model, tmp_path / "model.onnx")
    loaded = load_onnx(tmp_path / "model.onnx")
    frames = torch.randn(2, 30, 40) * 15 - 40
    assert loaded.taxonomy == PETS
    assert greatest_difference(loaded(frames), by_torch(model, frames)) < 1e-4


@pytest.mark.parametrize(
    "settings",
    [{}, {"floor_db": None}, {"floor_db": 30, "reference": 1.0}, {"reference": 1e-12, "floor_db": None}]
    + [{"sample_rate": 16000, "n_fft": 400, "hop_length": 160, "n_mels": 64}],
)
def test_a_file_from_waveform_on_gives_what_torch_gives(settings, tmp_path, make_model):
    model = make_model(features=LogMel(**settings), **SMALL)
    path = tmp_path / "model.onnx"
    export_onnx(model, path, start="waveform")
    loaded = load_onnx(path)
    assert loaded.start == "waveform"
    seconds = torch.arange(16000) / 8000
    noise = 1e-3 * torch.randn(16000)
    loud_and_faint = torch.stack((torch.sin(2764.6 * seconds) + noise, noise, torch.zeros(16000)))
    for wavs in (loud_and_faint, loud_and_faint[:, :257], 0.1 * torch.randn(1, 5000)):
        expected = by_torch(model, model.features(wavs))
        assert greatest_difference(loaded(wavs), expected) < 1e-4
        assert greatest_difference(by_any_runtime(path, wavs), expected) < 1e-4


@pytest.mark.parametrize("unit", ["gru", "lstm"])
def test_each_recurrent_layer_is_one_operation_in_a_valid_graph(unit, tmp_path, make_model):
    export_onnx(make_model(unit=unit, **SMALL), tmp_path / "model.onnx")
    onnx.checker.check_model(tmp_path / "model.onnx", full_check=True)
    operations = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert operations.count(unit.upper()) == 2 * SMALL["num_layers"]
    assert not {"Loop", "Scan", "If"} & set(operations)


def test_the_settings_in_the_file_are_those_of_a_saved_folder(model, path, tmp_path):
    save_pretrained(tmp_path / "folder", model)
    loaded = load_onnx(path)
    assert loaded.settings == json.loads((tmp_path / "folder" / "model.json").read_text())
    assert loaded.features.settings == model.features.settings
    assert loaded.taxonomy == model.network.taxonomy


def test_one_file_comes_and_the_model_stays_as_it_was(tmp_path, make_model):
    model = make_model(conv_unit=True, **SMALL)
    model.network.train()
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    export_onnx(model, tmp_path / "new" / "model.onnx")
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["model.onnx"]
    assert model.network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.network.state_dict().items())


def test_a_failed_export_leaves_the_old_file(model, path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="the class Linear has no ONNX builder"):
        export_onnx(model._replace(network=torch.nn.Linear(1, 1)), path)
    with pytest.raises(ValueError, match="unknown start 'audio'; use one of"):
        export_onnx(model, path, start="audio")
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_its_cure(package, path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf'ONNX needs {package} .*pip install "hrin-plugin\[onnx\]"'):
        load_onnx(path)


def test_an_export_needs_no_onnx(model, path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    export_onnx(model, tmp_path / "another.onnx")
    assert (tmp_path / "another.onnx").read_bytes() == path.read_bytes()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"other\.onnx is not there, or no file"):
        load_onnx(tmp_path / "other.onnx")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"model\.onnx (cannot be read|cannot be run|holds no model\.json)"):
        load_onnx(path)


def test_a_file_of_another_kind_is_refused(path):
    path.write_text("not a model")
    with pytest.raises(ValueError, match=r"model\.onnx cannot be read as ONNX: .*; export the model again"):
        load_onnx(path)


def test_a_graph_that_is_not_ours_is_refused(path):
    edit(path, lambda graph: graph.ClearField("metadata_props"))
    with pytest.raises(ValueError, match=r"holds no model\.json; give a file that export_onnx wrote"):
        load_onnx(path)


def test_a_later_format_is_refused(path):
    edit_settings(path, lambda settings: settings.update(format=2))
    with pytest.raises(ValueError, match=r"model\.onnx cannot be used: its format is 2"):
        load_onnx(path)


@pytest.mark.parametrize("change", [{"features": {"n_mels": "x"}}, {"taxonomy": {}}, {"features": {"a": 1}}])
def test_settings_that_mean_nothing_are_refused(path, change):
    edit_settings(path, lambda settings: settings.update(change))
    with pytest.raises(ValueError, match=r"the settings in .*model\.onnx cannot be used"):
        load_onnx(path)


def test_settings_that_do_not_fit_the_graph_are_refused(path):
    edit_settings(path, lambda settings: settings["features"].update(n_mels=64))
    with pytest.raises(ValueError, match="does not fit its settings: its inputs and outputs are .*128"):
        load_onnx(path)


def test_outputs_of_other_names_are_refused(path):
    def rename(graph):
        graph.graph.node[-1].output[0] = graph.graph.output[1].name = "else"

    edit(path, rename)
    with pytest.raises(ValueError, match="does not fit its settings: .*'else'"):
        load_onnx(path)


def test_an_unknown_operation_is_refused(path, capfd):
    edit(path, lambda graph: setattr(graph.graph.node[0], "op_type", "Steal"))
    with pytest.raises(ValueError, match=r"model\.onnx cannot be run: .*Steal"):
        load_onnx(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/hostname"])
def test_values_in_other_files_are_refused(path, location):
    (path.parent / "weights.bin").write_bytes(bytes(10**6))

    def move_out(graph):
        tensor = graph.graph.initializer[0]
        onnx.external_data_helper.set_external_data(tensor, location)
        tensor.ClearField("raw_data")

    edit(path, move_out)
    with pytest.raises(ValueError, match="refers to other files"):
        load_onnx(path)


def test_values_in_other_files_are_found_within_operations(path):
    tensor = onnx.numpy_helper.from_array(np.zeros(128, np.float32), "values")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")
    edit(
        path,
        lambda graph: graph.graph.node.append(
            onnx.helper.make_node("Constant", [], ["unused"], value=tensor)
        ),
    )
    with pytest.raises(ValueError, match="refers to other files"):
        load_onnx(path)


@pytest.mark.parametrize("shape", [(10, 128), (1, 10, 127), (1, 0, 128), (0, 10, 128), (1, 1, 10, 128)])
def test_frames_of_another_shape_are_refused(path, shape):
    with pytest.raises(
        ValueError, match=r"frames of shape \[.*\] cannot be used; give \[batch, 1 or more, 128\]"
    ):
        load_onnx(path)(np.zeros(shape))


def test_a_waveform_too_short_to_be_mirrored_is_refused(model, tmp_path):
    export_onnx(model, tmp_path / "model.onnx", start="waveform")
    loaded = load_onnx(tmp_path / "model.onnx")
    assert loaded(np.zeros((1, 257))).md.shape == (1, 3, 2)
    with pytest.raises(ValueError, match=r"waveform of shape \[1, 256\] .*\[batch, 257 or more\]"):
        loaded(np.zeros((1, 256)))


def test_a_file_whose_outputs_have_their_former_names_is_read(path):
    frames = np.random.default_rng(0).normal(-40, 15, (2, 50, 128))
    before = load_onnx(path)(frames)
    former = {"md": "detection", "mrle": "loudness"}

    def rename(graph):
        for node in graph.graph.node:
            node.output[:] = [former.get(name, name) for name in node.output]
        for output in graph.graph.output:
            output.name = former[output.name]

    edit(path, rename)
    after = load_onnx(path)(frames)
    assert greatest_difference(after, before) == 0
    assert (after.detection is after.md) and (after.loudness is after.mrle)


def test_probabilities_do_not_depend_on_threads_or_type(path):
    frames = np.random.default_rng(0).normal(-40, 15, (2, 50, 128))
    single = load_onnx(path, threads=1)(frames)
    assert [level.dtype for level in single] == [np.float32, np.float32]
    assert greatest_difference(load_onnx(path, threads=2)(torch.from_numpy(frames)), single) < 1e-6


def test_no_thread_at_all_is_refused(path):
    with pytest.raises(ValueError, match="0 threads cannot run a model"):
        load_onnx(path, threads=0)
