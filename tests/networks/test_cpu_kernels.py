"""Compiled loops of a training, against the package's own arithmetic."""

import shutil

import pytest
import torch

from compiled import compile_loops, use
from hrin_plugin.hierarchy.losses import HierarchicalLoss
from hrin_plugin.networks import cpu_recurrence as recurrence
from hrin_plugin.networks import units
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.networks.units import carry_states, keep_statistics


@pytest.fixture(scope="module")
def loops(tmp_path_factory):
    if shutil.which("c++") is None:
        pytest.skip("there is no C++ compiler")
    return compile_loops(tmp_path_factory.mktemp("loops"))


@pytest.fixture
def undo(monkeypatch):
    """What :func:`use` replaces is as before after a test."""
    monkeypatch.setattr(units.ConvUnit, "_convolve", units.ConvUnit._convolve)
    monkeypatch.setattr(recurrence, "_Recurrence", recurrence._Recurrence)


def trained_like(**settings):
    """A network in training whose statistics are those of no random start."""
    torch.manual_seed(0)
    network = HRIN(num_layers=2, **settings).train()
    for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    keep_statistics(network)
    carry_states(network)
    return network


def steps(network, batches, half=False):
    """Logits and gradients of a network in steps that carry states."""
    for unit in network.modules():
        unit.carried = None
    results = []
    for frames, lens, targets in batches:
        network.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            logits = network(frames, lens)
            loss = HierarchicalLoss()(logits, ((targets > 0).long(), targets)).total
        loss.backward()
        results += [
            *(level.detach() for level in logits),
            *(weight.grad.clone() for weight in network.parameters()),
        ]
    return results


@pytest.mark.parametrize("n_frames", [1, 50, 193])
@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_size": 9, "conv_unit": True},
        {"hidden_size": 16, "conv_unit": True, "concatenation": "before_fc"},
        {"hidden_size": 20, "conv_unit": False},
    ],
)
def test_compiled_loops_give_the_same_logits_and_gradients(loops, undo, settings, n_frames):
    network = trained_like(**settings)
    batches = [
        (torch.randn(3, n_frames, 128), torch.tensor([1.0, 0.5, 1.0]), torch.randint(0, 3, (3, n_frames)))
        for _ in range(2)
    ]
    expected = steps(network, batches)
    use(loops)
    for found, right in zip(steps(network, batches), expected, strict=True):
        torch.testing.assert_close(found, right, rtol=0, atol=1e-3 * float(right.abs().max()) + 1e-9)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "package"])
def test_products_in_bfloat16_give_nearly_the_same(loops, undo, compiled):
    network = trained_like(hidden_size=20, conv_unit=True)
    lens = torch.tensor([1.0, 0.5, 1.0])
    batches = [(torch.randn(3, 193, 128), lens, torch.randint(0, 3, (3, 193))) for _ in range(2)]
    expected = steps(network, batches)
    if compiled:
        use(loops)
    found = steps(network, batches, half=True)
    assert any(not torch.equal(one, other) for one, other in zip(found, expected))
    for one, other in zip(found, expected, strict=True):
        assert float((one.float() - other).norm()) < 0.1 * float(other.norm()) + 1e-6


def test_a_type_without_loops_takes_the_packages_own_way(loops, undo):
    network = trained_like(hidden_size=9, conv_unit=True)
    frames = torch.randn(2, 30, 128)
    with torch.autocast("cpu", dtype=torch.float16):
        expected = network.conv_1(frames)
        use(loops)
        found = network.conv_1(frames)
    assert torch.equal(found, expected)


def test_a_network_whose_statistics_change_takes_the_packages_own_way(loops, undo):
    network, frames = trained_like(hidden_size=9, conv_unit=True), torch.randn(2, 10, 128)
    for unit in network.modules():
        if isinstance(unit, units.ConvUnit):
            unit.statistics_stay = False
    network.train()
    use(loops)
    before = network.conv_1.layers[1].running_mean.clone()
    network(frames)
    assert not torch.equal(network.conv_1.layers[1].running_mean, before)


def test_gates_far_beyond_their_range_stay_numbers(loops, undo):
    network = trained_like(hidden_size=9, conv_unit=False)
    for weight in network.recurrent_1.parameters():
        weight.data *= 1e4
    batches = [(torch.randn(2, 40, 128), None, torch.zeros(2, 40, dtype=torch.long))]
    expected = steps(network, batches)
    use(loops)
    for found, right in zip(steps(network, batches), expected, strict=True):
        assert torch.isfinite(found).all()
        # A fast division may leave a shut gate a last bit open, on some processors.
        bit = torch.finfo(torch.float32).eps
        torch.testing.assert_close(found, right, rtol=0, atol=1e-3 * float(right.abs().max()) + bit)
