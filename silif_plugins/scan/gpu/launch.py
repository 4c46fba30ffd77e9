"""The way into the GPU kernels: with recurrent weights, or without."""

from __future__ import annotations

from ..layout import Backward, Forward, Gradients, Outputs
from . import recurrent, run


def forward(call: Forward) -> Outputs:
    """Run neurons over a sequence."""
    return run.forward(call) if call.weights is None else recurrent.forward(call)


def backward(call: Backward) -> Gradients:
    """Run the adjoint."""
    return run.backward(call) if call.weights is None else recurrent.backward(call)
