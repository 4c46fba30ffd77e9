"""The kernels for systems of two to eight states: those of ``kernels.py``, with bundles in the place of mem and ada.

    mem[t] = C·x[t]
    g = dL/dmem[t] + σ'(mem[t] - threshold) (dL/ds[t] + R·λ[t+1])
    λ[t] = Aᵀ λ[t+1] + C g + dL/dx[t]
    dL/dI[t] = B·λ[t],  dL/dA += λ[t] x[t-1]ᵀ,  dL/dB += λ[t] I[t],  dL/dR += λ[t] s[t-1],  dL/dC += g x[t]

One vector of lanes runs at a time: its states alone are as many chains of operations as a processor runs side by side.
Backward goes through a chunk a third time for the sums of the gradients of A, B, R and C, a few states after the other:
all of them would not fit into the registers.

The kernels are made for a kind of system: tuples as long as there are states n, entries of A, and for these sums states
in a group, entries in a row and entries in a group; levels of spikes above the first, and below -threshold; and 1 for a
reset in proportion. Graded spikes are a staircase, sum_k H(mem - k threshold); σ' above is then the sum of the
derivatives at all levels. With x[t] = (1 + R s[t-1]) A x[t-1] + B I[t] the adjoint has q = (1 + R s[t-1]) λ[t] in the
place of λ[t] before Aᵀ and in dL/dA, and w = λ[t] A x[t-1] before R and s[t-1].
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import carray

from ...dynamics import levels
from ...kernels import bundles
from ...kernels.simd import (
    REGISTER_BYTES,
    accumulate,
    address_of,
    compiled,
    element_bytes,
    fence,
    fma,
    inlined,
    load1,
    magnitude,
    numbers_at,
    prefetch2,
    select,
    splat,
    stack_numbers,
    store,
    store_bytes,
)
from ..layout import CHUNK
from .kernels import FIRST, OCTET_BYTES, TOTAL, derivative, get, put
from .tiles import ADDRESS, LOAD, OUT, PITCH, SAVE, TIME, add_lanes, clear, copy, locate, place, reading, span


def numbers_of(states: int, entries: int) -> int:
    """How many numbers describe a neuron: A, B, R, C and the threshold."""
    return entries + 3 * states + 1


def vectors_of(states: int, hard: bool) -> int:
    """How many vectors of a chunk are kept: mem and states before and after its steps; g, spikes before and λ."""
    return (states + 1) * (CHUNK + 1) + (states * (3 if hard else 1) + 2) * CHUNK


def rows_of(states: int, entries: int, hard: bool) -> int:
    """Rows of the scratch memory."""
    history = -(-vectors_of(states, hard) * REGISTER_BYTES // PITCH)
    return 2 * numbers_of(states, entries) + 3 * (states + 2) + history + CHUNK * (3 + states + 1)


@inlined
def layout(kind: Any) -> Any:
    """First rows of the scratch memory for sums, carry, state, saved state, history, x, spikes, gradients and traces.

    The first of all are those of the coefficients.
    """
    n, entries, _, _, _, _, _, hard = kind
    sums = len(entries) + 3 * len(n) + 1
    carry, fields = 2 * sums, len(n) + 2
    state, saved, history = carry + fields, carry + 2 * fields, carry + 3 * fields
    vectors = (len(n) + 1) * (CHUNK + 1) + (len(n) * (1 + 2 * len(hard)) + 2) * CHUNK
    x = history + (vectors * REGISTER_BYTES + PITCH - 1) // PITCH
    return sums, carry, state, saved, history, x, x + CHUNK, x + 2 * CHUNK, x + 3 * CHUNK


@inlined
def load_all(rows: Any, row: Any, i: Any, kind: Any) -> Any:
    """A, B, R, C and the threshold, or their gradients, from rows of the scratch memory."""
    n, entries, _, _, _, _, _, _ = kind
    pitch = PITCH // element_bytes(rows)
    m, k, at = len(entries), len(n), row * pitch + i
    a, b = bundles.load(entries, rows, at, pitch), bundles.load(n, rows, at + m * pitch, pitch)
    r, c = bundles.load(n, rows, at + (m + k) * pitch, pitch), bundles.load(n, rows, at + (m + 2 * k) * pitch, pitch)
    return a, b, r, c, load1(rows, at + (m + 3 * k) * pitch)


@inlined
def step(x: Any, current: Any, s: Any, coefficients: Any, kind: Any) -> Any:
    """The states after a step, in the order of the reference: its results to the last bit."""
    a, b, r, _, threshold = coefficients
    _, _, _, _, _, _, _, hard = kind
    moved, reset, given = bundles.applied(a, x), bundles.times(r, s), bundles.times(b, current)
    if len(hard):
        return bundles.plus(bundles.times(moved, bundles.plus(reset, splat(threshold, 1.0))), given)
    return bundles.plus(bundles.plus(moved, given), reset)


@inlined
def spikes_of(m: Any, threshold: Any, kind: Any) -> Any:
    """The spikes of a membrane; of one level above 0 nothing else is left in the machine code."""
    _, _, _, _, _, more, below, _ = kind
    zero, one = splat(m, 0.0), splat(m, 1.0)
    s = select(m > threshold, one, zero)
    for number in range(len(more)):
        s = s + select(m > splat(m, number + 2.0) * threshold, one, zero)
    for _ in range(len(below)):
        s = s - select(zero - m > threshold, one, zero)
    return s


@inlined
def slopes(m: Any, threshold: Any, kind: Any, job: Any) -> Any:
    """What the surrogates of all levels make of a spike's gradient: for the membrane, and for the threshold."""
    _, _, _, _, _, more, below, _ = kind
    for_mem = derivative(m - threshold, job)
    for_threshold = for_mem
    for number in range(len(more)):
        level = splat(m, number + 2.0)
        slope = derivative(m - level * threshold, job)
        for_mem, for_threshold = for_mem + slope, fma(level, slope, for_threshold)
    for _ in range(len(below)):
        slope = derivative(splat(m, 0.0) - m - threshold, job)
        for_mem, for_threshold = for_mem + slope, for_threshold - slope
    return for_mem, for_threshold


