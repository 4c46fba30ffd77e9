"""Delays between whole steps: the weights of each lag, and the convolution with them.

Learning delays by a Gaussian over lags is DCLS (Khalfaoui-Hassani et al., 2023; Hammouamri et al., 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

LEAST_WIDTH = 0.27
"""What DCLS adds to sigma: the Gaussian never gets so narrow that a delay between two steps reaches neither."""


def gaussian_taps(delay: Tensor, sigma: Tensor, max_delay: int) -> Tensor:
    r"""Return the share of each lag, a Gaussian around the delay that sums to 1.

    It is the kernel of DCLS, version "gauss", of K = ``max_delay + 1`` elements k, in lags l = K - 1 - k::

        g[l] = exp(-((l - delay) / (abs(sigma) + 0.27)) ** 2 / 2)
        share[l] = g[l] / (sum(g) + 1e-7)

    Args:
        delay: In steps, of any shape.
        sigma: Width in steps.
        max_delay: The longest lag.

    Returns:
        Shares of the lags 0 to ``max_delay``, [max_delay + 1, \*shape of the delays].

    Examples:
        >>> gaussian_taps(torch.tensor([0.0, 1.5]), torch.tensor(0.23), 3).T.mul(1000).round()
        tensor([[881., 119.,   0.,   0.],
                [  9., 491., 491.,   9.]])
    """
    g = torch.exp(-0.5 * ((_lags(delay, max_delay) - delay) / (sigma.abs() + LEAST_WIDTH)).square())
    return g / (g.sum(0) + 1e-7)


def without_ends(taps: Tensor) -> Tensor:
    """Return shares of lags [lags, N] with 0 for those that are below the rounding of their sum.

    Examples:
        >>> without_ends(torch.tensor([[0.8], [0.2], [1e-9]])).flatten()
        tensor([0.8000, 0.2000, 0.0000])
    """
    taps = taps.detach()
    return taps.masked_fill(taps <= torch.finfo(taps.dtype).eps / 4, 0)


def weighted_taps(weight: Tensor, delay: Tensor, sigma: Tensor, max_delay: int) -> Tensor:
    """Return ``weight * gaussian_taps(delay, sigma, max_delay)``, lag by lag: a third of the time, with its gradients.

    Args:
        weight: [outputs, inputs].
        delay: [outputs, inputs], within 0 and ``max_delay``.
        sigma: Width in steps; it gets no gradient.
        max_delay: The longest lag.

    Examples:
        >>> weighted_taps(torch.tensor([[2.0]]), torch.tensor([[1.0]]), torch.tensor(0.23), 2).flatten()
        tensor([0.2130, 1.5740, 0.2130])
    """
    build: Callable[..., Tensor] = _WeightedTaps.apply
    return build(weight, delay, sigma, max_delay)


def gaussians(delay: Tensor, sigma: Tensor, lags: Iterable[int | Tensor]) -> tuple[list[Tensor], Tensor]:
    """Return the Gaussian at each lag, of the shape of the delays, and what makes shares of them: their sum + 1e-7.

    A lag is a number, or one for each delay, NaN where there is none.
    """
    width = sigma.abs() + LEAST_WIDTH
    found = [torch.exp(-0.5 * ((lag - delay) / width).square()).nan_to_num(0.0) for lag in lags]
    total = found[0]
    for each in found[1:]:
        total = total + each
    return found, total + 1e-7


def pull_back(
    weight: Tensor, delay: Tensor, sigma: Tensor, lags: Iterable[int | Tensor], grads: Iterable[Tensor]
) -> tuple[Tensor, Tensor]:
    """Return the gradients of weights and delays from those of the weighted shares of each lag.

    The derivative of a share by the delay is ``share * (lag - delay - its mean over the lags) / width ** 2``.
    """
    lags = list(lags)
    shares, total = gaussians(delay, sigma, lags)
    weighted = along = mean = torch.zeros_like(total)
    for lag, share, grad in zip(lags, shares, grads, strict=True):
        share = share / total
        product, distance = grad * share, (lag - delay).nan_to_num(0.0)
        weighted, along, mean = weighted + product, along + product * distance, mean + share * distance
    width = sigma.abs() + LEAST_WIDTH
    return weighted, weight * (along - weighted * mean) / width.square()


class _WeightedTaps(torch.autograd.Function):
    """All lags, with a gradient that needs no memory of them."""

    generate_vmap_rule = True

    @staticmethod
    def forward(weight: Tensor, delay: Tensor, sigma: Tensor, max_delay: int) -> Tensor:
        shares, total = gaussians(delay, sigma, range(max_delay + 1))
        factor = weight / total
        return torch.stack([share * factor for share in shares])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, int], output: Tensor) -> None:
        weight, delay, sigma, ctx.max_delay = inputs
        ctx.save_for_backward(weight, delay, sigma)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        weight, delay, sigma = ctx.saved_tensors
        grads = pull_back(weight, delay, sigma, range(ctx.max_delay + 1), grad.unbind())
        return *grads, None, None


def triangle_taps(delay: Tensor, width: Tensor, max_delay: int) -> Tensor:
    r"""Return the share of each lag, a triangle around the delay that sums to 1: the kernel of DelRec.

    Queant et al. (2025) divide ``max(0, S - abs(l - delay))`` by S², which sums to 1 where the width S is a whole
    number and nothing of the triangle is before lag 0, and to 0.75 to 1.1 elsewhere; this divides by the sum itself.

    Args:
        delay: In steps, from 0 to ``max_delay``, of any shape.
        width: S, at least 1: half of the base, in steps, of a shape that expands to that of the delays.
        max_delay: The longest lag.

    Returns:
        Shares of the lags 0 to ``max_delay``, [max_delay + 1, \*shape of the delays].

    Examples:
        >>> triangle_taps(torch.tensor([0.0, 1.5]), torch.tensor(2.0), 3).T.mul(1000).round()
        tensor([[667., 333.,   0.,   0.],
                [125., 375., 375., 125.]])
    """
    heights = (width - (_lags(delay, max_delay) - delay).abs()).clamp(min=0)
    return heights / heights.sum(0)


def rounded_taps(delay: Tensor, max_delay: int) -> Tensor:
    """Return 1 at the lag nearest to the delay, and 0 at all others; arguments and shape as for `gaussian_taps`.

    Examples:
        >>> rounded_taps(torch.tensor([0.2, 1.7]), 2).T
        tensor([[1., 0., 0.],
                [0., 0., 1.]])
    """
    return (_lags(delay, max_delay) == delay.round()).to(delay.dtype)


def _lags(delay: Tensor, max_delay: int) -> Tensor:
    """Return 0 to ``max_delay``, [max_delay + 1, 1, ...]."""
    return torch.arange(max_delay + 1, dtype=delay.dtype, device=delay.device).view(-1, *[1] * delay.dim())


def within(delay: Tensor, max_delay: int) -> Tensor:
    """Return delays that are at least 0 and at most ``max_delay``.

    A delay that an optimiser took beyond keeps the gradient that leads back: it is not stuck there.

    Examples:
        >>> delay = torch.tensor([-1.0, -1.0, 2.0], requires_grad=True)
        >>> within(delay, 5).backward(torch.tensor([1.0, -1.0, 1.0]))
        >>> delay.grad
        tensor([ 0., -1.,  1.])
    """
    limit: Callable[[Tensor, int], Tensor] = _Within.apply
    return limit(delay, max_delay)


class _Within(torch.autograd.Function):
    """Clamps, and cuts only gradients whose descent would lead further out."""

    generate_vmap_rule = True

    @staticmethod
    def forward(delay: Tensor, max_delay: int) -> Tensor:
        return delay.clamp(0, max_delay)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        delay, ctx.max_delay = inputs
        ctx.save_for_backward(delay)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (delay,) = ctx.saved_tensors
        outwards = ((delay < 0) & (grad > 0)) | ((delay > ctx.max_delay) & (grad < 0))
        return grad.masked_fill(outwards, 0), None


def convolve(window: Tensor, taps: Tensor, groups: int = 1) -> Tensor:
    """Sum inputs over lags: ``outputs[t, b, i] = sum over l, j of taps[l, i, j] * window[L - 1 + t - l, b, j]``.

    It is a convolution in two dimensions over [T, B], which reads and writes that layout as it is. For 25 lags and 128
    to 512 neurons, on one thread, a training step takes 0.7 to 0.9 of the time with ``conv1d``, and 0.5 to 0.7 of that
    with a product for each lag.

    Args:
        window: The L - 1 steps before and the T steps of interest, [L - 1 + T, B, inputs].
        taps: Weights of each lag, [L, outputs, inputs / groups].
        groups: As for ``conv2d``: with as many as inputs, each goes to an output of its own.

    Returns:
        [T, B, outputs].

    Examples:
        >>> convolve(torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1), torch.tensor([1.0, 10.0]).view(2, 1, 1)).flatten()
        tensor([12., 23.])
    """
    steps, batch = window.shape[0] - taps.shape[0] + 1, window.shape[1]
    if not steps * batch:  # conv2d refuses these
        return window.new_zeros(steps, batch, taps.shape[1])
    images = window.permute(2, 0, 1).unsqueeze(0)  # [1, inputs, time, batch], channels last in memory
    kernel = taps.flip(0).permute(1, 2, 0).unsqueeze(-1).contiguous(memory_format=torch.channels_last)
    outputs = functional.conv2d(images, kernel, groups=groups)
    return outputs.squeeze(0).permute(1, 2, 0)


def differentiable(function: Callable[..., Tensor], grad: Tensor, *inputs: Tensor | None) -> tuple[Tensor | None, ...]:
    """Return the gradients of inputs from that of a function's result, which can be differentiated themselves."""
    wanted = [each for each in inputs if each is not None and each.requires_grad]
    found = iter(torch.autograd.grad(function(*inputs), wanted, grad, create_graph=True))
    return tuple(next(found) if each is not None and each.requires_grad else None for each in inputs)
