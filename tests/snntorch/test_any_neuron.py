"""Neurons of any state in snnTorch: loops as for snn.Leaky, its own reset, copies and files."""

import copy
import io

import pytest
import snntorch as snn
import torch
from snntorch import utils

import silif_plugins
from silif_plugins.neurons import BRF, FITSTS, GeneralResetNeuron, SiLIF
from silif_plugins.scan import scan
from silif_plugins.snntorch import AnyNeuron, over_time, reset
from silif_plugins.surrogate import ATan

MAKERS = {
    "FiTS-TS": lambda: FITSTS(6),
    "General-Reset": lambda: GeneralResetNeuron(6, outputs=2, spikes="ternary"),
    "BRF": lambda: BRF(6),
}
CURRENTS = 5 * torch.rand(12, 2, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", MAKERS)
def test_loops_as_written_for_leaky_are_the_sequence(name):
    neuron = MAKERS[name]()
    expected, last = scan(neuron, CURRENTS, surrogate=ATan(2.0))
    lif, state, found = AnyNeuron(neuron), None, []
    for current in CURRENTS:
        spk, state = lif(current, state)
        found.append(spk)
    assert torch.equal(torch.stack(found), expected)
    assert all(torch.equal(*pair) for pair in zip(state, last, strict=True))
    kept = AnyNeuron(neuron, init_hidden=True)
    assert torch.equal(torch.stack([kept(current) for current in CURRENTS]), expected)
    assert torch.equal(kept.mem, last.mem)
    over = AnyNeuron(neuron, init_hidden=True, sequence=True)
    assert torch.equal(over(CURRENTS), expected)
    spk, states = AnyNeuron(neuron, sequence=True, output=True)(CURRENTS)
    assert torch.equal(states.spk, spk)
    assert torch.equal(AnyNeuron(neuron, sequence=True)(CURRENTS)[1].mem, last.mem)


@pytest.mark.parametrize("rest", [utils.reset, reset])
def test_reset_brings_to_rest(rest):
    net = torch.nn.Sequential(torch.nn.Linear(3, 6), AnyNeuron(FITSTS(6), init_hidden=True))
    assert isinstance(net[1], snn.SpikingNeuron)
    inputs = 9 * torch.rand(5, 2, 3)
    first = [net(x) for x in inputs]
    rest(net)
    assert not net[1].mem.numel()
    assert all(torch.equal(net(x), one) for x, one in zip(inputs, first, strict=True))


def test_it_trains_and_is_copied_and_saved():
    lif = AnyNeuron(FITSTS(6), spike_grad="boxcar", detach_reset=True)
    state, total = None, 0.0
    for current in CURRENTS[:3]:
        spk, state = lif(current, state)
        total = total + spk.sum() + state.mem.sum()
    total.backward()
    assert all(value.grad.isfinite().all() for value in lif.parameters())
    file = io.BytesIO()
    torch.save(lif.state_dict(), file)
    file.seek(0)
    twin = AnyNeuron(FITSTS(6))
    twin.load_state_dict(torch.load(file))
    again = copy.deepcopy(lif)
    for current in CURRENTS[:3]:
        assert torch.equal(twin(current)[0], again(current)[0])


def test_reset_mechanisms():
    lif = AnyNeuron(FITSTS(6), reset_mechanism="none")
    assert not any(number.any() for number in lif.dynamics().vectors()[1])
    with pytest.raises(ValueError, match=r"reset_mechanism: got 'zero'; .*BRF.* have a reset of their own"):
        AnyNeuron(BRF(6), reset_mechanism="zero")


def test_what_is_refused():
    with pytest.raises(TypeError, match="neuron: got Linear"):
        AnyNeuron(torch.nn.Linear(2, 2))
    kept = AnyNeuron(FITSTS(6), init_hidden=True)
    with pytest.raises(TypeError, match="with init_hidden=True the neuron keeps its state"):
        kept(CURRENTS[0], scan(FITSTS(6), CURRENTS)[1])
    with pytest.raises(TypeError, match="state: got State; it must be a State3"):
        AnyNeuron(FITSTS(6))(CURRENTS[0], scan(SiLIF(6), CURRENTS)[1])
    with pytest.raises(ValueError, match="mem: got one that is not at rest"):
        kept.mem = torch.ones(2, 6)
    with pytest.raises(ValueError, match="over_time"):
        over_time(torch.nn.Sequential(kept), CURRENTS)


@pytest.mark.parametrize("sequence", [False, True])
def test_it_is_diagnosed(sequence):
    net = torch.nn.Sequential(torch.nn.Linear(3, 6), AnyNeuron(FITSTS(6), init_hidden=True, sequence=sequence))
    sample = 9 * torch.rand(12, 2, 3)
    layer = silif_plugins.diagnose(net, sample, over_time=not sequence)["1"]
    assert layer.firing_rate > 0
    assert layer.unstable == 0
    assert 0 < layer.radius < 1
    assert layer.gradient is not None
