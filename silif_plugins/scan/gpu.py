"""The fused GPU backend in Triton: a program runs a block of neurons of one sequence, its state in registers.

Backward runs every chunk of 16 steps again, into scratch memory of 32 numbers per neuron and sequence, and then
the adjoint over it; the equations are those of ``cpu/kernels.py``.
"""

# Triton's language has no types for mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from . import layout
from .layout import CHUNK, Backward, Forward, Gradients, Outputs, empty_gradients, empty_outputs

BOXCAR, ATAN, FAST_SIGMOID, GIVEN = map(tl.constexpr, (layout.BOXCAR, layout.ATAN, layout.FAST_SIGMOID, layout.GIVEN))

BLOCK = 128
"""Neurons of a program."""


@triton.jit
def _next(m, a, s, current, a11, a12, a21, a22, b1, b2, r1, r2, HARD: tl.constexpr):
    """Advance by one step, in the order of the reference."""
    if HARD:
        s = s * m
    return a11 * m + a12 * a + b1 * current + r1 * s, a21 * m + a22 * a + b2 * current + r2 * s


@triton.jit
def _slope(x, SHAPE1: tl.constexpr, SHAPE2: tl.constexpr, SURROGATE: tl.constexpr):
    """Return the surrogate's derivative at x = mem - threshold; the numbers of ``layout``.

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
def _forward(
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
    CHUNK: tl.constexpr,
    BLOCK: tl.constexpr,
):
    b, n = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = n < neurons
    plane, lane = batch * neurons, b * neurons + n
    a11 = tl.load(coefficients + 0 * neurons + n, mask=inside)
    a12 = tl.load(coefficients + 1 * neurons + n, mask=inside)
    a21 = tl.load(coefficients + 2 * neurons + n, mask=inside)
    a22 = tl.load(coefficients + 3 * neurons + n, mask=inside)
    b1 = tl.load(coefficients + 4 * neurons + n, mask=inside)
    b2 = tl.load(coefficients + 5 * neurons + n, mask=inside)
    r1 = tl.load(coefficients + 6 * neurons + n, mask=inside)
    r2 = tl.load(coefficients + 7 * neurons + n, mask=inside)
    threshold = tl.load(coefficients + 8 * neurons + n, mask=inside)
    m = tl.load(initial + lane, mask=inside)
    a = tl.load(initial + plane + lane, mask=inside)
    s = tl.load(initial + 2 * plane + lane, mask=inside)
    length = steps
    if LENGTHS:
        length = tl.load(lengths + b)
    x += b * x_batch + n * x_neuron
    out = b * y_batch + n * y_neuron
    for t in range(steps):
        if (t > 0) & (t % CHUNK == 0):
            place = (t // CHUNK - 1) * 2 * plane + lane
            tl.store(chunks + place, m, mask=inside)
            tl.store(chunks + place + plane, a, mask=inside)
        runs = t + tl.zeros_like(n) < length
        current = tl.load(x + t * x_time, mask=inside)
        m_next, a_next = _next(m, a, s, current, a11, a12, a21, a22, b1, b2, r1, r2, HARD)
        m, a = tl.where(runs, m_next, m), tl.where(runs, a_next, a)
        s = tl.where(runs, (m - threshold > 0).to(m.dtype), s)
        zero = tl.zeros_like(s)
        tl.store(spikes + out + t * y_time, tl.where(runs, s, zero), mask=inside)
        if TRACE:
            tl.store(mem + out + t * y_time, tl.where(runs, m, zero), mask=inside)
            tl.store(ada + out + t * y_time, tl.where(runs, a, zero), mask=inside)
        if GATED:
            open_ = tl.abs(tl.where(runs, m, zero) - threshold) <= WIDTH
            tl.store(gates + out + t * y_time, open_.to(tl.uint8), mask=inside)
    tl.store(final + lane, m, mask=inside)
    tl.store(final + plane + lane, a, mask=inside)
    tl.store(final + 2 * plane + lane, s, mask=inside)


@triton.jit
def _backward(
    x,
    coefficients,
    initial,
    chunks,
    lengths,
    grad_spikes,
    grad_final,
    grad_mem,
    grad_ada,
    gate,
    grad_x,
    grad_initial,
    sums,
    scratch,
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
    CHUNK: tl.constexpr,
    BLOCK: tl.constexpr,
):
    b, n = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = n < neurons
    plane, lane = batch * neurons, b * neurons + n
    a11 = tl.load(coefficients + 0 * neurons + n, mask=inside)
    a12 = tl.load(coefficients + 1 * neurons + n, mask=inside)
    a21 = tl.load(coefficients + 2 * neurons + n, mask=inside)
    a22 = tl.load(coefficients + 3 * neurons + n, mask=inside)
    b1 = tl.load(coefficients + 4 * neurons + n, mask=inside)
    b2 = tl.load(coefficients + 5 * neurons + n, mask=inside)
    r1 = tl.load(coefficients + 6 * neurons + n, mask=inside)
    r2 = tl.load(coefficients + 7 * neurons + n, mask=inside)
    threshold = tl.load(coefficients + 8 * neurons + n, mask=inside)
    length = steps
    if LENGTHS:
        length = tl.load(lengths + b)
    x += b * x_batch + n * x_neuron
    into, out, dense = b * g_batch + n * g_neuron, b * y_batch + n * y_neuron, b * neurons + n
    zero = tl.zeros_like(a11)
    carry_mem, carry_ada, carry_spk = zero, zero, zero
    if FINAL:
        carry_mem = tl.load(grad_final + lane, mask=inside)
        carry_ada = tl.load(grad_final + plane + lane, mask=inside)
        carry_spk = tl.load(grad_final + 2 * plane + lane, mask=inside)
    t11, t12, t21, t22, tb1, tb2, tr1, tr2, tth = zero, zero, zero, zero, zero, zero, zero, zero, zero
    count = (steps + CHUNK - 1) // CHUNK
    for back in range(count):
        start = (count - 1 - back) * CHUNK
        size = tl.minimum(CHUNK, steps - start)
        active = tl.maximum(0, tl.minimum(size, length - start))
        if start == 0:
            m = tl.load(initial + lane, mask=inside)
            a = tl.load(initial + plane + lane, mask=inside)
            first = tl.load(initial + 2 * plane + lane, mask=inside)
        else:
            place = (start // CHUNK - 1) * 2 * plane + lane
            m = tl.load(chunks + place, mask=inside)
            a = tl.load(chunks + place + plane, mask=inside)
            first = (m - threshold > 0).to(m.dtype)
        s = first
        for t in range(active):
            tl.store(scratch + 2 * t * plane + lane, m, mask=inside)
            tl.store(scratch + (2 * t + 1) * plane + lane, a, mask=inside)
            current = tl.load(x + (start + t) * x_time, mask=inside)
            m, a = _next(m, a, s, current, a11, a12, a21, a22, b1, b2, r1, r2, HARD)
            s = (m - threshold > 0).to(m.dtype)
        # Each chunk has its own sums: long sequences lose no digits.
        s11, s12, s21, s22, sb1, sb2, sr1, sr2, sth = zero, zero, zero, zero, zero, zero, zero, zero, zero
        for i in range(active):
            t = active - 1 - i
            after = m  # the potential after step t
            m = tl.load(scratch + 2 * t * plane + lane, mask=inside)
            a = tl.load(scratch + (2 * t + 1) * plane + lane, mask=inside)
            s = tl.where(t == 0, first, (m - threshold > 0).to(m.dtype))
            current = tl.load(x + (start + t) * x_time, mask=inside)
            if SURROGATE == GIVEN:
                slope = tl.load(gate + (start + t) * plane + dense, mask=inside)
            else:
                slope = _slope(after - threshold, SHAPE1, SHAPE2, SURROGATE)
            grad = carry_spk
            if SPIKES:
                grad += tl.load(grad_spikes + into + (start + t) * g_time, mask=inside)
            through = slope * grad
            p, q = carry_mem + through, carry_ada
            if TRACE:
                p += tl.load(grad_mem + (start + t) * plane + dense, mask=inside)
                q += tl.load(grad_ada + (start + t) * plane + dense, mask=inside)
            if CURRENT:
                tl.store(grad_x + out + (start + t) * y_time, b1 * p + b2 * q, mask=inside)
            carry_mem, carry_ada = a11 * p + a21 * q, a12 * p + a22 * q
            through_reset = r1 * p + r2 * q
            carry_spk = zero if DETACHED else through_reset
            if HARD:
                carry_spk = carry_spk * m
                carry_mem += through_reset * s
                s = s * m
            s11, s12, s21, s22 = s11 + p * m, s12 + p * a, s21 + q * m, s22 + q * a
            sb1, sb2, sr1, sr2 = sb1 + p * current, sb2 + q * current, sr1 + p * s, sr2 + q * s
            sth -= through
        t11, t12, t21, t22 = t11 + s11, t12 + s12, t21 + s21, t22 + s22
        tb1, tb2, tr1, tr2, tth = tb1 + sb1, tb2 + sb2, tr1 + sr1, tr2 + sr2, tth + sth
        if CURRENT:
            for t in range(active, size):
                tl.store(grad_x + out + (start + t) * y_time, zero, mask=inside)
    tl.store(grad_initial + lane, carry_mem, mask=inside)
    tl.store(grad_initial + plane + lane, carry_ada, mask=inside)
    tl.store(grad_initial + 2 * plane + lane, carry_spk, mask=inside)
    sums += b * 9 * neurons + n
    tl.store(sums + 0 * neurons, t11, mask=inside)
    tl.store(sums + 1 * neurons, t12, mask=inside)
    tl.store(sums + 2 * neurons, t21, mask=inside)
    tl.store(sums + 3 * neurons, t22, mask=inside)
    tl.store(sums + 4 * neurons, tb1, mask=inside)
    tl.store(sums + 5 * neurons, tb2, mask=inside)
    tl.store(sums + 6 * neurons, tr1, mask=inside)
    tl.store(sums + 7 * neurons, tr2, mask=inside)
    tl.store(sums + 8 * neurons, tth, mask=inside)


def forward(call: Forward) -> Outputs:
    """Run neurons over a sequence, without weights."""
    current, initial, lengths = call.current, call.initial.contiguous(), call.lengths
    steps, batch, neurons = current.shape
    outputs = empty_outputs(call)
    if batch * neurons:
        with torch.cuda.device_of(current):
            _forward[_grid(batch, neurons)](
                current,
                call.coefficients.contiguous(),
                initial,
                initial if lengths is None else lengths.contiguous(),
                outputs.spikes,
                outputs.final,
                outputs.chunks,
                outputs.mem,
                outputs.ada,
                outputs.extra.view(torch.uint8),
                steps,
                batch,
                neurons,
                *current.stride(),
                *outputs.spikes.stride(),
                TRACE=call.trace,
                GATED=call.gate_width is not None,
                WIDTH=call.gate_width or 0.0,
                LENGTHS=lengths is not None,
                HARD=call.hard_reset,
                CHUNK=CHUNK,
                BLOCK=BLOCK,
                enable_fp_fusion=False,  # else a product and a sum would be rounded once, unlike in the reference
            )
    return outputs


def backward(call: Backward) -> Gradients:
    """Run the adjoint, without weights."""
    current, lengths = call.current, call.lengths
    steps, batch, neurons = current.shape
    grads = empty_gradients(call)
    sums = current.new_zeros((batch, 9, neurons))
    scratch = current.new_empty((2 * min(CHUNK, steps), batch, neurons))
    absent = current.new_empty(0)
    dense = (call.grad_final, call.grad_mem, call.grad_ada, call.derivative)
    if batch * neurons:
        with torch.cuda.device_of(current):
            _backward[_grid(batch, neurons)](
                current,
                call.coefficients.contiguous(),
                call.initial.contiguous(),
                call.chunks,
                absent if lengths is None else lengths.contiguous(),
                absent if call.grad_spikes is None else call.grad_spikes,
                *(absent if tensor is None else tensor.contiguous() for tensor in dense),
                grads.current,
                grads.initial,
                sums,
                scratch,
                steps,
                batch,
                neurons,
                *current.stride(),
                *((0, 0, 0) if call.grad_spikes is None else call.grad_spikes.stride()),
                *(grads.current.stride() if call.needs_current else (0, 0, 0)),
                SURROGATE=call.surrogate,
                SHAPE1=call.shape1,
                SHAPE2=call.shape2,
                SPIKES=call.grad_spikes is not None,
                FINAL=call.grad_final is not None,
                TRACE=call.grad_mem is not None,
                LENGTHS=lengths is not None,
                CURRENT=call.needs_current,
                DETACHED=call.detach_reset,
                HARD=call.hard_reset,
                CHUNK=CHUNK,
                BLOCK=BLOCK,
                enable_fp_fusion=False,
            )
    return grads._replace(coefficients=sums.sum(0))


def _grid(batch: int, neurons: int) -> Any:
    return (batch, triton.cdiv(neurons, BLOCK))
