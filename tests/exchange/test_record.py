"""Records: what a file holds of a neuron, and what a damaged, foreign or newer one is answered."""

import random
import warnings

import numpy as np
import pytest
import torch

from silif_plugins import norse, snntorch
from silif_plugins.dynamics import StateSpace
from silif_plugins.exchange import LayerNeuron, Record, metadata_of, record_of
from silif_plugins.neurons import LIF, NEURONS, RF, SiLIF

nir = pytest.importorskip("nir")

N = 5
READERS = {"snnTorch": snntorch.import_from_nir, "Norse": norse.from_nir}


@pytest.fixture
def graph(hosts):
    net = torch.nn.Sequential(torch.nn.Linear(3, N), hosts.in_snntorch(hosts.core("SiLIF")))
    return snntorch.export_to_nir(net, torch.rand(2, 3))


def written(graph, folder):
    nir.write(folder / "net.nir", graph)
    return folder / "net.nir"


@pytest.mark.parametrize("name", [name for name, model in NEURONS.items() if model.has_state_space()])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_record_makes_its_neuron_again(name, dtype):
    neuron = NEURONS[name](N, threshold=0.7, learn=False).to(dtype)
    state = torch.random.get_rng_state()
    record = record_of(metadata_of(Record.of(neuron)), (N,), "graph")
    again = record.neuron()
    assert torch.equal(torch.random.get_rng_state(), state)  # nothing is drawn from the user's generator
    assert type(again) is type(neuron)
    assert not list(again.parameters())
    for one, two in zip(again.state_space(), neuron.state_space(), strict=True):
        assert torch.equal(one, two)
    assert record.is_bare


def test_settings_are_kept():
    neurons = [RF(N, dt=0.03), SiLIF(N, log=False), NEURONS["C-SiLIF"](N, half_reset=False, input_gating=False)]
    for neuron in neurons:
        again = record_of(metadata_of(Record.of(neuron)), (N,), "graph").neuron()
        assert str(again) == str(neuron)
        assert [name for name, _ in again.named_parameters()] == [name for name, _ in neuron.named_parameters()]
    assert Record.of(RF(N, dt=0.03)).settings == {"dt": 0.03}


def test_models_of_one_s_own_have_no_record():
    class Mine(LIF):
        pass

    assert Record.of(Mine(N)) is None
    assert Record.of(LayerNeuron(Mine(N), threshold=torch.tensor(1.0))) is None
    assert record_of({"norse": "SiLIF", "dt": 0.001}, (N,), "graph") is None


def test_layers_add_to_a_neuron():
    neuron = SiLIF(N, threshold=0.5)
    layer = LayerNeuron(neuron, threshold=torch.tensor(2.0), learn_threshold=True, input_scale=3.0, reset_scale=0.1)
    space, own = layer.state_space(), neuron.state_space()
    torch.testing.assert_close(space.b1, 3 * own.b1)
    torch.testing.assert_close(space.r2, 0.4 * own.r2)
    assert space.threshold is layer.threshold
    record = Record.of(layer)
    assert "threshold" in record.trained
    for one, two in zip(record.layer_neuron().state_space(), space, strict=True):
        assert torch.equal(one, two)
    never = LayerNeuron(SiLIF(N, threshold=torch.inf), threshold=torch.tensor(torch.inf), reset_scale=0.5)
    torch.testing.assert_close(never.state_space().r2, 0.5 * never.neuron.state_space().r2)
    assert not LayerNeuron(neuron, threshold=torch.tensor(1.0), resets=False).state_space().r1.any()
    assert layer.timestep is not None
    assert layer.uniform_state((2,)).mem.shape == (2, N)


