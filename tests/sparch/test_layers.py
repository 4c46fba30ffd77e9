"""Batch norm as part of the kernels around it: the network is that of the separate modules."""

import copy

import pytest
import torch
from torch.nn import functional

from silif_plugins.sparch import SpArchNet, SpikingLayer

DELAYS = {"max_delay": 5, "round_in_eval": True}

WAYS = [
    {},
    {"lengths": True},
    {"bidirectional": True, "lengths": True},
    {"neuron": "C-SiLIF", "dropout": 0.3, "events": "always"},
    {"reset_mechanism": "zero", "bias": True},
    {"initial_state": "uniform", "surrogate": "atan"},
    {"events": "never", "dropout": 0.3},
    {"neuron": "RadLIF"},
    {"normalization": "layernorm"},
    {"training": False},
    {"connection": "axonal", "connection_options": DELAYS, "lengths": True, "dropout": 0.3},
    {"connection": "axonal", "connection_options": DELAYS, "bidirectional": True, "surrogate": "atan"},
    {"connection": "delayed", "connection_options": DELAYS, "dropout": 0.3},
    {"connection": "dendritic", "connection_options": DELAYS, "lengths": True},
]


SIZES = [(40, 30), (64, 30), (64, 128)]
"""Layers of a multiple of 64 neurons hand on spikes as bits."""


def networks(*, training=True, sizes=(40, 30), **options):
    """The same network with and without batch norm in the kernels."""
    made = SpArchNet(20, sizes, 6, **{"neuron": "SiLIF", **options})
    with torch.no_grad():
        for layer in made.hidden:
            if options.get("normalization") != "layernorm":
                layer.current.norm.weight.mul_(2)
                layer.current.norm.running_var.mul_(0.2)  # so that they fire in evaluation, too
    separate = copy.deepcopy(made)
    for each in (*separate.hidden, separate.readout):
        each.current.fuse_norm = False
    return [net.double().train(training) for net in (made, separate)]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_it_is_the_network_of_separate_modules(sizes, way):
    options = dict(way)
    lengths = torch.tensor([30, 11, 1]) if options.pop("lengths", False) else None
    x, results = (torch.rand(3, 30, 20) < 0.2).double(), []
    for net in networks(sizes=sizes, **options):
        torch.manual_seed(1)
        scores, rates, operations = net(x, lengths)
        loss = functional.cross_entropy(scores, torch.tensor([0, 3, 5])) + rates.square().sum()
        assert rates.mean() > 0.0005
        loss.backward()
        buffers = [value for name, value in net.state_dict().items() if "running" in name or "batches" in name]
        results.append([scores, rates, operations, *(each.grad for each in net.parameters()), *buffers])
    for fused, separate in zip(*results, strict=True):
        torch.testing.assert_close(fused, separate, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "options", [{}, {"sizes": (64, 64)}, {"connection": "axonal", "connection_options": DELAYS}], ids=str
)
def test_it_learns_the_same_over_200_steps(options):
    nets = networks(dropout=0.2, **options)
    optimisers = [torch.optim.Adam(net.parameters(), lr=1e-3) for net in nets]
    for step in range(200):
        torch.manual_seed(step)
        x, labels, losses = (torch.rand(4, 20, 20) < 0.1).double(), torch.randint(6, (4,)), []
        for net, optimiser in zip(nets, optimisers, strict=True):
            torch.manual_seed(step)
            optimiser.zero_grad()
            loss = functional.cross_entropy(net(x).scores, labels)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_a_switch_and_whoever_watches_keep_the_modules_apart():
    x, seen = (torch.rand(2, 10, 20) < 0.2).float(), []
    net = SpArchNet(20, (8,), 4, fuse_norm=False)
    assert not any(each.current.fuse_norm for each in (*net.hidden, net.readout))
    net = SpArchNet(20, (8,), 4)
    net(x)
    layer = net.hidden[0]
    for module in (layer.current, layer.current.norm, layer.current.weights):
        handle = module.register_forward_hook(lambda *arguments: seen.append(1))
        net(x)
        handle.remove()
    assert len(seen) == 3


@pytest.mark.parametrize("taker", [{}, {"connection": "delayed", "connection_options": DELAYS}], ids=str)
def test_spikes_come_as_bits_where_the_next_layer_reads_them(taker):
    x = (torch.rand(10, 2, 20) < 0.2).float()
    first, second = SpArchNet(20, (64, 30), 4).hidden[0], SpArchNet(20, (64, 30), 4, **taker).hidden[1]
    assert second.reads_bits(x) == (not taker)
    activity = first.activity(x, as_bits=second.reads_bits(x))
    assert (activity.bits is None) == bool(taker)
    second.current.norm.register_forward_hook(lambda *arguments: None)
    assert not second.reads_bits(x)
    bits = first.activity(x, as_bits=True).bits
    others = [
        {"bidirectional": True},
        {"recurrent": True, "recurrent_connection": "delayed", "recurrent_options": DELAYS},
    ]
    for layer in (second, *(SpikingLayer(64, 30, **options) for options in others)):
        assert not layer.reads_bits(x)
        with pytest.raises(ValueError, match="bits: got spikes as bits"):
            layer.activity(activity.spikes, bits=bits)


def test_hooks_between_layers_see_the_spikes():
    x, seen = (torch.rand(2, 30, 20) < 0.5).float(), []
    net = SpArchNet(20, (64, 64), 4)
    with torch.no_grad():
        net.hidden[0].current.norm.weight.fill_(3)
    net.hidden[1].current.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    net(x)
    assert seen[0].count_nonzero() > 0
