"""NeuroBench's own harness on our networks."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

pytest.importorskip("neurobench")
snn = pytest.importorskip("snntorch")

from neurobench.benchmarks import Benchmark  # noqa: E402
from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount  # noqa: E402
from neurobench.metrics.workload import (  # noqa: E402
    ActivationSparsity,
    ClassificationAccuracy,
    NeuronOperations,
    SynapticOperations,
)
from neurobench.models import SNNTorchModel  # noqa: E402

from silif_plugins.snntorch import CSiLIF, SiLIF  # noqa: E402
from silif_plugins.sparch import SpArchNet  # noqa: E402
from silif_plugins.training import neurobench_model  # noqa: E402
from silif_plugins.training.neurobench import Stepped  # noqa: E402

STATIC = [ParameterCount, Footprint, ConnectionSparsity]
WORKLOAD = [ClassificationAccuracy, ActivationSparsity, SynapticOperations, NeuronOperations]


def measured(model, inputs, labels, decide):
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=4)
    return Benchmark(model, loader, [], [decide], [STATIC, WORKLOAD]).run(quiet=True)


def data():
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(8, 20, 12, generator=generator) < 0.3).float(), torch.arange(8) % 3


def sparch(**options):
    torch.manual_seed(0)
    net = SpArchNet(12, (16, 16), 3, **options).eval()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm1d):
            norm.running_var.uniform_(0.005, 0.02)
    return net


@pytest.mark.parametrize("neuron", ["SiLIF", "C-SiLIF", "LIF"])
def test_sparch_net(neuron):
    net, (inputs, labels) = sparch(neuron=neuron), data()
    with torch.no_grad():
        output = net(inputs)
    results = measured(neurobench_model(net), inputs, labels, lambda shares: shares.sum(1).argmax(1))
    accuracy = (output.scores.argmax(1) == labels).double().mean()
    assert results["ClassificationAccuracy"] == pytest.approx(accuracy)
    assert results["ParameterCount"] == sum(parameter.numel() for parameter in net.parameters())
    assert results["ActivationSparsity"] == pytest.approx(1 - output.firing_rates.mean().item(), abs=1e-6)
    # the paper's count, and the readout's, which NeuroBench counts too
    assert results["SynapticOperations"]["Effective_ACs"] == pytest.approx(float(output.synaptic_operations))
    per_step = {"SiLIF": 12, "C-SiLIF": 12, "LIF": 5}[neuron]
    assert results["NeuronOperations"]["Neuron Dense Ops"] == 20 * 32 * per_step
    assert 0 < results["NeuronOperations"]["Effective Neuron Ops"] <= 20 * 32 * per_step


@pytest.mark.parametrize(("host", "per_step"), [(snn.Leaky, 4), (SiLIF, None), (CSiLIF, None)])
def test_networks_of_snntorch_as_they_are(host, per_step):
    """The host's own neuron and ours, by the harness's own model."""
    torch.manual_seed(0)
    inputs, labels = data()
    neurons = host(beta=0.9, init_hidden=True) if host is snn.Leaky else host(16, init_hidden=True)
    last = snn.Leaky(beta=0.9, init_hidden=True, output=True)
    net = nn.Sequential(nn.Linear(12, 16), neurons, nn.Linear(16, 3), last)
    results = measured(SNNTorchModel(net), inputs, labels, lambda spikes: spikes.sum(1).argmax(1))
    operations = results["NeuronOperations"]["Neuron Dense Ops"] - 20 * 3 * 4
    assert operations >= 20 * 16 * 4
    if per_step is not None:
        assert operations == 20 * 16 * per_step


def test_what_the_harness_cannot_run_is_named():
    for options, problem in (
        ({"bidirectional": True}, "is bidirectional"),
        ({"recurrent": True}, "is recurrent"),
        ({"neuron": "SE-adLIF"}, "has SEAdLIF neurons, which have no state space"),
        ({"connection": "axonal", "connection_options": {"max_delay": 3}}, "has AxonalLinear"),
    ):
        with pytest.raises(ValueError, match=f"hidden.0: {problem}"):
            Stepped(SpArchNet(12, (16,), 3, **options))
