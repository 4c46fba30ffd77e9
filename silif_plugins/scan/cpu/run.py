"""From tensors to kernels: allocates the outputs, describes the job, shares it among threads."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..fused import CHUNK
from . import kernels
from .compile import machine_code
from .memory import LARGE, empty, empty_like
from .threads import run_tasks
from .tiles import PADDED, WIDTH, job_dtype


def forward(
    current: Tensor,
    coefficients: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    trace: bool,
    gate_width: float | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Run the neurons; the arguments and results of :func:`silif_plugins.scan.fused.run_forward`."""
    steps, batch, neurons = current.shape
    spikes = empty_like(current)
    final = torch.empty_like(initial)
    chunks = empty(current, 2 * chunk_count(steps), batch, neurons)
    mem, ada = (empty_like(current) if trace else current.new_empty(0) for _ in range(2))
    gates = current.new_empty(0, dtype=torch.bool) if gate_width is None else empty_like(current, torch.bool)
    Job(
        "forward",
        current,
        coefficients,
        lengths,
        initial=initial,
        spk=spikes,
        final=final,
        chunks=chunks,
        mem=mem if trace else None,
        ada=ada if trace else None,
        gates=None if gate_width is None else gates,
        gate_width=gate_width,
    ).run()
    return spikes, final, chunks, mem, ada, gates


def backward(
    current: Tensor,
    coefficients: Tensor,
    initial: Tensor,
    chunks: Tensor,
    lengths: Tensor | None,
    grad_spikes: Tensor | None,
    grad_final: Tensor | None,
    grad_mem: Tensor | None,
    grad_ada: Tensor | None,
    gate: Tensor | None,
    surrogate: int,
    shape1: float,
    shape2: float,
    detach_reset: bool,
    needs_current: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the adjoint; the arguments and results of :func:`silif_plugins.scan.fused.run_backward`."""
    grad_current = empty_like(current) if needs_current else current.new_empty(0)
    grad_initial = torch.empty_like(initial)
    job = Job(
        "backward",
        current,
        coefficients,
        lengths,
        initial=initial,
        chunks=chunks,
        grad_x=grad_current if needs_current else None,
        grad_spk=grad_spikes,
        grad_final=grad_final,
        grad_mem=grad_mem,
        grad_ada=grad_ada,
        grad_initial=grad_initial,
        gate=gate,
        surrogate=surrogate,
        shape1=shape1,
        shape2=shape2,
        detach_reset=detach_reset,
    )
    job.run()
    return grad_current, job.coefficient_gradients(current.dtype), grad_initial


def chunk_count(steps: int) -> int:
    """How many states forward saves on the way: one every CHUNK steps, but neither the first nor the last."""
    return max(0, (steps - 1) // CHUNK)


class Job:
    """A kernel and what it is told; it can be run again after changing a field.

    Args:
        name: ``"forward"`` or ``"backward"``.
        current: The input, [T, B, N].
        coefficients: [9, N].
        lengths: int64 [B], or None.
        fields: Views (tensors [T, B, N] or absent) and numbers of the kernels' job.
    """

    def __init__(
        self, name: str, current: Tensor, coefficients: Tensor, lengths: Tensor | None, **fields: Tensor | float | None
    ) -> None:
        steps, batch, neurons = current.shape
        sequences = [current, *(value for value in fields.values() if isinstance(value, Tensor))]
        if lengths is not None or (neurons % PADDED == 0 and any(t.stride(1) != neurons for t in sequences)):
            row = neurons  # a tile has one length, and its lanes lie side by side
        else:
            row = batch * neurons
        # Wide tiles are read fastest; there should be enough of them to be shared.
        share = -(-batch * neurons // (16 * PADDED)) * PADDED
        width = min(WIDTH // current.element_size(), max(4 * PADDED, share))
        tiles = batch * neurons // row * -(-row // width) if row else 0
        # The sums of the coefficients' gradients depend on how tiles are shared among tasks: by shape alone. A power
        # of two shares them evenly; the sums take some percent of the input's memory.
        self.tasks = min(tiles, max(4, min(32, 1 << max(0, (steps * batch // 256).bit_length() - 1))))
        self.sums = torch.zeros((self.tasks if name == "backward" else 0, 9, neurons), dtype=torch.float64)
        self.elements = current.numel()
        self.lengths = None if lengths is None else lengths.contiguous()  # kept: the kernel has its address alone
        self.kernel, layout = _kernel(name, current.dtype)
        values: dict[str, Any] = {
            "steps": steps,
            "batch": batch,
            "neurons": neurons,
            "row": row,
            "width": width,
            "tiles": tiles,
            "tasks": self.tasks,
            "streams": current.numel() * current.element_size() >= LARGE,
            "sums": self.sums.data_ptr(),
            "x": _view(current),
            "coefficients": (coefficients.data_ptr(), coefficients.stride(0), 0, coefficients.stride(1)),
            "lengths": 0 if self.lengths is None else self.lengths.data_ptr(),
        }
        for field, value in fields.items():
            if value is not None:
                values[field] = _view(value) if isinstance(value, Tensor) else value
        self.record = np.zeros((), layout)
        self.record[()] = tuple(values.get(field, 0) for field in layout.names or ())

    def run(self) -> None:
        """Run the kernel; backward adds to the sums of the coefficients' gradients."""
        if self.tasks:
            run_tasks(self.kernel, self.tasks, self.record.ctypes.data, self.elements)

    def coefficient_gradients(self, dtype: torch.dtype) -> Tensor:
        """What backward has added up, [9, N]."""
        return self.sums.sum(0).to(dtype)


@cache
def _kernel(name: str, dtype: torch.dtype) -> tuple[Any, np.dtype[Any]]:
    """Return a kernel's machine code and the layout of its job."""
    layout = job_dtype(np.dtype(str(dtype).removeprefix("torch.")))
    return machine_code(getattr(kernels, name), layout), layout


def _view(tensor: Tensor) -> tuple[int, ...]:
    return (tensor.data_ptr(), *tensor.stride())
