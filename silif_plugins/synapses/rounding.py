"""Weights as small integers: one step per row, the same in training, in Python and on a chip."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Bits = int | Literal["ternary"]
"""Bits of a weight, 2 to 8, or ``"ternary"``: -1, 0 and 1."""

WIDE = 8
"""Bits from which a row's largest weight sets its step: with so many levels nothing is gained by cutting it."""

SHARES = torch.linspace(1.0, 0.2, 33).tolist()
"""Where the largest level may lie, in shares of a row's largest weight, if there are few levels."""


def largest_level(bits: Bits) -> int:
    """Return the largest integer of so many bits, of which the smallest is the negative.

    Raises:
        ValueError: If there is no such number of bits.

    Examples:
        >>> largest_level(8), largest_level(3), largest_level("ternary")
        (127, 3, 1)
    """
    if bits == "ternary":
        return 1
    if isinstance(bits, bool) or not isinstance(bits, int) or not 2 <= bits <= 8:
        raise ValueError(f"bits: got {bits!r}; it must be 2 to 8, or 'ternary'")
    return int(2 ** (bits - 1) - 1)


def row_steps(weight: Tensor, bits: Bits) -> Tensor:
    """Return the distance between the levels of each row of weights, [outputs] from [outputs, inputs].

    With eight bits the largest weight of a row is its largest level. With fewer it is worth cutting: of 33 steps the
    one with the least squared error is taken.

    Raises:
        ValueError: If there is no such number of bits.

    Examples:
        >>> row_steps(torch.tensor([[1.27, -0.5], [0.0, 0.0]]), 8)
        tensor([0.0100, 1.0000])
    """
    most = largest_level(bits)
    weight = weight.detach()
    peak = weight.abs().amax(dim=1)
    peak = torch.where(peak > 0, peak, torch.full_like(peak, float(most)))  # a row of zeros: any step will do
    best = peak / most
    if most >= largest_level(WIDE):
        return best
    least = torch.full_like(peak, float("inf"))
    for share in SHARES:
        step = peak * (share / most)
        error = (weight - levels(weight, step, bits) * step.unsqueeze(1)).square().sum(dim=1)
        best = torch.where(error < least, step, best)
        least = torch.minimum(error, least)
    return best


def levels(weight: Tensor, steps: Tensor, bits: Bits) -> Tensor:
    """Return weights [outputs, inputs] in units of their rows' steps, rounded and cut; whole numbers as floats.

    Examples:
        >>> levels(torch.tensor([[1.0, -0.26, 9.0]]), torch.tensor([0.5]), 3)
        tensor([[ 2., -1.,  3.]])
    """
    most = largest_level(bits)
    return (weight / steps.unsqueeze(1)).round().clamp(-most, most)
