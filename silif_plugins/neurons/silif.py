"""SiLIF: the adaptive neuron with log-domain time constants and a trained timestep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ..dynamics import Flow, StateSpace
from .adlif import adaptive_integrator
from .coefficients import coefficients
from .log_domain import RAW_RATE, RAW_TIMESTEP, LogDomainNeuron, decay, leak, step
from .registry import register_neuron
from .sampling import Init, Learn, sampler

COUPLING = (0.0, 1.0)
"""Where a is clamped in the forward pass. Within it every neuron is stable: see docs/explanations/state-space.md."""

SPIKE_COUPLING = (0.0, 2.0)
"""Where b is clamped in the forward pass."""


def silif_space(
    log_inv_tau_u: Tensor,
    log_inv_tau_w: Tensor,
    log_dt: Tensor,
    a: Tensor,
    b: Tensor,
    threshold: Tensor | float = 1.0,
) -> StateSpace:
    """SiLIF's parameters as a state space (SiLIF paper, algorithm 1).

    α = exp(-Δ/τ_u) and β = exp(-Δ/τ_w) from logarithms of 1/τ_u, 1/τ_w [1/s] and Δ [s]; a and b are clamped.
    """
    log_step_u, log_step_w = log_inv_tau_u + log_dt, log_inv_tau_w + log_dt
    return adaptive_integrator(
        decay(log_step_u),
        leak(log_step_u),
        decay(log_step_w),
        a.clamp(*COUPLING),
        b.clamp(*SPIKE_COUPLING),
        threshold,
    )


SMALLEST = 1e-30
"""Square of the distance between SiLIF's eigenvalues that counts: at 0 the modes of its flow would be one."""


def silif_flow(
    log_inv_tau_u: Tensor,
    log_inv_tau_w: Tensor,
    log_dt: Tensor,
    a: Tensor,
    b: Tensor,
    threshold: Tensor | float = 1.0,
) -> Flow:
    """SiLIF over t of its own steps: the power A^t of its transition matrix.

    The arguments are those of :func:`silif_space`, whose step is that of t = 1. With m and d of A's eigenvalues
    m ± sqrt(d), det A = αβ: where d < 0 they are sqrt(αβ) e^(± i turn), and log sqrt(αβ) is the mean of the rates times
    the timestep; elsewhere they are real. R = A K with K = (-1, (a + b) / β): a spike takes 1 from u at once.
    """
    step_u, step_w = step(log_inv_tau_u + log_dt), step(log_inv_tau_w + log_dt)
    space = silif_space(log_inv_tau_u, log_inv_tau_w, log_dt, a, b, threshold)
    mean, half = (space.a11 + space.a22) / 2, (space.a11 - space.a22) / 2
    square = half**2 + space.a12 * space.a21
    rings = square < 0
    root = square.abs().clamp(min=SMALLEST).sqrt()
    # Each branch of where is finite in the other's place, too: 0 times inf would be the gradient.
    size = torch.where(rings, torch.ones_like(mean), mean.abs().clamp(min=SMALLEST))
    apart = torch.where(rings, torch.zeros_like(mean), root / size)
    unit = torch.where(~rings & (mean < 0), -root, root)
    straight = torch.where(mean < 0, torch.full_like(mean, math.pi), torch.zeros_like(mean))
    return Flow(
        slow=torch.where(rings, (step_u + step_w) / 2, -torch.log(size + torch.where(rings, 0, root))),
        gap=2 * torch.atanh(apart.clamp(max=1 - torch.finfo(mean.dtype).eps)),
        turn=torch.where(rings, torch.atan2(root, mean), straight),
        m11=half / unit,
        m12=space.a12 / unit,
        m21=space.a21 / unit,
        b1=space.b1,
        b2=space.b2,
        k1=-torch.ones_like(mean),
        k2=(space.a21 + space.r2) / space.a22,
        threshold=space.threshold,
    )


