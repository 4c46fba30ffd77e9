"""Where a tile of neurons lies: in the tensors themselves, or copied into scratch memory that looks the same.

A tile is a stretch of neighbouring lanes, a lane being one neuron of one sequence; [B, N] is one row of lanes, so
that small N costs nothing. Kernels see some steps of a tile as a span: the address of the first lane, how many
elements later the next step follows, and whether to write around the caches. Where lanes do not lie side by side, or
do not fill whole vectors, the span is in the scratch memory.
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np

from ...kernels.simd import REGISTER_BYTES, compiled, element_bytes, inlined, load1, numbers_at, store

WIDTH = 2048
"""Most bytes of a row of a tile."""

PITCH = WIDTH + REGISTER_BYTES
"""Bytes from one row of the scratch memory to the next; rows at a power of two would share lines of the cache."""

PADDED = 32
"""Kernels run a multiple of this number of lanes, two vectors at least; scratch memory has zeros after the last."""

IN = np.int64(0)
OUT = np.int64(1)
LOAD = np.int64(2)
SAVE = np.int64(3)
"""Ways to :func:`copy`, the even ones into the scratch memory. NumPy's integers: numba would compile a function again
for every plain one."""

ADDRESS = 0
TIME = 1
BATCH = 2
NEURON = 3
"""A view: where a [T, B, N] tensor lies (0 for an absent one), and its strides in elements."""


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, flags, and views of its inputs and outputs."""
    # A tile has at most ``width`` lanes and spans those of one row; tasks are what threads share. [B] lengths,
    # [tasks, 9, N] sums, [3, T, B, N / 64] words of bits and [K] gradients at open gates by address.
    numbers = ("steps", "batch", "neurons", "row", "width", "tiles", "tasks", "streams")
    addresses = ("lengths", "sums", "bits", "grad_open")
    options = ("surrogate", "detach_reset")
    views = ("coefficients", "initial", "final", "chunks", "grad_initial", "grad_final")  # [9 | 3 | 3 | 2C, B, N]
    sequences = ("x", "spk", "mem", "ada", "grad_x", "grad_spk", "grad_mem", "grad_ada", "gate", "gates")
    return np.dtype(
        [(name, np.int64) for name in numbers + addresses + options]
        + [(name, np.int64, (4,)) for name in views + sequences]
        + [("shape1", real), ("shape2", real), ("gate_width", real)]
    )


@compiled
def locate(job: Any, index: Any) -> tuple[int, int, int, int, int]:
    """Tile number ``index``: its first lane, the sequence and the neuron of that, how many lanes and steps it runs."""
    per_row = (job.row + job.width - 1) // job.width
    inside = index % per_row * job.width
    lane = index // per_row * job.row + inside
    sample = lane // job.neurons
    length = job.steps if job.lengths == 0 else numbers_at(job.lengths, job.steps)[sample]
    return lane, sample, lane - sample * job.neurons, min(job.width, job.row - inside), length


@inlined
def place(view: Any, tile: Any, time: Any) -> Any:
    """Index of a tile's first lane at a time step in the memory of a [T, B, N] tensor."""
    return view[TIME] * time + view[BATCH] * tile[1] + view[NEURON] * tile[2]


@compiled
def in_place(view: Any, job: Any, tile: Any) -> bool:
    """Whether the lanes of a tile lie side by side and need no padding."""
    _, _, neuron, count, _ = tile
    together = view[BATCH] == job.neurons or neuron + count <= job.neurons
    return view[ADDRESS] != 0 and view[NEURON] == 1 and count % PADDED == 0 and together


@compiled
def span(scratch: Any, row: Any, view: Any, job: Any, tile: Any, time: Any, size: Any) -> tuple[int, int, int]:
    """Where some steps of a tensor with elements of ``size`` bytes are read or written: in place, or in scratch rows.

    There they are put, and fetched from, by :func:`copy`. An absent tensor has its rows, too.
    """
    if in_place(view, job, tile):
        address = view[ADDRESS] + place(view, tile, time) * size
        streams = job.streams != 0 and (address | view[TIME] * size) % REGISTER_BYTES == 0
        return address, view[TIME], 1 if streams else 0
    return scratch + row * PITCH, PITCH // size, 0


@compiled
def copy(rows: Any, row: Any, view: Any, job: Any, tile: Any, time: Any, steps: Any, way: Any) -> None:
    """Copy some steps of a tile from a [T, B, N] tensor IN to rows of the scratch memory, or OUT to the tensor.

    IN and OUT do so where the tensor is there and not used in place, LOAD and SAVE always. Behind the last lane the
    rows are filled up with zeros.
    """
    if way < LOAD and (view[ADDRESS] == 0 or in_place(view, job, tile)):
        return
    into = way % 2 == IN
    lane, sample, neuron, count, _ = tile
    pitch, lanes = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows)
    tensor, unit = numbers_at(view[ADDRESS], rows[0]), view[NEURON]
    source, source_unit, target, target_unit = (tensor, unit, rows, 1) if into else (rows, 1, tensor, unit)
    # A run are lanes at equal distances: all of them, or the neurons of one sequence.
    flat = view[BATCH] == job.neurons * unit
    run = job.neurons * job.batch if flat else job.neurons
    for t in range(steps):
        done, start, inner = 0, lane if flat else neuron, (row + t) * pitch
        begin = view[TIME] * (time + t) + (0 if flat else view[BATCH] * sample)
        while done < count:
            size, outer = min(count - done, run - start), begin + start * unit
            first, to = (outer, inner) if into else (inner, outer)
            if unit == 1 and size >= lanes:
                for i in range(0, size, lanes):
                    i = min(i, size - lanes)  # the last vector overlaps the one before it
                    store(target, to + i, load1(source, first + i))
            else:
                for i in range(size):
                    target[to + i * target_unit] = source[first + i * source_unit]
            done, start, inner, begin = done + size, 0, inner + size, begin + view[BATCH]
        if into:
            for i in range(inner, inner + -count % PADDED):
                rows[i] = 0


@inlined
def reading(rows: Any, scratch: Any, row: Any, view: Any, job: Any, tile: Any, time: Any, steps: Any) -> Any:
    """Span of some steps of an input, which are there: in place, or copied into rows of the scratch memory."""
    copy(rows, row, view, job, tile, time, steps, IN)
    return span(scratch, row, view, job, tile, time, element_bytes(rows))


@compiled
def clear(numbers: Any, row: Any, pitch: Any, count: Any, steps: Any) -> None:
    """Set ``count`` numbers, and those up to the next multiple of PADDED, of some rows to zero."""
    for t in range(row, row + steps):
        for i in range(count + -count % PADDED):
            numbers[t * pitch + i] = 0


@compiled
def add_lanes(sums: Any, first: Any, lanes: Any, pitch: Any, steps: Any, job: Any, tile: Any) -> None:
    """Add rows of a tile's lanes to rows of neurons."""
    _, _, neuron, count, _ = tile
    for k in range(steps):
        done, start = 0, neuron
        while done < count:
            size = min(count - done, job.neurons - start)
            for i in range(size):
                sums[first + k * job.neurons + start + i] += lanes[k * pitch + done + i]
            done, start = done + size, 0
