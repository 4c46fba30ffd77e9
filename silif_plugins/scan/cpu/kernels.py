"""The kernels: a tile of neurons runs through the sequence, a chunk of steps at a time.

Within a chunk each pair of vectors runs all its steps with the state in registers, and then the next pair does.
So the rows of a chunk, one a step, are read side by side, from left to right: the pattern that processors fetch
ahead of. A step's row after another's, or a column of vectors through all steps, takes twice the time.

Backward knows the input and the state before every chunk. From the last chunk to the first, each pair of vectors
runs again, its states in memory that stays in the cache, and then the adjoint over it:

    g = dL/ds[t] + R·λ[t+1]          the spike's gradient, through the output and, unless detached, the reset
    λ[t] = Aᵀ λ[t+1] + (σ'(mem[t] - threshold) g, 0) + dL/dx[t]
    dL/dI[t] = B·λ[t],  dL/dA += λ[t] x[t-1]ᵀ,  dL/dB += λ[t] I[t],  dL/dR += λ[t] s[t-1]

A hard reset, R mem[t-1] s[t-1], is a kernel of its own: ``hard`` is None or not, which numba decides when it compiles.
It puts mem[t-1] s[t-1] in the place of s[t-1], so that g has R·λ[t+1] mem[t] and λ[t] gets R·λ[t+1] s[t] besides.

So are spikes as bits, ``bits`` being None or not, in place of numbers; and so is a normalised current,
I[t] = scale (x[t] - mean) + shift with numbers of each neuron, ``norm`` being None or not.
Its adjoint sums p and q, the two parts of λ, and their products with x - mean, of which the gradients of B, scale and
shift are made (:func:`.run.split_sums`), and gives dL/dx = scale dL/dI: scale is taken into B.
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray

from ...kernels.simd import (
    LINE_BYTES,
    REGISTER_BYTES,
    accumulate,
    address_of,
    compiled,
    element_bytes,
    expand,
    fence,
    fma,
    inlined,
    load1,
    load2,
    magnitude,
    numbers_at,
    ones,
    prefetch1,
    prefetch2,
    select,
    splat,
    stack_numbers,
    store,
    store_bytes,
    store_mask,
    stream,
)
from ...kernels.spike_bits import WORD
from ..layout import ATAN, BOXCAR, CHUNK, FAST_SIGMOID, GIVEN
from .adjoints import added, nine_at, put_nine, step_back
from .tiles import (
    ADDRESS,
    LOAD,
    OUT,
    PITCH,
    SAVE,
    TIME,
    add_lanes,
    clear,
    copy,
    locate,
    place,
    reading,
    span,
)

TOTAL = 4
"""Chunks whose sums are added in the input's precision before they go into float64 numbers."""

