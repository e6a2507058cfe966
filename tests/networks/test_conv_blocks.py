"""Convolutions in blocks of frames: torch's own values, gradients and statistics, in less memory."""

import copy

import pytest
import torch
from torch import nn

from hrin_plugin.hierarchy.losses import HierarchicalLoss
from hrin_plugin.networks import conv_blocks
from hrin_plugin.networks.baselines import SinglePath
from hrin_plugin.networks.conv_blocks import convolve_in_blocks, kept_bytes, needs_blocks
from hrin_plugin.networks.cpu_kernels.library import SWITCH, load_loops
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.networks.units import ConvUnit, keep_statistics


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks that a short recording has several of, the last one incomplete."""
    monkeypatch.setitem(conv_blocks.FRAMES_AT_ONCE, "cpu", 13)


def stirred(network, dtype=torch.float64):
    """A network whose normalisation is of no random start; some of its factors are negative."""
    torch.manual_seed(1)
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    return network.to(dtype)


def conv_units(network):
    return [module for module in network.modules() if isinstance(module, ConvUnit)]


def in_blocks(network, answer):
    """A copy that computes in blocks, or not."""
    network = copy.deepcopy(network)
    for unit in conv_units(network):
        unit.in_blocks = answer
    return network


def step(network, frames, lens=None, half=False):
    """Logits, and gradients by name."""
    torch.manual_seed(2)
    targets = torch.randint(3, frames.shape[:2])
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = network(frames, lens)
        loss = HierarchicalLoss()(logits, targets).total
    loss.backward()
    return logits, {
        name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None
    }


@pytest.mark.parametrize("lens", [None, torch.tensor([1.0, 0.4, 0.75])])
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(
    "network",
    [
        lambda: HRIN(hidden_size=5, num_layers=1, conv_unit=True),
        lambda: HRIN(hidden_size=5, num_layers=1, conv_unit=True, concatenation="after_conv"),
        lambda: SinglePath(hidden_size=5, num_layers=1, conv_unit=True),
    ],
    ids=["hrin_cr", "after_conv", "cnn_gru"],
)
def test_a_step_is_that_of_the_whole_batch(network, fixed, lens):
    network = stirred(network()).train()
    if fixed:
        keep_statistics(network)
    frames = torch.randn(3, 20, 128, dtype=torch.float64)
    parted, whole = in_blocks(network, True), in_blocks(network, False)
    (logits, grads), (right_logits, right_grads) = step(parted, frames, lens), step(whole, frames, lens)
    for found, right in zip(logits, right_logits, strict=True):
        torch.testing.assert_close(found, right, rtol=0, atol=1e-12)
    assert grads.keys() == right_grads.keys()
    for name, right in right_grads.items():
        # Relative to the largest gradient: that of a bias before a batch's own mean is nothing but rounding.
        torch.testing.assert_close(grads[name], right, rtol=1e-10, atol=1e-13, msg=name)
    for (name, found), right in zip(parted.named_buffers(), whole.buffers(), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-13, atol=1e-13, msg=name)


@pytest.mark.parametrize("width", [127, 128, 129, 130, 228])
def test_the_frames_get_their_gradient_whatever_their_width(width):
    unit = stirred(ConvUnit(width)).train()
    frames = torch.randn(30, width, dtype=torch.float64)
    weight = torch.randn(30, unit.output_size, dtype=torch.float64)
    grads = []
    for convolve in (convolve_in_blocks, lambda layers, given: layers(given[:, None, None]).flatten(1)):
        given = frames.clone().requires_grad_()
        (convolve(unit.layers, given) * weight).sum().backward()
        grads.append(given.grad)
    torch.testing.assert_close(*grads, rtol=0, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
def test_running_statistics_are_those_of_torch_after_several_batches(momentum):
    unit = stirred(ConvUnit(128)).train()
    for norm in unit.layers[1::4]:
        norm.momentum = momentum
    parted, whole = in_blocks(unit, True), in_blocks(unit, False)
    for _ in range(3):
        frames = 4 + 2 * torch.randn(2, 20, 128, dtype=torch.float64)
        for each in (parted, whole):
            each(frames).sum().backward()  # which computes the values again, not the statistics
    for (name, found), right in zip(parted.named_buffers(), whole.buffers(), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-13, atol=1e-13, msg=name)
    assert int(parted.layers[1].num_batches_tracked) == 3


def test_equal_values_send_the_gradient_where_torch_sends_it():
    unit = stirred(ConvUnit(128)).train()
    frames = torch.arange(30, dtype=torch.float64)[None, :, None].expand(1, 30, 128)
    grads = []
    for answer in (True, False):
        each = in_blocks(unit, answer)
        each(frames).square().sum().backward()
        grads.append([weight.grad for weight in each.parameters()])
    for found, right in zip(*grads, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("fixed", [False, True])
def test_autocast_gives_nearly_the_same(fixed, monkeypatch):
    monkeypatch.setenv(SWITCH, "off")
    load_loops.cache_clear()
    network = stirred(HRIN(hidden_size=5, num_layers=1, conv_unit=True), torch.float32).train()
    if fixed:
        keep_statistics(network)
    frames = torch.randn(3, 20, 128)
    right_logits, right = step(in_blocks(network, False), frames)
    halves = [step(in_blocks(network, answer), frames, half=True) for answer in (True, False)]
    (logits, grads), (_, plain) = halves
    assert not torch.equal(logits[0], right_logits[0])
    torch.testing.assert_close(logits[0].float(), right_logits[0], rtol=0, atol=0.05)
    for name in right:
        assert grads[name].dtype == torch.float32
        error, usual = ((each[name] - right[name]).norm() for each in (grads, plain))
        assert error < 1.5 * usual + 0.02 * right[name].norm() + 1e-4, name
    load_loops.cache_clear()


def kept_for_the_gradient(network, frames):
    """Bytes of the tensors that a forward pass keeps for the backward pass."""
    sizes = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor  # which is kept, so that no address is used twice

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = network(frames)
    weights = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    del logits
    return sum(size for address, size in sizes.items() if address not in weights)


def test_a_batch_keeps_a_fifth_of_the_memory():
    network, frames = HRIN(hidden_size=50, num_layers=2, conv_unit=True).train(), torch.randn(2, 200, 128)
    n_frames = 2 * 200
    parted, whole = (kept_for_the_gradient(in_blocks(network, answer), frames) for answer in (True, False))
    assert parted < 0.25 * whole
    # Of which the paper's batch of 8 times 3751 frames takes 1.1 GB.
    assert parted / n_frames * 8 * 3751 < 1.2e9
    assert kept_for_the_gradient(network, frames) == parted  # and it goes so by itself


def test_the_memory_of_torchs_layers_is_estimated():
    unit = ConvUnit(228).train()
    unit.in_blocks = False
    estimate = kept_bytes(unit.layers, 400, 228)
    assert kept_for_the_gradient(unit, torch.randn(1, 400, 228)) == pytest.approx(estimate, rel=0.4)


@pytest.mark.parametrize("gib, parted", [(6, True), (12, True), (16, False), (80, False)])
def test_a_gpu_computes_in_blocks_where_its_memory_is_small(monkeypatch, gib, parted):
    class OnGPU:
        device, shape = torch.device("cuda:0"), (8 * 3751, 228)

    properties = type("Properties", (), {"total_memory": gib * 2**30})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    assert needs_blocks(ConvUnit(228).layers, OnGPU()) is parted


def test_normalisation_over_several_processes_is_left_to_torch():
    unit = nn.SyncBatchNorm.convert_sync_batchnorm(ConvUnit(128).train())
    assert convolve_in_blocks(unit.layers, torch.randn(10, 128)) is None


def test_values_that_are_not_finite_stay_so():
    unit = ConvUnit(128).train()
    frames = torch.randn(1, 20, 128)
    frames[0, 3] = torch.nan
    assert not torch.isfinite(unit(frames)).any()
