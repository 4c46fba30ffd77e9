"""A linear layer behind inputs that are spread over few lags, without those that are zero for some steps.

A narrow Gaussian makes a short group of numbers of each spike. Forward, and for the gradient of the weights, inputs are
left out wherever they are zero for a few steps; what is left goes through the weights several steps at once. What leads
back to the inputs is dense: the gradient of what arrived by a product, and from there through the lags.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..kernels.jobs import run_job
from ..kernels.products import product
from .channel_filter import padded_rows, padded_taps, plainly_spread, spread_gradients
from .events import activity
from .taps import differentiable


def without_ends(taps: Tensor) -> Tensor:
    """Return shares of lags [lags, N] with 0 for those that are below the rounding of their sum.

    Examples:
        >>> without_ends(torch.tensor([[0.8], [0.2], [1e-9]])).flatten()
        tensor([0.8000, 0.2000, 0.0000])
    """
    taps = taps.detach()
    return taps.masked_fill(taps <= torch.finfo(taps.dtype).eps / 4, 0)


def has_gaps(window: Tensor, taps: Tensor, outputs: int) -> bool:
    """Whether leaving zeros out is faster than dense products, by the share of events on a sample of the window.

    What is not zero at some step of a tile must be below 0.75 of all for 512 outputs, 0.6 for 128; for few outputs
    lists cost more than they save. Measured on one core, forward and backward.

    Args:
        window: [steps, B, inputs].
        taps: [lags, inputs].
        outputs: Number of outputs.
    """
    from .gap_kernels import ROWS

    lags = float(without_ends(taps).count_nonzero()) / max(1, taps.shape[1])
    silent = 1 - activity(window.detach().reshape(-1, window.shape[-1]))
    return 1 - silent ** (lags + ROWS - 1) < 0.8 - 25 / outputs


def linear_with_gaps(window: Tensor, weight: Tensor, taps: Tensor, bias: Tensor | None, steps: int) -> Tensor:
    """Return ``functional.linear(spread_over_lags(window, taps, steps), weight, bias)``, at the cost of the events.

    Args:
        window: [past + steps, B, inputs], on the CPU, float32 or float64 as all others.
        weight: [outputs, inputs].
        taps: [lags, inputs].
        bias: [outputs].
        steps: Number T of steps.

    Returns:
        [T, B, outputs].

    Examples:
        >>> x, taps = torch.tensor([1.0, 0.0, 3.0]), torch.tensor([1.0, 10.0])
        >>> linear_with_gaps(x.view(3, 1, 1), torch.tensor([[2.0]]), taps.view(2, 1), None, 3).flatten()
        tensor([ 2., 20.,  6.])
    """
    run: Callable[..., Tensor] = _WithGaps.apply
    return run(window, weight, taps, bias, steps)


class _WithGaps(torch.autograd.Function):
    """The kernels."""

    @staticmethod
    def forward(ctx: Any, window: Tensor, weight: Tensor, taps: Tensor, bias: Tensor | None, steps: int) -> Tensor:
        from ..kernels.memory import empty
        from . import gap_kernels as kernels

        job = _Job(window, weight, len(taps), steps)
        lists = job.lists(window)
        job.run(kernels.pack, window.shape[1], 2, window=window, taps=padded_taps(without_ends(taps)), **lists)
        y = empty(window, (steps, window.shape[1], len(weight)))
        start = weight.new_zeros(len(weight)) if bias is None else bias
        panels = {"weight": job.panels(weight), "bias": job.panels(start.unsqueeze(1))}
        job.run(kernels.transmit, window.shape[1], 1, y=y, **panels, **lists)
        ctx.save_for_backward(window, weight, taps, bias, *lists.values())
        ctx.job, ctx.names = job, tuple(lists)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from . import gap_kernels as kernels

        window, weight, taps, bias, *saved = ctx.saved_tensors
        job = ctx.job
        if torch.is_grad_enabled():

            def plain(window: Tensor, weight: Tensor, taps: Tensor, bias: Tensor | None = None) -> Tensor:
                return functional.linear(plainly_spread(window, taps, job.steps), weight, bias)

            return *differentiable(plain, grad, window, weight, taps, bias), None
        rows = grad.reshape(-1, len(weight))
        needs_window, needs_weight, needs_taps, needs_bias, _ = ctx.needs_input_grad
        grad_window = grad_weight = grad_taps = None
        if needs_window or needs_taps:
            arrived = product(rows, weight.t()).view(*grad.shape[:2], -1)
            grad_window, grad_taps = spread_gradients(window, taps, arrived, needs_window, needs_taps)
        if needs_weight:
            panels = weight.new_zeros(-(-len(weight) // job.columns), weight.shape[1], job.columns)
            lists = dict(zip(ctx.names, saved, strict=True))
            job.run(kernels.weight_gradient, len(panels), 1, grad=grad, grad_weight=panels, **lists)
            grad_weight = panels.transpose(1, 2).flatten(0, 1)[: len(weight)]
        return grad_window, grad_weight, grad_taps, rows.sum(0) if needs_bias else None, None


class _Job:
    """What the kernels are told."""

    def __init__(self, window: Tensor, weight: Tensor, lags: int, steps: int) -> None:
        from . import gap_kernels as kernels
        from .filter_kernels import STRIP_BYTES

        self.columns = STRIP_BYTES // window.element_size()
        length, batch, inputs = window.shape
        self.steps, self.rows, self.tiles = steps, padded_rows(length, lags), -(-steps // kernels.ROWS)
        self.sizes = {
            "steps": steps,
            "before": length - steps,
            "batch": batch,
            "inputs": inputs,
            "outputs": len(weight),
            "lags": lags,
            "rows": self.rows,
            "tiles": self.tiles,
        }

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
