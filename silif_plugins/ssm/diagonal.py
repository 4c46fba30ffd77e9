"""The diagonal state space: many complex decays per channel, as a convolution over time or step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

Frequencies = Literal["s4d-lin", "s4d-inv"]

DT = (0.001, 0.1)
"""Range of the initial time steps, of which each channel draws one, uniformly in the log domain."""

LEARNING_RATE = 1e-3
"""Of time steps, rates and frequencies (Gu et al., 2022); they have no weight decay."""

_OMEGA, _ETA = (1e-6, 100.0), (1e-6, 10.0)  # LongSpike's ranges


def _lin(order: Tensor, state_size: int) -> Tensor:
    return math.pi * order


def _inv(order: Tensor, state_size: int) -> Tensor:
    return state_size / math.pi * (state_size / (2 * order + 1) - 1)


FREQUENCIES: dict[str, Callable[[Tensor, int], Tensor]] = {"s4d-lin": _lin, "s4d-inv": _inv}
"""Imaginary parts of A by the name of their initialisation: π n, or (N/π) (N/(2n+1) - 1) (Gu et al., 2022)."""


class DiagonalSSM(nn.Module):
    r"""A linear system of N/2 pairs of complex conjugate states for each channel.

        h'(t) = A h(t) + u(t),   y(t) = 2 Re(C h(t)) + D u(t),   A = -exp(log_A_real) + i A_imag diagonal

    discretised with a zero-order hold at each channel's own time step Δ,

        h[t] = exp(ΔA) h[t-1] + u[t],   y[t] = 2 Re(C (exp(ΔA) - 1) / A · h[t]) + D u[t]

    which is a convolution with K[l] = 2 Re(C (exp(ΔA) - 1) / A · exp(ΔA l)): done by FFT for whole sequences. B is
    one and not trained. Sources: Gu, Gupta, Goel and Ré (2022), S4D; the names of parameters are those of its
    published code.

    With ``copies`` M the kernels of M systems are summed, whose A are -ω_m + η_m A and whose B are η_m: slower copies
    of the same system, after LongSpike (ω from 0 and η from 1 to 0.1 of them, both trained within bounds).

    Args:
        channels: Number of channels H.
        state_size: N, even: as many real numbers as a channel remembers.
        frequencies: Initial frequencies: ``"s4d-lin"``, π n, or ``"s4d-inv"``, (N/π) (N/(2n+1) - 1).
        dt: Range of the initial time steps.
        bidirectional: Whether a second kernel, with a C of its own, reads the sequence from its end.
        copies: Number of systems whose kernels are summed, M.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size is not positive, N is odd, or ``frequencies`` or ``dt`` is not valid.

    Examples:
        >>> system = DiagonalSSM(4, state_size=16)
        >>> inputs = torch.randn(50, 2, 4)                        # [T, B, H]
        >>> outputs, state = system(inputs), None
        >>> for now, expected in zip(inputs, outputs):
        ...     got, state = system.step(now, state)
        ...     torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    """

    def __init__(
        self,
        channels: int,
        *,
        state_size: int = 64,
        frequencies: Frequencies = "s4d-lin",
        dt: Sequence[float] = DT,
        bidirectional: bool = False,
        copies: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(channels=channels, copies=copies)
        check_system(state_size, frequencies, dt)
        self.channels, self.bidirectional, self.copies = channels, bidirectional, copies
        pairs = state_size // 2
        low, high = (math.log(each) for each in dt)
        self.log_dt = nn.Parameter(low + (high - low) * torch.rand(channels, generator=generator))
        self.log_A_real = nn.Parameter(torch.full((channels, pairs), math.log(0.5)))
        order = torch.arange(pairs, dtype=torch.get_default_dtype())
        self.A_imag = nn.Parameter(FREQUENCIES[frequencies](order, state_size).repeat(channels, 1))
        # Real and imaginary parts, of variance 1/2 each: optimisers and files need not know complex numbers.
        shape = (1 + bidirectional, channels, pairs, 2)
        self.C = nn.Parameter(torch.randn(shape, generator=generator) * math.sqrt(0.5))
        self.D = nn.Parameter(torch.randn(channels, generator=generator))
        several = copies > 1
        self.omega = nn.Parameter(_inner(torch.linspace(0, 0.1, copies), _OMEGA)) if several else None
        self.eta = nn.Parameter(_inner(torch.linspace(1, 0.1, copies), _ETA)) if several else None

    def extra_repr(self) -> str:
        """Return the sizes, for ``print``."""
        return f"{self.channels} channels, {2 * self.log_A_real.shape[1]} states, {self.copies} copies"

    def discretised(self) -> tuple[Tensor, Tensor]:
        """Return ΔA, [H, M N/2], and C (exp(ΔA) - 1) / A, [directions, H, M N/2], complex."""
        rates = torch.complex(-torch.exp(self.log_A_real), self.A_imag)
        weights = torch.view_as_complex(self.C)
        if self.omega is not None and self.eta is not None:
            omega, eta = (_outer(raw, limits).view(-1, 1) for raw, limits in ((self.omega, _OMEGA), (self.eta, _ETA)))
            rates = (eta * rates.unsqueeze(-2) - omega).flatten(-2)
            weights = (eta * weights.unsqueeze(-2)).flatten(-2)
        scaled = torch.exp(self.log_dt).unsqueeze(-1) * rates
        return scaled, weights * torch.expm1(scaled) / rates

    def kernel(self, steps: int) -> Tensor:
        """Return K[l] for l from 0 to ``steps`` - 1, [directions, H, steps].

        Powers of exp(ΔA) are products of one of √steps long strides and one of √steps short ones, so that a matrix
        product does most of the work.
        """
        scaled, weights = self.discretised()
        short = math.isqrt(max(steps - 1, 0)) + 1
        long = -(-steps // short)
        count = torch.arange(max(short, long), device=scaled.device, dtype=scaled.real.dtype)
        strides = torch.exp(scaled.unsqueeze(-1) * (short * count[:long]))  # [H, N/2, long]
        within = torch.exp(scaled.unsqueeze(-1) * count[:short])
        found = (weights.unsqueeze(-1) * strides).transpose(-1, -2) @ within  # [directions, H, long, short]
        return 2 * found.real.flatten(-2)[..., :steps]

    def forward(self, inputs: Tensor) -> Tensor:
        """Return outputs [T, B, H] of inputs [T, B, H]; what follows a sequence is no part of it only if it is zero.

        Raises:
            ValueError: If the inputs are no sequences of H channels.
        """
        self._check(inputs, 3, "[T, B, H]")
        inputs, steps = inputs.to(self.D.dtype), len(inputs)  # under autocast it stays float32
        if not steps:
            return inputs * self.D
        there, *back = self.kernel(steps)
        kernel = torch.cat([there, *(each.flip(-1) for each in back)], dim=-1)  # the way back at negative times
        size = 2 * steps
        signal = torch.fft.rfft(inputs.permute(1, 2, 0), n=size)
        mixed = torch.fft.irfft(signal * torch.fft.rfft(kernel, n=size), n=size)[..., :steps]
        return mixed.permute(2, 0, 1) + inputs * self.D

    def step(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Advance by one step.

        Args:
            inputs: [B, H].
            state: h before the step, complex [B, H, M N/2]; zero by default.

        Returns:
            The outputs, [B, H], and h.

        Raises:
            ValueError: If the system is bidirectional, or the inputs do not fit.
        """
        if self.bidirectional:
            raise ValueError("bidirectional: is true; a system that reads from the end, too, has no steps")
        self._check(inputs, 2, "[B, H]")
        inputs = inputs.to(self.D.dtype)
        scaled, (weights,) = self.discretised()
        before = scaled.new_zeros((*inputs.shape, scaled.shape[-1])) if state is None else state
        after = torch.exp(scaled) * before + inputs.unsqueeze(-1)
        return 2 * (weights * after).real.sum(-1) + inputs * self.D, after

    def optimizer_groups(self) -> list[dict[str, Any]]:
        """Return what trains at a rate of its own, as published: time steps, rates and frequencies at 1e-3."""
        own = (self.log_dt, self.log_A_real, self.A_imag, self.omega, self.eta)
        return [{"params": [each for each in own if each is not None], "lr": LEARNING_RATE}]

    @property
    def operations_per_step(self) -> int:
        """Real multiplications of a step: four to decay a complex state, two to read it, and D."""
        states = self.channels * self.copies * self.log_A_real.shape[1] * (1 + self.bidirectional)
        return 6 * states + self.channels

    def _check(self, inputs: Tensor, dimensions: int, words: str) -> None:
        if inputs.dim() != dimensions or inputs.shape[-1] != self.channels:
            raise ValueError(f"inputs: got shape {tuple(inputs.shape)}; it must be {words} with H = {self.channels}")


