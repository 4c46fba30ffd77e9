"""Kernels that filter each channel in time by lags of its own, with the gradients.

Channels are next to each other in a vector. Steps of a sequence [T, B, N] are far apart in memory, so that those of a
sample, a few channels wide, are put together first, with zeros around them: a strip. The cost is that of a
multiplication for each lag, whatever the share of spikes.
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
    inlined,
    load1,
    numbers_at,
    splat,
    store,
)
from .event_kernels import event_word, gate_word, write_kept

STRIP_BYTES = 4 * REGISTER_BYTES
"""Width of a strip."""

TILE = 8
"""Steps, or lags of a gradient, that are summed at a time: their numbers are padded to multiples of it."""


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, ``before`` (how many of the window's steps come before the first), addresses.

    And the dropout of the window, as for the event-driven layer; it has a ``gate`` only if nothing comes before.
    """
    sizes = ("steps", "before", "batch", "channels", "lags", "rows", "drop", "seed")
    addresses = ("window", "gate", "y", "grad", "taps", "grad_taps", "strips")
    return np.dtype([(name, np.int64) for name in sizes + addresses] + [("scale", real)])


@inlined
def gather(source: Any, start: Any, pitch: Any, steps: Any, width: Any, strip: Any, rows: Any, top: Any) -> None:
    """Copy steps, ``pitch`` numbers apart, to a strip of so many rows, from row ``top`` on, and zeros around them."""
    columns, lanes = STRIP_BYTES // element_bytes(strip), REGISTER_BYTES // element_bytes(strip)
    zero = splat(load1(strip, 0), 0.0)
    for row in range(rows):
        step, at = row - top, row * columns
        if step < 0 or step >= steps:
            for i in range(0, columns, lanes):
                store(strip, at + i, zero)
        else:
            place = start + step * pitch
            if width == columns:
                for i in range(0, columns, lanes):
                    store(strip, at + i, load1(source, place + i))
            else:
                for i in range(width):
                    strip[at + i] = source[place + i]
                for i in range(width, columns):
                    strip[at + i] = 0


@inlined
def scatter(strip: Any, to: Any, start: Any, pitch: Any, steps: Any, width: Any) -> None:
    """Copy the first rows of a strip to steps, ``pitch`` numbers apart."""
    columns, lanes = STRIP_BYTES // element_bytes(strip), REGISTER_BYTES // element_bytes(strip)
    for step in range(steps):
        at, place = step * columns, start + step * pitch
        if width == columns:
            for i in range(0, columns, lanes):
                store(to, place + i, load1(strip, at + i))
        else:
            for i in range(width):
                to[place + i] = strip[at + i]


@inlined
def gather_kept(
    job: Any, source: Any, start: Any, pitch: Any, steps: Any, width: Any, strip: Any, rows: Any, top: Any
) -> None:
    """Copy steps to a strip as `gather` does, after dropout."""
    columns, lanes = STRIP_BYTES // element_bytes(strip), REGISTER_BYTES // element_bytes(strip)
    zero = splat(load1(strip, 0), 0.0)
    if job.drop == 0:
        gather(source, start, pitch, steps, width, strip, rows, top)
    else:
        for row in range(rows):
            step, at = row - top, row * columns
            for i in range(0, columns, lanes):
                store(strip, at + i, zero)
            if step >= 0 and step < steps:
                place = start + step * pitch
                write_kept(job, event_word(source, place, width), place, source, place, strip, at)


@inlined
def scatter_kept(job: Any, strip: Any, to: Any, start: Any, pitch: Any, steps: Any, width: Any) -> None:
    """Copy the first rows of a strip as `scatter` does, where gates are open and dropout keeps the input."""
    columns, gate = STRIP_BYTES // element_bytes(strip), numbers_at(job.gate, np.uint8(0))
    if job.drop == 0:
        scatter(strip, to, start, pitch, steps, width)
    else:
        for step in range(steps):
            at, place = step * columns, start + step * pitch
            found = gate_word(gate, place, width) if job.gate != 0 else event_word(strip, at, width)
            for i in range(width):
                to[place + i] = 0
            write_kept(job, found, place, strip, at, to, place)


@compiled
def filtered(strip: Any, taps: Any, left: Any, pitch: Any, lags: Any, first: Any, steps: Any, result: Any) -> None:
    """``result[t] = sum over l of taps[l] * strip[first + t - l]``."""
    columns, lanes = STRIP_BYTES // element_bytes(strip), REGISTER_BYTES // element_bytes(strip)
    for i in range(0, columns, lanes):
        zero = splat(load1(strip, i), 0.0)
        for t in range(0, steps, TILE):
            a = b = c = d = e = f = g = h = zero
            for lag in range(lags):
                tap, at = load1(taps, lag * pitch + left + i), (first + t - lag) * columns + i
                a = fma(tap, load1(strip, at), a)
                b = fma(tap, load1(strip, at + columns), b)
                c = fma(tap, load1(strip, at + 2 * columns), c)
                d = fma(tap, load1(strip, at + 3 * columns), d)
                e = fma(tap, load1(strip, at + 4 * columns), e)
                f = fma(tap, load1(strip, at + 5 * columns), f)
                g = fma(tap, load1(strip, at + 6 * columns), g)
                h = fma(tap, load1(strip, at + 7 * columns), h)
            to = t * columns + i
            store(result, to, a)
            store(result, to + columns, b)
            store(result, to + 2 * columns, c)
            store(result, to + 3 * columns, d)
            store(result, to + 4 * columns, e)
            store(result, to + 5 * columns, f)
            store(result, to + 6 * columns, g)
            store(result, to + 7 * columns, h)


