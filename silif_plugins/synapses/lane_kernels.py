"""Kernels of few lags for each synapse: vectors hold successive time steps, so every synapse has lags of its own.

Sequences lie in memory as [B, neurons, time], zeros before and after. The cost is that of a product for each lag that a
synapse has, whatever the longest delay and the share of spikes.
"""

# Numba's types, not Python's, are checked here: at the first call.
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ..kernels.simd import REGISTER_BYTES, element_bytes, fma, load2, numbers_at, splat, store, total

GROUP = 4
"""Outputs that are summed at a time: their number is padded to a multiple of it."""

LAGS = 3
"""Lags whose gradients are summed at a time: their number is padded to a multiple of it."""


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, addresses, and where in ``x`` the first step of ``y`` is for a lag of 0."""
    sizes = ("steps", "length", "batch", "inputs", "outputs", "lags", "start")
    addresses = ("x", "y", "first", "taps", "grad_taps")
    return np.dtype([(name, np.int64) for name in sizes + addresses] + [("one", real)])


def tile(itemsize: int) -> int:
    """Steps that are summed at a time: their number is padded to a multiple of it."""
    return 4 * REGISTER_BYTES // itemsize


def transmit(begin: Any, end: Any, call: Any) -> None:
    """``y[b, i, t] = sum over j, m of taps[i, j, m] * x[b, j, start + t - first[i, j] - m]``, for samples."""
    job = carray(call, 1)[0]
    x, y = numbers_at(job.x, job.one), numbers_at(job.y, job.one)
    taps, first = numbers_at(job.taps, job.one), numbers_at(job.first, np.int32(0))
    inputs, lags, pair = job.inputs, job.lags, 2 * REGISTER_BYTES // element_bytes(x)
    zero = splat(load2(x, 0), 0.0)
    for sample in range(begin, end):
        for i in range(0, job.outputs, GROUP):
            for t in range(0, job.steps, 2 * pair):
                a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = zero
                for j in range(inputs):
                    at = (sample * inputs + j) * job.length + job.start + t
                    p0, p1 = i * inputs + j, (i + 1) * inputs + j
                    p2, p3 = (i + 2) * inputs + j, (i + 3) * inputs + j
                    s0, s1, s2, s3 = at - first[p0], at - first[p1], at - first[p2], at - first[p3]
                    for m in range(lags):
                        w0, w1 = splat(zero, taps[p0 * lags + m]), splat(zero, taps[p1 * lags + m])
                        w2, w3 = splat(zero, taps[p2 * lags + m]), splat(zero, taps[p3 * lags + m])
                        a0, a1 = fma(w0, load2(x, s0 - m), a0), fma(w0, load2(x, s0 - m + pair), a1)
                        b0, b1 = fma(w1, load2(x, s1 - m), b0), fma(w1, load2(x, s1 - m + pair), b1)
                        c0, c1 = fma(w2, load2(x, s2 - m), c0), fma(w2, load2(x, s2 - m + pair), c1)
                        d0, d1 = fma(w3, load2(x, s3 - m), d0), fma(w3, load2(x, s3 - m + pair), d1)
                to = (sample * job.outputs + i) * job.steps + t
                store(y, to, a0)
                store(y, to + pair, a1)
                store(y, to + job.steps, b0)
                store(y, to + job.steps + pair, b1)
                store(y, to + 2 * job.steps, c0)
                store(y, to + 2 * job.steps + pair, c1)
                store(y, to + 3 * job.steps, d0)
                store(y, to + 3 * job.steps + pair, d1)


def tap_gradient(begin: Any, end: Any, call: Any) -> None:
    """``grad_taps[i, j, m] = sum over b, t of y[b, i, t] * x[b, j, start + t - first[i, j] - m]``, for outputs."""
    job = carray(call, 1)[0]
    x, y = numbers_at(job.x, job.one), numbers_at(job.y, job.one)
    grad, first = numbers_at(job.grad_taps, job.one), numbers_at(job.first, np.int32(0))
    inputs, lags, pair = job.inputs, job.lags, 2 * REGISTER_BYTES // element_bytes(x)
    zero = splat(load2(x, 0), 0.0)
    for i in range(begin * GROUP, end * GROUP, 2):
        for j in range(inputs):
            p, q = i * inputs + j, (i + 1) * inputs + j
            for m in range(0, lags, LAGS):
                a0 = a1 = a2 = b0 = b1 = b2 = zero
                for sample in range(job.batch):
                    at = (sample * inputs + j) * job.length + job.start - m
                    s, r = at - first[p], at - first[q]
                    to = (sample * job.outputs + i) * job.steps
                    for t in range(0, job.steps, pair):
                        one, two = load2(y, to + t), load2(y, to + job.steps + t)
                        a0, b0 = fma(one, load2(x, s + t), a0), fma(two, load2(x, r + t), b0)
                        a1, b1 = fma(one, load2(x, s + t - 1), a1), fma(two, load2(x, r + t - 1), b1)
                        a2, b2 = fma(one, load2(x, s + t - 2), a2), fma(two, load2(x, r + t - 2), b2)
                grad[p * lags + m], grad[p * lags + m + 1], grad[p * lags + m + 2] = total(a0), total(a1), total(a2)
                grad[q * lags + m], grad[q * lags + m + 1], grad[q * lags + m + 2] = total(b0), total(b1), total(b2)
