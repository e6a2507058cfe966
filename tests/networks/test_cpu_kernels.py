"""Compiled loops of a training, against the package's own arithmetic."""

import ctypes
import os
import shutil
import subprocess
import sys

import pytest
import torch

from hrin_plugin.hierarchy.losses import HierarchicalLoss
from hrin_plugin.networks.cpu_kernels.library import SWITCH, load_loops
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.networks.units import ConvUnit, carry_states, keep_statistics

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")


@pytest.fixture
def switch(monkeypatch):
    """Turns compiled loops on and off; they are as before after a test."""

    def turn(on):
        monkeypatch.setenv(SWITCH, "on" if on else "off")
        load_loops.cache_clear()

    yield turn
    load_loops.cache_clear()


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


@needs_compiler
@pytest.mark.parametrize("n_frames", [1, 50, 193])
@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_size": 9, "conv_unit": True},
        {"hidden_size": 16, "conv_unit": True, "concatenation": "before_fc"},
        {"hidden_size": 20, "conv_unit": False},
    ],
)
def test_compiled_loops_give_the_same_logits_and_gradients(switch, settings, n_frames):
    network = trained_like(**settings)
    batches = [
        (torch.randn(3, n_frames, 128), torch.tensor([1.0, 0.5, 1.0]), torch.randint(0, 3, (3, n_frames)))
        for _ in range(2)
    ]
    switch(False)
    expected = steps(network, batches)
    switch(True)
    assert load_loops(torch.float32) is not None
    for found, right in zip(steps(network, batches), expected, strict=True):
        torch.testing.assert_close(found, right, rtol=0, atol=1e-4 * float(right.abs().max()) + 1e-9)


@needs_compiler
@pytest.mark.parametrize("compiled", [True, False])
def test_products_in_bfloat16_give_nearly_the_same(switch, compiled):
    network = trained_like(hidden_size=20, conv_unit=True)
    lens = torch.tensor([1.0, 0.5, 1.0])
    batches = [(torch.randn(3, 193, 128), lens, torch.randint(0, 3, (3, 193))) for _ in range(2)]
    switch(False)
    expected = steps(network, batches)
    switch(compiled)
    found = steps(network, batches, half=True)
    assert any(not torch.equal(one, other) for one, other in zip(found, expected))
    for one, other in zip(found, expected, strict=True):
        assert float((one.float() - other).norm()) < 0.1 * float(other.norm()) + 1e-6


@needs_compiler
def test_a_network_in_double_precision_goes_through_torch(switch):
    network = trained_like(hidden_size=9, conv_unit=True).double()
    frames = torch.randn(2, 30, 128, dtype=torch.float64)
    switch(False)
    expected = network(frames)
    for unit in network.modules():
        unit.carried = None
    switch(True)
    for found, right in zip(network(frames), expected):
        assert torch.equal(found, right)


@needs_compiler
def test_statistics_that_change_are_those_of_torch(switch):
    network, frames = trained_like(hidden_size=9, conv_unit=True), torch.randn(2, 10, 128)
    for unit in network.modules():
        if isinstance(unit, ConvUnit):
            unit.statistics_stay = False
    network.train()
    switch(True)
    before = network.conv_1.layers[1].running_mean.clone()
    network(frames)
    assert not torch.equal(network.conv_1.layers[1].running_mean, before)


@needs_compiler
def test_gates_far_beyond_their_range_stay_numbers(switch):
    network = trained_like(hidden_size=9, conv_unit=False)
    for weight in network.recurrent_1.parameters():
        weight.data *= 1e4
    batches = [(torch.randn(2, 40, 128), None, torch.zeros(2, 40, dtype=torch.long))]
    switch(False)
    expected = steps(network, batches)
    switch(True)
    for found, right in zip(steps(network, batches), expected, strict=True):
        assert torch.isfinite(found).all()
        # A fast division may leave a shut gate a last bit open, on some processors.
        bit = torch.finfo(torch.float32).eps
        torch.testing.assert_close(found, right, rtol=0, atol=1e-3 * float(right.abs().max()) + bit)


@needs_compiler
def test_the_library_is_kept_and_changes_no_mode_of_the_processor(switch, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    switch(True)
    loops = load_loops(torch.float32)
    assert isinstance(loops, ctypes.CDLL)
    (library,) = (tmp_path / "hrin_plugin").iterdir()
    time_ns = library.stat().st_mtime_ns
    # In a new process: the mode is that of a thread, and is set while a library is loaded.
    code = (
        "import torch; from hrin_plugin.networks.cpu_kernels.library import load_loops; "
        "assert load_loops(torch.float32); import numpy; "
        "print(numpy.float32(1e-30) * numpy.float32(1e-10) > 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert run.stdout == "True\n", run.stderr
    assert library.stat().st_mtime_ns == time_ns


def test_a_compiler_that_fails_costs_a_warning(switch, tmp_path, monkeypatch, caplog):
    broken = tmp_path / "c++"
    broken.write_text(
        "#!/bin/sh\ncase $1 in --version) echo none;; *) echo 'no space left' >&2; exit 1;; esac\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    switch(True)
    assert load_loops(torch.float32) is None
    assert "no space left" in caplog.text
    network = trained_like(hidden_size=9, conv_unit=True)
    assert network(torch.randn(1, 5, 128))[0].shape == (1, 5, 2)


def test_a_machine_without_a_compiler_does_without(switch, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    switch(True)
    assert load_loops(torch.float32) is None
