"""Softmax in integers: a table of powers of two, so that all machines agree to the last bit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

FRACTION = 16
"""Bits after the point of a distance that `softmax` takes, and of the shares that it returns."""
TABLE_BITS = 6
ONE = 1 << 15
"""exp(0), as the table has it."""
LARGEST_DISTANCE = 16 << FRACTION
"""From which exp(-distance) is 0: below half a unit of the table."""

LOG2E = 1.44269504
"""log2(e), which turns natural distances into those of powers of two; used as float32 and by `log2e`."""

TABLE = [round(ONE * 2 ** (-i / (1 << TABLE_BITS))) for i in range((1 << TABLE_BITS) + 1)]


def log2e(bits: int) -> int:
    """log2(e) as an integer of so many bits after the point.

    Examples:
        >>> log2e(14)
        23637
    """
    return round(math.log2(math.e) * (1 << bits))


def power(distance: Tensor) -> Tensor:
    """Return 2^-d of distances d with `FRACTION` bits after the point, in units of 1 / `ONE`; integers to integers.

    The table's 64 values are joined by straight lines: the error is below 6e-5.

    Examples:
        >>> power(torch.tensor([0, 1 << 15, 1 << 16, 40 << 16])).tolist()
        [32768, 23170, 16384, 0]
    """
    table = torch.tensor(TABLE)
    far = distance >= LARGEST_DISTANCE
    distance = torch.where(far, 0, distance)
    whole, fraction = distance >> FRACTION, distance & ((1 << FRACTION) - 1)
    rest_bits = FRACTION - TABLE_BITS
    place, rest = fraction >> rest_bits, fraction & ((1 << rest_bits) - 1)
    line = table[place] * ((1 << rest_bits) - rest) + table[place + 1] * rest
    return torch.where(far, 0, line >> (rest_bits + whole))


def softmax(distance: Tensor) -> Tensor:
    """Return shares [..., C] from distances to the largest [..., C], in powers of two; both with 16 bits.

    Examples:
        >>> softmax(torch.tensor([0, 0, 1 << 16])).tolist()    # 2/5, 2/5, 1/5
        [26214, 26214, 13107]
    """
    powers = power(distance)
    return (powers << FRACTION) // powers.sum(dim=-1, keepdim=True)


def confidence(scores: Tensor) -> Tensor:
    """Return the share of the largest of the scores [..., C] in their softmax; scores and shares with 16 bits.

    Training takes the scores as logits, so that this is the probability that the network gives its decision.

    Examples:
        >>> (confidence(torch.tensor([65536, 0])) / 65536).item()   # 1 / (1 + exp(-1)) = 0.731
        0.731...
    """
    distance = (scores.amax(dim=-1, keepdim=True) - scores).clamp(max=LARGEST_DISTANCE)
    powers = power((distance * log2e(16)) >> 16)
    return (ONE << FRACTION) // powers.sum(dim=-1)
