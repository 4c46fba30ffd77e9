"""The recurrent form on the CPU: one loop around the matrix product, I[t] + s[t-1] V.

Forward is a product and the kernel of one step, again and again. Backward knows the total currents: it runs 16
steps of the kernel without the product, and then, step by step, the kernel's adjoint and the transposed product.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..fused import CHUNK
from .memory import empty_like
from .run import Job, forward


def forward_recurrent(
    current: Tensor, coefficients: Tensor, initial: Tensor, weights: Tensor, lengths: Tensor | None, trace: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Run the neurons; the arguments and results of :func:`silif_plugins.scan.recurrent.run_forward`."""
    total = empty_like(current)
    before, after = initial.clone(), torch.empty_like(initial)
    spikes = current.new_empty((1, *current.shape[1:]))
    runs = _runs(lengths, current.shape[0])
    if current.numel():
        job = Job("forward", total[:1], coefficients, None if runs is None else runs[0], spk=spikes)
        for t, now in enumerate(current.unbind()):
            # Product, then sum: the order of the reference, and its rounding.
            torch.add(now, before[2] @ weights, out=total[t])
            job.record["x"][0] = total[t].data_ptr()
            job.record["initial"], job.record["final"] = _view(before), _view(after)
            job.record["lengths"] = 0 if runs is None else runs[t].data_ptr()
            job.run()
            before, after = after, before
    return (*forward(total, coefficients, initial, lengths, trace, None)[:5], total)


def backward_recurrent(
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
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run the adjoint; the arguments and results of :func:`silif_plugins.scan.recurrent.run_backward`."""
    steps, batch, neurons = total.shape
    transposed = weights.t()
    grad_total = empty_like(total)
    grad_weights = torch.zeros_like(weights)
    grad_after = (
        torch.zeros_like(initial) if grad_final is None else grad_final.clone(memory_format=torch.contiguous_format)
    )
    grad_before = torch.empty_like(grad_after)
    if total.numel() == 0:
        return grad_total, torch.zeros_like(coefficients), grad_after, grad_weights
    runs = _runs(lengths, steps)
    states = total.new_empty(CHUNK + 1, 3, batch, neurons)
    grad = torch.zeros_like(states[:1, 0])
    job = Job(
        "backward",
        total[:1],
        coefficients,
        None if runs is None else runs[0],
        grad_spk=grad,
        grad_mem=None if grad_mem is None else grad_mem[:1],
        grad_ada=None if grad_ada is None else grad_ada[:1],
        grad_x=grad_total[:1],
        surrogate=surrogate,
        shape1=shape1,
        shape2=shape2,
        detach_reset=detach_reset,
    )
    record = job.record
    for start in reversed(range(0, steps, CHUNK)):
        size = min(CHUNK, steps - start)
        if start == 0:
            states[0] = initial
        else:
            states[0, :2] = chunks[2 * (start // CHUNK - 1) : 2 * (start // CHUNK)]
            states[0, 2] = states[0, 0] - coefficients[8, :] > 0
        piece, after = total[start : start + size], states[1 : size + 1]
        left = None if lengths is None else (lengths - start).clamp(0, size)
        again = {"spk": after[:, 2], "mem": after[:, 0], "ada": after[:, 1], "final": torch.empty_like(initial)}
        Job("forward", piece, coefficients, left, initial=states[0], **again).run()
        for t in reversed(range(start, start + size)):
            if t + 1 < steps:
                torch.mm(grad_total[t + 1], transposed, out=grad[0])
            if grad_spikes is not None:
                grad += grad_spikes[t]
            record["x"][0], record["grad_x"][0] = total[t].data_ptr(), grad_total[t].data_ptr()
            record["initial"] = _view(states[t - start])
            record["grad_final"], record["grad_initial"] = _view(grad_after), _view(grad_before)
            record["lengths"] = 0 if runs is None else runs[t].data_ptr()
            if grad_mem is not None and grad_ada is not None:
                record["grad_mem"][0], record["grad_ada"][0] = grad_mem[t].data_ptr(), grad_ada[t].data_ptr()
            job.run()
            grad_after, grad_before = grad_before, grad_after
        spikes_before = states[:size, 2].reshape(-1, neurons)
        grad_weights.addmm_(spikes_before.t(), grad_total[start : start + size].reshape(-1, neurons))
    grad_after[2] += grad_total[0] @ transposed
    return grad_total, job.coefficient_gradients(total.dtype), grad_after, grad_weights


def _runs(lengths: Tensor | None, steps: int) -> Tensor | None:
    """Whether each sequence runs at each step, int64 [T, B]: the lengths of sequences of one step."""
    return None if lengths is None else (torch.arange(steps)[:, None] < lengths).to(torch.int64)


def _view(tensor: Tensor) -> tuple[int, ...]:
    return (tensor.data_ptr(), *tensor.stride())
