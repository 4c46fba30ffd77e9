"""RAFNode: the resonate-and-fire neuron of SpikingJelly, trained."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..dynamics import StateSpace
from .log_domain import LogDomainNeuron, pole, rotation
from .registry import register_neuron
from .sampling import Init, Learn, sampler


@register_neuron("RAFNode")
class RAFNode(LogDomainNeuron):
    """Resonate-and-fire neurons that take the current in one part of a rotating state and fire by the other.

        (u, v)[t] = ρ Rot(ω Δ) (u, v - threshold s)[t-1] + (I[t], 0),   s[t] = H(v[t] - threshold)
        ρ = exp(-Δ exp(log_decay))

    with ``mem`` = v and ``ada`` = u: the reset takes the threshold from v and leaves u alone. Source: RAFNode of
    SpikingJelly 2.0, which has fixed numbers e^(bΔ) with b < 0, and ω; here log_decay = log(-b), ω and log Δ are
    trained for every neuron and start as C-SiLIF's do.

    Stable for every value of the parameters: both eigenvalues, ρ exp(±i ω Δ), have the modulus ρ < 1.

    Args:
        size: Number of neurons, or shape of the population.
        dt: Initial timestep Δ in seconds: a number, a tensor, or a range to draw from uniformly in its logarithm.
        decay: Initial -b in 1/s.
        omega: Initial angular frequency in rad/s.
        threshold: Threshold of v.
        learn: True, False, or the names of the parameters to train: ``log_decay, omega, log_dt``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.scan import scan
        >>> spikes, state = scan(RAFNode(1, dt=0.1), torch.tensor([5.0, 0.0, 0.0]).view(3, 1, 1))
        >>> spikes.flatten()      # the rotation brings the current into v a step later
        tensor([0., 1., 1.], grad_fn=...)
    """

    log_decay: Tensor
    omega: Tensor
    log_dt: Tensor

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: Init = (0.01, 0.5),
        decay: Init = 0.5,
        omega: Init = math.pi,
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        draw = sampler(self.size, generator=generator)
        self.register_values(
            learn,
            log_decay=draw("decay", decay, True),
            omega=draw("omega", omega, False),
            log_dt=draw("dt", dt, True),
        )

    def state_space(self) -> StateSpace:
        """Return the damped rotation as a state space on (v, u)."""
        real, imaginary = pole(self.log_decay + self.log_dt, rotation(self.omega, self.log_dt))
        return StateSpace.of(
            a11=real,
            a12=imaginary,
            a21=-imaginary,
            a22=real,
            b2=1.0,
            r1=-self.threshold * real,
            r2=self.threshold * imaginary,
            threshold=self.threshold,
        )
