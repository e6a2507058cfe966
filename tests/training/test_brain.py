"""The training loop's own promises: one wait for the device a batch, and what is not finite."""

import math

import pytest
import torch
from speechbrain import Stage
from speechbrain.dataio.batch import PaddedBatch

import hrin_plugin.training.brain
from hrin_plugin.features import BandStatistics
from hrin_plugin.hierarchy.losses import HierarchicalLoss
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.timing import FrameGrid
from hrin_plugin.training.brain import HRINBrain, NonFiniteLoss


def make_brain(**settings):
    torch.manual_seed(0)
    modules = {"model": HRIN(hidden_size=4, num_layers=1, **settings), "statistics": BandStatistics(128)}
    brain = HRINBrain(
        modules,
        lambda weights: torch.optim.SGD(weights, 0.1),
        run_opts={"device": "cpu"},
        objective=HierarchicalLoss(),
        grid=FrameGrid(),
        lr_annealing=None,
        train_logger=None,
    )
    brain.init_optimizers()
    brain.modules.train()
    brain.step = 1
    return brain


def make_batch(lengths=(20, 20), md=None):
    items = []
    for number, length in enumerate(lengths):
        mrle_frames = torch.randint(3, (length,))
        items.append(
            {
                "id": f"recording{number}",
                "duration": length * 0.016,
                "frames": torch.randn(length, 128),
                "md_frames": mrle_frames.clamp(max=1) if md is None else md,
                "mrle_frames": mrle_frames,
                "md": [],
                "mrle": [],
            }
        )
    return PaddedBatch(items)


class OnDevice(torch.Tensor):
    """Stands for a tensor of a GPU, as all that is computed from it does; notes what asks for values."""

    waits = []
    ASK = (
        "item",
        "tolist",
        "cpu",
        "numpy",
        "nonzero",
        "__bool__",
        "__int__",
        "__float__",
        "equal",
        "allclose",
    )

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        by_mask = function.__name__ in ("__getitem__", "index_put") and any(
            isinstance(part, torch.Tensor) and part.dtype == torch.bool
            for part in (args[1] if isinstance(args[1], tuple) else args[1:2])
        )
        if function.__name__ in cls.ASK or by_mask:
            cls.waits.append(function.__name__)
        result = super().__torch_function__(function, types, args, kwargs or {})
        return result.as_subclass(torch.Tensor) if function.__name__ == "cpu" else result


@pytest.fixture
def waits(monkeypatch):
    """What asked for values of the device since the batch was brought there."""
    move = hrin_plugin.training.brain._move

    def move_there(batch, device):
        move(batch, device)
        for name in ("frames", "md_frames", "mrle_frames"):
            padded = getattr(batch, name)
            setattr(batch, name, padded._replace(data=padded.data.as_subclass(OnDevice)))

    monkeypatch.setattr(hrin_plugin.training.brain, "_move", move_there)
    monkeypatch.setattr(OnDevice, "waits", [])
    return OnDevice.waits


@pytest.mark.parametrize("conv_unit", [False, True])
@pytest.mark.parametrize("lengths", [(20, 20), (20, 13)])
def test_a_training_batch_waits_for_the_device_once(waits, lengths, conv_unit):
    brain = make_brain(conv_unit=conv_unit)
    before = [weight.detach().clone() for weight in brain.modules.parameters()]
    loss = brain.fit_batch(make_batch(lengths))
    assert waits == ["cpu"]
    assert type(loss) is torch.Tensor and math.isfinite(loss)
    assert float(loss) == pytest.approx(brain.train_meter.means()["loss"], rel=1e-6)
    assert any(not torch.equal(one, other) for one, other in zip(before, brain.modules.parameters()))


def test_the_objective_looks_at_targets_without_asking(waits):
    """The stand-in sees what asks: with a wait, the objective asks once more."""
    objective, frames = HierarchicalLoss(), torch.zeros(1, 4).as_subclass(OnDevice)
    logits = [frames[..., None].expand(1, 4, size) for size in (2, 3)]
    targets = torch.zeros(1, 4).long().as_subclass(OnDevice)
    objective(logits, targets, wait=False)
    assert waits == []
    objective(logits, targets)
    assert waits == ["__bool__"]


def test_padding_counts_by_its_length():
    brain = make_brain()
    brain.fit_batch(make_batch((20, 10)))
    assert brain.train_meter.n_frames == 30


def test_targets_at_fault_are_named_though_nobody_waits_for_them():
    brain = make_brain()
    before = [weight.detach().clone() for weight in brain.modules.parameters()]
    with pytest.raises(ValueError, match=r"targets at \[0, \d+\] \(recording, frame\)"):
        brain.fit_batch(make_batch(md=torch.full((20,), 7)))
    assert all(torch.equal(one, other) for one, other in zip(before, brain.modules.parameters()))


@pytest.fixture
def overflowing(monkeypatch):
    """A Brain whose logits overflow, and the number of its steps."""
    forward = HRINBrain.compute_forward

    def overflow(self, batch, stage):
        return [level * math.inf for level in forward(self, batch, stage)]

    monkeypatch.setattr(HRINBrain, "compute_forward", overflow)
    return make_brain()


def test_an_overflow_is_the_scalers_business(overflowing):
    brain = overflowing
    brain.scaler = torch.GradScaler("cpu", enabled=True)
    scale = brain.scaler.get_scale()
    before = [weight.detach().clone() for weight in brain.modules.parameters()]
    loss = brain.fit_batch(make_batch())
    assert not math.isfinite(loss)
    assert all(torch.equal(one, other) for one, other in zip(before, brain.modules.parameters()))
    assert brain.scaler.get_scale() == scale / 2
    assert brain.train_meter.n_frames == 0


def test_overflows_without_end_stop_the_training(overflowing):
    overflowing.scaler = torch.GradScaler("cpu", enabled=True)
    for _ in range(overflowing.nonfinite_patience):
        overflowing.fit_batch(make_batch())
    with pytest.raises(
        NonFiniteLoss, match="the train loss of the batch recording0, recording1 is not finite"
    ):
        overflowing.fit_batch(make_batch())


@pytest.mark.parametrize("scaled", [False, True])
def test_a_validation_never_overflows_in_silence(overflowing, scaled):
    overflowing.scaler = torch.GradScaler("cpu", enabled=scaled)
    with pytest.raises(NonFiniteLoss, match="the valid loss"):
        overflowing.evaluate_batch(make_batch(), Stage.VALID)
