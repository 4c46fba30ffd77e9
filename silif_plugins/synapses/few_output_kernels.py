"""Kernels of axonal delays onto few outputs: events go through lags and weights at once.

With few outputs a product takes less time than to write what arrives and to read it again. Sequences of outputs [B, T,
width] have zeros up to whole vectors, and before and after their steps wherever a lag leads: a step is ``before`` rows
behind the first. Shares of lags [N, most] start at the first lag of each input that is not zero, ``lowest``.
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ..kernels.simd import (
    REGISTER_BYTES,
    compiled,
    element_bytes,
    fma,
    load1,
    load2,
    numbers_at,
    splat,
    stack_numbers,
    store,
    total,
)
from ..kernels.spike_bits import WORD
from .event_kernels import SOON, WORD_BYTES, kept_events, prefetch_word
from .filter_kernels import STRIP_BYTES, filtered, scatter_kept

ROWS = 4
"""Steps that a product takes at a time."""


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, ``before`` (how many of the window's steps come before the first), addresses.

    And the dropout of the window, as for the event-driven layer; it has a ``gate`` only if nothing comes before.
    """
    sizes = ("steps", "before", "batch", "inputs", "outputs", "width", "length", "lags", "most", "rows")
    addresses = ["window", "gate", "shares", "lowest", "weight", "bias", "y", "grad"]
    addresses += ["grad_window", "grad_shares", "grad_weight", "sums", "taps", "columns", "strips"]
    return np.dtype([(name, np.int64) for name in (*sizes, "drop", "seed", *addresses)] + [("scale", real)])


def transmit(begin: Any, end: Any, call: Any) -> None:
    """``y[b, t] = bias + sum over j, l of share[j, l] window[before + t - l, b, j] weight[j]``, for samples."""
    job = carray(call, 1)[0]
    window, shares = numbers_at(job.window, job.scale), numbers_at(job.shares, job.scale)
    first, weight = numbers_at(job.lowest, np.int32(0)), numbers_at(job.weight, job.scale)
    bias, y = numbers_at(job.bias, job.scale), numbers_at(job.y, job.scale)
    width, pair, places = job.width, 2 * REGISTER_BYTES // element_bytes(y), stack_numbers(WORD_BYTES, np.int64(0))
    for sample in range(begin, end):
        for row in range(sample * job.length, (sample + 1) * job.length):
            for i in range(0, width, pair):
                store(y, row * width + i, load2(bias, i))
        for source in range(job.before + job.steps):
            row = (source * job.batch + sample) * job.inputs
            origin = sample * job.length + source
            for start in range(0, job.inputs, WORD):
                number = kept_events(job, window, row + start, min(WORD, job.inputs - start), places)
                for event in range(number):
                    j = start + places[event]
                    for i in range(0, width, pair):
                        at, along = (origin + first[j]) * width + i, load2(weight, j * width + i)
                        along = along * splat(along, window[row + j] * job.scale)
                        for m in range(job.most):
                            share = splat(along, shares[j * job.most + m])
                            store(y, at + m * width, fma(share, along, load2(y, at + m * width)))


