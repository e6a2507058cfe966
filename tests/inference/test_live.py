"""Live sound with a bounded delay: exact as in a recording, or within a latency, and never changed."""

import numpy as np
import pytest

from hrin_plugin.decoding.methods import METHODS, Decoding
from hrin_plugin.decoding.silence import SilenceGate
from hrin_plugin.features import LogMel
from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.inference.pace import EXACT, pace_for
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.timing import FrameGrid

RATE = 11025


@pytest.fixture(scope="module")
def make_detector(make_model):
    model = make_model(
        features=LogMel(hop_length=512, reference=1.0, floor_db=None), hidden_size=4, num_layers=1
    )
    return lambda **settings: MusicDetector(model._asdict(), {"decoding": Decoding(**settings)})


@pytest.fixture(scope="module")
def wav():
    """Noise of changing level, of two channels."""
    rng = np.random.default_rng(0)
    levels = np.repeat(10 ** rng.uniform(-3, -0.5, 400), RATE // 4)[:, None]
    return (levels * rng.uniform(-1, 1, (len(levels), 2))).astype(np.float32)


def test_the_exact_mode_has_the_events_of_a_stream(make_detector, wav):
    detector = make_detector(method="viterbi", switching_cost_s=0.02)
    blocks = np.array_split(wav, 177)
    live = [found for heard in detector.detect_live(blocks, RATE) for found in heard.ended]
    assert live == list(detector.detect_stream(blocks, RATE)) and len(live) > 3


@pytest.mark.parametrize("latency_s", [3.0, 10.0])
@pytest.mark.parametrize("method", METHODS)
def test_every_moment_is_decided_within_the_latency_and_stays(make_detector, wav, method, latency_s):
    detector, pace, fed_s, done_s = make_detector(method=method), pace_for(latency_s), 0.0, 0.0
    known, delays = {}, []

    def live():
        nonlocal fed_s
        for block in np.array_split(wav, len(wav) * 10 // RATE):
            fed_s += len(block) / RATE
            yield block

    for heard in detector.detect_live(live(), RATE, pace):
        if not heard.is_end and heard.decided_s > done_s:
            delays.append(fed_s - done_s)
        assert heard.decided_s >= done_s
        done_s = heard.decided_s
        for task, event in (*heard.ended, *heard.going_on):
            assert event.offset_s >= known.get((task, event.onset_s, event.label), 0.0)
            known[task, event.onset_s, event.label] = event.offset_s
    # A block of a tenth of a second comes on top.
    assert max(delays) <= detector.delay_of(pace) + 0.1 <= latency_s
    assert max(delays) > 0.5 * latency_s or method in ("argmax", "threshold", "median")
    assert done_s == pytest.approx(len(wav) / RATE)


@pytest.mark.parametrize("latency_s", [0.0, 2.9, 91.0, float("nan"), float("inf")])
def test_a_latency_out_of_range_is_refused(latency_s):
    with pytest.raises(ValueError, match="out of range; give 3 to 90 seconds"):
        pace_for(latency_s)


def test_minimum_durations_count_in_the_delay(make_detector):
    for method in METHODS:
        short, long = (make_detector(method=method, min_event_s=least) for least in (0.0, 7.0))
        assert long.delay_of(EXACT) == pytest.approx(short.delay_of(EXACT) + 7.0, abs=0.02)


def test_the_gate_hears_whole_seconds_in_blocks_of_any_length():
    rng, notes = np.random.default_rng(0), []
    wav = (
        rng.normal(0, 1, 8000 * 6 + 3000).astype(np.float32) * np.repeat(10.0 ** -np.arange(7), 8000)[:51000]
    )
    for size in (8000, 2000, 1000):
        gate = SilenceGate(-80.0, MUSIC_LOUDNESS, FrameGrid(), lambda *of_second: notes[-1].append(of_second))
        notes.append([])
        blocks = [wav[begin : begin + size] for begin in range(0, len(wav), size)]
        assert sum(map(len, gate.listen(blocks))) == len(wav)
    assert len(notes[0]) == 7 and notes[0] == notes[1] == notes[2]
