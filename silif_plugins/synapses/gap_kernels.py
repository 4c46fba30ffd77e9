"""Kernels of a linear layer that leave out its inputs where these are zero for some steps.

Inputs [T, B, N] that were spread over a few lags come in groups: most are zero for many steps. Of each strip of inputs,
and each tile of ROWS steps of a sample, the inputs that are not zero are listed with their values, one list after the
other: ``places`` [B, tiles * N] and ``shares`` [B, tiles * N, ROWS], of which ``ends`` [B, strips, tiles] tells where
each list of a sample ends. A product visits those alone, with all steps of a tile at once in registers, strip by strip,
so that its weights stay in the nearest cache. Weights lie as panels of as many outputs as a strip has, [panels, N,
columns].
"""

# Numba's types, not Python's, are checked here: at the first call.
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ..kernels.simd import REGISTER_BYTES, bits, element_bytes, fma, load1, load2, lowest, numbers_at, splat, store
from .filter_kernels import STRIP_BYTES, TILE, filtered, gather, gather_kept, scatter

ROWS = 4
"""Steps of a tile."""


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, ``before`` (how many of the window's steps come before the first), addresses.

    And the dropout of the window, as for the event-driven layer.
    """
    sizes = ("steps", "before", "batch", "inputs", "outputs", "lags", "rows", "tiles", "drop", "seed")
    addresses = ("window", "taps", "ends", "places", "shares", "weight", "bias", "y", "grad", "grad_weight", "strips")
    return np.dtype([(name, np.int64) for name in sizes + addresses] + [("scale", real)])


def pack(begin: Any, end: Any, call: Any) -> None:
    """Spread inputs over lags, and list what is not zero, for samples."""
    job = carray(call, 1)[0]
    window, taps = numbers_at(job.window, job.scale), numbers_at(job.taps, job.scale)
    ends, places = numbers_at(job.ends, np.int32(0)), numbers_at(job.places, np.int32(0))
    shares = numbers_at(job.shares, job.scale)
    columns, lanes = STRIP_BYTES // element_bytes(taps), REGISTER_BYTES // element_bytes(taps)
    blocks, first = -(-job.inputs // columns), -(-job.lags // TILE) * TILE - 1
    memory = job.strips + begin * 2 * job.rows * STRIP_BYTES
    strip, spread = numbers_at(memory, job.scale), numbers_at(memory + job.rows * STRIP_BYTES, job.scale)
    zero = splat(load1(taps, 0), 0.0)
    for sample in range(begin, end):
        before = sample * job.tiles * job.inputs
        place = before
        for block in range(blocks):
            left = block * columns
            width = min(columns, job.inputs - left)
            start, length = sample * job.inputs + left, job.before + job.steps
            gather_kept(job, window, start, job.batch * job.inputs, length, width, strip, job.rows, first - job.before)
            filtered(strip, taps, left, blocks * columns, job.lags, first, job.steps, spread)
            for tile in range(job.tiles):
                row = tile * ROWS * columns
                for i in range(0, columns, lanes):
                    found = 0
                    for r in range(ROWS):
                        found |= bits(load1(spread, row + r * columns + i) != zero)
                    while found != 0:
                        j = i + lowest(found)
                        found &= found - 1
                        places[place] = left + j
                        for r in range(ROWS):
                            shares[place * ROWS + r] = spread[row + r * columns + j]
                        place += 1
                ends[(sample * blocks + block) * job.tiles + tile] = place - before


def transmit(begin: Any, end: Any, call: Any) -> None:
    """``y[t, b] = bias + sum over listed inputs of share[t] weight``, for samples."""
    job = carray(call, 1)[0]
    ends, places = numbers_at(job.ends, np.int32(0)), numbers_at(job.places, np.int32(0))
    shares, weight = numbers_at(job.shares, job.scale), numbers_at(job.weight, job.scale)
    bias, y = numbers_at(job.bias, job.scale), numbers_at(job.y, job.scale)
    columns, pair = STRIP_BYTES // element_bytes(y), 2 * REGISTER_BYTES // element_bytes(y)
    strip, blocks = numbers_at(job.strips + begin * job.rows * STRIP_BYTES, job.scale), -(-job.inputs // columns)
    for sample in range(begin, end):
        for left in range(0, job.outputs, columns):
            before = sample * job.tiles * job.inputs
            first = before
            for block in range(blocks):
                for tile in range(job.tiles):
                    last, to = before + ends[(sample * blocks + block) * job.tiles + tile], tile * ROWS * columns
                    if block == 0:
                        a = c = e = g = load2(bias, left)
                        b = d = f = h = load2(bias, left + pair)
                    else:
                        a, b = load2(strip, to), load2(strip, to + pair)
                        c, d = load2(strip, to + columns), load2(strip, to + columns + pair)
                        e, f = load2(strip, to + 2 * columns), load2(strip, to + 2 * columns + pair)
                        g, h = load2(strip, to + 3 * columns), load2(strip, to + 3 * columns + pair)
                    for place in range(first, last):
                        at, share = left * job.inputs + places[place] * columns, place * ROWS
                        w, v = load2(weight, at), load2(weight, at + pair)
                        s = splat(w, shares[share])
                        a, b = fma(s, w, a), fma(s, v, b)
                        s = splat(w, shares[share + 1])
                        c, d = fma(s, w, c), fma(s, v, d)
                        s = splat(w, shares[share + 2])
                        e, f = fma(s, w, e), fma(s, v, f)
                        s = splat(w, shares[share + 3])
                        g, h = fma(s, w, g), fma(s, v, h)
                    store(strip, to, a)
                    store(strip, to + pair, b)
                    store(strip, to + columns, c)
                    store(strip, to + columns + pair, d)
                    store(strip, to + 2 * columns, e)
                    store(strip, to + 2 * columns + pair, f)
                    store(strip, to + 3 * columns, g)
                    store(strip, to + 3 * columns + pair, h)
                    first = last
            start, width = sample * job.outputs + left, min(columns, job.outputs - left)
            scatter(strip, y, start, job.batch * job.outputs, job.steps, width)


def weight_gradient(begin: Any, end: Any, call: Any) -> None:
    """Add ``sum over t, b of share[t] grad[t, b]`` to the gradients of the weights of listed inputs, for panels."""
    job = carray(call, 1)[0]
    ends, places = numbers_at(job.ends, np.int32(0)), numbers_at(job.places, np.int32(0))
    shares, grad = numbers_at(job.shares, job.scale), numbers_at(job.grad, job.scale)
    total = numbers_at(job.grad_weight, job.scale)
    columns, pair = STRIP_BYTES // element_bytes(grad), 2 * REGISTER_BYTES // element_bytes(grad)
    strip, blocks = numbers_at(job.strips + begin * job.rows * STRIP_BYTES, job.scale), -(-job.inputs // columns)
    for panel in range(begin, end):
        left = panel * columns
        for sample in range(job.batch):
            start, width = sample * job.outputs + left, min(columns, job.outputs - left)
            gather(grad, start, job.batch * job.outputs, job.steps, width, strip, job.rows, 0)
            before = sample * job.tiles * job.inputs
            first = before
            for block in range(blocks):
                for tile in range(job.tiles):
                    last, row = before + ends[(sample * blocks + block) * job.tiles + tile], tile * ROWS * columns
                    a, b = load2(strip, row), load2(strip, row + pair)
                    c, d = load2(strip, row + columns), load2(strip, row + columns + pair)
                    e, f = load2(strip, row + 2 * columns), load2(strip, row + 2 * columns + pair)
                    g, h = load2(strip, row + 3 * columns), load2(strip, row + 3 * columns + pair)
                    for place in range(first, last):
                        to, share = left * job.inputs + places[place] * columns, place * ROWS
                        x, y = load2(total, to), load2(total, to + pair)
                        s = splat(a, shares[share])
                        x, y = fma(s, a, x), fma(s, b, y)
                        s = splat(a, shares[share + 1])
                        x, y = fma(s, c, x), fma(s, d, y)
                        s = splat(a, shares[share + 2])
                        x, y = fma(s, e, x), fma(s, f, y)
                        s = splat(a, shares[share + 3])
                        x, y = fma(s, g, x), fma(s, h, y)
                        store(total, to, x)
                        store(total, to + pair, y)
                    first = last
