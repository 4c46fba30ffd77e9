"""The fused scan with any spike function: its derivative comes from autograd of the function itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..surrogate import SpikeFunction, derivative
from .fused import both_or_none, run_backward, run_forward
from .layout import CHUNK, GIVEN, Backward, Forward, Outputs

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
    def forward(ctx: Any, surrogate: SpikeFunction, *inputs: Any) -> tuple[Tensor, ...]:
        """Run the neurons: ``inputs`` are those of the operator."""
        call = Forward(*inputs)
        outputs: tuple[Tensor, ...] = run_forward(*call)
        # With weights, backward needs what the neurons got, and not what came in.
        got = call.current if call.weights is None else outputs[5]
        ctx.save_for_backward(got, call.coefficients, call.initial, call.weights, call.lengths, outputs[2])
        kept: Any = {"current": None, "coefficients": None, "initial": None, "weights": None, "lengths": None}
        ctx.call, ctx.surrogate = call._replace(**kept), surrogate
        ctx.set_materialize_grads(False)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        grad_spikes: Tensor | None,
        grad_final: Tensor | None,
        grad_chunks: Tensor | None,
        grad_mem: Tensor | None,
        grad_ada: Tensor | None,
        grad_extra: Tensor | None,
        *_: Tensor | None,
    ) -> tuple[Tensor | None, ...]:
        """Run the adjoint piece by piece."""
        current, coefficients, initial, weights, lengths, chunks = ctx.saved_tensors
        call: Forward = ctx.call._replace(coefficients=coefficients, trace=True, gate_width=None)
        grad_mem, grad_ada = both_or_none(grad_mem, grad_ada) if ctx.call.trace else (None, None)
        needs_current = ctx.needs_input_grad[1] or weights is not None
        grad_current = torch.empty_like(current) if needs_current else None
        grad_coefficients = torch.zeros_like(coefficients, dtype=torch.float64)
        grad_weights = None if weights is None else torch.zeros_like(weights)
        carry = torch.zeros_like(initial) if grad_final is None else grad_final
        steps = current.shape[0]
        span = max(1, SPAN // (max(1, current[:1].numel()) * CHUNK)) * CHUNK
        for start in reversed(range(0, steps, span)):
            piece = slice(start, start + span)
            before = initial if start == 0 else state_before(start, chunks, coefficients)
            left = None if lengths is None else (lengths - start).clamp(0, min(span, steps - start))
            again = Outputs(*run_forward(*call._replace(current=current[piece], initial=before, lengths=left)))
            part, part_coefficients, carry, part_weights, _ = run_backward(
                *Backward(
                    current[piece],
                    coefficients,
                    before,
                    weights,
                    left,
                    again.chunks,
                    None if grad_spikes is None else grad_spikes[piece],
                    carry,
                    None if grad_mem is None else grad_mem[piece],
                    None if grad_ada is None else grad_ada[piece],
                    derivative(ctx.surrogate, again.mem - coefficients[8]),
                    call.hard_reset,
                    GIVEN,
                    0.0,
                    0.0,
                    call.detach_reset,
                    needs_current,
                    call.backend,
                )
            )
            grad_coefficients += part_coefficients
            if grad_weights is not None:
                grad_weights += part_weights
            if grad_current is not None:
                grad_current[piece] = part
        grads = None, grad_current, grad_coefficients.to(coefficients.dtype), carry, grad_weights
        return *grads, *[None] * (1 + len(Forward._fields) - len(grads))


def state_before(step: int, chunks: Tensor, coefficients: Tensor) -> Tensor:
    """The state [3, B, N] before a step that is a multiple of CHUNK, from the saved ones."""
    mem, ada = chunks[2 * (step // CHUNK - 1) : 2 * (step // CHUNK)]
    return torch.stack([mem, ada, (mem - coefficients[8] > 0).to(mem)])
