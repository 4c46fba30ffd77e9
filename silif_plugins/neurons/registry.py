"""The models by name: a model's file registers it, and hosts, networks and the command line find it here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..hints import did_you_mean
from .neuron import Neuron

Model = TypeVar("Model", bound=type[Neuron])

NEURONS: dict[str, type[Neuron]] = {}
"""The spiking models by the names that the paper uses."""

RECURRENT = {"RLIF": "LIF", "RadLIF": "AdLIF"}
"""SpArch's names of neurons in a layer with recurrent weights, and those of the neurons."""


def register_neuron(name: str) -> Callable[[Model], Model]:
    """Register a model under a name, as a decorator of its class.

    Args:
        name: As it is shown; users may write it in other capitals and without hyphens.

    Raises:
        ValueError: If another model has this name.

    Examples:
        >>> @register_neuron("Perfect-Integrator")
        ... class Perfect(Neuron):
        ...     "A perfect integrator."
        >>> neuron_class("perfectintegrator") is Perfect
        True
        >>> del NEURONS["Perfect-Integrator"]
    """

    def register(model: Model) -> Model:
        if any(_plain(known) == _plain(name) for known in RECURRENT):
            raise ValueError(f"name: got {name!r} for {model.__name__}; it is the name of a recurrent layer")
        for known, other in NEURONS.items():
            # The same class again is a cell of a notebook that is run a second time.
            if _plain(known) == _plain(name) and other.__qualname__ != model.__qualname__:
                raise ValueError(f"name: got {name!r} for {model.__name__}; it is the name of {other.__name__}")
        NEURONS[name] = model
        return model

    return register


def neuron_class(name: str | type[Neuron]) -> type[Neuron]:
    """Find a neuron model by its name, whatever its capitals and hyphens, or pass a class through.

    RLIF is the model LIF and RadLIF is AdLIF: what makes them so is the layer, see :func:`is_recurrent`.

    Raises:
        ValueError: If there is no model of this name; the message lists the names.

    Examples:
        >>> neuron_class("csilif").__name__
        'CSiLIF'
    """
    if isinstance(name, type):
        if not issubclass(name, Neuron):
            raise ValueError(f"neuron: got the class {name.__name__}; it must be a subclass of Neuron")
        return name
    name = canonical_name(name)
    return NEURONS[RECURRENT.get(name, name)]


def is_recurrent(name: str | type[Neuron]) -> bool:
    """Whether a name, beside a neuron, means a layer with recurrent weights.

    Raises:
        ValueError: If there is no model of this name; the message lists the names.

    Examples:
        >>> is_recurrent("radlif"), is_recurrent("AdLIF")
        (True, False)
    """
    return isinstance(name, str) and canonical_name(name) in RECURRENT


def canonical_name(name: str) -> str:
    """Spell a model's name as the paper does.

    Raises:
        ValueError: If there is no model of this name; the message lists the names.

    Examples:
        >>> canonical_name("csilif")
        'C-SiLIF'
    """
    names = (*NEURONS, *RECURRENT)
    for known in names:
        if _plain(known) == _plain(name):
            return known
    raise ValueError(f"neuron: got {name!r}; it must be one of {', '.join(names)}{did_you_mean(name, names)}")


def _plain(name: str) -> str:
    return name.replace("-", "").lower()
