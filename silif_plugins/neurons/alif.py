"""ALIF: the leaky neuron whose threshold every spike raises, of LSNNs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..dynamics import StateSpace
from .adlif import AdLIF
from .lif import MEMBRANE_DECAYS
from .neuron import Neuron
from .registry import register_neuron
from .sampling import Init, Learn, sampler

ADAPTATION_DECAYS = AdLIF.ranges["decay_w"]

LARGEST_RISE = 1e6
"""Where the rise of the threshold is cut, so that products stay finite."""


@register_neuron("ALIF")
class ALIF(Neuron):
    """Leaky integrate-and-fire neurons with an adaptive threshold.

        u[t] = α u[t-1] + (1-α) I[t] - threshold s[t-1],   r[t] = ρ r[t-1] + (1-ρ) s[t-1]
        s[t] = H(u[t] - threshold - β r[t])

    ``mem`` is u - β r, what is compared with the fixed part of the threshold, and ``ada`` is r: so it is a state space
    like others, A = ((α, β (α-ρ)), (0, ρ)) and R = (-threshold - β (1-ρ), 1-ρ). α, ρ and β are trained for every
    neuron. Source: Bellec et al. (2018), the neurons of LSNNs, with the reset of Bellec et al. (2020), which takes the
    fixed part of the threshold; the ranges of the decays, to which they are clamped in the forward pass, are SpArch's.

    Stable for every value of the parameters: the eigenvalues are α and ρ, both below 1, and 0 <= r <= 1.

    Args:
        size: Number of neurons, or shape of the population.
        decay_u: Initial α.
        decay_r: Initial ρ.
        rise: Initial β, how much a neuron that always fires raises its threshold; at least 0 in the forward pass.
        threshold: Membrane potential above which a neuron that has not fired for long fires.
        learn: True, False, or the names of the parameters to train: ``decay_u, decay_r, rise``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> neuron = ALIF(1, decay_u=0.9, decay_r=0.98, rise=5.0)
        >>> spikes, state = neuron(torch.full((200, 1, 1), 3.0))
        >>> spikes[:100].sum().item(), spikes[100:].sum().item()
        (18.0, 16.0)
    """

    decay_u: Tensor
    decay_r: Tensor
    rise: Tensor
    normalised = True

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        decay_u: Init = MEMBRANE_DECAYS,
        decay_r: Init = ADAPTATION_DECAYS,
        rise: Init = (0.0, 2.0),
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        draw = sampler(self.size, generator=generator)
        given = {"decay_u": decay_u, "decay_r": decay_r, "rise": rise}
        self.register_values(learn, **{name: draw(name, init, False) for name, init in given.items()})

    def state_space(self) -> StateSpace:
        """Return the leaky integrator and the trace of its spikes, with the clamped parameters."""
        alpha, rho = self.decay_u.clamp(*MEMBRANE_DECAYS), self.decay_r.clamp(*ADAPTATION_DECAYS)
        rise = self.rise.clamp(0, LARGEST_RISE)
        return StateSpace.of(
            a11=alpha,
            a12=rise * (alpha - rho),
            a22=rho,
            b1=1 - alpha,
            r1=-self.threshold - rise * (1 - rho),
            r2=1 - rho,
            threshold=self.threshold,
        )
