"""What one step of a neuron costs."""

from __future__ import annotations

import torch
from torch import Tensor

from ..dynamics import StateSpace


def neuron_operations(space: StateSpace) -> int:
    """Multiplications and additions that one neuron takes for one step, without the comparison with the threshold.

    Every coefficient of A, B and R that is not zero for all neurons is a term; one that is 1 or -1 for all needs no
    multiplication. So NeuroBench counts: 4 for snnTorch's Leaky, β mem + I - threshold s.

    Examples:
        >>> neuron_operations(StateSpace.of(a11=0.9, b1=1.0, r1=-0.5))
        4
        >>> from silif_plugins.neurons import CSiLIF, SiLIF
        >>> neuron_operations(SiLIF(8).state_space()), neuron_operations(CSiLIF(8).state_space())
        (12, 12)
    """
    membrane = (space.a11, space.a12, space.b1, space.r1)
    second = (space.a21, space.a22, space.b2, space.r2)
    driven = any(bool(field.any()) for field in (space.a21, space.b2, space.r2))
    return _row(membrane) + (_row(second) if driven else 0)


def _row(coefficients: tuple[Tensor, ...]) -> int:
    with torch.no_grad():
        terms = [field for field in coefficients if bool(field.any())]
        products = sum(not bool((field.abs() == 1).all()) for field in terms)
    return products + max(len(terms) - 1, 0)
