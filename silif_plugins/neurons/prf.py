"""PRF: the parallel resonate-and-fire neuron, which has no reset."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..dynamics import State, StateSpace
from .coefficients import coefficients
from .log_domain import LOG_LARGEST, LogDomainNeuron, pole, rotation, timestep
from .registry import register_neuron
from .sampling import Init, Learn, positive, sampler, uniform_complex_state


def prf_space(log_dt: Tensor, log_omega: Tensor, threshold: Tensor | float = 1.0, *, tau: float) -> StateSpace:
    """PRF's parameters as a state space on (Re v, Im v): α = exp(Δ (-1/τ + i ω)), input Δ, no reset."""
    omega = log_omega.clamp(-LOG_LARGEST, LOG_LARGEST).exp()
    real, imaginary = pole(log_dt - math.log(tau), rotation(omega, log_dt))
    return StateSpace.of(a11=real, a12=-imaginary, a21=imaginary, a22=real, b1=timestep(log_dt), threshold=threshold)


@register_neuron("PRF")
class PRF(LogDomainNeuron):
    """Parallel resonate-and-fire neurons: damped rotations without a reset.

        v[t] = α v[t-1] + Δ I[t],   s[t] = H(Re v[t] - threshold),   α = exp(Δ (-1/τ + i ω))

    with log Δ and log ω trained for every neuron. Source: Huang et al. (2024), arXiv 2410.03530; τ = 2, Δ from 0.001
    to 0.1 and ω up to 2π as in public code of it. The input enters as Δ I, so that layers are quiet at the start (0.5 %
    of the bins on spoken digits); ``dt=(0.01, 0.5)`` makes them three times as loud.

    Stable for every value of the parameters: both eigenvalues, α and its conjugate, have the modulus
    exp(-Δ/τ) < 1. So |v| stays below Δ max|I| / (1 - |α|), whatever the spikes.

    Args:
        size: Number of neurons, or shape of the population.
        dt: Initial timestep Δ: a number, a tensor, or a range that is drawn from uniformly in the log domain.
        omega: Initial angular frequency ω per unit of time, positive; a range is drawn from uniformly.
        tau: Time constant τ, fixed.
        threshold: Threshold of Re v.
        learn: True, False, or the names of the parameters to train: ``log_dt, log_omega``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.dynamics import is_stable
        >>> neuron = PRF(100)
        >>> bool(is_stable(neuron.state_space()).all()), bool(neuron.state_space().r1.any())
        (True, False)
    """

    log_dt: Tensor
    log_omega: Tensor

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: Init = (0.001, 0.1),
        omega: Init = (0.001, 2 * math.pi),
        tau: float = 2.0,
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        if not tau > 0 or math.isinf(tau):
            raise ValueError(f"tau: got {tau}; it must be a positive time")
        self.tau = float(tau)
        draw = sampler(self.size, generator=generator)
        self.register_values(
            learn, log_dt=draw("dt", dt, True), log_omega=positive("omega", draw("omega", omega, False))
        )

    def state_space(self) -> StateSpace:
        """Return the state space of ``prf_space`` with this population's parameters."""
        return coefficients(prf_space, self.log_dt, self.log_omega, self.threshold, tau=self.tau)

    def uniform_state(self, batch: Sequence[int], *, generator: torch.Generator | None = None) -> State:
        """Draw v with real and imaginary part from U[0, 1), then spk."""
        return uniform_complex_state((*batch, *self.size), self.threshold, 1.0, generator)
