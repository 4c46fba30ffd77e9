import pytest
import torch
from torch import nn

from silif_plugins.sparch import SpArchNet


def network(**options):
    """A small network that fires, as after training."""
    torch.manual_seed(0)
    net = SpArchNet(12, (16, 16), 3, **options).eval()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm1d):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.005, 0.02)
    return net.requires_grad_(False)


def frames(batch=3, steps=20, channels=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, steps, channels, generator=generator) < 0.3).float()


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run of one epoch on a few utterances."""
    from silif_plugins.training import TrainConfig, train

    folder = tmp_path_factory.mktemp("run")
    train(TrainConfig(hidden_sizes=(8,), epochs=1, recalibrate=64), folder, on_epoch=lambda _: None)
    return folder
