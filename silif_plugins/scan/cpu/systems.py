"""The kernels for systems of one to eight states: those of ``kernels.py``, with bundles in the place of mem and ada.

    y[t] = C x[t] + D I[t]
    g = dL/dy[t] + σ'(y[t] - threshold) (dL/ds[t] + dL/dr[t]),   dL/dr[t] = Rᵀ λ[t+1]
    λ[t] = Aᵀ λ[t+1] + Cᵀ g + dL/dx[t]
    dL/dI[t] = B·λ[t] + D·g,  dL/dA += λ[t] x[t-1]ᵀ,  dL/dB += λ[t] I[t],  dL/dR += λ[t] r[t-1]ᵀ,  dL/dC += g x[t]ᵀ

One vector of lanes runs at a time: its states alone are as many chains of operations as a processor runs side by side.
Backward goes through a chunk a third time for the sums of the gradients of A, B, R and C, a few states after the other:
all of them would not fit into the registers.

The kernels are made for a :class:`Kind` of system. There are one or more outputs y, each with its spikes. Resets r are
the spikes; or resets of their own, where outputs or states are above the threshold, and then λ[t], or g, has their
surrogates besides. Graded spikes are a staircase, sum_k H(y - k threshold); σ' above is then the sum of the
derivatives at all levels. With x[t] = (1 + R r[t-1]) A x[t-1] + B I[t] the adjoint has q = (1 + R r[t-1]) λ[t] in the
place of λ[t] before Aᵀ and in dL/dA, and w = λ[t] A x[t-1] before R and r[t-1]. Several resets, or graded ones,
are then one: the largest, 1 at most.
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import carray

from ...dynamics import is_graded, levels
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
from ..system_layout import Form
from .kernels import FIRST, OCTET_BYTES, TOTAL, derivative, get, put
from .tiles import ADDRESS, LOAD, OUT, PITCH, SAVE, TIME, add_lanes, clear, copy, locate, place, reading, span


class Kind(NamedTuple):
    """A kind of system: tuples of None that are as long as there are ...; for numba, so, lengths are constants.

    Attributes:
        states: States n.
        outputs: Outputs m.
        resets: Resets k.
        columns: Resets that R takes: these, or one for all.
        entries: Numbers of A, those of its blocks or all, row by row.
        reset: Numbers of R, n x columns, row by row.
        readout: Numbers of Cᵀ, n x m, row by row.
        skip: Numbers of D, m or none.
        group: States whose sums of gradients are added up at a time.
        row: Numbers of a row of A.
        block: Numbers of A in a group.
        block_r: Numbers of R in a group.
        block_c: Numbers of C in a group.
        more: Levels of spikes above the first.
        below: 1 if there are spikes below -threshold.
        hard: 1 if resets are in proportion.
        joint: 1 if the largest reset counts for all.
        graded: 1 if it has a sign and a size besides, which do not.
        own: k resets that are no spikes, or none.
        by_state: 1 if they are those of the states.
        by_any: 1 if they are one, where there is any spike.
        any_graded: 1 if spikes have a sign and a size then.
        kept: k resets that are saved with the states before a chunk, or none: spikes that follow from them are not.
        back: Numbers that a step leaves for the sums of the gradients: g, resets before it, λ and what else there is.
    """

    states: Any
    outputs: Any
    resets: Any
    columns: Any
    entries: Any
    reset: Any
    readout: Any
    skip: Any
    group: Any
    row: Any
    block: Any
    block_r: Any
    block_c: Any
    more: Any
    below: Any
    hard: Any
    joint: Any
    graded: Any
    own: Any
    by_state: Any
    by_any: Any
    any_graded: Any
    kept: Any
    back: Any


@inlined
def layout(kind: Any) -> Any:
    """First rows of the scratch memory for sums, carry, state, saved state, history, x, spikes, gradients and traces.

    The first of all are those of the coefficients, and behind the last of them the memory ends.
    """
    n, m = len(kind.states), len(kind.outputs)
    sums = len(kind.entries) + n + len(kind.reset) + len(kind.readout) + len(kind.skip) + 1
    carry, fields = 2 * sums, 2 * m + n + len(kind.own)
    state, saved, history = carry + fields, carry + 2 * fields, carry + 3 * fields
    vectors = (n + m) * (CHUNK + 1) + len(kind.back) * CHUNK
    x = history + (vectors * REGISTER_BYTES + PITCH - 1) // PITCH
    spikes, trace = x + CHUNK, x + (2 + m) * CHUNK
    return sums, carry, state, saved, history, x, spikes, spikes + m * CHUNK, trace, trace + (n + m) * CHUNK


@inlined
def load_all(rows: Any, row: Any, i: Any, kind: Any) -> Any:
    """A, B, R, C, D and the threshold from rows of the scratch memory."""
    pitch = PITCH // element_bytes(rows)
    at = row * pitch + i
    in_b = at + len(kind.entries) * pitch
    in_r = in_b + len(kind.states) * pitch
    in_c = in_r + len(kind.reset) * pitch
    in_d = in_c + len(kind.readout) * pitch
    a, b = bundles.load(kind.entries, rows, at, pitch), bundles.load(kind.states, rows, in_b, pitch)
    r, c = bundles.load(kind.reset, rows, in_r, pitch), bundles.load(kind.readout, rows, in_c, pitch)
    threshold = load1(rows, in_d + len(kind.skip) * pitch)
    return a, b, r, c, skip_at(rows, in_d, threshold, kind.skip), threshold


@inlined
def skip_at(rows: Any, at: Any, other: Any, skip: Any) -> Any:
    """D, or something else where there is none."""
    if len(skip):
        return bundles.load(skip, rows, at, PITCH // element_bytes(rows))
    return other


@inlined
def step(x: Any, current: Any, r: Any, coefficients: Any, kind: Any) -> Any:
    """The states after a step, in the order of the reference: its results to the last bit."""
    a, b, reset, _, _, threshold = coefficients
    used = used_resets(r, kind.joint, kind.graded)
    moved, taken, given = bundles.applied(a, x), bundles.spread(reset, used), bundles.times(b, current)
    if len(kind.hard):
        return bundles.plus(bundles.times(moved, bundles.plus(taken, splat(threshold, 1.0))), given)
    return bundles.plus(bundles.plus(moved, given), taken)


@inlined
def outputs_of(x: Any, current: Any, coefficients: Any, skip: Any) -> Any:
    """The outputs of states, likewise."""
    _, _, _, c, d, _ = coefficients
    y = bundles.gathered(c, x)
    if len(skip):
        return bundles.plus(y, bundles.times(d, current))
    return y


@inlined
def input_gradient(p: Any, g: Any, coefficients: Any, skip: Any) -> Any:
    """What the gradients of states and outputs make for the current."""
    _, b, _, _, d, _ = coefficients
    through_states = bundles.fused_gathered(b, p)[0]
    if len(skip):
        return through_states + bundles.fused_gathered(d, g)[0]
    return through_states


@inlined
def spikes_of(y: Any, threshold: Any, more: Any, below: Any) -> Any:
    """The spikes of an output; of one level above 0 nothing else is left in the machine code."""
    zero, one = splat(y, 0.0), splat(y, 1.0)
    s = select(y > threshold, one, zero)
    for number in range(len(more)):
        s = s + select(y > splat(y, number + 2.0) * threshold, one, zero)
    for _ in range(len(below)):
        s = s - select(zero - y > threshold, one, zero)
    return s


@inlined
def slopes(y: Any, threshold: Any, more: Any, below: Any, job: Any) -> Any:
    """What the surrogates of all levels make of a spike's gradient: for the output, and for the threshold."""
    for_y = derivative(y - threshold, job)
    for_threshold = for_y
    for number in range(len(more)):
        level = splat(y, number + 2.0)
        slope = derivative(y - level * threshold, job)
        for_y, for_threshold = for_y + slope, fma(level, slope, for_threshold)
    for _ in range(len(below)):
        slope = derivative(splat(y, 0.0) - y - threshold, job)
        for_y, for_threshold = for_y + slope, for_threshold - slope
    return for_y, for_threshold