@inlined
def put_all(where: Any, row: Any, i: Any, values: Any, like: Any) -> None:
    """Write a bundle to rows of a span."""
    numbers = numbers_at(where[0], like)
    if where[2]:
        bundles.stream(numbers, row * where[1] + i, where[1], values)
    else:
        bundles.store(numbers, row * where[1] + i, where[1], values)


@inlined
def fetch(numbers: Any, index: Any, i: Any) -> None:
    """Ask for the cache lines of two registers, once for both."""
    if i % (2 * REGISTER_BYTES // element_bytes(numbers)) == 0:
        prefetch2(numbers, index + i)


@compiled
def advance(rows: Any, job: Any, count: Any, active: Any, steps: Any, x: Any, soon: Any, out: Any, kind: Any) -> None:
    """Run a tile through a chunk: ``active`` steps, and zeros in the rest of ``steps``."""
    pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
    n, _, _, _, _, _, _, _ = kind
    _, _, state, _, _, _, _, _, _ = layout(kind)
    saves, chunks, spk, trace, gates = out
    fetched, opened = numbers_at(job.x[ADDRESS], like), numbers_at(gates[0], np.uint8(0))
    traced, gated, fields = job.mem[ADDRESS] != 0, job.gates[ADDRESS] != 0, len(n) + 1
    for i in range(0, count, lanes):
        coefficients = load_all(rows, FIRST, i, kind)
        _, _, _, c, threshold = coefficients
        zero = splat(threshold, 0.0)
        m, y = load1(rows, state * pitch + i), bundles.load(n, rows, (state + 1) * pitch + i, pitch)
        s, none = load1(rows, (state + len(n) + 1) * pitch + i), bundles.repeat(n, zero)
        if saves:
            put_all(chunks, 0, i, y, like)
        for t in range(active):
            fetch(fetched, soon + t * x[1], i)
            y = step(y, get(load1, x, t, i, like), s, coefficients, kind)
            m = bundles.dot(c, y)
            s = spikes_of(m, threshold, kind)
            put(spk, t, i, s, like)
            if traced:
                put(trace, t * fields, i, m, like)
                put_all(trace, t * fields + 1, i, y, like)
            if gated:
                store_bytes(opened, t * gates[1] + i, magnitude(m - threshold) <= splat(m, job.gate_width))
        store(rows, state * pitch + i, m)
        bundles.store(rows, (state + 1) * pitch + i, pitch, y)
        store(rows, (state + len(n) + 1) * pitch + i, s)
        for t in range(active, steps):
            put(spk, t, i, zero, like)
            if traced:
                put(trace, t * fields, i, zero, like)
                put_all(trace, t * fields + 1, i, none, like)
            if gated:
                store_bytes(opened, t * gates[1] + i, magnitude(threshold) <= splat(m, job.gate_width))


@compiled
def adjoint(
    rows: Any,
    totals: Any,
    job: Any,
    count: Any,
    active: Any,
    steps: Any,
    state: Any,
    spans: Any,
    soon: Any,
    out: Any,
    kind: Any,
) -> None:
    """Run a tile through a chunk again, and the adjoint back over it; as that of ``kernels.py``."""
    lanes = REGISTER_BYTES // element_bytes(rows)
    for i in range(0, count, lanes):
        first = run_again(rows, job, i, active, state, spans, soon, kind)
        run_back(rows, job, i, first, active, spans, out, kind)
        add_up(rows, totals, job, i, active, state, spans, kind)
        for t in range(active, steps):
            put(out, t, i, splat(load1(rows, i), 0.0), job.shape1)


@inlined
def run_again(rows: Any, job: Any, i: Any, active: Any, state: Any, spans: Any, soon: Any, kind: Any) -> Any:
    """Write mem and the states before and after the steps of a chunk to the history; return the spikes before it."""
    pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
    n, _, _, _, _, _, _, _ = kind
    begins, _, before = state
    x, grad, _ = spans
    _, _, _, _, history, _, _, _, _ = layout(kind)
    at, size = history * pitch, (len(n) + 1) * lanes
    coefficients = load_all(rows, FIRST, i, kind)
    _, _, _, c, threshold = coefficients
    saved, skipped = numbers_at(before[0], like), 1 if begins else 0  # an initial state begins with mem
    y = bundles.load(n, saved, skipped * before[1] + i, before[1])
    for k in range(len(n)):
        fetch(numbers_at(job.chunks[ADDRESS], like), soon[2] + k * job.chunks[TIME], i)
    m = bundles.dot(c, y)
    s = get(load1, before, len(n) + 1, i, like) if begins else spikes_of(m, threshold, kind)
    first = s
    store(rows, at, m)
    bundles.store(rows, at + lanes, lanes, y)
    for t in range(active):
        fetch(numbers_at(job.x[ADDRESS], like), soon[0] + t * x[1], i)
        fetch(numbers_at(job.grad_spk[ADDRESS], like), soon[1] + t * grad[1], i)
        y = step(y, get(load1, x, t, i, like), s, coefficients, kind)
        m = bundles.dot(c, y)
        s = spikes_of(m, threshold, kind)
        store(rows, at + (t + 1) * size, m)
        bundles.store(rows, at + (t + 1) * size + lanes, lanes, y)
    return first


@inlined
def run_back(rows: Any, job: Any, i: Any, first: Any, active: Any, spans: Any, out: Any, kind: Any) -> None:
    """Run the adjoint over a chunk, for one vector: gradients of the input and, for :func:`add_up`, λ."""
    n, _, _, _, _, _, _, hard = kind
    pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
    _, grad, grad_trace = spans
    _, carry, _, _, history, _, _, _, _ = layout(kind)
    traced, fields, size = job.grad_mem[ADDRESS] != 0, len(n) + 1, (len(n) + 1) * lanes
    at, back = history * pitch, history * pitch + size * (CHUNK + 1)
    a, b, r, c, threshold = load_all(rows, FIRST, i, kind)
    zero = splat(threshold, 0.0)
    flows = splat(zero, 0.0 if job.detach_reset else 1.0) > zero
    carry_mem, carry_x = load1(rows, carry * pitch + i), bundles.load(n, rows, (carry + 1) * pitch + i, pitch)
    carry_spk, total = load1(rows, (carry + len(n) + 1) * pitch + i), load1(rows, (carry - 1) * pitch + i)
    mem = load1(rows, at + active * size)
    for t in range(active - 1, -1, -1):
        slope, for_threshold = slopes(mem, threshold, kind, job)
        through = get(load1, grad, t, i, like) + carry_spk
        g, p, total = slope * through + carry_mem, carry_x, total - for_threshold * through
        if traced:
            g = g + get(load1, grad_trace, t * fields, i, like)
            numbers = numbers_at(grad_trace[0], like)
            p = bundles.plus(p, bundles.load(n, numbers, (t * fields + 1) * grad_trace[1] + i, grad_trace[1]))
        p = bundles.fused(c, g, p)
        put(out, t, i, bundles.fused_dot(b, p), like)
        mem = load1(rows, at + t * size)
        s = spikes_of(mem, threshold, kind) if t > 0 else first
        store(rows, back, g)
        store(rows, back + lanes, s)
        bundles.store(rows, back + 2 * lanes, lanes, p)
        q, w = p, p
        if len(hard):
            moved = bundles.applied(a, bundles.load(n, rows, at + t * size + lanes, lanes))
            q, w = bundles.times(p, bundles.plus(bundles.times(r, s), splat(zero, 1.0))), bundles.times(p, moved)
            bundles.store(rows, back + (2 + len(n)) * lanes, lanes, q)
            bundles.store(rows, back + (2 + 2 * len(n)) * lanes, lanes, w)
        carry_x = bundles.applied_back(a, q)
        carry_spk, carry_mem = select(flows, bundles.fused_dot(r, w), zero), zero
        back += (len(n) * (1 + 2 * len(hard)) + 2) * lanes
    store(rows, carry * pitch + i, carry_mem)
    bundles.store(rows, (carry + 1) * pitch + i, pitch, carry_x)
    store(rows, (carry + len(n) + 1) * pitch + i, carry_spk)
    store(rows, (carry - 1) * pitch + i, total)


@inlined
def add_up(rows: Any, totals: Any, job: Any, i: Any, active: Any, state: Any, spans: Any, kind: Any) -> None:
    """Add the gradients of the coefficients over a chunk to their sums, a group of states after the other."""
    n, entries, group, row, block, _, _, hard = kind
    pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
    sums, _, _, _, history, _, _, _, _ = layout(kind)
    size, m, k = (len(n) + 1) * lanes, len(entries), len(n)
    x, due = spans[0], state[1]
    zero = splat(load1(rows, i), 0.0)
    none = bundles.repeat(group, zero)
    for first in range(0, k, len(group)):
        before = history * pitch + (active - 1) * size + lanes
        back = history * pitch + (CHUNK + 1) * size
        left = 0 if len(row) == k else first  # the first state that a row of A takes
        in_a, in_b, in_r, in_c = first * len(row), m + first, m + k + first, m + 2 * k + first
        at = sums * pitch + i
        sa, sb = (
            bundles.load(block, rows, at + in_a * pitch, pitch),
            bundles.load(group, rows, at + in_b * pitch, pitch),
        )
        sr, sc = (
            bundles.load(group, rows, at + in_r * pitch, pitch),
            bundles.load(group, rows, at + in_c * pitch, pitch),
        )
        after = bundles.load(group, rows, before + size + first * lanes, lanes)
        for t in range(active - 1, -1, -1):
            g, s, at_p = load1(rows, back), load1(rows, back + lanes), back + (2 + first) * lanes
            p = bundles.load(group, rows, at_p, lanes)
            q = bundles.load(group, rows, at_p + len(hard) * k * lanes, lanes)
            w = bundles.load(group, rows, at_p + 2 * len(hard) * k * lanes, lanes)
            sc = bundles.fused(g, after, sc)
            after = bundles.load(group, rows, before + first * lanes, lanes)
            sa = bundles.with_outer(sa, q, bundles.load(row, rows, before + left * lanes, lanes))
            sb, sr = bundles.fused(p, get(load1, x, t, i, like), sb), bundles.fused(w, s, sr)
            before, back = before - size, back + (k * (1 + 2 * len(hard)) + 2) * lanes
        if due:
            bundles.accumulate(totals, in_a * pitch + i, pitch, sa)
            bundles.accumulate(totals, in_b * pitch + i, pitch, sb)
            bundles.accumulate(totals, in_r * pitch + i, pitch, sr)
            bundles.accumulate(totals, in_c * pitch + i, pitch, sc)
            sa, sb, sr, sc = bundles.repeat(block, zero), none, none, none
        bundles.store(rows, at + in_a * pitch, pitch, sa)
        bundles.store(rows, at + in_b * pitch, pitch, sb)
        bundles.store(rows, at + in_r * pitch, pitch, sr)
        bundles.store(rows, at + in_c * pitch, pitch, sc)
    if due:
        last = m + 3 * k
        accumulate(totals, last * pitch + i, load1(rows, (sums + last) * pitch + i))
        store(rows, (sums + last) * pitch + i, zero)


@compiled
def run_tiles(begin: Any, end: Any, job: Any, rows: Any, octets: Any, kind: Any) -> None:
    """Run the tiles of tasks ``begin`` to ``end``: spikes, states before the chunks, last state; states on request."""
    n, entries, _, _, _, _, _, _ = kind
    scratch, size, k = address_of(rows), element_bytes(rows), len(n)
    numbers = len(entries) + 3 * k + 1
    _, _, state, saved_row, _, x_row, spk_row, _, trace_row = layout(kind)
    for index in range(begin * job.tiles // job.tasks, end * job.tiles // job.tasks):
        tile = locate(job, index)
        _, _, _, count, length = tile
        copy(rows, FIRST, job.coefficients, job, tile, FIRST, numbers, LOAD)
        copy(rows, state, job.initial, job, tile, FIRST, k + 2, LOAD)
        for time in range(0, job.steps, CHUNK):
            steps = min(CHUNK, job.steps - time)
            active = max(0, min(steps, length - time))
            saved = (time // CHUNK - 1) * k
            chunks = span(scratch, saved_row, job.chunks, job, tile, saved, size)
            x = reading(rows, scratch, x_row, job.x, job, tile, time, active)
            spk = span(scratch, spk_row, job.spk, job, tile, time, size)
            trace = span(scratch, trace_row, job.mem, job, tile, time * (k + 1), size)
            gates = span(address_of(octets), FIRST, job.gates, job, tile, time, FIRST + 1)
            soon = place(job.x, tile, time + CHUNK)
            if time + CHUNK >= job.steps:
                soon = place(job.x, locate(job, min(index + 1, job.tiles - 1)), FIRST)
            advance(rows, job, count, active, steps, x, soon, (time > 0, chunks, spk, trace, gates), kind)
            if time > 0:
                copy(rows, saved_row, job.chunks, job, tile, saved, k, OUT)
            copy(rows, spk_row, job.spk, job, tile, time, steps, OUT)
            copy(rows, trace_row, job.mem, job, tile, time * (k + 1), steps * (k + 1), OUT)
            copy(octets, FIRST, job.gates, job, tile, time, steps, OUT)
        copy(rows, state, job.final, job, tile, FIRST, k + 2, SAVE)
    fence()


@compiled
def run_adjoint(begin: Any, end: Any, job: Any, rows: Any, totals: Any, kind: Any) -> None:
    """Run the adjoint of tasks ``begin`` to ``end``; each task sums its coefficients' gradients in its own place."""
    n, entries, _, _, _, _, _, _ = kind
    scratch, size, sums, k = address_of(rows), element_bytes(rows), numbers_at(job.sums, 1.0), len(n)
    pitch, numbers = PITCH // size, len(entries) + 3 * k + 1
    sums_row, carry, _, saved_row, _, x_row, spk_row, grad_row, trace_row = layout(kind)
    for task in range(begin, end):
        for index in range(task * job.tiles // job.tasks, (task + 1) * job.tiles // job.tasks):
            tile = locate(job, index)
            _, _, _, count, length = tile
            copy(rows, FIRST, job.coefficients, job, tile, FIRST, numbers, LOAD)
            clear(rows, sums_row, pitch, count, numbers)
            clear(rows, carry, pitch, count, k + 2)
            clear(totals, FIRST, pitch, count, numbers)
            if job.grad_final[ADDRESS]:
                copy(rows, carry, job.grad_final, job, tile, FIRST, k + 2, LOAD)
            if job.grad_spk[ADDRESS] == 0:
                clear(rows, spk_row, pitch, count, CHUNK)
            for time in range((job.steps - 1) // CHUNK * CHUNK, -1, -CHUNK):
                steps = min(CHUNK, job.steps - time)
                active = max(0, min(steps, length - time))
                if time == 0:
                    before = reading(rows, scratch, saved_row, job.initial, job, tile, FIRST, k + 2)
                else:
                    before = reading(rows, scratch, saved_row, job.chunks, job, tile, (time // CHUNK - 1) * k, k)
                spans = (
                    reading(rows, scratch, x_row, job.x, job, tile, time, active),
                    reading(rows, scratch, spk_row, job.grad_spk, job, tile, time, active),
                    reading(rows, scratch, trace_row, job.grad_mem, job, tile, time * (k + 1), active * (k + 1)),
                )
                out = span(scratch, grad_row, job.grad_x, job, tile, time, size)
                state = time == 0, time // CHUNK % TOTAL == 0, before
                then, ahead = tile, time - CHUNK
                if time == 0:
                    then, ahead = locate(job, min(index + 1, job.tiles - 1)), (job.steps - 1) // CHUNK * CHUNK
                soon = (
                    place(job.x, then, ahead),
                    place(job.grad_spk, then, ahead),
                    place(job.chunks, then, (ahead // CHUNK - 1) * k),
                )
                adjoint(rows, totals, job, count, active, steps, state, spans, soon, out, kind)
                copy(rows, grad_row, job.grad_x, job, tile, time, steps, OUT)
            copy(rows, carry, job.grad_initial, job, tile, FIRST, k + 2, SAVE)
            add_lanes(sums, task * numbers * job.neurons, totals, pitch, numbers, job, tile)
    fence()


@cache
def kernel(name: str, states: int, entries: int, spikes: str, hard: bool) -> Callable[..., None]:
    """Return the kernel ``"forward"`` or ``"backward"`` for states, entries of A, and kinds of spikes and reset."""
    row = states if entries == states * states else 2
    group = 1 if row > 2 else 2
    lengths = (states, entries, group, row, group * row, levels(spikes) - 1, int(spikes == "ternary"), int(hard))
    kind = tuple((None,) * length for length in lengths)
    scratch_bytes, total_bytes = rows_of(states, entries, hard) * PITCH, numbers_of(states, entries) * PITCH * 2

    def forward(begin: Any, end: Any, call: Any) -> None:
        job = carray(call, 1)[0]
        rows, octets = stack_numbers(scratch_bytes, job.shape1), stack_numbers(OCTET_BYTES, np.uint8(0))
        run_tiles(begin, end, job, rows, octets, kind)

    def backward(begin: Any, end: Any, call: Any) -> None:
        job = carray(call, 1)[0]
        rows, totals = stack_numbers(scratch_bytes, job.shape1), stack_numbers(total_bytes, 1.0)
        run_adjoint(begin, end, job, rows, totals, kind)

    function = forward if name == "forward" else backward
    # The cache of machine code knows kernels by their names.
    function.__qualname__ = f"{name}_{states}_{entries}_{spikes.replace('-', '_')}" + "_hard" * hard
    return function
