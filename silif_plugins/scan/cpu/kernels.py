"""The kernels: a tile of neurons runs through a chunk of time steps with its state in vector registers.

A tile is WIDTH bytes of neighbouring neurons, taken from [B, N] as one row of lanes, so that small N costs
nothing. Its rows of a chunk are copied into scratch memory that stays in the cache; the arithmetic sees only
that, and the copies deal with strides, with the last, partial tile and with the batch's edges.

Backward knows the input and the state before every chunk. It runs each chunk again, from the last to the
first, and then the adjoint over it:

    g = dL/ds[t] + R·λ[t+1]          the spike's gradient, through the output and through the reset
    λ[t] = Aᵀ λ[t+1] + (σ'(mem[t] - threshold) g, 0) + dL/dx[t]
    dL/dI[t] = B·λ[t],  dL/dA += λ[t] x[t-1]ᵀ,  dL/dB += λ[t] I[t],  dL/dR += λ[t] s[t-1]
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray, njit

from .simd import (
    REGISTER_BYTES,
    accumulate,
    array_at,
    element_bytes,
    fence,
    fma,
    load1,
    load2,
    magnitude,
    prefetch,
    select,
    splat,
    stack_array,
    store,
    store_bytes,
    stream,
)

compiled = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
inlined = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)

CHUNK = 32
"""Steps between two saved states: 2/32 of a tensor are kept for backward, and a chunk stays in the cache."""

WIDTH = 512
"""Bytes of a row of a tile."""

BLOCK = 8
"""Steps that are copied at a time, after memory was asked for them during the block before: their lines, which
may all belong to one set of the cache (rows are a power of two apart), still fit into its ways."""

BOXCAR, ATAN, FAST_SIGMOID, TRIANGLE, GIVEN = range(5)
"""The derivatives that the kernel knows; GIVEN is read from a tensor."""

A11, A12, A21, A22, B1, B2, R1, R2, THRESHOLD = np.arange(9)
"""Rows of a tile's scratch memory: first its coefficients. NumPy's integers, since numba would compile a kernel
again for every plain one that it is called with."""
SUMS, CARRY, X = np.cumsum([9, 9, 3])
MEM, ADA, SPK, GRAD = X + np.cumsum([CHUNK, *[CHUNK + 1] * 3])
GATE, GRAD_MEM, GRAD_ADA, SCRATCH_ROWS = GRAD + np.cumsum([CHUNK] * 4)
SCRATCH_BYTES = int(SCRATCH_ROWS) * WIDTH
TOTALS_BYTES = 9 * WIDTH * 2
FIRST, ONE, COEFFICIENTS, FIELDS = np.array([0, 1, 9, 3])

ADDRESS, TIME, BATCH, NEURON = range(4)
"""A view: where a [T, B, N] tensor lies (0 for an absent one), and its strides in elements."""


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, flags, and views of its inputs and outputs."""
    # A tile spans lanes of one row; tasks are what threads share. [B] lengths and [tasks, 9, N] sums by address.
    numbers = ("steps", "batch", "neurons", "row", "tiles", "tasks", "streams", "surrogate", "lengths", "sums")
    views = ("coefficients", "initial", "final", "chunks", "grad_initial", "grad_final")  # [9 | 3 | 3 | 2C, B, N]
    sequences = ("x", "spk", "mem", "ada", "grad_x", "grad_spk", "grad_mem", "grad_ada", "gate", "gates")
    return np.dtype(
        [(name, np.int64) for name in numbers]
        + [(name, np.int64, (4,)) for name in views + sequences]
        + [("shape1", real), ("shape2", real), ("gate_width", real)]
    )