@inlined
def own_reset(value: Any, threshold: Any) -> Any:
    """The reset of an output, or a state."""
    return select(value > threshold, splat(value, 1.0), splat(value, 0.0))


@inlined
def own_slope(value: Any, threshold: Any, job: Any) -> Any:
    """The derivative of its surrogate."""
    return derivative(value - threshold, job)


@inlined
def size_of(value: Any) -> Any:
    """Its magnitude."""
    return magnitude(value)


@inlined
def sign_of(value: Any) -> Any:
    """Its sign, 0 of 0."""
    zero, one = splat(value, 0.0), splat(value, 1.0)
    return select(value > zero, one, select(zero > value, zero - one, zero))


@inlined
def is_top(value: Any, top: Any) -> Any:
    """1 where it is the largest."""
    return select(value != top, splat(value, 0.0), splat(value, 1.0))


all_spikes, all_slopes = bundles.mapping(spikes_of), bundles.mapping(slopes)
own_resets, own_slopes = bundles.mapping(own_reset), bundles.mapping(own_slope)
sizes, signs, tops = bundles.mapping(size_of), bundles.mapping(sign_of), bundles.mapping(is_top)
"""The same for bundles."""


@inlined
def used_resets(r: Any, joint: Any, graded: Any) -> Any:
    """The resets that R takes."""
    if len(graded):
        top = bundles.largest(sizes(r, ()))
        one = splat(top, 1.0)
        return bundles.repeat(joint, select(top > one, one, top))
    if len(joint):
        return bundles.repeat(joint, bundles.largest(r))
    return r


