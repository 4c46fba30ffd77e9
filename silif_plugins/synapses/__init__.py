"""Connections between neurons: the event-driven linear layer."""

from .spike_linear import SpikeLinear, spike_linear

__all__ = ["SpikeLinear", "spike_linear"]
