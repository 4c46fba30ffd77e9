"""Where a tile of neurons lies: in the tensors themselves, or copied into scratch memory that looks the same.

A tile is a stretch of neighbouring lanes, a lane being one neuron of one sequence; [B, N] is one row of lanes, so
that small N costs nothing. Kernels see a span of a tensor as (array, index, pitch): the first lane's index at the
first step, and how many elements later the next step follows. Where lanes do not lie side by side, or do not fill
whole vectors, the span is in the scratch memory.
"""

# Numba's types, not Python's, are checked here: at the first call.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .simd import REGISTER_BYTES, element_bytes, load1, numbers_at, store

compiled = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
inlined = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)

WIDTH = 2048
"""Most bytes of a row of a tile."""

PITCH = WIDTH + REGISTER_BYTES
"""Bytes from one row of the scratch memory to the next; rows at a power of two would share lines of the cache."""

PADDED = 32
"""Kernels run a multiple of this number of lanes, two vectors at least; scratch memory has zeros after the last."""

ADDRESS, TIME, BATCH, NEURON = range(4)
"""A view: where a [T, B, N] tensor lies (0 for an absent one), and its strides in elements."""


def job_dtype(real: np.dtype[Any]) -> np.dtype[Any]:
    """What a kernel is told: sizes, flags, and views of its inputs and outputs."""
    # A tile has at most ``width`` lanes and spans those of one row; tasks are what threads share. [B] lengths and
    # [tasks, 9, N] sums by address.
    numbers = ("steps", "batch", "neurons", "row", "width", "tiles", "tasks", "streams", "surrogate", "lengths", "sums")
    views = ("coefficients", "initial", "final", "chunks", "grad_initial", "grad_final")  # [9 | 3 | 3 | 2C, B, N]
    sequences = ("x", "spk", "mem", "ada", "grad_x", "grad_spk", "grad_mem", "grad_ada", "gate", "gates")
    return np.dtype(
        [(name, np.int64) for name in numbers]
        + [(name, np.int64, (4,)) for name in views + sequences]
        + [("shape1", real), ("shape2", real), ("gate_width", real)]
    )


@inlined
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


@inlined
def in_place(view: Any, job: Any, tile: Any) -> Any:
    """Whether the lanes of a tile lie side by side and need no padding."""
    _, _, neuron, count, _ = tile
    together = view[BATCH] == job.neurons or neuron + count <= job.neurons
    return view[ADDRESS] != 0 and view[NEURON] == 1 and count % PADDED == 0 and together


@inlined
def reading(rows: Any, row: Any, view: Any, job: Any, tile: Any, time: Any, steps: Any) -> Any:
    """Span of some steps of an input: in place, or copied into rows of the scratch memory; those for an absent one."""
    if in_place(view, job, tile):
        return numbers_at(view[ADDRESS], rows[0]), place(view, tile, time), view[TIME]
    if view[ADDRESS] != 0:
        copy_in(rows, row, view, job, tile, time, steps)
    pitch = PITCH // element_bytes(rows)
    return rows, row * pitch, pitch


@inlined
def writing(rows: Any, row: Any, view: Any, job: Any, tile: Any, time: Any) -> Any:
    """Span for some steps of an output, and whether it is written around the caches; ends with :func:`written`."""
    if in_place(view, job, tile):
        first, size = place(view, tile, time), element_bytes(rows)
        aligned = (view[ADDRESS] + first * size | view[TIME] * size) % REGISTER_BYTES == 0
        return numbers_at(view[ADDRESS], rows[0]), first, view[TIME], job.streams != 0 and aligned
    pitch = PITCH // element_bytes(rows)
    return rows, row * pitch, pitch, False


@inlined
def written(rows: Any, row: Any, view: Any, job: Any, tile: Any, time: Any, steps: Any) -> None:
    """Copy an output to where it belongs, if that is not where it was written."""
    if view[ADDRESS] != 0 and not in_place(view, job, tile):
        copy_out(view, rows, row, job, tile, time, steps)


@inlined
def first_run(view: Any, job: Any, tile: Any, time: Any) -> Any:
    """Lanes that lie at equal distances in a tensor: how many, which of them is the tile's first, where they begin."""
    lane, sample, neuron, _, _ = tile
    if view[BATCH] == job.neurons * view[NEURON]:
        return job.neurons * job.batch, lane, view[TIME] * time
    return job.neurons, neuron, view[TIME] * time + view[BATCH] * sample


@compiled
def copy_in(rows: Any, row: Any, view: Any, job: Any, tile: Any, time: Any, steps: Any) -> None:
    """Copy some steps of a tile from a [T, B, N] tensor into rows of the scratch memory, zeros after them."""
    pitch, lanes = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows)
    source, unit, count = numbers_at(view[ADDRESS], rows[0]), view[NEURON], tile[3]
    for t in range(steps):
        run, start, begin = first_run(view, job, tile, time + t)
        done, to = 0, (row + t) * pitch
        while done < count:
            size = min(count - done, run - start)
            first = begin + start * unit
            if unit == 1 and size >= lanes:
                for i in range(0, size, lanes):
                    i = min(i, size - lanes)  # the last vector overlaps the one before it
                    store(rows, to + done + i, load1(source, first + i))
            else:
                for i in range(size):
                    rows[to + done + i] = source[first + i * unit]
            done, start, begin = done + size, 0, begin + view[BATCH]
        for i in range(count, (count + PADDED - 1) // PADDED * PADDED):
            rows[to + i] = 0


@compiled
def copy_out(view: Any, rows: Any, row: Any, job: Any, tile: Any, time: Any, steps: Any) -> None:
    """Copy rows of the scratch memory into some steps of a tile of a [T, B, N] tensor."""
    pitch, lanes = PITCH // element_bytes(rows), REGISTER_BYTES // element_bytes(rows)
    target, unit, count = numbers_at(view[ADDRESS], rows[0]), view[NEURON], tile[3]
    for t in range(steps):
        run, start, begin = first_run(view, job, tile, time + t)
        done, source = 0, (row + t) * pitch
        while done < count:
            size = min(count - done, run - start)
            first = begin + start * unit
            if unit == 1 and size >= lanes:
                for i in range(0, size, lanes):
                    i = min(i, size - lanes)
                    store(target, first + i, load1(rows, source + done + i))
            else:
                for i in range(size):
                    target[first + i * unit] = rows[source + done + i]
            done, start, begin = done + size, 0, begin + view[BATCH]


@compiled
def clear(numbers: Any, row: Any, pitch: Any, count: Any, steps: Any) -> None:
    """Set ``count`` numbers, and those up to the next multiple of PADDED, of some rows to zero."""
    for t in range(row, row + steps):
        for i in range((count + PADDED - 1) // PADDED * PADDED):
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
