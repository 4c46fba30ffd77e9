"""Machine code of a scan's kernel, and how what it is told lies in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ...kernels import jobs
from ...kernels.jobs import Code
from .tiles import job_dtype

__all__ = ["Code", "code_of_kernel"]


def code_of_kernel(
    kernel: Callable[..., None], dtype: torch.dtype, layout: Callable[[np.dtype[Any]], np.dtype[Any]] = job_dtype
) -> Code:
    """Return a kernel's machine code for a data type, and the layout of its job."""
    return jobs.code_of_kernel(kernel, dtype, layout)
