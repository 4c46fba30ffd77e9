"""HRF: the harmonic resonate-and-fire neuron, a damped oscillator that fires by its velocity and has no reset."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..dynamics import StateSpace
from .neuron import Neuron
from .registry import register_neuron
from .sampling import Init, Learn, positive, sampler

DAMPINGS = (1e-6, 1e3)
"""Where Δ b is clamped."""

ANGLES = (1e-3, 1.99)
"""Where Δ ω is clamped; at 2 the scheme would no longer be stable without damping."""


def oscillation(stiffness: Tensor, survives: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A damped oscillator's step on (Δ × velocity, position), row by row: velocity first, with implicit damping.

    Args:
        stiffness: Δ² times the stiffness: (Δ ω)² of an angular frequency ω.
        survives: S = 1 / (1 + Δ × damping), the determinant of the step.
    """
    pulled = stiffness * survives
    return survives, -pulled, survives, 1 - pulled


@register_neuron("HRF")
class HRF(Neuron):
    """Harmonic resonate-and-fire neurons.

        u[t] = (u[t-1] + Δ (g I[t] - ω² v[t-1])) / (1 + 2 Δ b),   v[t] = v[t-1] + Δ u[t],   s[t] = H(u[t] - threshold)

    for u' = g I - 2 b u - ω² v, v' = u: ``mem`` is the velocity u, ``ada`` the position v. log ω and log b are trained
    for every neuron. Source: HRF-SSM (ICML 2026, kartikay24/HRF-SSM), its scheme with implicit damping; Δ and the
    ranges of ω and b from its code. There b enters with the reversed sign, which makes every neuron unstable at the
    start; here b > 0.

    Stable for every value of the parameters: with S = 1 / (1 + 2 Δ b) < 1 the determinant is S and the trace
    1 + S - (Δ ω)² S, so that the margins of the Jury criterion are 1 - S, (Δ ω)² S and 2 (1 + S) - (Δ ω)² S, all
    positive for 0 < Δ ω < 2, where it is clamped.

    Args:
        size: Number of neurons, or shape of the population.
        dt: Timestep Δ in seconds, fixed.
        omega: Initial ω in rad/s.
        damping: Initial b in 1/s.
        gain: Factor g of the input, fixed; 1 as published. With 1 the layers of a SpArchNet do not fire at the start on
            spoken digits, with 20, our choice, in 8 and 14 % of the bins.
        threshold: Velocity above which the neuron fires.
        learn: True, False, or the names of the parameters to train: ``log_omega, log_damping``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.dynamics import is_stable, oscillates
        >>> space = HRF(100).state_space()
        >>> bool(is_stable(space).all()), bool(oscillates(space).all())
        (True, True)
    """

    log_omega: Tensor
    log_damping: Tensor

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: float = 0.01,
        omega: Init = (10.0, 50.0),
        damping: Init = (1.0, 6.0),
        gain: float = 20.0,
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        if not 0 < dt < math.inf:
            raise ValueError(f"dt: got {dt}; it must be a positive time in seconds")
        self.dt, self.gain = float(dt), float(gain)
        draw = sampler(self.size, generator=generator)
        # Uniform in the value, as published, though its logarithm is trained.
        self.register_values(
            learn,
            log_omega=positive("omega", draw("omega", omega, False)),
            log_damping=positive("damping", draw("damping", damping, False)),
        )

    def state_space(self) -> StateSpace:
        """Return one step of the scheme, with the clamped parameters, as a state space on (u, v)."""
        log_dt = math.log(self.dt)
        angle = (self.log_omega + log_dt).clamp(*map(math.log, ANGLES)).exp()
        survives = 1 / (1 + 2 * (self.log_damping + log_dt).clamp(*map(math.log, DAMPINGS)).exp())
        kept, pulled, moved, stays = oscillation(angle**2, survives)
        return StateSpace.of(
            a11=kept,
            a12=pulled / self.dt,
            a21=self.dt * moved,
            a22=stays,
            b1=self.gain * self.dt * survives,
            b2=self.gain * self.dt**2 * survives,
            threshold=self.threshold,
        )

    @property
    def timestep(self) -> Tensor:
        """Duration of a step in seconds, one number."""
        return torch.tensor(self.dt)

    def extra_repr(self) -> str:
        """Add the timestep."""
        return f"{super().extra_repr()}, dt={self.dt:g}"
