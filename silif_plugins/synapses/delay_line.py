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
        self._memory, self._now = _Memory(taps, weight, bias, brought, steps), 0
        begin: Callable[..., Tensor] = _Begin.apply
        self._token = begin(self._memory, taps, weight, bias, brought)

    def arrive(self) -> Tensor:
        """Return outputs [B, outputs] of the next step."""
        outputs: Tensor
        outputs, self._token = _Arrive.apply(self._memory, self._now, self._token)  # type: ignore[no-untyped-call]
        return outputs

    def send(self, spikes: Tensor) -> None:
        """Take the spikes [B, N] of this step."""
        memory = self._memory
        if self._now + 1 < memory.steps:
            spikes = as_weight(spikes, memory.weight)
            self._token = _Send.apply(memory, self._now, spikes, self._token)  # type: ignore[no-untyped-call]
        self._now += 1


class _Memory:
    """What all steps share. The graph of a loop holds it, so that it must not hold a tensor of that graph."""

    def __init__(self, taps: Tensor, weight: Tensor, bias: Tensor | None, brought: Tensor, steps: int) -> None:
        self.steps, self.lags = steps, len(taps)
        self.weight, self.bias = weight.detach(), None if bias is None else bias.detach()
        self.taps = taps.detach().unsqueeze(1)
        self.ahead = brought.new_zeros(steps + self.lags, *brought.shape[1:])
        self.ahead[: self.lags] = brought.detach()
        self.sent = brought.new_zeros(steps, *brought.shape[1:])
        self._pass: int | None = None

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
        ctx: Any, memory: _Memory, taps: Tensor, weight: Tensor, bias: Tensor | None, brought: Tensor
    ) -> Tensor:
        ctx.memory = memory
        ctx.save_for_backward(taps, weight)
        return brought.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        memory: _Memory = ctx.memory
        memory.begin_backward()
        taps, _ = ctx.saved_tensors
        _, needs_taps, needs_weight, needs_bias, needs_brought = ctx.needs_input_grad
        grad_taps = grad_weight = None
        rows = memory.grad_outputs.flatten(0, 1)
        if needs_weight:
            grad_weight = product(rows.t(), memory.ahead[: memory.steps].flatten(0, 1).t())
        if needs_taps:
            # A step earlier than they arrive.
            given = torch.cat([memory.grad_arrived[1 : memory.steps], torch.zeros_like(memory.grad_arrived[:1])])
            grad_taps = _tap_gradient(memory.sent, taps, given)
        grad_bias = rows.sum(0) if needs_bias else None
        return None, grad_taps, grad_weight, grad_bias, memory.grad_arrived[: memory.lags] if needs_brought else None


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
    def forward(ctx: Any, memory: _Memory, step: int, token: Tensor) -> tuple[Tensor, Tensor]:
        ctx.memory, ctx.step = memory, step
        ctx.set_materialize_grads(False)
        outputs = product(memory.ahead[step], memory.weight)
        return outputs if memory.bias is None else outputs.add_(memory.bias), token.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, _: Tensor | None) -> tuple[Tensor | None, ...]:
        memory, step = ctx.memory, ctx.step
        memory.begin_backward()
        if grad is not None:
            memory.grad_outputs[step] = grad
            arrived = product(grad.contiguous(), memory.weight.t())
            memory.grad_arrived[step] = arrived
            first = max(0, step - memory.lags)
            memory.grad_sent[first:step].addcmul_(memory.taps[: step - first].flip(0), arrived)
        return None, None, memory.ahead.new_zeros(())


class _Send(torch.autograd.Function):
    """The spikes of one step."""

    @staticmethod
    def forward(ctx: Any, memory: _Memory, step: int, spikes: Tensor, token: Tensor) -> Tensor:
        ctx.memory, ctx.step = memory, step
        memory.sent[step] = spikes
        memory.ahead[step + 1 : step + 1 + memory.lags].addcmul_(memory.taps, spikes)
        return token.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        ctx.memory.begin_backward()
        return None, None, ctx.memory.grad_sent[ctx.step], torch.zeros_like(grad)
