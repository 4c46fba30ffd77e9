"""Time constants trained as logarithms, with a timestep per neuron (SiLIF paper, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .neuron import Neuron

SLOWEST = 1e-13
"""Smallest rate x timestep in float64: the largest decay is 1 - 1e-13."""

ROUNDINGS = 2
"""Smallest rate x timestep in other data types, in units of their precision: a decay that rounds to 1 would neither be
stable nor be forgotten. Two leave room for the rounding of C-SiLIF's cosine and sine."""

FASTEST = math.log(math.log(1e13))
"""Log of the largest rate x timestep: the smallest decay is 1e-13. At 0 SiLIF with a = 1 would have the eigenvalue -1,
and far beyond gradients would be inf * 0."""

LARGEST = 1e15
"""Magnitude at which values that enter products are cut, so that no finite parameter overflows float32."""

LOG_LARGEST = math.log(LARGEST)

LARGEST_PHASE = 1e6
"""Rotation per step [rad] at which it is cut: beyond it float32 cannot tell the angle (published: up to 295)."""

RAW_RATE = (0.1, math.inf)
RAW_TIMESTEP = (4e-4, 1.0)
"""Where raw rates [1/s] and timesteps [s] are clamped, as in the published ablation (SSM-inspired-LIF at 4186d6d)."""


def decay(log_step: Tensor) -> Tensor:
    """exp(-exp(x)): how much of a state survives one step, x = log(rate) + log(timestep).

    The sum is taken before the exponential: exp(log_rate) * exp(log_dt) gives inf * 0 = nan where the sum is
    harmless. The result lies in [1e-13, 1 - 1e-13] in float64, in [1e-13, 1 - 2.4e-7] in float32, and every gradient
    is finite, for every x.
    """
    return torch.exp(-step(log_step))


def leak(log_step: Tensor) -> Tensor:
    """1 - decay(x) = -expm1(-exp(x)), accurate where the decay rounds to 1."""
    x = step(log_step)
    if torch.jit.is_tracing() and torch.onnx.is_in_onnx_export():  # type: ignore[attr-defined, no-untyped-call]
        return torch.tanh(x / 2) * (1 + torch.exp(-x))  # the exporter has no expm1
    return -torch.expm1(-x)


def step(log_step: Tensor) -> Tensor:
    """exp(x), the rate times the timestep that :func:`decay` takes, within what the data type can tell from 0."""
    slowest = max(SLOWEST, ROUNDINGS * torch.finfo(log_step.dtype).eps)
    return torch.exp(log_step.clamp(math.log(slowest), FASTEST))


def timestep(log_dt: Tensor) -> Tensor:
    """exp(x), cut where float32 would overflow in products."""
    return log_dt.clamp(-LOG_LARGEST, LOG_LARGEST).exp()


def rotation(omega: Tensor, log_dt: Tensor) -> Tensor:
    """Phase of a pole per step, ω Δ in rad, from ω in rad/s and log Δ."""
    return cut(cut(omega, LARGEST) * timestep(log_dt), LARGEST_PHASE)


def pole(log_step: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of exp(-exp(x) + i phase), whose modulus is below 1 to the last digit."""
    modulus = decay(log_step)
    return modulus * phase.cos(), modulus * phase.sin()


def cut(value: Tensor, largest: float) -> Tensor:
    """Limit the magnitude of a value, in float16 to what that can hold."""
    largest = min(largest, torch.finfo(value.dtype).max)
    return value.clamp(-largest, largest)


class LogDomainNeuron(Neuron):
    """A neuron whose rates and timestep are positive numbers trained as logarithms.

    Each positive quantity q is a parameter ``log_q``, or ``q`` itself with ``log=False`` (the paper's ablation,
    Table 2: without logarithmic reparametrisation).
    """

    def __init__(self, size: int | Sequence[int], *, threshold: float | Tensor = 1.0, log: bool = True) -> None:
        super().__init__(size, threshold=threshold)
        self.log = log

    @property
    def timestep(self) -> Tensor:
        """Duration of a step in seconds, [*neurons], as it stands in the dynamics."""
        return self._log_of("dt", RAW_TIMESTEP).exp()

    def rescale_dt(self, factor: float) -> None:
        """Run the trained neuron at another time resolution: every timestep becomes ``factor`` times as long.

        Exact for the leak: one step decays like ``factor`` old steps. The coupling and reset of one step keep
        their size, so the rest is an approximation that holds for moderate factors.

        Args:
            factor: New over old duration of a time step, such as 2.5 for a network trained at 4 ms, run at 10 ms.

        Raises:
            ValueError: If the factor is not a positive number.
        """
        if not (factor > 0 and math.isfinite(factor)):
            raise ValueError(f"factor: got {factor}; it must be a positive number")
        with torch.no_grad():
            if self.log:
                self.get_parameter_or_buffer("log_dt").add_(math.log(factor))
            else:
                self.get_parameter_or_buffer("dt").mul_(factor)

    def get_parameter_or_buffer(self, name: str) -> Tensor:
        """Return a trained or fixed value by its name in the state_dict."""
        value = getattr(self, name)
        assert isinstance(value, Tensor)
        return value

    def _name(self, quantity: str) -> str:
        return f"log_{quantity}" if self.log else quantity

    def _log_of(self, quantity: str, bounds: tuple[float, float]) -> Tensor:
        """Return the logarithm of a positive quantity; raw values are clamped to their bounds first."""
        value = self.get_parameter_or_buffer(self._name(quantity))
        return value if self.log else value.clamp(*bounds).log()

    def extra_repr(self) -> str:
        """Add the parametrisation where it is not the usual one."""
        return super().extra_repr() + ("" if self.log else ", log=False")