@compiled
def copy_in(rows: Any, row: Any, view: Any, job: Any, lane: Any, count: Any, time: Any, steps: Any) -> None:
    """Copy steps x count lanes of a [T, B, N] tensor into rows of the scratch memory."""
    width, lanes = WIDTH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows)
    source, stride, unit = array_at(view[ADDRESS], job.shape1), view[TIME], view[NEURON]
    run = job.neurons * (job.batch if view[BATCH] == job.neurons * unit else 1)
    neuron, at = lane % run, view[TIME] * time + view[BATCH] * (lane // run)
    if unit == 1 and count == width and neuron + width <= run:
        at += neuron
        for t in range(steps):
            for i in range(0, width, lanes):
                store(rows, (row + t) * width + i, load1(source, at + i))
            at += stride
        return
    for t in range(steps):
        done, start, begin = 0, neuron, at
        while done < count:
            size = min(count - done, run - start)
            first, to = begin + start * unit, (row + t) * width + done
            if unit == 1 and size >= lanes:
                for i in range(0, size, lanes):
                    i = min(i, size - lanes)  # the last vector overlaps the one before it
                    store(rows, to + i, load1(source, first + i))
            else:
                for i in range(size):
                    rows[to + i] = source[first + i * unit]
            done, start, begin = done + size, 0, begin + view[BATCH]
        at += stride


@compiled
def copy_out(view: Any, rows: Any, row: Any, job: Any, lane: Any, count: Any, time: Any, steps: Any) -> None:
    """Copy rows of the scratch memory into steps x count lanes of a [T, B, N] tensor."""
    width, lanes = WIDTH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows)
    target, stride, unit = array_at(view[ADDRESS], job.shape1), view[TIME], view[NEURON]
    run = job.neurons * (job.batch if view[BATCH] == job.neurons * unit else 1)
    neuron, at = lane % run, view[TIME] * time + view[BATCH] * (lane // run)
    if unit == 1 and count == width and neuron + width <= run:
        at += neuron
        address, pitch = view[ADDRESS] + at * element_bytes(rows), stride * element_bytes(rows)
        if job.streams and (address | pitch) % REGISTER_BYTES == 0:
            for t in range(steps):
                for i in range(0, width, lanes):
                    stream(target, at + i, load1(rows, (row + t) * width + i))
                at += stride
            return
        for t in range(steps):
            for i in range(0, width, lanes):
                store(target, at + i, load1(rows, (row + t) * width + i))
            at += stride
        return
    for t in range(steps):
        done, start, begin = 0, neuron, at
        while done < count:
            size = min(count - done, run - start)
            first, to = begin + start * unit, (row + t) * width + done
            if unit == 1 and size >= lanes:
                for i in range(0, size, lanes):
                    i = min(i, size - lanes)
                    store(target, first + i, load1(rows, to + i))
            else:
                for i in range(size):
                    target[first + i * unit] = rows[to + i]
            done, start, begin = done + size, 0, begin + view[BATCH]
        at += stride


@compiled
def write_gates(rows: Any, job: Any, lane: Any, count: Any, time: Any, steps: Any) -> None:
    """Write a byte per step and lane: whether mem is within the support of the surrogate's derivative."""
    width, lanes = WIDTH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows)
    target, stride, unit = array_at(job.gates[ADDRESS], np.uint8(0)), job.gates[TIME], job.gates[NEURON]
    contiguous = unit == 1 and (job.gates[BATCH] == job.neurons or lane % job.neurons + count <= job.neurons)
    first = place(job.gates, job, lane, time)
    if job.streams and contiguous and count == width and (job.gates[ADDRESS] | first | stride) % REGISTER_BYTES == 0:
        for t in range(steps):
            for i in range(0, width, lanes):
                x = load1(rows, (MEM + 1 + t) * width + i) - load1(rows, THRESHOLD * width + i)
                # As bytes into memory for numbers: a quarter or an eighth of it.
                store_bytes(rows, GATE * width + i // element_bytes(rows), magnitude(x) <= splat(x, job.gate_width))
            row = array_at(job.gates[ADDRESS] + first + t * stride, job.shape1)
            for i in range(0, width // element_bytes(rows), lanes):
                stream(row, i, load1(rows, GATE * width + i))
        return
    for t in range(steps):
        done = 0
        while done < count:
            neuron = (lane + done) % job.neurons
            size = min(count - done, job.neurons - neuron)
            to = stride * (time + t) + job.gates[BATCH] * ((lane + done) // job.neurons) + neuron * unit
            row = (MEM + 1 + t) * width + done
            if unit == 1 and size >= lanes:
                for i in range(0, size, lanes):
                    i = min(i, size - lanes)
                    x = load1(rows, row + i) - load1(rows, THRESHOLD * width + done + i)
                    store_bytes(target, to + i, magnitude(x) <= splat(x, job.gate_width))
            else:
                for i in range(size):
                    x = abs(rows[row + i] - rows[THRESHOLD * width + done + i])
                    target[to + i * unit] = 1 if x <= job.gate_width else 0
            done += size


@inlined
def place(view: Any, job: Any, lane: Any, time: Any) -> Any:
    """Index of a lane at a time step in the memory of a [T, B, N] tensor."""
    return view[TIME] * time + view[BATCH] * (lane // job.neurons) + view[NEURON] * (lane % job.neurons)


@compiled
def advance(rows: Any, first: Any, keep: Any, count: Any, steps: Any, source: Any, soon: Any, stride: Any) -> None:
    """Run a tile through a block: row ``first`` of MEM, ADA and SPK is the state before it.

    With ``keep`` 1 row first + t + 1 follows step t; with 0 only the last mem and ada are kept, in row 0.
    Meanwhile the next block is fetched from ``source``, where it begins at ``soon``.
    """
    width, lanes = WIDTH // element_bytes(rows), 2 * REGISTER_BYTES // element_bytes(rows)
    kept = width * keep
    for i in range(0, count, lanes):
        a11, a12 = load2(rows, A11 * width + i), load2(rows, A12 * width + i)
        a21, a22 = load2(rows, A21 * width + i), load2(rows, A22 * width + i)
        b1, b2 = load2(rows, B1 * width + i), load2(rows, B2 * width + i)
        r1, r2 = load2(rows, R1 * width + i), load2(rows, R2 * width + i)
        threshold = load2(rows, THRESHOLD * width + i)
        zero, one = splat(a11, 0.0), splat(a11, 1.0)
        m, a = load2(rows, MEM * width + first * kept + i), load2(rows, ADA * width + first * kept + i)
        s = load2(rows, (SPK + first) * width + i)
        reset1, reset2 = r1 * s, r2 * s
        for t in range(steps):
            prefetch(source, soon + t * stride + i)
            prefetch(source, soon + t * stride + i + lanes // 2)
            current = load2(rows, (X + first + t) * width + i)
            # The order of the reference: its results to the last bit.
            m, a = a11 * m + a12 * a + b1 * current + reset1, a21 * m + a22 * a + b2 * current + reset2
            fired = m > threshold
            s, reset1, reset2 = select(fired, one, zero), select(fired, r1, zero), select(fired, r2, zero)
            store(rows, MEM * width + (first + t + 1) * kept + i, m)
            store(rows, ADA * width + (first + t + 1) * kept + i, a)
            store(rows, (SPK + first + t + 1) * width + i, s)


@inlined
def derivative(x: Any, job: Any) -> Any:
    """The surrogate's derivative at x = mem - threshold; see the classes of silif_plugins.surrogate."""
    zero, one, first = splat(x, 0.0), splat(x, 1.0), splat(x, job.shape1)
    if job.surrogate == BOXCAR:
        return select(x > zero - first, select(x <= first, one, zero), zero)
    if job.surrogate == ATAN:
        scaled = splat(x, math.pi / 2) * first * x
        return splat(x, 0.5) * first / (one + scaled * scaled)
    if job.surrogate == FAST_SIGMOID:
        scaled = one + first * magnitude(x)
        return one / (scaled * scaled)
    rest = one - magnitude(x) / splat(x, job.shape2)
    return first * select(rest > zero, rest, zero)


@compiled
def adjoint(rows: Any, job: Any, first: Any, count: Any, steps: Any, source: Any, soon: Any, stride: Any) -> None:
    """Run the adjoint over a block backwards: GRAD holds dL/ds and becomes dL/dI.

    CARRY is the gradient of the state after the block (mem, ada, spk) and becomes that of the one before it; SUMS
    are gradients of the coefficients. Meanwhile the next block is fetched, as in :func:`advance`.
    """
    width, lanes = WIDTH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows)
    traced = job.grad_mem[ADDRESS] != 0
    for i in range(0, count, lanes):
        a11, a12 = load1(rows, A11 * width + i), load1(rows, A12 * width + i)
        a21, a22 = load1(rows, A21 * width + i), load1(rows, A22 * width + i)
        b1, b2 = load1(rows, B1 * width + i), load1(rows, B2 * width + i)
        r1, r2 = load1(rows, R1 * width + i), load1(rows, R2 * width + i)
        threshold = load1(rows, THRESHOLD * width + i)
        carry_mem, carry_ada = load1(rows, CARRY * width + i), load1(rows, (CARRY + 1) * width + i)
        carry_spk = load1(rows, (CARRY + 2) * width + i)
        s11, s12 = load1(rows, (SUMS + A11) * width + i), load1(rows, (SUMS + A12) * width + i)
        s21, s22 = load1(rows, (SUMS + A21) * width + i), load1(rows, (SUMS + A22) * width + i)
        sb1, sb2 = load1(rows, (SUMS + B1) * width + i), load1(rows, (SUMS + B2) * width + i)
        sr1, sr2 = load1(rows, (SUMS + R1) * width + i), load1(rows, (SUMS + R2) * width + i)
        sth = load1(rows, (SUMS + THRESHOLD) * width + i)
        for t in range(steps - 1, -1, -1):
            prefetch(source, soon + t * stride + i)
            at = (first + t) * width + i
            if job.surrogate == GIVEN:
                slope = load1(rows, GATE * width + at)
            else:
                slope = derivative(load1(rows, (MEM + 1) * width + at) - threshold, job)
            through = slope * (load1(rows, GRAD * width + at) + carry_spk)
            p, q = carry_mem + through, carry_ada
            if traced:
                p = p + load1(rows, GRAD_MEM * width + at)
                q = q + load1(rows, GRAD_ADA * width + at)
            store(rows, GRAD * width + at, fma(b1, p, b2 * q))
            carry_mem, carry_ada = fma(a11, p, a21 * q), fma(a12, p, a22 * q)
            carry_spk = fma(r1, p, r2 * q)
            m, a = load1(rows, MEM * width + at), load1(rows, ADA * width + at)
            s, current = load1(rows, SPK * width + at), load1(rows, X * width + at)
            s11, s12, s21, s22 = fma(p, m, s11), fma(p, a, s12), fma(q, m, s21), fma(q, a, s22)
            sb1, sb2, sr1, sr2 = fma(p, current, sb1), fma(q, current, sb2), fma(p, s, sr1), fma(q, s, sr2)
            sth = sth - through
        store(rows, CARRY * width + i, carry_mem)
        store(rows, (CARRY + 1) * width + i, carry_ada)
        store(rows, (CARRY + 2) * width + i, carry_spk)
        store(rows, (SUMS + A11) * width + i, s11)
        store(rows, (SUMS + A12) * width + i, s12)
        store(rows, (SUMS + A21) * width + i, s21)
        store(rows, (SUMS + A22) * width + i, s22)
        store(rows, (SUMS + B1) * width + i, sb1)
        store(rows, (SUMS + B2) * width + i, sb2)
        store(rows, (SUMS + R1) * width + i, sr1)
        store(rows, (SUMS + R2) * width + i, sr2)
        store(rows, (SUMS + THRESHOLD) * width + i, sth)


@compiled
def locate(job: Any, index: Any, width: Any) -> tuple[int, int, int]:
    """Where tile number ``index`` lies: its first lane, its number of lanes, and how many steps it runs."""
    per_row = (job.row + width - 1) // width
    inside = index % per_row * width
    lane = index // per_row * job.row + inside
    length = job.steps if job.lengths == 0 else array_at(job.lengths, job.steps)[lane // job.neurons]
    return lane, min(width, job.row - inside), length


@compiled
def move(rows: Any, source: Any, target: Any) -> None:
    """Copy one row of the scratch memory to another."""
    width, lanes = WIDTH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows)
    for i in range(0, width, lanes):
        store(rows, target * width + i, load1(rows, source * width + i))


@compiled
def clear(rows: Any, row: Any, steps: Any) -> None:
    """Set rows of the scratch memory to zero."""
    width, lanes = WIDTH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows)
    zero = splat(load1(rows, 0), 0.0)
    for i in range(row * width, (row + steps) * width, lanes):
        store(rows, i, zero)


def forward(begin: Any, end: Any, call: Any) -> None:
    """Run the tiles of tasks ``begin`` to ``end``: spikes, states before the chunks, last state; states on request."""
    job = carray(call, 1)[0]
    rows, x = stack_array(SCRATCH_BYTES, job.shape1), array_at(job.x[ADDRESS], job.shape1)
    width, keep = WIDTH // element_bytes(rows), int(job.mem[ADDRESS] != 0 or job.gates[ADDRESS] != 0)
    clear(rows, FIRST, SCRATCH_ROWS)
    for index in range(begin * job.tiles // job.tasks, end * job.tiles // job.tasks):
        lane, count, length = locate(job, index, width)
        copy_in(rows, A11, job.coefficients, job, lane, count, FIRST, COEFFICIENTS)
        for k in range(3):
            copy_in(rows, MEM + k * (CHUNK + 1), job.initial, job, lane, count, k, ONE)
        for time in range(0, job.steps, BLOCK):
            steps = min(BLOCK, job.steps - time)
            active = max(0, min(steps, length - time))
            if time > 0 and time % CHUNK == 0:
                for k in range(2):
                    copy_out(job.chunks, rows, MEM + k * (CHUNK + 1), job, lane, count, time // CHUNK * 2 - 2 + k, ONE)
            copy_in(rows, X, job.x, job, lane, count, time, active)
            soon = place(job.x, job, lane, time + BLOCK)
            advance(rows, FIRST, keep, count, active, x, soon, job.x[TIME])
            clear(rows, SPK + active + 1, steps - active)
            copy_out(job.spk, rows, SPK + 1, job, lane, count, time, steps)
            if keep:
                clear(rows, MEM + active + 1, steps - active)
                clear(rows, ADA + active + 1, steps - active)
                if job.mem[ADDRESS]:
                    copy_out(job.mem, rows, MEM + 1, job, lane, count, time, steps)
                    copy_out(job.ada, rows, ADA + 1, job, lane, count, time, steps)
                if job.gates[ADDRESS]:
                    write_gates(rows, job, lane, count, time, steps)
            move(rows, MEM + active * keep, MEM)
            move(rows, ADA + active * keep, ADA)
            move(rows, SPK + active, SPK)
        for k in range(3):
            copy_out(job.final, rows, MEM + k * (CHUNK + 1), job, lane, count, k, ONE)
    fence()


def backward(begin: Any, end: Any, call: Any) -> None:
    """Run the adjoint of tasks ``begin`` to ``end``; each task sums its coefficients' gradients in its own place."""
    job = carray(call, 1)[0]
    rows = stack_array(SCRATCH_BYTES, job.shape1)
    x, grad_spk = array_at(job.x[ADDRESS], job.shape1), array_at(job.grad_spk[ADDRESS], job.shape1)
    totals, sums = stack_array(TOTALS_BYTES, 1.0), array_at(job.sums, 1.0)
    width = WIDTH // element_bytes(rows)
    clear(rows, FIRST, SCRATCH_ROWS)
    for task in range(begin, end):
        for index in range(task * job.tiles // job.tasks, (task + 1) * job.tiles // job.tasks):
            lane, count, length = locate(job, index, width)
            copy_in(rows, A11, job.coefficients, job, lane, count, FIRST, COEFFICIENTS)
            clear(rows, CARRY, FIELDS)
            if job.grad_final[ADDRESS]:
                copy_in(rows, CARRY, job.grad_final, job, lane, count, FIRST, FIELDS)
            for i in range(9 * width):
                totals[i] = 0
            for time in range((job.steps - 1) // CHUNK * CHUNK, -1, -CHUNK):
                steps = min(CHUNK, job.steps - time)
                active = max(0, min(steps, length - time))
                if time == 0:
                    for k in range(3):
                        copy_in(rows, MEM + k * (CHUNK + 1), job.initial, job, lane, count, k, ONE)
                else:
                    for k in range(2):
                        copy_in(
                            rows, MEM + k * (CHUNK + 1), job.chunks, job, lane, count, time // CHUNK * 2 - 2 + k, ONE
                        )
                    for i in range(width):
                        fired = rows[MEM * width + i] - rows[THRESHOLD * width + i] > 0
                        rows[SPK * width + i] = 1 if fired else 0
                for first in range(0, active, BLOCK):
                    block = min(BLOCK, active - first)
                    copy_in(rows, X + first, job.x, job, lane, count, time + first, block)
                    if first + BLOCK < active:
                        soon = place(job.x, job, lane, time + first + BLOCK)
                        advance(rows, first, ONE, count, block, x, soon, job.x[TIME])
                    else:
                        soon = place(job.grad_spk, job, lane, time + first)
                        advance(rows, first, ONE, count, block, grad_spk, soon, job.grad_spk[TIME])
                clear(rows, SUMS, COEFFICIENTS)
                for first in range((active - 1) // BLOCK * BLOCK, -1, -BLOCK):
                    block = min(BLOCK, active - first)
                    if job.grad_spk[ADDRESS]:
                        copy_in(rows, GRAD + first, job.grad_spk, job, lane, count, time + first, block)
                    else:
                        clear(rows, GRAD + first, block)
                    if job.grad_mem[ADDRESS]:
                        copy_in(rows, GRAD_MEM + first, job.grad_mem, job, lane, count, time + first, block)
                        copy_in(rows, GRAD_ADA + first, job.grad_ada, job, lane, count, time + first, block)
                    if job.surrogate == GIVEN:
                        copy_in(rows, GATE + first, job.gate, job, lane, count, time + first, block)
                    if first > 0:
                        soon = place(job.grad_spk, job, lane, time + first - BLOCK)
                        adjoint(rows, job, first, count, block, grad_spk, soon, job.grad_spk[TIME])
                    else:
                        soon = place(job.x, job, lane, time - CHUNK)
                        adjoint(rows, job, first, count, block, x, soon, job.x[TIME])
                    if job.grad_x[ADDRESS]:
                        copy_out(job.grad_x, rows, GRAD + first, job, lane, count, time + first, block)
                if job.grad_x[ADDRESS] and active < steps:
                    clear(rows, GRAD + active, steps - active)
                    copy_out(job.grad_x, rows, GRAD + active, job, lane, count, time + active, steps - active)
                for i in range(0, 9 * width, REGISTER_BYTES // element_bytes(rows)):
                    accumulate(totals, i, load1(rows, SUMS * width + i))
            copy_out(job.grad_initial, rows, CARRY, job, lane, count, FIRST, FIELDS)
            for k in range(9):
                neuron = lane % job.neurons
                for i in range(count):
                    sums[(task * 9 + k) * job.neurons + neuron] += totals[k * width + i]
                    neuron = neuron + 1 if neuron + 1 < job.neurons else 0
    fence()
