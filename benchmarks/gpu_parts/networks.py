"""Outputs, loss and gradients of the nine networks, against double precision on the CPU."""

import copy

import torch

from gpu_parts.bench import build, precision

STEMS = (
    "hrin_r",
    "hrin_cr",
    "hrin_r_lstm",
    "lstm",
    "gru",
    "cnn_gru",
    "mmg",
    "hrin_cr_concat_after_conv",
    "hrin_cr_concat_before_fc",
)
#: Largest relative errors (norm of the difference over norm) of outputs, loss and gradients: about ten
#: times the rounding of the formats, which have 24, 11, 8 and 11 bits.
TOLERANCES = {
    "fp32": (1e-4, 1e-5, 1e-3),
    "tf32": (1e-2, 1e-3, 3e-2),
    "bf16": (5e-2, 1e-2, 2e-1),
    "fp16": (1e-2, 1e-3, 3e-2),
}
#: Networks that get a padded batch too: one of each kind of layer.
PADDED = ("hrin_cr", "hrin_r_lstm", "mmg")
#: Relative lengths of the recordings of a padded batch.
LENS = (1.0, 1.0, 0.75, 0.5)


def measure(bench):
    """Rows of every network and precision."""
    torch.set_num_threads(min(8, torch.get_num_threads()))
    n_frames = 12 if bench.quick else 250
    if not bench.cuda:
        bench.row("fp16, bf16", "left out: SpeechBrain has no fp16 on a CPU, and LSTM no bf16 on most")
    kinds = ("fp32", "tf32", "bf16", "fp16") if bench.cuda else ("fp32",)
    for stem in STEMS:
        with bench.attempt(stem):
            hparams = build(stem, bench.folder)
            generator = torch.Generator().manual_seed(1)
            frames = torch.randn(len(LENS), n_frames, 128, generator=generator, dtype=torch.float64)
            lowest = torch.randint(3, (len(LENS), n_frames), generator=generator)
            batch = frames, (lowest.clamp(max=1), lowest)
            compare(bench, stem, hparams["model"], hparams["objective"], (*batch, None), kinds)
            if stem in PADDED:
                lens = torch.tensor(LENS)
                compare(bench, stem, hparams["model"], hparams["objective"], (*batch, lens), ("fp32",))


def compare(bench, stem, network, objective, batch, kinds):
    """Rows of a network on a batch, in several precisions."""
    exact = outcome(network, objective, batch, "fp32", "cpu", torch.float64)
    single = outcome(network, objective, batch, "fp32", "cpu")
    processor = errors(single, exact)
    for kind in kinds:
        title = f"{stem}, {kind}" + (", padded" if batch[2] is not None else "")
        with bench.attempt(title):
            again = bench.cuda or kind != "fp32"
            found = outcome(network, objective, batch, kind, bench.device) if again else single
            wrong = errors(found, exact)
            outputs, loss, gradients = wrong
            scale = f", scale {found['scale']:.0f}" if found["scale"] else ""
            bench.row(
                title,
                f"relative errors: outputs {outputs:.1e}, loss {loss:.1e}, gradients {gradients:.1e}"
                f" (CPU fp32: {processor[0]:.1e}, {processor[1]:.1e}, {processor[2]:.1e}){scale}",
                # A network may be as bad as ten times a CPU's single precision, if that is worse.
                ok=all(
                    error <= max(limit, 10 * cpu)
                    for error, limit, cpu in zip(wrong, TOLERANCES[kind], processor)
                ),
                errors=wrong,
                cpu_errors=processor,
                finite=found["finite"],
            )


def outcome(network, objective, batch, kind, device, dtype=torch.float32):
    """Outputs, loss and gradients of a training step, on the CPU in double precision.

    Arguments
    ---------
    network : torch.nn.Module
        A network; a copy of it is used.
    objective : callable
        The objective.
    batch : tuple
        Frames ``[batch, frame, band]``, targets of both levels, and relative lengths or None.
    kind : str
        As of :func:`gpu_parts.bench.precision`.
    device : str
        Where.
    dtype : torch.dtype
        Of the weights.

    Returns
    -------
    dict
        ``outputs`` (one tensor), ``loss``, ``gradients`` (one tensor), ``finite``, and the ``scale`` of
        the loss, 0 without.
    """
    network = copy.deepcopy(network).to(device, dtype).train()
    frames, targets, lens = batch
    frames, targets = frames.to(device, dtype), [level.to(device) for level in targets]
    mask = None
    if lens is not None:
        lens = lens.to(device)
        counts = torch.round(lens * frames.shape[1])
        mask = torch.arange(frames.shape[1], device=device) < counts[:, None]
    optimizer = torch.optim.SGD(network.parameters(), 0.0)
    scaler = torch.GradScaler(device.partition(":")[0], enabled=kind == "fp16")
    for _ in range(12):  # halving the scale until nothing overflows, as a training does
        optimizer.zero_grad()
        with precision(kind, device):
            logits = network(frames, lens)
            loss = objective(logits, targets, mask).total
        scale = scaler.get_scale()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        gradients = torch.cat(
            [
                weight.grad.double().flatten().cpu()
                for weight in network.parameters()
                if weight.grad is not None
            ]
        )
        finite = bool(torch.isfinite(gradients).all())
        scaler.step(optimizer)
        scaler.update()
        if finite:
            break
    joined = torch.cat([level.detach().double() for level in logits], dim=-1)
    if mask is not None:
        joined = torch.where(mask[..., None], joined, 0)
    return {
        "outputs": joined.cpu(),
        "loss": loss.detach().double().cpu(),
        "gradients": gradients,
        "finite": finite,
        "scale": scale if scaler.is_enabled() else 0,
    }


def errors(found, exact):
    """Relative errors of outputs, loss and gradients, a list of float."""
    return [
        float((found[name] - exact[name]).norm() / exact[name].norm())
        for name in ("outputs", "loss", "gradients")
    ]
