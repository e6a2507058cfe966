"""A training step of HRIN-r and HRIN-cr at the paper's settings: time, memory, share of the recurrence."""

import time

import torch
from torch.profiler import ProfilerActivity, profile

from gpu_parts.bench import build, median_s, precision
from hrin_plugin.networks.units import ConvUnit, RecurrentUnit

#: Title, YAML, recordings of a batch.
NETWORKS = (("HRIN-cr", "hrin_cr", 8), ("HRIN-r", "hrin_r", 32))
#: Operators that run the recurrent layers: of cuDNN, and of this package on a CPU.
RECURRENT = {
    "cuda": ("aten::_cudnn_rnn", "aten::_cudnn_rnn_backward"),
    "cpu": ("_Recurrence", "_RecurrenceBackward"),
}
#: Precision, and whether cuDNN tries its convolutions out.
SETTINGS = (("tf32", False), ("fp32", False), ("tf32", True), ("fp16", False))
#: Last, since cuDNN may lack it, and what is there instead is slow.
LAST = ("bf16", False)
#: A step is profiled on so much of an excerpt: recurrent layers have many thousand kernels a second.
PROFILED = 0.1


def measure(bench):
    """Rows of each network, precision and rival."""
    n_frames = 16 if bench.quick else 3751
    settings = SETTINGS if bench.cuda else [("fp32", False)]
    jobs = [("ours", network, setting) for setting in settings for network in NETWORKS]
    if bench.authors:
        jobs += [("authors'", network, setting) for setting in settings[:2] for network in NETWORKS]
    jobs.append(("in blocks", NETWORKS[0], settings[0]))
    jobs += [("ours", network, LAST) for network in NETWORKS] * bench.cuda
    for number, (rival, network, (kind, tries)) in enumerate(jobs):
        name = (
            f"{network[0]}, {kind}" + ", cudnn.benchmark" * tries + (f", {rival}" if rival != "ours" else "")
        )
        with bench.attempt(name):
            torch.backends.cudnn.benchmark = tries
            budget_s = min(1.0 if bench.quick else 6.0, 0.7 * bench.left_s() / (len(jobs) - number))
            measure_one(bench, name, rival, network, n_frames, kind, budget_s)
        if bench.cuda:
            torch.cuda.empty_cache()
    for title, stem, batch in NETWORKS:
        with bench.attempt(f"{title}, kernels"):
            measure_kernels(bench, title, stem, batch, n_frames)


def make_step(bench, rival, title, stem, batch, n_frames, kind):
    """A training step on one batch, as a function without arguments."""
    hparams = build(stem, bench.folder)
    network, objective = hparams["model"], hparams["objective"]
    for unit in network.modules():
        if rival == "in blocks" and isinstance(unit, ConvUnit):
            unit.in_blocks = True
    if rival == "authors'":
        from training import NETWORKS as SIZES
        from training import Authors

        network = Authors(bench.authors, **SIZES[title])
    network = network.to(bench.device).train()
    frames = torch.randn(batch, n_frames, 128, device=bench.device)
    lowest = torch.randint(3, (batch, n_frames), device=bench.device)
    targets = lowest.clamp(max=1), lowest
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    scaler = torch.GradScaler(bench.device.partition(":")[0], enabled=kind == "fp16")

    def step():
        """Forward, backward, and the optimizer."""
        with precision(kind, bench.device):
            loss = objective(network(frames), targets).total
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        return loss

    step.excerpts = batch
    return step


def measure_one(bench, name, rival, network, n_frames, kind, budget_s):
    """The row of one step."""
    title, stem, batch = network
    step = make_step(bench, rival, title, stem, 2 if bench.quick else batch, n_frames, kind)
    if bench.cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds, times = median_s(bench, step, 10, budget_s)
    values = {"seconds": seconds, "times": times, "excerpts": step.excerpts}
    text = f"{seconds * 1000:.1f} ms a step of {step.excerpts} excerpts (median of {times})"
    if bench.cuda:
        values["gib"] = torch.cuda.max_memory_allocated() / 2**30
        text += f", {values['gib']:.2f} GiB"
    if rival == "ours":
        recur = make_recurrence(bench, stem, step.excerpts, n_frames, kind)
        values["recurrence_s"], _ = median_s(bench, recur, 3, budget_s / 2, warm_up=1)
        text += f", recurrent layers alone {values['recurrence_s'] * 1000:.1f} ms"
    bench.row(name, text, **values)


def make_recurrence(bench, stem, batch, n_frames, kind):
    """Both ways through a network's recurrent layers alone, as a function without arguments."""
    units = [unit for unit in build(stem, bench.folder)["model"].modules() if isinstance(unit, RecurrentUnit)]
    units = [unit.to(bench.device).train() for unit in units]
    inputs = [
        torch.randn(batch, n_frames, unit.rnn.input_size, device=bench.device, requires_grad=True)
        for unit in units
    ]

    def recur():
        """Forward and backward."""
        for unit, frames in zip(units, inputs):
            with precision(kind, bench.device):
                outputs = unit(frames)
            outputs.float().sum().backward()

    return recur


def measure_kernels(bench, title, stem, batch, n_frames):
    """The row of the profile of a network's step."""
    kind = "tf32" if bench.cuda else "fp32"
    n_frames = max(8, int(PROFILED * n_frames))
    step = make_step(bench, "ours", title, stem, 2 if bench.quick else batch, n_frames, kind)
    step()
    began = time.perf_counter()
    values = recurrent_share(bench, step)
    names = "; ".join(
        f"{name[:40]} {us / 1e4 / max(values['busy_s'], 1e-9):.0f} %" for name, us in values["top"][:3]
    )
    bench.row(
        f"{title}, kernels",
        f"{values['recurrent']:.0%} of the device's time in cuDNN's recurrent operators "
        f"({n_frames} frames, profiled in {time.perf_counter() - began:.0f} s); longest: {names}",
        **values,
    )


def recurrent_share(bench, step):
    """Share of the device's time in recurrent layers, and where the rest goes.

    Arguments
    ---------
    bench : Bench
        The part.
    step : callable
        A training step.

    Returns
    -------
    dict
        ``recurrent``, 0 to 1; ``busy_s``, the device's seconds; ``top``, the longest kernels and
        their microseconds.
    """
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * bench.cuda
    bench.wait()
    with profile(activities=activities) as profiler:
        step()
        bench.wait()
    events = profiler.key_averages()
    if bench.cuda:
        kernels = [event for event in events if "CUDA" in str(event.device_type)]
        own_us = {event.key: event.self_device_time_total for event in kernels}
        spent_us = {event.key: event.device_time_total for event in events if event.key in RECURRENT["cuda"]}
    else:
        own_us = {event.key: event.self_cpu_time_total for event in events}
        spent_us = {event.key: event.cpu_time_total for event in events if event.key in RECURRENT["cpu"]}
    busy_us = sum(own_us.values())
    top = sorted(own_us.items(), key=lambda item: -item[1])[:8]
    return {
        "recurrent": sum(spent_us.values()) / busy_us if busy_us else 0.0,
        "busy_s": busy_us / 1e6,
        "top": [(key[:100], round(us, 1)) for key, us in top],
    }
