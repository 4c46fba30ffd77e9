"""C-SiLIF: the oscillating neuron, a complex state held as two real numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..dynamics import Flow, State, StateSpace
from .coefficients import coefficients
from .log_domain import LARGEST, RAW_RATE, RAW_TIMESTEP, LogDomainNeuron, cut, decay, pole, rotation, step
from .registry import register_neuron
from .sampling import Init, Learn, sampler, uniform_complex_state

HALF_RESET = 0.5
FULL_RESET = 1.0


def csilif_space(
    log_decay: Tensor,
    omega: Tensor,
    log_dt: Tensor,
    b: Tensor,
    threshold: Tensor | float = 1.0,
    *,
    reset: float = HALF_RESET,
) -> StateSpace:
    """C-SiLIF's parameters as a state space on z = u / reset (SiLIF paper, algorithm 2).

    The paper's u = α (u - s/2) + b I, s = H(2 Re u - 1) is z = α (z - s) + 2 b I, s = H(Re z - 1). The modulus
    and the phase of α = exp(Δ(-exp(log_decay) + i ω)) are computed apart, so that |α| < 1 holds to the last digit.

    Args:
        log_decay: log(-Re λ), λ in 1/s.
        omega: Im λ, the angular frequency in rad/s.
        log_dt: log Δ, Δ in seconds.
        b: Input gate.
        threshold: Threshold of Re z.
        reset: Share of a spike that is fed back into u: 1/2 in the paper, 1 in its ablation.
    """
    real, imaginary = pole(log_decay + log_dt, rotation(omega, log_dt))
    return StateSpace.of(
        a11=real,
        a12=-imaginary,
        a21=imaginary,
        a22=real,
        b1=cut(b, LARGEST) / reset,
        r1=-real,
        r2=-imaginary,
        threshold=threshold,
    )


def csilif_flow(
    log_decay: Tensor,
    omega: Tensor,
    log_dt: Tensor,
    b: Tensor,
    threshold: Tensor | float = 1.0,
    *,
    reset: float = HALF_RESET,
) -> Flow:
    """C-SiLIF over t of its own steps: z <- α^t (z - s) + 2 b I, from the rates themselves.

    The arguments are those of :func:`csilif_space`, whose step is that of t = 1.
    """
    slow = step(log_decay + log_dt)
    zero = torch.zeros_like(slow)
    return Flow(
        slow=slow,
        gap=zero,
        turn=rotation(omega, log_dt),
        m11=zero,
        m12=zero - 1,
        m21=zero + 1,
        b1=cut(b, LARGEST) / reset,
        b2=zero,
        k1=zero - 1,
        k2=zero,
        threshold=torch.as_tensor(threshold, dtype=slow.dtype, device=slow.device),
    )


@register_neuron("C-SiLIF")
class CSiLIF(LogDomainNeuron):
    """Complex-valued SSM-inspired leaky integrate-and-fire neurons.

        z[t] = α (z[t-1] - s[t-1]) + 2 b I[t],   s[t] = H(Re z[t] - threshold)
        α = exp(Δ (-exp(log_decay) + i ω))

    with z = 2u of the paper's algorithm 2: the same spikes, two real states, no complex tensors. log_decay, ω,
    log Δ and the input gate b are trained for every neuron. |α| is below 1 for every value of the parameters.

    ``scan(..., dt=d)`` runs d steps at once: z <- α^d (z - s) + 2 b I. The input is an impulse at the end of the
    duration, as it is at the end of a step; d = 1 is the equation above, and whole d is d steps of it of which the last
    alone has an input.

    Args:
        size: Number of neurons, or shape of the population.
        dt: Initial timestep Δ in seconds: a number, a tensor, or a range to draw from; the paper's code has
            (0.01, 0.5) for SHD and (0.01, 5) for SSC. With ``learn`` leaving it out, a number is the paper's
            "constant Δ (single value)", a range its "constant Δ (uniform distribution)".
        decay: Initial -Re λ in 1/s.
        omega: Initial angular frequency Im λ in rad/s.
        b: Initial input gate.
        threshold: Threshold of Re z.
        init: ``"s4d-lin"``: decay 1/2 and ω = π, the first S4D-Lin mode, spread by dt. ``"uniform"``: decay
            from (1, 10), ω from (5, 10), dt from (0.001, 0.5), the ablation. Given values take precedence.
        half_reset: False feeds the whole spike back instead of half of it (ablation).
        input_gating: False leaves b out: it is 1 and not trained (ablation).
        log: False trains -Re λ and Δ themselves, without the logarithmic reparametrisation (ablation).
        learn: True, False, or the names of the parameters to train: ``log_decay, omega, log_dt, b``
            (``decay`` and ``dt`` for ``log=False``).
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.dynamics import oscillates
        >>> bool(oscillates(CSiLIF(128).state_space()).all())
        True
    """

    published_names: ClassVar = {
        "log_log_alpha": "log_decay",
        "alpha_img": "omega",
        "log_dt": "log_dt",
        "b": "b",
    }

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: Init | None = None,
        decay: Init | None = None,
        omega: Init | None = None,
        b: Init = (0.0, 1.0),
        threshold: float | Tensor = 1.0,
        init: Literal["s4d-lin", "uniform"] = "s4d-lin",
        half_reset: bool = True,
        input_gating: bool = True,
        log: bool = True,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold, log=log)
        if init not in ("s4d-lin", "uniform"):
            raise ValueError(f"init: got {init!r}; it must be 's4d-lin' or 'uniform'")
        s4d = init == "s4d-lin"
        self.half_reset = half_reset
        draw = sampler(self.size, generator=generator)
        values = {
            self._name("decay"): draw("decay", _first(decay, 0.5 if s4d else (1.0, 10.0)), log),
            "omega": draw("omega", _first(omega, math.pi if s4d else (5.0, 10.0)), False),
            self._name("dt"): draw("dt", _first(dt, (0.01, 0.5) if s4d else (0.001, 0.5)), log),
        }
        self.register_values(learn, **values, **({"b": draw("b", b, False)} if input_gating else {}))
        if not input_gating:
            self.register_values(False, b=draw("b", 1.0, False))

    def decays(self) -> Tensor:
        r"""Return \|α\|, the decay of the state per step, [\*size]."""
        return decay(self._log_of("decay", RAW_RATE) + self._log_of("dt", RAW_TIMESTEP))

    def state_space(self) -> StateSpace:
        """Return the state space of :func:`csilif_space` with this population's parameters."""
        return coefficients(
            csilif_space,
            self._log_of("decay", RAW_RATE),
            self.get_parameter_or_buffer("omega"),
            self._log_of("dt", RAW_TIMESTEP),
            self.get_parameter_or_buffer("b"),
            self.threshold,
            reset=self._reset,
        )

    def flow(self) -> Flow:
        """Return the flow of :func:`csilif_flow` with this population's parameters."""
        return csilif_flow(
            self._log_of("decay", RAW_RATE),
            self.get_parameter_or_buffer("omega"),
            self._log_of("dt", RAW_TIMESTEP),
            self.get_parameter_or_buffer("b"),
            self.threshold,
            reset=self._reset,
        )

    def uniform_state(self, batch: Sequence[int], *, generator: torch.Generator | None = None) -> State:
        """Draw u with real and imaginary part from U[0, 1), then spk; the state is z = u / reset."""
        return uniform_complex_state((*batch, *self.size), self.threshold, 1 / self._reset, generator)

    @property
    def _reset(self) -> float:
        return HALF_RESET if self.half_reset else FULL_RESET

    def extra_repr(self) -> str:
        """Add the ablations that are in force."""
        return super().extra_repr() + ("" if self.half_reset else ", half_reset=False")


def _first(given: Init | None, default: Init) -> Init:
    return default if given is None else given
