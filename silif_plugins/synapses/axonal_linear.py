"""A linear layer for spikes behind axonal delays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from torch import Tensor, nn
from torch.nn import functional

from .axonal_delay import AxonalDelay
from .channel_filter import spread_over_lags
from .dropout import drop_inputs
from .events import fits_kernels
from .gaps import has_gaps, linear_with_gaps
from .learnable_delay import DelayedModule, DelayMemory, DelaySettings
from .linear import Events, SpikeLinear, as_weight, dense_linear


class AxonalLinear(DelayedModule):
    """A `SpikeLinear` behind an `AxonalDelay`: all synapses of an input have its delay.

    Args:
        in_features: Number of inputs.
        out_features: Number of outputs.
        max_delay: The longest delay, in steps.
        bias: Whether to add a bias.
        dropout: Share of inputs that are dropped in training, before they are delayed.
        events: Whether the weights leave out inputs that are zero. Delays in whole steps keep spikes few; the Gaussian
            spreads each one over several steps, of which ``"auto"`` leaves those out that are zero where it is faster.
        settings: Options by name of how delays start, learn and run: see `DelaySettings`.

    Raises:
        ValueError: If an argument is not valid.

    Examples:
        >>> import torch
        >>> layer = AxonalLinear(64, 10, max_delay=25)
        >>> spikes = (torch.rand(100, 8, 64) < 0.05).float()
        >>> layer(spikes).shape
        torch.Size([100, 8, 10])
        >>> layer.discretised()
        AxonalLinear(
          (delays): AxonalDelay(64, max_delay=25, rounded=True)
          (linear): SpikeLinear(in_features=64, out_features=10, bias=True, dropout=0, events='auto')
        )
    """

    takes_gate = True

    def __init__(
        self,
        in_features: int,
        out_features: int,
        max_delay: int,
        bias: bool = True,
        *,
        dropout: float = 0.0,
        events: Events = "auto",
        **settings: Unpack[DelaySettings],
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: got {dropout}; it must be at least 0 and below 1")
        self.dropout = dropout
        self.delays = AxonalDelay(in_features, max_delay, **settings)
        device, dtype = settings.get("device"), settings.get("dtype")
        self.linear = SpikeLinear(in_features, out_features, bias, events=events, device=device, dtype=dtype)

    @property
    def weight(self) -> Tensor:
        """[out_features, in_features]."""
        return self.linear.weight

    @property
    def bias(self) -> Tensor | None:
        """[out_features]."""
        return self.linear.bias

    def forward(self, inputs: Tensor, gate: Tensor | None = None) -> Tensor:
        """Return outputs [T, B, out_features] from inputs [T, B, in_features]; nothing came before them.

        ``gate`` as for `spike_linear`.
        """
        return self._outputs(self._recent(inputs, None, gate), inputs.shape[0])

    def run(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on with a sequence: outputs [T, B, out_features] and the state after inputs [T, B, in_features]."""
        recent = self._recent(inputs, state)
        return self._outputs(recent, inputs.shape[0]), self.delays.travelling_after(recent)

    def _recent(self, inputs: Tensor, past: Tensor | None, gate: Tensor | None = None) -> Tensor:
        return self.delays.recent(drop_inputs(self, as_weight(inputs, self.weight), gate), past)

    def _outputs(self, recent: Tensor, steps: int) -> Tensor:
        """Return outputs from inputs: by events where delays keep them few, or the Gaussian leaves gaps."""
        if self.is_rounded:
            return self.linear(self.delays.arrived(recent, steps))
        taps, events = self.delays.taps(), self.linear.events
        fits = type(self.weight) is nn.Parameter and fits_kernels(recent, self.weight, taps)
        fits = fits and steps * recent.numel() * self.weight.numel() > 0
        if fits and (events == "always" or (events == "auto" and has_gaps(recent, taps, len(self.weight)))):
            return linear_with_gaps(recent, self.weight, taps, self.bias, steps)
        arrived = spread_over_lags(recent, taps, steps)
        return self.linear(arrived) if events == "always" else dense_linear(arrived, self.weight, self.bias)

    @property
    def is_rounded(self) -> bool:
        """Whether delays are whole steps now."""
        return self.delays.is_rounded

    @property
    def max_delay(self) -> int:
        """The longest delay."""
        return self.delays.max_delay

    def operations_per_event(self) -> int:
        """Return the fan-out, and 1 for the delay that all synapses share."""
        return self.linear.out_features + 1

    def memory(self) -> DelayMemory:
        """See `DelayedModule.memory`."""
        return self.delays.memory()

    def travelling_on(self, past: Tensor) -> Tensor:
        """See `DelayedModule.travelling_on`."""
        return self.delays.travelling_on(past)

    def spread(self) -> Callable[[Tensor], Tensor]:
        """See `DelayedModule.spread`."""
        spread = self.delays.spread()
        return lambda inputs: spread(functional.dropout(inputs, self.dropout, self.training))

    def arrive(self, brought: Tensor) -> Tensor:
        """Apply the weights."""
        return self.linear(brought)
