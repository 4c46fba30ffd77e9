"""Compiling the kernels at their first use, and keeping them on disk."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import cfunc, from_dtype, types

from . import kernels
from .threads import KERNEL

_alive: list[Any] = []
"""Numba's objects: machine code lives as long as they do."""


@cache
def compiled(name: str, dtype: np.dtype[Any]) -> tuple[Any, np.dtype[Any]]:
    """Return a kernel by its name for float32 or float64, and the data type of its job.

    The first call after an installation compiles for one or two seconds; later processes read the result from
    numba's cache, beside this file or in the user's cache folder (``NUMBA_CACHE_DIR`` moves it). Without a
    writable folder every process compiles.
    """
    job = kernels.job_dtype(dtype)
    pointer: Any = types.CPointer
    signature = types.void(types.int64, types.int64, pointer(from_dtype(job)))
    function = getattr(kernels, name)
    kernel: Any
    try:
        kernel = cfunc(signature, cache=True, error_model="numpy")(function)
    except RuntimeError:  # "no locator available": nowhere to write
        kernel = cfunc(signature, error_model="numpy")(function)
    _alive.append(kernel)
    return KERNEL(kernel.address), job