@inlined
def to_resets(r: Any, of_used: Any, joint: Any, graded: Any) -> Any:
    """The gradients of all resets from those of what R takes: the largest ones share them, as in PyTorch."""
    if len(graded):
        values = sizes(r, ())
        top = bundles.largest(values)
        share, zero = tops(values, (top,)), splat(top, 0.0)
        each = select(top > splat(top, 1.0), zero, of_used[0] / bundles.total(share))
        return bundles.times(bundles.times(share, each), signs(r, ()))
    if len(joint):
        share = tops(r, (bundles.largest(r),))
        return bundles.times(share, of_used[0] / bundles.total(share))
    return of_used


@inlined
def resets_of(x: Any, y: Any, s: Any, threshold: Any, kind: Any, own: Any, by_state: Any, by_any: Any) -> Any:
    """The resets that follow from a step. Numba leaves out the ways that the lengths of arguments rule out."""
    if len(by_any):
        return used_resets(s, by_any, kind.any_graded)
    if len(by_state):
        return own_resets(bundles.thinned(own, x), (threshold,))
    if len(own):
        return own_resets(y, (threshold,))
    return s


@inlined
def through_any(y: Any, through: Any, carry: Any, threshold: Any, kind: Any, by_any: Any) -> Any:
    """Gradients of the spikes with those through the reset that follows from any of them."""
    if len(by_any):
        s = all_spikes(y, (threshold, kind.more, kind.below))
        return bundles.plus(through, to_resets(s, carry, by_any, kind.any_graded))
    return through


@inlined
def through_resets(
    x: Any, y: Any, p: Any, g: Any, total: Any, carry: Any, threshold: Any, job: Any, own: Any, by: Any, by_any: Any
) -> Any:
    """Gradients of states, outputs and threshold with those through resets of outputs or, if ``by``, of states."""
    if len(by_any):
        return p, g, total
    if len(by):
        found = bundles.times(own_slopes(bundles.thinned(own, x), (threshold, job)), carry)
        return bundles.with_thinned(p, found), g, total - bundles.total(found)
    if len(own):
        found = bundles.times(own_slopes(y, (threshold, job)), carry)
        return p, bundles.plus(g, found), total - bundles.total(found)
    return p, g, total


@inlined
def resets_at(numbers: Any, at: Any, stride: Any, s: Any, own: Any) -> Any:
    """Resets that are no spikes, or their gradients, from where they are; those of spikes otherwise."""
    if len(own):
        return bundles.load(own, numbers, at, stride)
    return s


@inlined
def saved_resets(numbers: Any, at: Any, stride: Any, x: Any, coefficients: Any, kind: Any, kept: Any) -> Any:
    """The resets before a chunk: saved, or those of spikes that follow from the states."""
    if len(kept):
        return bundles.load(kept, numbers, at, stride)
    _, _, _, c, _, threshold = coefficients
    return all_spikes(bundles.gathered(c, x), (threshold, kind.more, kind.below))


