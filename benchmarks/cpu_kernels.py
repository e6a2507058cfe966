"""How much the compiled loops save: ``python benchmarks/cpu_kernels.py``.

A training step of HRIN-cr whose normalisation keeps its statistics, as in fine-tuning: with the
compiled loops and through torch, each in a process of its own, and each in single precision and in
bfloat16. The last columns are the arithmetic done a second, and its share of what a large matrix
product in single precision reaches on this machine.
"""

import argparse
import itertools
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

import torch

from hrin_plugin.hierarchy.losses import HierarchicalLoss
from hrin_plugin.networks.cpu_kernels.library import SWITCH
from hrin_plugin.networks.cpu_memory import keep_freed_memory
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.networks.units import keep_statistics
from training import NETWORKS, flops_per_frame, matmul_flops

BATCH, FRAMES = 4, 750
SETTINGS = NETWORKS["HRIN-cr"]


def step_s(compiled, half, repeats, threads):
    """Median seconds of a training step."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    os.environ[SWITCH] = "on" if compiled else "off"
    network = HRIN(**SETTINGS)
    keep_statistics(network)
    frames, targets = torch.randn(BATCH, FRAMES, 128), torch.randint(3, (BATCH, FRAMES))
    objective, optimizer = HierarchicalLoss(), torch.optim.Adam(network.parameters(), 1e-4)
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            loss = objective(network(frames), targets).total
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def main():
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    limit, flops = matmul_flops("cpu"), flops_per_frame(SETTINGS) * BATCH * FRAMES
    print(f"{arguments.threads} threads, torch {torch.__version__}; HRIN-cr, batch {BATCH}, {FRAMES} frames")
    print(f"{'loops':20}{'s a step':>10}{'ratio':>7}{'GFLOP/s':>9}{'of limit':>10}")
    first_s = None
    for compiled, half in itertools.product((True, False), (False, True)):
        name = ("compiled" if compiled else "torch's") + (", bfloat16" if half else "")
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            seconds = pool.submit(step_s, compiled, half, arguments.repeats, arguments.threads).result()
        first_s = first_s or seconds
        rate = flops / seconds
        print(
            f"{name:20}{seconds:10.3f}{seconds / first_s:7.2f}{rate / 1e9:9.0f}{rate / limit:10.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
