"""Rooms, compressors, narrow bands and codecs: what they change, and that they shift nothing in time."""

import numpy as np
import pytest
from scipy.signal import correlate, lfilter, welch

from hrin_plugin.mixing import stems, treatment
from hrin_plugin.mixing.excerpts import finish_mix, plan_excerpts, render_excerpt
from hrin_plugin.mixing.programme import BROADCAST, PLAIN, Passage
from hrin_plugin.mixing.store import SAMPLE_RATE, Source


@pytest.fixture
def mix():
    """Five seconds of coloured noise with a rising envelope."""
    rng = np.random.default_rng(0)
    noise = lfilter([1.0], [1.0, -0.9], rng.standard_normal(5 * SAMPLE_RATE))
    return (0.03 * noise * np.linspace(0.3, 1.0, len(noise))).astype(np.float32)


def lag(treated, original):
    """By how many samples one signal is later than the other."""
    correlation = correlate(treated, original, method="fft")
    return int(np.argmax(np.abs(correlation))) - (len(original) - 1)


@pytest.mark.parametrize(
    "codec, quality",
    [("MP3", 0.6), ("MP3", 0.99), ("OGG", 1.0), ("AAC", 24000)],
)
def test_a_codec_loses_something_and_shifts_nothing(mix, codec, quality):
    if codec == "AAC":
        coded = treatment._through_aac(mix, SAMPLE_RATE, quality)
    else:
        coded = treatment._through(mix, SAMPLE_RATE, codec, quality)
    assert len(coded) == len(mix) and lag(coded, mix) == 0
    error = np.square(coded - mix).mean() / np.square(mix).mean()
    assert 1e-4 < error < 0.5


def test_a_compressor_narrows_the_levels_and_nothing_else(mix):
    squeezed = treatment._compress(mix, SAMPLE_RATE, threshold_db=-6.0, ratio=4.0)
    gain = squeezed / np.where(mix == 0, 1, mix)
    assert (gain <= 1.0 + 1e-6).all() and lag(squeezed, mix) == 0
    loud, soft = mix[-SAMPLE_RATE:], mix[:SAMPLE_RATE]
    before = np.square(loud).mean() / np.square(soft).mean()
    after = np.square(squeezed[-SAMPLE_RATE:]).mean() / np.square(squeezed[:SAMPLE_RATE]).mean()
    assert after < 0.7 * before


