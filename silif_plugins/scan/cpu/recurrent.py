"""The recurrent form on the CPU: I[t] + s[t-1] V, by the events of s[t-1].

A surrogate whose derivative is nowhere 0 needs all of V at each step of its adjoint: then a dense product for all
sequences comes before each step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...kernels.code import code_of_kernel
from ...kernels.memory import LARGE, empty, empty_like
from ...kernels.products import prepared, product
from ...kernels.simd import REGISTER_BYTES
from ...kernels.spike_bits import WORD
from ..layout import BOXCAR, CHUNK, TRIANGLE, Backward, Forward, Gradients, Outputs, empty_gradients, empty_outputs
from . import recurrent_kernels as kernels
from .run import forward as run_forward

TASKS = 16
"""Most tasks that sequences are shared among; each sums the gradients of the coefficients in its own place."""

FEW = 8
"""Sequences below which PyTorch's product is the faster one."""


def forward(call: Forward) -> Outputs:
    """Run the neurons, with weights."""
    outputs = empty_outputs(call, empty_like, empty)
    if call.current.numel() == 0:
        return run_forward(call._replace(weights=None))._replace(extra=outputs.extra)
    results = {
        "out": outputs.extra.transpose(0, 1),
        "spk": outputs.spikes,
        "final": outputs.final,
        "chunks": outputs.chunks,
    }
    if call.trace:
        results |= {"mem": outputs.mem, "ada": outputs.ada}
    tasks = min(TASKS, call.current.shape[1])
    kernel = kernels.forward_hard if call.hard_reset else kernels.forward
    rows = tasks * kernels.TOGETHER * kernels.FORWARD_ROWS
    job = Job(kernel, call, tasks, rows, {"x": call.current}, results)
    job.run()
    job.finish()
    return outputs


