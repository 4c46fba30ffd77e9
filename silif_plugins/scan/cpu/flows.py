"""The kernels for steps of their own length: those of ``kernels.py``, with coefficients that each duration has anew.

    y = x[t-1] + K s[t-1],   x[t] = (p 1 + q M) y + B I[t],   p, q of :class:`silif_plugins.dynamics.Flow`
    μ = (p 1 + q M)ᵀ λ[t],   dL/dx[t-1] = μ,   dL/ds[t-1] = K·μ
    dL/dp = λ·y,   dL/dq = λ·(M y), and from them the rates' and the phase's

A tile lies within one sequence, whose durations are numbers. Backward keeps what makes p and q of the steps of a chunk.
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ...kernels import bundles, elementary
from ...kernels.simd import (
    REGISTER_BYTES,
    address_of,
    bits,
    compiled,
    element_bytes,
    fence,
    fma,
    inlined,
    load1,
    numbers_at,
    select,
    splat,
    stack_numbers,
    store,
)
from ..layout import CHUNK
from .kernels import FIRST, TOTAL, derivative, get, put
from .systems import fetch
from .tiles import ADDRESS, LOAD, OUT, PITCH, SAVE, TIME, add_lanes, clear, copy, locate, place, reading, span

NUMBERS, FIELDS = np.array([11, 3])
ALL = (None,) * 11
"""As many as a flow has coefficients."""

SUMS, CARRY, MEM, SAVED, HISTORY = np.cumsum([11, 11, 3, 3, 3])
SLOTS = 5
"""Vectors of a step in the history: mem and ada before it, e^(-slow t) cos, e^(-slow t) sin, d."""

HISTORY_ROWS = -(-SLOTS * REGISTER_BYTES * (CHUNK + 1) // PITCH)
X, SPKS, MEMS, ADAS, GRADS, SCRATCH_ROWS = HISTORY + HISTORY_ROWS + CHUNK * np.arange(6)
SCRATCH_BYTES = int(SCRATCH_ROWS) * PITCH
TOTAL_BYTES = 11 * PITCH * 2


@inlined
def kinds(coefficients: Any) -> Any:
    """Where two decays differ; whether they do anywhere; whether there is a phase anywhere."""
    zero = splat(coefficients[0], 0.0)
    apart = coefficients[1] > zero
    return apart, bits(apart) != 0, bits(coefficients[2] != zero) != 0


@inlined
def elapse(duration: Any, coefficients: Any, some: Any) -> Any:
    """e^(-slow t) cos(turn t), e^(-slow t) sin(turn t) and d for a duration."""
    slow, gap, turn = coefficients[0], coefficients[1], coefficients[2]
    zero, one, t = splat(slow, 0.0), splat(slow, 1.0), splat(slow, duration)
    decay = elementary.exp((zero - slow) * t)
    sine, cosine, d = zero, one, zero
    if some[1]:
        d = elementary.expm1((zero - gap) * t) * splat(slow, -0.5)
    if some[2]:
        sine, cosine = elementary.sincos(turn * t)
    return decay * cosine, decay * sine, d


@inlined
def step(m: Any, a: Any, s: Any, current: Any, weights: Any, coefficients: Any, some: Any) -> Any:
    """The state after a duration and an input."""
    _, _, _, m11, m12, m21, b1, b2, k1, k2, threshold = coefficients
    p, q, d = weights
    if some[1]:
        p, q = p * (splat(d, 1.0) - d), select(some[0], p * d, q)
    y1, y2 = fma(k1, s, m), fma(k2, s, a)
    m = fma(p, y1, fma(q, fma(m11, y1, m12 * y2), b1 * current))
    a = fma(p, y2, fma(q, fma(m21, y1, (splat(d, 0.0) - m11) * y2), b2 * current))
    return m, a, select(m > threshold, splat(d, 1.0), splat(d, 0.0))


@compiled
def advance(
    rows: Any, job: Any, tile: Any, count: Any, time: Any, active: Any, steps: Any, x: Any, soon: Any, out: Any
) -> None:
    """Run a tile through a chunk: ``active`` steps, and zeros in the rest of ``steps``."""
    pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
    saves, chunks, spk, mem, ada = out
    durations, traced = numbers_at(job.gate[ADDRESS], like), job.mem[ADDRESS] != 0
    first = place(job.gate, tile, time)
    for i in range(0, count, lanes):
        coefficients = bundles.load(ALL, rows, i, pitch)
        some = kinds(coefficients)
        m, a, s = load1(rows, MEM * pitch + i), load1(rows, (MEM + 1) * pitch + i), load1(rows, (MEM + 2) * pitch + i)
        zero = splat(m, 0.0)
        if saves:
            put(chunks, 0, i, m, like)
            put(chunks, 1, i, a, like)
        for t in range(active):
            fetch(numbers_at(job.x[ADDRESS], like), soon + t * x[1], i)
            weights = elapse(durations[first + t * job.gate[TIME]], coefficients, some)
            m, a, s = step(m, a, s, get(load1, x, t, i, like), weights, coefficients, some)
            put(spk, t, i, s, like)
            if traced:
                put(mem, t, i, m, like)
                put(ada, t, i, a, like)
        store(rows, MEM * pitch + i, m)
        store(rows, (MEM + 1) * pitch + i, a)
        store(rows, (MEM + 2) * pitch + i, s)
        for t in range(active, steps):
            put(spk, t, i, zero, like)
            if traced:
                put(mem, t, i, zero, like)
                put(ada, t, i, zero, like)


@compiled
def adjoint(
    rows: Any,
    totals: Any,
    job: Any,
    tile: Any,
    count: Any,
    time: Any,
    active: Any,
    steps: Any,
    state: Any,
    spans: Any,
    out: Any,
) -> None:
    """Run a tile through a chunk again, and the adjoint back over it; as that of ``kernels.py``."""
    lanes, like = REGISTER_BYTES // element_bytes(rows), job.shape1
    durations = numbers_at(job.gate[ADDRESS] + place(job.gate, tile, time) * element_bytes(rows), like)
    for i in range(0, count, lanes):
        first = run_again(rows, job, durations, i, active, state, spans)
        run_back(rows, totals, job, durations, i, first, active, state, spans, out)
        for t in range(active, steps):
            put(out, t, i, splat(load1(rows, i), 0.0), like)


@inlined
def run_again(rows: Any, job: Any, durations: Any, i: Any, active: Any, state: Any, spans: Any) -> Any:
    """Write the states before and after the steps of a chunk to the history; return the spikes before it."""
    pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
    begins, _, before = state
    x, at = spans[0], HISTORY * pitch
    coefficients = bundles.load(ALL, rows, i, pitch)
    some, threshold = kinds(coefficients), coefficients[10]
    m, a = get(load1, before, 0, i, like), get(load1, before, 1, i, like)
    s = get(load1, before, 2, i, like) if begins else select(m > threshold, splat(m, 1.0), splat(m, 0.0))
    first = s
    for t in range(active):
        weights = elapse(durations[t * job.gate[TIME]], coefficients, some)
        bundles.store(rows, at, lanes, (m, a, weights[0], weights[1], weights[2]))
        m, a, s = step(m, a, s, get(load1, x, t, i, like), weights, coefficients, some)
        at += SLOTS * lanes
    bundles.store(rows, at, lanes, (m, a))
    return first


@inlined
def run_back(
    rows: Any,
    totals: Any,
    job: Any,
    durations: Any,
    i: Any,
    first: Any,
    active: Any,
    state: Any,
    spans: Any,
    out: Any,
) -> None:
    """Run the adjoint over a chunk, for one vector."""
    pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
    x, grad, grad_mem, grad_ada = spans
    traced = job.grad_mem[ADDRESS] != 0
    coefficients = bundles.load(ALL, rows, i, pitch)
    _, _, _, m11, m12, m21, b1, b2, k1, k2, threshold = coefficients
    apart, _, _ = kinds(coefficients)
    slow, gap, turn, s11, s12, s21, sb1, sb2, sk1, sk2, total = bundles.load(ALL, rows, SUMS * pitch + i, pitch)
    zero, one, half = splat(m11, 0.0), splat(m11, 1.0), splat(m11, 0.5)
    flows = splat(zero, 0.0 if job.detach_reset else 1.0) > zero
    carry_mem, carry_ada = load1(rows, CARRY * pitch + i), load1(rows, (CARRY + 1) * pitch + i)
    carry_spk, at = load1(rows, (CARRY + 2) * pitch + i), HISTORY * pitch + active * SLOTS * lanes
    after = load1(rows, at)
    for t in range(active - 1, -1, -1):
        through = derivative(after - threshold, job) * (get(load1, grad, t, i, like) + carry_spk)
        p1, p2 = carry_mem + through, carry_ada
        if traced:
            p1 = p1 + get(load1, grad_mem, t, i, like)
            p2 = p2 + get(load1, grad_ada, t, i, like)
        put(out, t, i, fma(b1, p1, b2 * p2), like)
        at -= SLOTS * lanes
        m, a, d = load1(rows, at), load1(rows, at + lanes), load1(rows, at + 4 * lanes)
        in_phase, out_of_phase = load1(rows, at + 2 * lanes), load1(rows, at + 3 * lanes)
        rest, current = one - d, get(load1, x, t, i, like)
        p, q = in_phase * rest, select(apart, in_phase * d, out_of_phase)
        s = select(m > threshold, one, zero) if t > 0 else first
        y1, y2 = m + k1 * s, a + k2 * s
        dp, dq = fma(p1, y1, p2 * y2), fma(p1, fma(m11, y1, m12 * y2), p2 * (m21 * y1 - m11 * y2))
        duration = splat(zero, durations[t * job.gate[TIME]])
        slow = slow - duration * fma(p, dp, q * dq)
        gap = fma(duration * (half - d), in_phase * (select(apart, dq, zero) - dp), gap)
        turned = select(apart, (zero - out_of_phase) * d, in_phase)
        turn = fma(duration, turned * dq - out_of_phase * rest * dp, turn)
        s11, s12, s21 = fma(q, p1 * y1 - p2 * y2, s11), fma(q * p1, y2, s12), fma(q * p2, y1, s21)
        sb1, sb2, total = fma(p1, current, sb1), fma(p2, current, sb2), total - through
        carry_mem = fma(p, p1, q * fma(m11, p1, m21 * p2))
        carry_ada = fma(p, p2, q * (m12 * p1 - m11 * p2))
        sk1, sk2 = fma(carry_mem, s, sk1), fma(carry_ada, s, sk2)
        carry_spk = select(flows, fma(k1, carry_mem, k2 * carry_ada), zero)
        after = m
    store(rows, CARRY * pitch + i, carry_mem)
    store(rows, (CARRY + 1) * pitch + i, carry_ada)
    store(rows, (CARRY + 2) * pitch + i, carry_spk)
    sums = (slow, gap, turn, s11, s12, s21, sb1, sb2, sk1, sk2, total)
    if state[1]:
        bundles.accumulate(totals, i, pitch, sums)
        sums = bundles.repeat(ALL, zero)
    bundles.store(rows, SUMS * pitch + i, pitch, sums)


def forward(begin: Any, end: Any, call: Any) -> None:
    """Run the tiles of tasks ``begin`` to ``end``: spikes, states before the chunks, last state; states on request."""
    job = carray(call, 1)[0]
    rows = stack_numbers(SCRATCH_BYTES, job.shape1)
    scratch, size = address_of(rows), element_bytes(rows)
    for index in range(begin * job.tiles // job.tasks, end * job.tiles // job.tasks):
        tile = locate(job, index)
        _, _, _, count, length = tile
        copy(rows, FIRST, job.coefficients, job, tile, FIRST, NUMBERS, LOAD)
        copy(rows, MEM, job.initial, job, tile, FIRST, FIELDS, LOAD)
        for time in range(0, job.steps, CHUNK):
            steps = min(CHUNK, job.steps - time)
            active = max(0, min(steps, length - time))
            saved = time // CHUNK * 2 - 2
            chunks = span(scratch, SAVED, job.chunks, job, tile, saved, size)
            x = reading(rows, scratch, X, job.x, job, tile, time, active)
            spk = span(scratch, SPKS, job.spk, job, tile, time, size)
            mem = span(scratch, MEMS, job.mem, job, tile, time, size)
            ada = span(scratch, ADAS, job.ada, job, tile, time, size)
            soon = place(job.x, tile, time + CHUNK)
            if time + CHUNK >= job.steps:
                soon = place(job.x, locate(job, min(index + 1, job.tiles - 1)), FIRST)
            advance(rows, job, tile, count, time, active, steps, x, soon, (time > 0, chunks, spk, mem, ada))
            if time > 0:
                copy(rows, SAVED, job.chunks, job, tile, saved, FIELDS - 1, OUT)
            copy(rows, SPKS, job.spk, job, tile, time, steps, OUT)
            copy(rows, MEMS, job.mem, job, tile, time, steps, OUT)
            copy(rows, ADAS, job.ada, job, tile, time, steps, OUT)
        copy(rows, MEM, job.final, job, tile, FIRST, FIELDS, SAVE)
    fence()


def backward(begin: Any, end: Any, call: Any) -> None:
    """Run the adjoint of tasks ``begin`` to ``end``; each task sums its coefficients' gradients in its own place."""
    job = carray(call, 1)[0]
    rows, totals = stack_numbers(SCRATCH_BYTES, job.shape1), stack_numbers(TOTAL_BYTES, 1.0)
    scratch, size, sums = address_of(rows), element_bytes(rows), numbers_at(job.sums, 1.0)
    pitch = PITCH // size
    for task in range(begin, end):
        for index in range(task * job.tiles // job.tasks, (task + 1) * job.tiles // job.tasks):
            tile = locate(job, index)
            _, _, _, count, length = tile
            copy(rows, FIRST, job.coefficients, job, tile, FIRST, NUMBERS, LOAD)
            clear(rows, SUMS, pitch, count, NUMBERS)
            clear(rows, CARRY, pitch, count, FIELDS)
            clear(totals, FIRST, pitch, count, NUMBERS)
            if job.grad_final[ADDRESS]:
                copy(rows, CARRY, job.grad_final, job, tile, FIRST, FIELDS, LOAD)
            if job.grad_spk[ADDRESS] == 0:
                clear(rows, SPKS, pitch, count, MEMS - SPKS)
            for time in range((job.steps - 1) // CHUNK * CHUNK, -1, -CHUNK):
                steps = min(CHUNK, job.steps - time)
                active = max(0, min(steps, length - time))
                if time == 0:
                    before = reading(rows, scratch, SAVED, job.initial, job, tile, FIRST, FIELDS)
                else:
                    before = reading(rows, scratch, SAVED, job.chunks, job, tile, time // CHUNK * 2 - 2, FIELDS - 1)
                spans = (
                    reading(rows, scratch, X, job.x, job, tile, time, active),
                    reading(rows, scratch, SPKS, job.grad_spk, job, tile, time, active),
                    reading(rows, scratch, MEMS, job.grad_mem, job, tile, time, active),
                    reading(rows, scratch, ADAS, job.grad_ada, job, tile, time, active),
                )
                out = span(scratch, GRADS, job.grad_x, job, tile, time, size)
                state = time == 0, time // CHUNK % TOTAL == 0, before
                adjoint(rows, totals, job, tile, count, time, active, steps, state, spans, out)
                copy(rows, GRADS, job.grad_x, job, tile, time, steps, OUT)
            copy(rows, CARRY, job.grad_initial, job, tile, FIRST, FIELDS, SAVE)
            add_lanes(sums, task * NUMBERS * job.neurons, totals, pitch, NUMBERS, job, tile)
    fence()
