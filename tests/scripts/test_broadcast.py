"""Mixing while training: plans, labels, levels, and a training that is killed and resumed."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

import broadcast_stems
import finish
from hrin_plugin.cli import main as hrin
from hrin_plugin.mixing.dynamic import Mixer
from hrin_plugin.mixing.dynamic_plan import BLOCK, BatchStyle, Planner
from hrin_plugin.mixing.loudness import gated_loudness, step_powers
from hrin_plugin.mixing.stem_cache import ROLES, SAMPLE_RATE, StemCache, write_cache
from hrin_plugin.pretrained.rehearsal import load_rehearsal

RECIPE = Path(__file__).parents[2] / "recipes" / "Broadcast"
KINDS = ("ambient", "rock")
SHORT_S = 12.288


def make_recordings():
    """Chords, buzzing syllables and coloured noise, all different; none is silent for long."""
    rng = np.random.default_rng(0)
    for split, n_recordings in (("train", 3), ("valid", 1)):
        for number in range(n_recordings):
            time_s = np.arange(30 * SAMPLE_RATE) / SAMPLE_RATE
            for kind in KINDS:
                pitches_hz = rng.uniform(100, 900, 4)
                chord = sum(np.sin(2 * np.pi * pitch_hz * time_s) for pitch_hz in pitches_hz)
                yield "music", kind, f"{kind}-{split}", f"{kind}-{number}", split, chord
            syllables = np.sin(2 * np.pi * 3 * time_s[: 4 * SAMPLE_RATE]).clip(0.1)
            speech = syllables * (np.modf(rng.uniform(80, 200) * time_s[: 4 * SAMPLE_RATE])[0] - 0.5)
            yield "speech", "prompts", f"voice-{split}", f"voice-{number}", split, speech
            noise = rng.standard_normal(int(SAMPLE_RATE * (0.4, 5.0, 9.0)[number])).cumsum()
            noise -= np.linspace(noise[0], noise[-1], len(noise))
            yield "noise", "sounds", f"place-{split}", f"noise-{number}", split, noise


@pytest.fixture(scope="module")
def stems_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stems")
    write_cache(folder, make_recordings())
    return folder


@pytest.fixture(scope="module")
def cache(stems_folder):
    return StemCache(stems_folder)


@pytest.fixture(scope="module")
def mixer(cache):
    return Mixer(cache.samples)


def planner(cache, seed=0):
    return Planner(cache, seed)


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_a_plan_depends_on_seed_and_step_alone(cache):
    style = BatchStyle(SHORT_S, 8)
    before = planner(cache)
    before.draw(3, style)
    plan = before.draw(5, style)
    assert same(plan, planner(cache).draw(5, style))
    assert not same(plan, planner(cache).draw(6, style))
    assert not same(plan, planner(cache, seed=1).draw(5, style))


def test_classes_have_the_shares_of_openbmat(cache):
    plans = [planner(cache).draw(step, BatchStyle(24.576, 32)) for step in range(12)]
    mrle = np.stack([plan["mrle"] for plan in plans])
    shares = [(mrle == number).mean() for number in range(3)]
    assert shares == pytest.approx([0.50, 0.16, 0.34], abs=0.06)


def test_training_never_hears_what_validates(cache):
    held_out = [stem for stem in cache.stems if stem.split == "valid"]
    for split, expected in (("train", 0.0), ("valid", 1.0)):
        plan = planner(cache).draw(0, BatchStyle(SHORT_S, 16, split))
        begin, step = plan["begin"][: plan["n_stems"]], plan["step"][: plan["n_stems"]]
        forwards = (begin < plan["n_blocks"]) & (step > 0)
        sources = plan["source"][: plan["n_stems"]][forwards]
        inside = [
            any(stem.onset_sample <= source < stem.onset_sample + stem.n_samples for stem in held_out)
            for source in sources
        ]
        assert len(inside) > 20 and np.mean(inside) == expected


@pytest.mark.parametrize("by_rms", [0.0, 1.0])
def test_music_is_as_loud_as_was_drawn(cache, mixer, by_rms):
    plan = planner(cache).draw(1, BatchStyle(SHORT_S, 16))
    plan["by_rms"][:] = by_rms
    _, music, rest = mixer.render_parts(plan)
    differences = []
    for excerpt, number in np.argwhere((plan["side"] != 0) & (plan["alone"] == 0)):
        first, after = plan["first_frame"][excerpt, number] * 512, plan["after_frame"][excerpt, number] * 512
        parts = [part[excerpt, first:after].double().numpy() for part in (music, rest)]
        if after - first > SAMPLE_RATE:
            levels = (
                [10 * np.log10(np.mean(part**2)) for part in parts]
                if by_rms
                else [gated_loudness(step_powers(part, SAMPLE_RATE)) for part in parts]
            )
            differences.append(levels[0] - levels[1] - plan["relative_lu"][excerpt, number])
    assert len(differences) >= 5
    assert np.median(np.abs(differences)) < 1.0


def test_there_is_no_music_where_the_label_says_so(cache, mixer):
    plan = planner(cache).draw(2, BatchStyle(SHORT_S, 16))
    _, music, _ = mixer.render_parts(plan)
    frames = music.view(16, -1, 512).abs().amax(dim=2)
    # A frame's label is for half a frame on either side of its centre; fades count from -20 dB.
    none = torch.from_numpy(plan["mrle"] == 0)
    whole = none[:, :-1] & none[:, 1:]
    steady = whole & whole.roll(1, 1) & whole.roll(-1, 1)
    loudest = music.abs().amax(dim=1, keepdim=True).clamp(min=1e-6)
    assert (frames / loudest)[steady].max() <= 0.11
    sounding = torch.from_numpy(plan["mrle"] > 0)
    assert (frames[sounding[:, :-1] & sounding[:, 1:]] > 0).float().mean() > 0.99


def test_music_alone_is_foreground_throughout(cache, mixer):
    plan = planner(cache).draw(0, BatchStyle(SHORT_S, 8, "valid", "rock", alone=True))
    mixed, music, rest = mixer.render_parts(plan)
    assert bool((mixed.mrle == 1).all())
    assert bool((music.square().mean(dim=1) > 100 * rest.square().mean(dim=1)).all())


def test_faint_music_is_not_drowned_by_noise(cache):
    plan = planner(cache).draw(4, BatchStyle(SHORT_S, 32))
    background = (plan["side"] < 0) & (plan["alone"] == 0)
    assert plan["relative_lu"][background].min() >= -27.0
    assert plan["relative_lu"][background].max() <= -3.0
    assert plan["relative_lu"][(plan["side"] > 0) & (plan["alone"] == 0)].min() >= 2.0


def test_passages_on_which_the_rules_disagree_are_left_out(cache, mixer):
    plan = planner(cache).draw(1, BatchStyle(SHORT_S, 16))
    with_rest = (plan["side"] != 0) & (plan["alone"] == 0)
    assert mixer.render(plan).mask.float().mean() > 0.95
    # What was drawn far in the background, said to be foreground: no rule agrees.
    plan["side"] = np.where(with_rest & (plan["relative_lu"] < 0), -plan["side"], plan["side"])
    mixed = mixer.render(plan)
    wrong = np.take_along_axis(with_rest & (plan["relative_lu"] < -9), plan["passage_at"], axis=1)
    masked = ~mixed.mask.numpy()
    assert masked[wrong & (plan["mrle"] > 0)].mean() > 0.9
    assert not masked[plan["mrle"] == 0].any()


def test_silent_music_is_left_out(cache):
    samples = np.array(cache.samples)
    music = [stem for stem in cache.stems if stem.role == "music" and stem.split == "valid"]
    for stem in music:
        middle = stem.onset_sample + stem.n_samples // 2
        samples[middle : stem.onset_sample + stem.n_samples] = 0
    plan = planner(cache).draw(0, BatchStyle(SHORT_S * 2, 8, "valid", "rock", alone=True))
    mixed = Mixer(samples).render(plan)
    assert 0.3 < mixed.mask.float().mean() < 0.95


def test_levels_are_from_full_scale_to_far_below(cache, mixer):
    wavs = torch.cat(
        [mixer.render(planner(cache).draw(step, BatchStyle(3.072, 16))).wavs for step in range(6)]
    )
    assert bool(torch.isfinite(wavs).all()) and float(wavs.abs().max()) <= 1.0
    level_db = 20 * torch.log10(wavs.abs().amax(dim=1).clamp(min=1e-6))
    assert float(level_db.min()) < -40 and float(level_db.max()) > -3


def test_a_stem_at_its_own_speed_comes_back_as_it_is(cache, mixer):
    plan = planner(cache).draw(0, BatchStyle(SHORT_S, 1, "valid", "rock", alone=True))
    plan["step"][:], plan["fades"][:], plan["gain"][:] = 1 << 20, 1.0, 1.0
    rows = mixer._rows(
        {name: mixer._to_device(value) for name, value in plan.items()} | {"filtered_rows": []}
    )
    begin, source = int(plan["begin"][0, 0]), int(plan["source"][0, 0])
    expected = cache.samples[source + BLOCK : source + 9 * BLOCK] / 32768
    start = (begin + 1) * BLOCK
    assert rows[0, start : start + 8 * BLOCK].numpy() == pytest.approx(expected, abs=1e-6)


def test_a_cache_that_does_not_fit_its_table_is_refused(stems_folder, tmp_path):
    table = (stems_folder / "stems.tsv").read_text()
    (tmp_path / "stems.tsv").write_text(table)
    (tmp_path / "stems.i16").write_bytes(b"\0\0" * 100)
    with pytest.raises(ValueError, match="line 2: samples 0 to 240000 are not among the 100 of stems.i16"):
        StemCache(tmp_path)


def start_training(stems_folder, results, **options):
    """Train in a process of its own, so that it can be killed."""
    settings = {
        "stems_folder": stems_folder,
        "results_folder": results,
        "number_of_steps": 4,
        "hidden_size": 4,
        "num_workers": 1,
        "statistics_batches": 1,
        "log_interval_steps": 1,
        "save_interval_min": 0,
        "warmup_steps": 2,
        "lengths": "[[6.144,2,0.5],[12.288,1,0.5]]",
        "steps_together": 2,
        "save_environment": False,
        "validation": "{n_batches: 1, n_excerpts: 1, seconds: 6.144}",
        "calibration": "{n_batches: 1, n_excerpts: 2, seconds: 6.144}",
        "rehearsal": "{n_excerpts: 2, seconds: 6.144}",
        **options,
    }
    words = [f"--{name}" if value is True else f"--{name}={value}" for name, value in settings.items()]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(RECIPE.parents[1])}
    command = [sys.executable, str(RECIPE / "train.py"), "hparams/broadcast.yaml", "--device=cpu", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True
    )


def test_killed_and_resumed_is_as_if_it_had_not_been(stems_folder, tmp_path):
    whole = start_training(stems_folder, tmp_path / "whole")
    broken = start_training(stems_folder, tmp_path / "broken")
    for line in broken.stdout:
        # The line comes before the step's checkpoint: what is lost is done again.
        if "step 3," in line:
            broken.kill()
    broken.wait()
    assert broken.returncode != 0
    resumed = start_training(stems_folder, tmp_path / "broken")
    for process in (whole, resumed):
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    folders = [tmp_path / name / "broadcast" / "seed_0" for name in ("whole", "broken")]
    weights = [load_file(folder / "full_precision" / "model.safetensors") for folder in folders]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    log = (folders[1] / "train_log.txt").read_text()
    assert log.count("step 1,") == 1 and "step 4," in log
    facts = json.loads((folders[0] / "pretrained" / "model.json").read_text())["training"]
    assert facts["stems_sha256"] == StemCache(stems_folder).sha256 and facts["steps"] == 4
    assert len(facts["temperatures"]) == 2 and all(0.33 < each < 3.01 for each in facts["temperatures"])
    assert (folders[0] / "pretrained" / "decoding.json").is_file()
    rehearsal = load_rehearsal(folders[0] / "pretrained")
    assert rehearsal.frames.shape == (2, 97, 128) and int(rehearsal.classes.max()) <= 2
    table = (folders[0] / "validation.tsv").read_text().splitlines()
    assert sorted(row.split("\t")[0] for row in table[1:]) == sorted(KINDS)


def test_stopped_and_damaged_is_as_if_it_had_not_been(stems_folder, tmp_path):
    """Ended by SIGTERM after a step; then the newest checkpoint is damaged, and the one before goes on."""
    options = {"number_of_steps": 6, "save_interval_min": 1000}
    whole = start_training(stems_folder, tmp_path / "whole", **options)
    parts = start_training(stems_folder, tmp_path / "parts", **options)
    said = []
    for line in parts.stdout:
        said.append(line)
        if "step 2," in line:
            parts.terminate()
    assert parts.wait() == 143 and "stopped by SIGTERM" in "".join(said) and "Traceback" not in "".join(said)
    folders = [tmp_path / name / "broadcast" / "seed_0" for name in ("whole", "parts")]
    [first] = (folders[1] / "save").glob("CKPT*")
    again = start_training(stems_folder, tmp_path / "parts", **options)
    for line in again.stdout:
        if "step 5," in line:
            again.terminate()
    assert again.wait() == 143
    assert whole.communicate(timeout=300) and whole.returncode == 0
    [newest] = set((folders[1] / "save").glob("CKPT*")) - {first}
    (newest / "average.ckpt").write_bytes(b"")
    said = start_training(stems_folder, tmp_path / "parts", **options).communicate(timeout=300)[0]
    assert f"{newest} is damaged and left out: average.ckpt is damaged" in said
    weights = [load_file(folder / "full_precision" / "model.safetensors") for folder in folders]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    steps = [
        line.split(",")[0]
        for line in (folders[1] / "train_log.txt").read_text().splitlines()
        if line.startswith("step")
    ]
    assert steps == [f"step {number}" for number in range(1, 7)]


def test_other_settings_and_damage_everywhere_are_refused_in_one_sentence(stems_folder, tmp_path):
    first = start_training(stems_folder, tmp_path)
    assert first.communicate(timeout=300) and first.returncode == 0
    changed = start_training(stems_folder, tmp_path, lr=0.5)
    assert "lr was 0.0012, is now 0.5" in changed.communicate(timeout=100)[0] and changed.returncode == 1
    for path in tmp_path.glob("broadcast/seed_0/save/CKPT*/progress.ckpt"):
        path.unlink()
    damaged = start_training(stems_folder, tmp_path)
    said = damaged.communicate(timeout=100)[0]
    assert damaged.returncode == 1 and "Traceback" not in said
    assert "progress.ckpt is missing" in said.splitlines()[-1]


def test_debug_leaves_nothing(stems_folder, tmp_path):
    trial = start_training(stems_folder, tmp_path / "results", debug=True)
    said = trial.communicate(timeout=300)[0]
    assert trial.returncode == 0, said
    assert not (tmp_path / "results" / "broadcast").exists()


def test_probabilities_are_calibrated():
    # Trust that is twice too much, as logits go: the frames come true less often than they say.
    right = torch.randn(20000, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.bernoulli(torch.sigmoid(right), generator=torch.Generator().manual_seed(1))
    assert finish._best_temperature(2 * right, targets) == pytest.approx(2.0, rel=0.05)
    assert finish._best_temperature(right, targets) == pytest.approx(1.0, rel=0.05)


def test_half_precision_without_scaling_is_refused():
    # Another recipe's script goes by the same name.
    spec = importlib.util.spec_from_file_location("broadcast_train", RECIPE / "train.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with pytest.raises(SystemExit, match="fp16 needs gradients to be scaled"):
        script.main(["hparams/broadcast.yaml", "--device=cpu", "--auto_mix_prec"])


def test_folders_of_recordings_become_stems(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("music/rock/a/1.wav", "music/rock/b/1.wav", "speech/1.wav", "speech/2.wav", "noise/1.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, rng.uniform(-0.5, 0.5, 4 * 16000), 16000)
    (tmp_path / "noise" / "broken.wav").write_bytes(b"RIFF")
    broadcast_stems.main(
        [str(tmp_path / "stems"), "--jobs=1", *(f"--{role}={tmp_path / role}" for role in ROLES)]
    )
    assert "noise: broken.wav: " in capsys.readouterr().err
    stems = StemCache(tmp_path / "stems").stems
    assert [(stem.role, stem.kind, stem.package, stem.name, stem.split) for stem in stems] == [
        ("music", "rock", "rock/a", "rock/a/1.wav", "train"),
        ("music", "rock", "rock/b", "rock/b/1.wav", "valid"),
        ("speech", "-", "-", "1.wav", "train"),
        ("speech", "-", "-", "2.wav", "valid"),
        ("noise", "-", "-", "1.wav", "train"),
    ]
    assert all(stem.n_samples == pytest.approx(4 * SAMPLE_RATE, abs=800) for stem in stems)


def test_the_file_is_a_row_of_the_recipe_tests_with_existing_paths():
    with open(RECIPE.parents[1] / "tests/recipes/Broadcast.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["Hparam_file"] for row in rows] == ["recipes/Broadcast/hparams/broadcast.yaml"]
    for column in ("Script_file", "Hparam_file", "Readme_file"):
        assert (RECIPE.parents[1] / rows[0][column]).is_file()


def test_the_trained_model_of_the_recipe_detects(tmp_path, capsys):
    sounds = np.random.default_rng(0).normal(0, 0.05, 8000 * 4)
    soundfile.write(tmp_path / "hiss.wav", sounds, 8000)
    assert hrin(["detect", str(tmp_path / "hiss.wav"), "--model", str(RECIPE / "trained")]) == 0
    assert capsys.readouterr().out == "0.000\t4.000\tno-music\n"