def check_sizes(**sizes: int) -> None:
    """Raise ValueError unless all sizes are positive; the message names the first that is not."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}: got {size}; it must be positive")


def check_system(state_size: int, frequencies: str, dt: Sequence[float]) -> None:
    """Raise ValueError for a size, an initialisation or a range of time steps that makes no system."""
    if state_size < 2 or state_size % 2:
        raise ValueError(f"state_size: got {state_size}; it must be even and positive")
    if frequencies not in FREQUENCIES:
        raise ValueError(f"frequencies: got {frequencies!r}; it must be one of {', '.join(get_args(Frequencies))}")
    check_dt(dt)


def check_dt(dt: Sequence[float]) -> None:
    """Raise ValueError unless this is a range of positive time steps."""
    if len(dt) != 2 or not 0 < dt[0] <= dt[1] < math.inf:
        raise ValueError(f"dt: got {tuple(dt)}; it must be two positive numbers, the lower one first")


def _inner(values: Tensor, limits: tuple[float, float]) -> Tensor:
    """The number whose sigmoid is where a value lies between limits; at the limits its gradient would be zero."""
    low, high = limits
    return torch.logit((values - low) / (high - low), eps=1e-6)


def _outer(raw: Tensor, limits: tuple[float, float]) -> Tensor:
    low, high = limits
    return low + (high - low) * torch.sigmoid(raw)
