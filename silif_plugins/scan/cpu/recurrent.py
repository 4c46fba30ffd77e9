"""The recurrent form on the CPU: I[t] + s[t-1] V, by the events of s[t-1].

Kernels go step by step and write the total currents; backward, the total gradients of the spikes. With these the
kernels without weights run the neurons and their adjoint as ever. A surrogate whose derivative is nowhere 0 needs all
of V at each step of its adjoint: then it is a loop around the transposed product, for all sequences at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ...kernels.memory import empty_like
from ...kernels.simd import REGISTER_BYTES
from ..layout import BOXCAR, CHUNK, TRIANGLE, Backward, Forward, Gradients, Outputs, empty_gradients
from . import recurrent_kernels as kernels
from .code import code_of_kernel
from .run import Job, code_of, view_of
from .run import backward as run_backward
from .run import forward as run_forward

GROUP = 64
"""Neurons whose weights' gradients are one task: they stay in the cache."""


def forward(call: Forward) -> Outputs:
    """Run the neurons, with weights."""
    total = empty_like(call.current)
    if total.numel():
        kernel = kernels.forward_hard if call.hard_reset else kernels.forward
        _write(kernel, call, total, kernels.FORWARD_ROWS, x=call.current)
    return run_forward(call._replace(current=total, weights=None))._replace(extra=total)


def backward(call: Backward) -> Gradients:
    """Run the adjoint, with weights; ``call.current`` are the total currents."""
    if call.surrogate not in (BOXCAR, TRIANGLE) or call.current.numel() == 0:
        return backward_by_products(call)
    weights, total = call.weights, call.current
    assert weights is not None
    grad_spikes = empty_like(total)
    kernel = kernels.backward_hard if call.hard_reset else kernels.backward
    given = {"grad_spk": call.grad_spikes, "grad_final": call.grad_final}
    given |= {"grad_mem": call.grad_mem, "grad_ada": call.grad_ada, "chunks": call.chunks}
    _write(kernel, call, grad_spikes, kernels.BACKWARD_ROWS, x=total, **given)
    grads = run_backward(call._replace(weights=None, grad_spikes=grad_spikes, needs_current=True))
    grads.initial[2] += grads.current[0] @ weights.t()
    spikes = run_forward(call.again()).spikes
    grad_weights = torch.zeros_like(weights, memory_format=torch.contiguous_format)
    _write(kernels.weight_gradient, call, grad_weights, 0, x=spikes, grad_spk=grads.current)
    return grads._replace(weights=grad_weights)


def _write(
    kernel: Callable[..., None], call: Forward | Backward, out: Tensor, rows: int, **tensors: Tensor | None
) -> None:
    """Run a kernel, whose tensors have no gaps and whole vectors of neurons, and write to ``out``."""
    steps, batch, neurons = call.current.shape
    code = code_of_kernel(kernel, call.current.dtype, kernels.job_dtype)
    missing = -neurons % (REGISTER_BYTES // out.element_size())
    width = neurons + missing

    def whole(tensor: Tensor) -> Tensor:
        return (functional.pad(tensor, (0, missing)) if missing else tensor).contiguous()

    assert call.weights is not None
    weights = functional.pad(call.weights, (0, missing, 0, missing)) if missing else call.weights
    lengths = None if call.lengths is None else call.lengths.contiguous()
    written = out if not missing and out.is_contiguous() else None
    if written is None:
        written = out.new_zeros((width, width) if out.dim() == 2 else (*out.shape[:2], width))
    # The same for all sequences: one thread has one of them at a time.
    given: dict[str, Tensor] = {
        "coefficients": whole(call.coefficients),
        "initial": whole(call.initial),
        "weights": weights.contiguous(),
        "scratch": out.new_empty(batch * rows * width),
        "out": written,
    }
    given |= {name: whole(tensor) for name, tensor in tensors.items() if tensor is not None}
    given |= {} if lengths is None else {"lengths": lengths}
    weighs = out.dim() == 2
    tasks = -(-width // GROUP) if weighs else batch
    given["places"] = torch.empty(batch * width, dtype=torch.int64)
    values: dict[str, Any] = {
        "steps": steps,
        "batch": batch,
        "neurons": width,
        "tasks": tasks,
        "inputs": GROUP,
        "surrogate": call.surrogate,
        "shape1": call.shape1,
        "shape2": call.shape2,
        "detach_reset": call.detach_reset,
    }
    values |= {name: tensor.data_ptr() for name, tensor in given.items()}
    code.run(code.pack(code.fill(code.absent.copy(), values)), tasks, call.current.numel() * GROUP)
    if written is not out:
        out.copy_(written[:neurons, :neurons] if weighs else written[..., :neurons])


def backward_by_products(call: Backward) -> Gradients:
    """Run the adjoint with dense products, a step after the other."""
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
