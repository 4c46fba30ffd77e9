"""Compiling kernels before they are used, shared among processes that begin at the same time.

Two runs side by side would compile the same kernels, each all of them. Here each takes those that no other has begun,
and reads the others from the cache of machine code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import torch
from filelock import FileLock, Timeout  # torch requires it

Kernel: TypeAlias = tuple[Callable[..., None], torch.dtype, Callable[[np.dtype[Any]], np.dtype[Any]]]
"""A kernel, the type of its numbers, and what it is told by that."""

_PATIENCE = 60.0
"""Seconds to wait for another process; then one compiles itself."""


def compile_together(kernels: Iterable[Kernel]) -> None:
    """Make kernels ready. Without a cache of machine code nothing is done: each compiles at its first call.

    Args:
        kernels: Those that take longest to compile first.
    """
    from .code import code_of_kernel
    from .compile import cache_folder, name_of

    folder = cache_folder()
    if folder is None:
        return
    others = []
    with contextlib.suppress(OSError, NotImplementedError):  # the folder cannot be written, or knows no locks
        for kernel, dtype, layout in kernels:
            lock = FileLock(folder / f"{name_of(kernel)}-{str(dtype).removeprefix('torch.')}.lock")
            try:
                with lock.acquire(timeout=0):
                    code_of_kernel(kernel, dtype, layout)
            except Timeout:
                others.append(lock)
        for lock in others:
            with contextlib.suppress(Timeout), lock.acquire(timeout=_PATIENCE):
                pass
