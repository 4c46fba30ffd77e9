"""SpArchNet: published sizes, directions, recurrence, normalisation, and what it refuses."""

import pytest
import torch

from silif_plugins.neurons import NEURONS, Neuron, StateSpace
from silif_plugins.sparch import SpArchNet

ALL = list(NEURONS)


@pytest.mark.parametrize(
    ("sizes", "neuron", "recurrent", "count"),
    [
        ((140, 128, 128, 20), "SiLIF", False, 38_716),
        ((140, 128, 128, 20), "C-SiLIF", False, 38_460),
        ((140, 128, 128, 20), "cAdLIF", False, 38_460),
        ((140, 128, 128, 20), "AdLIF", False, 38_460),
        ((140, 512, 512, 20), "SiLIF", False, 351_292),
        ((140, 512, 512, 20), "C-SiLIF", False, 350_268),
        ((140, 512, 512, 20), "cAdLIF", False, 350_268),
        ((140, 512, 512, 35), "SiLIF", False, 359_017),
        ((140, 512, 512, 35), "C-SiLIF", False, 357_993),
        ((140, 512, 512, 35), "cAdLIF", False, 357_993),
        ((140, 512, 512, 35), "RF", False, 355_945),
        ((140, 512, 512, 35), "LIF", False, 354_921),
        ((140, 512, 512, 35), "LIF", True, 879_209),
        ((140, 512, 512, 35), "AdLIF", True, 882_281),
        ((40, 512, 512, 35), "SiLIF", False, 307_817),
        ((40, 512, 512, 35), "C-SiLIF", False, 306_793),
        ((40, 1024, 1024, 35), "SiLIF", False, 1_139_817),
    ],
)
def test_parameter_counts_of_the_papers(sizes, neuron, recurrent, count):
    net = SpArchNet(sizes[0], sizes[1:-1], sizes[-1], neuron=neuron, recurrent=recurrent)
    assert sum(parameter.numel() for parameter in net.parameters()) == count


@pytest.mark.parametrize("neuron", ALL)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bidirectional": True},
        {"recurrent": True},
        {"bidirectional": True, "recurrent": True, "normalization": "layernorm"},
        {"normalization": "none", "bias": True, "dropout": 0.5, "initial_state": "uniform"},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_every_neuron_trains_in_every_form(neuron, options):
    net = SpArchNet(10, (16, 12), 5, neuron=neuron, neuron_options={"dt": 0.05} if neuron == "RF" else None, **options)
    out = net((torch.rand(4, 30, 10) * 8).round())
    assert out.scores.shape == (4, 5)
    torch.testing.assert_close(out.scores.sum(dim=1), torch.full((4,), 30.0))
    assert out.firing_rates.shape == ((16 + 12) * (1 + options.get("bidirectional", False)),)
    (torch.nn.functional.cross_entropy(out.scores, torch.arange(4)) + out.firing_rates.sum()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_bidirectional_reads_both_ways():
    """Reversing the input in time swaps the two halves of the output and reverses them."""
    layer = SpArchNet(6, (8,), 3, bidirectional=True, normalization="none").hidden[0]
    inputs = torch.rand(20, 2, 6) * 10
    forwards, backwards = layer(inputs).chunk(2, dim=2)
    swapped_forwards, swapped_backwards = layer(inputs.flip(0)).chunk(2, dim=2)
    assert torch.equal(swapped_forwards, backwards.flip(0))
    assert torch.equal(swapped_backwards, forwards.flip(0))
    assert not torch.equal(forwards, backwards)


def test_no_neuron_feeds_itself():
    layer = SpArchNet(4, (6,), 2, recurrent=True).hidden[0]
    with torch.no_grad():
        layer.recurrent.fill_(1.0)
    assert torch.equal(layer.recurrent_weights(), 1 - torch.eye(6))


def test_batch_members_do_not_mix_in_evaluation():
    net = SpArchNet(10, (16,), 4).eval()
    inputs = (torch.rand(5, 20, 10) * 5).round()
    with torch.no_grad():
        together = net(inputs).scores
        apart = torch.cat([net(one[None]).scores for one in inputs])
    torch.testing.assert_close(together, apart)


def test_synaptic_operations_by_hand():
    """Every non-zero activity times the weights it meets; a bin of several spikes counts once."""
    net = SpArchNet(3, (4,), 2, recurrent=True, normalization="none").eval()
    inputs = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 0.0, 9.0]]])
    with torch.no_grad():
        spikes = net.hidden[0].spikes(inputs.transpose(0, 1))
        operations = net(inputs).synaptic_operations
    assert operations.item() == 3 * 4 + spikes.sum().item() * (2 + 3)


def test_a_user_model_by_its_class():
    class Integrator(Neuron):
        def __init__(self, size):
            super().__init__(size)
            self.register_values(True, gain=torch.ones(self.size))

        def state_space(self):
            return StateSpace.of(a11=1.0, b1=self.gain, r1=-1.0, threshold=self.threshold)

    out = SpArchNet(5, (6,), 3, neuron=Integrator)(torch.rand(2, 10, 5))
    assert out.scores.shape == (2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpArchNet(3, (), 2), "hidden_sizes"),
        (lambda: SpArchNet(3, (4,), 2, neuron="GRU"), "neuron: got 'GRU'; it must be one of LIF"),
        (lambda: SpArchNet(3, (4,), 2, normalization="groupnorm"), "normalization: got 'groupnorm'"),
        (lambda: SpArchNet(3, (4,), 2, initial_state="random"), "initial_state: got 'random'"),
        (lambda: SpArchNet(3, (4,), 2, surrogate="box"), "surrogate: got 'box'"),
        (lambda: SpArchNet(3, (4,), 2)(torch.rand(2, 10, 5)), r"inputs: got shape \(2, 10, 5\); it must be"),
        (lambda: SpArchNet(3, (4,), 2)(torch.rand(10, 3)), "inputs"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"recurrent": True}], ids=str)
@pytest.mark.parametrize("surrogate", ["boxcar", "atan"])
def test_events_change_nothing(surrogate, options):
    """Weights that visit only events give the dense network's scores, rates and gradients, dropout included."""
    inputs = (torch.rand(6, 40, 30) < 0.1).double()
    results = []
    for events in ("always", "never"):
        torch.manual_seed(2)
        net = SpArchNet(30, (24, 20), 5, dropout=0.3, surrogate=surrogate, events=events, **options).double()
        torch.manual_seed(3)
        out = net(inputs)
        (torch.nn.functional.cross_entropy(out.scores, torch.arange(6) % 5) + out.firing_rates.sum()).backward()
        results.append([out.scores, out.firing_rates, *(parameter.grad for parameter in net.parameters())])
    assert results[0][1].mean() > 0.005  # they fire
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-11)


def test_dropout_acts_in_training_only():
    net = SpArchNet(30, (24, 20), 5, dropout=0.5)
    inputs = (torch.rand(6, 40, 30) < 0.3).float()
    assert not torch.equal(net(inputs).scores, net(inputs).scores)
    net.eval()
    assert torch.equal(net(inputs).scores, net(inputs).scores)
