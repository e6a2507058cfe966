"""What several tests of the scripts share."""

import sys

import pytest

import train
from yaml_files import OPENBMAT

#: HRIN-r, so small that a training takes a second.
TINY = (OPENBMAT / "hrin_r.yaml").read_text(encoding="utf-8")
TINY = TINY.replace("hidden_size: 100", "hidden_size: 4").replace("num_layers: 4", "num_layers: 1")


@pytest.fixture
def run(miniature, tmp_path, monkeypatch):
    """Runs the recipe in this process on the miniature set; returns the output folder."""
    # SpeechBrain takes the excepthook over, and asks pip for every package.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("speechbrain.utils.logger.get_environment_description", lambda: "not looked at")

    def run_recipe(*options, hparams="hparams/hrin_cr.yaml", name="run", epochs=1):
        folder = tmp_path / name
        flags = [
            f"--data_folder={miniature}",
            f"--prepared_folder={miniature.parent / 'prepared'}",
            f"--output_folder={folder}",
            f"--number_of_epochs={epochs}",
            "--device=cpu",
            "--noprogressbar",
        ]
        given = {option.partition("=")[0] for option in options}
        flags = [flag for flag in flags if flag.partition("=")[0] not in given]
        train.main([hparams, *flags, *options])
        return folder

    run_recipe.folder = tmp_path.joinpath
    run_recipe.tiny = tmp_path / "tiny.yaml"
    run_recipe.tiny.write_text(TINY, encoding="utf-8")
    return run_recipe
