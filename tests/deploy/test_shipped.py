"""The network that ships in 8 bits: what leaves PyTorch has the number on its card."""

import pytest
import torch

from silif_plugins.deploy import Host, quantise, run_on
from silif_plugins.synapses import AxonalLinear, levels, row_steps
from silif_plugins.training import evaluate, from_pretrained, load_split


@pytest.mark.slow
def test_its_exported_accuracy():
    net, config, _, results = from_pretrained("silif-delays-spoken-digits")
    small, test = quantise(net, 8), load_split(config, "test")
    for layer, module in zip(small.hidden, net.hidden, strict=True):
        weights = module.current.weights
        assert isinstance(weights, AxonalLinear)
        assert torch.equal(layer.weight, levels(weights.weight, row_steps(weights.weight, 8), 8).long())
        assert int(layer.delays.max()) > 2
    assert evaluate(small, test).accuracy == pytest.approx(results["exported_accuracy"], abs=2 / 960)
    part = test.take(2).frames.float()
    outcome, trace = run_on(Host(small), small, part), small.run(part)[0]
    assert torch.equal(outcome.spikes, torch.cat(trace.spikes, dim=2))
    assert torch.equal(outcome.scores, trace.scores[:, -1])
