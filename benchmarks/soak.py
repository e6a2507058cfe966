"""Thousands of kills, damages and odd files, and what became of each: one table.

    python benchmarks/soak.py [--parts A,B] [--scale 0.01] [--seed 0] [--folder DIR] [--json FILE]

Each try is judged by what is known of its input: right, reported, silently wrong or lost. The exit
status is 1 if anything was silently wrong or lost, or if a part failed. ``--scale 0.01`` makes it quick.

kills_detect  200 detections in an archive, killed at random moments and started again
kills_train   200 trainings, killed at random moments and resumed
short_files   5,000 short recordings, 2 % of them bad in 25 ways
long_day      a recording of 24 hours
big_wav       WAV files of 10 hours, over 4 GiB, whose header tells another size
damages       500 truncations and 500 damages of recordings of all formats
"""

import argparse
import collections
import importlib
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT, ROOT / "benchmarks"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

PARTS = ("kills_detect", "kills_train", "short_files", "long_day", "big_wav", "damages")
KINDS = ("right", "reported", "silently wrong", "lost")


def run_part(part, folder, scale, seed):
    """Count what became of each try of a part; what is wrong is printed as it comes.

    Arguments
    ---------
    part : str
        Name of a module in ``soak_parts`` with a generator ``verdicts(folder, scale, seed)``.
    folder : str
        Where its files go.
    scale : float
        Share of the full number of tries, or of the full length.
    seed : int
        Random seed.

    Returns
    -------
    dict
        The part, the number of tries of each kind, the seconds, and the error that ended it or None.
    """
    counts, error, began = collections.Counter(), None, time.monotonic()
    try:
        for kind, why in importlib.import_module(f"soak_parts.{part}").verdicts(folder, scale, seed):
            counts[kind] += 1
            if kind in KINDS[2:]:
                print(f"{part}: {kind}: {why}", flush=True)
    except Exception as failure:
        traceback.print_exc()
        error = f"{type(failure).__name__}: {failure}".splitlines()[0]
    return {
        "part": part,
        "tried": sum(counts.values()),
        **{kind: counts[kind] for kind in KINDS},
        "seconds": round(time.monotonic() - began, 1),
        "error": error,
    }


def format_table(rows):
    """The rows as plain text.

    Example
    -------
    >>> row = {"part": "a", "tried": 1, "right": 1, "reported": 0, "silently wrong": 0, "lost": 0}
    >>> print(format_table([row | {"seconds": 2.0, "error": None}]))
    part            tried   right  reported  silently wrong   lost  seconds
    a                   1       1         0               0      0      2.0
    """
    lines = ["part            tried   right  reported  silently wrong   lost  seconds"]
    for row in rows:
        numbers = "{tried:7d} {right:7d} {reported:9d} {silently wrong:15d} {lost:6d} {seconds:8.1f}"
        failed = f"  FAILED: {row['error']}" if row["error"] else ""
        lines.append(f"{row['part']:<13} {numbers.format(**row)}{failed}")
    return "\n".join(lines)


def main(words=None):
    """Run the parts, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="parts to run, between commas")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full number of tries")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where temporary files go; 20 GB at full scale")
    parser.add_argument("--json", help="file for the rows")
    options = parser.parse_args(words)
    parts = options.parts.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"unknown part {unknown[0]!r}; use some of {', '.join(PARTS)}")
    rows = []
    for part in parts:
        with tempfile.TemporaryDirectory(prefix=f"soak-{part}-", dir=options.folder) as folder:
            rows.append(run_part(part, folder, options.scale, options.seed))
        print(format_table(rows[-1:]).splitlines()[-1], flush=True)
    print(f"\n{format_table(rows)}")
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return any(row["silently wrong"] or row["lost"] or row["error"] for row in rows)


if __name__ == "__main__":
    sys.exit(main())
