"""The nodes of our graphs that NIRTorch has no modules for: with them what stands on it can run the files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..optional import require


class Integrator(nn.Module):
    """NIR's ``I``: its state grows by r dt times the input in each step.

    Examples:
        >>> Integrator(torch.tensor([10.0]), dt=0.1)(torch.ones(1, 1), None)
        (tensor([[1.]]), tensor([[1.]]))
    """

    gain: Tensor

    def __init__(self, r: Tensor, *, dt: float | None = None) -> None:
        super().__init__()
        self.register_buffer("gain", torch.ones_like(r) if dt is None else r * dt)

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the state, as output and as state."""
        after = self.gain * inputs if state is None else state + self.gain * inputs
        return after, after


class Scale(nn.Module):
    """NIR's ``Scale``: the input times a number for each neuron."""

    scale: Tensor

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the product."""
        return self.scale * inputs


class Affine(nn.Module):
    """NIR's ``Affine`` and ``Linear``; NIRTorch's own leaves the bias out."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the product, and the bias with it."""
        return nn.functional.linear(inputs, self.get_buffer("weight"), self._buffers["bias"])


class Threshold(nn.Module):
    """NIR's ``Threshold``: 1 where the input is above, 0 elsewhere."""

    threshold: Tensor

    def __init__(self, threshold: Tensor) -> None:
        super().__init__()
        self.register_buffer("threshold", threshold)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the spikes."""
        return (inputs > self.threshold).to(inputs.dtype)


class Delay(nn.Module):
    """NIR's ``Delay`` in whole steps, one for each channel.

    Examples:
        >>> delay, state = Delay(torch.tensor([0, 2])), None
        >>> for x in (1.0, 2.0, 3.0):
        ...     y, state = delay(torch.full((1, 2), x), state)
        >>> y
        tensor([[3., 1.]])
    """

    steps: Tensor

    def __init__(self, steps: Tensor) -> None:
        super().__init__()
        self.register_buffer("steps", steps)

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return what arrives, and what travels on, newest first, [longest + 1, B, N]."""
        longest = int(self.steps.max())
        past = inputs.new_zeros(longest, *inputs.shape) if state is None else state[:longest]
        state = torch.cat([inputs.unsqueeze(0), past])
        return state.gather(0, self.steps.expand(1, *inputs.shape))[0], state


def timestep_of(graph: Any) -> float | None:
    """Return the duration of a step that the integrators of a graph tell, r = 1 / dt; None if it has none.

    Examples:
        >>> from silif_plugins.exchange import Population, graph_of
        >>> from silif_plugins.neurons import SiLIF
        >>> timestep_of(graph_of(Population(SiLIF(3).state_space()), 0.004, {}))
        0.004
    """
    for node in graph.nodes.values():
        if hasattr(node, "nodes"):
            found = timestep_of(node)
        else:
            found = float(1 / node.r.flat[0]) if type(node).__name__ == "I" else None
        if found is not None:
            return found
    return None


def node_map(dt: float | None = None) -> dict[Any, Callable[[Any], nn.Module]]:
    """Return modules for ``nirtorch.nir_to_torch``: of the nodes of our graphs, in the data type that they hold.

    Args:
        dt: Duration of a step in seconds, as `timestep_of` finds it; without one it is 1 / r, and delays count steps.

    Raises:
        ImportError: If nir is not installed.

    Examples:
        >>> import nirtorch
        >>> from silif_plugins.exchange import Population, graph_of
        >>> from silif_plugins.neurons import SiLIF
        >>> neurons, current = SiLIF(3).double(), 20 * torch.rand(9, 2, 3).double()
        >>> graph = graph_of(Population(neurons.state_space()), 0.001, {})
        >>> net, state = nirtorch.nir_to_torch(graph, node_map(0.001), dtype=torch.float64), None
        >>> for now, expected in zip(current, neurons(current)[0]):
        ...     spikes, state = net(now, state)
        ...     assert torch.equal(spikes, expected)
    """
    nir = require("nir", extra="nir", purpose="The exchange of networks")

    def delay(node: Any) -> nn.Module:
        return Delay((torch.as_tensor(node.delay) / (dt or 1.0)).round().long())

    return {
        nir.I: lambda node: Integrator(torch.as_tensor(node.r), dt=dt),
        nir.Scale: lambda node: Scale(torch.as_tensor(node.scale)),
        nir.Threshold: lambda node: Threshold(torch.as_tensor(node.threshold)),
        nir.Linear: lambda node: Affine(torch.as_tensor(node.weight)),
        nir.Affine: lambda node: Affine(torch.as_tensor(node.weight), torch.as_tensor(node.bias)),
        nir.Delay: delay,
    }
