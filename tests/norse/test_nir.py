"""To NIR and back: equal spikes, equal parameters, through memory and through files, and without this package."""

import pytest
import torch
from torch import nn

pytest.importorskip("norse")
nir = pytest.importorskip("nir")
nirtorch = pytest.importorskip("nirtorch")

import norse.torch as snn  # noqa: E402

from silif_plugins import dynamics, neurons  # noqa: E402
from silif_plugins.norse import (  # noqa: E402
    CSiLIF,
    CSiLIFCell,
    CSiLIFParameters,
    CSiLIFRecurrentCell,
    NeuronCell,
    NeuronLayer,
    NeuronRecurrentCell,
    SiLIF,
    SiLIFCell,
    SiLIFParameters,
    SiLIFRecurrent,
    SiLIFRecurrentCell,
    from_nir,
    to_nir,
)

INPUTS, HIDDEN = 3, 8

MAKERS = {
    "SiLIFCell": lambda: SiLIFCell(SiLIFParameters.sample(HIDDEN, dt=0.004), dt=0.004),
    "CSiLIFCell": lambda: CSiLIFCell(CSiLIFParameters.sample(HIDDEN)),
    "SiLIF layer": lambda: SiLIF(SiLIFParameters.sample(HIDDEN)),
    "CSiLIF layer": lambda: CSiLIF(CSiLIFParameters.sample(HIDDEN)),
    "SiLIFRecurrentCell": lambda: SiLIFRecurrentCell(HIDDEN, HIDDEN),
    "CSiLIFRecurrentCell": lambda: CSiLIFRecurrentCell(HIDDEN, HIDDEN, autapses=True),
    "SiLIFRecurrent layer": lambda: SiLIFRecurrent(HIDDEN, HIDDEN),
    "LIF": lambda: NeuronCell(neurons.LIF(HIDDEN)),
    "AdLIF": lambda: NeuronCell(neurons.AdLIF(HIDDEN)),
    "CAdLIF layer": lambda: NeuronLayer(neurons.CAdLIF(HIDDEN)),
    "RF": lambda: NeuronCell(neurons.RF(HIDDEN, dt=0.05)),
    "half_reset=False": lambda: NeuronCell(neurons.CSiLIF(HIDDEN, half_reset=False)),
    "RF recurrent": lambda: NeuronRecurrentCell(HIDDEN, neurons.RF(HIDDEN, dt=0.05)),
}
KEEPS_PARAMETERS = [name for name in MAKERS if name.startswith(("SiLIF", "CSiLIF"))]


def network_of(module):
    network = snn.SequentialState(nn.Linear(INPUTS, HIDDEN, bias=False), module, nn.Linear(HIDDEN, 2))
    nn.init.uniform_(network[0].weight, 0, 20)
    return network


def spikes_of(network, x):
    """Spikes of the neurons in the middle of a network, and its output, step by step or as a whole."""
    found = []
    middle = next(m for m in network.modules() if hasattr(m, "p"))
    handle = middle.register_forward_hook(lambda module, inputs, output: found.append(output[0].detach()))
    takes_time = hasattr(middle, "record_states")
    output = network(x)[0] if takes_time else snn.Lift(network)(x)[0]
    handle.remove()
    return found[0] if takes_time else torch.stack(found), output


def through_file(graph, tmp_path):
    nir.write(tmp_path / "network.nir", graph)
    return nir.read(tmp_path / "network.nir")


@pytest.fixture
def x():
    return torch.rand(60, 2, INPUTS)


