"""Recurrent connections with delays, around any cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..surrogate import in_forward_mode, is_plain
from .axonal_linear import AxonalLinear
from .delay_line import DelayLine
from .learnable_delay import DelayedModule

Cell = Callable[..., tuple[Tensor, Any]]


class RecurrentState(NamedTuple):
    """What goes on between steps.

    Attributes:
        cell: The state of the cell.
        past: The spikes of the last steps, oldest first, [max_delay + 1, B, N].
    """

    cell: Any
    past: Tensor


class RecurrentDelay(nn.Module):
    """A cell whose spikes return through a connection with delays: ``I[t] = x[t] + r[t]``.

    A spike of step t with a delay d reaches the neurons at t + 1 + d, which for axonal delays is DelRec (Queant et al.,
    2025)::

        r[t] = sum over j, l of W[i, j] * share[l, j] * s[t - 1 - l, j]

    with the triangle of ``kernel="triangle"``, or else the Gaussian. Delays learn, narrow and are rounded as in every
    connection; rounding happens in a copy (`discretised`) or in evaluation, never in training.

    Args:
        cell: Takes currents [B, N] and a state, None at first; returns spikes [B, N] and the state. Cells of Norse and
            neurons of `silif_plugins.neurons` are such; so is ``snn.Leaky``, whose state is its membrane.
        connection: From the N neurons back to themselves: an `AxonalLinear`, `DelayedLinear` or `DendriticLinear`.

    Raises:
        TypeError: If the connection has no delays.
        ValueError: If it does not lead from N neurons to N.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> from silif_plugins.synapses import AxonalLinear
        >>> feedback = AxonalLinear(16, 16, max_delay=10, bias=False, kernel="triangle")
        >>> layer = RecurrentDelay(SiLIF(16), feedback)
        >>> spikes, state = layer(torch.rand(50, 4, 16))
        >>> spikes.shape, state.past.shape
        (torch.Size([50, 4, 16]), torch.Size([11, 4, 16]))
        >>> spikes, state = layer.step(torch.rand(4, 16), state)
        >>> spikes.shape
        torch.Size([4, 16])
    """

    def __init__(self, cell: Cell | nn.Module, connection: nn.Module) -> None:
        super().__init__()
        if not isinstance(connection, DelayedModule):
            raise TypeError(f"connection: got {type(connection).__name__}; it must have delays, as AxonalLinear")
        shape = tuple(connection.weight.shape)  # type: ignore[arg-type]
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"connection: its weight has shape {shape}; it must lead from N neurons to N")
        self.cell, self.connection, self.num_neurons = cell, connection, shape[0]

    def forward(self, inputs: Tensor, state: RecurrentState | None = None) -> tuple[Tensor, RecurrentState]:
        """Return spikes [T, B, N], and the state after them, from currents [T, B, N].

        Raises:
            ValueError: If the currents do not have this shape.
        """
        if inputs.dim() != 3 or inputs.shape[2] != self.num_neurons:
            raise ValueError(f"inputs: got shape {tuple(inputs.shape)}; it must be [T, B, {self.num_neurons}]")
        connection, cell = self.connection, None
        past = inputs.new_zeros(int(connection.max_delay) + 1, *inputs.shape[1:])  # type: ignore[arg-type]
        if state is not None:
            cell, past = state
        spikes = []
        if connection.is_rounded and not torch.is_grad_enabled():
            last, before = past[-1], connection.state_after(past[:-1])
            for now in inputs.unbind():
                returned, before = connection.step(last, before)
                last, cell = self._advance(now + returned, cell)
                spikes.append(last)
        elif isinstance(connection, AxonalLinear) and _is_plain(inputs, connection.weight):
            brought = connection.travelling_on(past)
            line = DelayLine(connection.delays.taps(), connection.weight, connection.bias, brought, len(inputs))
            for now in inputs.unbind():
                last, cell = self._advance(now + line.arrive(), cell)
                line.send(functional.dropout(last, connection.dropout, connection.training))
                spikes.append(last)
        else:
            ahead, spread = connection.travelling_on(past), connection.spread()
            for now in inputs.unbind():
                last, cell = self._advance(now + connection.arrive(ahead[0]), cell)
                ahead = torch.cat([ahead[1:], torch.zeros_like(ahead[:1])]) + spread(last)
                spikes.append(last)
        if not spikes:
            return inputs, RecurrentState(cell, past)
        result = torch.stack(spikes)
        return result, RecurrentState(cell, torch.cat([past, result])[len(result) :])

    def step(self, inputs: Tensor, state: RecurrentState | None = None) -> tuple[Tensor, RecurrentState]:
        """Take one step: spikes [B, N] and the next state from currents [B, N]."""
        spikes, state = self(inputs.unsqueeze(0), state)
        return spikes[0], state

    def _advance(self, current: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Run the cell for a step; neurons of `silif_plugins.neurons` take sequences."""
        if hasattr(self.cell, "dynamics"):
            spikes, state = self.cell(current.unsqueeze(0), state)
            return spikes[0], state
        arguments = (current,) if state is None else (current, state)
        spikes, state = self.cell(*arguments)
        return spikes, state


def _is_plain(inputs: Tensor, weight: Tensor) -> bool:
    """Whether steps may share memory: nothing is traced, transformed or cast."""
    return (
        is_plain()
        and not in_forward_mode()
        and not torch.is_autocast_enabled(inputs.device.type)
        and type(weight) in (Tensor, nn.Parameter)
    )
