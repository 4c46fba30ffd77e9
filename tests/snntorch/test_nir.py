"""To NIR and back: equal spikes, equal parameters, full-size arrays; and never a wrong graph."""

import sys

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

nir = pytest.importorskip("nir")
pytest.importorskip("nirtorch")

pytestmark = pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")

from silif_plugins import neurons  # noqa: E402
from silif_plugins.dynamics import StateSpace  # noqa: E402
from silif_plugins.exchange import is_population  # noqa: E402
from silif_plugins.snntorch import (  # noqa: E402
    RF,
    AdLIF,
    CAdLIF,
    CSiLIF,
    SiLIF,
    Spiking,
    export_to_nir,
    import_from_nir,
    reset,
)

T, B, INPUTS, HIDDEN = 40, 2, 3, 8


class Integrator(neurons.Neuron):
    """A neuron of one's own."""

    def __init__(self, size):
        super().__init__(size)
        self.register_values(True, gain=0.02 * torch.ones(self.size))

    def state_space(self):
        return StateSpace.of(a11=0.95, b1=self.gain, r1=-1.0)


MAKERS = {
    "SiLIF": lambda **o: SiLIF(HIDDEN, **o),
    "CSiLIF": lambda **o: CSiLIF(HIDDEN, **o),
    "AdLIF": lambda **o: AdLIF(HIDDEN, a=(0.0, 1.0), **o),
    "CAdLIF": lambda **o: CAdLIF(HIDDEN, **o),
    "RF": lambda **o: RF(HIDDEN, dt=0.05, **o),
    "without logarithms": lambda **o: SiLIF(HIDDEN, log=False, **o),
    "ablations": lambda **o: CSiLIF(HIDDEN, half_reset=False, input_gating=False, log=False, dt=0.1, **o),
    "no reset": lambda **o: SiLIF(HIDDEN, reset_mechanism="none", **o),
    "thresholds": lambda **o: SiLIF(HIDDEN, threshold=torch.linspace(0.3, 1.5, HIDDEN), learn_threshold=True, **o),
    "fixed": lambda **o: SiLIF(HIDDEN, learn=False, **o),
    "hosted LIF": lambda **o: Spiking(neurons.LIF(HIDDEN), **o),
    "one's own": lambda **o: Spiking(Integrator(HIDDEN), **o),
}
KEPT = [name for name in MAKERS if name not in ("hosted LIF", "one's own")]


def network_of(neuron):
    net = nn.Sequential(nn.Linear(INPUTS, HIDDEN), neuron, nn.Linear(HIDDEN, 2))
    nn.init.uniform_(net[0].weight, 0, 20)
    return net


def spikes_of(net, x):
    """Spikes of the neurons in the middle, and the output, step by step."""
    reset(net)
    found, outputs = [], []
    middle = next(m for m in net.modules() if isinstance(m, Spiking))
    hook = middle.register_forward_hook(lambda module, inputs, output: found.append(output))
    for now in x:
        output = net(now)
        outputs.append(output[0] if isinstance(output, tuple) else output)
    hook.remove()
    return torch.stack(found), torch.stack(outputs)


@pytest.fixture
def x():
    return torch.rand(T, B, INPUTS)


def through_file(graph, folder):
    nir.write(folder / "net.nir", graph)
    return nir.read(folder / "net.nir")


