"""The fused scan as PyTorch operators: what the backends compute, its gradient, its shapes for compilers.

All backends of this file have the same two functions. Between forward and backward they keep the input current
(which the caller holds in any case) and the states before every 16th step, 2/16 of a tensor [T, B, N]: 4.5
bytes per element in float32, half a byte of them of its own. Backward computes the other states again.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..surrogate import ATan, Boxcar, FastSigmoid, SpikeFunction, Triangle, in_forward_mode
from .operators import check_operands, differentiable_function, one_by_one, operator, shapes_of

GIVEN = 4
"""The surrogate whose derivative is given as a tensor."""

CHUNK = 16
"""Steps between two saved states: as many rows of the input as a processor fetches ahead side by side."""


def in_kernel(surrogate: SpikeFunction) -> tuple[int, float, float]:
    """Number and shape of a surrogate for the kernels, which know four; GIVEN for any other."""
    # Not isinstance: a subclass may have another derivative.
    if type(surrogate) is Boxcar:
        return 0, surrogate.half_width, 0.0
    if type(surrogate) is ATan:
        return 1, surrogate.alpha, 0.0
    if type(surrogate) is FastSigmoid:
        return 2, surrogate.slope, 0.0
    if type(surrogate) is Triangle:
        return 3, surrogate.height, surrogate.half_width
    return GIVEN, 0.0, 0.0


def support(surrogate: SpikeFunction) -> float | None:
    """Half-width of what contains the support of a surrogate's derivative; None where that is unbounded."""
    if type(surrogate) is Boxcar or type(surrogate) is Triangle:
        return surrogate.half_width
    return None


def fused_backend(name: str) -> Any:
    """Import a fused backend: the module with its functions."""
    if name == "cpu":
        from . import cpu

        return cpu
    if name == "triton":
        from . import gpu

        return gpu
    raise ValueError(f"backend: got {name!r}; the fused backends are 'cpu' and 'triton'")


def check_inputs(current: Tensor, coefficients: Tensor, initial: Tensor, lengths: Tensor | None) -> None:
    """Raise TypeError unless the inputs of a scan are what the kernels take them for."""
    if in_forward_mode():
        raise RuntimeError("the fused scan has no derivative in forward mode; use backend='reference' or 'auto'")
    if current.dim() != 3 or current.dtype not in (torch.float32, torch.float64):
        got = f"{current.dtype} of shape {tuple(current.shape)}"
        raise TypeError(f"current: got {got}; it must be float32 or float64 of shape [T, B, N]")
    _, batch, neurons = current.shape
    check_operands(current, coefficients=(coefficients, (9, neurons)), initial=(initial, (3, batch, neurons)))
    check_operands(current, torch.int64, lengths=(lengths, (batch,)))


