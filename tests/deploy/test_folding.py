"""A folded network computes what the network does, and what cannot be folded is refused by name."""

import pytest
import torch

from silif_plugins.deploy import FoldError, fold, quantise, to_c
from silif_plugins.scan import scan
from silif_plugins.sparch import SpArchNet
from silif_plugins.synapses import discretised


@pytest.mark.parametrize("neuron", ["SiLIF", "C-SiLIF", "AdLIF", "LIF"])
@pytest.mark.parametrize("connection", ["linear", "axonal", "delayed", "quantised"])
def test_it_computes_what_the_network_does(made, frames, neuron, connection):
    bits = {"connection_options": {"bits": "ternary"}} if connection == "quantised" else {}
    net = made(neuron, connection, bias=True, **bits).double()
    folded, exact = fold(net), discretised(net)
    signal, fired = frames.double().transpose(0, 1), []
    for layer, module in zip(folded.hidden, exact.hidden, strict=True):
        wanted = module(signal)
        # An independent sum, synapse by synapse.
        weight = layer.weight.double()
        lags = torch.zeros_like(weight) if layer.delays is None else layer.delays.expand_as(weight)
        current = layer.bias.expand(*signal.shape[:2], -1).clone()
        for lag in range(6):
            late = torch.cat([torch.zeros_like(signal[:lag]), signal[: len(signal) - lag]])
            current += layer.gain * (late @ (weight * (lags == lag)).T)
        spikes, _ = scan(layer.space, current)
        assert torch.equal(spikes, wanted)
        signal = wanted
        fired.append(bool(spikes.any()))
    assert fired[0]


def nan_weight(net):
    net.hidden[1].current.weights.weight.data[0, 0] = torch.nan


def huge_gain(net):
    net.readout.current.norm.weight.data[2] = 1e9


def infinite_constant(net):
    net.hidden[0].neuron.a.data[3] = torch.inf
    net.hidden[0].neuron.a.data[4] = torch.nan


def own_weights(net):
    net.hidden[0].current.weights = torch.nn.Bilinear(2, 2, 2)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (nan_weight, "hidden.1: weights: got nan"),
        (huge_gain, "readout: gain of its batch norm: got"),
        (infinite_constant, "hidden.0: a11: got nan"),
        (own_weights, "hidden.0: its weights are Bilinear"),
    ],
)
def test_broken_networks_are_refused_before_anything_is_written(made, tmp_path, change, named):
    net = made()
    change(net)
    with pytest.raises(FoldError, match=named):
        to_c(quantise(net), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"recurrent": True}, "hidden.0: has recurrent weights"),
        ({"bidirectional": True}, "hidden.0: reads sequences backwards"),
        ({"normalization": "layernorm"}, "hidden.0: normalises by LayerNorm"),
        ({"initial_state": "uniform"}, "hidden.0: starts from random states"),
        ({"reset_mechanism": "zero"}, "hidden.0: resets to zero"),
        ({"neuron": "SE-adLIF"}, "hidden.0: SEAdLIF is no linear state space"),
        ({"neuron": "BRF"}, "hidden.0: BRF is no linear state space"),
    ],
)
def test_what_cannot_be_exported_is_named(options, named):
    with pytest.raises(FoldError, match=named):
        fold(SpArchNet(20, (8,), 5, **options))


def test_only_networks_of_sparch():
    with pytest.raises(FoldError, match="got Linear"):
        fold(torch.nn.Linear(2, 2))
