"""Detections in an archive that are killed at random moments and started again."""

from pathlib import Path

import numpy as np

from soak_parts.common import (
    DETECT,
    detect,
    files_in,
    leftovers,
    run_and_kill,
    timed,
    tiny_model,
    write_noise,
)

CYCLES, RECORDINGS = 200, 24


def verdicts(folder, scale, seed):
    """Kill and start again; after each kill, every result there must be that of a run without kills.

    Arguments
    ---------
    folder : str
        Where archive and results go.
    scale : float
        Share of ``CYCLES``.
    seed : int
        Random seed.

    Yields
    ------
    tuple of (str, str)
        Kind and reason, one a cycle, and one for all that is missing or left over at the end.
    """
    rng, options = np.random.default_rng(seed), tiny_model(folder)
    for number in range(RECORDINGS):
        path = Path(folder, "in", f"day{number % 3}", f"{number:02d}{('.wav', '.flac')[number % 2]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_noise(path, rng.uniform(1, 4), rng)
    done, whole_s = timed(lambda: detect("in", "--output", "reference", *options, folder=folder))
    true = files_in(Path(folder, "reference"))
    if done.returncode or len(true) != RECORDINGS:
        raise RuntimeError(f"the run without kills failed: {done.stderr}")
    turn, log = 0, Path(folder, "log")
    for _ in range(max(2, round(CYCLES * scale))):
        output = Path(folder, f"out{turn}")
        jobs = str(rng.integers(1, 3))
        words = [*DETECT, "in", "--output", str(output), "--jobs", jobs, *map(str, options)]
        status = run_and_kill(words, folder, rng.uniform(0, 1.2 * whole_s), log)
        yield _judge(output, true, status)
        if status == 0:  # done before the kill
            yield from _judge_end(output, true)
            turn += 1
    output = Path(folder, f"out{turn}")
    detect("in", "--output", output, *options, folder=folder)
    yield from _judge_end(output, true)


def _judge(output, true, status):
    """What became of a cycle."""
    there = files_in(output)
    wrong = [name for name, content in there.items() if content != true.get(name)]
    if wrong:
        return "silently wrong", f"{output.name}: {wrong[0]} is not that of a run without kills"
    return ("right", "") if status in (0, -9) else ("lost", f"{output.name}: exit status {status}")


def _judge_end(output, true):
    """What is missing or left over at the end."""
    missing = sorted(true.keys() - files_in(output).keys())
    if missing:
        yield "lost", f"{output.name}: {', '.join(missing)}"
    for name in leftovers(output):
        yield "silently wrong", f"{output.name}: {name} is left over"
