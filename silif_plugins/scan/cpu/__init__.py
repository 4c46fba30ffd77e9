"""The fused CPU backend: kernels compiled by numba at the first call, run on PyTorch's own threads."""

from ..layout import Backward, Forward, Gradients, Outputs
from . import recurrent, run
from .run import backward_flow, backward_system, forward_flow, forward_system


def forward(call: Forward) -> Outputs:
    """Run neurons over a sequence."""
    return run.forward(call) if call.weights is None else recurrent.forward(call)


def backward(call: Backward) -> Gradients:
    """Run the adjoint."""
    return run.backward(call) if call.weights is None else recurrent.backward(call)


__all__ = ["backward", "backward_flow", "backward_system", "forward", "forward_flow", "forward_system"]
