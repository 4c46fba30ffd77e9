"""Weights that train rounded."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from silif_plugins.sparch import SpArchNet
from silif_plugins.synapses import QuantisedLinear, SpikeLinear, largest_level, levels, row_steps

BITS = [*range(2, 9), "ternary"]


@pytest.mark.parametrize("bits", BITS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**20), scale=st.floats(1e-6, 1e6))
def test_rows_of_any_scale(bits, seed, scale):
    weight = scale * torch.randn(5, 30, generator=torch.Generator().manual_seed(seed))
    steps = row_steps(weight, bits)
    rounded = levels(weight, steps, bits)
    assert rounded.abs().max() <= largest_level(bits)
    assert torch.equal(rounded, rounded.round())
    assert torch.allclose(row_steps(weight / scale, bits) * scale, steps, rtol=1e-3)


def test_few_levels_are_cut_for_the_least_squared_error():
    weight = torch.randn(8, 200, generator=torch.Generator().manual_seed(0))
    for bits in (2, 3, 4, "ternary"):
        steps = row_steps(weight, bits)
        whole = weight.abs().amax(1) / largest_level(bits)

        def error(step, bits=bits):
            return (levels(weight, step, bits) * step[:, None] - weight).square().sum(1)

        assert bool((error(steps) < error(whole)).all())
        assert bool((error(steps) <= 1.02 * error(0.95 * steps)).all())


@pytest.mark.parametrize("events", ["always", "never"])
def test_it_is_a_linear_layer_of_the_rounded_weights(events):
    layer = QuantisedLinear(30, 7, bits=3, events=events)
    spikes = (torch.rand(40, 30) < 0.2).float()
    rounded = levels(layer.weight, row_steps(layer.weight, 3), 3) * row_steps(layer.weight, 3)[:, None]
    assert torch.allclose(layer(spikes), nn.functional.linear(spikes, rounded, layer.bias), atol=1e-6)
    layer(spikes).sum().backward()
    assert torch.allclose(layer.weight.grad, spikes.sum(0).expand(7, -1))


def test_training_goes_on_from_plain_weights_and_trains_time_constants():
    plain = SpArchNet(20, (16,), 5)
    rounded = SpArchNet(20, (16,), 5, connection="quantised", connection_options={"bits": "ternary"})
    rounded.load_state_dict(plain.state_dict())
    assert isinstance(rounded.hidden[0].current.weights, SpikeLinear)
    rounded((torch.rand(8, 30, 20) < 0.4).float() * 4).scores.square().sum().backward()
    assert bool(rounded.hidden[0].neuron.log_inv_tau_u.grad.any())


@pytest.mark.parametrize("bits", [1, 9, 2.0, "binary", True])
def test_bits(bits):
    with pytest.raises(ValueError, match="bits: got"):
        QuantisedLinear(3, 2, bits=bits)
