"""Any neuron of the registry from one host to the other and back: the same class, parameters, spikes and training."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from silif_plugins import neurons, norse, snntorch
from silif_plugins.neurons import NEURONS
from silif_plugins.surrogate import ATan, Boxcar, FastSigmoid, Triangle
from silif_plugins.testing import values

host = pytest.importorskip("norse.torch")

T, B, N = 40, 2, 5
HOSTED = [name for name, model in NEURONS.items() if model.has_state_space()]

every_neuron = pytest.mark.parametrize("name", HOSTED)
often = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=False
)


@pytest.fixture
def x():
    return 12 * torch.rand(T, B, N)


def assert_same_layer(one, two):
    """The same neuron of snnTorch, to the last bit."""
    assert type(one) is type(two)
    assert type(one.neuron) is type(two.neuron)
    for name in ("detach_reset", "spike_grad", "reset_mechanism"):
        assert getattr(one, name) == getattr(two, name), name
    assert [name for name, _ in one.named_parameters()] == [name for name, _ in two.named_parameters()]
    assert one.state_dict().keys() == two.state_dict().keys()
    for key, value in one.state_dict().items():
        assert torch.equal(two.state_dict()[key].expand(value.shape), value), key
    assert torch.equal(one.neuron.threshold, two.neuron.threshold.expand(one.neuron.threshold.shape))


@every_neuron
@often
@given(data=st.data())
def test_snntorch_to_norse_to_snntorch(name, data, hosts, x):
    """Over all values of parameters, and options of layers."""
    neuron = hosts.core(name, learn=data.draw(st.sampled_from([True, False, None])) or ())
    for value in neuron.state_dict().values():
        value.copy_(data.draw(values(N) | values(N, low=-6, high=2)))
    scales = st.floats(0.1, 10) | st.lists(st.floats(0.1, 10), min_size=N, max_size=N).map(torch.tensor)
    lif = hosts.in_snntorch(
        neuron,
        threshold=data.draw(st.just(1.0) | scales),
        learn_threshold=data.draw(st.booleans()),
        spike_grad=data.draw(st.sampled_from([None, Boxcar(0.3), FastSigmoid(7.0), ATan(1.5), Triangle(0.3, 2.0)])),
        reset_mechanism=data.draw(st.sampled_from(["subtract", "none"])),
        detach_reset=data.draw(st.booleans()),
        input_scale=data.draw(scales),
        reset_scale=data.draw(scales),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cell = hosts.to_norse(lif, x)
        back = hosts.to_snntorch(cell)
    assert_same_layer(lif, back)
    trained = [p for p in lif.parameters() if p.requires_grad]
    assert len(list(cell.parameters())) == len(trained)
    spikes = hosts.run_snntorch(lif, x)
    assert torch.equal(hosts.run_norse(cell, x), spikes)
    assert torch.equal(hosts.run_snntorch(back, x), spikes)


@every_neuron
def test_a_network_that_trains_in_both(name, hosts, x):
    """Three steps of training here, three there, and three here again: as if it had never moved."""
    x = x[..., :3]
    lif = hosts.in_snntorch(hosts.core(name), threshold=0.5, learn_threshold=True, spike_grad="super")
    net = hosts.network(lif)
    target = torch.rand(T, B, N)

    def train(net, run):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            (run(net, x) - target).square().mean().backward()
            assert all(p.grad is not None for p in net.parameters())
            optimizer.step()

    train(net, hosts.run_snntorch)
    moved = hosts.to_norse(net, x)
    train(moved, hosts.run_norse)
    back = hosts.to_snntorch(moved)
    train(net, hosts.run_snntorch)
    inner = hosts.population_of(back)
    assert type(inner) is type(lif)
    for (key, expected), (_, value) in zip(lif.named_parameters(), inner.named_parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-9, msg=lambda m, key=key: f"{key}: {m}")
    spikes = hosts.run_norse(moved, x)
    assert spikes.std() > 0
    assert torch.equal(hosts.run_snntorch(back, x), spikes)
    for ours, theirs in zip(hosts.population_of(moved).parameters(), inner.parameters(), strict=True):
        assert any(torch.equal(theirs, other) for other in hosts.population_of(moved).parameters()), ours


CELLS = {
    "SiLIF": lambda: norse.SiLIFCell(norse.SiLIFParameters.sample(N, dt=0.004), dt=0.004),
    "SiLIF, options": lambda: norse.SiLIFCell(
        norse.SiLIFParameters.sample(N, v_th=0.7, reset_scale=0.6, method="triangle", alpha=0.3, detach_reset=True),
        learn=("a", "log_relative_dt"),
    ),
    "C-SiLIF": lambda: norse.CSiLIFCell(norse.CSiLIFParameters.sample(N, method="boxcar", alpha=3.0)),
    **{f"hosted {name}": lambda name=name: norse.NeuronCell(hosts_core(name), "tanh", 4.0) for name in HOSTED},
    "hosted C-SiLIF, ablations": lambda: norse.NeuronCell(
        neurons.CSiLIF(N, half_reset=False, input_gating=False, log=False, dt=0.1)
    ),
}


def hosts_core(name):
    return NEURONS[name](N, threshold=0.8, **{"RF": {"dt": 0.05}, "AdLIF": {"a": (0.0, 1.0)}}.get(name, {}))


@pytest.mark.parametrize("name", CELLS)
def test_norse_to_snntorch_to_norse(name, hosts, x):
    cell = CELLS[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lif = hosts.to_snntorch(cell)
        back = hosts.to_norse(lif, x)
    inner = lif.neuron
    assert type(lif) is getattr(snntorch, type(inner).__name__, snntorch.Spiking)
    spikes = hosts.run_norse(cell, x)
    assert 0.01 < spikes.mean() < 0.99
    assert torch.equal(hosts.run_snntorch(lif, x), spikes)
    assert torch.equal(hosts.run_norse(back, x), spikes)
    assert back.surrogate == cell.surrogate == lif.spike_grad
    assert back.p.detach_reset == cell.p.detach_reset == lif.detach_reset
    assert {p.numel() for p in back.parameters()} == {p.numel() for p in cell.parameters()}
    for key, value in cell.named_parameters():
        if key == "log_relative_dt":  # with dt=1, absolute
            value = value + np.log(cell.dt)
        ours = dict(lif.neuron.named_parameters())[key.replace("log_relative_dt", "log_dt").removeprefix("neuron.")]
        assert torch.equal(ours, value), key


def test_native_cells_come_back_as_native_cells(hosts, x):
    for cell in (CELLS["SiLIF"](), CELLS["SiLIF, options"](), CELLS["C-SiLIF"]()):
        back = hosts.to_norse(hosts.to_snntorch(cell), x)
        if (cell.p.v_th == 1).all():
            assert type(back) is type(cell)
            assert (back.p.method, back.p.alpha) == (cell.p.method, cell.p.alpha)
        assert back.learn if hasattr(back, "learn") else True


@pytest.mark.parametrize("name", HOSTED)
@pytest.mark.parametrize("autapses", [False, True])
def test_recurrent_populations(name, autapses, hosts):
    weights = {"input_weights": 4 * torch.rand(N, 3), "recurrent_weights": torch.randn(N, N)}
    population = norse.NeuronRecurrentCell(3, hosts_core(name), autapses=autapses, **weights)
    net = host.SequentialState(population, nn.Linear(N, 3), norse.SiLIFRecurrentCell(3, N, autapses=autapses))
    x = 3 * torch.rand(T, B, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moved = hosts.to_snntorch(net)
        back = hosts.to_norse(moved, x)
    expected = hosts.run_norse(net, x)
    assert expected.std() > 0
    assert torch.equal(hosts.run_snntorch(moved, x), expected)
    assert torch.equal(hosts.run_norse(back, x), expected)
    layers = [module for module in moved.modules() if isinstance(module, snntorch.Recurrent)]
    assert torch.equal(layers[0].recurrent_weights, population.synapses)
    assert [layer.autapses for layer in layers] == 2 * [autapses]
    hosts.run_snntorch(moved, x).sum().backward()
    assert all(p.grad is not None for p in layers[0].parameters())


@pytest.mark.parametrize("name", ["SiLIF", "RF"])
def test_one_neuron_that_stands_for_all(name, hosts):
    """After a convolution, for a channel, or for the layer."""
    for size in ((1,), (4, 1, 1)):
        lif = hosts.in_snntorch(NEURONS[name](size), input_scale=3.0, threshold=0.1)
        x = 20 * torch.rand(T, B, 4, 3, 2)
        cell = hosts.to_norse(lif, x)
        spikes = hosts.run_snntorch(lif, x)
        assert spikes.any()
        assert torch.equal(hosts.run_norse(cell, x), spikes)
        back = snntorch.import_from_nir(hosts.through_file(norse.to_nir(cell, x[0])))
        assert_same_layer(lif, back)


def test_parameters_shared_in_norse(hosts, x):
    """One for all is one neuron in snnTorch; one for all beside others, which trains, is none of its."""
    cell = norse.SiLIFCell()
    lif = hosts.to_snntorch(cell, x)
    assert lif.neuron.size == (1,)
    assert torch.equal(hosts.run_snntorch(lif, x), hosts.run_norse(cell, x))
    mixed = norse.SiLIFCell(norse.SiLIFParameters(log_inv_tau_u=torch.linspace(3, 5, N)))
    with pytest.warns(UserWarning, match="graph: several neurons share the trained a, which"):
        lif = hosts.to_snntorch(mixed, x)
    assert not list(lif.parameters())
    spikes = hosts.run_norse(mixed, x)
    assert spikes.any()
    assert torch.equal(hosts.run_snntorch(lif, x), spikes)


def test_a_trained_threshold_whose_reset_stays(hosts, x):
    cell = norse.SiLIFCell(norse.SiLIFParameters.sample(N, v_th=0.7), learn=("v_th",))
    with pytest.warns(UserWarning, match="graph: its threshold trains while its reset stays"):
        lif = hosts.to_snntorch(cell)
    assert not list(lif.parameters())
    assert torch.equal(hosts.run_snntorch(lif, x), hosts.run_norse(cell, x))
    assert [name for name, _ in norse.from_nir(norse.to_nir(cell)).named_parameters()] == ["v_th"]


def test_a_function_of_one_s_own_as_surrogate(hosts, x):
    lif = hosts.in_snntorch(hosts.core("SiLIF"), spike_grad=lambda v: (v > 0).to(v.dtype))
    with pytest.warns(UserWarning, match="spike_grad: this surrogate has no name"):
        graph = snntorch.export_to_nir(lif, x[0])
    assert norse.from_nir(graph).p.method == "super"
    assert snntorch.import_from_nir(graph).spike_grad == ATan(2.0)


def test_spike_grad_has_the_last_word(hosts, x):
    graph = norse.to_nir(norse.SiLIFCell(norse.SiLIFParameters.sample(N, method="tanh")))
    assert snntorch.import_from_nir(graph, spike_grad="boxcar").spike_grad == Boxcar()
    graph.metadata["silif.surrogate"] = "rockpool:tanh"
    with pytest.raises(
        ValueError, match=r"graph: the record of its neuron, surrogate: got 'rockpool:tanh'.*spike_grad="
    ):
        snntorch.import_from_nir(graph)
    assert snntorch.import_from_nir(graph, spike_grad="boxcar").spike_grad == Boxcar()
    with pytest.raises(ValueError, match="graph: the record of its neuron, surrogate: got 'rockpool:tanh'"):
        norse.from_nir(graph)


def test_over_time_refuses_a_recurrent_population(hosts):
    net = hosts.to_snntorch(norse.SiLIFRecurrentCell(3, N))
    with pytest.raises(ValueError, match="Recurrent: every step needs the spikes of the last"):
        snntorch.over_time(nn.Sequential(net), torch.rand(T, B, 3))


def test_what_a_third_tool_sees(hosts, x):
    """Standard nodes alone, the same with and without records, in the step that they were written for."""
    nir = pytest.importorskip("nir")
    net = hosts.network(hosts.in_snntorch(hosts.core("SiLIF")))
    graph = hosts.through_file(snntorch.export_to_nir(net, x[0, :, :3]))
    population = graph.nodes["1"]
    kinds = {type(node) for node in population.nodes.values()}
    assert kinds == {nir.Input, nir.Output, nir.I, nir.Scale, nir.Threshold}
    again = hosts.through_file(snntorch.export_to_nir(hosts.to_snntorch(hosts.to_norse(net, x[..., :3])), x[0, :, :3]))
    twin = next(node for node in again.nodes.values() if isinstance(node, nir.NIRGraph))
    assert set(twin.edges) == set(population.edges)
    for name, node in population.nodes.items():
        for field in ("r", "scale", "threshold"):
            np.testing.assert_array_equal(getattr(twin.nodes[name], field, 0), getattr(node, field, 0))
    moved = norse.to_nir(hosts.to_norse(net, x[..., :3]))
    population = next(node for node in moved.nodes.values() if isinstance(node, nir.NIRGraph))
    assert set(population.nodes["n3_v"].r) == {1000.0}  # Norse's own step
