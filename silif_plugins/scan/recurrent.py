"""The recurrent form as PyTorch operators: I[t] + s[t-1] V, one loop around the matrix product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .fused import CHUNK, both_or_none, check_gradients, check_inputs, fused_backend, refuse
from .operators import check_operands, differentiable_function, one_by_one, operator, shapes_of


@operator("recurrent_scan")
def run_forward(
    current: Tensor,
    coefficients: Tensor,
    initial: Tensor,
    weights: Tensor,
    lengths: Tensor | None,
    trace: bool,
    surrogate: int,
    shape1: float,
    shape2: float,
    detach_reset: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Run neurons over a sequence, with weights [N, N] (from, to) from their spikes to their currents.

    The other arguments and the first five results are those of :func:`silif_plugins.scan.fused.run_forward`; the
    sixth are the total currents [T, B, N], which backward needs: 4 more bytes per element in float32.
    """
    check_inputs(current, coefficients, initial, lengths)
    check_operands(current, weights=(weights, (current.shape[2], current.shape[2])))
    return fused_backend(backend).forward_recurrent(current, coefficients, initial, weights, lengths, trace)


@shapes_of(run_forward)
def _(
    current: Tensor,
    coefficients: Tensor,
    initial: Tensor,
    weights: Tensor,
    lengths: Tensor | None,
    trace: bool,
    surrogate: int,
    shape1: float,
    shape2: float,
    detach_reset: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    steps, batch, neurons = current.shape
    chunks = current.new_empty((2 * torch.sym_max(0, (steps - 1) // CHUNK), batch, neurons))
    mem, ada = (torch.empty_like(current) if trace else current.new_empty(0) for _ in range(2))
    return torch.empty_like(current), torch.empty_like(initial), chunks, mem, ada, torch.empty_like(current)


@operator("recurrent_scan_backward")
def run_backward(
    total: Tensor,
    coefficients: Tensor,
    initial: Tensor,
    chunks: Tensor,
    weights: Tensor,
    lengths: Tensor | None,
    grad_spikes: Tensor | None,
    grad_final: Tensor | None,
    grad_mem: Tensor | None,
    grad_ada: Tensor | None,
    surrogate: int,
    shape1: float,
    shape2: float,
    detach_reset: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the current [T, B, N], the coefficients [9, N], the initial state [3, B, N] and the weights."""
    check_inputs(total, coefficients, initial, lengths)
    check_operands(total, weights=(weights, (total.shape[2], total.shape[2])))
    check_gradients(total, chunks, grad_spikes, grad_final, grad_mem, grad_ada)
    return fused_backend(backend).backward_recurrent(
        total,
        coefficients,
        initial,
        chunks,
        weights,
        lengths,
        grad_spikes,
        grad_final,
        grad_mem,
        grad_ada,
        surrogate,
        shape1,
        shape2,
        detach_reset,
    )


@shapes_of(run_backward)
def _(
    total: Tensor,
    coefficients: Tensor,
    initial: Tensor,
    chunks: Tensor,
    weights: Tensor,
    lengths: Tensor | None,
    grad_spikes: Tensor | None,
    grad_final: Tensor | None,
    grad_mem: Tensor | None,
    grad_ada: Tensor | None,
    surrogate: int,
    shape1: float,
    shape2: float,
    detach_reset: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return tuple(torch.empty_like(tensor) for tensor in (total, coefficients, initial, weights))  # type: ignore[return-value]


torch.library.register_autograd(run_backward, refuse)
Backward = differentiable_function(run_backward, lambda ctx, inputs, output: None, refuse)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, coefficients, initial, weights, lengths, ctx.trace, *ctx.gradient, ctx.backend = inputs
    ctx.save_for_backward(coefficients, initial, weights, lengths, output[2], output[5])
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    coefficients, initial, weights, lengths, chunks, total = ctx.saved_tensors
    grad_spikes, grad_final, _, *traces, _ = grads
    grad_mem, grad_ada = both_or_none(*traces) if ctx.trace else (None, None)
    adjoint: Any = Backward.apply if torch.is_grad_enabled() else run_backward
    grad_current, grad_coefficients, grad_initial, grad_weights = adjoint(
        total,
        coefficients,
        initial,
        chunks,
        weights,
        lengths,
        grad_spikes,
        grad_final,
        grad_mem,
        grad_ada,
        *ctx.gradient,
        ctx.backend,
    )
    return (grad_current, grad_coefficients, grad_initial, grad_weights, *[None] * 7)


torch.library.register_autograd(run_forward, _differentiate, setup_context=_save)
RecurrentScan = differentiable_function(run_forward, _save, _differentiate)
torch.library.register_vmap(run_forward, one_by_one(run_forward))
torch.library.register_vmap(run_backward, one_by_one(run_backward))
