"""Heads, objective and scores on other encoders and in another recipe, and the page that tells of them."""

import difflib
import json
import re
import runpy
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from hyperpyyaml import load_hyperpyyaml
from speechbrain.lobes.models.CRDNN import CRDNN
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from speechbrain.lobes.models.transformer.Conformer import ConformerEncoder
from speechbrain.lobes.models.transformer.Transformer import TransformerEncoder
from speechbrain.nnet.attention import RelPosEncXL

from hrin_plugin.hierarchy.losses import HierarchicalLoss
from hrin_plugin.hierarchy.statistics import HierarchyStats
from hrin_plugin.hierarchy.violations import violation_rates
from hrin_plugin.networks.heads import HierarchicalHeads
from hrin_plugin.taxonomy import Taxonomy

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "reuse.md").read_text(encoding="utf-8")
EXAMPLES = {name: DOCS / "examples" / name for name in ("before", "after")}

SOUNDS = Taxonomy(
    [["quiet", "sound"], ["quiet", "voice", "music"], ["quiet", "speech", "singing", "music"]],
    [
        {"quiet": "quiet", "voice": "sound", "music": "sound"},
        {"quiet": "quiet", "speech": "voice", "singing": "voice", "music": "music"},
    ],
)
N_MELS, HOP = 16, 20


class Crdnn(torch.nn.Module):
    """SpeechBrain's CRDNN on log-mel frames."""

    output_size = 12

    def __init__(self):
        super().__init__()
        self.net = CRDNN(
            input_size=N_MELS,
            cnn_channels=[4, 4],
            rnn_layers=1,
            rnn_neurons=8,
            dnn_blocks=1,
            dnn_neurons=12,
            dropout=0.0,
        )

    def forward(self, frames):
        return self.net(frames)


class Conformer(torch.nn.Module):
    """SpeechBrain's Conformer encoder, with the position encoding that it wants."""

    output_size = N_MELS

    def __init__(self):
        super().__init__()
        self.positions = RelPosEncXL(N_MELS)
        self.net = ConformerEncoder(1, d_model=N_MELS, d_ffn=32, nhead=2, kernel_size=3)

    def forward(self, frames):
        return self.net(frames, pos_embs=self.positions(frames))[0]


class Transformer(torch.nn.Module):
    """SpeechBrain's Transformer encoder."""

    output_size = N_MELS

    def __init__(self):
        super().__init__()
        self.net = TransformerEncoder(1, nhead=2, d_ffn=32, d_model=N_MELS)

    def forward(self, frames):
        return self.net(frames)[0]


class Wav2Vec2(torch.nn.Module):
    """The architecture of wav2vec 2.0, from waveforms, small and untrained, so that nothing is downloaded."""

    output_size = 16

    def __init__(self):
        super().__init__()
        self.net = torchaudio.models.wav2vec2_model(
            extractor_mode="layer_norm",
            extractor_conv_layer_config=[(16, 10, 5), (16, 4, 4)],
            extractor_conv_bias=True,
            encoder_embed_dim=self.output_size,
            encoder_projection_dropout=0.0,
            encoder_pos_conv_kernel=3,
            encoder_pos_conv_groups=2,
            encoder_num_layers=1,
            encoder_num_heads=2,
            encoder_attention_dropout=0.0,
            encoder_ff_interm_features=32,
            encoder_ff_interm_dropout=0.0,
            encoder_dropout=0.0,
            encoder_layer_norm_first=False,
            encoder_layer_drop=0.0,
            aux_num_out=None,
        )

    def forward(self, wavs):
        return self.net(wavs)[0]


class Ecapa(torch.nn.Module):
    """SpeechBrain's ECAPA-TDNN: one vector for each recording, ``[batch, 1, feature]``."""

    output_size = 12

    def __init__(self):
        super().__init__()
        self.net = ECAPA_TDNN(
            N_MELS,
            channels=[8, 8, 8, 8, 24],
            lin_neurons=self.output_size,
            attention_channels=4,
            res2net_scale=2,
            se_channels=4,
        )

    def forward(self, frames):
        return self.net(frames)


