"""S5-RF: resonate-and-fire neurons in the form of S5, a diagonal state space model, without a reset."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..dynamics import State, StateSpace
from .log_domain import LogDomainNeuron, leak, pole, rotation, step, timestep
from .registry import register_neuron
from .sampling import Init, Learn, sampler, uniform_complex_state

BLOCK = 32
"""Neurons that share the frequencies of one HiPPO matrix: 16 blocks for 512 neurons, as published."""


SMALL = 1e-4
"""|z| below which (exp(z) - 1) / z is its series: exact to 1e-13, where the quotient's gradient is noise."""


def s5rf_space(
    log_decay: Tensor, omega: Tensor, log_dt: Tensor, threshold: Tensor | float = 1.0, *, zoh: bool = True
) -> StateSpace:
    """S5-RF's parameters as a state space on (Re x, Im x): the pole exp(Δ λ), its input, and no reset."""
    log_step, phase = log_decay + log_dt, rotation(omega, log_dt)
    real, imaginary = pole(log_step, phase)
    b1, b2 = held(log_step, phase) if zoh else (torch.ones_like(real), torch.zeros_like(real))
    gain = timestep(log_dt) if zoh else 1.0
    return StateSpace.of(
        a11=real, a12=-imaginary, a21=imaginary, a22=real, b1=gain * b1, b2=gain * b2, threshold=threshold
    )


def held(log_step: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of (exp(z) - 1) / z, the zero-order hold, for z = -exp(log_step) + i phase."""
    a, (_, imaginary) = step(log_step), pole(log_step, phase)
    real = -leak(log_step) * phase.cos() - 2 * (phase / 2).sin() ** 2  # of exp(z) - 1, without cancellation
    square = a**2 + phase**2
    small = square < SMALL**2
    square = torch.where(small, torch.ones_like(square), square)
    return (
        torch.where(small, 1 - a / 2 + (a**2 - phase**2) / 6, (phase * imaginary - a * real) / square),
        torch.where(small, phase / 2 - a * phase / 3, -(phase * real + a * imaginary) / square),
    )


@register_neuron("S5-RF")
class S5RF(LogDomainNeuron):
    """Resonate-and-fire neurons in the form of S5, which have no reset.

        x[t] = exp(Δ λ) x[t-1] + B I[t],   s[t] = H(Re x[t] - threshold),   λ = -exp(log_decay) + i ω

    with B = (exp(Δ λ) - 1) / λ, for a current that is held over the step, or B = 1, for one that comes as impulses.
    log_decay, ω and log Δ are trained for every neuron. Source: Huber et al. (2025), arXiv 2504.00719, the neurons of
    its layers for a real input; initial values of its code. Its networks have complex weights, skips and another
    surrogate. At the start layers are quiet with the first (0.4 % of the bins on spoken digits), loud with the second.

    Stable for every value of the parameters: both eigenvalues, exp(Δ λ) and its conjugate, have the modulus
    exp(-Δ exp(log_decay)) < 1. So |x| stays below |B| max|I| / (1 - |exp(Δ λ)|), whatever the spikes.

    Args:
        size: Number of neurons, or shape of the population.
        dt: Initial timestep Δ: a number, a tensor, or a range that is drawn from uniformly in the log domain.
        decay: Initial -Re λ.
        omega: Initial ω = Im λ. By default the frequencies of the normal part of HiPPO-LegS, in blocks.
        block: Neurons that share the frequencies of one matrix.
        zoh: False takes the current as impulses, the code's "dirac", which it uses in all layers but the first.
        threshold: Threshold of Re x.
        learn: True, False, or the names of the parameters to train: ``log_decay, omega, log_dt``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.dynamics import is_stable
        >>> neuron = S5RF(100)
        >>> bool(is_stable(neuron.state_space()).all()), bool(neuron.state_space().r1.any())
        (True, False)
    """

    omega: Tensor

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: Init = (0.004, 0.1),
        decay: Init = 0.5,
        omega: Init | None = None,
        block: int = BLOCK,
        zoh: bool = True,
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        if block < 1:
            raise ValueError(f"block: got {block}; it must be positive")
        self.zoh = zoh
        draw = sampler(self.size, generator=generator)
        self.register_values(
            learn,
            log_decay=draw("decay", decay, True),
            omega=draw("omega", hippo_frequencies(self.size, block) if omega is None else omega, False),
            log_dt=draw("dt", dt, True),
        )

    def state_space(self) -> StateSpace:
        """Return the state space of ``s5rf_space`` with this population's parameters."""
        log_decay, log_dt = (self.get_parameter_or_buffer(name) for name in ("log_decay", "log_dt"))
        return s5rf_space(log_decay, self.omega, log_dt, self.threshold, zoh=self.zoh)

    def uniform_state(self, batch: Sequence[int], *, generator: torch.Generator | None = None) -> State:
        """Draw x with real and imaginary part from U[0, 1), then spk."""
        return uniform_complex_state((*batch, *self.size), self.threshold, 1.0, generator)


def hippo_frequencies(size: Sequence[int], block: int = BLOCK) -> Tensor:
    r"""Imaginary parts of the eigenvalues of the normal part of HiPPO-LegS, in blocks, [\*size].

    That matrix has -1/2 on its diagonal and ∓ sqrt((2i+1)(2j+1)) / 2 below and above it (Gu et al., 2022).
    """
    neurons = math.prod(size)
    root = torch.sqrt(2 * torch.arange(min(block, neurons), dtype=torch.float64) + 1)
    skew = torch.triu(torch.outer(root, root) / 2, diagonal=1)
    frequencies = torch.linalg.eigvalsh(-1j * (skew - skew.T)).to(torch.get_default_dtype())
    return frequencies.repeat(-(-neurons // len(frequencies)))[:neurons].reshape(tuple(size))
