"""The fused CPU backend: kernels compiled by numba at the first call, run on PyTorch's own threads."""

from .recurrent import backward_recurrent, forward_recurrent
from .run import backward, forward

__all__ = ["backward", "backward_recurrent", "forward", "forward_recurrent"]
