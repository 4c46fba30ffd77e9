"""Connections between neurons: the event-driven linear layer, and the factory of all kinds."""

from .connection import CONNECTIONS, connect, transmit
from .linear import Events, SpikeLinear, spike_linear

__all__ = ["CONNECTIONS", "Events", "SpikeLinear", "connect", "spike_linear", "transmit"]
