"""The recurrent form on the CPU: I[t] + s[t-1] V, by the events of s[t-1].

A surrogate whose derivative is nowhere 0 needs all of V at each step of its adjoint: then it is a loop around the
transposed product, for all sequences at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...kernels.memory import LARGE, empty, empty_like
from ...kernels.products import product
from ...kernels.simd import REGISTER_BYTES
from ..layout import BOXCAR, CHUNK, TRIANGLE, Backward, Forward, Gradients, Outputs, empty_gradients, empty_outputs
from . import recurrent_kernels as kernels
from .code import code_of_kernel
from .run import Job, code_of, view_of
from .run import forward as run_forward

TASKS = 16
"""Most tasks that sequences are shared among; each sums the gradients of the coefficients in its own place."""


def forward(call: Forward) -> Outputs:
    """Run the neurons, with weights."""
    outputs = empty_outputs(call, empty_like, empty)
    if call.current.numel() == 0:
        return run_forward(call._replace(weights=None))._replace(extra=outputs.extra)
    results = {"out": outputs.extra, "spk": outputs.spikes, "final": outputs.final, "chunks": outputs.chunks}
    if call.trace:
        results |= {"mem": outputs.mem, "ada": outputs.ada}
    tasks = min(TASKS, call.current.shape[1])
    kernel = kernels.forward_hard if call.hard_reset else kernels.forward
    _run(kernel, call, tasks, kernels.TOGETHER * kernels.FORWARD_ROWS, {"x": call.current}, results)
    return outputs


def backward(call: Backward) -> Gradients:
    """Run the adjoint, with weights; ``call.current`` are the total currents."""
    weights, (steps, batch, neurons) = call.weights, call.current.shape
    assert weights is not None
    if call.surrogate not in (BOXCAR, TRIANGLE) or call.current.numel() == 0:
        return backward_by_products(call)
    grads, tasks = empty_gradients(call, empty_like), min(TASKS, batch)
    bits = torch.zeros((steps, batch, -(-neurons // kernels.WORD)), dtype=torch.int64)
    sums = torch.zeros((tasks, 9, _width(call.current)), dtype=torch.float64)
    given = {"x": call.current, "chunks": call.chunks, "grad_spk": call.grad_spikes, "grad_final": call.grad_final}
    given |= {"grad_mem": call.grad_mem, "grad_ada": call.grad_ada}
    results = {"out": grads.current, "final": grads.initial}
    kernel = kernels.backward_hard if call.hard_reset else kernels.backward
    _run(kernel, call, tasks, int(kernels.BACKWARD_ROWS), given, results, bits=bits, sums=sums)
    grads.coefficients.copy_(sums.sum(0)[:, :neurons])
    if call.needs_initial:
        grads.initial[2] += product(grads.current[0], weights)
    groups = -(-neurons // kernels.WORD)
    grads.weights.zero_()
    _run(kernels.weight_gradient, call, groups, 0, {"grad_spk": grads.current}, {"out": grads.weights}, bits=bits)
    if call.initial[2].any():
        grads.weights.addmm_(call.initial[2].t(), grads.current[0])
    return grads


def _width(current: Tensor) -> int:
    """Neurons as whole pairs of vectors."""
    lanes = 2 * REGISTER_BYTES // current.element_size()
    return -(-current.shape[-1] // lanes) * lanes


def _run(
    kernel: Callable[..., None],
    call: Forward | Backward,
    tasks: int,
    rows: int,
    inputs: Mapping[str, Tensor | None],
    results: Mapping[str, Tensor],
    **others: Tensor,
) -> None:
    """Run a kernel, whose inputs and results have no gaps and whole pairs of vectors of neurons."""
    steps, batch, neurons = call.current.shape
    code, width = code_of_kernel(kernel, call.current.dtype, kernels.job_dtype), _width(call.current)
    missing = width - neurons

    def whole(tensor: Tensor) -> Tensor:
        return (pad(tensor, (0, missing)) if missing else tensor).contiguous()

    assert call.weights is not None
    # Rows at a power of two would share lines of the cache.
    pitch = width + REGISTER_BYTES // call.current.element_size()
    given = {"initial": whole(call.initial), "weights": whole(call.weights)}
    given["coefficients"] = pad(call.coefficients, (0, pitch - neurons))
    given["coefficients"][8, neurons:] = torch.inf  # what is added never fires, and no gate of it opens
    if call.lengths is not None:
        given["lengths"] = call.lengths.contiguous()
    given |= {name: whole(tensor) for name, tensor in inputs.items() if tensor is not None}
    written = {
        name: tensor.new_zeros((*tensor.shape[:-1], width)) if missing or not tensor.is_contiguous() else tensor
        for name, tensor in results.items()
    }
    # A thread has the memory of the first of its tasks.
    words = -(-neurons // kernels.WORD)
    given |= written | others
    given["scratch"] = call.current.new_empty(tasks * rows * pitch)
    given["places"] = torch.zeros(tasks * (width + kernels.SPARE + CHUNK * words), dtype=torch.int64)
    large = call.current.numel() * call.current.element_size() >= LARGE
    values: dict[str, Any] = {
        "steps": steps,
        "batch": batch,
        "neurons": width,
        "pitch": pitch,
        "tasks": tasks,
        "words": words,
        "streams": large and not any(tensor.data_ptr() % REGISTER_BYTES for tensor in written.values()),
        "surrogate": call.surrogate,
        "shape1": call.shape1,
        "shape2": call.shape2,
        "detach_reset": call.detach_reset,
    }
    values |= {name: tensor.data_ptr() for name, tensor in given.items()}
    code.run(code.pack(code.fill(code.absent.copy(), values)), tasks, call.current.numel() * kernels.WORD)
    for name, tensor in results.items():
        if written[name] is not tensor:
            tensor.copy_(written[name][..., :neurons])


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
    if call.needs_initial:
        grad_after[2] += grad_total[0] @ transposed
    return grads._replace(coefficients=job.coefficient_gradients(total.dtype), initial=grad_after)


def _runs(lengths: Tensor | None, steps: int) -> Tensor | None:
    """Whether each sequence runs at each step, int64 [T, B]: the lengths of sequences of one step."""
    return None if lengths is None else (torch.arange(steps)[:, None] < lengths).to(torch.int64)
