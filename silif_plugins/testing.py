"""Hypothesis strategies for neuron parameters, for our tests and for those of your own neurons.

Needs hypothesis: ``pip install hypothesis``.

Example:
    >>> from hypothesis import given
    >>> from silif_plugins.dynamics import is_stable
    >>> from silif_plugins.neurons import silif_space
    >>> @given(silif_parameters())
    ... def always_stable(parameters):
    ...     assert is_stable(silif_space(**parameters)).all()
    >>> always_stable()
"""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor


def values(
    size: int = 1, *, low: float | None = None, high: float | None = None, dtype: torch.dtype = torch.float64
) -> st.SearchStrategy[Tensor]:
    """Tensors [size] of finite float32 values between two bounds, by default the whole range of float32.

    Args:
        size: Number of neurons.
        low: Smallest value; must be exact in float32.
        high: Largest value; must be exact in float32.
        dtype: Data type of the tensor. The values are those of float32 in any case.
    """
    number = st.floats(low, high, allow_nan=False, allow_infinity=False, width=32)
    return st.lists(number, min_size=size, max_size=size).map(lambda numbers: torch.tensor(numbers, dtype=dtype))


def silif_parameters(size: int = 1, *, dtype: torch.dtype = torch.float64) -> st.SearchStrategy[dict[str, Tensor]]:
    """Parameters of :func:`silif_plugins.neurons.silif_space`: any finite float32 values, likely ones often."""
    return st.fixed_dictionaries(
        {
            "log_inv_tau_u": _log(size, dtype),
            "log_inv_tau_w": _log(size, dtype),
            "log_dt": _log(size, dtype),
            "a": values(size, dtype=dtype) | values(size, low=-1, high=2, dtype=dtype),
            "b": values(size, dtype=dtype) | values(size, low=-1, high=3, dtype=dtype),
        }
    )


def csilif_parameters(size: int = 1, *, dtype: torch.dtype = torch.float64) -> st.SearchStrategy[dict[str, Tensor]]:
    """Parameters of :func:`silif_plugins.neurons.csilif_space`: any finite float32 values, likely ones often."""
    return st.fixed_dictionaries(
        {
            "log_decay": _log(size, dtype),
            "omega": values(size, dtype=dtype) | values(size, low=-100, high=100, dtype=dtype),
            "log_dt": _log(size, dtype),
            "b": values(size, dtype=dtype) | values(size, low=-1, high=3, dtype=dtype),
        }
    )


def _log(size: int, dtype: torch.dtype) -> st.SearchStrategy[Tensor]:
    return values(size, dtype=dtype) | values(size, low=-20, high=10, dtype=dtype)
