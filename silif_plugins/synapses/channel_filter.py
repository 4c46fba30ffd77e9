"""Inputs that arrive spread over lags, each channel by shares of its own, with the gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..kernels.jobs import run_job
from .events import dropout_numbers, fits_kernels
from .taps import convolve, differentiable


def spread_over_lags(window: Tensor, taps: Tensor, steps: int) -> Tensor:
    """Return ``y[t, b, n] = sum over l of taps[l, n] * x[t - l, b, n]`` of the last ``steps`` steps of a window.

    Args:
        window: x, [past + steps, B, N]; what comes before it is 0.
        taps: [lags, N]; there are fewer steps of the past than lags.
        steps: Number T of steps.

    Returns:
        [T, B, N].

    Examples:
        >>> x, taps = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 10.0])
        >>> spread_over_lags(x.view(3, 1, 1), taps.view(2, 1), 3).flatten()
        tensor([ 1., 12., 23.])
    """
    if fits_kernels(window, taps) and window.numel() * steps:
        spread: Callable[..., Tensor] = _Spread.apply
        return spread(window, taps, steps)
    return plainly_spread(window, taps, steps)


def plainly_spread(window: Tensor, taps: Tensor, steps: int) -> Tensor:
    """Return what `spread_over_lags` returns, by PyTorch's convolution."""
    missing = len(taps) - 1 + steps - window.shape[0]  # len() would fix it in a traced graph
    return convolve(functional.pad(window, (0, 0, 0, 0, missing, 0)), taps.unsqueeze(-1), groups=taps.shape[1])


class _Spread(torch.autograd.Function):
    """The kernels."""

    @staticmethod
    def forward(ctx: Any, window: Tensor, taps: Tensor, steps: int) -> Tensor:
        from ..kernels.memory import empty
        from . import filter_kernels as kernels

        ctx.save_for_backward(window, taps)
        ctx.steps = steps
        y = empty(window, (steps, *window.shape[1:]))
        _run(kernels.spread, window, steps, 2, dropout_numbers(0.0, 0), y=y, taps=taps)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        window, taps = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *differentiable(lambda x, taps: plainly_spread(x, taps, ctx.steps), grad, window, taps), None
        return *spread_gradients(window, taps, grad, *ctx.needs_input_grad[:2]), None


def spread_gradients(
    window: Tensor,
    taps: Tensor,
    grad: Tensor,
    needs_window: bool,
    needs_taps: bool,
    dropout: float = 0.0,
    seed: int = 0,
    gate: Tensor | None = None,
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of `spread_over_lags` from that of its result, None where they are not needed.

    They can be those of a window before dropout, and are 0 then where a gate, if there is one, is not open.
    """
    from ..kernels.memory import empty
    from . import filter_kernels as kernels

    wanted = {}
    if needs_window:
        wanted["y"] = empty(window, window.shape)
    if needs_taps:
        lags = -(-len(taps) // kernels.TILE) * kernels.TILE
        wanted["grad_taps"] = taps.new_zeros(lags, padded_taps(taps).shape[1])
    if gate is not None:
        wanted["gate"] = gate
    told = dropout_numbers(dropout, seed)
    _run(kernels.spread_backward, window, len(grad), 3, told, grad=grad, taps=taps.flip(0), **wanted)
    found = wanted.get("grad_taps")
    return wanted.get("y"), None if found is None else found[: len(taps), : taps.shape[1]]


def padded_taps(taps: Tensor) -> Tensor:
    """Return taps with zeros up to whole strips."""
    from . import filter_kernels as kernels

    columns = kernels.STRIP_BYTES // taps.element_size()
    return functional.pad(taps, (0, -taps.shape[1] % columns)).contiguous()


def padded_rows(length: int, lags: int) -> int:
    """Return how many rows a strip has for a window of a length: whole tiles of it, and of the lags before it."""
    from .filter_kernels import TILE

    return -(-lags // TILE) * TILE + -(-length // TILE) * TILE


def _run(
    kernel: Any,
    window: Tensor,
    steps: int,
    strips: int,
    told: dict[str, float],
    *,
    taps: Tensor,
    **tensors: Tensor,
) -> None:
    from . import filter_kernels as kernels

    length, batch, channels = window.shape
    lags, taps = len(taps), padded_taps(taps.detach())
    rows = padded_rows(length, lags)
    tasks = taps.shape[1] * taps.element_size() // kernels.STRIP_BYTES
    tensors |= {
        "window": window.contiguous(),
        "taps": taps,
        "strips": taps.new_empty(tasks * strips * rows, kernels.STRIP_BYTES // taps.element_size()),
    }
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    sizes = {"steps": steps, "before": length - steps, "batch": batch, "channels": channels, "lags": lags, "rows": rows}
    run_job(kernel, kernels.job_dtype, window.dtype, tasks, window.numel() * lags, **sizes, **told, **tensors)
