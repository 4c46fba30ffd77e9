"""The S4D block: a diagonal state space, GELU, and a gated layer across channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .diagonal import DT, DiagonalSSM, Frequencies
from .mixing import GatedMixing


class S4D(nn.Module):
    r"""S4D (Gu, Gupta, Goel and Ré, 2022): out = GLU(dropout(GELU(K * u + D u))).

    Args:
        channels: Number of channels H.
        state_size: States N of each channel, even.
        frequencies: Initial frequencies, ``"s4d-lin"`` or ``"s4d-inv"``.
        dt: Range of the initial time steps.
        bidirectional: Whether sequences are read from their end, too.
        dropout: Probability that a channel is dropped in training.

    Raises:
        ValueError: If an argument is out of its range.

    Examples:
        >>> block = S4D(8, state_size=16).eval()
        >>> inputs = torch.randn(20, 2, 8)                            # [T, B, H]
        >>> whole, _ = block(inputs)
        >>> state = None
        >>> for now in inputs:
        ...     last, _, state = block.step(now, state)
        >>> torch.allclose(last, whole[-1], atol=1e-4)
        True
    """

    def __init__(
        self,
        channels: int,
        *,
        state_size: int = 64,
        frequencies: Frequencies = "s4d-lin",
        dt: Sequence[float] = DT,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.system = DiagonalSSM(
            channels, state_size=state_size, frequencies=frequencies, dt=dt, bidirectional=bidirectional
        )
        self.mixing = GatedMixing(channels, dropout=dropout)

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """Return outputs [T, B, H] of inputs [T, B, H], and None: there are no spikes."""
        return self.mixing(nn.functional.gelu(self.system(inputs))), None

    def step(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, None, Tensor]:
        """Advance by one step: outputs [B, H], no spikes, and the state, from inputs [B, H] and the state before."""
        driven, state = self.system.step(inputs, state)
        return self.mixing(nn.functional.gelu(driven)), None, state

    def operations(self, steps: float, spikes: Tensor | None) -> Tensor:
        """Multiplications that ``steps`` steps take; see `.network.StateSpaceNetwork`."""
        mixed = 2 * self.system.channels**2
        return torch.tensor(float(steps * (self.system.operations_per_step + mixed)), dtype=torch.float64)
