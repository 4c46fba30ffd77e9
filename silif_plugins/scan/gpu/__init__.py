"""The fused backend for GPUs, in Triton: the kernels, what launches them, and what they move and need by count.

A program runs a block of lanes, each of them one neuron of one sequence. ``traffic`` needs neither Triton nor a GPU;
``machine_code`` compiles for GPUs that are not there.
"""

from .traffic import (
    AHEAD,
    BLOCK,
    GPUS,
    LATENCY,
    Gpu,
    Traffic,
    backward_traffic,
    forward_traffic,
    lanes_to_fill,
    resident_lanes,
)

__all__ = [
    "AHEAD",
    "BLOCK",
    "GPUS",
    "LATENCY",
    "Gpu",
    "Traffic",
    "backward_traffic",
    "forward_traffic",
    "lanes_to_fill",
    "resident_lanes",
]
