"""Counts what a layer does while a sample runs."""

from __future__ import annotations

import torch
from torch import Tensor

from ..surrogate import SpikeFunction, derivative

ALWAYS = 0.9
"""Share of the steps above which a neuron that fires counts as saturated."""

REACH = 0.01
"""Share of its peak above which the derivative of a surrogate counts as a gradient that passes."""


class Recording:
    """Sums over the calls of one layer.

    Args:
        surrogate: Its spike function, or None if that is not known.
        ran: A list that it joins at its first call, which tells the order in which layers ran.
    """

    def __init__(self, surrogate: SpikeFunction | None, ran: list[Recording]) -> None:
        self.surrogate = surrogate
        self._ran = ran
        self.steps = 0
        self._spikes: dict[torch.Size, Tensor] = {}  # a module without parameters may serve populations of two shapes
        self._bins: dict[torch.Size, int] = {}
        self._passing = self._looked_at = 0
        self._floor: float | None = None

    def add(self, fired: Tensor, margins: Tensor | None, steps: int) -> None:
        """Take in a call.

        Args:
            fired: Booleans [bins, *neurons], a bin being a time step of a sample.
            margins: mem - threshold of the same shape, or None if that is not known.
            steps: Time steps of the call.
        """
        if not self.steps:
            self._ran.append(self)
        shape = fired.shape[1:]
        count = fired.sum(0)
        self._spikes[shape] = count + self._spikes[shape] if shape in self._spikes else count
        self._bins[shape] = self._bins.get(shape, 0) + len(fired)
        self.steps += steps
        if margins is not None and self.surrogate is not None:
            if self._floor is None:
                self._floor = REACH * peak(self.surrogate, margins)
            self._passing += int((derivative(self.surrogate, margins).abs() > self._floor).sum())
            self._looked_at += margins.numel()

    @property
    def rates(self) -> Tensor:
        """Share of the steps at which every neuron fired, float64 [neurons]."""
        return torch.cat([self._spikes[shape].double().flatten() / max(1, self._bins[shape]) for shape in self._spikes])

    @property
    def gradient(self) -> float | None:
        """Share of bins in which the surrogate passes gradient, or None if that is not known."""
        return self._passing / self._looked_at if self._looked_at else None


def peak(surrogate: SpikeFunction, like: Tensor) -> float:
    """Return the largest size of the derivative of a surrogate, looked for near the threshold."""
    near = torch.linspace(-4, 4, 8001, device=like.device)
    near[len(near) // 2] = 0  # where most have their peak
    return float(derivative(surrogate, near.to(like.dtype)).abs().max())
