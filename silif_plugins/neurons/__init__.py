"""Neuron models: parameters, their initialisation, and the state space that they define.

A model is one short file. Nothing here knows a host library or data. What a model's author needs of
:mod:`silif_plugins.dynamics` is shown here, too.
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
from .hrf import HRF
from .lif import LI, LIF
from .log_domain import leak
from .neuron import Neuron
from .prf import PRF
from .rafnode import RAFNode
from .registry import NEURONS, canonical_name, neuron_class, register_neuron
from .rf import RF
from .s5rf import S5RF
from .sampling import Init, Learn, has_values, trained
from .silif import COUPLING, SPIKE_COUPLING, SiLIF, silif_space

__all__ = [
    "COUPLING",
    "HRF",
    "LI",
    "LIF",
    "NEURONS",
    "PRF",
    "RF",
    "S5RF",
    "SPIKE_COUPLING",
    "AdLIF",
    "CAdLIF",
    "CSiLIF",
    "Init",
    "Learn",
    "Neuron",
    "RAFNode",
    "SiLIF",
    "State",
    "StateSpace",
    "canonical_name",
    "csilif_space",
    "eigenvalues",
    "has_values",
    "is_stable",
    "jury_margins",
    "leak",
    "neuron_class",
    "oscillates",
    "register_neuron",
    "silif_space",
    "spectral_radius",
    "stability_margin",
    "trained",
]
