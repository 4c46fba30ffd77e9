"""What a fused scan is told and what it gives: said once, for the operators, for compilers and for all backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..kernels.spike_bits import WORD
from ..surrogate import ATan, Boxcar, FastSigmoid, SpikeFunction, Triangle

CHUNK = 16
"""Steps between two saved states: as many rows of the input as a processor fetches ahead side by side."""

BOXCAR, ATAN, FAST_SIGMOID, TRIANGLE, GIVEN = range(5)
"""The surrogates whose derivatives kernels know; GIVEN is one whose derivative comes as a tensor."""


class Forward(NamedTuple):
    """What a scan is told.

    Attributes:
        current: [T, B, N], in any layout.
        coefficients: a11, a12, a21, a22, b1, b2, r1, r2 and threshold, [9, N].
        initial: mem, ada and spk before the first step, [3, B, N].
        weights: From the spikes of a step to the currents of the next, [N, N] (from, to); None without.
        lengths: Number of steps of each sequence, int64 [B]; all by default.
        hard_reset: Whether a spike resets in proportion to the membrane: R mem[t-1] s[t-1].
        trace: Whether mem and ada of all steps are wanted.
        surrogate: Number of the derivative, for backward; with its shape parameters.
        shape1: First one.
        shape2: Second one.
        detach_reset: Whether s[t-1] in the reset is a constant, for backward too.
        backend: Which implementation runs it.
        gate_width: Also tell where abs(mem - threshold) is at most this; None without. Not with ``weights``.
        affine: Mean, scale and shift of each neuron, [3, N]: the current is scale (current - mean) + shift. None
            without. On the CPU, not with ``weights``.
        counted: Whether the spikes of each neuron are counted; on the CPU, not with ``weights``.
        packed: Whether spikes and gates are wanted as bits alone; likewise, with ``gate_width``, without ``trace``, and
            for a multiple of 64 neurons.
    """

    current: Tensor
    coefficients: Tensor
    initial: Tensor
    weights: Tensor | None
    lengths: Tensor | None
    hard_reset: bool
    trace: bool
    surrogate: int
    shape1: float
    shape2: float
    detach_reset: bool
    backend: str
    gate_width: float | None
    affine: Tensor | None = None
    counted: bool = False
    packed: bool = False


class Backward(NamedTuple):
    """What the adjoint of a scan is told.

    Attributes:
        current: What the neurons got, [T, B, N]: with ``weights`` the total currents.
        coefficients: As in :class:`Forward`, and so are the others that have the same names.
        initial: The same.
        weights: The same.
        lengths: The same.
        chunks: What forward has saved.
        grad_spikes: Gradient of the spikes, [T, B, N]; None for zero, as with the next ones.
        grad_final: Of the last state, [3, B, N].
        grad_mem: Of mem of all steps, [T, B, N]; there if and only if ``grad_ada`` is.
        grad_ada: Of ada of all steps.
        derivative: The surrogate's, [T, B, N], for GIVEN.
        hard_reset: As in :class:`Forward`.
        surrogate: The same.
        shape1: The same.
        shape2: The same.
        detach_reset: The same.
        needs_current: Whether the gradient of the current is wanted.
        backend: As in :class:`Forward`.
        affine: The same.
        needs_initial: Whether the gradient of the initial state is wanted; without, it may lack what ``weights`` add.
        bits: What forward has packed, where there is ``grad_open``.
        grad_open: Gradient of the spikes at open gates, [K], besides ``grad_spikes``.
    """

    current: Tensor
    coefficients: Tensor
    initial: Tensor
    weights: Tensor | None
    lengths: Tensor | None
    chunks: Tensor
    grad_spikes: Tensor | None
    grad_final: Tensor | None
    grad_mem: Tensor | None
    grad_ada: Tensor | None
    derivative: Tensor | None
    hard_reset: bool
    surrogate: int
    shape1: float
    shape2: float
    detach_reset: bool
    needs_current: bool
    backend: str
    affine: Tensor | None = None
    needs_initial: bool = True
    bits: Tensor | None = None
    grad_open: Tensor | None = None

    def again(self, *, trace: bool = False) -> Forward:
        """The scan whose adjoint it is, of the currents that the neurons got: without weights."""
        return Forward(
            self.current,
            self.coefficients,
            self.initial,
            None,
            self.lengths,
            self.hard_reset,
            trace,
            self.surrogate,
            self.shape1,
            self.shape2,
            self.detach_reset,
            self.backend,
            None,
            self.affine,
        )


class Outputs(NamedTuple):
    """What a scan gives; what is not asked for has no elements.

    Attributes:
        spikes: [T, B, N] in the layout of the current; not with ``packed``.
        final: mem, ada and spk after the last step, [3, B, N].
        chunks: mem and ada before the steps 16, 32, ..., [2C, B, N].
        mem: Of all steps, [T, B, N], with ``trace``.
        ada: The same.
        extra: With ``gate_width`` booleans [T, B, N], unless ``packed``; with ``weights`` the currents with those
            through them, [T, B, N], on the CPU a sequence after the other in memory.
        counts: With ``counted`` the spikes of each neuron, float64 [N].
        bits: With ``packed`` spikes as bits, gates as bits, and how many gates are open before those, int64
            [3, T, B, N / 64]; see :class:`silif_plugins.kernels.spike_bits.SpikeBits`.
    """

    spikes: Tensor
    final: Tensor
    chunks: Tensor
    mem: Tensor
    ada: Tensor
    extra: Tensor
    counts: Tensor
    bits: Tensor


class Gradients(NamedTuple):
    """What the adjoint gives: the gradients of these; no elements for a current that needs none, or what is absent."""

    current: Tensor
    coefficients: Tensor
    initial: Tensor
    weights: Tensor
    affine: Tensor


def chunk_count(steps: int) -> int:
    """How many states forward saves on the way: one every CHUNK steps, but neither the first nor the last."""
    if isinstance(steps, int):
        return max(0, (steps - 1) // CHUNK)
    count: int = torch.sym_max(0, (steps - 1) // CHUNK)
    return count


def empty_outputs(
    call: Forward,
    empty_like: Callable[..., Tensor] = torch.empty_like,
    empty: Callable[..., Tensor] = Tensor.new_empty,
) -> Outputs:
    """Make the tensors that a scan writes, uninitialised, by PyTorch's functions or others that do the same."""
    current = call.current
    steps, batch, neurons = current.shape
    extra = current.new_empty(0)
    if call.gate_width is not None and not call.packed:
        extra = empty_like(current, dtype=torch.bool)
    elif call.weights is not None and current.device.type == "cpu":
        # Backward reads CHUNK steps of a sequence at a time: a power of two apart they would share lines of the cache.
        extra = empty(current, (batch, steps, neurons)).transpose(0, 1)
    elif call.weights is not None:
        extra = empty_like(current)
    return Outputs(
        current.new_empty(0) if call.packed else empty_like(current),
        torch.empty_like(call.initial, memory_format=torch.contiguous_format),
        empty(current, (2 * chunk_count(steps), batch, neurons)),
        empty_like(current) if call.trace else current.new_empty(0),
        empty_like(current) if call.trace else current.new_empty(0),
        extra,
        current.new_empty(neurons if call.counted else 0, dtype=torch.float64),
        current.new_empty((3, steps, batch, neurons // WORD) if call.packed else 0, dtype=torch.int64),
    )


def empty_gradients(
    call: Backward,
    empty_like: Callable[..., Tensor] = torch.empty_like,
    empty: Callable[..., Tensor] = Tensor.new_empty,
) -> Gradients:
    """Make the tensors that the adjoint writes, likewise."""
    if call.weights is not None:
        current = empty(call.current, call.current.shape)
    else:
        current = empty_like(call.current) if call.needs_current else call.current.new_empty(0)
    return Gradients(
        current,
        torch.empty_like(call.coefficients),
        torch.empty_like(call.initial, memory_format=torch.contiguous_format),
        call.current.new_empty(0) if call.weights is None else empty_like(call.weights),
        call.current.new_empty(0) if call.affine is None else torch.empty_like(call.affine),
    )


def in_kernel(surrogate: SpikeFunction) -> tuple[int, float, float]:
    """Number and shape of a surrogate for the kernels, which know four; GIVEN for any other."""
    # Not isinstance: a subclass may have another derivative.
    if type(surrogate) is Boxcar:
        return BOXCAR, surrogate.half_width, 0.0
    if type(surrogate) is ATan:
        return ATAN, surrogate.alpha, 0.0
    if type(surrogate) is FastSigmoid:
        return FAST_SIGMOID, surrogate.slope, 0.0
    if type(surrogate) is Triangle:
        return TRIANGLE, surrogate.height, surrogate.half_width
    return GIVEN, 0.0, 0.0


def has_kernel(surrogate: SpikeFunction) -> bool:
    """Whether kernels know the surrogate's derivative, so that compilers need not look into it."""
    return in_kernel(surrogate)[0] != GIVEN


def support(surrogate: SpikeFunction) -> float | None:
    """Half-width of what contains the support of a surrogate's derivative; None where that is unbounded."""
    if type(surrogate) is Boxcar or type(surrogate) is Triangle:
        return surrogate.half_width
    return None
