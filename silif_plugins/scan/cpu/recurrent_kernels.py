"""Kernels of the recurrent form: some sequences at a time, each step by its events.

Forward adds a row of V, [from, to], for each spike to the currents of the next step. Backward gives the spikes their
gradients through V, dL/ds[t] + V dL/dI[t+1], where the surrogate's derivative is not 0: a product of a row of V and
dL/dI[t+1] for each such gate. All of the layer is done in the same pass, from currents to spikes and back; what it
needs of these sequences stays in the caches, as does V of 512 neurons. The gradient of V is a pass of its own, over the
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
    store,
    store_mask,
    store_totals,
    stream,
)
from ...kernels.spike_bits import WORD
from ...kernels.words import transpose
from ..layout import CHUNK
from .adjoints import added, nine_at, put_nine, step_back
from .kernels import derivative, first_reset, step

EVENTS, GATES = 6, 8
"""Of a WORD of neurons as a rule."""

SPARE = max(EVENTS, GATES)
"""Places that a list has after its last one."""

TOGETHER = 4
"""Sequences that go forward together, so that coefficients are read once for all of them."""

GROUP = 2
"""Sequences that go backward together: V must stay in the second cache beside what they need."""

AHEAD = 2
"""Steps that forward reads ahead."""

SUM, FORWARD_ROWS = 3, 4
"""Rows of scratch memory, [N] each, after mem, ada and spk: the currents through V."""

G, H, SMALL_ROWS = 3, 4, 5
"""After the gradients of mem, ada and spk: dL/dI of the step after, and what comes from it through V."""

HISTORY_ROWS = 2 * (CHUNK + 1)
"""States of a chunk."""

SUM_ROWS, PRODUCT_ROWS = 9, REGISTER_BYTES // 4
"""Of a task: sums of the coefficients' gradients, and room for a register of each neuron."""

TASK_ROWS, BACKWARD_ROWS = SUM_ROWS + PRODUCT_ROWS, SMALL_ROWS + HISTORY_ROWS
"""Rows of scratch memory of each task and of each sequence, for backward."""

BEFORE, STEP, AFTER = range(3)
"""Parts of the adjoint, for :func:`run_part`."""

BLOCK = 4 * WORD
"""Rows whose events the weights' gradient sorts by their neuron at a time."""


