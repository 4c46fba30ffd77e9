"""Connections by name: the network takes those that are added, and its settings hold their options."""

import pytest
import torch
from torch import nn

from silif_plugins.sparch import SpArchNet
from silif_plugins.synapses import CONNECTIONS, SpikeLinear, connect, transmit
from silif_plugins.training import TrainConfig


class Late(nn.Linear):
    """Inputs arrive some steps late."""

    def __init__(self, num_inputs, num_outputs, *, bias, dropout, events, steps=1):
        super().__init__(num_inputs, num_outputs, bias=bias)
        self.steps = steps

    def forward(self, input):
        late = torch.cat([torch.zeros_like(input[: self.steps]), input[: len(input) - self.steps]])
        return super().forward(late)


def test_a_network_with_connections_of_another_kind(monkeypatch):
    monkeypatch.setitem(CONNECTIONS, "late", Late)
    config = TrainConfig(connection="late", connection_options={"steps": 2}, hidden_sizes=(16,), normalization="none")
    net = config.network(8, 4)
    assert net.hidden[0].current.weights.steps == net.readout.current.weights.steps == 2
    plain = SpArchNet(8, (16,), 4, normalization="none", dropout=0.1)
    plain.load_state_dict(net.state_dict())
    inputs = 5 * torch.rand(3, 20, 8)
    late = torch.cat([torch.zeros(3, 2, 8), inputs[:, :-2]], dim=1)
    one, two = (each.eval().hidden[0].spikes(frames.transpose(0, 1)) for each, frames in ((net, inputs), (plain, late)))
    assert one.any()
    assert torch.equal(one, two)
    net(inputs).scores.sum().backward()
    assert net.hidden[0].current.weights.weight.grad.abs().sum() > 0


def test_the_default_is_event_driven():
    weights = connect("linear", 5, 3, bias=True, dropout=0.2, events="never", options={"dtype": torch.float64})
    assert isinstance(weights, SpikeLinear)
    assert (weights.dropout, weights.events, weights.weight.dtype) == (0.2, "never", torch.float64)
    assert weights.bias is not None


def test_the_gate_reaches_those_that_take_it():
    spikes, gate = torch.ones(4, 2, 5, requires_grad=True), torch.zeros(4, 2, 5, dtype=torch.bool)
    transmit(connect("linear", 5, 3, events="always"), spikes, gate).sum().backward()
    assert not spikes.grad.any()
    spikes.grad = None
    transmit(nn.Linear(5, 3), spikes, gate).sum().backward()
    assert spikes.grad.any()


def test_unknown_kinds_are_named():
    with pytest.raises(ValueError, match="connection: got 'dense'; it must be one of linear"):
        SpArchNet(5, (4,), 3, connection="dense")
