"""SiLIF and C-SiLIF: state-space-inspired spiking neurons for snnTorch, Norse and SpArch.

The neurons of a host library are in ``silif_plugins.snntorch``, ``silif_plugins.norse`` and ``silif_plugins.sparch``.
What all of them build on is here: neuron models, their state space, and how it runs over time.
"""

from .diagnosis import diagnose
from .neurons import LI, LIF, RF, AdLIF, CAdLIF, CSiLIF, Neuron, SiLIF, State, StateSpace
from .scan import scan, step

__version__ = "0.1.0"

__all__ = [
    "LI",
    "LIF",
    "RF",
    "AdLIF",
    "CAdLIF",
    "CSiLIF",
    "Neuron",
    "SiLIF",
    "State",
    "StateSpace",
    "diagnose",
    "scan",
    "step",
]
