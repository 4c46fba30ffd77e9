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
from .alif import ALIF
from .brf import BRF, BRFState
from .csilif import CSiLIF, csilif_flow, csilif_space
from .dlinoss import DLinOSS
from .drf import DRF
from .fits import FITS, FITSTS
from .general import GeneralResetNeuron
from .hrf import HRF
from .lif import LI, LIF, MEMBRANE_DECAYS
from .log_domain import leak
from .neuron import Neuron, hostable
from .prf import PRF
from .rafnode import RAFNode
from .registry import NEURONS, RECURRENT, canonical_name, is_recurrent, neuron_class, register_neuron
from .rf import RF
from .s5rf import S5RF
from .sampling import Init, Learn, has_values, trained
from .seadlif import SEAdLIF
from .silif import COUPLING, SPIKE_COUPLING, SiLIF, silif_flow, silif_space

__all__ = [
    "ALIF",
    "BRF",
    "COUPLING",
    "DRF",
    "FITS",
    "FITSTS",
    "HRF",
    "LI",
    "LIF",
    "MEMBRANE_DECAYS",
    "NEURONS",
    "PRF",
    "RECURRENT",
    "RF",
    "S5RF",
    "SPIKE_COUPLING",
    "AdLIF",
    "BRFState",
    "CAdLIF",
    "CSiLIF",
    "DLinOSS",
    "GeneralResetNeuron",
    "Init",
    "Learn",
    "Neuron",
    "RAFNode",
    "SEAdLIF",
    "SiLIF",
    "State",
    "StateSpace",
    "canonical_name",
    "csilif_flow",
    "csilif_space",
    "eigenvalues",
    "has_values",
    "hostable",
    "is_recurrent",
    "is_stable",
    "jury_margins",
    "leak",
    "neuron_class",
    "oscillates",
    "register_neuron",
    "silif_flow",
    "silif_space",
    "spectral_radius",
    "stability_margin",
    "trained",
]
