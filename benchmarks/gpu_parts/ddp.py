"""The gradients of two processes on one device, by gloo, against those of one process."""

import os
import traceback
from pathlib import Path

import torch
import torch.distributed as dist
from speechbrain.utils.run_opts import RunOptions

from gpu_parts.bench import build, join_all, precision
from hrin_plugin.training.brain import HRINBrain

#: Relative difference of the gradients that rounding may make. With ReLU and max-pooling it may turn a tie;
#: one tie among millions moved the gradients by 1e-4 on an H200, of one process and of two.
TOLERANCES = {"hrin_r": 1e-4, "hrin_cr": 1e-3}
WORLD = 2


def measure(bench):
    """A row for each network. This process itself never touches the device."""
    run = bench.processes().Process
    for number, (stem, tolerance) in enumerate(TOLERANCES.items()):
        with bench.attempt(stem):
            if stem == "hrin_cr" and not bench.cuda:
                bench.row(stem, "left out: batch statistics are not shared on a CPU")
                continue
            processes = [
                run(target=differentiate, args=(bench, stem, rank)) for rank in (None, *range(WORLD))
            ]
            for process in processes:
                process.start()
            statuses = join_all(processes, 0.9 * bench.left_s() / (len(TOLERANCES) - number))
            if any(statuses):
                raise RuntimeError(f"exit statuses of one process and of the {WORLD}: {statuses}")
            alone, *shared = [
                torch.load(Path(bench.folder, f"{stem}_{rank}.pt"), weights_only=True)
                for rank in (None, *range(WORLD))
            ]
            wrong = [float((each - alone).norm() / alone.norm()) for each in shared]
            apart = float((shared[0] - shared[1]).norm())
            bench.row(
                f"{stem}, {WORLD} processes by gloo",
                f"gradients differ from one process's by {max(wrong):.1e} (relative), from each other by "
                f"{apart:.1e}; {tolerance:.0e} is allowed",
                ok=max(wrong) <= tolerance and apart == 0,
                wrong=wrong,
            )


def differentiate(bench, stem, rank):
    """Leave the gradients of a batch, or of a rank's share of it, in a file."""
    try:
        torch.set_num_threads(1)
        if rank is not None:
            # Gloo would look this machine's name up, which need not be known.
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": "0", "WORLD_SIZE": str(WORLD)}
            dist.init_process_group(
                "gloo", init_method=f"file://{bench.folder}/{stem}_group", rank=rank, world_size=WORLD
            )
        hparams = build(stem, Path(bench.folder, f"{stem}_{rank}"))
        run_opts = RunOptions.from_dictionary({"device": bench.device, "distributed_backend": "gloo"})
        brain = HRINBrain(
            modules=hparams["modules"],
            opt_class=hparams["opt_class"],
            run_opts=run_opts,
            objective=hparams["objective"],
            grid=hparams["features"].grid,
            lr_annealing=None,
            train_logger=None,
        )
        brain._wrap_distributed()
        brain.modules.train()
        generator = torch.Generator().manual_seed(1)
        n_frames = 16 if bench.quick else 500
        frames = torch.randn(8, n_frames, 128, generator=generator)
        lowest = torch.randint(3, (8, n_frames), generator=generator)
        share = slice(None) if rank is None else slice(rank, None, WORLD)
        frames, lowest = frames[share].to(bench.device), lowest[share].to(bench.device)
        with precision("fp32", bench.device):
            logits = brain.modules.model(brain.modules.statistics(frames), None)
            brain.objective(logits, (lowest.clamp(max=1), lowest)).total.backward()
        gradients = [weight.grad.double().flatten().cpu() for weight in brain.modules.model.parameters()]
        torch.save(torch.cat(gradients), Path(bench.folder, f"{stem}_{rank}.pt"))
        if rank is not None:
            dist.barrier()
            dist.destroy_process_group()
    except BaseException:
        traceback.print_exc()
        raise
