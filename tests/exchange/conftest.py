"""Neurons of the registry in both hosts, and files between them."""

import io

import pytest
import torch

pytest.importorskip("snntorch")
pytest.importorskip("norse")
nir = pytest.importorskip("nir")
pytest.importorskip("nirtorch")

import norse.torch as norse_host  # noqa: E402
from torch import nn  # noqa: E402

from silif_plugins import norse, snntorch  # noqa: E402
from silif_plugins.neurons import NEURONS  # noqa: E402

N = 5
START = {"RF": {"dt": 0.05}, "AdLIF": {"a": (0.0, 1.0)}}
"""Arguments with which neurons fire, and stay stable."""


@pytest.fixture(autouse=True)
def double():
    """Run in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(autouse=True)
def own_instances():
    """Give every test a list of snnTorch's neurons of its own."""
    host = pytest.importorskip("snntorch").SpikingNeuron
    before, host.instances = host.instances, []
    yield
    host.instances = before


class Hosts:
    """What the tests do with both hosts."""

    @staticmethod
    def core(name, **options):
        return NEURONS[name](N, **{**START.get(name, {}), **options})

    @classmethod
    def in_snntorch(cls, neuron, **options):
        """The neuron in the class of the plugin that is named like its own, or the one that hosts any."""
        named = getattr(snntorch, type(neuron).__name__, snntorch.Spiking)
        lif = named.__new__(named)
        snntorch.Spiking.__init__(lif, neuron, **{"init_hidden": True, "threshold": 1.0, **options})
        return lif

    @staticmethod
    def through_file(graph):
        file = io.BytesIO()
        nir.write(file, graph)
        return nir.read(file)

    @classmethod
    def to_norse(cls, net, x):
        return norse.from_nir(cls.through_file(snntorch.export_to_nir(net, x[0])))

    @classmethod
    def to_snntorch(cls, net, x=None):
        return snntorch.import_from_nir(cls.through_file(norse.to_nir(net, None if x is None else x[0])))

    @staticmethod
    def run_snntorch(net, x):
        snntorch.reset(net)
        outputs = [net(now) for now in x]
        return torch.stack([output[0] if isinstance(output, tuple) else output for output in outputs])

    @staticmethod
    def run_norse(net, x):
        return norse_host.Lift(net)(x)[0]

    @staticmethod
    def population_of(net):
        """The layer of neurons in a network."""
        return next(
            module
            for module in net.modules()
            if isinstance(module, snntorch.Spiking | norse.NeuronCell | norse.NeuronRecurrentCell)
            or hasattr(module, "parameters_type")
        )

    @staticmethod
    def network(population):
        net = nn.Sequential(nn.Linear(3, N), population, nn.Linear(N, N, bias=False))
        nn.init.uniform_(net[0].weight, 0, 20)
        return net


@pytest.fixture
def hosts():
    return Hosts
