"""Reading ahead: the same results and errors, in order, and no thread that stays."""

import threading
import time

import numpy as np
import pytest
import soundfile

from hrin_plugin.audio.signals import AudioError
from hrin_plugin.inference import load_detector
from hrin_plugin.inference.ahead import Later, through


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


PARTS = [lambda number: number + 1, lambda number: number * 2, str]


@pytest.mark.parametrize("n_parts", [1, 2, 3])
@pytest.mark.parametrize("n_threads", [1, 2, 8])
def test_items_come_in_order_and_whole(n_parts, n_threads):
    expected = list(range(50))
    for part in PARTS[-n_parts:]:
        expected = list(map(part, expected))
    assert list(through(PARTS[-n_parts:], iter(range(50)), n_threads)) == expected


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("place", ["items", 0, 1, 2])
def test_an_error_is_raised_where_the_items_are_taken_after_those_before_it(n_threads, place):
    error = AudioError("a.wav", "breaks off", "copy it again")

    def items():
        for number in range(9):
            if number == 4 and place == "items":
                raise error
            yield number

    def failing(number):
        if number == 4:
            raise error
        return number

    parts = [failing if place == number else lambda number: number for number in range(3)]
    taken = []
    with pytest.raises(AudioError) as caught:
        taken.extend(through(parts, items(), n_threads))
    assert caught.value is error


def test_who_leaves_early_ends_the_threads_and_closes_the_items():
    read, closed = [], []

    def items():
        try:
            for number in range(1000):
                read.append(number)
                yield number
        finally:
            closed.append(True)

    results = through(PARTS, items(), 2)
    assert next(results) == "2"
    results.close()
    del results
    assert closed and len(read) < 10


def test_few_items_wait_and_no_more_parts_compute_than_threads():
    read, computing, most, lock = [], [0], [0], threading.Lock()

    def part(number):
        with lock:
            computing[0] += 1
            most[0] = max(most[0], computing[0])
        time.sleep(0.002)
        with lock:
            computing[0] -= 1
        return number

    def items():
        for number in range(40):
            read.append(number)
            yield number

    for number in through([part] * 4, items(), 2):
        assert len(read) <= number + 9
    assert most[0] == 2


@pytest.mark.parametrize("n_threads", [1, 2])
def test_calls_are_made_before_the_item_that_they_were_made_before(n_threads):
    calls = []
    later = Later(calls.append)

    def items():
        for number in range(20):
            later(number)
            yield number
        later("end")

    for number in later.done(through([lambda number: number], map(later.marked, items()), n_threads)):
        assert calls == list(range(number + 1))
    assert calls[-1] == "end"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Three minutes of noise with pauses, in stereo."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("sound") / "a.wav"
    sound = rng.normal(0, 0.1, (180, 11025, 2)) * (np.arange(180) % 40 < 30)[:, None, None]
    soundfile.write(path, sound.reshape(-1, 2), 11025)
    return path


def detected(recording, place, monkeypatch, threads):
    """A Detection with its probabilities, and the bytes of those that are kept."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    kept = place / f"{threads}.probs"
    found = load_detector(device="cpu").detect_file(recording, probabilities=True, keep=kept)
    return found, kept.read_bytes()


def test_a_file_has_the_same_result_by_one_thread_and_by_several(recording, tmp_path, monkeypatch):
    alone, kept_alone = detected(recording, tmp_path, monkeypatch, 1)
    ahead, kept_ahead = detected(recording, tmp_path, monkeypatch, 2)
    assert alone.events == ahead.events and kept_alone == kept_ahead
    for level, values in alone.probabilities.items():
        np.testing.assert_array_equal(values, ahead.probabilities[level])


def test_an_interruption_and_a_damaged_end_leave_no_thread(recording, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    detector = load_detector(device="cpu")

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        detector.detect_file(recording, progress=interrupt)
    data = soundfile.read(recording)[0]
    data[150 * 11025] = np.nan
    soundfile.write(tmp_path / "b.wav", data, 11025, "FLOAT")
    with pytest.raises(AudioError, match=r"b\.wav: the sample at 150\.000 s is not a finite number"):
        detector.detect_file(tmp_path / "b.wav")


def test_live_sound_is_not_read_ahead(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before, counts = threading.active_count(), []

    def live():
        for number in range(200):
            counts.append(threading.active_count())
            yield np.random.default_rng(number).normal(0, 0.1, 8000).astype(np.float32)

    for _ in load_detector(device="cpu").detect_stream(live(), 8000):
        pass
    assert max(counts) == before