@pytest.mark.parametrize("file", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("name", MAKERS)
def test_round_trip_gives_equal_spikes(name, file, x, tmp_path):
    net = network_of(MAKERS[name](init_hidden=True))
    graph = export_to_nir(net, x[0])
    restored = import_from_nir(through_file(graph, tmp_path) if file else graph)
    spikes, output = spikes_of(net, x)
    again, output_again = spikes_of(restored, x)
    assert 0.02 < spikes.mean() < 0.98
    assert torch.equal(again, spikes)
    torch.testing.assert_close(output_again, output)


@pytest.mark.parametrize("name", KEPT)
def test_round_trip_keeps_the_neuron(name, tmp_path):
    lif = MAKERS[name]()
    graph = export_to_nir(lif, torch.rand(B, HIDDEN))
    restored = import_from_nir(through_file(graph, tmp_path))
    assert type(restored) is type(lif)
    assert restored.reset_mechanism == lif.reset_mechanism
    assert [n for n, _ in restored.named_parameters()] == [n for n, _ in lif.named_parameters()]
    assert restored.state_dict().keys() == lif.state_dict().keys()
    for key, value in lif.state_dict().items():
        assert torch.equal(restored.state_dict()[key], value), key
    for one, two in zip(restored.state_space(), lif.state_space(), strict=True):
        assert torch.equal(one, two)


def test_surrogate_and_dtype_are_chosen_on_import():
    graph = export_to_nir(network_of(SiLIF(HIDDEN, init_hidden=True)).double(), torch.rand(B, INPUTS).double())
    net = import_from_nir(graph, spike_grad="atan", dtype=torch.float64)
    (lif,) = (m for m in net.modules() if isinstance(m, Spiking))
    assert lif.spike_grad.alpha == 2
    assert lif.neuron.log_dt.dtype == torch.float64
    net(torch.rand(B, INPUTS).double())[0].sum().backward()
    assert lif.neuron.log_dt.grad is not None


def test_changed_nodes_count_more_than_kept_parameters(x):
    net = network_of(SiLIF(HIDDEN, init_hidden=True))
    graph = export_to_nir(net, x[0])
    graph.nodes["1"].nodes["n4_spikes"].threshold *= 3
    restored = import_from_nir(graph)
    assert not any("log_dt" in name for name, _ in restored.named_parameters())
    other = network_of(Spiking(_Fixed(net[1].state_space()._replace(threshold=torch.tensor(3.0))), init_hidden=True))
    other[0] = net[0]
    assert torch.equal(spikes_of(restored, x)[0], spikes_of(other, x)[0])


class _Fixed(neurons.Neuron):
    def __init__(self, space):
        super().__init__(HIDDEN, threshold=space.threshold)
        self.space = space

    def state_space(self):
        return self.space


def test_names_and_arrays():
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(INPUTS, HIDDEN))
    net.add_module("block", nn.Sequential(SiLIF(HIDDEN, init_hidden=True), nn.Linear(HIDDEN, 2, bias=False)))
    net.add_module("out", CSiLIF(2, init_hidden=True, output=True))
    graph = export_to_nir(net, torch.rand(B, INPUTS))
    assert set(graph.nodes) == {"input", "fc", "block.0", "block.1", "out", "output"}
    assert set(graph.edges) == {
        ("input", "fc"),
        ("fc", "block.0"),
        ("block.0", "block.1"),
        ("block.1", "out"),
        ("out", "output"),
    }
    assert isinstance(graph.nodes["fc"], nir.Affine)
    for name, size in (("block.0", HIDDEN), ("out", 2)):
        assert is_population(graph.nodes[name])
        for node in graph.nodes[name].nodes.values():
            for field in ("r", "scale", "threshold"):
                assert getattr(node, field, np.zeros(size)).shape == (size,)


def test_one_threshold_for_all_becomes_an_array_too(tmp_path, x):
    """Of our neurons, and of the host's in the same net, with which its own exporter fails."""
    net = nn.Sequential(nn.Linear(INPUTS, HIDDEN), SiLIF(1, init_hidden=True), nn.Linear(HIDDEN, 4))
    net.append(snn.Leaky(beta=0.9, threshold=0.5, init_hidden=True))
    graph = through_file(export_to_nir(net, x[0]), tmp_path)
    assert graph.nodes["1"].nodes["n4_spikes"].threshold.shape == (HIDDEN,)
    assert graph.nodes["3"].tau.shape == graph.nodes["3"].v_threshold.shape == (4,)
    assert net[3].beta.dim() == 0
    assert import_from_nir(graph)(x[0])[0].shape == (B, 4)


