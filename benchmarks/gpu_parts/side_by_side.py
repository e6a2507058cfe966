"""Trainings of HRIN-cr on one device at once: what they do together, and how many to recommend."""

import contextlib
import time
import traceback

import torch

from gpu_parts.bench import join_all
from gpu_parts.steps import NETWORKS, make_step

COUNTS = (1, 2, 4, 8)
#: Where more trainings at once bring less than this share of the most, fewer are recommended.
NEAR = 0.95


def measure(bench):
    """Rows for each number of trainings. This process itself never touches the device."""
    counts = COUNTS[:2] if bench.quick else COUNTS
    context = bench.processes()
    pipes, processes = [], []
    for _ in range(counts[-1]):
        here, there = context.Pipe()
        process = context.Process(target=work, args=(bench, there))
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    try:
        ready = []
        for pipe in pipes:
            # Each has made its first steps.
            message = receive(pipe, 0.5 * bench.left_s())
            if message is None:
                bench.row("a training", "FAILED: it did not start; see the log", ok=False)
            else:
                ready.append(pipe)
        rates = {}
        for number, count in enumerate(counts):
            if count <= len(ready):
                seconds = 1.0 if bench.quick else min(8.0, 0.6 * bench.left_s() / (len(counts) - number))
                with bench.attempt(f"{count} at once"):
                    rates[count] = measure_count(bench, ready[:count], seconds, rates.get(1))
        if rates:
            best = min(count for count, rate in rates.items() if rate >= NEAR * max(rates.values()))
            bench.row(
                "recommended", f"{best} at once, {rates[best]:.1f} excerpts a second", count=best, rates=rates
            )
    finally:
        for pipe in pipes:
            with contextlib.suppress(OSError):
                pipe.send(None)
        join_all(processes, 5)


def receive(pipe, seconds):
    """A message, or None where none comes in time or the process is gone."""
    try:
        return pipe.recv() if pipe.poll(max(0.0, seconds)) else None
    except (EOFError, OSError):
        return None


def measure_count(bench, pipes, seconds, alone):
    """The row of so many trainings at once; excerpts a second of all of them."""
    for pipe in pipes:
        pipe.send(seconds)
    told = [receive(pipe, seconds + 20) for pipe in pipes]
    if None in told:
        raise RuntimeError(f"{told.count(None)} of {len(told)} trainings gave no answer")
    rate = sum(excerpts / took for excerpts, took, _ in told)
    memory = max(gib for _, _, gib in told)
    text = f"{rate:.1f} excerpts a second" + (f", {rate / alone:.2f} times as many as one" if alone else "")
    bench.row(f"{len(pipes)} at once", f"{text}, {memory:.2f} GiB each", rate=rate, gib=memory)
    return rate


def work(bench, pipe):
    """One training: as many steps as go into the seconds that it is told, until it is told none."""
    try:
        torch.set_num_threads(1)
        title, stem, batch = NETWORKS[0]
        kind = "tf32" if bench.cuda else "fp32"
        batch, n_frames = (2, 16) if bench.quick else (batch, 3751)
        step = make_step(bench, "ours", title, stem, batch, n_frames, kind)
        for _ in range(2):
            step()
            bench.wait()
        pipe.send("ready")
        while True:
            seconds = pipe.recv()
            if seconds is None:
                break
            start, excerpts = time.perf_counter(), 0
            while time.perf_counter() - start < seconds:
                step().item()  # as the Brain does, which looks at each loss
                excerpts += step.excerpts
            bench.wait()
            gib = torch.cuda.max_memory_reserved() / 2**30 if bench.cuda else 0.0
            pipe.send((excerpts, time.perf_counter() - start, gib))
    except BaseException:
        traceback.print_exc()
        raise
