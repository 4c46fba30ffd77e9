"""Operations of networks: by hand, and as NeuroBench counts those of weights."""

import pytest
import snntorch as snn
import torch
from torch import nn

from silif_plugins import snntorch as plugin
from silif_plugins.dynamics import ModalSpace
from silif_plugins.metrics import OperationCount, Operations
from silif_plugins.neurons import BRF, Neuron, SiLIF
from silif_plugins.norse import NeuronLayer, SiLIFRecurrent
from silif_plugins.scan import scan
from silif_plugins.sparch import SpArchNet


def spikes(*shape, share=0.3):
    torch.manual_seed(sum(shape))
    return (torch.rand(*shape) < share).float()


def counted(net, *inputs):
    with OperationCount(net) as count:
        net(*inputs)
    return count


WEIGHTS = {
    "linear": (nn.Linear(12, 7), (4, 12)),
    "pruned": (nn.Linear(12, 7), (4, 12)),
    "sequence": (nn.Linear(12, 7), (5, 4, 12)),
    "conv1d": (nn.Conv1d(3, 5, 4, padding=1), (4, 3, 11)),
    "conv2d": (nn.Conv2d(3, 4, 3, stride=2, padding=1), (2, 3, 9, 8)),
    "no bias": (nn.Conv2d(3, 4, 3, bias=False), (2, 3, 9, 8)),
}
with torch.no_grad():
    WEIGHTS["pruned"][0].weight[2:5] = 0


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("values", ["spikes", "signs", "counts"])
def test_weights_count_as_in_neurobench(name, values):
    neurobench = pytest.importorskip("neurobench.metrics.utils.layers")
    layer, shape = WEIGHTS[name]
    inputs = spikes(*shape)
    if values != "spikes":
        inputs = inputs * (torch.randint(0, 2, shape) * 2 - 1) if values == "signs" else inputs * torch.rand(shape)
    number, spiking = neurobench.single_layer_MACs(inputs, layer)
    dense, _ = neurobench.single_layer_MACs(inputs, layer, total=True)
    found = counted(layer, inputs).total
    assert (found.acs, found.macs) == ((number, 0) if spiking else (0, number))
    assert number > 0
    if name != "pruned":  # there it leaves out what is pruned
        assert found.dense == dense


@pytest.mark.parametrize("neuron", ["LIF", "SiLIF", "C-SiLIF"])
def test_a_network_of_the_paper_counts_its_weights_as_the_paper_does(neuron):
    net = SpArchNet(20, (16, 12), 5, neuron=neuron, neuron_options={"threshold": 0.05}).eval()
    x = spikes(3, 40, 20)
    count = counted(net, x)
    weights = sum(each.acs for name, each in count.layers.items() if name.endswith("weights"))
    # The paper does not count spikes, nor neurons: an input counts once for each weight; the same sum here.
    assert weights / 3 == pytest.approx(float(net(x).synaptic_operations))
    assert count.total.acs > weights
    assert not count.unknown


def test_neurons_count_their_coefficients_and_spikes():
    neurons = SiLIF(6)
    current = 3 * torch.rand(30, 2, 6)
    fired, _ = scan(neurons, current)
    found = counted(neurons, current).total
    # Algorithm 1 as a state space: all of A, b1, r1 and r2.
    assert found == Operations(30 * 2 * 6 * 5.0, 2.0 * float(fired.detach().sum()), 30 * 2 * 6 * 8.0)
    assert fired.sum() > 0


def test_neurons_of_more_states_count_theirs():
    poles = torch.tensor([[0.9 + 0.3j, 0.5 + 0.1j]]).expand(6, 2)
    space = ModalSpace.from_poles(poles, torch.ones(6, 2), -poles, torch.ones(6, 2))

    class Modes(Neuron):
        def dynamics(self):
            return space

    neurons, current = Modes(6), torch.rand(30, 2, 6)
    fired, _ = scan(neurons, current)
    found = counted(neurons, current).total
    # Two blocks of four, two inputs and two readouts that are not 0; four numbers of R.
    assert (found.macs, found.acs) == (30 * 2 * 6 * 12.0, 4.0 * float(fired.sum()))
    assert fired.sum() > 0


