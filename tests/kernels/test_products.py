"""The product of oneDNN against PyTorch's own."""

import pytest
import torch

from silif_plugins.kernels.products import prepared, product


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5, 7, 3), (1, 64, 32), (0, 4, 3), (4, 0, 3), (4, 3, 0)], ids=str)
def test_equals_pytorch(shape, dtype):
    rows, columns, inner = shape
    a, b = torch.randn(rows, inner, dtype=dtype), torch.randn(columns, inner, dtype=dtype)
    expected = torch.einsum("mk,nk->mn", a, b)
    for left in (a, a.t().contiguous().t()):
        for right in (b, b.t().contiguous().t()):
            torch.testing.assert_close(product(left, right), expected, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(product(left, prepared(right, rows)), expected, rtol=1e-5, atol=1e-5)
