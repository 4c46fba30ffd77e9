"""Connections between neurons: the event-driven linear layer, learnable delays, and the factory of all kinds."""

from .axonal_delay import AxonalDelay
from .axonal_linear import AxonalLinear
from .connection import CONNECTIONS, connect, transmit
from .delayed_linear import DelayedLinear
from .learnable_delay import DelayedModule, DelaySettings, LearnableDelay, discretised
from .linear import Events, SpikeLinear, spike_linear
from .taps import gaussian_taps

__all__ = [
    "CONNECTIONS",
    "AxonalDelay",
    "AxonalLinear",
    "DelaySettings",
    "DelayedLinear",
    "DelayedModule",
    "Events",
    "LearnableDelay",
    "SpikeLinear",
    "connect",
    "discretised",
    "gaussian_taps",
    "spike_linear",
    "transmit",
]
