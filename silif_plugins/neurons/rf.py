"""RF: the resonate-and-fire neuron as the SiLIF paper's code compares with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ..dynamics import State, StateSpace
from .coefficients import coefficients
from .neuron import Neuron
from .registry import register_neuron
from .sampling import Init, Learn, sampler, uniform_complex_state

WEAKEST_DAMPING = -0.1


def rf_space(damping: Tensor, omega: Tensor, threshold: Tensor | float, *, dt: float) -> StateSpace:
    """RF's parameters as a state space: Euler's step 1 + Δ(x + i y) as a real 2x2 block."""
    real, imaginary = 1 + dt * damping.clamp(max=WEAKEST_DAMPING), dt * omega
    return StateSpace.of(a11=real, a12=-imaginary, a21=imaginary, a22=real, b1=dt, r1=-1.0, threshold=threshold)


@register_neuron("RF")
class RF(Neuron):
    """Resonate-and-fire neurons, integrated by Euler's method with a fixed timestep.

        u[t] = u[t-1] + Δ ((x + i y) u[t-1] + I[t]) - s[t-1],   s[t] = H(Re u[t] - threshold)

    Source: the published code of the SiLIF paper (models/snns.py, after Izhikevich, 2001); x is clamped to at
    most -0.1 in the forward pass. Stable only for y² < -2x/Δ - x². The input enters as Δ I: with Δ = 4 ms,
    10 ms bins and zero initial states the layer stays silent and has no gradient; use a larger Δ, such as
    0.05, or random initial states as published.

    Args:
        size: Number of neurons, or shape of the population.
        dt: Timestep Δ in seconds, fixed.
        damping: Initial x in 1/s.
        omega: Initial y in rad/s.
        threshold: Threshold of Re u.
        learn: True, False, or the names of the parameters to train: ``damping, omega``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.dynamics import is_stable
        >>> bool(is_stable(RF(100).state_space()).all()), bool(is_stable(RF(1, omega=100.0).state_space()))
        (True, False)
    """

    damping: Tensor
    omega: Tensor

    published_names: ClassVar = {"alpha_real": "damping", "alpha_im": "omega"}

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: float = 0.004,
        damping: Init = (-10.0, -1.0),
        omega: Init = (5.0, 10.0),
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        if not dt > 0:
            raise ValueError(f"dt: got {dt}; it must be a positive time in seconds")
        self.dt = dt
        draw = sampler(self.size, generator=generator)
        self.register_values(learn, damping=draw("damping", damping, False), omega=draw("omega", omega, False))

    def state_space(self) -> StateSpace:
        """Return Euler's step 1 + Δ(x + i y) as a real 2x2 block."""
        return coefficients(rf_space, self.damping, self.omega, self.threshold, dt=self.dt)

    @property
    def timestep(self) -> Tensor:
        """Duration of a step in seconds, one number."""
        return torch.tensor(self.dt)

    def uniform_state(self, batch: Sequence[int], *, generator: torch.Generator | None = None) -> State:
        """Draw u with real and imaginary part from U[0, 1), then spk."""
        return uniform_complex_state((*batch, *self.size), self.threshold, 1.0, generator)

    def extra_repr(self) -> str:
        """Add the timestep."""
        return f"{super().extra_repr()}, dt={self.dt:g}"
