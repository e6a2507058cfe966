"""Kept probabilities are small, decide as the network's own do, and are whole or refused."""

import json
import tracemalloc
import zipfile

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from hrin_plugin.decoding.coding import dequantise, largest_error, pack, quantise, unpack
from hrin_plugin.decoding.decoders import decode_events
from hrin_plugin.decoding.keeping import BLOCK_FRAMES, KeptHeader, keeping
from hrin_plugin.decoding.kept import read_kept
from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.decoding.smoothing import LEAST_PROBABILITY
from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.pretrained.folder import load_pretrained
from hrin_plugin.pretrained.rehearsal import SHIPPED_REHEARSAL, load_rehearsal
from hrin_plugin.pretrained.sources import SHIPPED_MODEL
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.timing import FrameGrid

GRID = FrameGrid(8000, 512)
HEADER = KeptHeader(MUSIC_LOUDNESS, GRID, Decoding("argmax"), "0123456789abcdef")
RATE = 8000
DAY_S = 86_400.0

DECODINGS = [
    Decoding("viterbi", switching_cost_s=8.0, offsets={"fg-music": 0.5}),
    Decoding("viterbi", switching_cost_s=0.5),
    Decoding("argmax"),
    Decoding("threshold"),
    Decoding("threshold", thresholds={"fg-music": 0.37, "bg-music": 0.8}),
    Decoding("threshold", offsets={"fg-music": 2.0, "music": -1.3}),
    Decoding("median", thresholds=0.4),
    Decoding("argmax", min_event_s=2.0),
]


def write(path, levels, header=HEADER, duration_s=None):
    """Keep probabilities that come in pieces of odd lengths, with a second of sound now and then."""
    with keeping(path, header) as writer:
        for begin in range(0, len(levels[0]), 777):
            writer.push([level[begin : begin + 777] for level in levels])
            writer.hear(-30.0, 2.0)
        writer.finish(duration_s or header.grid.time_of(len(levels[0])), ["from 1 s to 2 s: lost"])
    return read_kept(path)


@pytest.fixture(scope="module")
def real():
    """What the shipped model says of real music, speech and noise, ``[frame, class]`` of each level."""
    folder = SHIPPED_REHEARSAL.parents[2] / SHIPPED_MODEL
    model, excerpts = load_pretrained(folder), load_rehearsal(folder)
    levels = []
    with torch.inference_mode():
        for frames in excerpts.frames.split(16):
            outputs = model.network.eval()(model.statistics(frames))
            levels.append([torch.sigmoid(level).flatten(0, 1).numpy() for level in outputs])
    return [np.concatenate(level) for level in zip(*levels)]


def active(events, labels, n_frames):
    """Which classes are there in each frame, ``[frame, class]``."""
    frames = np.zeros((n_frames, len(labels)), bool)
    for event in events:
        frames[GRID.frame_at(event.onset_s) : GRID.frame_at(event.offset_s), labels.index(event.label)] = True
    return frames


# The coding


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_log_odds_differ_by_half_a_step_at_most(probabilities):
    trusted = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    back = dequantise(quantise(np.array(probabilities)))
    for before, after in zip(trusted, back.astype(float)):
        rounding = 6e-8 / (after * (1 - after))  # of float32
        assert abs(logit(before) - logit(after)) <= largest_error(logit(before)) + rounding
        assert (before >= 0.5) == (after >= 0.5)


