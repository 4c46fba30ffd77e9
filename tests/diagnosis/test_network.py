"""Diagnosis of networks of all hosts: figures against those of the layers themselves, advice, nothing left behind."""

import copy

import pytest
import torch
from torch import nn

import silif_plugins
from silif_plugins import dynamics, neurons
from silif_plugins.diagnosis import diagnose
from silif_plugins.diagnosis.network import time_constants
from silif_plugins.scan import scan
from silif_plugins.sparch import SpArchNet
from silif_plugins.surrogate import derivative

snn = pytest.importorskip("snntorch")
norse = pytest.importorskip("norse.torch")

from silif_plugins.norse import (  # noqa: E402
    CSiLIFRecurrent,
    NeuronLayer,
    SiLIFCell,
    SiLIFParameters,
    SiLIFRecurrent,
)
from silif_plugins.norse import SiLIF as NorseSiLIF  # noqa: E402
from silif_plugins.snntorch import AdLIF, SiLIF, Spiking  # noqa: E402

INPUTS = torch.rand(25, 4, 8, generator=torch.Generator().manual_seed(1))  # [T, B, inputs]


class Tutorial(nn.Module):
    """The shape of snnTorch's tutorials: a loop inside of the network, states passed along."""

    def __init__(self, make, size=12, gain=1.0):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(8, size), make(size)
        self.fc2, self.lif2 = nn.Linear(size, size), make(size)
        with torch.no_grad():
            self.fc1.weight.mul_(gain)
            self.fc2.weight.mul_(gain)

    def forward(self, inputs):
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        spikes = []
        for now in inputs:
            spk1, mem1 = self.lif1(self.fc1(now), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
        return torch.stack(spikes)


def leaky(size):
    return snn.Leaky(beta=0.9)


def states_of(neuron, current, **options):
    spikes, _, states = scan(neuron.state_space(), current, return_states=True, **options)
    return spikes, states.mem - neuron.threshold


def test_figures_are_those_of_the_layer():
    layer = Spiking(neurons.SiLIF(8), threshold=0.2, spike_grad="boxcar", init_hidden=True, sequence=True)
    report = diagnose(layer, 3 * INPUTS)["net"]
    spikes, _, states = scan(layer.state_space(), 3 * INPUTS, return_states=True)
    rates = spikes.mean((0, 1))
    assert 0 < report.firing_rate < 1
    assert report.firing_rate == pytest.approx(rates.mean().item())
    assert report.silent == (rates == 0).float().mean().item()
    assert report.saturated == (rates > 0.9).float().mean().item()
    margin = states.mem - 0.2
    assert report.gradient == pytest.approx(((margin > -0.5) & (margin <= 0.5)).float().mean().item())
    space = layer.state_space()
    assert report.radius == pytest.approx(dynamics.spectral_radius(space).max().item())
    assert report.margin == pytest.approx(dynamics.stability_margin(space).min().item())
    assert report.unstable == 0
    assert report.size == 8
    assert report.kind == "Spiking"


@pytest.mark.parametrize("reset_mechanism", ["subtract", "zero"])
def test_a_sequence_in_one_call_is_told_as_its_steps(reset_mechanism):
    whole = SiLIF(8, threshold=0.2, reset_mechanism=reset_mechanism, init_hidden=True, sequence=True)
    stepped = SiLIF(8, threshold=0.2, reset_mechanism=reset_mechanism, init_hidden=True)
    stepped.load_state_dict(whole.state_dict())
    one, two = diagnose(whole, 3 * INPUTS)["net"], diagnose(stepped, 3 * INPUTS, over_time=True)["net"]
    assert one == two
    assert 0 < one.firing_rate < 1
    assert 0 < one.gradient <= 1


def test_the_state_that_is_returned_is_as_good_as_the_hidden_one():
    net = Tutorial(lambda size: SiLIF(size, threshold=0.1))
    hidden = nn.Sequential(net.fc1, SiLIF(12, threshold=0.1, init_hidden=True))
    hidden[1].load_state_dict(net.lif1.state_dict())
    one, two = diagnose(net, INPUTS)["lif1"], diagnose(hidden, INPUTS, over_time=True)["1"]
    assert (one.firing_rate, one.gradient, one.membrane) == (two.firing_rate, two.gradient, two.membrane)


def test_a_dead_net_of_snntorch():
    net = Tutorial(lambda size: Spiking(neurons.SiLIF(size), threshold=5.0, spike_grad="boxcar"))
    report = diagnose(net, INPUTS)
    assert [layer.name for layer in report] == ["lif1", "lif2"]
    assert report["lif1"].silent == 1
    assert report["lif1"].gradient == 0
    assert len(report.advice) == 2
    first, second = report.advice
    for word in ("lif1: no neuron fires", "threshold=", "batch norm", 'spike_grad="atan"'):
        assert word in first
    assert "lif1" in second.removeprefix("lif2")


def test_what_is_advised_helps():
    torch.manual_seed(1)
    dead = Tutorial(lambda size: Spiking(neurons.SiLIF(size), threshold=5.0, spike_grad="boxcar"))
    assert diagnose(dead, INPUTS)["lif1"].gradient == 0
    assert diagnose(Tutorial(lambda size: Spiking(neurons.SiLIF(size), threshold=0.05)), INPUTS).advice == ()
    reaching = Tutorial(lambda size: Spiking(neurons.SiLIF(size), threshold=2.0, spike_grad="atan"))
    assert diagnose(reaching, INPUTS)["lif1"].gradient > 0.5


def test_a_saturated_net_of_snntorch():
    net = Tutorial(lambda size: Spiking(neurons.SiLIF(size, a=0.0, b=0.0), threshold=0.01))
    with torch.no_grad():
        net.fc1.bias.fill_(50.0)
        net.fc1.weight.zero_()
    report = diagnose(net, INPUTS)
    assert report["lif1"].saturated == 1
    assert report["lif1"].firing_rate > 0.9
    assert "raise threshold=" in report.advice[0]


def test_a_healthy_net_needs_no_advice():
    report = diagnose(Tutorial(lambda size: Spiking(neurons.CSiLIF(size)), gain=2.0), INPUTS)
    assert report.advice == ()
    assert all(layer.oscillating == 1 and layer.gradient > 0.1 for layer in report)
    lif1 = report["lif1"]
    assert lif1.in_seconds
    # -Re λ is 1/2 in all neurons at the start, whatever their timestep: 2 s, for both states.
    assert lif1.membrane == lif1.second
    assert lif1.membrane.median == pytest.approx(2.0, rel=1e-3)


def test_unstable_neurons_are_counted():
    net = nn.Sequential(nn.Linear(8, 10), AdLIF(10, init_hidden=True, sequence=True))
    with torch.no_grad():
        net[1].neuron.a[:] = torch.tensor([5.0, *[0.0] * 9])
        net[1].neuron.decay_u.fill_(0.96)
    unstable = (~dynamics.is_stable(net[1].state_space())).sum()
    report = diagnose(net, INPUTS)["1"]
    assert report.unstable == unstable
    assert (report.margin <= 0) == bool(unstable)


def test_an_unstable_layer_is_told_first():
    class Growing(neurons.Neuron):
        def state_space(self):
            a11 = torch.tensor([1.2, 0.5, 0.5])
            return dynamics.StateSpace.of(a11=a11, b1=1.0, threshold=self.threshold)

    report = diagnose(NeuronLayer(Growing(3)), INPUTS[:, :, :3])
    assert report["net"].unstable == 1
    assert report["net"].radius == pytest.approx(1.2)
    assert "1 of 3 neurons are unstable" in report.advice[0]


@pytest.mark.parametrize(
    ("make", "reset_delay"),
    [
        (lambda: snn.Leaky(beta=0.9), True),
        (lambda: snn.Leaky(beta=0.9, reset_delay=False), False),
        (lambda: snn.Leaky(beta=0.9, init_hidden=True, output=True), True),
    ],
)
def test_the_hosts_own_leaky(make, reset_delay):
    lif = make()
    report = diagnose(lif, INPUTS, over_time=True)["net"]
    lif.reset_mem()
    mem, spikes, margins = torch.zeros_like(INPUTS[0]), [], []
    for now in INPUTS:
        spk, mem = lif(now) if lif.init_hidden else lif(now, mem)
        spikes.append(spk)
        margins.append(mem - 1)
    assert report.firing_rate == pytest.approx(torch.stack(spikes).mean().item())
    assert report.radius is None
    assert report.size == 8
    if reset_delay:
        x = torch.stack(margins)
        assert report.gradient == pytest.approx((1 / (1 + (torch.pi * x) ** 2) > 0.01).float().mean().item())
    else:
        assert report.gradient is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: snn.Synaptic(alpha=0.8, beta=0.9, init_hidden=True),
        lambda: snn.RLeaky(beta=0.9, linear_features=8, init_hidden=True),
        lambda: snn.Alpha(alpha=0.8, beta=0.7, init_hidden=True),
        lambda: snn.Leaky(beta=0.9, init_hidden=True),
        lambda: SiLIF(8, threshold=0.1, init_hidden=True),
    ],
)
def test_neurons_that_keep_their_state(make):
    net = nn.Sequential(nn.Linear(8, 8), make())
    spikes = []
    report = diagnose(net, INPUTS[0], steps=40)["1"]
    with torch.no_grad():
        spikes = torch.stack([net(INPUTS[0]) for _ in range(40)])
    assert report.firing_rate == pytest.approx(spikes.mean().item())
    assert report.silent == pytest.approx((spikes.sum((0, 1)) == 0).float().mean().item())


