"""SpikingSSM's neurons: three ways to the same membrane, against a loop that is written out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.ssm import SDN, HardLIF, fixed_point
from silif_plugins.surrogate import resolve


def loop(current, tau, through="all"):
    """u[t] = τ u[t-1] (1 - s[t-1]) + I[t] with autograd; the published code's SLTT and BPTT are the first two."""
    surrogate = resolve("triangle")
    kept, spikes = torch.zeros_like(current[0]), []
    for now in current:
        mem = tau * (kept.detach() if through == "current" else kept) + now
        spikes.append(surrogate(mem - 1))
        kept = mem * (1 - (spikes[-1] if through == "all" else spikes[-1].detach()))
    return torch.stack(spikes)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 90),
    tau=st.sampled_from([0.0, 0.125, 0.2, 0.5, 0.9, 0.99]),
    scale=st.floats(0.1, 5),
    seed=st.integers(0, 999),
)
def test_the_fixed_point_is_the_loop(steps, tau, scale, seed):
    current = scale * torch.randn(steps, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = fixed_point(current, tau=tau)
    assert found.converged
    assert found.evaluations <= steps + 1
    assert torch.equal(found.spk, loop(current, tau))


@pytest.mark.parametrize(("tau", "most"), [(0.125, 9), (0.2, 10), (0.5, 20), (0.9, 40)])
def test_exact_and_fixed_point_do_not_differ_in_one_spike(tau, most):
    """In float32, half a million steps; the count of evaluations is part of what is reported."""
    current = torch.randn(1024, 512, 1, generator=torch.Generator().manual_seed(0))
    exact, parallel = (HardLIF(1, tau=tau, membrane=each) for each in ("exact", "fixed-point"))
    assert int((exact(current) != parallel(current)).sum()) == 0
    assert 3 <= parallel.evaluations <= most


@pytest.mark.parametrize("membrane", ["exact", "fixed-point"])
@pytest.mark.parametrize("through", ["current", "membrane", "all"])
@pytest.mark.parametrize("tau", [0.125, 0.7])
def test_spikes_and_gradients_are_those_of_the_loop(membrane, through, tau):
    torch.manual_seed(0)
    current = (2 * torch.randn(60, 3, 5, dtype=torch.float64)).requires_grad_()
    weights = torch.randn(60, 3, 5, dtype=torch.float64)
    neurons = HardLIF(5, tau=tau, membrane=membrane, through=through).double()
    spikes, expected = neurons(current), loop(current, tau, through)
    assert torch.equal(spikes, expected)
    got, wanted = (torch.autograd.grad((each * weights).sum(), current)[0] for each in (spikes, expected))
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("membrane", ["exact", "fixed-point"])
def test_thresholds_are_trained_by_scaling_the_input(membrane):
    torch.manual_seed(0)
    neurons = HardLIF(4, membrane=membrane)
    with torch.no_grad():
        neurons.ln_vth.copy_(torch.tensor([0.5, 1.0, 2.0, 4.0]).log())
    current = torch.randn(200, 3, 4)
    spikes = neurons(current)
    assert torch.equal(spikes, loop(current / torch.tensor([0.5, 1.0, 2.0, 4.0]), 0.125))
    assert (spikes.mean((0, 1)).diff() < 0).all()
    spikes.sum().backward()
    assert neurons.ln_vth.grad.ne(0).all()
    assert not HardLIF(2, learn_threshold=False).ln_vth.requires_grad


def test_steps_are_the_sequence():
    torch.manual_seed(0)
    neurons, current, state = HardLIF(4), 2 * torch.randn(50, 3, 4), None
    whole = neurons(current)
    for now, expected in zip(current, whole, strict=True):
        spikes, state = neurons.step(now, state)
        assert torch.equal(spikes, expected)


def test_the_surrogate_network_errs_little_and_gives_the_gradient_of_the_current():
    torch.manual_seed(0)
    current = torch.randn(500, 20, 3).requires_grad_()
    guessed, exact = HardLIF(3, membrane="sdn"), HardLIF(3)
    spikes = guessed(current)
    assert 0.998 < (spikes == exact(current)).double().mean() < 1
    (got,) = torch.autograd.grad(spikes.sum(), current)
    (wanted,) = torch.autograd.grad(exact(current).sum(), current)
    assert (got - wanted).abs().mean() < 0.02
    assert not list(guessed.buffers())
    assert len(list(guessed.parameters())) == 1


def test_fewer_evaluations_are_told():
    current = torch.randn(100, 5, 1, generator=torch.Generator().manual_seed(0))
    cut = fixed_point(current, tau=0.9, most=2)
    assert (cut.evaluations, cut.converged) == (2, False)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tau": 1.0}, "tau: got 1.0; it must be at least 0 and below 1"),
        ({"membrane": "loop"}, "membrane: got 'loop'; it must be one of exact, fixed-point, sdn"),
        ({"through": "time"}, "through: got 'time'; it must be one of current, membrane, all"),
        ({"membrane": "sdn", "through": "all"}, "through: got 'all'; with membrane 'sdn' it must be 'current'"),
        ({"sdn": "file.json"}, "sdn: got file.json; it must be none, unless membrane is 'sdn'"),
        ({"membrane": "sdn", "tau": 0.2}, "sdn: the shipped one is for tau 0.125; it must be for 0.2"),
    ],
)
def test_what_makes_no_neurons(options, says):
    with pytest.raises(ValueError, match=says):
        HardLIF(3, **options)
    assert SDN.load().tau == 0.125
