"""A neuron with what layers add to it: other units of current and spike, and a threshold of the layer's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..dynamics import State, StateSpace
from ..neurons import Neuron


class LayerNeuron(Neuron):
    """A neuron as it is in a layer that scales its current and its reset, for hosts whose layers do not.

    Its reset follows the threshold: it is the neuron's own, times ``reset_scale * threshold / neuron.threshold``.

    Args:
        neuron: The neuron, whose parameters train. Its own threshold is what its reset was made for; where that is 0 or
            infinite, the reset is not measured in it.
        threshold: The layer's threshold, which broadcasts to the population.
        learn_threshold: Whether that trains.
        input_scale: Factor of the current, fixed.
        reset_scale: Factor of the reset, fixed.
        resets: Whether spikes reset at all.

    Examples:
        >>> from silif_plugins.neurons import LIF
        >>> half = LayerNeuron(LIF(3, decay_u=0.9), threshold=torch.tensor(0.5), input_scale=torch.tensor(10.0))
        >>> half.state_space().b1, half.state_space().r1[0] / LIF(3, decay_u=0.9).state_space().r1[0]
        (tensor([1.0000, 1.0000, 1.0000], grad_fn=<MulBackward0>), tensor(0.5000, grad_fn=<DivBackward0>))
    """

    neuron: Neuron
    input_scale: Tensor
    reset_scale: Tensor

    def __init__(
        self,
        neuron: Neuron,
        *,
        threshold: Tensor,
        learn_threshold: bool = False,
        input_scale: Tensor | float = 1.0,
        reset_scale: Tensor | float = 1.0,
        resets: bool = True,
    ) -> None:
        super().__init__(neuron.size)
        self.neuron = neuron
        self.resets = resets
        own = neuron.threshold
        value = threshold.detach().clone().to(own)
        if learn_threshold:
            del self.threshold
            self.register_parameter("threshold", nn.Parameter(value))
        else:
            self.threshold = value
        for name, scale in (("input_scale", input_scale), ("reset_scale", reset_scale)):
            self.register_buffer(name, torch.as_tensor(scale).detach().clone().to(own))

    def state_space(self) -> StateSpace:
        """Return the neuron's coefficients in the layer's units."""
        space = self.neuron.state_space()
        reset = reset_ratio(self.threshold, self.neuron.threshold) * self.reset_scale
        reset = reset if self.resets else torch.zeros_like(reset)
        return space._replace(
            b1=space.b1 * self.input_scale,
            b2=space.b2 * self.input_scale,
            r1=space.r1 * reset,
            r2=space.r2 * reset,
            threshold=self.threshold,
        )

    @property
    def timestep(self) -> Tensor | None:
        """That of the neuron."""
        return self.neuron.timestep

    def uniform_state(self, batch: Sequence[int], *, generator: torch.Generator | None = None) -> State:
        """Draw that of the neuron."""
        return self.neuron.uniform_state(batch, generator=generator)


def reset_ratio(threshold: Tensor, own: Tensor) -> Tensor:
    """Return what the reset of a neuron is multiplied by in a layer of another threshold than the neuron's own.

    A neuron that never fires, or fires above 0, has no threshold to measure its reset in: it keeps its own.

    Examples:
        >>> reset_ratio(torch.tensor([2.0, 2.0]), torch.tensor([0.5, torch.inf]))
        tensor([4., 1.])
    """
    measured = own.isfinite() & (own != 0)
    return torch.where(measured, threshold / torch.where(measured, own, 1.0), 1.0)
