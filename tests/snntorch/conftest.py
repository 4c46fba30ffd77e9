"""The neurons that the tests of this folder run over."""

import warnings

import pytest
import torch

snn = pytest.importorskip("snntorch")

from silif_plugins.neurons import LIF  # noqa: E402
from silif_plugins.snntorch import RF, Spiking  # noqa: E402
from silif_plugins.snntorch.named import NAMED  # noqa: E402

OURS = {
    **{cls.__name__: cls for cls in NAMED.values()},
    "RF": lambda size, **options: RF(size, dt=0.05, **options),
    "hosted LIF": lambda size, **options: Spiking(LIF(size), **options),
}
"""Constructors by name, each called with a size and the options that all neurons share."""

HOSTS = {
    "Leaky": lambda size, **options: snn.Leaky(beta=0.9, **options),
    "Synaptic": lambda size, **options: snn.Synaptic(alpha=0.8, beta=0.9, **options),
}


@pytest.fixture(params=OURS)
def ours(request):
    """One of our neurons: a function of size and options."""
    return OURS[request.param]


@pytest.fixture
def double():
    """Run in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(autouse=True)
def own_instances():
    """Give every test a list of neurons of its own: snnTorch's functions walk all that were ever made."""
    before = snn.SpikingNeuron.instances
    snn.SpikingNeuron.instances = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Inhibition is an unstable feature")
        yield
    snn.SpikingNeuron.instances = before
