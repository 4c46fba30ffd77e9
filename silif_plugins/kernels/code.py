"""Machine code of a kernel, together with the memory in which it is told what to do."""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from .compile import machine_code
from .threads import run_tasks


class Code:
    """Machine code of a kernel, and how what it is told lies in memory."""

    def __init__(self, kernel: Callable[..., None], layout: np.dtype[Any]) -> None:
        self.kernel, self.layout = machine_code(kernel, layout), layout
        fields = [(name, layout[name]) for name in layout.names or ()]
        kinds = {np.int64: "q", np.float32: "f", np.float64: "d"}
        sizes = [math.prod(field.shape) for _, field in fields]
        self.places = {name: (sum(sizes[:k]), sizes[k]) for k, (name, _) in enumerate(fields)}
        self.absent = [0] * sum(sizes)
        self.format = struct.Struct("=" + "".join(f"{math.prod(f.shape)}{kinds[f.base.type]}" for _, f in fields))

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
    """Return a kernel's machine code for a data type, and how its job lies in memory, by the type of real numbers."""
    return Code(kernel, layout(np.dtype(str(dtype).removeprefix("torch."))))
