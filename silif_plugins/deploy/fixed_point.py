"""Neurons in integers: states of 16 or 32 bits, for processors that have no floating point."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ..dynamics import State, StateSpace

StateType = Literal["float32", "int16", "int32"]

LIMITS = {"int16": 2**15 - 1, "int32": 2**30}
"""Where states are cut: sums of products must not overflow 64 bits."""

HEADROOM = {"int16": 14, "int32": 22}
"""The largest state that was seen in calibration gets so many bits."""

COEFFICIENT_BITS = 30
"""Coefficients are below 2 to this, and so fit 32 bits with their signs."""

MOST_RESET = 2**31 - 1
"""Beyond it a reset cuts the state in any case."""


class FixedSpace(NamedTuple):
    """A `StateSpace` in integers, every field but the shift [neurons].

    With c the input in its own integer unit, and states in units of 2^-e1 and 2^-e2 that each neuron has for itself::

        mem = cut((a11 mem + a12 ada + g1 c + half) >> shift) + r1 s),   s = [mem > threshold]
        ada = cut((a21 mem + a22 ada + g2 c + half) >> shift) + r2 s)

    Attributes:
        shift: Bits after the point of a11 to g2.
        half: 1 << (shift - 1), which rounds; 0 without a shift.
        e1: Bits after the point of mem.
        e2: Of ada.
    """

    a11: Tensor
    a12: Tensor
    a21: Tensor
    a22: Tensor
    g1: Tensor
    g2: Tensor
    r1: Tensor
    r2: Tensor
    threshold: Tensor
    shift: int
    half: int
    limit: int
    e1: Tensor
    e2: Tensor

    @classmethod
    def of(cls, space: StateSpace, mem: Tensor, ada: Tensor, kind: StateType, *, one_unit: bool = False) -> FixedSpace:
        """Round a state space.

        Args:
            space: Its b1 and b2 are for a unit of the input.
            mem: The largest magnitude of the membrane, [neurons], as it was seen.
            ada: Likewise of the second state.
            kind: Type of the states.
            one_unit: Whether all membranes have one unit, so that they can be compared.

        Raises:
            ValueError: If the threshold cannot be reached by states of this type.
        """
        threshold = torch.where(space.threshold.isfinite(), space.threshold.abs(), 0)
        e1, e2 = _point(torch.maximum(mem, threshold), kind), _point(ada, kind)
        if one_unit:
            e1 = e1.amin().expand_as(e1)
        unit1, unit2 = (2.0**e1).double(), (2.0**e2).double()  # units in 1
        real = {
            "a11": space.a11,
            "a12": space.a12 * unit1 / unit2,
            "a21": space.a21 * unit2 / unit1,
            "a22": space.a22,
            "g1": space.b1 * unit1,
            "g2": space.b2 * unit2,
        }
        largest = max(float(value.abs().max()) for value in real.values())
        shift = min(COEFFICIENT_BITS, COEFFICIENT_BITS - math.ceil(math.log2(max(largest, 2.0**-30))))
        if shift < 1:
            raise ValueError(f"coefficients up to {largest:g} units do not fit states of {kind}")
        limit = LIMITS[kind]
        rounded = {name: (value.double() * 2.0**shift).round().long() for name, value in real.items()}
        return cls(
            **rounded,
            r1=(space.r1 * unit1).round().clamp(-MOST_RESET, MOST_RESET).long(),
            r2=(space.r2 * unit2).round().clamp(-MOST_RESET, MOST_RESET).long(),
            threshold=(space.threshold * unit1).nan_to_num(posinf=limit).round().clamp(-limit, limit).long(),
            shift=shift,
            half=1 << (shift - 1),
            limit=limit,
            e1=e1.long(),
            e2=e2.long(),
        )

    def step(self, current: Tensor, state: State) -> State:
        """Advance by one step; all integers."""
        mem, ada, spk = state
        first = (self.a11 * mem + self.a12 * ada + self.g1 * current + self.half) >> self.shift
        second = (self.a21 * mem + self.a22 * ada + self.g2 * current + self.half) >> self.shift
        mem = (first + self.r1 * spk).clamp(-self.limit, self.limit)
        ada = (second + self.r2 * spk).clamp(-self.limit, self.limit)
        return State(mem, ada, (mem > self.threshold).long())


def _point(largest: Tensor, kind: StateType) -> Tensor:
    """Bits after the point with which states of this magnitude take their share of the bits, [neurons]."""
    exponent = torch.log2(largest.double().clamp(min=2.0**-6)).ceil()
    return (HEADROOM[kind] - exponent).clamp(min=0)
