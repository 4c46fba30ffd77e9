"""Kernels of the event-driven linear layer: they visit inputs that are not zero, and gates that are open.

Weights come transposed, [inputs, outputs], so that one event needs one contiguous row; the number of outputs is
padded to whole vectors. A row of inputs is searched for events 16 numbers at a time whenever it is needed: that is
cheaper than keeping lists.
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ..kernels.simd import (
    REGISTER_BYTES,
    bits,
    byte_bits,
    element_bytes,
    fma,
    inlined,
    load1,
    load2,
    lowest,
    numbers_at,
    splat,
    stack_numbers,
    store,
    total,
)

PIECE = 1024
"""Inputs of a row whose events are listed at a time."""
LIST_BYTES = PIECE * 8

ROWS, PANEL, WORD = 64, 256, 64
"""Backward sorts the events of so many rows by their input, so many inputs at a time: the rows of dL/dy stay in the
cache, and a row of weights serves all events of its input. It looks for them a word of bits at a time."""
PLACE_BYTES, COUNT_BYTES = ROWS * PANEL, PANEL * 8


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, addresses, and the dropout (``drop`` of 2³² inputs are dropped)."""
    sizes = ("rows", "inputs", "outputs", "tasks", "drop", "seed")
    addresses = ("x", "weight", "bias", "y", "grad_y", "grad_x", "grad_weight", "gate")
    return np.dtype([(name, np.int64) for name in sizes + addresses] + [("scale", real)])


def padded(outputs: int, itemsize: int) -> int:
    """The number of outputs as whole pairs of vectors."""
    lanes = 2 * REGISTER_BYTES // itemsize
    return -(-outputs // lanes) * lanes


@inlined
def kept(job: Any, index: Any) -> Any:
    """Whether dropout keeps an input: the finaliser of SplitMix64 on its place and the seed, a hash without state."""
    z = np.uint64(index) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(job.seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) >> np.uint64(32)) >= job.drop


@inlined
def event_word(x: Any, start: Any, size: Any) -> Any:
    """Which of up to WORD numbers are not zero, as bits of an integer."""
    lanes, found = REGISTER_BYTES // element_bytes(x), 0
    if size >= WORD:
        zero = splat(load1(x, start), 0.0)
        for i in range(0, WORD, lanes):
            found |= bits(load1(x, start + i) != zero) << i
    else:
        for i in range(size):
            found |= (1 if x[start + i] != 0 else 0) << i
    return found


@inlined
def gate_word(gate: Any, start: Any, size: Any) -> Any:
    """Which of up to WORD bytes are not zero, as bits of an integer."""
    found = 0
    if size >= WORD:
        for i in range(0, WORD, 16):
            found |= byte_bits(gate, start + i) << i
    else:
        for i in range(size):
            found |= (1 if gate[start + i] != 0 else 0) << i
    return found


@inlined
def events(job: Any, x: Any, row: Any, begin: Any, places: Any, values: Any) -> Any:
    """List the inputs of a row from ``begin`` on that are not zero and not dropped: places, values; their number."""
    number, start = 0, row * job.inputs
    end = min(begin + PIECE, job.inputs)
    for i in range(begin, end, WORD):
        found = event_word(x, start + i, end - i)
        while found != 0:
            j = i + lowest(found)
            found &= found - 1
            if job.drop == 0 or kept(job, start + j):
                places[number], values[number] = j, x[start + j] * job.scale
                number += 1
    return number


@inlined
def sort_events(job: Any, row: Any, rows: Any, begin: Any, end: Any, counts: Any, places: Any) -> None:
    """List, for each input from ``begin`` to ``end``, in which of the rows it is an event and not dropped.

    An event is an open gate, or, without gates, an input that is not zero. Row numbers count from ``row``.
    """
    x, gate = numbers_at(job.x, job.scale), numbers_at(job.gate, np.uint8(0))
    for j in range(end - begin):
        counts[j] = 0
    for r in range(rows):
        start = (row + r) * job.inputs
        for i in range(begin, end, WORD):
            found = gate_word(gate, start + i, end - i) if job.gate != 0 else event_word(x, start + i, end - i)
            while found != 0:
                j = i + lowest(found)
                found &= found - 1
                if job.drop == 0 or kept(job, start + j):
                    number = counts[j - begin]
                    places[(j - begin) * ROWS + number] = r
                    counts[j - begin] = number + 1


