"""A linear layer with few outputs behind inputs that are spread over lags, event by event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..kernels.jobs import run_job
from .channel_filter import padded_taps
from .events import activity
from .nonzero_lags import nonzero_lags
from .spread_job import SpreadJob
from .taps import differentiable, without_ends

MOST_OUTPUTS = 32
"""Outputs up to which a group of events and lags is cheaper than a product."""


def pays_by_events(window: Tensor, taps: Tensor) -> bool:
    """Whether events are few enough, by their share on a sample of a window, for the lags that an input has.

    From measured costs on one core: an event takes 5 ns, and 1.2 ns for each lag; what is dense 2.5 ns for every input.
    """
    lags = float(without_ends(taps).count_nonzero()) / taps.shape[1]
    return activity(window.detach().reshape(-1, window.shape[-1])) * (5 + 1.2 * lags) < 2.5


def onto_few_outputs(
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
    """Return ``functional.linear(spread_over_lags(window, taps, steps), weight, bias)`` for few outputs.

    The arguments are those of `linear_with_gaps`. Shares of lags that are below the rounding of their sum get no
    gradient: that of a Gaussian's delay needs none.

    Examples:
        >>> x, taps = torch.tensor([1.0, 0.0, 3.0]), torch.tensor([1.0, 10.0])
        >>> onto_few_outputs(x.view(3, 1, 1), torch.tensor([[2.0]]), taps.view(2, 1), None, 3).flatten()
        tensor([ 2., 20.,  6.])
    """
    run: Callable[..., Tensor] = _OntoFew.apply
    return run(window, weight, taps, bias, gate, steps, dropout, seed)


class _OntoFew(torch.autograd.Function):
    """The kernels."""

    @staticmethod
    def forward(
        ctx: Any,
        window: Tensor,
        weight: Tensor,
        taps: Tensor,
        bias: Tensor | None,
        gate: Tensor | None,
        steps: int,
        dropout: float,
        seed: int,
    ) -> Tensor:
        from . import few_output_kernels as kernels

        job = _Job(window, weight, taps, steps, dropout, seed)
        start = weight.new_zeros(job.width)
        if bias is not None:
            start[: len(weight)] = bias
        y = window.new_empty(window.shape[1], job.length, job.width)
        job.run(kernels.transmit, window.shape[1], window=window, y=y, bias=start)
        ctx.save_for_backward(window, weight, taps, bias, gate)
        ctx.job = job
        return y[:, job.before : job.before + steps, : len(weight)].transpose(0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from ..kernels.memory import empty_like
        from . import few_output_kernels as kernels

        window, weight, taps, bias, gate = ctx.saved_tensors
        job = ctx.job
        if torch.is_grad_enabled():
            return *differentiable(job.plain, grad, window, weight, taps, bias), None, None, None, None
        needs_window, needs_weight, needs_taps, needs_bias, *_ = ctx.needs_input_grad
        tasks = -(-window.shape[2] // job.columns)
        sums = window.new_zeros(window.shape[2], job.near.most, job.width)
        of_weight, of_shares = weight.new_empty(weight.shape[1], job.width), torch.empty_like(job.near.shares)
        behind = job.length - job.before - job.steps
        padded = functional.pad(grad.transpose(0, 1), (0, job.width - len(weight), job.before, behind))
        tensors = {"grad": padded, "sums": sums, "grad_weight": of_weight, "grad_shares": of_shares}
        grad_window = empty_like(window, window.dtype) if needs_window else None
        if grad_window is not None:
            strips = window.new_empty(tasks * 2 * job.rows, job.columns)
            tensors |= {"grad_window": grad_window, "strips": strips, "taps": padded_taps(taps.detach().flip(0))}
            tensors |= {"columns": padded_taps(weight.detach()), **({} if gate is None else {"gate": gate})}
        job.run(kernels.transmit_backward, tasks, window=window, **tensors)
        return (
            grad_window,
            of_weight[:, : len(weight)].t() if needs_weight else None,
            job.near.of_all(of_shares) if needs_taps else None,
            grad.sum((0, 1)) if needs_bias else None,
            None,
            None,
            None,
            None,
        )


class _Job(SpreadJob):
    """What the kernels are told, and what both of them read."""

    def __init__(self, window: Tensor, weight: Tensor, taps: Tensor, steps: int, dropout: float, seed: int) -> None:
        from .event_kernels import padded

        super().__init__(window, weight, len(taps), steps, dropout, seed)
        self.near, self.width = nonzero_lags(taps), padded(len(weight), window.element_size())
        self.length = len(window) + len(taps) + self.near.most + 3  # and up to whole tiles of steps
        self.sizes |= {"width": self.width, "length": self.length, "most": self.near.most}
        self.tensors = {
            "shares": self.near.shares,
            "lowest": self.near.first,
            "weight": functional.pad(weight.detach().t(), (0, self.width - len(weight))).contiguous(),
        }

    def run(self, kernel: Any, tasks: int, *, window: Tensor, **tensors: Tensor) -> None:
        """Run a kernel."""
        from .few_output_kernels import job_dtype

        given = {name: each.contiguous() for name, each in {"window": window, **self.tensors, **tensors}.items()}
        run_job(kernel, job_dtype, window.dtype, tasks, window.numel(), **self.sizes, **given)
