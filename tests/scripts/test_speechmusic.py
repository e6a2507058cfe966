"""Pretraining on music, speech and noise: corpora, examples, training, and the transfer to OpenBMAT."""

import csv
import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml

import compare_transfer
import train as openbmat_train
from hrin_plugin.audio.signals import AudioError, read_audio
from hrin_plugin.events import AnnotationError
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.networks.baselines import SinglePath
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from hrin_plugin.training.transfer import load_first_stages
from speechmusic_corpus import identify_corpus, synthesise_corpus
from speechmusic_examples import ExampleLoader, join_segments, read_segment
from speechmusic_prepare import main, prepare_speechmusic
from transfer_report import COLUMNS, format_table, read_scores, save_comparison
from yaml_files import differences

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes/SpeechMusic"
SOUNDS = Taxonomy(
    levels=[["no-music", "music"], ["speech", "noise", "music"]],
    parents=[{"speech": "no-music", "noise": "no-music", "music": "music"}],
)


def write_wav(path, seconds, rate, seed=0, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng([seed, *path.name.encode()]).uniform(
        -0.5, 0.5, (round(seconds * rate), channels)
    )
    soundfile.write(path, samples, rate)


def make_musan(folder):
    """A small tree as openslr.org/17 unpacks."""
    sources = {
        "music": ["fma", "fma-western-art", "hd-classical", "jamendo", "rfm"],
        "speech": ["librivox", "us-gov"],
        "noise": ["free-sound", "sound-bible"],
    }
    for kind, names in sources.items():
        for name in names:
            for number in range(3):
                write_wav(folder / f"musan/{kind}/{name}/{kind}-{name}-{number:04}.wav", 2.5 + number, 16000)
            (folder / f"musan/{kind}/{name}/LICENSE").write_text("UNIQUE LICENSE")
            if kind != "noise":
                (folder / f"musan/{kind}/{name}/ANNOTATIONS").write_text(f"{kind}-{name}-0000 x Y\n")
        (folder / f"musan/{kind}/README").write_text("MUSAN")
    (folder / "musan/README").write_text("MUSAN")
    return folder


def make_gtzan(folder, music="music_wav", speech="speech_wav"):
    """A small tree as Marsyas's music_speech.tar.gz unpacks."""
    for kind, names in ((music, ["bagpipe", "ballad", "beat"]), (speech, ["acomic", "allison", "amal"])):
        for name in names:
            write_wav(folder / f"music_speech/{kind}/{name}.wav", 3.0, 22050)
    (folder / "music_speech/.DS_Store").write_text("")
    (folder / "music_speech/music_speech.mf").write_text("music_wav/bagpipe.wav\tmusic\n")
    return folder


def entries_of(manifests):
    return {path.stem: json.loads(path.read_text()) for path in manifests}


# Corpora and manifests


@pytest.mark.parametrize("around", [True, False])
def test_musan_is_read_as_it_unpacks(tmp_path, around):
    root = make_musan(tmp_path / "data")
    root = root if around else root / "musan"
    splits = entries_of(prepare_speechmusic(root, tmp_path / "out", segment_s=2.0))
    files = {split: {entry["wav"]["file"] for entry in entries.values()} for split, entries in splits.items()}
    assert (
        not files["train"] & files["valid"] | files["train"] & files["test"] | files["valid"] & files["test"]
    )
    on_disk = {path.relative_to(root).as_posix() for path in root.rglob("*.wav")}
    assert {file.removeprefix("{data_root}/") for file in set().union(*files.values())} == on_disk
    for entries in splits.values():
        assert {entry["class"] for entry in entries.values()} == {"music", "speech", "noise"}
        for entry in entries.values():
            assert f"/{entry['class']}/" in "/" + entry["wav"]["file"].removeprefix("{data_root}/")


@pytest.mark.parametrize("folders", [("music_wav", "speech_wav"), ("music", "speech")])
def test_gtzan_is_read_as_it_unpacks(tmp_path, folders):
    root = make_gtzan(tmp_path / "data", *folders)
    splits = entries_of(prepare_speechmusic(root, tmp_path / "out", classes=["speech", "music"]))
    assert {split: len(entries) for split, entries in splits.items()} == {"train": 2, "valid": 2, "test": 2}
    wav = next(iter(splits["train"].values()))
    assert wav["wav"]["stop"] == 3 * 22050 and wav["duration"] == 3.0


def test_any_formats_in_three_folders_are_read(tmp_path):
    for kind in ("music", "speech", "noise"):
        for number, ending in enumerate(("flac", "ogg", "mp3", "WAV")):
            write_wav(tmp_path / f"{kind}/deep/{{er}}/{number}.{ending}", 1.0, 44100, channels=2)
    manifests = prepare_speechmusic(tmp_path, tmp_path / "out")
    load = ExampleLoader(LogMel())
    for entries in entries_of(manifests).values():
        for entry in entries.values():
            wav = dict(entry["wav"], file=entry["wav"]["file"].format(data_root=tmp_path))
            assert len(load([wav])) == round(entry["duration"] * 8000) // 128 + 1


def test_segments_cover_a_recording_once(tmp_path):
    for number in range(3):
        write_wav(tmp_path / f"music/{number}.wav", 7.123 + number, 11025)
    splits = entries_of(prepare_speechmusic(tmp_path, tmp_path / "out", ["music"], segment_s=2.0))
    for entries in splits.values():
        spans = {}
        for entry in entries.values():
            spans.setdefault(entry["wav"]["file"], []).append((entry["wav"]["start"], entry["wav"]["stop"]))
            assert entry["duration"] <= 2.0
        for file, edges in spans.items():
            assert edges[0][0] == 0 and all(a[1] == b[0] for a, b in zip(edges, edges[1:]))
            assert edges[-1][1] == soundfile.info(file.format(data_root=tmp_path)).frames


def test_preparing_again_writes_nothing_and_another_seed_divides_otherwise(tmp_path):
    make_musan(tmp_path / "data")
    first = prepare_speechmusic(tmp_path / "data", tmp_path / "out")
    before = [path.stat().st_mtime_ns for path in first]
    assert prepare_speechmusic(tmp_path / "data", tmp_path / "out") == first
    assert [path.stat().st_mtime_ns for path in first] == before
    other = prepare_speechmusic(tmp_path / "data", tmp_path / "other", seed=1)
    assert other.train.read_text() != first.train.read_text()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "test.json",
        "train.json",
        "valid.json",
    ]