def test_a_convolutional_net(tmp_path):
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        SiLIF((4, 1, 1), threshold=0.1, init_hidden=True),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 5, (2, 3), stride=(1, 2)),
        CSiLIF((5, 3, 2), init_hidden=True),  # parameters for every position
        nn.Flatten(),
        nn.Linear(30, 2),
    )
    images = 4 * torch.rand(T, B, 1, 8, 10)
    graph = through_file(export_to_nir(net, images[0]), tmp_path)
    assert graph.nodes["1"].nodes["n4_spikes"].threshold.shape == (4, 8, 10)
    restored = import_from_nir(graph)
    spikes, output = spikes_of(net, images)
    assert spikes.any()
    assert torch.equal(spikes_of(restored, images)[0], spikes)
    torch.testing.assert_close(spikes_of(restored, images)[1], output)


class OneStep(nn.Module):
    """Explicit states, in and out, as in snnTorch's tutorials but for the loop."""

    def __init__(self, packed):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(INPUTS, HIDDEN), SiLIF(HIDDEN, threshold=0.1)
        self.fc2, self.lif2 = nn.Linear(HIDDEN, 4), SiLIF(4, threshold=0.1)
        self.packed = packed

    def forward(self, x):
        if self.packed:
            spk1, _ = self.lif1(self.fc1(x), self.lif1.init_leaky())
            spk2, mem2 = self.lif2(self.fc2(spk1), self.lif2.init_leaky())
        else:
            spk1, _, _ = self.lif1(self.fc1(x), *self.lif1.init_synaptic())
            spk2, _, mem2 = self.lif2(self.fc2(spk1), *self.lif2.init_synaptic())
        return spk2, mem2


@pytest.mark.parametrize("packed", [True, False])
def test_forward_with_states(packed, x):
    net = OneStep(packed)
    graph = export_to_nir(net, x[0])
    assert {("input", "fc1"), ("fc1", "lif1"), ("lif1", "fc2"), ("fc2", "lif2"), ("lif2", "output")} == set(graph.edges)
    reset(net)
    assert torch.equal(import_from_nir(graph)(x[0])[0], net(x[0])[0])


def test_a_net_over_sequences(x):
    net = nn.Sequential(nn.Linear(INPUTS, HIDDEN), SiLIF(HIDDEN, threshold=0.1, init_hidden=True, sequence=True))
    graph = export_to_nir(net, x)
    assert graph.nodes["0"].input_type["input"].tolist() == [INPUTS]
    assert torch.equal(spikes_of(import_from_nir(graph), x)[1], net(x))


def test_skip_connections(x):
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.lif1 = nn.Linear(INPUTS, HIDDEN), SiLIF(HIDDEN, threshold=0.1, init_hidden=True)
            self.fc2, self.lif2 = nn.Linear(HIDDEN, HIDDEN), SiLIF(HIDDEN, threshold=0.1, init_hidden=True)

        def forward(self, x):
            spk = self.lif1(self.fc1(x))
            return self.lif2(self.fc2(spk) + spk)

    net = Skip()
    restored = import_from_nir(export_to_nir(net, x[0]))
    assert torch.equal(spikes_of(restored, x)[1], spikes_of(net, x)[1])


def test_the_network_is_left_as_it_was(x):
    net = network_of(SiLIF(HIDDEN, init_hidden=True))
    net[0].eval()
    net(torch.rand(B + 3, INPUTS))
    export_to_nir(net, x[0])
    assert net.training
    assert not net[0].training
    assert not net[1].mem.numel()
    assert not any(m._forward_hooks for m in net.modules())


def test_networks_without_our_neurons_go_to_snntorch():
    from snntorch.export_nir import export_to_nir as host

    net = nn.Sequential(
        nn.Linear(INPUTS, HIDDEN),
        snn.Leaky(beta=0.9 * torch.ones(HIDDEN), threshold=torch.ones(HIDDEN), init_hidden=True),
    )
    ours, theirs = export_to_nir(net, torch.rand(B, INPUTS)), host(net, torch.rand(B, INPUTS), ignore_dims=[0])
    assert set(ours.nodes) == set(theirs.nodes)
    assert set(ours.edges) == set(theirs.edges)