DAMAGE = {
    "version": (99, "version: got 99, and this silif_plugins reads 1; update it"),
    "model": ("Izhikevich", "model: got 'Izhikevich'; it must be one of LIF, AdLIF"),
    "model, of another": ("LIF", "values: got .*; LIF has decay_u"),
    "size": (np.array([7]), r"size: got \(7,\); it must broadcast to the population \(5,\)"),
    "size, huge": (np.array([10**12]), r"size: got \(1000000000000,\)"),
    "size, none": (np.array([0]), "size: got"),
    "size, of floats": (np.ones(1), "size: got .*; it must be whole numbers"),
    "value.log_dt": (np.full(N, np.nan), "log_dt: got NaN"),
    "value.a": (np.full(N, np.inf), "a: got NaN or an infinite value"),
    "value.b": (np.ones(3), r"b: got shape \(3,\); it must broadcast to the neurons \(5,\)"),
    "value.b, a word": ("two", "value.b: got str; it must be an array of floats"),
    "value.c": (np.ones(N), "values: got .*c.*; SiLIF has"),
    "trained": ("a,omega", "trained: got 'omega'; it must be among"),
    "trained, a number": (1, "trained: got int; it must be str"),
    "setting.log": (0.5, "settings: got log=0.5, which SiLIF does not take"),
    "setting.half_reset": (False, "settings: got half_reset=False, which SiLIF does not take"),
    "timestep": (0.0, "timestep: got 0.0; it must be a positive time"),
    "threshold": (np.array([np.nan]), "threshold: got NaN"),
    "input_scale": (np.ones((2, 2)), "input_scale: got shape"),
    "resets": (1.0, "resets: got float; it must be bool"),
    "detach_reset": ("yes", "detach_reset: got str; it must be bool"),
    "surrogate": (3, "surrogate: got int; it must be str"),
    "surrogate.alpha": ("sharp", "surrogate.alpha: got str; it must be float"),
    "colour": ("red", "colour: unknown field"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_named(damage, reader, graph, tmp_path):
    value, message = DAMAGE[damage]
    graph.nodes["1"].metadata["silif." + damage.partition(",")[0]] = value
    with pytest.raises(ValueError, match=rf"net\.nir: 1: the record of its neuron, .*{message}"):
        READERS[reader](written(graph, tmp_path))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("field", ["version", "model", "size", "value.a", "trained", "threshold", "resets", "timestep"])
def test_a_missing_field_is_named(field, reader, graph, tmp_path):
    del graph.nodes["1"].metadata["silif." + field]
    match = "trained: got 'a'" if field == "value.a" else field
    with pytest.raises(ValueError, match=rf"net\.nir: 1: the record of its neuron, {match}"):
        READERS[reader](written(graph, tmp_path))


@pytest.mark.parametrize("reader", READERS)
def test_unknown_surrogates_are_named(reader, graph, tmp_path):
    graph.nodes["1"].metadata["silif.surrogate"] = "__import__('os')"
    with pytest.raises(
        ValueError, match=r"net\.nir: 1: the record of its neuron, surrogate: got .*; it must be one of"
    ):
        READERS[reader](written(graph, tmp_path))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("node", "field", "value", "message"),
    [
        ("n4_spikes", "threshold", np.full(N, np.nan), "n4_spikes: threshold: got NaN"),
        ("n2_input_to_v", "scale", np.full(N, np.nan), "n2_input_to_v: scale: got NaN"),
        ("n5_v_to_v", "scale", np.ones(N, dtype=int), "n5_v_to_v: scale: got int64; it must be floats"),
    ],
)
def test_a_damaged_node_is_named(node, field, value, message, reader, graph, tmp_path):
    setattr(graph.nodes["1"].nodes[node], field, value)
    with pytest.raises(ValueError, match=rf"net\.nir: 1: {message}"):
        READERS[reader](written(graph, tmp_path))


@pytest.mark.parametrize("reader", READERS)
def test_files(reader, graph, tmp_path):
    path = written(graph, tmp_path)
    assert any("log" in name for name, _ in READERS[reader](str(path)).named_parameters())
    with pytest.raises(FileNotFoundError, match=r"none\.nir"):
        READERS[reader](tmp_path / "none.nir")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"net\.nir: no NIR graph can be read from it"):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
def test_changed_nodes_are_said(reader, graph, tmp_path):
    graph.nodes["1"].nodes["n4_spikes"].threshold *= 3
    with pytest.warns(UserWarning, match=r"net\.nir: 1: its nodes were changed since"):
        READERS[reader](written(graph, tmp_path))
    graph.nodes["1"].metadata.clear()
    with pytest.warns(UserWarning, match=r"net\.nir: 1: no record of its neuron is in the graph"):
        net = READERS[reader](written(graph, tmp_path))
    assert len(list(net.parameters())) == 2


@pytest.mark.parametrize("seed", range(60))
def test_fuzzed_records(seed, graph):
    """A record with some of its values exchanged is read as what it says, or refused by name: nothing else."""
    chance = random.Random(seed)
    metadata = graph.nodes["1"].metadata
    strange = [*metadata.values(), "", "a,b", -1, 0, 2**70, True, 1e308, np.float32("nan"), np.zeros((0,)), b"x", None]
    strange += [np.array(["x"]), np.array([-1]), np.ones((N, N)), np.ones(N, dtype=complex), [1.0]]
    for _ in range(chance.choice((1, 1, 2, 3))):
        metadata[chance.choice(list(metadata))] = chance.choice(strange)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for read in READERS.values():
            try:
                read(graph)
            except ValueError as error:
                if not str(error).startswith("1: the record of its neuron, "):
                    pytest.fail(f"seed {seed}: {error!r}")


def test_a_neuron_without_a_registry_entry_goes_as_its_coefficients(hosts):
    class Mine(LIF):
        def state_space(self):
            return StateSpace.of(a11=0.9, b1=0.02 * torch.ones(N), r1=-1.0)

    x = 12 * torch.rand(60, 2, N)
    lif = snntorch.Spiking(Mine(N), init_hidden=True)
    with pytest.warns(UserWarning, match="no record of its neuron"):
        cell = hosts.to_norse(lif, x)
    spikes = hosts.run_snntorch(lif, x)
    assert spikes.any()
    assert torch.equal(hosts.run_norse(cell, x), spikes)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_files_end_in_the_documented_error(reader, graph, fuzz, tmp_path):
    content = written(graph, tmp_path).read_bytes()
    refused = fuzz("damaged.nir", content, READERS[reader], ValueError, seeds=range(40))
    assert 0.3 < refused < 1
