"""The Mamba block: a state space that chooses by its input what to keep."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .diagonal import DT, check_dt, check_sizes
from .recurrence import linear_recurrence

MambaState = tuple[Tensor, Tensor]
"""h, [B, D, N], and the last inputs of the convolution, [B, D, conv - 1]."""

_SMALLEST = 1e-4


class MambaBlock(nn.Module):
    r"""Mamba (Gu and Dao, 2023): a gated selective state space.

        x, z = split(W_in u),   x = SiLU(conv(x)),   Δ = softplus(W_dt W_r x + b),   B, C = W_B x, W_C x
        h[t] = exp(Δ[t] A) h[t-1] + Δ[t] B[t] x[t],   y[t] = C[t] h[t] + D x[t],   out = W_out (y SiLU(z))

    in plain PyTorch: the recurrence runs in chunks side by side (`linear_recurrence`), or step by step. Names of
    parameters are those of the published code, whose weights can be loaded.

    Args:
        channels: Number of channels of input and output.
        state_size: States N of each inner channel.
        conv: Length of the convolution over time.
        expand: Inner channels D for each channel.
        dt: Range of the initial time steps Δ.
        chunk: Steps of a chunk of the scan; chosen by the sizes if not given.

    Raises:
        ValueError: If a size is not positive or ``dt`` is no range.

    Examples:
        >>> block = MambaBlock(16, state_size=8)
        >>> inputs, state = torch.randn(30, 2, 16), None              # [T, B, H]
        >>> whole, _ = block(inputs)
        >>> for now in inputs:
        ...     last, _, state = block.step(now, state)
        >>> torch.allclose(last, whole[-1], atol=1e-5)
        True
    """

    def __init__(
        self,
        channels: int,
        *,
        state_size: int = 16,
        conv: int = 4,
        expand: int = 2,
        dt: Sequence[float] = DT,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        check_sizes(channels=channels, state_size=state_size, conv=conv, expand=expand)
        check_dt(dt)
        inner, rank = expand * channels, math.ceil(channels / 16)
        self.channels, self.inner, self.state_size, self.rank, self.chunk = channels, inner, state_size, rank, chunk
        self.in_proj = nn.Linear(channels, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, conv, groups=inner, padding=conv - 1)
        self.x_proj = nn.Linear(inner, rank + 2 * state_size, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        low, high = (math.log(each) for each in dt)
        first = torch.exp(low + (high - low) * torch.rand(inner)).clamp(min=_SMALLEST)
        with torch.no_grad():
            self.dt_proj.bias.copy_(first + torch.log(-torch.expm1(-first)))  # softplus gives it back
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, state_size + 1).repeat(inner, 1)))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, channels, bias=False)

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """Return outputs [T, B, H] of inputs [T, B, H], and None: there are no spikes."""
        x, z = self.in_proj(inputs).chunk(2, dim=-1)
        x = self.conv1d(x.permute(1, 2, 0))[..., : len(inputs)].permute(2, 0, 1)
        x = nn.functional.silu(x)
        decay, driven, reads = self._selected(x)
        states = linear_recurrence(decay, driven, chunk=self.chunk)
        return self._out((states @ reads.unsqueeze(-1)).squeeze(-1), x, z), None

    def step(self, inputs: Tensor, state: MambaState | None = None) -> tuple[Tensor, None, MambaState]:
        """Advance by one step: outputs [B, H], no spikes, and the state, from inputs [B, H] and the state before."""
        x, z = self.in_proj(inputs).chunk(2, dim=-1)
        if state is None:
            last = self.conv1d.kernel_size[0] - 1
            state = x.new_zeros((len(x), self.inner, self.state_size)), x.new_zeros((len(x), self.inner, last))
        window = torch.cat([state[1], x.unsqueeze(-1)], dim=-1)
        x = nn.functional.silu(nn.functional.conv1d(window, self.conv1d.weight, self.conv1d.bias, groups=self.inner))
        x = x.squeeze(-1)
        decay, driven, reads = self._selected(x)
        after = decay * state[0] + driven
        return self._out((after @ reads.unsqueeze(-1)).squeeze(-1), x, z), None, (after, window[..., 1:])

    def _selected(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What remains of the states, what is added, each [..., D, N], and what reads them, [..., N]."""
        low, writes, reads = self.x_proj(x).split([self.rank, self.state_size, self.state_size], dim=-1)
        dt = nn.functional.softplus(self.dt_proj(low))
        decay = torch.exp(dt.unsqueeze(-1) * -torch.exp(self.A_log))
        return decay, (dt * x).unsqueeze(-1) * writes.unsqueeze(-2), reads

    def _out(self, read: Tensor, x: Tensor, z: Tensor) -> Tensor:
        outputs: Tensor = self.out_proj((read + self.D * x) * nn.functional.silu(z))
        return outputs

    def operations(self, steps: float, spikes: Tensor | None) -> Tensor:
        """Multiplications that ``steps`` steps take; see `.network.StateSpaceNetwork`."""
        weights = sum(each.weight.numel() for each in (self.in_proj, self.conv1d, self.x_proj, self.dt_proj))
        # Of each state: ΔA, Δx B, its decay and its reading; of each inner channel: Δx, D x and the gate.
        states = 4 * self.inner * self.state_size + 3 * self.inner
        return torch.tensor(float(steps * (weights + self.out_proj.weight.numel() + states)), dtype=torch.float64)
