"""Convolution, batch normalisation, max-pooling and ReLU on a CPU, faster than one after the other.

On a CPU these layers spend their time in memory, not in arithmetic. Normalisation by
statistics that stay is an affine map and goes into the convolution's weights, and
max-pooling is the largest of shifted views, which keep torch's channels-last order and
need no table of indices.
"""

import torch
from torch.autograd.function import once_differentiable


def normalised_convolution(convolution, norm, images):
    """What ``norm(convolution(images))`` gives, in one step where the statistics stay as they are.

    Arguments
    ---------
    convolution : torch.nn.Conv2d
        With a bias and without padding.
    norm : torch.nn.BatchNorm2d
        Its normalisation; in training mode it takes the batch's own statistics.
    images : torch.Tensor
        ``[batch, channel, height, width]``.

    Returns
    -------
    torch.Tensor
        ``[batch, channel, height, width]``.

    Example
    -------
    >>> convolution, norm = torch.nn.Conv2d(1, 4, (1, 3)), torch.nn.BatchNorm2d(4).eval()
    >>> images = torch.randn(2, 1, 1, 9)
    >>> joined = normalised_convolution(convolution, norm, images)
    >>> torch.allclose(joined, norm(convolution(images)), atol=1e-6)
    True
    """
    if norm.training:
        return norm(convolution(images))
    return torch.nn.functional.conv2d(
        images, *normalised_weights(convolution, norm), stride=convolution.stride
    )


def normalised_weights(convolution, norm):
    """Weight and bias of the one convolution that a convolution and a normalisation of fixed statistics are.

    Arguments
    ---------
    convolution : torch.nn.Conv2d
        With a bias.
    norm : torch.nn.BatchNorm2d
        Its normalisation, by running statistics.

    Returns
    -------
    tuple of torch.Tensor
        Of the shapes of the convolution's own; gradients reach both modules.

    Example
    -------
    >>> convolution, norm = torch.nn.Conv2d(1, 4, (1, 3)), torch.nn.BatchNorm2d(4).eval()
    >>> [tuple(part.shape) for part in normalised_weights(convolution, norm)]
    [(4, 1, 1, 3), (4,)]
    """
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    weight = convolution.weight * scale[:, None, None, None]
    return weight, (convolution.bias - norm.running_mean) * scale + norm.bias


def rectified_max_pool(images):
    """``relu(max_pool2d(images, (1, 3), stride=(1, 2)))``.

    Arguments
    ---------
    images : torch.Tensor
        ``[batch, channel, height, width]``, a width of 3 or more.

    Returns
    -------
    torch.Tensor
        ``[batch, channel, height, (width - 1) // 2]``.

    Example
    -------
    >>> rectified_max_pool(torch.tensor([[[[1.0, 5.0, 2.0, -3.0, -1.0]]]]))
    tensor([[[[5., 2.]]]])
    """
    return _RectifiedMaxPool.apply(images)


def _taps(images):
    """The first, second and third value under each position of the pooling's window, as views."""
    last = (images.shape[-1] - 3) // 2 * 2
    return [images[..., tap : last + tap + 1 : 2] for tap in range(3)]


class _RectifiedMaxPool(torch.autograd.Function):
    """Max-pooling and ReLU, and the gradient of both in one."""

    @staticmethod
    def forward(ctx, images):
        """The largest of three neighbours, or zero."""
        first, second, third = _taps(images)
        pooled = torch.maximum(first, second)
        pooled = torch.maximum(pooled, third, out=pooled).relu_()
        ctx.save_for_backward(images, pooled)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        """Each window's gradient goes to the first of its largest values, as torch's does."""
        images, pooled = ctx.saved_tensors
        images_grad = torch.zeros_like(images)
        first, second, third = _taps(images)
        to_first, to_second, to_third = _taps(images_grad)
        left = grad * (pooled > 0)
        for values, target in ((first, to_first), (second, to_second)):
            part = left * (values == pooled)
            target += part
            left -= part
        to_third += left
        return images_grad