def room_of(neurons: int, words: int) -> int:
    """Integers of a task: places of events or gates, and bits of the gates of a chunk; or a table of events' bits."""
    return max(BLOCK, neurons + SPARE + CHUNK * GROUP * words)


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, flags, and addresses of tensors without gaps, N being whole pairs of vectors."""
    sizes = ("steps", "batch", "neurons", "pitch", "tasks", "words", "room", "streams", "surrogate", "detach_reset")
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
def unpacked(found: Any, first: Any, count: Any, places: Any, usual: Any) -> Any:
    """Append the places of an integer's bits to a list of ``count``; return how many there are then.

    The ``usual`` number of places is written whether there are as many bits or not: branches would be guessed wrongly.
    """
    number = ones(found)
    for k in range(usual):
        places[count + k] = first + lowest(found)
        found &= found - 1
    for k in range(usual, number):
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
        count = unpacked(found, first, count, places, EVENTS)
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
    state, places = numbers_at(job.scratch, like), numbers_at(job.places + 8 * begin * job.room, job.steps)
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
                        put(out, ((top + member) * job.steps + t) * n + i, current, job)
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
                    store(out, ((top + member) * job.steps + t) * n + i, load2(x, at + i))
                    store(spikes, at + i, zero)
                    if traced:
                        store(mems, at + i, zero)
                        store(adas, at + i, zero)
                    if t % CHUNK == 0 and t > 0:
                        store(chunks, saved + i, zero)
                        store(chunks, saved + row + i, zero)
    fence()


@inlined
def places_of(job: Any, slot: Any) -> Any:
    """Where the states and the history of a sequence begin."""
    return slot * SMALL_ROWS * job.pitch, (job.batch * SMALL_ROWS + slot * HISTORY_ROWS) * job.pitch


@inlined
def products_of(job: Any, task: Any) -> Any:
    """Where a thread has room for a register of each neuron."""
    return (job.batch * BACKWARD_ROWS + job.tasks * SUM_ROWS + task * PRODUCT_ROWS) * job.pitch


@inlined
def sums_of(job: Any, task: Any) -> Any:
    """Where the sums of a task begin."""
    return (job.batch * BACKWARD_ROWS + task * SUM_ROWS) * job.pitch


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
def gated(job: Any, own: Any, base: Any, to: Any, places: Any, count: Any) -> None:
    """Write the products of g and the listed rows of V to h.

    A row after the other, with g in registers: four rows side by side come from the second cache at half the speed. A
    register of sums of each row waits in memory, so that the compiler keeps to that.
    """
    n, lanes, i = job.neurons, REGISTER_BYTES // element_bytes(own), 0
    g, h = base + G * job.pitch, base + H * job.pitch
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
    saved = (0 if begins else (time // CHUNK - 1) * 2) * row + first
    at, mask = (b * job.steps + time) * n, (time * job.batch + b) * job.words * 8
    soon = (b * job.steps + max(0, time - CHUNK)) * n
    for i in range(0, n, lanes):
        coefficients = nine_at(load2, given, i, job.pitch)
        _, _, _, _, _, _, r1, r2, threshold = coefficients
        zero, one = splat(r1, 0.0), splat(r1, 1.0)
        m, a = load2(before, saved + i), load2(before, saved + row + i)
        s = load2(before, saved + 2 * row + i) if begins else select(m > threshold, one, zero)
        store(own, base + i, m)
        store(own, base + job.pitch + i, a)
        for t in range(active):
            prefetch2(x, soon + t * n + i)
            m, a = step(m, a, load2(x, at + t * n + i), first_reset(s, m, r1, r2, hard), coefficients)
            fires = m > threshold
            s = select(fires, one, zero)
            store(own, base + (2 * t + 2) * job.pitch + i, m)
            store(own, base + (2 * t + 3) * job.pitch + i, a)
            store_mask(fired, mask + t * job.batch * job.words * 8 + i // 8, fires)
            store_mask(opened, t * job.words * 8 + i // 8, derivative(m - threshold, job) != zero)


@inlined
def run_back(job: Any, own: Any, begin: Any, task: Any, top: Any, group: Any, time: Any, t: Any, hard: Any) -> None:
    """Run the adjoint of a step of sequences: from the gradients after it to those before it, and dL/dI[t].

    Adds the coefficients' gradients to the sums of the tasks to which the sequences belong.
    """
    like, n, row, now = job.shape1, job.neurons, job.batch * job.neurons, time + t
    given, grad_spk, out = numbers_at(job.coefficients, like), numbers_at(job.grad_spk, like), numbers_at(job.out, like)
    grad_mem, grad_ada = numbers_at(job.grad_mem, like), numbers_at(job.grad_ada, like)
    x, initial = numbers_at(job.x, like), numbers_at(job.initial, like)
    pitch, first = job.pitch, begin * job.batch // job.tasks
    for i in range(0, n, REGISTER_BYTES // element_bytes(own)):
        coefficients = nine_at(load1, given, i, pitch)
        _, _, _, _, _, _, _, _, threshold = coefficients
        zero, one = splat(threshold, 0.0), splat(threshold, 1.0)
        flows = splat(zero, 0.0 if job.detach_reset else 1.0) > zero
        owner, member = task, 0
        while member < group:
            stop, to = min(group, (owner + 1) * job.batch // job.tasks - top), sums_of(job, owner) + i
            owner += 1
            sums = nine_at(load1, own, to, pitch)
            while member < stop:
                b = top + member
                small, base = places_of(job, first + member)
                member += 1
                if now >= length_of(job, b):
                    continue
                at, small = now * row + b * n + i, small + i
                before = base + 2 * t * pitch + i
                prefetch1(grad_spk, at - row)
                grad = load1(own, small + H * pitch)
                store(own, small + H * pitch, zero)
                if job.grad_spk != 0:
                    grad = grad + load1(grad_spk, at)
                off = load1(own, before + 2 * pitch) - threshold
                through = derivative(off, job) * (grad + load1(own, small + 2 * pitch))
                p, q = load1(own, small) + through, load1(own, small + pitch)
                if job.grad_mem != 0:
                    p, q = p + load1(grad_mem, at), q + load1(grad_ada, at)
                to_x, to_mem, to_ada, to_spk = step_back(p, q, coefficients)
                m, a = load1(own, before), load1(own, before + pitch)
                s = select(m > threshold, one, zero)
                if now == 0:
                    s = load1(initial, 2 * row + b * n + i)
                reset = s
                if hard is not None:
                    reset, to_mem, to_spk = s * m, fma(to_spk, s, to_mem), to_spk * m
                sums = added(sums, p, q, m, a, load1(x, (b * job.steps + now) * n + i), reset, through)
                put(out, at, to_x, job)
                store(own, small + G * pitch, to_x)
                store(own, small, to_mem)
                store(own, small + pitch, to_ada)
                store(own, small + 2 * pitch, select(flows, to_spk, zero))
            put_nine(own, to, pitch, sums)


@inlined
def add_up(job: Any, own: Any, begin: Any, end: Any) -> None:
    """Add what tasks have of the coefficients' gradients to their sums in float64; then they have nothing."""
    sums = numbers_at(job.sums, 1.0)
    for task in range(begin, end):
        for k in range(9):
            for i in range(0, job.neurons, REGISTER_BYTES // element_bytes(own)):
                at = sums_of(job, task) + k * job.pitch + i
                part = load1(own, at)
                accumulate(sums, (9 * task + k) * job.neurons + i, part)
                store(own, at, splat(part, 0.0))


@inlined
def clear_sums(job: Any, own: Any, begin: Any, end: Any) -> None:
    """Write zeros there."""
    zero = splat(load1(own, 0), 0.0)
    for at in range(sums_of(job, begin), sums_of(job, end), REGISTER_BYTES // element_bytes(own)):
        store(own, at, zero)


@inlined
def begin_back(job: Any, own: Any, small: Any, b: Any) -> None:
    """Take the gradients of a sequence's last state, and write zeros after its last step."""
    n, row, first, out = job.neurons, job.batch * job.neurons, b * job.neurons, numbers_at(job.out, job.shape1)
    given = numbers_at(job.grad_final, job.shape1)
    for i in range(0, n, REGISTER_BYTES // element_bytes(own)):
        zero = splat(load1(own, small), 0.0)
        for k in range(3):
            store(own, small + k * job.pitch + i, zero)
            if job.grad_final != 0:
                store(own, small + k * job.pitch + i, load1(given, k * row + first + i))
        store(own, small + G * job.pitch + i, zero)
        store(own, small + H * job.pitch + i, zero)
        for t in range(length_of(job, b), job.steps):
            store(out, t * row + first + i, zero)


@inlined
def end_back(job: Any, own: Any, small: Any, b: Any) -> None:
    """Write the gradients of a sequence's first state."""
    row, first, final = job.batch * job.neurons, b * job.neurons, numbers_at(job.final, job.shape1)
    for i in range(0, job.neurons, REGISTER_BYTES // element_bytes(own)):
        for k in range(3):
            store(final, k * row + first + i, load1(own, small + k * job.pitch + i))


@inlined
def last_of_group(job: Any, task: Any, end: Any) -> Any:
    """Return the task after those that go together: whole ones, so that sums do not depend on threads."""
    last, top = task + 1, task * job.batch // job.tasks
    while last < end and (last + 1) * job.batch // job.tasks - top <= GROUP:
        last += 1
    return last


@compiled
def run_backward(begin: Any, end: Any, call: Any, hard: Any) -> None:
    """Run the adjoint of the sequences of tasks ``begin`` to ``end``: gradients of currents, states, coefficients."""
    job = carray(call, 1)[0]
    own = numbers_at(job.scratch, job.shape1)
    lists = job.places + 8 * begin * job.room
    places, gates = numbers_at(lists, job.steps), lists + 8 * (job.neurons + SPARE)
    clear_sums(job, own, begin, end)
    task = begin
    while task < end:
        stop = last_of_group(job, task, end)
        last = stop * job.batch // job.tasks
        for top in range(task * job.batch // job.tasks, last, GROUP):
            run_group(job, own, begin, task, stop, top, min(GROUP, last - top), places, gates, hard)
        task = stop
    fence()


@inlined
def run_group(
    job: Any,
    own: Any,
    begin: Any,
    task: Any,
    stop: Any,
    top: Any,
    group: Any,
    places: Any,
    gates: Any,
    hard: Any,
) -> None:
    """Run the adjoint of some sequences from ``top`` on, which belong to tasks ``task`` to ``stop``."""
    first, longest = begin * job.batch // job.tasks, 0
    for member in range(group):
        small, _ = places_of(job, first + member)
        begin_back(job, own, small, top + member)
        longest = max(longest, length_of(job, top + member))
    for time in range((longest - 1) // CHUNK * CHUNK, -1, -CHUNK):
        for member in range(group):
            active = min(CHUNK, length_of(job, top + member) - time)
            if active > 0:
                _, base = places_of(job, first + member)
                run_again(job, own, base, gates + 8 * CHUNK * member * job.words, top + member, time, active, hard)
        for t in range(min(CHUNK, longest - time) - 1, -1, -1):
            for member in range(group):
                if time + t + 1 < length_of(job, top + member):
                    small, _ = places_of(job, first + member)
                    count, words = 0, numbers_at(gates + 8 * (CHUNK * member + t) * job.words, job.steps)
                    for word in range(job.words):
                        count = unpacked(words[word], word * WORD, count, places, GATES)
                    if count > 0:
                        gated(job, own, small, products_of(job, begin), places, count)
            run_back(job, own, begin, task, top, group, time, t, hard)
        add_up(job, own, task, stop)
    for member in range(group):
        small, _ = places_of(job, first + member)
        end_back(job, own, small, top + member)


@compiled
def run_part(begin: Any, end: Any, call: Any, hard: Any) -> None:
    """Run a part of the adjoint of all sequences, between which ``through``, V dL/dI[t+1], is computed elsewhere.

    ``part`` tells which: BEFORE a chunk from ``time`` on, step ``t`` of it, or AFTER it.
    """
    job = carray(call, 1)[0]
    own, given = numbers_at(job.scratch, job.shape1), numbers_at(job.through, job.shape1)
    gates, time = job.places + 8 * (begin * job.room + job.neurons + SPARE), job.time
    first, last = begin * job.batch // job.tasks, end * job.batch // job.tasks
    if job.part == BEFORE and time + CHUNK >= job.steps:
        clear_sums(job, own, begin, end)
    for b in range(first, last):
        (small, base), length = places_of(job, b), length_of(job, b)
        active = min(CHUNK, length - time)
        if job.part == BEFORE:
            if time + CHUNK >= job.steps:
                begin_back(job, own, small, b)
            if active > 0:
                run_again(job, own, base, gates, b, time, active, hard)
        elif job.part == AFTER:
            if time == 0:
                end_back(job, own, small, b)
        elif job.t + 1 < length:
            for i in range(0, job.neurons, REGISTER_BYTES // element_bytes(own)):
                store(own, small + H * job.pitch + i, load1(given, b * job.neurons + i))
    if job.part == AFTER:
        add_up(job, own, begin, end)
    elif job.part == STEP:
        run_back(job, own, begin, begin, first, last - first, time, job.t - time, hard)
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
def add_gradients(load: Any, job: Any, grad: Any, first: Any, found: Any, i: Any) -> None:
    """Add some columns of rows of dL/dI to rows of dL/dV, from ``first`` on: bits tell where a row has an event."""
    out, n = numbers_at(job.out, job.shape1), job.neurons
    for k in range(min(WORD, n - first)):
        some = 0
        for top in range(0, BLOCK, WORD):
            some |= found[top + k]
        if some != 0:
            to = (first + k) * n + i
            sums = load(out, to)
            for top in range(0, BLOCK, WORD):
                rows, at = found[top + k], top * n + i
                while rows != 0:
                    sums = sums + load(grad, at + lowest(rows) * n)
                    rows &= rows - 1
            store(out, to, sums)


def weight_gradient(begin: Any, end: Any, call: Any) -> None:
    """Add to dL/dV, for WORDs of neurons: each spike adds the gradient of the currents of the step after it.

    For half of a wide layer's columns at a time: what a block of rows has there stays in the second cache.
    """
    job = carray(call, 1)[0]
    like, n, rows = job.shape1, job.neurons, (job.steps - 1) * job.batch
    words, size = numbers_at(job.bits, job.steps), element_bytes(numbers_at(job.out, like))
    table, lanes, panels = job.places + 8 * begin * job.room, REGISTER_BYTES // size, end - begin
    for top in range(0, rows, BLOCK):
        grad = numbers_at(job.grad_spk + (top + job.batch) * n * size, like)
        for panel in range(panels):
            found = numbers_at(table + 8 * panel * BLOCK, job.steps)
            for r in range(BLOCK):
                found[r] = words[(top + r) * job.words + begin + panel] if top + r < rows else 0
            for r in range(0, BLOCK, WORD):
                transpose(found, r)
        i = 0
        while i < n:
            wide, half = i + WIDE * lanes <= n, i + WIDE * lanes // 2 <= n
            width = WIDE * lanes if wide else (WIDE * lanes // 2 if half else 2 * lanes)
            for panel in range(panels):
                found = numbers_at(table + 8 * panel * BLOCK, job.steps)
                for r in range(panel * BLOCK // panels, (panel + 1) * BLOCK // panels):  # of the next block
                    for column in range(i, i + width, 2 * lanes):
                        prefetch2(grad, (BLOCK + r) * n + column)
                if wide:
                    add_gradients(load_wide, job, grad, (begin + panel) * WORD, found, i)
                elif half:
                    add_gradients(load_half, job, grad, (begin + panel) * WORD, found, i)
                else:
                    add_gradients(load2, job, grad, (begin + panel) * WORD, found, i)
            i += width
