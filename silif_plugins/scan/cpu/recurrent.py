"""The recurrent form on the CPU: one loop around the matrix product, I[t] + s[t-1] V.

Forward is a product and the kernel of one step, again and again. Backward knows the total currents: it runs 16
steps of the kernel without the product, and then, step by step, the kernel's adjoint and the transposed product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...kernels.memory import empty_like
from ..layout import CHUNK, Backward, Forward, Gradients, Outputs, empty_gradients
from .run import Job, code_of, view_of
from .run import forward as run_forward


def forward(call: Forward) -> Outputs:
    """Run the neurons, with weights."""
    current, initial, weights = call.current, call.initial, call.weights
    assert weights is not None
    total = empty_like(current)
    before, after = initial.clone(memory_format=torch.contiguous_format), initial.new_empty(initial.shape)
    spikes = current.new_empty((1, *current.shape[1:]))
    runs = _runs(call.lengths, current.shape[0])
    if current.numel():
        first = call._replace(current=total[:1], initial=before, lengths=None if runs is None else runs[0])
        job = Job(code_of("forward", first), first, spk=spikes, final=after)
        for t, now in enumerate(current.unbind()):
            # Product, then sum: the order of the reference, and its rounding.
            torch.add(now, before[2] @ weights, out=total[t])
            job.record["x"][0] = total[t].data_ptr()
            job.record["initial"], job.record["final"] = view_of(before), view_of(after)
            job.record["lengths"] = 0 if runs is None else runs[t].data_ptr()
            job.run()
            before, after = after, before
    return run_forward(call._replace(current=total, weights=None))._replace(extra=total)


def backward(call: Backward) -> Gradients:
    """Run the adjoint, with weights; ``call.current`` are the total currents."""
    total, coefficients, initial, weights = call.current, call.coefficients, call.initial, call.weights
    assert weights is not None
    steps, batch, neurons = total.shape
    transposed = weights.t()
    grads = empty_gradients(call, empty_like)
    grad_total, grad_weights = grads.current, grads.weights.zero_()
    grad_after = grads.initial
    if call.grad_final is None:
        grad_after.zero_()
    else:
        grad_after.copy_(call.grad_final)
    grad_before = torch.empty_like(grad_after)
    if total.numel() == 0:
        return grads._replace(coefficients=grads.coefficients.zero_())
    runs = _runs(call.lengths, steps)
    states = total.new_empty(CHUNK + 1, 3, batch, neurons)
    grad = torch.zeros_like(states[:1, 0])
    grad_mem, grad_ada = call.grad_mem, call.grad_ada
    job = Job(
        code_of("backward", call),
        call._replace(current=total[:1], initial=states[0], lengths=None if runs is None else runs[0]),
        grad_spk=grad,
        grad_mem=None if grad_mem is None else grad_mem[:1],
        grad_ada=None if grad_ada is None else grad_ada[:1],
        grad_x=grad_total[:1],
        grad_final=grad_after,
        grad_initial=grad_before,
    )
    record = job.record
    for start in reversed(range(0, steps, CHUNK)):
        size = min(CHUNK, steps - start)
        if start == 0:
            states[0] = initial
        else:
            states[0, :2] = call.chunks[2 * (start // CHUNK - 1) : 2 * (start // CHUNK)]
            states[0, 2] = states[0, 0] - coefficients[8, :] > 0
        after = states[1 : size + 1]
        piece = call._replace(
            current=total[start : start + size],
            initial=states[0],
            lengths=None if call.lengths is None else (call.lengths - start).clamp(0, size),
        )
        again: dict[str, Any] = {
            "spk": after[:, 2],
            "mem": after[:, 0],
            "ada": after[:, 1],
            "final": torch.empty_like(initial),
        }
        Job(code_of("forward", piece), piece, **again).run()
        for t in reversed(range(start, start + size)):
            if t + 1 < steps:
                torch.mm(grad_total[t + 1], transposed, out=grad[0])
            if call.grad_spikes is not None:
                grad += call.grad_spikes[t]
            record["x"][0], record["grad_x"][0] = total[t].data_ptr(), grad_total[t].data_ptr()
            record["initial"] = view_of(states[t - start])
            record["grad_final"], record["grad_initial"] = view_of(grad_after), view_of(grad_before)
            record["lengths"] = 0 if runs is None else runs[t].data_ptr()
            if grad_mem is not None and grad_ada is not None:
                record["grad_mem"][0], record["grad_ada"][0] = grad_mem[t].data_ptr(), grad_ada[t].data_ptr()
            job.run()
            grad_after, grad_before = grad_before, grad_after
        spikes_before = states[:size, 2].reshape(-1, neurons)
        grad_weights.addmm_(spikes_before.t(), grad_total[start : start + size].reshape(-1, neurons))
    grad_after[2] += grad_total[0] @ transposed
    return grads._replace(coefficients=job.coefficient_gradients(total.dtype), initial=grad_after)


def _runs(lengths: Tensor | None, steps: int) -> Tensor | None:
    """Whether each sequence runs at each step, int64 [T, B]: the lengths of sequences of one step."""
    return None if lengths is None else (torch.arange(steps)[:, None] < lengths).to(torch.int64)
