"""The SpikingSSM block: a diagonal state space, LIF neurons with a hard reset, and a gated layer across channels."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..dynamics import State
from ..surrogate import SpikeFunction
from .diagonal import DT, DiagonalSSM, Frequencies
from .lif import HardLIF, Membrane, Through
from .mixing import GatedMixing

SpikingState = tuple[Tensor, State]
"""State of the system, complex [B, H, M N/2], and of the neurons."""


class SpikingSSM(nn.Module):
    r"""SpikingSSM (Shen et al., 2025): out = GLU(dropout(LIF((K * u + D u) / v))).

    The system is that of `S4D`, the neurons are `HardLIF`: spikes take GELU's place, so that the layer across channels
    adds weights instead of multiplying. With ``copies`` it is LongSpike.

    Args:
        channels: Number of channels H.
        state_size: States N of each channel, even.
        frequencies: Initial frequencies, ``"s4d-lin"`` or ``"s4d-inv"``.
        dt: Range of the initial time steps.
        bidirectional: Whether sequences are read from their end, too.
        copies: Systems whose kernels are summed.
        dropout: Probability that a channel is dropped in training.
        tau: Decay of the membrane.
        learn_threshold: Whether thresholds are trained.
        membrane: How whole sequences run: ``"exact"``, ``"fixed-point"`` or ``"sdn"``; see `HardLIF`.
        through: What gradients flow through: ``"current"``, ``"membrane"`` or ``"all"``; see `HardLIF`.
        surrogate: Spike function.
        sdn: File of a surrogate dynamic network.

    Raises:
        ValueError: If an argument is out of its range.

    Examples:
        >>> block = SpikingSSM(8, state_size=16).eval()
        >>> outputs, spikes = block(torch.randn(20, 2, 8))            # [T, B, H]
        >>> outputs.shape, spikes.unique()
        (torch.Size([20, 2, 8]), tensor([0., 1.], grad_fn=...))
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
        dropout: float = 0.0,
        tau: float = 0.125,
        learn_threshold: bool = True,
        membrane: Membrane = "exact",
        through: Through = "current",
        surrogate: str | SpikeFunction | None = None,
        sdn: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self.system = DiagonalSSM(
            channels, state_size=state_size, frequencies=frequencies, dt=dt, bidirectional=bidirectional, copies=copies
        )
        self.neurons = HardLIF(
            channels,
            tau=tau,
            learn_threshold=learn_threshold,
            membrane=membrane,
            through=through,
            surrogate=surrogate,
            sdn=sdn,
        )
        self.mixing = GatedMixing(channels, dropout=dropout)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs and spikes, [T, B, H], of inputs [T, B, H]."""
        spikes = self.neurons(self.system(inputs))
        return self.mixing(spikes), spikes

    def step(self, inputs: Tensor, state: SpikingState | None = None) -> tuple[Tensor, Tensor, SpikingState]:
        """Advance by one step: outputs and spikes [B, H], and the state, from inputs [B, H] and the state before."""
        system, neurons = state or (None, None)
        driven, system = self.system.step(inputs, system)
        spikes, neurons = self.neurons.step(driven, neurons)
        return self.mixing(spikes), spikes, (system, neurons)

    def operations(self, steps: float, spikes: Tensor | None) -> Tensor:
        """Operations that ``steps`` steps with so many spikes take; see `.network.StateSpaceNetwork`."""
        assert spikes is not None
        channels = self.system.channels
        # Division by the threshold and the decay of the membrane are two of the multiplications of a step.
        dense = steps * (self.system.operations_per_step + 2 * channels)
        return torch.tensor(float(dense), dtype=torch.float64) + spikes.cpu() * 2 * channels
