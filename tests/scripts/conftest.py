"""What several tests of the scripts share."""

import sys

import pytest

import train


@pytest.fixture
def run(miniature, tmp_path, monkeypatch):
    """Runs the recipe in this process on the miniature set; returns the output folder."""
    # SpeechBrain takes the excepthook over.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

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
        train.main([hparams, *flags, *options])
        return folder

    run_recipe.folder = tmp_path.joinpath
    return run_recipe
