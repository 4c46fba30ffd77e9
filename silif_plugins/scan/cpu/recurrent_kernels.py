"""Kernels of the recurrent form: a sequence after the other, each step by its events.

Forward writes the total currents I[t] + s[t-1] V. Backward writes the total gradients of the spikes, through V where
the surrogate's derivative is not 0: dL/ds[t] + V dL/dI[t+1]. With these the kernels without weights do the rest. V is
read row by row, [from, to], a row for an event or an open gate: that of 512 neurons stays in the cache.
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ...kernels.simd import (
    REGISTER_BYTES,
    bits,
    compiled,
    element_bytes,
    fma,
    inlined,
    load1,
    lowest,
    numbers_at,
    select,
    splat,
    store,
    total,
)
from ..layout import CHUNK
from .adjoints import nine_at, step_back
from .kernels import derivative, first_reset, step

FORWARD_ROWS, BACKWARD_ROWS = 3, 3 + 2 * (CHUNK + 1) + 3
"""Rows of scratch memory: mem, ada and spk; their gradients, the states of a chunk, and g, slope and h."""


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, flags, and addresses of tensors without gaps, N being whole vectors."""
    sizes = ("steps", "batch", "neurons", "tasks", "surrogate", "detach_reset", "inputs")
    tensors = ("coefficients", "weights", "lengths", "x", "initial", "chunks", "scratch", "places", "out")
    grads = ("grad_spk", "grad_final", "grad_mem", "grad_ada")
    return np.dtype([(name, np.int64) for name in sizes + tensors + grads] + [("shape1", real), ("shape2", real)])


@inlined
def length_of(job: Any, b: Any) -> Any:
    """Steps of a sequence."""
    return job.steps if job.lengths == 0 else numbers_at(job.lengths, job.steps)[b]


@inlined
def listed(numbers: Any, start: Any, size: Any, places: Any) -> Any:
    """Write the places of numbers that are not 0; return how many there are."""
    lanes, count = REGISTER_BYTES // element_bytes(numbers), 0
    for i in range(0, size, lanes):
        vector = load1(numbers, start + i)
        found = bits(vector != splat(vector, 0.0))
        while found:
            places[count] = i + lowest(found)
            found, count = found & (found - 1), count + 1
    return count


@compiled
def run_forward(begin: Any, end: Any, call: Any, hard: Any) -> None:
    """Write the total currents of sequences ``begin`` to ``end``."""
    job = carray(call, 1)[0]
    like, n, row = job.shape1, job.neurons, job.batch * job.neurons
    given, weights, x = numbers_at(job.coefficients, like), numbers_at(job.weights, like), numbers_at(job.x, like)
    initial, out = numbers_at(job.initial, like), numbers_at(job.out, like)
    lanes = REGISTER_BYTES // element_bytes(x)
    for b in range(begin, end):
        state, places = numbers_at(job.scratch, like), numbers_at(job.places + 8 * b * n, job.steps)
        mem = b * FORWARD_ROWS * n
        ada, spk, first = mem + n, mem + 2 * n, b * n
        length = min(job.steps, length_of(job, b))
        for i in range(0, n, lanes):
            store(state, mem + i, load1(initial, first + i))
            store(state, ada + i, load1(initial, row + first + i))
            store(state, spk + i, load1(initial, 2 * row + first + i))
        for t in range(length):
            count, at = listed(state, spk, n, places), t * row + first
            i = 0
            while i < n:
                if i + 4 * lanes <= n:
                    zero = splat(load1(x, at), 0.0)
                    c0, c1, c2, c3 = zero, zero, zero, zero
                    for event in range(count):
                        source, value = places[event] * n + i, splat(zero, state[spk + places[event]])
                        c0 = fma(value, load1(weights, source), c0)
                        c1 = fma(value, load1(weights, source + lanes), c1)
                        c2 = fma(value, load1(weights, source + 2 * lanes), c2)
                        c3 = fma(value, load1(weights, source + 3 * lanes), c3)
                    store(out, at + i, load1(x, at + i) + c0)
                    store(out, at + i + lanes, load1(x, at + i + lanes) + c1)
                    store(out, at + i + 2 * lanes, load1(x, at + i + 2 * lanes) + c2)
                    store(out, at + i + 3 * lanes, load1(x, at + i + 3 * lanes) + c3)
                    i += 4 * lanes
                else:
                    c0 = splat(load1(x, at), 0.0)
                    for event in range(count):
                        value = splat(c0, state[spk + places[event]])
                        c0 = fma(value, load1(weights, places[event] * n + i), c0)
                    store(out, at + i, load1(x, at + i) + c0)
                    i += lanes
            for i in range(0, n, lanes):
                coefficients = nine_at(given, i, n)
                _, _, _, _, _, _, r1, r2, threshold = coefficients
                m = load1(state, mem + i)
                reset = first_reset(load1(state, spk + i), m, r1, r2, hard)
                m, a = step(m, load1(state, ada + i), load1(out, at + i), reset, coefficients)
                store(state, mem + i, m)
                store(state, ada + i, a)
                store(state, spk + i, select(m > threshold, splat(m, 1.0), splat(m, 0.0)))
        for t in range(length, job.steps):
            for i in range(0, n, lanes):
                store(out, t * row + first + i, load1(x, t * row + first + i))


