"""A connection with delays as a module that takes its state and returns it."""

from __future__ import annotations

from torch import Tensor, nn

from .learnable_delay import DelayedModule


class StatefulDelay(nn.Module):
    """A connection with delays for loops that hand states on: Norse's ``SequentialState``, ``Lift``, or your own.

    Args:
        connection: An `AxonalDelay`, `AxonalLinear`, `DelayedLinear`, `DendriticDelay` or `DendriticLinear`.

    Raises:
        TypeError: If the connection has no delays.

    Examples:
        >>> import torch
        >>> from silif_plugins.synapses import AxonalLinear
        >>> layer, state = StatefulDelay(AxonalLinear(6, 4, max_delay=9)), None
        >>> for x in torch.rand(20, 3, 6):
        ...     y, state = layer(x, state)
        >>> y.shape
        torch.Size([3, 4])
    """

    def __init__(self, connection: nn.Module) -> None:
        super().__init__()
        if not isinstance(connection, DelayedModule):
            raise TypeError(f"connection: got {type(connection).__name__}; it must have delays, as AxonalLinear")
        self.connection = connection

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return outputs and the next state, of a step [B, N] or of a sequence [T, B, N]."""
        return self.connection.step(inputs, state) if inputs.dim() == 2 else self.connection.run(inputs, state)
