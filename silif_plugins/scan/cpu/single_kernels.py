"""Kernels of one step: a vector of neurons after the other, each for the whole batch."""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ...kernels.simd import REGISTER_BYTES, element_bytes, load1, numbers_at, select, splat, store
from .adjoints import added, nine_at, put_nine, step_back
from .kernels import derivative, first_reset, step


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, flags, and addresses of [B, N], of [3, B, N] for states and [9, N] coefficients."""
    sizes = ("batch", "neurons", "surrogate", "detach_reset")
    inputs = ("coefficients", "x", "mem", "ada", "spk", "grad_mem", "grad_ada", "grad_spk")
    outputs = ("state", "grad_x", "grad_state", "grad_coefficients")
    return np.dtype([(name, np.int64) for name in sizes + inputs + outputs] + [("shape1", real), ("shape2", real)])


def forward(begin: Any, end: Any, call: Any) -> None:
    """Run one step for vectors ``begin`` to ``end`` of neurons; the last one overlaps the one before it."""
    job = carray(call, 1)[0]
    like, n, size = job.shape1, job.neurons, job.batch * job.neurons
    given, x, state = numbers_at(job.coefficients, like), numbers_at(job.x, like), numbers_at(job.state, like)
    mem, ada, spk = numbers_at(job.mem, like), numbers_at(job.ada, like), numbers_at(job.spk, like)
    lanes = REGISTER_BYTES // element_bytes(x)
    for vector in range(begin, end):
        i = min(vector * lanes, n - lanes)
        coefficients = nine_at(load1, given, i, n)
        _, _, _, _, _, _, r1, r2, threshold = coefficients
        zero, one = splat(r1, 0.0), splat(r1, 1.0)
        for at in range(i, size, n):
            m = load1(mem, at)
            reset = first_reset(load1(spk, at), m, r1, r2, None)
            m, a = step(m, load1(ada, at), load1(x, at), reset, coefficients)
            store(state, at, m)
            store(state, at + size, a)
            store(state, at + 2 * size, select(m > threshold, one, zero))


def backward(begin: Any, end: Any, call: Any) -> None:
    """Run the adjoint; gradients of the coefficients are sums over the batch."""
    job = carray(call, 1)[0]
    like, n, size = job.shape1, job.neurons, job.batch * job.neurons
    given, x = numbers_at(job.coefficients, like), numbers_at(job.x, like)
    mem, ada, spk = numbers_at(job.mem, like), numbers_at(job.ada, like), numbers_at(job.spk, like)
    grad_mem, grad_ada = numbers_at(job.grad_mem, like), numbers_at(job.grad_ada, like)
    grad_spk, grad_x = numbers_at(job.grad_spk, like), numbers_at(job.grad_x, like)
    grad_state, grads = numbers_at(job.grad_state, like), numbers_at(job.grad_coefficients, like)
    lanes = REGISTER_BYTES // element_bytes(x)
    for vector in range(begin, end):
        i = min(vector * lanes, n - lanes)
        coefficients = nine_at(load1, given, i, n)
        _, _, _, _, _, _, r1, r2, threshold = coefficients
        zero = splat(r1, 0.0)
        flows = splat(zero, 0.0 if job.detach_reset else 1.0) > zero
        sums = zero, zero, zero, zero, zero, zero, zero, zero, zero
        for at in range(i, size, n):
            m, a, s, current = load1(mem, at), load1(ada, at), load1(spk, at), load1(x, at)
            after, _ = step(m, a, current, first_reset(s, m, r1, r2, None), coefficients)
            through = p = q = zero
            if job.grad_spk != 0:
                through = p = derivative(after - threshold, job) * load1(grad_spk, at)
            if job.grad_mem != 0:
                p = p + load1(grad_mem, at)
            if job.grad_ada != 0:
                q = load1(grad_ada, at)
            to_x, to_mem, to_ada, to_spk = step_back(p, q, coefficients)
            store(grad_x, at, to_x)
            store(grad_state, at, to_mem)
            store(grad_state, at + size, to_ada)
            store(grad_state, at + 2 * size, select(flows, to_spk, zero))
            sums = added(sums, p, q, m, a, current, s, through)
        put_nine(grads, i, n, sums)
