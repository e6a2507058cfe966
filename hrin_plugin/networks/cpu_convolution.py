"""Convolution, batch normalisation, max-pooling and ReLU on a CPU, fused.

On a CPU these layers are bound by memory bandwidth. Batch normalisation by fixed statistics
is an affine map, which is folded into the convolution's weights. Max-pooling is the maximum
of shifted views, which keeps the channels-last order and needs no index table.
"""

import torch
from torch.autograd.function import once_differentiable


def normalised_convolution(convolution, norm, images):
    """``norm(convolution(images))``, fused where the statistics are fixed.

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
    """Weight and bias of a convolution with batch normalisation folded into it.

    Arguments
    ---------
    convolution : torch.nn.Conv2d
        With a bias.
    norm : torch.nn.BatchNorm2d
        Its normalisation, by running statistics.

    Returns
    -------
    tuple of torch.Tensor
        In the shapes of the convolution's weight and bias; gradients reach both modules.

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
    """Views of the first, second and third value in each pooling window."""
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
        """Each window's gradient goes to its first maximum, as in torch."""
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
