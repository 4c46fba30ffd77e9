"""How neurons run over time: one entrance, the defining loop, and faster backends that equal it."""

from .backends import BACKENDS, Backend
from .dispatch import Neurons, dynamics_of, scan, scan_with_gate, step
from .layout import has_kernel
from .lengths import as_lengths
from .single import SingleStep

__all__ = [
    "BACKENDS",
    "Backend",
    "Neurons",
    "SingleStep",
    "as_lengths",
    "dynamics_of",
    "has_kernel",
    "scan",
    "scan_with_gate",
    "step",
]
