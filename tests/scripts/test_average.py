"""The mean of trained models, against numpy's."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from average import main
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained


@pytest.fixture
def folders(tmp_path):
    """Three small models that differ in weights and statistics."""
    for number in range(3):
        torch.manual_seed(number)
        statistics = BandStatistics(16).fit([torch.randn(9, 16)])
        network = HRIN(input_size=16, hidden_size=3, num_layers=1)
        save_pretrained(tmp_path / str(number), PretrainedModel(LogMel(n_mels=16), statistics, network))
    return [tmp_path / str(number) for number in range(3)]


def test_every_weight_and_statistic_is_the_mean(folders, tmp_path):
    main([str(tmp_path / "mean"), *map(str, folders)])
    mean = load_file(tmp_path / "mean/model.safetensors")
    parts = [load_file(folder / "model.safetensors") for folder in folders]
    assert mean.keys() == parts[0].keys() and "statistics.mean" in mean
    for name, values in mean.items():
        np.testing.assert_allclose(values, np.mean([part[name] for part in parts], axis=0), atol=1e-6)
    assert load_pretrained(tmp_path / "mean").network.settings == load_pretrained(folders[0]).network.settings


def test_models_of_different_networks_are_refused(folders, tmp_path):
    other = PretrainedModel(
        LogMel(n_mels=16), BandStatistics(16), HRIN(input_size=16, hidden_size=4, num_layers=1)
    )
    save_pretrained(tmp_path / "other", other)
    with pytest.raises(SystemExit, match="different networks"):
        main([str(tmp_path / "mean"), str(folders[0]), str(tmp_path / "other")])
    assert not (tmp_path / "mean").exists()


def test_a_folder_without_a_model_is_named(folders, tmp_path):
    with pytest.raises(SystemExit, match="nowhere"):
        main([str(tmp_path / "mean"), str(folders[0]), str(tmp_path / "nowhere")])
