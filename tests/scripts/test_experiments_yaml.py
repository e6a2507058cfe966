"""The paper's experiments: 17 files of its settings, each ablation its parent but for one choice."""

import csv
import math
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain import Brain

from hrin_plugin.networks.units import RecurrentUnit
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from yaml_files import differences, resolved

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "recipes/OpenBMAT/hparams"
ALL_FILES = sorted(FOLDER.glob("*.yaml"))
#: Trainings that are no experiments of the paper.
BEYOND_THE_PAPER = ("hrin_cr_broadcast", "hrin_cr_broadcast_long", "hrin_cr_finetune")
FILES = [path for path in ALL_FILES if path.stem not in BEYOND_THE_PAPER]

# Epochs, batch, learning rate, and its factor for each epoch.
TRAINING = {
    "mmg": (40, 8, 1e-3, 0.95),  # our choice
    "lstm": (40, 32, 1e-3, 1.0),
    "gru": (40, 16, 1e-3, 1.0),
    "cnn_gru": (40, 8, 1e-3, 1.0),
    "hrin_r_lstm": (90, 32, 1e-3, 0.95),
    "hrin_r": (100, 32, 1e-4, 0.95),
    "hrin_cr": (40, 8, 1e-4, 0.95),
}
# Weights of each network; MMG's are our choice.
PARAMETERS = {
    "mmg": 98_019,
    "lstm": 909_403,
    "gru": 682_203,
    "cnn_gru": 262_719,
    "hrin_r_lstm": 1_978_605,
    "hrin_r": 1_484_205,
    "hrin_cr": 602_137,
    "hrin_cr_concat_after_conv": 602_137,
    "hrin_cr_concat_before_fc": 525_637,
}
# Of HRIN-r; alpha, beta, gamma.
PENALTIES = {
    "hrin_r_no_penalties": (0.0, 0.0, 0.0),
    "hrin_r_only_lno": (0.0, 0.0, 1.0),
    "hrin_r_without_lno": (1.0, 1.0, 0.0),
    "hrin_r_penalties_0.5_0.5_0.5": (0.5, 0.5, 0.5),
    "hrin_r_penalties_0.8_0.8_0.6": (0.8, 0.8, 0.6),
    "hrin_r_penalties_1.1_1.1_1.0": (1.1, 1.1, 1.0),
    "hrin_r_penalties_1.3_1.3_0.7": (1.3, 1.3, 0.7),
    "hrin_r_penalties_1.5_1.5_1.1": (1.5, 1.5, 1.1),
}
# Of HRIN-cr.
CONCATENATIONS = {
    "hrin_cr_concat_after_conv": "after_conv",
    "hrin_cr_concat_before_fc": "before_fc",
}
ONE_LEVEL = ("mmg", "lstm", "gru", "cnn_gru")


def test_there_is_one_file_for_each_experiment_of_the_paper():
    assert {path.stem for path in FILES} == {*TRAINING, *PENALTIES, *CONCATENATIONS}
    assert len(FILES) == 17


def load(stem, tmp_path):
    """A file as it is, built."""
    with open(FOLDER / f"{stem}.yaml", encoding="utf-8") as file:
        return load_hyperpyyaml(file, {"results_folder": str(tmp_path)})


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: path.stem)
def test_a_file_loads_as_it_is(path, tmp_path):
    hparams = load(path.stem, tmp_path)
    assert hparams["output_folder"] == f"{tmp_path}/{path.stem}/fold_0/seed_0"
    assert hparams["model"].taxonomy == hparams["objective"].taxonomy == MUSIC_LOUDNESS
    assert hparams["modules"] == {"model": hparams["model"], "statistics": hparams["statistics"]}


@pytest.mark.parametrize("stem", TRAINING)
def test_the_training_settings_are_the_papers_and_its_authors(stem):
    data, (epochs, batch, lr, decay) = resolved(stem), TRAINING[stem]
    assert data["epoch_counter"]["limit"] == epochs
    assert data["train_dataloader_opts"]["batch_size"] == batch
    assert data["opt_class"] == {"!": "!name:torch.optim.Adam", "lr": lr}
    assert (data["lr_annealing"]["initial_value"], data["lr_annealing"]["decay_factor"]) == (lr, decay)
    assert data["train_dataloader_opts"]["drop_last"] is False
    assert (data["seed"], data["fold"], data["annotator"]) == (0, 0, "a")


def test_the_learning_rate_falls_by_a_twentieth_an_epoch(tmp_path):
    annealing = load("hrin_r", tmp_path)["lr_annealing"]
    rates = [annealing(epoch)[1] for epoch in range(3)]
    assert rates == pytest.approx([1e-4 * 0.95, 1e-4 * 0.95**2, 1e-4 * 0.95**3])


