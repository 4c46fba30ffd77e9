"""Outputs in large memory pages."""

from __future__ import annotations

import ctypes
import sys

import torch
from torch import Tensor

LARGE = 4 << 20
"""Bytes from which a tensor gets large pages, and is written around the caches."""

PAGE = 4096
MADV_HUGEPAGE = 14


def empty_like(tensor: Tensor) -> Tensor:
    """``torch.empty_like``, on large pages where Linux offers them.

    A large allocation is new memory every time, and the first touch of each of its 4 KiB pages costs as much as
    computing what is written there; with pages of 2 MiB it is hardly noticed. (NumPy allocates in this way.)
    """
    out = torch.empty_like(tensor)
    size = out.numel() * out.element_size()
    if size >= LARGE and sys.platform == "linux":
        start = -(-out.data_ptr() // PAGE) * PAGE
        length = (out.data_ptr() + size) // PAGE * PAGE - start
        # A hint: where it is refused, nothing is lost.
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), MADV_HUGEPAGE)
    return out
