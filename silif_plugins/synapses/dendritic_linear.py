"""A linear layer for spikes before dendritic delays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from torch import Tensor, nn
from torch.nn import functional

from .axonal_delay import AxonalDelay
from .learnable_delay import DelayedModule, DelayMemory, DelaySettings
from .linear import Events, SpikeLinear


class DendriticDelay(AxonalDelay):
    """What reaches each neuron acts after a learnable delay of its own: `AxonalDelay` for currents [T, B, N].

    Its buffer holds currents, which are no spikes: numbers, not bits.

    Args:
        num_neurons: Number of neurons N.
        max_delay: The longest delay, in steps.
        settings: Options by name of how delays start, learn and run: see `DelaySettings`.

    Raises:
        ValueError: If an argument is not valid.

    Examples:
        >>> import torch
        >>> DendriticDelay(5, max_delay=9)(torch.randn(20, 2, 5)).shape
        torch.Size([20, 2, 5])
    """

    holds = "currents"


class DendriticLinear(DelayedModule):
    """A `SpikeLinear` before a `DendriticDelay`: all synapses onto a neuron have its delay.

    The weights see the spikes as they come, so that training visits only those, whatever the width of the Gaussian.

    Args:
        in_features: Number of inputs.
        out_features: Number of outputs.
        max_delay: The longest delay, in steps.
        bias: Whether to add a bias, after the delays.
        dropout: Share of inputs that are dropped in training.
        events: Whether the weights visit only inputs that are not zero.
        settings: Options by name of how delays start, learn and run: see `DelaySettings`.

    Raises:
        ValueError: If an argument is not valid.

    Examples:
        >>> import torch
        >>> layer = DendriticLinear(64, 10, max_delay=25)
        >>> outputs, state = layer.run((torch.rand(100, 8, 64) < 0.05).float())
        >>> outputs.shape, state.shape
        (torch.Size([100, 8, 10]), torch.Size([25, 8, 10]))
    """

    takes_gate = True
    bias: nn.Parameter | None

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
        device, dtype = settings.get("device"), settings.get("dtype")
        self.linear = SpikeLinear(
            in_features, out_features, False, dropout=dropout, events=events, device=device, dtype=dtype
        )
        self.delays = DendriticDelay(out_features, max_delay, **settings)
        self.register_parameter("bias", nn.Parameter(self.delays.delay.new_zeros(out_features)) if bias else None)
        if self.bias is not None and in_features:
            nn.init.uniform_(self.bias, -(in_features**-0.5), in_features**-0.5)

    @property
    def weight(self) -> Tensor:
        """[out_features, in_features]."""
        return self.linear.weight

    def forward(self, inputs: Tensor, gate: Tensor | None = None) -> Tensor:
        """Return outputs [T, B, out_features] from inputs [T, B, in_features]; ``gate`` as for `spike_linear`."""
        return self.arrive(self.delays(self.linear(inputs, gate)))

    def run(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on with a sequence: outputs [T, B, out_features] from inputs [T, B, in_features].

        The state holds currents, [max_delay, B, out_features].
        """
        outputs, state = self.delays.run(self.linear(inputs), state)
        return self.arrive(outputs), state

    @property
    def is_rounded(self) -> bool:
        """Whether delays are whole steps now."""
        return self.delays.is_rounded

    @property
    def max_delay(self) -> int:
        """The longest delay."""
        return self.delays.max_delay

    def operations_per_event(self) -> int:
        """Return the fan-out: a synapse adds to a place in the buffer, instead of to the neuron."""
        return self.linear.out_features

    def memory(self) -> DelayMemory:
        """See `DelayedModule.memory`."""
        return self.delays.memory()

    def state_after(self, past: Tensor) -> Tensor:
        """Return the currents that the inputs of the last max_delay steps have caused."""
        return self.linear(past)

    def travelling_on(self, past: Tensor) -> Tensor:
        """See `DelayedModule.travelling_on`."""
        return self.delays.travelling_on(functional.linear(past, self.weight))

    def spread(self) -> Callable[[Tensor], Tensor]:
        """See `DelayedModule.spread`."""
        spread = self.delays.spread()
        return lambda inputs: spread(self.linear(inputs))

    def arrive(self, brought: Tensor) -> Tensor:
        """Add the bias."""
        return brought if self.bias is None else brought + self.bias
