"""What the fused scan of steps of their own length is told and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .layout import chunk_count


class FlowForward(NamedTuple):
    """What a scan is told; the fields have the meaning that they have in :class:`.layout.Forward`.

    Attributes:
        current: [T, B, N], in any layout.
        durations: Of the steps, [T, B].
        coefficients: Of a :class:`silif_plugins.dynamics.Flow`, [11, N].
        initial: mem, ada and spk before the first step, [3, B, N].
        lengths: Number of steps of each sequence, int64 [B]; all by default.
        trace: Whether mem and ada of all steps are wanted.
        surrogate: Number of the derivative, for backward; with its shape parameters.
        shape1: First one.
        shape2: Second one.
        detach_reset: Whether s[t-1] in the reset is a constant, for backward too.
    """

    current: Tensor
    durations: Tensor
    coefficients: Tensor
    initial: Tensor
    lengths: Tensor | None
    trace: bool
    surrogate: int
    shape1: float
    shape2: float
    detach_reset: bool


class FlowBackward(NamedTuple):
    """What the adjoint of a scan is told; the fields have the meaning that they have in :class:`.layout.Backward`.

    Attributes:
        current: The same.
        durations: As in :class:`FlowForward`, and so is the next.
        coefficients: The same.
        initial: The same.
        lengths: The same.
        chunks: The same.
        grad_spikes: The same.
        grad_final: The same.
        grad_mem: The same.
        grad_ada: The same.
        surrogate: The same.
        shape1: The same.
        shape2: The same.
        detach_reset: The same.
        needs_current: The same.
    """

    current: Tensor
    durations: Tensor
    coefficients: Tensor
    initial: Tensor
    lengths: Tensor | None
    chunks: Tensor
    grad_spikes: Tensor | None
    grad_final: Tensor | None
    grad_mem: Tensor | None
    grad_ada: Tensor | None
    surrogate: int
    shape1: float
    shape2: float
    detach_reset: bool
    needs_current: bool


class FlowOutputs(NamedTuple):
    """What a scan gives: as :class:`.layout.Outputs` without its last."""

    spikes: Tensor
    final: Tensor
    chunks: Tensor
    mem: Tensor
    ada: Tensor


class FlowGradients(NamedTuple):
    """What the adjoint gives: the gradients of these; no elements for a current that needs none."""

    current: Tensor
    coefficients: Tensor
    initial: Tensor


def empty_flow_outputs(
    call: FlowForward,
    empty_like: Callable[..., Tensor] = torch.empty_like,
    empty: Callable[..., Tensor] = Tensor.new_empty,
) -> FlowOutputs:
    """Make the tensors that a scan writes, uninitialised, by PyTorch's functions or others that do the same."""
    current = call.current
    steps, batch, neurons = current.shape
    return FlowOutputs(
        empty_like(current),
        torch.empty_like(call.initial, memory_format=torch.contiguous_format),
        empty(current, (2 * chunk_count(steps), batch, neurons)),
        empty_like(current) if call.trace else current.new_empty(0),
        empty_like(current) if call.trace else current.new_empty(0),
    )


def empty_flow_gradients(call: FlowBackward, empty_like: Callable[..., Tensor] = torch.empty_like) -> FlowGradients:
    """Make the tensors that the adjoint writes, likewise."""
    return FlowGradients(
        empty_like(call.current) if call.needs_current else call.current.new_empty(0),
        torch.empty_like(call.coefficients),
        torch.empty_like(call.initial, memory_format=torch.contiguous_format),
    )