@given(st.integers(1, 6), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_a_block_comes_back_as_it_was(n_classes, n_frames, seed):
    most = int(quantise(np.array(1.0)))
    steps = np.random.default_rng(seed).integers(-most - 1, most + 1, (n_frames, n_classes)).astype(np.int16)
    assert np.array_equal(unpack(pack(steps), n_classes), steps)


def test_order_is_kept():
    steps = quantise(np.linspace(0, 1, 10_001))
    assert (np.diff(steps) >= 0).all() and (np.diff(dequantise(steps)) >= 0).all()


# Real sound


@pytest.mark.parametrize("decoding", DECODINGS, ids=str)
def test_what_is_kept_of_real_sound_decides_as_the_network_in_9999_of_10000_frames(real, decoding, tmp_path):
    kept = write(tmp_path / "a.probs", real)
    n_frames = len(real[0])
    own = decode_events(decoding, real, MUSIC_LOUDNESS, GRID, kept.duration_s)
    again = kept.detect(Decoding.from_dict(decoding.to_dict() | {"silence_gate_db": None})).events
    for events, (name, labels) in zip(own, MUSIC_LOUDNESS.labels.items()):
        assert len({event.label for event in events}) == len(labels)
        differ = active(events, labels, n_frames) != active(again[name], labels, n_frames)
        assert differ.any(axis=1).mean() <= 1e-4


def test_a_day_of_real_sound_takes_less_than_15_mb(real, tmp_path):
    kept = write(tmp_path / "a.probs", real)
    assert kept.n_frames > 10_000
    assert (tmp_path / "a.probs").stat().st_size * DAY_S / kept.duration_s < 15e6


def test_memory_does_not_grow_with_length(tmp_path):
    peaks = []
    for n_blocks in (2, 12):
        tracemalloc.start()
        with keeping(tmp_path / "a.probs", HEADER) as writer:
            for seed in range(n_blocks):
                rng = np.random.default_rng(seed)
                writer.push([rng.random((BLOCK_FRAMES, size), np.float32) for size in (2, 3)])
            writer.finish(GRID.time_of(n_blocks * BLOCK_FRAMES))
        for _ in read_kept(tmp_path / "a.probs").pieces(Decoding()):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


# Detection and decision


@pytest.fixture
def recording(tmp_path):
    """Noise that is loud, faint, silent and loud again, of 40 s."""
    noise = np.random.default_rng(0).standard_normal(40 * RATE)
    levels = np.repeat([0.3, 1e-3, 1e-5, 0.0, 0.1], 8 * RATE)
    soundfile.write(tmp_path / "a.wav", noise * levels, RATE, subtype="FLOAT")
    return tmp_path / "a.wav"


@pytest.fixture
def detector(make_model):
    """A detector that has learnt nothing, so that it changes its mind often."""
    model = make_model(hidden_size=4, num_layers=1)
    decoding = {"decoding": Decoding("viterbi", switching_cost_s=0.2)}
    return MusicDetector(model._asdict(), decoding, run_opts={"device": "cpu"})


@pytest.mark.parametrize("gate_db", [None, -120.0, -80.0, -30.0])
@pytest.mark.parametrize("first_db", [None, -80.0])
def test_deciding_again_gives_what_detection_gives_with_any_gate(detector, recording, gate_db, first_db):
    path = recording.with_suffix(".probs")
    detector.decoding = detector.decoding.changed({"silence_gate_db": first_db})
    detector.detect_file(recording, keep=path)
    other = detector.decoding.changed({"silence_gate_db": gate_db})
    detector.decoding = other
    direct = detector.detect_file(recording, probabilities=True)
    again = read_kept(path).detect(other, probabilities=True)
    for name, level in direct.probabilities.items():
        silent = (level == 0) | (level == 1)
        assert np.array_equal(silent, (again.probabilities[name] == 0) | (again.probabilities[name] == 1))
        np.testing.assert_allclose(again.probabilities[name], level, atol=2e-4)
    assert again.events == direct.events
    assert again.duration_s == direct.duration_s


def test_the_models_own_decisions_are_the_default(detector, recording):
    path = recording.with_suffix(".probs")
    direct = detector.detect_file(recording)
    detector.decoding = Decoding("argmax")
    detector.detect_file(recording, keep=path)
    assert read_kept(path).detect() == direct


def test_a_stream_is_kept_too(detector, recording):
    path = recording.with_suffix(".probs")
    samples = soundfile.read(recording, dtype="float32")[0]
    events = list(detector.detect_stream(np.array_split(samples, 100), RATE, keep=path))
    again = read_kept(path).detect()
    assert {event for level, event in events if level == "mrle"} == set(again.events["mrle"])
    assert again.duration_s == 40.0


def test_the_file_tells_model_version_grid_and_warnings(tmp_path):
    kept = write(tmp_path / "a.probs", [np.full((100, 2), 0.5), np.full((100, 3), 0.5)])
    assert kept.header == HEADER
    assert (kept.n_frames, kept.duration_s, kept.warnings) == (100, 6.4, ("from 1 s to 2 s: lost",))
    assert kept.detect().warnings == kept.warnings


def test_the_same_sound_gives_the_same_bytes(detector, recording, tmp_path):
    for name in ("1.probs", "2.probs"):
        detector.detect_file(recording, keep=tmp_path / name)
    assert (tmp_path / "1.probs").read_bytes() == (tmp_path / "2.probs").read_bytes()


def test_a_detection_that_fails_leaves_no_file(detector, tmp_path):
    soundfile.write(tmp_path / "short.wav", np.zeros(10), RATE)
    with pytest.raises(ValueError, match="short.wav"):
        detector.detect_file(tmp_path / "short.wav", keep=tmp_path / "short.probs")
    assert [path.name for path in tmp_path.iterdir()] == ["short.wav"]


# Damage


@pytest.fixture
def whole(tmp_path):
    rng = np.random.default_rng(0)
    levels = [rng.random((BLOCK_FRAMES + 100, size), np.float32) for size in (2, 3)]
    write(tmp_path / "a.probs", levels)
    return tmp_path / "a.probs"


def test_a_changed_byte_is_noticed_or_without_effect(whole):
    content, truth = whole.read_bytes(), read_kept(whole).detect()
    n_refused = 0
    for place in [*range(0, 1200, 7), *range(1200, len(content), len(content) // 150)]:
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        whole.write_bytes(changed)
        try:
            assert read_kept(whole).detect() == truth
        except ValueError as error:
            n_refused += 1
            assert str(error).startswith(f"{whole}: ") and "detect again" in str(error)
            assert "\n" not in str(error)
    assert n_refused > 200


def test_a_cut_file_is_refused(whole):
    content = whole.read_bytes()
    for end in (0, 1, 100, len(content) // 2, len(content) - 1):
        whole.write_bytes(content[:end])
        with pytest.raises(ValueError, match="a.probs: is damaged, or holds no kept probabilities"):
            read_kept(whole)


def rewritten(path, name, change):
    """Change the JSON of one part of a file."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    parts[name] = json.dumps(change(json.loads(parts[name]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in parts.items():
            archive.writestr(entry, content)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("header.json", {"version": 2}, "a.probs: has version 2, and only 1 is known; update hrin_plugin"),
        ("header.json", {"format": "other"}, "holds no kept probabilities"),
        ("header.json", {"taxonomy": {"levels": []}}, "holds no kept probabilities"),
        ("header.json", {"decoding": {"method": "magic"}}, "method is 'magic'"),
        ("header.json", {"grid": {"sample_rate": 8000}}, "is damaged"),
        ("end.json", {"frames": 0}, "it has no frames"),
        ("end.json", {"duration": float("nan")}, "is damaged"),
        ("end.json", {"frames": BLOCK_FRAMES + 101}, "block 1 has another length"),
        ("end.json", {"frames": 3 * BLOCK_FRAMES}, "no item named '000002.seconds'"),
    ],
)
def test_what_does_not_fit_is_refused(whole, name, changed, message):
    rewritten(whole, name, lambda content: content | changed)
    with pytest.raises(ValueError, match=message):
        read_kept(whole).detect()


def test_another_zip_and_a_missing_file_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.probs", "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(ValueError, match="a.probs: is damaged, or holds no kept probabilities"):
        read_kept(tmp_path / "a.probs")
    with pytest.raises(ValueError, match="none.probs: is not there; detect again with --keep-probabilities"):
        read_kept(tmp_path / "none.probs")
