"""MusicDetector: one result however a recording arrives, and no model that runs code unasked."""

import importlib.util
import json
import logging
import shutil

import huggingface_hub
import numpy as np
import pytest
import soundfile
import torch
from huggingface_hub.utils import filter_repo_objects
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.audio.signals import AudioError
from hrin_plugin.decoding.decoders import decode_events
from hrin_plugin.decoding.methods import Decoding, write_decoding
from hrin_plugin.detection import TASKS
from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.pretrained import sources as trust
from hrin_plugin.pretrained.folder import save_pretrained
from hrin_plugin.taxonomy import Taxonomy
from oracles import recognise

RATE = 8000
THRESHOLD = Decoding("threshold")


def sound(n_samples, seed=0):
    """Noise whose level changes every second."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(10 ** rng.uniform(-3, -0.5, n_samples // RATE + 1), RATE)[:n_samples]
    return (rng.uniform(-1, 1, n_samples) * levels).astype(np.float32)


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(hidden_size=6, num_layers=1)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("pretrained")
    save_pretrained(path, model)
    return path


@pytest.fixture
def own(folder, tmp_path):
    """A copy of the model's folder, to be spoilt."""
    return shutil.copytree(folder, tmp_path / "model")


@pytest.fixture(scope="module")
def detector(folder):
    return load(folder)


def load(source, **options):
    return MusicDetector.from_hparams(source, **{"backend": "torch", "run_opts": {"device": "cpu"}} | options)


def assert_same(detection, other):
    assert detection.duration_s == other.duration_s
    assert detection.events == other.events


# One result however a recording arrives.


def test_a_short_recording_is_one_pass(detector, model):
    wav = sound(10 * RATE)
    probabilities, events = recognise(model, wav)
    (found,) = detector.detect_batch(wav[None], probabilities=True)
    assert list(found.events.values()) == list(events)
    assert len(found.events["md"]) > 4
    for task, expected in zip(TASKS, probabilities):
        np.testing.assert_array_equal(found.probabilities[task], expected)
        np.testing.assert_array_equal(detector.probabilities(wav)[task], expected)


