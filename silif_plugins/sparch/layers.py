"""The layers of SpArch's network, time first inside: [T, B, N]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..neurons import LI, CAdLIF, Neuron, SiLIF, State, neuron_class
from ..scan import scan
from ..surrogate import SpikeFunction, resolve

Normalization = Literal["batchnorm", "layernorm", "none"]
InitialState = Literal["zeros", "uniform"]

BATCH_NORM_MOMENTUM = 0.05
"""SpArch's. It makes running statistics slow: after a short training recalibrate them before evaluation."""

XAVIER_MODELS = (SiLIF, CAdLIF)
"""Models whose input weights the paper's code draws by Xavier's uniform rule; others have PyTorch's default."""


class WeightedInput(nn.Module):
    """Linear weights and normalisation: the input current of a population.

    The normalisation runs over time steps and samples alike, padded steps included, as in SpArch.

    Args:
        num_inputs: Number of input features.
        size: Number of neurons N.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        bias: Whether the weights have a bias.

    Raises:
        ValueError: If the normalisation is unknown.

    Example:
        >>> WeightedInput(140, 128)(torch.rand(100, 8, 140)).shape
        torch.Size([100, 8, 128])
    """

    def __init__(
        self, num_inputs: int, size: int, *, normalization: Normalization = "batchnorm", bias: bool = False
    ) -> None:
        super().__init__()
        self.weights = nn.Linear(num_inputs, size, bias=bias)
        self.norm: nn.Module
        if normalization == "batchnorm":
            self.norm = nn.BatchNorm1d(size, momentum=BATCH_NORM_MOMENTUM)
        elif normalization == "layernorm":
            self.norm = nn.LayerNorm(size)
        elif normalization == "none":
            self.norm = nn.Identity()
        else:
            raise ValueError(
                f"normalization: got {normalization!r}; it must be one of {', '.join(get_args(Normalization))}"
            )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return currents [T, B, N] from inputs [T, B, num_inputs]."""
        current: Tensor = self.weights(inputs)
        normalized: Tensor = self.norm(current.flatten(0, 1))
        return normalized.view_as(current)


class SpikingLayer(nn.Module):
    """A hidden layer: weights, normalisation, spiking neurons, dropout on the spikes.

    Args:
        num_inputs: Number of input features.
        size: Number of neurons N.
        neuron: Neuron model, by name or class.
        neuron_options: Arguments of the model's constructor.
        recurrent: Whether spikes return through weights V within the layer (RLIF, RadLIF); V's diagonal is 0.
        bidirectional: Whether the same weights and neurons also read the sequence backwards; doubles the output.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        dropout: Probability that a spike is dropped in training.
        bias: Whether the weights have a bias.
        initial_state: ``"zeros"``, or ``"uniform"``: random as in the published code, in evaluation too.
        surrogate: Spike function of mem - threshold.

    Raises:
        ValueError: If an argument is not one of those listed.

    Example:
        >>> layer = SpikingLayer(140, 128, neuron="C-SiLIF", bidirectional=True)
        >>> layer(torch.rand(100, 8, 140)).shape
        torch.Size([100, 8, 256])
    """

    recurrent: nn.Parameter | None

    def __init__(
        self,
        num_inputs: int,
        size: int,
        *,
        neuron: str | type[Neuron] = "SiLIF",
        neuron_options: Mapping[str, Any] | None = None,
        recurrent: bool = False,
        bidirectional: bool = False,
        normalization: Normalization = "batchnorm",
        dropout: float = 0.0,
        bias: bool = False,
        initial_state: InitialState = "zeros",
        surrogate: str | SpikeFunction | None = None,
    ) -> None:
        super().__init__()
        check_initial_state(initial_state)
        model = neuron_class(neuron)
        self.current = WeightedInput(num_inputs, size, normalization=normalization, bias=bias)
        if issubclass(model, XAVIER_MODELS):
            nn.init.xavier_uniform_(self.current.weights.weight)
        self.neuron = model(size, **(neuron_options or {}))
        self.register_parameter(
            "recurrent", nn.Parameter(nn.init.orthogonal_(torch.empty(size, size))) if recurrent else None
        )
        self.dropout = nn.Dropout(dropout)
        self.bidirectional = bidirectional
        self.initial_state = initial_state
        self.surrogate = resolve(surrogate)

    @property
    def num_outputs(self) -> int:
        """Features of the output: N, or 2N for a bidirectional layer."""
        return self.neuron.size[0] * (1 + self.bidirectional)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return spikes [T, B, num_outputs] from inputs [T, B, num_inputs]."""
        spikes = self.spikes(inputs)
        dropped: Tensor = self.dropout(spikes)
        return dropped

    def spikes(self, inputs: Tensor) -> Tensor:
        """Return the spikes before dropout."""
        if self.bidirectional:
            inputs = torch.cat([inputs, inputs.flip(0)], dim=1)
        current = self.current(inputs)
        spikes, _ = scan(
            self.neuron.state_space(),
            current,
            first_state(self.neuron, self.initial_state, current),
            surrogate=self.surrogate,
            recurrent=self.recurrent_weights(),
        )
        if self.bidirectional:
            forwards, backwards = spikes.chunk(2, dim=1)
            spikes = torch.cat([forwards, backwards.flip(0)], dim=2)
        return spikes

    def recurrent_weights(self) -> Tensor | None:
        """Return V with its diagonal masked: no neuron feeds itself."""
        if self.recurrent is None:
            return None
        return self.recurrent - torch.diag(self.recurrent.diagonal())


class Readout(nn.Module):
    """The output layer: weights, normalisation, leaky integrators, and the sum over time of their softmax.

    Args:
        num_inputs: Number of input features.
        num_classes: Number of classes C.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        bias: Whether the weights have a bias.
        initial_state: ``"zeros"``, or ``"uniform"``: random as in the published code, in evaluation too.

    Raises:
        ValueError: If an argument is not one of those listed.

    Example:
        >>> scores = Readout(128, 20)(torch.rand(100, 8, 128))
        >>> scores.shape, scores.sum(dim=1).round().unique()
        (torch.Size([8, 20]), tensor([100.], grad_fn=...))
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        *,
        normalization: Normalization = "batchnorm",
        bias: bool = False,
        initial_state: InitialState = "zeros",
    ) -> None:
        super().__init__()
        check_initial_state(initial_state)
        self.current = WeightedInput(num_inputs, num_classes, normalization=normalization, bias=bias)
        self.neuron = LI(num_classes)
        self.initial_state = initial_state

    def forward(self, inputs: Tensor) -> Tensor:
        """Return scores [B, C] from spikes [T, B, num_inputs]; a sample's scores sum to T."""
        current = self.current(inputs)
        state = first_state(self.neuron, self.initial_state, current)
        _, _, states = scan(self.neuron.state_space(), current, state, return_states=True)
        return states.mem.softmax(dim=-1).sum(dim=0)


def first_state(neuron: Neuron, kind: InitialState, current: Tensor) -> State | None:
    """Return the state before the first step, None for rest."""
    return neuron.uniform_state(tuple(current.shape[1:-1])) if kind == "uniform" else None


def check_initial_state(kind: str) -> None:
    """Raise if the kind of initial state is unknown."""
    if kind not in get_args(InitialState):
        raise ValueError(f"initial_state: got {kind!r}; it must be one of {', '.join(get_args(InitialState))}")