@pytest.mark.parametrize("file", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("name", MAKERS)
def test_round_trip_gives_equal_spikes(name, file, x, tmp_path):
    network = network_of(MAKERS[name]())
    graph = to_nir(network)
    restored = from_nir(through_file(graph, tmp_path) if file else graph)
    spikes, output = spikes_of(network, x)
    again, output_again = spikes_of(restored, x)
    assert 0.02 < spikes.mean() < 0.98
    assert torch.equal(again, spikes)
    torch.testing.assert_close(output_again, output)


@pytest.mark.parametrize("name", KEEPS_PARAMETERS)
def test_round_trip_keeps_parameters(name, tmp_path):
    module = MAKERS[name]()
    restored = from_nir(through_file(to_nir(module), tmp_path))
    assert type(restored).__name__.removesuffix("Cell") == type(module).__name__.removesuffix("Cell")
    assert restored.dt == module.dt
    assert restored.p.method == module.p.method
    assert restored.p.alpha == module.p.alpha
    expected = dict(module.named_parameters())
    if "recurrent_weights" in expected:
        expected["recurrent_weights"] = module.synapses
        assert restored.autapses == module.autapses
    assert {name for name, _ in restored.named_parameters()} == set(expected)
    for parameter, value in restored.named_parameters():
        assert torch.equal(value, expected[parameter]), parameter


def test_settings_are_kept(tmp_path):
    p = SiLIFParameters.sample(HIDDEN, v_th=0.7, method="triangle", alpha=0.3)
    restored = from_nir(through_file(to_nir(SiLIFCell(p, dt=0.002, learn=("a", "log_relative_dt"))), tmp_path))
    assert restored.learn == {"a", "log_relative_dt"}
    assert (restored.p.method, restored.p.alpha, restored.dt) == ("triangle", 0.3, 0.002)
    assert torch.equal(restored.p.v_th, p.v_th)
    shared = nn.Parameter(torch.zeros(HIDDEN))
    restored = from_nir(to_nir(SiLIFCell(p._replace(a=shared, method=torch.sigmoid), learn=False)))
    assert [name for name, _ in restored.named_parameters()] == ["a"]
    assert restored.p.method == "super"


@pytest.mark.parametrize(
    "p",
    [
        SiLIFParameters.sample(HIDDEN, reset_scale=0.5, detach_reset=True),
        CSiLIFParameters.sample(HIDDEN, input_scale=3.0),
    ],
    ids=["SiLIF", "CSiLIF"],
)
def test_scales_are_kept(p, tmp_path):
    """With all else that is set, where a file has it and where it counts: in the nodes."""
    cell = (SiLIFCell if isinstance(p, SiLIFParameters) else CSiLIFCell)(p)
    restored = from_nir(through_file(to_nir(cell), tmp_path))
    assert torch.equal(restored.p.input_scale, cell.p.input_scale)
    assert torch.equal(restored.p.reset_scale, cell.p.reset_scale)
    assert restored.p.detach_reset is p.detach_reset
    assert restored.p.alpha is None
    graph = to_nir(cell)
    graph.metadata = {}
    x = 3 * torch.rand(40, 2, HIDDEN)
    spikes = snn.Lift(cell)(x)[0]
    assert spikes.any()
    assert torch.equal(snn.Lift(from_nir(graph))(x)[0], spikes)


class Integrator(nn.Module):
    """NIR's I, run as it is defined: v' = v + dt R I for an input constant over a step."""

    def __init__(self, node, dt):
        super().__init__()
        self.gain = torch.as_tensor(node.r) * dt

    def forward(self, current, state=None):
        state = (0 if state is None else state) + self.gain * current
        return state, state


class Product(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = torch.as_tensor(scale)

    def forward(self, x):
        return self.scale * x


class Step(nn.Module):
    def __init__(self, threshold):
        super().__init__()
        self.threshold = torch.as_tensor(threshold)

    def forward(self, x):
        return (x > self.threshold).to(x.dtype)


@pytest.mark.parametrize("file", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("name", MAKERS)
def test_graph_stands_for_itself(name, file, x, tmp_path):
    """A simulator that knows nothing but NIR's primitives gives the neurons' spikes."""
    module = MAKERS[name]().double()
    graph = to_nir(module)
    graph.metadata = {}
    dt = 1 / graph.nodes["n3_v"].r.flat[0]
    if file:
        graph = through_file(graph, tmp_path)
    primitives = {
        nir.I: lambda node: Integrator(node, dt),
        nir.Scale: lambda node: Product(node.scale),
        nir.Threshold: lambda node: Step(node.threshold),
    }
    executor = nirtorch.nir_to_torch(graph, primitives, dtype=torch.float64)
    current = 20 * torch.rand(200, 2, HIDDEN, dtype=torch.float64) ** 2
    expected = module(current)[0] if hasattr(module, "record_states") else snn.Lift(module)(current)[0]
    state, spikes = None, []
    for now in current:
        z, state = executor(now, state)
        spikes.append(z)
    assert expected.any()
    assert torch.equal(torch.stack(spikes), expected)


def test_changed_nodes_count_more_than_kept_parameters(x):
    network = network_of(MAKERS["SiLIFCell"]())
    graph = to_nir(network)
    population = next(node for node in graph.nodes.values() if isinstance(node, nir.NIRGraph))
    population.nodes["n4_spikes"].threshold *= 3
    restored = from_nir(graph)
    network[1].p = network[1].p._replace(v_th=torch.tensor(3.0))
    assert torch.equal(spikes_of(restored, x)[0], spikes_of(network, x)[0])
    assert not any("log_dt" in name for name, _ in restored.named_parameters())


@pytest.mark.parametrize("name", ["SiLIF", "CSiLIF"])
def test_graphs_of_the_snntorch_plugin(name, tmp_path):
    """The hosts share the form of the graph: a network of one runs in the other."""
    pytest.importorskip("snntorch")
    from silif_plugins import snntorch as other

    if not hasattr(other, "export_to_nir"):
        pytest.skip("silif_plugins.snntorch does not export to NIR yet")
    net = nn.Sequential(nn.Linear(INPUTS, HIDDEN, bias=False), getattr(other, name)(HIDDEN, init_hidden=True))
    nn.init.uniform_(net[0].weight, 0, 20)
    x = torch.rand(60, 2, INPUTS)
    restored = from_nir(through_file(other.export_to_nir(net, x[0]), tmp_path))
    other.reset(net)
    spikes = torch.stack([net(now) for now in x])
    assert 0.02 < spikes.mean() < 0.98
    assert torch.equal(snn.Lift(restored)(x)[0], spikes)


def test_shared_parameters_need_a_sample(x):
    network = network_of(SiLIFCell())
    with pytest.raises(ValueError, match="sample_data"):
        to_nir(network)
    restored = from_nir(to_nir(network, x[0]))
    spikes = spikes_of(network, x)[0]
    assert spikes.any()
    assert torch.equal(spikes_of(restored, x)[0], spikes)
    layers = network_of(CSiLIF())
    assert torch.equal(spikes_of(from_nir(to_nir(layers, x)), x)[0], spikes_of(layers, x)[0])


def test_more_than_ten_modules(tmp_path):
    """Alphabetical order, in which files list nodes, is not the order of evaluation here: 10 comes before 2."""
    modules = []
    for _ in range(6):
        linear = nn.Linear(HIDDEN, HIDDEN, bias=False)
        nn.init.uniform_(linear.weight, -5, 10)
        modules += [linear, CSiLIFCell(CSiLIFParameters.sample(HIDDEN))]
    network = snn.SequentialState(*modules)
    restored = from_nir(through_file(to_nir(network), tmp_path))
    x = 5 * torch.rand(30, 2, HIDDEN)
    spikes = snn.Lift(network)(x)[0]
    assert spikes.any()
    assert torch.equal(snn.Lift(restored)(x)[0], spikes)


def test_with_norse_neurons(x, tmp_path):
    network = snn.SequentialState(
        nn.Linear(INPUTS, HIDDEN, bias=False), snn.LIFBoxCell(), nn.Linear(HIDDEN, HIDDEN), SiLIFCell()
    )
    for layer in (network[0], network[2]):
        nn.init.uniform_(layer.weight, 0, 20)
    restored = from_nir(through_file(to_nir(network, x[0]), tmp_path))
    spikes = snn.Lift(network)(x)[0]
    assert spikes.any()
    assert torch.equal(snn.Lift(restored)(x)[0], spikes)


def test_lifted_modules(x):
    network = snn.SequentialState(snn.Lift(nn.Linear(INPUTS, HIDDEN)), SiLIF(SiLIFParameters.sample(HIDDEN)))
    nn.init.uniform_(network[0].lifted_module.weight, 0, 20)
    spikes = network(x)[0]
    assert spikes.any()
    assert torch.equal(snn.Lift(from_nir(to_nir(network)))(x)[0], spikes)


def test_population_of_several_dimensions(tmp_path):
    cell = SiLIFCell(SiLIFParameters.sample((4, 1, 1)))
    images = 20 * torch.rand(40, 2, 4, 3, 5)
    graph = to_nir(cell, images[0])
    assert graph.output_type["output"].tolist() == [4, 3, 5]
    restored = from_nir(through_file(graph, tmp_path))
    spikes = snn.Lift(cell)(images)[0]
    assert spikes.any()
    assert torch.equal(snn.Lift(restored)(images)[0], spikes)


def test_what_cannot_be_converted_is_refused():
    with pytest.raises(ValueError, match="GELU"):
        to_nir(snn.SequentialState(nn.GELU(), SiLIFCell(SiLIFParameters.sample(HIDDEN))))

    class Current(neurons.Neuron):
        "The input drives a current, the current drives the membrane."

        def state_space(self):
            return dynamics.StateSpace.of(a11=0.9, a12=torch.ones(self.size), a22=0.8, b2=1.0, r1=-1.0)

    with pytest.raises(ValueError, match="input alone"):
        to_nir(NeuronCell(Current(HIDDEN)))


def test_missing_nirtorch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nirtorch", None)
    with pytest.raises(ImportError, match=r"silif_plugins\[nir\]"):
        to_nir(SiLIFCell(SiLIFParameters.sample(HIDDEN)))
