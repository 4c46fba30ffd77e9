"""What the fused scan of a system of more states is told and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .layout import chunk_count


class Form(NamedTuple):
    """What kernels are made for.

    Attributes:
        states: States n.
        entries: Numbers of A: n², or 2n for those of blocks.
        outputs: Outputs m.
        resets: Resets k.
        skip: Whether the current adds to the outputs.
        condition: What resets follow from; see :class:`SystemForward`.
        spikes: Kind of the spikes.
        proportional: Whether a reset takes in proportion to what is there.
    """

    states: int
    entries: int
    outputs: int
    resets: int
    skip: bool
    condition: str
    spikes: str
    proportional: bool

    @property
    def fields(self) -> int:
        """Numbers of the state: outputs, states, spikes, and resets if they are none of them."""
        return 2 * self.outputs + self.states + (0 if self.condition == "spike" else self.resets)

    @property
    def columns(self) -> int:
        """Columns of R: in proportion one reset counts for all."""
        return 1 if self.proportional else self.resets

    @property
    def numbers(self) -> int:
        """Numbers of the coefficients."""
        each = 1 + self.columns + self.outputs
        return self.entries + each * self.states + self.outputs * self.skip + 1

    @property
    def kept(self) -> int:
        """Numbers that are saved before a chunk: states, and resets that do not follow from them."""
        return self.states + (self.resets if self.skip or self.condition != "spike" else 0)

    @classmethod
    def of(cls, call: SystemForward | SystemBackward) -> Form:
        """Return the form of a call, by the numbers of its state and of its coefficients."""
        m, k, own = call.outputs, call.resets, 0 if call.condition == "spike" else call.resets
        states = call.initial.shape[0] - 2 * m - own
        columns = 1 if call.proportional else k
        entries = call.coefficients.shape[0] - (1 + columns + m) * states - m * call.skip - 1
        return cls(states, entries, m, k, call.skip, call.condition, call.spikes, call.proportional)


class SystemForward(NamedTuple):
    """What a scan is told; the fields have the meaning that they have in :class:`.layout.Forward`.

    Attributes:
        current: [T, B, N], in any layout.
        coefficients: A, B, R, C, D and threshold, [., N]: those of A that may differ from zero, row by row, n of B,
            n x k of R (n if ``proportional``) and n x m of Cᵀ, row by row, with ``skip`` m of D, and one threshold.
            With one output and reset it is what :class:`silif_plugins.dynamics.LinearSystem` lists.
        initial: Before the first step: m outputs, n states, m spikes, and k resets unless they are these, [., B, N].
        lengths: Number of steps of each sequence, int64 [B]; all by default.
        trace: Whether outputs and states of all steps are wanted.
        surrogate: Number of the derivative, for backward; with its shape parameters.
        shape1: First one.
        shape2: Second one.
        detach_reset: Whether s[t-1] in the reset is a constant, for backward too.
        gate_width: Also tell where abs(mem - threshold) is at most this; None without.
        spikes: Kind of the spikes: "binary", "ternary", "2-bit", ...
        proportional: Whether a reset takes in proportion to what is there: the largest of all, 1 at most.
        outputs: Outputs m.
        resets: Resets k.
        condition: What resets follow from: "spike", they are the spikes; "any", one where there is any spike;
            "output", an output above the threshold; "state", a state above it, of blocks their first ones.
        skip: Whether there is a D.
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
    outputs: int = 1
    resets: int = 1
    condition: str = "spike"
    skip: bool = False


class SystemBackward(NamedTuple):
    """What the adjoint of a scan is told.

    Attributes:
        current: As in :class:`SystemForward`, and so are the others that have the same names.
        coefficients: The same.
        initial: The same.
        lengths: The same.
        chunks: What forward has saved.
        grad_spikes: Gradient of the spikes, [T m, B, N]; None for zero, as with the next ones.
        grad_final: Of the last state, as ``initial``.
        grad_trace: Of outputs and states of all steps, [T (m + n), B, N].
        surrogate: The same.
        shape1: The same.
        shape2: The same.
        detach_reset: The same.
        needs_current: Whether the gradient of the current is wanted.
        spikes: As in :class:`SystemForward`.
        proportional: The same.
        outputs: The same.
        resets: The same.
        condition: The same.
        skip: The same.
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
    outputs: int = 1
    resets: int = 1
    condition: str = "spike"
    skip: bool = False


class SystemOutputs(NamedTuple):
    """What a scan gives; what is not asked for has no elements.

    Attributes:
        spikes: [T m, B, N]: of each step those of one output after those of the other. With one output they have the
            layout of the current.
        final: The state after the last step, as ``initial``.
        chunks: Before the steps 16, 32, ... the states, and the resets where they do not follow from them, [., B, N].
        trace: Outputs and states of all steps, [T (m + n), B, N], with ``trace``.
        gates: Booleans [T, B, N], with ``gate_width``; for one output.
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
    current, form = call.current, Form.of(call)
    steps, batch, neurons = current.shape
    none = current.new_empty(0)
    return SystemOutputs(
        empty_like(current) if form.outputs == 1 else empty(current, (form.outputs * steps, batch, neurons)),
        torch.empty_like(call.initial, memory_format=torch.contiguous_format),
        empty(current, (form.kept * chunk_count(steps), batch, neurons)),
        empty(current, ((form.states + form.outputs) * steps, batch, neurons)) if call.trace else none,
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
