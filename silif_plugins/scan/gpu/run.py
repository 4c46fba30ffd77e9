"""The fused GPU backend: it launches the kernels, and makes the tensors that they write."""

# Triton's language has no types for mypy.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from ..layout import CHUNK, Backward, Forward, Gradients, Outputs, empty_gradients, empty_outputs
from .kernels import backward_kernel, forward_kernel
from .traffic import BLOCK


def forward(call: Forward) -> Outputs:
    """Run neurons over a sequence, without weights."""
    current, initial, lengths = call.current, call.initial.contiguous(), call.lengths
    steps, batch, neurons = current.shape
    outputs = empty_outputs(call)
    if steps == 0:  # without masks, the kernel would read a first chunk that is not there
        outputs.final.copy_(initial)
    elif batch * neurons:
        with torch.cuda.device_of(current):
            forward_kernel[_grid(batch, neurons)](
                current,
                call.coefficients.contiguous(),
                initial,
                initial if lengths is None else lengths.contiguous(),
                outputs.spikes,
                outputs.final,
                outputs.chunks,
                outputs.mem,
                outputs.ada,
                outputs.extra.view(torch.uint8),
                steps,
                batch,
                neurons,
                *current.stride(),
                *outputs.spikes.stride(),
                TRACE=call.trace,
                GATED=call.gate_width is not None,
                WIDTH=call.gate_width or 0.0,
                HARD=call.hard_reset,
                **_options(steps, lengths),
            )
    return outputs


def backward(call: Backward) -> Gradients:
    """Run the adjoint, without weights."""
    current, lengths = call.current, call.lengths
    steps, batch, neurons = current.shape
    grads = empty_gradients(call)
    sums = current.new_zeros((batch, 9, neurons))
    absent = current.new_empty(0)
    if current.numel() == 0:
        return nothing(call, grads)
    dense = (call.grad_final, call.grad_mem, call.grad_ada, call.derivative)
    with torch.cuda.device_of(current):
        backward_kernel[_grid(batch, neurons)](
            current,
            call.coefficients.contiguous(),
            call.initial.contiguous(),
            call.chunks,
            absent if lengths is None else lengths.contiguous(),
            absent if call.grad_spikes is None else call.grad_spikes,
            *(absent if tensor is None else tensor.contiguous() for tensor in dense),
            grads.current,
            grads.initial,
            sums,
            steps,
            batch,
            neurons,
            *current.stride(),
            *((0, 0, 0) if call.grad_spikes is None else call.grad_spikes.stride()),
            *(grads.current.stride() if call.needs_current else (0, 0, 0)),
            SURROGATE=call.surrogate,
            SHAPE1=call.shape1,
            SHAPE2=call.shape2,
            SPIKES=call.grad_spikes is not None,
            FINAL=call.grad_final is not None,
            TRACE=call.grad_mem is not None,
            CURRENT=call.needs_current,
            DETACHED=call.detach_reset,
            HARD=call.hard_reset,
            **_options(steps, lengths),
        )
    return grads._replace(coefficients=sums.sum(0))


def nothing(call: Backward, grads: Gradients) -> Gradients:
    """The gradients of a scan of no steps, or of no neurons: the state stays as it is."""
    initial = grads.initial.zero_() if call.grad_final is None else grads.initial.copy_(call.grad_final)
    return grads._replace(coefficients=grads.coefficients.zero_(), initial=initial, weights=grads.weights.zero_())


def _grid(batch: int, neurons: int) -> tuple[int]:
    return (triton.cdiv(batch * neurons, BLOCK),)


def _options(steps: int, lengths: Tensor | None) -> dict[str, Any]:
    """The constants that both kernels have."""
    return {
        "LENGTHS": lengths is not None,
        "MASKED": lengths is not None or steps % CHUNK != 0,
        "BLOCK": BLOCK,
        "num_warps": BLOCK // (64 if torch.version.hip else 32),
        "enable_fp_fusion": False,  # else a product and a sum would be rounded once, unlike in the reference
    }
