"""How many runs go on side by side on a machine's GPUs, and what they then do together."""

import json
import math
from pathlib import Path
from typing import NamedTuple

#: Throughput of trainings of HRIN-cr at once on one GPU, relative to one: part (d) of ``benchmarks/gpu.py``.
MEASURED = Path(__file__).with_name("gpus.json")
#: Fewer trainings at once are chosen if they reach this share of the highest throughput.
NEAR = 0.95


class Sharing(NamedTuple):
    """GPUs of one kind, and the runs on them.

    Example
    -------
    >>> sharing = Sharing("Card", n_gpus=2, rates={1: 1.0, 4: 1.5})
    >>> sharing.jobs, sharing.speedup(8), sharing.speedup(2)
    (8, 3.0, 2.0)
    """

    name: str | None  # of the GPUs; None where there are none
    n_gpus: int
    rates: dict | None  # throughput of so many runs on one GPU, relative to one; None if not measured

    @property
    def per_gpu(self):
        """Runs at once on one GPU; one where nothing is measured."""
        if not self.rates:
            return 1
        return min(count for count, rate in self.rates.items() if rate >= NEAR * max(self.rates.values()))

    @property
    def jobs(self):
        """Runs side by side; one where there is no GPU."""
        return max(1, self.n_gpus) * self.per_gpu

    def speedup(self, jobs):
        """How much faster so many runs at once are than one after another."""
        if not self.n_gpus:
            return jobs
        each = math.ceil(jobs / self.n_gpus)
        # Of counts that were not measured, the next smaller one that was.
        known = [count for count in self.rates or {1: 1.0} if count <= each]
        return min(jobs, self.n_gpus) * (self.rates or {1: 1.0})[max(known)]

    def describe(self, jobs):
        """The choice and its reason in one line; empty where there is no GPU."""
        if not self.n_gpus:
            return ""
        gpus = f"{self.n_gpus} GPU{'s' * (self.n_gpus > 1)} ({self.name})"
        if not self.rates:
            return f"--jobs {jobs} on {gpus}, of which nothing is measured: see benchmarks/gpu.py --json"
        each = ", ".join(f"{count}: {rate:.2f}" for count, rate in sorted(self.rates.items()))
        return f"--jobs {jobs} on {gpus}; measured throughput of runs at once on one: {each}"


def find_sharing(gpus, measured=None):
    """The GPUs of this machine, and what is measured of them.

    Arguments
    ---------
    gpus : sequence of str
        Those to use; all are taken to be of the first one's kind.
    measured : str, pathlib.Path or None
        Rows of ``benchmarks/gpu.py --json`` of this machine; None for the table :data:`MEASURED`.

    Returns
    -------
    Sharing
        How runs share them.

    Raises
    ------
    ValueError
        If the rows tell nothing of trainings side by side.

    Example
    -------
    >>> find_sharing([]).jobs
    1
    """
    if not gpus:
        return Sharing(None, 0, None)
    import torch

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "unknown"
    if measured is not None:
        return Sharing(name, len(gpus), read_rates(measured))
    table = json.loads(MEASURED.read_text("utf-8"))
    rates = {int(count): rate for count, rate in table.get(name, {}).items()}
    return Sharing(name, len(gpus), rates or None)


def read_rates(path):
    """Throughput of trainings at once from the rows of ``benchmarks/gpu.py --json``.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    dict of int to float
        Number of trainings to their throughput together, relative to one.

    Raises
    ------
    ValueError
        If the file holds no such row.

    Example
    -------
    >>> path = getfixture("tmp_path") / "rows.json"
    >>> row = {"part": "side_by_side", "what": "recommended", "values": {"rates": {"1": 50.0, "2": 60.0}}}
    >>> _ = path.write_text(json.dumps([row]))
    >>> read_rates(path)
    {1: 1.0, 2: 1.2}
    """
    try:
        rows = json.loads(Path(path).read_text("utf-8"))
        (rates,) = [
            row["values"]["rates"]
            for row in rows
            if (row["part"], row["what"]) == ("side_by_side", "recommended")
        ]
        return {int(count): rate / rates["1"] for count, rate in rates.items()}
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"{path}: holds no throughput of trainings side by side; "
            "make it by: python benchmarks/gpu.py --parts machine,side_by_side --json FILE"
        ) from None