def test_a_limit_of_hours_is_kept_within_a_segment(tmp_path):
    make_musan(tmp_path / "data")
    limit_s = 10.0
    manifests = prepare_speechmusic(
        tmp_path / "data", tmp_path / "out", segment_s=1.0, hours_per_class=limit_s / 3600
    )
    for split, share in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
        entries = json.loads(getattr(manifests, split).read_text()).values()
        for kind in ("music", "speech", "noise"):
            total_s = sum(entry["duration"] for entry in entries if entry["class"] == kind)
            assert share * limit_s <= total_s < share * limit_s + 1.0


def test_every_bad_file_is_named_at_once_or_left_out(tmp_path, caplog):
    root = make_gtzan(tmp_path / "data") / "music_speech"
    write_wav(root / "music_wav/whole.wav", 1.0, 22050)
    (root / "music_wav/empty.wav").write_bytes(b"")
    cut = (root / "music_wav/whole.wav").read_bytes()[:20000]
    (root / "speech_wav/cut.wav").write_bytes(cut)
    classes = ["speech", "music"]
    with pytest.raises(AnnotationError) as error:
        prepare_speechmusic(root, tmp_path / "out", classes)
    assert re.search(
        r"cut\.wav: sound is missing .*announces 44100 bytes .*; copy or export it again", str(error.value)
    )
    assert re.search(r"empty\.wav: .* is empty\); copy or export it again", str(error.value))
    assert not (tmp_path / "out").exists()
    splits = entries_of(prepare_speechmusic(root, tmp_path / "out", classes, skip_bad_files=True))
    assert "left out 2 recordings of 9" in caplog.text
    assert sum(len(entries) for entries in splits.values()) == 7