@compiled
def write_arrived(job: Any, grad: Any, weight: Any, left: Any, strip: Any) -> None:
    """Write the product of a sample's gradient and a strip of weights to rows of the strip: what arrived has it."""
    columns, lanes = STRIP_BYTES // element_bytes(strip), REGISTER_BYTES // element_bytes(strip)
    pitch = -(-job.inputs // columns) * columns
    for step in range(0, job.steps, ROWS):
        for i in range(0, columns, 2 * lanes):
            a = b = c = d = splat(load2(weight, left + i), 0.0)
            for o in range(job.outputs):
                along, at = load2(weight, o * pitch + left + i), step * job.width + o
                a = fma(splat(a, grad[at]), along, a)
                b = fma(splat(a, grad[at + job.width]), along, b)
                c = fma(splat(a, grad[at + 2 * job.width]), along, c)
                d = fma(splat(a, grad[at + 3 * job.width]), along, d)
            store(strip, step * columns + i, a)
            store(strip, (step + 1) * columns + i, b)
            store(strip, (step + 2) * columns + i, c)
            store(strip, (step + 3) * columns + i, d)


@compiled
def add_sums(job: Any, window: Any, grad: Any, sample: Any, left: Any, size: Any, sums: Any) -> None:
    """Add what a sample's events bring in each of their lags, of some inputs, to ``sums`` [N, most, width]."""
    first, places = numbers_at(job.lowest, np.int32(0)), stack_numbers(WORD_BYTES, np.int64(0))
    width, pair = job.width, 2 * REGISTER_BYTES // element_bytes(grad)
    for source in range(job.before + job.steps):
        row = (source * job.batch + sample) * job.inputs + left
        prefetch_word(window, row + SOON * job.batch * job.inputs)
        origin = sample * job.length + source
        number = kept_events(job, window, row, size, places)
        for event in range(number):
            n = left + places[event]
            for i in range(0, width, pair):
                at, to = (origin + first[n]) * width + i, n * job.most * width + i
                value = splat(load2(grad, at), window[row + places[event]] * job.scale)
                for m in range(0, job.most * width, width):
                    store(sums, to + m, fma(value, load2(grad, at + m), load2(sums, to + m)))


def transmit_backward(begin: Any, end: Any, call: Any) -> None:
    """The gradients of `transmit` from that of its result, for strips of inputs.

    For that of the window, if it is wanted, ``columns`` are the weights [outputs, N], and ``taps`` the shares of all
    lags, from the last one, [lags, N], both up to whole strips. ``sums`` [N, most, width] are 0 at first.
    """
    job = carray(call, 1)[0]
    window, shares = numbers_at(job.window, job.scale), numbers_at(job.shares, job.scale)
    weight, grad = numbers_at(job.weight, job.scale), numbers_at(job.grad, job.scale)
    sums, grad_weight = numbers_at(job.sums, job.scale), numbers_at(job.grad_weight, job.scale)
    grad_window, grad_shares = numbers_at(job.grad_window, job.scale), numbers_at(job.grad_shares, job.scale)
    taps, columns_ = numbers_at(job.taps, job.scale), numbers_at(job.columns, job.scale)
    width, pair, columns = job.width, 2 * REGISTER_BYTES // element_bytes(grad), STRIP_BYTES // element_bytes(grad)
    lanes, pitch = pair // 2, -(-job.inputs // columns) * columns
    zero = splat(load2(weight, 0), 0.0)
    for task in range(begin, end):
        left = task * columns
        size, memory = min(columns, job.inputs - left), job.strips + task * 2 * job.rows * STRIP_BYTES
        strip, result = numbers_at(memory, job.scale), numbers_at(memory + job.rows * STRIP_BYTES, job.scale)
        arrived = numbers_at(memory + job.before * STRIP_BYTES, job.scale)
        if job.grad_window != 0:
            for i in range(0, job.rows * columns, lanes):
                store(strip, i, splat(load1(weight, 0), 0.0))
        for sample in range(job.batch):
            if job.grad_window != 0:
                own = numbers_at(job.grad + (sample * job.length + job.before) * width * element_bytes(grad), job.scale)
                write_arrived(job, own, columns_, left, arrived)
                steps, start = job.before + job.steps, sample * job.inputs + left
                filtered(strip, taps, left, pitch, job.lags, job.lags - 1, steps, result)
                scatter_kept(job, result, grad_window, start, job.batch * job.inputs, steps, size)
            add_sums(job, window, grad, sample, left, size, sums)
        for n in range(left, left + size):
            for i in range(0, width, pair):
                whole = zero
                for m in range(job.most):
                    share = splat(zero, shares[n * job.most + m])
                    whole = fma(share, load2(sums, (n * job.most + m) * width + i), whole)
                store(grad_weight, n * width + i, whole)
            for m in range(job.most):
                result_ = zero
                for i in range(0, width, pair):
                    at = (n * job.most + m) * width + i
                    result_ = fma(load2(weight, n * width + i), load2(sums, at), result_)
                grad_shares[n * job.most + m] = total(result_)
