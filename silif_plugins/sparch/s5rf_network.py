"""The network of S5-RF: complex weights between resonators without a reset, and skips over the inner layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..dynamics import StateSpace
from ..metrics import firing_rates, synaptic_operations
from ..neurons import S5RF
from ..scan import Backend, scan
from ..surrogate import MultiGaussian
from ..synapses import Events, SpikeLinear
from .network import SpArchNet, SpArchOutput, valid_steps

READOUT_DECAY = 0.8


class ComplexResonators(nn.Module):
    """A layer of S5-RF: complex weights, dropout on the currents, and resonators that fire by their real part.

        x[t] = exp(Δ λ) x[t-1] + b W s_in[t],   s[t] = H(Re x[t] - 1)

    Source: Huber et al. (2025), arXiv 2504.00719. The neurons are not reset, so they are linear: real and imaginary
    currents pass the same system apart, and what they bring to the membrane adds up.

    Args:
        num_inputs: Number of input features.
        size: Number of neurons N.
        zoh: Whether a current is held over the step, as in the first layer, or comes as an impulse.
        block: Neurons that share the frequencies of one HiPPO matrix at the start.
        dropout: Probability that a current is dropped in training.
        events: Whether the weights visit only the inputs that are not zero.
        backend: Which implementation runs the neurons.

    Examples:
        >>> ComplexResonators(140, 64)(torch.rand(50, 2, 140).round()).shape
        torch.Size([50, 2, 64])
    """

    def __init__(
        self,
        num_inputs: int,
        size: int,
        *,
        zoh: bool = False,
        block: int = 32,
        dropout: float = 0.0,
        events: Events = "auto",
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        self.weights = SpikeLinear(num_inputs, 2 * size, bias=False, events=events)
        nn.init.normal_(self.weights.weight, std=1 / math.sqrt(num_inputs))
        self.neuron = S5RF(size, zoh=zoh, block=block)
        self.dropout = nn.Dropout(dropout)
        self.surrogate = MultiGaussian()
        self.backend: Backend = backend

    def forward(self, inputs: Tensor) -> Tensor:
        """Return spikes [T, B, N] from inputs [T, B, num_inputs]."""
        space = self.neuron.state_space()._replace(threshold=torch.full_like(self.neuron.threshold, math.inf))
        turned = space._replace(b1=-space.b2, b2=space.b1)  # i times the input
        parts = zip((space, turned), self.dropout(self.weights(inputs)).chunk(2, dim=-1), strict=True)
        real, imaginary = (scan(each, part, return_states=True, backend=self.backend)[2].mem for each, part in parts)
        spikes: Tensor = self.surrogate(real + imaginary - self.neuron.threshold)
        return spikes


class S5RFNet(nn.Module):
    """Layers of complex resonators with skips, for classifying sequences.

    The spikes of an inner layer are added to what entered it, so that the next layer gets numbers above 1. The readout
    is linear; leaky integrators x[t] = d x[t-1] + input with trained decays, and the mean of them over time are the
    scores.

    Source: Huber et al. (2025), arXiv 2504.00719, and its code; its readout's weights have an imaginary part that
    nothing reads, which is left out. Operations count a complex weight as two.

    Args:
        num_inputs: Number of input channels.
        hidden_sizes: Neurons of each hidden layer; those after the first one are of one size.
        num_classes: Number of classes.
        block: Neurons that share the frequencies of one HiPPO matrix at the start.
        dropout: Probability that a current of an inner layer is dropped in training.
        events: Whether weights visit only what is not zero: ``"auto"``, ``"always"`` or ``"never"``.
        backend: Which implementation runs the neurons, as in `silif_plugins.scan.scan`.

    Raises:
        ValueError: If an argument is not one of those listed or allowed, or the sizes differ where a skip adds them.

    Examples:
        >>> net = S5RFNet(140, (64, 64, 64), 20)
        >>> net(torch.rand(2, 50, 140).round()).scores.shape
        torch.Size([2, 20])
    """

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        num_classes: int,
        *,
        block: int = 32,
        dropout: float = 0.0,
        events: Events = "auto",
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        self.check(hidden_sizes, dropout, block)
        self.num_inputs, last = num_inputs, len(hidden_sizes) - 1
        self.hidden = nn.ModuleList()
        for index, size in enumerate(hidden_sizes):
            self.hidden.append(
                ComplexResonators(
                    num_inputs,
                    size,
                    zoh=index == 0,
                    block=block,
                    dropout=dropout if 0 < index < last else 0.0,
                    events=events,
                    backend=backend,
                )
            )
            num_inputs = size
        self.readout = SpikeLinear(num_inputs, num_classes, bias=False, events=events)
        nn.init.normal_(self.readout.weight, std=1 / math.sqrt(num_inputs))
        self.log_decay = nn.Parameter(torch.full((num_classes,), math.log(READOUT_DECAY)))
        self.backend: Backend = backend

    @staticmethod
    def check(hidden_sizes: Sequence[int], dropout: float = 0.0, block: int = 32, **others: object) -> None:
        """Raise ValueError for options of which no network can be made; the message names one."""
        SpArchNet.check(hidden_sizes, dropout)
        if len(set(hidden_sizes[:-1])) > 1:
            raise ValueError(f"hidden_sizes: got {tuple(hidden_sizes)}; all but the last must be equal, for the skips")
        if block < 1:
            raise ValueError(f"block: got {block}; it must be positive")

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> SpArchOutput:
        """Classify sequences.

        Args:
            inputs: [B, T, num_inputs] of any real data type.
            lengths: Steps of each sequence, integers [B]; what follows is padding and takes no part in anything.

        Raises:
            ValueError: If the inputs do not have ``num_inputs`` channels, or ``lengths`` does not fit them.
        """
        if inputs.dim() < 3 or inputs.shape[2:].numel() != self.num_inputs:
            raise ValueError(f"inputs: got shape {tuple(inputs.shape)}; it must be [B, T, {self.num_inputs}]")
        activity = inputs.to(self.log_decay.dtype).flatten(2).transpose(0, 1)
        valid = valid_steps(
            torch.full((len(inputs),), inputs.shape[1], device=inputs.device) if lengths is None else lengths, inputs
        ).unsqueeze(-1)
        activity = activity.masked_fill(~valid, 0)
        rates, operations = [], torch.zeros((), dtype=torch.float64, device=inputs.device)
        steps = valid.sum()
        for index, layer in enumerate(self.hidden):
            assert isinstance(layer, ComplexResonators)
            operations = operations + synaptic_operations(activity, layer.weights.weight.shape[0])
            spikes = layer(activity) * valid
            rates.append(firing_rates(spikes) * spikes.shape[0] * spikes.shape[1] / steps)
            activity = spikes + activity if 0 < index < len(self.hidden) - 1 else spikes
        operations = operations + synaptic_operations(activity, self.readout.weight.shape[0])
        decay = self.log_decay.clamp(max=0).exp()
        integrators = StateSpace.of(a11=decay, b1=1.0, threshold=math.inf)
        traces = scan(integrators, self.readout(activity), return_states=True, backend=self.backend)[2].mem
        scores = (traces * valid).sum(dim=0) / valid.sum(dim=0)
        return SpArchOutput(scores, torch.cat(rates), operations)