def test_a_room_rings_after_the_sound_and_never_before():
    sound = np.zeros(2 * SAMPLE_RATE, dtype=np.float32)
    sound[SAMPLE_RATE] = 1.0
    for seed in range(5):
        ringing = treatment.add_room(sound, SAMPLE_RATE, np.random.default_rng(seed))
        assert np.abs(ringing[:SAMPLE_RATE]).max() < 1e-5
        direct, tail = ringing[SAMPLE_RATE], ringing[SAMPLE_RATE + 1 :]
        level_db = 10 * np.log10(np.square(tail).sum() / direct**2)
        low, high = treatment.REVERBERANT_DB
        assert low - 0.1 <= level_db <= high + 0.1
        assert np.square(tail[: SAMPLE_RATE // 4]).sum() > np.square(tail[SAMPLE_RATE // 4 :]).sum()


def test_a_narrow_band_lets_through_what_its_edges_say(mix, monkeypatch):
    for name, share in (("COMPRESSOR_SHARE", 0.0), ("BAND_SHARE", 1.0), ("CODEC_SHARE", 0.0)):
        monkeypatch.setattr(treatment, name, share)
    monkeypatch.setattr(treatment, "LOW_CUT_HZ", (300.0, 300.0))
    monkeypatch.setattr(treatment, "HIGH_CUT_HZ", (3000.0, 3000.0))
    narrow = treatment.treat(mix, SAMPLE_RATE, np.random.default_rng(0))
    frequency_hz, before = welch(mix, SAMPLE_RATE, nperseg=4096)
    after_db = 10 * np.log10(welch(narrow, SAMPLE_RATE, nperseg=4096)[1] / before)
    assert np.abs(after_db[(frequency_hz > 500) & (frequency_hz < 2000)]).max() < 1.0
    assert after_db[(frequency_hz > 20) & (frequency_hz < 100)].max() < -15
    assert after_db[frequency_hz > 6500].max() < -15


def test_treated_mixes_keep_their_length_and_stay_within_full_scale(mix):
    for seed in range(12):
        treated = treatment.treat(20 * mix, SAMPLE_RATE, np.random.default_rng(seed))
        assert treated.shape == mix.shape and np.abs(treated).max() <= 1.0


def test_a_plain_mix_is_written_as_it_is_and_a_broadcast_is_treated(monkeypatch):
    rng = np.random.default_rng(0)
    store = (9000 * rng.standard_normal(20 * SAMPLE_RATE)).clip(-32767, 32767).astype(np.int16)
    sources = dict.fromkeys(["music", "speech", "noise"], [Source("a", 0, len(store), -8.0)])
    excerpt = plan_excerpts(10, 4.0, seed=3, style=PLAIN)[0]
    plain = render_excerpt(excerpt, store, sources, seed=3).mix
    assert finish_mix(excerpt, plain, seed=3) is plain
    for name, share in (("COMPRESSOR_SHARE", 0.0), ("BAND_SHARE", 1.0), ("CODEC_SHARE", 0.0)):
        monkeypatch.setattr(treatment, name, share)
    treated = finish_mix(excerpt, plain, seed=3, style=BROADCAST)
    assert treated.shape == plain.shape and not np.array_equal(treated, plain)


def test_a_broadcast_set_without_ffmpeg_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(treatment, "ffmpeg_program", lambda: None)
    with pytest.raises(OSError, match="needs ffmpeg; install it"):
        treatment.require_codecs()


def test_a_broadcast_has_fainter_music_and_shorter_passages_than_a_plain_set():
    levels, shortest = {}, {}
    for style in (PLAIN, BROADCAST):
        passages = [p for e in plan_excerpts(200, 30.0, seed=0, style=style) for p in e.passages]
        levels[style.name] = min(p.relative_lu for p in passages if p.label == "bg-music")
        shortest[style.name] = min(p.end_s - p.start_s for p in passages)
    assert levels["plain"] >= -25 > levels["broadcast"] >= -30
    assert 1.99 < shortest["broadcast"] < 2.9 < shortest["plain"]


@pytest.mark.parametrize("style", [PLAIN, BROADCAST], ids=lambda style: style.name)
def test_no_music_is_drowned_by_noise(style):
    passages = [p for e in plan_excerpts(200, 30.0, seed=0, style=style) for p in e.passages]
    quietest = {
        noise: min(p.relative_lu for p in passages if p.label == "bg-music" and p.noise == noise)
        for noise in (False, True)
    }
    assert quietest[False] < -24 and -15 <= quietest[True] < -14


def test_noise_of_a_broadcast_is_of_several_layers_at_speeds_of_their_own():
    tone = 9000 * np.sin(2 * np.pi * 1000 * np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE)
    sources, store = [Source("a", 0, len(tone), -8.0)], tone.astype(np.int16)
    n_layers = set()
    for seed in range(30):
        place = stems._ambience("noise", 4 * SAMPLE_RATE, store, sources, np.random.default_rng(seed))
        assert place.shape == (4 * SAMPLE_RATE,)
        frequencies, power = welch(place, SAMPLE_RATE, nperseg=SAMPLE_RATE)
        loud = frequencies[power > 0.01 * power.max()]
        low, high = stems.SPEEDS
        assert 1000 * low - 5 <= loud.min() and loud.max() <= 1000 * high + 5
        n_layers.add(1 + int((np.diff(loud) > 5).sum()))
    assert 1 in n_layers and max(n_layers) > 3


def test_noise_of_a_plain_mix_is_played_as_it_is():
    tone = 9000 * np.sin(2 * np.pi * 1000 * np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE)
    sources = dict.fromkeys(["music", "speech", "noise"], [Source("a", 0, len(tone), -8.0)])
    passages = [Passage(0.0, 4.0, "no-music", False, True, None, True, 0.0)]
    for treated in (False, True):
        rng = np.random.default_rng(6)
        rest = stems.render_stems(passages, tone.astype(np.int16), sources, rng, treated).rest
        frequencies, power = welch(rest, SAMPLE_RATE, nperseg=SAMPLE_RATE)
        assert (abs(frequencies[power.argmax()] - 1000) <= 1) is not treated