def test_recurrent_spikes_count_but_not_for_themselves():
    net = SpArchNet(20, (16,), 5, recurrent=True, neuron_options={"threshold": 0.05}).eval()
    x = spikes(3, 40, 20)
    layer = net.hidden[0]
    fired = layer.spikes(x.transpose(0, 1))
    apart = counted(SpArchNet(20, (16,), 5).eval(), x)
    hidden = counted(net, x).layers["hidden.0"]
    space = layer.dynamics()
    resets = sum(int((field != 0).all()) for field in (space.r1, space.r2))
    assert hidden.acs == float(fired.detach().sum()) * (resets + 15)
    assert fired.sum() > 0
    assert hidden.dense == apart.layers["hidden.0"].dense + 3 * 40 * 16 * 15


@pytest.mark.parametrize("host", ["core", "snntorch stepped", "snntorch", "norse"])
def test_hosts_count_alike(host):
    torch.manual_seed(0)
    current = 4 * torch.rand(20, 3, 5)
    neuron = SiLIF(5)
    expected = counted(neuron, current).total
    if host == "norse":
        assert counted(NeuronLayer(neuron), current).total == expected
        return
    if host == "core":
        net = nn.Sequential(neuron)
        assert counted(net, current).total == expected
        return
    lif = plugin.Spiking(neuron, init_hidden=True, sequence=host == "snntorch")
    with OperationCount(lif) as count:
        if host == "snntorch":
            lif(current)
        else:
            for x in current:
                lif(x)
    assert count.total == expected


def test_what_cannot_be_counted_is_named():
    modules = {"rnn": nn.GRU(4, 4), "lif": snn.Leaky(beta=0.9), "brf": BRF(4), "embedding": nn.Embedding(3, 4)}
    net = nn.ModuleDict({**modules, "recurrent": SiLIFRecurrent(4, 4), "relu": nn.ReLU()})
    with OperationCount(net) as count:
        net["brf"](torch.rand(5, 2, 4))
    assert count.unknown == {"rnn": "GRU", "lif": "Leaky", "brf": "BRF", "recurrent": "SiLIFRecurrent"}
    assert "not counted: rnn (GRU)" in count.summary()


def test_a_loop_of_steps_counts_every_call_and_hooks_end():
    layer = nn.Linear(4, 3)
    with OperationCount(layer) as count:
        for x in spikes(10, 2, 4):
            layer(x)
    before = count.total
    layer(torch.ones(2, 4))
    assert count.total == before == counted(layer, spikes(10, 2, 4)).total


def test_energy_is_that_of_the_published_figure():
    # WikiText-103 of the SpikingSSM paper: 274.9 G multiplications are 1.265 J, 72.66 G additions 65.39 mJ.
    assert Operations(274.9e9, 0, 0).energy == pytest.approx(1.2645, rel=1e-3)
    assert Operations(0, 72.66e9, 0).energy == pytest.approx(65.39e-3, rel=1e-3)


@pytest.mark.parametrize("connection", ["delayed", "axonal", "dendritic"])
def test_delays_cost_no_more_than_the_weights_behind_them(connection):
    options = {"max_delay": 3, "rounded": True}
    net = SpArchNet(20, (16,), 5, connection=connection, connection_options=options).eval()
    x = spikes(3, 40, 20)
    count = counted(net, x)
    first = next(iter(count.layers.values()))
    assert (first.macs, first.acs) == (0, float(x.sum()) * 16)
    assert not count.unknown


def test_recurrent_delays_take_part():
    options = {"threshold": 0.05}
    delays = {"recurrent_connection": "delayed", "recurrent_options": {"max_delay": 4, "rounded": True}}
    net = SpArchNet(20, (16,), 5, recurrent=True, neuron_options=options, **delays).eval()
    x = spikes(3, 40, 20)
    layer = net.hidden[0]
    fired = layer.spikes(x.transpose(0, 1)).detach()
    apart = scan(layer.dynamics(), layer.current(x.transpose(0, 1)), surrogate=layer.surrogate)[0]
    assert fired.sum() != apart.sum()  # without them it would be another count
    space = layer.dynamics()
    resets = sum(int((field != 0).all()) for field in (space.r1, space.r2))
    assert counted(net, x).layers["hidden.0"].acs == float(fired.sum()) * (resets + 16)
