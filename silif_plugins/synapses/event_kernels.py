"""Kernels of the event-driven linear layer: they visit inputs that are not zero, and gates that are open.

Weights come in strips of outputs, [strips, inputs, outputs of a strip]: one event needs a few contiguous vectors of
each, and a strip of all inputs stays in the second cache while many rows use it. The number of outputs is padded to
whole pairs of vectors. Which inputs are events, and which gates are open, are bits of words, 64 at a time.
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
    store_totals,
    widened,
)
from ..kernels.spike_bits import WORD
from ..kernels.words import kept_word, transpose

STRIP_BYTES = 8 * REGISTER_BYTES
"""Outputs of a strip: their sums fit into the registers."""

PIECE, GROUP, LISTED = 1024, 256, 1 << 14
"""Forward lists the events of so many inputs, of so many rows, or fewer rows where the list is full, at a time."""
PLACE_BYTES, VALUE_BYTES, END_BYTES = (LISTED + 4) * 2, (LISTED + 4) * 8, (GROUP + 1) * 8

TILES = 4
"""Backward takes so many tiles of WORD rows at a time: a strip of one is in the first cache, and one of dL/dW, which
all of them add to, in the second. A word tells for an input which rows of a tile have an event there."""
PLAIN_BYTES = TILES * 8

PANEL = 2 * WORD
"""The gradient of the input is computed for so many inputs at a time: their weights, of one strip of outputs, stay
about in the first cache while all rows of the tiles use them."""

ROW_BITS = 16
"""A listed gate is its row among those of the tiles, shifted by so many bits, and its input among those of a panel."""
PLACE_MASK = (1 << ROW_BITS) - 1

TOP = np.int64(-(2**63))
"""The highest bit of a word."""

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
    # (bytes); of its gradient, [outputs] means, slopes and offsets.
    # Backward has memory for TILES tiles of dL/dy for each task, their words of events and of gates, and the products
    # of gates.
    addresses += ["numbers", "moments", "valid", "centre", "slope", "offset", "tiles", "words", "places", "products"]
    # Words of bits instead of x and gate, of how many gates are open before each of them, and dL/dx at open gates.
    addresses += ["spike_bits", "gate_bits", "gates_before", "grad_open"]
    return np.dtype([(name, np.int64) for name in (*sizes, *addresses)] + [("scale", real)])


def padded(outputs: int, itemsize: int) -> int:
    """The number of outputs as whole pairs of vectors."""
    lanes = 2 * REGISTER_BYTES // itemsize
    return -(-outputs // lanes) * lanes


def strip_of(itemsize: int) -> int:
    """Outputs of a strip."""
    return STRIP_BYTES // itemsize


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
def one_word(x: Any, start: Any, size: Any) -> Any:
    """Which of up to WORD numbers are one, likewise."""
    lanes, found = REGISTER_BYTES // element_bytes(x), 0
    if size >= WORD:
        one = splat(load1(x, start), 1.0)
        for i in range(0, WORD, lanes):
            found |= bits(load1(x, start + i) == one) << i
    else:
        for i in range(size):
            found |= (1 if x[start + i] == 1 else 0) << i
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
def events_at(job: Any, x: Any, start: Any, size: Any) -> Any:
    """Which of up to WORD inputs are events, from bits where there are any."""
    if job.spike_bits != 0:
        return numbers_at(job.spike_bits, job.rows)[start // WORD]
    return event_word(x, start, size)


@inlined
def list_events(job: Any, x: Any, row: Any, begin: Any, end: Any, places: Any, values: Any, number: Any) -> Any:
    """List the inputs of a row from ``begin`` to ``end`` that are not zero and not dropped, from ``number`` on.

    Places count from ``begin``. Returns the number after the last, and how many are not zero.
    """
    all_, start = 0, row * job.inputs
    for i in range(begin, end, WORD):
        found = events_at(job, x, start + i, end - i)
        if found == 0:
            continue
        all_ += ones(found)
        if job.drop != 0:
            found &= kept_word(start + i, job.seed, job.drop)
        after = number + ones(found)
        while number < after:  # four at a time: how many there are is hard to foresee
            for k in range(4):
                j = lowest(found | TOP)
                found &= found - 1
                places[number + k] = i - begin + j
                values[number + k] = job.scale if job.spike_bits != 0 else x[start + i + j] * job.scale
            number += 4
        number = after
    return number, all_


@inlined
def kept_events(job: Any, x: Any, start: Any, size: Any, places: Any) -> Any:
    """List which of up to WORD inputs from ``start`` on are not zero and not dropped; their number."""
    number, found = 0, event_word(x, start, size)
    if found != 0 and job.drop != 0:
        found &= kept_word(start, job.seed, job.drop)
    while found != 0:
        places[number] = lowest(found)
        found &= found - 1
        number += 1
    return number


@inlined
def write_kept(job: Any, found: Any, index: Any, x: Any, source: Any, y: Any, to: Any) -> None:
    """Copy, scaled, those of up to WORD numbers from a place of x to one of y that are found, and not dropped.

    Args:
        job: What the kernel is told.
        found: Which of them, as bits.
        index: Place of the first one among all inputs, which decides what is dropped.
        x: Where they are.
        source: From which place on.
        y: Where they go.
        to: From which place on.
    """
    if found != 0:
        found &= kept_word(index, job.seed, job.drop)
    while found != 0:
        i = lowest(found)
        found &= found - 1
        y[to + i] = x[source + i] * job.scale


@inlined
def prefetch_word(x: Any, start: Any) -> None:
    """Ask for WORD inputs that are wanted soon: what to do with them waits for them, and for nothing else."""
    for i in range(0, WORD, 2 * REGISTER_BYTES // element_bytes(x)):
        prefetch2(x, start + i)


@compiled
def mark_events(job: Any, row: Any, rows: Any, left: Any, right: Any, words: Any, gates: Any) -> bool:
    """Write which of up to WORD rows have an event at an input, and which an open gate: bit r of word j for row r.

    Each is written if its gradient is wanted, for inputs ``left`` to ``right``; what dropout drops is neither. Returns
    whether all events are ones.
    """
    x, gate, plain = numbers_at(job.x, job.scale), numbers_at(job.gate, np.uint8(0)), True
    for r in range(WORD):
        start = (row + r) * job.inputs
        for i in range(left, right, WORD):
            found = opened = 0
            if r < rows:
                kept = -1 if job.drop == 0 else kept_word(start + i, job.seed, job.drop)
                if job.grad_weight != 0:
                    found = events_at(job, x, start + i, right - i) & kept
                    if job.spike_bits == 0 and plain and found != 0 and found & ~one_word(x, start + i, right - i) != 0:
                        plain = False
                if job.gate_bits != 0:
                    opened = numbers_at(job.gate_bits, job.rows)[(start + i) // WORD] & kept
                elif job.grad_x != 0:
                    opened = gate_word(gate, start + i, right - i) & kept
            words[i + r], gates[i + r] = found, opened
    for i in range(left, right, WORD):
        if job.grad_weight != 0:
            transpose(words, i)
    return plain


@compiled
def write_rows(job: Any, top: Any, bottom: Any, places: Any, values: Any, ends: Any) -> Any:
    """Compute rows of y = x W + bias; return how many of their inputs are not zero."""
    x, y = numbers_at(job.x, job.scale), numbers_at(job.y, job.scale)
    outputs, strip, all_ = job.outputs, STRIP_BYTES // element_bytes(x), 0
    for first in range(0, max(1, job.inputs), PIECE):
        last, row = min(first + PIECE, job.inputs), top
        while row < bottom:
            number, rows = 0, 0
            ends[0] = 0
            while row + rows < bottom and number + last - first <= LISTED:
                number, found = list_events(job, x, row + rows, first, last, places, values, number)
                all_ += found
                rows += 1
                ends[rows] = number
            for column in range(0, outputs, strip):
                add_weights(job, y, row, rows, first, column, min(strip, outputs - column), places, values, ends)
            row += rows
    return all_


@inlined
def add_weights(
    job: Any,
    y: Any,
    row: Any,
    rows: Any,
    first: Any,
    column: Any,
    width: Any,
    places: Any,
    values: Any,
    ends: Any,
) -> None:
    """Add the weights of listed events, of inputs from ``first`` on, to a strip of rows of y, which start as bias."""
    weight = numbers_at(job.weight, job.scale)
    outputs, pair, strip = job.outputs, 2 * REGISTER_BYTES // element_bytes(y), column * job.inputs + first * width
    for r in range(rows):
        to = (row + r) * outputs + column
        source, start = (numbers_at(job.bias, job.scale), column) if first == 0 else (y, to)
        if width == 4 * pair:
            a, b = load2(source, start), load2(source, start + pair)
            c, d = load2(source, start + 2 * pair), load2(source, start + 3 * pair)
            for event in range(ends[r], ends[r + 1]):
                at, value = strip + np.int64(places[event]) * (4 * pair), splat(a, values[event])
                a, b = fma(value, load2(weight, at), a), fma(value, load2(weight, at + pair), b)
                c = fma(value, load2(weight, at + 2 * pair), c)
                d = fma(value, load2(weight, at + 3 * pair), d)
            store(y, to, a)
            store(y, to + pair, b)
            store(y, to + 2 * pair, c)
            store(y, to + 3 * pair, d)
        else:
            for rest in range(0, width, pair):
                a = load2(source, start + rest)
                for event in range(ends[r], ends[r + 1]):
                    at = strip + np.int64(places[event]) * width + rest
                    a = fma(splat(a, values[event]), load2(weight, at), a)
                store(y, to + rest, a)


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
    y, numbers = numbers_at(job.y, job.scale), numbers_at(job.numbers, np.int64(0))
    places, values = stack_numbers(PLACE_BYTES, np.uint16(0)), stack_numbers(VALUE_BYTES, job.scale)
    ends, listed = stack_numbers(END_BYTES, np.int64(0)), stack_numbers(ROW_BYTES, np.int64(0))
    for task in range(begin, end):
        top, bottom = task * job.rows // job.tasks, (task + 1) * job.rows // job.tasks
        found, counted = 0, 0
        for start in range(top, bottom, GROUP):
            stop = min(start + GROUP, bottom)
            found += write_rows(job, start, stop, places, values, ends)
            if job.moments != 0:
                for first in range(start, stop, BLOCK):
                    number = valid_rows(job, first, min(BLOCK, stop - first), listed)
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


def merge(begin: Any, end: Any, call: Any) -> None:
    """Merge numbers and moments of all tasks into those of the first, as mean and variance.

    Chan, Golub and LeVeque (1983), as within a task.
    """
    job = carray(call, 1)[0]
    numbers, moments, outputs = numbers_at(job.numbers, job.rows), numbers_at(job.moments, 1.0), job.outputs
    for task in range(1, job.tasks):
        before, more, at = numbers[1], numbers[2 * task + 1], 2 * task * outputs
        numbers[0] += numbers[2 * task]
        numbers[1] += more
        share = more / max(1, before + more)
        for i in range(outputs):
            shift = moments[at + i] - moments[i]
            moments[i] += share * shift
            moments[outputs + i] += moments[at + outputs + i] + before * share * shift * shift
    for i in range(outputs):
        moments[outputs + i] /= max(1, numbers[1])


@inlined
def whole_gradient(job: Any, row: Any, rows: Any, strip: Any, depth: Any, to: Any) -> None:
    """Write the gradient of rows of y to memory: dL/dy, and what a batch norm's mean and variance add to it.

    slope (y - centre) + offset is added in rows that count. The memory has strips of outputs, each of ``depth`` rows.
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
        counts = job.slope != 0 and (job.valid == 0 or valid[row + r] != 0)
        for column in range(0, outputs, strip):
            width = min(strip, outputs - column)
            place = column * depth + r * width
            for i in range(column, column + width, pair):
                grad = load2(grad_y, at + i)
                if counts:
                    grad = grad + fma(load2(slope, i), load2(y, at + i) - load2(centre, i), load2(offset, i))
                store(to, place + i - column, grad)


