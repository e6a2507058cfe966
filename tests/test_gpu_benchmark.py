"""The benchmark of a GPU, small and on the CPU: every part works, and one that fails costs only itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("machine", "networks", "steps", "epoch", "side_by_side", "resume", "detect", "ddp")


@pytest.fixture
def benchmark(tmp_path):
    """Runs the benchmark; its status, its output, and its rows."""

    def run(*options):
        command = [sys.executable, ROOT / "benchmarks/gpu.py", "--quick", "--json", tmp_path / "rows.json"]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=1600
        )
        return done, json.loads((tmp_path / "rows.json").read_text())

    return run


def test_every_part_works_on_a_cpu(benchmark):
    done, rows = benchmark("--seconds=1500")
    assert [row for row in rows if row["ok"] is False] == [], done.stdout + done.stderr
    assert done.returncode == 0
    assert tuple(dict.fromkeys(row["part"] for row in rows)) == PARTS
    judged = {row["what"] for row in rows if row["ok"]}
    assert {
        "hrin_cr, fp32",
        "mmg, fp32, padded",
        "killed",
        "resumed",
        "hrin_r, 2 processes by gloo",
    } <= judged
    table = done.stdout[done.stdout.rindex("\npart ") :]
    assert all(row["result"] in table for row in rows)


def test_a_part_that_fails_is_a_row_and_the_others_go_on(benchmark):
    """There is no such device: SpeechBrain says so within each part."""
    done, rows = benchmark("--device=xpu", "--start_method=spawn", "--parts=ddp,machine,detect")
    assert done.returncode == 1
    failed = {row["part"] for row in rows if row["ok"] is False}
    assert failed == {"ddp", "machine", "detect"}
    assert all("FAILED" in row["result"] for row in rows if row["ok"] is False)
    assert "Traceback" in done.stderr


def test_a_part_that_takes_too_long_is_stopped(benchmark):
    done, rows = benchmark("--seconds=1", "--parts=epoch,resume")
    assert done.returncode == 1
    assert [row["part"] for row in rows if "STOPPED" in row["result"]] == ["epoch", "resume"]
    assert "STOPPED" in done.stdout[done.stdout.rindex("\npart ") :]
