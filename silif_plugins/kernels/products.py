"""Matrix products through oneDNN, which PyTorch uses for convolutions, but not for products in float32.

On AMD processors it takes half of the time that PyTorch's own product, MKL's, takes: 7.6 instead of 16 ms for
[3200, 512] by [512, 512] on one thread.
"""

from __future__ import annotations

import torch
from torch import Tensor

ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""Whether there is the operator that PyTorch's compiler makes of a linear layer; its interface does not name it."""


def prepared(b: Tensor, rows: int) -> Tensor:
    """Return b [N, K] as :func:`product` takes it for many products with as many ``rows``, each a quarter faster."""
    known = rows and b.dtype == torch.float32 and b.device.type == "cpu" and b.numel() and torch.backends.mkldnn.enabled
    if known and ONEDNN and hasattr(torch.ops.mkldnn, "_reorder_linear_weight"):
        with torch.no_grad():
            result: Tensor = torch.ops.mkldnn._reorder_linear_weight(b, rows)
            return result
    return b


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b.T`` [M, N] of a [M, K] and b [N, K], without gradient; rows or columns may be contiguous.

    ``b`` may be what :func:`prepared` makes of it.

    Examples:
        >>> product(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [5.0, 6.0]]))
        tensor([[11., 17.]])
    """
    known = a.dtype == torch.float32 == b.dtype and a.device.type == "cpu" and a.numel() and b.numel()
    if known and ONEDNN and torch.backends.mkldnn.enabled:
        with torch.no_grad():
            result: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
            return result
    return a @ b.t()
