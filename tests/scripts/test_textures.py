"""The sounds made for training: what they are is measured with librosa."""

import librosa
import numpy as np
import pytest
import soundfile

import textures
from textures import KINDS, RATE, texture


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Three recordings, at a rate and with channels of their own."""
    folder = tmp_path_factory.mktemp("voices")
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.wav" for number in range(3)]
    for path, rate in zip(paths, (8000, 16000, 44100)):
        soundfile.write(path, 0.1 * rng.standard_normal((2 * rate, 2)), rate)
    return paths


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_a_clip_sounds_throughout_its_length_and_is_made_again_alike(number, voices):
    clip = texture(number, voices)
    assert 8 * RATE <= len(clip) <= 25 * RATE
    assert np.abs(clip).max() == pytest.approx(0.7)
    assert np.isfinite(clip).all()
    assert np.array_equal(clip, texture(number, voices))
    assert not np.array_equal(clip[:RATE], texture(number + len(KINDS), voices)[:RATE])


def test_harmonics_follow_the_pitch():
    rising = np.geomspace(200, 400, 3 * RATE)
    tone = textures.harmonics(np.random.default_rng(1), rising, 2.0)
    heard = librosa.yin(tone, fmin=100, fmax=800, sr=RATE)
    heard, times = heard[5:-5], librosa.times_like(heard, sr=RATE)[5:-5]
    expected = np.interp(times, np.arange(len(rising)) / RATE, rising)
    assert np.abs(12 * np.log2(heard / expected)).max() < 0.5  # half a semitone


def test_colouring_changes_the_spectrum_and_not_the_strength():
    noise = np.random.default_rng(2).standard_normal(2 * RATE)
    shaped = textures.coloured(np.random.default_rng(3), noise)
    assert shaped.std() == pytest.approx(noise.std())
    flat, bent = (librosa.feature.spectral_flatness(y=signal).mean() for signal in (noise, shaped))
    assert bent < 0.8 * flat


def test_sounds_are_placed_where_they_were_asked_for():
    click = np.ones(5)
    clip = textures.place(RATE, [0.25, 0.5, 5.0], [click], np.random.default_rng(4))
    assert np.flatnonzero(clip).tolist() == [
        *range(RATE // 4, RATE // 4 + 5),
        *range(RATE // 2, RATE // 2 + 5),
    ]


def test_a_room_adds_echoes_and_keeps_the_sound():
    click = np.zeros(RATE)
    click[100] = 1.0
    heard = textures.in_room(np.random.default_rng(5), click)
    assert heard.argmax() == 100
    assert heard[100] > 0.5
    assert not heard[:100].any() or np.abs(heard[:100]).max() < 1e-9
    assert np.abs(heard[101:]).sum() > 0
