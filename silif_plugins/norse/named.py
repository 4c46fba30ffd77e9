"""Modules that make a population of the core themselves: a model gets its names in Norse by four short subclasses.

Models that a network of Norse's own neurons can be turned into, at their units of current and spike, have a tuple of
parameters instead, as SiLIF does.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from ..neurons import Neuron
from .hosting import NeuronCell, NeuronLayer, NeuronRecurrent, NeuronRecurrentCell
from .modules import Size
from .parameters import SUPER, Method


class NamedCell(NeuronCell):
    """Neurons of the class's model for one time step, without recurrence; arguments as :class:`NamedLayer`."""

    model: ClassVar[type[Neuron]]

    def __init__(self, size: Size, *, method: Method = SUPER, alpha: float | None = None, **options: Any) -> None:
        super().__init__(self.model(size, **options), method, alpha)


class NamedLayer(NeuronLayer):
    """Neurons of the class's model over a sequence, without recurrence.

    Args:
        size: Number of neurons, or shape of the population.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate.
        record_states: Whether to return the states of all steps instead of the last.
        **options: Arguments of the model's constructor.
    """

    model: ClassVar[type[Neuron]]

    def __init__(
        self,
        size: Size,
        *,
        method: Method = SUPER,
        alpha: float | None = None,
        record_states: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(self.model(size, **options), method, alpha, record_states)


class NamedRecurrentCell(NeuronRecurrentCell):
    """A population of the class's model that drives itself, for one step; arguments as :class:`NamedRecurrent`."""

    model: ClassVar[type[Neuron]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        method: Method = SUPER,
        alpha: float | None = None,
        input_weights: Tensor | None = None,
        recurrent_weights: Tensor | None = None,
        autapses: bool = False,
        **options: Any,
    ) -> None:
        neuron = self.model(hidden_size, **options)
        super().__init__(input_size, neuron, method, alpha, input_weights, recurrent_weights, autapses)


class NamedRecurrent(NeuronRecurrent):
    """A population of the class's model that drives itself, over a sequence.

    Args:
        input_size: Number of inputs.
        hidden_size: Number of neurons.
        method: Surrogate; see :func:`silif_plugins.norse.spike_function`.
        alpha: Sharpness of the surrogate.
        input_weights: [hidden, inputs]. A tensor is copied, an ``nn.Parameter`` is used itself.
        recurrent_weights: [hidden, hidden] (to, from), likewise.
        autapses: Whether neurons drive themselves.
        record_states: Whether to return the states of all steps instead of the last.
        **options: Arguments of the model's constructor.
    """

    model: ClassVar[type[Neuron]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        method: Method = SUPER,
        alpha: float | None = None,
        input_weights: Tensor | None = None,
        recurrent_weights: Tensor | None = None,
        autapses: bool = False,
        record_states: bool = False,
        **options: Any,
    ) -> None:
        neuron = self.model(hidden_size, **options)
        super().__init__(input_size, neuron, method, alpha, input_weights, recurrent_weights, autapses, record_states)
