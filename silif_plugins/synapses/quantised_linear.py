"""A linear layer that trains with the rounded weights it will have on a chip."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .linear import Events, SpikeLinear, spike_linear
from .rounding import Bits, largest_level, levels, row_steps


class QuantisedLinear(SpikeLinear):
    """A `SpikeLinear` whose weights are rounded to few levels in every forward pass.

    The gradient goes to the weights as they are before rounding, as if there were none (the straight-through
    estimator). Parameters and state_dict are those of ``nn.Linear``, so that training goes on from weights that were
    trained without rounding, and everything else, such as time constants, is trained with it::

        silif train --init RUN --connection quantised --connection-options bits=4

    `silif_plugins.deploy.quantise` takes the same levels to the chip.

    Args:
        in_features: Number of inputs.
        out_features: Number of outputs.
        bias: Whether to add a bias, which is not rounded.
        bits: Bits of a weight, 2 to 8, or ``"ternary"``. Each row of weights has a step of its own.
        dropout: Share of inputs that are dropped in training.
        events: ``"auto"``, ``"always"`` or ``"never"``, as for `SpikeLinear`.
        options: ``generator``, ``device`` and ``dtype``, as for `SpikeLinear`.

    Raises:
        ValueError: If an option is not valid.

    Examples:
        >>> import torch
        >>> layer = QuantisedLinear(64, 10, bits="ternary")
        >>> layer.rounded().unique(dim=1).shape[0], [len(row.unique()) for row in layer.rounded()][:3]
        (10, [3, 3, 3])
        >>> layer(torch.ones(2, 64)).sum().backward()
        >>> bool((layer.weight.grad == 2).all())
        True
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        bits: Bits = 8,
        dropout: float = 0.0,
        events: Events = "auto",
        **options: Any,
    ) -> None:
        largest_level(bits)
        super().__init__(in_features, out_features, bias, dropout=dropout, events=events, **options)
        self.bits: Bits = bits

    def rounded(self) -> Tensor:
        """Return the weights that the forward pass takes; the gradient passes to ``weight`` unchanged."""
        steps = row_steps(self.weight, self.bits)
        rounded = levels(self.weight.detach(), steps, self.bits) * steps.unsqueeze(1)
        return self.weight + (rounded - self.weight).detach()

    def forward(self, input: Tensor, gate: Tensor | None = None) -> Tensor:
        r"""Return outputs [\*, out_features] from spikes [\*, in_features]; ``gate`` as for `spike_linear`."""
        return spike_linear(
            input,
            self.rounded(),
            self.bias,
            gate=gate,
            dropout=self.dropout if self.training else 0.0,
            events=self.events,
            generator=self.generator,
        )

    def extra_repr(self) -> str:
        """Add the bits."""
        return f"{super().extra_repr()}, bits={self.bits!r}"
