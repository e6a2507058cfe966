"""How long does it take to decode an hour and a day of probabilities, and how long does it take naively?

    python benchmarks/decoding.py

Prints one table: seconds of processor time for each method, the frames given all at once, beside the
plainest implementation of the same rule, whose time for a day is that for an hour
24 times. The events of both must be the same; a difference ends the program.
"""

import time
from itertools import groupby

import numpy as np
from tqdm import tqdm

from hrin_plugin.decoding.decoders import METHODS, Decoding, decode_events
from hrin_plugin.decoding.smoothing import leaf_log_likelihood
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.timing import FrameGrid

GRID, HOUR_S = FrameGrid(), 3600.0


def programme(n_frames, rng):
    """Noisy probabilities of both levels, of classes that last about 20 s: two arrays ``[frame, class]``."""
    lengths = rng.exponential(20.0, n_frames // 100) / GRID.time_of(1)
    classes = np.repeat(rng.integers(0, 3, len(lengths)), lengths.astype(int) + 1)[:n_frames]
    parents = np.array(MUSIC_LOUDNESS.parent_indices(1))[classes]
    levels = []
    for size, active in zip(MUSIC_LOUDNESS.sizes, (parents, classes)):
        logits = 4.0 * np.eye(size)[active] - 2.0 + rng.normal(0, 1.5, (n_frames, size))
        levels.append((1 / (1 + np.exp(-logits))).astype(np.float32))
    return levels


def naive_threshold(levels, width=1):
    """Active frames of each class, frame by frame, with the median over sorted neighbours."""
    reach = width // 2
    bits = []
    for level in levels:
        for column in level.T.tolist():
            padded = [column[0]] * reach + column + [column[-1]] * reach
            medians = [sorted(padded[frame : frame + width])[reach] for frame in range(len(column))]
            bits.append([value >= 0.5 for value in medians])
    return bits


def naive_argmax(levels):
    """Active frames of each class, frame by frame, where the greatest wins."""
    bits = []
    for level in levels:
        best = [row.index(max(row)) for row in level.tolist()]
        bits += [[state == index for state in best] for index in range(level.shape[1])]
    return bits


def naive_viterbi(levels, cost):
    """Active frames of each class by the recursion over every pair of states."""
    rows = leaf_log_likelihood(levels, MUSIC_LOUDNESS).tolist()
    states = range(len(rows[0]))
    values, pointers = rows[0], []
    for row in rows[1:]:
        best = [max(states, key=lambda s: values[s] - cost * (s != state)) for state in states]  # noqa: B023
        values = [values[s] - cost * (s != state) + row[state] for state, s in enumerate(best)]
        pointers.append(best)
    path = [values.index(max(values))]
    for best in reversed(pointers):
        path.append(best[path[-1]])
    path.reverse()
    parents = MUSIC_LOUDNESS.parent_indices(1)
    bits = [[parents[state] == index for state in path] for index in range(MUSIC_LOUDNESS.sizes[0])]
    return bits + [[state == index for state in path] for index in states]


NAIVE = {
    "threshold": naive_threshold,
    "argmax": naive_argmax,
    "median": lambda levels: naive_threshold(levels, 2 * GRID.frame_at(Decoding().median_s / 2) + 1),
    "viterbi": lambda levels: naive_viterbi(levels, Decoding().cost_on(GRID)),
}


def naive_events(method, levels):
    """Onset, offset and class of every run, in frames."""
    found = []
    for index, column in enumerate(NAIVE[method](levels)):
        frame = 0
        for active, run in groupby(column):
            first, frame = frame, frame + len(list(run))
            if active:
                found.append((first, frame, index))
    return sorted(found)


def as_frames(events):
    """The same of our events."""
    names = [(level, label) for level, labels in enumerate(MUSIC_LOUDNESS.levels) for label in labels]
    return sorted(
        (GRID.frame_at(event.onset_s), GRID.frame_at(event.offset_s), names.index((level, event.label)))
        for level, of_level in enumerate(events)
        for event in of_level
    )


def decode(method, levels):
    """Events by our decoder, with its defaults."""
    duration_s = GRID.time_of(len(levels[0]))
    return decode_events(Decoding(method), levels, MUSIC_LOUDNESS, GRID, duration_s)


def timed(work, *arguments):
    """Result and processor time of a call, in seconds."""
    start = time.process_time()
    result = work(*arguments)
    return result, time.process_time() - start


def main():
    """Print the table."""
    rng = np.random.default_rng(0)
    n_frames = round(HOUR_S / GRID.time_of(1))
    hour = programme(n_frames, rng)
    day = [np.concatenate([level] * 24) for level in hour]
    short = [level[:100] for level in hour]
    lines = []
    for method in tqdm(METHODS, "methods", leave=False):
        _, first_s = timed(decode, method, short)  # imports, and what is compiled at the first use
        events, hour_s = timed(decode, method, hour)
        _, day_s = timed(decode, method, day)
        expected, naive_s = timed(naive_events, method, hour)
        if as_frames(events) != expected:
            raise SystemExit(f"{method}: ours and the naive events differ")
        lines.append(
            f"{method:<10}{len(expected):>10}{first_s:>12.2f}{hour_s:>10.3f}{day_s:>10.2f}"
            f"{naive_s:>14.2f}{24 * naive_s:>14.1f}"
        )
    print(
        f"{'method':<10}{'events/h':>10}{'first/s':>12}{'1 h/s':>10}{'24 h/s':>10}"
        f"{'naive 1 h/s':>14}{'naive 24 h/s':>14}"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
