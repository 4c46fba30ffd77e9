"""What the fused scan of a system of more states is told and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .layout import chunk_count


class SystemForward(NamedTuple):
    """What a scan is told; the fields have the meaning that they have in :class:`.layout.Forward`.

    Attributes:
        current: [T, B, N], in any layout.
        coefficients: A, B, R, C and threshold, as :class:`silif_plugins.dynamics.LinearSystem` lists them, [m, N].
        initial: mem, the n states and spk before the first step, [n + 2, B, N].
        lengths: Number of steps of each sequence, int64 [B]; all by default.
        trace: Whether mem and the states of all steps are wanted.
        surrogate: Number of the derivative, for backward; with its shape parameters.
        shape1: First one.
        shape2: Second one.
        detach_reset: Whether s[t-1] in the reset is a constant, for backward too.
        gate_width: Also tell where abs(mem - threshold) is at most this; None without.
        spikes: Kind of the spikes: "binary", "ternary", "2-bit", ...
        proportional: Whether a spike takes in proportion to what is there.
    """

    current: Tensor
    coefficients: Tensor
    initial: Tensor
    lengths: Tensor | None
    trace: bool
    surrogate: int
    shape1: float
    shape2: float
    detach_reset: bool
    gate_width: float | None
    spikes: str
    proportional: bool


class SystemBackward(NamedTuple):
    """What the adjoint of a scan is told.

    Attributes:
        current: As in :class:`SystemForward`, and so are the others that have the same names.
        coefficients: The same.
        initial: The same.
        lengths: The same.
        chunks: What forward has saved.
        grad_spikes: Gradient of the spikes, [T, B, N]; None for zero, as with the next ones.
        grad_final: Of the last state, [n + 2, B, N].
        grad_trace: Of mem and the states of all steps, [T (n + 1), B, N].
        surrogate: The same.
        shape1: The same.
        shape2: The same.
        detach_reset: The same.
        needs_current: Whether the gradient of the current is wanted.
        spikes: As in :class:`SystemForward`.
        proportional: The same.
    """

    current: Tensor
    coefficients: Tensor
    initial: Tensor
    lengths: Tensor | None
    chunks: Tensor
    grad_spikes: Tensor | None
    grad_final: Tensor | None
    grad_trace: Tensor | None
    surrogate: int
    shape1: float
    shape2: float
    detach_reset: bool
    needs_current: bool
    spikes: str
    proportional: bool


class SystemOutputs(NamedTuple):
    """What a scan gives; what is not asked for has no elements.

    Attributes:
        spikes: [T, B, N] in the layout of the current.
        final: mem, the states and spk after the last step, [n + 2, B, N].
        chunks: The states before the steps 16, 32, ..., [n C, B, N].
        trace: mem and the states of all steps, [T (n + 1), B, N], with ``trace``.
        gates: Booleans [T, B, N], with ``gate_width``.
    """

    spikes: Tensor
    final: Tensor
    chunks: Tensor
    trace: Tensor
    gates: Tensor


class SystemGradients(NamedTuple):
    """What the adjoint gives: the gradients of these; no elements for a current that needs none."""

    current: Tensor
    coefficients: Tensor
    initial: Tensor


def empty_system_outputs(
    call: SystemForward,
    empty_like: Callable[..., Tensor] = torch.empty_like,
    empty: Callable[..., Tensor] = Tensor.new_empty,
) -> SystemOutputs:
    """Make the tensors that a scan writes, uninitialised, by PyTorch's functions or others that do the same."""
    current, states = call.current, call.initial.shape[0] - 2
    steps, batch, neurons = current.shape
    none = current.new_empty(0)
    return SystemOutputs(
        empty_like(current),
        torch.empty_like(call.initial, memory_format=torch.contiguous_format),
        empty(current, (states * chunk_count(steps), batch, neurons)),
        empty(current, ((states + 1) * steps, batch, neurons)) if call.trace else none,
        none.bool() if call.gate_width is None else empty_like(current, dtype=torch.bool),
    )


def empty_system_gradients(
    call: SystemBackward, empty_like: Callable[..., Tensor] = torch.empty_like
) -> SystemGradients:
    """Make the tensors that the adjoint writes, likewise."""
    return SystemGradients(
        empty_like(call.current) if call.needs_current else call.current.new_empty(0),
        torch.empty_like(call.coefficients),
        torch.empty_like(call.initial, memory_format=torch.contiguous_format),
    )
