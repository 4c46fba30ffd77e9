"""Kernels that lay weights out in strips, as event_kernels take them, and back: a transpose, block by block."""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ..kernels.simd import REGISTER_BYTES, compiled, element_bytes, numbers_at, transpose_block


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, how many outputs a strip has and all strips have, and addresses."""
    names = ("outputs", "inputs", "strip", "width", "weight", "strips")
    return np.dtype([(name, np.int64) for name in names] + [("zero", real)])


@compiled
def transpose(
    source: Any, first: Any, pitch: Any, target: Any, to: Any, target_pitch: Any, rows: Any, columns: Any
) -> None:
    """Write some rows of a matrix, ``pitch`` apart, as columns of another one."""
    size = REGISTER_BYTES // element_bytes(source)
    for i in range(0, rows, size):
        for j in range(0, columns, size):
            start, place = first + i * pitch + j, to + j * target_pitch + i
            if i + size <= rows and j + size <= columns:
                transpose_block(source, start, pitch, target, place, target_pitch)
            else:
                for row in range(min(size, rows - i)):
                    for column in range(min(size, columns - j)):
                        target[place + column * target_pitch + row] = source[start + row * pitch + column]


def to_strips(begin: Any, end: Any, call: Any) -> None:
    """Write weights [outputs, inputs] to strips, zero from ``outputs`` on."""
    job = carray(call, 1)[0]
    weight, strips, inputs = numbers_at(job.weight, job.zero), numbers_at(job.strips, job.zero), job.inputs
    for column in range(0, job.width, job.strip):
        size = min(job.strip, job.width - column)
        filled = max(0, min(size, job.outputs - column))
        transpose(weight, column * inputs, inputs, strips, column * inputs, size, filled, inputs)
        for j in range(inputs):
            for k in range(filled, size):
                strips[column * inputs + j * size + k] = 0


def from_strips(begin: Any, end: Any, call: Any) -> None:
    """Write strips to weights [outputs, inputs]."""
    job = carray(call, 1)[0]
    weight, strips, inputs = numbers_at(job.weight, job.zero), numbers_at(job.strips, job.zero), job.inputs
    for column in range(0, job.outputs, job.strip):
        size = min(job.strip, job.width - column)
        filled = min(size, job.outputs - column)
        transpose(strips, column * inputs, size, weight, column * inputs, inputs, inputs, filled)
