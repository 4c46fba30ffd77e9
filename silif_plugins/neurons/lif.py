"""LIF: the leaky integrate-and-fire neuron, and LI, the same one without spikes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ..dynamics import Flow, State, StateSpace
from .coefficients import coefficients
from .neuron import Neuron
from .registry import register_neuron
from .sampling import Init, Learn, sampler

MEMBRANE_DECAYS = (math.exp(-1 / 5), math.exp(-1 / 25))
"""Range of the membrane decay α: time constants of 5 to 25 steps (SpArch: Bittar and Garner, 2022)."""


def leaky_integrator(alpha: Tensor, one_minus_alpha: Tensor, threshold: Tensor | float) -> StateSpace:
    """u[t] = α (u[t-1] - s[t-1]) + (1-α) I[t] as a state space; its second state stays zero."""
    return StateSpace.of(a11=alpha, b1=one_minus_alpha, r1=-alpha, threshold=threshold)


def lif_space(decay_u: Tensor, threshold: Tensor | float) -> StateSpace:
    """LIF's parameters as a state space: the leaky integrator with the decay clamped to its range."""
    alpha = decay_u.clamp(*MEMBRANE_DECAYS)
    return leaky_integrator(alpha, 1 - alpha, threshold)


@register_neuron("LIF")
class LIF(Neuron):
    """Leaky integrate-and-fire neurons with a trained membrane decay per neuron.

        u[t] = α (u[t-1] - s[t-1]) + (1-α) I[t],   s[t] = H(u[t] - threshold)

    Source: Bittar and Garner (2022), LIF; the decay is clamped to its range in the forward pass, the raw value
    is kept.

    Args:
        size: Number of neurons, or shape of the population.
        decay_u: Initial α: a number, a tensor, or a range to draw from uniformly.
        threshold: Membrane potential above which the neuron fires.
        learn: True, False, or the names of the parameters to train: ``decay_u``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.scan import scan
        >>> spikes, state = scan(LIF(3, decay_u=0.9).state_space(), 20 * torch.ones(5, 1, 3))
        >>> spikes[:, 0, 0]
        tensor([1., 1., 1., 1., 1.], grad_fn=...)
    """

    decay_u: Tensor

    normalised = True
    published_names: ClassVar = {"alpha": "decay_u"}

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        decay_u: Init = MEMBRANE_DECAYS,
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        draw = sampler(self.size, generator=generator)
        self.register_values(learn, decay_u=draw("decay_u", decay_u, False))

    def state_space(self) -> StateSpace:
        """Return the leaky integrator with the clamped decay."""
        return coefficients(lif_space, self.decay_u, self.threshold)

    def uniform_state(self, batch: Sequence[int], *, generator: torch.Generator | None = None) -> State:
        """Draw mem, then spk: a LIF neuron has no adaptation to draw."""
        mem, spk = (torch.rand((*batch, *self.size), generator=generator).to(self.threshold) for _ in range(2))
        return State(mem, torch.zeros_like(mem), spk)


class LI(LIF):
    """Leaky integrators: LIF neurons that never fire, the readout of SpArch's network.

        u[t] = α u[t-1] + (1-α) I[t]

    Examples:
        >>> from silif_plugins.scan import scan
        >>> spikes, state = scan(LI(3, decay_u=0.9).state_space(), torch.ones(200, 1, 3))
        >>> bool(spikes.any()), state.mem.round(decimals=3).tolist()
        (False, [[1.0, 1.0, 1.0]])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        decay_u: Init = MEMBRANE_DECAYS,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            size,
            decay_u=decay_u,
            threshold=math.inf,
            learn=learn,
            generator=generator,
        )

    def uniform_state(self, batch: Sequence[int], *, generator: torch.Generator | None = None) -> State:
        """Draw mem alone: there are no spikes."""
        mem = torch.rand((*batch, *self.size), generator=generator).to(self.threshold)
        return State(mem, torch.zeros_like(mem), torch.zeros_like(mem))

    def flow(self) -> Flow:
        """Return u <- α^t u + (1-α) I over t steps."""
        space = self.state_space()
        none = torch.zeros_like(space.a11)
        return Flow(
            slow=-space.a11.log(),
            gap=none,
            turn=none,
            m11=none,
            m12=none,
            m21=none,
            b1=space.b1,
            b2=none,
            k1=none,
            k2=none,
            threshold=self.threshold,
        )