def test_what_is_missing_is_named_with_its_cure(tmp_path):
    make_gtzan(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder noise; .*hrin_cr_music_speech.yaml"):
        prepare_speechmusic(tmp_path, tmp_path / "out")
    (tmp_path / "music_speech/noise").mkdir()
    with pytest.raises(ValueError, match="noise holds no recording; put audio files"):
        prepare_speechmusic(tmp_path, tmp_path / "out")
    write_wav(tmp_path / "music_speech/noise/a.wav", 1.0, 8000)
    with pytest.raises(ValueError, match="noise: 1 recordings cannot be divided .* give at least 3"):
        prepare_speechmusic(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match="hours_per_class is -1; give a number above 0"):
        prepare_speechmusic(tmp_path, tmp_path / "out", hours_per_class=-1)


def test_the_preparation_is_a_command_too(tmp_path, capsys):
    make_gtzan(tmp_path)
    assert main([str(tmp_path), str(tmp_path / "out"), "--classes", "music", "speech"]) == 0
    assert (tmp_path / "out/train.json").exists()
    assert main([str(tmp_path), str(tmp_path / "out")]) == 1
    assert "there is no folder noise" in capsys.readouterr().err


def test_a_corpus_is_told_by_what_it_holds_not_by_where_it_lies(tmp_path):
    for name in ("a", "b"):
        make_gtzan(tmp_path / name)
    assert identify_corpus(tmp_path / "a") == identify_corpus(tmp_path / "b")
    (tmp_path / "b/music_speech/music_wav/beat.wav").unlink()
    assert identify_corpus(tmp_path / "a") != identify_corpus(tmp_path / "b")
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        identify_corpus(tmp_path / "nowhere")


# Examples


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_segment_is_the_slice_of_the_whole_recording(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    write_wav(path, 3.0, 16000, channels=2)
    whole = read_audio(path, 16000)
    start, stop = 20001, 35003
    assert np.allclose(read_segment(path, start, stop, 16000), whole[start:stop], atol=1e-6)


def test_a_recording_that_was_changed_since_is_refused(tmp_path):
    write_wav(tmp_path / "a.wav", 1.0, 8000)
    with pytest.raises(AudioError, match="holds 8000 samples, 16000 were announced; copy"):
        read_segment(tmp_path / "a.wav", 4000, 16000, 8000)
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(AudioError, match="cannot be read"):
        read_segment(tmp_path / "a.wav", 0, 100, 8000)
    soundfile.write(tmp_path / "a.wav", np.array([0.0] * 50 + [np.nan] * 50), 100, subtype="FLOAT")
    with pytest.raises(AudioError, match="the sample at 0.600 s is not a finite number"):
        read_segment(tmp_path / "a.wav", 60, 100, 100)


def test_joined_segments_are_used_once_and_labelled_by_their_place(tmp_path):
    rng = np.random.default_rng(0)
    entries = {
        f"{number}": {
            "wav": {"file": f"{number}.wav", "start": 0, "stop": 10},
            "duration": float(rng.uniform(0.5, 3)),
            "class": str(rng.choice(SOUNDS.levels[1])),
        }
        for number in range(60)
    }
    by_file = {entry["wav"]["file"]: entry for entry in entries.values()}
    examples = join_segments(entries, SOUNDS, example_s=10.0, seed=0)
    used = [piece["file"] for example in examples.values() for piece in example["pieces"]]
    assert sorted(used) == sorted(by_file)
    *whole, last = examples.values()
    assert all(10.0 <= example["duration"] < 13.0 for example in whole) and last["duration"] < 13.0
    switches = 0
    for example in examples.values():
        for rows in (example["md"], example["mrle"]):
            assert rows[0][0] == 0.0 and rows[-1][1] == example["duration"]
            assert all(a[1] == b[0] and a[2] != b[2] for a, b in zip(rows, rows[1:]))
        time_s = 0.0
        for piece in example["pieces"]:
            entry = by_file[piece["file"]]
            middle_s = time_s + entry["duration"] / 2
            level_1, level_2 = (
                next(label for onset, offset, label in example[task] if onset <= middle_s < offset)
                for task in ("md", "mrle")
            )
            assert level_2 == entry["class"]
            assert level_1 == ("music" if entry["class"] == "music" else "no-music")
            time_s += entry["duration"]
        switches += len(example["mrle"]) - 1
    assert switches > 20
    assert (
        join_segments(entries, SOUNDS, 10.0, seed=0)
        == examples
        != join_segments(entries, SOUNDS, 10.0, seed=1)
    )


def test_features_of_an_example_are_those_of_its_pieces_in_a_row_and_are_kept(tmp_path):
    for name in "ab":
        write_wav(tmp_path / f"{name}.wav", 1.0, 8000)
    pieces = [
        {"file": str(tmp_path / "a.wav"), "start": 0, "stop": 3000},
        {"file": str(tmp_path / "b.wav"), "start": 1000, "stop": 8000},
    ]
    row = np.concatenate(
        [read_audio(tmp_path / "a.wav", 8000)[:3000], read_audio(tmp_path / "b.wav", 8000)[1000:]]
    )
    load = ExampleLoader(LogMel(), tmp_path / "cache")
    load.fill([pieces])
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npy"]
    assert torch.equal(load(pieces), LogMel()(torch.from_numpy(row)[None])[0])
    others = [pieces[::-1], [dict(pieces[0], stop=2999), pieces[1]]]
    assert len({load.entry(each) for each in (pieces, *others)}) == 3
    write_wav(tmp_path / "a.wav", 2.0, 8000)
    assert not load.entry(pieces).exists()


# Transfer of weights


def saved_network(folder, taxonomy=SOUNDS, **settings):
    torch.manual_seed(0)
    network = HRIN(**{"hidden_size": 4, "num_layers": 1, "conv_unit": True, **settings}, taxonomy=taxonomy)
    network(torch.randn(2, 5, 128))  # so that the batch normalisation has seen something
    save_pretrained(folder, PretrainedModel(LogMel(), BandStatistics(128), network))
    return network


def test_all_but_the_output_layer_of_other_classes_is_taken_over(tmp_path):
    trained = saved_network(tmp_path).state_dict()
    network = HRIN(hidden_size=4, num_layers=1, conv_unit=True)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert load_first_stages(network, tmp_path / "model.safetensors") == [1]
    kept = {"heads.layers.1.weight", "heads.layers.1.bias"}
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name] if name in kept else trained[name]), name
    assert any("running_mean" in name and value.any() for name, value in network.state_dict().items())


