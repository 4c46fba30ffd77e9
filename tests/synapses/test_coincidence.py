"""A task that needs delays: the same channels fire once each in every class, in another order, at unknown lags."""

import pytest
import torch
from torch import nn

from silif_plugins.neurons import LIF
from silif_plugins.scan import scan
from silif_plugins.synapses import connect, discretised

LAGS = torch.tensor([[0, 12, 24, 36], [0, 24, 12, 36], [0, 24, 36, 12], [0, 36, 12, 24]])
"""When each channel fires, by class. A membrane forgets within some 5 steps."""

STEPS, MAX_DELAY, HIDDEN = 70, 40, 16


def batch(samples):
    labels = torch.arange(samples) % len(LAGS)
    times = torch.randint(20, (samples, 1)) + LAGS[labels]
    spikes = torch.zeros(STEPS, samples, LAGS.shape[1])
    spikes[times, torch.arange(samples).unsqueeze(1), torch.arange(LAGS.shape[1])] = 1
    return spikes, labels


def accuracy(kind, updates=300):
    """Train one layer of LIF, whose spikes are counted, and test it with whole delays."""
    options = {} if kind == "linear" else {"max_delay": MAX_DELAY, "delay_rate": 1.0}
    connection = connect(kind, LAGS.shape[1], HIDDEN, bias=True, options=options)
    nn.init.uniform_(connection.weight, 0.5, 1.5)
    neuron, readout = LIF(HIDDEN), nn.Linear(HIDDEN, len(LAGS))
    delays = [module for module in connection.modules() if hasattr(module, "optimizer_groups")]
    groups = [{key: group[key] for key in ("params", "lr")} for each in delays for group in each.optimizer_groups()]
    apart = {id(each) for group in groups for each in group["params"]}
    parameters = [*connection.parameters(), *neuron.parameters(), *readout.parameters()]
    groups.append({"params": [each for each in parameters if id(each) not in apart], "lr": 0.01})
    optimizer = torch.optim.Adam(groups)

    def scores(connection, spikes):
        fired, _ = scan(neuron, 4 * connection(spikes), surrogate="atan")
        return readout(fired.sum(0))

    for update in range(updates):
        for each in delays:
            each.begin_epoch(0.35 * update / updates)
        spikes, labels = batch(64)
        loss = nn.functional.cross_entropy(scores(connection, spikes), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for each in delays:
            each.after_step()
    with torch.no_grad():
        spikes, labels = batch(400)
        return (scores(discretised(connection), spikes).argmax(1) == labels).float().mean().item()


@pytest.mark.parametrize("kind", ["delayed", "axonal"])
def test_delays_solve_it(kind):
    torch.manual_seed(2)
    assert accuracy(kind) > 0.95


def test_without_them_nothing_does():
    torch.manual_seed(2)
    assert accuracy("linear") < 0.5