@pytest.mark.parametrize("stem", ["lstm", "gru", "cnn_gru"])
def test_the_learning_rate_of_the_single_paths_stays(stem, tmp_path):
    annealing = load(stem, tmp_path)["lr_annealing"]
    assert {rate for epoch in range(40) for rate in annealing(epoch)} == {1e-3}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_the_paper_says_that_gradients_are_not_clipped(path, tmp_path):
    """As SpeechBrain's own loop takes it: what it clips by leaves every gradient as it is."""
    brain = Brain(hparams=load(path.stem, tmp_path), run_opts={"device": "cpu"})
    weight = torch.nn.Parameter(torch.zeros(3))
    weight.grad = before = torch.tensor([1e6, -3.0, 1e-30])
    torch.nn.utils.clip_grad_norm_([weight], brain.max_grad_norm)
    assert torch.equal(weight.grad, before.clone()) and brain.max_grad_norm == math.inf


@pytest.mark.parametrize(
    "path", [path for path in ALL_FILES if path.stem != "mmg"], ids=lambda path: path.stem
)
def test_equation_8_is_a_key(path, tmp_path):
    with open(path, encoding="utf-8") as file:
        network = load_hyperpyyaml(file, {"results_folder": str(tmp_path), "output_layer": True})["model"]
    units = [unit for unit in network.modules() if isinstance(unit, RecurrentUnit)]
    assert units and all(unit.output_layer is not None for unit in units)


@pytest.mark.parametrize("stem", PARAMETERS)
def test_the_network_has_the_papers_number_of_parameters(stem, tmp_path):
    network = load(stem, tmp_path)["model"]
    assert sum(weight.numel() for weight in network.parameters()) == PARAMETERS[stem]


@pytest.mark.parametrize("stem", TRAINING)
def test_the_features_are_the_papers(stem):
    features = resolved(stem)["features"]
    del features["!"]
    assert features == {"sample_rate": 8000, "n_fft": 512, "hop_length": 128, "n_mels": 128}


@pytest.mark.parametrize("stem", TRAINING)
def test_a_network_of_one_level_is_trained_on_it_and_hrin_on_both(stem):
    objective = resolved(stem)["objective"]
    if stem in ONE_LEVEL:
        assert objective == {"!": "!new:hrin_plugin.hierarchy.LevelLoss", "level": 2}
    else:
        assert objective["!"] == "!new:hrin_plugin.hierarchy.HierarchicalLoss"
        assert objective["penalty_weights"] == {"fg-music": 1.0, "bg-music": 1.0, "no-music": 1.0}


@pytest.mark.parametrize("stem", PENALTIES)
def test_a_penalty_experiment_is_hrin_r_but_for_the_weights(stem):
    names = ("alpha", "beta", "gamma")
    classes = ("fg-music", "bg-music", "no-music")
    expected = {}
    for name, label, weight in zip(names, classes, PENALTIES[stem]):
        if weight != 1.0:
            expected |= {name: weight, f"objective/penalty_weights/{label}": weight}
    assert differences(stem, "hrin_r") == expected


@pytest.mark.parametrize("stem", CONCATENATIONS)
def test_a_concatenation_experiment_is_hrin_cr_but_for_the_concatenation(stem):
    # The modules and the checkpointer refer to the model.
    places = ("model", "modules/model", "checkpointer/recoverables/model")
    expected = {f"{place}/concatenation": CONCATENATIONS[stem] for place in places}
    assert differences(stem, "hrin_cr") == expected


@pytest.mark.parametrize("stem", ["lstm", "gru", "cnn_gru", "mmg", "hrin_r_lstm", "hrin_cr"])
def test_the_networks_differ_only_in_network_objective_and_training_settings(stem):
    own = {"model", "modules", "checkpointer", "objective", "alpha", "beta", "gamma"}
    own |= {"number_of_epochs", "batch_size", "lr", "opt_class", "lr_annealing", "epoch_counter"}
    own |= {"train_dataloader_opts", "eval_dataloader_opts", "lr_decay", "output_layer"}
    assert {key.split("/")[0] for key in differences(stem, "hrin_r")} <= own


def test_a_difference_would_be_seen(tmp_path):
    """A learning rate, an entry too many and one too few each show up."""
    text = (FOLDER / "hrin_r.yaml").read_text(encoding="utf-8")
    (tmp_path / "hrin_r.yaml").write_text(text, encoding="utf-8")
    changed = text.replace("lr_decay: 0.95", "lr_decay: 0.9").replace("ckpt_interval_minutes: 10\n", "")
    (tmp_path / "other.yaml").write_text(changed + "\nextra: 1\n", encoding="utf-8")
    assert differences("other", "hrin_r", tmp_path) == {
        "lr_decay": 0.9,
        "lr_annealing/decay_factor": 0.9,
        "ckpt_interval_minutes": None,
        "extra": 1,
    }


def test_every_file_is_a_row_of_the_recipe_tests_with_existing_paths():
    with open(ROOT / "tests/recipes/OpenBMAT.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    listed = [row["Hparam_file"] for row in rows]
    assert sorted(listed) == [f"recipes/OpenBMAT/hparams/{path.name}" for path in ALL_FILES]
    for row in rows:
        for column in ("Script_file", "Hparam_file", "Data_prep_file", "Readme_file"):
            assert (ROOT / row[column]).is_file()
        assert "performance_check" in row["test_debug_checks"]
