"""The feature cache: what is kept, what is noticed, what is made again."""

import os

import numpy as np
import pytest
import soundfile
import torch

from hrin_plugin.features import LogMel
from hrin_plugin.features.cache import FeatureLoader


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16000), 8000)
    return path


class CountingLogMel(LogMel):
    """Counts how often features are computed."""

    calls = 0

    def forward(self, wavs, lens=None):
        type(self).calls += 1
        return super().forward(wavs, lens)


@pytest.fixture
def features():
    CountingLogMel.calls = 0
    return CountingLogMel()


def test_features_are_computed_once_and_stay_the_same(recording, features, tmp_path):
    first = FeatureLoader(features, tmp_path / "cache")(recording)
    second = FeatureLoader(features, tmp_path / "cache")(recording)
    assert CountingLogMel.calls == 1
    assert torch.equal(first, second)
    assert torch.equal(first, FeatureLoader(features)(recording))


def test_without_a_folder_nothing_is_kept(recording, features, tmp_path):
    load = FeatureLoader(features)
    load.fill([recording])
    assert torch.equal(load(recording), load(recording))
    assert CountingLogMel.calls == 2 and list(tmp_path.iterdir()) == [recording]


def test_half_precision_is_close(recording, features, tmp_path):
    half = FeatureLoader(features, tmp_path / "cache", "float16")(recording)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, FeatureLoader(features)(recording), atol=0.04, rtol=0)


@pytest.mark.parametrize("length", [0, 10, 100, -1, -5000])
def test_a_truncated_entry_is_made_again(recording, features, tmp_path, length):
    load = FeatureLoader(features, tmp_path / "cache")
    expected = load(recording)
    entry = load.entry(recording)
    entry.write_bytes(entry.read_bytes()[:length])
    assert torch.equal(load(recording), expected)
    assert np.load(entry).shape == tuple(expected.shape)


def test_a_changed_recording_is_noticed(recording, features, tmp_path):
    load = FeatureLoader(features, tmp_path / "cache")
    before = load(recording)
    status = os.stat(recording)
    soundfile.write(recording, np.random.default_rng(1).normal(0, 0.1, 16000), 8000)
    os.utime(recording, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert not torch.equal(load(recording), before)


@pytest.mark.parametrize(
    "setting", [{"n_mels": 64}, {"hop_length": 64}, {"floor_db": 60.0}, {"reference": 1.0}]
)
def test_changed_settings_are_noticed(recording, tmp_path, setting):
    FeatureLoader(LogMel(), tmp_path / "cache")(recording)
    changed = LogMel(**setting)
    cached = FeatureLoader(changed, tmp_path / "cache")(recording)
    assert torch.equal(cached, FeatureLoader(changed)(recording))


def test_fill_computes_what_is_missing(recording, features, tmp_path):
    other = tmp_path / "b.wav"
    soundfile.write(other, np.random.default_rng(2).normal(0, 0.1, 8000), 8000)
    load = FeatureLoader(features, tmp_path / "cache")
    load(recording)
    load.fill([recording, other])
    load.fill([recording, other])
    assert CountingLogMel.calls == 2
    assert load.entry(other).exists()


def test_two_recordings_of_one_name_do_not_meet(recording, features, tmp_path):
    (tmp_path / "other").mkdir()
    same_name = tmp_path / "other" / "a.wav"
    soundfile.write(same_name, np.random.default_rng(3).normal(0, 0.1, 8000), 8000)
    load = FeatureLoader(features, tmp_path / "cache")
    assert len(load(recording)) != len(load(same_name))


def test_a_recording_too_short_for_a_frame_is_named(features, tmp_path):
    path = tmp_path / "click.wav"
    soundfile.write(path, np.ones(100) * 0.1, 8000)
    with pytest.raises(ValueError, match="click.wav: a recording of 100 samples is too short"):
        FeatureLoader(features, tmp_path / "cache")(path)


def test_an_unreadable_recording_is_named(features, tmp_path):
    path = tmp_path / "noise.wav"
    path.write_bytes(b"not audio")
    with pytest.raises(ValueError, match="noise.wav: cannot be read as audio"):
        FeatureLoader(features, tmp_path / "cache").fill([path])


def test_an_unknown_number_format_is_refused(features):
    with pytest.raises(ValueError, match="float16 or float32, not as 'int8'"):
        FeatureLoader(features, None, "int8")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("cached", [True, False])
def test_features_in_memory_are_the_same_and_read_once(recording, features, tmp_path, dtype, cached):
    load = FeatureLoader(features, tmp_path / "cache" if cached else None, dtype)
    expected = load(recording)
    if not cached:
        expected = expected.to(getattr(torch, dtype)).float()
    kept, text = load.keep([recording], 2.0, "cpu")
    assert kept and text.startswith(f"the features of 1 recordings, 0.00 GB in {dtype}, are kept in")
    CountingLogMel.calls = 0
    recording.unlink()
    for _ in range(2):
        assert torch.equal(load(recording), expected) and load(recording).dtype == torch.float32
    assert CountingLogMel.calls == 0


def test_features_that_do_not_fit_into_half_the_free_memory_are_read_as_before(
    recording, features, tmp_path, monkeypatch
):
    monkeypatch.setattr("hrin_plugin.features.cache.free_bytes", lambda device: 4e9)
    load = FeatureLoader(features, tmp_path / "cache")
    kept, text = load.keep([recording] * 1482, 1482 * 60.0, "cuda:0")
    assert not kept and load.kept == {}
    assert text == (
        "the features of 1482 recordings, 2.85 GB in float32, are not kept in memory, but read for each "
        "batch: half of the free memory of cuda:0 is 2.00 GB"
    )
    assert len(load(recording)) == 126
