"""Windows: the probabilities of one whole pass, however the signal comes, in flat memory."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.features import LogMel
from hrin_plugin.inference.windows import window_grid, window_probabilities
from hrin_plugin.networks.baselines import MMG
from hrin_plugin.networks.states import begin_network
from oracles import recognise

NETWORK = {"hidden_size": 6, "num_layers": 1}
SMALL = {"window_s": 4.0, "context_s": 1.0}
GRID = window_grid(LogMel(), **SMALL)
HOP = 128


def sound(n_samples, seed=0):
    """Noise whose level and colour change every half second."""
    rng = np.random.default_rng(seed)
    pieces = []
    for _ in range(n_samples // 4000 + 1):
        noise = rng.normal(0, 10 ** rng.uniform(-3, -1), 4001)
        pieces.append(np.diff(noise) if rng.random() < 0.5 else noise[1:])
    return np.concatenate(pieces)[:n_samples].astype(np.float32)


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(**NETWORK)


def by_windows(model, blocks, window_s=4.0, context_s=1.0, begin=None):
    """Probabilities of a signal in pieces, by the model's own network unless another is given."""
    begin = begin or partial(begin_network, model)
    n_block = getattr(model.network, "block_frames", 1)
    return window_probabilities(model.features, blocks, begin, window_s, context_s, n_block)


def joined(pieces):
    return [np.concatenate(level) for level in zip(*pieces)]


def frames_of(model, features, wav):
    """All frames of a signal as the network would get them, window by window."""

    def begin(context):
        return lambda frames, n_wanted: (frames[0, :n_wanted].numpy(),)

    (frames,) = joined(by_windows(model._replace(features=features), [wav], **SMALL, begin=begin))
    return frames


BORDERS = [
    GRID.window * HOP + GRID.stride * HOP * number + offset
    for number in (0, 1, 2)
    for offset in (-1, 0, 1, 127, 128, 255, 256, 257, 2 * GRID.context * HOP)
]


@pytest.mark.parametrize("n_samples", [257, 8000, *BORDERS])
def test_windows_have_the_features_of_the_whole_signal(model, n_samples):
    wav, features = sound(n_samples), LogMel(reference=1.0, floor_db=None)
    frames, whole = frames_of(model, features, wav), features(torch.from_numpy(wav)[None])[0].numpy()
    assert len(frames) == features.grid.frame_count(n_samples)
    np.testing.assert_allclose(frames, whole, atol=1e-3)


@pytest.mark.parametrize(("n_fft", "hop_length"), [(512, 512), (400, 160), (100, 128), (1024, 64)])
def test_any_frame_length_and_hop_has_the_features_of_the_whole_signal(model, n_fft, hop_length):
    wav = sound(70000)
    features = LogMel(n_fft=n_fft, hop_length=hop_length, n_mels=20, reference=1.0, floor_db=None)
    whole = features(torch.from_numpy(wav)[None])[0].numpy()
    np.testing.assert_allclose(frames_of(model, features, wav), whole, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(257, 80000), st.lists(st.integers(0, 80000), max_size=8))
def test_the_cut_into_blocks_changes_nothing(model, n_samples, places):
    wav = sound(n_samples)
    whole = joined(by_windows(model, [wav], **SMALL))
    parts = joined(by_windows(model, np.split(wav, sorted(places)), **SMALL))
    for level, other in zip(whole, parts):
        np.testing.assert_array_equal(level, other)


@pytest.mark.parametrize(("reference", "floor_db"), [(1.0, None), ("max", 80.0)])
@pytest.mark.parametrize("n_samples", [257, 5000, GRID.window * HOP - 1])
def test_what_fits_into_a_window_is_one_pass(n_samples, reference, floor_db, make_model):
    features, wav = LogMel(reference=reference, floor_db=floor_db), sound(n_samples)
    model = make_model(features=features, **NETWORK)
    whole, _ = recognise(model, wav)
    for level, expected in zip(joined(by_windows(model, [wav], **SMALL)), whole):
        np.testing.assert_array_equal(level, expected)


def test_decisions_on_a_long_signal_are_those_of_one_pass(model):
    wav = sound(8000 * 120)
    whole, _ = recognise(model, wav)
    for level, expected in zip(joined(by_windows(model, [wav], **SMALL)), whole):
        middle = np.median(expected, axis=0)
        active = level > middle
        assert np.diff(active[:, 0]).sum() > 100  # it does change its mind
        assert ((level > middle) == (expected > middle)).all(axis=1).mean() >= 0.999
        np.testing.assert_allclose(level, expected, atol=0.01)