def combine(begin: Any, end: Any, call: Any) -> None:
    """Write the gradient of all rows of y, with what a batch norm adds, to ``tiles``, for the rows of tasks."""
    job = carray(call, 1)[0]
    pitch = job.outputs * element_bytes(numbers_at(job.y, job.scale))
    top, bottom = begin * job.rows // job.tasks, end * job.rows // job.tasks
    whole_gradient(job, top, bottom - top, job.outputs, 1, numbers_at(job.tiles + top * pitch, job.scale))


def backward(begin: Any, end: Any, call: Any) -> None:
    """Add xᵀ dL/dy to dL/dW, for the inputs of tasks ``begin`` to ``end``: no two tasks write to one place.

    On request also dL/dx = dL/dy Wᵀ of these inputs where the gate is open and dropout keeps the input; zero elsewhere,
    or, from gates as bits, of open gates alone.
    """
    job = carray(call, 1)[0]
    whole = -(-job.inputs // WORD) * WORD
    left = begin * (whole // WORD) // job.tasks * WORD
    right = min(job.inputs, end * (whole // WORD) // job.tasks * WORD)
    outputs, size = job.outputs, element_bytes(numbers_at(job.x, job.scale))
    strip, depth = STRIP_BYTES // size, TILES * WORD
    first = begin * (PANEL * TILES + 1) * WORD
    places = numbers_at(job.places + first * 4, np.int32(0))
    products = numbers_at(job.products + first * size, job.scale)
    plain = stack_numbers(PLAIN_BYTES, np.int64(0))
    tiles = job.tiles + begin * depth * outputs * size
    for row in range(0, job.rows, depth):
        rows = min(depth, job.rows - row)
        for t in range(-(-rows // WORD)):
            some = min(WORD, rows - t * WORD)
            events, gates = words_of(job, t, whole)
            plain[t] = 1 if mark_events(job, row + t * WORD, some, left, right, events, gates) else 0
        whole_gradient(job, row, rows, strip, depth, numbers_at(tiles, job.scale))
        for column in range(0, outputs if job.grad_weight != 0 else 0, strip):
            width = min(strip, outputs - column)
            for t in range(-(-rows // WORD)):
                events, _ = words_of(job, t, whole)
                tile = numbers_at(tiles + (column * depth + t * WORD * width) * size, job.scale)
                add_weight_gradient(job, row + t * WORD, left, right, column, width, plain[t], events, tile)
        for start in range(left, right if job.grad_x + job.grad_open != 0 else left, PANEL):
            last = min(right, start + PANEL)
            number = list_gates(job, row, rows, start, last, whole, places)
            for column in range(0, outputs, strip):
                width = min(strip, outputs - column)
                tile = numbers_at(tiles + column * depth * size, job.scale)
                if width == strip:
                    add_products(job, column, 4 * (strip // 4), start, places, number, tile, products)
                else:
                    add_products(job, column, width, start, places, number, tile, products)
            if job.grad_open != 0:
                write_open(job, row, rows, start, last, whole, products)
            else:
                write_products(job, row, start, places, number, products)


@inlined
def words_of(job: Any, t: Any, whole: Any) -> Any:
    """The words of events and of open gates of a tile."""
    at = job.words + 2 * t * whole * 8
    return numbers_at(at, np.int64(0)), numbers_at(at + whole * 8, np.int64(0))


@compiled
def add_weight_gradient(
    job: Any, row: Any, left: Any, right: Any, column: Any, width: Any, plain: Any, events: Any, tile: Any
) -> None:
    """Add what a tile of rows gives to a strip of dL/dW, for inputs ``left`` to ``right``."""
    x, grad = numbers_at(job.x, job.scale), numbers_at(job.grad_weight, job.scale)
    pair = 2 * REGISTER_BYTES // element_bytes(x)
    for j in range(left, right):
        found = events[j]
        if found == 0:
            continue
        to = column * job.inputs + j * width
        if width == 4 * pair:
            a, b = load2(grad, to), load2(grad, to + pair)
            c, d = load2(grad, to + 2 * pair), load2(grad, to + 3 * pair)
            while found != 0:
                r = lowest(found)
                found &= found - 1
                at = r * (4 * pair)
                value = splat(a, job.scale if plain else x[(row + r) * job.inputs + j] * job.scale)
                a, b = fma(value, load2(tile, at), a), fma(value, load2(tile, at + pair), b)
                c = fma(value, load2(tile, at + 2 * pair), c)
                d = fma(value, load2(tile, at + 3 * pair), d)
            store(grad, to, a)
            store(grad, to + pair, b)
            store(grad, to + 2 * pair, c)
            store(grad, to + 3 * pair, d)
        else:
            for rest in range(0, width, pair):
                a, left_over = load2(grad, to + rest), found
                while left_over != 0:
                    r = lowest(left_over)
                    left_over &= left_over - 1
                    value = splat(a, job.scale if plain else x[(row + r) * job.inputs + j] * job.scale)
                    a = fma(value, load2(tile, r * width + rest), a)
                store(grad, to + rest, a)


@compiled
def list_gates(job: Any, row: Any, rows: Any, left: Any, right: Any, whole: Any, places: Any) -> Any:
    """List the open gates of rows at inputs ``left`` to ``right``, and write zeros to dL/dx there; their number.

    The gates of a row come in pairs, and all in fours: the last one is there again to fill them up.
    """
    grad_x, number = numbers_at(job.grad_x, job.scale), 0
    for r in range(rows):
        _, gates = words_of(job, r // WORD, whole)
        at = (row + r) * job.inputs
        # Row by row among other work: a loop of zeros alone would wait for the memory.
        for i in range(left, right if job.grad_x != 0 else left):
            grad_x[at + i] = 0
        for i in range(left, right, WORD):
            opened = gates[i + r % WORD]
            after = number + ones(opened)
            while number < after:  # four at a time, as in list_events
                for k in range(4):
                    places[number + k] = (r << ROW_BITS) + i - left + lowest(opened | TOP)
                    opened &= opened - 1
                number += 4
            number = after
        if number % 2 != 0:
            places[number] = places[number - 1]
            number += 1
    if number % 4 != 0:
        places[number] = places[number + 1] = places[number - 1]
        number += 2
    return number


@inlined
def add_products(
    job: Any, column: Any, width: Any, left: Any, places: Any, number: Any, tile: Any, products: Any
) -> None:
    """Write, or add, what a strip gives to the products of rows of dL/dy with the weights of their open gates.

    A listed gate needs a row of dL/dy from the second cache, which the next ones use too, and one of W from the first.
    """
    weight = numbers_at(job.weight, job.scale)
    pair, base = 2 * REGISTER_BYTES // element_bytes(weight), column * job.inputs + left * width
    for event in range(0, number, 4):
        e, f = np.int64(places[event]), np.int64(places[event + 1])
        g, h = np.int64(places[event + 2]), np.int64(places[event + 3])
        a, b = base + (e & PLACE_MASK) * width, base + (f & PLACE_MASK) * width
        c, d = base + (g & PLACE_MASK) * width, base + (h & PLACE_MASK) * width
        first, second = (e >> ROW_BITS) * width, (g >> ROW_BITS) * width
        grad, other = load2(tile, first), load2(tile, second)
        p, q = grad * load2(weight, a), grad * load2(weight, b)
        s, t = other * load2(weight, c), other * load2(weight, d)
        for i in range(pair, width, pair):
            grad, other = load2(tile, first + i), load2(tile, second + i)
            p, q = fma(grad, load2(weight, a + i), p), fma(grad, load2(weight, b + i), q)
            s, t = fma(other, load2(weight, c + i), s), fma(other, load2(weight, d + i), t)
        store_totals(products, event, p, q, s, t, column == 0)


@inlined
def write_products(job: Any, row: Any, left: Any, places: Any, number: Any, products: Any) -> None:
    """Write the products of listed gates to dL/dx of rows from ``row`` and inputs from ``left`` on."""
    grad_x, at = numbers_at(job.grad_x, job.scale), row * job.inputs + left
    for event in range(number):
        gate = np.int64(places[event])
        grad_x[at + (gate >> ROW_BITS) * job.inputs + (gate & PLACE_MASK)] = job.scale * products[event]


@inlined
def write_open(job: Any, row: Any, rows: Any, left: Any, right: Any, whole: Any, products: Any) -> None:
    """Write the products of listed gates, and zero where dropout dropped the input, to dL/dx at open gates alone."""
    gate, before = numbers_at(job.gate_bits, job.rows), numbers_at(job.gates_before, job.rows)
    grad_open, number = numbers_at(job.grad_open, job.scale), 0
    for r in range(rows):
        _, gates = words_of(job, r // WORD, whole)
        for i in range(left, right, WORD):
            word = ((row + r) * job.inputs + i) // WORD
            opened, kept, place = gate[word], gates[i + r % WORD], before[word]
            while opened != 0:
                taken, value = kept >> lowest(opened) & 1, products[number] * job.scale
                grad_open[place] = value if taken != 0 else 0.0  # no branch: dropout is hard to foresee
                number += taken
                opened &= opened - 1
                place += 1
        number += number % 2  # the gates of a row are listed in pairs


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
        write_kept(job, found, start, x, start, y, start)


def count(begin: Any, end: Any, call: Any) -> None:
    """Count the numbers that are not zero in the rows of tasks ``begin`` to ``end``."""
    job = carray(call, 1)[0]
    x, numbers = numbers_at(job.x, job.scale), numbers_at(job.numbers, np.int64(0))
    for task in range(begin, end):
        first, last = task * job.rows // job.tasks * job.inputs, (task + 1) * job.rows // job.tasks * job.inputs
        number = 0
        for start in range(first, last, WORD):
            number += ones(event_word(x, start, last - start))
        numbers[task] = number
