"""The sum of inputs over lags where a Gaussian is so narrow that every synapse has only a few of them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..kernels.jobs import run_job
from .taps import LEAST_WIDTH, convolve, differentiable, gaussian_taps, gaussians, pull_back

_SMALLEST = 3e-8
"""Values of the Gaussian below this are left out: they are below the rounding of its sum in float32."""


def number_of_lags(sigma: float) -> int:
    """Return how many lags a synapse has at most.

    Examples:
        >>> number_of_lags(0.23), number_of_lags(12.0)
        (6, 145)
    """
    return math.floor(2 * _reach(sigma)) + 1


def _reach(sigma: float) -> float:
    return (abs(sigma) + LEAST_WIDTH) * math.sqrt(-2 * math.log(_SMALLEST))


class ByFewLags(torch.autograd.Function):
    """The sum over lags [T, B, outputs] from a window [max_delay + T, B, inputs], weights and delays.

    Equal to ``convolve(window, weighted_taps(weight, delay, sigma, max_delay))`` to rounding in float32.
    """

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any, window: Tensor, weight: Tensor, delay: Tensor, sigma: Tensor, max_delay: int
    ) -> Tensor:
        ctx.save_for_backward(window, weight, delay, sigma)
        ctx.max_delay = max_delay
        first, taps, _ = _near(weight, delay, sigma, max_delay)
        return _transmit(window, first, taps, start=max_delay, steps=window.shape[0] - max_delay)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        window, weight, delay, sigma = ctx.saved_tensors
        max_delay = ctx.max_delay
        if torch.is_grad_enabled():

            def plain(window: Tensor, weight: Tensor, delay: Tensor) -> Tensor:
                return convolve(window, weight * gaussian_taps(delay, sigma, max_delay))

            return *differentiable(plain, grad, window, weight, delay), None, None
        first, taps, lags = _near(weight, delay, sigma, max_delay)
        grad_window = grad_weight = grad_delay = None
        if ctx.needs_input_grad[0]:
            # Backwards in time, gradients travel as inputs do.
            back = _transmit(grad.flip(0), first.t(), taps.transpose(0, 1), start=0, steps=window.shape[0])
            grad_window = back.flip(0)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            grads = _tap_gradient(window, grad, first, len(lags), start=max_delay)
            grad_weight, grad_delay = pull_back(weight, delay, sigma, lags, grads.unbind(-1))
        return grad_window, grad_weight, grad_delay, None, None


def _near(weight: Tensor, delay: Tensor, sigma: Tensor, max_delay: int) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return the first lag of each synapse, its weighted shares [outputs, inputs, lags], and its lags, NaN beyond."""
    from .lane_kernels import LAGS

    width = float(sigma)
    first = (delay - _reach(width)).ceil()
    lags = [first + m for m in range(-(-number_of_lags(width) // LAGS) * LAGS)]
    lags = [lag.masked_fill((lag < 0) | (lag > max_delay), math.nan) for lag in lags]
    shares, total = gaussians(delay, sigma, lags)
    factor = weight / total
    return first.int(), torch.stack([share * factor for share in shares], -1), lags


def _transmit(x: Tensor, first: Tensor, taps: Tensor, *, start: int, steps: int) -> Tensor:
    """Return ``y[t, b, i] = sum over j, m of taps[i, j, m] * x[start + t - first[i, j] - m, b, j]`` of ``steps`` steps.

    ``x`` [time, B, inputs] counts as zero outside.
    """
    from . import lane_kernels as kernels

    outputs, _, lags = taps.shape
    tile = kernels.tile(x.element_size())
    more, padded_steps = -outputs % kernels.GROUP, -(-steps // tile) * tile
    strips, start = _strips(x, first, lags, start, padded_steps)
    first = functional.pad(first, (0, 0, 0, more), value=int(first.min())).contiguous()
    taps = functional.pad(taps, (0, 0, 0, 0, 0, more)).contiguous()
    y = x.new_empty(x.shape[1], outputs + more, padded_steps)
    _run(kernels.transmit, x.shape[1], y, lags, start, x=strips, first=first, taps=taps)
    return y[:, :outputs, :steps].permute(2, 0, 1).contiguous()


def _tap_gradient(x: Tensor, grad: Tensor, first: Tensor, lags: int, *, start: int) -> Tensor:
    """Return the gradient of the taps of `_transmit` [outputs, inputs, lags] from that of its result."""
    from . import lane_kernels as kernels

    steps, _, outputs = grad.shape
    tile = kernels.tile(x.element_size())
    more, padded_steps = -outputs % kernels.GROUP, -(-steps // tile) * tile
    strips, start = _strips(x, first, lags, start, padded_steps)
    y = functional.pad(grad.permute(1, 2, 0), (0, padded_steps - steps, 0, more)).contiguous()
    first = functional.pad(first, (0, 0, 0, more), value=int(first.min())).contiguous()
    result = x.new_empty(outputs + more, x.shape[2], lags)
    tasks = (outputs + more) // kernels.GROUP
    _run(kernels.tap_gradient, tasks, y, lags, start, x=strips, first=first, grad_taps=result)
    return result[:outputs]


def _strips(x: Tensor, first: Tensor, lags: int, start: int, steps: int) -> tuple[Tensor, int]:
    """Return [B, inputs, time] with zeros wherever a lag leads, and where the start is then."""
    before = max(0, int(first.max()) + lags - 1 - start)
    behind = max(0, start + steps - int(first.min()) - x.shape[0])
    return functional.pad(x.permute(1, 2, 0), (before, behind)).contiguous(), before + start


def _run(kernel: Any, tasks: int, y: Tensor, lags: int, start: int, **tensors: Tensor) -> None:
    from .lane_kernels import job_dtype

    names = ("batch", "outputs", "steps", "inputs", "length")
    sizes = dict(zip(names, (*y.shape, *tensors["x"].shape[1:]), strict=True), lags=lags, start=start)
    run_job(kernel, job_dtype, y.dtype, tasks, 64 * y.numel(), y=y, **sizes, **tensors)
