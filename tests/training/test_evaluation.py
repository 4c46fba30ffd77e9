"""Evaluation: averages over samples, and batch norm's statistics after few steps."""

import pytest
import torch

from silif_plugins.datasets import FrameDataset
from silif_plugins.sparch import SpArchNet
from silif_plugins.training import evaluate, recalibrate


def test_averages_do_not_depend_on_the_batches(splits):
    net = SpArchNet(8, (16,), 4)
    whole = evaluate(net, splits.test, batch_size=80)
    for batch_size in (1, 7, 79):
        parts = evaluate(net, splits.test, batch_size=batch_size)
        for name in ("accuracy", "loss", "synaptic_operations", "sparsity"):
            assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-5)
    assert net.training


def test_figures_by_hand(splits):
    net = SpArchNet(8, (16,), 4).eval()
    inputs = splits.test.frames.float()
    with torch.no_grad():
        spikes = net.hidden[0].spikes(inputs.transpose(0, 1))
        scores = net(inputs).scores
    figures = evaluate(net, splits.test)
    assert figures.accuracy == pytest.approx((scores.argmax(1) == splits.test.labels).float().mean().item())
    assert figures.sparsity == pytest.approx(1 - spikes.mean().item(), rel=1e-6)
    operations = ((inputs != 0).sum() * 16 + spikes.sum() * 4).item() / len(splits.test)
    assert figures.synaptic_operations == pytest.approx(operations)


def test_recalibrated_statistics_are_those_of_the_data(splits):
    net = SpArchNet(8, (16,), 4, dropout=0.5)
    recalibrate(net, splits.train, samples=200, batch_size=200)
    norm = net.hidden[0].current.norm
    current = net.hidden[0].current.weights(splits.train.frames.float()).flatten(0, 1)
    torch.testing.assert_close(norm.running_mean, current.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.running_var, current.var(0), rtol=1e-3, atol=1e-4)
    assert norm.momentum == 0.05
    assert net.training
    assert norm.training


def test_recalibration_changes_only_statistics(splits):
    net = SpArchNet(8, (16,), 4, normalization="layernorm")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    recalibrate(net, splits.train)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_nothing_to_evaluate(splits):
    empty = FrameDataset(torch.zeros(0, 40, 8, dtype=torch.uint8), [], classes=splits.test.classes)
    with pytest.raises(ValueError, match="no samples"):
        evaluate(SpArchNet(8, (16,), 4), empty)
