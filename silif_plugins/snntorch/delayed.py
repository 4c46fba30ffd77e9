"""A connection with delays in a network that does one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..synapses import DelayedModule

if TYPE_CHECKING:
    from .layerwise import _Pass


class Delayed(nn.Module):
    """A connection with delays that keeps what still travels by itself, as neurons with ``init_hidden=True`` do.

    :func:`reset` empties it; :func:`over_time` runs it over all steps in one call.

    Args:
        connection: One of `silif_plugins.synapses`: an ``AxonalDelay``, ``AxonalLinear``, ``DelayedLinear``,
            ``DendriticDelay`` or ``DendriticLinear``.

    Raises:
        TypeError: If the connection has no delays.

    Examples:
        >>> import torch
        >>> from silif_plugins.snntorch import Delayed, SiLIF, over_time, reset
        >>> from silif_plugins.synapses import AxonalLinear
        >>> net = nn.Sequential(Delayed(AxonalLinear(4, 8, max_delay=9)), SiLIF(8, init_hidden=True))
        >>> spikes = torch.stack([net(x) for x in torch.rand(20, 3, 4)])
        >>> reset(net)
        >>> over_time(net, torch.rand(20, 3, 4)).shape
        torch.Size([20, 3, 8])
    """

    _over_time: _Pass | None = None  # set while over_time runs

    def __init__(self, connection: nn.Module) -> None:
        super().__init__()
        if not isinstance(connection, DelayedModule):
            raise TypeError(f"connection: got {type(connection).__name__}; it must have delays, as AxonalLinear")
        self.connection = connection
        self._state: Tensor | None = None

    def forward(self, input_: Tensor) -> Tensor:
        """Return the outputs [B, outputs] of a step with inputs [B, inputs]."""
        if self._over_time is not None:
            return self._over_time.run_delayed(self, input_)
        outputs, self._state = self.connection.step(input_, self._state)
        return outputs

    def reset_mem(self) -> None:
        """Forget what travels."""
        self._state = None

    def detach_hidden(self) -> None:
        """Cut off the history of what travels, to truncate backpropagation."""
        self._state = None if self._state is None else self._state.detach()
