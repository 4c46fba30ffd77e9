"""The kernels: a lane runs one neuron of one sequence, its state in registers, and reads a chunk of steps ahead.

A load takes as long as some twenty steps, and its address is known long before. So the loop over chunks of 16 steps is
unrolled within a chunk: the 16 numbers of the next chunk are asked for before the first step of this one. Backward
holds 16 currents and 16 gradients of the next chunk likewise, runs the chunk again with its states in registers, and
then the adjoint over it; nothing is written but the gradient of the current. The equations are those of
``cpu/kernels.py``; so is the order of the forward operations, which are never fused: the spikes are the reference's.

A lane is a neuron of a sequence, b N + n: blocks are full however few neurons a population has.
"""

# Triton's language has no types for mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call, assignment"
# It has a part of Python's grammar.
# ruff: noqa: RUF005, SIM108
from __future__ import annotations

import triton
import triton.language as tl

from .. import layout

BOXCAR, ATAN, FAST_SIGMOID, TRIANGLE = map(
    tl.constexpr, (layout.BOXCAR, layout.ATAN, layout.FAST_SIGMOID, layout.TRIANGLE)
)
GIVEN = tl.constexpr(layout.GIVEN)
CHUNK = tl.constexpr(layout.CHUNK)
NUMBERS = ["steps", "batch", "neurons", *(f"{of}_{axis}" for of in "xgy" for axis in ("time", "batch", "neuron"))]
"""Arguments whose values make no kernels of their own: sizes, and pitches of the input, its gradient and the output."""


@triton.jit
def advance(m, a, s, current, a11, a12, a21, a22, b1, b2, r1, r2, HARD: tl.constexpr):
    """The state after a step, in the order of the reference."""
    if HARD:
        s = s * m
    return a11 * m + a12 * a + b1 * current + r1 * s, a21 * m + a22 * a + b2 * current + r2 * s


@triton.jit
def slope_at(x, SHAPE1: tl.constexpr, SHAPE2: tl.constexpr, SURROGATE: tl.constexpr):
    """The surrogate's derivative at x = mem - threshold; see the classes of silif_plugins.surrogate.

    The shapes are constants of the compiled kernel: as arguments they would be rounded to float32.
    """
    if SURROGATE == BOXCAR:
        slope = tl.where((x > -SHAPE1) & (x <= SHAPE1), 1.0, 0.0)
    elif SURROGATE == ATAN:
        scaled = 1.5707963267948966 * SHAPE1 * x
        slope = SHAPE1 / 2 / (1 + scaled * scaled)
    elif SURROGATE == FAST_SIGMOID:
        scaled = 1 + SHAPE1 * tl.abs(x)
        slope = 1 / (scaled * scaled)
    else:
        rest = 1 - tl.abs(x) / SHAPE2
        slope = SHAPE1 * tl.where(rest < 0.0, 0.0, rest)  # NaN stays NaN, as in the reference
    return slope.to(x.dtype)


@triton.jit
def before(p, q, m, s, a11, a12, a21, a22, r1, r2, DETACHED: tl.constexpr, HARD: tl.constexpr):
    """The gradients of mem, ada and spk before a step, from those of mem and ada after it: p and q."""
    through_reset = tl.fma(r1, p, r2 * q)
    mem, ada = tl.fma(a11, p, a21 * q), tl.fma(a12, p, a22 * q)
    spk = tl.zeros_like(p) if DETACHED else through_reset
    if HARD:
        spk = spk * m
        mem = tl.fma(through_reset, s, mem)
    return mem, ada, spk


@triton.jit
def rows_of(numbers, pitch, left, inside, MASKED: tl.constexpr):
    """The numbers of a chunk's steps, a load each: zeros from the step ``left`` on."""
    rows = ()
    for i in tl.static_range(CHUNK):
        there = inside & (left > i) if MASKED else inside
        rows = rows + (tl.load(numbers, mask=there, other=0.0),)
        numbers += pitch
    return rows


