"""Connections between neurons: the event-driven linear layer, learnable delays, and the factory of all kinds."""

from .axonal_delay import AxonalDelay
from .axonal_linear import AxonalLinear
from .connection import CONNECTIONS, connect, transmit
from .delayed_linear import DelayedLinear
from .learnable_delay import DelayedModule, LearnableDelay, discretised
from .linear import Events, SpikeLinear, spike_linear
from .quantised_linear import QuantisedLinear
from .rounding import Bits, largest_level, levels, row_steps
from .taps import gaussian_taps

__all__ = [
    "CONNECTIONS",
    "AxonalDelay",
    "AxonalLinear",
    "Bits",
    "DelayedLinear",
    "DelayedModule",
    "Events",
    "LearnableDelay",
    "QuantisedLinear",
    "SpikeLinear",
    "connect",
    "discretised",
    "gaussian_taps",
    "largest_level",
    "levels",
    "row_steps",
    "spike_linear",
    "transmit",
]