@inlined
def along(weights: Any, at: Any, g: Any, start: Any, n: Any) -> Any:
    """The product of a row of weights and g."""
    lanes = REGISTER_BYTES // element_bytes(weights)
    zero = splat(load1(weights, at), 0.0)
    c0, c1, c2, c3 = zero, zero, zero, zero
    i = 0
    while i + 4 * lanes <= n:
        c0 = fma(load1(weights, at + i), load1(g, start + i), c0)
        c1 = fma(load1(weights, at + i + lanes), load1(g, start + i + lanes), c1)
        c2 = fma(load1(weights, at + i + 2 * lanes), load1(g, start + i + 2 * lanes), c2)
        c3 = fma(load1(weights, at + i + 3 * lanes), load1(g, start + i + 3 * lanes), c3)
        i += 4 * lanes
    while i < n:
        c0 = fma(load1(weights, at + i), load1(g, start + i), c0)
        i += lanes
    return total((c0 + c1) + (c2 + c3))


@compiled
def run_backward(begin: Any, end: Any, call: Any, hard: Any) -> None:
    """Write the total gradients of the spikes of sequences ``begin`` to ``end``."""
    job = carray(call, 1)[0]
    like, n, row = job.shape1, job.neurons, job.batch * job.neurons
    given, weights, x = numbers_at(job.coefficients, like), numbers_at(job.weights, like), numbers_at(job.x, like)
    out, chunks = numbers_at(job.out, like), numbers_at(job.chunks, like)
    grad_spk, grad_final = numbers_at(job.grad_spk, like), numbers_at(job.grad_final, like)
    grad_mem, grad_ada = numbers_at(job.grad_mem, like), numbers_at(job.grad_ada, like)
    lanes = REGISTER_BYTES // element_bytes(x)
    for b in range(begin, end):
        own, first, places = numbers_at(job.scratch, like), b * n, numbers_at(job.places + 8 * b * n, job.steps)
        carry = b * BACKWARD_ROWS * n
        history, g = carry + 3 * n, carry + (3 + 2 * (CHUNK + 1)) * n
        slope, h = g + n, g + 2 * n
        length = min(job.steps, length_of(job, b))
        for i in range(0, n, lanes):
            zero = splat(load1(x, first), 0.0)
            for k in range(3):
                store(own, carry + k * n + i, zero)
                if job.grad_final != 0:
                    store(own, carry + k * n + i, load1(grad_final, k * row + first + i))
            store(own, g + i, zero)
            store(own, h + i, zero)
            for t in range(length, job.steps):
                store(out, t * row + first + i, zero)
        for time in range((length - 1) // CHUNK * CHUNK, -1, -CHUNK):
            active = min(CHUNK, length - time)
            before, begins = numbers_at(job.initial, like), time == 0
            if not begins:
                before = chunks
            saved = (0 if begins else (time // CHUNK - 1) * 2) * row + first
            for i in range(0, n, lanes):
                coefficients = nine_at(given, i, n)
                _, _, _, _, _, _, r1, r2, threshold = coefficients
                zero, one = splat(r1, 0.0), splat(r1, 1.0)
                m, a = load1(before, saved + i), load1(before, saved + row + i)
                s = load1(before, saved + 2 * row + i) if begins else select(m > threshold, one, zero)
                store(own, history + i, m)
                store(own, history + n + i, a)
                for t in range(active):
                    current = load1(x, (time + t) * row + first + i)
                    m, a = step(m, a, current, first_reset(s, m, r1, r2, hard), coefficients)
                    s = select(m > threshold, one, zero)
                    store(own, history + (2 * t + 2) * n + i, m)
                    store(own, history + (2 * t + 3) * n + i, a)
            for t in range(active - 1, -1, -1):
                at, after = (time + t) * row + first, history + (2 * t + 2) * n
                for i in range(0, n, lanes):
                    m = load1(own, after + i)
                    store(own, slope + i, derivative(m - load1(given, 8 * n + i), job))
                count = 0
                if time + t + 1 < length:
                    count = listed(own, slope, n, places)
                    for gate in range(count):
                        own[h + places[gate]] = along(weights, places[gate] * n, own, g, n)
                for i in range(0, n, lanes):
                    coefficients = nine_at(given, i, n)
                    _, _, _, _, _, _, _, _, threshold = coefficients
                    zero, one = splat(threshold, 0.0), splat(threshold, 1.0)
                    flows = splat(zero, 0.0 if job.detach_reset else 1.0) > zero
                    grad = load1(own, h + i)
                    store(own, h + i, zero)
                    if job.grad_spk != 0:
                        grad = grad + load1(grad_spk, at + i)
                    store(out, at + i, grad)
                    through = load1(own, slope + i) * (grad + load1(own, carry + 2 * n + i))
                    p, q = load1(own, carry + i) + through, load1(own, carry + n + i)
                    if job.grad_mem != 0:
                        p, q = p + load1(grad_mem, at + i), q + load1(grad_ada, at + i)
                    to_x, to_mem, to_ada, to_spk = step_back(p, q, coefficients)
                    if hard is not None:
                        m = load1(own, after - 2 * n + i)
                        s = select(m > threshold, one, zero)
                        if time + t == 0:
                            s = load1(numbers_at(job.initial, like), 2 * row + first + i)
                        to_mem, to_spk = fma(to_spk, s, to_mem), to_spk * m
                    store(own, g + i, to_x)
                    store(own, carry + i, to_mem)
                    store(own, carry + n + i, to_ada)
                    store(own, carry + 2 * n + i, select(flows, to_spk, zero))


def forward(begin: Any, end: Any, call: Any) -> None:
    """Total currents of neurons whose reset is R s."""
    run_forward(begin, end, call, None)


def forward_hard(begin: Any, end: Any, call: Any) -> None:
    """Total currents of neurons whose reset is R mem s."""
    run_forward(begin, end, call, True)


def backward(begin: Any, end: Any, call: Any) -> None:
    """Total gradients of the spikes of neurons whose reset is R s."""
    run_backward(begin, end, call, None)


def backward_hard(begin: Any, end: Any, call: Any) -> None:
    """Total gradients of the spikes of neurons whose reset is R mem s."""
    run_backward(begin, end, call, True)


def weight_gradient(begin: Any, end: Any, call: Any) -> None:
    """dL/dV for groups of ``inputs`` neurons: each event adds the gradient of the currents that it goes to."""
    job = carray(call, 1)[0]
    like, n, row = job.shape1, job.neurons, job.batch * job.neurons
    spk, grad, out = numbers_at(job.x, like), numbers_at(job.grad_spk, like), numbers_at(job.out, like)
    initial = numbers_at(job.initial, like)
    lanes = REGISTER_BYTES // element_bytes(spk)
    left, right = begin * job.inputs, min(n, end * job.inputs)
    for t in range(job.steps):
        for b in range(job.batch):
            at = t * row + b * n
            for start in range(left, right, lanes):
                vector = load1(initial, 2 * row + b * n + start) if t == 0 else load1(spk, at - row + start)
                found = bits(vector != splat(vector, 0.0))
                while found:
                    j = start + lowest(found)
                    found &= found - 1
                    factor = initial[2 * row + b * n + j] if t == 0 else spk[at - row + j]
                    value = splat(vector, factor)
                    for i in range(0, n, lanes):
                        store(out, j * n + i, fma(value, load1(grad, at + i), load1(out, j * n + i)))
