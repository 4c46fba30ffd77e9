"""The fused CPU backend: kernels compiled by numba at the first call, run on PyTorch's own threads."""

from .run import backward, forward

__all__ = ["backward", "forward"]
