"""The card, and what large products and copies reach on it."""

import os
import platform

import torch

from gpu_parts.bench import median_s, precision


def measure(bench):
    """Rows of the machine."""
    name = torch.cuda.get_device_name() if bench.cuda else platform.processor() or "CPU"
    memory = ""
    if bench.cuda:
        memory = f", {torch.cuda.get_device_properties(0).total_memory / 2**30:.0f} GiB"
    versions = f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}"
    bench.row(
        "card", f"{name}{memory}, {os.cpu_count()} cores, {versions}, Python {platform.python_version()}"
    )
    size = 512 if bench.quick else 8192
    for kind in ("fp32", "tf32", "bf16"):
        with bench.attempt(f"product, {kind}"):
            dtype = torch.bfloat16 if kind == "bf16" else torch.float32
            pair = torch.randn(2, size, size, device=bench.device).to(dtype)
            with precision("fp32" if kind == "fp32" else "tf32", bench.device):
                seconds, _ = median_s(bench, lambda: pair[0] @ pair[1], 10, 3.0)  # noqa: B023
            rate = 2 * size**3 / seconds / 1e12
            bench.row(
                f"product of {size} x {size}, {kind}", f"{rate:.1f} TFLOP/s", tflops=rate, seconds=seconds
            )
    with bench.attempt("copy"):
        source = torch.randn(2**20 if bench.quick else 2**29, device=bench.device)
        target = torch.empty_like(source)
        seconds, _ = median_s(bench, lambda: target.copy_(source), 10, 3.0)
        rate = 2 * source.numel() * 4 / seconds / 1e9
        bench.row("copy within the memory", f"{rate:.0f} GB/s", gb_s=rate)
