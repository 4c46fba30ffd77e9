"""The record of a neuron: what any host needs to make it again."""

from __future__ import annotations

import functools
import inspect
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..dynamics import StateSpace
from ..neurons import NEURONS, Neuron
from .layer_neuron import LayerNeuron

Setting = bool | float
"""A constructor argument of a model that is no tensor: ``log``, ``half_reset``, the fixed ``dt`` of RF."""

THRESHOLD = "threshold"
"""Name of the threshold among what trains."""

ONE = torch.tensor(1.0, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Record:
    r"""A population of one of :data:`silif_plugins.neurons.NEURONS` in a layer of a host, in no host's terms.

    Its coefficients are those of the neuron with b multiplied by ``input_scale`` and r by ``reset_scale``, and where
    ``own_threshold`` is given by ``threshold / own_threshold`` too. What a file may hold is checked here.

    Attributes:
        model: Name of the model, as the registry spells it.
        size: Shape of the population. One neuron, (1,), may stand for all of a layer.
        values: The model's parameters and fixed values by name, each [\*size] or shared, which broadcasts to it.
        trained: Names of those that train; ``"threshold"`` is among them if it does.
        settings: Constructor arguments of the model that differ from its defaults.
        timestep: What ``log_dt`` is relative to, in seconds: 1 where it is absolute, the ``dt`` of a module of Norse.
        threshold: Membrane potential above which the layer fires, which broadcasts to [\*size].
        own_threshold: The threshold that the neuron's own reset was made for; the reset follows the layer's, as in
            snnTorch, even while that trains. None: the reset is the neuron's own whatever the threshold, as in Norse.
        input_scale: Factor of the current, fixed.
        reset_scale: Factor of what a spike does to the next step, fixed.
        resets: Whether spikes do anything to the next step.
        detach_reset: Whether the spikes that reset are constants for the gradient.
        surrogate: Name and fields of the surrogate, as :func:`silif_plugins.surrogate.name_of` gives them; None if it
            has no name.
        autapses: Whether neurons of a recurrent population may drive themselves.

    Raises:
        ValueError: If a value is not valid; the message says which.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> record = Record.of(SiLIF(4, learn=("a", "b")), surrogate=("atan", {"alpha": 2.0}))
        >>> record.model, sorted(record.trained), record.neuron()
        ('SiLIF', ['a', 'b'], SiLIF(4, threshold=1))
    """

    model: str
    size: tuple[int, ...]
    values: dict[str, Tensor]
    trained: frozenset[str]
    settings: dict[str, Setting] = field(default_factory=dict)
    timestep: float = 1.0
    threshold: Tensor = ONE
    own_threshold: Tensor | None = None
    input_scale: Tensor = ONE
    reset_scale: Tensor = ONE
    resets: bool = True
    detach_reset: bool = False
    surrogate: tuple[str, dict[str, float]] | None = None
    autapses: bool = True

    def __post_init__(self) -> None:
        """Check what needs no neuron."""
        if self.model not in NEURONS:
            raise ValueError(f"model: got {self.model!r}; it must be one of {', '.join(NEURONS)}")
        if not self.size or min(self.size) < 1:
            raise ValueError(f"size: got {self.size}; it must be one or more positive numbers")
        if not (self.timestep > 0 and math.isfinite(self.timestep)):
            raise ValueError(f"timestep: got {self.timestep}; it must be a positive time in seconds")
        if self.timestep != 1 and "log_dt" not in self.values:
            raise ValueError(f"timestep: got {self.timestep}, but there is no log_dt that is relative to it")
        if unknown := sorted(self.trained - {*self.values, THRESHOLD}):
            raise ValueError(f"trained: got {unknown[0]!r}; it must be among {', '.join([*self.values, THRESHOLD])}")
        for name, value in self._tensors().items():
            if bool(value.isnan().any()) or (name in self.values and not bool(value.isfinite().all())):
                raise ValueError(f"{name}: got NaN or an infinite value; it must be numbers")
            if not broadcasts(value.shape, self.size):
                raise ValueError(
                    f"{name}: got shape {tuple(value.shape)}; it must broadcast to the neurons {self.size}"
                )

    @classmethod
    def of(
        cls,
        neuron: Neuron,
        *,
        surrogate: tuple[str, dict[str, float]] | None = None,
        detach_reset: bool = False,
        autapses: bool = True,
    ) -> Record | None:
        """Return the record of a neuron of the core, with or without what layers add; None if it has no model."""
        layer = neuron if isinstance(neuron, LayerNeuron) else None
        inner = neuron if layer is None else layer.neuron
        model = next((name for name, model in NEURONS.items() if type(inner) is model), None)
        if model is None:
            return None
        trained = frozenset(name for name, _ in inner.named_parameters())
        record = cls(
            model=model,
            size=inner.size,
            values=_copies(inner.state_dict()),
            trained=trained,
            settings=settings_of(inner),
            threshold=_copy(inner.threshold),
            surrogate=surrogate,
            detach_reset=detach_reset,
            autapses=autapses,
        )
        return record if layer is None else record.in_layer(layer)

    def in_layer(self, layer: LayerNeuron) -> Record:
        """Return the record with what a layer adds to the neuron."""
        return Record(
            **{
                **vars(self),
                "trained": self.trained | ({THRESHOLD} if isinstance(layer.threshold, torch.nn.Parameter) else set()),
                "threshold": _copy(layer.threshold),
                "own_threshold": _copy(layer.neuron.threshold),
                "input_scale": _copy(layer.input_scale),
                "reset_scale": _copy(layer.reset_scale),
                "resets": layer.resets,
            }
        )

    @property
    def shared(self) -> list[str]:
        """Names of trained values, but for the threshold, that several neurons share."""
        size = math.prod(self.size)
        return sorted(name for name, value in self.values.items() if name in self.trained and value.numel() != size)

    @property
    def is_bare(self) -> bool:
        """Whether the layer adds nothing to the neuron, with its threshold."""
        scaled = any(bool((scale != 1).any()) for scale in (self.input_scale, self.reset_scale))
        return self.resets and not scaled and self.has_own_reset and THRESHOLD not in self.trained

    @property
    def has_own_reset(self) -> bool:
        """Whether the reset is the neuron's own, and stays it in training."""
        if self.own_threshold is None:
            return True
        return THRESHOLD not in self.trained and bool((self.own_threshold == self.threshold).all())

    def neuron(self) -> Neuron:
        """Return the neuron, a model of the core with a threshold of its own and an absolute timestep.

        Raises:
            ValueError: If the model takes other values or settings.
        """
        self._check_names()
        model: Any = NEURONS[self.model]  # constructors differ in what they take
        generator = torch.Generator()  # not the user's: what is drawn is replaced
        neuron: Neuron = model(self.size, learn=self.trained - {THRESHOLD}, generator=generator, **self.settings)
        values = {name: value.expand(self.size) for name, value in self.values.items()}
        if self.timestep != 1:
            values["log_dt"] = values["log_dt"] + math.log(self.timestep)
        dtype = functools.reduce(torch.promote_types, (value.dtype for value in values.values()))
        neuron.to(dtype)
        neuron.load_state_dict(values)
        own = self.threshold if self.own_threshold is None else self.own_threshold
        neuron.threshold = own.detach().clone().to(dtype)
        return neuron

    def layer_neuron(self) -> Neuron:
        """Return the neuron with what its layer adds, for a host whose layers add nothing."""
        neuron = self.neuron()
        if self.is_bare:
            return neuron
        return LayerNeuron(
            neuron,
            threshold=self.threshold,
            learn_threshold=THRESHOLD in self.trained,
            input_scale=self.input_scale,
            reset_scale=self.reset_scale,
            resets=self.resets,
        )

    def state_space(self) -> StateSpace:
        """Return the coefficients that the layer runs."""
        with torch.no_grad():
            return self.layer_neuron().state_space()

    def _check_names(self) -> None:
        model: Any = NEURONS[self.model]
        defaults = {name: parameter.default for name, parameter in inspect.signature(model).parameters.items()}
        for name, value in self.settings.items():
            if type(value) is not type(defaults.get(name)):
                raise ValueError(f"settings: got {name}={value!r}, which {self.model} does not take")
        expected = model(1, learn=False, generator=torch.Generator(), **self.settings).state_dict().keys()
        if self.values.keys() != expected:
            raise ValueError(f"values: got {', '.join(self.values)}; {self.model} has {', '.join(expected)}")

    def _tensors(self) -> dict[str, Tensor]:
        own = {} if self.own_threshold is None else {"own_threshold": self.own_threshold}
        scales = {"input_scale": self.input_scale, "reset_scale": self.reset_scale}
        return {**self.values, THRESHOLD: self.threshold, **own, **scales}


def settings_of(neuron: Neuron) -> dict[str, Setting]:
    """Return the constructor arguments of a neuron that are no tensors and differ from the defaults."""
    found = {}
    for name, parameter in inspect.signature(type(neuron)).parameters.items():
        value = getattr(neuron, name, None)
        if isinstance(value, bool | float) and value != parameter.default:
            found[name] = value
    return found


def broadcasts(shape: tuple[int, ...], size: tuple[int, ...]) -> bool:
    """Whether a shape broadcasts to a size, and makes it no larger."""
    try:
        return torch.broadcast_shapes(shape, size) == size
    except RuntimeError:
        return False


def _copy(value: Tensor) -> Tensor:
    return value.detach().cpu().clone()


def _copies(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: _copy(value) for name, value in values.items()}