@triton.jit
def coefficients_of(coefficients, neurons, n, inside):
    """The nine numbers of a neuron."""
    nine = ()
    for i in tl.static_range(9):
        nine = nine + (tl.load(coefficients + i * neurons + n, mask=inside, other=0.0),)
    return nine


@triton.jit
def state_of(state, plane, lane, inside):
    """mem, ada and spk of a lane, [3, B, N]."""
    m = tl.load(state + lane, mask=inside, other=0.0)
    a = tl.load(state + plane + lane, mask=inside, other=0.0)
    s = tl.load(state + 2 * plane + lane, mask=inside, other=0.0)
    return m, a, s


@triton.jit
def store_state(state, plane, lane, inside, m, a, s):
    """Write them."""
    tl.store(state + lane, m, mask=inside)
    tl.store(state + plane + lane, a, mask=inside)
    tl.store(state + 2 * plane + lane, s, mask=inside)


@triton.jit
def with_step(sums, p, q, m, a, current, s, through):
    """Sums of the nine coefficients' gradients, with those of a step; ``s`` is R's factor."""
    s11, s12, s21, s22, sb1, sb2, sr1, sr2, sth = sums
    s11, s12, s21, s22 = tl.fma(p, m, s11), tl.fma(p, a, s12), tl.fma(q, m, s21), tl.fma(q, a, s22)
    sb1, sb2, sr1, sr2 = tl.fma(p, current, sb1), tl.fma(q, current, sb2), tl.fma(p, s, sr1), tl.fma(q, s, sr2)
    return s11, s12, s21, s22, sb1, sb2, sr1, sr2, sth - through


@triton.jit
def both(one, other):
    """The nine sums of two of them."""
    nine = ()
    for i in tl.static_range(9):
        nine = nine + (one[i] + other[i],)
    return nine


@triton.jit
def store_nine(sums, pitch, inside, nine):
    """Write sums."""
    for i in tl.static_range(9):
        tl.store(sums + i * pitch, nine[i], mask=inside)


