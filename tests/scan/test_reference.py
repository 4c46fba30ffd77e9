"""The definition itself, against equations written down another way."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.dynamics import State, StateSpace
from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan, step
from silif_plugins.surrogate import resolve

DETACHED = pytest.mark.parametrize("detach_reset", [False, True], ids=["flows", "detached"])


def problem(steps, batch=3, neurons=5, seed=0):
    """Input, the nine coefficients, the initial state and recurrent weights, all of which want gradients."""
    torch.manual_seed(seed)
    space = SiLIF(neurons).double().state_space()
    tensors = [
        6 * torch.randn(steps, batch, neurons, dtype=torch.float64),
        *(field.detach().expand(neurons).clone() for field in space),
        *torch.rand(3, batch, neurons, dtype=torch.float64),
        torch.randn(neurons, neurons, dtype=torch.float64) / 2,
    ]
    return [tensor.requires_grad_() for tensor in tensors]


def plain_loop(inputs, surrogate, detach_reset, recurrent, lengths=None):
    """Matrices and vectors of two, instead of eight coefficients."""
    current, a11, a12, a21, a22, b1, b2, r1, r2, threshold, mem, ada, spikes, weights = inputs
    a = torch.stack([torch.stack([a11, a12], -1), torch.stack([a21, a22], -1)], -2)
    b, r = torch.stack([b1, b2], -1), torch.stack([r1, r2], -1)
    x = torch.stack([mem, ada], -1)
    outputs = []
    for t in range(len(current)):
        total = current[t] + spikes @ weights if recurrent else current[t]
        resetting = spikes.detach() if detach_reset else spikes
        after = (a @ x[..., None])[..., 0] + b * total[..., None] + r * resetting[..., None]
        fired = surrogate(after[..., 0] - threshold)
        runs = torch.full((len(x), 1), True) if lengths is None else (t < lengths)[:, None]
        outputs.append(torch.where(runs, fired, 0))
        x, spikes = torch.where(runs[..., None], after, x), torch.where(runs, fired, spikes)
    return [torch.stack(outputs), x[..., 0], x[..., 1], spikes]


def gradients(outputs, inputs):
    torch.manual_seed(1)
    loss = sum((output * torch.randn(output.shape, dtype=output.dtype)).sum() for output in outputs)
    return torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)


def by_scan(inputs, **options):
    weights = inputs[13] if options.pop("recurrent", False) else None
    spikes, last = scan(
        StateSpace(*inputs[1:10]),
        inputs[0],
        State(*inputs[10:13]),
        recurrent=weights,
        **{"backend": "reference"} | options,
    )
    return [spikes, *last]


@DETACHED
@pytest.mark.parametrize("lengths", [None, torch.tensor([30, 0, 17])], ids=["full", "lengths"])
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("surrogate", ["boxcar", "atan"])
def test_equals_a_plain_loop(surrogate, recurrent, lengths, detach_reset):
    inputs = problem(30)
    expected = plain_loop(inputs, resolve(surrogate), detach_reset, recurrent, lengths)
    options = {"recurrent": recurrent, "lengths": lengths, "detach_reset": detach_reset}
    got = by_scan(inputs, surrogate=surrogate, **options)
    assert 0.02 < got[0].mean() < 0.9
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients(got, inputs), gradients(expected, inputs), rtol=1e-10, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.integers(1, 40),
    neurons=st.integers(1, 4),
    surrogate=st.sampled_from(["boxcar", "atan", "triangle"]),
    backend=st.sampled_from(["reference", "cpu"]),
    seed=st.integers(0, 2**31),
)
def test_a_detached_reset_leaves_a_linear_filter(steps, neurons, surrogate, backend, seed):
    """With given spikes as one more input the state is a sum over all earlier inputs, and the gradient is its own."""
    inputs = problem(steps, 2, neurons, seed)
    options = {"surrogate": surrogate, "backend": backend, "detach_reset": True}
    spikes, *last = by_scan(inputs, **options)
    current, a11, a12, a21, a22, b1, b2, r1, r2, threshold, mem, ada, first, _ = inputs
    a = torch.stack([torch.stack([a11, a12], -1), torch.stack([a21, a22], -1)], -2)
    powers = torch.stack([torch.linalg.matrix_power(a, k) for k in range(steps + 1)])
    before = torch.cat([first[None], spikes[:-1]]).detach()
    driven = torch.stack([b1, b2], -1) * current[..., None] + torch.stack([r1, r2], -1) * before[..., None]
    free = torch.einsum("tnij,bnj->tbni", powers[1:], torch.stack([mem, ada], -1))
    gap = torch.arange(steps)[:, None] - torch.arange(steps)
    kernel = powers[gap.clamp(min=0)] * (gap >= 0)[..., None, None, None]
    x = free + torch.einsum("tknij,kbnj->tbni", kernel, driven)
    fired = resolve(surrogate)(x[..., 0] - threshold)
    torch.testing.assert_close([spikes, *last], [fired, x[-1, ..., 0], x[-1, ..., 1], fired[-1]])
    found = gradients([spikes, *last], inputs)
    torch.testing.assert_close(found, gradients([fired, x[-1, ..., 0], x[-1, ..., 1], fired[-1]], inputs))
    assert not found[12].any(), "the initial spikes only reset"


@DETACHED
def test_steps_equal_a_scan(detach_reset):
    inputs = problem(20)
    spikes, last = [], State(*inputs[10:13])
    for now in inputs[0]:
        fired, last = step(StateSpace(*inputs[1:10]), now, last, surrogate="atan", detach_reset=detach_reset)
        spikes.append(fired)
    outputs, whole = [torch.stack(spikes), *last], by_scan(inputs, surrogate="atan", detach_reset=detach_reset)
    assert all(torch.equal(*pair) for pair in zip(outputs, whole, strict=True))
    torch.testing.assert_close(gradients(outputs, inputs), gradients(whole, inputs), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_what_a_detached_reset_changes(backend):
    """The gradients, but those of what acts on the last step alone; no output."""
    inputs = problem(30)
    runs = [by_scan(inputs, backend=backend, surrogate="atan", detach_reset=detach) for detach in (False, True)]
    assert all(torch.equal(*pair) for pair in zip(*runs, strict=True))
    flows, detached = (gradients(run, inputs) for run in runs)
    assert torch.equal(flows[0][-1], detached[0][-1])
    assert not torch.allclose(flows[0][:-1], detached[0][:-1])
    assert all(gradient.any() for gradient in detached[:12])
