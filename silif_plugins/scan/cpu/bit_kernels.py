"""Counting open gates word by word."""

# Numba's types, not Python's, are checked here: at the first call.
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ...kernels.simd import numbers_at, ones


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What the kernel is told: where the bits are, and how many words a plane has."""
    return np.dtype([("bits", np.int64), ("words", np.int64)])


def number_gates(begin: Any, end: Any, call: Any) -> None:
    """Write into the third plane how many bits of the second are set in all words before each."""
    job = carray(call, 1)[0]
    gates, number = numbers_at(job.bits + 8 * job.words, job.words), 0
    for word in range(job.words):
        gates[job.words + word] = number
        number += ones(gates[word])
