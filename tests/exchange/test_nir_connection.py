"""Networks with delays of synapses and of outputs to a file, and back into both hosts."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from silif_plugins import norse, snntorch, sparch
from silif_plugins.exchange import connection_graph, connection_of
from silif_plugins.formats import check_nir
from silif_plugins.neurons import SiLIF
from silif_plugins.synapses import DelayedLinear, DendriticLinear, StatefulDelay

T, B, N, H = 40, 3, 12, 16
KINDS = {"delayed": DelayedLinear, "dendritic": DendriticLinear}
every_kind = pytest.mark.parametrize("kind", KINDS)


def trained(kind, **options):
    """A connection in the middle of its training."""
    layer = KINDS[kind](N, H, 6, kernel="triangle", learn_width=True, kept=0.5, round_in_eval=True, **options)
    optimizer = torch.optim.SGD(layer.parameters(), 10.0)
    layer(torch.rand(T, B, N).round()).square().mean().backward()
    optimizer.step()
    delays_of(layer).after_step()
    delays_of(layer).begin_epoch(0.8)
    return layer


def delays_of(layer):
    return getattr(layer, "delays", layer)


def network(kind, normalization):
    options = {"max_delay": 6, "round_in_eval": True}
    net = sparch.SpArchNet(
        N, (H, H), 3, connection=kind, connection_options=options, normalization=normalization, bias=True
    ).eval()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm1d):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.005, 0.02)
    for layer in net.hidden:
        layer.current.weights.weight.data.mul_(20 if normalization == "none" else 3)
    return net


def with_spikes(net, run, x):
    """Run a network of a host, and return the spikes of its hidden layers, [layers, T, B, H]."""
    seen = []
    neurons = [
        module for name, module in net.named_modules() if name.endswith("neurons") and hasattr(module, "forward")
    ][:2]
    for module in neurons:
        module.register_forward_hook(
            lambda module, inputs, output: seen.append(output[0] if isinstance(output, tuple) else output)
        )
    run(net, x)
    return torch.stack([torch.stack(seen[layer::2]) for layer in range(2)])


@every_kind
@pytest.mark.parametrize(("normalization", "dtype"), [("none", torch.float32), ("batchnorm", torch.float64)])
def test_networks_of_sparch_come_back(kind, normalization, dtype, hosts):
    """Where a norm is folded in, weights are others to rounding: in float64 no spike is another one."""
    net = network(kind, normalization).to(dtype).requires_grad_(False)
    graph = hosts.through_file(sparch.to_nir(net))
    x = (torch.rand(T, B, N) < 0.3).to(dtype)
    first = net.hidden[0].spikes(x)
    expected = torch.stack([first, net.hidden[1].spikes(first)])
    assert 0.02 < expected.mean() < 0.98
    for read, run in ((snntorch.import_from_nir, hosts.run_snntorch), (norse.from_nir, hosts.run_norse)):
        back = read(graph, dtype=dtype).eval()
        assert torch.equal(with_spikes(back, run, x), expected)
        ours = [layer.current.weights for layer in (*net.hidden, net.readout)]
        theirs = [module.connection for module in back.modules() if hasattr(module, "connection")]
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert type(one) is type(other)
            for name, value in one.state_dict().items():
                assert "delay" not in name or torch.equal(other.state_dict()[name], value)


@every_kind
@pytest.mark.parametrize("bias", [True, False])
def test_training_goes_on(kind, bias, hosts):
    """From one host to the other and back: state and options to the last bit, and the same gradients."""
    layer = trained(kind, bias=bias, dropout=0.25)
    net = nn.Sequential(snntorch.Delayed(layer), hosts.in_snntorch(SiLIF(H)))
    x = torch.rand(T, B, N).round()
    in_norse = norse.from_nir(hosts.through_file(snntorch.export_to_nir(net, x[0])))
    back = snntorch.import_from_nir(hosts.through_file(norse.to_nir(in_norse)))
    for other in (in_norse, back):
        (delayed,) = [module for module in other.modules() if isinstance(module, (snntorch.Delayed, StatefulDelay))]
        assert repr(delayed.connection) == repr(layer)
        assert len([*delayed.connection.parameters()]) == len([*layer.parameters()])
        assert delays_of(delayed.connection).settings() == delays_of(layer).settings()
        assert layer.state_dict().keys() == delayed.connection.state_dict().keys()
        for name, value in layer.state_dict().items():
            assert torch.equal(delayed.connection.state_dict()[name], value), name
        grads = []
        for each in (layer, delayed.connection):
            each.zero_grad()
            torch.manual_seed(0)
            each(x).square().sum().backward()
            grads.append([parameter.grad for parameter in each.parameters()])
        assert all(torch.equal(*pair) for pair in zip(*grads, strict=True))


@every_kind
def test_nodes_that_were_changed_count(kind, hosts):
    layer = KINDS[kind](N, H, 6, round_in_eval=True).eval()
    neurons = hosts.in_snntorch(SiLIF(H))
    graph = snntorch.export_to_nir(nn.Sequential(snntorch.Delayed(layer), neurons), torch.rand(B, N))
    (node,) = [node for node in graph.nodes.values() if connection_of(node, "it") is not None]
    for name, inner in node.nodes.items():
        if "weights" in name:
            inner.weight = 2 * inner.weight
    doubled = copy.deepcopy(layer)
    doubled.weight.data.mul_(2)
    x = 20 * torch.rand(T, B, N).round()
    with torch.no_grad():
        assert torch.equal(connection_of(node, "it").eval()(x), doubled(x))
    for name, inner in node.nodes.items():
        if "delay" in name:
            inner.delay = inner.delay + 1e-4  # a step of snnTorch
    delays_of(doubled).max_delay = 7
    delays_of(doubled).delay.data.round_().add_(1)
    expected = hosts.run_snntorch(nn.Sequential(snntorch.Delayed(doubled), neurons), x)
    assert expected.any()
    for read, run in ((snntorch.import_from_nir, hosts.run_snntorch), (norse.from_nir, hosts.run_norse)):
        with pytest.warns(UserWarning, match="its delays were changed since"):
            back = read(hosts.through_file(graph))
        torch.testing.assert_close(run(back, x), expected)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("version", 2, "version: got 2"),
        ("connection", "axonal", "connection: got 'axonal'; it must be one of delayed, dendritic"),
        ("option.kept", 3.0, "kept: got 3.0"),
        ("option.kept", None, "Missing key|Unexpected key"),
        ("option.device", "meta", "option.device: unknown field"),
        ("option.strange", 1.0, "strange: unknown option"),
        ("state.delay", np.zeros((2, 2)), "size mismatch for delay"),
        ("state.delay", np.full((H, N), np.nan), "state.delay: got NaN"),
        ("more", 1, "more: unknown field"),
    ],
)
def test_damaged_records_are_refused(field, value, message):
    graph = connection_graph(DelayedLinear(N, H, 6, round_in_eval=True, kept=0.5), 0.001)
    if value is None:
        del graph.metadata[f"silif.{field}"]
    else:
        graph.metadata[f"silif.{field}"] = value
    with pytest.raises(ValueError, match=f"net.nir: hidden: the record of its delays, [^$]*({message})"):
        connection_of(graph, "net.nir: hidden")


def test_damaged_nodes_are_refused():
    graph = connection_graph(DendriticLinear(N, H, 6, round_in_eval=True), 0.001)
    graph.nodes["n2_delay"].metadata.clear()
    with pytest.raises(ValueError, match=r"net\.nir: the record of its delays, delay: got"):
        connection_of(graph, "net.nir")
    del graph.nodes["n2_delay"]
    with pytest.raises(ValueError, match=r"net\.nir: the record of its delays, 'n2_delay'"):
        connection_of(graph, "net.nir")


@every_kind
def test_other_readers_refuse_by_name(kind):
    """Those that have no such nodes say so, and do not leave delays out."""
    reports = {report.reader: report for report in check_nir(sparch.to_nir(network(kind, "none")))}
    for name, report in reports.items():
        assert report.fine if name.startswith("silif_plugins") else "layer00_connection" in report.problem, report
    assert {"norse", "snntorch"} < reports.keys()
