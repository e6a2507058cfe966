"""``--hub``: a finished training pushes its model, and has a card."""

import pytest

from hrin_plugin.cli import main
from hrin_plugin.decoding import Decoding
from hrin_plugin.inference import MusicDetector
from hub import TOKEN


def test_a_training_pushes_its_model(run, hub, capsys):
    folder = run("--hub=anna/trained", hparams=str(run.tiny))
    files = hub.repositories["anna/trained"]["main"]
    assert files["model.json"] == (folder / "pretrained" / "model.json").read_bytes()
    assert f"{hub.address}/anna/trained" in capsys.readouterr().out
    card = (folder / "pretrained" / "README.md").read_text()
    for row in (
        "| training data | 20 synthetic recordings (",
        "SYNTHETIC sound: the scores say nothing about real broadcasts |",
        "| folds | 0 tests, 1 validates, the others train |",
        "| seed | 0 |",
        "| settings that differ from the YAML | number_of_epochs 1 (YAML: 100) |",
        "| test recordings | 2 |",
        "| licence | Apache-2.0",
    ):
        assert row in card
    assert MusicDetector.from_hparams("anna/trained", backend="torch").decoding == Decoding("threshold")


def test_a_push_that_fails_does_not_lose_the_training(run, hub):
    hub.refuse["/api/repos"] = 503
    with pytest.raises(SystemExit) as stop:
        run("--hub=anna/trained", hparams=str(run.tiny))
    folder = run.folder("run")
    assert f"the training is finished and kept; to push its model, run: hrin push {folder}/pretrained" in str(
        stop.value
    )
    assert (folder / "results.json").exists()
    hub.refuse.clear()
    assert main(["push", str(folder / "pretrained"), "anna/trained"]) == 0


@pytest.mark.parametrize(
    ("name", "token", "words"), [("trained", TOKEN, "give OWNER/NAME"), ("a/b", "", "no token")]
)
def test_a_training_that_could_not_be_pushed_does_not_begin(run, hub, name, token, words, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(SystemExit, match=words):
        run(f"--hub={name}", hparams=str(run.tiny))
    assert not run.folder("run").exists()


def test_debug_pushes_nothing(run, hub):
    run("--hub=anna/trained", "--debug", hparams=str(run.tiny))
    assert not hub.asked