@inlined
def carried(of_resets: Any, zero: Any, outputs: Any, own: Any) -> Any:
    """Gradients of the spikes and of the resets of the step before."""
    if len(own):
        return bundles.repeat(outputs, zero), of_resets
    return of_resets, of_resets


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
    n, m = len(kind.states), len(kind.outputs)
    _, _, state, _, _, _, _, _, _, _ = layout(kind)
    in_x, in_s, in_r = state + m, state + m + n, state + 2 * m + n
    saves, chunks, spk, trace, gates = out
    fetched, opened = numbers_at(job.x[ADDRESS], like), numbers_at(gates[0], np.uint8(0))
    traced, gated, fields = job.mem[ADDRESS] != 0, job.gates[ADDRESS] != 0, n + m
    for i in range(0, count, lanes):
        coefficients = load_all(rows, FIRST, i, kind)
        _, _, _, _, _, threshold = coefficients
        zero = splat(threshold, 0.0)
        y = bundles.load(kind.outputs, rows, state * pitch + i, pitch)
        z = bundles.load(kind.states, rows, in_x * pitch + i, pitch)
        s = bundles.load(kind.outputs, rows, in_s * pitch + i, pitch)
        r = resets_at(rows, in_r * pitch + i, pitch, s, kind.own)
        no_state, no_output = bundles.repeat(kind.states, zero), bundles.repeat(kind.outputs, zero)
        if saves:
            put_all(chunks, 0, i, z, like)
            if len(kind.kept):
                put_all(chunks, n, i, r, like)
        for t in range(active):
            fetch(fetched, soon + t * x[1], i)
            current = get(load1, x, t, i, like)
            z = step(z, current, r, coefficients, kind)
            y = outputs_of(z, current, coefficients, kind.skip)
            s = all_spikes(y, (threshold, kind.more, kind.below))
            r = resets_of(z, y, s, threshold, kind, kind.own, kind.by_state, kind.by_any)
            put_all(spk, t * m, i, s, like)
            if traced:
                put_all(trace, t * fields, i, y, like)
                put_all(trace, t * fields + m, i, z, like)
            if gated:
                store_bytes(opened, t * gates[1] + i, magnitude(y[0] - threshold) <= splat(zero, job.gate_width))
        bundles.store(rows, state * pitch + i, pitch, y)
        bundles.store(rows, in_x * pitch + i, pitch, z)
        bundles.store(rows, in_s * pitch + i, pitch, s)
        if len(kind.own):
            bundles.store(rows, in_r * pitch + i, pitch, r)
        for t in range(active, steps):
            put_all(spk, t * m, i, no_output, like)
            if traced:
                put_all(trace, t * fields, i, no_output, like)
                put_all(trace, t * fields + m, i, no_state, like)
            if gated:
                store_bytes(opened, t * gates[1] + i, magnitude(threshold) <= splat(zero, job.gate_width))


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
    """Write outputs and states before and after the steps of a chunk to the history; return the resets before it."""
    pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
    n, m = len(kind.states), len(kind.outputs)
    begins, _, (address, stride, _) = state
    x, grad, _ = spans
    _, _, _, _, history, _, _, _, _, _ = layout(kind)
    at, size = history * pitch, (n + m) * lanes
    coefficients = load_all(rows, FIRST, i, kind)
    _, _, _, _, _, threshold = coefficients
    # An initial state begins with the outputs, and has the spikes after the states.
    saved, skipped = numbers_at(address, like), m if begins else 0
    z = bundles.load(kind.states, saved, skipped * stride + i, stride)
    for k in range(n + len(kind.kept)):
        fetch(numbers_at(job.chunks[ADDRESS], like), soon[2] + k * job.chunks[TIME], i)
    if begins:
        s = bundles.load(kind.outputs, saved, (m + n) * stride + i, stride)
        r = resets_at(saved, (2 * m + n) * stride + i, stride, s, kind.own)
    else:
        r = saved_resets(saved, n * stride + i, stride, z, coefficients, kind, kind.kept)
    first = r
    bundles.store(rows, at + m * lanes, lanes, z)
    for t in range(active):
        fetch(numbers_at(job.x[ADDRESS], like), soon[0] + t * x[1], i)
        for k in range(m):
            fetch(numbers_at(job.grad_spk[ADDRESS], like), soon[1] + (t * m + k) * grad[1], i)
        current = get(load1, x, t, i, like)
        z = step(z, current, r, coefficients, kind)
        y = outputs_of(z, current, coefficients, kind.skip)
        s = all_spikes(y, (threshold, kind.more, kind.below))
        r = resets_of(z, y, s, threshold, kind, kind.own, kind.by_state, kind.by_any)
        bundles.store(rows, at + (t + 1) * size, lanes, y)
        bundles.store(rows, at + (t + 1) * size + m * lanes, lanes, z)
    return first