def forward(begin: Any, end: Any, call: Any) -> None:
    """Compute y = x W + bias for the rows of tasks ``begin`` to ``end``."""
    job = carray(call, 1)[0]
    x, weight = numbers_at(job.x, job.scale), numbers_at(job.weight, job.scale)
    y = numbers_at(job.y, job.scale)
    places, values = stack_numbers(LIST_BYTES, np.int64(0)), stack_numbers(LIST_BYTES, job.scale)
    outputs, pair = job.outputs, 2 * REGISTER_BYTES // element_bytes(x)
    for row in range(begin * job.rows // job.tasks, end * job.rows // job.tasks):
        for first in range(0, max(1, job.inputs), PIECE):
            number = events(job, x, row, first, places, values)
            source = numbers_at(job.bias, job.scale) if first == 0 else y
            start = 0 if first == 0 else row * outputs
            for column in range(0, outputs, 4 * pair):
                if column + 4 * pair <= outputs:
                    a, b = load2(source, start + column), load2(source, start + column + pair)
                    c, d = load2(source, start + column + 2 * pair), load2(source, start + column + 3 * pair)
                    for event in range(number):
                        at, value = places[event] * outputs + column, splat(a, values[event])
                        a, b = fma(value, load2(weight, at), a), fma(value, load2(weight, at + pair), b)
                        c = fma(value, load2(weight, at + 2 * pair), c)
                        d = fma(value, load2(weight, at + 3 * pair), d)
                    at = row * outputs + column
                    store(y, at, a)
                    store(y, at + pair, b)
                    store(y, at + 2 * pair, c)
                    store(y, at + 3 * pair, d)
                else:
                    for rest in range(column, outputs, pair):
                        a = load2(source, start + rest)
                        for event in range(number):
                            weights = load2(weight, places[event] * outputs + rest)
                            a = fma(splat(a, values[event]), weights, a)
                        store(y, row * outputs + rest, a)


def weight_gradient(begin: Any, end: Any, call: Any) -> None:
    """Add xᵀ dL/dy to dL/dW, for the inputs of tasks ``begin`` to ``end``: no two tasks write to one place."""
    job = carray(call, 1)[0]
    x, grad_y, grad = (
        numbers_at(job.x, job.scale),
        numbers_at(job.grad_y, job.scale),
        numbers_at(job.grad_weight, job.scale),
    )
    places, counts = stack_numbers(PLACE_BYTES, np.uint8(0)), stack_numbers(COUNT_BYTES, np.int64(0))
    outputs, pair = job.outputs, 2 * REGISTER_BYTES // element_bytes(x)
    left, right = begin * job.inputs // job.tasks, end * job.inputs // job.tasks
    for row in range(0, job.rows, ROWS):
        for first in range(left, right, PANEL):
            last = min(right, first + PANEL)
            sort_events(job, row, min(ROWS, job.rows - row), first, last, counts, places)
            for j in range(first, last):
                number, list_ = counts[j - first], (j - first) * ROWS
                if number == 0:
                    continue
                for column in range(0, outputs, 4 * pair):
                    to = j * outputs + column
                    if column + 4 * pair <= outputs:
                        a, b = load2(grad, to), load2(grad, to + pair)
                        c, d = load2(grad, to + 2 * pair), load2(grad, to + 3 * pair)
                        for event in range(list_, list_ + number):
                            r = row + np.int64(places[event])
                            at, value = r * outputs + column, splat(a, x[r * job.inputs + j] * job.scale)
                            a, b = fma(value, load2(grad_y, at), a), fma(value, load2(grad_y, at + pair), b)
                            c = fma(value, load2(grad_y, at + 2 * pair), c)
                            d = fma(value, load2(grad_y, at + 3 * pair), d)
                        store(grad, to, a)
                        store(grad, to + pair, b)
                        store(grad, to + 2 * pair, c)
                        store(grad, to + 3 * pair, d)
                    else:
                        for rest in range(column, outputs, pair):
                            a = load2(grad, j * outputs + rest)
                            for event in range(list_, list_ + number):
                                r = row + np.int64(places[event])
                                value = splat(a, x[r * job.inputs + j] * job.scale)
                                a = fma(value, load2(grad_y, r * outputs + rest), a)
                            store(grad, j * outputs + rest, a)


@inlined
def along(weight: Any, at: Any, grad_y: Any, start: Any, outputs: Any) -> Any:
    """The product of a row of weights and a row of dL/dy."""
    pair = 2 * REGISTER_BYTES // element_bytes(weight)
    a = b = splat(load2(weight, at), 0.0)
    for i in range(0, outputs - pair, 2 * pair):
        a = fma(load2(weight, at + i), load2(grad_y, start + i), a)
        b = fma(load2(weight, at + i + pair), load2(grad_y, start + i + pair), b)
    if outputs // pair % 2:
        a = fma(load2(weight, at + outputs - pair), load2(grad_y, start + outputs - pair), a)
    return total(a + b)


def input_gradient(begin: Any, end: Any, call: Any) -> None:
    """dL/dx = dL/dy Wᵀ where the gate is open and dropout keeps the input, for the rows of tasks; zero elsewhere."""
    job = carray(call, 1)[0]
    weight, grad_y = numbers_at(job.weight, job.scale), numbers_at(job.grad_y, job.scale)
    grad_x = numbers_at(job.grad_x, job.scale)
    places, counts = stack_numbers(PLACE_BYTES, np.uint8(0)), stack_numbers(COUNT_BYTES, np.int64(0))
    top, bottom = begin * job.rows // job.tasks, end * job.rows // job.tasks
    for row in range(top, bottom, ROWS):
        rows = min(ROWS, bottom - row)
        for i in range(row * job.inputs, (row + rows) * job.inputs):
            grad_x[i] = 0
        for first in range(0, job.inputs, PANEL):
            last = min(job.inputs, first + PANEL)
            sort_events(job, row, rows, first, last, counts, places)
            for j in range(first, last):
                list_ = (j - first) * ROWS
                for event in range(list_, list_ + counts[j - first]):
                    r = row + np.int64(places[event])
                    product = along(weight, j * job.outputs, grad_y, r * job.outputs, job.outputs)
                    grad_x[r * job.inputs + j] = job.scale * product


def drop(begin: Any, end: Any, call: Any) -> None:
    """Apply dropout to x for the rows of tasks ``begin`` to ``end``: y = 0 or scale * x."""
    job = carray(call, 1)[0]
    x, y = numbers_at(job.x, job.scale), numbers_at(job.y, job.scale)
    for i in range(begin * job.rows // job.tasks * job.inputs, end * job.rows // job.tasks * job.inputs):
        y[i] = x[i] * job.scale if kept(job, i) else 0
