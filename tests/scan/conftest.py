"""A comparison of a backend with the reference: outputs to the last bit, gradients to rounding."""

import math
import os

import pytest
import torch

from silif_plugins.dynamics import HardReset, State
from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # Triton looks at it once, when it is imported


def outputs_and_gradients(backend, space, current, state, weights, hard_reset=False, **options):
    """Run a scan and a loss that reaches every output; return outputs, and gradients of all inputs."""
    inputs = [current, *space, *(state or ())]
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    state = None if state is None else State(*inputs[10:])
    neurons = type(space)(*inputs[1:10])
    neurons = HardReset(neurons) if hard_reset else neurons
    spikes, *states = scan(neurons, inputs[0], state, backend=backend, **options)
    outputs = [spikes, *(field for state in states for field in state)]
    loss = sum(
        (output * weight[: output.numel()].view_as(output)).sum()
        for output, weight in zip(outputs, weights[: len(outputs)], strict=True)
    )
    gradients = torch.autograd.grad(loss, inputs, allow_unused=True)
    return outputs, [torch.zeros_like(i) if g is None else g for i, g in zip(inputs, gradients, strict=True)]


@pytest.fixture
def assert_equals_reference():
    def check(backend, space, current, state=None, *, tolerance=None, **options):
        if tolerance is None:
            tolerance = 1e-10 if torch.promote_types(current.dtype, space.dtype) == torch.float64 else 1e-5
        weights = torch.randn(
            7,
            max(1, current.shape[0]) * math.prod(current.shape[1:]),
            dtype=torch.promote_types(current.dtype, space.dtype),
            device=current.device,
        )
        expected = outputs_and_gradients("reference", space, current, state, weights, **options)
        got = outputs_and_gradients(backend, space, current, state, weights, **options)
        for index, (one, other) in enumerate(zip(expected[0], got[0], strict=True)):
            assert one.dtype == other.dtype
            assert torch.equal(one, other), f"output {index}"
        for index, (one, other) in enumerate(zip(expected[1], got[1], strict=True)):
            scale = one.abs().max().clamp(min=1e-30) if one.numel() else 1
            assert one.dtype == other.dtype
            assert ((one - other).abs() <= tolerance * scale).all(), f"gradient {index}"
        return got[0][0]

    return check


@pytest.fixture
def random_problem():
    """Neurons, an input that makes them fire, and a random state."""

    def make(steps, batch, neurons, dtype=torch.float64, model=SiLIF):
        space = type(model(1).state_space())(
            *(field.detach().to(dtype).expand(neurons) for field in model(neurons).state_space())
        )
        current = 6 * torch.randn(steps, batch, neurons, dtype=dtype)
        return space, current, State(*torch.rand(3, batch, neurons, dtype=dtype))

    return make