def backward(call: Backward) -> Gradients:
    """Run the adjoint, with weights; ``call.current`` are the total currents, a sequence after the other in memory."""
    weights, (steps, batch, neurons) = call.weights, call.current.shape
    assert weights is not None
    grads, tasks = empty_gradients(call, empty_like, empty), min(TASKS, batch)
    grads.weights.zero_()
    if call.current.numel() == 0:
        initial = torch.zeros_like(grads.initial) if call.grad_final is None else call.grad_final.clone()
        return grads._replace(coefficients=grads.coefficients.zero_(), initial=initial)
    bits = empty(call.current, (steps, batch, -(-neurons // WORD)), torch.int64).zero_()
    sums = empty(call.current, (tasks, 9, width_of(call.current)), torch.float64).zero_()
    given = {
        "x": call.current.transpose(0, 1),
        "chunks": call.chunks,
        "grad_spk": call.grad_spikes,
        "grad_final": call.grad_final,
    }
    given |= {"grad_mem": call.grad_mem, "grad_ada": call.grad_ada}
    results = {"out": grads.current, "final": grads.initial}
    rows = batch * kernels.BACKWARD_ROWS + tasks * kernels.TASK_ROWS
    if call.surrogate in (BOXCAR, TRIANGLE):
        kernel = kernels.backward_hard if call.hard_reset else kernels.backward
        job = Job(kernel, call, tasks, rows, given, results, bits=bits, sums=sums)
        job.run()
    else:
        kernel = kernels.parts_hard if call.hard_reset else kernels.parts
        job = Job(kernel, call, tasks, rows, given, results, bits=bits, sums=sums)
        run_by_products(job, weights)
    job.finish()
    grads.coefficients.numpy()[:] = sums.numpy().sum(0)[:, :neurons]  # PyTorch's takes longer
    if call.needs_initial:
        grads.initial[2] += product(grads.current[0], weights)
    groups = -(-neurons // WORD)
    job = Job(kernels.weight_gradient, call, groups, 0, {"grad_spk": grads.current}, {"out": grads.weights}, bits=bits)
    job.run()
    job.finish()
    if call.initial[2].numpy().any():
        grads.weights.addmm_(call.initial[2].t(), grads.current[0])
    return grads


def run_by_products(job: Job, weights: Tensor) -> None:
    """Run the adjoint a step after the other; a dense product gives the spikes' gradients through V."""
    steps, batch, neurons = job.shape
    grad_total, elements, many = job.written["out"], batch * neurons, batch >= FEW
    ready = prepared(weights, batch) if many else weights.t()
    for time in reversed(range(0, steps, CHUNK)):
        last = min(time + CHUNK, steps)
        job.run((last - time) * elements, part=kernels.BEFORE, time=time, streams=0)
        for t in reversed(range(time, last)):
            if t + 1 < steps:
                after = grad_total[t + 1, :, :neurons]
                through = job.whole(product(after, ready) if many else after @ ready)
                job.run(elements, part=kernels.STEP, t=t, through=through.data_ptr())
            else:
                job.run(elements, part=kernels.STEP, t=t)
        job.run((last - time) * elements, part=kernels.AFTER)


def width_of(current: Tensor) -> int:
    """Neurons as whole pairs of vectors."""
    lanes = 2 * REGISTER_BYTES // current.element_size()
    return -(-current.shape[-1] // lanes) * lanes


class Job:
    """A kernel, whose inputs and results have no gaps and whole pairs of vectors of neurons, and what it is told.

    Args:
        kernel: The kernel.
        call: What the scan is told.
        tasks: Number of tasks.
        rows: Rows of scratch memory; none for a kernel that runs no neurons.
        inputs: Tensors by the kernel's names, [..., N], or None.
        results: The same of what it writes.
        others: Tensors that it gets as they are.
    """

    def __init__(
        self,
        kernel: Callable[..., None],
        call: Forward | Backward,
        tasks: int,
        rows: int,
        inputs: Mapping[str, Tensor | None],
        results: Mapping[str, Tensor],
        **others: Tensor,
    ) -> None:
        current, weights = call.current, call.weights
        assert weights is not None
        self.shape = steps, batch, neurons = current.shape
        self.tasks, self.results, self.elements = tasks, results, current.numel() * WORD
        self.code, width = code_of_kernel(kernel, current.dtype, kernels.job_dtype), width_of(current)
        self.missing = width - neurons
        # Rows at a power of two would share lines of the cache.
        pitch, words = width + REGISTER_BYTES // current.element_size(), -(-neurons // WORD)
        given = {name: self.whole(tensor) for name, tensor in inputs.items() if tensor is not None}
        if rows:  # it runs the neurons
            given |= {"initial": self.whole(call.initial), "weights": self.whole(weights)}
            given["coefficients"] = pad(call.coefficients, (0, pitch - neurons))
            given["coefficients"][8, neurons:] = torch.inf  # what is added never fires, and no gate of it opens
            given["scratch"] = empty(current, (rows * pitch,))
        if call.lengths is not None:
            given["lengths"] = call.lengths.contiguous()
        self.written = {
            name: tensor
            if tensor.is_contiguous() and not self.missing
            else tensor.new_zeros((*tensor.shape[:-1], width))
            for name, tensor in results.items()
        }
        given |= self.written | others
        room = kernels.room_of(width, words)
        given["places"] = torch.zeros(tasks * room, dtype=torch.int64)  # a thread has those of the first of its tasks
        self.given, large = given, current.numel() * current.element_size() >= LARGE
        aligned = not any(tensor.data_ptr() % REGISTER_BYTES for tensor in self.written.values())
        values = {name: tensor.data_ptr() for name, tensor in given.items()} | {
            "steps": steps,
            "batch": batch,
            "neurons": width,
            "pitch": pitch,
            "tasks": tasks,
            "words": words,
            "room": room,
            "streams": large and aligned,
            "surrogate": call.surrogate,
            "shape1": call.shape1,
            "shape2": call.shape2,
            "detach_reset": call.detach_reset,
        }
        self.values = self.code.fill(self.code.absent.copy(), values)

    def whole(self, tensor: Tensor) -> Tensor:
        """A tensor with zeros after its neurons and without gaps."""
        return (pad(tensor, (0, self.missing)) if self.missing else tensor).contiguous()

    def run(self, elements: int | None = None, **changed: int) -> None:
        """Run the kernel, with fields changed for good; the number of elements tells how many threads share it."""
        self.code.fill(self.values, changed)
        self.code.run(self.code.pack(self.values), self.tasks, self.elements if elements is None else elements)

    def finish(self) -> None:
        """Put what was written where it is wanted."""
        for name, tensor in self.results.items():
            if self.written[name] is not tensor:
                tensor.copy_(self.written[name][..., : tensor.shape[-1]])
