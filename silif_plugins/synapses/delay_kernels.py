"""Kernels of whole delays: they visit inputs that are not zero, and of the synapses of each those with one delay.

A synapse adds its weight to the output that its delay tells, so the cost is that of spikes times fan-out, as without
delays. An output adds what arrives in the order of the inputs' time, then number, in `transmit` and in `gather`: steps
and sequences have the same results to the last bit.
"""

# Numba's types, not Python's, are checked here: at the first call.
from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ..kernels.simd import element_bytes, lowest, numbers_at
from ..kernels.spike_bits import WORD
from .event_kernels import event_word


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes and addresses."""
    sizes = ("steps", "batch", "inputs", "outputs", "max_delay")
    addresses = ("window", "first", "targets", "weights", "delays", "ahead", "y")
    return np.dtype([(name, np.int64) for name in sizes + addresses] + [("one", real)])


def gather(begin: Any, end: Any, call: Any) -> None:
    """Add to y [T, B, outputs] what arrives by whole delays, for the samples ``begin`` to ``end``: for few steps.

    Synapses are sorted by delay, then input: those of delay d and input j are ``first[d * inputs + j]`` and the
    following, up to the next one's first.
    """
    job = carray(call, 1)[0]
    window, y = numbers_at(job.window, job.one), numbers_at(job.y, job.one)
    first, targets = numbers_at(job.first, np.int32(0)), numbers_at(job.targets, np.int32(0))
    weights = numbers_at(job.weights, job.one)
    inputs, outputs = job.inputs, job.outputs
    for sample in range(begin, end):
        for age in range(job.max_delay + 1):
            delay = job.max_delay - age
            for step in range(job.steps):
                row = ((step + age) * job.batch + sample) * inputs
                to = (step * job.batch + sample) * outputs
                for i in range(0, inputs, WORD):
                    found = event_word(window, row + i, min(WORD, inputs - i))
                    while found != 0:
                        j = i + lowest(found)
                        found &= found - 1
                        value, place = window[row + j], delay * inputs + j
                        for synapse in range(first[place], first[place + 1]):
                            y[to + targets[synapse]] += value * weights[synapse]


def transmit(begin: Any, end: Any, call: Any) -> None:
    """Add to y [T, B, outputs] what arrives by whole delays, for the samples ``begin`` to ``end``: for many steps.

    Each event goes through all synapses of its input, to places in ``ahead`` [T + 2 max_delay, outputs], where outputs
    of one sample are next to each other; ``targets`` [inputs, outputs] are delay * outputs + output, in two bytes.
    """
    job = carray(call, 1)[0]
    window, y = numbers_at(job.window, job.one), numbers_at(job.y, job.one)
    targets, weights = numbers_at(job.targets, np.uint16(0)), numbers_at(job.weights, job.one)
    inputs, outputs, length = job.inputs, job.outputs, (job.steps + 2 * job.max_delay) * job.outputs
    ahead = numbers_at(job.ahead + begin * length * element_bytes(window), job.one)
    for sample in range(begin, end):
        for place in range(length):
            ahead[place] = 0
        for source in range(job.steps + job.max_delay):
            row, to = (source * job.batch + sample) * inputs, source * outputs
            for i in range(0, inputs, WORD):
                found = event_word(window, row + i, min(WORD, inputs - i))
                while found != 0:
                    j = i + lowest(found)
                    found &= found - 1
                    value = window[row + j]
                    for synapse in range(j * outputs, (j + 1) * outputs):
                        ahead[to + targets[synapse]] += value * weights[synapse]
        for step in range(job.steps):
            row, to = (job.max_delay + step) * outputs, (step * job.batch + sample) * outputs
            for i in range(outputs):
                y[to + i] = ahead[row + i]


def shift(begin: Any, end: Any, call: Any) -> None:
    """Move inputs that are not zero by the whole delay of each, into y [T, B, inputs], for samples; y starts as 0.

    The window starts as many steps before y as ``max_delay`` tells here.
    """
    job = carray(call, 1)[0]
    window, y = numbers_at(job.window, job.one), numbers_at(job.y, job.one)
    delays, inputs, last = numbers_at(job.delays, np.int32(0)), job.inputs, job.steps + job.max_delay
    for sample in range(begin, end):
        for source in range(last):
            row = (source * job.batch + sample) * inputs
            for i in range(0, inputs, WORD):
                found = event_word(window, row + i, min(WORD, inputs - i))
                while found != 0:
                    j = i + lowest(found)
                    found &= found - 1
                    step = source - job.max_delay + delays[j]
                    if step >= 0 and step < job.steps:
                        y[(step * job.batch + sample) * inputs + j] = window[row + j]
