"""Axonal delays in a loop that trains: what travels is in memory that all steps share.

Each step adds its spikes where they will arrive, and backward adds gradients where the spikes were sent, in place. The
gradients of weights and delays are those of one product, and of one filter, for all steps together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..kernels.products import product
from .channel_filter import plainly_spread, spread_gradients
from .events import fits_kernels
from .linear import as_weight


class DelayLine:
    """Takes the spikes of each step, and gives what arrives in the next one through the weights.

    It is for ``steps`` calls of `arrive`, each followed by `send`, and can be differentiated once.

    Args:
        taps: Share of each lag, [lags, N].
        weight: [outputs, N].
        bias: [outputs].
        brought: What spikes of the past bring in the first steps, [lags, B, N].
        steps: Number of steps.

    Examples:
        >>> line = DelayLine(torch.tensor([[0.0], [1.0]]), torch.ones(1, 1), None, torch.zeros(2, 1, 1), 4)
        >>> for spike in (1.0, 0.0, 0.0, 0.0):
        ...     print(line.arrive().item())
        ...     line.send(torch.tensor([[spike]]))
        0.0
        0.0
        1.0
        0.0
    """

    def __init__(self, taps: Tensor, weight: Tensor, bias: Tensor | None, brought: Tensor, steps: int) -> None:
        self.steps, self.now, self.lags = steps, 0, len(taps)
        self.weight, self.bias = weight.detach(), None if bias is None else bias.detach()
        self.taps = taps.detach().unsqueeze(1)
        self.ahead = brought.new_zeros(steps + self.lags, *brought.shape[1:])
        self.ahead[: self.lags] = brought.detach()
        self.sent = brought.new_zeros(steps, *brought.shape[1:])
        self._pass: int | None = None
        begin: Callable[..., Tensor] = _Begin.apply
        self._token = begin(self, taps, weight, bias, brought)

    def arrive(self) -> Tensor:
        """Return outputs [B, outputs] of the next step."""
        outputs: Tensor
        outputs, self._token = _Arrive.apply(self, self.now, self._token)  # type: ignore[no-untyped-call]
        return outputs

    def send(self, spikes: Tensor) -> None:
        """Take the spikes [B, N] of this step."""
        if self.now + 1 < self.steps:
            spikes = as_weight(spikes, self.weight)
            self._token = _Send.apply(self, self.now, spikes, self._token)  # type: ignore[no-untyped-call]
        self.now += 1

    def begin_backward(self) -> None:
        """Clear the gradients where another backward pass begins: each has a number of its own."""
        number = torch._C._current_graph_task_id()
        if self._pass != number:
            self._pass = number
            self.grad_outputs = self.sent.new_zeros(self.steps, self.sent.shape[1], len(self.weight))
            self.grad_arrived = torch.zeros_like(self.ahead)
            self.grad_sent = torch.zeros_like(self.sent)


class _Begin(torch.autograd.Function):
    """Stands for what all steps have in common. Its result, handed on from step to step, orders their backward."""

    @staticmethod
    def forward(
        ctx: Any, line: DelayLine, taps: Tensor, weight: Tensor, bias: Tensor | None, brought: Tensor
    ) -> Tensor:
        ctx.line = line
        ctx.save_for_backward(taps, weight)
        return brought.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        line: DelayLine = ctx.line
        line.begin_backward()
        taps, _ = ctx.saved_tensors
        _, needs_taps, needs_weight, needs_bias, needs_brought = ctx.needs_input_grad
        grad_taps = grad_weight = None
        rows = line.grad_outputs.flatten(0, 1)
        if needs_weight:
            grad_weight = product(rows.t(), line.ahead[: line.steps].flatten(0, 1).t())
        if needs_taps:
            # A step earlier than they arrive.
            given = torch.cat([line.grad_arrived[1 : line.steps], torch.zeros_like(line.grad_arrived[:1])])
            grad_taps = _tap_gradient(line.sent, taps, given)
        grad_bias = rows.sum(0) if needs_bias else None
        return None, grad_taps, grad_weight, grad_bias, line.grad_arrived[: line.lags] if needs_brought else None


def _tap_gradient(sent: Tensor, taps: Tensor, grad: Tensor) -> Tensor | None:
    """Return the gradient of shares of lags from that of what they bring, [T, B, N]."""
    if fits_kernels(sent, taps) and sent.numel():
        return spread_gradients(sent, taps, grad, False, True)[1]
    with torch.enable_grad():
        shares = taps.detach().requires_grad_()
        arrived = plainly_spread(sent, shares, len(sent))
    return torch.autograd.grad(arrived, shares, grad)[0]


class _Arrive(torch.autograd.Function):
    """The weights of one step."""

    @staticmethod
    def forward(ctx: Any, line: DelayLine, step: int, token: Tensor) -> tuple[Tensor, Tensor]:
        ctx.line, ctx.step = line, step
        ctx.set_materialize_grads(False)
        outputs = product(line.ahead[step], line.weight)
        return outputs if line.bias is None else outputs.add_(line.bias), token.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, _: Tensor | None) -> tuple[Tensor | None, ...]:
        line, step = ctx.line, ctx.step
        line.begin_backward()
        if grad is not None:
            line.grad_outputs[step] = grad
            arrived = product(grad.contiguous(), line.weight.t())
            line.grad_arrived[step] = arrived
            first = max(0, step - line.lags)
            line.grad_sent[first:step].addcmul_(line.taps[: step - first].flip(0), arrived)
        return None, None, line.ahead.new_zeros(())


class _Send(torch.autograd.Function):
    """The spikes of one step."""

    @staticmethod
    def forward(ctx: Any, line: DelayLine, step: int, spikes: Tensor, token: Tensor) -> Tensor:
        ctx.line, ctx.step = line, step
        line.sent[step] = spikes
        line.ahead[step + 1 : step + 1 + line.lags].addcmul_(line.taps, spikes)
        return token.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        ctx.line.begin_backward()
        return None, None, ctx.line.grad_sent[ctx.step], torch.zeros_like(grad)