@inlined
def run_back(rows: Any, job: Any, i: Any, first: Any, active: Any, spans: Any, out: Any, kind: Any) -> None:
    """Run the adjoint over a chunk, for one vector: gradients of the input and, for :func:`add_up`, λ."""
    n, m, k = len(kind.states), len(kind.outputs), len(kind.columns)
    pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
    _, grad, grad_trace = spans
    _, carry, _, _, history, _, _, _, _, _ = layout(kind)
    traced, fields, size = job.grad_mem[ADDRESS] != 0, n + m, (n + m) * lanes
    at, back = history * pitch, history * pitch + size * (CHUNK + 1)
    coefficients = load_all(rows, FIRST, i, kind)
    a, _, reset, c, _, threshold = coefficients
    zero = splat(threshold, 0.0)
    flows = splat(zero, 0.0 if job.detach_reset else 1.0) > zero
    in_x, in_s, in_r = (carry + m) * pitch + i, (carry + m + n) * pitch + i, (carry + 2 * m + n) * pitch + i
    carry_y, carry_x = (
        bundles.load(kind.outputs, rows, carry * pitch + i, pitch),
        bundles.load(kind.states, rows, in_x, pitch),
    )
    carry_s = bundles.load(kind.outputs, rows, in_s, pitch)
    carry_r = resets_at(rows, in_r, pitch, carry_s, kind.own)
    total = load1(rows, (carry - 1) * pitch + i)
    grads, traces = numbers_at(grad[0], like), numbers_at(grad_trace[0], like)
    y = bundles.load(kind.outputs, rows, at + active * size, lanes)
    z = bundles.load(kind.states, rows, at + active * size + m * lanes, lanes)
    for t in range(active - 1, -1, -1):
        slope, for_threshold = all_slopes(y, (threshold, kind.more, kind.below, job))
        through = bundles.plus(bundles.load(kind.outputs, grads, t * m * grad[1] + i, grad[1]), carry_s)
        through = through_any(y, through, carry_r, threshold, kind, kind.by_any)
        g, p = bundles.plus(bundles.times(slope, through), carry_y), carry_x
        total = total - bundles.fused_gathered(for_threshold, through)[0]
        if traced:
            row = t * fields
            g = bundles.plus(g, bundles.load(kind.outputs, traces, row * grad_trace[1] + i, grad_trace[1]))
            p = bundles.plus(p, bundles.load(kind.states, traces, (row + m) * grad_trace[1] + i, grad_trace[1]))
        by, by_any = kind.by_state, kind.by_any
        p, g, total = through_resets(z, y, p, g, total, carry_r, threshold, job, kind.own, by, by_any)
        p = bundles.with_spread(p, c, g)
        put(out, t, i, input_gradient(p, g, coefficients, kind.skip), like)
        y = bundles.load(kind.outputs, rows, at + t * size, lanes)
        z = bundles.load(kind.states, rows, at + t * size + m * lanes, lanes)
        r = first
        if t > 0:
            s = all_spikes(y, (threshold, kind.more, kind.below))
            r = resets_of(z, y, s, threshold, kind, kind.own, kind.by_state, kind.by_any)
        bundles.store(rows, back, lanes, g)
        used = used_resets(r, kind.joint, kind.graded)
        bundles.store(rows, back + m * lanes, lanes, used)
        in_p = back + (m + k) * lanes
        bundles.store(rows, in_p, lanes, p)
        q, w = p, p
        if len(kind.hard):
            whole = bundles.plus(bundles.spread(reset, used), splat(zero, 1.0))
            q, w = bundles.times(p, whole), bundles.times(p, bundles.applied(a, z))
            bundles.store(rows, in_p + n * lanes, lanes, q)
            bundles.store(rows, in_p + 2 * n * lanes, lanes, w)
        carry_x, carry_y = bundles.applied_back(a, q), bundles.repeat(kind.outputs, zero)
        of_resets = to_resets(r, bundles.fused_gathered(reset, w), kind.joint, kind.graded)
        of_resets = bundles.chosen(flows, of_resets, zero)
        carry_s, carry_r = carried(of_resets, zero, kind.outputs, kind.own)
        back += len(kind.back) * lanes
    bundles.store(rows, carry * pitch + i, pitch, carry_y)
    bundles.store(rows, in_x, pitch, carry_x)
    bundles.store(rows, in_s, pitch, carry_s)
    if len(kind.own):
        bundles.store(rows, in_r, pitch, carry_r)
    store(rows, (carry - 1) * pitch + i, total)