def test_a_net_of_leaky_gets_advice_in_its_words():
    report = diagnose(Tutorial(lambda size: snn.Leaky(beta=0.5, threshold=9.0)), INPUTS)
    assert "beta=" in report.advice[0]
    assert "threshold=" in report.advice[0]


def test_positions_after_a_convolution_are_neurons():
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), SiLIF((3, 1, 1), threshold=0.05, init_hidden=True), nn.Flatten(), nn.Linear(108, 2)
    )
    assert diagnose(net, torch.rand(2, 1, 8, 8), steps=10)["1"].size == 3 * 6 * 6


class TestNorse:
    @pytest.mark.parametrize("record", [False, True])
    @pytest.mark.parametrize(
        "make",
        [
            lambda record: NorseSiLIF(SiLIFParameters.sample(8, dt=0.004, v_th=0.2), dt=0.004, record_states=record),
            lambda record: SiLIFRecurrent(
                8, 8, SiLIFParameters.sample(8, dt=0.004, v_th=0.2), dt=0.004, record_states=record
            ),
            lambda record: CSiLIFRecurrent(8, 8, record_states=record),
            lambda record: NeuronLayer(neurons.LIF(8, threshold=0.2), record_states=record),
        ],
    )
    def test_a_layer_over_time(self, make, record):
        layer = make(record)
        net = norse.SequentialState(layer, nn.Linear(8, 2))
        with torch.no_grad():
            spikes, before = layer(3 * INPUTS)
        report = diagnose(net, 3 * INPUTS)["0"]
        assert report.firing_rate == pytest.approx(spikes.mean().item())
        recorder = copy.deepcopy(layer)
        recorder.record_states = True
        margin = recorder(3 * INPUTS)[1].v.detach() - layer.p.v_th
        passes = derivative(recorder.surrogate, margin)
        peak = derivative(recorder.surrogate, torch.zeros(1))
        assert report.gradient == pytest.approx((passes > 0.01 * peak).float().mean().item())
        assert 0 < report.gradient <= 1
        with torch.no_grad():
            _, after = layer(3 * INPUTS)
        assert layer.record_states == record
        assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))

    def test_cells_and_layers_say_the_same(self):
        p = SiLIFParameters.sample(8, dt=0.004, v_th=0.2)
        cell, layer = SiLIFCell(p, dt=0.004), NorseSiLIF(p, dt=0.004)
        inside = diagnose(norse.SequentialState(cell, nn.Linear(8, 2)), 3 * INPUTS, over_time=True)["0"]
        whole = diagnose(norse.SequentialState(layer, nn.Linear(8, 2)), 3 * INPUTS)["0"]
        lifted = diagnose(norse.Lift(cell), 3 * INPUTS)["lifted_module"]
        for name in ("size", "firing_rate", "silent", "gradient", "membrane", "second", "radius"):
            assert getattr(inside, name) == getattr(whole, name) == getattr(lifted, name)

    def test_time_constants_are_in_seconds_of_the_modules_dt(self):
        p = SiLIFParameters.sample(8, dt=0.004, tau_u=0.02, tau_w=0.2, a=0.0, timestep=0.002)
        report = diagnose(NorseSiLIF(p, dt=0.004), INPUTS)["net"]
        assert report.in_seconds
        assert report.membrane.median == pytest.approx(0.02, rel=1e-4)
        assert report.second.median == pytest.approx(0.2, rel=1e-4)

    def test_a_dead_layer(self):
        net = norse.SequentialState(nn.Linear(8, 4), NorseSiLIF(SiLIFParameters.sample(4, v_th=9.0, method="boxcar")))
        (line,) = diagnose(net, INPUTS).advice
        assert "v_th" in line
        assert 'method="super"' in line

    @pytest.mark.parametrize("make", [norse.LIF, norse.LIFBoxCell, lambda: norse.LIFRecurrent(8, 8), norse.LIFCell])
    def test_norses_own(self, make):
        module = make()
        is_cell = "Cell" in type(module).__name__
        net = norse.SequentialState(module, nn.Linear(8, 2))
        report = diagnose(net, 30 * INPUTS, over_time=is_cell)["0"]
        state, spikes = None, []
        with torch.no_grad():
            if is_cell:
                for now in 30 * INPUTS:
                    z, state = module(now, state)
                    spikes.append(z)
            else:
                spikes = module(30 * INPUTS)[0].unbind()
        assert report.firing_rate == pytest.approx(torch.stack(spikes).mean().item())
        assert report.gradient is None
        assert report.size == 8