def test_without_context_a_joint_is_heard(model):
    wav = sound(8000 * 40)
    whole, _ = recognise(model, wav)
    level, _ = joined(by_windows(model, [wav], window_s=4.0, context_s=0.0))
    assert np.abs(level - whole[0]).max() > 0.02


@pytest.mark.parametrize("past_the_end", [-1, 0, 1, GRID.context, GRID.context + 1])
def test_each_frame_is_wanted_once_and_context_follows_it(model, past_the_end):
    steps = []

    def begin(context):
        def step(frames, n_wanted):
            steps.append((frames.shape[1], n_wanted))
            return (np.zeros((n_wanted, 1), dtype=np.float32),)

        return step

    n_frames = GRID.window + 2 * GRID.stride + past_the_end
    list(by_windows(model, [sound((n_frames - 1) * HOP)], **SMALL, begin=begin))
    assert sum(n_wanted for _, n_wanted in steps) == n_frames
    *others, (length, n_wanted) = steps
    assert set(others) == {(GRID.window, GRID.stride)} and GRID.window == GRID.stride + GRID.context
    assert length == n_wanted > GRID.context


def test_features_relative_to_the_loudest_are_relative_to_the_window_s(make_model):
    windows = []

    def begin(context):
        def step(frames, n_wanted):
            windows.extend(frames)
            return (np.zeros((n_wanted, 1), dtype=np.float32),)

        return step

    model = make_model(features=LogMel(reference="max", floor_db=40.0), **NETWORK)
    list(by_windows(model, [sound(8000 * 20)], **SMALL, begin=begin))
    assert len(windows) > 3
    for window in windows:
        assert window.max() == 0.0 and window.min() == -40.0


def test_a_network_that_labels_blocks_of_frames_gets_whole_blocks(make_model):
    model = make_model(MMG(block_frames=32, channels=(4, 4, 4)))
    wav = sound(8000 * 21)
    whole, _ = recognise(model, wav)
    for level, expected in zip(joined(by_windows(model, [wav], **SMALL)), whole):
        np.testing.assert_allclose(level, expected, atol=1e-5)


def test_a_frame_comes_out_at_most_a_window_after_it_went_in(model):
    consumed = 0

    def live():
        nonlocal consumed
        for block in np.split(sound(8000 * 40), 800):
            consumed += len(block)
            yield block

    n_frames, latest = 0, 0
    for level, _ in by_windows(model, live(), **SMALL):
        latest = max(latest, consumed - n_frames * HOP)
        n_frames += len(level)
    assert latest <= GRID.window * HOP + 512 // 2 + 400


@pytest.mark.parametrize("blocks", [[], [np.zeros(0, np.float32)], [np.ones(1, np.float32)], [sound(256)]])
def test_too_few_samples_for_a_frame_are_refused(model, blocks):
    n_samples = sum(map(len, blocks))
    with pytest.raises(ValueError, match=f"a recording of {n_samples} samples is too short.*at least 257"):
        list(by_windows(model, blocks, **SMALL))


@pytest.mark.parametrize(
    ("window_s", "context_s"), [(4.0, 4.0), (4.0, -1.0), (0.0, 0.0), (float("inf"), 1.0)]
)
def test_windows_that_cannot_be_joined_are_refused(model, window_s, context_s):
    with pytest.raises(ValueError, match="cannot be joined"):
        list(by_windows(model, [sound(8000)], window_s, context_s))


MEMORY = """
import functools, resource, sys
import numpy as np, torch
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel
from hrin_plugin.inference.windows import window_probabilities
from hrin_plugin.networks.states import begin_network

torch.set_num_threads(1)
model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=2, num_layers=1).eval())

def peak_after(minutes):
    block = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    blocks = (block for _ in range(60 * minutes))
    begin = functools.partial(begin_network, model)
    pieces = window_probabilities(model.features, blocks, begin, window_s=10.0, context_s=2.0)
    assert sum(len(level) for level, _ in pieces) == minutes * 3750 + 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

print(peak_after(1), peak_after(10))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the peak of memory is told by Unix")
def test_memory_does_not_grow_with_the_length():
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    short, long = map(int, run.stdout.split())
    assert long <= 1.1 * short
