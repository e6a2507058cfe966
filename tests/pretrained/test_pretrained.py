"""Export and import of a trained model: the same outputs, and nothing but data."""

import json

import pytest
import torch

from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained


@pytest.fixture
def model():
    torch.manual_seed(0)
    statistics = BandStatistics(128).fit([torch.randn(100, 128) * 10 - 40])
    network = HRIN(hidden_size=8, num_layers=2, conv_unit=True, concatenation="before_fc", output_layer=True)
    network(torch.randn(2, 20, 128))  # moves the batch statistics away from their start
    return PretrainedModel(LogMel(floor_db=60.0), statistics, network.eval())


def logits(model, wav):
    return model.network(model.statistics(model.features(wav)))


def test_a_loaded_model_gives_the_same_logits(model, tmp_path):
    save_pretrained(tmp_path, model)
    wav = torch.randn(1, 8000)
    for saved, loaded in zip(logits(model, wav), logits(load_pretrained(tmp_path), wav)):
        assert torch.equal(saved, loaded)


def test_eight_bits_quarter_the_file_and_hardly_move_the_logits(model, tmp_path):
    save_pretrained(tmp_path / "full", model)
    save_pretrained(tmp_path / "small", model, quantised=True)
    full, small = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "small"))
    assert small < 0.35 * full
    loaded, wav = load_pretrained(tmp_path / "small"), torch.randn(1, 8000)
    assert {parameter.dtype for parameter in loaded.network.parameters()} == {torch.float32}
    for saved, read in zip(logits(model, wav), logits(loaded, wav)):
        torch.testing.assert_close(saved, read, atol=0.02, rtol=0)
        assert not torch.equal(saved, read)


def test_eight_bits_round_each_row_to_its_own_largest_number(model, tmp_path):
    save_pretrained(tmp_path, model, quantised=True)
    before, after = (each.network.state_dict() for each in (model, load_pretrained(tmp_path)))
    for name, weight in before.items():
        if weight.ndim < 2:
            assert torch.equal(after[name], weight)
        else:
            rows, found = weight.flatten(1), after[name].flatten(1)
            step = rows.abs().amax(dim=1, keepdim=True) / 127
            assert ((found - rows).abs() <= 0.501 * step).all()
            assert (found / step - (found / step).round()).abs().max() < 1e-3


def test_a_row_of_zeros_stays_one_in_eight_bits(model, tmp_path):
    model.network.heads.layers[0].weight.data[0] = 0.0
    save_pretrained(tmp_path, model, quantised=True)
    assert not load_pretrained(tmp_path).network.heads.layers[0].weight[0].any()


def test_a_loaded_model_is_ready_for_evaluation(model, tmp_path):
    model.network.train()
    save_pretrained(tmp_path, model)
    assert not load_pretrained(tmp_path).network.training


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_missing_file_is_named(model, tmp_path, name):
    save_pretrained(tmp_path, model)
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=f"holds no {name}"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_damaged_file_is_refused(model, tmp_path, name):
    save_pretrained(tmp_path, model)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="cannot be loaded: .*; export the model again"):
        load_pretrained(tmp_path)


def test_settings_that_do_not_fit_the_weights_are_refused(model, tmp_path):
    save_pretrained(tmp_path, model)
    settings = json.loads((tmp_path / "model.json").read_text())
    settings["network"]["hidden_size"] = 9
    (tmp_path / "model.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="size mismatch"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("class_name", "message"),
    [
        ("Linear", "cannot be loaded: hrin_plugin.networks has no network 'Linear'"),
        ("__import__", "cannot be loaded: hrin_plugin.networks has no network '__import__'"),
        ("HRINOutput", "cannot be loaded: hrin_plugin.networks has no network 'HRINOutput'"),
        ("HierarchicalHeads", "cannot be loaded: .*unexpected keyword argument"),
        ("hrin_plugin.networks.hrin.nn", "cannot be loaded: hrin_plugin.networks.hrin has no network 'nn'"),
        ("os.system", "its network is of the class os.system, and loading it would import the module os"),
        ("hrin_plugin.cli.main", "loading it would import the module hrin_plugin.cli"),
        (["os"], "cannot be loaded: its network's class is .*, which names no class; export the model again"),
    ],
)
def test_a_folder_cannot_name_what_is_no_network_of_the_package(model, tmp_path, class_name, message):
    save_pretrained(tmp_path, model)
    settings = json.loads((tmp_path / "model.json").read_text())
    settings["network"]["class"] = class_name
    (tmp_path / "model.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=message):
        load_pretrained(tmp_path)


def test_a_later_format_is_refused(model, tmp_path):
    save_pretrained(tmp_path, model)
    settings = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(settings | {"format": 3}))
    with pytest.raises(ValueError, match="its format is 3"):
        load_pretrained(tmp_path)


def test_a_network_that_could_not_be_loaded_is_not_saved(model, tmp_path):
    with pytest.raises(ValueError, match="Linear has no attribute 'taxonomy'"):
        save_pretrained(tmp_path, model._replace(network=torch.nn.Linear(1, 1)))