def test_the_same_classes_in_another_order_are_others(tmp_path):
    swapped = Taxonomy([["music", "no-music"], SOUNDS.levels[1]], SOUNDS.parents)
    saved_network(tmp_path, swapped)
    network = HRIN(hidden_size=4, num_layers=1, conv_unit=True)
    assert load_first_stages(network, tmp_path / "model.safetensors") == [0, 1]
    saved_network(tmp_path, MUSIC_LOUDNESS)
    assert load_first_stages(network, tmp_path / "model.safetensors") == []


def test_a_network_of_another_size_is_refused_by_what_differs(tmp_path):
    saved_network(tmp_path, num_layers=2)
    message = (
        "num_layers is 2 there and 1 here, unit is 'gru' there and 'lstm' here; pretrain one that is alike"
    )
    with pytest.raises(ValueError, match=message):
        load_first_stages(
            HRIN(hidden_size=4, num_layers=1, unit="lstm", conv_unit=True), tmp_path / "model.json"
        )
    with pytest.raises(ValueError, match="network is 'HRIN' there and 'SinglePath' here"):
        load_first_stages(SinglePath(hidden_size=4), tmp_path / "model.json")


# YAML


@pytest.mark.parametrize("path", sorted((RECIPE / "hparams").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_hyperparameter_file_is_complete(path, tmp_path):
    with open(path, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, {"results_folder": str(tmp_path)})
    assert hparams["output_folder"] == f"{tmp_path}/{path.stem}/seed_0"
    assert hparams["model"].taxonomy == hparams["objective"].taxonomy == hparams["taxonomy"]
    assert hparams["taxonomy"].levels[0] == MUSIC_LOUDNESS.levels[0]
    with open(ROOT / "recipes/OpenBMAT/hparams/hrin_cr.yaml", encoding="utf-8") as file:
        target = load_hyperpyyaml(file, {"results_folder": str(tmp_path)})
    assert hparams["model"].settings == target["model"].settings
    assert hparams["features"].settings == target["features"].settings


def test_music_and_speech_is_the_larger_file_but_for_the_taxonomy():
    changed = differences("hrin_cr_music_speech", "hrin_cr", RECIPE / "hparams")
    assert changed and all("taxonomy/" in key for key in changed)


def test_the_finetuning_is_hrin_cr_but_for_the_start_and_the_share():
    changed = differences("hrin_cr_finetune", "hrin_cr")
    assert {key: value for key, value in changed.items() if not key.startswith("pretrainer/")} == {
        "train_share": 1.0
    }


def test_every_file_is_a_row_of_the_recipe_tests_with_existing_paths():
    with open(ROOT / "tests/recipes/SpeechMusic.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    hparams = [f"recipes/SpeechMusic/hparams/{path.name}" for path in (RECIPE / "hparams").glob("*.yaml")]
    assert sorted(row["Hparam_file"] for row in rows) == sorted(hparams)
    for row in rows:
        for column in ("Script_file", "Hparam_file", "Data_prep_file", "Readme_file"):
            assert (ROOT / row[column]).is_file()


# Training


@pytest.fixture(scope="module")
def speechmusic_train():
    """The recipe's train.py; another recipe's goes by the same name."""
    spec = importlib.util.spec_from_file_location("speechmusic_train", RECIPE / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    synthesise_corpus(folder, n_recordings=5, seconds=1.0)
    return folder


@pytest.fixture
def keep_excepthook(monkeypatch):
    # SpeechBrain takes the excepthook over.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


SMALL = ["--example_s=2.0", "--number_of_epochs=1", "--device=cpu"]


def test_pretraining_takes_the_two_class_taxonomy_and_goes_on_where_it_stopped(
    speechmusic_train, corpus, tmp_path, keep_excepthook
):
    words = ["hparams/hrin_cr_music_speech.yaml", f"--results_folder={tmp_path}", f"--data_folder={corpus}"]
    words += [*SMALL, "--noprogressbar"]
    speechmusic_train.main(words)
    folder = tmp_path / "hrin_cr_music_speech/seed_0"
    model = load_pretrained(folder / "pretrained")
    assert model.network.taxonomy.levels[1] == ("speech", "music")
    scores = json.loads((folder / "results.json").read_text())["scores"]
    assert list(scores["mrle"]["segment"]["classes"]) == ["speech", "music"]
    speechmusic_train.main(words)
    assert len((folder / "train_log.txt").read_text().splitlines()) == 1
    with pytest.raises(SystemExit) as stop:
        speechmusic_train.main([*words, "--lr=0.5"])
    assert stop.value.code == 1


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "--data_folder=nowhere",
            "nowhere: there is no folder speech and no folder noise and no folder music",
        ),
        ("--segment_s=0", "segment_s is 0; give a number above 0"),
        ("--no_such_setting=1", "no_such_setting"),
    ],
)
def test_bad_settings_end_with_one_sentence(speechmusic_train, tmp_path, keep_excepthook, word, message):
    (tmp_path / "corpus").mkdir()
    words = ["hparams/hrin_cr.yaml", f"--results_folder={tmp_path}", word]
    if "data_folder" not in word:
        words.append(f"--data_folder={tmp_path}/corpus")
    with pytest.raises(SystemExit) as stop:
        speechmusic_train.main(words)
    assert message in str(stop.value)


@pytest.fixture(scope="module")
def compared(speechmusic_train, corpus, miniature, tmp_path_factory):
    """A whole comparison of one share and one seed, trained in this process, and its command line."""
    folder = tmp_path_factory.mktemp("transfer")
    argv = [f"--corpus={corpus}", f"--data_folder={miniature}", f"--results_folder={folder}"]
    argv += [
        "--shares=0.5",
        "--seeds=1",
        "--epochs=1",
        f"--pretraining={' '.join(SMALL)}",
        "--training=--device=cpu",
    ]
    options = compare_transfer.parse_arguments(argv)
    hook = sys.excepthook
    try:
        script, *words = compare_transfer.command_words(compare_transfer.PRETRAINING, options)
        assert script == str(RECIPE / "train.py")
        speechmusic_train.main(words)
        for arm in ("scratch", "pretrained"):
            script, *words = compare_transfer.command_words(
                compare_transfer.TransferRun(arm, 0.5, 1), options
            )
            assert script == str(ROOT / "recipes/OpenBMAT/train.py")
            openbmat_train.main(words)
    finally:
        sys.excepthook = hook
    return folder, argv


def losses_of(folder):
    line = (folder / "train_log.txt").read_text().splitlines()[0]
    return float(line.split("valid loss: ")[1].split(",")[0])


def test_a_finished_comparison_is_reported_without_training(compared, capsys, monkeypatch):
    folder, argv = compared
    monkeypatch.setattr(compare_transfer.LocalEngine, "start", lambda *_: pytest.fail("a run was started"))
    assert compare_transfer.main(argv) == 0
    table = capsys.readouterr().out
    assert "| 50 % | without pretraining |" in table and "| 50 % | with pretraining |" in table
    assert (folder / "transfer.md").read_text() in table
    assert (folder / "transfer.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (folder / "transfer.svg").read_text()


def test_the_pretrained_arm_starts_from_what_was_learnt_on_its_share(compared, monkeypatch, keep_excepthook):
    """The weights before the first step, as the training loop is given them."""
    folder, argv = compared
    options = compare_transfer.parse_arguments(argv)
    starts = {}

    class Stop(Exception):
        """Ends a run before its first step."""

    def look(self, counter, train_set, valid_set, **_):
        state = {name: value.clone() for name, value in self.modules.model.state_dict().items()}
        starts[arm] = state, set(train_set.data_ids), len(valid_set)
        raise Stop

    monkeypatch.setattr(openbmat_train.HRINBrain, "fit", look)
    for arm in ("scratch", "pretrained"):
        run = compare_transfer.TransferRun(arm, 0.5, 1)
        _, *words = compare_transfer.command_words(run, options)
        elsewhere = str(run.folder(folder)), f"{folder}/look_{arm}"
        with pytest.raises(Stop):
            openbmat_train.main([word.replace(*elsewhere) for word in words])
    trained = load_pretrained(folder / "pretraining/pretrained").network.state_dict()
    (scratch, names, n_valid), (pretrained, same_names, _) = starts["scratch"], starts["pretrained"]
    assert names == same_names and len(names) == 8 and n_valid == 2
    for name, value in pretrained.items():
        fresh = name.startswith("heads.layers.1.")
        assert torch.equal(value, scratch[name] if fresh else trained[name]), name
    assert not torch.equal(scratch["recurrent_1.rnn.weight_hh_l0"], trained["recurrent_1.rnn.weight_hh_l0"])


def test_shares_are_nested_and_seeded(miniature, tmp_path):
    from speechbrain.dataio.dataset import DynamicItemDataset

    dataset = DynamicItemDataset({f"r{number}": {"wav": f"{number}.wav"} for number in range(40)})
    taken = {
        share: openbmat_train.take_share(dataset, share, seed=3).data_ids for share in (0.01, 0.1, 0.3, 1)
    }
    assert [len(names) for names in taken.values()] == [1, 4, 12, 40]
    assert set(taken[0.01]) < set(taken[0.1]) < set(taken[0.3]) < set(taken[1])
    assert openbmat_train.take_share(dataset, 0.3, seed=4).data_ids != taken[0.3]
    assert openbmat_train.take_share(dataset, 0.3, seed=3).data_ids == taken[0.3]
    for share in (0, -0.5, 1.5):
        with pytest.raises(ValueError, match=f"train_share is {share}; use a number above 0, 1 at most"):
            openbmat_train.take_share(dataset, share, seed=0)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--pretrained_folder=nowhere", "nowhere: there is no such folder; give the 'pretrained' folder"),
        ("--pretrained_folder=.", "holds no model.json; give the 'pretrained' folder of a finished training"),
        ("--train_share=2", "train_share is 2; use a number above 0, 1 at most"),
    ],
)
def test_a_bad_start_ends_with_one_sentence(miniature, tmp_path, keep_excepthook, option, message):
    words = [f"--data_folder={miniature}", f"--prepared_folder={miniature.parent / 'prepared'}"]
    with pytest.raises(SystemExit) as stop:
        openbmat_train.main(
            ["hparams/hrin_cr_finetune.yaml", *words, f"--output_folder={tmp_path}/run", option]
        )
    assert message in str(stop.value)


