"""Swapping the neurons of an existing network keeps all the rest of it."""

import pytest
import snntorch as snn
import torch
from torch import nn

from silif_plugins import neurons
from silif_plugins.snntorch import CAdLIF, CSiLIF, SiLIF, Spiking, from_leaky, replace, reset
from silif_plugins.surrogate import ATan, Boxcar, FastSigmoid


class Net(nn.Module):
    """As in snnTorch's tutorials: a convolution, nested containers, explicit and hidden states."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), snn.Leaky(beta=0.9, init_hidden=True))
        self.fc = nn.Linear(4 * 6 * 6, 7)
        self.lif = snn.Leaky(beta=0.8, threshold=0.5, learn_threshold=True, spike_grad=snn.surrogate.fast_sigmoid())
        self.out = nn.Linear(7, 3)
        self.readout = snn.Leaky(beta=0.95, reset_mechanism="none")

    def forward(self, x):
        mem = self.lif.init_leaky()
        readout = self.readout.init_leaky()
        record = []
        for _ in range(3):
            spk = self.block(x).flatten(1)
            spk, mem = self.lif(self.fc(spk), mem)
            spk, readout = self.readout(self.out(spk), readout)
            record.append(readout)
        return torch.stack(record)


SAMPLE = torch.rand(2, 1, 8, 8)


def test_names_sizes_and_weights():
    net = Net()
    weights = {name: p.clone() for name, p in net.state_dict().items() if name.startswith(("fc", "out", "block.0"))}
    old = dict(net.named_modules())
    table = replace(net, snn.Leaky, SiLIF, sample=SAMPLE)
    assert [(name, new.size) for name, _, new in table] == [("block.2", (4, 1, 1)), ("lif", (7,)), ("readout", (3,))]
    for name, was, new in table:
        assert net.get_submodule(name) is new
        assert was is old[name]
    for name, value in weights.items():
        assert torch.equal(net.state_dict()[name], value)
    for batch in (2, 5):
        assert net(torch.rand(batch, 1, 8, 8)).shape == (3, batch, 3)
        assert net.block[2].mem.shape == (batch, 4, 6, 6)
        reset(net)


def test_the_summary_is_a_table():
    text = str(replace(Net(), snn.Leaky, SiLIF, sample=SAMPLE))
    assert text.splitlines() == [
        "name     was    is     size       threshold  parameters",
        "block.2  Leaky  SiLIF  4 x 1 x 1  1          20",
        "lif      Leaky  SiLIF  7          0.5        36",
        "readout  Leaky  SiLIF  3          1          15",
    ]


def test_options_are_kept():
    net = Net()
    replace(net, snn.Leaky, SiLIF, sample=SAMPLE)
    assert net.block[2].init_hidden
    assert net.lif.spike_grad == FastSigmoid(25)
    assert net.block[2].spike_grad == ATan(2.0)
    assert isinstance(net.lif.threshold, nn.Parameter)
    assert not isinstance(net.readout.threshold, nn.Parameter)
    assert net.readout.reset_mechanism == "none"


def test_given_options_take_precedence():
    net = Net()
    replace(net, snn.Leaky, SiLIF, sample=SAMPLE, spike_grad="boxcar", threshold=1.0, tau_u=0.02, learn=("a",))
    assert net.lif.spike_grad == Boxcar()
    assert net.lif.threshold == 1
    assert [name for name, _ in net.readout.named_parameters()] == ["neuron.a"]


def test_the_net_is_left_as_it_was_found_but_for_its_neurons():
    net = Net()
    net.fc.eval()
    statistics = net.block[1].running_mean.clone()
    replace(net, snn.Leaky, CSiLIF, sample=SAMPLE)
    assert torch.equal(net.block[1].running_mean, statistics)
    assert net.training
    assert not net.fc.training
    assert net.lif.training
    assert not net.block[2].mem.numel()
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_only_some():
    net = Net()
    table = replace(net, snn.Leaky, SiLIF, sample=SAMPLE, names=["lif"])
    assert [name for name, *_ in table] == ["lif"]
    assert type(net.readout) is snn.Leaky
    with pytest.raises(ValueError, match=r"'lif' is no Leaky of this network; it has block.2, readout"):
        replace(net, snn.Leaky, SiLIF, sample=SAMPLE, names=["lif"])


def test_sizes_without_a_sample():
    """From parameters for each neuron, or from a run before."""
    net = nn.Sequential(nn.Linear(2, 5), snn.Leaky(beta=0.9 * torch.ones(5), init_hidden=True))
    assert replace(net)[0].new.size == (5,)
    net = nn.Sequential(nn.Conv1d(1, 3, 2), snn.Leaky(beta=0.9, init_hidden=True))
    with pytest.raises(ValueError, match="1: its size is not known"):
        replace(net)
    net(torch.rand(2, 1, 9))
    assert replace(net)[0].new.size == (3, 1)
    assert net(torch.rand(2, 1, 9)).shape == (2, 3, 8)


def test_shared_neurons_stay_shared():
    lif = snn.Leaky(beta=0.9, init_hidden=True)
    net = nn.ModuleDict({"one": nn.Sequential(nn.Linear(3, 3), lif), "two": nn.Sequential(lif)})
    net["one"](torch.rand(2, 3))
    assert len(replace(net)) == 1
    assert net["one"][1] is net["two"][0]
    assert type(net["two"][0]) is SiLIF


def test_synaptic():
    net = nn.Sequential(nn.Linear(3, 4), snn.Synaptic(alpha=0.5, beta=0.9, init_hidden=True, output=True))
    table = replace(net, snn.Synaptic, CAdLIF, sample=torch.rand(1, 3))
    assert type(net[1]) is CAdLIF
    torch.testing.assert_close(table[0].new.threshold, torch.tensor(0.05))
    assert len(net(torch.rand(2, 3))) == 3


def test_what_leaky_returns_is_returned():
    for options, values in (({"init_hidden": True, "output": True}, 2), ({"output": True}, 2), ({}, 2)):
        leaky = snn.Leaky(beta=0.9, **options)
        lif = from_leaky(leaky, size=3)
        arguments = () if options.get("init_hidden") else (leaky.init_leaky(),)
        assert len(leaky(torch.ones(2, 3), *arguments)) == values
        arguments = () if options.get("init_hidden") else (lif.init_leaky(),)
        assert len(lif(torch.ones(2, 3), *arguments)) == values


@pytest.mark.parametrize("beta", [0.5, 0.9, torch.linspace(0.3, 0.95, 4)])
def test_both_fire_at_the_same_constant_current(beta):
    """Without adaptation: the weakest current that fires."""
    leaky = snn.Leaky(beta=beta, threshold=1.5, init_hidden=True)
    lif = from_leaky(leaky, size=4, a=0.0, b=0.0)
    weakest = 1.5 * (1 - torch.as_tensor(beta)).expand(4)
    for scale, fires in ((0.98, False), (1.02, True)):
        for neuron in (leaky, lif):
            neuron.reset_mem()
            spikes = torch.stack([neuron((scale * weakest)[None]) for _ in range(300)])
            assert bool(spikes.any(0).all() if fires else spikes.any()) == fires


def test_neurons_that_do_not_scale_their_input_keep_the_threshold():
    assert from_leaky(snn.Leaky(beta=0.9, threshold=1.5), CSiLIF, size=3).threshold == 1.5


def test_a_neuron_of_one_s_own():
    lif = from_leaky(snn.Leaky(beta=0.9), lambda size, **options: Spiking(neurons.LIF(size), **options), size=3)
    assert isinstance(lif.neuron, neurons.LIF)


def test_data_type_and_mode_are_kept():
    leaky = snn.Leaky(beta=0.9, graded_spikes_factor=2.0, learn_graded_spikes_factor=True).double().eval()
    lif = from_leaky(leaky, size=3)
    assert lif.neuron.log_dt.dtype == lif.threshold.dtype == torch.float64
    assert not lif.training
    assert lif.graded_spikes_factor == 2
    assert lif.graded_spikes_factor.requires_grad


@pytest.mark.parametrize("other", [nn.Linear(2, 2), snn.Alpha(alpha=0.9, beta=0.8), SiLIF(2)])
def test_other_modules_are_refused(other):
    with pytest.raises(TypeError, match=f"got {type(other).__name__}"):
        from_leaky(other)


def test_nets_without_such_neurons_are_refused():
    with pytest.raises(ValueError, match="no layer of type Leaky"):
        replace(nn.Sequential(SiLIF(2)))
    with pytest.raises(ValueError, match="use from_leaky"):
        replace(snn.Leaky(beta=0.9))
    with pytest.raises(ValueError, match="without a batch dimension"):
        replace(nn.Sequential(nn.Linear(2, 3), snn.Leaky(beta=0.9, init_hidden=True)), sample=torch.rand(2))
