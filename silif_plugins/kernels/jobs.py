"""Running a kernel over what it is told: sizes and addresses, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


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
    from .code import code_of_kernel

    code = code_of_kernel(kernel, dtype, job_dtype)
    told = {
        name: value.data_ptr() if isinstance(value, Tensor) else value
        for name, value in values.items()
        if value is not None
    }
    code.run(code.pack(code.fill(code.absent.copy(), told)), tasks, elements)