class TestSpArch:
    @pytest.mark.parametrize(
        "options",
        [{}, {"recurrent": True}, {"bidirectional": True}, {"neuron": "C-SiLIF"}, {"normalization": "none"}],
    )
    def test_rates_are_those_of_the_network(self, options):
        net = SpArchNet(8, (16, 12), 4, **options)
        inputs = INPUTS.transpose(0, 1)
        lengths = torch.tensor([25, 20, 7, 1])
        for sample in (inputs, (inputs, lengths)):
            net.eval()
            rates = net(*sample).firing_rates if isinstance(sample, tuple) else net(sample).firing_rates
            hidden = rates.split([layer.num_outputs for layer in net.hidden])
            report = diagnose(net, sample)
            assert [layer.name for layer in report] == ["hidden.0", "hidden.1"]  # the readout does not fire
            assert [layer.firing_rate for layer in report] == pytest.approx([each.mean().item() for each in hidden])

    def test_gradients_pass_within_the_window(self):
        net = SpArchNet(8, (16,), 4, neuron="LIF", recurrent=True).eval()
        layer, inputs = net.hidden[0], INPUTS
        _, margin = states_of(layer.neuron, layer.current(inputs), recurrent=layer.recurrent_weights())
        inside = (margin > -0.5) & (margin <= 0.5)
        assert diagnose(net, inputs.transpose(0, 1))["hidden.0"].gradient == pytest.approx(inside.float().mean().item())

    def test_dead_and_what_to_do(self):
        inputs = INPUTS.transpose(0, 1)
        options = {"neuron_options": {"threshold": 9.0}}
        assert (
            'normalization="batchnorm"'
            in diagnose(SpArchNet(8, (16,), 4, normalization="none", **options), inputs).advice[0]
        )
        assert "recalibrate" in diagnose(SpArchNet(8, (16,), 4, **options), inputs).advice[0]

    def test_nested_in_another_network(self):
        outer = nn.ModuleDict({"inner": SpArchNet(8, (16,), 4)})
        outer.forward = outer["inner"].forward
        assert diagnose(outer, INPUTS.transpose(0, 1))["inner.hidden.0"].kind == "SiLIF"

    @pytest.mark.parametrize(
        ("neuron", "options", "told"),
        [
            ("FiTS-TS", {}, True),
            ("BRF", {}, False),  # its threshold moves
            ("General-Reset", {"spikes": "ternary"}, True),
            ("General-Reset", {"spikes": "3-bit", "states": 1, "stable": False, "decay": -0.5}, True),
            ("General-Reset", {"outputs": 2}, False),
        ],
    )
    def test_neurons_of_other_states(self, neuron, options, told):
        net = SpArchNet(10, (8,), 3, neuron=neuron, neuron_options=options)
        layer = diagnose(net, 3 * torch.rand(2, 3, 10))["hidden.0"]
        between = dynamics.between_spikes(net.hidden[0].neuron.dynamics())
        assert layer.radius == pytest.approx(dynamics.spectral_radius(between).max().item())
        assert layer.oscillating == dynamics.oscillates(between).double().mean().item()
        assert layer.unstable == (8 if options.get("decay") else 0)
        assert (layer.gradient is not None) == told
        slowest = -1 / dynamics.spectral_radius(between).log()
        step = net.hidden[0].neuron.timestep
        if layer.unstable == 0:
            expected = slowest if step is None else slowest * step
            assert layer.membrane.median == pytest.approx(expected.quantile(0.5).item(), rel=1e-5)

    @pytest.mark.parametrize("hosted", [False, True])
    def test_several_outputs_are_one_neuron(self, hosted):
        """Size, silent and unstable neurons are counted alike; one fires if any of its outputs does."""
        options = {"outputs": 3, "stable": False, "decay": -0.1}
        inputs = 3 * torch.randn(4, 60, 10)
        if hosted:
            neuron = neurons.GeneralResetNeuron(10, **options)
            net, sample, name = NeuronLayer(neuron), inputs.transpose(0, 1), "net"
            spikes = net(sample)[0]
        else:
            net = SpArchNet(10, (8,), 3, neuron="General-Reset", neuron_options=options).eval()
            sample, name = inputs, "hidden.0"
            spikes = net.hidden[0].spikes(inputs.transpose(0, 1)).unflatten(-1, (3, 8)).movedim(-2, -1)
        layer, fired = diagnose(net, sample)[name], spikes.any(-1).double()
        assert layer.size == layer.unstable == fired.shape[-1]
        assert layer.firing_rate == pytest.approx(fired.mean().item())
        assert layer.silent == (fired.sum((0, 1)) == 0).double().mean()
        assert fired.any()


