"""Connections between neurons: the event-driven linear layer, learnable delays, and the factory of all kinds."""

from .ahead import linear_kernels
from .axonal_delay import AxonalDelay
from .axonal_linear import AxonalLinear
from .connection import CONNECTIONS, connect, transmit
from .delayed_linear import DelayedLinear
from .dendritic_linear import DendriticDelay, DendriticLinear
from .learnable_delay import DelayedModule, DelayMemory, DelaySettings, LearnableDelay, delay_memory, discretised
from .linear import Events, SpikeLinear, spike_linear
from .normalisation import Unscaled, can_normalise, normalised
from .quantised_linear import QuantisedLinear
from .recurrent_delay import RecurrentDelay, RecurrentState
from .rounding import Bits, largest_level, levels, row_steps
from .stateful_delay import StatefulDelay
from .taps import gaussian_taps, triangle_taps

__all__ = [
    "CONNECTIONS",
    "AxonalDelay",
    "AxonalLinear",
    "Bits",
    "DelayMemory",
    "DelaySettings",
    "DelayedLinear",
    "DelayedModule",
    "DendriticDelay",
    "DendriticLinear",
    "Events",
    "LearnableDelay",
    "QuantisedLinear",
    "RecurrentDelay",
    "RecurrentState",
    "SpikeLinear",
    "StatefulDelay",
    "Unscaled",
    "can_normalise",
    "connect",
    "delay_memory",
    "discretised",
    "gaussian_taps",
    "largest_level",
    "levels",
    "linear_kernels",
    "normalised",
    "row_steps",
    "spike_linear",
    "transmit",
    "triangle_taps",
]
