"""The kernels of recurrent neurons, I[t] + s[t-1] V: a program runs all neurons of one sequence, step by step.

What couples its lanes goes through a list in memory: the neurons that fired, whose rows of V are added; and on the way
back those whose surrogate is not zero, the only ones whose spikes need the gradient V Iᵀ. So a step visits few rows.
"""

# Triton's language has no types for mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# It has a part of Python's grammar.
from __future__ import annotations

import triton
import triton.language as tl

from .kernels import (
    CHUNK,
    GIVEN,
    NUMBERS,
    advance,
    before,
    both,
    coefficients_of,
    slope_at,
    state_of,
    store_nine,
    store_state,
    with_step,
)

ROWS = tl.constexpr(16)
"""Rows of V that are asked for at once."""

REGISTERS = 128
"""Of a lane of the forward kernel, at most. Told so, ptxas uses them; by itself some releases stop at 64 and spill."""


def warps(block: int) -> int:
    """Warps of a program that runs a block of neurons."""
    return max(1, min(16, block // 64))


@triton.jit
def listed(chosen, n, events):
    """Write the lanes that are chosen to memory, in order; return how many they are."""
    place = tl.cumsum(chosen.to(tl.int32), 0) - 1
    tl.debug_barrier()  # the list before this one has been read
    tl.store(events + place, n.to(tl.int32), mask=chosen)
    tl.debug_barrier()
    return tl.sum(chosen.to(tl.int32), 0)


@triton.jit(do_not_specialize=NUMBERS)
def totals_kernel(
    x,
    coefficients,
    initial,
    weights,
    lengths,
    total,
    events,
    spikes,
    steps,
    batch,
    neurons,
    x_time,
    x_batch,
    x_neuron,
    y_time,
    y_batch,
    y_neuron,
    LENGTHS: tl.constexpr,
    HARD: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write the currents with those through the weights, [T, B, N]; the spikes of a step are in ``spikes``, [B, N]."""
    b, n = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK).to(tl.int64)
    inside = n < neurons
    plane, lane = batch.to(tl.int64) * neurons, b * neurons + n
    a11, a12, a21, a22, b1, b2, r1, r2, threshold = coefficients_of(coefficients, neurons, n, inside)
    m, a, s = state_of(initial, plane, lane, inside)
    zero = tl.zeros_like(s)
    length = steps
    if LENGTHS:
        length = tl.load(lengths + b).to(tl.int32)
    x += b * x_batch + n * x_neuron
    total += b * y_batch + n * y_neuron
    spikes += b * neurons
    events += b * (neurons + ROWS)
    soon = tl.load(x, mask=inside & (length + tl.zeros_like(n) > 0), other=0.0)
    for t in range(length):
        current = soon
        x += x_time
        soon = tl.load(x, mask=inside & (t + 1 + tl.zeros_like(n) < length), other=0.0)
        tl.debug_barrier()  # the spikes before these have been read
        tl.store(spikes + n, s, mask=inside)
        count = listed(inside & (s != 0.0), n, events)
        through = zero
        for first in range(0, count, ROWS):
            for i in tl.static_range(ROWS):
                there = first + i < count
                row = tl.load(events + first + i, mask=there, other=0)
                through += tl.load(spikes + row, mask=there, other=0.0) * tl.load(
                    weights + row * neurons + n, mask=inside & there, other=0.0
                )
        current += through
        tl.store(total, current, mask=inside)
        total += y_time
        m, a = advance(m, a, s, current, a11, a12, a21, a22, b1, b2, r1, r2, HARD)
        s = tl.where(inside, (m > threshold).to(m.dtype), zero)
    for _ in range(length, steps):
        tl.store(total, zero, mask=inside)
        total += y_time


@triton.jit(do_not_specialize=NUMBERS)
def recurrent_backward_kernel(
    x,
    coefficients,
    initial,
    weights,
    mem,
    ada,
    lengths,
    grad_spikes,
    grad_final,
    grad_mem,
    grad_ada,
    derivative,
    grad_x,
    grad_initial,
    sums,
    events,
    feedback,
    steps,
    batch,
    neurons,
    SURROGATE: tl.constexpr,
    SHAPE1: tl.constexpr,
    SHAPE2: tl.constexpr,
    SPIKES: tl.constexpr,
    FINAL: tl.constexpr,
    TRACE: tl.constexpr,
    LENGTHS: tl.constexpr,
    DETACHED: tl.constexpr,
    HARD: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Run the adjoint; ``x`` are the total currents, ``mem`` and ``ada`` the states after all steps; all contiguous."""
    b, n = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK).to(tl.int64)
    inside = n < neurons
    plane, lane = batch.to(tl.int64) * neurons, b * neurons + n
    a11, a12, a21, a22, b1, b2, r1, r2, threshold = coefficients_of(coefficients, neurons, n, inside)
    zero = tl.zeros_like(a11)
    carry_mem, carry_ada, carry_spk = zero, zero, zero
    if FINAL:
        carry_mem, carry_ada, carry_spk = state_of(grad_final, plane, lane, inside)
    length = steps
    if LENGTHS:
        length = tl.load(lengths + b).to(tl.int32)
    events += b * (neurons + ROWS)
    feedback += b * neurons
    TILE: tl.constexpr = ROWS if BLOCK <= 512 else ROWS // 2  # as the registers allow
    rows = tl.arange(0, TILE)
    at = (steps - 1).to(tl.int64) * plane + lane
    for _ in range(length, steps):
        tl.store(grad_x + at, zero, mask=inside)
        at -= plane
    totals = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
    parts = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
    m = tl.load(mem + at, mask=inside & (length + tl.zeros_like(n) > 0), other=0.0)
    wanted = zero  # the gradient of the current of the next step
    for back in range(length):
        t = length - 1 - back
        if SURROGATE == GIVEN:
            slope = tl.load(derivative + at, mask=inside, other=0.0)
        else:
            slope = slope_at(m - threshold, SHAPE1, SHAPE2, SURROGATE)
        earlier = inside & (t + tl.zeros_like(n) > 0)
        current = tl.load(x + at, mask=inside, other=0.0)
        m = tl.load(mem + at - plane, mask=earlier, other=0.0)
        a = tl.load(ada + at - plane, mask=earlier, other=0.0)
        s = (m > threshold).to(m.dtype)
        if t == 0:
            m, a, s = state_of(initial, plane, lane, inside)
        grad = carry_spk
        if SPIKES:
            grad += tl.load(grad_spikes + at, mask=inside, other=0.0)
        if back > 0:
            open_ = inside & (slope != 0.0)
            count = listed(open_, n, events)
            for first in range(0, count, TILE):
                there = first + rows < count
                row = tl.load(events + first + rows, mask=there, other=0)
                tile = tl.load(
                    weights + row[:, None] * neurons + n[None, :], mask=there[:, None] & inside[None, :], other=0.0
                )
                tl.store(feedback + row, tl.sum(tile * wanted[None, :], 1), mask=there)
            tl.debug_barrier()
            grad += tl.load(feedback + n, mask=open_, other=0.0)
        through = slope * grad
        p, q = carry_mem + through, carry_ada
        if TRACE:
            p += tl.load(grad_mem + at, mask=inside, other=0.0)
            q += tl.load(grad_ada + at, mask=inside, other=0.0)
        wanted = tl.fma(b1, p, b2 * q)
        tl.store(grad_x + at, wanted, mask=inside)
        carry_mem, carry_ada, carry_spk = before(p, q, m, s, a11, a12, a21, a22, r1, r2, DETACHED, HARD)
        if HARD:
            s = s * m
        parts = with_step(parts, p, q, m, a, current, s, through)
        if t % CHUNK == 0:  # sums of a chunk of their own: long sequences lose no digits
            totals = both(totals, parts)
            parts = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
        at -= plane
    store_state(grad_initial, plane, lane, inside, carry_mem, carry_ada, carry_spk)
    sums += b * 9 * neurons + n
    store_nine(sums, neurons, inside, totals)
