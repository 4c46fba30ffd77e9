"""The recurrent form on the GPU, I[t] + s[t-1] V: what launches its kernels.

Forward writes the total currents; with them the neurons are an ordinary scan, which gives all outputs. Backward runs
that scan again with its states of all steps, three tensors more for as long as it takes, and then the adjoint.
The gradient of V is one product over all steps.
"""

# Triton's language has no types for mypy.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import torch
import triton
from torch import Tensor

from ..layout import Backward, Forward, Gradients, Outputs, empty_gradients
from . import run
from .recurrent_kernels import REGISTERS, ROWS, recurrent_backward_kernel, totals_kernel, warps


def forward(call: Forward) -> Outputs:
    """Run the neurons, with weights."""
    current, initial, weights, lengths = call.current, call.initial.contiguous(), call.weights, call.lengths
    assert weights is not None
    steps, batch, neurons = current.shape
    total = torch.empty_like(current)
    if total.numel():
        with torch.cuda.device_of(current):
            totals_kernel[(batch,)](
                current,
                call.coefficients.contiguous(),
                initial,
                weights.contiguous(),
                initial if lengths is None else lengths.contiguous(),
                total,
                _events(current),
                current.new_empty((batch, neurons)),
                steps,
                batch,
                neurons,
                *current.stride(),
                *total.stride(),
                LENGTHS=lengths is not None,
                HARD=call.hard_reset,
                maxnreg=REGISTERS,
                **_options(neurons),
            )
    return run.forward(call._replace(current=total, weights=None))._replace(extra=total)


def backward(call: Backward) -> Gradients:
    """Run the adjoint, with weights; ``call.current`` are the total currents."""
    weights, lengths = call.weights, call.lengths
    assert weights is not None
    current, weights, initial = call.current.contiguous(), weights.contiguous(), call.initial.contiguous()
    steps, batch, neurons = current.shape
    grads = empty_gradients(call._replace(current=current))
    if current.numel() == 0:
        return run.nothing(call, grads)
    states = run.forward(call._replace(current=current, initial=initial).again(trace=True))
    sums, absent = current.new_zeros((batch, 9, neurons)), current.new_empty(0)
    dense = (call.grad_spikes, call.grad_final, call.grad_mem, call.grad_ada, call.derivative)
    with torch.cuda.device_of(current):
        recurrent_backward_kernel[(batch,)](
            current,
            call.coefficients.contiguous(),
            initial,
            weights,
            states.mem,
            states.ada,
            absent if lengths is None else lengths.contiguous(),
            *(absent if tensor is None else tensor.contiguous() for tensor in dense),
            grads.current,
            grads.initial,
            sums,
            _events(current),
            current.new_empty((batch, neurons)),
            steps,
            batch,
            neurons,
            SURROGATE=call.surrogate,
            SHAPE1=call.shape1,
            SHAPE2=call.shape2,
            SPIKES=call.grad_spikes is not None,
            FINAL=call.grad_final is not None,
            TRACE=call.grad_mem is not None,
            LENGTHS=lengths is not None,
            DETACHED=call.detach_reset,
            HARD=call.hard_reset,
            **_options(neurons),
        )
    grads.initial[2] += grads.current[0] @ weights.t()
    torch.mm(initial[2].t(), grads.current[0], out=grads.weights)
    grads.weights.addmm_(states.spikes[:-1].reshape(-1, neurons).t(), grads.current[1:].reshape(-1, neurons))
    return grads._replace(coefficients=sums.sum(0))


def _events(current: Tensor) -> Tensor:
    """Memory for a list of neurons of each sequence."""
    return current.new_empty((current.shape[1], current.shape[2] + ROWS.value), dtype=torch.int32)


def _options(neurons: int) -> dict[str, int | bool]:
    """The constants that both kernels have."""
    block = max(16, triton.next_power_of_2(neurons))
    return {"BLOCK": block, "num_warps": warps(block), "enable_fp_fusion": False}
