"""How long a training step takes: ``python benchmarks/training.py [--authors DIR] [--device cuda]``.

Three implementations of the same network take the same batch in turn: this
package's; the same layers as torch has them by default (one-dimensional
convolutions, torch's GRU); and the authors' code, where ``--authors`` gives a
checkout of https://github.com/jiabijue/md_mrle. Each has a process of its own, and
only this package's keeps its freed memory, as its recipe does. The last columns are
the most memory that the process took (of the device, on a GPU), the arithmetic done a
second, and its share of what a large matrix product reaches on this machine.

``--lengths "60 s" --batches 8,32 --networks HRIN-cr`` measures the paper's excerpts. With 60 s,
torch's layers and the authors' code take 10 GB to 20 GB for a batch of 8: ``--rivals ours`` leaves
them out.
"""

import argparse
import importlib
import itertools
import multiprocessing
import platform
import resource
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hrin_plugin.hierarchy.losses import HierarchicalLoss
from hrin_plugin.networks.cpu_memory import keep_freed_memory
from hrin_plugin.networks.hrin import HRIN

NETWORKS = {
    "HRIN-cr": {"hidden_size": 50, "num_layers": 2, "conv_unit": True},
    "HRIN-r": {"hidden_size": 100, "num_layers": 4},
}
FRAMES_OF = {"3 s": 188, "10 s": 626, "60 s": 3751}
RIVALS = ("ours", "torch's", "authors'")


class DefaultLayers(nn.Module):
    """HRIN of torch's layers as they come."""

    def __init__(self, hidden_size, num_layers, conv_unit=False):
        super().__init__()
        self.convs = nn.ModuleList(conv_layers() for _ in range(2 if conv_unit else 0))
        sizes = (256, 512) if conv_unit else (128, 128 + 2 * hidden_size)
        self.rnns = nn.ModuleList(
            nn.GRU(size, hidden_size, num_layers, batch_first=True, bidirectional=True) for size in sizes
        )
        self.heads = nn.ModuleList(nn.Linear(2 * hidden_size, size) for size in (2, 3))

    def forward(self, frames):
        """Logits of both levels."""
        first = self.rnns[0](self.encode(0, frames))[0]
        second = self.rnns[1](self.encode(1, torch.cat((frames, first), dim=2)))[0]
        return self.heads[0](first), self.heads[1](second)

    def encode(self, path, frames):
        """A path's convolutions, if it has any."""
        if not self.convs:
            return frames
        return self.convs[path](frames.flatten(0, 1)[:, None]).flatten(1).unflatten(0, frames.shape[:2])


def conv_layers():
    """The convolutional unit, one-dimensional."""
    layers = []
    for inputs, outputs in ((1, 64), (64, 128), (128, 256)):
        layers += [nn.Conv1d(inputs, outputs, 3, 2), nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(3, 2)]
    return nn.Sequential(*layers)


class Authors(nn.Module):
    """The authors' network: time first, and probabilities out, from which the logits are taken back."""

    def __init__(self, folder, hidden_size, num_layers, conv_unit=False):
        super().__init__()
        sys.path.insert(0, folder)
        if conv_unit:
            network = importlib.import_module("models.hedln_cr").HEDLN_CR
            self.network = network([64, 128, 256], [3] * 3, [2] * 3, 0.0, hidden_size, num_layers, True)
        else:
            network = importlib.import_module("models.hedln_r").HEDLN_R
            self.network = network(128, hidden_size, num_layers, 0.0, True, 2, 3)

    def forward(self, frames):
        """Logits of both levels."""
        outputs = self.network(frames.transpose(0, 1))
        return [torch.logit(level.transpose(0, 1), eps=1e-6) for level in outputs]


def measure_step(rival, title, batch, n_frames, arguments):
    """Median seconds of a training step of one implementation, and the most bytes of memory."""
    settings = NETWORKS[title]
    if rival == "ours":
        keep_freed_memory()
        network = HRIN(**settings)
    else:
        network = DefaultLayers(**settings) if rival == "torch's" else Authors(arguments.authors, **settings)
    network = network.to(arguments.device)
    frames = torch.randn(batch, n_frames, 128, device=arguments.device)
    targets = torch.randint(3, (batch, n_frames), device=arguments.device)
    objective, optimizer = HierarchicalLoss(), torch.optim.Adam(network.parameters(), 1e-4)
    times, warm_up = [], min(2, arguments.repeats)
    for _ in range(arguments.repeats + warm_up):
        start = time.perf_counter()
        loss = objective(network(frames), targets).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.perf_counter() - start)
    return statistics.median(times[warm_up:]), peak_bytes(arguments.device)


def peak_bytes(device):
    """The most memory that this process has taken: of a GPU, or else of the machine."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def matmul_flops(device, size=2048):
    """Operations a second of a large matrix product in single precision."""
    matrix = torch.randn(size, size, device=device)
    times = []
    for _ in range(6):
        start = time.perf_counter()
        (matrix @ matrix).sum().item()
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


def flops_per_frame(settings, n_frames=20):
    """Operations of a forward and a backward pass for each frame, by torch's own counter."""
    # On a CPU, where torch's GRU is made of products that the counter sees.
    with FlopCounterMode(display=False) as counter:
        sum(level.sum() for level in DefaultLayers(**settings)(torch.randn(1, n_frames, 128))).backward()
    return counter.get_total_flops() / n_frames


def main():
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--authors", help="checkout of the authors' code")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--networks", default=",".join(NETWORKS), help="default: %(default)s")
    parser.add_argument(
        "--lengths", default="3 s,10 s", help=f"of {', '.join(FRAMES_OF)}; default: %(default)s"
    )
    parser.add_argument("--batches", default="8", help="default: %(default)s")
    parser.add_argument("--rivals", default=",".join(RIVALS), help="default: %(default)s")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    limit = matmul_flops(device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "CPU"
    print(f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(
        f"{'network':9}{'excerpt':>8}{'batch':>6}{'layers':>10}{'s a step':>10}{'ratio':>7}"
        f"{'peak':>9}{'GFLOP/s':>9}{'of limit':>10}"
    )
    rivals = [each for each in arguments.rivals.split(",") if arguments.authors or each != "authors'"]
    plan = itertools.product(
        arguments.networks.split(","), arguments.lengths.split(","), map(int, arguments.batches.split(","))
    )
    for title, length, batch in plan:
        n_frames, ours_s = FRAMES_OF[length], None
        flops = flops_per_frame(NETWORKS[title]) * batch * n_frames
        for rival in rivals:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                measured = pool.submit(measure_step, rival, title, batch, n_frames, arguments)
                seconds, memory = measured.result()
            ours_s = ours_s or seconds
            rate = flops / seconds
            print(
                f"{title:9}{length:>8}{batch:6}{rival:>10}{seconds:10.3f}{seconds / ours_s:7.2f}"
                f"{memory / 1e9:6.2f} GB{rate / 1e9:9.0f}{rate / limit:10.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
