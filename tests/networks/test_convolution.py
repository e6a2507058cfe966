"""The fast layers against torch's own, values and gradients."""

import pytest
import torch
from torch import nn

from hrin_plugin.networks.cpu_convolution import normalised_convolution, rectified_max_pool
from hrin_plugin.networks.units import ConvUnit, keep_statistics


def images(width, channels=3, batch=4, height=1):
    """Random images in channels-last order."""
    torch.manual_seed(width)
    drawn = torch.randn(batch, channels, height, width).contiguous(memory_format=torch.channels_last)
    return drawn.requires_grad_()


@pytest.mark.parametrize("width", [3, 4, 5, 6, 63, 113])
def test_pooling_equals_torch(width):
    ours = images(width, height=2)
    theirs = ours.detach().clone().requires_grad_()
    pooled = rectified_max_pool(ours)
    expected = nn.functional.relu(nn.functional.max_pool2d(theirs, (1, 3), stride=(1, 2)))
    assert torch.equal(pooled, expected)
    weight = torch.randn_like(expected)
    (pooled * weight).sum().backward()
    (expected * weight).sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


def test_the_gradient_of_equal_values_goes_where_torch_sends_it():
    ours = torch.tensor([[[[2.0, 2.0, 2.0, 1.0, 2.0]]]], requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    rectified_max_pool(ours).sum().backward()
    nn.functional.relu(nn.functional.max_pool2d(theirs, (1, 3), stride=(1, 2))).sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


def test_pooling_passes_the_gradient_check():
    drawn = images(9).detach().double().requires_grad_()
    assert torch.autograd.gradcheck(rectified_max_pool, drawn)


@pytest.mark.parametrize("training", [True, False])
def test_normalised_convolution_equals_the_two_layers(training):
    convolution, norm = nn.Conv2d(3, 8, (1, 3), stride=(1, 2)), nn.BatchNorm2d(8)
    with torch.no_grad():
        for values in (norm.weight, norm.bias, norm.running_mean):
            values.normal_()
        norm.running_var.uniform_(0.2, 3.0)
    norm.train(training)
    ours, theirs = images(21), images(21)
    results = normalised_convolution(convolution, norm, ours), norm(convolution(theirs))
    torch.testing.assert_close(*results)
    grads = [
        torch.autograd.grad(result.square().sum(), [inputs, *convolution.parameters(), *norm.parameters()])
        for result, inputs in zip(results, (ours, theirs))
    ]
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-4)


def test_kept_statistics_are_those_of_before_the_training():
    unit = ConvUnit(128).train()
    unit(5 + 3 * torch.randn(2, 40, 128))
    before = {name: values.clone() for name, values in unit.named_buffers()}
    frames = torch.randn(2, 40, 128)
    with torch.no_grad():
        expected = unit.eval()(frames)
    keep_statistics(nn.Sequential(unit))
    unit.train()
    torch.testing.assert_close(unit(frames), expected)
    assert unit.training
    for name, values in unit.named_buffers():
        assert torch.equal(values, before[name]), name


def test_a_network_with_kept_statistics_still_learns():
    unit = ConvUnit(128)
    keep_statistics(unit)
    unit.train()(torch.randn(2, 40, 128)).square().sum().backward()
    assert all(values.grad.abs().sum() > 0 for values in unit.parameters())