A11, A12, A21, A22, B1, B2, R1, R2, THRESHOLD, MEAN, SCALE, SHIFT = np.arange(12)
"""Rows of a tile's scratch memory: first its coefficients, and those of a normalised current."""
SUMS, CARRY, MEM = np.cumsum([12, 11, 3])
ADA, SPK, SAVED, HISTORY = MEM + np.array([1, 2, 3, 6])
OPEN = HISTORY + -(-4 * REGISTER_BYTES * (CHUNK + 1) // PITCH)
X = OPEN + -(-2 * REGISTER_BYTES * CHUNK // PITCH)
SPKS, MEMS, ADAS, GRADS, GATES, SCRATCH_ROWS = X + CHUNK * np.arange(1, 7)
"""From SAVED on: the state before a chunk; those within it, and dL/ds with what comes through open gates, of two
vectors; what is not read or written in place."""
SCRATCH_BYTES = int(SCRATCH_ROWS) * PITCH
OCTET_BYTES = CHUNK * PITCH
COUNT_BYTES = 2 * PITCH
TOTAL_BYTES = 11 * PITCH * 2
FIRST, COEFFICIENTS, FIELDS, MORE = np.array([0, 9, 3, 2])
"""MORE sums, of p and q, follow those of the coefficients where the current is normalised."""


@inlined
def nine(load: Any, rows: Any, row: Any, i: Any) -> Any:
    """Nine rows of the scratch memory at a lane, by load1 or load2: coefficients, or their gradients."""
    pitch = PITCH // element_bytes(rows)
    return nine_at(load, rows, row * pitch + i, pitch)


@inlined
def step(m: Any, a: Any, current: Any, reset: Any, coefficients: Any) -> Any:
    """The state after a step, in the order of the reference: its results to the last bit."""
    a11, a12, a21, a22, b1, b2, _, _, _ = coefficients
    return a11 * m + a12 * a + b1 * current + reset[0], a21 * m + a22 * a + b2 * current + reset[1]


@inlined
def get(load: Any, where: Any, time: Any, i: Any, like: Any) -> Any:
    """Lanes of a span at a step, by load1 or load2."""
    return load(numbers_at(where[0], like), time * where[1] + i)


@inlined
def put(where: Any, time: Any, i: Any, value: Any, like: Any) -> None:
    """Write lanes of a span at a step."""
    numbers = numbers_at(where[0], like)
    if where[2]:
        stream(numbers, time * where[1] + i, value)
    else:
        store(numbers, time * where[1] + i, value)


@inlined
def affine_of(load: Any, rows: Any, i: Any, norm: Any) -> Any:
    """What normalises the current at a lane, by load1 or load2: mean, scale and shift; None without."""
    if norm is None:
        return None
    pitch = PITCH // element_bytes(rows)
    return load(rows, MEAN * pitch + i), load(rows, SCALE * pitch + i), load(rows, SHIFT * pitch + i)


@inlined
def normalised(x: Any, affine: Any) -> Any:
    """The current of an input."""
    if affine is None:
        return x
    return (x - affine[0]) * affine[1] + affine[2]


@inlined
def reset_of(fired: Any, m: Any, r1: Any, r2: Any, zero: Any, hard: Any) -> Any:
    """What the spikes of a step, given as a mask, add to the next state."""
    if hard is None:
        return select(fired, r1, zero), select(fired, r2, zero)
    one = splat(m, 1.0)
    spent = select(fired, one, zero) * m  # not a choice of m or 0: an infinite membrane is as in the reference
    return r1 * spent, r2 * spent


@inlined
def first_reset(s: Any, m: Any, r1: Any, r2: Any, hard: Any) -> Any:
    """The same of spikes that are given as numbers."""
    if hard is None:
        return r1 * s, r2 * s
    return r1 * (s * m), r2 * (s * m)


@inlined
def opens(m: Any, threshold: Any, job: Any) -> Any:
    """Where the surrogate's derivative may be other than zero."""
    return magnitude(m - threshold) <= splat(m, job.gate_width)


@compiled
def advance(
    rows: Any,
    totals: Any,
    job: Any,
    count: Any,
    active: Any,
    steps: Any,
    x: Any,
    soon: Any,
    out: Any,
    hard: Any,
    norm: Any,
    bits: Any,
) -> None:
    """Run a tile through a chunk: ``active`` steps, and zeros in the rest of ``steps``.

    ``soon`` is where the next chunk of x begins, which is fetched meanwhile; ``out`` are the spans of what is written.
    The spikes of each lane are added to ``totals``, if they are counted.
    """
    pitch, lanes, like = PITCH // element_bytes(rows), 2 * REGISTER_BYTES // element_bytes(rows), job.shape1
    saves, chunks, spk, mem, ada, gates, first_bit = out
    packed, row_bits = numbers_at(job.bits, np.uint8(0)), job.batch * job.neurons
    gate_bits = job.steps * row_bits  # from the first bit of the spikes to that of the gates
    fetched, opened = numbers_at(job.x[ADDRESS], like), numbers_at(gates[0], np.uint8(0))
    traced, gated, counted = job.mem[ADDRESS] != 0, job.gates[ADDRESS] != 0, job.sums != 0
    for i in range(0, count, lanes):
        coefficients, affine = nine(load2, rows, A11, i), affine_of(load2, rows, i, norm)
        _, _, _, _, _, _, r1, r2, threshold = coefficients
        zero, one = splat(r1, 0.0), splat(r1, 1.0)
        m, a, s = load2(rows, MEM * pitch + i), load2(rows, ADA * pitch + i), load2(rows, SPK * pitch + i)
        if saves:
            put(chunks, 0, i, m, like)
            put(chunks, 1, i, a, like)
        reset, fires = first_reset(s, m, r1, r2, hard), zero
        for t in range(active):
            prefetch2(fetched, soon + t * x[1] + i)
            m, a = step(m, a, normalised(get(load2, x, t, i, like), affine), reset, coefficients)
            fired = m > threshold
            s, reset = select(fired, one, zero), reset_of(fired, m, r1, r2, zero, hard)
            fires = fires + s
            if bits is not None:
                store_mask(packed, (first_bit + t * row_bits + i) // 8, fired)
                store_mask(packed, (gate_bits + first_bit + t * row_bits + i) // 8, opens(m, threshold, job))
                continue
            put(spk, t, i, s, like)
            if traced:
                put(mem, t, i, m, like)
                put(ada, t, i, a, like)
            if gated:
                store_bytes(opened, t * gates[1] + i, opens(m, threshold, job))
        store(rows, MEM * pitch + i, m)
        store(rows, ADA * pitch + i, a)
        store(rows, SPK * pitch + i, s)
        if counted:
            accumulate(totals, i, fires)
        for t in range(active, steps):
            if bits is not None:
                store_mask(packed, (first_bit + t * row_bits + i) // 8, zero > one)
                store_mask(packed, (gate_bits + first_bit + t * row_bits + i) // 8, opens(zero, threshold, job))
                continue
            put(spk, t, i, zero, like)
            if traced:
                put(mem, t, i, zero, like)
                put(ada, t, i, zero, like)
            if gated:
                store_bytes(opened, t * gates[1] + i, opens(zero, threshold, job))


@inlined
def derivative(x: Any, job: Any) -> Any:
    """The surrogate's derivative at x = mem - threshold; see the classes of silif_plugins.surrogate."""
    zero, one, first = splat(x, 0.0), splat(x, 1.0), splat(x, job.shape1)
    if job.surrogate == BOXCAR:
        return select(x > zero - first, select(x <= first, one, zero), zero)
    if job.surrogate == ATAN:
        scaled = splat(x, math.pi / 2) * first * x
        return splat(x, 0.5) * first / (one + scaled * scaled)
    if job.surrogate == FAST_SIGMOID:
        scaled = one + first * magnitude(x)
        return one / (scaled * scaled)
    rest = one - magnitude(x) / splat(x, job.shape2)
    return first * select(zero > rest, zero, rest)  # NaN stays NaN, as in the reference


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
    hard: Any,
    norm: Any,
) -> None:
    """Run a tile through a chunk again, and the adjoint back over it: from dL/ds to dL/dI.

    CARRY is the gradient of the state after the chunk (mem, ada, spk) and becomes that of the one before it. SUMS
    are gradients of the coefficients; ``totals`` take them from time to time, which keeps the digits of long sums.
    ``state`` tells whether the sequence begins here, whether totals are due, the span of the state before it, and the
    place of the tile's first bit.
    """
    lanes = REGISTER_BYTES // element_bytes(rows)
    x, grad, grad_mem, grad_ada, gate = spans
    for i in range(0, count, 2 * lanes):
        run_again(rows, job, i, active, state, spans, soon, hard, norm)
        if job.grad_open != 0:  # it is in OPEN, of this pair
            size = element_bytes(rows)
            grad = address_of(rows) + OPEN * PITCH - i * size, 2 * lanes, 0
        for half in range(0, 2 * lanes, lanes):  # the two together would not fit into the registers
            history = HISTORY * PITCH // element_bytes(rows) + half
            given = x, grad, grad_mem, grad_ada, gate
            run_back(rows, totals, job, i + half, history, active, state, given, out, hard, norm)
        for t in range(active, steps):
            put(out, t, i, splat(load2(rows, i), 0.0), job.shape1)


@inlined
def at_gates(job: Any, words: Any, bit: Any, like: Any) -> Any:
    """What comes through open gates of a vector's lanes, the first of which has this bit; there are so many words."""
    word, place, gates = bit // WORD, bit % WORD, numbers_at(job.bits + 8 * words, job.steps)
    opened = gates[word]
    number = gates[words + word] + ones(opened & ((1 << place) - 1))
    return expand(numbers_at(job.grad_open, job.shape1), number, opened >> place, like)


@inlined
def run_again(
    rows: Any, job: Any, i: Any, active: Any, state: Any, spans: Any, soon: Any, hard: Any, norm: Any
) -> None:
    """Write the states before and after the steps of a chunk to HISTORY, for a pair of vectors.

    Where there are gradients at open gates, these and dL/ds together go to OPEN.
    """
    pitch, lanes = PITCH // element_bytes(rows), 2 * REGISTER_BYTES // element_bytes(rows)
    begins, _, before, first_bit = state
    (x, grad, _, _, _), history, like = spans, HISTORY * pitch, job.shape1
    given, opens, open_at = job.grad_spk[ADDRESS] != 0, job.grad_open != 0, OPEN * pitch
    row_bits, words = job.batch * job.neurons, job.steps * job.batch * job.neurons // WORD
    coefficients, affine = nine(load2, rows, A11, i), affine_of(load2, rows, i, norm)
    _, _, _, _, _, _, r1, r2, threshold = coefficients
    zero, one = splat(r1, 0.0), splat(r1, 1.0)
    prefetch2(numbers_at(job.chunks[ADDRESS], like), soon[2] + i)
    prefetch2(numbers_at(job.chunks[ADDRESS], like), soon[2] + job.chunks[TIME] + i)
    m, a = get(load2, before, 0, i, like), get(load2, before, 1, i, like)
    s = get(load2, before, 2, i, like) if begins else select(m > threshold, one, zero)
    store(rows, SPK * pitch + i, s)
    reset = first_reset(s, m, r1, r2, hard)
    store(rows, history, m)
    store(rows, history + lanes, a)
    for t in range(active):
        prefetch2(numbers_at(job.x[ADDRESS], like), soon[0] + t * x[1] + i)
        if given:
            prefetch2(numbers_at(job.grad_spk[ADDRESS], like), soon[1] + t * grad[1] + i)
        m, a = step(m, a, normalised(get(load2, x, t, i, like), affine), reset, coefficients)
        fired = m > threshold
        reset = reset_of(fired, m, r1, r2, zero, hard)
        store(rows, history + (2 * t + 2) * lanes, m)
        store(rows, history + (2 * t + 3) * lanes, a)
        if opens:
            through = at_gates(job, words, first_bit + t * row_bits + i, m)
            store(rows, open_at + t * lanes, get(load2, grad, t, i, like) + through if given else through)


@compiled
def fetch_gates(job: Any, tile: Any, time: Any) -> None:
    """Ask for what comes through open gates of a chunk, which lies where no pattern tells."""
    lane, _, _, count, _ = tile
    line, words = LINE_BYTES // element_bytes(job.shape1), job.steps * job.batch * job.neurons // WORD
    before, grad = numbers_at(job.bits + 16 * words, job.steps), numbers_at(job.grad_open, job.shape1)
    for t in range(time, min(time + CHUNK, job.steps)):
        word = (t * job.batch * job.neurons + lane) // WORD
        for i in range(before[word], before[word + count // WORD - 1] + line, line):
            prefetch1(grad, i)


@inlined
def run_back(
    rows: Any,
    totals: Any,
    job: Any,
    i: Any,
    history: Any,
    active: Any,
    state: Any,
    spans: Any,
    out: Any,
    hard: Any,
    norm: Any,
) -> None:
    """Run the adjoint over a chunk, for one vector."""
    pitch, lanes = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows)
    x, grad, grad_mem, grad_ada, gate = spans
    traced, like = job.grad_mem[ADDRESS] != 0, job.shape1
    a11, a12, a21, a22, b1, b2, r1, r2, threshold = nine(load1, rows, A11, i)
    sums = nine(load1, rows, SUMS, i)
    zero, one, first = splat(a11, 0.0), splat(a11, 1.0), load1(rows, SPK * pitch + i)
    if norm is not None:
        mean, scale, _ = affine_of(load1, rows, i, norm)
        b1, b2 = b1 * scale, b2 * scale
        sp, sq = load1(rows, (SUMS + 9) * pitch + i), load1(rows, (SUMS + 10) * pitch + i)
    coefficients = a11, a12, a21, a22, b1, b2, r1, r2, threshold
    # A mask costs nothing. For a branch the compiler doubles the loop, which is slower where memory is the limit.
    flows = splat(zero, 0.0 if job.detach_reset else 1.0) > zero
    carry_mem, carry_ada = load1(rows, CARRY * pitch + i), load1(rows, (CARRY + 1) * pitch + i)
    carry_spk, after = load1(rows, (CARRY + 2) * pitch + i), load1(rows, history + active * 4 * lanes)
    for t in range(active - 1, -1, -1):
        slope = get(load1, gate, t, i, like) if job.surrogate == GIVEN else derivative(after - threshold, job)
        through = slope * (get(load1, grad, t, i, like) + carry_spk)
        p, q = carry_mem + through, carry_ada
        if traced:
            p = p + get(load1, grad_mem, t, i, like)
            q = q + get(load1, grad_ada, t, i, like)
        to_x, carry_mem, carry_ada, through_reset = step_back(p, q, coefficients)
        put(out, t, i, to_x, like)
        m, a = load1(rows, history + t * 4 * lanes), load1(rows, history + t * 4 * lanes + 2 * lanes)
        s, current = select(m > threshold, one, zero) if t > 0 else first, get(load1, x, t, i, like)
        if norm is not None:
            current = current - mean
            sp, sq = sp + p, sq + q
        if hard is None:
            carry_spk = select(flows, through_reset, zero)
        else:
            carry_spk = select(flows, through_reset * m, zero)
            carry_mem = fma(through_reset, s, carry_mem)
            s = s * m
        sums = added(sums, p, q, m, a, current, s, through)
        after = m
    store(rows, CARRY * pitch + i, carry_mem)
    store(rows, (CARRY + 1) * pitch + i, carry_ada)
    store(rows, (CARRY + 2) * pitch + i, carry_spk)
    s11, s12, s21, s22, sb1, sb2, sr1, sr2, sth = sums
    if state[1]:
        accumulate(totals, i, s11)
        accumulate(totals, pitch + i, s12)
        accumulate(totals, 2 * pitch + i, s21)
        accumulate(totals, 3 * pitch + i, s22)
        accumulate(totals, 4 * pitch + i, sb1)
        accumulate(totals, 5 * pitch + i, sb2)
        accumulate(totals, 6 * pitch + i, sr1)
        accumulate(totals, 7 * pitch + i, sr2)
        accumulate(totals, 8 * pitch + i, sth)
        s11 = s12 = s21 = s22 = sb1 = sb2 = sr1 = sr2 = sth = zero
        if norm is not None:
            accumulate(totals, 9 * pitch + i, sp)
            accumulate(totals, 10 * pitch + i, sq)
            sp = sq = zero
    put_nine(rows, SUMS * pitch + i, pitch, (s11, s12, s21, s22, sb1, sb2, sr1, sr2, sth))
    if norm is not None:
        store(rows, (SUMS + 9) * pitch + i, sp)
        store(rows, (SUMS + 10) * pitch + i, sq)


@inlined
def constants(norm: Any) -> Any:
    """How many rows of coefficients there are."""
    return COEFFICIENTS if norm is None else COEFFICIENTS + FIELDS


@compiled
def run_tiles(begin: Any, end: Any, call: Any, hard: Any, norm: Any, bits: Any) -> None:
    """Run the tiles of tasks ``begin`` to ``end``: spikes, states before the chunks, last state; states on request.

    Each task counts the spikes of a neuron in its own place, if they are wanted.
    """
    job = carray(call, 1)[0]
    rows, octets = stack_numbers(SCRATCH_BYTES, job.shape1), stack_numbers(OCTET_BYTES, np.uint8(0))
    scratch, size, totals = address_of(rows), element_bytes(rows), stack_numbers(COUNT_BYTES, 1.0)
    task = begin
    for index in range(begin * job.tiles // job.tasks, end * job.tiles // job.tasks):
        while index >= (task + 1) * job.tiles // job.tasks:
            task += 1
        tile = locate(job, index)
        _, _, _, count, length = tile
        clear(totals, FIRST, FIRST, count, FIRST + 1)
        copy(rows, A11, job.coefficients, job, tile, FIRST, constants(norm), LOAD)
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
            gates = span(address_of(octets), FIRST, job.gates, job, tile, time, FIRST + 1)
            soon = place(job.x, tile, time + CHUNK)
            if time + CHUNK >= job.steps:
                soon = place(job.x, locate(job, min(index + 1, job.tiles - 1)), FIRST)
            out = (time > 0, chunks, spk, mem, ada, gates, time * job.batch * job.neurons + tile[0])
            advance(rows, totals, job, count, active, steps, x, soon, out, hard, norm, bits)
            if time > 0:
                copy(rows, SAVED, job.chunks, job, tile, saved, FIELDS - 1, OUT)
            copy(rows, SPKS, job.spk, job, tile, time, steps, OUT)
            copy(rows, MEMS, job.mem, job, tile, time, steps, OUT)
            copy(rows, ADAS, job.ada, job, tile, time, steps, OUT)
            copy(octets, FIRST, job.gates, job, tile, time, steps, OUT)
        copy(rows, MEM, job.final, job, tile, FIRST, FIELDS, SAVE)
        if job.sums != 0:
            sums = numbers_at(job.sums, 1.0)
            add_lanes(sums, task * job.neurons, totals, FIRST, FIRST + 1, job, tile)
    fence()


@compiled
def run_adjoint(begin: Any, end: Any, call: Any, hard: Any, norm: Any) -> None:
    """Run the adjoint of tasks ``begin`` to ``end``; each task sums its coefficients' gradients in its own place."""
    job = carray(call, 1)[0]
    rows, totals = stack_numbers(SCRATCH_BYTES, job.shape1), stack_numbers(TOTAL_BYTES, 1.0)
    scratch, size, sums = address_of(rows), element_bytes(rows), numbers_at(job.sums, 1.0)
    pitch = PITCH // size
    summed = COEFFICIENTS if norm is None else COEFFICIENTS + MORE
    for task in range(begin, end):
        for index in range(task * job.tiles // job.tasks, (task + 1) * job.tiles // job.tasks):
            tile = locate(job, index)
            _, _, _, count, length = tile
            copy(rows, A11, job.coefficients, job, tile, FIRST, constants(norm), LOAD)
            clear(rows, SUMS, pitch, count, summed)
            clear(rows, CARRY, pitch, count, FIELDS)
            clear(totals, FIRST, pitch, count, summed)
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
                    reading(rows, scratch, GATES, job.gate, job, tile, time, active),
                )
                out = span(scratch, GRADS, job.grad_x, job, tile, time, size)
                first_bit = time * job.batch * job.neurons + tile[0]
                state = time == 0, time // CHUNK % TOTAL == 0, before, first_bit
                then, ahead = tile, time - CHUNK
                if time == 0:
                    then, ahead = locate(job, min(index + 1, job.tiles - 1)), (job.steps - 1) // CHUNK * CHUNK
                soon = (
                    place(job.x, then, ahead),
                    place(job.grad_spk, then, ahead),
                    place(job.chunks, then, ahead // CHUNK * 2 - 2),
                )
                if job.grad_open != 0:
                    fetch_gates(job, then, ahead)
                adjoint(rows, totals, job, count, active, steps, state, spans, soon, out, hard, norm)
                copy(rows, GRADS, job.grad_x, job, tile, time, steps, OUT)
            copy(rows, CARRY, job.grad_initial, job, tile, FIRST, FIELDS, SAVE)
            add_lanes(sums, task * summed * job.neurons, totals, pitch, summed, job, tile)
    fence()


def forward(begin: Any, end: Any, call: Any) -> None:
    """Run neurons whose reset is R s."""
    run_tiles(begin, end, call, None, None, None)


def forward_hard(begin: Any, end: Any, call: Any) -> None:
    """Run neurons whose reset is R mem s."""
    run_tiles(begin, end, call, True, None, None)


def forward_normalised(begin: Any, end: Any, call: Any) -> None:
    """Run neurons whose reset is R s and whose current is normalised."""
    run_tiles(begin, end, call, None, True, None)


def forward_hard_normalised(begin: Any, end: Any, call: Any) -> None:
    """Run neurons whose reset is R mem s and whose current is normalised."""
    run_tiles(begin, end, call, True, True, None)


def forward_packed(begin: Any, end: Any, call: Any) -> None:
    """Run neurons whose reset is R s; spikes and gates as bits alone, as in the next three."""
    run_tiles(begin, end, call, None, None, True)


def forward_hard_packed(begin: Any, end: Any, call: Any) -> None:
    """Run neurons whose reset is R mem s."""
    run_tiles(begin, end, call, True, None, True)


def forward_normalised_packed(begin: Any, end: Any, call: Any) -> None:
    """Run neurons whose reset is R s and whose current is normalised."""
    run_tiles(begin, end, call, None, True, True)


def forward_hard_normalised_packed(begin: Any, end: Any, call: Any) -> None:
    """Run neurons whose reset is R mem s and whose current is normalised."""
    run_tiles(begin, end, call, True, True, True)


def backward(begin: Any, end: Any, call: Any) -> None:
    """Run the adjoint of neurons whose reset is R s."""
    run_adjoint(begin, end, call, None, None)


def backward_hard(begin: Any, end: Any, call: Any) -> None:
    """Run the adjoint of neurons whose reset is R mem s."""
    run_adjoint(begin, end, call, True, None)


def backward_normalised(begin: Any, end: Any, call: Any) -> None:
    """Run the adjoint of neurons whose reset is R s and whose current is normalised."""
    run_adjoint(begin, end, call, None, True)


def backward_hard_normalised(begin: Any, end: Any, call: Any) -> None:
    """Run the adjoint of neurons whose reset is R mem s and whose current is normalised."""
    run_adjoint(begin, end, call, True, True)
