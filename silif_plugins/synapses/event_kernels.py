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
from numba import carray, njit

from ..scan.cpu.simd import (
    REGISTER_BYTES,
    any_byte,
    anywhere,
    array_at,
    fma,
    load1,
    load2,
    splat,
    stack_array,
    store,
    total,
)

compiled = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True)

PIECE = 1024
"""Inputs of a row whose events are listed at a time."""
LIST_BYTES = PIECE * 8
FIRST = np.int64(0)


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, addresses, and the dropout (``drop`` of 2³² inputs are dropped)."""
    sizes = ("rows", "inputs", "outputs", "tasks", "drop", "seed")
    addresses = ("x", "weight", "bias", "y", "grad_y", "grad_x", "grad_weight", "gate")
    return np.dtype([(name, np.int64) for name in sizes + addresses] + [("scale", real)])


def padded(outputs: int, itemsize: int) -> int:
    """The number of outputs as whole pairs of vectors."""
    lanes = 2 * REGISTER_BYTES // itemsize
    return -(-outputs // lanes) * lanes


@compiled
def kept(job: Any, index: Any) -> Any:
    """Whether dropout keeps an input: the finaliser of SplitMix64 on its place and the seed, a hash without state."""
    z = np.uint64(index) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(job.seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) >> np.uint64(32)) >= job.drop


@compiled
def events(job: Any, x: Any, row: Any, begin: Any, places: Any, values: Any) -> Any:
    """List the inputs of a row from ``begin`` on that are not zero and not dropped: places, values; their number."""
    lanes, number, start = REGISTER_BYTES // x.itemsize, 0, row * job.inputs
    zero = splat(load1(values, 0), 0.0)
    end = min(begin + PIECE, job.inputs)
    for i in range(begin, end, lanes):
        if i + lanes <= end and not anywhere(load1(x, start + i) != zero):
            continue
        for j in range(i, min(i + lanes, end)):
            if x[start + j] != 0 and (job.drop == 0 or kept(job, start + j)):
                places[number], values[number] = j, x[start + j] * job.scale
                number += 1
    return number


def forward(begin: Any, end: Any, call: Any) -> None:
    """Compute y = x W + bias for the rows of tasks ``begin`` to ``end``."""
    job = carray(call, 1)[0]
    x, weight = array_at(job.x, job.scale), array_at(job.weight, job.scale)
    y = array_at(job.y, job.scale)
    places, values = stack_array(LIST_BYTES, np.int64(0)), stack_array(LIST_BYTES, job.scale)
    outputs, pair = job.outputs, 2 * REGISTER_BYTES // x.itemsize
    for row in range(begin * job.rows // job.tasks, end * job.rows // job.tasks):
        for first in range(0, max(1, job.inputs), PIECE):
            number = events(job, x, row, first, places, values)
            source = array_at(job.bias, job.scale) if first == 0 else y
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
    """Add xᵀ dL/dy to dL/dW, for the columns of tasks ``begin`` to ``end``: no two tasks write to one place."""
    job = carray(call, 1)[0]
    x, grad_y, grad = array_at(job.x, job.scale), array_at(job.grad_y, job.scale), array_at(job.grad_weight, job.scale)
    places, values = stack_array(LIST_BYTES, np.int64(0)), stack_array(LIST_BYTES, job.scale)
    outputs, pair = job.outputs, 2 * REGISTER_BYTES // x.itemsize
    pairs = outputs // pair
    left, right = begin * pairs // job.tasks * pair, end * pairs // job.tasks * pair
    for row in range(job.rows):
        for first in range(0, job.inputs, PIECE):
            number = events(job, x, row, first, places, values)
            for column in range(left, right, 4 * pair):
                at = row * outputs + column
                if column + 4 * pair <= right:
                    a, b = load2(grad_y, at), load2(grad_y, at + pair)
                    c, d = load2(grad_y, at + 2 * pair), load2(grad_y, at + 3 * pair)
                    for event in range(number):
                        to, value = places[event] * outputs + column, splat(a, values[event])
                        store(grad, to, fma(value, a, load2(grad, to)))
                        store(grad, to + pair, fma(value, b, load2(grad, to + pair)))
                        store(grad, to + 2 * pair, fma(value, c, load2(grad, to + 2 * pair)))
                        store(grad, to + 3 * pair, fma(value, d, load2(grad, to + 3 * pair)))
                else:
                    for rest in range(column, right, pair):
                        a = load2(grad_y, row * outputs + rest)
                        for event in range(number):
                            to = places[event] * outputs + rest
                            store(grad, to, fma(splat(a, values[event]), a, load2(grad, to)))


@compiled
def along(weight: Any, at: Any, grad_y: Any, start: Any, outputs: Any) -> Any:
    """The product of a row of weights and a row of dL/dy."""
    pair = 2 * REGISTER_BYTES // weight.itemsize
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
    weight, grad_y = array_at(job.weight, job.scale), array_at(job.grad_y, job.scale)
    grad_x, gate = array_at(job.grad_x, job.scale), array_at(job.gate, np.uint8(0))
    for row in range(begin * job.rows // job.tasks, end * job.rows // job.tasks):
        start = row * job.inputs
        for i in range(0, job.inputs, 16):
            size = min(16, job.inputs - i)
            for j in range(i, i + size):
                grad_x[start + j] = 0
            if size == 16 and not any_byte(gate, start + i):
                continue
            for j in range(i, i + size):
                if gate[start + j] and (job.drop == 0 or kept(job, start + j)):
                    product = along(weight, j * job.outputs, grad_y, row * job.outputs, job.outputs)
                    grad_x[start + j] = job.scale * product
