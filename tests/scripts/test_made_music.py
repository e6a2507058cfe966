"""Music made for training: that it lasts, keeps to its scale and its beat, and is made again alike."""

import librosa
import numpy as np
import pytest

import made_music
from made_music import KINDS, RATE, Key, melody, piece


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_a_piece_sounds_throughout_and_is_made_again_alike(number, monkeypatch):
    monkeypatch.setattr(made_music, "LENGTH_S", (15.0, 16.0))  # a quarter, to be quick
    music = piece(number)
    assert 15 * RATE <= len(music) <= 16 * RATE
    assert np.isfinite(music).all() and np.abs(music).max() == pytest.approx(0.9)
    loudness = [np.std(part) for part in np.array_split(music, 6)]
    assert min(loudness) > 0.05 * max(loudness)
    assert np.array_equal(music, piece(number))


def test_a_melody_stays_in_its_range_and_its_phrases_come_again():
    tune = melody(np.random.default_rng(3), 32)
    assert tune.min() >= 7 and tune.max() <= 17
    assert np.array_equal(tune[:8], tune[16:24])


def test_a_slide_rests_on_tones_of_its_key():
    key = Key(np.random.default_rng(5), 200, 220)
    heard = librosa.yin(
        made_music.glide(np.random.default_rng(6), key, 20 * RATE), fmin=150, fmax=1500, sr=RATE
    )
    scale = np.log2([key.pitch(degree) for degree in range(25)])
    off = 12 * np.abs(np.log2(heard)[:, None] - scale).min(1)
    assert (
        np.median(off) < 0.35
    )  # semitones; tones at random would be about as far as half a step of the scale


def test_a_beat_has_its_tempo():
    drums = made_music.beat(np.random.default_rng(2), 30 * RATE, 120.0)
    onsets = librosa.onset.onset_detect(y=drums, sr=RATE, units="time", hop_length=64)
    off = (onsets / 0.125 + 0.5) % 1 - 0.5
    assert len(onsets) > 30 and np.median(np.abs(off - np.median(off))) < 0.15


def test_singers_take_their_words_from_speech():
    rng = np.random.default_rng(0)
    hissing = np.diff(rng.standard_normal(4 * RATE), prepend=0)
    humming = np.cumsum(rng.standard_normal(4 * RATE)) * 0.01
    source = rng.standard_normal(4 * RATE)
    bright, dark = (made_music.shaped_by(rng, source, speech) for speech in (hissing, humming))
    centre = [librosa.feature.spectral_centroid(y=sung, sr=RATE).mean() for sung in (bright, dark)]
    assert centre[0] > 2 * centre[1]
