"""`SpArchNet` for NeuroBench's harness: the same network, one step at a time, with neurons of the snnTorch plugin."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from ..neurons import LI
from ..optional import require
from ..scan import step
from ..sparch import SpArchNet, SpikingLayer
from ..synapses import SpikeLinear


def neurobench_model(net: SpArchNet) -> Any:
    """Return a network as a model of NeuroBench, which its ``Benchmark`` takes, with all of its metrics.

    What it gives is the softmax of the readout at each step, [B, T, C]; the sum over time, whose largest is the
    decision, is a postprocessor: ``[lambda shares: shares.sum(1).argmax(1)]``. Networks of the snnTorch plugin need no
    such thing: ``neurobench.models.SNNTorchModel(net)`` takes them as they are.

    Args:
        net: The network; it is copied, and evaluated.

    Raises:
        ValueError: If a layer cannot be run by snnTorch; the message names it.
        ImportError: If neurobench or snntorch is not installed.
    """
    require("neurobench.metrics.workload", extra="tools", purpose="The harness")
    models = require("neurobench.models", extra="tools", purpose="The harness")
    return models.SNNTorchModel(Stepped(net))


class Stepped(nn.Module):
    """A `SpArchNet` that takes one step [B, N], returns the softmax of its readout, and keeps its state itself.

    Args:
        net: The network.

    Raises:
        ValueError: If a layer cannot be run by snnTorch; the message names it.

    Examples:
        >>> import torch
        >>> net = SpArchNet(4, (8,), 3).eval()
        >>> stepped, inputs = Stepped(net), torch.rand(2, 5, 4)
        >>> shares = [stepped(now)[0] for now in inputs.unbind(1)]
        >>> torch.allclose(sum(shares), net(inputs).scores, atol=1e-5)
        True
    """

    def __init__(self, net: SpArchNet) -> None:
        super().__init__()
        plugin = require("silif_plugins.snntorch", extra="snntorch", purpose="The harness")
        net = copy.deepcopy(net).eval()
        self.layers = nn.ModuleList()
        for index, layer in enumerate(net.hidden):
            assert isinstance(layer, SpikingLayer)
            name = f"hidden.{index}"
            neuron, weights = layer.neuron, layer.current.weights
            for problem, there in {
                f"has {type(weights).__name__}": not isinstance(weights, SpikeLinear),
                "is bidirectional": layer.bidirectional,
                "is recurrent": layer.recurrent is not None,
                f"has {type(neuron).__name__} neurons, which have no state space": not neuron.has_state_space(),
            }.items():
                if there:
                    raise ValueError(f"{name}: {problem}; the harness runs linear layers that read forwards")
            neurons = plugin.Spiking(
                neuron,
                spike_grad=layer.surrogate,
                reset_mechanism=layer.reset_mechanism,
                init_hidden=True,
            )
            neurons.__class__ = type(type(neuron).__name__, (plugin.Spiking,), {})  # by which NeuroBench counts
            self.layers.append(nn.ModuleDict({"weights": weights, "norm": layer.current.norm, "neurons": neurons}))
        self.readout, self.norm = net.readout.current.weights, net.readout.current.norm
        self.integrators: LI = net.readout.neuron
        self.membrane: Any = None

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the softmax of the readout [B, C] and its membrane."""
        activity = inputs.to(self.integrators.threshold.dtype)
        for layer in self.layers:
            activity = layer["neurons"](layer["norm"](layer["weights"](activity)))  # type: ignore[index]
        _, self.membrane = step(self.integrators, self.norm(self.readout(activity)), self.membrane)
        return self.membrane.mem.softmax(dim=-1), self.membrane.mem

    def reset(self) -> None:
        """Bring all neurons to rest."""
        self.membrane = None
        for layer in self.layers:
            layer["neurons"].reset_mem()  # type: ignore[index]
