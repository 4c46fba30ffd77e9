"""SiLIF and C-SiLIF: state-space-inspired spiking neurons for snnTorch, Norse and SpArch.

The neurons of a host library are in ``silif_plugins.snntorch``, ``silif_plugins.norse`` and ``silif_plugins.sparch``.
What all of them build on is here: neuron models and their state space. ``silif_plugins.scan`` runs them over time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .diagnosis import diagnose
    from .dynamics import State, StateSpace
    from .neurons import LI, LIF, RF, AdLIF, CAdLIF, CSiLIF, Neuron, SiLIF

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
]


# Names are imported when they are first asked for: torch takes a second, and `silif --help` can do without.
def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = {"diagnose": "diagnosis", "State": "dynamics", "StateSpace": "dynamics"}.get(name, "neurons")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
