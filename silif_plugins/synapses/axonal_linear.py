"""A linear layer for spikes behind axonal delays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from torch import Tensor, nn
from torch.nn import functional

from .axonal_delay import AxonalDelay
from .channel_filter import spread_over_lags
from .dropout import drawn_seed, drop_inputs, dropped
from .events import fits_kernels
from .few_outputs import MOST_OUTPUTS, onto_few_outputs, pays_by_events
from .gaps import linear_with_gaps
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
            spreads each one over several steps, and those that are zero are left out.
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
        recent = self.delays.recent(as_weight(inputs, self.weight), None)
        if self.is_rounded or not self._fits_kernels(recent):
            return self._outputs(drop_inputs(self, recent, gate), inputs.shape[0])
        dropout = self.dropout if self.training else 0.0
        return self._outputs(recent, inputs.shape[0], dropout, drawn_seed(dropout), gate)

    def run(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on with a sequence: outputs [T, B, out_features] and the state after inputs [T, B, in_features]."""
        recent = self.delays.recent(drop_inputs(self, as_weight(inputs, self.weight)), state)
        return self._outputs(recent, inputs.shape[0]), self.delays.travelling_after(recent)

    def _outputs(
        self, recent: Tensor, steps: int, dropout: float = 0.0, seed: int = 0, gate: Tensor | None = None
    ) -> Tensor:
        """Return outputs from inputs behind their past, by the way that is fastest."""
        if self.is_rounded:
            return self.linear(self.delays.arrived(recent, steps))
        taps, events = self.delays.taps(), self.linear.events
        if events != "never" and steps and self._fits_kernels(recent):
            way: Callable[..., Tensor] | None = linear_with_gaps
            if len(self.weight) <= MOST_OUTPUTS:
                way = onto_few_outputs if events == "always" or pays_by_events(recent, taps) else None
            if way is not None:
                return way(recent, self.weight, taps, self.bias, steps, dropout=dropout, seed=seed, gate=gate)
        arrived = spread_over_lags(dropped(recent, dropout, seed, gate), taps, steps)
        return self.linear(arrived) if events == "always" else dense_linear(arrived, self.weight, self.bias)

    def _fits_kernels(self, recent: Tensor) -> bool:
        plain = type(self.weight) is nn.Parameter and fits_kernels(recent, self.weight, self.delays.delay)
        return plain and recent.numel() * self.weight.numel() > 0

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