class Nested(nn.Module):
    """All hosts in one network, with a batch norm, dropout and states that stay."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(8), nn.Dropout(0.5)
        self.leaky = snn.Leaky(beta=0.9, init_hidden=True)
        self.silif = SiLIF(8, init_hidden=True, threshold=0.1)
        self.cell = SiLIFCell(SiLIFParameters.sample(8))
        self.noise = nn.ModuleList([nn.ModuleList([nn.RReLU()])])
        self.state = None

    def forward(self, now):
        spk = self.silif(self.leaky(self.drop(self.norm(now)) + torch.rand(8)))
        z, self.state = self.cell(self.noise[0][0](spk), self.state)
        return z


def fingerprint(net):
    return {
        "modes": [module.training for module in net.modules()],
        "buffers": {name: value.detach().clone() for name, value in net.named_buffers()},
        "parameters": {name: value.detach().clone() for name, value in net.named_parameters()},
        "gradients": {name: None if p.grad is None else p.grad.clone() for name, p in net.named_parameters()},
        "hooks": [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in net.modules()],
        "names": [sorted(vars(module)) for module in net.modules()],
        "random": torch.get_rng_state(),
    }


def same(one, two):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return one == two


def test_nothing_is_left_behind():
    net = Nested()
    net.drop.eval()
    for now in INPUTS[:3]:
        out = net(now)
    state, mem = net.state, net.leaky.mem
    before = fingerprint(net)
    diagnose(net, INPUTS, over_time=True)
    assert same(before, fingerprint(net))
    assert net.state is state
    assert net.leaky.mem is mem
    # A graph that began before goes on after it.
    twin = copy.deepcopy(net.state_dict())
    (net(INPUTS[3]).sum() + out.sum()).backward()
    assert net.cell.log_inv_tau_u.grad is not None
    gradients = fingerprint(net)
    diagnose(net, INPUTS, over_time=True)
    assert same(gradients, fingerprint(net))
    assert twin.keys() == net.state_dict().keys()


def test_nothing_is_left_behind_after_an_error():
    net = Nested()
    before = fingerprint(net)
    with pytest.raises(RuntimeError):
        diagnose(net, INPUTS[..., :7], over_time=True)
    assert same(before, fingerprint(net))


def test_it_starts_at_rest():
    net = nn.Sequential(nn.Linear(8, 8), SiLIF(8, init_hidden=True, threshold=0.1))
    fresh = diagnose(net, INPUTS, over_time=True)
    for now in INPUTS:
        net(5 * now)
    assert diagnose(net, INPUTS, over_time=True) == fresh


def test_compiled_and_wrapped_networks():
    net = nn.Sequential(nn.Linear(8, 8), SiLIF(8, init_hidden=True, threshold=0.1))
    expected = diagnose(net, INPUTS, over_time=True)
    assert diagnose(torch.compile(net, backend="eager"), INPUTS, over_time=True) == expected
    assert diagnose(nn.DataParallel(net), INPUTS, over_time=True) == expected
    net.compile(backend="eager")
    assert diagnose(net, INPUTS, over_time=True) == expected


def test_readouts_are_left_out():
    net = nn.Sequential(
        SiLIF(8, threshold=0.1, init_hidden=True),
        SiLIF(8, threshold=float("inf"), init_hidden=True),
        snn.Leaky(beta=0.9, threshold=99.0, reset_mechanism="none", init_hidden=True),
    )
    report = diagnose(net, INPUTS, over_time=True)
    assert [layer.name for layer in report] == ["0", "2"]
    assert report["2"].silent == 1
    assert report.advice == ()


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        (nn.Linear(8, 8), {}, "no spiking layer"),
        (nn.Sequential(nn.Linear(8, 8), leaky(8)), {}, "one step"),
        (leaky(8), {"steps": 0}, "steps"),
        (leaky(8), {"steps": 3, "over_time": True}, "steps"),
        (leaky(8), {}, "one step"),
    ],
)
def test_errors_say_what_to_do(net, options, message):
    with pytest.raises(ValueError, match=message):
        diagnose(net, INPUTS[0], **options)


def test_batch_norms_that_have_seen_nothing():
    net = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), SiLIF(8, threshold=50.0, init_hidden=True))
    assert "batch norms have seen no batch" in diagnose(net, INPUTS, over_time=True).advice[0]
    net(INPUTS[0])
    assert "batch norms have seen no batch" not in diagnose(net, INPUTS, over_time=True).advice[0]


def test_an_unknown_layer_lists_those_that_are_there():
    report = diagnose(leaky(8), INPUTS, over_time=True)
    with pytest.raises(KeyError, match=r"lif1.*it has net"):
        report["lif1"]


def test_the_package_shows_it():
    assert silif_plugins.diagnose is diagnose


def test_time_constants_of_a_decoupled_neuron_are_its_own():
    neuron = neurons.SiLIF(3, dt=0.004, tau_u=torch.tensor([0.01, 0.3, 0.05]), tau_w=0.1, a=0.0)
    membrane, second = time_constants(neuron.state_space(), neuron.timestep)
    assert membrane.tolist() == pytest.approx([0.01, 0.3, 0.05], rel=1e-4)
    assert second.tolist() == pytest.approx([0.1] * 3, rel=1e-4)
    assert neurons.RF(3).timestep.item() == pytest.approx(0.004)
    assert neurons.LIF(3).timestep is None


def test_a_state_that_does_not_decay_has_no_time_constant():
    class Perfect(neurons.Neuron):
        def state_space(self):
            return dynamics.StateSpace.of(a11=torch.ones(3), b1=1.0, r1=-1.0, threshold=self.threshold)

    report = diagnose(NeuronLayer(Perfect(3)), INPUTS[:, :, :3])["net"]
    assert (report.unstable, report.membrane, report.second) == (3, None, None)
    assert "-" in str(diagnose(NeuronLayer(Perfect(3)), INPUTS[:, :, :3]))


def test_recurrent_delays_take_part_in_the_rates():
    delays = {"recurrent_connection": "delayed", "recurrent_options": {"max_delay": 4, "rounded": True}}
    net = SpArchNet(20, (16,), 5, recurrent=True, neuron_options={"threshold": 0.05}, **delays).eval()
    frames = (torch.rand(3, 40, 20) < 0.3).float()
    found = diagnose(net, frames)["hidden.0"]
    assert found.firing_rate == pytest.approx(float(net(frames).firing_rates.detach().mean()))
    assert found.firing_rate > 0
    assert found.gradient is None
