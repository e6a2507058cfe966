"""The variants of sounds that are made for training: what became of a tone is measured with librosa."""

import librosa
import numpy as np
import pytest

import variants
from textures import RATE
from variants import LONGEST_MUSIC_S, LONGEST_S, SHORTEST_S, SPEEDS, TEMPI, arrangement, variant

TONE_HZ = 440.0


@pytest.mark.parametrize("length_s", [SHORTEST_S, 1.0, 30.0])
@pytest.mark.parametrize("other_s", [SHORTEST_S, 30.0])
def test_a_variant_sounds_and_is_as_long_as_its_speed_makes_it(length_s, other_s, tone):
    sound, other = (tone(int(seconds * RATE), RATE) for seconds in (length_s, other_s))
    for number in range(40):
        made = variant(np.random.default_rng(number), sound, other)
        part_s = min(length_s, LONGEST_S * SPEEDS[0])
        assert part_s / SPEEDS[1] - 0.01 <= len(made) / RATE <= min(part_s / SPEEDS[0] + 0.01, LONGEST_S)
        assert np.abs(made).max() == pytest.approx(0.7) and np.isfinite(made).all()
        again = variant(np.random.default_rng(number), sound, other)
        assert np.array_equal(made, again)


def test_variants_have_other_pitches_within_the_speeds_and_bends(tone):
    noise = np.random.default_rng(0).standard_normal(RATE)
    pitches = []
    for number in range(60):
        made = variant(np.random.default_rng(number), tone(2 * RATE, RATE), noise)
        pitches.append(np.median(librosa.yin(made, fmin=60, fmax=4000, sr=RATE)) / TONE_HZ)
    assert np.percentile(pitches, 10) < 0.8 and np.percentile(pitches, 90) > 1.25
    assert len({round(pitch, 2) for pitch in pitches}) > 30


def test_a_bent_tone_runs_through_pitches(tone):
    spans = []
    for number in range(20):
        bent = variants._bent(np.random.default_rng(number), tone(2 * RATE, RATE))
        assert len(bent) == 2 * RATE
        spans.append(np.ptp(np.percentile(np.log2(librosa.yin(bent, fmin=60, fmax=4000, sr=RATE)), (5, 95))))
    assert np.median(spans) > 0.1


def test_an_envelope_follows_a_sound(tone):
    beating = tone(2 * RATE, RATE) * (np.sin(2 * np.pi * np.arange(2 * RATE) / RATE) > 0)
    envelope = variants._envelope(beating)
    assert len(envelope) == len(beating)
    assert envelope[RATE // 4] == pytest.approx(0.4 * np.sqrt(0.5), rel=0.05)
    assert envelope[3 * RATE // 4] < 0.01


@pytest.mark.parametrize("length_s", [2.0, 90.0])
def test_an_arrangement_is_faster_and_higher_or_slower_and_lower(length_s, tone):
    speeds = []
    for number in range(12):
        made = arrangement(np.random.default_rng(number), tone(int(length_s * RATE), RATE))
        speed = np.median(librosa.yin(made[: 2 * RATE], fmin=60, fmax=4000, sr=RATE)) / TONE_HZ
        assert TEMPI[0] * 0.99 < speed < TEMPI[1] * 1.01
        assert len(made) / RATE == pytest.approx(min(length_s / speed, LONGEST_MUSIC_S), rel=0.02)
        assert np.abs(made).max() == pytest.approx(0.7)
        speeds.append(speed)
    assert min(speeds) < 0.9 and max(speeds) > 1.1


def test_silence_stays_silent():
    assert not arrangement(np.random.default_rng(0), np.zeros(RATE)).any()
    assert not variant(np.random.default_rng(0), np.zeros(RATE), np.zeros(RATE)).any()
