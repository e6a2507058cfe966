"""``--debug`` of every hyperparameter file, from the repository's root or from the recipe's folder."""

import importlib.util
import logging
import sys
from pathlib import Path

import pytest

from hrin_plugin.training.brain import HRINBrain

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes"
FILES = sorted(RECIPES.glob("*/hparams/*.yaml"))
#: Every file from the root, and one of each recipe from its own folder.
CASES = [(path, ROOT) for path in FILES]
CASES += [(path, path.parents[1]) for path in {path.parents[1]: path for path in FILES}.values()]
#: What keeps a run of a recipe short; the rest is as its YAML says.
OPTIONS = {
    "OpenBMAT": [],
    "SpeechMusic": ["--batch_size=1"],
    "Broadcast": [
        "--hidden_size=4",
        "--num_workers=0",
        "--statistics_batches=1",
        "--lengths=[[6.144,2,1.0]]",
    ],
}


@pytest.fixture(scope="module")
def scripts():
    """The ``train.py`` of every recipe."""
    modules = {}
    for path in RECIPES.glob("*/train.py"):
        spec = importlib.util.spec_from_file_location(f"train_of_{path.parent.name}", path)
        modules[path.parent.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[path.parent.name])
    return modules


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One results folder, so that features are made once."""
    return tmp_path_factory.mktemp("results")


@pytest.mark.parametrize(("path", "place"), CASES, ids=lambda each: "/".join(each.parts[-3:]))
def test_debug_runs(path, place, scripts, results, miniature, monkeypatch):
    recipe = path.parts[-3]
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("speechbrain.utils.logger.get_environment_description", lambda: "not looked at")
    monkeypatch.chdir(place)
    brain = getattr(scripts[recipe], "DynamicBrain", HRINBrain)
    steps, fit_batch = [], brain.fit_batch
    monkeypatch.setattr(brain, "fit_batch", lambda *given: steps.append(1) or fit_batch(*given))
    data = [f"--data_folder={miniature}"] if recipe == "OpenBMAT" else []
    words = [f"hparams/{path.name}", "--debug", "--device=cpu", "--noprogressbar", *data, *OPTIONS[recipe]]
    scripts[recipe].main([*words, f"--results_folder={results / recipe}"])
    assert steps
    assert not list(results.rglob("settings.json")) and not list(results.rglob("CKPT*"))
    assert not [each for each in logging.getLogger().handlers if isinstance(each, logging.FileHandler)]
