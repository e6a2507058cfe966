"""A training that is killed within an epoch and goes on, against one that is not."""

import os
import signal
import sys
from pathlib import Path

import torch

import train
from gpu_parts.bench import join_all
from hrin_plugin.mixing import synthesise_miniature
from hrin_plugin.training.brain import HRINBrain

#: Epochs, of four batches each, and the batch after which the kill comes: in the second epoch.
EPOCHS, KILLED_AFTER = 2, 6
#: Relative difference of weights that is no difference, where two whole trainings agree to the last bit.
TOLERANCE = 1e-5


def measure(bench):
    """Rows of the kill and the comparison. This process itself never touches the device."""
    # Eight tenths are for training.
    synthesise_miniature(
        Path(bench.folder, "data"), n_excerpts=10 if bench.quick else 20, seconds=2.0 if bench.quick else 10.0
    )
    run = bench.processes().Process
    # Two whole trainings tell how far a GPU repeats itself; a CPU does to the last bit.
    names = ("whole", "again") if bench.cuda else ("whole",)
    whole = [run(target=train_once, args=(bench, name)) for name in names]
    killed = run(target=train_once, args=(bench, "parts", KILLED_AFTER))
    for process in (killed, *whole):
        process.start()
    (status,) = join_all([killed], 0.6 * bench.left_s())
    bench.row("killed", f"exit status {status} after {KILLED_AFTER} batches", ok=status == -signal.SIGKILL)
    resumed = run(target=train_once, args=(bench, "parts"))
    resumed.start()
    statuses = join_all([*whole, resumed], 0.9 * bench.left_s())
    if any(statuses):
        raise RuntimeError(f"exit statuses of the whole trainings and of the resumed one: {statuses}")
    weights = {name: newest_weights(Path(bench.folder, name)) for name in (*names, "parts")}
    repeats = difference(weights[names[-1]], weights["whole"])
    resumes = difference(weights["parts"], weights["whole"])
    limit = max(TOLERANCE, 10 * repeats)
    bench.row(
        "resumed",
        f"weights differ by {resumes:.1e} (relative) from those of a whole training, two whole ones by "
        f"{repeats:.1e}; {limit:.1e} is allowed",
        ok=resumes <= limit,
        resumes=resumes,
        repeats=repeats,
    )
    bench.row("equal to the last bit", f"resumed: {resumes == 0}; two whole trainings: {repeats == 0}")


def train_once(bench, name, killed_after=None):
    """Train with the recipe; end this process by SIGKILL after so many batches, if a number is given."""
    batches, original = [], HRINBrain.on_fit_batch_end

    def count(self, *arguments):
        """Count batches, and die."""
        original(self, *arguments)
        batches.append(1)
        # The checkpoint of the batch before is on the disk.
        if len(batches) == killed_after:
            os.kill(os.getpid(), signal.SIGKILL)

    HRINBrain.on_fit_batch_end = count
    torch.set_num_threads(1)
    folder = Path(bench.folder)
    options = [f"--data_folder={folder / 'data'}", f"--results_folder={folder}", "--noprogressbar"]
    options += [
        f"--output_folder={folder / name}",
        f"--device={bench.device}",
        f"--batch_size={2 if bench.quick else 4}",
    ]
    options += [f"--number_of_epochs={EPOCHS}", "--ckpt_interval_minutes=0", "--ckpt_interval_steps=1"]
    sys.argv[0] = train.__file__
    train.main(["hparams/hrin_cr.yaml", *options])


def newest_weights(folder):
    """Weights of the newest checkpoint, a dict of tensors."""
    newest = max((folder / "save").glob("CKPT*"), key=lambda path: path.stat().st_mtime_ns)
    return torch.load(newest / "model.ckpt", map_location="cpu", weights_only=True)


def difference(weights, expected):
    """Norm of the difference of all weights, relative to the norm of the expected ones."""
    pairs = [(weights[name].double(), value.double()) for name, value in expected.items()]
    squares = [(float((one - other).square().sum()), float(other.square().sum())) for one, other in pairs]
    return (sum(pair[0] for pair in squares) / sum(pair[1] for pair in squares)) ** 0.5
