"""SpikingSSM's estimate of energy: the paper's numbers, and those of a network's layers that are run and counted."""

import pytest
import torch

from silif_plugins.metrics import OperationCount, feature_mixing
from silif_plugins.ssm import SpikingSSMNet

STEPS, WIDTH, LAYERS = 8192, 1024, 16  # WikiText-103, in the paper's "Computation Cost"


def test_the_papers_numbers():
    """The paper prints 275.2 G and 1.265 J; its own formula gives 274.9 G and 1.264 J."""
    dense = feature_mixing(STEPS, WIDTH, LAYERS)
    assert dense.macs == 16 * 8192 * 1024 * 2048
    assert dense.macs == pytest.approx(275.2e9, rel=0.0015)
    assert dense.energy == pytest.approx(1.265, rel=0.0015)
    spikes = feature_mixing(STEPS, WIDTH, LAYERS, firing_rate=72.66e9 / dense.macs)
    assert spikes.acs == pytest.approx(72.66e9)
    assert spikes.energy == pytest.approx(65.40e-3, rel=1e-3)
    assert spikes.acs / spikes.dense < 0.3  # "the average spiking rate is less than 30 %"


def test_it_is_what_the_layers_of_a_network_do():
    torch.manual_seed(0)
    net = SpikingSSMNet(5, 3, layers=2, width=12, state_size=4, dropout=0.0).eval()
    inputs = 2 * torch.randn(3, 50, 5)
    with OperationCount(net) as count, torch.no_grad():
        rate = float(net(inputs).firing_rates.mean())
    counted = [each for name, each in count.layers.items() if name.endswith("mixing.weights")]
    expected = feature_mixing(3 * 50, 12, 2, firing_rate=rate)
    assert len(counted) == 2
    assert sum(each.acs for each in counted) == pytest.approx(expected.acs, rel=1e-5)
    assert sum(each.dense for each in counted) == expected.dense


@pytest.mark.parametrize("given", [{"firing_rate": 1.5}, {"steps": -1}])
def test_other_numbers_are_refused(given):
    with pytest.raises(ValueError, match=next(iter(given))):
        feature_mixing(**{"steps": 1, "width": 2, "layers": 3, **given})
