"""Kernels of the recurrent form: a sequence after the other, each step by its events.

Forward adds a row of V, [from, to], for each spike to the currents of the next step. Backward gives the spikes their
gradients through V, dL/ds[t] + V dL/dI[t+1], where the surrogate's derivative is not 0: a product of a row of V and
dL/dI[t+1] for each such gate. All of the layer is done in the same pass, from currents to spikes and back; what it
needs of a sequence stays in the caches, as does V of 512 neurons. The gradient of V is a pass of its own, over the
spikes' bits, which backward leaves.
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ...kernels.simd import (
    REGISTER_BYTES,
    WIDE,
    accumulate,
    bits,
    compiled,
    element_bytes,
    fence,
    fma,
    inlined,
    load1,
    load2,
    load_half,
    load_wide,
    lowest,
    numbers_at,
    ones,
    prefetch1,
    prefetch2,
    products,
    select,
    splat,
    stack_numbers,
    store,
    store_mask,
    store_totals,
    stream,
)
from ..layout import CHUNK
from .adjoints import added, nine_at, step_back
from .kernels import derivative, first_reset, step

WORD = 64
"""Neurons whose spikes or gates are one integer of bits."""

SPARE = 8
"""Places that a list has after its last one."""

TOGETHER = 4
"""Sequences that go forward together, so that coefficients are read once for all of them."""

AHEAD = 2
"""Steps that forward reads ahead."""

SUM, FORWARD_ROWS = 3, 4
"""Rows of scratch memory, [N] each, after mem, ada and spk: the currents through V."""

HISTORY, PARTS, G, H, PRODUCTS, BACKWARD_ROWS = np.cumsum(
    [3, 2 * (CHUNK + 1), 3 * CHUNK, 1, 1, REGISTER_BYTES // 4]
)
"""After the gradients of mem, ada and spk: states of a chunk; p, q and what goes through the surrogate at each step;
dL/dI of the step after, what comes from it through V, and room for a register of each neuron."""

BEFORE, STEP, AFTER = range(3)
"""Parts of the adjoint, for :func:`run_part`."""

BLOCK = 128
"""Rows whose events the weights' gradient sorts by their neuron at a time."""
PANEL = 64
"""Neurons of a task of it."""
PLACE_BYTES, COUNT_BYTES = 2 * BLOCK * PANEL, 8 * PANEL


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, flags, and addresses of tensors without gaps, N being whole pairs of vectors."""
    sizes = ("steps", "batch", "neurons", "pitch", "tasks", "words", "streams", "surrogate", "detach_reset")
    now = ("part", "time", "t")
    tensors = ("coefficients", "weights", "lengths", "x", "initial", "chunks", "scratch", "places", "through")
    outputs = ("out", "spk", "mem", "ada", "final", "bits", "sums")
    grads = ("grad_spk", "grad_final", "grad_mem", "grad_ada")
    return np.dtype(
        [(name, np.int64) for name in sizes + now + tensors + outputs + grads] + [("shape1", real), ("shape2", real)]
    )


@inlined
def length_of(job: Any, b: Any) -> Any:
    """Steps of a sequence."""
    return job.steps if job.lengths == 0 else min(job.steps, numbers_at(job.lengths, job.steps)[b])


@inlined
def list_size(job: Any) -> Any:
    """Integers of a task: places of events or gates, and bits of the gates of a chunk."""
    return job.neurons + SPARE + CHUNK * job.words


@inlined
def unpacked(found: Any, first: Any, count: Any, places: Any) -> Any:
    """Append the places of an integer's bits to a list of ``count``; return how many there are then.

    The first SPARE places are written whether there are as many bits or not: branches would be guessed wrongly.
    """
    number = ones(found)
    for k in range(SPARE):
        places[count + k] = first + lowest(found)
        found &= found - 1
    for k in range(SPARE, number):
        places[count + k] = first + lowest(found)
        found &= found - 1
    return count + number


@inlined
def events_of(numbers: Any, start: Any, n: Any, places: Any) -> Any:
    """List which of n numbers are not 0; return how many."""
    lanes, count = REGISTER_BYTES // element_bytes(numbers), 0
    for first in range(0, n, WORD):
        found = 0
        for i in range(first, min(n, first + WORD), lanes):
            vector = load1(numbers, start + i)
            found |= bits(vector != splat(vector, 0.0)) << (i - first)
        count = unpacked(found, first, count, places)
    return count


@inlined
def put(numbers: Any, i: Any, value: Any, job: Any) -> None:
    """Write a vector, around the caches if the tensors are large."""
    if job.streams:
        stream(numbers, i, value)
    else:
        store(numbers, i, value)


@inlined
def add_rows(load: Any, job: Any, state: Any, row: Any, places: Any, count: Any, i: Any) -> None:
    """Add up some columns of the rows of V that belong to events."""
    weights, n = numbers_at(job.weights, job.shape1), job.neurons
    sums = splat(load(weights, i), 0.0)
    for event in range(count):
        j = places[event]
        sums = fma(splat(sums, state[row + 2 * job.pitch + j]), load(weights, j * n + i), sums)
    store(state, row + SUM * job.pitch + i, sums)


@compiled
def run_forward(begin: Any, end: Any, call: Any, hard: Any) -> None:
    """Run the sequences of tasks ``begin`` to ``end``: total currents, spikes, states before chunks, last state."""
    job = carray(call, 1)[0]
    like, n, row = job.shape1, job.neurons, job.batch * job.neurons
    given, x, out = numbers_at(job.coefficients, like), numbers_at(job.x, like), numbers_at(job.out, like)
    spikes, chunks = numbers_at(job.spk, like), numbers_at(job.chunks, like)
    mems, adas = numbers_at(job.mem, like), numbers_at(job.ada, like)
    initial, final = numbers_at(job.initial, like), numbers_at(job.final, like)
    lanes, traced = 2 * REGISTER_BYTES // element_bytes(x), job.mem != 0
    state, places = numbers_at(job.scratch, like), numbers_at(job.places + 8 * begin * list_size(job), job.steps)
    mem = begin * TOGETHER * FORWARD_ROWS * job.pitch
    single, wide, size = lanes // 2, WIDE * lanes // 2, FORWARD_ROWS * job.pitch
    last = end * job.batch // job.tasks
    for top in range(begin * job.batch // job.tasks, last, TOGETHER):
        group, longest = min(TOGETHER, last - top), 0
        for member in range(group):
            longest = max(longest, length_of(job, top + member))
            for i in range(0, n, lanes):
                for k in range(3):
                    to = mem + member * size + k * job.pitch + i
                    store(state, to, load2(initial, k * row + (top + member) * n + i))
        for t in range(longest):
            for member in range(group):
                if t < length_of(job, top + member):
                    own = mem + member * size
                    count = events_of(state, own + 2 * job.pitch, n, places)
                    i = 0
                    while i + wide <= n:
                        add_rows(load_wide, job, state, own, places, count, i)
                        i += wide
                    while i < n:
                        add_rows(load2, job, state, own, places, count, i)
                        i += lanes
            saved = (t // CHUNK * 2 - 2) * row
            saves = t % CHUNK == 0 and t > 0
            for i in range(0, n, single):
                coefficients = nine_at(load1, given, i, job.pitch)
                _, _, _, _, _, _, r1, r2, threshold = coefficients
                zero, one = splat(r1, 0.0), splat(r1, 1.0)
                for member in range(group):
                    if t < length_of(job, top + member):
                        own, first = mem + member * size + i, (top + member) * n + i
                        at = t * row + first
                        prefetch1(x, at + AHEAD * row)
                        m, a = load1(state, own), load1(state, own + job.pitch)
                        if saves:
                            store(chunks, saved + first, m)
                            store(chunks, saved + row + first, a)
                        current = load1(x, at) + load1(state, own + SUM * job.pitch)
                        reset = first_reset(load1(state, own + 2 * job.pitch), m, r1, r2, hard)
                        m, a = step(m, a, current, reset, coefficients)
                        s = select(m > threshold, one, zero)
                        store(state, own, m)
                        store(state, own + job.pitch, a)
                        store(state, own + 2 * job.pitch, s)
                        put(out, at, current, job)
                        put(spikes, at, s, job)
                        if traced:
                            put(mems, at, m, job)
                            put(adas, at, a, job)
        zero = splat(load2(state, mem), 0.0)
        for member in range(group):
            first, length = (top + member) * n, length_of(job, top + member)
            for i in range(0, n, lanes):
                for k in range(3):
                    store(final, k * row + first + i, load2(state, mem + member * size + k * job.pitch + i))
            for t in range(length, job.steps):
                at, saved = t * row + first, (t // CHUNK * 2 - 2) * row + first
                for i in range(0, n, lanes):
                    store(out, at + i, load2(x, at + i))
                    store(spikes, at + i, zero)
                    if traced:
                        store(mems, at + i, zero)
                        store(adas, at + i, zero)
                    if t % CHUNK == 0 and t > 0:
                        store(chunks, saved + i, zero)
                        store(chunks, saved + row + i, zero)
    fence()


@inlined
def add_products(load: Any, job: Any, own: Any, g: Any, i: Any, places: Any, count: Any, to: Any) -> None:
    """Write, or add from the second time on, the products of some columns of g and the listed rows of V."""
    weights, grad, lanes = numbers_at(job.weights, job.shape1), load(own, g + i), REGISTER_BYTES // element_bytes(own)
    for k in range(count):
        part = products(load(weights, places[k] * job.neurons + i), grad)
        if i > 0:
            part = part + load1(own, to + k * lanes)
        store(own, to + k * lanes, part)


@inlined
def gated(job: Any, own: Any, base: Any, places: Any, count: Any) -> None:
    """Write the products of g and the listed rows of V to h.

    A row after the other, with g in registers: four rows side by side come from the second cache at half the speed. A
    register of sums of each row waits in memory, so that the compiler keeps to that.
    """
    n, lanes, i = job.neurons, REGISTER_BYTES // element_bytes(own), 0
    g, h, to = base + G * job.pitch, base + H * job.pitch, base + PRODUCTS * job.pitch
    while i + WIDE * lanes <= n:
        add_products(load_wide, job, own, g, i, places, count, to)
        i += WIDE * lanes
    if i + WIDE * lanes // 2 <= n:
        add_products(load_half, job, own, g, i, places, count, to)
        i += WIDE * lanes // 2
    while i < n:
        add_products(load2, job, own, g, i, places, count, to)
        i += 2 * lanes
    for k in range(0, count, 4):
        first, second = load1(own, to + k * lanes), load1(own, to + (k + 1) * lanes)
        third, fourth = load1(own, to + (k + 2) * lanes), load1(own, to + (k + 3) * lanes)
        store_totals(own, to + k, first, second, third, fourth, True)
    for k in range(count):
        own[h + places[k]] = own[to + k]


@inlined
def run_again(job: Any, own: Any, base: Any, gates: Any, b: Any, time: Any, active: Any, hard: Any) -> None:
    """Write the states of a chunk of a sequence, its spikes' bits, and those of where the surrogate is not 0."""
    like, n, row, first = job.shape1, job.neurons, job.batch * job.neurons, b * job.neurons
    given, x = numbers_at(job.coefficients, like), numbers_at(job.x, like)
    lanes, octets, begins = 2 * REGISTER_BYTES // element_bytes(own), np.uint8(0), time == 0
    opened, fired = numbers_at(gates, octets), numbers_at(job.bits, octets)
    before = numbers_at(job.initial if begins else job.chunks, like)
    saved, history = (0 if begins else (time // CHUNK - 1) * 2) * row + first, base + HISTORY * job.pitch
    at, mask = time * row + first, (time * job.batch + b) * job.words * 8
    soon = max(0, time - CHUNK) * row + first
    for i in range(0, n, lanes):
        coefficients = nine_at(load2, given, i, job.pitch)
        _, _, _, _, _, _, r1, r2, threshold = coefficients
        zero, one = splat(r1, 0.0), splat(r1, 1.0)
        m, a = load2(before, saved + i), load2(before, saved + row + i)
        s = load2(before, saved + 2 * row + i) if begins else select(m > threshold, one, zero)
        store(own, history + i, m)
        store(own, history + job.pitch + i, a)
        for t in range(active):
            prefetch2(x, soon + t * row + i)
            m, a = step(m, a, load2(x, at + t * row + i), first_reset(s, m, r1, r2, hard), coefficients)
            fires = m > threshold
            s = select(fires, one, zero)
            store(own, history + (2 * t + 2) * job.pitch + i, m)
            store(own, history + (2 * t + 3) * job.pitch + i, a)
            store_mask(fired, mask + t * job.batch * job.words * 8 + i // 8, fires)
            store_mask(opened, t * job.words * 8 + i // 8, derivative(m - threshold, job) != zero)


@inlined
def run_back(job: Any, own: Any, base: Any, b: Any, time: Any, t: Any, hard: Any) -> None:
    """Run the adjoint of a step of a sequence: from the gradients after it to those before it, and dL/dI[t]."""
    like, n, row, first = job.shape1, job.neurons, job.batch * job.neurons, b * job.neurons
    given, grad_spk, out = numbers_at(job.coefficients, like), numbers_at(job.grad_spk, like), numbers_at(job.out, like)
    grad_mem, grad_ada = numbers_at(job.grad_mem, like), numbers_at(job.grad_ada, like)
    lanes, at, g, h = (
        REGISTER_BYTES // element_bytes(own),
        (time + t) * row + first,
        base + G * job.pitch,
        base + H * job.pitch,
    )
    after, parts = base + (HISTORY + 2 * t + 2) * job.pitch, base + (PARTS + 3 * t) * job.pitch
    for i in range(0, n, lanes):
        coefficients = nine_at(load1, given, i, job.pitch)
        _, _, _, _, _, _, _, _, threshold = coefficients
        zero, one = splat(threshold, 0.0), splat(threshold, 1.0)
        flows = splat(zero, 0.0 if job.detach_reset else 1.0) > zero
        prefetch1(grad_spk, at - row + i)
        grad = load1(own, h + i)
        store(own, h + i, zero)
        if job.grad_spk != 0:
            grad = grad + load1(grad_spk, at + i)
        through = derivative(load1(own, after + i) - threshold, job) * (grad + load1(own, base + 2 * job.pitch + i))
        p, q = load1(own, base + i) + through, load1(own, base + job.pitch + i)
        if job.grad_mem != 0:
            p, q = p + load1(grad_mem, at + i), q + load1(grad_ada, at + i)
        store(own, parts + i, p)
        store(own, parts + job.pitch + i, q)
        store(own, parts + 2 * job.pitch + i, through)
        to_x, to_mem, to_ada, to_spk = step_back(p, q, coefficients)
        if hard is not None:
            m = load1(own, after - 2 * job.pitch + i)
            s = select(m > threshold, one, zero)
            if time + t == 0:
                s = load1(numbers_at(job.initial, like), 2 * row + first + i)
            to_mem, to_spk = fma(to_spk, s, to_mem), to_spk * m
        put(out, at + i, to_x, job)
        store(own, g + i, to_x)
        store(own, base + i, to_mem)
        store(own, base + job.pitch + i, to_ada)
        store(own, base + 2 * job.pitch + i, select(flows, to_spk, zero))


@inlined
def add_up(job: Any, own: Any, base: Any, task: Any, b: Any, time: Any, active: Any, hard: Any) -> None:
    """Add the coefficients' gradients of a chunk of a sequence to the sums of a task."""
    like, n, row, first = job.shape1, job.neurons, job.batch * job.neurons, b * job.neurons
    given, x, sums = numbers_at(job.coefficients, like), numbers_at(job.x, like), numbers_at(job.sums, 1.0)
    lanes, at, to = REGISTER_BYTES // element_bytes(own), time * row + first, 9 * task * n
    for i in range(0, n, lanes):
        threshold = load1(given, 8 * job.pitch + i)
        zero, one = splat(threshold, 0.0), splat(threshold, 1.0)
        parts = zero, zero, zero, zero, zero, zero, zero, zero, zero
        for t in range(active):
            before, part = base + (HISTORY + 2 * t) * job.pitch + i, base + (PARTS + 3 * t) * job.pitch + i
            m, a, current = load1(own, before), load1(own, before + job.pitch), load1(x, at + t * row + i)
            s = select(m > threshold, one, zero)
            if time + t == 0:
                s = load1(numbers_at(job.initial, like), 2 * row + first + i)
            if hard is not None:
                s = s * m
            p, q, through = load1(own, part), load1(own, part + job.pitch), load1(own, part + 2 * job.pitch)
            parts = added(parts, p, q, m, a, current, s, through)
        s11, s12, s21, s22, sb1, sb2, sr1, sr2, sth = parts
        accumulate(sums, to + i, s11)
        accumulate(sums, to + n + i, s12)
        accumulate(sums, to + 2 * n + i, s21)
        accumulate(sums, to + 3 * n + i, s22)
        accumulate(sums, to + 4 * n + i, sb1)
        accumulate(sums, to + 5 * n + i, sb2)
        accumulate(sums, to + 6 * n + i, sr1)
        accumulate(sums, to + 7 * n + i, sr2)
        accumulate(sums, to + 8 * n + i, sth)


@inlined
def begin_back(job: Any, own: Any, base: Any, b: Any) -> None:
    """Take the gradients of a sequence's last state, and write zeros after its last step."""
    n, row, first, out = job.neurons, job.batch * job.neurons, b * job.neurons, numbers_at(job.out, job.shape1)
    given = numbers_at(job.grad_final, job.shape1)
    for i in range(0, n, REGISTER_BYTES // element_bytes(own)):
        zero = splat(load1(own, base), 0.0)
        for k in range(3):
            store(own, base + k * job.pitch + i, zero)
            if job.grad_final != 0:
                store(own, base + k * job.pitch + i, load1(given, k * row + first + i))
        store(own, base + H * job.pitch + i, zero)
        for t in range(length_of(job, b), job.steps):
            store(out, t * row + first + i, zero)


@inlined
def end_back(job: Any, own: Any, base: Any, b: Any) -> None:
    """Write the gradients of a sequence's first state."""
    row, first, final = job.batch * job.neurons, b * job.neurons, numbers_at(job.final, job.shape1)
    for i in range(0, job.neurons, REGISTER_BYTES // element_bytes(own)):
        for k in range(3):
            store(final, k * row + first + i, load1(own, base + k * job.pitch + i))


@compiled
def run_backward(begin: Any, end: Any, call: Any, hard: Any) -> None:
    """Run the adjoint of the sequences of tasks ``begin`` to ``end``: gradients of currents, states, coefficients."""
    job = carray(call, 1)[0]
    own, n = numbers_at(job.scratch, job.shape1), job.neurons
    lists = job.places + 8 * begin * list_size(job)
    base, places = begin * BACKWARD_ROWS * job.pitch, numbers_at(lists, job.steps)
    gates = lists + 8 * (n + SPARE)
    words = numbers_at(gates, job.steps)
    for task in range(begin, end):
        for b in range(task * job.batch // job.tasks, (task + 1) * job.batch // job.tasks):
            length = length_of(job, b)
            begin_back(job, own, base, b)
            for time in range((length - 1) // CHUNK * CHUNK, -1, -CHUNK):
                active = min(CHUNK, length - time)
                run_again(job, own, base, gates, b, time, active, hard)
                for t in range(active - 1, -1, -1):
                    count = 0
                    if time + t + 1 < length:
                        for word in range(job.words):
                            count = unpacked(words[t * job.words + word], word * WORD, count, places)
                    if count > 0:
                        gated(job, own, base, places, count)
                    run_back(job, own, base, b, time, t, hard)
                add_up(job, own, base, task, b, time, active, hard)
            end_back(job, own, base, b)
    fence()


@compiled
def run_part(begin: Any, end: Any, call: Any, hard: Any) -> None:
    """Run a part of the adjoint of all sequences, between which ``through``, V dL/dI[t+1], is computed elsewhere.

    ``part`` tells which: BEFORE a chunk from ``time`` on, step ``t`` of it, or AFTER it.
    """
    job = carray(call, 1)[0]
    own, given = numbers_at(job.scratch, job.shape1), numbers_at(job.through, job.shape1)
    gates, time = job.places + 8 * (begin * list_size(job) + job.neurons + SPARE), job.time
    for task in range(begin, end):
        for b in range(task * job.batch // job.tasks, (task + 1) * job.batch // job.tasks):
            base, length = b * BACKWARD_ROWS * job.pitch, length_of(job, b)
            active = min(CHUNK, length - time)
            if job.part == BEFORE:
                if time + CHUNK >= job.steps:
                    begin_back(job, own, base, b)
                if active > 0:
                    run_again(job, own, base, gates, b, time, active, hard)
            elif job.part == AFTER:
                add_up(job, own, base, task, b, time, active, hard)
                if time == 0:
                    end_back(job, own, base, b)
            elif job.t < length:
                if job.t + 1 < length:
                    for i in range(0, job.neurons, REGISTER_BYTES // element_bytes(own)):
                        store(own, base + H * job.pitch + i, load1(given, b * job.neurons + i))
                run_back(job, own, base, b, time, job.t - time, hard)
    fence()


def forward(begin: Any, end: Any, call: Any) -> None:
    """Run neurons whose reset is R s."""
    run_forward(begin, end, call, None)


def forward_hard(begin: Any, end: Any, call: Any) -> None:
    """Run neurons whose reset is R mem s."""
    run_forward(begin, end, call, True)


def backward(begin: Any, end: Any, call: Any) -> None:
    """Run the adjoint of neurons whose reset is R s."""
    run_backward(begin, end, call, None)


def backward_hard(begin: Any, end: Any, call: Any) -> None:
    """Run the adjoint of neurons whose reset is R mem s."""
    run_backward(begin, end, call, True)


def parts(begin: Any, end: Any, call: Any) -> None:
    """Run a part of the adjoint of neurons whose reset is R s."""
    run_part(begin, end, call, None)


def parts_hard(begin: Any, end: Any, call: Any) -> None:
    """Run a part of the adjoint of neurons whose reset is R mem s."""
    run_part(begin, end, call, True)


@inlined
def add_gradients(load: Any, grad: Any, out: Any, j: Any, places: Any, start: Any, count: Any, n: Any, i: Any) -> None:
    """Add some columns of the listed rows of dL/dI to a row of dL/dV."""
    sums = load(out, j * n + i)
    for event in range(start, start + count):
        sums = sums + load(grad, np.int64(places[event]) * n + i)
    store(out, j * n + i, sums)


def weight_gradient(begin: Any, end: Any, call: Any) -> None:
    """Add to dL/dV, for PANELs of neurons: each spike adds the gradient of the currents of the step after it."""
    job = carray(call, 1)[0]
    like, n, rows, size = (
        job.shape1,
        job.neurons,
        (job.steps - 1) * job.batch,
        element_bytes(numbers_at(job.out, job.shape1)),
    )
    out, words = numbers_at(job.out, like), numbers_at(job.bits, job.steps)
    places, counts = stack_numbers(PLACE_BYTES, np.uint16(0)), stack_numbers(COUNT_BYTES, np.int64(0))
    lanes = 2 * REGISTER_BYTES // size
    for top in range(0, rows, BLOCK):
        grad = numbers_at(job.grad_spk + (top + job.batch) * n * size, like)
        for panel in range(begin, end):
            for j in range(PANEL):
                counts[j] = 0
            for r in range(min(BLOCK, rows - top)):
                for i in range(PANEL * panel, min(n, PANEL * panel + PANEL), lanes):  # of the next block
                    prefetch2(grad, (BLOCK + r) * n + i)
                found = words[(top + r) * job.words + panel]
                while found != 0:
                    j = lowest(found)
                    found &= found - 1
                    places[j * BLOCK + counts[j]] = r
                    counts[j] += 1
            i = 0
            while i < n:
                wide = i + WIDE * lanes // 2 <= n
                for j in range(min(PANEL, n - panel * PANEL)):
                    if counts[j] == 0:
                        continue
                    if wide:
                        add_gradients(load_wide, grad, out, panel * PANEL + j, places, j * BLOCK, counts[j], n, i)
                    else:
                        add_gradients(load2, grad, out, panel * PANEL + j, places, j * BLOCK, counts[j], n, i)
                i += WIDE * lanes // 2 if wide else lanes
