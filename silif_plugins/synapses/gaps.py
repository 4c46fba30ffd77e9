"""A linear layer behind inputs that are spread over lags, without those that are zero for some steps.

A Gaussian makes a group of numbers of each spike. Forward, and for the gradient of the weights, inputs are left out
wherever they are zero for a few steps; what is left goes through the weights several steps at once. What leads back to
the inputs is dense: the gradient of what arrived by a product, and from there through the lags.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..kernels.jobs import run_job
from ..kernels.products import product
from .channel_filter import padded_taps, spread_gradients
from .spread_job import SpreadJob
from .taps import differentiable, without_ends


def linear_with_gaps(
    window: Tensor,
    weight: Tensor,
    taps: Tensor,
    bias: Tensor | None,
    steps: int,
    *,
    dropout: float = 0.0,
    seed: int = 0,
    gate: Tensor | None = None,
) -> Tensor:
    """Return ``functional.linear(spread_over_lags(window, taps, steps), weight, bias)``, at the cost of the events.

    Even where no input is zero for long it takes no longer than dense products, but for few outputs.

    Args:
        window: [past + steps, B, inputs], on the CPU, float32 or float64 as all others.
        weight: [outputs, inputs].
        taps: [lags, inputs].
        bias: [outputs].
        steps: Number T of steps.
        dropout: Share of the window that is dropped; only without a past.
        seed: Which ones.
        gate: Where gradients of the window are wanted, booleans of its shape; all of them by default. Without dropout
            they are computed everywhere.

    Returns:
        [T, B, outputs].

    Examples:
        >>> x, taps = torch.tensor([1.0, 0.0, 3.0]), torch.tensor([1.0, 10.0])
        >>> linear_with_gaps(x.view(3, 1, 1), torch.tensor([[2.0]]), taps.view(2, 1), None, 3).flatten()
        tensor([ 2., 20.,  6.])
    """
    run: Callable[..., Tensor] = _WithGaps.apply
    return run(window, weight, taps, bias, gate, _Job(window, weight, len(taps), steps, dropout, seed))


class _WithGaps(torch.autograd.Function):
    """The kernels."""

    @staticmethod
    def forward(
        ctx: Any,
        window: Tensor,
        weight: Tensor,
        taps: Tensor,
        bias: Tensor | None,
        gate: Tensor | None,
        job: _Job,
    ) -> Tensor:
        from ..kernels.memory import empty
        from . import gap_kernels as kernels

        lists = job.lists(window)
        job.run(kernels.pack, window.shape[1], 2, window=window, taps=padded_taps(without_ends(taps)), **lists)
        y = empty(window, (job.steps, window.shape[1], len(weight)))
        start = weight.new_zeros(len(weight)) if bias is None else bias
        panels = {"weight": job.panels(weight), "bias": job.panels(start.unsqueeze(1))}
        job.run(kernels.transmit, window.shape[1], 1, y=y, **panels, **lists)
        ctx.save_for_backward(window, weight, taps, bias, gate, *lists.values())
        ctx.job, ctx.names = job, tuple(lists)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from . import gap_kernels as kernels

        window, weight, taps, bias, gate, *saved = ctx.saved_tensors
        job = ctx.job
        if torch.is_grad_enabled():
            return *differentiable(job.plain, grad, window, weight, taps, bias), None, None
        rows = grad.reshape(-1, len(weight))
        needs_window, needs_weight, needs_taps, needs_bias, *_ = ctx.needs_input_grad
        grad_window = grad_weight = grad_taps = None
        if needs_window or needs_taps:
            arrived = product(rows, weight.t()).view(*grad.shape[:2], -1)
            needs = needs_window, needs_taps
            grad_window, grad_taps = spread_gradients(window, taps, arrived, *needs, job.dropout, job.seed, gate)
        if needs_weight:
            panels = weight.new_zeros(-(-len(weight) // job.columns), weight.shape[1], job.columns)
            lists = dict(zip(ctx.names, saved, strict=True))
            job.run(kernels.weight_gradient, len(panels), 1, grad=grad, grad_weight=panels, **lists)
            grad_weight = panels.transpose(1, 2).flatten(0, 1)[: len(weight)]
        return grad_window, grad_weight, grad_taps, rows.sum(0) if needs_bias else None, None, None


class _Job(SpreadJob):
    """What the kernels are told."""

    def __init__(self, window: Tensor, weight: Tensor, lags: int, steps: int, dropout: float, seed: int) -> None:
        from . import gap_kernels as kernels

        super().__init__(window, weight, lags, steps, dropout, seed)
        self.tiles = -(-steps // kernels.ROWS)
        self.sizes["tiles"] = self.tiles

    def lists(self, window: Tensor) -> dict[str, Tensor]:
        """Return memory for the lists of inputs that are not zero."""
        from ..kernels.memory import empty
        from .gap_kernels import ROWS

        batch, inputs = window.shape[1:]
        return {
            "ends": torch.empty(batch, -(-inputs // self.columns), self.tiles, dtype=torch.int32),
            "places": empty(window, (batch, self.tiles * inputs)).view(torch.int32),
            "shares": empty(window, (batch, self.tiles * inputs, ROWS)),
        }

    def panels(self, weight: Tensor) -> Tensor:
        """Return weights [outputs, inputs] as [panels, inputs, columns], with zeros behind."""
        missing = -len(weight) % self.columns
        padded = functional.pad(weight, (0, 0, 0, missing)) if missing else weight
        return padded.reshape(-1, self.columns, weight.shape[1]).transpose(1, 2).contiguous()

    def run(self, kernel: Any, tasks: int, strips: int, *, shares: Tensor, **others: Tensor) -> None:
        """Run a kernel, with memory for so many strips for each task."""
        from .gap_kernels import job_dtype

        memory = shares.new_empty(tasks * strips * self.rows, self.columns)
        given = {"shares": shares, "strips": memory, **{name: each.contiguous() for name, each in others.items()}}
        run_job(kernel, job_dtype, shares.dtype, tasks, shares.numel(), **self.sizes, **given)
