"""The sum of inputs over lags, with its gradients, in fewer operations than a convolution.

Three ways, all exact to rounding:

- A narrow Gaussian reaches a few lags of each synapse (`.few_lags`).
- A wide Gaussian is smooth: the shares of all delays that there can be are combinations of a few functions of the lag,
  its singular vectors, 7 instead of 25 for a width of 12 steps. Inputs are filtered in time by each, and the products
  with weights are as many as there are functions.
- Otherwise the forward pass and the gradient of the inputs are convolutions, and the gradient of the weights is a
  product for each lag: PyTorch's convolution takes twice as long for that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..kernels.products import product
from .events import fits_kernels
from .few_lags import ByFewLags, number_of_lags
from .taps import convolve, differentiable, gaussian_taps, weighted_taps

_ACCURACY = 3e-8
"""Singular values below this share of the first are left out: shares are then as exact as float32 holds them."""

_FEW = 0.4
"""Share of all lags up to which a synapse has few."""

_CHUNK = 32
"""Steps that are filtered at a time."""


def sum_over_lags(window: Tensor, weight: Tensor, delay: Tensor, sigma: Tensor, max_delay: int) -> Tensor:
    """Return ``convolve(window, weighted_taps(weight, delay, sigma, max_delay))`` by the fastest way.

    Args:
        window: [max_delay + T, B, inputs].
        weight: [outputs, inputs].
        delay: From 0 to ``max_delay``, [outputs, inputs].
        sigma: Width of the Gaussian, before 0.27 is added.
        max_delay: The longest lag.
    """
    usable = (
        fits_kernels(window, weight)
        and window.dtype == torch.float32
        and window.numel() * weight.numel() * (window.shape[0] - max_delay) > 0
    )
    if not usable:
        return convolve(window, weighted_taps(weight, delay, sigma, max_delay))
    outputs, width = len(weight), float(sigma)
    if number_of_lags(width) <= _FEW * (max_delay + 1):
        few: Callable[..., Tensor] = ByFewLags.apply
        return few(window, weight, delay, sigma, max_delay)
    taps = weighted_taps(weight, delay, sigma, max_delay)
    functions = smooth_functions(max_delay, width)
    if functions.shape[1] * (_CHUNK + max_delay + outputs) < 0.8 * (max_delay + 1) * outputs:
        combined = (functions.t() @ taps.flatten(1)).view(-1, *taps.shape[1:])
        smooth: Callable[..., Tensor] = _BySmoothFunctions.apply
        return smooth(window, combined, functions)
    direct: Callable[[Tensor, Tensor], Tensor] = _ByLags.apply
    return direct(window, taps)


@lru_cache(maxsize=64)
def smooth_functions(max_delay: int, sigma: float) -> Tensor:
    """Return orthonormal functions of the lag [max_delay + 1, R] of which the shares of every delay are combinations.

    Examples:
        >>> smooth_functions(24, 12.0).shape, smooth_functions(24, 0.23).shape
        (torch.Size([25, 7]), torch.Size([25, 25]))
    """
    delays = torch.linspace(0, max_delay, 8 * max_delay + 1, dtype=torch.float64)
    shares = gaussian_taps(delays, torch.tensor(sigma, dtype=torch.float64), max_delay)
    functions, sizes, _ = torch.linalg.svd(shares, full_matrices=False)
    return functions[:, sizes > _ACCURACY * sizes[0]].float()


class _ByLags(torch.autograd.Function):
    """The convolution, with the gradient of its weights by products."""

    @staticmethod
    def forward(ctx: Any, window: Tensor, taps: Tensor) -> Tensor:
        ctx.save_for_backward(window, taps)
        return convolve(window, taps)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        window, taps = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiable(convolve, grad, window, taps)
        steps, last = grad.shape[0], len(taps) - 1
        grad_window = grad_taps = None
        if ctx.needs_input_grad[0]:
            padded = torch.nn.functional.pad(grad, (0, 0, 0, 0, last, last))
            grad_window = convolve(padded, taps.flip(0).transpose(1, 2))
        if ctx.needs_input_grad[1]:
            transposed = grad.flatten(0, 1).t().contiguous()
            grad_taps = torch.empty_like(taps)
            for lag in range(last + 1):
                grad_taps[lag] = product(transposed, window[last - lag : last - lag + steps].flatten(0, 1).t())
        return grad_window, grad_taps


class _BySmoothFunctions(torch.autograd.Function):
    """A product for each function of the lag."""

    @staticmethod
    def forward(ctx: Any, window: Tensor, combined: Tensor, functions: Tensor) -> Tensor:
        ctx.save_for_backward(window, combined, functions)
        steps, batch = window.shape[0] - len(functions) + 1, window.shape[1]
        outputs = window.new_zeros(steps * batch, combined.shape[1])
        for matrix, weights in zip(_filters(functions), combined, strict=True):
            outputs += product(_filtered(window, matrix, steps), weights)
        return outputs.view(steps, batch, -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        window, combined, functions = ctx.saved_tensors
        if torch.is_grad_enabled():
            grads = differentiable(
                lambda window, combined: convolve(window, torch.einsum("lr,roi->loi", functions, combined)),
                grad,
                window,
                combined,
            )
            return *grads, None
        steps, rows = grad.shape[0], grad.flatten(0, 1).contiguous()
        transposed = rows.t().contiguous()
        grad_window = torch.zeros_like(window) if ctx.needs_input_grad[0] else None
        grad_combined = torch.empty_like(combined) if ctx.needs_input_grad[1] else None
        for index, (matrix, weights) in enumerate(zip(_filters(functions), combined, strict=True)):
            if grad_combined is not None:
                grad_combined[index] = product(transposed, _filtered(window, matrix, steps).t())
            if grad_window is not None:
                _add_unfiltered(grad_window, product(rows, weights.t()).view(*grad.shape[:2], -1), matrix)
        return grad_window, grad_combined, None


def _filters(functions: Tensor) -> Tensor:
    """Return the matrices that filter _CHUNK steps, [R, _CHUNK, L - 1 + _CHUNK]."""
    lags = len(functions)
    matrices = functions.new_zeros(functions.shape[1], _CHUNK, lags - 1 + _CHUNK)
    for step in range(_CHUNK):
        matrices[:, step, step : step + lags] = functions.flip(0).t()
    return matrices


def _filtered(window: Tensor, matrix: Tensor, steps: int) -> Tensor:
    """Filter every input in time; rows [T * B, inputs]."""
    flat, past = window.flatten(1), matrix.shape[1] - _CHUNK
    result = window.new_empty(steps, flat.shape[1])
    for start in range(0, steps, _CHUNK):
        size = min(_CHUNK, steps - start)
        result[start : start + size] = product(matrix[:size, : size + past], flat[start : start + size + past].t())
    return result.view(steps * window.shape[1], -1)


def _add_unfiltered(grad_window: Tensor, grad: Tensor, matrix: Tensor) -> None:
    """Add to the gradient of the window what comes from that of the filtered inputs."""
    flat, total, past = grad.flatten(1), grad_window.flatten(1), matrix.shape[1] - _CHUNK
    for start in range(0, len(flat), _CHUNK):
        size = min(_CHUNK, len(flat) - start)
        total[start : start + size + past] += product(matrix[:size, : size + past].t(), flat[start : start + size].t())
