"""Neuron models: parameters, their initialisation, and the state space that they define.

A model is one short file. Nothing here knows a time loop, a host library or data.
"""

from ..dynamics import (
    State,
    StateSpace,
    eigenvalues,
    is_stable,
    jury_margins,
    oscillates,
    spectral_radius,
    stability_margin,
)
from .adlif import AdLIF, CAdLIF
from .csilif import CSiLIF, csilif_space
from .lif import LI, LIF
from .neuron import Neuron
from .registry import NEURONS, canonical_name, neuron_class, register_neuron
from .rf import RF
from .sampling import Init, Learn
from .silif import SiLIF, silif_space

__all__ = [
    "LI",
    "LIF",
    "NEURONS",
    "RF",
    "AdLIF",
    "CAdLIF",
    "CSiLIF",
    "Init",
    "Learn",
    "Neuron",
    "SiLIF",
    "State",
    "StateSpace",
    "canonical_name",
    "csilif_space",
    "eigenvalues",
    "is_stable",
    "jury_margins",
    "neuron_class",
    "oscillates",
    "register_neuron",
    "silif_space",
    "spectral_radius",
    "stability_margin",
]
