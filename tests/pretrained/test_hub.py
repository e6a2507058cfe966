"""Pushing a model to the Hugging Face Hub and fetching it again, through a stand-in of its API."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from hrin_plugin.cli import main
from hrin_plugin.decoding import Decoding
from hrin_plugin.decoding.methods import write_decoding
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.inference import MusicDetector
from hrin_plugin.networks import HRIN
from hrin_plugin.pretrained.card import write_card
from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained
from hrin_plugin.pretrained.hub import push_model
from hub import TOKEN, Hub

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    """A model with all that belongs to it, and a file that does not."""
    torch.manual_seed(0)
    model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=6, num_layers=1))
    folder = tmp_path / "pretrained"
    save_pretrained(folder, model)
    write_decoding(folder / "decoding.json", Decoding("median", median_s=2.0))
    write_card(folder, "tiny", model, {"seed": 0})
    (folder / "passwords.txt").write_text("secret")
    return folder


def test_a_pushed_model_is_read_back_bit_for_bit(hub, folder, capsys):
    assert main(["push", str(folder), "anna/tiny"]) == 0
    told = capsys.readouterr().out
    assert "to anna/tiny: model.json (0.0 MB), model.safetensors" in told and "secret" not in told
    assert told.endswith(f"{hub.address}/anna/tiny\n")
    files = hub.repositories["anna/tiny"]["main"]
    assert sorted(files) == ["README.md", "decoding.json", "model.json", "model.safetensors"]
    detector = MusicDetector.from_hparams("anna/tiny", backend="torch", run_opts={"device": "cpu"})
    before = MusicDetector.from_hparams(folder, backend="torch", run_opts={"device": "cpu"})
    assert detector.decoding == before.decoding == Decoding("median", median_s=2.0)
    weights = before.model.network.state_dict()
    for name, weight in detector.model.network.state_dict().items():
        assert torch.equal(weight, weights[name])
    assert files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert b'from_hparams("anna/tiny")' in files["README.md"]


def test_the_client_is_sent_by_its_own_variables(folder, tmp_path):
    """`hrin push`, and a detector in another process, with HF_ENDPOINT, HF_HOME and HF_TOKEN alone."""
    hub = Hub()
    environment = os.environ | {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home")}
    environment |= {"HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)}
    code = (
        "from hrin_plugin import MusicDetector; from hrin_plugin.cli import main; import sys\n"
        "assert main(['push', sys.argv[1], 'anna/tiny']) == 0\n"
        "detector = MusicDetector.from_hparams('anna/tiny', backend='torch')\n"
        "print(detector.model.network.settings['hidden_size'])"
    )
    run = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(run, capture_output=True, text=True, env=environment, timeout=300)
    hub.close()
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n6\n")
    assert list((tmp_path / "home").rglob("model.safetensors"))


def test_a_branch_and_a_message(hub, folder):
    push_model(folder, "anna/tiny")
    (folder / "decoding.json").unlink()
    write_decoding(folder / "decoding.json", Decoding("argmax"))
    arguments = ["push", str(folder), "anna/tiny", "--revision", "v2", "--message", "second"]
    assert main(arguments) == 0 and main(arguments) == 0
    for name, method in (("anna/tiny", "median"), ("anna/tiny@v2", "argmax"), ("anna/tiny@main", "median")):
        assert MusicDetector.from_hparams(name, backend="torch").decoding.method == method
    with pytest.raises(ValueError, match="anna/tiny: is no folder here, and cannot be fetched"):
        MusicDetector.from_hparams("anna/tiny@v3")


def test_a_private_model_stays_private(hub, folder, monkeypatch):
    push_model(folder, "anna/secret", private=True)
    assert hub.private == {"anna/secret"}
    MusicDetector.from_hparams("anna/secret", backend="torch")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder.parent / "other"))
    with pytest.raises(ValueError, match="anna/secret: is no folder here, and cannot be fetched"):
        MusicDetector.from_hparams("anna/secret")


def test_nothing_private_goes_to_a_public_model(hub, folder):
    push_model(folder, "anna/tiny")
    before = dict(hub.repositories["anna/tiny"]["main"])
    (folder / "decoding.json").unlink()
    with pytest.raises(ValueError, match="anna/tiny: is there already, and public"):
        push_model(folder, "anna/tiny", private=True)
    assert hub.repositories["anna/tiny"]["main"] == before


@pytest.mark.parametrize("name", ["tiny", "anna/", "/tiny", "a/b/c", "anna/ti ny", "https://hf.co/anna/tiny"])
def test_a_name_that_is_none_is_refused_before_anything_is_asked(hub, folder, name, capsys):
    assert main(["push", str(folder), name]) == 2
    assert "is no name of a model on the Hugging Face Hub; give OWNER/NAME" in capsys.readouterr().err
    assert not hub.asked


def one_sentence(capsys):
    """The line of an error; before it, the client may tell what it tries again."""
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/repos/create", 401, "does not know the token; run 'hf auth login', or set HF_TOKEN"),
        ("/api/repos/create", 403, "says that the token may not write there"),
        ("/api/models/anna/tiny/preupload", 404, "has no such model, owner or revision"),
        ("/api/models/anna/tiny/commit", 409, "says that it conflicts with what is there"),
        ("/api/models/anna/tiny/commit", 412, "was changed by someone else meanwhile"),
        ("/objects", 403, "says that the token may not write there"),
        ("/api/repos/create", 418, "answers with status 418"),
        ("/api/models/anna/tiny/preupload", 503, "answers with status 503"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(hub, folder, path, status, words, capsys):
    hub.refuse[path] = status
    assert main(["push", str(folder), "anna/tiny"]) == 2
    line = one_sentence(capsys)
    assert line.startswith("hrin push: error: anna/tiny: the Hugging Face Hub ") and words in line
    assert not hub.repositories.get("anna/tiny", {}).get("main")


def test_no_token_is_one_sentence(hub, folder, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")
    assert main(["push", str(folder), "anna/tiny"]) == 2
    assert "there is no token of the Hugging Face Hub; run 'hf auth login'" in one_sentence(capsys)
    assert not hub.asked


def test_no_network_is_one_sentence(hub, folder, capsys):
    hub.close()
    assert main(["push", str(folder), "anna/tiny"]) == 2
    assert "the Hugging Face Hub cannot be reached (" in one_sentence(capsys)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_damaged_model_is_not_sent(hub, folder, name, capsys):
    (folder / name).write_bytes((folder / name).read_bytes()[:-20])
    assert main(["push", str(folder), "anna/tiny"]) == 2
    assert "cannot be loaded" in one_sentence(capsys)
    assert not hub.asked


def test_a_folder_without_a_model_is_named(hub, tmp_path, capsys):
    assert main(["push", str(tmp_path / "none"), "anna/tiny"]) == 2
    assert "none: there is no such folder" in one_sentence(capsys)
    assert main(["push", str(tmp_path), "anna/tiny"]) == 2
    assert "holds no model.json" in one_sentence(capsys)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_out_of_the_folder_is_not_followed(hub, folder, tmp_path, capsys):
    for name in ("README.md", "decoding.json"):
        (tmp_path / name).write_text("secret")
        (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / name)
        assert main(["push", str(folder), "anna/tiny"]) == 2
        assert f"{name}: is a link out of its folder" in one_sentence(capsys)
        (folder / name).unlink()
    assert not hub.asked