@register_neuron("SiLIF")
class SiLIF(LogDomainNeuron):
    """SSM-inspired leaky integrate-and-fire neurons.

        w[t] = β w[t-1] + a u[t-1] + b s[t-1]
        u[t] = α (u[t-1] - s[t-1]) + (1-α) (I[t] - w[t]),   s[t] = H(u[t] - threshold)
        α = exp(-Δ/τ_u),  β = exp(-Δ/τ_w)

    with log(1/τ_u), log(1/τ_w) and log Δ trained for every neuron. Source: SiLIF paper, algorithm 1; initial
    ranges from its published code. Every |eigenvalue| is below 1 for every value of the parameters.

    ``scan(..., dt=d)`` runs d steps at once. The input is an impulse at the end of the duration and enters by the
    (1-α) of one step, however long the duration; the spike before it acts in the first of the d steps. So whole d are
    d steps of the equations above, of which the last alone has an input; other durations are on the curve through these
    (:func:`silif_plugins.neurons.silif_flow`).

    Args:
        size: Number of neurons, or shape of the population.
        dt: Initial timestep Δ in seconds: a number, a tensor, or a range to draw from. With ``learn`` leaving
            it out, a number is the paper's "constant Δ (single value)", a range its "constant Δ (uniform)".
        tau_u: Initial membrane time constant in seconds; ranges are drawn uniformly in the trained domain.
        tau_w: Initial adaptation time constant in seconds.
        a: Initial coupling from membrane to adaptation.
        b: Initial jump of the adaptation by a spike.
        threshold: Membrane potential above which the neuron fires.
        log: False trains 1/τ_u, 1/τ_w and Δ themselves, without the logarithmic reparametrisation.
        learn: True, False, or the names of the parameters to train: ``log_inv_tau_u, log_inv_tau_w, log_dt,
            a, b`` (without ``log_`` for ``log=False``).
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.scan import scan
        >>> neuron = SiLIF(128)
        >>> spikes, state = scan(neuron.state_space(), torch.randn(100, 8, 128))   # [T, B, N]
        >>> spikes.shape
        torch.Size([100, 8, 128])
    """

    normalised = True
    xavier = True
    # There alpha, beta and dt are logarithms, although AdLIF uses the first two names for decays.
    published_names: ClassVar = {
        "alpha": "log_inv_tau_u",
        "beta": "log_inv_tau_w",
        "dt": "log_dt",
        "a": "a",
        "b": "b",
    }

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: Init = 0.004,
        tau_u: Init = (1 / 250, 1 / 10),
        tau_w: Init = (1 / 10, 1 / 2.5),
        a: Init = COUPLING,
        b: Init = SPIKE_COUPLING,
        threshold: float | Tensor = 1.0,
        log: bool = True,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold, log=log)
        draw = sampler(self.size, generator=generator)
        self.register_values(
            learn,
            **{
                self._name("inv_tau_u"): draw("tau_u", inverse("tau_u", tau_u), log),
                self._name("inv_tau_w"): draw("tau_w", inverse("tau_w", tau_w), log),
                self._name("dt"): draw("dt", dt, log),
                "a": draw("a", a, False),
                "b": draw("b", b, False),
            },
        )

    def decays(self) -> tuple[Tensor, Tensor]:
        r"""Return α and β, the decays of membrane and adaptation per step, each [\*size]."""
        log_dt = self._log_of("dt", RAW_TIMESTEP)
        rates = (self._log_of(name, RAW_RATE) for name in ("inv_tau_u", "inv_tau_w"))
        alpha, beta = (decay(log_rate + log_dt) for log_rate in rates)
        return alpha, beta

    def flow(self) -> Flow:
        """Return the flow of :func:`silif_flow` with this population's parameters."""
        return silif_flow(
            self._log_of("inv_tau_u", RAW_RATE),
            self._log_of("inv_tau_w", RAW_RATE),
            self._log_of("dt", RAW_TIMESTEP),
            self.get_parameter_or_buffer("a"),
            self.get_parameter_or_buffer("b"),
            self.threshold,
        )

    def state_space(self) -> StateSpace:
        """Return the state space of :func:`silif_space` with this population's parameters."""
        return coefficients(
            silif_space,
            self._log_of("inv_tau_u", RAW_RATE),
            self._log_of("inv_tau_w", RAW_RATE),
            self._log_of("dt", RAW_TIMESTEP),
            self.get_parameter_or_buffer("a"),
            self.get_parameter_or_buffer("b"),
            self.threshold,
        )


def inverse(name: str, time: Init) -> Init:
    """Turn time constants into rates: a number, a tensor, or a range (whose ends change places)."""
    if isinstance(time, Tensor):
        return 1 / time
    low, high = time if isinstance(time, tuple) else (time, time)
    if not 0 < low <= high:
        raise ValueError(f"{name}: got {time}; it must be a positive time in seconds or a range (low, high) of them")
    return (1 / high, 1 / low) if isinstance(time, tuple) else 1 / low
