"""One delay per source neuron, for all of its synapses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Unpack

import torch
from torch import Tensor
from torch.nn import functional

from .channel_filter import spread_over_lags
from .learnable_delay import DelayMemory, DelaySettings, LearnableDelay
from .linear import as_weight
from .whole_delays import goes_by_events, shift_whole


class AxonalDelay(LearnableDelay):
    """What each neuron sends arrives after a learnable delay of its own; sequences [T, B, N] stay of that shape.

    It learns as `DelayedLinear` does, through the same Gaussian of width ``sigma`` over the lags, with one delay per
    neuron instead of one per synapse. In whole steps (`discretised`) it moves spikes and leaves them spikes.

    snnTorch's ``SynapticDelay`` and Norse's ``SynapseDelay`` are of this kind, one delay per channel.

    Args:
        num_neurons: Number of neurons N.
        max_delay: The longest delay, in steps.
        settings: Options by name of how delays start, learn and run: see `DelaySettings`.

    Raises:
        ValueError: If an argument is not valid.

    Examples:
        >>> delays = AxonalDelay(64, max_delay=25)
        >>> spikes = (torch.rand(100, 8, 64) < 0.05).float()
        >>> delays(spikes).shape, delays.delay.shape
        (torch.Size([100, 8, 64]), torch.Size([64]))
        >>> exact, state = delays.discretised(), None
        >>> for x in spikes:
        ...     y, state = exact.step(x, state)
        >>> torch.equal(y, exact(spikes)[-1])
        True
    """

    holds: Literal["spikes", "currents"] = "spikes"

    def __init__(
        self,
        num_neurons: int,
        max_delay: int,
        **settings: Unpack[DelaySettings],
    ) -> None:
        super().__init__((num_neurons,), max_delay, **settings)
        self.reset_parameters()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what arrives from inputs; both are [T, B, N], and nothing came before them."""
        return self.arrived(self.recent(inputs, None), inputs.shape[0])

    def run(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on with a sequence: what arrives, and the state after it, from inputs; all are [T, B, N]."""
        recent = self.recent(inputs, state)
        return self.arrived(recent, inputs.shape[0]), self.travelling_after(recent)

    def arrived(self, recent: Tensor, steps: int) -> Tensor:
        """Return what arrives in the last steps of what `recent` returns."""
        if not self.is_rounded:
            return spread_over_lags(recent, self.taps(), steps)
        if goes_by_events(recent):
            return shift_whole(recent, self.whole(), steps)
        missing = self.max_delay + steps - recent.shape[0]
        return functional.pad(recent, (0, 0, 0, 0, missing, 0)).gather(0, self._sources(steps, recent))

    def recent(self, inputs: Tensor, past: Tensor | None) -> Tensor:
        """Return inputs [T, B, N] behind their past, if there is one; raise ValueError if the shapes do not fit."""
        inputs = as_weight(inputs, self.delay)
        self.past_shape(inputs, past)
        return inputs if past is None else torch.cat([past, inputs])

    def travelling_after(self, recent: Tensor) -> Tensor:
        """Return the state [max_delay, B, N] after what `recent` returns, which may be the caller's own memory."""
        missing = max(0, self.max_delay - recent.shape[0])
        return functional.pad(self.travelling(recent) if not missing else recent, (0, 0, 0, 0, missing, 0)).clone()

    def operations_per_event(self) -> int:
        """Return 1: an input is put into its buffer."""
        return 1

    def memory(self) -> DelayMemory:
        """Return one delay and one buffer per neuron."""
        delays = self.whole()
        return DelayMemory(int(delays.count_nonzero()), int(delays.sum()), self.holds)

    def travelling_on(self, past: Tensor) -> Tensor:
        """See `DelayedModule.travelling_on`."""
        window = functional.pad(past, (0, 0, 0, 0, 0, self.max_delay))
        return spread_over_lags(window, self.taps(), self.max_delay + 1)

    def spread(self) -> Callable[[Tensor], Tensor]:
        """See `DelayedModule.spread`."""
        taps = self.taps().unsqueeze(1)
        return lambda inputs: taps * as_weight(inputs, self.delay)

    def _sources(self, steps: int, like: Tensor) -> Tensor:
        """Return the places in a whole window, [T, B, N], from which whole delays read."""
        times = torch.arange(steps, device=like.device).view(-1, 1, 1)
        return (times + self.max_delay - self.whole().long()).expand(steps, *like.shape[1:])

    def extra_repr(self) -> str:
        """Show size and options."""
        return f"{len(self.delay)}, {super().extra_repr()}"
