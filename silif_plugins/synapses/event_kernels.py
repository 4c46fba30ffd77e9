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
    compiled,
    element_bytes,
    fma,
    inlined,
    load1,
    load2,
    load_like,
    lowest,
    numbers_at,
    ones,
    prefetch2,
    splat,
    stack_numbers,
    store,
    total,
    widened,
)

PIECE = 1024
"""Inputs of a row whose events are listed at a time."""
LIST_BYTES = PIECE * 8

ROWS, PANEL, WORD = 64, 256, 64
"""Backward sorts the events of so many rows by their input, so many inputs at a time: the rows of dL/dy stay in the
cache, and a row of weights serves all events of its input. It looks for them a word of bits at a time."""
PLACE_BYTES, COUNT_BYTES = ROWS * PANEL, PANEL * 8

WORD_BYTES = WORD * 8

SOON = 8
"""How many steps before they are read inputs are asked for."""

BLOCK = 32
"""Forward takes means and variances of so many rows of outputs while they are in the cache."""
ROW_BYTES = BLOCK * 8


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, addresses, and the dropout (``drop`` of 2³² inputs are dropped)."""
    sizes = ("rows", "inputs", "outputs", "tasks", "drop", "seed")
    addresses = ["x", "weight", "bias", "y", "grad_y", "grad_x", "grad_weight", "gate"]
    # Of a batch norm that follows: [tasks, 2] numbers of events and rows; [tasks, 2, outputs] moments; which rows count
    # (bytes); of its gradient, [outputs] means, slopes and offsets, and memory for ROWS rows of each task.
    addresses += ["numbers", "moments", "valid", "centre", "slope", "offset", "tiles"]
    return np.dtype([(name, np.int64) for name in (*sizes, *addresses)] + [("scale", real)])


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
    """List the inputs of a row from ``begin`` on that are not zero and not dropped: places, values.

    Returns their number, and how many are not zero.
    """
    number, all_, start = 0, 0, row * job.inputs
    end = min(begin + PIECE, job.inputs)
    for i in range(begin, end, WORD):
        found = event_word(x, start + i, end - i)
        all_ += ones(found)
        while found != 0:
            j = i + lowest(found)
            found &= found - 1
            if job.drop == 0 or kept(job, start + j):
                places[number], values[number] = j, x[start + j] * job.scale
                number += 1
    return number, all_


@inlined
def kept_events(job: Any, x: Any, start: Any, size: Any, places: Any) -> Any:
    """List which of up to WORD inputs from ``start`` on are not zero and not dropped; their number."""
    number, found = 0, event_word(x, start, size)
    while found != 0:
        j = lowest(found)
        found &= found - 1
        places[number] = j  # written over by the next one if it is dropped: no branch to guess
        number += 1 if job.drop == 0 or kept(job, start + j) else 0
    return number


@inlined
def prefetch_word(x: Any, start: Any) -> None:
    """Ask for WORD inputs that are wanted soon: what to do with them waits for them, and for nothing else."""
    for i in range(0, WORD, 2 * REGISTER_BYTES // element_bytes(x)):
        prefetch2(x, start + i)


@inlined
def sort_events(job: Any, address: Any, row: Any, rows: Any, begin: Any, end: Any, counts: Any, places: Any) -> None:
    """List, for each input from ``begin`` to ``end``, in which of the rows it is an event and not dropped.

    An event is an open gate, if there is the ``address`` of gates, or an input that is not zero. Row numbers count from
    ``row``.
    """
    x, gate = numbers_at(job.x, job.scale), numbers_at(address, np.uint8(0))
    for j in range(end - begin):
        counts[j] = 0
    for r in range(rows):
        start = (row + r) * job.inputs
        for i in range(begin, end, WORD):
            found = gate_word(gate, start + i, end - i) if address != 0 else event_word(x, start + i, end - i)
            while found != 0:
                j = i + lowest(found)
                found &= found - 1
                if job.drop == 0 or kept(job, start + j):
                    number = counts[j - begin]
                    places[(j - begin) * ROWS + number] = r
                    counts[j - begin] = number + 1


@inlined
def write_row(job: Any, x: Any, y: Any, row: Any, weight: Any, places: Any, values: Any) -> Any:
    """Compute a row of y = x W + bias; return how many of its inputs are not zero."""
    outputs, pair, all_ = job.outputs, 2 * REGISTER_BYTES // element_bytes(x), 0
    for first in range(0, max(1, job.inputs), PIECE):
        number, found = events(job, x, row, first, places, values)
        all_ += found
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
    return all_


@inlined
def valid_rows(job: Any, row: Any, rows: Any, listed: Any) -> Any:
    """List which of some rows count; their number."""
    valid, number = numbers_at(job.valid, np.uint8(0)), 0
    for r in range(row, row + rows):
        if job.valid == 0 or valid[r] != 0:
            listed[number] = r
            number += 1
    return number


@inlined
def add_moments(job: Any, y: Any, task: Any, before: Any, number: Any, listed: Any) -> None:
    """Merge the listed rows of y into mean and sum of squared deviations of the ``before`` rows of a task.

    Chan, Golub and LeVeque (1983): deviations from a row among them are small, so float32 does for the sums of few;
    all else is in float64.
    """
    outputs, pair = job.outputs, 2 * REGISTER_BYTES // element_bytes(y)
    moments, at = numbers_at(job.moments, 1.0), 2 * task * job.outputs
    part, share = 1 / number, number / (before + number)
    for column in range(0, outputs, pair):
        pivot = load2(y, listed[0] * outputs + column)
        sums = squares = splat(pivot, 0.0)
        for r in range(1, number):
            off = load2(y, listed[r] * outputs + column) - pivot
            sums, squares = sums + off, fma(off, off, squares)
        wide = widened(sums)
        some = splat(wide, part) * wide
        squared, mean = widened(squares) - some * wide, load_like(moments, at + column, wide)
        shift = widened(pivot) + some - mean
        store(moments, at + column, mean + splat(wide, share) * shift)
        old = load_like(moments, at + outputs + column, wide)
        store(moments, at + outputs + column, old + squared + splat(wide, before * share) * (shift * shift))


def forward(begin: Any, end: Any, call: Any) -> None:
    """Compute y = x W + bias for the rows of tasks ``begin`` to ``end``; on request events and moments of each."""
    job = carray(call, 1)[0]
    x, weight = numbers_at(job.x, job.scale), numbers_at(job.weight, job.scale)
    y, numbers = numbers_at(job.y, job.scale), numbers_at(job.numbers, np.int64(0))
    places, values = stack_numbers(LIST_BYTES, np.int64(0)), stack_numbers(LIST_BYTES, job.scale)
    listed = stack_numbers(ROW_BYTES, np.int64(0))
    for task in range(begin, end):
        top, bottom = task * job.rows // job.tasks, (task + 1) * job.rows // job.tasks
        found, counted = 0, 0
        for first in range(top, bottom, BLOCK):
            rows = min(BLOCK, bottom - first)
            for row in range(first, first + rows):
                found += write_row(job, x, y, row, weight, places, values)
            if job.moments != 0:
                number = valid_rows(job, first, rows, listed)
                if number > 0:
                    add_moments(job, y, task, counted, number, listed)
                counted += number
        if job.moments != 0:
            numbers[2 * task], numbers[2 * task + 1] = found, counted


def collect(begin: Any, end: Any, call: Any) -> None:
    """Copy rows of a dense product to y and take their moments, for tasks ``begin`` to ``end``.

    They are the rows of x, of as many numbers as y's, or y itself; moments go on from what there is.
    """
    job = carray(call, 1)[0]
    x, y, numbers = numbers_at(job.x, job.scale), numbers_at(job.y, job.scale), numbers_at(job.numbers, np.int64(0))
    listed, outputs = stack_numbers(ROW_BYTES, np.int64(0)), job.outputs
    for task in range(begin, end):
        top, bottom = task * job.rows // job.tasks, (task + 1) * job.rows // job.tasks
        for first in range(top, bottom, BLOCK):
            rows = min(BLOCK, bottom - first)
            for row in range(first, first + rows if job.x != job.y else first):
                for i in range(job.inputs):
                    y[row * outputs + i] = x[row * job.inputs + i]
                for i in range(job.inputs, outputs):
                    y[row * outputs + i] = 0
            number = valid_rows(job, first, rows, listed)
            if number > 0:
                add_moments(job, y, task, numbers[2 * task + 1], number, listed)
            numbers[2 * task + 1] += number


@inlined
def whole_gradient(job: Any, row: Any, rows: Any, to: Any) -> None:
    """Write the gradient of rows of y to a tile: dL/dy, and what a batch norm's mean and variance add to it.

    slope (y - centre) + offset is added in rows that count.
    """
    y, grad_y = numbers_at(job.y, job.scale), numbers_at(job.grad_y, job.scale)
    centre, slope, offset = (
        numbers_at(job.centre, job.scale),
        numbers_at(job.slope, job.scale),
        numbers_at(job.offset, job.scale),
    )
    valid, outputs, pair = numbers_at(job.valid, np.uint8(0)), job.outputs, 2 * REGISTER_BYTES // element_bytes(y)
    for r in range(rows):
        at = (row + r) * outputs
        counts = job.valid == 0 or valid[row + r] != 0
        for i in range(0, outputs, pair):
            grad = load2(grad_y, at + i)
            if counts:
                grad = grad + fma(load2(slope, i), load2(y, at + i) - load2(centre, i), load2(offset, i))
            store(to, r * outputs + i, grad)


def combine(begin: Any, end: Any, call: Any) -> None:
    """Write the gradient of all rows of y, with what a batch norm adds, to ``tiles``, for the rows of tasks."""
    job = carray(call, 1)[0]
    pitch = job.outputs * element_bytes(numbers_at(job.y, job.scale))
    top, bottom = begin * job.rows // job.tasks, end * job.rows // job.tasks
    whole_gradient(job, top, bottom - top, numbers_at(job.tiles + top * pitch, job.scale))


def backward(begin: Any, end: Any, call: Any) -> None:
    """Add xᵀ dL/dy to dL/dW, for the inputs of tasks ``begin`` to ``end``: no two tasks write to one place.

    On request also dL/dx = dL/dy Wᵀ of these inputs where the gate is open and dropout keeps the input; zero elsewhere.
    """
    job = carray(call, 1)[0]
    left, right = begin * job.inputs // job.tasks, end * job.inputs // job.tasks
    outputs, size = job.outputs, element_bytes(numbers_at(job.x, job.scale))
    tile = job.tiles + begin * ROWS * outputs * size
    for row in range(0, job.rows, ROWS):
        rows = min(ROWS, job.rows - row)
        if job.slope != 0:
            whole_gradient(job, row, rows, numbers_at(tile, job.scale))
            grad_y = numbers_at(tile, job.scale)
        else:
            grad_y = numbers_at(job.grad_y + row * outputs * size, job.scale)
        if job.grad_weight != 0:
            add_weight_gradient(job, row, rows, left, right, grad_y)
        if job.grad_x != 0:
            write_input_gradient(job, row, rows, left, right, grad_y)


@compiled
def add_weight_gradient(job: Any, row: Any, rows: Any, left: Any, right: Any, grad_y: Any) -> None:
    """Add what some rows, of which ``grad_y`` is the gradient, give to dL/dW of inputs ``left`` to ``right``."""
    x, grad = numbers_at(job.x, job.scale), numbers_at(job.grad_weight, job.scale)
    places, counts = stack_numbers(PLACE_BYTES, np.uint8(0)), stack_numbers(COUNT_BYTES, np.int64(0))
    outputs, pair = job.outputs, 2 * REGISTER_BYTES // element_bytes(x)
    for first in range(left, right, PANEL):
        last = min(right, first + PANEL)
        sort_events(job, 0, row, rows, first, last, counts, places)
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
                        r = np.int64(places[event])
                        at, value = r * outputs + column, splat(a, x[(row + r) * job.inputs + j] * job.scale)
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
                            r = np.int64(places[event])
                            value = splat(a, x[(row + r) * job.inputs + j] * job.scale)
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


@compiled
def write_input_gradient(job: Any, row: Any, rows: Any, left: Any, right: Any, grad_y: Any) -> None:
    """Write dL/dx of inputs ``left`` to ``right`` of some rows, of which ``grad_y`` is the gradient."""
    weight, grad_x = numbers_at(job.weight, job.scale), numbers_at(job.grad_x, job.scale)
    places, counts = stack_numbers(PLACE_BYTES, np.uint8(0)), stack_numbers(COUNT_BYTES, np.int64(0))
    for r in range(row, row + rows):
        for i in range(r * job.inputs + left, r * job.inputs + right):
            grad_x[i] = 0
    for first in range(left, right, PANEL):
        last = min(right, first + PANEL)
        sort_events(job, job.gate, row, rows, first, last, counts, places)
        for j in range(first, last):
            list_ = (j - first) * ROWS
            for event in range(list_, list_ + counts[j - first]):
                place = np.int64(places[event])
                product = along(weight, j * job.outputs, grad_y, place * job.outputs, job.outputs)
                grad_x[(row + place) * job.inputs + j] = job.scale * product


def drop(begin: Any, end: Any, call: Any) -> None:
    """Apply dropout to x for the rows of tasks ``begin`` to ``end``: y = 0 or scale * x; 0 too where a gate is shut."""
    job = carray(call, 1)[0]
    x, y, gate = numbers_at(job.x, job.scale), numbers_at(job.y, job.scale), numbers_at(job.gate, np.uint8(0))
    first, last = begin * job.rows // job.tasks * job.inputs, end * job.rows // job.tasks * job.inputs
    for start in range(first, last, WORD):
        size = min(WORD, last - start)
        found = gate_word(gate, start, size) if job.gate != 0 else event_word(x, start, size)
        for i in range(start, start + size):
            y[i] = 0
        while found != 0:
            i = start + lowest(found)
            found &= found - 1
            if kept(job, i):
                y[i] = x[i] * job.scale
