"""What a GPU gives, and whether it gives the same: one table, in at most eight minutes.

    python benchmarks/gpu.py [--device cuda] [--authors DIR] [--parts A,B] [--seconds 480] [--json FILE]

Each part has processes and a time limit of its own: one that fails is a row of the table, and
costs the others nothing. ``--quick`` runs every part small on the CPU, to show that it works.
Needed are this package, torch, and what ``setup.py`` names.

machine       the card, and what large products and copies reach on it
networks      outputs, loss and gradients of the paper's nine networks, against double precision
steps         a training step of HRIN-r and HRIN-cr at the paper's settings: time, memory, kernels
epoch         an epoch of 1318 one-minute excerpts through the recipe's loader and Brain
side_by_side  trainings of HRIN-cr on one GPU at once
resume        a training that is killed within an epoch and goes on
detect        the model that ships: recordings a second
ddp           the gradients of two processes, against those of one
"""

import argparse
import importlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

# So that asking for a GPU does not keep processes that are forked later from using it.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT / "recipes/OpenBMAT", ROOT, ROOT / "benchmarks"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from gpu_parts.bench import Bench, end_group, format_rows, read_rows  # noqa: E402

#: Parts in their order, and the most seconds that each may take.
LIMITS_S = {
    "machine": 40,
    "networks": 70,
    "steps": 110,
    "epoch": 100,
    "side_by_side": 65,
    "resume": 75,
    "detect": 65,
    "ddp": 50,
}


def run_part(bench):
    """Measure one part in this process; its rows go to a file as they come."""
    os.setsid()
    # The parent's handlers are not this process's business.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        importlib.import_module(f"gpu_parts.{bench.part}").measure(bench)
    except BaseException as error:
        traceback.print_exc()
        sys.stderr.flush()
        bench.row("all of it", f"FAILED: {type(error).__name__}: {_first_line(error)}", ok=False)
        os._exit(1)


def _first_line(error):
    return (str(error).strip().splitlines() or [""])[0][:200]


def limit_of(part, waiting, left_s):
    """Seconds for a part: its own limit, or its share of what is left of the whole time.

    Arguments
    ---------
    part : str
        The part that begins.
    waiting : sequence of str
        It and those after it.
    left_s : float
        What is left for all of them.

    Returns
    -------
    float
        The seconds.
    """
    return min(LIMITS_S[part], left_s * LIMITS_S[part] / sum(LIMITS_S[each] for each in waiting))


def run_limited(bench):
    """Run a part in a process of its own, and end it and its children when its time is over.

    Arguments
    ---------
    bench : Bench
        The part.

    Returns
    -------
    bool
        Whether it ended by itself and well.
    """
    process = multiprocessing.get_context(bench.method).Process(target=run_part, args=(bench,))
    process.start()
    try:
        process.join(bench.seconds)
        if process.is_alive():
            bench.row("all of it", f"STOPPED after {bench.seconds:.0f} s", ok=False)
        elif process.exitcode not in (0, 1):
            bench.row("all of it", f"FAILED: exit status {process.exitcode}", ok=False)
        return process.exitcode == 0
    finally:
        end_group(process.pid)
        process.kill()  # if it has not come to a group of its own
        process.join(5)


def _tell_whether_forks_can_use_cuda():
    import torch

    os._exit(int(torch.cuda._is_in_bad_fork()))


def start_method(device):
    """How processes start: forked from this one, which has imported everything, where CUDA allows it.

    Arguments
    ---------
    device : str
        Where the parts run.

    Returns
    -------
    str
        "fork" or "spawn".
    """
    if device == "cpu":
        return "fork"
    process = multiprocessing.get_context("fork").Process(target=_tell_whether_forks_can_use_cuda)
    process.start()
    process.join()
    return "fork" if process.exitcode == 0 else "spawn"


def import_everything():
    """Import what the parts need, once; nothing of it may touch the GPU."""
    import torch  # noqa: F401

    import hrin_plugin.inference.detector  # noqa: F401
    import train  # noqa: F401


def main(argv=None):
    """Run the parts, and print one table, whatever happens.

    Arguments
    ---------
    argv : sequence of str or None
        Words of the command line.

    Returns
    -------
    int
        0 if every row is as it should be, 1 otherwise.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", help="cuda, or cpu (default: cuda; with --quick: cpu)")
    parser.add_argument("--quick", action="store_true", help="every part, as small as can be")
    parser.add_argument("--parts", default=",".join(LIMITS_S), help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=480, help="for all parts (default: %(default)s)")
    parser.add_argument(
        "--start_method",
        choices=("fork", "spawn"),
        help="how processes start (default: fork where CUDA allows)",
    )
    parser.add_argument("--authors", help="checkout of the authors' code, for a comparison of steps")
    parser.add_argument("--json", help="where the rows go too")
    arguments = parser.parse_args(argv)
    parts = [part for part in arguments.parts.split(",") if part]
    unknown = sorted(set(parts) - LIMITS_S.keys())
    if unknown:
        parser.error(f"--parts: {', '.join(unknown)}: no such part; there are {', '.join(LIMITS_S)}")
    device = arguments.device or ("cpu" if arguments.quick else "cuda")
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = []
    try:
        import_everything()
        method = arguments.start_method or start_method(device)
        print(f"imports took {time.monotonic() - began:.1f} s; processes start by {method}", flush=True)
        with tempfile.TemporaryDirectory(prefix="hrin-gpu-") as folder:
            for number, part in enumerate(parts):
                left_s = arguments.seconds - (time.monotonic() - began)
                bench = Bench(
                    part=part,
                    device=device,
                    quick=arguments.quick,
                    # A busy CPU may take its time.
                    seconds=max(1.0, left_s if arguments.quick else limit_of(part, parts[number:], left_s)),
                    authors=arguments.authors,
                    folder=str(Path(folder, part)),
                    method=method,
                )
                Path(bench.folder).mkdir()
                print(f"== {part}, at most {bench.seconds:.0f} s", flush=True)
                went_well = run_limited(bench)
                bench.row("time", f"{bench.age_s():.1f} s", seconds=bench.age_s())
                rows += read_rows(bench)
                _write(arguments.json, rows)
                if part == "machine" and not went_well:
                    method = "spawn"
    finally:
        print("\n" + format_rows(rows), flush=True)
        _write(arguments.json, rows)
    return 0 if rows and all(row["ok"] is not False for row in rows) else 1


def _write(path, rows):
    if path:
        draft = Path(f"{path}.draft")
        draft.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
