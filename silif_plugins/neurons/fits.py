"""FiTS: neurons that resonate at a frequency of their own, and those that also shape when they answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..dynamics import DenseSpace, StateSpace
from .neuron import Neuron
from .registry import register_neuron
from .sampling import Init, Learn, has_values, sampler

CEILING = 0.99
"""Largest share of the coupling at which a neuron would be unstable; 0.98 of the frequency in the published guard."""

STAGES = 2

LARGEST_RAW = 8.0
"""Magnitude at which the raw β is cut: at 1 a filter would remember for ever."""

SLIGHTLY = 1 / (1 + math.exp(3))
"""Published start of λ."""


class FrequencyNeuron(Neuron):
    """What both forms of FiTS share: two leaks, and a trained coupling that makes them resonate.

    Args:
        size: Number of neurons, or shape of the population.
        dt: Timestep Δ in seconds, fixed.
        tau_m: Membrane time constant in seconds, fixed.
        tau_a: Adaptation time constant in seconds, fixed.
        threshold: Membrane potential above which the neuron fires.

    Raises:
        ValueError: If a time is not positive, or a time constant is not longer than the timestep.
    """

    logit: Tensor
    own_surrogate = "triangle"

    def __init__(
        self, size: int | Sequence[int], *, dt: float, tau_m: float, tau_a: float, threshold: float | Tensor
    ) -> None:
        super().__init__(size, threshold=threshold)
        if not 0 < dt < min(tau_m, tau_a) < math.inf:
            raise ValueError(f"dt, tau_m, tau_a: got {dt}, {tau_m}, {tau_a}; dt must be positive and the smallest")
        self.dt, self.tau_m, self.tau_a = float(dt), float(tau_m), float(tau_a)
        self.kept_m, self.kept_a = 1 - dt / tau_m, 1 - dt / tau_a

    def _logits(self, frequency: Init, generator: torch.Generator | None, mixed: Tensor) -> Tensor:
        """Return the values whose neurons resonate at these frequencies; by default spread evenly over a range."""
        wanted = sampler(self.size, generator=generator)("frequency", frequency, True)  # refuses what is no frequency
        if isinstance(frequency, tuple):
            low, high = map(math.log, frequency)
            wanted = torch.linspace(low, high, math.prod(self.size)).reshape(self.size)
        wanted = wanted.double().exp()
        rho, mu = 1 / self.tau_a, 1 / self.tau_m
        square = (2 * math.pi * wanted / rho) ** 2
        coupling = rho * (rho + mu) * (torch.sqrt(1 + (1 + square) ** 2 / (1 + mu / rho) ** 2) - 1)
        largest = CEILING * limit(self.kept_m, self.kept_a, mixed.double())
        share = coupling * self.dt**2 / largest
        if has_values(share) and bool((share >= 1).any()):
            highest = self._resonance(largest.min()).item()
            raise ValueError(
                f"frequency: got {wanted.max().item():.3g} Hz; with this dt it must be below {highest:.3g} Hz"
            )
        return share.logit().to(torch.get_default_dtype())

    def coupling(self) -> Tensor:
        r"""Return √(κ Δ²), how strongly membrane and adaptation act on each other in a step, [\*size]."""
        share = 0.5 * torch.nn.functional.logsigmoid(self.logit.clamp(-60, 60))
        return share.exp() * torch.sqrt(CEILING * limit(self.kept_m, self.kept_a, self._mixed()))

    def frequencies(self) -> Tensor:
        r"""Return the frequencies in Hz at which the neurons resonate, [\*size]; 0 for those that do not."""
        return self._resonance(self.coupling().double() ** 2)

    def _resonance(self, coupling: Tensor) -> Tensor:
        kappa, rho, mu = coupling / self.dt**2, 1 / self.tau_a, 1 / self.tau_m
        square = torch.sqrt(kappa * (2 * rho**2 + 2 * rho * mu + kappa)) - rho**2
        return square.clamp(min=0).sqrt() / (2 * math.pi)

    def _mixed(self) -> Tensor:
        """Return the share of the membrane that has gone through an all-pass filter."""
        return torch.zeros_like(self.logit)

    @property
    def timestep(self) -> Tensor:
        """Duration of a step in seconds, one number."""
        return torch.tensor(self.dt)

    def extra_repr(self) -> str:
        """Add the timestep."""
        return f"{super().extra_repr()}, dt={self.dt:g}"


def limit(p: float, q: float, mixed: Tensor) -> Tensor:
    """Return the largest κΔ² below which neurons are stable, whatever all-pass filters a share of the membrane passes.

    With w = 1/z, P(w) = 1 - p (1-λ) w and a(w) the filters, of modulus at most 1 for |w| <= 1, the poles are where
    (P(w) - p λ w a(w)) (1 - q w) + κΔ² w = 0. None has |w| <= 1 if |P(w) + κΔ² w / (1 - q w)| > p λ there, and by the
    maximum principle it is enough to ask that on |w| = 1. In u = cos arg w this is a quadratic, positive on [-1, 1],

        4 e u² + 2 (c (1+e) + q p² λ²) u + (1-e)² + c² - p² λ² (1+q²) > 0,   e = p (1-λ) q,   c = κΔ² - p (1-λ) - q

    which holds at κ = 0 and, as κ grows, fails first where its discriminant vanishes, or at u = -1 if the vertex lies
    beyond. Without filters (λ = 0) this is (1+p) (1+q), the criterion of Jury.

    Args:
        p: 1 - Δ/τ_m, between 0 and 1.
        q: 1 - Δ/τ_a, between 0 and 1.
        mixed: λ, from 0 to 1.

    Examples:
        >>> limit(0.9, 0.98, torch.tensor([0.0, 0.05, 1.0]))
        tensor([3.7620, 3.3886, 0.1980])
    """
    kept, delayed = p * (1 - mixed), p * mixed
    e = kept * q
    edge = (1 + q) * (1 + kept - delayed)
    a, b = (1 - e) ** 2, (1 + e) * q * delayed**2
    square = b**2 - a * (q**2 * delayed**4 - 4 * e * (1 - e) ** 2 + 4 * e * delayed**2 * (1 + q**2))
    touches = square > 0
    c = (torch.where(touches, square, torch.ones_like(square)).sqrt() - b) / a
    return torch.where(touches & (c * (1 + e) + q * delayed**2 <= 4 * e), c + kept + q, edge)


@register_neuron("FiTS")
class FITS(FrequencyNeuron):
    """Neurons that are selective for a frequency.

        u[t] = p u[t-1] - k a[t-1] + I[t] - p s[t-1],   a[t] = q a[t-1] + k (p (u[t-1] - s[t-1]) - k a[t-1] + I[t])
        s[t] = H(u[t] - threshold),   p = 1 - Δ/τ_m,   q = 1 - Δ/τ_a,   k² = κΔ² = 0.99 (1+p) (1+q) sigmoid(logit)

    A semi-implicit Euler step of V' = -V/τ_m + I - √κ a, a' = -a/τ_a + √κ V, without Δ before the input. The response
    of that system peaks at a frequency f with Ω = 2π f and, for μ = 1/τ_m and ρ = 1/τ_a,

        κ = ρ (ρ+μ) (√(1 + (1 + (Ω/ρ)²)² / (1 + μ/ρ)²) - 1).

    Source: Choi and Chung (2026), FiTS with M = 0; time constants and initial frequencies of its code for SHD. There
    log f is trained, and neurons become unstable above 77 Hz; its code moves them back after each step. Here κ is
    trained, as a share of what is stable.

    Stable for every value of the parameter, by the criterion of Jury: det A = p q < 1, and 1 - tr A + det A =
    (1-p) (1-q) + κΔ² and 1 + tr A + det A = (1+p) (1+q) - κΔ² are positive.

    Args:
        size: Number of neurons, or shape of the population.
        dt: Timestep Δ in seconds, fixed.
        tau_m: Membrane time constant in seconds, fixed.
        tau_a: Adaptation time constant in seconds, fixed.
        frequency: Initial frequency in Hz: a number, a tensor, or a range over which the neurons are spread evenly in
            its logarithm.
        threshold: Membrane potential above which the neuron fires.
        learn: True, False, or the names of the parameters to train: ``logit``.
        generator: Source of randomness of initial values that are drawn: of none, by default.

    Raises:
        ValueError: If a size, a time, a frequency or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.dynamics import is_stable
        >>> neuron = FITS(100)
        >>> bool(is_stable(neuron.state_space()).all()), neuron.frequencies().max().item()
        (True, 50.0...)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: float = 0.004,
        tau_m: float = 0.04,
        tau_a: float = 0.2,
        frequency: Init = (1.0, 50.0),
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, dt=dt, tau_m=tau_m, tau_a=tau_a, threshold=threshold)
        self.register_values(learn, logit=self._logits(frequency, generator, torch.zeros(self.size)))

    def state_space(self) -> StateSpace:
        """Return the resonator as a state space on (u, a)."""
        coupling = self.coupling()
        return StateSpace.of(
            a11=self.kept_m * torch.ones_like(coupling),
            a12=-coupling,
            a21=self.kept_m * coupling,
            a22=self.kept_a - coupling**2,
            b1=1.0,
            b2=coupling,
            r1=-self.kept_m,
            r2=-self.kept_m * coupling,
            threshold=self.threshold,
        )


