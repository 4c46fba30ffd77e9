"""The spiking LinOSS block: D-LinOSS oscillators, what passes them by, and a layer across channels."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ..neurons import DLinOSS
from ..scan import scan, step
from ..surrogate import SpikeFunction, resolve
from ..synapses import SpikeLinear
from .diagonal import check_sizes

Mixing = Literal["spikes", "gate"]

SURROGATE = "double_gaussian"
"""That of the published code."""

TERNARY = 0.05
"""Share of the largest magnitude above which a value counts as 1 or -1."""


def ternary(values: Tensor) -> Tensor:
    """Return the signs of values whose magnitude is above 5 % of the largest one of their row, else 0; no gradient.

    Examples:
        >>> ternary(torch.tensor([1.0, -0.5, 0.04, 0.0]))
        tensor([ 1., -1.,  0.,  0.])
    """
    values = values.detach()
    return values.sign() * (values.abs() > TERNARY * values.abs().amax(dim=-1, keepdim=True))


class SpikingLinOSS(nn.Module):
    r"""A layer of D-LinOSS neurons between weights, with a direct path from its input, and a layer across channels.

        s = spikes of D-LinOSS on B u,   z = H(C s + D u - θ),   out = H(W z + b - θ'), or
        out = (W ter(z) + b) (ter(W) z + b)   with ``mixing="gate"``

    D is one number for each channel, and ter(x) the signs of what is above 5 % of the largest magnitude. B and D act
    on the input of the block, which is no spike; C, W and ter(W) on spikes.

    Source: SSM_setup of HRF-SSM (ICML 2026, kartikay24/HRF-SSM), with its initial values of B, C, D, θ and θ'; how the
    neurons differ says :class:`silif_plugins.neurons.DLinOSS`. The gate (GSU) is there, but the published block has the
    spikes in its place; where a row is all 0 its ter is 0 here, and 1 there.

    Args:
        channels: Number of channels H.
        state_size: Number of oscillators P.
        mixing: ``"spikes"`` or ``"gate"``.
        surrogate: Spike function; the published double Gaussian by default.

    Raises:
        ValueError: If an argument is not one of those listed or out of its range.

    Examples:
        >>> block = SpikingLinOSS(8, state_size=16)
        >>> outputs, spikes = block(torch.randn(20, 2, 8))            # [T, B, H], and those of oscillators and z
        >>> outputs.shape, spikes.shape, outputs.unique()
        (torch.Size([20, 2, 8]), torch.Size([20, 2, 24]), tensor([0., 1.], grad_fn=...))
    """

    def __init__(
        self,
        channels: int,
        *,
        state_size: int = 64,
        mixing: Mixing = "spikes",
        surrogate: str | SpikeFunction | None = None,
    ) -> None:
        super().__init__()
        check_sizes(channels=channels, state_size=state_size)
        check_mixing(mixing)
        self.mixing: Mixing = mixing
        self.surrogate = resolve(SURROGATE if surrogate is None else surrogate)
        self.input = nn.Linear(channels, state_size, bias=False)
        self.neurons = DLinOSS(state_size)
        self.output = SpikeLinear(state_size, channels, bias=False)
        for weights in (self.input.weight, self.output.weight):
            bound = 1 / math.sqrt(weights.shape[1])
            nn.init.uniform_(weights, -bound, bound)
        self.skip = nn.Parameter(torch.randn(channels))
        self.level = nn.Parameter(torch.rand(channels))
        self.weights = SpikeLinear(channels, channels, bias=True)
        self.mixed_level = nn.Parameter(torch.rand(channels)) if mixing == "spikes" else None

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs [T, B, H], and the spikes of oscillators and channels [T, B, P + H], of inputs [T, B, H]."""
        fired, _ = scan(self.neurons, self.input(inputs), surrogate=self.surrogate)
        return self._after(inputs, fired.to(inputs.dtype))

    def step(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Tensor, Any]:
        """Advance by one step: outputs [B, H], spikes [B, P + H] and the state, from inputs [B, H]."""
        fired, state = step(self.neurons, self.input(inputs), state, surrogate=self.surrogate)
        return *self._after(inputs, fired.to(inputs.dtype)), state

    def _after(self, inputs: Tensor, fired: Tensor) -> tuple[Tensor, Tensor]:
        channels = self.surrogate(self.output(fired) + self.skip * inputs - self.level)
        spikes = torch.cat([fired, channels.to(fired.dtype)], dim=-1)
        mixed = self.weights(ternary(channels) if self.mixing == "gate" else channels)
        if self.mixed_level is None:
            weight, bias = ternary(self.weights.weight), self.weights.bias
            return mixed * linear(channels, weight.to(channels.dtype), bias), spikes
        return self.surrogate(mixed - self.mixed_level), spikes

    def operations(self, steps: float, spikes: Tensor | None) -> Tensor:
        """Operations that ``steps`` steps with so many spikes take; see `.network.StateSpaceNetwork`."""
        assert spikes is not None
        size, channels = self.input.weight.shape
        dense = steps * (size * channels + 6 * size + channels)  # B, A and the two inputs of an oscillator, D
        # Each spike adds a row of weights; in the gate, where a row more counts, one of signs is not counted.
        return torch.tensor(float(dense), dtype=torch.float64) + spikes.cpu() * channels


def check_mixing(mixing: str) -> None:
    """Raise ValueError unless there is such a layer across channels."""
    if mixing not in get_args(Mixing):
        raise ValueError(f"mixing: got {mixing!r}; it must be one of {', '.join(get_args(Mixing))}")