@triton.jit(do_not_specialize=NUMBERS)
def forward_kernel(
    x,
    coefficients,
    initial,
    lengths,
    spikes,
    final,
    chunks,
    mem,
    ada,
    gates,
    steps,
    batch,
    neurons,
    x_time,
    x_batch,
    x_neuron,
    y_time,
    y_batch,
    y_neuron,
    TRACE: tl.constexpr,
    GATED: tl.constexpr,
    WIDTH: tl.constexpr,
    LENGTHS: tl.constexpr,
    HARD: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Run neurons over a sequence; the arguments are those of ``layout.Forward``, then of ``layout.Outputs``."""
    plane = batch.to(tl.int64) * neurons
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = lane < batch * neurons
    b, n = (lane // neurons).to(tl.int64), (lane % neurons).to(tl.int64)
    a11, a12, a21, a22, b1, b2, r1, r2, threshold = coefficients_of(coefficients, neurons, n, inside)
    m, a, s = state_of(initial, plane, lane, inside)
    zero = tl.zeros_like(s)
    x_time, y_time = x_time.to(tl.int64), y_time.to(tl.int64)
    # Of each lane, though all are the same: the interpreter's masks cannot be of one number.
    count = (steps + CHUNK - 1) // CHUNK
    steps += tl.zeros_like(lane)
    length = steps
    if LENGTHS:
        length = tl.load(lengths + b, mask=inside, other=0).to(tl.int32)
    x += b * x_batch + n * x_neuron
    out = b * y_batch + n * y_neuron
    soon = rows_of(x, x_time, length, inside, MASKED)
    for chunk in range(count):
        # What is left of the sequence from this chunk on: its steps compare with numbers that the compiler knows.
        left, rest = length - chunk * CHUNK, steps - chunk * CHUNK
        now = soon
        x += CHUNK * x_time
        soon = rows_of(x, x_time, left - CHUNK, inside & (rest > CHUNK), MASKED)
        if chunk > 0:
            tl.store(chunks + lane, m, mask=inside)
            tl.store(chunks + plane + lane, a, mask=inside)
            chunks += 2 * plane
        for i in tl.static_range(CHUNK):
            m_next, a_next = advance(m, a, s, now[i], a11, a12, a21, a22, b1, b2, r1, r2, HARD)
            s_next = (m_next > threshold).to(m.dtype)
            there, shown = inside, (m_next, a_next, s_next)
            if MASKED:
                there, runs = inside & (rest > i), left > i
                shown = tl.where(runs, m_next, zero), tl.where(runs, a_next, zero), tl.where(runs, s_next, zero)
                m_next, a_next, s_next = tl.where(runs, m_next, m), tl.where(runs, a_next, a), tl.where(runs, s_next, s)
            m, a, s = m_next, a_next, s_next
            tl.store(spikes + out, shown[2], mask=there)
            if TRACE:
                tl.store(mem + out, shown[0], mask=there)
                tl.store(ada + out, shown[1], mask=there)
            if GATED:
                tl.store(gates + out, (tl.abs(shown[0] - threshold) <= WIDTH).to(tl.uint8), mask=there)
            out += y_time
    store_state(final, plane, lane, inside, m, a, s)


@triton.jit(do_not_specialize=NUMBERS)
def backward_kernel(
    x,
    coefficients,
    initial,
    chunks,
    lengths,
    grad_spikes,
    grad_final,
    grad_mem,
    grad_ada,
    derivative,
    grad_x,
    grad_initial,
    sums,
    steps,
    batch,
    neurons,
    x_time,
    x_batch,
    x_neuron,
    g_time,
    g_batch,
    g_neuron,
    y_time,
    y_batch,
    y_neuron,
    SURROGATE: tl.constexpr,
    SHAPE1: tl.constexpr,
    SHAPE2: tl.constexpr,
    SPIKES: tl.constexpr,
    FINAL: tl.constexpr,
    TRACE: tl.constexpr,
    LENGTHS: tl.constexpr,
    CURRENT: tl.constexpr,
    DETACHED: tl.constexpr,
    HARD: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Run the adjoint; the arguments are those of ``layout.Backward``, then of ``layout.Gradients``.

    ``sums`` are the gradients of the coefficients of each sequence, [B, 9, N].
    """
    plane = batch.to(tl.int64) * neurons
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = lane < batch * neurons
    b, n = (lane // neurons).to(tl.int64), (lane % neurons).to(tl.int64)
    a11, a12, a21, a22, b1, b2, r1, r2, threshold = coefficients_of(coefficients, neurons, n, inside)
    x_time, g_time, y_time = x_time.to(tl.int64), g_time.to(tl.int64), y_time.to(tl.int64)
    # Of each lane, though all are the same: the interpreter's masks cannot be of one number.
    last = (steps - 1) // CHUNK
    steps += tl.zeros_like(lane)
    length = steps
    if LENGTHS:
        length = tl.load(lengths + b, mask=inside, other=0).to(tl.int32)
    zero = tl.zeros_like(a11)
    carry_mem, carry_ada, carry_spk = zero, zero, zero
    end_mem, end_ada, end_spk = zero, zero, zero
    if FINAL:
        end_mem, end_ada, end_spk = state_of(grad_final, plane, lane, inside)
        if not MASKED:
            carry_mem, carry_ada, carry_spk = end_mem, end_ada, end_spk
    totals = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
    at = last * CHUNK
    x += b * x_batch + n * x_neuron + at * x_time
    grad_spikes += b * g_batch + n * g_neuron + at * g_time
    grad_x += b * y_batch + n * y_neuron + (at + CHUNK - 1) * y_time
    dense = at.to(tl.int64) * plane + lane
    saved = (last - 1).to(tl.int64) * 2 * plane + lane
    x_soon = rows_of(x, x_time, length - at, inside, MASKED)
    if SPIKES:
        g_soon = rows_of(grad_spikes, g_time, length - at, inside, MASKED)
    m_soon = tl.load(tl.where(last > 0, chunks + saved, initial + lane), mask=inside, other=0.0)
    a_soon = tl.load(tl.where(last > 0, chunks + saved + plane, initial + plane + lane), mask=inside, other=0.0)
    s_first = tl.load(initial + 2 * plane + lane, mask=inside, other=0.0)
    for back in range(last + 1):
        start = (last - back) * CHUNK + tl.zeros_like(lane)
        left, rest = length - start, steps - start
        now = x_soon
        m, a = m_soon, a_soon
        x -= CHUNK * x_time
        saved -= 2 * plane
        more = inside & (start > 0)
        x_soon = rows_of(x, x_time, left + CHUNK, more, MASKED)
        if SPIKES:
            grads = g_soon
            grad_spikes -= CHUNK * g_time
            g_soon = rows_of(grad_spikes, g_time, left + CHUNK, more, MASKED)
        m_soon = tl.load(tl.where(start > CHUNK, chunks + saved, initial + lane), mask=more, other=0.0)
        a_soon = tl.load(tl.where(start > CHUNK, chunks + saved + plane, initial + plane + lane), mask=more, other=0.0)
        if TRACE:
            grads_mem = rows_of(grad_mem + dense, plane, left, inside, MASKED)
            grads_ada = rows_of(grad_ada + dense, plane, left, inside, MASKED)
        if SURROGATE == GIVEN:
            slopes = rows_of(derivative + dense, plane, left, inside, MASKED)
        dense -= CHUNK * plane
        first = tl.where(start > 0, (m > threshold).to(m.dtype), s_first)
        s = first
        ms, as_ = (m,), (a,)
        for i in tl.static_range(CHUNK):
            m, a = advance(m, a, s, now[i], a11, a12, a21, a22, b1, b2, r1, r2, HARD)
            if MASKED:  # all is zero after the end: states here, currents and gradients by their loads
                m, a = tl.where(left > i, m, zero), tl.where(left > i, a, zero)
            s = (m > threshold).to(m.dtype)
            ms, as_ = ms + (m,), as_ + (a,)
        above = ms[CHUNK] - threshold
        # Each chunk has its own sums: long sequences lose no digits.
        parts = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
        for i in tl.static_range(CHUNK - 1, -1, -1):
            if SURROGATE == GIVEN:
                slope = slopes[i]
            else:
                slope = slope_at(above, SHAPE1, SHAPE2, SURROGATE)
            m, a, current = ms[i], as_[i], now[i]
            # Not m > threshold again: the compiler would keep 16 spikes of the first pass in registers.
            above = m - threshold
            s = (above > 0).to(m.dtype) if i > 0 else first
            if MASKED and FINAL:
                ends = left == i + 1
                carry_mem, carry_ada = tl.where(ends, end_mem, carry_mem), tl.where(ends, end_ada, carry_ada)
                carry_spk = tl.where(ends, end_spk, carry_spk)
            grad = carry_spk
            if SPIKES:
                grad += grads[i]
            through = slope * grad
            p, q = carry_mem + through, carry_ada
            if TRACE:
                p += grads_mem[i]
                q += grads_ada[i]
            if CURRENT:
                there = inside & (rest > i) if MASKED else inside
                tl.store(grad_x, tl.fma(b1, p, b2 * q), mask=there)
            grad_x -= y_time
            carry_mem, carry_ada, carry_spk = before(p, q, m, s, a11, a12, a21, a22, r1, r2, DETACHED, HARD)
            if HARD:
                s = s * m
            parts = with_step(parts, p, q, m, a, current, s, through)
        totals = both(totals, parts)
    if LENGTHS and FINAL:  # of sequences without steps
        carry_mem, carry_ada = tl.where(length > 0, carry_mem, end_mem), tl.where(length > 0, carry_ada, end_ada)
        carry_spk = tl.where(length > 0, carry_spk, end_spk)
    store_state(grad_initial, plane, lane, inside, carry_mem, carry_ada, carry_spk)
    sums += b * 9 * neurons + n
    store_nine(sums, neurons, inside, totals)
