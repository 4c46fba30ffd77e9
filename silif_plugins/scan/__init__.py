"""How neurons run over time: one entrance, the defining loop, and faster backends that equal it."""

from .ahead import layer_kernels
from .backends import BACKENDS, Backend
from .dispatch import Firing, Neurons, dynamics_of, normalises, scan, scan_layer, scan_with_gate, step
from .layout import has_kernel
from .lengths import as_lengths
from .single import SingleStep

__all__ = [
    "BACKENDS",
    "Backend",
    "Firing",
    "Neurons",
    "SingleStep",
    "as_lengths",
    "dynamics_of",
    "has_kernel",
    "layer_kernels",
    "normalises",
    "scan",
    "scan_layer",
    "scan_with_gate",
    "step",
]
