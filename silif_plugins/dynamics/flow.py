"""Neurons over any duration: how their state moves between two inputs, in closed form."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..surrogate import SpikeFunction
from .state_space import State


class Flow(NamedTuple):
    r"""Coefficients of neurons of two states that run for any number t of their own steps without input.

        y = x + K s                                what the spike takes, at once
        x <- (p(t) 1 + q(t) M) y + B I             t steps of nothing, then the input, as an impulse
        p(t) = e^(-slow t) (1 - d) cos(turn t),   d = (1 - e^(-gap t)) / 2
        q(t) = e^(-slow t) d cos(turn t) where gap > 0, e^(-slow t) sin(turn t) elsewhere

    with M = ((m11, m12), (m21, -m11)), and x = (mem, ada). It is the power A^t of a transition matrix with the
    eigenvalues e^(-slow ± i turn), M² = -1; or e^-slow and e^-(slow + gap), both negative for turn = π, M² = 1: for
    whole t exactly so, between them a curve through these points. t = 1 is one step of the state space.

    Every field broadcasts against [\*neurons].

    Attributes:
        slow: Decay per step of the slower mode.
        gap: How much faster the other one decays; 0 for a pair that rings.
        turn: Phase per step [rad].
        m11: An entry of M, as the next two.
        m12: The same.
        m21: The same.
        b1: What an input adds to mem, and b2 to ada.
        b2: The same.
        k1: What a spike adds to mem, and k2 to ada.
        k2: The same.
        threshold: What the membrane is compared with.

    Examples:
        >>> from silif_plugins.neurons import CSiLIF
        >>> from silif_plugins.scan import scan
        >>> neuron, current = CSiLIF(4).double(), torch.zeros(7, 1, 4).double()
        >>> current[0] = current[6] = 0.3
        >>> _, fine = scan(neuron, current)
        >>> _, coarse = scan(neuron, current[[0, 6]], dt=torch.tensor([1.0, 6.0]))
        >>> torch.allclose(fine.mem, coarse.mem, rtol=1e-12, atol=1e-12)
        True
    """

    slow: Tensor
    gap: Tensor
    turn: Tensor
    m11: Tensor
    m12: Tensor
    m21: Tensor
    b1: Tensor
    b2: Tensor
    k1: Tensor
    k2: Tensor
    threshold: Tensor

    @property
    def shape(self) -> torch.Size:
        r"""Shape of the population, [\*neurons]."""
        return torch.broadcast_tensors(*self)[0].shape

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the dynamics; the state is kept in it."""
        return self.slow.dtype

    def rest(
        self, shape: tuple[int, ...], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> State:
        """Return the state at rest, zeros."""
        return State.zeros(shape, dtype=dtype or self.dtype, device=device or self.slow.device)

    def weights(self, duration: Tensor) -> tuple[Tensor, Tensor]:
        """Return p and q of a duration in steps, which broadcasts against the fields."""
        decay = torch.exp(-self.slow * duration)
        apart = -torch.expm1(-self.gap * duration) / 2
        phase = self.turn * duration
        in_phase = decay * phase.cos()
        return in_phase * (1 - apart), torch.where(self.gap > 0, in_phase * apart, decay * phase.sin())

    def step(
        self,
        current: Tensor,
        state: State,
        surrogate: SpikeFunction,
        *,
        detach_reset: bool = False,
        duration: Tensor | float = 1.0,
    ) -> State:
        r"""Run for a duration, then take the input.

        Args:
            current: Input current at the end, [B, \*neurons].
            state: The state before.
            surrogate: Spike function of mem - threshold.
            detach_reset: Whether the spikes of ``state`` are constants for the gradient.
            duration: In steps, a number or a tensor that broadcasts against ``current``.

        Returns:
            The state at the end; its ``spk`` are the spikes there.
        """
        spk = state.spk.detach() if detach_reset else state.spk
        p, q = self.weights(torch.as_tensor(duration, dtype=state.mem.dtype, device=state.mem.device))
        y1, y2 = state.mem + self.k1 * spk, state.ada + self.k2 * spk
        mem = p * y1 + q * (self.m11 * y1 + self.m12 * y2) + self.b1 * current
        ada = p * y2 + q * (self.m21 * y1 - self.m11 * y2) + self.b2 * current
        return State(mem, ada, surrogate(mem - self.threshold))