@inlined
def add_up(rows: Any, totals: Any, job: Any, i: Any, active: Any, state: Any, spans: Any, kind: Any) -> None:
    """Add the gradients of the coefficients over a chunk to their sums, a group of states after the other."""
    n, m, k = len(kind.states), len(kind.outputs), len(kind.columns)
    pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
    sums, _, _, _, history, _, _, _, _, _ = layout(kind)
    size, x, due = (n + m) * lanes, spans[0], state[1]
    zero = splat(load1(rows, i), 0.0)
    none = bundles.repeat(kind.group, zero)
    at = sums * pitch + i
    first_b = len(kind.entries)
    first_r = first_b + n
    first_c = first_r + n * k
    newest = history * pitch + (CHUNK + 1) * size
    for first in range(0, n, len(kind.group)):
        before = history * pitch + (active - 1) * size + m * lanes
        back = newest
        column = 0 if len(kind.row) == n else first  # the first state that a row of A takes
        in_a, in_b, in_r, in_c = first * len(kind.row), first_b + first, first_r + first * k, first_c + first * m
        sa, sb, sr, sc = (
            bundles.load(kind.block, rows, at + in_a * pitch, pitch),
            bundles.load(kind.group, rows, at + in_b * pitch, pitch),
            bundles.load(kind.block_r, rows, at + in_r * pitch, pitch),
            bundles.load(kind.block_c, rows, at + in_c * pitch, pitch),
        )
        after = bundles.load(kind.group, rows, before + size + first * lanes, lanes)
        for t in range(active - 1, -1, -1):
            g, r = (
                bundles.load(kind.outputs, rows, back, lanes),
                bundles.load(kind.columns, rows, back + m * lanes, lanes),
            )
            in_p = back + (m + k + first) * lanes
            p = bundles.load(kind.group, rows, in_p, lanes)
            q = bundles.load(kind.group, rows, in_p + len(kind.hard) * n * lanes, lanes)
            w = bundles.load(kind.group, rows, in_p + 2 * len(kind.hard) * n * lanes, lanes)
            sc = bundles.with_outer(sc, after, g)
            after = bundles.load(kind.group, rows, before + first * lanes, lanes)
            sa = bundles.with_outer(sa, q, bundles.load(kind.row, rows, before + column * lanes, lanes))
            sb, sr = bundles.fused(p, get(load1, x, t, i, like), sb), bundles.with_outer(sr, w, r)
            before, back = before - size, back + len(kind.back) * lanes
        if due:
            bundles.accumulate(totals, in_a * pitch + i, pitch, sa)
            bundles.accumulate(totals, in_b * pitch + i, pitch, sb)
            bundles.accumulate(totals, in_r * pitch + i, pitch, sr)
            bundles.accumulate(totals, in_c * pitch + i, pitch, sc)
            sa, sb = bundles.repeat(kind.block, zero), none
            sr, sc = bundles.repeat(kind.block_r, zero), bundles.repeat(kind.block_c, zero)
        bundles.store(rows, at + in_a * pitch, pitch, sa)
        bundles.store(rows, at + in_b * pitch, pitch, sb)
        bundles.store(rows, at + in_r * pitch, pitch, sr)
        bundles.store(rows, at + in_c * pitch, pitch, sc)
    last = first_c + n * m
    add_skip(rows, totals, job, i, (active, len(kind.back) * lanes, newest, at, last), x, due, kind.skip)
    last += len(kind.skip)
    if due:
        accumulate(totals, last * pitch + i, load1(rows, at + last * pitch))
        store(rows, at + last * pitch, zero)


