"""One delay per source neuron, for all of its synapses."""

from __future__ import annotations

import torch
from torch import Tensor

from .learnable_delay import LearnableDelay
from .linear import as_weight
from .taps import convolve


class AxonalDelay(LearnableDelay):
    """What each neuron sends arrives after a learnable delay of its own; sequences [T, B, N] stay of that shape.

    It learns as `DelayedLinear` does, through the same Gaussian of width ``sigma`` over the lags, with one delay per
    neuron instead of one per synapse. In whole steps (`discretised`) it moves spikes and leaves them spikes.

    snnTorch's ``SynapticDelay`` and Norse's ``SynapseDelay`` are of this kind, one delay per channel.

    Args:
        num_neurons: Number of neurons N.
        max_delay: The longest delay, in steps.
        sigma: Width of the Gaussian at the start, in steps, before DCLS's 0.27 is added; by default half of
            ``max_delay``, rounded up.
        rounded: Whether delays are rounded to whole steps, exactly; they are not learnt then.
        device: As for ``nn.Linear``.
        dtype: As for ``nn.Linear``.

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

    def __init__(
        self,
        num_neurons: int,
        max_delay: int,
        *,
        sigma: float | None = None,
        rounded: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__((num_neurons,), max_delay, sigma=sigma, rounded=rounded, device=device, dtype=dtype)
        self.reset_parameters()

    def run(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on with a sequence: what arrives, and the state after it, from inputs; all are [T, B, N]."""
        window = self.window(as_weight(inputs, self.delay), state)
        if self.rounded:
            outputs = window.gather(0, self._sources(inputs))
        else:
            outputs = convolve(window, self.taps().unsqueeze(-1), groups=inputs.shape[-1])
        return outputs, self.travelling(window)

    def _sources(self, inputs: Tensor) -> Tensor:
        """Return the places in the window, [T, B, N], from which whole delays read."""
        lags = self.delay.detach().round().clamp(0, self.max_delay).long()
        steps = torch.arange(inputs.shape[0], device=inputs.device).view(-1, 1, 1)
        return (steps + self.max_delay - lags).expand(inputs.shape)

    def extra_repr(self) -> str:
        """Show size and options."""
        return f"{len(self.delay)}, {super().extra_repr()}"