def frames_of(classes):
    """Noisy frames, each class with a pattern of its own, ``[batch, frame, mel]``."""
    patterns = torch.eye(N_MELS)[:: N_MELS // 4]
    return 2 * patterns[classes] + 0.3 * torch.randn(*classes.shape, N_MELS)


def wavs_of(classes):
    """Noisy tones, each class with a frequency of its own, ``[batch, sample]``."""
    steps = torch.tensor([0.0, 0.4, 1.0, 2.0])[classes].repeat_interleave(HOP, dim=1)
    return torch.sin(steps.cumsum(dim=1)) + 0.1 * torch.randn(steps.shape)


def recordings_of(encoder):
    """A batch that an encoder takes, and the classes of what it gives, ``[batch, frame or 1]``."""
    if encoder is Ecapa:
        classes = torch.arange(4).repeat(4)[:, None]
        return frames_of(classes.expand(-1, 12)), classes
    # Events of five frames.
    classes = torch.randint(4, (8, 6)).repeat_interleave(5, dim=1)
    if encoder is Wav2Vec2:
        # Its convolutions have no padding, and lose a frame.
        return wavs_of(classes), classes[:, :-1]
    return frames_of(classes), classes


@pytest.mark.parametrize(
    ("encoder", "style"),
    [
        *[(encoder, "plain") for encoder in (Crdnn, Conformer, Transformer, Wav2Vec2, Ecapa)],
        *[(encoder, "recurrent") for encoder in (Crdnn, Conformer, Transformer, Wav2Vec2)],
    ],
)
def test_violations_fall_in_training_on_any_encoder(encoder, style):
    torch.manual_seed(0)
    inputs, classes = recordings_of(encoder)
    network = encoder()
    hidden_size = 8 if style == "recurrent" else None
    heads = HierarchicalHeads(network.output_size, SOUNDS, style, hidden_size)
    objective = HierarchicalLoss(taxonomy=SOUNDS)
    weights = [*network.parameters(), *heads.parameters()]
    optimizer = torch.optim.Adam(weights, 0.01)
    lens = torch.linspace(0.5, 1, len(classes))

    def summary():
        stats = HierarchyStats(SOUNDS)
        with torch.no_grad():
            stats.append(
                [str(index) for index in range(len(classes))], heads(network(inputs), lens), classes, lens
            )
        return stats.summarize()

    before = summary()
    for _ in range(25):
        loss = objective(heads(network(inputs), lens), classes, lens=lens).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = summary()
    assert before["decision_violations"] > 0.6
    assert after["decision_violations"] < 0.3 * before["decision_violations"]
    assert all(after[f"level_{number}_F"] > 0.8 for number in (1, 2, 3))


def test_penalties_lower_the_violations_where_the_targets_contradict_each_other():
    generator = torch.Generator().manual_seed(0)
    encoded = torch.randn(200, 8, generator=generator)
    labels = [torch.randint(2, (200, size), generator=generator) for size in SOUNDS.sizes]
    children = {name for names in SOUNDS.levels[1:] for name in names}
    rates = []
    for weight in (0.0, 100.0):
        torch.manual_seed(0)
        heads = HierarchicalHeads(8, SOUNDS)
        objective = HierarchicalLoss(dict.fromkeys(children, weight), SOUNDS, check_hierarchy=False)
        optimizer = torch.optim.Adam(heads.parameters(), 0.05)
        for _ in range(80):
            optimizer.zero_grad()
            objective(heads(encoded), labels).total.backward()
            optimizer.step()
        probabilities = [torch.sigmoid(level).detach().numpy() for level in heads(encoded)]
        rates.append(violation_rates(probabilities, SOUNDS).score_violations)
    assert rates[0] > 0.8 and rates[1] < 0.5


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Short recordings of four kinds of tones, with SpeechBrain's manifests."""
    folder, rng = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    tones_hz = {"drilling": 500, "engine_idling": 1000, "dog_bark": 2500, "street_music": 5000}
    for name, n_each in (("train", 6), ("valid", 2), ("test", 2)):
        manifest = {}
        for label, tone_hz in tones_hz.items():
            for index in range(n_each):
                n_samples, key = int(rng.integers(3200, 4800)), f"{name}_{label}_{index}"
                wav = 0.2 * np.sin(2 * np.pi * tone_hz / 16000 * np.arange(n_samples))
                soundfile.write(folder / f"{key}.wav", wav + rng.normal(0, 0.01, n_samples), 16000)
                manifest[key] = {
                    "wav": f"{{data_root}}/{key}.wav",
                    "length": n_samples / 16000,
                    "class_string": label,
                }
        (folder / f"{name}.json").write_text(json.dumps(manifest))
    return folder


def run_example(name, sounds, output, n_epochs):
    """The log of one of the two recipes, a line an epoch."""
    overrides = {
        "data_folder": sounds,
        "output_folder": output,
        "number_of_epochs": n_epochs,
        "batch_size": 8,
        "n_mels": 24,
        "channels": "[8, 8, 8, 8, 24]",
        "emb_dim": 12,
        "lr": 0.01,
        "device": "cpu",
    }
    arguments = [
        str(EXAMPLES[name] / "hparams.yaml"),
        *(f"--{key}={value}" for key, value in overrides.items()),
    ]
    runpy.run_path(str(EXAMPLES[name] / "train.py"))["main"](arguments)
    return (output / "train_log.txt").read_text().splitlines()


def test_the_recipe_before_runs(sounds, tmp_path):
    *epochs, test = run_example("before", sounds, tmp_path, n_epochs=1)
    assert len(epochs) == 1 and "test average" in test


def test_the_recipe_after_learns_the_hierarchy(sounds, tmp_path):
    *epochs, test = run_example("after", sounds, tmp_path, n_epochs=8)
    first, last = (
        float(re.search(r"train decision_violations: ([\d.e+-]+)", line)[1])
        for line in (epochs[0], epochs[-1])
    )
    assert first > 0.3 and last < 0.5 * first
    assert float(re.search(r"test md_F: ([\d.e+-]+)", test)[1]) > 0.5


def difference():
    """The lines that differ between the two recipes, as in the page."""
    lines = []
    for name in ("hparams.yaml", "train.py"):
        before, after = (
            EXAMPLES[each].joinpath(name).read_text().splitlines() for each in ("before", "after")
        )
        lines += difflib.unified_diff(before, after, f"before/{name}", f"after/{name}", n=0, lineterm="")
    return [line for line in lines if not line.startswith("@@")]


def blocks(language):
    """The page's blocks of code in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_page_shows_how_the_two_recipes_differ():
    assert [block.splitlines() for block in blocks("diff")] == [difference()]


def test_the_pages_python_runs(capsys, tmp_path, monkeypatch):
    namespace = {}
    torch.manual_seed(0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "mynet", None)  # taken away again after the test
    del sys.modules["mynet"]
    for block in blocks("python"):
        named = re.match(r"# (\w+\.py)\n", block)
        if named:
            Path(named[1]).write_text(block)
        else:
            exec(compile(block, "docs/reuse.md", "exec"), namespace)
    printed = capsys.readouterr().out
    assert "{'n_bands': 128, 'width': 16}" in printed
    assert "[(8, 100, 3), (8, 100, 4)]" in printed and "label='d" in printed


@pytest.mark.parametrize("block", blocks("yaml"))
def test_the_pages_yaml_loads(block):
    hparams = load_hyperpyyaml(block)
    assert len(hparams["taxonomy"].levels) > 1
    if "heads" in hparams:
        frames = torch.randn(2, 6, 320)
        logits = hparams["heads"](frames, lens=torch.tensor([1.0, 0.5]))
        assert hparams["compute_cost"](logits, torch.zeros(2, 6).long()).total > 0


def test_the_page_links_to_files_that_are_there():
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert len(links) >= 4 and all((DOCS / link).exists() for link in links)


def test_the_pictures_are_drawn_from_the_taxonomies(tmp_path):
    runpy.run_path(str(DOCS / "make_pictures.py"))["main"](tmp_path)
    for name in ("taxonomy.svg", "heads.svg"):
        texts = [
            {
                " ".join(element.itertext()).strip()
                for element in ElementTree.parse(folder / name).iter()
                if element.text
            }
            for folder in (tmp_path, DOCS)
        ]
        assert texts[0] == texts[1] and {"no-music", "fg-music"} <= texts[0]
