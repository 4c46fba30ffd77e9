"""The lean step against the core's: outputs to the last bit, first and second gradients to rounding."""

import pytest
import torch

from silif_plugins.dynamics import State, StateSpace
from silif_plugins.neurons import LIF, CSiLIF, SiLIF
from silif_plugins.scan import scan, step
from silif_plugins.snntorch.lean import LeanStep
from silif_plugins.surrogate import ATan, resolve

SURROGATES = {"boxcar": resolve("boxcar"), "atan": ATan(2.0), "callable": lambda x: ATan(2.0)(x)}
DETACHED = pytest.mark.parametrize("detach_reset", [False, True], ids=["flows", "detached"])


def problem(model, steps=12, batch=3, neurons=5):
    """Input, initial state and coefficients in float64; those that are one constant stay so."""
    torch.manual_seed(0)
    current = 6 * torch.randn(steps, batch, neurons, dtype=torch.float64)
    state = torch.rand(3, batch, neurons, dtype=torch.float64)
    fields = [field.detach().double() for field in model(neurons).state_space()]
    trained = [field.requires_grad_(field.dim() > 0) for field in fields]
    return current.requires_grad_(), [field.requires_grad_() for field in state], trained


def run(advance, current, state):
    outputs = []
    for now in current:
        state = advance(now, state)
        outputs.extend(state)
    return outputs


def loss_of(outputs):
    torch.manual_seed(1)
    return sum((output * torch.randn(output.shape, dtype=output.dtype)).sum() for output in outputs)


@DETACHED
@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("model", [SiLIF, CSiLIF, LIF])
def test_equals_the_core_step(model, name, detach_reset):
    current, state, fields = problem(model)
    space, surrogate = StateSpace(*fields), SURROGATES[name]
    inputs = [current, *state, *(field for field in fields if field.requires_grad)]
    lean = LeanStep(space, surrogate, detach_reset)
    found, second = [], []
    runs = [
        run(
            lambda now, s: step(space, now, s, surrogate=surrogate, detach_reset=detach_reset)[1],
            current,
            State(*state),
        ),
        run(lean, current, State(*state)),
    ]
    assert all(torch.equal(*pair) for pair in zip(*runs, strict=True))
    for outputs in runs:
        options = {"allow_unused": True, "materialize_grads": True}
        found.append(torch.autograd.grad(loss_of(outputs), inputs, retain_graph=True, **options))
        once = torch.autograd.grad(loss_of(outputs), inputs, create_graph=True, **options)
        twice = sum(gradient.square().sum() for gradient in once)
        second.append((*once, *torch.autograd.grad(twice, inputs, **options)))
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(*second, rtol=1e-10, atol=1e-10)
    assert bool(found[1][3].any()) != detach_reset, "the initial spikes only reset"


@DETACHED
def test_equals_a_scan(detach_reset):
    current, state, fields = problem(SiLIF)
    space, inputs = StateSpace(*fields), [current, *(field for field in fields if field.requires_grad)]
    spikes, _ = scan(space, current, State(*state), backend="cpu", detach_reset=detach_reset)
    steps = run(LeanStep(space, resolve("boxcar"), detach_reset), current, State(*state))[2::3]
    assert torch.equal(torch.stack(steps), spikes)
    weights = torch.randn(spikes.shape, dtype=spikes.dtype)
    both = [
        torch.autograd.grad((output * weights).sum(), inputs, allow_unused=True, materialize_grads=True)
        for output in (spikes, torch.stack(steps))
    ]
    torch.testing.assert_close(*both, rtol=1e-10, atol=1e-10)


@DETACHED
def test_without_gradients(detach_reset):
    current, state, fields = problem(SiLIF)
    space, surrogate = StateSpace(*fields), resolve("boxcar")
    with torch.no_grad():
        lean = run(LeanStep(space, surrogate, detach_reset), current, State(*state))
        core = run(lambda now, s: step(space, now, s, surrogate=surrogate)[1], current, State(*state))
    assert all(torch.equal(*pair) for pair in zip(lean, core, strict=True))
