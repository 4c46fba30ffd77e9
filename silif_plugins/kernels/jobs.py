"""Machine code of a kernel, and how it is told what to do: sizes and addresses, by name."""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .threads import run_tasks


class Code:
    """Machine code of a kernel, and how what it is told lies in memory; it is compiled at its first use."""

    def __init__(self, kernel: Callable[..., None], layout: np.dtype[Any]) -> None:
        from .compile import machine_code

        self.kernel, self.layout = machine_code(kernel, layout), layout
        fields = [(name, layout[name]) for name in layout.names or ()]
        kinds = {np.dtype(np.int64): "q", np.dtype(np.float64): "d", np.dtype(np.float32): "f"}
        sizes = [math.prod(field.shape) for _, field in fields]
        self.places = {name: (sum(sizes[:k]), sizes[k]) for k, (name, _) in enumerate(fields)}
        self.absent = [0] * sum(sizes)
        self.format = struct.Struct("=" + "".join(f"{math.prod(f.shape)}{kinds[f.base]}" for _, f in fields))

    def fill(self, numbers: list[Any], values: Mapping[str, Any]) -> list[Any]:
        """Put numbers, and the four of each view, where the kernel looks for them."""
        for name, value in values.items():
            place, size = self.places[name]
            if size == 1:
                numbers[place] = value
            else:
                numbers[place : place + size] = value
        return numbers

    def pack(self, numbers: Sequence[Any]) -> bytearray:
        """Write numbers into memory; NumPy would take 20 times as long."""
        return bytearray(self.format.pack(*numbers))

    def run(self, memory: bytearray, tasks: int, elements: int) -> None:
        """Run the kernel with what was packed, shared among threads by the number of elements."""
        run_tasks(self.kernel, tasks, ctypes.addressof(ctypes.c_char.from_buffer(memory)), elements)


@cache
def code_of_kernel(
    kernel: Callable[..., None], dtype: torch.dtype, layout: Callable[[np.dtype[Any]], np.dtype[Any]]
) -> Code:
    """Return a kernel's machine code for a data type, and the layout of its job."""
    return Code(kernel, layout(np.dtype(str(dtype).removeprefix("torch."))))


def run_job(
    kernel: Any,
    job_dtype: Callable[[np.dtype[Any]], np.dtype[Any]],
    dtype: torch.dtype,
    tasks: int,
    elements: int,
    /,
    **values: Tensor | float | None,
) -> None:
    """Run a kernel; it is compiled at its first call.

    Args:
        kernel: A function of the tasks it begins and ends with, and of the address of what it is told.
        job_dtype: What that looks like, by the type of its real numbers.
        dtype: Of these.
        tasks: Number of tasks.
        elements: Size of the problem, as for `run_tasks`.
        values: Numbers, and contiguous tensors, whose addresses the kernel gets. What is None, or absent, is 0.
    """
    code = code_of_kernel(kernel, dtype, job_dtype)
    numbers = {
        name: value.data_ptr() if isinstance(value, Tensor) else value
        for name, value in values.items()
        if value is not None
    }
    code.run(code.pack(code.fill(code.absent.copy(), numbers)), tasks, elements)
