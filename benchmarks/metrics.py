"""How much faster are our scores than sed_eval's, on one fold of OpenBMAT's size?

    python benchmarks/metrics.py

Prints one table: seconds to score 165 files of 60 s with about 6 events each, per
level. Both count the same events; a difference in any count ends the program.
"""

import random
import time

import numpy as np
from sed_eval.sound_event import EventBasedMetrics, SegmentBasedMetrics
from tqdm import tqdm

from hrin_plugin.events import Event
from hrin_plugin.metrics.counts import align, count_events, count_segments
from hrin_plugin.metrics.scores import COLLARS_S, fast_scores, sed_eval_scores
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

N_FILES, DURATION_S, N_EVENTS = 165, 60.0, 6
LABELS = MUSIC_LOUDNESS.levels[1]
SETTINGS = [(collar_s, with_offset) for collar_s in COLLARS_S for with_offset in (False, True)]


def tiling(rng):
    """Six events from 0 to 60 s on the frame grid, neighbours of different classes."""
    bounds = [0, *sorted(rng.sample(range(1, 3750), N_EVENTS - 1)), 3750]
    label, events = None, []
    for first, end in zip(bounds, bounds[1:]):
        label = rng.choice([other for other in LABELS if other != label])
        events.append(Event(first * 128 / 8000, end * 128 / 8000, label))
    return events


def shaken(rng, events):
    """The same events with their bounds moved by up to a second."""
    moved = [event.onset_s + rng.choice([-1, 1]) * rng.random() for event in events[1:]]
    bounds = sorted([0.0, *(min(max(bound, 0.001), DURATION_S - 0.001) for bound in moved), DURATION_S])
    pairs = zip(events, bounds, bounds[1:])
    return [Event(onset, offset, event.label) for event, onset, offset in pairs if onset < offset]


def as_dicts(label, onset, offset):
    """Columns as `sed_eval` reads them."""
    return [
        {"event_label": LABELS[index], "event_onset": float(start), "event_offset": float(end)}
        for index, start, end in zip(label, onset, offset)
    ]


def columns_of_files(alignment, names):
    """For each file, the events of reference and estimate as `sed_eval` reads them."""
    return [
        [
            as_dicts(*(getattr(track, name)[track.file == file] for name in ("label", *names)))
            for track in alignment[:2]
        ]
        for file in range(N_FILES)
    ]


def seconds(work, repeats=1):
    """Result and shortest time of a function."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return result, min(times)


def sed_eval_segments(alignment):
    """Segment counts of `sed_eval`: ``[class, count]``."""
    metric = SegmentBasedMetrics(list(LABELS), time_resolution=1.0)
    files = columns_of_files(alignment, ("first", "end"))
    for pair, n_segments in zip(
        tqdm(files, "sed_eval, segments", leave=False), alignment.n_segments.tolist()
    ):
        metric.evaluate(*pair, evaluated_length_seconds=n_segments)
    return counted(metric, ("Nref", "Nsys", "Ntp", "Nfp", "Nfn", "Ntn"))


def sed_eval_events(alignment):
    """Event counts of `sed_eval` for every setting: ``[setting, class, count]``."""
    metrics = [EventBasedMetrics(list(LABELS), evaluate_offset=off, t_collar=on) for on, off in SETTINGS]
    for pair in tqdm(columns_of_files(alignment, ("onset_s", "offset_s")), "sed_eval, events", leave=False):
        for metric in metrics:
            metric.evaluate(*pair)
    return [counted(metric, ("Nref", "Nsys", "Ntp", "Nfp", "Nfn")) for metric in metrics]


def counted(metric, names):
    """Counts of one metric: ``[class, count]``."""
    return [[int(metric.class_wise[label][name]) for name in names] for label in LABELS]


def main():
    """Print the table."""
    rng = random.Random(0)
    references = [tiling(rng) for _ in range(N_FILES)]
    estimates = [shaken(rng, events) for events in references]
    inputs = references, estimates, [DURATION_S] * N_FILES, LABELS
    alignment = align(*inputs)

    def our_segments():
        return np.transpose(count_segments(align(*inputs))).tolist()

    def our_events():
        checked = align(*inputs)
        return [np.transpose(count_events(checked, *setting)[:5]).tolist() for setting in SETTINGS]

    rows = [
        ("segments of 10 ms", lambda: sed_eval_segments(alignment), our_segments),
        ("events, 4 settings", lambda: sed_eval_events(alignment), our_events),
        ("all scores", lambda: sed_eval_scores(*inputs), lambda: fast_scores(*inputs)),
    ]
    lines = []
    for name, theirs, ours in rows:
        our_result, our_s = seconds(ours, repeats=20)
        their_result, their_s = seconds(theirs)
        if our_result != their_result:
            raise SystemExit(f"{name}: ours and sed_eval's differ")
        lines.append(f"{name:<20}{N_FILES:>6}{their_s:>12.3f}{our_s:>12.5f}{their_s / our_s:>10.0f}")
    print(f"{'level':<20}{'files':>6}{'sed_eval/s':>12}{'ours/s':>12}{'ratio':>10}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
