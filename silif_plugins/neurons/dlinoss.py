"""D-LinOSS: damped oscillators that fire by their position, the spiking form of a state space model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..dynamics import StateSpace
from .hrf import oscillation
from .log_domain import LOG_LARGEST
from .neuron import Neuron
from .registry import register_neuron
from .sampling import Init, Learn, positive, sampler

LEAST_DAMPED, MOST_DAMPED = 1e-5, 1e3
"""Where Δ G is clamped: so that the determinant is below 1 in float32, too."""

INSIDE = 1e-3
"""How far Δ² A stays from where the pair of eigenvalues meets, which rounding moves most there."""

LARGEST_LOGIT = 15.0
"""Magnitude at which the logit of the timestep is cut: Δ is from 3e-7 to 1 - 3e-7."""


@register_neuron("D-LinOSS")
class DLinOSS(Neuron):
    """Damped linear oscillators that fire by their position and are not reset.

        z[t] = (z[t-1] + Δ (I[t] - A y[t-1])) / (1 + Δ G),   y[t] = y[t-1] + Δ z[t],   s[t] = H(y[t] / θ - threshold)

    for y'' = I - A y - G y'. The stiffness A, log G, the logit of Δ and log θ are trained for every neuron; ``mem`` is
    y / θ and ``ada`` z / θ, which has the spikes of a trained threshold θ. In the forward pass Δ² A is clamped to where
    the oscillator rings, 1e-3 inside of 2 + Δ G - 2 √(1 + Δ G) and 2 + Δ G + 2 √(1 + Δ G).

    Stable for every value of the parameters: there both eigenvalues have the modulus √S, where S = 1 / (1 + Δ G) < 1 is
    the determinant.

    Source: the layers of HRF-SSM (ICML 2026, kartikay24/HRF-SSM), D-LinOSS with spikes, and its initial values. There
    Δ and G may reach 0; with G = 0 (LinOSS-IMEX) S is 1, and nothing decays. Its B and C are the linear weights before
    and after a layer of SpArchNet. Its D u passes the whole layer by, and it has spikes and weights across channels
    after it, so that they are no part of a neuron: :class:`silif_plugins.ssm.SpikingLinOSS` has them.

    Args:
        size: Number of neurons, or shape of the population.
        stiffness: Initial A.
        damping: Initial G.
        logit_dt: Initial logit of Δ.
        level: Initial θ.
        threshold: What y / θ is compared with.
        learn: True, False, or the names of the parameters to train: ``stiffness, log_damping, logit_dt, log_level``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.dynamics import is_stable
        >>> neuron = DLinOSS(100)
        >>> bool(is_stable(neuron.state_space()).all()), bool(neuron.state_space().r1.any())
        (True, False)
    """

    stiffness: Tensor
    log_damping: Tensor
    logit_dt: Tensor
    log_level: Tensor

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        stiffness: Init = (0.0, 1.0),
        damping: Init = (1e-3, 1.0),
        logit_dt: Init = (0.0, 1.0),
        level: Init = (1e-3, 1.0),
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        draw = sampler(self.size, generator=generator)
        # Uniform in the value, as published, though logarithms are trained.
        self.register_values(
            learn,
            stiffness=draw("stiffness", stiffness, False),
            log_damping=positive("damping", draw("damping", damping, False)),
            logit_dt=draw("logit_dt", logit_dt, False),
            log_level=positive("level", draw("level", level, False)),
        )

    def state_space(self) -> StateSpace:
        """Return one step of the scheme, with the clamped parameters, as a state space on (y, z) / θ."""
        logit = self.logit_dt.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        dt = logit.sigmoid()
        damped = (
            (self.log_damping + torch.nn.functional.logsigmoid(logit))
            .clamp(math.log(LEAST_DAMPED), math.log(MOST_DAMPED))
            .exp()
        )
        width = 2 * torch.sqrt(1 + damped)
        # 2 + x - 2 √(1+x) would lose its digits: it is x² over the sum.
        lowest, highest = damped**2 / (2 + damped + width) + INSIDE, 2 + damped + width - INSIDE
        stiffness = torch.minimum(torch.maximum(dt**2 * self.stiffness, lowest), highest)
        survives = 1 / (1 + damped)
        kept, pulled, moved, stays = oscillation(stiffness, survives)
        gain = (-self.log_level.clamp(-LOG_LARGEST, LOG_LARGEST)).exp()
        return StateSpace.of(
            a11=stays,
            a12=dt * moved,
            a21=pulled / dt,
            a22=kept,
            b1=gain * dt**2 * survives,
            b2=gain * dt * survives,
            threshold=self.threshold,
        )
