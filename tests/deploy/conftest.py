"""A small network that has seen data, of any neuron and connection."""

import pytest
import torch

from silif_plugins.sparch import SpArchNet


def counts(samples=4, steps=60, inputs=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(samples, steps, inputs, generator=generator)
    return (drawn < 0.25).float() + (drawn < 0.05)


@pytest.fixture
def frames():
    return counts()


@pytest.fixture(scope="session")
def made():
    def make(neuron="SiLIF", connection="linear", sizes=(24, 13), **options):
        torch.manual_seed(1)
        kind = {} if connection in ("linear", "quantised") else {"connection_options": {"max_delay": 5}}
        net = SpArchNet(20, sizes, 5, neuron=neuron, connection=connection, **{**kind, **options})
        net.train()
        for seed in range(5):
            net(4 * counts(4, 30, seed=seed))  # batch norm sees something
        for norm in (module for module in net.modules() if isinstance(module, torch.nn.BatchNorm1d)):
            torch.nn.init.uniform_(norm.weight, 2, 8)
            norm.weight.data[::3] *= -1
            torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
        return net.eval()

    return make