def check_gradients(
    current: Tensor,
    chunks: Tensor,
    grad_spikes: Tensor | None,
    grad_final: Tensor | None,
    grad_mem: Tensor | None,
    grad_ada: Tensor | None,
) -> None:
    """Raise TypeError unless what backward is given is what the kernels take it for."""
    steps, batch, neurons = current.shape
    check_operands(
        current,
        chunks=(chunks, (2 * max(0, (steps - 1) // CHUNK), batch, neurons)),
        grad_spikes=(grad_spikes, current.shape),
        grad_final=(grad_final, (3, batch, neurons)),
        grad_mem=(grad_mem, current.shape),
        grad_ada=(grad_ada, current.shape),
    )


@operator("scan")
def run_forward(
    current: Tensor,
    coefficients: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    trace: bool,
    surrogate: int,
    shape1: float,
    shape2: float,
    detach_reset: bool,
    backend: str,
    gate_width: float | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Run neurons over a sequence.

    Args:
        current: [T, B, N], in any layout.
        coefficients: a11, a12, a21, a22, b1, b2, r1, r2 and threshold, [9, N].
        initial: mem, ada and spk before the first step, [3, B, N].
        lengths: Number of steps of each sequence, int64 [B]; all by default.
        trace: Whether to return mem and ada of all steps.
        surrogate: Number of the derivative, for backward; with its shape parameters.
        shape1: First one.
        shape2: Second one.
        detach_reset: Whether s[t-1] in R s[t-1] is a constant, for backward too.
        backend: Which implementation runs it.
        gate_width: Also tell where |mem - threshold| is at most this.

    Returns:
        Spikes [T, B, N] in the layout of current; mem, ada and spk after the last step, [3, B, N]; mem and ada
        before the steps 16, 32, ..., [2C, B, N]; with ``trace`` mem and ada, each [T, B, N], else empty; with
        ``gate_width`` booleans [T, B, N], else empty.
    """
    check_inputs(current, coefficients, initial, lengths)
    return fused_backend(backend).forward(current, coefficients, initial, lengths, trace, gate_width)


@shapes_of(run_forward)
def _(
    current: Tensor,
    coefficients: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    trace: bool,
    surrogate: int,
    shape1: float,
    shape2: float,
    detach_reset: bool,
    backend: str,
    gate_width: float | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    steps, batch, neurons = current.shape
    chunks = current.new_empty((2 * torch.sym_max(0, (steps - 1) // CHUNK), batch, neurons))
    mem, ada = (torch.empty_like(current) if trace else current.new_empty(0) for _ in range(2))
    gates = torch.empty_like(current if gate_width is not None else mem[:0], dtype=torch.bool)
    return torch.empty_like(current), torch.empty_like(initial), chunks, mem, ada, gates


@operator("scan_backward")
def run_backward(
    current: Tensor,
    coefficients: Tensor,
    initial: Tensor,
    chunks: Tensor,
    lengths: Tensor | None,
    grad_spikes: Tensor | None,
    grad_final: Tensor | None,
    grad_mem: Tensor | None,
    grad_ada: Tensor | None,
    gate: Tensor | None,
    surrogate: int,
    shape1: float,
    shape2: float,
    detach_reset: bool,
    needs_current: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of current [T, B, N] (empty unless needed), of the coefficients [9, N] and of the initial state.

    Args as in :func:`run_forward`, with its ``chunks`` and the gradients of its other results (None for zero);
    ``gate`` is the surrogate's derivative [T, B, N] where the kernel does not know it.
    """
    check_inputs(current, coefficients, initial, lengths)
    check_gradients(current, chunks, grad_spikes, grad_final, grad_mem, grad_ada)
    check_operands(current, gate=(gate, current.shape))
    return fused_backend(backend).backward(
        current,
        coefficients,
        initial,
        chunks,
        lengths,
        grad_spikes,
        grad_final,
        grad_mem,
        grad_ada,
        gate,
        surrogate,
        shape1,
        shape2,
        detach_reset,
        needs_current,
    )


@shapes_of(run_backward)
def _(
    current: Tensor,
    coefficients: Tensor,
    initial: Tensor,
    chunks: Tensor,
    lengths: Tensor | None,
    grad_spikes: Tensor | None,
    grad_final: Tensor | None,
    grad_mem: Tensor | None,
    grad_ada: Tensor | None,
    gate: Tensor | None,
    surrogate: int,
    shape1: float,
    shape2: float,
    detach_reset: bool,
    needs_current: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    grad_current = torch.empty_like(current) if needs_current else current.new_empty(0)
    return grad_current, torch.empty_like(coefficients), torch.empty_like(initial)


def refuse(ctx: Any, *grads: Tensor) -> None:
    """Stand for a second derivative."""
    raise RuntimeError("the fused scan can be differentiated once; use backend='reference' for second derivatives")


torch.library.register_autograd(run_backward, refuse)


ScanBackward = differentiable_function(run_backward, lambda ctx, inputs, output: None, refuse)


def both_or_none(first: Tensor | None, second: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Zeros for a missing gradient where the other one is there: the kernels take both or none."""
    if first is None and second is not None:
        first = torch.zeros_like(second)
    elif second is None and first is not None:
        second = torch.zeros_like(first)
    return first, second


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    current, coefficients, initial, lengths, ctx.trace, *ctx.gradient, ctx.backend, _ = inputs
    ctx.save_for_backward(current, coefficients, initial, lengths, output[2])
    ctx.set_materialize_grads(False)


def _differentiate(
    ctx: Any,
    grad_spikes: Tensor | None,
    grad_final: Tensor | None,
    grad_chunks: Tensor | None,
    grad_mem: Tensor | None,
    grad_ada: Tensor | None,
    grad_gates: Tensor | None = None,
) -> tuple[Tensor | None, ...]:
    current, coefficients, initial, lengths, chunks = ctx.saved_tensors
    if not ctx.trace:
        grad_mem = grad_ada = None
    grad_mem, grad_ada = both_or_none(grad_mem, grad_ada)
    # With a graph of the backward pass itself: torch.func always asks for one.
    adjoint: Any = ScanBackward.apply if torch.is_grad_enabled() else run_backward
    grads = adjoint(
        current,
        coefficients,
        initial,
        chunks,
        lengths,
        grad_spikes,
        grad_final,
        grad_mem,
        grad_ada,
        None,
        *ctx.gradient,
        ctx.needs_input_grad[0],
        ctx.backend,
    )
    return (grads[0] if ctx.needs_input_grad[0] else None, grads[1], grads[2], *[None] * 8)


torch.library.register_autograd(run_forward, _differentiate, setup_context=_save)


Scan = differentiable_function(run_forward, _save, _differentiate)


torch.library.register_vmap(run_forward, one_by_one(run_forward))
torch.library.register_vmap(run_backward, one_by_one(run_backward))
