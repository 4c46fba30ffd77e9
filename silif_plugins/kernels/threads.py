"""Running a kernel on PyTorch's own threads, so that no second pool competes with them or dies in a fork."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch

KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
"""begin, end, job: a kernel runs the tasks begin to end. ctypes releases Python's lock for it."""

GRAIN = 1 << 15
"""Elements below which another thread costs more than it saves (PyTorch's own number)."""


def run_tasks(kernel: Any, tasks: int, job: int, elements: int) -> None:
    """Run all tasks of a kernel, shared among ``torch.get_num_threads()`` threads.

    Each task has its own outputs, so results do not depend on the number of threads.

    Args:
        kernel: A function of type KERNEL.
        tasks: Number of tasks.
        job: Address of what the kernel is told.
        elements: Size of the problem: small ones are not shared.
    """
    grain = max(1, -(-tasks * GRAIN // max(1, elements)))
    parallel_for = _parallel_for()
    if torch.get_num_threads() == 1 or grain >= tasks or parallel_for is None:
        kernel(0, tasks, job)
    elif parallel_for(0, tasks, grain, kernel, job):
        raise RuntimeError("torch_parallel_for failed")


@cache
def _parallel_for() -> Any:
    """PyTorch's at::parallel_for through its stable C interface; None before PyTorch 2.10, which has none."""
    folder = Path(torch.__file__).parent / "lib"
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib", "torch_cpu.dll"):
        if (folder / name).exists():
            function = getattr(ctypes.CDLL(str(folder / name)), "torch_parallel_for", None)
            if function is not None:
                function.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, KERNEL, ctypes.c_void_p]
                function.restype = ctypes.c_int32
            return function
    return None
