"""One delay per source neuron, for all of its synapses."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from .gaussian_taps import convolve
from .learnable_delay import LearnableDelay, discretised


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

    def forward(self, inputs: Tensor) -> Tensor:
        """Return delayed inputs [T, B, N]; nothing came before them, and what arrives after them is lost."""
        return self.run(inputs)[0]

    def step(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Take one step: what arrives [B, N] when ``inputs`` [B, N] are sent, and the state for the next one."""
        outputs, state = self.run(inputs.unsqueeze(0), state)
        return outputs.squeeze(0), state

    def run(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on with a sequence.

        Args:
            inputs: The next steps, [T, B, N].
            state: The inputs of the steps before, oldest first, [max_delay, B, N]; zero by default.

        Returns:
            What arrives in these steps, [T, B, N], and the state after them.

        Raises:
            ValueError: If the shapes do not fit.
            TypeError: If the inputs are complex.
        """
        if inputs.is_complex():
            raise TypeError(f"inputs: got {inputs.dtype}; they must be real")
        window = self.window(inputs.to(self.delay.dtype), state)
        if self.rounded:
            outputs = window.gather(0, self._sources(inputs))
        else:
            outputs = convolve(window, self.taps().unsqueeze(-1), groups=inputs.shape[-1])
        return outputs, self.travelling(window)

    def _sources(self, inputs: Tensor) -> Tensor:
        """Return the places in the window, [T, B, N], from which whole delays read."""
        lags = self.delay.detach().round().clamp(0, self.max_delay).long()
        steps = torch.arange(len(inputs), device=inputs.device).view(-1, 1, 1)
        return (steps + self.max_delay - lags).expand(inputs.shape)

    def discretised(self) -> Self:
        """Return a copy with whole delays, exactly; this one stays as it is."""
        return discretised(self)

    def extra_repr(self) -> str:
        """Show size and options."""
        return f"{len(self.delay)}, {super().extra_repr()}"
