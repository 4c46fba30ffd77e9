"""Connections between neurons: the event-driven linear layer, learnable delays, and the factory of all kinds."""

from .axonal_delay import AxonalDelay
from .axonal_linear import AxonalLinear
from .connection import CONNECTIONS, connect, transmit
from .delayed_linear import DelayedLinear
from .dendritic_linear import DendriticDelay, DendriticLinear
from .learnable_delay import DelayedModule, DelayMemory, DelaySettings, LearnableDelay, delay_memory, discretised
from .linear import Events, SpikeLinear, spike_linear
from .recurrent_delay import RecurrentDelay, RecurrentState
from .stateful_delay import StatefulDelay
from .taps import gaussian_taps, triangle_taps

__all__ = [
    "CONNECTIONS",
    "AxonalDelay",
    "AxonalLinear",
    "DelayMemory",
    "DelaySettings",
    "DelayedLinear",
    "DelayedModule",
    "DendriticDelay",
    "DendriticLinear",
    "Events",
    "LearnableDelay",
    "RecurrentDelay",
    "RecurrentState",
    "SpikeLinear",
    "StatefulDelay",
    "connect",
    "delay_memory",
    "discretised",
    "gaussian_taps",
    "spike_linear",
    "transmit",
    "triangle_taps",
]
