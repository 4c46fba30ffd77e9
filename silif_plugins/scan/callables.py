"""The fused scan with any spike function: its derivative comes from autograd of the function itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..surrogate import SpikeFunction
from .fused import CHUNK, GIVEN, both_or_none, run_backward, run_forward

SPAN = 1 << 19
"""Elements of the piece of the sequence whose derivative is held at a time."""


def is_step(surrogate: SpikeFunction, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether a spike function is H(x > 0) forward, as the kernels are; a soft or stochastic one is not."""
    tiny = torch.finfo(dtype).tiny
    x = torch.tensor([-torch.inf, -2.0, -0.3, -tiny, 0.0, tiny, 0.3, 2.0, torch.inf], dtype=dtype, device=device)
    with torch.no_grad():
        return torch.equal(surrogate(x), (x > 0).to(dtype))


class CallableScan(torch.autograd.Function):
    """The operator of ``fused.py`` with a Python function as surrogate.

    Forward is the same. Backward goes through the sequence in pieces, from the last to the first: membrane
    potentials again, the function and its derivative on all of the piece, the adjoint with that derivative. It
    holds about 10 numbers for each of SPAN elements at a time, however long the sequence is.
    """

    @staticmethod
    def forward(
        ctx: Any,
        current: Tensor,
        coefficients: Tensor,
        initial: Tensor,
        lengths: Tensor | None,
        trace: bool,
        surrogate: SpikeFunction,
        detach_reset: bool,
        backend: str,
    ) -> tuple[Tensor, ...]:
        """Run the neurons; see ``run_forward``."""
        spikes, final, chunks, mem, ada, _ = run_forward(
            current, coefficients, initial, lengths, trace, GIVEN, 0.0, 0.0, detach_reset, backend
        )
        ctx.save_for_backward(current, coefficients, initial, lengths, chunks)
        ctx.trace, ctx.surrogate, ctx.detach_reset, ctx.backend = trace, surrogate, detach_reset, backend
        ctx.set_materialize_grads(False)
        return spikes, final, chunks, mem, ada

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        grad_spikes: Tensor | None,
        grad_final: Tensor | None,
        grad_chunks: Tensor | None,
        grad_mem: Tensor | None,
        grad_ada: Tensor | None,
    ) -> tuple[Tensor | None, ...]:
        """Run the adjoint piece by piece; see ``run_backward``."""
        current, coefficients, initial, lengths, chunks = ctx.saved_tensors
        if not ctx.trace:
            grad_mem = grad_ada = None
        grad_mem, grad_ada = both_or_none(grad_mem, grad_ada)
        needs_current = ctx.needs_input_grad[0]
        grad_current = torch.empty_like(current) if needs_current else None
        grad_coefficients = torch.zeros_like(coefficients, dtype=torch.float64)
        carry = torch.zeros_like(initial) if grad_final is None else grad_final
        steps = current.shape[0]
        span = max(1, SPAN // (max(1, current[:1].numel()) * CHUNK)) * CHUNK
        for start in reversed(range(0, steps, span)):
            piece = slice(start, start + span)
            before = initial if start == 0 else state_before(start, chunks, coefficients)
            left = None if lengths is None else (lengths - start).clamp(0, min(span, steps - start))
            _, _, inner, mem, _, _ = run_forward(
                current[piece], coefficients, before, left, True, GIVEN, 0.0, 0.0, ctx.detach_reset, ctx.backend
            )
            part, part_coefficients, carry = run_backward(
                current[piece],
                coefficients,
                before,
                inner,
                left,
                None if grad_spikes is None else grad_spikes[piece],
                carry,
                None if grad_mem is None else grad_mem[piece],
                None if grad_ada is None else grad_ada[piece],
                derivative(ctx.surrogate, mem - coefficients[8]),
                GIVEN,
                0.0,
                0.0,
                ctx.detach_reset,
                needs_current,
                ctx.backend,
            )
            grad_coefficients += part_coefficients
            if grad_current is not None:
                grad_current[piece] = part
        return grad_current, grad_coefficients.to(coefficients.dtype), carry, *[None] * 5


def state_before(step: int, chunks: Tensor, coefficients: Tensor) -> Tensor:
    """The state [3, B, N] before a step that is a multiple of CHUNK, from the saved ones."""
    mem, ada = chunks[2 * (step // CHUNK - 1) : 2 * (step // CHUNK)]
    return torch.stack([mem, ada, (mem - coefficients[8] > 0).to(mem)])


def derivative(surrogate: SpikeFunction, x: Tensor) -> Tensor:
    """The derivative of an elementwise function, by autograd."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        spikes = surrogate(x)
        if not spikes.requires_grad:
            return torch.zeros_like(x)
        (gradient,) = torch.autograd.grad(spikes.sum(), x)
    return gradient
