"""Trainings that are killed at random moments and resumed; the weights must be those of one without kills."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from soak_parts.common import ROOT, environment, files_in, leftovers, run_and_kill, timed

CYCLES, EPOCHS = 200, 6


def verdicts(folder, scale, seed):
    """Kill and resume; each training that ends must equal the one without kills.

    Arguments
    ---------
    folder : str
        Where data and runs go.
    scale : float
        Share of ``CYCLES``.
    seed : int
        Random seed.

    Yields
    ------
    tuple of (str, str)
        Kind and reason, one a cycle.
    """
    from hrin_plugin.mixing import synthesise_miniature

    rng = np.random.default_rng(seed)
    synthesise_miniature(Path(folder, "set"), n_excerpts=20, seconds=2.0)
    done, whole_s = timed(lambda: subprocess.run(_command(folder, "reference"), **_options(folder)))
    if done.returncode:
        raise RuntimeError(f"the training without kills failed: {done.stderr[-2000:]}")
    true, log = _outcome(Path(folder, "reference")), Path(folder, "log")
    turn, waiting = 0, 0  # cycles whose training has not ended
    for _ in range(max(2, round(CYCLES * scale))):
        status = run_and_kill(_command(folder, f"run{turn}"), folder, rng.uniform(0, whole_s), log)
        waiting += 1
        if status not in (0, -9):
            yield "lost", f"run{turn}: exit status {status}: {_last_line(log)}"
            waiting, turn = waiting - 1, turn + 1
        elif status == 0:
            yield from _judge(Path(folder, f"run{turn}"), true, waiting)
            turn, waiting = turn + 1, 0
    if waiting:
        done = subprocess.run(_command(folder, f"run{turn}"), **_options(folder))
        if done.returncode:
            yield "lost", f"run{turn}: exit status {done.returncode}: {done.stderr[-200:]}"
        else:
            yield from _judge(Path(folder, f"run{turn}"), true, waiting)


def _command(folder, name):
    """Train briefly, with a checkpoint after every other batch."""
    return [
        sys.executable,
        str(ROOT / "recipes/OpenBMAT/train.py"),
        str(ROOT / "recipes/OpenBMAT/hparams/hrin_cr.yaml"),
        f"--data_folder={Path(folder, 'set')}",
        f"--prepared_folder={Path(folder, 'prepared')}",
        f"--output_folder={Path(folder, name)}",
        f"--number_of_epochs={EPOCHS}",
        "--batch_size=2",
        "--ckpt_interval_minutes=0",
        "--ckpt_interval_steps=2",
        "--device=cpu",
        "--noprogressbar",
    ]


def _options(folder):
    return {"cwd": folder, "env": environment(), "capture_output": True, "text": True}


def _outcome(run):
    """What must not depend on kills: weights, events, scores, and the epochs in the log."""
    found = {
        name: content
        for name, content in files_in(run).items()
        if name.startswith(("pretrained/", "predictions/")) or name == "results.json"
    }
    epochs = re.findall(r"(?i)epoch:? (\d+)", Path(run, "train_log.txt").read_text())
    return found | {"epochs in train_log.txt": epochs}


def _judge(run, true, cycles):
    """Verdicts on the cycles of a training that has ended."""
    outcome = _outcome(run)
    wrong = sorted(name for name in true.keys() | outcome.keys() if true.get(name) != outcome.get(name))
    wrong += [f"{name}, left over" for name in leftovers(run)]
    for _ in range(cycles - bool(wrong)):
        yield "right", ""
    if wrong:
        yield "silently wrong", f"{run.name}, {cycles} cycles: {', '.join(wrong[:3])} differ"


def _last_line(log):
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""
