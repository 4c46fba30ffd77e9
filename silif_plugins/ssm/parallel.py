"""LIF neurons with a hard reset, all time steps at once: equation 10 of SpikingSSMs as a fixed point."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..surrogate import SpikeFunction, derivative
from .recurrence import reverse_recurrence


class FixedPoint(NamedTuple):
    """Membranes and spikes that follow from each other.

    Attributes:
        mem: Membrane potential before the reset, [T, B, N].
        spk: Spikes, [T, B, N].
        evaluations: How often the membrane was computed; the last one changed no spike, so that it is a proof.
        converged: Whether no spike changed in the last one: then this is what the neurons do.
    """

    mem: Tensor
    spk: Tensor
    evaluations: int
    converged: bool


def fixed_point(current: Tensor, *, tau: float = 0.125, most: int | None = None) -> FixedPoint:
    r"""Run u[t] = τ u[t-1] (1 - s[t-1]) + I[t], s[t] = H(u[t] - 1), over all steps in parallel.

    Given the spikes, u[t] is the sum of τ^(t-i) I[i] over the steps i since the last one (Shen et al., 2025, equation
    10): a linear recurrence, computed by doubling within as many steps as τ reaches in this data type. Spikes and
    membrane are computed from each other, from no spikes on, until none changes. Every evaluation makes at least one
    more step right, so that T + 1 are enough; at τ = 1/8 it takes four to seven whatever T is, the last to confirm.

    Args:
        current: Input currents in units of the threshold, [T, B, N].
        tau: Decay of the membrane, from 0 to below 1.
        most: Number of evaluations to stop at; by default it goes on until nothing changes.

    Raises:
        ValueError: If ``tau`` or ``most`` is out of its range.

    Examples:
        >>> found = fixed_point(torch.tensor([0.9, 0.9, 0.9, 0.9]).view(4, 1, 1), tau=0.5)
        >>> found.spk.flatten(), found.evaluations
        (tensor([0., 1., 0., 1.]), 4)
    """
    check_tau(tau)
    if most is not None and most < 1:
        raise ValueError(f"most: got {most}; it must be positive")
    current = current.detach()
    most = len(current) + 1 if most is None else most
    spikes = torch.zeros_like(current, dtype=torch.bool)
    for evaluation in range(1, most + 1):
        mem = _membrane(current, spikes, tau)
        before, spikes = spikes, mem > 1
        if torch.equal(before, spikes):
            return FixedPoint(mem, spikes.to(current.dtype), evaluation, True)
    return FixedPoint(mem, spikes.to(current.dtype), most, False)


def _membrane(current: Tensor, spikes: Tensor, tau: float) -> Tensor:
    """u[t] = τ (1 - s[t-1]) u[t-1] + I[t]: after k passes it holds the last 2^k terms of the sum."""
    mem = current
    decay = torch.full_like(current, tau)
    decay[:1] = 0
    decay[1:].masked_fill_(spikes[:-1], 0)
    reach = 1
    while reach < min(len(current), _reach(tau, current.dtype)):
        mem = torch.cat([mem[:reach], torch.addcmul(mem[reach:], decay[reach:], mem[:-reach])])
        decay = torch.cat([decay[:reach], decay[reach:] * decay[:-reach]])
        reach *= 2
    return mem


def _reach(tau: float, dtype: torch.dtype) -> float:
    """Steps after which a power of τ is lost in rounding."""
    return 1 + math.log(torch.finfo(dtype).eps / 8) / math.log(tau) if tau else 1


def spikes_of(
    current: Tensor, mem: Tensor, surrogate: SpikeFunction, tau: float, *, detach_reset: bool = False
) -> Tensor:
    """Return the spikes of converged membranes, with the gradient through all of time.

    The gradient of the fixed point is the solution of a linear recurrence from the end, λ[t] = ∂s[t] σ'[t] + λ[t+1]
    τ (1 - s[t] - u[t] σ'[t]), σ' being the surrogate's derivative: the same as backpropagation through the loop.

    Args:
        current: Input currents, [T, B, N].
        mem: Their membranes, from `fixed_point`.
        surrogate: Spike function of mem - 1.
        tau: Decay of the membrane.
        detach_reset: Whether the spike that empties the membrane is a constant, which leaves out u[t] σ'[t].
    """
    spikes: Tensor = _Spikes.apply(current, mem, surrogate, tau, detach_reset)  # type: ignore[no-untyped-call]
    return spikes


class _Spikes(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, current: Tensor, mem: Tensor, surrogate: SpikeFunction, tau: float, detach_reset: bool
    ) -> Tensor:
        ctx.save_for_backward(mem)
        ctx.options = surrogate, tau, detach_reset
        return (mem > 1).to(current.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (mem,) = ctx.saved_tensors
        surrogate, tau, detach_reset = ctx.options
        slope = derivative(surrogate, mem - 1)
        keeps = (mem <= 1).to(mem.dtype)
        if not detach_reset:
            keeps -= mem * slope
        return reverse_recurrence(tau * keeps, grads[0] * slope), None, None, None, None


def check_tau(tau: float) -> None:
    """Raise ValueError unless τ is a decay."""
    if not 0 <= tau < 1:
        raise ValueError(f"tau: got {tau}; it must be at least 0 and below 1")
