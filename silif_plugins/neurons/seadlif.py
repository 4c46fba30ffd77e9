"""SE-adLIF: the adaptive neuron integrated by the symplectic Euler method, with a hard reset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..dynamics import State, StateSpace
from ..surrogate import SpikeFunction
from .neuron import Neuron
from .registry import register_neuron
from .sampling import Init, Learn, sampler

TAU_U = (5.0, 25.0)
TAU_W = (60.0, 300.0)
ADAPTATION = 120.0
"""q, which makes a and b numbers of order 1."""


@dataclass(frozen=True)
class SEAdLIFDynamics:
    """How SE-adLIF neurons move; see :class:`SEAdLIF`. Its state is (u before the reset, w, s).

    Attributes:
        alpha: Membrane decay, [*neurons].
        beta: Adaptation decay, [*neurons].
        coupling: (1-β) q a, [*neurons].
        jump: (1-β) q b, [*neurons].
        threshold: Membrane potential above which the neuron fires.
        detach_reset: Whether the spike that empties the membrane is a constant for the gradient.
    """

    alpha: Tensor
    beta: Tensor
    coupling: Tensor
    jump: Tensor
    threshold: Tensor
    detach_reset: bool

    @property
    def shape(self) -> torch.Size:
        """Shape of the population, [*neurons]."""
        return self.alpha.shape

    @property
    def dtype(self) -> torch.dtype:
        """Data type in which the state is kept."""
        return self.alpha.dtype

    def rest(
        self, shape: tuple[int, ...], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> State:
        """Return the state at rest, zeros."""
        return State.zeros(shape, dtype=dtype or self.dtype, device=device or self.alpha.device)

    def step(self, current: Tensor, state: State, surrogate: SpikeFunction, *, detach_reset: bool = False) -> State:
        """Advance by one time step, as :meth:`silif_plugins.dynamics.Dynamics.step` says."""
        empties = state.spk.detach() if detach_reset or self.detach_reset else state.spk
        mem = self.alpha * (state.mem * (1 - empties)) + (1 - self.alpha) * (current - state.ada)
        spk = surrogate(mem - self.threshold)
        kept = mem * (1 - (spk.detach() if detach_reset or self.detach_reset else spk))
        adapts = spk.detach() if detach_reset else spk
        return State(mem, self.beta * state.ada + self.coupling * kept + self.jump * adapts, spk)

    def between_spikes(self) -> StateSpace:
        """Return the linear system on (u, w) that they are while they do not fire."""
        gain = 1 - self.alpha
        return StateSpace.of(
            a11=self.alpha,
            a12=-gain,
            a21=self.coupling * self.alpha,
            a22=self.beta - self.coupling * gain,
            b1=gain,
            b2=self.coupling * gain,
            threshold=self.threshold,
        )


@register_neuron("SE-adLIF")
class SEAdLIF(Neuron):
    """Adaptive neurons by the symplectic Euler method: the adaptation follows the new membrane potential.

        u'[t] = α u[t-1] + (1-α) (I[t] - w[t-1]),   s[t] = H(u'[t] - threshold),   u[t] = u'[t] (1 - s[t])
        w[t] = β w[t-1] + (1-β) q (a u[t] + b s[t]),   q = 120
        α = exp(-1/τ_u), β = exp(-1/τ_w),   τ = τ_min + θ (τ_max - τ_min)

    τ_u is between 5 and 25 steps, τ_w between 60 and 300; θ and a are clamped to [0, 1] and b to [0, 2] in the forward
    pass, the raw values are kept. Source: Baronig, Ferrand, Sabathiel and Legenstein (2025), with the values of its
    published code, which lets no gradient through the spike that empties the membrane, and fires at the threshold, too.

    Its state stays bounded for bounded currents, whenever it fires. Between spikes (u, w) moves by A with the entries
    α, -(1-α), c α and β - c (1-α), where c = (1-β) q a. In the norm c α u² + (1-α) w² it shrinks if
    |α - β + c (1-α)| + αβ < 1 (αβ being det A), which is c < 1 + β for c >= 0; and that is so, for
    q a <= 120 <= 2 τ_w < coth(1 / (2 τ_w)) = (1+β) / (1-β). A spike leaves (0, β w + (1-β) q b): it shrinks, too.
    At a = 0 the membrane does not act on w, and both decay by themselves.

    Args:
        size: Number of neurons, or shape of the population.
        theta_u: Initial θ of the membrane: a number, a tensor, or a range to draw from uniformly.
        theta_w: Initial θ of the adaptation.
        a: Initial coupling from membrane to adaptation.
        b: Initial jump of the adaptation by a spike.
        detach_reset: Whether the spike that empties the membrane is a constant for the gradient, as published.
        threshold: Membrane potential above which the neuron fires.
        learn: True, False, or the names of the parameters to train: ``theta_u, theta_w, a, b``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.dynamics import is_stable
        >>> neurons = SEAdLIF(100)
        >>> spikes, state = neurons(5 * torch.rand(50, 2, 100))
        >>> bool(is_stable(neurons.dynamics().between_spikes()).all())
        True
    """

    theta_u: Tensor
    theta_w: Tensor
    a: Tensor
    b: Tensor
    normalised = True
    own_surrogate = "slayer"

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        theta_u: Init = (0.0, 1.0),
        theta_w: Init = (0.0, 1.0),
        a: Init = (0.0, 1.0),
        b: Init = (0.0, 2.0),
        detach_reset: bool = True,
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        self.detach_reset = detach_reset
        draw = sampler(self.size, generator=generator)
        given = {"theta_u": theta_u, "theta_w": theta_w, "a": a, "b": b}
        self.register_values(learn, **{name: draw(name, init, False) for name, init in given.items()})

    def dynamics(self) -> SEAdLIFDynamics:
        """Return the symplectic integrator with the clamped parameters."""
        alpha, beta = _decay(self.theta_u, TAU_U), _decay(self.theta_w, TAU_W)
        gain = (1 - beta) * ADAPTATION
        return SEAdLIFDynamics(
            alpha, beta, gain * self.a.clamp(0, 1), gain * self.b.clamp(0, 2), self.threshold, self.detach_reset
        )


def _decay(theta: Tensor, limits: tuple[float, float]) -> Tensor:
    low, high = limits
    return torch.exp(-1 / (low + theta.clamp(0, 1) * (high - low)))
