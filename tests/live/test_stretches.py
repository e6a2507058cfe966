"""Time of live sound, by a clock that the test moves."""

import contextlib

import numpy as np
import pytest

from hrin_plugin.live.clock import Clock, Drift, file_name, iso
from hrin_plugin.live.hosts import Refused
from hrin_plugin.live.source import Chunk, SourceError
from hrin_plugin.live.stretches import Listener

RATE, NOON = 100, 1795867200.0  # 2026-11-28 12:00 UTC


class World:
    """Time of day and elapsed time, and connections whose chunks move them."""

    def __init__(self, *connections):
        self.elapsed_s, self.wall, self.connections = 1000.0, NOON, list(connections)
        self.told, self.sample_rate = [], RATE
        self.clock = Clock(lambda: self.wall, lambda: self.elapsed_s)

    def pass_on(self, seconds):
        """Let time pass."""
        self.elapsed_s += seconds
        self.wall += seconds

    @contextlib.contextmanager
    def connect(self):
        """The next connection: arrivals as (seconds waited, samples), then an end."""
        arrivals, end = self.connections.pop(0)

        class Connection:
            sample_rate = RATE

            def __iter__(connection):  # noqa: N805
                for seconds, n_samples in arrivals:
                    self.pass_on(seconds)
                    yield Chunk(self.elapsed_s, np.full((n_samples, 1), len(self.connections), np.float32))
                if end:
                    raise end

        yield Connection()

    def listen(self, heard_until=0.0):
        """Begin, seconds and gap of each stretch."""
        listener = Listener(
            self.connect,
            self.clock,
            self.told.append,
            lambda: not self.connections,
            heard_until,
            self.pass_on,
        )
        found = []
        for stretch in listener.stretches():
            n_samples = sum(map(len, stretch.blocks))
            found.append((stretch.begin - NOON, n_samples / RATE, stretch.gap))
        return found


ENDED = SourceError("the stream ended")
LAST = ([], None)


def steady(seconds):
    """Sound as it is played, each tenth of a second."""
    return [(0.1, 10)] * (10 * seconds)


def test_sound_begins_when_its_first_sample_sounded():
    assert World((steady(20), ENDED), LAST).listen() == [(0.0, 20.0, None)]


def test_what_a_server_has_kept_sounded_before_the_connection():
    # 5 s at once: they sounded from 11:59:55 on.
    assert World(([(0.0, 500), *steady(20)], ENDED), LAST).listen() == [(-5.0, 25.0, None)]


def test_a_stretch_begins_with_a_whole_second():
    ((begin, length_s, _),) = World(([(0.35, 10), *steady(10)], ENDED), LAST).listen()
    assert begin == 1.0 and length_s == pytest.approx(10.1 - 0.75)


def test_a_gap_is_told_and_no_time_is_shifted():
    world = World((steady(20), ENDED), ([(3.4, 10), *steady(10)], ENDED), LAST)
    first, second = world.listen()
    assert first == (0.0, 20.0, None)
    # A pause of half a second, and 3.4 s until it sounds again: the first sample is of 12:00:23.8.
    assert second[0] == 24.0 and second[1] == pytest.approx(10.1 - 0.2)
    assert second[2] == "no sound from 2026-11-28T12:00:20Z to 2026-11-28T12:00:24Z (the stream ended)"
    assert world.told[0] == "2026-11-28T12:00:20Z: no sound (the stream ended); trying again"


def test_the_reason_of_a_gap_is_the_first_and_of_this_gap():
    failure = SourceError("Connection refused")
    world = World(([(0.0, 500)], ENDED), ([], failure), (steady(1), ENDED), (steady(5), ENDED), LAST)
    gaps = [gap for *_, gap in world.listen()]
    assert gaps[0] is None and all(gap.endswith("(the stream ended)") for gap in gaps[1:]) and len(gaps) == 3


