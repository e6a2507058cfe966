"""The short sounds made for training: what they are is measured with librosa."""

import librosa
import numpy as np
import pytest

import effects
from effects import KINDS, LENGTH_S, effect
from textures import RATE


@pytest.mark.parametrize("number", range(3 * len(KINDS)))
def test_a_clip_is_short_and_sounds_and_is_made_again_alike(number):
    clip = effect(number)
    assert int(LENGTH_S[0] * RATE) <= len(clip) <= LENGTH_S[1] * RATE
    assert np.abs(clip).max() == pytest.approx(0.7)
    assert np.isfinite(clip).all()
    assert clip.std() > 1e-3
    assert np.array_equal(clip, effect(number))
    another = effect(number + len(KINDS))
    assert len(another) != len(clip) or not np.array_equal(another, clip)


def _heard_pitches(clip):
    """Pitches of a clip in octaves, but for its ends."""
    return np.log2(librosa.yin(clip, fmin=60, fmax=4000, sr=RATE)[8:-8])


def test_a_whistle_is_held_and_a_sweep_runs_off():
    """The median over clips, as several tones at once have no one pitch."""
    spreads = {
        make: np.median(
            [
                np.ptp(np.percentile(_heard_pitches(make(np.random.default_rng(n), 2 * RATE)), (10, 90)))
                for n in range(30)
            ]
        )
        for make in (effects.whistle, effects.sweep)
    }
    assert spreads[effects.whistle] < 0.1 < 0.5 < spreads[effects.sweep]


def test_a_beat_recurs_with_a_period():
    regular = []
    for make in (effects.beat, effects.splash):
        strengths = []
        for number in range(20):
            clip = make(np.random.default_rng(number), 5 * RATE)
            power = librosa.feature.rms(y=clip, frame_length=256, hop_length=128)[0]
            power = power - power.mean()
            again = librosa.autocorrelate(power) / np.sum(power**2)
            strengths.append(again[6 : len(again) // 2].max())
        regular.append(np.median(strengths))
    assert regular[0] > 0.4 > regular[1]


def test_a_telephone_goes_on_and_off_or_between_two_pitches():
    changes = []
    for number in range(20):
        clip = effects.ringing(np.random.default_rng(number), 3 * RATE)
        flux = librosa.onset.onset_strength(y=clip, sr=RATE)
        changes.append((flux > 0.3 * flux.max()).sum())
    assert np.median(changes) >= 5