@register_neuron("FiTS-TS")
class FITSTS(FrequencyNeuron):
    """Neurons that are selective for a frequency, with trained all-pass filters that shape when they answer.

        v₀[t] = p (v[t-1] - s[t-1]) - k a[t-1] + I[t],   a[t] = q a[t-1] + k v₀[t]
        v_m[t] = -β_m v_{m-1}[t] + W_m[t-1],   W_m[t] = v_{m-1}[t] + β_m v_m[t]   for each of one or two filters
        v[t] = (1-λ₁) v₀ + λ₁ v₁,   or (1-λ₁) v₀ + λ₁ ((1-λ₂) v₁ + λ₂ v₂),   s[t] = H(v[t] - threshold)

    p, q and k are those of :class:`FITS`, but for the bound of k² = κΔ²: that is 0.99 of :func:`limit`, below which
    the neuron is stable for every value of its parameters, where the proof stands. At the initial λ it is 73.6 Hz.
    β = tanh(raw), λ = sigmoid(raw). Source: Choi and Chung (2026), FiTS with M = 1 or 2, with its initial values. A
    reset takes one from v; the adaptation and the filters keep what they have.

    Args:
        size: Number of neurons, or shape of the population.
        stages: Number of filters M: 1 makes three states, 2 four.
        dt: Timestep Δ in seconds, fixed.
        tau_m: Membrane time constant in seconds, fixed.
        tau_a: Adaptation time constant in seconds, fixed.
        frequency: Initial frequency in Hz, as in :class:`FITS`; of the system before its filters.
        beta: Initial β, between -1 and 1.
        mix: Initial λ, between 0 and 1.
        threshold: Membrane potential above which the neuron fires.
        learn: True, False, or the names of the parameters to train: ``logit, raw_beta_1, raw_mix_1`` and, of a second
            filter, ``raw_beta_2, raw_mix_2``.
        generator: Source of randomness of initial values that are drawn: of none, by default.

    Raises:
        ValueError: If a size, a time, a frequency or a name is not valid; the message says which.

    Examples:
        >>> neuron = FITSTS(100, stages=2)
        >>> spikes, state = neuron(torch.rand(50, 2, 100))
        >>> state._fields
        ('mem', 'x1', 'x2', 'x3', 'x4', 'spk')
    """

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        stages: int = 1,
        dt: float = 0.004,
        tau_m: float = 0.04,
        tau_a: float = 0.2,
        frequency: Init = (1.0, 50.0),
        beta: Init = 0.0,
        mix: Init = SLIGHTLY,
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, dt=dt, tau_m=tau_m, tau_a=tau_a, threshold=threshold)
        if stages not in range(1, STAGES + 1):
            raise ValueError(f"stages: got {stages}; it must be 1 or 2 (FITS has none)")
        self.stages = stages
        draw = sampler(self.size, generator=generator)
        filters = {}
        for stage in range(1, stages + 1):
            filters[f"raw_beta_{stage}"] = draw("beta", beta, False).atanh()
            filters[f"raw_mix_{stage}"] = draw("mix", mix, False).logit()
            if not all(value.isfinite().all() for value in filters.values() if has_values(value)):
                raise ValueError(f"beta, mix: got {beta}, {mix}; beta must be between -1 and 1, mix between 0 and 1")
        logit = self._logits(frequency, generator, filters["raw_mix_1"].sigmoid())
        self.register_values(learn, logit=logit, **filters)

    def _mixed(self) -> Tensor:
        return self._raw("mix", 1).sigmoid()

    def dynamics(self) -> DenseSpace:
        """Return the resonator with its filters as a system on (v, a, W), its equations put into each other."""
        coupling, states = self.coupling(), 2 + self.stages
        zero, one = torch.zeros_like(coupling), torch.ones_like(coupling)
        # What each quantity of this step is made of: the states of the last one, and the input.
        units = [torch.stack([one if i == j else zero for j in range(states + 1)]) for i in range(states + 1)]
        passed = [self.kept_m * units[0] - coupling * units[1] + units[-1]]
        rows = [self.kept_a * units[1] + coupling * passed[0]]
        for stage in range(1, self.stages + 1):
            beta = self._raw("beta", stage).clamp(-LARGEST_RAW, LARGEST_RAW).tanh()
            passed.append(units[1 + stage] - beta * passed[-1])
            rows.append(passed[-2] + beta * passed[-1])
        mixed = passed.pop()
        for stage in range(self.stages, 0, -1):
            mixed = passed[stage - 1] + self._raw("mix", stage).sigmoid() * (mixed - passed[stage - 1])
        table = torch.stack([mixed, *rows]).movedim((0, 1), (-2, -1))
        transition, gain = table[..., :-1], table[..., -1]
        # The reset takes one from v before the step.
        return DenseSpace.of(transition, gain, -transition[..., 0], torch.eye(states)[0].to(gain), self.threshold)

    def _raw(self, name: str, stage: int) -> Tensor:
        value = getattr(self, f"raw_{name}_{stage}")
        assert isinstance(value, Tensor)
        return value

    def extra_repr(self) -> str:
        """Add the number of filters."""
        return f"{super().extra_repr()}, stages={self.stages}"