def test_what_was_heard_before_the_interruption_does_not_count_again():
    # The server sends the last 8 s once more.
    first, second = World((steady(20), ENDED), ([(0.5, 800), *steady(10)], ENDED), LAST).listen()
    assert second[0] == first[0] + first[1] and second[1] == pytest.approx(11.0, abs=0.11)


def test_an_earlier_run_counts_too():
    ((begin, length_s, gap),) = World((steady(20), ENDED), LAST).listen(NOON + 5.5)
    assert (begin, length_s) == (6.0, 14.0) and "(the program did not run)" in gap


def test_results_of_the_future_are_told():
    world = World((steady(100), ENDED), LAST)
    ((begin, length_s, _),) = world.listen(NOON + 90.0)
    assert (begin, length_s) == (90.0, 10.0)
    assert world.told[0].startswith("there are results until 2026-11-28T12:01:30Z already")


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_jump_of_the_computers_clock_changes_nothing_while_sound_comes(jump):
    world = World((steady(20), ENDED), LAST)
    arrivals = world.connections[0][0]

    def jumping():
        yield from arrivals[:100]
        world.wall += jump
        yield from arrivals[100:]

    world.connections[0] = jumping(), ENDED
    assert world.listen() == [(0.0, 20.0, None)]


@pytest.mark.parametrize(("jump", "begin"), [(3600.0, 3621.0), (-3600.0, 21.0)])
def test_a_jump_forward_is_followed_where_sound_is_missing_and_one_back_is_not(jump, begin):
    world, pass_on = World((steady(20), ENDED), (steady(5), ENDED), LAST), World.pass_on
    jumps = [jump]

    def sleeping(seconds):
        pass_on(world, seconds)
        if world.elapsed_s > 1020.0 and jumps:
            world.wall += jumps.pop()

    world.pass_on = sleeping
    assert world.listen()[1][0] == begin
    assert any(f"changed by {jump:+.1f} s" in line for line in world.told)


def test_sound_that_was_lost_within_a_connection_is_a_gap():
    # 10 s are missing after a minute, as where segments of a playlist are left out.
    world = World(([*steady(60), (10.0, 10), *steady(90)], ENDED), LAST)
    first, second = world.listen()
    assert first[0] == 0.0 and second[2].endswith("(the stream lost about 10 s)")
    # From then on the times are right again: the last sample is of 12:02:40.
    assert second[0] + second[1] == pytest.approx(160.0, abs=0.2)


def test_pauses_grow_and_begin_anew_after_sound():
    failure = SourceError("Connection refused")
    world = World(*[([], failure)] * 9, (steady(15), ENDED), ([], failure), LAST)
    pauses, before = [], world.pass_on
    world.pass_on = lambda seconds: pauses.append(world.elapsed_s) or before(seconds)
    times = []
    connect = world.connect
    world.connect = lambda: times.append(world.elapsed_s) or connect()
    world.listen()
    gaps = np.diff(times).round(1).tolist()
    assert gaps[:9] == pytest.approx([0.5, 1, 2, 4, 8, 16, 32, 60, 60], abs=0.15)
    assert gaps[9] == pytest.approx(15.5, abs=0.15) and gaps[10] == pytest.approx(1.0, abs=0.15)
    assert len([line for line in world.told if "refused" in line]) == 2


def test_what_the_user_did_not_name_ends_it_after_what_was_heard():
    world = World((steady(20), Refused("other.example:80 is not named")), LAST)
    with pytest.raises(Refused, match="other.example"):
        world.listen()


def test_sound_behind_by_less_than_its_tolerance_is_no_gap():
    drift = Drift(0.0)
    behind = [drift.watch(second * 1.0001, float(second)) for second in range(3600)]
    assert max(each for each in behind if each is not None) < 0.4


def test_names_of_files_and_times():
    assert file_name(NOON) == "2026-11-28_12-00-00Z"
    assert iso(NOON + 59.96, 1) == "2026-11-28T12:01:00.0Z" and iso(NOON + 0.26, 1).endswith("00.3Z")
