"""Dynamics that are no state space, BRF's with a threshold that moves, through everything that runs neurons."""

import pytest
import torch

from silif_plugins.diagnosis import diagnose
from silif_plugins.dynamics import State, StateSpace
from silif_plugins.neurons import BRF, BRFState, SiLIF
from silif_plugins.scan import scan, scan_with_gate, step
from silif_plugins.sparch import SpArchNet


@pytest.fixture
def problem():
    return BRF(6).double(), 60 * torch.randn(40, 3, 6, dtype=torch.float64)


def test_it_runs_as_it_stands(problem):
    neuron, current = problem
    spikes, state, states = neuron(current, return_states=True)
    assert isinstance(state, BRFState)
    assert 0.01 < spikes.mean() < 0.9
    assert all(field.shape == current.shape for field in states)
    assert torch.equal(states.spk, spikes)
    spikes.sum().backward()
    assert neuron.omega.grad.abs().sum() > 0


def test_steps_and_chunks_are_the_sequence(problem):
    neuron, current = problem
    spikes, last = scan(neuron, current)
    state = None
    for now, expected in zip(current, spikes, strict=True):
        got, state = step(neuron, now, state)
        assert torch.equal(got, expected)
    first, middle = neuron(current[:17])
    second, end = neuron(current[17:], middle)
    assert torch.equal(torch.cat([first, second]), spikes)
    for other in (state, end):
        assert all(torch.equal(*pair) for pair in zip(other, last, strict=True))


@pytest.mark.parametrize("recurrent", [False, True])
def test_checkpoints_have_the_same_gradients(problem, recurrent):
    neuron, current = problem
    weights = torch.randn(6, 6, dtype=torch.float64) if recurrent else None
    found = []
    for chunks in (None, 5):
        neuron.zero_grad()
        spikes, state = scan(neuron, current, surrogate="atan", recurrent=weights, checkpoint_chunks=chunks)
        (spikes.sum() + state.imaginary.sum()).backward()
        found.append([spikes, *state, neuron.omega.grad, neuron.offset.grad])
    torch.testing.assert_close(*found, rtol=0, atol=1e-12)


def test_padding_never_matters(problem):
    neuron, current = problem
    lengths = torch.tensor([40, 13, 0])
    poisoned = current.clone()
    poisoned[13:, 1], poisoned[:, 2] = torch.nan, torch.inf
    poisoned.requires_grad_()
    spikes, last = scan(neuron, poisoned, lengths=lengths)
    assert torch.equal(spikes[:13, 1], scan(neuron, current[:13, 1:2])[0][:, 0])
    assert not spikes[13:, 1].any()
    assert not any(field[2].any() for field in last)
    assert torch.equal(last.refractory[1], scan(neuron, current[:13, 1:2])[1].refractory[0])
    spikes.sum().backward()
    assert neuron.omega.grad.isfinite().all()


def test_a_threshold_that_moves_has_no_gate(problem):
    neuron, current = problem
    spikes, _, gate = scan_with_gate(neuron, current, surrogate="boxcar")
    assert gate is None
    assert torch.equal(spikes, scan(neuron, current)[0])


def test_in_sparchs_network():
    torch.manual_seed(0)
    net = SpArchNet(9, (8, 8), 4, neuron=BRF)
    for layer in net.hidden:
        torch.nn.init.constant_(layer.current.norm.weight, 60.0)  # a current of 1 is next to nothing for them
    scores, rates, _ = net(torch.rand(2, 30, 9))
    assert scores.shape == (2, 4)
    assert 0 < rates[:8].mean() < 0.9
    assert 0 < rates[8:].mean() < 0.9
    scores[:, 0].sum().backward()
    assert all(layer.neuron.omega.grad.abs().sum() > 0 for layer in net.hidden)


def test_its_diagnosis():
    net = SpArchNet(9, (8,), 4, neuron=BRF)
    torch.nn.init.constant_(net.hidden[0].current.norm.weight, 60.0)
    (layer,) = diagnose(net, torch.rand(2, 30, 9)).layers
    assert layer.kind == "BRF"
    assert layer.firing_rate > 0
    assert 0 < layer.radius < 1  # that of the system between its spikes
    assert layer.gradient is None  # its threshold moves


def test_the_random_state_has_all_fields(problem):
    state = problem[0].uniform_state((3,))
    assert isinstance(state, BRFState)
    assert all(0 < field.mean() < 1 for field in state)


def test_what_cannot_run_says_why(problem):
    neuron, current = problem
    with pytest.raises(ValueError, match="the dynamics BRFDynamics are neither a StateSpace nor a HardReset"):
        scan(neuron, current, backend="cpu")
    with pytest.raises(TypeError, match="state: got State; it must be a BRFState"):
        scan(neuron, current, State.zeros((3, 6)))
    with pytest.raises(TypeError, match="state: got BRFState; it must be a State"):
        scan(SiLIF(6), current, neuron.uniform_state((3,)))
    with pytest.raises(NotImplementedError, match="BRF has no state space"):
        neuron.state_space()
    with pytest.raises(TypeError, match="neurons: got the class SiLIF; it must be a Neuron, such as SiLIF"):
        scan(SiLIF, current)
    with pytest.raises(TypeError, match="neurons: got int"):
        step(3, current[0])


def test_the_fast_case_is_one_of_them():
    """A neuron that steps as a state space does, but is none, gives the same on the loop."""
    neuron = SiLIF(6).double()

    class Slow:
        def __init__(self, space: StateSpace) -> None:
            self.space, self.threshold, self.shape, self.dtype = space, None, space.shape, space.dtype
            self.rest, self.step = space.rest, space.step

    current = 6 * torch.randn(40, 3, 6, dtype=torch.float64)
    found = [scan(kind, current)[0] for kind in (neuron, Slow(neuron.state_space()))]
    assert torch.equal(*found)
