"""What a spike does to the next step, by name, in all forms and models of the plugin."""

import pytest
import torch

pytest.importorskip("norse")

from silif_plugins.dynamics import RESET_MECHANISMS, with_reset
from silif_plugins.neurons import LIF
from silif_plugins.norse import (
    CSiLIF,
    CSiLIFCell,
    CSiLIFParameters,
    NeuronCell,
    NeuronLayer,
    SiLIF,
    SiLIFCell,
    SiLIFParameters,
    SiLIFRecurrent,
    from_nir,
    to_nir,
)
from silif_plugins.scan import scan

T, B, N = 40, 3, 5

PAIRS = {
    "SiLIF": lambda: (SiLIF(SiLIFParameters.sample(N)), SiLIFCell(SiLIFParameters.sample(N))),
    "CSiLIF": lambda: (CSiLIF(CSiLIFParameters.sample(N)), CSiLIFCell(CSiLIFParameters.sample(N))),
    "hosted": lambda: (NeuronLayer(LIF(N)), NeuronCell(LIF(N))),
}


@pytest.mark.parametrize("mechanism", RESET_MECHANISMS)
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_layers_and_cells_are_the_core_with_that_reset(pair, mechanism):
    layer, cell = pair()
    layer.p = layer.p._replace(reset_mechanism=mechanism)
    cell.p = layer.p
    current = 6 * torch.randn(T, B, N)
    z, state = layer(current)
    expected, last = scan(with_reset(layer.p.state_space(layer.dt), mechanism), current, surrogate=layer.surrogate)
    assert torch.equal(z, expected)
    assert torch.equal(state.v, last.mem)
    assert 0.01 < z.mean() < 0.99
    state = None
    for now, spikes in zip(current, z, strict=True):
        got, state = cell(now, state)
        assert torch.equal(got, spikes)


def test_recurrent_layers_have_it():
    torch.manual_seed(1)
    layer = SiLIFRecurrent(4, N)
    inputs = 30 * torch.rand(T, B, 4)
    found = []
    for mechanism in RESET_MECHANISMS:
        layer.p = layer.p._replace(reset_mechanism=mechanism)
        found.append(layer(inputs)[0])
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_an_unknown_one_is_refused_where_it_is_given():
    layer = SiLIF(N)
    with pytest.raises(ValueError, match="reset_mechanism: got 'hard'; it must be one of subtract, zero, none"):
        layer.p = layer.p._replace(reset_mechanism="hard")


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_nir_keeps_none_and_refuses_zero(pair):
    pytest.importorskip("nirtorch")
    _, cell = pair()
    cell.p = cell.p._replace(reset_mechanism="none")
    restored = from_nir(to_nir(cell, torch.zeros(B, N)))
    current = 6 * torch.randn(B, N)
    state = other = None
    for _ in range(20):
        z, state = cell(current, state)
        got, other = restored(current, other)
        assert torch.equal(z, got)
    assert sum(p.numel() for p in restored.parameters()) == sum(p.numel() for p in cell.parameters())
    cell.p = cell.p._replace(reset_mechanism="zero")
    with pytest.raises(ValueError, match="reset_mechanism='zero': a neuron with it has no counterpart in NIR"):
        to_nir(cell, torch.zeros(B, N))
