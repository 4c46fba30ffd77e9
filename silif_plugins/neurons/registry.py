"""Neuron models by name, for command lines and recipes."""

from __future__ import annotations

from ..hints import did_you_mean
from .adlif import AdLIF, CAdLIF
from .csilif import CSiLIF
from .lif import LIF
from .neuron import Neuron
from .rf import RF
from .silif import SiLIF

NEURONS: dict[str, type[Neuron]] = {
    "LIF": LIF,
    "AdLIF": AdLIF,
    "cAdLIF": CAdLIF,
    "RF": RF,
    "SiLIF": SiLIF,
    "C-SiLIF": CSiLIF,
}
"""The spiking models by the names that the paper uses."""


def neuron_class(name: str | type[Neuron]) -> type[Neuron]:
    """Find a neuron model by its name, whatever its capitals and hyphens, or pass a class through.

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
    return NEURONS[canonical_name(name)]


def canonical_name(name: str) -> str:
    """Spell a model's name as the paper does.

    Raises:
        ValueError: If there is no model of this name; the message lists the names.

    Examples:
        >>> canonical_name("csilif")
        'C-SiLIF'
    """
    wanted = name.replace("-", "").lower()
    for known in NEURONS:
        if known.replace("-", "").lower() == wanted:
            return known
    raise ValueError(f"neuron: got {name!r}; it must be one of {', '.join(NEURONS)}{did_you_mean(name, NEURONS)}")
