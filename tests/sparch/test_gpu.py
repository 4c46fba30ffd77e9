"""SpArch's network on a GPU, where there is one: what it computes is what it computes on the CPU."""

import copy

import pytest
import torch

from silif_plugins.neurons import NEURONS, RECURRENT
from silif_plugins.sparch import SpArchNet
from silif_plugins.synapses import spike_linear

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand"),
]


def outcome(net, device, lengths):
    """Scores, rates, operations and gradients."""
    net = copy.deepcopy(net).to(device)
    torch.manual_seed(3)
    inputs = 3 * torch.rand(4, 40, 12, dtype=torch.float64) * (torch.rand(4, 40, 12) < 0.5)
    output = net(inputs.to(device), None if lengths is None else torch.tensor(lengths, device=device))
    torch.nn.functional.cross_entropy(output.scores, torch.tensor([0, 1, 2, 3], device=device)).backward()
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in net.parameters()]
    return [each.detach().cpu() for each in (*output, *grads)]


def assert_same(net, lengths=None):
    expected, got = outcome(net, "cpu", lengths), outcome(net, "cuda", lengths)
    assert expected[2] > 0
    for index, (one, other) in enumerate(zip(expected, got, strict=True)):
        scale = max(1e-6, float(one.abs().max()))
        assert ((one - other).abs() <= 1e-7 * scale).all(), f"output {index}"


@pytest.mark.parametrize("lengths", [None, [40, 7, 20, 33]], ids=["full", "lengths"])
@pytest.mark.parametrize("neuron", [*NEURONS, *RECURRENT])
def test_equals_the_cpu(neuron, lengths):
    torch.manual_seed(0)
    assert_same(SpArchNet(12, (16, 16), 4, neuron=neuron, dropout=0.0).double(), lengths)


@pytest.mark.parametrize(
    "options",
    [
        {"bidirectional": True},
        {"normalization": "layernorm"},
        {"connection": "axonal", "connection_options": {"max_delay": 5}},
        {"connection": "delayed", "connection_options": {"max_delay": 5}},
        {"connection": "dendritic", "connection_options": {"max_delay": 5}},
        {"reset_mechanism": "zero"},
        {"recurrent": True},
    ],
    ids=str,
)
def test_options_equal_the_cpu(options):
    torch.manual_seed(0)
    assert_same(SpArchNet(12, (16, 16), 4, neuron="SiLIF", dropout=0.0, **options).double())


@pytest.mark.parametrize("seeded", [False, True])
def test_dropout_is_drawn_there(seeded):
    spikes, weight = torch.ones(2000, 8, device="cuda"), torch.eye(8, device="cuda")
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(5) if seeded else None
        runs.append(spike_linear(spikes, weight, dropout=0.25, generator=generator))
    assert torch.equal(*runs)
    assert runs[0].unique().tolist() == pytest.approx([0, 4 / 3])
    assert (runs[0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
