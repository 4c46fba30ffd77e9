"""Neuron models: parameters, their initialisation, and the state space that they define.

A model is one short file. Nothing here knows a time loop, a host library or data.
"""

from .adlif import AdLIF, CAdLIF
from .csilif import CSiLIF, csilif_space
from .lif import LI, LIF
from .log_domain import leak
from .neuron import Neuron
from .registry import NEURONS, canonical_name, neuron_class, register_neuron
from .rf import RF
from .sampling import Init, Learn, has_values, trained
from .silif import COUPLING, SPIKE_COUPLING, SiLIF, silif_space

__all__ = [
    "COUPLING",
    "LI",
    "LIF",
    "NEURONS",
    "RF",
    "SPIKE_COUPLING",
    "AdLIF",
    "CAdLIF",
    "CSiLIF",
    "Init",
    "Learn",
    "Neuron",
    "SiLIF",
    "canonical_name",
    "csilif_space",
    "has_values",
    "leak",
    "neuron_class",
    "register_neuron",
    "silif_space",
    "trained",
]
