"""Dropout whose choice follows from a seed: the same on every path of a layer, at the cost of the spikes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from .events import drop, fits_kernels


def drawn_seed(dropout: float, generator: torch.Generator | None = None) -> int:
    """Return the seed of a dropout on the CPU, by one draw; 0 if nothing is dropped."""
    return int(torch.randint(2**63 - 1, (), generator=generator)) if dropout else 0


def dropped(spikes: Tensor, dropout: float, seed: int, gate: Tensor | None = None) -> Tensor:
    r"""Return spikes after dropout; the same are kept as in the event-driven kernels.

    Args:
        spikes: [\*, N].
        dropout: Share of them that is dropped; the others are scaled by 1 / (1 - dropout).
        seed: Which ones.
        gate: Booleans [\*, N], where gradients of the spikes are wanted; all of them by default.

    Examples:
        >>> spikes = torch.ones(1000, 100)
        >>> bool(dropped(spikes, 0.2, 7).unique().equal(torch.tensor([0, 1.25])))
        True
    """
    if not dropout:
        return spikes
    if fits_kernels(spikes) and spikes.numel():
        apply: Callable[..., Tensor] = _Dropped.apply
        return apply(spikes, dropout, seed, gate)
    dtype = torch.float64 if spikes.dtype == torch.float64 else torch.float32
    ones = torch.ones(spikes.numel() // max(1, spikes.shape[-1]), spikes.shape[-1], dtype=dtype)
    factor = drop(ones, dropout, seed).view(spikes.shape)
    return spikes * factor.to(spikes)


def dropped_there(spikes: Tensor, dropout: float, generator: torch.Generator | None) -> Tensor:
    """Apply a dropout that is drawn on the spikes' own device."""
    if not dropout or generator is None:
        return functional.dropout(spikes, dropout)
    own = torch.Generator(spikes.device).manual_seed(int(torch.randint(2**63 - 1, (), generator=generator)))
    kept = torch.empty_like(spikes).bernoulli_(1 - dropout, generator=own)
    return spikes * kept.div_(1 - dropout)


class Drops(Protocol):
    """A module that drops inputs in training."""

    dropout: float
    training: bool


def drop_inputs(module: Drops, inputs: Tensor, gate: Tensor | None = None) -> Tensor:
    """Apply a module's dropout to its inputs, in training; by PyTorch's where kernels do not fit.

    ``gate`` as for `dropped`.
    """
    if not (module.dropout and module.training):
        return inputs
    if not fits_kernels(inputs):
        return functional.dropout(inputs, module.dropout)
    return dropped(inputs, module.dropout, drawn_seed(module.dropout), gate)


class _Dropped(torch.autograd.Function):
    """The kernel, which is its own adjoint."""

    @staticmethod
    def forward(ctx: Any, spikes: Tensor, dropout: float, seed: int, gate: Tensor | None) -> Tensor:
        ctx.save_for_backward(gate)
        ctx.dropout, ctx.seed = dropout, seed
        return _rowwise(spikes, dropout, seed, None)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gate,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # everywhere: whoever differentiates twice may look anywhere
            return dropped(grad, ctx.dropout, ctx.seed), None, None, None
        return _rowwise(grad, ctx.dropout, ctx.seed, gate), None, None, None


def _rowwise(x: Tensor, dropout: float, seed: int, gate: Tensor | None) -> Tensor:
    rows = x.reshape(-1, x.shape[-1]).contiguous()
    return drop(rows, dropout, seed, None if gate is None else gate.reshape(rows.shape).contiguous()).view(x.shape)
