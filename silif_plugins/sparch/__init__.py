"""SpArch's speech network with our neurons, its published checkpoints, and our neurons inside the original.

The networks and layers that SpArch users see take [B, T, N], as SpArch does.
"""

from .ahead import compile_kernels
from .checkpoints import CheckpointError, from_official, load_official, save_official, to_official
from .layers import InitialState, Normalization, Readout, SpikingLayer
from .network import SpArchNet, SpArchOutput
from .nir import to_nir
from .registration import RegisteredLayer, register
from .s5rf_network import ComplexResonators, S5RFNet

__all__ = [
    "CheckpointError",
    "ComplexResonators",
    "InitialState",
    "Normalization",
    "Readout",
    "RegisteredLayer",
    "S5RFNet",
    "SpArchNet",
    "SpArchOutput",
    "SpikingLayer",
    "compile_kernels",
    "from_official",
    "load_official",
    "register",
    "save_official",
    "to_nir",
    "to_official",
]
