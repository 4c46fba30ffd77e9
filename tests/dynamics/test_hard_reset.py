"""The hard reset against a loop that is written out, and what it does to the neurons that are known."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.dynamics import RESET_MECHANISMS, HardReset, StateSpace, with_reset
from silif_plugins.neurons import LIF, CSiLIF, SiLIF
from silif_plugins.scan import scan, step


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_it_is_the_neuron_that_loses_all_that_it_has(backend):
    """SiLIF, by hand: α (u - u s) + (1 - α)(I - w), w = β w + a u + b u s."""
    neuron = SiLIF(7).double()
    alpha, beta = neuron.decays()
    a, b, current = neuron.a, neuron.b, 8 * torch.randn(50, 3, 7, dtype=torch.float64)
    u = w = s = torch.zeros(3, 7, dtype=torch.float64)
    spikes = []
    for now in current:
        w = beta * w + a * u + b * u * s
        u = alpha * (u - u * s) + (1 - alpha) * (now - w)
        s = (u > 1).double()
        spikes.append(s)
    found, last = scan(HardReset(neuron.state_space()), current, backend=backend)
    assert torch.equal(found, torch.stack(spikes))
    assert 0.02 < found.mean() < 0.98
    torch.testing.assert_close((last.mem, last.ada), (u, w))


@settings(max_examples=30, deadline=None)
@given(mechanism=st.sampled_from(RESET_MECHANISMS), cut=st.integers(0, 20), seed=st.integers(0, 99))
def test_steps_chunks_and_batches_are_the_whole(mechanism, cut, seed):
    torch.manual_seed(seed)
    neurons = with_reset(CSiLIF(5).double().state_space(), mechanism)
    current = 9 * torch.randn(20, 3, 5, dtype=torch.float64)
    spikes, last = scan(neurons, current)
    first, middle = scan(neurons, current[:cut])
    second, end = scan(neurons, current[cut:], middle)
    assert torch.equal(torch.cat([first, second]), spikes)
    assert all(torch.equal(*pair) for pair in zip(end, last, strict=True))
    assert torch.equal(scan(neurons, current[:, 1:2])[0], spikes[:, 1:2])
    state = None
    for now, expected in zip(current, spikes, strict=True):
        got, state = step(neurons, now, state)
        assert torch.equal(got, expected)


def test_nothing_resets_without_a_mechanism():
    space = LIF(1, decay_u=0.9).state_space()
    current = torch.full((9, 1, 1), 30.0)
    spikes, last = scan(with_reset(space, "none"), current)
    assert last.mem > scan(space, current)[1].mem
    assert spikes.all()


def test_the_membranes_own_gradient_flows_through_a_reset_that_is_cut():
    space = StateSpace.of(a11=torch.tensor([0.9]), b1=1.0, r1=-0.9)
    current = torch.tensor([2.0, 0.5]).view(2, 1, 1).requires_grad_()
    for backend in ("reference", "cpu"):
        _, last = scan(HardReset(space), current, backend=backend, detach_reset=True)
        (gradient,) = torch.autograd.grad(last.mem.sum(), current)
        assert gradient.flatten().tolist() == pytest.approx([0.0, 1.0])


def test_an_unknown_mechanism():
    with pytest.raises(ValueError, match="reset_mechanism: got 'hard'; it must be one of subtract, zero, none"):
        with_reset(StateSpace.of(a11=0.9), "hard")


def test_dynamics_with_a_reset_of_their_own():
    hard = HardReset(StateSpace.of(a11=0.9))
    assert with_reset(hard, "subtract") is hard
    with pytest.raises(ValueError, match="reset_mechanism: got 'zero'; HardReset have a reset of their own"):
        with_reset(hard, "zero")