@pytest.mark.parametrize("name", KEPT)
def test_snntorch_s_own_exporter_fails_loudly(name):
    """Never a graph of other neurons."""
    from snntorch.export_nir import export_to_nir as host

    with pytest.raises(AttributeError, match=r"export_to_nir|has no 'beta'"):
        host(network_of(MAKERS[name](init_hidden=True)), torch.rand(B, INPUTS), ignore_dims=[0])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"inhibition": True}, "inhibition"),
        ({"state_quant": torch.round}, "state_quant"),
        ({"reset_mechanism": "zero"}, "reset_mechanism='zero'"),
        ({"graded_spikes_factor": 2.0}, "graded_spikes_factor"),
    ],
)
def test_options_without_a_counterpart_are_refused(option, message):
    with pytest.raises(ValueError, match=f"{message}: a neuron with it has no counterpart"):
        export_to_nir(network_of(SiLIF(HIDDEN, init_hidden=True, **option)), torch.rand(B, INPUTS))


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm1d(HIDDEN), nn.Dropout(), nn.GELU(), snn.Lapicque(beta=0.9, init_hidden=True)]
)
def test_layers_without_a_counterpart_are_refused(layer):
    net = nn.Sequential(nn.Linear(INPUTS, HIDDEN), layer, SiLIF(HIDDEN, init_hidden=True))
    with pytest.raises(ValueError, match=f"got a {type(layer).__name__}, which has no counterpart in NIR"):
        export_to_nir(net, torch.rand(B, INPUTS))


def test_nets_that_are_no_single_step_are_refused(x):
    class TimeLoop(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(INPUTS, HIDDEN), SiLIF(HIDDEN, init_hidden=True)

        def forward(self, x):
            return torch.stack([self.lif(self.fc(x)) for _ in range(3)])

    class Membrane(TimeLoop):
        def forward(self, x):
            self.lif.init_hidden = False
            return self.lif(self.fc(x))[1]

    with pytest.raises(ValueError, match="one step"):
        export_to_nir(TimeLoop(), x[0])
    with pytest.raises(ValueError, match="returns no spikes"):
        export_to_nir(Membrane(), x[0])


@pytest.mark.parametrize("name", ["SiLIF", "CSiLIF", "thresholds", "hosted LIF"])
def test_files_are_exchanged_with_norse(name, x, tmp_path):
    pytest.importorskip("norse")
    from silif_plugins.norse import from_nir

    net = network_of(MAKERS[name](init_hidden=True))
    there = from_nir(through_file(export_to_nir(net, x[0]), tmp_path))
    outputs, state = [], None
    for now in x:
        output, state = there(now, state)
        outputs.append(output)
    expected = spikes_of(net, x)[1]
    assert expected.std() > 0
    torch.testing.assert_close(torch.stack(outputs), expected)


def test_files_of_norse_are_read(x, tmp_path):
    pytest.importorskip("norse")
    import norse.torch as norse

    from silif_plugins.norse import SiLIFCell, SiLIFParameters, to_nir

    net = norse.SequentialState(nn.Linear(INPUTS, HIDDEN), SiLIFCell(SiLIFParameters.sample(HIDDEN)))
    nn.init.uniform_(net[0].weight, 0, 20)
    restored = import_from_nir(through_file(to_nir(net), tmp_path))
    expected = norse.Lift(net)(x)[0]
    assert expected.any()
    assert torch.equal(spikes_of(restored, x)[1], expected)


def test_missing_nirtorch_says_what_to_install(monkeypatch, x):
    monkeypatch.setitem(sys.modules, "nirtorch", None)
    with pytest.raises(ImportError, match=r"silif_plugins\[nir\]"):
        export_to_nir(network_of(SiLIF(HIDDEN, init_hidden=True)), x[0])
