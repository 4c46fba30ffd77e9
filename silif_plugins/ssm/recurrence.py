"""First-order linear recurrences in pieces that run side by side, with a backward that is one, too."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

_WIDE = 1 << 14
"""Numbers in a step from which on single steps keep the machine busy: pieces would cost three times the work."""


def linear_recurrence(decay: Tensor, inputs: Tensor, *, chunk: int | None = None) -> Tensor:
    r"""Return h of h[t] = decay[t] h[t-1] + inputs[t], h[-1] = 0.

    The sequence is cut into chunks. All of them advance together from zero; then the last h of each is carried to the
    next, and what it has become within the chunk is added. With √T chunks this takes 2 √T passes in the place of T.

    Args:
        decay: What remains of h, [T, \*shape].
        inputs: What is added, [T, \*shape].
        chunk: Steps of a chunk; by default √T, or all T where a step has numbers enough to keep the machine busy.

    Raises:
        ValueError: If the shapes differ, or ``chunk`` is not positive.

    Examples:
        >>> linear_recurrence(torch.full((4, 1), 0.5), torch.ones(4, 1), chunk=2).flatten()
        tensor([1.0000, 1.5000, 1.7500, 1.8750])
    """
    if decay.shape != inputs.shape:
        raise ValueError(f"decay: got shape {tuple(decay.shape)}; it must be that of inputs, {tuple(inputs.shape)}")
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk: got {chunk}; it must be positive")
    if chunk is None:
        chunk = max(len(inputs), 1) if inputs[:1].numel() >= _WIDE else math.isqrt(len(inputs)) + 1
    result: Tensor = _Recurrence.apply(decay, inputs, chunk)  # type: ignore[no-untyped-call]
    return result


def reverse_recurrence(decay: Tensor, inputs: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return h of h[t] = decay[t] h[t+1] + inputs[t], h[T] = 0: the same from the end."""
    return linear_recurrence(decay.flip(0), inputs.flip(0), chunk=chunk).flip(0)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, decay: Tensor, inputs: Tensor, chunk: int) -> Tensor:
        states = _run(decay, inputs, chunk)
        ctx.save_for_backward(decay, states)
        ctx.chunk = chunk
        return states

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        """The adjoint of h[t] is λ[t] = gradient[t] + decay[t+1] λ[t+1]."""
        decay, states = ctx.saved_tensors
        (gradient,) = grads
        if ctx.chunk >= len(decay):
            adjoint = torch.empty_like(states)
            adjoint[-1:] = gradient[-1:]
            for t in reversed(range(len(decay) - 1)):
                torch.addcmul(gradient[t], decay[t + 1], adjoint[t + 1], out=adjoint[t])
        else:
            later = torch.cat([decay[1:], torch.zeros_like(decay[:1])])
            adjoint = reverse_recurrence(later, gradient, chunk=ctx.chunk)
        of_decay = torch.zeros_like(states)
        torch.mul(adjoint[1:], states[:-1], out=of_decay[1:])
        return of_decay, adjoint, None


def _run(decay: Tensor, inputs: Tensor, chunk: int) -> Tensor:
    steps = len(inputs)
    states = torch.empty_like(inputs, memory_format=torch.contiguous_format)
    if chunk >= steps:
        _advance(decay, inputs, states)
        return states
    whole = steps - steps % chunk
    cut = (whole // chunk, chunk, *inputs.shape[1:])
    local = states[:whole].view(cut).transpose(0, 1)
    left = decay[:whole].reshape(cut).transpose(0, 1)
    _advance(left, inputs[:whole].reshape(cut).transpose(0, 1), local)
    remains = left.cumprod(0)  # of what a chunk begins with, after each of its steps
    for index in range(1, cut[0]):
        local[:, index].addcmul_(remains[:, index], local[-1, index - 1])
    if whole < steps:
        rest = inputs[whole:].clone()
        rest[0].addcmul_(decay[whole], states[whole - 1])
        _advance(decay[whole:], rest, states[whole:])
    return states


def _advance(decay: Tensor, inputs: Tensor, states: Tensor) -> None:
    if len(inputs):
        states[0] = inputs[0]
    for t in range(1, len(inputs)):
        torch.addcmul(inputs[t], decay[t], states[t - 1], out=states[t])
