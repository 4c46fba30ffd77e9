"""Whole delays by events against the convolution: sequences, steps, spikes after them, and changes of the layer."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan
from silif_plugins.synapses import AxonalDelay, DelayedLinear
from silif_plugins.synapses.taps import convolve


def by_convolution(layer, inputs):
    window = torch.cat([inputs.new_zeros(layer.max_delay, *inputs.shape[1:]), inputs])
    return convolve(window, layer.weight * layer.taps()) + layer.bias


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 4), st.integers(1, 130)),
    outputs=st.integers(1, 70),
    max_delay=st.integers(0, 30),
    rate=st.floats(0, 1),
    double=st.booleans(),
)
def test_equals_the_convolution(shape, outputs, max_delay, rate, double):
    dtype = torch.float64 if double else torch.float32
    layer = DelayedLinear(shape[2], outputs, max_delay, rounded=True, dtype=dtype)
    inputs = (torch.rand(shape) < rate).to(dtype) * torch.randint(1, 4, shape)
    with torch.no_grad():
        result, expected = layer(inputs), by_convolution(layer, inputs)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("outputs", [7, 4000])  # places of the latter need more than two bytes
@torch.no_grad()
def test_steps_and_chunks_have_the_same_bits(outputs):
    layer = DelayedLinear(33, outputs, 20).discretised()
    inputs = (torch.rand(70, 2, 33) < 0.2).float()
    whole, state, steps = layer(inputs), None, []
    for frame in inputs:
        step, state = layer.step(frame, state)
        steps.append(step)
    assert torch.equal(torch.stack(steps), whole)
    chunks, state = [], None
    for chunk in inputs.split([3, 40, 27]):
        chunk, state = layer.run(chunk, state)
        chunks.append(chunk)
    assert torch.equal(torch.cat(chunks), whole)


@torch.no_grad()
def test_neurons_behind_it_fire_alike():
    layer = DelayedLinear(60, 50, 12).discretised()
    inputs = (torch.rand(200, 4, 60) < 0.15).float()
    neuron = SiLIF(50)
    current = 8 * layer(inputs)
    spikes, _ = scan(neuron, current)
    assert spikes.mean() > 0.01
    assert torch.equal(spikes, scan(neuron, 8 * by_convolution(layer, inputs))[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_axonal_delays_move_bits(dtype):
    delays = AxonalDelay(70, 9, dtype=dtype).discretised()
    inputs = torch.randn(40, 3, 70, dtype=dtype) * (torch.rand(40, 3, 70) < 0.3)
    expected = torch.zeros_like(inputs)
    for j, lag in enumerate(delays.delay.int().tolist()):
        expected[lag:, :, j] = inputs[: len(inputs) - lag, :, j]
    assert torch.equal(delays(inputs), expected)
    assert torch.equal(delays(inputs.requires_grad_()), expected)  # by what has a gradient
    state, steps = None, []
    for frame in inputs.detach():
        step, state = delays.step(frame, state)
        steps.append(step)
    assert torch.equal(torch.stack(steps), expected)


def step_of_fused_adam(parameter):
    """A step that the parameter's count of changes may leave out."""
    optimiser = torch.optim.Adam([parameter], lr=0.1, fused=True)
    parameter.grad = torch.ones_like(parameter)
    optimiser.step()


@torch.no_grad()
def test_what_changes_is_noticed():
    layer = DelayedLinear(5, 4, 6, rounded=True)
    inputs = (torch.rand(20, 2, 5) < 0.5).float()
    layer(inputs)
    for change in (
        lambda: layer.weight.mul_(2),
        lambda: layer.delay.copy_(torch.randint(7, (4, 5))),
        lambda: layer.load_state_dict(DelayedLinear(5, 4, 6).state_dict()),
        lambda: setattr(layer.weight, "data", torch.randn(4, 5)),
        lambda: layer.weight.data.mul_(2),
        lambda: layer.delay.data.zero_(),
        lambda: step_of_fused_adam(layer.weight),
    ):
        change()
        torch.testing.assert_close(layer(inputs), by_convolution(layer, inputs), rtol=1e-5, atol=1e-5)
    other = copy.deepcopy(layer)
    other.weight.zero_()
    assert torch.equal(other(inputs), layer.bias.expand(20, 2, 4))


def test_evaluation_takes_whole_delays_if_asked():
    layer = DelayedLinear(5, 4, 6, round_in_eval=True)
    inputs = torch.rand(20, 2, 5)
    trained = layer(inputs)
    layer.eval()
    torch.testing.assert_close(layer(inputs), layer.discretised()(inputs))
    assert not torch.allclose(layer(inputs), trained)
    assert torch.equal(layer.train()(inputs), trained)
    assert layer.delay.requires_grad
