"""Connections between neurons: the event-driven linear layer."""

from .linear import Events, SpikeLinear, spike_linear

__all__ = ["Events", "SpikeLinear", "spike_linear"]
