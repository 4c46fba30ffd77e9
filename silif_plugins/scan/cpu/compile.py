"""Compiling the kernels at their first use, and keeping them on disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import cfunc, from_dtype, types

from .threads import KERNEL

_alive: list[Any] = []
"""Numba's objects: machine code lives as long as they do."""


@cache
def machine_code(kernel: Callable[..., None], job: np.dtype[Any]) -> Any:
    """Return machine code of a kernel, a module's function of begin, end and a pointer to its job.

    The first call after an installation compiles for one or two seconds; later processes read the result from
    numba's cache, beside this file or in the user's cache folder (``NUMBA_CACHE_DIR`` moves it). Without a
    writable folder every process compiles.
    """
    pointer: Any = types.CPointer
    signature = types.void(types.int64, types.int64, pointer(from_dtype(job)))
    code: Any
    try:
        code = cfunc(signature, cache=True, error_model="numpy")(kernel)
    except RuntimeError:  # "no locator available": nowhere to write
        code = cfunc(signature, error_model="numpy")(kernel)
    _alive.append(code)
    return KERNEL(code.address)
