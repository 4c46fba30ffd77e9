"""The four forms of every named neuron, by its model."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from ..neurons import Neuron


class Forms(NamedTuple):
    """The classes of a model: for one step and for a sequence, without and with recurrence.

    Attributes:
        cell: For one time step.
        layer: For a sequence; it has the model's name.
        recurrent_cell: With recurrence, for one time step.
        recurrent: With recurrence, for a sequence.
    """

    cell: type[nn.Module]
    layer: type[nn.Module]
    recurrent_cell: type[nn.Module]
    recurrent: type[nn.Module]

    @property
    def parameters_type(self) -> type[Any]:
        """The tuple of their parameters."""
        layer: Any = self.layer
        kind: type[Any] = layer.parameters_type
        return kind

    def choose(self, *, time: bool, recurrent: bool) -> Any:
        """Return one of them."""
        if recurrent:
            return self.recurrent if time else self.recurrent_cell
        return self.layer if time else self.cell


FORMS: dict[type[Neuron], Forms] = {}
"""The named neurons; a model's file enters its own."""
