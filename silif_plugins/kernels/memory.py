"""Memory for large outputs that is used again, since new memory costs as much as computing what is written there.

A large tensor of PyTorch's is fresh from the system every time, and the system clears it page by page when it is
first touched. The outputs of the kernels, in a training loop the same sizes at every step, come from here instead.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import sys
import threading
import weakref
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

REUSED = 512 << 10
"""Bytes from which the memory of a tensor is used again."""

LARGE = 4 << 20
"""Bytes from which a tensor is written around the caches."""

STAGGER = 576
"""Bytes between the starts of tensors within their pages: else their rows would compete for the same cache lines."""


SLACK = 1.125
"""How much more may be kept than was in use at one time. Tensors of several sizes are not all in use then: a training
step, whose small ones come and go, would else return large ones to the system and ask for them again, every time."""

SPARE = 64 << 20
"""Bytes that may be kept beyond that: what a small network trains with stays while it is validated in other batches."""


class Pool:
    """Memory that tensors have given back, to be used again for tensors of the same size.

    What is in use and what waits here are together at most SLACK times what was in use at one time before, and
    ``spare`` bytes: beyond that the memory that has waited longest goes back to the system.

    Examples:
        >>> pool = Pool()
        >>> first, second = pool.empty(1000), pool.empty(1000)
        >>> address = first.data_ptr()
        >>> del first
        >>> pool.empty(1000).data_ptr() == address
        True
    """

    def __init__(self, spare: int = 0) -> None:
        self.spare = spare
        self._lock = threading.Lock()
        # A tensor may die at any time, in the midst of what follows too: it is put aside, which nothing can disturb.
        self._returned: deque[tuple[int, mmap.mmap]] = deque()
        self._waiting: list[tuple[int, mmap.mmap]] = []
        self._used = self._kept = self._peak = self._made = 0

    def empty(self, size: int) -> Tensor:
        """Return ``size`` bytes, uninitialised, that come back here when no tensor refers to them any more."""
        with self._lock:
            while self._returned:
                self._waiting.append(self._returned.popleft())
                self._used -= self._waiting[-1][0]
                self._kept += self._waiting[-1][0]
            # The last one given back: the system and the caches know it best.
            index = next((i for i in reversed(range(len(self._waiting))) if self._waiting[i][0] == size), None)
            if index is None:
                memory = self._new(size)
            else:
                memory = self._waiting.pop(index)[1]
                self._kept -= size
            self._used += size
            self._peak = max(self._peak, self._used)
            while self._waiting and self._used + self._kept > SLACK * self._peak + self.spare:
                self._kept -= self._waiting.pop(0)[0]
        owner = np.frombuffer(memory, np.uint8)
        weakref.finalize(owner, self._returned.append, (size, memory)).atexit = False
        start = len(memory) % mmap.PAGESIZE
        return torch.from_numpy(owner[start : start + size])

    def _new(self, size: int) -> mmap.mmap:
        # The length tells where the tensor starts.
        start = self._made * STAGGER % mmap.PAGESIZE
        self._made += 1
        length = -(-(size + mmap.PAGESIZE) // mmap.PAGESIZE) * mmap.PAGESIZE + start
        memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError, AttributeError):  # a wish: large pages make even the first use cheap
            memory.madvise(mmap.MADV_HUGEPAGE)
        return memory


_pool = Pool(SPARE)


def empty(like: Tensor, shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    """``like.new_empty(shape)`` on the CPU, with memory that is used again where it is large (on Linux)."""
    dtype = dtype or like.dtype
    size = math.prod(shape) * dtype.itemsize
    if size < REUSED or sys.platform != "linux":
        return like.new_empty(shape, dtype=dtype)
    return _pool.empty(size).view(dtype).view(shape)


def empty_like(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """``torch.empty_like`` on the CPU, with memory that is used again where it is large (on Linux)."""
    dtype = dtype or tensor.dtype
    size = tensor.numel() * dtype.itemsize
    if size < REUSED or sys.platform != "linux":
        return torch.empty_like(tensor, dtype=dtype)
    contiguous = tensor.is_contiguous()
    strides = tensor.stride() if contiguous else torch.empty_like(tensor, device="meta").stride()
    return _pool.empty(size).view(dtype).as_strided(tensor.shape, strides)