# Comparison


def test_means_and_deviations_are_those_of_numpy(tmp_path):
    rng = np.random.default_rng(0)
    runs = [
        compare_transfer.TransferRun(arm, share, seed)
        for seed in range(3)
        for share in (0.1, 1.0)
        for arm in ("scratch", "pretrained")
    ]
    expected = {}
    for run in runs:
        values = rng.uniform(0, 1, 4)
        expected.setdefault((run.share, run.arm), []).append(values)
        scores = {
            task: {
                "segment": {"accuracy": accuracy},
                "event": {"500ms_onset": {"macro_f_measure": f_measure}},
            }
            for task, accuracy, f_measure in (("md", *values[:2]), ("mrle", *values[2:]))
        }
        run.folder(tmp_path).mkdir(parents=True)
        (run.folder(tmp_path) / "results.json").write_text(json.dumps({"scores": scores}))
    scores = read_scores(runs, tmp_path)
    lines = format_table(scores).splitlines()
    assert lines[0] == "| recordings | start | MD accuracy | MD event F | MRLE accuracy | MRLE event F |"
    assert [line.split(" | ")[:2] for line in lines[2:]] == [
        ["| 10 %", "without pretraining"],
        ["| 10 %", "with pretraining"],
        ["| 100 %", "without pretraining"],
        ["| 100 %", "with pretraining"],
    ]
    for line, key in zip(lines[2:], sorted(expected, key=lambda key: (key[0], key[1] == "pretrained"))):
        cells = [tuple(map(float, cell.split(" ± "))) for cell in line.strip("| ").split(" | ")[2:]]
        means, deviations = np.mean(expected[key], axis=0), np.std(expected[key], axis=0, ddof=1)
        assert np.allclose(cells, np.stack([means, deviations], axis=1), atol=6e-5)
    first = [path.read_bytes() for path in save_comparison(tmp_path, scores)]
    assert [path.read_bytes() for path in save_comparison(tmp_path, scores)] == first


