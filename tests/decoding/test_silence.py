"""Near-silence is no music, whatever the network says; what is heard is left to the network."""

import numpy as np
import pytest
import soundfile
import torch

from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.decoding.silence import SilenceGate, measure
from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from hrin_plugin.timing import FrameGrid

RATE = 8000
STEP = 1 / 32768


@pytest.fixture(scope="module")
def detector(make_model):
    """A detector that finds foreground music in whatever it hears."""
    model = make_model(hidden_size=4, num_layers=1)
    with torch.no_grad():
        for head, biases in zip(model.network.heads.layers, ([-9.0, 9.0], [-9.0, 9.0, -9.0])):
            head.weight.zero_()
            head.bias.copy_(torch.tensor(biases))
    return MusicDetector(model._asdict(), {"decoding": Decoding("viterbi")}, run_opts={"device": "cpu"})


def music_spans(detection):
    """Onset and offset of each event of music, in seconds."""
    return [(event.onset_s, event.offset_s) for event in detection.events["md"] if event.label == "music"]


def times(seconds):
    return np.arange(round(seconds * RATE)) / RATE


def noise(seconds, rms_db, exponent=0.0, seed=0):
    """Gaussian noise of an RMS level, whose power falls with frequency to an exponent."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(round(seconds * RATE)))
    hertz = np.fft.rfftfreq(round(seconds * RATE), 1 / RATE)
    spectrum *= np.maximum(hertz, 20.0) ** (-exponent / 2)
    signal = np.fft.irfft(spectrum)
    return 10 ** (rms_db / 20) * signal / signal.std()


def hum(seconds, steps, hertz=50.0):
    """Mains hum with two harmonics, in 16 bits."""
    parts = ((1, 1.0), (3, 0.3), (5, 0.15))
    wave = sum(share * np.sin(2 * np.pi * hertz * part * times(seconds)) for part, share in parts)
    return STEP * np.round(steps * wave)


def melody(seconds, peak_db, seed=0):
    """Three voices of plucked harmonic tones, in 16 bits, with a peak level."""
    rng, wave = np.random.default_rng(seed), np.zeros(round(seconds * RATE))
    for onset_s in np.arange(0.0, seconds - 1, 0.3):
        tone, pitch = times(1.0), 220 * 2 ** (rng.integers(0, 24) / 12)
        partials = sum(np.sin(2 * np.pi * part * pitch * tone) / part for part in (1, 2, 3, 4))
        begin = round(onset_s * RATE)
        wave[begin : begin + RATE] += rng.uniform(0.3, 1.0) * partials * np.exp(-4 * tone)
    return STEP * np.round(10 ** (peak_db / 20) * wave / np.abs(wave).max() / STEP)


DITHER = STEP * np.round(np.subtract(*np.random.default_rng(0).random((2, 20 * RATE))))
QUIET = {
    "digital silence": np.zeros(20 * RATE),
    "dither": DITHER,
    "white, -80 dBFS": noise(20, -80),
    "pink, -80 dBFS": noise(20, -80, 1.0),
    "brown, -80 dBFS": noise(20, -80, 2.0),
    "white, -103 dBFS": noise(20, -103),
    "hum of 2 steps": hum(20, 2.0),
    "hum of 2 steps, 60 Hz": hum(20, 2.0, 60.0),
    "hum of 1 step on an offset": hum(20, 1.0) + 0.1,
    "an offset alone": np.full(20 * RATE, 0.25),
    "shorter than the gate's least": noise(2, -90),
}


@pytest.mark.parametrize("name", QUIET)
def test_near_silence_is_no_music_whatever_the_network_says(detector, name):
    (found,) = detector.detect_batch(QUIET[name][None].astype(np.float32))
    assert [event.label for event in found.events["md"]] == ["no-music"]
    assert [event.label for event in found.events["mrle"]] == ["no-music"]


HEARD = {
    "noise, -60 dBFS": noise(20, -60),
    "melody with a peak of -60 dBFS": melody(20, -60),
    "melody with a peak of -70 dBFS": melody(20, -70),
    "a bass tone of -40 dBFS": 0.01 * np.sin(2 * np.pi * 60 * times(20)),
}


@pytest.mark.parametrize("name", HEARD)
def test_what_is_heard_is_left_to_the_network(detector, name):
    (found,) = detector.detect_batch(HEARD[name][None].astype(np.float32))
    assert music_spans(found) == [(0.0, 20.0)]


def test_the_gate_is_off_without_a_level(detector, monkeypatch):
    monkeypatch.setattr(detector, "_decoding", Decoding("viterbi", silence_gate_db=None))
    (found,) = detector.detect_batch(DITHER[None].astype(np.float32))
    assert music_spans(found) == [(0.0, 20.0)]


def programme():
    """Three minutes of music with dead air, a pause of 3 s, a fade-in and a fade-out."""
    fade = 10 ** (np.linspace(-80, 0, 20 * RATE) / 20)
    parts = [melody(50, -6), noise(40, -95), melody(20, -6, 1) * fade, melody(20, -6, 2)]
    parts += [noise(3, -95), melody(20, -6, 3) * fade[::-1], noise(27, -95)]
    return np.concatenate(parts).astype(np.float32)


def test_dead_air_is_cut_out_and_short_pauses_and_fades_are_not(detector):
    (found,) = detector.detect_batch(programme()[None])
    (first, second) = music_spans(found)
    assert first[0] == 0 and abs(first[1] - 50) <= 1
    # The fade begins 86 dB below full scale: its first seconds are near-silence too.
    assert 90 <= second[0] <= 97 and 145 <= second[1] <= 154


@pytest.mark.parametrize("size", [777, 8000, 100_000])
def test_blocks_windows_and_a_file_give_the_same(detector, tmp_path, size):
    signal = programme()
    soundfile.write(tmp_path / "a.wav", signal, RATE, subtype="FLOAT")
    whole = detector.detect_file(tmp_path / "a.wav")
    blocks = [signal[begin : begin + size] for begin in range(0, len(signal), size)]
    streamed = list(detector.detect_stream(blocks, RATE))
    for level, events in whole.events.items():
        assert sorted(event for name, event in streamed if name == level) == events
    probabilities = detector.probabilities(signal, RATE)["md"]
    silent = probabilities[:, 0] == 1
    assert silent.sum() > 60 / detector.grid.time_of(1)
    grid, gate = detector.grid, SilenceGate(-80.0, MUSIC_LOUDNESS, detector.grid)
    list(gate.listen(np.split(signal, range(RATE, len(signal), RATE))))
    n_frames = grid.frame_count(len(signal))
    (levels,) = gate.applied([(np.full((n_frames, 2), 0.5), np.full((n_frames, 3), 0.5))])
    np.testing.assert_array_equal(levels[0][:, 0] == 1, silent)


def test_a_click_now_and_then_does_not_open_the_gate(detector):
    signal = noise(120, -92)
    signal[[31 * RATE, 70 * RATE + 400, 111 * RATE - 5]] = 0.9
    (found,) = detector.detect_batch(signal[None].astype(np.float32))
    assert music_spans(found) == []


def test_the_level_is_that_of_white_noise_at_any_rate():
    for rate in (8000, 16000, 44100):
        samples = 1e-3 * np.random.default_rng(0).standard_normal(rate)
        # Noise up to half the rate has less of its power in each band.
        assert abs(measure(samples, rate)[0] + 64 + 10 * np.log10(rate / 8000)) < 2


def test_classes_without_one_for_silence_have_no_gate():
    taxonomy = Taxonomy(
        [["speech", "music"], ["speech", "soft", "loud"]],
        [dict.fromkeys(["soft", "loud"], "music") | {"speech": "speech"}],
    )
    gate = SilenceGate(-80.0, taxonomy, FrameGrid())
    assert len(list(gate.listen([np.zeros(RATE, np.float32)] * 9))) == 9
    levels = np.full((500, 2), 0.5), np.full((500, 3), 0.5)
    assert next(gate.applied([levels])) is levels


@pytest.mark.parametrize("level", [float("nan"), 3.0, -201.0, "off", True])
def test_a_level_that_makes_no_sense_is_refused(level):
    with pytest.raises(ValueError, match="silence_gate_db is .*; give a level from -200 to 0 dB"):
        Decoding(silence_gate_db=level)


def test_no_gate_survives_a_file():
    decoding = Decoding.from_dict(Decoding(silence_gate_db=None).to_dict())
    assert decoding.silence_gate_db is None and "no silence gate" in str(decoding)
    assert Decoding.from_dict({"method": "argmax"}).silence_gate_db == -80.0
