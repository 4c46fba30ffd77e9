"""Neurons of any state in Norse: cells, layers, recurrence, SequentialState, and states in Norse's names."""

import pickle

import norse.torch as norse
import pytest
import torch

import silif_plugins
from silif_plugins.neurons import BRF, FITSTS, GeneralResetNeuron, SEAdLIF, SiLIF
from silif_plugins.norse import NeuronCell, NeuronLayer, NeuronRecurrent, NeuronRecurrentCell, to_nir
from silif_plugins.norse.functional import tuple_of
from silif_plugins.scan import scan
from silif_plugins.surrogate import FastSigmoid

MAKERS = {
    "FiTS-TS": lambda: FITSTS(6),
    "General-Reset": lambda: GeneralResetNeuron(6, outputs=2, spikes="ternary"),
    "BRF": lambda: BRF(6),
    "SE-adLIF": lambda: SEAdLIF(6),
}
CURRENTS = 5 * torch.rand(12, 2, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", MAKERS)
def test_cells_and_layers_are_the_core(name):
    neuron = MAKERS[name]()
    expected, last = scan(neuron, CURRENTS, surrogate=FastSigmoid(10.0))
    spikes, state = NeuronLayer(neuron)(CURRENTS)
    assert torch.equal(spikes, expected)
    cell, now, found = NeuronCell(neuron), None, []
    for current in CURRENTS:
        z, now = cell(current, now)
        found.append(z)
    assert torch.equal(torch.stack(found), expected)
    assert torch.equal(now.z, last.spk)
    assert torch.equal(now.v, last.mem)
    assert all(torch.equal(*pair) for pair in zip(now, state, strict=True))
    recorded = NeuronLayer(neuron, record_states=True)(CURRENTS)[1]
    assert all(torch.equal(every[-1], one) for every, one in zip(recorded, state, strict=True))
    assert all(torch.equal(*pair) for pair in zip(pickle.loads(pickle.dumps(now)), now, strict=True))
    rest = cell.initial_state(CURRENTS[0])
    assert torch.equal(cell(CURRENTS[0], rest)[0], found[0])


def test_states_have_norses_names():
    _, state = NeuronLayer(FITSTS(6))(CURRENTS)
    assert state._fields == ("z", "v", "x1", "x2", "x3")
    assert type(state) is tuple_of(type(FITSTS(6).dynamics().rest((1, 6))))


def test_they_train_between_norses_own():
    net = norse.SequentialState(torch.nn.Linear(3, 6), NeuronLayer(FITSTS(6)), torch.nn.Linear(6, 2), norse.LI())
    voltages, state = net(torch.rand(3, 2, 3))
    voltages.sum().backward()
    assert all(value.grad is not None for value in net.parameters())
    net(torch.rand(3, 2, 3), state)


def test_recurrent_populations():
    inputs = 3 * torch.rand(5, 2, 3)
    layer = NeuronRecurrent(3, FITSTS(6))
    cell = NeuronRecurrentCell(
        3, layer.neuron, input_weights=layer.input_weights, recurrent_weights=layer.recurrent_weights
    )
    spikes, state, found = layer(inputs)[0], None, []
    for x in inputs:
        z, state = cell(x, state)
        found.append(z)
    assert torch.equal(torch.stack(found), spikes)
    with pytest.raises(ValueError, match="neuron: got one with 2 outputs"):
        NeuronRecurrent(3, MAKERS["General-Reset"]())


def test_what_is_refused():
    _, state = NeuronLayer(SiLIF(6))(CURRENTS)
    with pytest.raises(TypeError, match="state: got NeuronState; it must be NorseState3 or None"):
        NeuronLayer(FITSTS(6))(CURRENTS, state)
    _, state = NeuronLayer(FITSTS(6))(CURRENTS)
    with pytest.raises(ValueError, match=r"state.v: got shape \(1, 6\); the input needs \(2, 6\)"):
        NeuronLayer(FITSTS(6))(CURRENTS, type(state)(*(field[:1] for field in state)))
    with pytest.raises(ValueError, match="neuron: FITSTS is no system of two states; NIR has no other"):
        to_nir(norse.SequentialState(NeuronCell(FITSTS(6))), torch.zeros(2, 6))


def test_they_are_diagnosed():
    net = norse.SequentialState(torch.nn.Linear(3, 6), NeuronLayer(FITSTS(6)))
    layer = silif_plugins.diagnose(net, 9 * torch.rand(12, 2, 3))["1"]
    assert layer.unstable == 0
    assert layer.firing_rate > 0
    assert 0 < layer.gradient <= 1
    moving = norse.SequentialState(torch.nn.Linear(3, 6), NeuronLayer(BRF(6)))
    layer = silif_plugins.diagnose(moving, 9 * torch.rand(12, 2, 3))["1"]
    assert layer.radius is not None
    assert layer.gradient is None  # its threshold moves