def test_an_absent_score_is_left_out_of_the_table():
    cells = {name: [] if name == "MD event F" else [0.5] for name, *_ in COLUMNS}
    assert format_table({("scratch", 0.3): cells}).splitlines()[2] == (
        "| 30 % | without pretraining | 0.5000 | - | 0.5000 | 0.5000 |"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shares=0.1,2"], "--shares: use numbers above 0, 1 at most"),
        (["--epochs=1,2"], "--epochs: give one number, or one for each share"),
        (["--seeds=2-1"], "--seeds: '2-1': the range 2-1 runs backwards"),
        (["--jobs=0"], "--jobs: use 1 or more"),
    ],
)
def test_bad_options_are_refused(words, message, capsys):
    with pytest.raises(SystemExit):
        compare_transfer.parse_arguments(words)
    assert message in capsys.readouterr().err


def test_an_unknown_option_is_refused_before_anything_starts(tmp_path, capsys):
    argv = [f"--corpus={tmp_path}", f"--results_folder={tmp_path}/out", "--shares=1"]
    assert compare_transfer.main([*argv, "--pretraining=--no_such_option=1"]) == 2
    assert "no_such_option" in capsys.readouterr().err


def test_a_failed_pretraining_is_reported_and_stops_the_rest(tmp_path, capsys, monkeypatch):
    start = compare_transfer.LocalEngine.start
    code = [sys.executable, "-c", "raise SystemExit('no space left')"]
    monkeypatch.setattr(
        compare_transfer.LocalEngine, "start", lambda self, _, log, slot: start(self, code, log, slot)
    )
    assert compare_transfer.main([f"--results_folder={tmp_path}/out"]) == 1
    said = capsys.readouterr().err
    assert "FAILED: pretraining seed 0: exit status 1" in said and "no space left" in said
    assert "The same command tries again what failed." in said and "scratch" not in said


def test_another_pretraining_in_the_same_folder_is_refused(compared, capsys):
    _, argv = compared
    assert compare_transfer.main([*argv, "--pretraining=--number_of_epochs=3"]) == 2
    assert "number_of_epochs was 1, is now 3" in capsys.readouterr().err
