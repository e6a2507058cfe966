"""What all parts share: rows, time limits, clocks, precisions, and the networks of the YAMLs."""

import contextlib
import json
import multiprocessing
import os
import signal
import statistics
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

HPARAMS = Path(__file__).resolve().parents[2] / "recipes/OpenBMAT/hparams"


@dataclass
class Bench:
    """One part: where and how it runs, and where its rows go."""

    part: str
    device: str
    quick: bool
    seconds: float  # that it may take
    authors: str | None
    folder: str  # of its own
    method: str  # how its processes start, "fork" or "spawn"
    began: float = field(default_factory=time.monotonic)

    @property
    def cuda(self):
        """Whether it runs on a GPU of CUDA."""
        return self.device.startswith("cuda")

    def age_s(self):
        """Seconds since it began."""
        return time.monotonic() - self.began

    def left_s(self):
        """Seconds of its time that are left."""
        return self.seconds - self.age_s()

    def row(self, what, result, ok=None, **values):
        """Print a row, and add it to the part's file.

        Arguments
        ---------
        what : str
            What was measured.
        result : str
            The figures.
        ok : bool or None
            Whether they are as they should be; None where there is nothing to judge.
        **values
            The figures as numbers, for the JSON file.
        """
        row = {"part": self.part, "what": what, "result": result, "ok": ok, "values": values}
        with open(Path(self.folder, "rows.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{self.part}: {what}: {result}", flush=True)

    @contextlib.contextmanager
    def attempt(self, what):
        """Let what fails within be a row, with its traceback in the log."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            first = (str(error).strip().splitlines() or [""])[0][:200]
            self.row(what, f"FAILED: {type(error).__name__}: {first}", ok=False)

    def processes(self):
        """What makes processes of this part."""
        return multiprocessing.get_context(self.method)

    def wait(self):
        """Wait until the device has done its work."""
        if self.cuda:
            import torch

            torch.cuda.synchronize()


def read_rows(bench):
    """The rows of a part so far, a list of dict."""
    path = Path(bench.folder, "rows.jsonl")
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


def format_rows(rows):
    """The table.

    Arguments
    ---------
    rows : list of dict
        From :func:`read_rows`.

    Returns
    -------
    str
        One line a row.
    """
    marks = {True: "yes", False: "NO", None: ""}
    what_width = max([4, *(len(row["what"]) for row in rows)])
    lines = [f"{'part':<14}{'what':<{what_width + 2}}{'fine':<6}result"]
    for row in rows:
        lines.append(f"{row['part']:<14}{row['what']:<{what_width + 2}}{marks[row['ok']]:<6}{row['result']}")
    return "\n".join(lines)


def end_group(pid):
    """End a process that has a group of its own, and all of the group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def join_all(processes, seconds):
    """Wait for processes together; those that are late are ended.

    Arguments
    ---------
    processes : sequence of multiprocessing.Process
        Started ones.
    seconds : float
        For all of them.

    Returns
    -------
    list of int or None
        Their exit codes; -9 of those that were ended.
    """
    deadline = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    for process in processes:
        if process.is_alive():
            process.kill()
            process.join(5)
    return [process.exitcode for process in processes]


def build(stem, folder, **overrides):
    """Everything that a YAML of the paper's experiments describes.

    Arguments
    ---------
    stem : str
        Its name without ``.yaml``.
    folder : str or pathlib.Path
        Where results would go.
    **overrides
        Values in place of the YAML's.

    Returns
    -------
    dict
        The hyperparameters.
    """
    from hyperpyyaml import load_hyperpyyaml

    with open(HPARAMS / f"{stem}.yaml", encoding="utf-8") as file:
        return load_hyperpyyaml(file, {"results_folder": str(folder), **overrides})


@contextlib.contextmanager
def precision(name, device):
    """Compute in a precision: "fp32", "tf32" (SpeechBrain's default on a GPU), "bf16" or "fp16" (autocast).

    Arguments
    ---------
    name : str
        The precision.
    device : str
        Where.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = name != "fp32"
    torch.backends.cudnn.allow_tf32 = name != "fp32"
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(name)
    if dtype is None:
        yield
    else:
        with torch.autocast(device.partition(":")[0], dtype=dtype):
            yield


def median_s(bench, function, at_most, budget_s, warm_up=2):
    """Median seconds of a call, with the device's work.

    Arguments
    ---------
    bench : Bench
        The part.
    function : callable
        What is timed.
    at_most : int
        Times; at least one, fewer where the time is over.
    budget_s : float
        Seconds for all of them.
    warm_up : int
        Calls before, as long as half of the time is left.

    Returns
    -------
    float
        Seconds.
    int
        How many calls were timed.
    """
    began, times = time.monotonic(), []
    for _ in range(warm_up):
        function()
        bench.wait()
        if time.monotonic() - began > budget_s / 2:
            break
    while len(times) < at_most and (not times or time.monotonic() - began < budget_s):
        start = time.perf_counter()
        function()
        bench.wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times), len(times)
