"""The connection between two layers, made by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from .axonal_linear import AxonalLinear
from .delayed_linear import DelayedLinear
from .dendritic_linear import DendriticLinear
from .linear import Events, SpikeLinear
from .quantised_linear import QuantisedLinear

Factory = Callable[..., nn.Module]


def _delayed(num_inputs: int, num_outputs: int, *, events: Events, **options: Any) -> nn.Module:
    """Make a connection with a delay per synapse."""
    if events == "always":
        raise ValueError("events: got 'always'; a delayed connection is dense: it must be 'auto' or 'never'")
    return DelayedLinear(num_inputs, num_outputs, **_with_max_delay(options))


def _axonal(num_inputs: int, num_outputs: int, **options: Any) -> nn.Module:
    """Make a connection with a delay per input."""
    return AxonalLinear(num_inputs, num_outputs, **_with_max_delay(options))


def _dendritic(num_inputs: int, num_outputs: int, **options: Any) -> nn.Module:
    """Make a connection with a delay per output."""
    return DendriticLinear(num_inputs, num_outputs, **_with_max_delay(options))


def _with_max_delay(options: dict[str, Any]) -> dict[str, Any]:
    """Raise unless the option is there that has no default."""
    if "max_delay" not in options:
        raise ValueError("connection_options: lacks max_delay; it must be the longest delay in steps, such as 25")
    return options


CONNECTIONS: dict[str, Factory] = {
    "linear": SpikeLinear,
    "delayed": _delayed,
    "axonal": _axonal,
    "quantised": QuantisedLinear,
    "dendritic": _dendritic,
}
"""Makers of connections by the names that networks use; a connection of another kind is added here.

They are called with the numbers of inputs and outputs, and ``bias``, ``dropout``, ``events`` and options of their own
by name. A connection takes whole sequences [T, B, inputs] and gives [T, B, outputs]; ``weight`` is [outputs, inputs].

- ``"linear"``: `SpikeLinear`.
- ``"delayed"``: `DelayedLinear`, a learnable delay per synapse, with the option ``max_delay`` and those of
  `DelaySettings`.
- ``"axonal"``: `AxonalLinear`, a learnable delay per input, with the same options.
- ``"quantised"``: `QuantisedLinear`, weights rounded in training, with the option ``bits``.
- ``"dendritic"``: `DendriticLinear`, a learnable delay per output, with the same options.
"""


def connect(
    kind: str,
    num_inputs: int,
    num_outputs: int,
    *,
    bias: bool = False,
    dropout: float = 0.0,
    events: Events = "auto",
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Make the connection of a layer.

    Args:
        kind: A name in `CONNECTIONS`.
        num_inputs: Number of input features.
        num_outputs: Number of neurons that they reach.
        bias: Whether to add a bias.
        dropout: Share of inputs that are dropped in training.
        events: Whether it visits only the inputs that are not zero: ``"auto"``, ``"always"``, ``"never"``.
        options: Further arguments of that kind.

    Raises:
        ValueError: If there is no such kind, or an argument is not valid.

    Examples:
        >>> connect("linear", 140, 128)
        SpikeLinear(in_features=140, out_features=128, bias=False, dropout=0, events='auto')
        >>> connect("delayed", 140, 128, options={"max_delay": 25})
        DelayedLinear(in_features=140, out_features=128, bias=False, max_delay=25, rounded=False, dropout=0)
    """
    if kind not in CONNECTIONS:
        raise ValueError(f"connection: got {kind!r}; it must be one of {', '.join(CONNECTIONS)}")
    return CONNECTIONS[kind](num_inputs, num_outputs, bias=bias, dropout=dropout, events=events, **(options or {}))


def transmit(weights: nn.Module, spikes: Tensor, gate: Tensor | None) -> Tensor:
    """Run a connection; ``gate`` reaches those that can leave out gradients (they have ``takes_gate``).

    What users put in the place of a connection, such as a quantised layer, cannot.
    """
    current: Tensor = weights(spikes, gate) if getattr(weights, "takes_gate", False) else weights(spikes)
    return current