def test_events_are_those_of_the_decoding(folder, model):
    decoding = Decoding("median", median_s=0.3, min_event_s=0.1)
    detector, wav = load(folder, decoding=decoding), sound(10 * RATE)
    probabilities, _ = recognise(model, wav)
    expected = decode_events(decoding, probabilities, detector.taxonomy, detector.grid, 10.0)
    (found,) = detector.detect_batch(wav[None])
    assert found.events == dict(zip(TASKS, expected))


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "long é.wav"
    soundfile.write(path, sound(130 * RATE), RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def of_the_file(detector, long_recording):
    return detector.detect_file(long_recording)


def test_a_file_has_its_name_and_length(of_the_file):
    assert of_the_file.name == "long é"
    assert of_the_file.duration_s == 130.0
    assert of_the_file.probabilities is None
    assert all(len(events) > 30 for events in of_the_file.events.values())


@settings(max_examples=3, deadline=None)
@given(places=st.lists(st.integers(0, 130 * RATE), max_size=6), dtype=st.sampled_from(["int16", "float64"]))
def test_a_stream_has_the_events_of_the_file(detector, long_recording, of_the_file, places, dtype):
    wav, _ = soundfile.read(long_recording, dtype=dtype)
    blocks = map(torch.from_numpy, np.split(wav, sorted(places)))
    found = list(detector.detect_stream(blocks, RATE))
    for task, events in of_the_file.events.items():
        assert sorted(
            (event for of, event in found if of == task), key=lambda e: (e.onset_s, e.label)
        ) == sorted(events, key=lambda e: (e.onset_s, e.label))


@pytest.mark.parametrize("n_channels", [1, 2])
def test_events_come_within_the_delay(detector, n_channels):
    consumed_s = 0.0
    wav = sound(130 * RATE)

    def live():
        nonlocal consumed_s
        for block in np.split(np.stack([wav] * n_channels, axis=1), 260):
            consumed_s += 0.5
            yield block

    delays_s = [consumed_s - event.offset_s for _, event in detector.detect_stream(live(), RATE)]
    assert 30 < max(delays_s) <= detector.delay_s + 0.5


def test_a_batch_gives_each_recording_as_alone(detector):
    lengths = [3 * RATE, 2 * RATE, 1999]
    alone = [detector.detect_batch(sound(n, seed=n)[None])[0] for n in lengths]
    padded = torch.full((3, 3 * RATE), 0.9)
    for row, n in zip(padded, lengths):
        row[:n] = torch.from_numpy(sound(n, seed=n))
    lens = torch.tensor(lengths) / (3 * RATE)
    together = detector.detect_batch(padded, lens)
    assert [found.name for found in together] == ["0", "1", "2"]
    for one, other in zip(alone, together):
        assert_same(one, other)
    for one, other in zip(together, detector(padded, lens)):
        assert_same(one, other)


def test_the_progress_goes_up_to_the_end(detector, long_recording):
    told = []
    detector.detect_file(long_recording, progress=lambda *seconds: told.append(seconds))
    done_s, lengths_s = zip(*told)
    assert len(told) > 2 and list(done_s) == sorted(done_s) and done_s[-1] == 130.0
    assert set(lengths_s) == {130.0}


# Sound of any kind.


KINDS = {
    "float64": lambda wav: wav.astype(np.float64),
    "int16": lambda wav: np.round(wav * 32768).astype(np.int16),
    "int32": lambda wav: np.round(wav.astype(np.float64) * 2**31).astype(np.int32),
    "tensor": torch.from_numpy,
    "tensor with a gradient": lambda wav: torch.from_numpy(wav).requires_grad_(),
    "float64 tensor": lambda wav: torch.from_numpy(wav).double(),
    "three channels": lambda wav: np.stack([wav] * 3, axis=1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_type_of_samples_gives_the_same(detector, kind):
    wav = (np.round(sound(3 * RATE) * 32768) / 32768).astype(np.float32)
    expected = detector.probabilities(wav)
    for task, found in detector.probabilities(KINDS[kind](wav)).items():
        np.testing.assert_allclose(found, expected[task], atol=1e-4)


@pytest.mark.parametrize("sample_rate", [4000, 22050, 44100, 192000])
def test_any_rate_gives_the_same_times(detector, sample_rate):
    n_samples = int(2.5 * sample_rate)
    (found,) = detector.detect_batch(sound(n_samples)[None], sample_rate=sample_rate, probabilities=True)
    assert found.duration_s == 2.5
    assert len(found.probabilities["md"]) == detector.grid.frame_count(20000)
    assert max(event.offset_s for event in found.events["md"]) <= 2.5


SIGNALS = {
    "silence": np.zeros(RATE, np.float32),
    "a constant": np.full(RATE, 0.5, np.float32),
    "clipped sound": np.clip(sound(RATE) * 100, -1, 1),
    "sound far beyond full scale": sound(RATE) * np.float32(1e6),
    "the shortest frame": sound(257),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_odd_sound_has_probabilities(detector, name):
    (found,) = detector.detect_batch(SIGNALS[name][None], probabilities=True)
    for frames in found.probabilities.values():
        assert np.isfinite(frames).all() and (frames >= 0).all() and (frames <= 1).all()


@pytest.mark.parametrize("n_samples", [0, 1, 256])
def test_too_short_sound_is_refused(detector, n_samples):
    with pytest.raises(ValueError, match=f"a recording of {n_samples} samples is too short"):
        detector.probabilities(np.zeros(n_samples, np.float32))
    with pytest.raises(ValueError, match="recording 0 of the batch: .*too short"):
        detector.detect_batch(np.zeros((1, n_samples), np.float32))
    with pytest.raises(ValueError, match="too short"):
        list(detector.detect_stream([np.zeros(n_samples, np.float32)], RATE))


def test_a_stream_without_a_block_is_refused(detector):
    with pytest.raises(ValueError, match="a recording of 0 samples is too short"):
        list(detector.detect_stream([], RATE))


def test_too_short_files_are_named(detector, tmp_path):
    soundfile.write(tmp_path / "blip.wav", np.zeros(100), RATE)
    with pytest.raises(AudioError, match="blip.wav: a recording of 100 samples is too short"):
        detector.detect_file(tmp_path / "blip.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(detector, value):
    wavs = np.zeros((2, RATE), np.float32)
    wavs[1, 4000] = value
    with pytest.raises(ValueError, match="recording 1 of the batch: the sample at 0.500 s is not a finite"):
        detector.detect_batch(wavs)


@pytest.mark.parametrize("wavs", [np.zeros(RATE), np.zeros((1, 1, 1, RATE)), [0.0], None])
def test_what_is_no_batch_is_refused(detector, wavs):
    with pytest.raises(ValueError, match=r"\[batch, time\] or \[batch, time, channel\]"):
        detector.detect_batch(wavs)


@pytest.mark.parametrize("lens", [[1.0], [1.0, 1.5], [1.0, 0.0], [1.0, float("nan")]])
def test_lengths_that_do_not_fit_are_refused(detector, lens):
    with pytest.raises(ValueError, match="give 2 lengths relative to the longest"):
        detector.detect_batch(np.zeros((2, RATE)), lens)


# Where models come from.


def test_without_a_name_it_is_the_model_of_the_package(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(trust.resources, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match="holds no model; name one"):
        load(None)
    shutil.copytree(folder, tmp_path / trust.SHIPPED_MODEL)
    assert load(None).model.network.settings["hidden_size"] == 6


@pytest.mark.parametrize(
    "name", ["pretrained", "results/hrin/pretrained", "./here/there", "owner/..", "/no/where"]
)
def test_a_mistyped_folder_is_not_looked_for_on_the_hub(name, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("was fetched"))
    with pytest.raises(ValueError, match=f"{name}: there is no such folder"):
        load(name)


@pytest.fixture
def hub(own, monkeypatch):
    """A Hugging Face repository with code beside the model; what is fetched of it lies in a cache."""
    (own / "custom.py").write_text("raise SystemExit")
    (own / "pytorch_model.bin").write_bytes(b"a pickle")
    cache = own.parent / "cache"

    def snapshot_download(name, revision, allow_patterns, local_dir):
        if name != "owner/model":
            raise huggingface_hub.errors.LocalEntryNotFoundError("no such repository")
        cache.mkdir()
        names = [path.name for path in own.iterdir()]
        for each in filter_repo_objects(names, allow_patterns=allow_patterns):
            shutil.copy(own / each, cache)
        return str(cache)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return cache


def test_a_model_of_the_hub_is_data_alone(hub):
    assert load("owner/model").model.network.settings["hidden_size"] == 6
    assert sorted(path.name for path in hub.iterdir()) == ["model.json", "model.safetensors"]


def test_what_cannot_be_fetched_is_named(hub):
    with pytest.raises(ValueError, match="owner/other: .*cannot be fetched .*no such repository"):
        load("owner/other")


def test_the_decoding_beside_the_model_is_taken(own):
    assert load(own).decoding == THRESHOLD
    write_decoding(own / "decoding.json", Decoding("median", median_s=2.0))
    assert load(own).decoding == Decoding("median", median_s=2.0)
    assert load(own, decoding=Decoding("argmax")).decoding.method == "argmax"


def test_a_decoding_may_be_set_and_is_checked(folder):
    detector = load(folder, decoding={"method": "argmax"})
    assert detector.decoding == Decoding("argmax")
    with pytest.raises(ValueError, match="jazz"):
        detector.decoding = Decoding("threshold", thresholds={"jazz": 0.4})
    assert detector.decoding == Decoding("argmax")


def test_a_damaged_decoding_is_refused(own):
    (own / "decoding.json").write_text('{"method": "magic"}')
    with pytest.raises(ValueError, match="decoding.json: method is 'magic'"):
        load(own)


@pytest.mark.parametrize(
    ("class_name", "message"),
    [
        ("os.system", "would import the module os and run its code; pass run_code=True"),
        ("torch.nn.Linear", "would import the module torch.nn and run its code; pass run_code=True"),
        ("../../../evil", "cannot be loaded: its network's class is '../../../evil', which names no class"),
        ("!apply:os.system", "cannot be loaded: its network's class is '!apply:os.system', which names no"),
    ],
)
def test_a_folder_cannot_name_a_class_of_its_own(own, class_name, message):
    settings = json.loads((own / "model.json").read_text())
    settings["network"]["class"] = class_name
    (own / "model.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=message):
        load(own)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors", "decoding.json"])
def test_a_file_that_leads_out_of_the_folder_is_refused(own, name):
    outside = own.parent / f"outside-{name}"
    outside.write_text((own / name).read_bytes().hex() if (own / name).exists() else "{}")
    (own / name).unlink(missing_ok=True)
    (own / name).symlink_to(f"../{outside.name}")
    with pytest.raises(ValueError, match=f"{name}: is a link out of its folder"):
        load(own)


PROGRAM = """
decoding:
    method: argmax
touched: !apply:pathlib.Path.touch
    - !new:pathlib.Path
        - {marker}
features: !new:hrin_plugin.features.LogMel
statistics: !new:hrin_plugin.features.BandStatistics
    n_bands: 128
network: !new:hrin_plugin.networks.HRIN
    hidden_size: 4
    num_layers: 1
modules:
    features: !ref <features>
    statistics: !ref <statistics>
    network: !ref <network>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
"""


@pytest.fixture
def program(tmp_path):
    """A folder whose hyperparameters make a file when they are loaded."""
    (tmp_path / "program").mkdir()
    path = tmp_path / "program" / "hyperparams.yaml"
    path.write_text(PROGRAM.replace("{marker}", str(tmp_path / "marker")))
    return path


def test_a_program_is_refused_with_all_that_it_would_run(program):
    with pytest.raises(ValueError, match="run_code=True") as refusal:
        load(program.parent)
    for target in (
        "line 4: !apply:pathlib.Path.touch",
        "line 5: !new:pathlib.Path",
        "line 7: !new:hrin_plugin.features.LogMel",
        "line 17: !new:speechbrain.utils.parameter_transfer.Pretrainer",
    ):
        assert target in str(refusal.value)
    assert "!ref" not in str(refusal.value)
    assert not (program.parents[1] / "marker").exists()


def test_a_program_runs_where_that_is_asked_for(program, caplog):
    with caplog.at_level(logging.WARNING, "hrin_plugin"):
        detector = load(program.parent, run_code=True, overrides={"decoding": {"method": "median"}})
    assert (program.parents[1] / "marker").exists()
    assert "runs code: line 4: !apply:pathlib.Path.touch" in caplog.text
    assert detector.decoding.method == "median"
    assert detector.probabilities(sound(RATE))["mrle"].shape == (63, 3)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("x: !!python/object/apply:os.system ['touch {marker}']", "python/object/apply:os.system"),
        ("%TAG !e! !apply:\n---\nx: !e!os.system ['touch {marker}']", "!apply:os.system"),
        ("x: !include:other.yaml", "!include:other.yaml"),
        ("x: !name:os.system", "!name:os.system"),
        ("x: !module:os", "!module:os"),
        ("x: !applyref:os.system ['touch {marker}']", "!applyref:os.system"),
        ("a: &a [1]\nx: [*a, {y: !new:os.system ['touch {marker}']}]", "line 2: !new:os.system"),
        ("!apply:os.system ['touch {marker}']", "!apply:os.system"),
        ("x: !unheard:of 1", "!unheard:of"),
    ],
)
def test_no_way_to_run_code_passes(program, text, target):
    program.write_text(text.replace("{marker}", str(program.parents[1] / "marker")))
    with pytest.raises(ValueError, match="is a program") as refusal:
        load(program.parent)
    assert target in str(refusal.value)
    assert not (program.parents[1] / "marker").exists()


def test_a_program_that_is_not_yaml_is_refused(program):
    program.write_text("x: [1")
    with pytest.raises(ValueError, match="hyperparams.yaml: is not YAML"):
        load(program.parent, run_code=True)


def test_data_goes_before_a_program(own, program):
    shutil.copy(program, own)
    assert load(own, run_code=True).model.network.settings["hidden_size"] == 6
    assert not (program.parents[1] / "marker").exists()


def test_options_of_a_program_are_refused_for_data(folder):
    with pytest.raises(ValueError, match="overrides: only a hyperparams.yaml"):
        load(folder, overrides={"x": 1})


# What a model must have.


@pytest.mark.parametrize("name", ["features", "statistics", "network"])
def test_a_missing_module_is_named(model, name):
    modules = {key: module for key, module in model._asdict().items() if key != name}
    with pytest.raises(ValueError, match=f"has no module '{name}'"):
        MusicDetector(modules, {"decoding": THRESHOLD})


def test_a_missing_hparam_is_named(model):
    with pytest.raises(ValueError, match="has no hparam 'decoding'"):
        MusicDetector(model._asdict(), {})


@pytest.mark.parametrize("name", ["features", "statistics"])
def test_a_module_of_another_class_is_refused(model, name):
    with pytest.raises(ValueError, match=f"{name} are a Linear, not"):
        MusicDetector(model._asdict() | {name: torch.nn.Linear(1, 1)}, {"decoding": THRESHOLD})


def test_a_network_without_a_taxonomy_is_refused(model):
    with pytest.raises(ValueError, match="a Linear, has no taxonomy"):
        MusicDetector(model._asdict() | {"network": torch.nn.Linear(1, 1)}, {"decoding": THRESHOLD})


def test_a_taxonomy_of_three_levels_is_refused(model):
    network = torch.nn.Linear(1, 1)
    network.taxonomy = Taxonomy([["a"], ["b"], ["c"]], [{"b": "a"}, {"c": "b"}])
    with pytest.raises(ValueError, match="two levels; this taxonomy has 3"):
        MusicDetector(model._asdict() | {"network": network}, {"decoding": THRESHOLD})


# Backends.


def test_onnx_gives_the_probabilities_of_torch(folder, detector, long_recording):
    onnx = load(folder, backend="onnx")
    assert onnx.backend == "onnx" and detector.backend == "torch"
    wav = sound(70 * RATE)
    for task, frames in onnx.probabilities(wav).items():
        np.testing.assert_allclose(frames, detector.probabilities(wav)[task], atol=1e-4)


def test_onnx_is_chosen_where_it_is_installed(folder, monkeypatch):
    assert load(folder, backend="auto").backend == "onnx"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert load(folder, backend="auto").backend == "torch"
    with pytest.raises(ValueError, match="backend 'onnx' cannot be had: .*pip install"):
        load(folder, backend="onnx")


def test_an_unknown_backend_is_refused(folder):
    with pytest.raises(ValueError, match="backend is 'jax'; use one of auto, torch, onnx"):
        load(folder, backend="jax")