@compiled
def add_tap_gradient(
    strip: Any, grad: Any, steps: Any, first: Any, lags: Any, grad_taps: Any, left: Any, pitch: Any
) -> None:
    """Add ``sum over t of grad[t] * strip[first + t - l]`` to ``grad_taps[l]``, for TILE lags at a time."""
    columns, lanes = STRIP_BYTES // element_bytes(strip), REGISTER_BYTES // element_bytes(strip)
    for i in range(0, columns, lanes):
        zero = splat(load1(strip, i), 0.0)
        for lag in range(0, lags, TILE):
            a = b = c = d = e = f = g = h = zero
            for t in range(steps):
                value, at = load1(grad, t * columns + i), (first + t - lag) * columns + i
                a = fma(value, load1(strip, at), a)
                b = fma(value, load1(strip, at - columns), b)
                c = fma(value, load1(strip, at - 2 * columns), c)
                d = fma(value, load1(strip, at - 3 * columns), d)
                e = fma(value, load1(strip, at - 4 * columns), e)
                f = fma(value, load1(strip, at - 5 * columns), f)
                g = fma(value, load1(strip, at - 6 * columns), g)
                h = fma(value, load1(strip, at - 7 * columns), h)
            to = lag * pitch + left + i
            store(grad_taps, to, load1(grad_taps, to) + a)
            store(grad_taps, to + pitch, load1(grad_taps, to + pitch) + b)
            store(grad_taps, to + 2 * pitch, load1(grad_taps, to + 2 * pitch) + c)
            store(grad_taps, to + 3 * pitch, load1(grad_taps, to + 3 * pitch) + d)
            store(grad_taps, to + 4 * pitch, load1(grad_taps, to + 4 * pitch) + e)
            store(grad_taps, to + 5 * pitch, load1(grad_taps, to + 5 * pitch) + f)
            store(grad_taps, to + 6 * pitch, load1(grad_taps, to + 6 * pitch) + g)
            store(grad_taps, to + 7 * pitch, load1(grad_taps, to + 7 * pitch) + h)


def spread(begin: Any, end: Any, call: Any) -> None:
    """``y[t] = sum over l of taps[l] * window[before + t - l]``, for strips of channels."""
    job = carray(call, 1)[0]
    window, y, taps = numbers_at(job.window, job.scale), numbers_at(job.y, job.scale), numbers_at(job.taps, job.scale)
    columns, length = STRIP_BYTES // element_bytes(taps), job.before + job.steps
    pitch, first = -(-job.channels // columns) * columns, -(-job.lags // TILE) * TILE - 1
    for task in range(begin, end):
        memory = job.strips + task * 2 * job.rows * STRIP_BYTES
        strip = numbers_at(memory, job.scale)
        result = numbers_at(memory + job.rows * STRIP_BYTES, job.scale)
        left = task * columns
        width = min(columns, job.channels - left)
        for sample in range(job.batch):
            start, step = sample * job.channels + left, job.batch * job.channels
            gather_kept(job, window, start, step, length, width, strip, job.rows, first - job.before)
            filtered(strip, taps, left, pitch, job.lags, first, job.steps, result)
            scatter(result, y, start, step, job.steps, width)


def spread_backward(begin: Any, end: Any, call: Any) -> None:
    """The gradients of `spread` from that of its result, of the window to y and of the taps, for strips of channels.

    Taps come in reverse order. Those of the gradient are as many as whole tiles have, and 0 at first.
    """
    job = carray(call, 1)[0]
    window, grad, y = numbers_at(job.window, job.scale), numbers_at(job.grad, job.scale), numbers_at(job.y, job.scale)
    taps, grad_taps = numbers_at(job.taps, job.scale), numbers_at(job.grad_taps, job.scale)
    columns, length = STRIP_BYTES // element_bytes(taps), job.before + job.steps
    pitch, first = -(-job.channels // columns) * columns, -(-job.lags // TILE) * TILE - 1
    for task in range(begin, end):
        memory = job.strips + task * 3 * job.rows * STRIP_BYTES
        strip, result = numbers_at(memory, job.scale), numbers_at(memory + job.rows * STRIP_BYTES, job.scale)
        back = memory + 2 * job.rows * STRIP_BYTES
        given, ahead = numbers_at(back, job.scale), numbers_at(back + job.before * STRIP_BYTES, job.scale)
        left = task * columns
        width = min(columns, job.channels - left)
        for sample in range(job.batch):
            start, step = sample * job.channels + left, job.batch * job.channels
            gather(grad, start, step, job.steps, width, given, job.rows, job.before)
            if job.y != 0:
                filtered(given, taps, left, pitch, job.lags, job.lags - 1, length, result)
                scatter_kept(job, result, y, start, step, length, width)
            if job.grad_taps != 0:
                gather_kept(
                    job, window, start, job.batch * job.channels, length, width, strip, job.rows, first - job.before
                )
                add_tap_gradient(strip, ahead, job.steps, first, job.lags, grad_taps, left, pitch)
