"""BRF: the balanced resonate-and-fire neuron, whose threshold and damping rise with every spike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..dynamics import StateSpace
from ..surrogate import SpikeFunction
from .neuron import Neuron
from .registry import register_neuron
from .sampling import Init, Learn, sampler

REFRACTORY_DECAY = 0.9
FASTEST = 0.99
"""Largest Δ|ω|: at 1 Euler's step has no damping that balances it, and beyond it the published code gives NaN."""


class BRFState(NamedTuple):
    """What a BRF neuron remembers.

    Attributes:
        mem: Real part of u, [B, *neurons].
        imaginary: Imaginary part of u, [B, *neurons].
        refractory: q before the spikes of the last step, [B, *neurons].
        spk: Spikes of the last step, [B, *neurons].
    """

    mem: Tensor
    imaginary: Tensor
    refractory: Tensor
    spk: Tensor


@dataclass(frozen=True)
class BRFDynamics:
    """How BRF neurons move; see :class:`BRF`.

    Attributes:
        omega: |ω| in rad/s, below 1/Δ, [*neurons].
        offset: |b| in 1/s, [*neurons].
        least: Threshold of neurons that have not fired for long.
        dt: Timestep Δ in seconds.
    """

    omega: Tensor
    offset: Tensor
    least: Tensor
    dt: float

    threshold = None
    """It moves."""

    @property
    def shape(self) -> torch.Size:
        """Shape of the population, [*neurons]."""
        return self.omega.shape

    @property
    def dtype(self) -> torch.dtype:
        """Data type in which the state is kept."""
        return self.omega.dtype

    def rest(
        self, shape: tuple[int, ...], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> BRFState:
        """Return the state at rest, zeros."""
        dtype, device = dtype or self.dtype, device or self.omega.device
        return BRFState(*(torch.zeros(shape, dtype=dtype, device=device) for _ in BRFState._fields))

    def step(
        self, current: Tensor, state: BRFState, surrogate: SpikeFunction, *, detach_reset: bool = False
    ) -> BRFState:
        """Advance by one time step, as :meth:`silif_plugins.dynamics.Dynamics.step` says."""
        spk = state.spk.detach() if detach_reset else state.spk
        refractory = REFRACTORY_DECAY * state.refractory + spk
        balance = torch.sqrt(1 - (self.dt * self.omega) ** 2)
        real, imaginary = balance - self.dt * (self.offset + refractory), self.dt * self.omega
        return BRFState(
            mem := real * state.mem - imaginary * state.imaginary + self.dt * current,
            imaginary * state.mem + real * state.imaginary,
            refractory,
            surrogate(mem - self.least - refractory),
        )

    def between_spikes(self) -> StateSpace:
        """Return the linear system on u that they are while they have not fired for long."""
        real = torch.sqrt(1 - (self.dt * self.omega) ** 2) - self.dt * self.offset
        imaginary = self.dt * self.omega
        return StateSpace.of(a11=real, a12=-imaginary, a21=imaginary, a22=real, b1=self.dt, threshold=self.least)


@register_neuron("BRF")
class BRF(Neuron):
    """Balanced resonate-and-fire neurons: a spike does not reset them, but makes them refractory.

        q[t] = γ q[t-1] + s[t-1],   γ = 0.9
        u[t] = u[t-1] + Δ ((p - |b| - q[t] + i |ω|) u[t-1] + I[t]),   p = (√(1 - (Δω)²) - 1) / Δ
        s[t] = H(Re u[t] - threshold - q[t])

    Source: Higuchi, Kairat, Bohté and Otte (2024), with the values of its published code for SHD; its p is that of
    Δ = 0.01 whatever the timestep, ours that of the timestep. Δ|ω| is clamped to 0.99 in the forward pass.

    With ρ = √(1 - (Δω)²) a step turns and scales u by √((ρ - Δ(|b| + q))² + (Δω)²), which is below 1 if and only if
    0 < Δ(|b| + q) < 2ρ. As 0 <= q <= 1/(1-γ) = 10, neurons with 0 < |b| < 2ρ/Δ - 10 stay bounded whenever they fire; at
    the start b is about 2.5, and the bound 188 or more.

    The input enters as Δ I: where batch norm gives a current of about 1 the layer is silent at a threshold of 1, and
    SpArchNet hardly learns; ``neuron_options={"threshold": 0.1}`` makes it fire and learn.

    Args:
        size: Number of neurons, or shape of the population.
        dt: Timestep Δ in seconds, fixed.
        omega: Initial ω in rad/s.
        offset: Initial b in 1/s: the damping beyond that which balances Euler's step.
        threshold: Threshold of Re u at rest.
        learn: True, False, or the names of the parameters to train: ``omega, offset``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> neuron = BRF(1, omega=8.0, offset=2.0)
        >>> spikes, state = neuron(torch.full((40, 1, 1), 20.0))
        >>> spikes.sum().item(), state._fields
        (4.0, ('mem', 'imaginary', 'refractory', 'spk'))
    """

    omega: Tensor
    offset: Tensor
    xavier = True
    own_surrogate = "double_gaussian"

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: float = 0.01,
        omega: Init = (5.0, 10.0),
        offset: Init = (2.0, 3.0),
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        if not dt > 0:
            raise ValueError(f"dt: got {dt}; it must be a positive time in seconds")
        self.dt = dt
        draw = sampler(self.size, generator=generator)
        self.register_values(learn, omega=draw("omega", omega, False), offset=draw("offset", offset, False))

    def dynamics(self) -> BRFDynamics:
        """Return the oscillator that its spikes damp."""
        omega = self.omega.abs().clamp(max=FASTEST / self.dt)
        return BRFDynamics(omega, self.offset.abs(), self.threshold, self.dt)

    @property
    def timestep(self) -> Tensor:
        """Duration of a step in seconds, one number."""
        return torch.tensor(self.dt)

    def extra_repr(self) -> str:
        """Add the timestep."""
        return f"{super().extra_repr()}, dt={self.dt:g}"