@inlined
def add_skip(rows: Any, totals: Any, job: Any, i: Any, places: Any, x: Any, due: Any, skip: Any) -> None:
    """The same for D, if there is one."""
    if len(skip):
        active, left, back, at, first = places
        pitch, lanes, like = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows), job.shape1
        sums = bundles.load(skip, rows, at + first * pitch, pitch)
        for t in range(active - 1, -1, -1):
            g = bundles.load(skip, rows, back, lanes)
            sums, back = bundles.fused(g, get(load1, x, t, i, like), sums), back + left
        if due:
            bundles.accumulate(totals, first * pitch + i, pitch, sums)
            sums = bundles.repeat(skip, splat(load1(rows, i), 0.0))
        bundles.store(rows, at + first * pitch, pitch, sums)


@compiled
def run_tiles(begin: Any, end: Any, job: Any, rows: Any, octets: Any, kind: Any) -> None:
    """Run the tiles of tasks ``begin`` to ``end``: spikes, states before the chunks, last state; states on request."""
    scratch, size, n, m = address_of(rows), element_bytes(rows), len(kind.states), len(kind.outputs)
    kept, seen = n + len(kind.kept), n + m
    numbers, carry, state, saved_row, _, x_row, spk_row, _, trace_row, _ = layout(kind)
    fields = state - carry
    for index in range(begin * job.tiles // job.tasks, end * job.tiles // job.tasks):
        tile = locate(job, index)
        _, _, _, count, length = tile
        copy(rows, FIRST, job.coefficients, job, tile, FIRST, numbers, LOAD)
        copy(rows, state, job.initial, job, tile, FIRST, fields, LOAD)
        for time in range(0, job.steps, CHUNK):
            steps = min(CHUNK, job.steps - time)
            active = max(0, min(steps, length - time))
            saved = (time // CHUNK - 1) * kept
            chunks = span(scratch, saved_row, job.chunks, job, tile, saved, size)
            x = reading(rows, scratch, x_row, job.x, job, tile, time, active)
            spk = span(scratch, spk_row, job.spk, job, tile, time * m, size)
            trace = span(scratch, trace_row, job.mem, job, tile, time * seen, size)
            gates = span(address_of(octets), FIRST, job.gates, job, tile, time, FIRST + 1)
            soon = place(job.x, tile, time + CHUNK)
            if time + CHUNK >= job.steps:
                soon = place(job.x, locate(job, min(index + 1, job.tiles - 1)), FIRST)
            advance(rows, job, count, active, steps, x, soon, (time > 0, chunks, spk, trace, gates), kind)
            if time > 0:
                copy(rows, saved_row, job.chunks, job, tile, saved, kept, OUT)
            copy(rows, spk_row, job.spk, job, tile, time * m, steps * m, OUT)
            copy(rows, trace_row, job.mem, job, tile, time * seen, steps * seen, OUT)
            copy(octets, FIRST, job.gates, job, tile, time, steps, OUT)
        copy(rows, state, job.final, job, tile, FIRST, fields, SAVE)
    fence()


@compiled
def run_adjoint(begin: Any, end: Any, job: Any, rows: Any, totals: Any, kind: Any) -> None:
    """Run the adjoint of tasks ``begin`` to ``end``; each task sums its coefficients' gradients in its own place."""
    scratch, size, sums, n = address_of(rows), element_bytes(rows), numbers_at(job.sums, 1.0), len(kind.states)
    m, pitch = len(kind.outputs), PITCH // size
    kept, seen = n + len(kind.kept), n + m
    numbers, carry, state_row, saved_row, _, x_row, spk_row, grad_row, trace_row, _ = layout(kind)
    fields = state_row - carry
    for task in range(begin, end):
        for index in range(task * job.tiles // job.tasks, (task + 1) * job.tiles // job.tasks):
            tile = locate(job, index)
            _, _, _, count, length = tile
            copy(rows, FIRST, job.coefficients, job, tile, FIRST, numbers, LOAD)
            clear(rows, numbers, pitch, count, numbers)
            clear(rows, carry, pitch, count, fields)
            clear(totals, FIRST, pitch, count, numbers)
            if job.grad_final[ADDRESS]:
                copy(rows, carry, job.grad_final, job, tile, FIRST, fields, LOAD)
            if job.grad_spk[ADDRESS] == 0:
                clear(rows, spk_row, pitch, count, CHUNK * m)
            for time in range((job.steps - 1) // CHUNK * CHUNK, -1, -CHUNK):
                steps = min(CHUNK, job.steps - time)
                active = max(0, min(steps, length - time))
                if time == 0:
                    before = reading(rows, scratch, saved_row, job.initial, job, tile, FIRST, fields)
                else:
                    saved = (time // CHUNK - 1) * kept
                    before = reading(rows, scratch, saved_row, job.chunks, job, tile, saved, kept)
                spans = (
                    reading(rows, scratch, x_row, job.x, job, tile, time, active),
                    reading(rows, scratch, spk_row, job.grad_spk, job, tile, time * m, active * m),
                    reading(rows, scratch, trace_row, job.grad_mem, job, tile, time * seen, active * seen),
                )
                out = span(scratch, grad_row, job.grad_x, job, tile, time, size)
                state = time == 0, time // CHUNK % TOTAL == 0, before
                then, ahead = tile, time - CHUNK
                if time == 0:
                    then, ahead = locate(job, min(index + 1, job.tiles - 1)), (job.steps - 1) // CHUNK * CHUNK
                soon = (
                    place(job.x, then, ahead),
                    place(job.grad_spk, then, ahead * m),
                    place(job.chunks, then, (ahead // CHUNK - 1) * kept),
                )
                adjoint(rows, totals, job, count, active, steps, state, spans, soon, out, kind)
                copy(rows, grad_row, job.grad_x, job, tile, time, steps, OUT)
            copy(rows, carry, job.grad_initial, job, tile, FIRST, fields, SAVE)
            add_lanes(sums, task * numbers * job.neurons, totals, pitch, numbers, job, tile)
    fence()


@cache
def kernel(name: str, form: Form) -> Callable[..., None]:
    """Return the kernel ``"forward"`` or ``"backward"`` for systems of a form."""
    n, m, k, entries = form.states, form.outputs, form.resets, form.entries
    row = n if entries == n * n else 2
    group = 1 if row > 2 or n == 1 else 2
    own, columns = 0 if form.condition == "spike" else k, form.columns
    joint = int(form.proportional and (k > 1 or is_graded(form.spikes)))
    skip = m if form.skip else 0
    lengths = Kind(
        states=n,
        outputs=m,
        resets=k,
        columns=columns,
        entries=entries,
        reset=n * columns,
        readout=n * m,
        skip=skip,
        group=group,
        row=row,
        block=group * row,
        block_r=group * columns,
        block_c=group * m,
        more=levels(form.spikes) - 1,
        below=int(form.spikes == "ternary"),
        hard=int(form.proportional),
        joint=joint,
        graded=int(joint and is_graded(form.spikes)),
        own=own,
        by_state=int(form.condition == "state"),
        by_any=int(form.condition == "any"),
        any_graded=int(form.condition == "any" and is_graded(form.spikes)),
        kept=k if own or skip else 0,
        back=m + columns + n * (3 if form.proportional else 1),
    )
    kind = Kind(*((None,) * length for length in lengths))
    scratch_bytes, total_bytes = layout.py_func(kind)[-1] * PITCH, layout.py_func(kind)[0] * PITCH * 2

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
    words = [form.spikes.replace("-", "_"), form.condition, *["skip"] * form.skip, *["hard"] * form.proportional]
    function.__qualname__ = "_".join([name, *map(str, (n, entries, m, k)), *words])
    return function
