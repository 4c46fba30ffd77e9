"""Connections between neurons: the event-driven linear layer, learnable delays, and the factory of all kinds."""

from .axonal_delay import AxonalDelay
from .axonal_linear import AxonalLinear
from .connection import CONNECTIONS, connect, transmit
from .delayed_linear import DelayedLinear
from .gaussian_taps import gaussian_taps
from .learnable_delay import discretised
from .linear import Events, SpikeLinear, spike_linear

__all__ = [
    "CONNECTIONS",
    "AxonalDelay",
    "AxonalLinear",
    "DelayedLinear",
    "Events",
    "SpikeLinear",
    "connect",
    "discretised",
    "gaussian_taps",
    "spike_linear",
    "transmit",
]
