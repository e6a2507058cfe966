"""Log-mel features against librosa, and statistics against numpy."""

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from hrin_plugin.features import BandStatistics, LevelShift, LogMel, Overlay


def recording(seconds=3.0, sample_rate=8000, seed=0):
    """Harmonics with an envelope and a breath of noise, like a note that fades."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    tone = sum(np.sin(2 * np.pi * 220 * k * time + rng.uniform(0, 6)) / k for k in range(1, 12))
    return (0.2 * tone * np.exp(-time) + 0.01 * rng.normal(size=time.size)).astype(np.float32)


def librosa_log_mel(wav, reference=np.max, floor_db=80.0, **settings):
    settings = {"sr": 8000, "n_fft": 512, "hop_length": 128, "n_mels": 128} | settings
    power = librosa.feature.melspectrogram(y=wav, pad_mode="reflect", htk=False, norm="slaney", **settings)
    return librosa.power_to_db(power, ref=reference, top_db=floor_db).T


@pytest.mark.parametrize("seed", range(3))
def test_log_mel_equals_librosa(seed):
    wav = recording(seed=seed)
    ours = LogMel()(torch.from_numpy(wav)[None])[0].numpy()
    np.testing.assert_allclose(ours, librosa_log_mel(wav), atol=0.01)


def test_fixed_reference_without_floor_equals_librosa():
    wav = recording()
    ours = LogMel(reference=1.0, floor_db=None)(torch.from_numpy(wav)[None])[0].numpy()
    np.testing.assert_allclose(ours, librosa_log_mel(wav, reference=1.0, floor_db=None), atol=0.01)


def test_other_settings_equal_librosa():
    wav = recording(sample_rate=16000)
    ours = LogMel(sample_rate=16000, n_fft=1024, hop_length=200, n_mels=64)(torch.from_numpy(wav)[None])[0]
    expected = librosa_log_mel(wav, sr=16000, n_fft=1024, hop_length=200, n_mels=64)
    np.testing.assert_allclose(ours.numpy(), expected, atol=0.01)


def test_a_minute_has_3751_frames_of_128_bands():
    assert LogMel()(torch.randn(1, 480000)).shape == (1, 3751, 128)


def test_a_batch_of_unequal_lengths_gives_each_recording_its_own_frames():
    long, short = torch.from_numpy(recording(2.0)), torch.from_numpy(recording(1.3, seed=1))
    batch = torch.nn.utils.rnn.pad_sequence([long, short], batch_first=True)
    log_mel = LogMel()
    frames = log_mel(batch, lens=torch.tensor([1.0, len(short) / len(long)]))
    alone = log_mel(short[None])[0]
    torch.testing.assert_close(frames[1, : len(alone)], alone)
    assert not frames[1, len(alone) :].any()


def test_loudness_of_one_recording_does_not_change_another():
    quiet, loud = torch.from_numpy(recording()), torch.from_numpy(recording(seed=1)) * 100
    log_mel = LogMel()
    torch.testing.assert_close(log_mel(torch.stack([quiet, loud]))[0], log_mel(quiet[None])[0])


def test_silence_is_flat():
    frames = LogMel()(torch.zeros(1, 8000))
    assert torch.isfinite(frames).all() and frames.min() == frames.max()


def test_a_recording_shorter_than_half_a_window_is_refused():
    with pytest.raises(ValueError, match="a recording of 256 samples is too short.* at least 257"):
        LogMel()(torch.zeros(1, 256))


@pytest.mark.parametrize("reference", [0, -1.0, "maximum"])
def test_an_impossible_reference_is_refused(reference):
    with pytest.raises((ValueError, TypeError)):
        LogMel(reference=reference)


def test_statistics_equal_numpys_over_all_frames():
    rng = np.random.default_rng(0)
    recordings = [rng.normal(-40, 12, (length, 5)).astype(np.float32) for length in (1, 30, 200)]
    statistics = BandStatistics(5).fit(torch.from_numpy(frames) for frames in recordings)
    joined = np.concatenate(recordings).astype(np.float64)
    np.testing.assert_allclose(statistics.mean.numpy(), joined.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(statistics.std.numpy(), joined.std(axis=0), rtol=1e-6)


def test_a_constant_band_is_centred_and_not_divided_by_zero():
    statistics = BandStatistics(2).fit([torch.tensor([[-80.0, 0.0], [-80.0, 1.0]])])
    assert statistics(torch.tensor([[[-80.0, 0.5]]])).tolist() == [[[0.0, 0.0]]]


def test_statistics_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no training frame"):
        BandStatistics(2).fit([])


def test_statistics_are_part_of_the_state():
    statistics = BandStatistics(2).fit([torch.tensor([[1.0, 2.0], [3.0, 6.0]])])
    restored = BandStatistics(2)
    restored.load_state_dict(statistics.state_dict())
    assert restored.mean.tolist() == [2.0, 4.0]


def test_a_level_shift_is_a_gain_on_the_waveform():
    wav = torch.from_numpy(recording())
    features = LogMel(reference=1.0, floor_db=None)
    frames = features(wav[None])
    shifted = LevelShift(-20.0, 10.0)(frames)
    shift_db = float((shifted - frames).median())
    gained = features(wav[None] * 10 ** (shift_db / 20))
    assert -20.0 <= shift_db <= 10.0
    torch.testing.assert_close(shifted, gained, atol=1e-3, rtol=0)


def test_each_recording_has_a_level_shift_of_its_own():
    shifted = LevelShift(-20.0, 10.0)(torch.full((64, 3, 2), -40.0))
    assert (shifted == shifted[:, :1, :1]).all()
    assert shifted[:, 0, 0].unique().numel() > 60
    assert -60.0 <= shifted.min() < -55.0 and -35.0 < shifted.max() <= -30.0


def test_a_level_shift_leaves_digital_silence_where_it_is():
    silence = LogMel(reference=1.0, floor_db=None)(torch.zeros(8, 4000))
    assert torch.equal(LevelShift(-20.0, 10.0)(silence), silence)


def test_a_level_shift_without_a_range_is_refused():
    with pytest.raises(ValueError, match="low_db must be below high_db"):
        LevelShift(3.0, -3.0)
    with pytest.raises(ValueError, match="equaliser_db must be 0 or greater"):
        LevelShift(-3.0, 3.0, equaliser_db=-6.0)


def test_an_equaliser_gives_each_recording_one_curve_between_few_corners():
    torch.manual_seed(0)
    shifted = LevelShift(-1e-6, 1e-6, equaliser_db=6.0)(torch.full((64, 3, 128), -40.0, dtype=torch.float64))
    assert (shifted == shifted[:, :1]).all()
    gains_db = shifted[:, 0] + 40.0
    assert -6.0 - 1e-5 < gains_db.min() < -5.0 and 5.0 < gains_db.max() < 6.0 + 1e-5
    assert 3.0 < gains_db[:, 0].std() < 4.0 and 3.0 < gains_db[:, -1].std() < 4.0  # uniform: 6 / sqrt(3)
    bends = gains_db.diff(n=2, dim=1).abs() > 1e-4
    # A corner between two bands bends the line at both of them.
    assert (bends.sum(dim=1) <= 2 * (LevelShift.CORNERS - 2)).all() and bends.any(dim=1).all()


def test_an_equaliser_is_a_filter_of_the_waveform():
    wav = torch.from_numpy(recording())
    features = LogMel(reference=1.0, floor_db=None)
    frames = features(wav[None])
    torch.manual_seed(3)
    shifted = LevelShift(-1e-6, 1e-6, equaliser_db=6.0)(frames)
    gains_db = (shifted - frames).median(dim=1).values[0].double().numpy()
    centres_hz = librosa.mel_frequencies(130, fmax=4000)[1:-1]
    taps = scipy.signal.firwin2(
        2049, [0, *centres_hz, 4000], 10 ** (gains_db[[0, *range(128), -1]] / 20), fs=8000
    )
    filtered = features(torch.from_numpy(scipy.signal.fftconvolve(wav, taps, mode="same")).float()[None])
    assert float((filtered - shifted).abs().median()) < 0.5


def test_an_overlay_is_two_waveforms_together():
    wavs = torch.randn(2, 80000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[0.1], [0.3]])
    features = LogMel(reference=1.0, floor_db=None)
    frames = features(wavs)
    no_music = torch.ones(frames.shape[:2], dtype=torch.bool)
    together = Overlay(share=1.0, low_db=-3.0, high_db=-3.0)(frames, no_music)
    for number in range(2):
        expected = features((wavs[number] + 10 ** (-3 / 20) * wavs[1 - number])[None])[0]
        # Powers add up on the average; in single bands of single frames, phases have their say.
        powers, expected_powers = (10 ** (each / 10) for each in (together[number], expected))
        torch.testing.assert_close(powers.mean(dim=0), expected_powers.mean(dim=0), atol=0, rtol=0.1)


def test_an_overlay_is_only_where_neither_recording_has_music():
    torch.manual_seed(0)
    frames = torch.full((40, 6, 3), -40.0)
    no_music = torch.rand(40, 6) < 0.5
    changed = Overlay(share=0.5)(frames, no_music) != frames
    assert (changed == changed[..., :1]).all()
    both = no_music & no_music.roll(1, dims=0)
    assert not changed[~both].any()
    whole = [bool(changed[i][both[i]].all()) for i in range(40) if both[i].any()]
    none = [not changed[i].any() for i in range(40) if both[i].any()]
    assert all(a != b for a, b in zip(whole, none)) and 0.3 < np.mean(whole) < 0.7
    assert torch.equal(Overlay(share=0.0)(frames, no_music), frames)


@pytest.mark.parametrize("settings", [{"share": 1.2}, {"share": -0.1}, {"share": 1.0, "low_db": 6.0}])
def test_an_overlay_without_a_range_is_refused(settings):
    with pytest.raises(ValueError, match="share must be|low_db must not be"):
        Overlay(**settings)
